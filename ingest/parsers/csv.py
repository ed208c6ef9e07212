"""CSV of any make: a header names the columns, a mapping file says which of them are our fields (`field_mapping`).

Without a mapping the columns are called as our own fields are, as in our own exports. Nothing is guessed: a time without an
offset, a word outside a closed vocabulary or a row of another length than the header is refused, with the column's role named and
never its content. Columns that nobody asked for are kept in `details.columns`.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Geo, Source
from domain.json import Json, canonical, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.addresses import ip_of
from ingest.parsers.delimited import FALLBACK, Header, cut, decoded, fields_of
from ingest.parsers.field_mapping import DETAILS, FIELDS, FieldMapping, checked
from ingest.parsers.repeats import Repeats
from ingest.parsers.shapes import decode_json
from ingest.parsers.wall_times import moment_of

_REQUIRED = ("source", "action", "actor_id", "actor_kind")
_LIMITS = {"event_id": 512, "action": 128, "actor_id": 512, "patient_id": 512, "device_id": 512, "ip": 64}
_NUMBERS = frozenset({"duration_s", "records", "size"})
_FLAGS = frozenset({"phi", "auto_forwarded"})
_TRUE, _FALSE = frozenset({"true", "yes", "y", "1"}), frozenset({"false", "no", "n", "0"})
_Find = Callable[[str], str | None]
_FORMULA = ("'=", "'+", "'-", "'@", "'\t", "'\r")
"""What our exports put an apostrophe before, so that a spreadsheet does not run it."""


OUR_NAMES = FieldMapping(
    fields={name: (name, name.replace("_", ".", 1)) for name in FIELDS},
    time_columns=("time",),
    time_formats=("iso",),
)
"""Our own names: `actor_id`, as in our exports, or `actor.id`, as programs that flatten JSON write it."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the columns of one header are: name in lower case to place. `problem` says why no row under it can be read."""

    header: Header
    places: Mapping[str, int]
    asked: frozenset[int]
    problem: str | None


class CsvParser:
    """Reads rows under a header, as `delimited_records` hands them out."""

    format = "csv"

    def __init__(self, source_system: str, *, mapping: FieldMapping | None = None) -> None:
        """`mapping` None: the columns have our own names. Raises InvalidInput for a mapping that can make no event."""
        self._source_system = source_system
        self._is_ours = mapping is None or not (mapping.fields or mapping.constants)
        self._mapping = _in_our_names(mapping) if self._is_ours else mapping or OUR_NAMES
        self._repeats = Repeats()
        self._columns: _Columns | None = None
        missing = [name for name in _REQUIRED if name not in self._mapping.fields and name not in self._mapping.constants]
        if not self._mapping.time_columns:
            missing.append("time (as time.columns)")
        if missing:
            raise InvalidInput(f"the mapping names no column and no constant for {', '.join(missing)}; csv needs them")

    def parse(self, record: bytes) -> list[Parsed]:
        """One event, or one Rejected, whose bytes begin with the header so that they can be read again."""
        known = self._columns.header if self._columns else None
        before = b""
        try:
            header, row = cut(record, known, delimiter=self._mapping.delimiter, encoding=self._mapping.encoding)
            if header is known:
                before = header.raw
            if header is not known or self._columns is None:
                self._columns = _columns(header, self._mapping, is_ours=self._is_ours)
            return [self._event(self._columns, row)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=before + record)]

    def _event(self, columns: _Columns, row: bytes) -> AuditEvent:
        if columns.problem:
            raise InvalidInput(columns.problem)
        mapping, header = self._mapping, columns.header
        text, read_as = decoded(row, header.codec, strict=mapping.encoding is not None)
        cells = fields_of(text, header.delimiter)
        if len(cells) != len(header.columns):
            raise InvalidInput(f"the row has {len(cells)} fields, the header {len(header.columns)}")

        def find(name: str) -> str | None:
            if (place := columns.places.get(name)) is None:
                return None
            return cells[place][1:] if self._is_ours and cells[place].startswith(_FORMULA) else cells[place]

        values = {name: _bounded(name, checked(name, mapping.value(name, find))) for name in FIELDS}
        for name in _REQUIRED:
            if values[name] is None:
                raise InvalidInput(f"{name} is empty")
        details = self._details(columns, cells, find)
        if read_as == FALLBACK:
            details["encoding"] = FALLBACK
        clock = " ".join(part for name in mapping.time_columns if (part := mapping.filled(find(name))))
        if not clock:
            raise InvalidInput("time is empty")
        return AuditEvent(
            source_system=self._source_system,
            event_id=values["event_id"] or self._repeats.event_id(_digest(header.columns, cells)),
            time=moment_of(clock, "time", zone=mapping.zone, formats=mapping.time_formats),
            source=Source(values["source"] or ""),
            action=values["action"] or "",
            actor=Actor(id=values["actor_id"] or "", kind=ActorKind(values["actor_kind"] or "")),
            patient_id=values["patient_id"],
            outcome=values["outcome"],
            device=_device(values),
            ip=ip_of(values["ip"]) or values["ip"],
            geo=_geo(values),
            details=details,
            raw=row,
            format=self.format,
        )

    def _details(self, columns: _Columns, cells: Sequence[str], find: _Find) -> dict[str, Json]:
        """What the mapping puts there, the JSON of our own column `details`, and every filled column that nobody asked for."""
        mapping = self._mapping
        details: dict[str, Json] = {}
        if self._is_ours and (text := mapping.filled(find(DETAILS[:-1]))):
            details |= _json_object(text)
        for name in [*mapping.fields, *mapping.constants]:
            if name.startswith(DETAILS) and (value := mapping.value(name, find)) is not None:
                inner = name.removeprefix(DETAILS)
                details[inner] = _typed(inner, value)
        others: dict[str, Json] = {}
        for place, (name, cell) in enumerate(zip(columns.header.columns, cells, strict=True)):
            if place not in columns.asked and mapping.filled(cell) is not None:
                if self._is_ours and name.lower().startswith(DETAILS):
                    details.setdefault(name[len(DETAILS) :], _typed(name[len(DETAILS) :], cell))
                else:
                    others[name or f"column {place + 1}"] = cell
        if others:
            before = details.get("columns")
            details["columns"] = {**(before if isinstance(before, dict) else {}), **others}
        normal = normalise(details)
        assert isinstance(normal, dict)
        return normal


