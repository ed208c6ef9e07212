"""Copies of checkpoints: one contract over every place, what each adds to it, and what a rolled back store meets."""

import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.checkpoint import Head, parse_checkpoint
from domain.errors import ConfigError, IntegrityError
from domain.note import open_note
from retention.copies import (
    CheckpointCopy,
    Copying,
    CopyTrouble,
    DirectoryCopies,
    NotCopied,
    copied_size,
    copy_name,
    years_after,
)
from retention.copies_s3 import ObjectLockCopies, object_store
from store.anchor import Anchor
from store.engine import Engine
from store.fsck import Integrity
from store.spine import Spine
from store.tail import stored_tail
from tests.support.cast import chart_view
from tests.support.clock import TickingClock
from tests.support.faults import Fault
from tests.support.node import SIGNER, node, verify
from tests.support.object_store import Bucket, Version, object_store_server

ORIGIN = "log.example/spine"
UNTIL = datetime(2032, 3, 2, 8, 0, 0, 123_456, tzinfo=UTC)
PREFIX = "phitrail/a b+c/"


def a_note(size: int, root: int = 0) -> str:
    return SIGNER.sign(Head(ORIGIN, size, bytes([root]) * 32).checkpoint)


@pytest.fixture(scope="module", autouse=True)
def credentials() -> Iterator[None]:
    """What the AWS libraries look for; nothing of this machine's own."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_SESSION_TOKEN"):
            patched.delenv(name, raising=False)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patched.setenv(name, os.devnull)
        patched.setenv("AWS_ACCESS_KEY_ID", "EXAMPLEKEY")
        patched.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        patched.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[Bucket]:
    """One store for the module: making a client takes half a second."""
    with object_store_server(TickingClock()) as made:
        yield made


@pytest.fixture(scope="module")
def client(server: Bucket) -> Any:
    return object_store(server.url)


@dataclass(frozen=True)
class Store:
    """The bucket, empty at first, and the client that speaks to it."""

    bucket: Bucket
    client: Any

    def copies(self, name: str = "checkpoints") -> ObjectLockCopies:
        """As after a start: nothing is remembered."""
        return ObjectLockCopies(name, PREFIX, self.client)


@pytest.fixture
def store(server: Bucket, client: Any) -> Store:
    server.reset()
    return Store(server, client)


def key(size: int) -> str:
    return PREFIX + copy_name(ORIGIN, size)


# The contract.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "copies"
    made.mkdir()
    return made


@dataclass(frozen=True)
class Rig:
    """A place, another handle on it (after a restart), and a way to make it go away."""

    copies: CheckpointCopy
    reopened: CheckpointCopy
    break_it: Callable[[], None]


def in_directory(folder: Path, store: Store) -> Rig:
    del store

    def away() -> None:
        folder.rename(folder.with_name("elsewhere"))

    return Rig(DirectoryCopies(folder), DirectoryCopies(folder), away)


def in_bucket(folder: Path, store: Store) -> Rig:
    del folder

    def away() -> None:
        store.bucket.fail = dict.fromkeys(("lock", "put", "get", "head", "list"), (503, "ServiceUnavailable"))

    return Rig(store.copies(), store.copies(), away)


@pytest.fixture(params=[in_directory, in_bucket], ids=["directory", "object lock"])
def rig(request: pytest.FixtureRequest, folder: Path, store: Store) -> Rig:
    setup: Callable[[Path, Store], Rig] = request.param
    return setup(folder, store)


def test_what_was_put_is_there_byte_for_byte(rig: Rig) -> None:
    assert rig.copies.newest(ORIGIN) is None

    rig.copies.put(ORIGIN, 7, a_note(7), UNTIL)

    assert rig.copies.newest(ORIGIN) == a_note(7)
    assert rig.reopened.newest(ORIGIN) == a_note(7)


def test_the_newest_is_the_largest_not_the_last(rig: Rig) -> None:
    for size in (9, 10, 100, 99):
        rig.copies.put(ORIGIN, size, a_note(size), UNTIL)

    assert rig.copies.newest(ORIGIN) == a_note(100)
    assert rig.reopened.newest(ORIGIN) == a_note(100)


def test_what_another_process_added_is_seen(rig: Rig) -> None:
    rig.copies.put(ORIGIN, 9, a_note(9), UNTIL)
    assert rig.copies.newest(ORIGIN) == a_note(9)

    rig.reopened.put(ORIGIN, 2**63, a_note(2**63), UNTIL)

    assert rig.copies.newest(ORIGIN) == a_note(2**63)


def test_the_same_again_is_no_error(rig: Rig) -> None:
    rig.copies.put(ORIGIN, 7, a_note(7), UNTIL)
    rig.copies.put(ORIGIN, 7, a_note(7), UNTIL + timedelta(days=30))
    rig.reopened.put(ORIGIN, 7, a_note(7), UNTIL)

    assert rig.copies.newest(ORIGIN) == a_note(7)


def test_another_note_of_the_same_size_is_refused_and_changes_nothing(rig: Rig) -> None:
    rig.copies.put(ORIGIN, 7, a_note(7), UNTIL)

    with pytest.raises(IntegrityError, match="size 7 was copied before"):
        rig.reopened.put(ORIGIN, 7, a_note(7, root=1), UNTIL)

    assert rig.copies.newest(ORIGIN) == a_note(7)


def test_origins_do_not_see_each_other(rig: Rig) -> None:
    rig.copies.put(ORIGIN, 7, a_note(7), UNTIL)
    rig.copies.put("log.example/spine2", 9, a_note(9), UNTIL)

    assert rig.copies.newest(ORIGIN) == a_note(7)
    assert rig.copies.newest("log.example/spin") is None


def test_a_place_that_is_away_says_so_by_type(rig: Rig) -> None:
    rig.break_it()

    with pytest.raises(NotCopied) as writing:
        rig.copies.put(ORIGIN, 7, a_note(7), UNTIL)
    with pytest.raises(NotCopied) as reading:
        rig.copies.newest(ORIGIN)

    assert writing.value.trouble is reading.value.trouble is CopyTrouble.UNREACHABLE


def test_many_at_once_keep_one(rig: Rig) -> None:
    """A fork: two writers with two checkpoints of one size. One is kept, whole; every writer of the other is told."""
    outcomes: list[str] = []
    start = threading.Barrier(6)

    def write(root: int) -> None:
        start.wait()
        try:
            rig.copies.put(ORIGIN, 7, a_note(7, root), UNTIL)
            outcomes.append(f"kept {root}")
        except IntegrityError:
            outcomes.append("told")
        except NotCopied:
            outcomes.append("to be tried again")

    threads = [threading.Thread(target=write, args=(number % 2,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    kept = {outcome for outcome in outcomes if outcome.startswith("kept")}
    assert len(kept) == 1
    assert rig.copies.newest(ORIGIN) == a_note(7, int(kept.pop()[-1]))


# A directory.


def test_a_copy_is_a_file_that_cannot_be_written(folder: Path) -> None:
    DirectoryCopies(folder).put(ORIGIN, 7, a_note(7), UNTIL)

    (file,) = [path for path in folder.rglob("*") if path.is_file()]
    assert str(file.relative_to(folder)) == "log.example_spine/00000000000000000007.checkpoint"
    assert file.read_bytes() == a_note(7).encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o444
    assert file.stat().st_nlink == 1


def test_what_does_not_look_like_a_copy_is_left_alone(folder: Path) -> None:
    copies = DirectoryCopies(folder)
    copies.put(ORIGIN, 7, a_note(7), UNTIL)
    for name in ("99999999999999999999.writing", "9.checkpoint", "note.txt", "000000000000000000099.checkpoint"):
        (folder / "log.example_spine" / name).write_text("nonsense")

    assert copies.newest(ORIGIN) == a_note(7)


def test_bytes_that_are_no_text_are_given_to_be_refused(folder: Path) -> None:
    copies = DirectoryCopies(folder)
    copies.put(ORIGIN, 7, a_note(7), UNTIL)
    (folder / "log.example_spine" / "00000000000000000008.checkpoint").write_bytes(b"\xff\xfe" * 100_000)

    note = copies.newest(ORIGIN)

    assert note is not None
    with pytest.raises(IntegrityError):
        open_note(note, [SIGNER.verifier])


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """It would be made on the disk below, where the storage is not mounted."""
    copies = DirectoryCopies(tmp_path / "missing")

    with pytest.raises(NotCopied, match="make it, or mount it"):
        copies.put(ORIGIN, 7, a_note(7), UNTIL)
    with pytest.raises(NotCopied, match="make it, or mount it"):
        copies.newest(ORIGIN)
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(28, "No space left on device")])
def test_what_the_file_system_refuses_is_trouble(folder: Path, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, "link", refuse)

    with pytest.raises(NotCopied, match=str(error.strerror)) as failure:
        DirectoryCopies(folder).put(ORIGIN, 7, a_note(7), UNTIL)

    assert failure.value.trouble is (CopyTrouble.REFUSED if error.errno == 13 else CopyTrouble.UNREACHABLE)


# The write steps as calls of the operating system.
CALLS = {
    "(1) file": ("fsync", 1),
    "(2) link": ("link", 1),
    "(3) unlink": ("unlink", 1),
    "(4) folder": ("fsync", 2),
    "(4) above": ("fsync", 3),
}


@pytest.mark.parametrize("after", [False, True], ids=["lost", "done"])
@pytest.mark.parametrize(("call", "nth"), CALLS.values(), ids=CALLS)
def test_a_stop_at_each_step_leaves_no_half_copy_and_the_next_put_completes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int, after: bool
) -> None:
    real: Callable[..., Any] = getattr(os, call)
    seen = 0

    def faulty(*arguments: Any, **options: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == nth and not after:
            raise Fault(call)
        result = real(*arguments, **options)
        if seen == nth:
            raise Fault(call)
        return result

    copies = DirectoryCopies(folder)
    with monkeypatch.context() as patched:
        patched.setattr(os, call, faulty)
        with pytest.raises(Fault):
            copies.put(ORIGIN, 7, a_note(7), UNTIL)
    assert copies.newest(ORIGIN) in {None, a_note(7)}

    copies.put(ORIGIN, 7, a_note(7), UNTIL)

    assert copies.newest(ORIGIN) == a_note(7)
    left = sorted(path.suffix for path in (folder / "log.example_spine").iterdir())
    assert left == [".checkpoint", ".writing"][: 2 if (call, after) == ("unlink", False) else 1]


def test_a_half_written_file_is_never_taken_for_a_copy(folder: Path) -> None:
    copies = DirectoryCopies(folder)
    copies.put(ORIGIN, 7, a_note(7), UNTIL)
    (folder / "log.example_spine" / "00000000000000000008.writing").write_text(a_note(8)[:50])
    assert copies.newest(ORIGIN) == a_note(7)

    copies.put(ORIGIN, 8, a_note(8), UNTIL)

    assert copies.newest(ORIGIN) == a_note(8)


@settings(max_examples=50, deadline=None)
@given(size=st.integers(0, 2**64 - 1), other=st.integers(0, 2**64 - 1))
def test_names_are_in_order_of_size(size: int, other: int) -> None:
    assert copied_size(copy_name(ORIGIN, size).rpartition("/")[2]) == size
    assert (copy_name(ORIGIN, size) < copy_name(ORIGIN, other)) == (size < other)


# A bucket.


def test_a_copy_is_locked_in_compliance_mode_and_cannot_be_deleted(store: Store) -> None:
    copies = store.copies()
    copies.put(ORIGIN, 7, a_note(7), UNTIL)

    (version,) = store.bucket.versions
    assert (version.key, version.mode, version.until) == (key(7), "COMPLIANCE", UNTIL.replace(microsecond=0))
    with pytest.raises(store.client.exceptions.ClientError, match="AccessDenied"):
        store.client.delete_object(Bucket=store.bucket.name, Key=key(7), VersionId=version.version_id)
    assert copies.newest(ORIGIN) == a_note(7)


def test_every_request_is_signed_and_a_write_says_what_it_writes(store: Store) -> None:
    """The server refuses what is not; here is that it would."""
    store.copies().put(ORIGIN, 7, a_note(7), UNTIL)

    assert all(headers["authorization"].startswith("AWS4-HMAC-SHA256 ") for _, _, headers in store.bucket.requests)
    (written,) = [headers for operation, _, headers in store.bucket.requests if operation == "put"]
    assert written["if-none-match"] == "*"
    assert written["x-amz-checksum-sha256"]
    answer = httpx.get(f"{store.bucket.url}/{store.bucket.name}/{quote(key(7))}")
    assert answer.status_code == 403


def test_a_delete_marker_hides_nothing(store: Store) -> None:
    copies = store.copies()
    copies.put(ORIGIN, 6, a_note(6), UNTIL)
    copies.put(ORIGIN, 7, a_note(7), UNTIL)
    store.client.delete_object(Bucket=store.bucket.name, Key=key(7))
    store.client.delete_object(Bucket=store.bucket.name, Key=key(9))

    assert copies.newest(ORIGIN) == a_note(7)
    assert store.copies().newest(ORIGIN) == a_note(7)


def test_a_version_that_was_added_later_does_not_count(store: Store) -> None:
    copies = store.copies()
    copies.put(ORIGIN, 7, a_note(7), UNTIL)
    store.client.put_object(Bucket=store.bucket.name, Key=key(7), Body=a_note(7, root=1).encode())

    assert len(store.bucket.versions) == 2
    assert store.copies().newest(ORIGIN) == a_note(7)
    copies.put(ORIGIN, 7, a_note(7), UNTIL)
    with pytest.raises(IntegrityError):
        copies.put(ORIGIN, 7, a_note(7, root=1), UNTIL)


def test_a_name_whose_copy_was_hidden_is_not_taken_again(store: Store) -> None:
    """Behind a delete marker a conditional write succeeds; the first version is compared all the same."""
    copies = store.copies()
    copies.put(ORIGIN, 7, a_note(7), UNTIL)
    store.client.delete_object(Bucket=store.bucket.name, Key=key(7))

    with pytest.raises(IntegrityError):
        copies.put(ORIGIN, 7, a_note(7, root=1), UNTIL)

    assert copies.newest(ORIGIN) == a_note(7)


def test_a_bucket_without_lock_is_refused_before_anything_is_put(store: Store) -> None:
    store.bucket.has_lock = False

    with pytest.raises(NotCopied, match="has no object lock: enable it") as failure:
        store.copies().put(ORIGIN, 7, a_note(7), UNTIL)

    assert failure.value.trouble is CopyTrouble.NOT_LOCKED
    assert store.bucket.operations() == ["lock"]


def test_a_store_that_forgets_locks_is_found_out(store: Store) -> None:
    store.bucket.forgets_locks = True

    with pytest.raises(NotCopied, match="is not locked as asked") as failure:
        store.copies().put(ORIGIN, 7, a_note(7), UNTIL)

    assert failure.value.trouble is CopyTrouble.NOT_LOCKED


def test_a_note_that_was_there_before_without_a_lock_is_no_copy(store: Store) -> None:
    store.bucket.versions.append(Version(key=key(7), version_id="v0000", data=a_note(7).encode()))

    with pytest.raises(NotCopied, match="is not locked as asked"):
        store.copies().put(ORIGIN, 7, a_note(7), UNTIL)


@pytest.mark.parametrize(
    ("fail", "trouble"),
    [
        ({"lock": (403, "AccessDenied")}, CopyTrouble.REFUSED),
        ({"put": (403, "AccessDenied")}, CopyTrouble.REFUSED),
        ({"head": (403, "AccessDenied")}, CopyTrouble.REFUSED),
        ({"put": (409, "ConditionalRequestConflict")}, CopyTrouble.REFUSED),
        ({"put": (500, "InternalError")}, CopyTrouble.UNREACHABLE),
        ({"list": (503, "SlowDown")}, CopyTrouble.UNREACHABLE),
    ],
    ids=lambda value: str(next(iter(value.items()))) if isinstance(value, dict) else "",
)
def test_what_the_store_refuses_is_trouble_that_names_nothing(
    store: Store, fail: dict[str, tuple[int, str]], trouble: CopyTrouble
) -> None:
    store.bucket.fail = fail

    with pytest.raises(NotCopied) as failure:
        store.copies().put(ORIGIN, 7, a_note(7), UNTIL)

    assert failure.value.trouble is trouble
    assert not any(name in str(failure.value) for name in ("127.0.0.1", "EXAMPLEKEY", store.bucket.name + "/"))
    store.bucket.fail = {}
    store.copies().put(ORIGIN, 7, a_note(7), UNTIL)
    assert store.copies().newest(ORIGIN) == a_note(7)


def test_a_bucket_that_does_not_exist(store: Store) -> None:
    with pytest.raises(NotCopied, match="NoSuchBucket") as failure:
        store.copies("elsewhere").put(ORIGIN, 7, a_note(7), UNTIL)

    assert failure.value.trouble is CopyTrouble.REFUSED


@pytest.mark.parametrize("operation", ["lock", "put", "list", "get", "head"])
def test_a_connection_that_breaks_after_each_request_costs_nothing(store: Store, operation: str) -> None:
    """The store did it and could not say so; the write is conditional, so asking again is safe."""
    store.bucket.hang_up_after = {operation}
    copies = store.copies()

    copies.put(ORIGIN, 7, a_note(7), UNTIL)

    assert copies.newest(ORIGIN) == a_note(7)
    assert len(store.bucket.versions) == 1


def test_a_store_that_cannot_be_reached() -> None:
    with object_store_server(TickingClock()) as gone:
        url = gone.url
    copies = ObjectLockCopies("checkpoints", PREFIX, object_store(url, timeout=timedelta(seconds=2)))

    with pytest.raises(NotCopied) as failure:
        copies.put(ORIGIN, 7, a_note(7), UNTIL)

    assert failure.value.trouble is CopyTrouble.UNREACHABLE


@pytest.mark.parametrize("page", [1, 2, 3, 1_000])
def test_the_newest_is_found_over_any_number_of_pages(store: Store, page: int) -> None:
    copies = store.copies()
    for size in (1, 5, 8):
        copies.put(ORIGIN, size, a_note(size), UNTIL)
    store.client.put_object(Bucket=store.bucket.name, Key=key(8), Body=b"later")
    store.client.put_object(Bucket=store.bucket.name, Key=key(8), Body=b"later still")
    store.client.delete_object(Bucket=store.bucket.name, Key=key(8))
    store.bucket.page = page

    assert store.copies().newest(ORIGIN) == a_note(8)
    assert copies.newest(ORIGIN) == a_note(8)


def test_a_store_that_lists_in_circles_is_given_up(store: Store) -> None:
    copies = store.copies()
    copies.put(ORIGIN, 7, a_note(7), UNTIL)
    store.bucket.never_ends = True

    with pytest.raises(NotCopied, match="to the end"):
        copies.newest(ORIGIN)


def test_looking_again_does_not_list_everything_again(store: Store) -> None:
    copies = store.copies()
    for size in range(1, 9):
        copies.put(ORIGIN, size, a_note(size), UNTIL)
    store.bucket.page = 1
    fresh = store.copies()
    assert fresh.newest(ORIGIN) == a_note(8)
    store.bucket.requests.clear()

    assert fresh.newest(ORIGIN) == a_note(8)

    assert store.bucket.operations() == ["list", "list", "get"]


def test_a_copy_that_vanished_is_not_hidden_by_what_was_seen(store: Store) -> None:
    """A store that breaks its promise: the next largest is given, not nothing."""
    copies = store.copies()
    copies.put(ORIGIN, 6, a_note(6), UNTIL)
    copies.put(ORIGIN, 7, a_note(7), UNTIL)
    store.bucket.versions = [version for version in store.bucket.versions if version.key == key(6)]

    assert copies.newest(ORIGIN) == a_note(6)


@pytest.mark.parametrize("endpoint", ["http://minio.example:9000", "ftp://127.0.0.1", "minio.example", "https://", ""])
def test_an_address_that_is_not_safe_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="begins with https"):
        object_store(endpoint)


def test_amazon_is_the_default_and_is_not_asked_anything_yet() -> None:
    amazon: Any = object_store()

    assert amazon.meta.endpoint_url.startswith("https://s3.")
    assert ObjectLockCopies("checkpoints", "", amazon).name == "object_lock"


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(ConfigError, match=r"install phitrail\[s3\]$"):
        object_store()


# Copying on schedule.


class Place:
    """A place in memory that fails on demand."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kept: dict[int, str] = {}
        self.until: list[datetime] = []
        self.error: Exception | None = None

    def put(self, origin: str, size: int, note: str, retain_until: datetime) -> None:
        if self.error:
            raise self.error
        assert self.kept.setdefault(size, note) == note
        self.until.append(retain_until)

    def newest(self, origin: str) -> str | None:
        if self.error:
            raise self.error
        return self.kept[max(self.kept)] if self.kept else None


