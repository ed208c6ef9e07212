"""What senders are told while the store is away, over real sockets."""

import json
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from ingest.collectors.listeners import Listener
from ingest.collectors.syslog import SyslogCollector
from ingest.collectors.tally import Transport
from ingest.spool.metrics import SpoolMetrics
from store.accounts import Role
from store.engine import Engine
from tests.ingest.collectors.http_intake import intake_client
from tests.support.away import no_room, unreachable
from tests.support.clock import TickingClock
from tests.support.desk import eventually
from tests.support.records import audit_event, event_lines, postfix_line
from tests.support.senders import counted, send_tcp, send_udp
from tests.support.spooled import spooled

FHIR = {"Content-Type": "application/fhir+json"}


def test_events_are_answered_202_and_each_record_says_spooled(engine: Engine, tmp_path: Path) -> None:
    with spooled(engine, tmp_path) as it, intake_client(it.at, inner=it.desk) as client:
        assert client.post("/v1/events", content=event_lines(range(2))).status_code == 200
        it.store.go_away(no_room)

        answer = client.post("/v1/events", content=event_lines(range(1, 4)) + b"no record\n")

        body = answer.json()
        assert answer.status_code == 202
        assert (body["read"], body["spooled"]) == (4, 4)
        assert (body["accepted"], body["duplicate"], body["quarantined"]) == (0, 0, 0)
        assert [line["status"] for line in body["results"]] == ["spooled"] * 4
        assert [line.get("event_id") for line in body["results"]] == ["E-1", "E-2", "E-3", None]
        it.store.come_back()
        eventually(lambda: it.spool.is_empty)
        again = client.post("/v1/events", content=event_lines(range(1, 4)))
        assert (again.status_code, again.json()["duplicate"], again.json()["spooled"]) == (200, 3, 0)
        assert len(it.entries()) == 4
        assert it.at.raws() == [b"no record"]


def test_a_key_that_was_right_lately_sends_on_while_the_store_answers_nothing(engine: Engine, tmp_path: Path) -> None:
    with spooled(engine, tmp_path) as it, intake_client(it.at, inner=it.desk) as client:
        it.store.go_away(unreachable)
        assert client.post("/v1/events", content=event_lines(range(1))).status_code == 503
        it.store.come_back()
        assert client.post("/v1/events", content=event_lines(range(1))).status_code == 200
        it.store.go_away(unreachable)

        taken = client.post("/v1/events", content=event_lines(range(1, 4)))
        resource = client.post("/fhir/AuditEvent", content=json.dumps(audit_event(9)), headers=FHIR)
        wrong = client.headers["Authorization"][:-1] + "x"
        stranger = client.post("/v1/events", content=event_lines(range(4, 5)), headers={"Authorization": wrong})
        it.at.clock.advance(hours=24, seconds=1)
        forgotten = client.post("/v1/events", content=event_lines(range(4, 5)))

        assert (taken.status_code, taken.json()["spooled"]) == (202, 3)
        assert resource.status_code == 202
        assert (stranger.status_code, forgotten.status_code) == (503, 503)
        assert int(forgotten.headers["Retry-After"]) > 0
        it.store.come_back()
        eventually(lambda: it.spool.is_empty)
        assert len(it.entries()) == 5


def test_a_remembered_key_may_send_and_nothing_else(engine: Engine, tmp_path: Path) -> None:
    with spooled(engine, tmp_path) as it, intake_client(it.at, Role.ANALYST, inner=it.desk) as client:
        assert client.post("/v1/events", content=event_lines(range(1))).status_code == 403
        it.store.go_away(unreachable)

        assert client.post("/v1/events", content=event_lines(range(1))).status_code == 503


def test_fhir_is_answered_202_with_an_outcome_alone_and_in_a_bundle(engine: Engine, tmp_path: Path) -> None:
    with spooled(engine, tmp_path) as it, intake_client(it.at, inner=it.desk) as client:
        client.post("/fhir/AuditEvent", content=json.dumps(audit_event(0)), headers=FHIR)
        it.store.go_away(no_room)

        one = client.post("/fhir/AuditEvent", content=json.dumps(audit_event(1, ("P-1", "P-2"))), headers=FHIR)
        entries = [{"resource": audit_event(number), "request": {"method": "POST", "url": "AuditEvent"}} for number in (2, 3)]
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
        many = client.post("/fhir", content=json.dumps(bundle), headers=FHIR)

        assert one.status_code == 202
        assert "spool" in one.json()["issue"][0]["diagnostics"]
        assert "Location" not in one.headers
        assert many.status_code == 200
        assert [entry["response"]["status"] for entry in many.json()["entry"]] == ["202 Accepted"] * 2
        it.store.come_back()
        eventually(lambda: it.spool.is_empty)
        assert len(it.entries()) == 5


