"""Reference data: what the organisation knows about its people, patients and their care, and since when.

The outward form is `docs/reference-data.md`: `org.json` and one JSON Lines file a kind. A record is a mapping; this file says which
fields each kind has, how a record is checked and brought to one spelling, and what identifies it across versions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from domain.context_fields import CALLED, READ, Field
from domain.errors import InvalidInput
from domain.json import Json

Record = Mapping[str, Json]
"""One record of reference data, inside the canonical JSON profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of record: `key` identifies it across versions, `known` names the field that says since when it was knowledge."""

    name: str
    key: tuple[str, ...]
    required: tuple[str, ...] = ()
    known: str | None = None
    fields: Mapping[str, Field] = field(default_factory=dict)

    def key_of(self, record: Record) -> str:
        """The identity of a record of this kind, for example `S0012` or `S0012|2026-03-02T13:00:00.000000Z|3N`."""
        return "|".join("" if record.get(name) is None else str(record.get(name)) for name in self.key)


def _fields(**names: str) -> dict[str, Field]:
    return {name: kind for kind, text in ((Field(key), value) for key, value in names.items()) for name in text.split()}


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="staff",
            key=("staff_id",),
            fields=_fields(
                text="staff_id account_id kind first_name last_name role department unit manager_id phone email patient_id",
                day="date_of_birth hire_date notice_date",
                moment="termination_date last_login",
                contact="emergency_contact",
                posts="previous_positions",
                open="schedule home_address",
            ),
        ),
        Kind(
            name="patients",
            key=("patient_id",),
            fields=_fields(
                text="patient_id first_name last_name sex phone email employer primary_care_id",
                day="date_of_birth",
                moment="vip_since",
                flag="vip restricted portal_enrolled",
                contact="emergency_contact",
                open="address previous_address",
            ),
        ),
        Kind(
            name="encounters",
            key=("encounter_id",),
            required=("patient_id",),
            known="recorded_at",
            fields=_fields(
                text="encounter_id patient_id type department attending_id resident_id",
                instant="admitted_at discharged_at recorded_at",
                stays="locations",
                texts="care_team",
            ),
        ),
        Kind(
            name="appointments",
            key=("appointment_id",),
            required=("patient_id",),
            known="created_at",
            fields=_fields(
                text="appointment_id patient_id department clinic provider_id created_by status", instant="scheduled_at created_at"
            ),
        ),
        Kind(
            name="referrals",
            key=("referral_id",),
            required=("patient_id",),
            known="created_at",
            fields=_fields(
                text="referral_id patient_id from_provider_id to_department to_provider_id status", instant="created_at"
            ),
        ),
        Kind(
            name="orders",
            key=("order_id",),
            required=("patient_id",),
            known="placed_at",
            fields=_fields(
                text="order_id patient_id encounter_id type ordering_id performing_department performer_id",
                instant="placed_at completed_at",
            ),
        ),
        Kind(
            name="worklists",
            key=("worklist_id", "patient_id"),
            required=("worklist_id", "patient_id"),
            known="opened_at",
            fields=_fields(text="worklist_id type patient_id assigned_to department reference", instant="opened_at closed_at"),
        ),
        Kind(
            name="shifts",
            key=("staff_id", "start", "unit"),
            required=("staff_id", "start", "end"),
            fields=_fields(text="staff_id unit kind mentor_id", instant="start end"),
        ),
        Kind(
            name="leave",
            key=("staff_id", "first_day", "kind"),
            required=("staff_id", "first_day"),
            fields=_fields(text="staff_id kind", day="first_day last_day"),
        ),
        Kind(
            name="protocols",
            key=("protocol_id",),
            fields=_fields(
                text="protocol_id title",
                texts="staff_ids cohort_patient_ids",
                moment="valid_from valid_to",
                flag="bulk_export_approved",
            ),
        ),
        Kind(name="domains", key=("domain",), fields=_fields(text="domain kind", flag="baa", day="baa_expires", open="mta_sts")),
        Kind(
            name="consents",
            key=("patient_id", "channel", "at"),
            required=("patient_id", "channel"),
            fields=_fields(text="patient_id channel status", instant="at"),
        ),
        Kind(
            name="training",
            key=("staff_id", "course", "completed_at"),
            required=("staff_id", "course"),
            fields=_fields(text="staff_id course", moment="completed_at valid_until"),
        ),
        Kind(
            name="applications",
            key=("application",),
            fields=_fields(
                text="application owner", flag="approved handles_phi baa", day="baa_expires", texts="hosts", moment="retired_at"
            ),
        ),
    )
}
"""Every JSON Lines file of a reference data directory, by its name without suffix."""


def checked(kind: Kind, record: Mapping[str, Json], zone: ZoneInfo) -> Record:
    """The record in one spelling: instants in UTC, days as ISO dates, ids as text. Unknown fields stay as they are.

    An instant without an offset, and a plain date where an instant belongs, is read on the clocks of `zone`.
    Raises InvalidInput, naming the field but never its value.
    """
    clean: dict[str, Json] = dict(record)
    for name, what in kind.fields.items():
        value = clean.get(name)
        if value is None or value == "":
            clean[name] = None
            continue
        try:
            clean[name] = READ[what](value, zone)
        except (TypeError, ValueError):
            raise InvalidInput(f"field {name} is no {CALLED[what]}") from None
    for name in (*kind.key[:1], *kind.required):
        if clean.get(name) is None:
            raise InvalidInput(f"field {name} is missing")
    return clean