def opened(note: str) -> Head:
    return parse_checkpoint(open_note(note, [SIGNER.verifier]).text)


@dataclass
class Newest:
    """The newest checkpoint of a ledger that has none yet."""

    note: str | None = None

    def __call__(self) -> str | None:
        return self.note


def scheduled(clock: TickingClock, *places: Place) -> tuple[Copying, Newest]:
    newest = Newest()
    copying = Copying(places, newest=newest, open_checkpoint=opened, clock=clock, interval=timedelta(minutes=15), retain_years=6)
    return copying, newest


def test_the_newest_is_copied_once_an_interval() -> None:
    clock, place = TickingClock(), Place("a")
    copying, newest = scheduled(clock, place)
    assert copying.run() == {}, "nothing is signed yet"

    newest.note = a_note(3)
    assert copying.run() == {"a": 3}
    newest.note = a_note(4)
    clock.advance(minutes=14, seconds=59)
    assert copying.run() == {}
    clock.advance(seconds=1)
    assert copying.run() == {"a": 4}

    assert sorted(place.kept) == [3, 4]
    assert place.until[0] == datetime(2032, 3, 2, 8, tzinfo=UTC)


def test_a_clock_that_was_put_back_does_not_stop_the_copies() -> None:
    clock, place = TickingClock(), Place("a")
    copying, newest = scheduled(clock, place)
    newest.note = a_note(3)
    copying.run()

    clock.advance(days=-400)

    assert copying.run() == {"a": 3}


