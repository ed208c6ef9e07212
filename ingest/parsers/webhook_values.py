"""The values in webhooks of mail providers: words, times, addresses, headers and replies, in whichever shape they come."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime

import orjson

from domain.errors import InvalidInput
from domain.event import EARLIEST, LATEST, Geo
from domain.json import Json
from ingest.parsers.addresses import mailbox_address, mailbox_addresses
from ingest.parsers.wall_times import moment_of

_PLAIN = re.compile(r"[^\s<>,;:\"()\[\]@]++@[^\s<>,;:\"()\[\]@]++")
_REPLY = re.compile(r"\s*(?:smtp;\s*)?(?P<code>[245]\d\d)(?:[ -]+#?(?P<dsn>[245]\.\d{1,3}\.\d{1,3}))?(?![\d.])", re.IGNORECASE)
_REPLY_INSIDE = re.compile(r"(?<![\d.])(?P<code>[245]\d\d)[ -]+#?(?P<dsn>[245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD = re.compile(r"[^a-z0-9]+")
_LONGEST_WORD = 1_000
"""Characters that are read of what should be a word."""


# --- Words -----------------------------------------------------------------------------------------------------------------


def snake(word: str) -> str:
    """A name of a provider in lower case with underscores: `DeliveryDelay`, `soft bounce`, `email.sent`."""
    return _NO_WORD.sub("_", _HUMP.sub("_", word[:_LONGEST_WORD]).lower()).strip("_")


def word_of(value: object) -> str | None:
    """A provider's name for an event, None where the value is none."""
    return value.strip() if isinstance(value, str) and snake(value) else None


def text(value: object) -> str | None:
    """The value as text without blanks around it, None where there is none; a number is its digits."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return repr(value)


def flag(value: object) -> bool | None:
    """A yes or no however it is spelled; None for anything else."""
    if isinstance(value, bool):
        return value
    word = (text(value) or "").lower()
    return True if word in ("1", "true", "yes") else False if word in ("0", "false", "no") else None


def words(value: object) -> list[str]:
    """Tags: a list, a list written as JSON, or a single one."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = json_text(value) or value
    return [found for one in (value if isinstance(value, list) else [value]) if (found := text(one))]


def json_text(value: object) -> object:
    """What a text holds that is itself JSON; None where it is none."""
    if not isinstance(value, str):
        return None
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


# --- Times -----------------------------------------------------------------------------------------------------------------


def instant_of(value: object, zone: tzinfo = UTC) -> datetime | None:
    """The instant of seconds or milliseconds since 1970, an ISO text or a Date header, where it is one that can be kept."""
    said = text(value)
    if said is None:
        return None
    try:
        moment = _header_date(said) if said[:1].isalpha() else moment_of(said, "time", zone=zone)
    except InvalidInput:
        return None
    return moment if EARLIEST <= moment < LATEST else None


def _header_date(said: str) -> datetime:
    """RFC 5322 §3.3; one without an offset is refused."""
    try:
        moment = parsedate_to_datetime(said)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput("the date is none with an offset")


# --- Addresses -------------------------------------------------------------------------------------------------------------


def address(value: object) -> str | None:
    """The bare address of a mailbox: text with or without a name in front, or an object that holds one."""
    if isinstance(value, Mapping):
        value = value.get("email") or value.get("Email") or value.get("address")
    said = text(value)
    if said is None or _PLAIN.fullmatch(said):
        return said
    found = mailbox_address(said)
    return found if "@" in found else said


def addresses(value: object) -> list[str]:
    """Every address in a list, or in one text that holds several (RFC 5322 §3.4)."""
    found: list[str] = []
    for one in value if isinstance(value, list) else [value]:
        said = text(one)
        if said is not None and "," in said:
            found += mailbox_addresses(said)
        elif said := address(one):
            found.append(said)
    return found


def recipient(to: str | None) -> dict[str, Json]:
    """`to`, and `to_domain` in lower case where it has one."""
    if to is None:
        return {}
    local, at, domain = to.rpartition("@")
    return {"to": to[:998], "to_domain": domain.lower()[:255]} if at and local and domain else {"to": to[:998]}


def bare_id(value: object) -> str | None:
    """A message id without its angle brackets."""
    said = text(value)
    return (said[1:-1].strip() or None) if said and said.startswith("<") and said.endswith(">") else said


# --- Headers and replies ---------------------------------------------------------------------------------------------------


def header(headers: Sequence[object], name: str) -> list[str]:
    """The values of a header in a list of `{"name", "value"}` (either in capitals too) or of pairs."""
    found: list[str] = []
    for one in headers:
        if isinstance(one, Mapping):
            key, value = one.get("name", one.get("Name")), one.get("value", one.get("Value"))
        elif isinstance(one, list) and len(one) == 2:
            key, value = one
        else:
            continue
        if isinstance(key, str) and key.lower() == name and (said := text(value)):
            found.append(said)
    return found


def marks_in(headers: Sequence[object]) -> dict[str, object]:
    """`tags` and `metadata` that the sending program put into the headers X-Tag, X-Tags and X-Metadata."""
    tags = [tag for name in ("x-tag", "x-tags") for value in header(headers, name) for tag in words(value)]
    metadata = next((found for value in header(headers, "x-metadata") if isinstance(found := json_text(value), dict)), {})
    return {name: value for name, value in (("tags", tags), ("metadata", metadata)) if value}


def reply(said: object, *, code: object = None, dsn: object = None) -> dict[str, object]:
    """`response`, `reply_code` and `dsn` of what the other server answered; a field of the provider's own wins."""
    response = text(said)
    found = (_REPLY.match(response) or _REPLY_INSIDE.search(response)) if response else None
    number, status = text(code), text(dsn)
    if number and _STATUS.fullmatch(number):  # some write the enhanced code where the plain one belongs
        number, status = None, status or number
    if number is not None and not (number.isdecimal() and len(number) == 3):
        number = None
    if status is not None and not _STATUS.fullmatch(status):
        status = None
    if status is None and response and (inside := _STATUS.match(response)):
        status = inside[0]
    return {
        "response": response,
        "reply_code": number or (found["code"] if found else None),
        "dsn": status or (found["dsn"] if found else None),
    }


def place(country: object, city: object = None, *, coordinates: object = None) -> Geo | None:
    """A place as far as it is told; `coordinates` is `latitude,longitude` in decimal degrees."""
    latitude, _, longitude = (text(coordinates) or "").partition(",")
    named = Geo(city=text(city), country=text(country), lat=latitude.strip() or None, lon=longitude.strip() or None)
    return named if named != Geo() else None
