"""Times that are no RFC 3339: epoch numbers, wall clocks in a zone, and the date patterns of log formats.

A wall clock without a zone is no instant. It is read in the zone that is configured for its source, and refused where there is
none. Of the hour that comes twice when clocks are set back, the first is taken.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.errors import InvalidInput
from ingest.parsers.instants import instant

ISO = "iso"
EPOCH = "epoch"
"""Names that stand beside patterns in a list of formats: ISO 8601, and seconds, milli-, micro- or nanoseconds since 1970."""

_DIGITS = re.compile(r"-?\d{1,20}(?:\.\d{1,9})?", re.ASCII)
_LOCAL_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)", re.ASCII)
_OFFSET = re.compile(r"(?:GMT|UTC)?(?P<sign>[+-])(?P<hours>\d{1,2}):?(?P<minutes>\d\d)?", re.ASCII | re.IGNORECASE)
_IANA = re.compile(r"[A-Za-z_]{2,40}(?:/[A-Za-z0-9_+-]{1,40}){0,2}", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# RFC 5322 §4.3: the zone names that have one meaning.
_AMERICAN = {"edt": -4, "est": -5, "cdt": -5, "cst": -6, "mdt": -6, "mst": -7, "pdt": -7, "pst": -8}
_NAMED = {"z": 0, "ut": 0, "utc": 0, "gmt": 0, **_AMERICAN}
_A_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_epoch(value: str | float, field: str) -> datetime:
    """
    The instant that a number since 1970 names; its size says in which unit (1990 in milliseconds is after 5000 in seconds).

    Raises InvalidInput, naming `field`, for what is no number and for 0, which senders write where they know no time.
    """
    text = str(value).strip()
    if isinstance(value, bool) or not _DIGITS.fullmatch(text):
        raise InvalidInput(f"{field} is no number since 1970")
    whole, _, fraction = text.partition(".")
    number = int(whole)
    if number == 0:
        raise InvalidInput(f"{field} is 0, which is no time")
    size = abs(number)
    power = 0 if size < 10**11 else 3 if size < 10**14 else 6 if size < 10**17 else 9
    micros = number * 10 ** (6 - power) if power <= 6 else number // 1000
    if power == 0 and fraction:
        micros += int(fraction[:6].ljust(6, "0")) * (-1 if number < 0 else 1)
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        raise InvalidInput(f"{field} lies outside the years that can be kept") from None


def zone_of(name: str) -> tzinfo | None:
    """The zone of an offset (`-05:00`, `GMT+1`), a name of RFC 5322 §4.3 or an IANA name; None where it is none of them."""
    text = name.strip()
    return _zone(text) if len(text) <= 64 else None


@lru_cache(maxsize=256)
def _zone(text: str) -> tzinfo | None:
    if (hours := _NAMED.get(text.lower())) is not None:
        return UTC if hours == 0 else timezone(timedelta(hours=hours))
    if found := _OFFSET.fullmatch(text):
        amount = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
        if amount >= _A_DAY:
            return None
        return timezone(amount if found["sign"] == "+" else -amount)
    if not _IANA.fullmatch(text):
        return None
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        return None


def moment_of(text: str, field: str, *, zone: tzinfo | None, formats: Sequence[str] = ()) -> datetime:
    """
    The instant of a text in one of `formats` (`iso`, `epoch` or a strptime pattern); without any, ISO or epoch as it looks.

    Raises InvalidInput, naming `field`, where no format fits, and where the text has no offset and `zone` is None.
    """
    if not formats:
        formats = (EPOCH,) if _DIGITS.fullmatch(text.strip()) else (ISO,)
    for pattern in formats:
        if pattern == EPOCH:
            if _DIGITS.fullmatch(text.strip()):
                return from_epoch(text, field)
        elif pattern == ISO:
            if found := _LOCAL_ISO.fullmatch(text.strip()):
                return _in_zone(_iso_clock(found, field), zone, field)
            try:
                return instant(text, field)
            except InvalidInput:
                if len(formats) == 1:
                    raise
        elif (clock := _parsed(text, pattern)) is not None:
            return _in_zone(clock, zone, field)
    raise InvalidInput(f"{field} is in none of the formats given for it")


def _iso_clock(found: re.Match[str], field: str) -> datetime:
    clock = found[2] if found[2].count(":") == 2 else f"{found[2]}:00"
    return instant(f"{found[1]}T{clock}Z", field).replace(tzinfo=None)


def _parsed(text: str, pattern: str) -> datetime | None:
    try:
        return datetime.strptime(text.strip(), pattern)  # noqa: DTZ007 - the zone is put in by the caller, who knows it
    except ValueError:
        return None


def _in_zone(clock: datetime, zone: tzinfo | None, field: str) -> datetime:
    if clock.tzinfo is None and zone is None:
        raise InvalidInput(f"{field} has no UTC offset, and no time zone is given for this source")
    try:
        return (clock if clock.tzinfo else clock.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{field} lies outside the years that can be kept") from None


# --- The patterns of Java's SimpleDateFormat, which CEF and LEEF describe their times with --------------------------------

_RUNS = re.compile(r"'(?:[^']|'')*'|([A-Za-z])\1*|[^A-Za-z']+")
_LETTERS = {
    "d": r"(?P<day>\d{1,2})",
    "H": r"(?P<hour>\d{1,2})",
    "k": r"(?P<hour>\d{1,2})",
    "h": r"(?P<half>\d{1,2})",
    "K": r"(?P<half>\d{1,2})",
    "m": r"(?P<minute>\d{1,2})",
    "s": r"(?P<second>\d{1,2})",
    "S": r"(?P<fraction>\d{1,9})",
    "a": r"(?P<mark>[AaPp][Mm])",
    "E": r"[A-Za-z]{2,9}\.?",
    "z": r"(?P<zone>[A-Za-z0-9_/:+-]{1,40})",
    "Z": r"(?P<zone>[A-Za-z0-9_/:+-]{1,40})",
    "X": r"(?P<zone>[A-Za-z0-9_/:+-]{1,40})",
}


@lru_cache(maxsize=64)
def java_pattern(pattern: str, field: str) -> re.Pattern[str]:
    """A SimpleDateFormat pattern as an expression for `pattern_moment`. Raises InvalidInput for letters that are not read here."""
    if len(pattern) > 64:
        raise InvalidInput(f"{field} is no date pattern that is read here")
    parts: list[str] = []
    at = 0
    for run in _RUNS.finditer(pattern):
        text = run[0]
        if run.start() != at:
            break
        at = run.end()
        if text.startswith("'"):
            parts.append(re.escape(text[1:-1].replace("''", "'") or "'"))
        elif run[1] is None:
            parts += [r"\s+" if piece.isspace() else re.escape(piece) for piece in re.findall(r"\s+|\S+", text)]
        elif run[1] in "yu":
            parts.append(r"(?P<year>\d{4}|\d{2})")
        elif run[1] in "ML":
            parts.append(r"(?P<name>[A-Za-z]{3,9})\.?" if len(text) > 2 else r"(?P<month>\d{1,2})")
        elif (known := _LETTERS.get(run[1])) is not None:
            parts.append(known)
        else:
            at = -1
            break
    if at != len(pattern):
        raise InvalidInput(f"{field} is no date pattern that is read here")
    try:
        return re.compile("".join(parts), re.ASCII)
    except re.error:  # a part of the time named twice
        raise InvalidInput(f"{field} is no date pattern that is read here") from None


def pattern_moment(text: str, pattern: re.Pattern[str], field: str, *, zone: tzinfo | None, received: datetime) -> datetime:
    """
    The instant of a text by a pattern with the groups of `java_pattern`.

    A zone in the text wins over `zone`. Without a year it is the latest that is not more than one day after `received`
    (as RFC 3164 time stamps are read). Raises InvalidInput, naming `field`, never the text.
    """
    found = pattern.fullmatch(text.strip())
    if found is None:
        raise InvalidInput(f"{field} does not have the form it should")
    parts = found.groupdict()
    if parts.get("zone"):
        zone = zone_of(parts["zone"])
        if zone is None:
            raise InvalidInput(f"{field} has a time zone that is not known")
    years = (_year(parts["year"]),) if parts.get("year") else _years_before(received, zone)
    for year in years:
        try:
            clock = datetime(year, _month(parts), int(parts.get("day") or 1), _hour(parts), *_rest(parts))  # noqa: DTZ001
        except ValueError:
            continue
        moment = _in_zone(clock, zone, field)
        if parts.get("year") or moment <= received + _A_DAY:
            return moment
    raise InvalidInput(f"{field} is no date and time that exists")


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else 2000 + int(text)


def _years_before(received: datetime, zone: tzinfo | None) -> Sequence[int]:
    latest = received.astimezone(zone or UTC).year + 1
    return range(latest, latest - 10, -1)  # ten, for 29 February around 2100


def _month(parts: dict[str, str | None]) -> int:
    name = (parts.get("name") or "").lower()[:3]
    if name:
        return _MONTHS.index(name) + 1
    return int(parts.get("month") or 1)


def _hour(parts: dict[str, str | None]) -> int:
    if (half := parts.get("half")) is None:
        hour = int(parts.get("hour") or 0)
        return 0 if hour == 24 else hour  # `k` counts from 1 to 24
    if not 0 <= int(half) <= 12:
        raise ValueError(half)
    return int(half) % 12 + (12 if (parts.get("mark") or "").lower() == "pm" else 0)


def _rest(parts: dict[str, str | None]) -> tuple[int, int, int]:
    return int(parts.get("minute") or 0), int(parts.get("second") or 0), int((parts.get("fraction") or "")[:6].ljust(6, "0"))