def test_a_place_in_trouble_does_not_hold_up_the_others_and_is_tried_again() -> None:
    clock, broken, good = TickingClock(), Place("broken"), Place("good")
    copying, newest = scheduled(clock, broken, good)
    newest.note = a_note(3)
    broken.error = NotCopied(CopyTrouble.UNREACHABLE, "away")

    assert copying.run() == {"broken": CopyTrouble.UNREACHABLE, "good": 3}
    assert copying.run() == {"broken": CopyTrouble.UNREACHABLE}
    assert copying.held(ORIGIN) == [a_note(3)]
    broken.error = None
    assert copying.run() == {"broken": 3}
    assert copying.held(ORIGIN) == [a_note(3), a_note(3)]

    assert copying.failures == {("broken", CopyTrouble.UNREACHABLE): 3}


def test_a_contradiction_is_counted_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    clock, place = TickingClock(), Place("a")
    copying, newest = scheduled(clock, place)
    newest.note, place.error = a_note(3), IntegrityError("another one")

    assert copying.run() == {"a": CopyTrouble.CONTRADICTED}

    assert copying.failures == {("a", CopyTrouble.CONTRADICTED): 1}
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]


def test_a_checkpoint_that_is_not_signed_is_not_copied() -> None:
    place = Place("a")
    copying, newest = scheduled(TickingClock(), place)
    newest.note = a_note(3).replace("\n3\n", "\n4\n")

    with pytest.raises(IntegrityError):
        copying.run()

    assert place.kept == {}


