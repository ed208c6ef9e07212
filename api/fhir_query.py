"""The query of a FHIR search for AuditEvents (R4 search.html, IHE ITI-81), read into what the store is asked.

Parameters that are not known are refused, so that nobody takes an answer to another question for theirs; with `Prefer:
handling=lenient` they are left out, and the `self` link shows what was used (R4 search.html#errors).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import urlencode

from domain.errors import InvalidInput
from store.fhir_search import KINDS, FhirQuery, Period, Token

DEFAULT_COUNT = 100
MAX_COUNT = 1_000
_MOST_VALUES = 50
_LONGEST = 512
_CURSOR = "_cursor"

_STRINGS = {"address": "address", "agent-name": "agent_name"}
_CODES = {
    "action": "action",
    "outcome": "outcome",
    "type": "type",
    "subtype": "subtype",
    "entity-type": "entity_type",
    "entity-role": "entity_role",
    "altid": "altid",
    "_id": "id",
}
_IDENTIFIERS = {
    "patient.identifier": "patient",
    "agent.identifier": "agent",
    "entity.identifier": "entity",
    "source.identifier": "source",
}
_REFERENCES = {"patient": "patient", "agent": "agent", "entity": "entity", "source": "source"}
_TIMES = {"date": "time", "_lastUpdated": "received"}
PARAMETERS = (*_TIMES, *_REFERENCES, *_IDENTIFIERS, *_CODES, *_STRINGS)
"""What can be asked for."""

_RESULT = ("_count", "_sort", "_total", "_format", "_pretty", _CURSOR)
_DATE = re.compile(
    r"(?P<prefix>eq|ne|ge|le|gt|lt|sa|eb)?(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?P<zone>Z|[+ -]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_TYPED = re.compile(r"(?:.*/)?(?P<kind>[A-Z][A-Za-z]{1,40})/(?P<id>[^/]{1,256})(?:/_history/[^/]*)?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_.:-]{0,40}")
_SPLIT = re.compile(r"(?<!\\),")
_BAR = re.compile(r"(?<!\\)\|")


class NotSupported(InvalidInput):
    """A parameter, modifier or form of answer that this server does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A search as it was understood. `used` are the parameters that count, as sent; `patient` the one patient asked for."""

    query: FhirQuery
    count: int
    cursor: str | None
    with_total: bool
    used: Sequence[tuple[str, str]]
    patient: str | None

    @property
    def names(self) -> Sequence[str]:
        """The filters in use, by name only."""
        return sorted({name.partition(":")[0] for name, _ in self.used if not name.startswith("_") or name == "_lastUpdated"})

    def link(self, cursor: str | None) -> str:
        """The query of this search, from the first page or from a cursor on."""
        kept = [(name, value) for name, value in self.used if name != _CURSOR]
        return urlencode([*kept, *([(_CURSOR, cursor)] if cursor else [])])


def asked(parameters: Sequence[tuple[str, str]], *, lenient: bool, zone: tzinfo) -> Asked:
    """
    Read the parameters of a search. Dates without an offset are in `zone`.

    Raises NotSupported for what this server does not know (not when `lenient`), InvalidInput for a value that is none.
    """
    times: list[tuple[str, Sequence[Period]]] = []
    tokens: list[tuple[str, Sequence[Token]]] = []
    used: list[tuple[str, str]] = []
    result: dict[str, str] = {}
    for name, value in parameters:
        base, _, modifier = name.partition(":")
        if base in _RESULT and not modifier:
            result[base] = value
            used.append((name, value))
            continue
        if base not in PARAMETERS or (modifier and not _has_modifier(base, modifier)):
            if lenient:
                continue
            raise NotSupported(f"{_shown(name)} is no search parameter here; there are {', '.join(PARAMETERS)}")
        values = [one for one in _SPLIT.split(value) if one.strip()]
        if not values:
            continue  # R4 search.html: a parameter without a value is ignored
        used.append((name, value))
        if sum(len(found) for _, found in tokens) + len(values) > _MOST_VALUES or len(times) > _MOST_VALUES:
            raise InvalidInput(f"a search may have {_MOST_VALUES} values; ask for fewer at a time")
        if base in _TIMES:
            times.append((_TIMES[base], [_period(one, base, zone) for one in values]))
        else:
            tokens.append(_tokens(base, modifier, values))
    query = FhirQuery(times=times, tokens=tokens, ascending=_ascending(result.get("_sort")))
    _check_format(result.get("_format"))
    return Asked(
        query=query,
        count=_count(result.get("_count")),
        cursor=result.get(_CURSOR) or None,
        with_total=_total(result.get("_total")),
        used=used,
        patient=_one_patient(tokens),
    )


def _has_modifier(name: str, modifier: str) -> bool:
    if name in _STRINGS:
        return modifier in ("exact", "contains")
    return name in _REFERENCES and (modifier in KINDS or modifier == "identifier")


def _tokens(name: str, modifier: str, values: Sequence[str]) -> tuple[str, Sequence[Token]]:
    if name in _STRINGS:
        match = {"exact": "exact", "contains": "contains"}.get(modifier, "starts")
        return _STRINGS[name], [Token(value=_plain(value, name), match=match) for value in values]
    if name in _REFERENCES and modifier != "identifier":
        return _REFERENCES[name], [_reference(value, name, modifier or None) for value in values]
    target = _REFERENCES.get(name) or _IDENTIFIERS.get(name) or _CODES[name]
    return target, [_token(value, name) for value in values]


def _reference(value: str, name: str, kind: str | None) -> Token:
    """`82`, `Patient/82` or a URL; the type may stand in the modifier."""
    if (found := _TYPED.fullmatch(value)) is not None:
        if kind is not None and kind != found["kind"]:
            raise InvalidInput(f"{name} has one resource type in its modifier and another in its value")
        return Token(value=_plain(found["id"], name), kind=found["kind"])
    return Token(value=_plain(value, name), kind=kind or ("Patient" if name == "patient" else None))


def _token(value: str, name: str) -> Token:
    """`code`, `system|code`, `|code`."""
    system, bar, code = value.partition("|") if _BAR.search(value) else ("", "", value)
    if not code:
        raise InvalidInput(f"{name} needs a code or a value, not only a system")
    return Token(value=_plain(code, name), system=_plain(system, name) if bar and system else "" if bar else None)


def _plain(value: str, name: str) -> str:
    text = re.sub(r"\\([,|$\\])", r"\1", value).strip()
    if not text or len(text) > _LONGEST:
        raise InvalidInput(f"{name} has a value of no or more than {_LONGEST} characters")
    return text


def _period(value: str, name: str, zone: tzinfo) -> Period:
    """The instants that a date with its prefix means (R4 search.html#date): `2026-03` is a month, from its first moment on."""
    found = _DATE.fullmatch(value.strip())
    if found is None:
        raise InvalidInput(f"{name} is no date of FHIR with a prefix eq, ne, ge, le, gt, lt, sa or eb")
    try:
        since, until = _bounds(found.groupdict(), zone)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{name} is no date that exists") from None
    match found["prefix"] or "eq":
        case "eq":
            return Period(since=since, until=until)
        case "ne":
            return Period(since=since, until=until, outside=True)
        case "ge":
            return Period(since=since)
        case "gt" | "sa":
            return Period(since=until)
        case "le":
            return Period(until=until)
        case _:
            return Period(until=since)


def _bounds(parts: Mapping[str, str | None], zone: tzinfo) -> tuple[datetime, datetime]:
    """The first moment of the span that a date names, and the first after it."""
    year, month, day = int(parts["year"] or 0), int(parts["month"] or 1), int(parts["day"] or 1)
    if parts["zone"] and parts["zone"] != "Z":
        zone = datetime.fromisoformat(f"2000-01-01T00:00{parts['zone'].replace(' ', '+')}").tzinfo or zone
    elif parts["zone"]:
        zone = UTC
    fraction = (parts["fraction"] or "")[:6]
    clock = (int(parts["hour"] or 0), int(parts["minute"] or 0), int(parts["second"] or 0), int(fraction.ljust(6, "0")))
    begin = datetime(year, month, day, *clock, tzinfo=zone)
    if parts["hour"] is not None:
        step = timedelta(minutes=1) if parts["second"] is None else timedelta(microseconds=10 ** (6 - len(fraction)))
        return begin.astimezone(UTC), begin.astimezone(UTC) + step
    if parts["day"] is not None:
        end = begin + timedelta(days=1)
    elif parts["month"] is not None:
        end = begin.replace(year=year + month // 12, month=month % 12 + 1)
    else:
        end = begin.replace(year=year + 1)
    return begin.astimezone(UTC), end.astimezone(UTC)


def _ascending(sort: str | None) -> bool:
    if sort in (None, "", "-date"):
        return False
    if sort == "date":
        return True
    raise NotSupported("_sort may be date or -date")


def _count(text: str | None) -> int:
    if text is None or text == "":
        return DEFAULT_COUNT
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise InvalidInput("_count is no number")
    return min(int(text), MAX_COUNT)


def _total(text: str | None) -> bool:
    if text in (None, "", "none", "estimate"):
        return False
    if text == "accurate":
        return True
    raise InvalidInput("_total may be none, estimate or accurate")


def _check_format(text: str | None) -> None:
    if text and text.partition(";")[0].strip() not in ("json", "application/json", "application/fhir+json", "text/json"):
        raise NotSupported("_format may be json")


def _one_patient(tokens: Sequence[tuple[str, Sequence[Token]]]) -> str | None:
    named = {token.value for name, values in tokens if name == "patient" for token in values}
    return named.pop() if len(named) == 1 else None


def _shown(name: str) -> str:
    """A parameter's name as sent, if it can be one."""
    return name if _NAME.fullmatch(name) else "a name that is none"
