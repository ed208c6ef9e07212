"""A directory of logs over every way in which a log is rotated: each line once, whatever it is called now."""

import gzip
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import zstandard

from ingest.parsers import split_records
from ingest.pull.directory import DirectoryTail
from ingest.pull.directory_cut import Tail, is_lines, tail_of
from ingest.pull.runner import PullRunner
from tests.ingest.pull.bench import Bench
from tests.support.records import event_line, event_lines


class Logs:
    """A directory that programs write to, and what reads it."""

    def __init__(self, bench: Bench, directory: Path, format_name: str = "phitrail", **options: object) -> None:
        self.bench = bench
        self.directory = directory
        self.format = format_name
        self.options = options
        directory.mkdir(exist_ok=True)
        self.runner = self.restarted()

    def restarted(self) -> PullRunner:
        """A runner as after a restart of the process."""
        options: dict[str, object] = {"patterns": ["mail.log*"], "tail": tail_of(self.format), **self.options}
        connector = DirectoryTail(
            self.directory,
            split=lambda chunks: split_records(self.format, chunks),
            clock=self.bench.clock,
            **options,  # type: ignore[arg-type]
        )
        self.runner = self.bench.runner(connector, format_name=self.format)
        return self.runner

    def path(self, name: str = "mail.log") -> Path:
        return self.directory / name

    def write(self, data: bytes, name: str = "mail.log") -> None:
        with self.path(name).open("ab") as file:
            file.write(data)
        self.touch(name)

    def touch(self, name: str, **ago: float) -> None:
        """Set a file's time by the clock of the test."""
        moment = (self.bench.clock.now - timedelta(**ago)).timestamp()
        os.utime(self.path(name), (moment, moment))

    def read(self) -> list[int]:
        """Read what there is; the numbers of the events that are in the ledger, sorted."""
        self.bench.drain(self.runner)
        assert self.runner.state.failures == 0, self.runner.state.last_error
        return self.stored()

    def stored(self) -> list[int]:
        return sorted(int(each.removeprefix("E-")) for each in self.bench.ids())

    @property
    def duplicates(self) -> int:
        return self.runner.state.counts.duplicate


@pytest.fixture
def logs(bench: Bench, tmp_path: Path) -> Logs:
    return Logs(bench, tmp_path / "logs")


def upto(number: int) -> list[int]:
    return list(range(number))


def test_a_growing_file_is_read_as_it_grows(logs: Logs) -> None:
    logs.write(event_lines(range(3)))
    assert logs.read() == upto(3)
    logs.write(event_lines(range(3, 5)))

    assert logs.read() == upto(5)
    assert logs.duplicates == 0


def test_a_last_line_without_an_end_waits_for_it(logs: Logs) -> None:
    line = event_line(1) + b"\n"
    logs.write(event_lines(range(1)) + line[:30])
    assert logs.read() == [0]
    logs.write(line[30:])

    assert logs.read() == [0, 1]
    assert logs.bench.desk.raws() == []


def test_a_last_line_that_nobody_ends_is_taken_after_an_hour(logs: Logs) -> None:
    logs.write(event_lines(range(1)) + event_line(1))
    assert logs.read() == [0]
    logs.bench.clock.advance(minutes=61)

    assert logs.read() == [0, 1]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_rename_loses_nothing_on_either_side(logs: Logs, restarts: bool) -> None:
    logs.write(event_lines(range(3)))
    assert logs.read() == upto(3)
    logs.write(event_lines(range(3, 5)))
    logs.path().rename(logs.path("mail.log.1"))
    logs.write(event_lines(range(5, 7)))
    if restarts:
        logs.restarted()

    assert logs.read() == upto(7)
    logs.write(event_lines(range(7, 8)), "mail.log.1")  # the daemon still had the old file open
    assert logs.read() == upto(8)
    assert logs.duplicates == 0


@pytest.mark.parametrize("restarts", [False, True])
def test_copy_and_truncate_loses_nothing(logs: Logs, restarts: bool) -> None:
    logs.write(event_lines(range(30)))
    assert logs.read() == upto(30)
    logs.write(event_lines(range(30, 35)))
    shutil.copy2(logs.path(), logs.path("mail.log.1"))
    os.truncate(logs.path(), 0)
    logs.write(event_lines(range(35, 38)))
    if restarts:
        logs.restarted()

    assert logs.read() == upto(38)
    assert logs.duplicates == 0
    assert logs.bench.cursors.gaps() == []


