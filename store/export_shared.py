"""Raw records that are the evidence of several patients' events.

A record that names several patients becomes an event for each (`ingest/`): the first has the record's id, the others that id with
`#2`, `#3`, …, and each has the whole record in its private part. Whoever got that of one patient would read the others' names.
The first two of such a record are of different patients, so an entry whose record is about others too differs from one of them.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence

import polars as pl

from domain.entry import event_key
from store.engine import Engine
from store.keys import KnownEvent, find_keys

_FURTHER = re.compile(r"(.+)#([2-9]|[1-9][0-9]+)")

_SEVERAL = frozenset({"fhir-auditevent", "atna", "ocsf"})
"""Formats whose records can name several patients: there `#2` is ours. Elsewhere it can be the sender's own numbering."""

_NO_RECORD = hashlib.sha256(b"").digest()[:8]

_WHOSE = """
SELECT toString(writer), seq, patient_id, private_digest != '' FROM events
WHERE (writer, seq) IN (SELECT arrayJoin(arrayZip({writers:Array(String)}, {seqs:Array(UInt64)})))
"""


def shared_entries(engine: Engine, rows: pl.DataFrame) -> list[int]:
    """The seqs among these entries (columns seq, event_id, source_system, format, patient_id) whose record names others too.

    Entries have one record when `event_keys` has the same digest of it for them. Where it cannot be told any more, it is shared.
    """
    columns = rows.select("seq", "event_id", "source_system", "format", "patient_id")
    own, others = dict[int, bytes](), dict[int, list[bytes]]()
    for seq, event_id, source_system, _, _ in columns.iter_rows():
        base = _base(event_id)
        own[seq] = event_key(source_system, event_id)
        others[seq] = [event_key(source_system, name) for name in (base, f"{base}#2") if name != event_id]
    known = find_keys(engine, list({key for keys in others.values() for key in keys}))
    mine = find_keys(engine, [own[seq] for seq, keys in others.items() if any(key in known for key in keys)])
    siblings = {seq: _same_record(mine.get(own[seq]), [known[key] for key in others[seq] if key in known]) for seq in own}
    whose = _whose(engine, {(one.writer, one.seq) for found in siblings.values() for one in found})
    shared = []
    for seq, event_id, _, form, patient in columns.iter_rows():
        patients = [whose.get((one.writer, one.seq)) for one in siblings[seq]]
        is_lost = not patients and form in _SEVERAL and _base(event_id) != event_id
        if is_lost or any(other is None or other not in ("", patient) for other in patients):
            shared.append(seq)
    return shared


def _base(event_id: str) -> str:
    """The id without the number of a further event."""
    further = _FURTHER.fullmatch(event_id)
    return further[1] if further else event_id


def _same_record(own: KnownEvent | None, others: Sequence[KnownEvent]) -> list[KnownEvent]:
    """Those that came in the same record; the second half of `content` is of the record as received (domain/entry.py)."""
    if own is None or own.content[8:] == _NO_RECORD:
        return []
    return [other for other in others if other.content[8:] == own.content[8:]]


def _whose(engine: Engine, places: set[tuple[str, int]]) -> Mapping[tuple[str, int], str | None]:
    """The patient of each place (writer, seq); None where the entry no longer says."""
    if not places:
        return {}
    ordered = sorted(places)
    rows = engine.rows(_WHOSE, writers=[writer for writer, _ in ordered], seqs=[seq for _, seq in ordered])
    return {(str(writer), int(str(seq))): None if is_gone else str(patient) for writer, seq, patient, is_gone in rows}
