"""What is left after a disposal: a ledger that verifies, tombstones, and archives that prove themselves."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import IntegrityError, NotFound
from domain.record import Status
from retention.archive import Archive
from retention.disposal import Result
from retention.readback import check_tombstones, read_archive
from store.engine import Engine
from store.fsck import Integrity
from store.retention import RetentionStore
from tests.retention.old_ledger import BY, NEXT, NOW, OLD, OldLedger, emptied, old_ledger


@pytest.fixture(scope="module")
def disposed(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldLedger]:
    """November and December 2019 are gone; the tests of this module only read, or change copies."""
    with old_ledger(emptied(shared_engine), tmp_path_factory.mktemp("old")) as ledger:
        assert ledger.verify().integrity is Integrity.INTACT
        assert ledger.derived() == 3
        outcomes = ledger.disposal().run(BY)
        assert [(one.epoch, one.result, one.entries) for one in outcomes] == [
            (OLD, Result.DISPOSED, 17),
            (NEXT, Result.DISPOSED, 4),
        ]
        yield ledger


def test_the_ledger_without_the_months_still_verifies(disposed: OldLedger) -> None:
    verdict = disposed.verify()

    assert (verdict.integrity, verdict.disposed, verdict.entries) == (Integrity.INTACT, 3, 8)
    assert [disposed.count(epoch) for epoch in (OLD, NEXT, NOW)] == [0, 0, 8]
    assert disposed.derived() == 1
    assert disposed.disposal().run(BY) == []


def test_a_tombstone_says_what_left_by_which_policy_and_by_whom(disposed: OldLedger) -> None:
    store = RetentionStore(disposed.engine)
    tombstones = {(one.epoch, one.writer): one for one in store.tombstones()}

    assert [(key, one.first_seq, one.last_seq, one.count) for key, one in sorted(tombstones.items())] == [
        ((OLD, "main"), 0, 11, 12),
        ((OLD, "site-b"), 0, 4, 5),
        ((NEXT, "main"), 12, 15, 4),
    ]
    bodies = [str(body) for (body,) in disposed.engine.rows("SELECT body FROM spine WHERE kind = 'tombstone' ORDER BY seq")]
    for said in ('"run_by":"records.officer"', '"approvers":["counsel","privacy.officer"]', "164.316(b)(2)(i)"):
        assert all(said in body for body in bodies)
    assert not any("P-1" in body for body in bodies)


def test_an_archived_month_is_read_and_proven_from_its_file_alone(disposed: OldLedger) -> None:
    archive = Archive(disposed.archive)
    month = archive.read_back(OLD)
    check_tombstones(month, [one for one in RetentionStore(disposed.engine).tombstones() if one.epoch == OLD])

    events = [stored.event for stored in archive.events(OLD) if stored.writer == "main"]
    assert events == list(disposed.events[OLD])
    assert archive.path(OLD).stat().st_mode & 0o077 == 0
    assert b'"sha256"' in archive.path(OLD).with_suffix(".json").read_bytes()


def test_an_event_of_a_disposed_month_sent_again_is_still_a_repeat(disposed: OldLedger) -> None:
    receipts = disposed.live.ledger.append(list(disposed.events[OLD]))

    assert {receipt.status for receipt in receipts} == {Status.DUPLICATE}


def test_the_same_rows_give_the_same_archive(disposed: OldLedger, tmp_path: Path) -> None:
    store = RetentionStore(disposed.engine)
    logs = [log for log in store.month_logs() if log.epoch == NOW]
    one, other = Archive(tmp_path / "one"), Archive(tmp_path / "other")

    one.write(store, NOW, logs)
    other.write(store, NOW, list(reversed(logs)))

    assert one.path(NOW).read_bytes() == other.path(NOW).read_bytes()


def test_a_changed_archive_is_refused(disposed: OldLedger, tmp_path: Path) -> None:
    archive = _copy(disposed, tmp_path)
    tombstones = [one for one in RetentionStore(disposed.engine).tombstones() if one.epoch == OLD]
    whole = archive.path(OLD).read_bytes()
    check_tombstones(archive.read_back(OLD), tombstones)

    for position in range(0, len(whole), len(whole) // 40):
        content = bytearray(whole)
        content[position] ^= 1
        archive.path(OLD).write_bytes(content)
        with pytest.raises(IntegrityError):
            check_tombstones(archive.read_back(OLD), tombstones)


def test_an_edited_archive_is_refused_at_the_entry(disposed: OldLedger, tmp_path: Path) -> None:
    path = _copy(disposed, tmp_path).path(OLD)
    table = pq.read_table(path)

    edits: dict[str, object] = {
        "header": '{"seq":7,"writer":"main"}',
        "private": "{}",
        "leaf": b"x" * 32,
        "seq": 900,
        "event_id": "other",
        "outcome": "denied",
        "actor_id": "nobody",
        "patient_id": "P-9",
        "ip": "",
        "device_kind": "server",
        "received": datetime(2020, 1, 1, tzinfo=UTC),
    }
    for column, edited in edits.items():
        values = table.column(column).to_pylist()
        values[7] = edited
        index = table.schema.get_field_index(column)
        changed = pa.array(values, type=table.schema.field(index).type)
        pq.write_table(table.set_column(index, table.schema.field(index), changed), path)
        with pytest.raises(IntegrityError, match=r"entry 7 "):
            read_archive(path, OLD)


def test_an_archive_of_another_month_is_refused(disposed: OldLedger, tmp_path: Path) -> None:
    archive = _copy(disposed, tmp_path)
    archive.path(OLD).write_bytes(archive.path(NEXT).read_bytes())

    with pytest.raises(IntegrityError, match="not the archive of month 201911"):
        archive.read_back(OLD)
    with pytest.raises(NotFound):
        archive.read_back(202001)


def _copy(disposed: OldLedger, directory: Path) -> Archive:
    copied = Archive(directory)
    for path in disposed.archive.iterdir():
        (directory / path.name).write_bytes(path.read_bytes())
    return copied
