"""Time as a parameter, and the one spelling of an instant."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import orjson

Clock = Callable[[], datetime]
"""Returns the present moment as an aware datetime in UTC."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def system_clock() -> datetime:
    """The wall clock of this machine. Wired in `runtime/` only; everything else takes a `Clock`."""
    return datetime.now(UTC)  # noqa: TID251 - the one place


def rfc3339(moment: datetime) -> str:
    """The instant in UTC with six decimals and `Z`, so that text order is time order (RFC 3339 §5.1)."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    # orjson writes an instant in half the time of isoformat, and leaves microseconds out where they are nought.
    text = orjson.dumps(moment, option=orjson.OPT_UTC_Z)[1:-1].decode()
    return text if moment.microsecond else f"{text[:-1]}.000000Z"


def parse_rfc3339(text: str) -> datetime:
    """Read an RFC 3339 instant. Raises ValueError without an offset: a time without zone is no instant."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the time has no UTC offset")
    return moment.astimezone(UTC)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z, exact."""
    return (moment - _EPOCH) // _MICROSECOND
