"""A mapping file (TOML): the names a sender uses for our fields, what its values mean, and how it writes times.

The reference is `docs/formats/csv.md`; in short:

    [time]
    columns = ["Date", "Time"]          # joined by one blank
    formats = ["%m/%d/%Y %I:%M:%S %p"]
    zone = "America/New_York"

    [fields]
    actor_id = "User"
    patient_id = ["MRN", "Patient ID"]  # the first that is filled

    [constants]
    source = "access"

    [values.action]
    "Chart Open" = "view_chart"
"""

import codecs
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from domain.errors import InvalidInput
from domain.event import ActorKind, DeviceKind, Source
from ingest.parsers.phitrail import OUTCOMES
from ingest.parsers.wall_times import EPOCH, ISO, zone_of

FIELDS = (
    *("event_id", "source", "action", "actor_id", "actor_kind", "patient_id", "outcome"),
    *("device_id", "device_kind", "ip", "geo_city", "geo_country", "geo_lat", "geo_lon"),
)
"""Fields of an event that a mapping names, beside `details.NAME` and the time."""

DELIMITERS = (",", ";", "\t", "|", "^", "~", "\x1f", "\x01")
CHOICES: Mapping[str, Sequence[str]] = {
    "source": tuple(Source),
    "actor_kind": tuple(ActorKind),
    "outcome": OUTCOMES,
    "device_kind": tuple(DeviceKind),
}
"""Fields with a closed vocabulary."""

DETAILS = "details."
ANYTHING_ELSE = "*"

