"""What the fields of reference records may hold, and how each is brought to one spelling."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from domain.clock import rfc3339
from domain.json import Json


class Field(StrEnum):
    """What a field holds. Anything else in its place makes the record unusable; null and absent mean the same."""

    TEXT = "text"
    FLAG = "flag"
    DAY = "day"
    INSTANT = "instant"
    MOMENT = "moment"
    TEXTS = "texts"
    CONTACT = "contact"
    STAYS = "stays"
    POSTS = "posts"
    OPEN = "open"


def instant_of(value: Json, zone: ZoneInfo, *, end_of_day: bool = False) -> datetime | None:
    """A moment field as an instant in UTC: a plain date is its local midnight, or with `end_of_day` the midnight after it."""
    if not isinstance(value, str) or not value:
        return None
    if len(value) <= 10:
        day = date.fromisoformat(value) + timedelta(days=1 if end_of_day else 0)
        return datetime.combine(day, time(), zone).astimezone(UTC)
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _list(value: Json) -> Sequence[Json]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError
    return value


def _text(value: Json, _zone: ZoneInfo) -> Json:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError
    return str(value)


def _flag(value: Json, _zone: ZoneInfo) -> Json:
    if value not in (True, False):
        raise TypeError
    return bool(value)


def _day(value: Json, zone: ZoneInfo) -> Json:
    text = _string(value)
    if len(text) <= 10:
        return date.fromisoformat(text).isoformat()
    moment = datetime.fromisoformat(text)
    return (moment.astimezone(zone) if moment.tzinfo else moment).date().isoformat()


def _instant(value: Json, zone: ZoneInfo) -> Json:
    moment = instant_of(_string(value), zone)
    if moment is None:
        raise ValueError
    return rfc3339(moment)


def _moment(value: Json, zone: ZoneInfo) -> Json:
    return _day(value, zone) if len(_string(value)) <= 10 else _instant(value, zone)


def _texts(value: Json, zone: ZoneInfo) -> Json:
    """Ids; a member given as an object counts by its `staff_id`."""
    return [_text(entry.get("staff_id") if isinstance(entry, Mapping) else entry, zone) for entry in _list(value)]


def _contact(value: Json, _zone: ZoneInfo) -> Json:
    """A person to call: an object, or free text that holds a name, a telephone number or both."""
    if isinstance(value, Mapping):
        return {name: None if value.get(name) is None else str(value.get(name)) for name in ("name", "phone", "relationship")}
    text = _string(value)
    digits = text.find(next((sign for sign in text if sign in "+(0123456789"), "\0"))
    name, phone = (text, "") if digits < 0 else (text[:digits], text[digits:])
    return {"name": name.strip(" ,;:-") or None, "phone": phone.strip() or None, "relationship": None}


def _stays(value: Json, zone: ZoneInfo) -> Json:
    return [_period(entry, ("unit",), lambda moment: _instant(moment, zone)) for entry in _list(value)]


def _posts(value: Json, zone: ZoneInfo) -> Json:
    return [_period(entry, ("unit", "department", "role"), lambda moment: _moment(moment, zone)) for entry in _list(value)]


def _period(entry: Json, names: Sequence[str], when: Callable[[Json], Json]) -> Json:
    if not isinstance(entry, Mapping):
        raise TypeError
    texts: dict[str, Json] = {name: None if entry.get(name) is None else str(entry.get(name)) for name in names}
    return texts | {name: None if entry.get(name) is None else when(entry.get(name)) for name in ("from", "to")}


def _open(value: Json, _zone: ZoneInfo) -> Json:
    return value


def _string(value: Json) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


READ: Mapping[Field, Callable[[Json, ZoneInfo], Json]] = {
    Field.TEXT: _text,
    Field.FLAG: _flag,
    Field.DAY: _day,
    Field.INSTANT: _instant,
    Field.MOMENT: _moment,
    Field.TEXTS: _texts,
    Field.CONTACT: _contact,
    Field.STAYS: _stays,
    Field.POSTS: _posts,
    Field.OPEN: _open,
}
"""How a field is read on the clocks of a zone. Raises TypeError or ValueError for what it cannot hold."""

CALLED: Mapping[Field, str] = {
    Field.TEXT: "text",
    Field.FLAG: "true or false",
    Field.DAY: "date",
    Field.INSTANT: "time (RFC 3339)",
    Field.MOMENT: "date or time (RFC 3339)",
    Field.TEXTS: "list of ids",
    Field.CONTACT: "contact (name, phone)",
    Field.STAYS: "list of stays (unit, from, to)",
    Field.POSTS: "list of positions (unit, department, role, from, to)",
    Field.OPEN: "value",
}
"""What a field is called in a message about it."""
