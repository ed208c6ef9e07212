"""Some accesses, and what is on record around them: the actors, the patients, their ties and duties.

Everything is asked for a selection at once and touches only the actors and patients in it, so a batch costs what it holds and not
what the store holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Self

import polars as pl

from store.engine import Engine

_ACCESS_COLUMNS = (
    "writer, seq, event_id, time, received, source, source_system, action, outcome, actor_id, actor_kind, patient_id, "
    "device_id, device_kind, ip, details"
)

_STAFF_COLUMNS = (
    "staff_id, known_from, known_until, account_id, kind, role, department, unit, manager_id, own_patient_id, terminated_at, "
    "notice_at, last_login_at, "
    "schedule, name_key, surname_key, birth, address_key, street_key, house_number, phone_key, contact_name, contact_phone"
)

_PATIENT_COLUMNS = (
    "patient_id, known_from, known_until, vip, vip_since, restricted, email_key, name_key, surname_key, birth, address_key, "
    "former_address, street_key, house_number, phone_key, contact_name, contact_phone"
)

# How many people bear one trait. The number of people on file is the measure of rarity.
_BEARERS = """
SELECT value, uniqExact(person) AS bearers,
    (SELECT uniqExact(staff_id) FROM context_staff) + (SELECT uniqExact(patient_id) FROM context_patients) AS people
FROM (
    SELECT {trait}_key AS value, concat('s', staff_id) AS person FROM context_staff WHERE {trait}_key IN {values:Array(String)}
    UNION ALL
    SELECT {trait}_key, concat('p', patient_id) FROM context_patients WHERE {trait}_key IN {values:Array(String)}
)
GROUP BY value
"""


_NOBODY = pl.DataFrame(schema={"value": pl.String, "bearers": pl.UInt64, "people": pl.UInt64})


class Trait(StrEnum):
    """What households and namesakes are told by."""

    SURNAME = "surname"
    ADDRESS = "address"
    PHONE = "phone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Some accesses: a FROM and WHERE text made of constants, and the values to bind."""

    source: str
    parameters: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def entries(cls, writer: str, first: int, last: int) -> Self:
        """Access and portal entries of one writer's log, `first` to `last` inclusive."""
        return cls(
            source=(
                "events WHERE writer = {writer:String} AND seq BETWEEN {first:UInt64} AND {last:UInt64} "
                "AND source IN ('access', 'portal')"
            ),
            parameters={"writer": writer, "first": first, "last": last},
        )

    @classmethod
    def unexplained(cls, day: date) -> Self:
        """Accesses of a local day to a patient's record for which no reason was known at their moment."""
        return cls(
            source="access_facts FINAL WHERE local_day = {day:Date} AND explained = 0 AND patient_id != ''", parameters={"day": day}
        )

    @classmethod
    def of_day(cls, day: date) -> Self:
        """Accesses of a local day to a patient's record."""
        return cls(source="access_facts FINAL WHERE local_day = {day:Date} AND patient_id != ''", parameters={"day": day})


class ContextRecords:
    """Reads what is on record around a selection of accesses. All frames may be empty, never missing columns."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def accesses(self, selection: Selection) -> pl.DataFrame:
        """The accesses themselves, in log order."""
        return self._ask(selection, f"SELECT {_ACCESS_COLUMNS} FROM {selection.source} ORDER BY seq")

    def actors(self, selection: Selection) -> pl.DataFrame:
        """Every version of the staff records of the actors."""
        return self._ask(
            selection,
            f"""
            SELECT {_STAFF_COLUMNS} FROM context_staff FINAL
            WHERE account_id != '' AND account_id IN (SELECT actor_id FROM {selection.source})
            """,
        )

    def patients(self, selection: Selection) -> pl.DataFrame:
        """Every version of the records of the patients."""
        return self._ask(
            selection,
            f"""
            SELECT {_PATIENT_COLUMNS} FROM context_patients FINAL
            WHERE patient_id IN (SELECT patient_id FROM {selection.source})
            """,
        )

    def patients_on_staff(self, selection: Selection) -> pl.DataFrame:
        """Staff records that name one of the patients as the same person."""
        return self._ask(
            selection,
            f"""
            SELECT own_patient_id AS patient_id, known_from, known_until, department, manager_id, staff_id FROM context_staff FINAL
            WHERE own_patient_id != '' AND own_patient_id IN (SELECT patient_id FROM {selection.source})
            """,
        )

    def well_known_homes(self, selection: Selection) -> pl.DataFrame:
        """Where well-known patients live, as far as one of the patients lives there too: every version of their records."""
        return self._ask(
            selection,
            f"""
            SELECT address_key, patient_id AS resident_id, vip_since, known_from, known_until FROM context_patients FINAL
            WHERE vip = 1 AND address_key != '' AND address_key IN (
                SELECT address_key FROM context_patients WHERE patient_id IN (SELECT patient_id FROM {selection.source})
            )
            """,
        )

    def staff_homes(self, selection: Selection) -> pl.DataFrame:
        """Where staff live, as far as one of the patients lives there too: every version of their records."""
        return self._ask(
            selection,
            f"""
            SELECT address_key, staff_id AS resident_id, department, unit, known_from, known_until FROM context_staff FINAL
            WHERE kind != 'service' AND address_key != '' AND address_key IN (
                SELECT address_key FROM context_patients WHERE patient_id IN (SELECT patient_id FROM {selection.source})
            )
            """,
        )

    def duties(self, selection: Selection) -> pl.DataFrame:
        """Shifts, protocols, former posts, leave and training of the actors."""
        return self._ask(
            selection,
            f"""
            SELECT staff_id, duty, record, kind, place, department, role, mentor_id, valid_from, valid_to, known_from, known_until
            FROM context_duties FINAL
            WHERE staff_id IN (
                SELECT staff_id FROM context_staff
                WHERE account_id != '' AND account_id IN (SELECT actor_id FROM {selection.source})
            )
            """,
        )

    def training(self) -> pl.DataFrame:
        """All training on record, of everybody: staff_id, kind (the course), valid_from, valid_to, known_from, known_until."""
        return self._engine.frame(
            "SELECT staff_id, kind, valid_from, valid_to, known_from, known_until FROM context_duties FINAL WHERE duty = 'training'"
        )

    def ties(self, selection: Selection) -> pl.DataFrame:
        """Who and what has to do with the patients."""
        return self._ask(
            selection,
            f"""
            SELECT patient_id, link, record, subject_kind, subject, valid_from, valid_to, known_from, known_until
            FROM context_links FINAL WHERE patient_id IN (SELECT patient_id FROM {selection.source} AND patient_id != '')
            """,
        )

    def bearers(self, trait: Trait, values: Sequence[str]) -> pl.DataFrame:
        """How many people on file bear each of the values (comparison keys): value, bearers, people (on file altogether)."""
        if not values:
            return _NOBODY
        return self._engine.frame(_BEARERS.replace("{trait}", trait.value), values=list(values))

    def proxy_grants(self, selection: Selection) -> pl.DataFrame:
        """Ledger entries that granted or withdrew portal access to one of the patients, for accesses by proxies."""
        return self._ask(
            selection,
            f"""
            SELECT patient_id, time, action, actor_id, details FROM events
            WHERE action IN ('proxy_grant', 'proxy_revoke') AND outcome IN ('', 'success')
              AND patient_id IN (SELECT patient_id FROM {selection.source} AND actor_kind = 'proxy')
            """,
        )

    def _ask(self, selection: Selection, sql: str) -> pl.DataFrame:
        return self._engine.frame(sql, **selection.parameters)
