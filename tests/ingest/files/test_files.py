"""Files through the path of the live collectors: plain, packed, broken, endless, from a pipe."""

import gzip
import hashlib
import io
import os
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from domain.errors import InvalidInput
from domain.record import Position
from ingest.files import STANDARD_INPUT, IngestSummary, UnreadableInput, ingest_files
from ingest.pipeline import Counts
from tests.support.desk import Desk, eventually
from tests.support.records import event_line, event_lines, postfix_line

FEED = event_lines(range(200))


def ingest(at: Desk, *paths: Path, format_name: str = "phitrail", **options: object) -> IngestSummary:
    return ingest_files(
        paths,
        format=format_name,
        source_system="ehr",
        intake=at.intake,
        clock=at.clock,
        **options,  # type: ignore[arg-type]
    )


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", FEED),
        ("a.jsonl.gz", gzip.compress(FEED)),
        ("a.jsonl.zst", zstandard.compress(FEED)),
        ("packed-without-a-suffix", gzip.compress(FEED)),
        ("a.log.1", zstandard.compress(FEED[:5000]) + zstandard.compress(FEED[5000:])),
    ],
)
def test_plain_and_packed_files(at: Desk, tmp_path: Path, name: str, content: bytes) -> None:
    told: list[int] = []

    summary = ingest(at, written(tmp_path / name, content), progress=told.append)

    assert summary == IngestSummary(counts=Counts(accepted=200), head=Position(writer="main", seq=199))
    assert sum(told) == len(content)


def test_several_files_and_the_same_file_twice(at: Desk, tmp_path: Path) -> None:
    one, two = written(tmp_path / "1", event_lines(range(3))), written(tmp_path / "2", event_lines(range(2, 5)))

    assert ingest(at, one, two, one).counts == Counts(accepted=5, duplicate=4)


def test_identical_log_lines_are_events_of_their_own_but_a_file_read_again_is_not(at: Desk, tmp_path: Path) -> None:
    log = written(tmp_path / "mail.log", (postfix_line(1) + b"\n") * 3)

    assert ingest(at, log, format_name="postfix").counts == Counts(accepted=3)
    assert ingest(at, log, log, format_name="postfix").counts == Counts(duplicate=6)


def test_standard_input(at: Desk) -> None:
    assert ingest(at, STANDARD_INPUT, standard_input=io.BytesIO(gzip.compress(FEED))).counts == Counts(accepted=200)


def test_a_pipe_is_stored_while_it_is_still_open(at: Desk) -> None:
    reading, writing = os.pipe()
    summary: list[IngestSummary] = []
    with os.fdopen(reading, "rb") as source:
        feeding = threading.Thread(target=lambda: summary.append(ingest(at, STANDARD_INPUT, standard_input=source)))
        feeding.start()
        os.write(writing, event_lines(range(2)))
        eventually(lambda: at.stored() == 2)
        os.write(writing, event_line(2))
        os.close(writing)
        feeding.join(20)

    assert summary[0].counts == Counts(accepted=3)


@pytest.mark.parametrize("coding", ["gz", "zst"])
def test_what_is_readable_of_a_truncated_file_is_stored_and_the_rest_is_said(at: Desk, tmp_path: Path, coding: str) -> None:
    content = b"".join(
        event_line(number, details={"note": hashlib.sha512(b"%d" % number).hexdigest() * 3}) + b"\n" for number in range(2000)
    )
    packed = gzip.compress(content) if coding == "gz" else zstandard.ZstdCompressor().compress(content)
    cut = written(tmp_path / f"cut.{coding}", packed[: len(packed) // 2])
    whole = written(tmp_path / "whole", event_lines(range(3000, 3010)))

    with pytest.raises(
        UnreadableInput, match=rf"cut\.{coding}: the .* data end before their end.*What could be read is stored"
    ) as caught:
        ingest(at, cut, whole)

    counts = caught.value.summary.counts
    assert counts.accepted > 500
    assert counts.quarantined <= 1  # the record that was cut in two
    assert at.stored() == counts.accepted
    assert caught.value.summary.head.seq == counts.accepted - 1


def test_a_suffix_that_does_not_hold_what_it_says(at: Desk, tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="damaged") as caught:
        ingest(at, written(tmp_path / "plain.gz", FEED))

    assert caught.value.summary.counts == Counts()


@pytest.mark.parametrize("kind", ["missing", "directory", "format", "source system"])
def test_unusable_input_stores_nothing(at: Desk, tmp_path: Path, kind: str) -> None:
    good = written(tmp_path / "good", FEED)
    (tmp_path / "directory").mkdir()
    paths = [good, tmp_path / kind] if kind in ("missing", "directory") else [good]

    with pytest.raises(InvalidInput) as caught:
        ingest_files(
            paths,
            format="pigeon" if kind == "format" else "phitrail",
            source_system="" if kind == "source system" else "ehr",
            intake=at.intake,
            clock=at.clock,
        )

    assert not isinstance(caught.value, UnreadableInput)
    assert at.stored() == 0


@pytest.mark.parametrize(
    ("format_name", "content", "quarantined"),
    [
        ("phitrail", b"\xff\xfe\x00garbage\n{]\n" + bytes(range(256)) + b"\n", 4),
        ("postfix", b"\xff\xfe\x00\nno syslog at all\n", 2),
        ("atna", b'<!DOCTYPE a [<!ENTITY b "c">]><AuditMessage>&b;</AuditMessage>\n', 1),
        ("fhir-auditevent", b'{"resourceType":"Patient"}', 1),
    ],
)
def test_garbage_is_kept_with_a_reason(at: Desk, tmp_path: Path, format_name: str, content: bytes, quarantined: int) -> None:
    counts = ingest(at, written(tmp_path / "garbage", content), format_name=format_name).counts

    assert counts == Counts(quarantined=quarantined)
    assert all(at.reasons())


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_of_a_hundred_megabytes_takes_bounded_memory_and_its_neighbours_are_stored(
    at: Desk, tmp_path: Path, packed: bool
) -> None:
    path = tmp_path / ("long.jsonl.zst" if packed else "long.jsonl")
    long = b'{"event_id": "' + b"x" * 100_000_000 + b'"}\n'
    content = event_line(1) + b"\n" + long + event_line(2) + b"\n"
    path.write_bytes(zstandard.compress(content) if packed else content)
    del long, content

    tracemalloc.start()
    try:
        counts = ingest(at, path).counts
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert counts == Counts(accepted=2, quarantined=1)
    assert at.quarantine.newest()[0].size == 65_536
    assert peak < 60_000_000


def test_the_module_reads_real_standard_input_by_default() -> None:
    """Without `standard_input` the process's own is read: shown in a process of its own."""
    script = "import ingest.files as f; print(sum(map(len, f._content(f.STANDARD_INPUT, lambda n: None, None))))"

    done = subprocess.run([sys.executable, "-c", script], input=b"12345", capture_output=True, check=True, timeout=60)

    assert done.stdout.strip() == b"5"


def test_sample_logs_add_up(at: Desk, samples: Path) -> None:
    for folder, format_name in (("postfix", "postfix"), ("atna", "atna"), ("fhir_auditevent", "fhir-auditevent")):
        suffixes = {".log"} if folder == "postfix" else {".xml", ".syslog", ".json"}
        paths = sorted(path for path in (samples / folder).iterdir() if path.suffix in suffixes)

        counts = ingest(at, *paths, format_name=format_name).counts
        again = ingest(at, *paths, format_name=format_name).counts

        assert counts.read >= len(paths)
        assert counts.quarantined == again.quarantined
        assert again.accepted == 0
        assert again.read == counts.read