def test_a_full_spool_is_503_with_the_seconds_to_wait(engine: Engine, tmp_path: Path) -> None:
    with spooled(engine, tmp_path, max_bytes=2_000) as it, intake_client(it.at, inner=it.desk) as client:
        client.post("/v1/events", content=event_lines(range(1)))
        it.store.go_away(no_room)
        assert client.post("/v1/events", content=event_lines(range(1, 3))).status_code == 202

        refused = client.post("/v1/events", content=event_lines(range(3, 20)))

        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.json()["type"] == "urn:phitrail:problem:back-pressure"
        it.store.come_back()
        eventually(lambda: it.spool.is_empty)
        assert client.post("/v1/events", content=event_lines(range(3, 20))).json()["accepted"] == 17
        assert len(it.entries()) == 20


def test_syslog_goes_on_into_the_spool_and_is_held_when_it_is_full(engine: Engine, tmp_path: Path) -> None:
    tcp = Listener(name="tcp", transport=Transport.TCP, max_waiting=20)
    with (
        spooled(engine, tmp_path, max_bytes=60_000) as it,
        SyslogCollector([tcp], it.desk, TickingClock(), drain_seconds=20) as collector,
    ):
        it.store.go_away(no_room)
        send_tcp(collector.address("tcp"), [counted(postfix_line(number)) for number in range(60)])
        eventually(lambda: collector.counters()[0].spooled == 60)
        assert collector.counters()[0].waiting == 0
        assert it.entries() == []

        send_tcp(collector.address("tcp"), [counted(postfix_line(number)) for number in range(60, 120)])
        eventually(lambda: it.spool.state().refused > 0)
        (seen,) = collector.counters()
        assert seen.backpressure > 0
        it.store.come_back()
        eventually(lambda: len(it.entries()) == 120)

    assert collector.counters()[0].abandoned == 0


def test_datagrams_that_find_spool_and_queue_full_are_counted_as_lost(engine: Engine, tmp_path: Path) -> None:
    udp = Listener(name="udp", transport=Transport.UDP, max_waiting=10)
    with (
        spooled(engine, tmp_path, max_bytes=500) as it,
        SyslogCollector([udp], it.desk, TickingClock(), drain_seconds=20) as collector,
    ):
        it.store.go_away(no_room)
        sent = 0
        while not collector.counters()[0].dropped and sent < 5_000:
            send_udp(collector.address("udp"), [postfix_line(sent)])
            sent += 1
        it.store.come_back()
        eventually(lambda: not collector.counters()[0].waiting)
        eventually(lambda: collector.counters()[0].messages + collector.counters()[0].dropped == sent)
        eventually(lambda: it.spool.is_empty)

        (seen,) = collector.counters()
        assert seen.dropped > 0
        assert len(it.entries()) == sent - seen.dropped


def test_the_metrics_say_how_much_waits_and_for_how_long(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock()
    with spooled(engine, tmp_path) as it, intake_client(it.at, inner=it.desk) as client:
        registry = CollectorRegistry()
        registry.register(SpoolMetrics(it.desk, clock))

        def value(name: str) -> float:
            lines = generate_latest(registry).decode().splitlines()
            return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

        assert value("phitrail_spool_oldest_age_seconds") == 0
        client.post("/v1/events", content=event_lines(range(1)))
        it.store.go_away(no_room)
        client.post("/v1/events", content=event_lines(range(3)))
        clock.advance(seconds=90)

        assert value("phitrail_spool_records") == 3
        assert value("phitrail_spool_oldest_age_seconds") == 90
        assert 0 < value("phitrail_spool_bytes") < value("phitrail_spool_bytes_limit")
        it.store.come_back()
        eventually(lambda: it.spool.is_empty)
        assert value("phitrail_spool_records") == 0
        assert value("phitrail_spool_spooled_total") == 3
        assert value('phitrail_spool_drained_total{status="accepted"}') == 2
        assert value('phitrail_spool_drained_total{status="duplicate"}') == 1
