"""How long a message had been on the way, as sending systems say it."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from domain.json import Json

_QUEUED = ("queued_at", "accepted_at", "submitted_at", "enqueued_at", "first_attempt_at")
_SPENT = ("delay", "queue_time")
_DECIMAL = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
_CLOCK = re.compile(r"(?:(?P<days>\d{1,3})\+)?(?P<hours>\d\d):(?P<minutes>\d\d):(?P<seconds>\d\d)")
_UNITS = re.compile(
    r"(?:(?P<weeks>\d{1,3})w)?(?:(?P<days>\d{1,3})d)?(?:(?P<hours>\d{1,3})h)?(?:(?P<minutes>\d{1,3})m)?(?:(?P<seconds>\d{1,9}(?:\.\d+)?)s)?"
)
_LONGEST = timedelta(days=30)


def seconds_on_the_way(details: Mapping[str, Json], at: datetime, first: datetime | None) -> int:
    """Whole seconds from queueing to `at`; -1 where nobody says. `first` is when the message was first reported, if earlier."""
    spans = [at - queued for name in _QUEUED if (queued := _moment(details.get(name))) is not None]
    spans += [spent for name in _SPENT if (spent := _span(details.get(name))) is not None]
    if first is not None and first < at:
        spans.append(at - first)
    known = [span for span in spans if timedelta(0) <= span <= _LONGEST]
    return int(max(known).total_seconds()) if known else -1


def _moment(value: Json) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _span(value: Json) -> timedelta | None:
    """Postfix: `3.2` or 3; sendmail: `1+02:03:04`; Exim: `1d2h3m4s` or `0.5s`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return timedelta(seconds=value) if 0 <= value < 10**9 else None
    if not isinstance(value, str) or not value:
        return None
    if _DECIMAL.fullmatch(value):
        return timedelta(seconds=float(value))
    found = _CLOCK.fullmatch(value) or _UNITS.fullmatch(value)
    return timedelta(**{unit: float(number) for unit, number in found.groupdict().items() if number}) if found else None
