"""A store that goes away and returns: what was handed in meanwhile is kept, in order, once, and the receipt says where it is."""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from domain.errors import Backpressure, IntegrityError
from domain.record import Parsed, Receipt, Rejected, Status
from ingest.pipeline import Counts
from ingest.spool.desk import NOT_STORABLE
from ingest.spool.trouble import Trouble, trouble
from store.engine import Engine
from store.fsck import Integrity
from store.intake import Intake
from tests.support.away import Failure, no_room, read_only, unreachable
from tests.support.cast import chart_view
from tests.support.desk import Gate, eventually
from tests.support.disk import FaultyDisk
from tests.support.spooled import spooled

ABSENCES = [unreachable, no_room, read_only]


def views(numbers: range) -> list[Parsed]:
    return [chart_view(number) for number in numbers]


def names(numbers: range) -> list[str]:
    return [f"view-{number}" for number in numbers]


def garbage(number: int) -> Rejected:
    return Rejected(source_system="ehr", format="phitrail", reason="nothing that is known", raw=b"\xff%d" % number)


def statuses(receipts: Sequence[Receipt]) -> list[Status]:
    return [receipt.status for receipt in receipts]


@pytest.mark.parametrize("absence", ABSENCES)
def test_away_and_back_again(engine: Engine, tmp_path: Path, absence: Failure) -> None:
    with spooled(engine, tmp_path) as it:
        assert statuses(it.desk.submit(views(range(3)))) == [Status.ACCEPTED] * 3
        assert it.spool.state().bytes == 0, "nothing is written twice while the store is there"

        it.store.go_away(absence)
        first = it.desk.submit([*views(range(2, 5)), garbage(1)])
        second = it.desk.submit(views(range(5, 8)))
        assert {receipt.status for receipt in [*first, *second]} == {Status.SPOOLED}
        assert [receipt.event_id for receipt in first] == [*names(range(2, 5)), None]
        assert it.spool.state().records == 7
        it.store.come_back()

        eventually(lambda: it.spool.is_empty)
        assert it.entries() == names(range(8))
        assert it.desk.drained == Counts(accepted=5, duplicate=1, quarantined=1)
        assert it.at.raws() == [garbage(1).raw]
        assert statuses(it.desk.submit(views(range(8, 9)))) == [Status.ACCEPTED], "straight to the store again"
        assert list((tmp_path / "spool").glob("*.segment")) == []
        it.at.node.keeper.checkpoint()
        assert it.at.node.verify().integrity is Integrity.INTACT


def test_inserts_that_the_engine_itself_refuses_are_an_absence(engine: Engine, tmp_path: Path) -> None:
    with spooled(engine, tmp_path) as it:
        it.desk.submit(views(range(1)))
        engine.execute("SYSTEM STOP MERGES events")
        engine.execute("ALTER TABLE events MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 1")
        try:
            assert statuses(it.desk.submit(views(range(1, 4)))) == [Status.SPOOLED] * 3
            assert it.entries() == names(range(1))
        finally:
            engine.execute("ALTER TABLE events RESET SETTING parts_to_throw_insert, parts_to_delay_insert")
            engine.execute("SYSTEM START MERGES events")

        eventually(lambda: it.spool.is_empty)
        assert it.entries() == names(range(4))


def test_later_batches_go_behind_although_the_store_is_back(engine: Engine, tmp_path: Path) -> None:
    held, entered = threading.Event(), threading.Event()

    class Held:
        """An intake that waits in the draining thread, before it hands in."""

        def __init__(self, intake: Intake) -> None:
            self._intake = intake

        def submit(self, batch: Sequence[Parsed]) -> list[Receipt]:
            if threading.current_thread().name == "spool-drain":
                entered.set()
                assert held.wait(20)
            return self._intake.submit(batch)

    with spooled(engine, tmp_path, inner=Held) as it:
        it.store.go_away()
        it.desk.submit(views(range(2)))
        assert entered.wait(20)
        it.store.come_back()

        assert statuses(it.desk.submit(views(range(2, 4)))) == [Status.SPOOLED] * 2, (
            "the store is there, and they wait nevertheless"
        )
        assert it.entries() == []
        held.set()
        eventually(lambda: it.spool.is_empty)
        assert it.entries() == names(range(4))


