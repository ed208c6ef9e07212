"""The answers: which incidents were put into the demo's events, so that the alerts can be scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.json import Json


class IncidentKind(StrEnum):
    """The ids alerts of these kinds carry."""

    PLAINTEXT_PHI = "plaintext_phi"
    WEAK_TLS = "weak_tls"
    UNVERIFIED_CERTIFICATE = "unverified_certificate"
    LOGIN_BURST = "login_burst"
    TERMINATED_ACTIVE = "terminated_active"
    BREAK_GLASS = "break_glass"
    SELF_ACCESS = "self_access"
    HOUSEHOLD_ACCESS = "household_access"
    VIP_ACCESS = "vip_access"
    BULK_EXPORT = "bulk_export"
    AUDIT_STOPPED = "audit_stopped"
    UNUSUAL_VOLUME = "unusual_volume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One labelled incident. `actor` is null where several people are involved, `patient_id` where several patients or none are."""

    incident_id: str
    kind: IncidentKind
    actor: str | None
    patient_id: str | None
    event_ids: Sequence[str]
    from_: datetime
    to: datetime

    def record(self) -> Mapping[str, Json]:
        """One line of `labels.jsonl`."""
        return {
            "incident_id": self.incident_id,
            "kind": self.kind.value,
            "actor": self.actor,
            "patient_id": self.patient_id,
            "event_ids": list(self.event_ids),
            "from": self.from_.isoformat(timespec="seconds"),
            "to": self.to.isoformat(timespec="seconds"),
        }
