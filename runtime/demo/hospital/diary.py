"""The diary of the hospital: what happened, written down in any order, put in order and numbered at the end.

Numbers are given after sorting, so that an event's id says nothing about whether it belongs to an incident.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.event import Actor, AuditEvent, Device, Geo, Source
from domain.json import Json
from runtime.demo.hospital.plan import Plan
from runtime.demo.labels import Incident, IncidentKind


class System(StrEnum):
    """Who sends: the name of each source system."""

    EHR = "ehr"
    LAB = "lab-system"
    PACS = "pacs"
    PHARMACY = "pharmacy"
    RADIOLOGY = "radiology"
    RELAY = "mail-relay"
    PROVIDER = "mail-provider"
    PORTAL = "portal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something that happened. `because` is the record that gives the reason ("encounter E500012"), empty where there is none."""

    system: System
    time: datetime
    source: Source
    action: str
    actor: Actor
    patient_id: str | None = None
    outcome: str | None = "success"
    device: Device | None = None
    ip: str | None = None
    geo: Geo | None = None
    details: Mapping[str, Json] = field(default_factory=dict)
    because: str = ""
    incident: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heading:
    kind: IncidentKind
    actor: str | None
    patient_id: str | None


class Diary:
    """Takes entries and the headings of incidents; `close` numbers them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._start = plan.start
        self.entries: list[Entry] = []
        self._headings: dict[str, _Heading] = {}

    def write(self, entry: Entry) -> None:
        """Keep it, unless it lies outside the period."""
        if self._start <= entry.time < self.plan.until:
            self.entries.append(entry)

    def incident(self, kind: IncidentKind, *, actor: str | None, patient_id: str | None) -> str:
        """Open a labelled incident; the key goes into its entries."""
        key = f"{kind.value}-{1 + sum(heading.kind == kind for heading in self._headings.values())}"
        self._headings[key] = _Heading(kind=kind, actor=actor, patient_id=patient_id)
        return key

    def close(self) -> tuple[Sequence[AuditEvent], Sequence[Incident]]:
        """Events in order of time with ids per system, and the incidents that point at them."""
        counts: Counter[System] = Counter()
        evidence: dict[str, list[AuditEvent]] = {key: [] for key in self._headings}
        events: list[AuditEvent] = []
        for entry in sorted(self.entries, key=lambda entry: (entry.time, entry.system, entry.actor.id, entry.action)):
            counts[entry.system] += 1
            event = _event(entry, f"{entry.system}-{counts[entry.system]:07d}")
            events.append(event)
            if entry.incident is not None:
                evidence[entry.incident].append(event)
        return events, [self._label(key, evidence[key]) for key in self._headings]

    def _label(self, key: str, events: Sequence[AuditEvent]) -> Incident:
        heading = self._headings[key]
        return Incident(
            incident_id=key,
            kind=heading.kind,
            actor=heading.actor,
            patient_id=heading.patient_id,
            event_ids=[event.event_id for event in events],
            from_=self.plan.local(events[0].time),
            to=self.plan.local(events[-1].time),
        )


def _event(entry: Entry, event_id: str) -> AuditEvent:
    return AuditEvent(
        source_system=entry.system.value,
        event_id=event_id,
        time=entry.time,
        source=entry.source,
        action=entry.action,
        actor=entry.actor,
        patient_id=entry.patient_id,
        outcome=entry.outcome,
        device=entry.device,
        ip=entry.ip,
        geo=entry.geo,
        details=entry.details,
    )
