"""The spool: order, bound, what an earlier process left, and every step that can fail."""

import errno
import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.errors import Backpressure, Conflict
from domain.record import Parsed
from ingest.spool.contents import encode
from ingest.spool.frames import FRAME_HEADER, SEGMENT_HEADER
from ingest.spool.segment import Segment
from ingest.spool.spool import Spool
from store.quarantine import Fragment
from tests.support.cast import MORNING, chart_view
from tests.support.clock import TickingClock
from tests.support.disk import FaultyDisk

SMALL = 4_000
"""Bytes of a segment: about eight charts."""


def views(numbers: range) -> list[Parsed]:
    return [chart_view(number) for number in numbers]


def open_spool(directory: Path, disk: FaultyDisk | None = None, *, max_bytes: int = 1_000_000) -> Spool:
    return Spool(directory / "spool", TickingClock(), max_bytes=max_bytes, segment_bytes=SMALL, disk=disk)


def drain(spool: Spool, *, at_once: int = 3) -> list[Parsed]:
    """Everything in the spool, in batches."""
    taken: list[Parsed] = []
    while (batch := spool.peek(max_records=at_once, max_bytes=1 << 20)) is not None:
        taken += batch.items
        spool.advance(batch)
    return taken


def segments(directory: Path) -> list[Path]:
    return sorted((directory / "spool").glob("*.segment"))


def size_of(items: Sequence[Parsed]) -> int:
    return sum(FRAME_HEADER + len(encode(item)[1]) for item in items)


def test_what_goes_in_comes_out_in_order_over_many_segments_and_a_restart(tmp_path: Path) -> None:
    with_restart: list[Parsed] = []
    spool = open_spool(tmp_path)
    for start in range(0, 60, 5):
        spool.append(views(range(start, start + 5)))
    assert len(segments(tmp_path)) > 3
    batch = spool.peek(max_records=7, max_bytes=1 << 20)
    assert batch is not None
    with_restart += batch.items
    spool.advance(batch)
    waiting = spool.state().records
    spool.close()

    again = open_spool(tmp_path)
    assert again.state().records >= waiting, "a part of a segment that was drained is handed in again, nothing is left out"
    left = drain(again)

    first = left.index(chart_view(0))
    assert left[first:] == views(range(60))
    assert with_restart == views(range(7))
    assert again.is_empty
    assert (again.state().records, again.state().bytes, again.state().oldest) == (0, 0, None)
    assert segments(tmp_path) == []


