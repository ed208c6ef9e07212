"""The organisation as `org.json` describes it: its clock, its holidays, its units and where its remote staff come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import InvalidInput
from domain.identifiers import mrn_pattern
from domain.json import Json

ORG = "org"
"""The kind of `org.json` among the reference data: a single record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A place of work; `kind` is for example ward, clinic or office, `network` a CIDR range."""

    unit: str
    department: str = ""
    kind: str = ""
    network: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """What `org.json` says. Before one is loaded: no name, UTC, no units."""

    name: str = ""
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    holidays: frozenset[date] = frozenset()
    mail_domain: str = ""
    vpn_egress_ips: tuple[str, ...] = ()
    units: Mapping[str, Unit] = field(default_factory=dict)
    mrn_pattern: str = ""
    """A regular expression of the record numbers that are in use here; '' where none is given."""

    @classmethod
    def of(cls, record: Mapping[str, Json]) -> Self:
        """Read the record of `org.json`. Raises InvalidInput, naming what is wrong."""
        try:
            zone = ZoneInfo(str(record.get("timezone") or "UTC"))
        except (ZoneInfoNotFoundError, ValueError):
            raise InvalidInput("org.json: timezone is no IANA time zone, for example America/Chicago") from None
        try:
            units = {unit.unit: unit for unit in map(_unit, _list(record.get("units")))}
            holidays = frozenset(date.fromisoformat(_holiday(entry)) for entry in _list(record.get("holidays")))
        except (TypeError, ValueError):
            raise InvalidInput("org.json: units are objects with a unit, holidays are ISO dates") from None
        return cls(
            name=str(record.get("name") or ""),
            timezone=zone,
            holidays=holidays,
            mail_domain=str(record.get("mail_domain") or "").lower(),
            vpn_egress_ips=tuple(str(address) for address in _list(record.get("vpn_egress_ips"))),
            units=units,
            mrn_pattern=_pattern(record.get("mrn_pattern")),
        )

    def midnight(self, day: date) -> datetime:
        """The instant (UTC) at which the local `day` begins."""
        return datetime.combine(day, time(), self.timezone).astimezone(UTC)


def _unit(entry: Json) -> Unit:
    if not isinstance(entry, Mapping):
        raise TypeError
    name = entry.get("unit") or entry.get("name") or entry.get("id")
    if not isinstance(name, str):
        raise TypeError
    return Unit(
        unit=name,
        department=str(entry.get("department") or ""),
        kind=str(entry.get("kind") or ""),
        network=str(entry.get("network") or ""),
    )


def _pattern(value: Json) -> str:
    text = "" if value is None else str(value)
    try:
        mrn_pattern(text)
    except InvalidInput as error:
        raise InvalidInput(f"org.json: {error}") from None
    return text


def _holiday(entry: Json) -> str:
    return str(entry.get("date")) if isinstance(entry, Mapping) else str(entry)


def _list(value: Json) -> Sequence[Json]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError
    return value
