"""The wire: what comes in as a query and what goes out as JSON. Never the domain types themselves."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from domain.clock import rfc3339
from domain.finding import Alert, AlertStatus, Disposition, Severity
from domain.record import StoredEvent
from store.alerts import AlertQuery
from store.events import EventFilter

MAX_ROWS = 1000

MAX_NOTE = 4000
"""Characters of what a person writes when deciding."""

Text = Annotated[str, Field(min_length=1, max_length=512)]


class Period(BaseModel):
    """A half-open period of claimed time; both ends are optional and carry their offset (RFC 3339)."""

    model_config = ConfigDict(extra="forbid")

    from_: AwareDatetime | None = Field(None, alias="from", description="At or after this instant (RFC 3339, with offset).")
    to: AwareDatetime | None = Field(None, description="Before this instant (RFC 3339, with offset).")


class Paged(Period):
    """A period, read a page at a time."""

    limit: int = Field(100, ge=1, le=MAX_ROWS, description="Rows on a page.")
    cursor: str | None = Field(None, max_length=1024, description="`next` of the page before.")


class EventQuery(Paged):
    """The filters that every list of events takes. A list may be repeated: `action=print&action=export` finds either."""

    actor: Text | None = None
    patient: Text | None = None
    device: Text | None = None
    ip: Text | None = None
    action: list[Text] = Field(default_factory=list)
    source: list[Text] = Field(default_factory=list)
    source_system: list[Text] = Field(default_factory=list)
    outcome: list[str] = Field(default_factory=list)
    actor_kind: list[Text] = Field(default_factory=list)
    q: Text | None = Field(None, description="Found, whatever its case, in identifiers, device, address and details.")

    def wanted(self) -> EventFilter:
        """The filter for the store."""
        return EventFilter(
            since=self.from_,
            until=self.to,
            actor_id=self.actor,
            patient_id=self.patient,
            device_id=self.device,
            ip=self.ip,
            actions=tuple(self.action),
            sources=tuple(self.source),
            source_systems=tuple(self.source_system),
            outcomes=tuple(self.outcome),
            actor_kinds=tuple(self.actor_kind),
            text=self.q,
        )


class ActorOut(BaseModel):
    id: str
    kind: str


class DeviceOut(BaseModel):
    id: str
    kind: str | None


class GeoOut(BaseModel):
    city: str | None
    country: str | None
    lat: str | None
    lon: str | None


class EventOut(BaseModel):
    """An event in its outward form (interfaces section 2), with its place in the ledger."""

    writer: str
    seq: int
    leaf: str
    received: str
    source_system: str
    event_id: str
    time: str
    source: str
    action: str
    actor: ActorOut
    patient_id: str | None
    outcome: str | None
    device: DeviceOut | None
    ip: str | None
    geo: GeoOut | None
    details: Mapping[str, object]

    @classmethod
    def of(cls, stored: StoredEvent) -> "EventOut":
        """The outward form of a stored event."""
        event = stored.event
        return cls(
            writer=stored.writer,
            seq=stored.seq,
            leaf=stored.leaf.hex(),
            received=rfc3339(stored.received),
            source_system=event.source_system,
            event_id=event.event_id,
            time=rfc3339(event.time),
            source=event.source.value,
            action=event.action,
            actor=ActorOut(id=event.actor.id, kind=event.actor.kind.value),
            patient_id=event.patient_id,
            outcome=event.outcome,
            device=DeviceOut(id=event.device.id, kind=event.device.kind and event.device.kind.value) if event.device else None,
            ip=event.ip,
            geo=GeoOut(city=event.geo.city, country=event.geo.country, lat=event.geo.lat, lon=event.geo.lon) if event.geo else None,
            details=event.details,
        )


class EventsOut(BaseModel):
    """A page of events, newest first; `next` is the cursor of the page after it."""

    events: list[EventOut]
    next: str | None


class EventDetailOut(BaseModel):
    """One event, the record it was understood from, and its proof (null until a checkpoint covers it, with the reason)."""

    event: EventOut
    format: str
    raw: str
    proof: Mapping[str, object] | None
    proof_missing: str | None


class AlertOut(BaseModel):
    """An alert in its outward form (interfaces section 4), with who changed it last."""

    alert_id: str
    version: int
    time: str
    updated: str
    score: float
    severity: Severity
    kind: str
    title: str
    actor: str | None
    patient_id: str | None
    event_ids: Sequence[str]
    explanation: Sequence[str]
    exculpatory: Sequence[str]
    rule: Mapping[str, str]
    controls: Sequence[str]
    runbook: str
    status: AlertStatus
    changed_by: str
    note: str
    disposition: Disposition

    @classmethod
    def of(cls, alert: Alert) -> "AlertOut":
        """The outward form of an alert."""
        return cls(
            alert_id=alert.alert_id,
            version=alert.version,
            time=rfc3339(alert.time),
            updated=rfc3339(alert.updated),
            score=alert.score,
            severity=alert.severity,
            kind=alert.kind,
            title=alert.title,
            actor=alert.actor_id,
            patient_id=alert.patient_id,
            event_ids=[reference.event_id for reference in alert.evidence],
            explanation=alert.explanation,
            exculpatory=alert.exculpatory,
            rule={"id": alert.rule_id, "version": alert.rule_version},
            controls=alert.controls,
            runbook=alert.runbook,
            status=alert.status,
            changed_by=alert.changed_by,
            note=alert.note,
            disposition=alert.disposition,
        )


class AlertsQuery(Paged):
    """The filters of the list of alerts; a list may be repeated."""

    status: list[AlertStatus] = Field(default_factory=list)
    severity: list[Severity] = Field(default_factory=list)
    kind: list[Text] = Field(default_factory=list)
    actor: Text | None = None
    patient: Text | None = None

    def wanted(self) -> AlertQuery:
        """The question for the store."""
        period = {name: moment for name, moment in (("since", self.from_), ("until", self.to)) if moment is not None}
        return AlertQuery(
            statuses=tuple(self.status),
            severities=tuple(self.severity),
            kinds=tuple(self.kind),
            actor_id=self.actor or "",
            patient_id=self.patient or "",
            **period,
        )

    def names(self) -> tuple[str, ...]:
        """The filters in use, by name only."""
        return tuple(sorted(self.model_fields_set - {"limit", "cursor"}))


class AlertsOut(BaseModel):
    """A page of alerts, newest first; `next` is the cursor of the page after it."""

    alerts: list[AlertOut]
    next: str | None


class Decision(BaseModel):
    """What a person says when acknowledging or resolving an alert.

    `version` is the version that was read: if the alert has changed since, the answer is 409 and nothing is decided.
    """

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1)
    note: str = Field("", max_length=MAX_NOTE)


class Resolution(Decision):
    """A decision that closes an alert: with what the alert turned out to be, which the ranking of accesses learns from."""

    disposition: Disposition = Disposition.UNSTATED


class HistoryOut(BaseModel):
    """Every version of an alert, first to newest."""

    versions: list[AlertOut]
