"""Staff and patients as rows: what is compared to tell self, household, namesake and colleague."""

from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

import polars as pl

from domain.context import Record
from domain.context_fields import instant_of
from domain.json import Json
from store.context_keys import address_key, name_key, phone_key
from store.context_rows import MOMENT, Projection, Row, Schema, Version, text

_PERSON: Schema = {
    "name_key": pl.String,
    "surname_key": pl.String,
    "birth": pl.String,
    "address_key": pl.String,
    "street_key": pl.String,
    "house_number": pl.Int32,
    "phone_key": pl.String,
    "contact_name": pl.String,
    "contact_phone": pl.String,
}
_COPIED = ("staff_id", "account_id", "kind", "role", "department", "unit", "manager_id")
_STAFF: Schema = {
    **dict.fromkeys((*_COPIED, "own_patient_id", "schedule"), pl.String),
    **dict.fromkeys(("terminated_at", "notice_at", "last_login_at"), MOMENT),
    **_PERSON,
}
_PATIENT: Schema = {
    **dict.fromkeys(("patient_id", "email_key", "former_address"), pl.String),
    **dict.fromkeys(("vip", "restricted"), pl.UInt8),
    "vip_since": MOMENT,
    **_PERSON,
}


def _staff(version: Version, zone: ZoneInfo) -> Iterator[Row]:
    record = version.record
    yield {
        **{name: text(record, name) for name in _COPIED},
        "own_patient_id": text(record, "patient_id"),
        # The last day of work counts whole, on the organisation's clocks.
        "terminated_at": instant_of(record.get("termination_date"), zone, end_of_day=True),
        "notice_at": instant_of(record.get("notice_date"), zone),
        "last_login_at": instant_of(record.get("last_login"), zone),
        "schedule": _schedule(record.get("schedule")),
        **_person(record, "home_address"),
    }


def _patient(version: Version, zone: ZoneInfo) -> Iterator[Row]:
    record = version.record
    yield {
        "patient_id": version.key,
        "vip": int(bool(record.get("vip"))),
        "vip_since": instant_of(record.get("vip_since"), zone),
        "restricted": int(bool(record.get("restricted"))),
        "email_key": text(record, "email").casefold(),
        "former_address": address_key(record.get("previous_address")).whole,
        **_person(record, "address"),
    }


def _schedule(value: Json) -> str:
    """Free text, or `02:00-04:00` from an object with start and end (or from and to)."""
    if isinstance(value, Mapping):
        return "-".join(str(value.get(name) or value.get(other) or "") for name, other in (("start", "from"), ("end", "to")))
    return "" if value is None else str(value)


def _person(record: Record, address: str) -> Row:
    home = address_key(record.get(address))
    contact = record.get("emergency_contact")
    contact = contact if isinstance(contact, Mapping) else {}
    return {
        "name_key": name_key(record.get("first_name"), record.get("last_name")),
        "surname_key": name_key(record.get("last_name")),
        "birth": text(record, "date_of_birth"),
        "address_key": home.whole,
        "street_key": home.street,
        "house_number": home.number,
        "phone_key": phone_key(record.get("phone")),
        "contact_name": name_key(contact.get("name")),
        "contact_phone": phone_key(contact.get("phone")),
    }


STAFF = Projection(table="context_staff", schema=_STAFF, rows=_staff)
PATIENTS = Projection(table="context_patients", schema=_PATIENT, rows=_patient)
