"""Index trees out of the store: what SQL aggregates is what a reader builds row by row, redacted entries included."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import IntegrityError
from domain.index_tree import Dimension, IndexProof, Row, index_key, subject_digest, tag, verify_index_proof
from store.engine import Engine
from store.index_trees import IndexTrees, index_commitments
from store.logs import LogRecord, registered_logs
from tests.support.cast import BOB, PATIENT, chart_view
from tests.support.clock import TickingClock
from tests.support.node import node

LOG = LogRecord(
    writer="main", epoch=202603, origin="log.example/main/2026-03", first_seq=5, previous=bytes(32), secret=bytes(range(32))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """An entry as a test wants it; a redacted one lost patient and actor from its row."""

    patient: str
    actor: str = "alice"
    system: str = "ehr"
    leaf: bytes = bytes(32)
    is_redacted: bool = False

    def tag(self, dimension: Dimension) -> bytes | None:
        """What it is filed under, by the definition; None for nothing."""
        subject = {"patient": self.patient, "actor": self.actor, "source_system": self.system}[dimension.value]
        key = hmac.new(LOG.secret, b"index\n" + dimension.value.encode(), hashlib.sha256).digest()
        return hmac.new(key, subject.encode(), hashlib.sha256).digest() if subject else None


def lay(engine: Engine, entries: Sequence[Laid], log: LogRecord = LOG) -> None:
    """Put the entries into `events` as consecutive ones of a log, and of the redacted ones what `redactions` keeps."""
    for table in ("events", "redactions"):
        engine.execute(f"TRUNCATE TABLE {table}")
    count = len(entries)
    if not count:
        return
    columns = engine.frame("SELECT * FROM events LIMIT 0")
    given_columns = {
        "epoch": pl.Series([log.epoch] * count, dtype=pl.UInt32),
        "writer": [log.writer] * count,
        "seq": pl.Series(range(log.first_seq, log.first_seq + count), dtype=pl.UInt64),
        "leaf": pl.Series([entry.leaf for entry in entries], dtype=pl.Binary),
        "private_digest": ["0" * 64 if entry.is_redacted else "" for entry in entries],
        "patient_id": ["" if entry.is_redacted else entry.patient for entry in entries],
        "actor_id": ["" if entry.is_redacted else entry.actor for entry in entries],
        "source_system": [entry.system for entry in entries],
    }
    moments = [pl.lit(0).cast(pl.Datetime("us", "UTC")).alias(name) for name in ("time", "received")]
    texts = [pl.lit("").alias(name) for name, kind in columns.schema.items() if kind == pl.String and name not in given_columns]
    engine.insert("events", pl.DataFrame(given_columns).with_columns(*moments, *texts).select(columns.columns))
    gone = [(seq, entry) for seq, entry in enumerate(entries, log.first_seq) if entry.is_redacted]
    if gone:
        tags = {one: [(entry.tag(one) or b"").hex() for _, entry in gone] for one in (Dimension.PATIENT, Dimension.ACTOR)}
        kept = {
            "epoch": pl.Series([log.epoch] * len(gone), dtype=pl.UInt32),
            "writer": [log.writer] * len(gone),
            "seq": pl.Series([seq for seq, _ in gone], dtype=pl.UInt64),
            "patient_tag": tags[Dimension.PATIENT],
            "actor_tag": tags[Dimension.ACTOR],
        }
        engine.insert("redactions", pl.DataFrame(kept))


def naive(entries: Sequence[Laid], dimension: Dimension) -> tuple[int, bytes]:
    """Size and root of a tree as docs/log-format.md section 9 writes them down."""
    filed: dict[bytes, bytes] = {}
    for seq, entry in enumerate(entries, LOG.first_seq):
        under = entry.tag(dimension)
        if under is not None:
            filed[under] = filed.get(under, b"") + seq.to_bytes(8, "big") + entry.leaf
    rows = [one + (len(held) // 40).to_bytes(8, "big") + hashlib.sha256(held).digest() for one, held in sorted(filed.items())]
    return len(rows), mth([hashlib.sha256(b"\x00" + row).digest() for row in rows])


def mth(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + mth(leaves[:split]) + mth(leaves[split:])).digest()


def expected(entries: Sequence[Laid]) -> dict[str, dict[str, object]]:
    found = {}
    for dimension in Dimension:
        size, root = naive(entries, dimension)
        key = hmac.digest(LOG.secret, f"index\n{dimension.value}".encode(), "sha256")
        found[dimension.value] = {"size": size, "root": root.hex(), "key_sha256": hashlib.sha256(key).hexdigest()}
    return found


entry = st.builds(
    Laid,
    patient=st.sampled_from(["", "P-1", "P-2", "P-3", "Zoë", "a'b\\c"]),
    actor=st.sampled_from(["alice", "bob", "x\n"]),
    system=st.sampled_from(["ehr", "mail"]),
    leaf=st.sampled_from([bytes(32), b"\xff" * 31 + b"\x00", b"\x00" + bytes(range(31))]),
    is_redacted=st.booleans(),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(entry, max_size=30), st.data())
def test_the_trees_are_those_that_a_reader_builds(engine: Engine, entries: list[Laid], data: st.DataObject) -> None:
    """Over the whole log and over a prefix of it, whatever was redacted, and also where every subject counts as a large one."""
    lay(engine, entries)
    size = data.draw(st.integers(0, len(entries)))

    assert index_commitments(engine, LOG, len(entries)) == expected(entries)
    assert index_commitments(engine, LOG, size) == expected(entries[:size])
    in_ranges = IndexTrees(engine, large=data.draw(st.integers(0, 3)), reach=data.draw(st.integers(1, 40)))
    for dimension in Dimension:
        tree = in_ranges.tree(LOG, len(entries), dimension)
        assert (tree.size, tree.root) == naive(entries, dimension)


def test_thousands_of_subjects_make_one_tree(engine: Engine) -> None:
    entries = [
        Laid(patient=f"P-{n * n % 1777}", actor=f"a{n % 300}", leaf=hashlib.sha256(b"%d" % n).digest(), is_redacted=n % 250 == 3)
        for n in range(4_000)
    ]
    lay(engine, entries)

    assert index_commitments(engine, LOG, len(entries)) == expected(entries)


def test_a_subject_is_proven_with_its_entries_and_a_stranger_denied(engine: Engine) -> None:
    leaves = [hashlib.sha256(b"%d" % n).digest() for n in range(9)]
    lay(engine, [Laid(patient=f"P-{n % 3}", leaf=leaf, is_redacted=n == 4) for n, leaf in enumerate(leaves)])
    trees = IndexTrees(engine)
    tree = trees.tree(LOG, 9, Dimension.PATIENT)

    row = shown(trees.prove(LOG, 9, Dimension.PATIENT, "P-1"), "P-1", tree.root, tree.size)

    assert row is not None
    assert row.count == 3
    assert row.digest == subject_digest([(LOG.first_seq + n, leaves[n]) for n in (1, 4, 7)])
    assert shown(trees.prove(LOG, 9, Dimension.PATIENT, "P-9"), "P-9", tree.root, tree.size) is None
    assert shown(trees.prove(LOG, 0, Dimension.PATIENT, "P-1"), "P-1", hashlib.sha256(b"").digest(), 0) is None


def shown(proof: IndexProof, patient: str, root: bytes, size: int) -> Row | None:
    return verify_index_proof(proof, tag(index_key(LOG.secret, Dimension.PATIENT), patient), root, size)


def test_the_newest_trees_stay_in_memory(engine: Engine) -> None:
    lay(engine, [Laid(patient="P-1"), Laid(patient="P-2")])
    trees = IndexTrees(engine, kept=2)
    first = trees.tree(LOG, 2, Dimension.PATIENT)
    trees.tree(LOG, 2, Dimension.ACTOR)

    assert trees.tree(LOG, 2, Dimension.PATIENT) is first
    assert trees.tree(LOG, 1, Dimension.PATIENT) is not first
    assert trees.tree(replace(LOG, origin="log.example/main/other"), 2, Dimension.PATIENT) is not first
    assert trees.tree(LOG, 2, Dimension.PATIENT) is not first


def test_a_log_with_a_hole_or_a_lost_private_part_has_no_index(engine: Engine) -> None:
    lay(engine, [Laid(patient="P-1", is_redacted=n == 2) for n in range(4)])
    engine.execute("ALTER TABLE redactions DELETE WHERE seq = 7")
    with pytest.raises(IntegrityError, match=r"entry 7 of log\.example/main/2026-03 lost its private part without a redaction"):
        index_commitments(engine, LOG, 4)
    assert index_commitments(engine, LOG, 2)["source_system"] == expected([Laid(patient="P-1")] * 2)["source_system"]

    engine.execute("ALTER TABLE events DELETE WHERE seq = 7")
    with pytest.raises(IntegrityError, match="has 3 of its first 4 entries"):
        IndexTrees(engine).prove(LOG, 4, Dimension.PATIENT, "P-1")


def test_a_seal_commits_to_the_trees_of_its_log(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        views = [chart_view(n, patient=f"P-{n % 4}", actor=BOB if n % 2 else PATIENT) for n in range(10)]
        live.ledger.append([*views, replace(chart_view(10), patient_id=None, source_system="portal")])
        clock.advance(days=31)
        live.ledger.append([chart_view(11)])
        live.keeper.seal_due()
        (record, _) = registered_logs(engine)

    said = orjson.loads(str(engine.rows("SELECT JSONExtractRaw(body, 'fields', 'index') FROM spine WHERE kind = 'seal'")[0][0]))
    assert said == index_commitments(engine, record, 11)
    assert {name: one["size"] for name, one in said.items()} == {"patient": 4, "actor": 3, "source_system": 2}
    key = index_key(record.secret, Dimension.PATIENT)
    proof = IndexTrees(engine).prove(record, 11, Dimension.PATIENT, "P-3")
    row = verify_index_proof(proof, tag(key, "P-3"), bytes.fromhex(said["patient"]["root"]), said["patient"]["size"])
    leaves = engine.frame("SELECT seq, leaf FROM events WHERE patient_id = 'P-3' AND epoch = 202603 ORDER BY seq").rows()
    assert row is not None
    assert (row.count, row.digest) == (2, subject_digest(leaves))
