"""Reading the times that records claim. A time without an offset is no instant, and is refused rather than guessed."""

import re
from datetime import UTC, datetime, timedelta

from domain.errors import InvalidInput

_INSTANT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[Tt ](?P<clock>\d\d:\d\d):(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?"
    r"(?P<offset>[Zz]|[+-]\d\d:?\d\d)?",
    re.ASCII,
)


def instant(value: object, field: str) -> datetime:
    """
    The instant that `value` names, in UTC (RFC 3339 §5.6; `+0000` and a comma before the fraction are understood too).

    Digits beyond microseconds are dropped; the leap second :60 is the first moment of the next minute.
    Raises InvalidInput, naming `field`, for a missing offset, a date that does not exist or a value of another type.
    """
    if value is None:
        raise InvalidInput(f"{field} is missing")
    if not isinstance(value, str):
        raise InvalidInput(f"{field} is not a string")
    found = _INSTANT.fullmatch(value.strip())
    if found is None:
        raise InvalidInput(f"{field} is not an RFC 3339 time")
    if found["offset"] is None:
        raise InvalidInput(f"{field} has no UTC offset")
    leap = found["second"] == "60"
    fraction = (found["fraction"] or "")[:6].ljust(6, "0")
    second = "59" if leap else found["second"]
    try:
        moment = datetime.fromisoformat(f"{found['day']}T{found['clock']}:{second}.{fraction}{found['offset'].upper()}")
        return (moment + timedelta(seconds=1) if leap else moment).astimezone(UTC)
    except ValueError:
        raise InvalidInput(f"{field} is no date and time that exists") from None
    except OverflowError:
        raise InvalidInput(f"{field} lies outside the years that can be kept") from None
