"""Sending, to collectors on real sockets."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import DeliveryError
from runtime.demo.send import send
from runtime.demo.streams import Collector, Parcel, Stream
from runtime.demo.wire.fhir import bundle
from tests.runtime.demo.collectors import Arrivals, open_collectors


def _parcels(count: int, body: bytes, records: int = 1, path: str = "") -> list[Parcel]:
    return [Parcel(body=body, records=records, path=path) for _ in range(count)]


STREAMS = [
    Stream(collector=Collector.HTTP, source_system="ehr", parcels=_parcels(7, b'{"a":1}\n{"a":2}\n', 2, "/v1/events")),
    Stream(collector=Collector.FHIR, source_system="pacs", parcels=_parcels(2, b"{}", 1, "/fhir/AuditEvent")),
    Stream(collector=Collector.FHIR, source_system="lab", parcels=_parcels(3, bundle([{}, {}]), 2, "/fhir")),
    Stream(collector=Collector.SYSLOG_TLS, source_system="radiology", parcels=_parcels(120, b"<85>1 - a b - - - <x/>")),
    Stream(collector=Collector.SYSLOG_TCP, source_system="relay", parcels=_parcels(130, b"<22>1 - a b - - - c")),
    Stream(collector=Collector.SYSLOG_UDP, source_system="radiology", parcels=_parcels(10, b"<85>1 - a b - - - <x/>")),
]


def _eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_everything_arrives_whole_at_its_own_door(tmp_path: Path) -> None:
    arrivals, told = Arrivals(), Counter[Collector]()

    with open_collectors(tmp_path, arrivals) as (doors, _):
        sent = send(STREAMS, doors, lambda collector, records: told.update({collector: records}))
        _eventually(lambda: arrivals.records["udp"] == 10)

    assert arrivals.records == {"http": 14, "fhir": 8, "tls": 120, "tcp": 130, "udp": 10}
    assert arrivals.systems == {"ehr": 14, "pacs": 2, "lab": 6, "": 260}
    assert (
        sent
        == told
        == {stream.collector: 0 for stream in STREAMS}
        | {
            Collector.HTTP: 14,
            Collector.FHIR: 8,
            Collector.SYSLOG_TLS: 120,
            Collector.SYSLOG_TCP: 130,
            Collector.SYSLOG_UDP: 10,
        }
    )
    assert arrivals.faults == []


def test_a_busy_collector_gets_the_same_batch_again(tmp_path: Path) -> None:
    arrivals = Arrivals(busy_answers=5)

    with open_collectors(tmp_path, arrivals) as (doors, _):
        sent = send(STREAMS[:1], doors, lambda *_: None)

    assert arrivals.records["http"] == sent[Collector.HTTP] == 14


def test_a_body_that_says_nothing_is_taken_with_a_complaint(tmp_path: Path) -> None:
    """The record is in quarantine; the sender goes on."""
    arrivals = Arrivals(status=422)

    with open_collectors(tmp_path, arrivals) as (doors, _):
        sent = send(STREAMS[1:2], doors, lambda *_: None)

    assert sent == {Collector.FHIR: 2}


def test_a_refusal_ends_the_sending_with_a_sentence(tmp_path: Path) -> None:
    with open_collectors(tmp_path, Arrivals(status=401)) as (doors, _), pytest.raises(DeliveryError, match="answered 401"):
        send(STREAMS, doors, lambda *_: None)


def test_a_closed_door_ends_the_sending_with_a_sentence(tmp_path: Path) -> None:
    with open_collectors(tmp_path, Arrivals()) as (doors, _):
        pass

    for stream in STREAMS[:1] + STREAMS[3:5]:
        with pytest.raises(DeliveryError, match=r"could not be reached|connection failed"):
            send([stream], doors, lambda *_: None)