def test_appending_and_draining_go_on_together(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    taken: list[Parsed] = []
    done = threading.Event()

    def take() -> None:
        while not (done.is_set() and spool.is_empty):
            taken.extend(drain(spool))

    taker = threading.Thread(target=take)
    taker.start()
    for number in range(150):
        spool.append(views(range(number, number + 1)))
    done.set()
    taker.join()

    assert taken == views(range(150))


def test_each_caller_is_answered_after_its_own_records_are_durable_and_keeps_its_order(tmp_path: Path) -> None:
    disk = FaultyDisk()
    spool = open_spool(tmp_path, disk)

    def send(lane: int) -> None:
        for number in range(40):
            spool.append(views(range(lane * 1000 + number, lane * 1000 + number + 1)))

    threads = [threading.Thread(target=send, args=(lane,)) for lane in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert spool.state().records == 320
    taken = drain(spool, at_once=50)
    for lane in range(8):
        mine = [item for item in taken if item in views(range(lane * 1000, lane * 1000 + 40))]
        assert mine == views(range(lane * 1000, lane * 1000 + 40))
    assert len(taken) == 320


def test_callers_that_wait_together_share_one_sync(tmp_path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()

    class SlowDisk(FaultyDisk):
        slow = False

        def sync(self, file: int) -> None:
            if self.slow:
                self.slow = False
                entered.set()
                assert go_on.wait(20)
            super().sync(file)

    disk = SlowDisk()
    spool = open_spool(tmp_path, disk)
    spool.append(views(range(1)))
    disk.calls.clear()
    disk.slow = True
    first = threading.Thread(target=spool.append, args=(views(range(1, 2)),))
    first.start()
    assert entered.wait(20)
    others = [threading.Thread(target=spool.append, args=(views(range(n, n + 1)),)) for n in range(2, 6)]
    for other in others:
        other.start()
    while disk.calls.count("write") < 5:
        threading.Event().wait(0.001)
    assert spool.state().records == 1, "nobody is told before the disk has it"
    batch = spool.peek(max_records=100, max_bytes=1 << 20)
    assert batch is not None
    assert list(batch.items) == views(range(1)), "nor is it handed in before"
    go_on.set()
    for thread in (first, *others):
        thread.join()

    assert spool.state().records == 6
    assert disk.calls.count("sync") == 2


def test_full_is_refused_whole_counted_and_over_once_drained(tmp_path: Path) -> None:
    room = SEGMENT_HEADER + size_of(views(range(6)))
    spool = open_spool(tmp_path, max_bytes=room + 100)
    spool.append(views(range(5)))

    with pytest.raises(Backpressure, match="full") as refused:
        spool.append(views(range(5, 8)))

    assert refused.value.retry_after > 0
    assert spool.state().refused == 1
    assert spool.state().bytes <= spool.state().max_bytes
    spool.append(views(range(5, 6)))
    assert drain(spool) == views(range(6))
    spool.append(views(range(6, 9)))
    assert drain(spool) == views(range(6, 9))


def test_only_its_owner_can_read_it_and_one_process_has_it(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o755)
    spool = open_spool(tmp_path)
    spool.append(views(range(3)))

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "spool").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    with pytest.raises(Conflict, match="another process"):
        open_spool(tmp_path)
    spool.close()
    open_spool(tmp_path).close()


def test_the_age_of_what_waits_longest(tmp_path: Path) -> None:
    clock = TickingClock(MORNING)
    spool = Spool(tmp_path / "spool", clock, segment_bytes=SMALL)
    spool.append(views(range(2)))
    clock.advance(seconds=60)
    spool.append(views(range(2, 4)))
    assert spool.state().oldest == MORNING

    for _ in range(2):
        batch = spool.peek(max_records=1, max_bytes=1)
        assert batch is not None
        spool.advance(batch)
    spool.close()
    again = Spool(tmp_path / "spool", clock, segment_bytes=SMALL)
    assert again.state().oldest == MORNING, "the segment is whole again, so its first record is"
    while (batch := again.peek(max_records=1, max_bytes=1)) is not None and batch.newest == 0:
        again.advance(batch)
    drain(again)
    assert again.state().oldest is None


# What an earlier process left


@pytest.mark.parametrize("cut", [1, FRAME_HEADER - 1, FRAME_HEADER + 5])
def test_a_torn_tail_is_cut_off_counted_and_everything_before_it_is_kept(tmp_path: Path, cut: int) -> None:
    spool = open_spool(tmp_path)
    spool.append(views(range(4)))
    spool.close()
    (path,) = segments(tmp_path)
    whole = path.read_bytes()
    keep = len(whole) - size_of(views(range(3, 4))) + cut
    path.write_bytes(whole[:keep])

    again = open_spool(tmp_path)

    assert again.state().torn_bytes == cut
    assert (again.state().damaged, again.state().missing_bytes) == (0, 0)
    assert path.stat().st_size == keep - cut
    again.append(views(range(9, 10)))
    assert drain(again) == [*views(range(3)), *views(range(9, 10))]


def test_a_damaged_byte_in_the_middle_goes_to_quarantine_with_its_place_and_its_neighbours_are_kept(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append(views(range(5)))
    spool.close()
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    start = SEGMENT_HEADER + size_of(views(range(2)))
    end = start + size_of(views(range(2, 3)))
    data[end - 1] ^= 0x40
    path.write_bytes(data)

    again = open_spool(tmp_path)
    taken = drain(again)

    assert [item for item in taken if not isinstance(item, Fragment)] == [*views(range(2)), *views(range(3, 5))]
    (kept,) = (item for item in taken if isinstance(item, Fragment))
    assert kept.raw == bytes(data[start:end])
    assert f"segment 1, bytes {start} to {end}" in kept.reason
    assert (again.state().damaged, again.state().drained, again.state().records) == (1, 4, 0)


@pytest.mark.parametrize("place", range(0, SEGMENT_HEADER, 6))
def test_a_damaged_header_of_a_segment_costs_no_record(tmp_path: Path, place: int) -> None:
    spool = open_spool(tmp_path)
    for start in range(0, 30, 5):
        spool.append(views(range(start, start + 5)))
    spool.close()
    path = segments(tmp_path)[1]
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)

    taken = drain(open_spool(tmp_path))

    assert [item for item in taken if not isinstance(item, Fragment)] == views(range(30))
    assert [item.raw for item in taken if isinstance(item, Fragment)] == [bytes(data[:SEGMENT_HEADER])]


def test_a_segment_that_was_cut_short_or_is_gone_is_noticed(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    for start in range(0, 40, 5):
        spool.append(views(range(start, start + 5)))
    spool.close()
    paths = segments(tmp_path)
    assert len(paths) >= 4
    os.truncate(paths[0], paths[0].stat().st_size - size_of(views(range(1))))
    paths[2].unlink()

    again = open_spool(tmp_path)

    assert again.state().missing_bytes >= size_of(views(range(1)))
    assert again.state().missing_segments == 1
    taken = drain(again)
    assert len(taken) < 40
    assert taken == [item for item in views(range(40)) if item in taken]


def test_what_was_written_but_promised_to_nobody_is_ignored_behind_a_segment_that_goes_on(tmp_path: Path) -> None:
    disk = FaultyDisk()
    spool = open_spool(tmp_path, disk)
    spool.append(views(range(2)))
    disk.fail("write", after=True, code=errno.ENOSPC)
    with pytest.raises(Backpressure, match="cannot be written"):
        spool.append(views(range(2, 4)))
    spool.append(views(range(4, 6)))
    spool.close()
    with segments(tmp_path)[0].open("ab") as file:  # as if cutting back had failed
        file.write(b"\xf5\x9cSP half of a frame")

    again = open_spool(tmp_path)

    assert drain(again) == [*views(range(2)), *views(range(4, 6))]
    assert (again.state().damaged, again.state().missing_bytes) == (0, 0)


# Steps that fail

STEPS = [
    ("create", False),
    ("write", False),
    ("write", True),
    ("sync", False),
    ("sync", True),
    ("rename", False),
    ("rename", True),
    ("sync_directory", False),
    ("sync_directory", True),
]


@pytest.mark.parametrize("begun", [False, True], ids=["first segment", "a segment open"])
@pytest.mark.parametrize(("step", "after"), STEPS)
def test_a_step_that_fails_refuses_the_batch_and_the_next_one_is_taken(tmp_path: Path, step: str, after: bool, begun: bool) -> None:
    disk = FaultyDisk()
    spool = open_spool(tmp_path, disk)
    kept: list[Parsed] = []
    if begun:
        spool.append(kept := views(range(20)))  # more than a segment: the next append begins another
    disk.fail(step, after=after)

    with pytest.raises(Backpressure, match="the spool cannot be written"):
        spool.append(views(range(50, 53)))
    spool.append(views(range(60, 62)))

    assert spool.state().failures == 1
    assert spool.state().records == len(kept) + 2
    spool.close()
    again = open_spool(tmp_path)
    assert drain(again) == [*kept, *views(range(60, 62))], "what was refused is not there, what was acknowledged is, in order"
    assert (again.state().damaged, again.state().missing_bytes, again.state().missing_segments) == (0, 0, 0)


@pytest.mark.parametrize(("step", "after"), [("write", True), ("sync", False), ("sync", True)])
def test_a_segment_that_failed_and_cannot_be_cut_back_still_loses_nothing(tmp_path: Path, step: str, after: bool) -> None:
    class Stubborn(FaultyDisk):
        def truncate(self, file: int, size: int) -> None:
            raise OSError(errno.EIO, "injected into truncate")

    disk = Stubborn()
    spool = open_spool(tmp_path, disk)
    spool.append(views(range(3)))
    disk.fail(step, after=after)
    with pytest.raises(Backpressure):
        spool.append(views(range(50, 53)))
    spool.append(views(range(60, 62)))
    in_process = spool.peek(max_records=100, max_bytes=1 << 20)
    assert in_process is not None
    assert list(in_process.items) == views(range(3)), "what was never acknowledged is not handed in either"
    spool.close()

    again = open_spool(tmp_path)
    assert drain(again) == [*views(range(3)), *views(range(60, 62))]
    assert (again.state().damaged, again.state().missing_bytes) == (0, 0)


def test_a_failed_sync_is_told_to_all_who_waited_for_it_and_tried_no_second_time(tmp_path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()

    class FailingSync(FaultyDisk):
        bad = False

        def sync(self, file: int) -> None:
            if self.bad:
                self.bad = False
                entered.set()
                assert go_on.wait(20)
                raise OSError(errno.EIO, "injected into sync")
            super().sync(file)

    disk = FailingSync()
    spool = open_spool(tmp_path, disk)
    spool.append(views(range(1)))
    disk.bad = True
    refused: list[Backpressure] = []

    def send(number: int) -> None:
        try:
            spool.append(views(range(number, number + 1)))
        except Backpressure as error:
            refused.append(error)

    first = threading.Thread(target=send, args=(1,))
    first.start()
    assert entered.wait(20)
    disk.calls.clear()
    second = threading.Thread(target=send, args=(2,))
    second.start()
    while disk.calls.count("write") < 1:
        threading.Event().wait(0.001)
    go_on.set()
    first.join()
    second.join()

    assert len(refused) == 2
    assert drain(spool) == views(range(1))


@pytest.mark.parametrize("fails", [False, True])
def test_a_segment_is_settled_before_the_next_one_is_begun(tmp_path: Path, fails: bool) -> None:
    held, written = threading.Event(), threading.Event()

    class Late(Spool):
        """The first caller is held between writing and syncing."""

        def _make_durable(self, segment: Segment, end: int) -> None:
            if threading.current_thread().name == "late":
                written.set()
                assert held.wait(20)
            super()._make_durable(segment, end)

    disk = FaultyDisk()
    spool = Late(tmp_path / "spool", TickingClock(), segment_bytes=SMALL, disk=disk)
    refused: list[Backpressure] = []

    def send() -> None:
        try:
            spool.append(views(range(20)))  # more than a segment
        except Backpressure as error:
            refused.append(error)

    late = threading.Thread(target=send, name="late")
    late.start()
    assert written.wait(20)
    if fails:
        disk.fail("sync")
    spool.append(views(range(20, 22)))
    held.set()
    late.join()
    spool.close()

    again = open_spool(tmp_path)
    assert bool(refused) is fails
    assert drain(again) == views(range(20 if fails else 0, 22))
    assert (again.state().missing_bytes, again.state().damaged) == (0, 0)


@pytest.mark.parametrize("after", [False, True])
def test_a_segment_that_cannot_be_removed_is_not_drained_twice_and_is_removed_later(tmp_path: Path, after: bool) -> None:
    disk = FaultyDisk()
    spool = open_spool(tmp_path, disk)
    spool.append(views(range(4)))
    disk.fail("unlink", after=after)

    assert drain(spool) == views(range(4))
    assert spool.is_empty

    spool.append(views(range(4, 6)))
    assert drain(spool) == views(range(4, 6))
    assert segments(tmp_path) == []
    assert spool.state().bytes == 0
    assert spool.state().failures == 1


def test_a_segment_that_was_drained_and_not_removed_comes_again_after_a_restart(tmp_path: Path) -> None:
    disk = FaultyDisk()
    spool = open_spool(tmp_path, disk)
    spool.append(views(range(4)))
    disk.fail("unlink", times=10)
    assert drain(spool) == views(range(4))
    spool.close()

    assert drain(open_spool(tmp_path)) == views(range(4))


def test_a_read_that_fails_lets_go_of_nothing(tmp_path: Path) -> None:
    disk = FaultyDisk()
    spool = open_spool(tmp_path, disk)
    spool.append(views(range(4)))
    disk.fail("read")

    with pytest.raises(OSError, match="injected into read"):
        spool.peek(max_records=10, max_bytes=1 << 20)

    assert drain(spool) == views(range(4))


def test_a_draft_of_a_segment_is_cleared_away(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.close()
    (tmp_path / "spool" / "0000000000000009.new").write_bytes(b"half a header")

    open_spool(tmp_path).close()

    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["lock"]


def test_nothing_is_taken_after_the_end(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.close()
    spool.close()

    with pytest.raises(Backpressure, match="closed"):
        spool.append(views(range(1)))
