"""Care records as ties: which person, unit, department or protocol has to do with a patient, from when to when.

Only what the records say. How long a tie explains an access before and after is the analysts' policy (analytics/relationships).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl

from domain.context_fields import instant_of
from store.context_rows import ALWAYS, MOMENT, Projection, Row, Schema, Version, items, text, validity

_LINK: Schema = {
    **dict.fromkeys(("patient_id", "link", "record", "subject_kind", "subject"), pl.String),
    "part": pl.UInt32,
    "valid_from": MOMENT,
    "valid_to": MOMENT,
}

_Tie = tuple[str, str, str, datetime, datetime | None]
"""(link, subject kind, subject, valid from, valid to)."""


def _rows(version: Version, ties: Sequence[_Tie], *, patient: str | None = None, record: str | None = None) -> Iterator[Row]:
    """The ties that name somebody; `part` keeps several of one kind in one record apart."""
    for part, (link, subject_kind, subject, begin, end) in enumerate(ties):
        if subject:
            yield {
                "patient_id": patient or text(version.record, "patient_id"),
                "link": link,
                "record": version.key if record is None else record,
                "part": part,
                "subject_kind": subject_kind,
                "subject": subject,
                "valid_from": begin,
                "valid_to": end,
            }


def _primary_care(version: Version, _zone: ZoneInfo) -> Iterator[Row]:
    yield from _rows(version, [("primary_care", "staff", text(version.record, "primary_care_id"), ALWAYS, None)])


def _encounter(version: Version, zone: ZoneInfo) -> Iterator[Row]:
    record = version.record
    begin, end = instant_of(record.get("admitted_at"), zone), instant_of(record.get("discharged_at"), zone)
    begin = begin or instant_of(record.get("recorded_at"), zone) or ALWAYS
    ties: list[_Tie] = [
        ("attending", "staff", text(record, "attending_id"), begin, end),
        ("resident", "staff", text(record, "resident_id"), begin, end),
        *(("care_team", "staff", str(member), begin, end) for member in items(record, "care_team")),
    ]
    stays = [stay for stay in items(record, "locations") if isinstance(stay, Mapping) and stay.get("unit")]
    for stay in stays:
        since, until = instant_of(stay.get("from"), zone) or begin, instant_of(stay.get("to"), zone) or end
        ties.append(("stay", "unit", text(stay, "unit"), since, until))
    if not stays:
        ties.append(("visit", "department", text(record, "department"), begin, end))
    yield from _rows(version, ties)


def _appointment(version: Version, zone: ZoneInfo) -> Iterator[Row]:
    record = version.record
    made = instant_of(record.get("created_at"), zone)
    at = instant_of(record.get("scheduled_at"), zone) or made or ALWAYS
    ties: list[_Tie] = [("appointment", "staff", text(record, "provider_id"), at, at)]
    if made is not None:
        ties.append(("booking", "staff", text(record, "created_by"), made, made))
    # A cancelled visit gives its provider a reason to look, but no longer the whole department.
    if text(record, "status").casefold() not in {"cancelled", "canceled", "entered-in-error"}:
        ties.append(("clinic_day", "department", text(record, "department"), at, at))
    yield from _rows(version, ties)


def _referral(version: Version, zone: ZoneInfo) -> Iterator[Row]:
    record = version.record
    at = instant_of(record.get("created_at"), zone) or ALWAYS
    ties: list[_Tie] = [
        ("referred_by", "staff", text(record, "from_provider_id"), at, None),
        ("referred_to", "staff", text(record, "to_provider_id"), at, None),
    ]
    if text(record, "status").casefold() not in {"cancelled", "canceled", "declined", "revoked", "entered-in-error"}:
        ties.append(("referred_department", "department", text(record, "to_department"), at, None))
    yield from _rows(version, ties)


def _order(version: Version, zone: ZoneInfo) -> Iterator[Row]:
    record = version.record
    begin, end = instant_of(record.get("placed_at"), zone) or ALWAYS, instant_of(record.get("completed_at"), zone)
    yield from _rows(
        version,
        [
            ("ordered", "staff", text(record, "ordering_id"), begin, end),
            ("performs", "staff", text(record, "performer_id"), begin, end),
            ("performing_department", "department", text(record, "performing_department"), begin, end),
        ],
    )


def _worklist(version: Version, zone: ZoneInfo) -> Iterator[Row]:
    record = version.record
    begin, end = instant_of(record.get("opened_at"), zone) or ALWAYS, instant_of(record.get("closed_at"), zone)
    yield from _rows(
        version,
        [
            ("assigned", "staff", text(record, "assigned_to"), begin, end),
            ("worklist", "department", text(record, "department"), begin, end),
        ],
        record=text(record, "worklist_id"),
    )


def _cohort(version: Version, zone: ZoneInfo) -> Iterator[Row]:
    begin, end = validity(version, zone)
    for patient in dict.fromkeys(map(str, items(version.record, "cohort_patient_ids"))):
        yield from _rows(version, [("cohort", "protocol", version.key, begin, end)], patient=patient)


PRIMARY_CARE, ENCOUNTERS, APPOINTMENTS, REFERRALS, ORDERS, WORKLISTS, COHORTS = (
    Projection(table="context_links", schema=_LINK, rows=rows)
    for rows in (_primary_care, _encounter, _appointment, _referral, _order, _worklist, _cohort)
)
