"""A small clinic for the tests: reference records as people would load them, and accesses as the ledger would hold them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import polars as pl

from analytics.access import AccessFacts
from domain.context import KINDS, checked
from domain.json import Json, normalise
from store.access import Accesses
from store.context import ContextStore
from store.engine import Engine

TUESDAY = datetime(2026, 3, 3, 15, tzinfo=UTC)
"""Ten in the morning on the clocks of the clinic (America/New_York)."""

LOADED = datetime(2026, 3, 1, 12, tzinfo=UTC)

ORG: Mapping[str, Json] = {
    "name": "Clinic",
    "timezone": "America/New_York",
    "holidays": ["2026-12-25"],
    "mail_domain": "clinic.example",
    "vpn_egress_ips": ["198.51.100.21"],
    "units": [
        {"unit": "3N", "department": "Medicine", "kind": "ward", "network": "10.0.3.0/24"},
        {"unit": "ED", "department": "Emergency", "kind": "emergency", "network": "10.0.1.0/24"},
        {"unit": "BILL", "department": "Revenue Cycle", "kind": "office", "network": "10.0.9.0/24"},
    ],
}

STAFF: tuple[Mapping[str, Json], ...] = (
    {"staff_id": "S1", "account_id": "alice", "role": "nurse", "department": "Medicine", "unit": "3N", "last_name": "Archer"},
    {"staff_id": "S2", "account_id": "bob", "role": "physician", "department": "Medicine", "unit": "3N", "last_name": "Burton"},
    {"staff_id": "S3", "account_id": "carol", "role": "biller", "department": "Revenue Cycle", "unit": "BILL", "last_name": "Cole"},
    {"staff_id": "S4", "account_id": "mallory", "role": "nurse", "department": "Surgery", "unit": "4S", "last_name": "Moss"},
)

PATIENTS: tuple[Mapping[str, Json], ...] = (
    {"patient_id": "P-1", "first_name": "Pia", "last_name": "Ortega", "address": "1 Elm Street, Stonemere 40126"},
    {"patient_id": "P-2", "first_name": "Quin", "last_name": "Reed", "address": "77 Kiln Road, Stonemere 40126"},
    {"patient_id": "P-3", "first_name": "Rosa", "last_name": "Stone", "address": "9 Ivy Lane, Millbrook 40121"},
)


CAST: Mapping[str, tuple[str, Mapping[str, Json]]] = {
    str(record[key]): (kind, record)
    for kind, key, records in (("staff", "staff_id", STAFF), ("patients", "patient_id", PATIENTS))
    for record in records
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One access as a test tells it."""

    actor: str
    patient: str = ""
    time: datetime = TUESDAY
    action: str = "view_chart"
    kind: str = "staff"
    source: str = "access"
    outcome: str = "success"
    device: str = "workstation"
    details: Mapping[str, Json] = field(default_factory=dict)
    ip: str = ""
    geo: tuple[str, str, float, float] | None = None


class Clinic:
    """Knows records, lets accesses happen, and says what analytics made of them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.context = ContextStore(engine)
        self.facts = AccessFacts(engine, self.context)
        self.accesses = Accesses(engine)
        self._seq = 0
        self.load(org=[ORG], staff=STAFF, patients=PATIENTS)

    def load(self, *, at: datetime = LOADED, **records: Sequence[Mapping[str, Json]]) -> None:
        """Load records by kind."""
        self.know(records, at)

    def know(self, records: Mapping[str, Sequence[Mapping[str, Json]]], at: datetime = LOADED) -> None:
        """Load records by kind, checked as if they had come in a file."""
        zone = ZoneInfo(str(ORG["timezone"]))
        ready = {
            kind: [checked(KINDS[kind], r, zone) for r in given] if kind in KINDS else given for kind, given in records.items()
        }
        self.context.load(ready, at)

    def change(self, key: str, at: datetime = LOADED + timedelta(minutes=1), **fields: Json) -> None:
        """Load a member of the cast again with other fields; by default early enough to be known to every access of a test."""
        kind, record = CAST[key]
        self.know({kind: [{**record, **fields}]}, at)

    def happen(self, *looks: Look) -> Sequence[int]:
        """Entries of the ledger, in one go. Returns their sequence numbers."""
        seqs = range(self._seq, self._seq + len(looks))
        self._seq += len(looks)
        rows = [_entry(seq, look) for seq, look in zip(seqs, looks, strict=True)]
        self.engine.insert("events", pl.DataFrame(rows, schema_overrides=_ENTRY_TYPES))
        return seqs

    def enrich(self) -> pl.DataFrame:
        """Facts of everything that has happened, in order."""
        self.facts.enrich({"w1": (0, self._seq)})
        return self.engine.frame("SELECT * EXCEPT written FROM access_facts FINAL ORDER BY seq")

    def ask(self, *looks: Look) -> list[dict[str, Any]]:
        """Let accesses happen; the facts of each."""
        seqs = self.happen(*looks)
        return list(self.enrich().filter(pl.col("seq").is_between(seqs[0], seqs[-1])).iter_rows(named=True))


_MOMENT = pl.Datetime("us", "UTC")
_ENTRY_TYPES: Mapping[str, pl.DataType] = {"epoch": pl.UInt32(), "seq": pl.UInt64(), "time": _MOMENT, "received": _MOMENT}


def _geo(look: Look) -> Mapping[str, Json] | None:
    return None if look.geo is None else dict(zip(("city", "country", "lat", "lon"), look.geo, strict=True))


def _entry(seq: int, look: Look) -> dict[str, object]:
    return {
        "epoch": 202603,
        "writer": "w1",
        "seq": seq,
        "leaf": b"\0" * 32,
        "header": "",
        "private": orjson.dumps({"details": normalise(look.details), "geo": _geo(look)}).decode(),
        "event_id": f"e-{seq}",
        "source_system": "ehr",
        "source": look.source,
        "action": look.action,
        "actor_id": look.actor,
        "actor_kind": look.kind,
        "patient_id": look.patient,
        "outcome": look.outcome,
        "time": look.time,
        "received": look.time,
        "device_id": "d-1",
        "device_kind": look.device,
        "ip": look.ip,
        "format": "phitrail",
    }