@pytest.mark.parametrize(
    ("moment", "later"),
    [
        (datetime(2026, 3, 2, 8, tzinfo=UTC), datetime(2032, 3, 2, 8, tzinfo=UTC)),
        (datetime(2028, 2, 29, tzinfo=UTC), datetime(2034, 3, 1, tzinfo=UTC)),
    ],
)
def test_an_anniversary(moment: datetime, later: datetime) -> None:
    assert years_after(moment, 6) == later


# What they are for.


def test_a_store_that_was_rolled_back_with_its_anchors_is_found_by_the_copy(engine: Engine, tmp_path: Path, rig: Rig) -> None:
    """Store, state directory and second anchor are all of yesterday; only the copy is of today."""
    with node(engine, tmp_path, TickingClock()) as made:
        copying = Copying([rig.copies], newest=lambda: newest(made.spine), open_checkpoint=opened, clock=TickingClock())
        made.ledger.append([chart_view(0)])
        yesterday = made.keeper.checkpoint()
        made.keeper.checkpoint()
        (copied,) = copying.run().values()
    assert isinstance(copied, int)
    assert verified(engine, tmp_path, copying) is Integrity.INTACT

    engine.execute("ALTER TABLE spine DELETE WHERE seq > {seq:UInt64}", seq=yesterday.seq)
    engine.execute("ALTER TABLE checkpoints DELETE WHERE size > {size:UInt64}", size=yesterday.seq + 1)

    assert verified(engine, tmp_path) is not Integrity.TAMPERED, "it is consistent in itself"
    assert verified(engine, tmp_path, copying) is Integrity.TAMPERED


