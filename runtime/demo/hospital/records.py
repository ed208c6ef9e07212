"""The reference data as records: one class per file of `phitrail context load`, field for field (interfaces section 3).

Encoding is `encode`: dates and instants as RFC 3339, instants with the hospital's own offset.
"""

from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime

from domain.json import Json
from runtime.demo.hospital.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    name: str
    phone: str
    relationship: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A position held before; `unit` is where."""

    unit: str
    department: str
    role: str
    from_: date
    to: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    staff_id: str
    account_id: str
    kind: str
    first_name: str
    last_name: str
    role: str
    department: str
    unit: str
    manager_id: str | None
    date_of_birth: date
    home_address: str
    phone: str
    email: str
    emergency_contact: Contact | None
    hire_date: date
    termination_date: date | datetime | None
    notice_date: date | None
    patient_id: str | None
    schedule: str
    last_login: datetime | None
    previous_positions: tuple[Post, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    patient_id: str
    first_name: str
    last_name: str
    date_of_birth: date
    sex: str
    address: str
    previous_address: str | None
    phone: str
    email: str | None
    employer: str | None
    emergency_contact: Contact | None
    vip: bool
    vip_since: date | None
    restricted: bool
    primary_care_id: str | None
    portal_enrolled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A time on one unit; `to` is null while it lasts."""

    unit: str
    from_: datetime
    to: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Encounter:
    encounter_id: str
    patient_id: str
    type: str
    department: str
    attending_id: str
    resident_id: str | None
    admitted_at: datetime
    discharged_at: datetime | None
    locations: tuple[Stay, ...]
    care_team: tuple[str, ...]
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    appointment_id: str
    patient_id: str
    department: str
    clinic: str
    provider_id: str
    scheduled_at: datetime
    created_at: datetime
    created_by: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    referral_id: str
    patient_id: str
    from_provider_id: str
    to_department: str
    to_provider_id: str
    created_at: datetime
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    order_id: str
    patient_id: str
    encounter_id: str | None
    type: str
    ordering_id: str
    performing_department: str
    performer_id: str | None
    placed_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worklist:
    worklist_id: str
    type: str
    patient_id: str
    assigned_to: str
    department: str
    reference: str
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """`kind` is day, night, on_call, float, cover or orientation; `mentor_id` belongs to orientation."""

    staff_id: str
    unit: str
    kind: str
    mentor_id: str | None
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    staff_id: str
    first_day: date
    last_day: date
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    protocol_id: str
    title: str
    staff_ids: tuple[str, ...]
    cohort_patient_ids: tuple[str, ...]
    valid_from: date
    valid_to: date
    bulk_export_approved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    domain: str
    kind: str
    baa: bool
    baa_expires: date | None
    mta_sts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    patient_id: str
    channel: str
    status: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    staff_id: str
    course: str
    completed_at: datetime
    valid_until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    application: str
    owner: str
    approved: bool
    handles_phi: bool
    baa: bool
    baa_expires: date | None
    hosts: tuple[str, ...]
    retired_at: date | None


def encode(value: object, plan: Plan) -> Json:
    """A record, or a value inside one, as JSON; `from_` becomes `from`. Raises TypeError for what no record holds."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, datetime):
        return plan.local(value).isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [encode(item, plan) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name.rstrip("_"): encode(getattr(value, field.name), plan) for field in fields(value)}
    raise TypeError(f"a {type(value).__name__} is no part of a reference record")