_TABLES = {"time": ("columns", "formats", "zone"), "fields": (), "constants": (), "values": ()}
_SINGLE = ("delimiter", "encoding", "nulls")
_YEARS = ("%Y", "%y", "%G", "%c", "%x", "%D", "%F")
_ASCII = 'a,"\n;\t|'
_NO_ENCODINGS = ("unicode_escape", "raw_unicode_escape", "idna", "punycode", "utf-7")
_PROBE = datetime(2026, 3, 2, 13, 4, 5, 678000, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMapping:
    """
    How a sender's records become events. Empty, it says nothing.

    `fields`: our field to the sender's names, in order of preference. `constants`: our field to the value where the sender has
    none. `values`: our field to (the sender's value in lower case to ours). `zone`: of times without an offset.
    """

    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    time_columns: Sequence[str] = ()
    time_formats: Sequence[str] = ()
    zone: tzinfo | None = None
    delimiter: str | None = None
    encoding: str | None = None
    nulls: frozenset[str] = frozenset()

    def value(self, name: str, find: Callable[[str], str | None]) -> str | None:
        """
        Our value of a field: the first filled one that `find` knows by the sender's name, translated; else the constant.

        A closed vocabulary is not checked here (see `checked`).
        """
        for theirs in self.fields.get(name, ()):
            found = self.filled(find(theirs))
            if found is not None:
                return self.translated(name, found)
        return self.constants.get(name)

    def filled(self, text: str | None) -> str | None:
        """The text without blanks around it, or None where it is empty or stands for nothing."""
        bare = text.strip() if text else ""
        return None if not bare or bare.lower() in self.nulls else bare

    def translated(self, name: str, text: str) -> str:
        """The sender's value in our words; as it is where the mapping does not say."""
        known = self.values.get(name)
        if known is None:
            return text
        return known.get(text.lower()) or known.get(ANYTHING_ELSE) or text


def checked(name: str, value: str | None) -> str | None:
    """The value of a field with a closed vocabulary, in any capitals. Raises InvalidInput, without the value, for another."""
    if value is None or name not in CHOICES:
        return value
    if value.lower() in CHOICES[name]:
        return value.lower()
    raise InvalidInput(f"{name} has a value that is not one of {', '.join(CHOICES[name])} and that the mapping does not translate")


def mapping_names(file_name: str) -> tuple[str, str]:
    """What the mapping of a data file is called when it lies beside it: `access.csv` has `access.csv.toml`, else `access.toml`."""
    stem = file_name
    for packed in (".gz", ".zst"):
        stem = stem.removesuffix(packed)
    return f"{stem}.toml", f"{stem.rsplit('.', 1)[0]}.toml"


def read_mapping(text: str) -> FieldMapping:
    """Read a mapping file. Raises InvalidInput that names everything wrong with it at once."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"the mapping is not valid TOML: {error}") from None
    reader = _Reader(document)
    mapping = reader.mapping()
    if reader.problems:
        raise InvalidInput(f"the mapping cannot be used: {'; '.join(reader.problems)}")
    return mapping


class _Reader:
    """Reads the parts of a mapping and collects what is wrong with them."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self._document = document
        self.problems: list[str] = []

    def mapping(self) -> FieldMapping:
        for name in sorted(self._document.keys() - _TABLES.keys() - set(_SINGLE)):
            self._problem(f"{name} is not known; known are {', '.join([*_TABLES, *_SINGLE])}")
        time = self._table("time")
        for name in sorted(time.keys() - set(_TABLES["time"])):
            self._problem(f"time.{name} is not known; known are {', '.join(_TABLES['time'])}")
        return FieldMapping(
            fields={name: tuple(found.lower() for found in names) for name, names in self._fields().items()},
            constants=self._constants(),
            values=self._values(),
            time_columns=tuple(name.lower() for name in self._texts("time.columns", time.get("columns"))),
            time_formats=tuple(self._format(one) for one in self._texts("time.formats", time.get("formats"))),
            zone=self._zone(time.get("zone")),
            delimiter=self._delimiter(),
            encoding=self._encoding(),
            nulls=frozenset(one.strip().lower() for one in self._texts("nulls", self._document.get("nulls"))),
        )

    def _problem(self, text: str) -> None:
        self.problems.append(text)

    def _table(self, name: str) -> Mapping[str, object]:
        found = self._document.get(name, {})
        if isinstance(found, dict):
            return found
        self._problem(f"{name} is no table")
        return {}

    def _texts(self, name: str, value: object) -> Sequence[str]:
        values = value if isinstance(value, list) else [] if value is None else [value]
        if all(isinstance(one, str) and one.strip() for one in values):
            return [str(one).strip() for one in values]
        self._problem(f"{name} is neither a name nor a list of names")
        return ()

    def _known(self, table: str, name: str) -> bool:
        if name in FIELDS or (name.startswith(DETAILS) and len(name) > len(DETAILS)):
            return True
        hint = "; the time has a table of its own" if name == "time" else ""
        self._problem(f"{table}.{name} is no field of an event{hint}; fields are {', '.join(FIELDS)} and details.NAME")
        return False

    def _fields(self) -> Mapping[str, Sequence[str]]:
        flat = _flattened(self._table("fields"))
        return {name: self._texts(f"fields.{name}", value) for name, value in flat.items() if self._known("fields", name)}

    def _constants(self) -> Mapping[str, str]:
        constants: dict[str, str] = {}
        for name, value in _flattened(self._table("constants")).items():
            if not self._known("constants", name):
                continue
            if not isinstance(value, str) or not value.strip():
                self._problem(f"constants.{name} is no text")
            else:
                constants[name] = self._choice(f"constants.{name}", name, value.strip())
        return constants

    def _values(self) -> Mapping[str, Mapping[str, str]]:
        values: dict[str, Mapping[str, str]] = {}
        for name, table in self._table("values").items():
            if not self._known("values", name):
                continue
            if not isinstance(table, dict) or not all(isinstance(ours, str) and ours.strip() for ours in table.values()):
                self._problem(f"values.{name} is no table of texts")
                continue
            texts = {theirs.strip().lower(): ours.strip() for theirs, ours in table.items()}
            values[name] = {theirs: self._choice(f"values.{name}.{theirs}", name, ours) for theirs, ours in texts.items()}
        return values

    def _choice(self, place: str, name: str, value: str) -> str:
        if name in CHOICES and value not in CHOICES[name]:
            self._problem(f"{place} is not one of {', '.join(CHOICES[name])}")
        return value

    def _format(self, pattern: str) -> str:
        if pattern in (ISO, EPOCH):
            return pattern
        if "%Z" in pattern:
            self._problem("time.formats: %Z is read differently on every machine; use %z, or give time.zone")
            return pattern
        if not any(year in pattern for year in _YEARS):
            self._problem(f"time.formats: {pattern!r} has no year and is neither {ISO} nor {EPOCH}")
            return pattern
        try:
            datetime.strptime(_PROBE.strftime(pattern), pattern)  # noqa: DTZ007 - only whether the pattern can be read
        except ValueError:
            self._problem(f"time.formats: {pattern!r} is no pattern that strptime reads")
        return pattern

    def _zone(self, value: object) -> tzinfo | None:
        if value is None:
            return None
        zone = zone_of(value) if isinstance(value, str) else None
        if zone is None:
            self._problem("time.zone is no time zone (an IANA name like America/New_York, or an offset like -05:00)")
        return zone

    def _delimiter(self) -> str | None:
        value = self._document.get("delimiter")
        if value is None or value in DELIMITERS:
            return value if isinstance(value, str) else None
        self._problem("delimiter is not one of comma, semicolon, tab, |, ^, ~, U+001F, U+0001")
        return None

    def _encoding(self) -> str | None:
        value = self._document.get("encoding")
        if value is None:
            return None
        try:
            name = codecs.lookup(str(value)).name
            if name.startswith("utf-16"):
                return name
            if name not in _NO_ENCODINGS and _ASCII.encode().decode(name) == _ASCII:
                return name
        except (LookupError, UnicodeError, TypeError, ValueError):
            pass
        self._problem("encoding is no text encoding that is read here")
        return None


def _flattened(table: Mapping[str, object]) -> Mapping[str, object]:
    """`details.reason = …`, which TOML reads as a table of its own, under its whole name."""
    flat: dict[str, object] = {}
    for name, value in table.items():
        if name == DETAILS[:-1] and isinstance(value, dict):
            flat |= {f"{DETAILS}{inner}": found for inner, found in value.items()}
        else:
            flat[name] = value
    return flat
