"""Index trees (docs/log-format.md section 9) built anew from the entries, and compared with what a seal commits to.

The subjects of a log are hashed where the rows are, in as many passes as keep a pass's entries bounded. A subject with very many
entries, or with redacted ones (which are filed under kept tags), is hashed here, range by range.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from store.engine import Engine
from store.fsck_entries import Log
from store.fsck_redactions import kept_of
from store.fsck_report import Problem
from store.fsck_spine import Said
from store.fsck_tree import leaf, root

_COLUMNS = {"patient": "patient_id", "actor": "actor_id", "source_system": "source_system"}
"""Dimensions, and where their subjects stand."""

MOST = 50_000
"""Entries of one subject that are gathered in one array, 40 bytes each."""

AT_ONCE = 1_000_000
"""Entries of one pass over the subjects of a log, and of one range of the log."""

_TAG = re.compile(r"[0-9a-f]{64}")

_WITHIN = "epoch = {epoch:UInt32} AND writer = {writer:String} AND seq >= {low:UInt64} AND seq < {high:UInt64}"


@dataclass(frozen=True, slots=True)
class _Questions:
    """What is asked of one dimension. `filed` says which rows count by their column: a redacted one is filed under its kept tag."""

    subjects: str
    many: str
    runs: str


def _questions(column: str, *, is_private: bool) -> _Questions:
    filed = f"{column} != ''" + (" AND private_digest = ''" if is_private else "")
    tag = "HMAC('sha256', toString(subject), unhex({key:String}))"
    return _Questions(
        # Every subject of this pass but those that are hashed range by range.
        subjects=f"""
            SELECT toFixedString({tag}, 32) AS tag, count() AS entries, SHA256(arrayStringConcat(arrayMap(pair ->
                concat(reinterpretAsFixedString(byteSwap(pair.1)), pair.2), arraySort(pair -> pair.1, groupArray((seq, leaf))))))
                AS digest
            FROM (SELECT {column} AS subject, seq, leaf FROM events WHERE {_WITHIN} AND {filed}
                AND cityHash64({column}) % {{passes:UInt64}} = {{number:UInt64}} AND {column} NOT IN
                    (SELECT unhex(arrayJoin({{apart:Array(String)}}))))
            GROUP BY subject SETTINGS optimize_use_projections = 0""",
        # Subjects with many entries, and those whose tag is among `tags`, in hex.
        many=f"""
            SELECT hex(subject), hex({tag}) AS tag FROM
            (SELECT {column} AS subject, count() AS entries FROM events WHERE {_WITHIN} AND {filed} GROUP BY subject)
            WHERE entries > {{most:UInt64}} OR lower(hex({tag})) IN {{tags:Array(String)}}""",
        # Their entries, and those that were redacted.
        runs=f"""
            SELECT seq, leaf, if({filed}, hex({column}), '') AS subject FROM events
            WHERE {_WITHIN} AND (({filed} AND {column} IN (SELECT unhex(arrayJoin({{apart:Array(String)}}))))
                OR seq IN {{redacted:Array(UInt64)}})
            ORDER BY seq SETTINGS optimize_use_projections = 0""",
    )


_ASKED = {name: _questions(column, is_private=name != "source_system") for name, column in _COLUMNS.items()}


def check_index(engine: Engine, spine: str, log: Log, said: Said, *, at_once: int = AT_ONCE, most: int = MOST) -> Iterator[Problem]:
    """The trees of a `seal` or `index` entry of the spine, of a log whose entries are there."""
    size = said.number("size")
    stated = said.fields.get("index")
    if not isinstance(stated, Mapping) or set(stated) != set(_COLUMNS):
        yield Problem(log=spine, seq=said.seq, what=f"spine: {log.origin} has no index trees here, or others than there are")
        return
    wrong = []
    for dimension in _COLUMNS:
        key = hmac.digest(log.secret, f"index\n{dimension}".encode(), "sha256")
        rows = _tree(engine, log, size, dimension, key, at_once, most)
        found = {"size": len(rows), "root": root([leaf(row) for row in rows]).hex(), "key_sha256": hashlib.sha256(key).hexdigest()}
        wrong += [] if stated[dimension] == found else [dimension]
    if wrong:
        what = f"the index of {log.origin} by {' and '.join(wrong)} is not that of its entries (filed wrongly, or left out)"
        yield Problem(log=spine, seq=said.seq, what=f"spine: {what}")


def _tree(engine: Engine, log: Log, size: int, dimension: str, key: bytes, at_once: int, most: int) -> Sequence[bytes]:
    """The rows of a tree in order: tag || number of entries || digest, 72 bytes."""
    asked = _ASKED[dimension]
    question = {"low": log.first, "high": log.first + size, "key": key.hex(), **log.place}
    tags = _kept_tags(engine, log, size, dimension)
    apart = {
        str(subject): str(tag).lower()
        for subject, tag in engine.rows(asked.many, most=most, tags=sorted(set(tags.values())), **question)
    }
    rows = []
    passes = max(1, -(-size // at_once))
    for number in range(passes):
        frame = engine.frame(asked.subjects, passes=passes, number=number, apart=sorted(apart), **question)
        rows += [tag + entries.to_bytes(8, "big") + digest for tag, entries, digest in frame.iter_rows()]
    for tag, entries, digest in _apart(engine, log, size, asked, apart, tags, at_once):
        rows.append(bytes.fromhex(tag) + entries.to_bytes(8, "big") + digest)
    return sorted(rows)


def _kept_tags(engine: Engine, log: Log, size: int, dimension: str) -> Mapping[int, str]:
    """seq → tag of the redacted entries that stand in this tree."""
    if dimension == "source_system":
        return {}
    found = {row.seq: row.patient_tag if dimension == "patient" else row.actor_tag for row in kept_of(engine, log)}
    return {seq: tag for seq, tag in found.items() if _TAG.fullmatch(tag) and seq < log.first + size}


def _apart(
    engine: Engine, log: Log, size: int, asked: _Questions, subjects: Mapping[str, str], tags: Mapping[int, str], at_once: int
) -> Iterator[tuple[str, int, bytes]]:
    """(tag, number of entries, digest) of the subjects that are hashed range by range: `subjects` is hex of a subject → its tag."""
    if not subjects and not tags:
        return
    sums = {tag: hashlib.sha256() for tag in {*subjects.values(), *tags.values()}}
    counts = dict.fromkeys(sums, 0)
    end = log.first + size
    for low in range(log.first, end, at_once):
        high = min(low + at_once, end)
        redacted = [seq for seq in tags if low <= seq < high]
        frame = engine.frame(asked.runs, low=low, high=high, apart=sorted(subjects), redacted=redacted, **log.place)
        for seq, hash_, subject in frame.iter_rows():
            # A redaction that is under way: the private part is still there, and says the same as the tag.
            tag = subjects[subject] if subject else tags[seq]
            sums[tag].update(seq.to_bytes(8, "big") + hash_)
            counts[tag] += 1
    for tag, total in sums.items():
        if counts[tag]:
            yield tag, counts[tag], total.digest()