def test_each_sender_keeps_its_order_while_the_store_comes_and_goes(engine: Engine, tmp_path: Path) -> None:
    with spooled(engine, tmp_path, segment_bytes=4_000) as it:
        over = threading.Event()

        def send(lane: int) -> None:
            for number in range(lane * 1000, lane * 1000 + 30):
                it.desk.submit(views(range(number, number + 1)))

        def switch() -> None:
            while not over.is_set():
                it.store.go_away()
                it.store.refused.wait(0.05)
                it.store.come_back()
                over.wait(0.02)

        switching = threading.Thread(target=switch)
        switching.start()
        threads = [threading.Thread(target=send, args=(lane,)) for lane in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        over.set()
        switching.join()
        it.store.come_back()
        eventually(lambda: it.spool.is_empty)

        assert it.desk.spooled > 0
        stored = it.entries()
        assert len(stored) == 120
        for lane in range(4):
            mine = names(range(lane * 1000, lane * 1000 + 30))
            assert [name for name in stored if name in mine] == mine


def test_a_stopped_ledger_is_told_at_once_and_never_spooled(engine: Engine, tmp_path: Path) -> None:
    stopped = IntegrityError("the ledger is not what was written")

    def gate(intake: Intake) -> Gate:
        made = Gate(intake)
        made.refuses = lambda _: stopped
        return made

    with spooled(engine, tmp_path, inner=gate) as it:
        with pytest.raises(IntegrityError):
            it.desk.submit(views(range(2)))

        assert it.spool.is_empty


def test_what_waits_when_the_ledger_stops_stays_and_later_batches_are_refused(engine: Engine, tmp_path: Path) -> None:
    gates: list[Gate] = []

    def gate(intake: Intake) -> Gate:
        gates.append(Gate(intake))
        return gates[0]

    with spooled(engine, tmp_path, inner=gate) as it:
        it.store.go_away()
        it.desk.submit(views(range(2)))
        gates[0].refuses = lambda _: IntegrityError("the ledger is not what was written")
        eventually(lambda: it.desk.has_stopped)

        with pytest.raises(IntegrityError):
            it.desk.submit(views(range(2, 4)))
        assert it.spool.state().records == 2

    with spooled(engine, tmp_path) as it:
        eventually(lambda: it.spool.is_empty)
        assert it.entries() == names(range(2)), "a person has decided; what had waited is stored"


def test_a_busy_store_is_told_to_the_sender_and_takes_no_room_of_the_spool(engine: Engine, tmp_path: Path) -> None:
    def gate(intake: Intake) -> Gate:
        made = Gate(intake)
        made.failures = [Backpressure("too many records are waiting to be stored; nothing was accepted", retry_after=1)]
        return made

    with spooled(engine, tmp_path, inner=gate) as it:
        with pytest.raises(Backpressure, match="too many"):
            it.desk.submit(views(range(2)))
        assert it.spool.is_empty
        assert statuses(it.desk.submit(views(range(2)))) == [Status.ACCEPTED] * 2


def test_a_full_spool_and_one_that_cannot_be_written_are_backpressure(engine: Engine, tmp_path: Path) -> None:
    disk = FaultyDisk()
    with spooled(engine, tmp_path, disk=disk, max_bytes=3_000) as it:
        it.store.go_away()
        disk.fail("write")
        with pytest.raises(Backpressure, match="cannot be written"):
            it.desk.submit(views(range(3)))
        it.desk.submit(views(range(3)))
        with pytest.raises(Backpressure, match="full"):
            it.desk.submit(views(range(3, 9)))
        it.store.come_back()
        eventually(lambda: it.spool.is_empty)
        it.desk.submit(views(range(3, 9)))

        assert it.entries() == names(range(9))


def test_what_one_run_left_is_drained_by_the_next_before_anything_new(engine: Engine, tmp_path: Path) -> None:
    with spooled(engine, tmp_path) as it:
        it.store.go_away()
        it.desk.submit(views(range(4)))
        it.desk.stop()
        it.spool.close()

    with spooled(engine, tmp_path) as it:
        it.desk.submit(views(range(4, 6)))
        eventually(lambda: it.spool.is_empty)

        assert it.entries() == names(range(6))


def test_a_stop_does_not_wait_for_a_long_spool_to_be_empty(engine: Engine, tmp_path: Path) -> None:
    with spooled(engine, tmp_path, batch_records=1) as it:
        it.store.go_away()
        it.desk.submit(views(range(50)))
        it.store.come_back()
        it.desk.stop(seconds=0)

        left = it.spool.state().records
        assert it.entries() == names(range(50 - left)), "whole batches, in order"
        assert left > 0
    with spooled(engine, tmp_path) as it:
        eventually(lambda: it.spool.is_empty)
        assert it.entries() == names(range(50))


@pytest.mark.parametrize("after", [False, True])
def test_a_stop_between_storing_and_removing_makes_duplicates_and_nothing_else(engine: Engine, tmp_path: Path, after: bool) -> None:
    disk = FaultyDisk()
    with spooled(engine, tmp_path, disk=disk) as it:
        disk.fail("unlink", after=after, times=100)
        it.store.go_away()
        it.desk.submit([*views(range(4)), garbage(1)])
        it.store.come_back()
        eventually(lambda: it.spool.is_empty)
        assert it.desk.drained == Counts(accepted=4, quarantined=1)

    with spooled(engine, tmp_path) as it:
        eventually(lambda: it.spool.is_empty)

        assert it.desk.drained == (Counts() if after else Counts(duplicate=4, quarantined=1))
        assert it.entries() == names(range(4))
        assert len(it.at.quarantine.newest()) == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_drain_that_is_cut_off_in_the_ledger_is_repeated(engine: Engine, tmp_path: Path, after: bool) -> None:
    fails = [True]

    def once(table: str, _: Any) -> ClickHouseError | None:
        return no_room() if table == ("event_keys" if after else "events") and fails and fails.pop() else None

    with spooled(engine, tmp_path) as it:
        it.store.go_away()
        it.desk.submit(views(range(4)))
        it.store.refuse(once)
        it.store.come_back()
        eventually(lambda: it.spool.is_empty)

        assert it.entries() == names(range(4))
        assert it.desk.drained.read == 4
        assert not fails


def test_a_record_that_the_store_cannot_hold_does_not_hold_up_the_others(engine: Engine, tmp_path: Path) -> None:
    def no_seven(table: str, frame: Any) -> ClickHouseError | None:
        if table == "events" and "view-7" in frame["event_id"].to_list():
            return DatabaseError("Code: 131. DB::Exception: Too large string size. (TOO_LARGE_STRING_SIZE)")
        return None

    with spooled(engine, tmp_path) as it:
        it.store.refuse(no_seven)
        it.store.go_away()
        it.desk.submit(views(range(12)))
        it.store.come_back()
        eventually(lambda: it.spool.is_empty)

        assert it.entries() == [name for name in names(range(12)) if name != "view-7"]
        assert it.at.reasons() == [NOT_STORABLE]
        assert it.at.raws() == [chart_view(7).raw]


def test_damage_on_disk_ends_in_quarantine(engine: Engine, tmp_path: Path) -> None:
    with spooled(engine, tmp_path) as it:
        it.store.go_away()
        it.desk.submit(views(range(4)))
        it.desk.stop()
        it.spool.close()
    (path,) = (tmp_path / "spool").glob("*.segment")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with spooled(engine, tmp_path) as it:
        eventually(lambda: it.spool.is_empty)

        assert len(it.entries()) == 3
        assert it.desk.drained == Counts(accepted=3, quarantined=1)
        (reason,) = it.at.reasons()
        assert "damaged on disk" in reason
        assert it.at.raws()[0] in bytes(data)
        assert it.spool.state().damaged == 1


@pytest.mark.parametrize(
    ("error", "means"),
    [
        (IntegrityError("x"), Trouble.STOPPED),
        (Backpressure("full", retry_after=1), Trouble.BUSY),
        (OSError(28, "No space left on device"), Trouble.AWAY),
        (sqlite3.OperationalError("database or disk is full"), Trouble.AWAY),
        (no_room(), Trouble.AWAY),
        (read_only(), Trouble.AWAY),
        (DatabaseError("std::filesystem error: No space left on device [/data/x]"), Trouble.AWAY),
        (DatabaseError("Code: 252. DB::Exception: Too many parts (300). (TOO_MANY_PARTS)"), Trouble.AWAY),
        (DatabaseError("Code: 53. DB::Exception: Type mismatch. (TYPE_MISMATCH)"), Trouble.DEFECT),
        (DatabaseError("Code: 131. DB::Exception: a value said (TOO_MANY_PARTS) here. (TOO_LARGE_STRING_SIZE)"), Trouble.DEFECT),
        (ValueError("No space left on device"), Trouble.DEFECT),
    ],
)
def test_what_an_error_means(error: Exception, means: Trouble) -> None:
    assert trouble(error) is means


def test_a_port_where_nobody_listens_is_away() -> None:
    with pytest.raises(Backpressure) as raised:
        Engine.remote("clickhouse://127.0.0.1:1")

    assert trouble(raised.value) is Trouble.AWAY