def _in_our_names(mapping: FieldMapping | None) -> FieldMapping:
    """Our own names, with the zone, the formats and the translations of a mapping that names no columns."""
    if mapping is None:
        return OUR_NAMES
    return replace(
        mapping,
        fields=OUR_NAMES.fields,
        time_columns=mapping.time_columns or OUR_NAMES.time_columns,
        time_formats=mapping.time_formats or OUR_NAMES.time_formats,
    )


def _columns(header: Header, mapping: FieldMapping, *, is_ours: bool) -> _Columns:
    places: dict[str, int] = {}
    twice: set[str] = set()
    for place, name in enumerate(header.columns):
        if places.setdefault(name.lower(), place) != place:
            twice.add(name.lower())
    names = {name for names in mapping.fields.values() for name in names} | {*mapping.time_columns}
    if is_ours:
        names.add(DETAILS[:-1])
    problem = _problem(places, twice & names, mapping)
    return _Columns(header, places, frozenset(places[name] for name in names & places.keys()), problem)


def _problem(places: Mapping[str, int], twice: set[str], mapping: FieldMapping) -> str | None:
    """Why no row under these columns can be an event. Names of fields are ours; those of columns are not repeated."""
    missing = [
        name
        for name in _REQUIRED
        if name not in mapping.constants and not any(theirs in places for theirs in mapping.fields.get(name, ()))
    ]
    missing += ["time"] if not any(name in places for name in mapping.time_columns) else []
    if missing:
        return f"the header has no column for {', '.join(missing)}; a mapping file names them"
    if twice:
        return "the header has two columns of one name, and the mapping asks for it"
    return None


def _bounded(name: str, value: str | None) -> str | None:
    if value is not None and len(value) > _LIMITS.get(name, 512):
        raise InvalidInput(f"{name} is longer than {_LIMITS.get(name, 512)} characters")
    return value


def _digest(columns: Sequence[str], cells: Sequence[str]) -> bytes:
    """Of what the row says, whatever delimiter, quotes and encoding it is written with."""
    pairs = normalise([[name, cell] for name, cell in zip(columns, cells, strict=True)])
    return hashlib.sha256(canonical({"row": pairs})).digest()


def _device(values: Mapping[str, str | None]) -> Device | None:
    kind = values["device_kind"]
    if values["device_id"] is None:
        return None
    return Device(id=values["device_id"], kind=DeviceKind(kind) if kind else None)


def _geo(values: Mapping[str, str | None]) -> Geo | None:
    if not any(values[name] for name in ("geo_city", "geo_country", "geo_lat", "geo_lon")):
        return None
    return Geo(
        city=values["geo_city"],
        country=values["geo_country"],
        lat=_degrees(values, "geo_lat", 90),
        lon=_degrees(values, "geo_lon", 180),
    )


def _degrees(values: Mapping[str, str | None], name: str, bound: int) -> str | None:
    text = values[name]
    if text is None:
        return None
    try:
        degrees = Decimal(text)
    except InvalidOperation:
        raise InvalidInput(f"{name} is not a number") from None
    if not degrees.is_finite() or abs(degrees) > bound:
        raise InvalidInput(f"{name} lies outside −{bound} to {bound}")
    return text


def _typed(name: str, text: str) -> Json:
    """Numbers and flags that rules calculate with, as such; everything else as it stands."""
    bare = text.strip()
    if name in _NUMBERS and bare.isascii() and bare.isdecimal() and len(bare) < 16:
        return int(bare)
    if name in _FLAGS and bare.lower() in _TRUE | _FALSE:
        return bare.lower() in _TRUE
    return text


def _json_object(text: str) -> Mapping[str, Json]:
    try:
        value = normalise(decode_json(text.encode("utf-8", "surrogatepass")))
    except ValueError as error:
        raise InvalidInput(f"details: {error}") from None
    except InvalidInput:
        raise InvalidInput("details is no JSON object") from None
    if not isinstance(value, dict):
        raise InvalidInput("details is no JSON object")
    return value