def test_copies_of_a_history_that_a_person_gave_up_do_not_count(engine: Engine, tmp_path: Path) -> None:
    """A store from yesterday goes on by decision: until it is longer than what was given up, the copies say nothing about it."""
    copies = copying_to(tmp_path)
    clock = TickingClock()
    with node(engine, tmp_path, clock) as made:
        made.ledger.append([chart_view(0)])
        made.keeper.checkpoint()
        tail = stored_tail(engine, "main", ORIGIN)
        for n in range(1, 4):
            made.ledger.append([chart_view(n)])
            made.keeper.checkpoint()
        given_up = made.anchor.spine_note()
        assert given_up is not None
        copies.put(ORIGIN, 4, given_up[1], clock() + timedelta(days=400))
    note = SIGNER.sign(tail.spine.checkpoint)
    engine.execute("ALTER TABLE spine DELETE WHERE seq > 0")
    engine.execute("ALTER TABLE checkpoints DELETE WHERE size > 1")
    engine.execute("ALTER TABLE events DELETE WHERE seq > 0")
    engine.execute("TRUNCATE TABLE tiles")
    engine.execute("TRUNCATE TABLE event_keys")
    with closing(Anchor(tmp_path / "state", tmp_path / "copies")) as anchor:
        anchor.accept(writer="main", seq=tail.seq, leaf=tail.leaf, spine=tail.spine, note=note)
    held = (copies.newest(ORIGIN) or "",)

    with node(engine, tmp_path, clock) as made:
        assert verify(engine, made.anchor, copies=held).integrity is Integrity.TAMPERED, "nobody has said so in the spine yet"

        made.spine.append("policy", {"abandoned_size": 4, "abandoned_root": "", "decision": "", "reason_digest": ""})
        said = verify(engine, made.anchor, copies=held)
        assert said.integrity is Integrity.INTACT, said
        assert said.accepted == [1]

        for n in range(10, 16):
            made.ledger.append([chart_view(n)])
            made.keeper.checkpoint()
        copies.put(ORIGIN, 8, (made.anchor.spine_note() or (0, ""))[1], clock() + timedelta(days=400))
        assert verify(engine, made.anchor, copies=(copies.newest(ORIGIN) or "",)).integrity is Integrity.INTACT


def copying_to(directory: Path) -> DirectoryCopies:
    folder = directory / "elsewhere"
    folder.mkdir()
    return DirectoryCopies(folder)


def verified(engine: Engine, directory: Path, copying: Copying | None = None) -> Integrity:
    """What a node without memory of its own finds, held against the copies or not."""
    notes = tuple(copying.held(ORIGIN)) if copying else ()
    with closing(Anchor(directory / "empty", None)) as anchor:
        return verify(engine, anchor, copies=notes).integrity


def newest(spine: Spine) -> str | None:
    found = spine.checkpoint()
    return found[0] if found else None
