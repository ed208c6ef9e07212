"""Archives of months with redacted entries: what was kept of them leaves with them, and is held against the spine."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import Conflict, IntegrityError
from domain.index_tree import Dimension, IndexTree, Row, index_key, subject_digest, tag
from retention.archive import Archive
from retention.archived_redactions import ArchivedRedaction
from retention.disposal import Result
from retention.readback import check_redactions, read_archive
from retention.redaction import Redaction, RedactionReason
from store.engine import Engine
from store.fsck import Integrity
from store.index_trees import index_commitments
from store.logs import registered_logs
from store.redaction import RedactionStore
from store.retention import RetentionStore
from tests.retention.old_ledger import BY as RUN_BY
from tests.retention.old_ledger import NEXT, OLD, old_ledger
from tests.support.faults import Fault
from tests.support.redacting import BY, SECRET, Redacting, redacting, some_events

MONTH = 202603


@pytest.fixture
def rig(engine: Engine, tmp_path: Path) -> Iterator[Redacting]:
    with redacting(engine, tmp_path, some_events(8)) as made:
        yield made


def archived(rig: Redacting, directory: Path) -> Archive:
    """The month as an archive, written now."""
    archive = Archive(directory, RedactionStore(rig.engine))
    store = RetentionStore(rig.engine)
    archive.write(store, MONTH, [log for log in store.month_logs() if log.epoch == MONTH])
    return archive


def test_an_archive_says_of_each_redacted_entry_by_which_redaction(rig: Redacting, tmp_path: Path) -> None:
    rig.redact(2, 3)
    rig.redact(5)

    month = archived(rig, tmp_path).read_back(MONTH)

    first, second = RedactionStore(rig.engine).committed()
    assert month.log("main").redactions == [
        ArchivedRedaction(spine_seq=first.spine_seq, count=2, root=first.root),
        ArchivedRedaction(spine_seq=second.spine_seq, count=1, root=second.root),
    ]
    columns = pq.read_table(tmp_path / f"events-{MONTH}.parquet").to_pydict()
    assert [bool(text) for text in columns["private"]] == [True, True, False, False, True, False, True, True, True, True]
    assert [number is not None for number in columns["redacted_by"]] == [not text for text in columns["private"]]


def test_the_index_trees_are_built_from_an_archive_alone(rig: Redacting, tmp_path: Path) -> None:
    """A stranger with the file and the footer's secret: every entry is filed as the seal says, the redacted ones included."""
    (record,) = registered_logs(rig.engine)
    sealed = index_commitments(rig.engine, record, 8)
    rig.redact(1, 2, 3)
    archived(rig, tmp_path)

    rows = pq.read_table(tmp_path / f"events-{MONTH}.parquet").to_pylist()[:8]
    for dimension in Dimension:
        key = index_key(SECRET, dimension)
        filed: dict[bytes, list[tuple[int, bytes]]] = {}
        for row in rows:
            column = {"patient": "patient_id", "actor": "actor_id"}.get(dimension.value, "source_system")
            if row["redacted_by"] is not None and dimension is not Dimension.SOURCE_SYSTEM:
                under = bytes.fromhex(row[f"{dimension}_tag"])
            else:
                under = tag(key, row[column]) if row[column] else b""
            if under:
                filed.setdefault(under, []).append((row["seq"], row["leaf"]))
        tree = IndexTree(Row(under, len(held), subject_digest(held)) for under, held in filed.items())
        said = cast("dict[str, object]", sealed[dimension.value])
        assert (tree.size, tree.root.hex()) == (said["size"], said["root"])


def test_an_archive_from_before_a_redaction_is_refused(rig: Redacting, tmp_path: Path) -> None:
    archive = archived(rig, tmp_path)
    assert archive.read_back(MONTH).log("main").redactions == []
    rig.redact(2)

    with pytest.raises(IntegrityError, match="still has what was redacted by spine entry 1"):
        archive.read_back(MONTH)

    archived(rig, tmp_path).read_back(MONTH)


@pytest.mark.parametrize("words", ["ALTER TABLE redactions UPDATE", "ALTER TABLE events UPDATE"])
def test_a_month_is_not_archived_while_a_redaction_in_it_is_not_finished(rig: Redacting, tmp_path: Path, words: str) -> None:
    rig.broken.words, rig.broken.after = words, False
    with pytest.raises(Fault):
        rig.redact(2)

    with pytest.raises(Conflict, match="a redaction in month 202603 is not finished"):
        archived(rig, tmp_path)
    assert not list(tmp_path.glob("*.parquet"))

    rig.redaction().resume()
    archived(rig, tmp_path).read_back(MONTH)


def test_rows_of_a_redaction_that_was_given_up_leave_no_trace_in_an_archive(rig: Redacting, tmp_path: Path) -> None:
    rig.broken.table, rig.broken.after = "redactions", True
    with pytest.raises(Fault):
        rig.redact(2)
    rig.redaction().resume()

    assert archived(rig, tmp_path).read_back(MONTH).log("main").redactions == []


