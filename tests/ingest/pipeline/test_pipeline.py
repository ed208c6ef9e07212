"""From bytes to counts: the sum holds by record, whatever is in them and whatever the store does."""

import json
import threading
from collections.abc import Iterator

import pytest

from domain.errors import Backpressure, IntegrityError
from domain.record import Parsed, Receipt, Status
from ingest.parsers import parser_for
from ingest.pipeline import Counts, Pipeline, patiently, status_of
from tests.support.clock import TickingClock
from tests.support.desk import Desk, Gate, eventually
from tests.support.records import audit_event, event_line, event_lines


def pipeline(desk: Desk | Gate, format_name: str = "phitrail", **options: object) -> Pipeline:
    parser = parser_for(format_name, source_system="ehr", received=TickingClock())
    intake = desk.intake if isinstance(desk, Desk) else desk
    return Pipeline(parser=parser, source_system="ehr", intake=intake, **options)  # type: ignore[arg-type]


def pieces(data: bytes, size: int = 1000) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def test_every_record_is_accepted_duplicate_or_quarantined(at: Desk) -> None:
    feed = event_lines(range(100)) + event_lines(range(50)) + b'{"event_id": 7}\nnot json\n\n[1]\n\xff\xfe\n'

    counts = pipeline(at, batch_records=32).run(pieces(feed))

    assert counts == Counts(accepted=100, duplicate=50, quarantined=4)
    assert counts.read == 154
    assert at.stored() == 100
    assert sorted(at.raws()) == sorted([b'{"event_id": 7}', b"not json", b"1", b"\xff\xfe"])


def test_reading_again_gives_duplicates(at: Desk) -> None:
    feed = event_lines(range(20))
    pipeline(at).run([feed])

    assert pipeline(at).run([feed]) == Counts(duplicate=20)
    assert at.stored() == 20


def test_a_record_of_several_events_counts_once(at: Desk) -> None:
    one_patient, two_patients = audit_event(1), audit_event(2, ("P-1", "P-2"))

    first = pipeline(at, "fhir-auditevent").run([json.dumps(one_patient).encode()])
    second = pipeline(at, "fhir-auditevent").run([json.dumps([one_patient, two_patients]).encode()])

    assert first == Counts(accepted=1)
    assert second == Counts(accepted=1, duplicate=1)
    assert at.stored() == 3


@pytest.mark.parametrize(
    ("statuses", "whole"),
    [
        ("a", "accepted"),
        ("aa", "accepted"),
        ("ad", "accepted"),
        ("da", "accepted"),
        ("d", "duplicate"),
        ("dd", "duplicate"),
        ("q", "quarantined"),
        ("aq", "quarantined"),
        ("qd", "quarantined"),
    ],
)
def test_what_a_record_of_several_events_became(statuses: str, whole: str) -> None:
    names = {"a": Status.ACCEPTED, "d": Status.DUPLICATE, "q": Status.QUARANTINED}

    assert status_of([Receipt(status=names[letter]) for letter in statuses]) == Status(whole)


def test_a_record_that_is_too_long_is_quarantined_in_part_and_never_replayed(at: Desk) -> None:
    feed = event_line(1) + b"\n" + event_line(2, details={"note": "x" * 200_000}) + b"\n" + event_line(3) + b"\n"

    counts = pipeline(at, max_record=100_000).run(pieces(feed))

    assert counts == Counts(accepted=2, quarantined=1)
    assert at.quarantine.pending() == []
    assert at.quarantine.newest()[0].reason.startswith("record longer than 100000 bytes")


class Defective:
    """A parser with a defect."""

    format = "phitrail"

    def parse(self, record: bytes) -> list[Parsed]:
        if b"E-2" in record:
            raise RecursionError("P-1 must not get into any message")
        return parser_for("phitrail", source_system="ehr", received=TickingClock()).parse(record)


def test_a_defect_of_a_parser_costs_the_record_and_not_the_feed(at: Desk, caplog: pytest.LogCaptureFixture) -> None:
    counts = Pipeline(parser=Defective(), source_system="ehr", intake=at.intake).run([event_lines(range(4))])

    assert counts == Counts(accepted=3, quarantined=1)
    assert at.raws() == [event_line(2)]
    assert at.reasons() == ["the parser failed on this record (RecursionError)"]
    assert "P-1" not in caplog.text


def test_a_slow_pipe_is_stored_as_it_comes(at: Desk) -> None:
    seen = threading.Event()

    def slow() -> Iterator[bytes]:
        yield event_line(1) + b"\n" + event_line(2)[:10]
        eventually(lambda: at.stored() == 1)
        seen.set()
        yield event_line(2)[10:]

    counts = pipeline(at).run(slow())

    assert seen.is_set()
    assert counts == Counts(accepted=2)


def test_what_was_read_before_the_input_failed_is_stored(at: Desk) -> None:
    def broken() -> Iterator[bytes]:
        yield event_lines(range(10))
        raise OSError("the disk is gone")

    feeding = pipeline(at)
    with pytest.raises(OSError, match="disk"):
        feeding.run(broken())

    assert feeding.counts == Counts(accepted=10)


def test_back_pressure_is_waited_out(at: Desk) -> None:
    gate = Gate(at.intake)
    gate.failures = [Backpressure("full", retry_after=0)] * 3

    assert pipeline(gate).run([event_lines(range(3))]) == Counts(accepted=3)


def test_patience_ends(at: Desk) -> None:
    gate = Gate(at.intake)
    gate.refuses = lambda _: Backpressure("full", retry_after=7)
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return False

    with pytest.raises(Backpressure):
        patiently(gate, [], wait=wait, patience=20)

    assert waits == [7, 7, 7]


@pytest.mark.parametrize("failure", [IntegrityError("the store contradicts its anchor"), RuntimeError("broken")])
def test_a_store_that_refuses_to_go_on_ends_the_feed(at: Desk, failure: Exception) -> None:
    gate = Gate(at.intake)
    gate.failures = [failure]

    def endless() -> Iterator[bytes]:
        number = 0
        while True:
            yield event_line(number) + b"\n"
            number += 1

    with pytest.raises(type(failure), match=str(failure)):
        pipeline(gate, batch_records=10).run(endless())


def test_a_feed_of_nothing_counts_nothing(at: Desk) -> None:
    assert pipeline(at).run([]) == Counts()
    assert pipeline(at).run([b"\n", b" \n"]) == Counts()