def test_a_scan_while_the_copy_is_there_and_the_original_not_yet_cut(logs: Logs) -> None:
    logs.write(event_lines(range(30)))
    assert logs.read() == upto(30)
    shutil.copy2(logs.path(), logs.path("mail.log.1"))
    assert logs.read() == upto(30)
    logs.write(event_lines(range(30, 32)))
    assert logs.read() == upto(32)
    os.truncate(logs.path(), 0)

    assert logs.read() == upto(32)


def test_a_file_cut_and_grown_beyond_where_we_were_is_another(logs: Logs) -> None:
    logs.write(event_lines(range(3)))
    assert logs.read() == upto(3)
    os.truncate(logs.path(), 0)
    logs.write(event_lines(range(10, 40)))

    assert logs.read() == [*upto(3), *range(10, 40)]


def pack_gzip(data: bytes) -> bytes:
    return gzip.compress(data)


def pack_zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", pack_gzip), (".zst", pack_zstd), ("", pack_gzip)])
@pytest.mark.parametrize("restarts", [False, True])
def test_compression_goes_on_where_the_plain_file_was_left(
    logs: Logs, restarts: bool, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    logs.write(event_lines(range(40)))
    assert logs.read() == upto(40)
    logs.write(event_lines(range(40, 50)))  # written, rotated and compressed while we were away
    content = logs.path().read_bytes()
    logs.path().unlink()
    logs.write(pack(content), f"mail.log.2{suffix}")
    logs.write(event_lines(range(50, 51)))
    if restarts:
        logs.restarted()

    logs.bench.clock.advance(minutes=2)
    assert logs.read() == upto(51)
    assert logs.duplicates == 0
    assert logs.read() == upto(51)
    assert logs.bench.cursors.gaps() == []


def test_a_compressed_file_is_read_whole_over_many_pages(bench: Bench, tmp_path: Path) -> None:
    logs = Logs(bench, tmp_path / "logs", page_bytes=2_000)
    logs.write(gzip.compress(event_lines(range(50))) + gzip.compress(event_lines(range(50, 100))), "mail.log.1.gz")
    logs.bench.clock.advance(minutes=2)
    logs.runner.step()
    logs.restarted()

    assert logs.read() == upto(100)
    assert logs.duplicates == 0


def test_a_compressed_file_that_is_being_written_waits(logs: Logs) -> None:
    packed = gzip.compress(event_lines(range(50)))
    logs.write(packed[:200], "mail.log.1.gz")
    assert logs.read() == []
    logs.write(packed[200:], "mail.log.1.gz")
    logs.bench.clock.advance(minutes=2)

    assert logs.read() == upto(50)
    assert logs.runner.state.notice is None


def test_a_compressed_file_without_its_end_is_read_as_far_as_it_goes(bench: Bench, tmp_path: Path) -> None:
    logs = Logs(bench, tmp_path / "logs")
    packed = gzip.compress(event_lines(range(2_000)), compresslevel=1)
    logs.write(packed[: len(packed) // 2], "mail.log.1.gz")
    logs.bench.clock.advance(minutes=2)

    waits = logs.runner.step()
    first = logs.stored()
    notice = logs.runner.state.notice
    logs.write(packed[len(packed) // 2 :], "mail.log.1.gz")
    logs.bench.clock.advance(minutes=2)

    assert waits == 0.0
    assert 100 < len(first) < 2_000
    assert "as far as it goes" in str(notice)
    assert logs.read() == upto(2_000)


def test_new_files_are_found_and_old_ones_may_go(logs: Logs) -> None:
    logs.write(event_lines(range(2)), "mail.log.a")
    assert logs.read() == upto(2)
    logs.path("mail.log.a").unlink()
    logs.write(event_lines(range(2, 4)), "mail.log.b")
    logs.write(event_lines(range(100, 101)), "other.log")

    assert logs.read() == upto(4)
    logs.bench.clock.advance(minutes=5)
    assert logs.read() == upto(4)
    assert logs.bench.cursors.gaps() == []


def test_a_file_that_vanishes_before_its_end_is_a_gap(logs: Logs) -> None:
    logs.write(event_lines(range(2)) + event_line(2))
    assert logs.read() == upto(2)
    logs.path().unlink()
    logs.read()
    logs.bench.clock.advance(minutes=5)
    logs.read()

    (gap,) = logs.bench.cursors.gaps()
    assert "vanished before it was read to its end" in gap.reason


def test_two_files_that_begin_alike_are_two(logs: Logs) -> None:
    logs.write(event_lines(range(1)), "mail.log.a")
    assert logs.read() == [0]
    logs.write(event_lines(range(3)), "mail.log.b")
    assert logs.read() == upto(3)
    logs.write(event_lines(range(3, 4)), "mail.log.a")
    logs.write(event_lines(range(4, 5)), "mail.log.b")

    assert logs.read() == upto(5)


def test_a_log_that_starts_again_with_the_same_line_is_read(logs: Logs) -> None:
    logs.write(event_lines(range(1)))
    assert logs.read() == [0]
    logs.path().rename(logs.path("mail.log.1"))
    logs.write(event_lines(range(1)) + event_lines(range(5, 7)))

    assert logs.read() == [0, 5, 6]


def test_lines_alike_in_one_log_are_as_many_events_over_restarts_and_rotation(bench: Bench, tmp_path: Path) -> None:
    """The id of a line that is like one before says so; a restart must not forget how many there were."""
    logs = Logs(bench, tmp_path / "logs", "cef")
    line = b"CEF:0|acme|gate|1|100|login|3|rt=1772438400000 suser=alice\n"
    for turn in range(4):
        logs.write(line * 2)
        logs.bench.drain(logs.restarted())
        if turn == 1:
            logs.path().rename(logs.path("mail.log.1"))
            logs.path("mail.log.1").rename(logs.path())
    packed = gzip.compress(logs.path().read_bytes() + line)
    logs.path().unlink()
    logs.write(packed, "mail.log.1.gz")
    logs.bench.clock.advance(minutes=2)
    logs.bench.drain(logs.restarted())

    assert len(set(bench.ids())) == len(bench.ids()) == 9


def test_a_line_longer_than_a_page_and_one_longer_than_a_record(bench: Bench, tmp_path: Path) -> None:
    logs = Logs(bench, tmp_path / "logs", page_bytes=1_000, tail=Tail.LINES)
    long = event_line(1, details={"note": "x" * 5_000})
    endless = b"y" * (9 * 1024 * 1024)
    logs.write(event_line(0) + b"\n" + long + b"\n" + endless + b"\n" + event_line(2) + b"\n")

    assert logs.read() == [0, 1, 2]
    assert [len(raw) for raw in bench.desk.raws()] == [64 * 1024]
    logs.restarted()
    assert logs.read() == [0, 1, 2]
    assert logs.duplicates == 0


def test_entries_over_several_lines_wait_for_the_next(bench: Bench, tmp_path: Path) -> None:
    logs = Logs(bench, tmp_path / "logs", "zimbra")
    entry = (
        "2026-03-02 08:00:0{n},001 WARN  [qtp-{n}] [ip=198.51.100.7;] security - cmd=Auth; account=alice@example.org; error=no;\n"
    )
    trace = "com.zimbra.cs.account.AccountServiceException$AuthFailedServiceException: failed\n\tat com.zimbra.A.b(A.java:1)\n"
    logs.write((entry.format(n=1) + trace + entry.format(n=2)).encode())
    logs.bench.drain(logs.runner)
    assert len(bench.ids()) == 1
    logs.write((trace + entry.format(n=3)).encode())
    logs.bench.drain(logs.runner)
    assert len(bench.ids()) == 2
    logs.bench.clock.advance(minutes=61)
    logs.bench.drain(logs.runner)

    assert len(bench.ids()) == 3
    assert bench.desk.raws() == []


def test_an_array_is_taken_once_it_is_whole_and_again_when_it_grows(logs: Logs) -> None:
    records = [event_line(number) for number in range(4)]
    logs.write(b"[" + b",\n".join(records[:2]))
    assert logs.read() == []
    logs.write(b",\n" + records[2] + b"]\n")
    logs.bench.clock.advance(minutes=2)
    assert logs.read() == upto(3)

    logs.path().write_bytes(b"[" + b",\n".join(records) + b"]\n")
    logs.touch("mail.log")
    logs.bench.clock.advance(minutes=2)
    assert logs.read() == upto(4)
    assert logs.duplicates == 3


def test_a_directory_that_is_not_there_is_said_and_found_later(bench: Bench, tmp_path: Path) -> None:
    logs = Logs(bench, tmp_path / "logs")
    logs.directory.rmdir()
    assert logs.runner.step() > 0
    assert "cannot be listed" in str(logs.runner.state.last_error)
    logs.directory.mkdir()
    logs.write(event_lines(range(1)))

    assert logs.read() == [0]


def test_a_file_that_may_not_be_read_does_not_hold_up_the_others(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        logs.path("mail.log.a").symlink_to("/nonexistent")
    else:
        logs.write(event_lines(range(5, 6)), "mail.log.a")
        logs.path("mail.log.a").chmod(0)
    logs.write(event_lines(range(2)), "mail.log.b")

    assert logs.read() == upto(2)


def test_reading_stops_at_any_page_and_goes_on(bench: Bench, tmp_path: Path) -> None:
    logs = Logs(bench, tmp_path / "logs", page_bytes=700)
    for name in ("mail.log.2", "mail.log.1", "mail.log"):
        start = {"mail.log.2": 0, "mail.log.1": 10, "mail.log": 20}[name]
        logs.write(event_lines(range(start, start + 10)), name)

    for _ in range(40):
        logs.restarted().step()

    assert logs.stored() == upto(30)
    assert logs.duplicates == 0


def test_the_cursor_does_not_move_where_nothing_is_new(logs: Logs) -> None:
    logs.write(event_lines(range(3)))
    logs.read()
    place = logs.bench.cursors.get("source")

    logs.read()
    logs.read()

    assert logs.bench.cursors.get("source") == place


COLUMNS = (
    "date-time,client-ip,client-hostname,server-hostname,event-id,internal-message-id,message-id,recipient-address,sender-address"
)


def test_the_head_of_a_log_goes_with_its_first_line(bench: Bench, tmp_path: Path) -> None:
    """A log that has nothing but its head yet must not lose it: the lines after it make no sense without."""
    logs = Logs(bench, tmp_path / "logs", "exchange-tracking")
    logs.write(f"#Software: Microsoft Exchange Server\n#Log-type: Message Tracking Log\n#Fields: {COLUMNS}\n".encode())
    logs.bench.drain(logs.runner)
    for number in range(3):
        ids = f"{number},<m{number}@example.org>"
        line = f"2026-03-02T07:0{number}:00.000Z,192.0.2.7,mx,ex1,DELIVER,{ids},pat@example.org,a@clinic.example\n"
        logs.write(line.encode())
        logs.bench.clock.advance(minutes=2)
        logs.restarted()
        logs.bench.drain(logs.runner)

    assert len(bench.ids()) == 3
    assert bench.desk.reasons() == []


@pytest.mark.parametrize(
    ("format_name", "first", "tail"),
    [
        ("okta", b'{"uuid": "x"}\n', True),
        ("okta", b'{"uuid":\n "x"}\n', False),
        ("okta", b'[{"uuid": "x"}]\n', False),
        ("m365-audit", b"CreationDate,UserIds\n", False),
        ("keycloak", b"2026-03-02 08:00:00,001 INFO  [org.keycloak] type=LOGIN\n", True),
        ("keycloak", b'\xef\xbb\xbf{"type": "LOGIN"}\n', True),
        ("otlp-logs", b"\x00\x00\x01\x00\n", False),
        ("otlp-logs", b"\x0a\x07\x12\x0a", False),
        ("authelia", b"time=2026 level=info", False),
    ],
)
def test_how_a_file_is_read_is_seen_by_its_first_line(format_name: str, first: bytes, tail: bool) -> None:
    assert is_lines(first, tail_of(format_name)) is tail