def test_an_entry_that_lost_its_private_part_otherwise_is_not_archived(rig: Redacting, tmp_path: Path) -> None:
    rig.redact(2)
    rig.engine.execute("ALTER TABLE redactions DELETE WHERE seq = 2")

    with pytest.raises(IntegrityError, match="entry 2 of writer main lost its private part without a redaction"):
        archived(rig, tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("private", "{}", "entry 2 is redacted, but has private data still"),
        ("patient_id", "P-2", "entry 2 is redacted, but has private data still"),
        ("ip", "192.0.2.7", "entry 2 is redacted, but has private data still"),
        ("actor_id", "portal-1", "entry 2 has a actor_id that is not the one in its body"),
        ("redacted_by", None, "entry 2 is redacted, but nothing says by which redaction"),
        ("actor_tag", "", "entry 2 is redacted, but nothing says by which redaction"),
        ("patient_tag", "P-2", "entry 2 is redacted, but nothing says by which redaction"),
        ("private_digest", "0" * 64, "entry 2 is not what was chained"),
        ("private_digest", "", "it is damaged"),
        ("patient_tag", "0" * 64, "redacted by spine entry 1, which does not say so"),
        ("patient_tag", "", "redacted by spine entry 1, which does not say so"),
        ("redacted_by", 7, "redacted by spine entry 7, which does not say so"),
    ],
)
def test_an_archive_with_another_redaction_is_refused(
    rig: Redacting, tmp_path: Path, column: str, value: object, words: str
) -> None:
    rig.redact(2)
    archive = archived(rig, tmp_path)

    edit(archive.path(MONTH), 2, column, value)

    with pytest.raises(IntegrityError, match=words):
        archive.read_back(MONTH)


def test_an_entry_that_is_whole_has_no_tags_in_an_archive(rig: Redacting, tmp_path: Path) -> None:
    archive = archived(rig, tmp_path)

    edit(archive.path(MONTH), 3, "patient_tag", "0" * 64)

    with pytest.raises(IntegrityError, match="entry 3 is not redacted, but has the tags of one that is"):
        archive.read_back(MONTH)


def edit(path: Path, place: int, column: str, value: Any) -> None:
    """Change one value of a file."""
    table = pq.read_table(path)
    values = table.column(column).to_pylist()
    values[place] = value
    index = table.schema.get_field_index(column)
    changed = pa.array(values, type=table.schema.field(index).type)
    pq.write_table(table.set_column(index, table.schema.field(index), changed), path)


def test_a_redaction_of_another_month_or_writer_does_not_count(rig: Redacting, tmp_path: Path) -> None:
    rig.redact(2)
    month = archived(rig, tmp_path).read_back(MONTH)
    (entry,) = RedactionStore(rig.engine).committed()

    check_redactions(month, [entry])
    for entries in (
        [],
        [entry, entry_like(entry, spine_seq=8)],
        [entry_like(entry, writer="b")],
        [entry_like(entry, epoch=202602)],
    ):
        with pytest.raises(IntegrityError):
            check_redactions(month, entries)
    check_redactions(month, [entry, entry_like(entry, epoch=202602, spine_seq=8)])


def entry_like(entry: Any, **changes: object) -> Any:

    return replace(entry, **changes)


def test_a_file_of_the_former_format_is_still_read(rig: Redacting, tmp_path: Path) -> None:
    """Archives outlive versions: one without the columns of redaction proves itself as it always did."""
    path = archived(rig, tmp_path).path(MONTH)
    table = pq.read_table(path).drop_columns(["patient_tag", "actor_tag", "redacted_by"])
    footer = orjson.loads((table.schema.metadata or {})[b"phitrail-archive-2"]) | {"format": "phitrail-archive-1"}
    pq.write_table(table.replace_schema_metadata({b"phitrail-archive-1": orjson.dumps(footer)}), path)

    month = read_archive(path, MONTH)

    assert (month.log("main").count, month.log("main").redactions) == (8, [])
    edit(path, 3, "private", "{}")
    with pytest.raises(IntegrityError, match="entry 3 "):
        read_archive(path, MONTH)


def test_a_month_with_redacted_entries_is_disposed_of(engine: Engine, tmp_path: Path) -> None:
    with old_ledger(engine, tmp_path) as old:
        redaction = Redaction(
            RedactionStore(engine),
            RetentionStore(engine),
            commit=old.live.keeper.commit,
            checkpoint=old.live.keeper.checkpoint,
            record=lambda event: old.live.ledger.append([event]),
        )
        redaction.run([("main", 3), ("site-b", 0), ("main", 13)], RedactionReason.OTHER, BY)

        outcomes = old.disposal().run(RUN_BY)

        assert [(one.epoch, one.result) for one in outcomes] == [(OLD, Result.DISPOSED), (NEXT, Result.DISPOSED)]
        assert old.verify().integrity is Integrity.INTACT
        month = Archive(old.archive, RedactionStore(engine)).read_back(OLD)
        assert [len(log.redactions) for log in month.logs] == [1, 1]
        assert redaction.resume() == [], "what is gone is not asked for again"
        (tombstone, *_) = RetentionStore(engine).tombstones()
        assert tombstone.archive_sha256 == hashlib.sha256(month.path.read_bytes()).hexdigest()
