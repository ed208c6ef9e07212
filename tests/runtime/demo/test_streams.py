"""The wire forms: what the parsers of the product make of them is what happened in the hospital."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import orjson
import pytest
from lxml import etree

from domain.event import AuditEvent, Source
from domain.record import Parsed, Rejected
from ingest.collectors.routing import SyslogRouter
from ingest.parsers import parser_for
from runtime.demo.hospital import Hospital
from runtime.demo.hospital.diary import System
from runtime.demo.streams import Collector, Parcel, Stream, make_streams
from runtime.demo.wire.atna import atna_message
from runtime.demo.wire.fhir import audit_event, bundle
from runtime.demo.wire.postfix_lines import postfix_lines
from runtime.demo.wire.syslog import octet_counted
from tests.runtime.demo.conftest import UNTIL


@pytest.fixture(scope="module")
def streams(hospital: Hospital) -> Sequence[Stream]:
    return make_streams(hospital)


def _clock() -> datetime:
    return UNTIL.astimezone(UTC)


def _understood(stream: Stream) -> Iterator[Parsed]:
    """As the collector of the stream would read it."""
    if stream.collector is Collector.HTTP:
        parser = parser_for("phitrail", source_system=stream.source_system, received=_clock)
        lines = [line for parcel in stream.parcels for line in parcel.body.splitlines()]
    elif stream.collector is Collector.FHIR:
        parser = parser_for("fhir-auditevent", source_system=stream.source_system, received=_clock)
        lines = [parcel.body for parcel in stream.parcels]
    else:
        router = SyslogRouter(source_system=None, received=_clock)
        yield from (parsed for parcel in stream.parcels for parsed in router.parse(parcel.body))
        return
    yield from (parsed for line in lines for parsed in parser.parse(line))


def _events(parsed: Sequence[Parsed]) -> list[AuditEvent]:
    return [item for item in parsed if isinstance(item, AuditEvent)]


def _facts(event: AuditEvent) -> tuple[object, ...]:
    return (event.time, event.actor.id, event.actor.kind, event.patient_id, event.outcome)


def test_every_event_goes_out_once_and_the_malformed_records_with_them(hospital: Hospital, streams: Sequence[Stream]) -> None:
    sent = Counter(stream.source_system for stream in streams for _ in range(stream.records - stream.bad))
    happened = Counter(event.source_system for event in hospital.events)

    assert {name: count for name, count in sent.items() if name != System.RELAY} == {
        n: c for n, c in happened.items() if n != System.RELAY
    }
    assert sent[System.RELAY] > 3 * happened[System.RELAY]
    assert sum(stream.bad for stream in streams) == 25


def test_all_collectors_are_used(streams: Sequence[Stream]) -> None:
    records = Counter({collector: sum(s.records for s in streams if s.collector is collector) for collector in Collector})

    assert all(records[collector] for collector in Collector)
    assert records[Collector.SYSLOG_UDP] <= 200


@pytest.mark.parametrize("system", [System.EHR, System.PROVIDER, System.PORTAL])
def test_json_lines_come_back_as_they_were(hospital: Hospital, streams: Sequence[Stream], system: System) -> None:
    stream = next(stream for stream in streams if stream.source_system == system)

    parsed = list(_understood(stream))

    happened = {event.event_id: event for event in hospital.events if event.source_system == system}
    came = {event.event_id: event for event in _events(parsed)}
    assert came.keys() == happened.keys()
    for event_id, event in came.items():
        was = happened[event_id]
        assert _facts(event) == _facts(was)
        assert (event.action, event.source, event.ip, event.device, event.details) == (
            was.action,
            was.source,
            was.ip,
            was.device,
            was.details,
        )
    assert sum(isinstance(item, Rejected) for item in parsed) == stream.bad


@pytest.mark.parametrize("system", [System.LAB, System.PACS, System.PHARMACY])
def test_fhir_keeps_id_person_patient_workstation_and_kind_of_action(
    hospital: Hospital, streams: Sequence[Stream], system: System
) -> None:
    stream = next(stream for stream in streams if stream.source_system == system)

    parsed = list(_understood(stream))

    happened = {event.event_id: event for event in hospital.events if event.source_system == system}
    came = {event.event_id: event for event in _events(parsed)}
    assert came.keys() == happened.keys()
    for event_id, event in came.items():
        was = happened[event_id]
        assert _facts(event) == _facts(was)
        assert (event.ip, event.device.id if event.device else None) == (was.ip, was.device.id if was.device else None)
        assert event.action == {"verify_med": "edit_meds"}.get(was.action, was.action)
    assert sum(isinstance(item, Rejected) for item in parsed) == stream.bad


def test_atna_keeps_person_patient_and_time_over_every_transport(hospital: Hospital, streams: Sequence[Stream]) -> None:
    radiology = [stream for stream in streams if stream.source_system == System.RADIOLOGY]

    parsed = [item for stream in radiology for item in _understood(stream)]

    happened = Counter(_facts(event) for event in hospital.events if event.source_system == System.RADIOLOGY)
    assert {stream.collector for stream in radiology} == {Collector.SYSLOG_TLS, Collector.SYSLOG_TCP, Collector.SYSLOG_UDP}
    assert Counter(_facts(event) for event in _events(parsed)) == happened
    assert {event.action for event in _events(parsed)} == {"view_orders", "view_imaging", "edit_imaging"}
    assert {event.source_system for event in _events(parsed)} == {System.RADIOLOGY}
    assert len({event.event_id for event in _events(parsed)}) == len(_events(parsed))
    assert sum(isinstance(item, Rejected) for item in parsed) == sum(stream.bad for stream in radiology)


def test_postfix_lines_are_joined_to_deliveries_with_their_tls(hospital: Hospital, streams: Sequence[Stream]) -> None:
    stream = next(stream for stream in streams if stream.source_system == System.RELAY)

    parsed = list(_understood(stream))

    happened = [event for event in hospital.events if event.source_system == System.RELAY]
    outcomes = [event for event in _events(parsed) if event.action in {"deliver", "defer", "bounce"}]
    assert not [item for item in parsed if isinstance(item, Rejected)]
    assert Counter(e.action for e in outcomes) == Counter(e.action for e in happened)
    was = {(str(event.details["to"]), event.time): event for event in happened}
    for event in outcomes:
        before = was[str(event.details["to"]), event.time].details
        session, expected = event.details.get("tls"), before.get("tls")
        assert event.details["from"] == before["from"]
        if isinstance(expected, dict):
            assert isinstance(session, dict)
            assert (session["version"], session["cipher"], session["verified"]) == (
                expected["version"],
                expected["cipher"],
                expected["verified"],
            )


def test_bodies_are_well_formed_where_they_are_meant_to_be(hospital: Hospital) -> None:
    zone = hospital.plan.zone
    lab = [event for event in hospital.events if event.source_system == System.LAB][:60]
    images = [event for event in hospital.events if event.source_system == System.RADIOLOGY][:60]

    resources = orjson.loads(bundle([audit_event(event, zone) for event in lab]))
    messages = [etree.fromstring(atna_message(event, zone)) for event in images]

    assert resources["type"] == "transaction"
    assert [entry["resource"]["resourceType"] for entry in resources["entry"]] == ["AuditEvent"] * 60
    assert {message.tag for message in messages} == {"AuditMessage"}


def test_a_message_that_was_not_taken_says_nothing_about_tls(hospital: Hospital) -> None:
    failed = next(event for event in hospital.events if event.source_system == System.RELAY and event.action == "bounce")

    programs = [program for _, program, _, _ in postfix_lines(failed)]

    assert programs == ["postfix/cleanup", "postfix/qmgr", "postfix/smtp", "postfix/qmgr"]
    assert failed.source is Source.MAIL


def test_octet_counting_counts_bytes() -> None:
    assert octet_counted("<86>1 é".encode()) == b"8 <86>1 \xc3\xa9"


def test_a_stream_counts_its_records() -> None:
    parcels = [Parcel(body=b"a", records=2), Parcel(body=b"b", records=3)]

    assert Stream(collector=Collector.HTTP, source_system="ehr", parcels=parcels).records == 5
