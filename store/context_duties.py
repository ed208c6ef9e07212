"""Where a member of staff stands, from when to when: shifts, protocols, former posts, leave, training."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl

from domain.context_fields import instant_of
from store.context_rows import ALWAYS, MOMENT, Projection, Row, Schema, Version, items, text, validity

_DUTY: Schema = {
    **dict.fromkeys(("staff_id", "duty", "record", "kind", "place", "department", "role", "mentor_id"), pl.String),
    "valid_from": MOMENT,
    "valid_to": MOMENT,
}


def _investigators(version: Version, zone: ZoneInfo) -> Iterator[Row]:
    begin, end = validity(version, zone)
    kind = "bulk_export" if version.record.get("bulk_export_approved") else ""
    for member in dict.fromkeys(map(str, items(version.record, "staff_ids"))):
        yield _duty(member, "protocol", version.key, kind, begin, end) | {"place": version.key}


def _shift(version: Version, zone: ZoneInfo) -> Iterator[Row]:
    record = version.record
    begin, end = instant_of(record.get("start"), zone), instant_of(record.get("end"), zone)
    if begin is not None and end is not None:
        row = _duty(text(record, "staff_id"), "shift", version.key, text(record, "kind"), begin, end)
        yield row | {"place": text(record, "unit"), "mentor_id": text(record, "mentor_id")}


def _leave(version: Version, zone: ZoneInfo) -> Iterator[Row]:
    record = version.record
    begin = instant_of(record.get("first_day"), zone)
    if begin is not None:
        end = instant_of(record.get("last_day"), zone, end_of_day=True)
        yield _duty(text(record, "staff_id"), "leave", version.key, text(record, "kind"), begin, end)


def _posts(version: Version, zone: ZoneInfo) -> Iterator[Row]:
    for number, post in enumerate(items(version.record, "previous_positions")):
        if isinstance(post, Mapping):
            yield {
                "staff_id": version.key,
                "duty": "post",
                "record": str(number),
                "kind": "former",
                "place": text(post, "unit"),
                "department": text(post, "department"),
                "role": text(post, "role"),
                "mentor_id": "",
                "valid_from": instant_of(post.get("from"), zone) or ALWAYS,
                "valid_to": instant_of(post.get("to"), zone, end_of_day=True),
            }


def _training(version: Version, zone: ZoneInfo) -> Iterator[Row]:
    record = version.record
    begin = instant_of(record.get("completed_at"), zone)
    if begin is not None:
        end = instant_of(record.get("valid_until"), zone, end_of_day=True)
        yield _duty(text(record, "staff_id"), "training", version.key, text(record, "course"), begin, end)


def _duty(staff_id: str, duty: str, record: str, kind: str, begin: datetime, end: datetime | None) -> Row:
    return {
        "staff_id": staff_id,
        "duty": duty,
        "record": record,
        "kind": kind,
        "place": "",
        "department": "",
        "role": "",
        "mentor_id": "",
        "valid_from": begin,
        "valid_to": end,
    }


SHIFTS, LEAVE, INVESTIGATORS, POSTS, TRAINING = (
    Projection(table="context_duties", schema=_DUTY, rows=rows) for rows in (_shift, _leave, _investigators, _posts, _training)
)
