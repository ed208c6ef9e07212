"""Quarantine replay: what can be understood now goes to the ledger once, the rest stays."""

import json
from datetime import timedelta

from domain.clock import Clock
from domain.record import Parsed, Rejected, Status
from ingest.parsers import Parser, parser_for
from ingest.replay import ReplayCounts, quarantine_parser, replay
from store.quarantine import Fragment
from tests.support.clock import TickingClock
from tests.support.desk import Desk
from tests.support.records import audit_event, event_line, postfix_line


def rejected(raw: bytes, format_name: str = "phitrail", source_system: str = "ehr") -> Rejected:
    return Rejected(source_system=source_system, format=format_name, reason="an older version did not know it", raw=raw)


def test_what_parses_now_is_stored_and_settled(at: Desk) -> None:
    good, bad = at.quarantine.add([rejected(event_line(1)), rejected(b"still not json")])

    counts = replay(at.quarantine, at.intake)

    assert counts == ReplayCounts(accepted=1, duplicate=0, remaining=1)
    assert at.stored() == 1
    outcome = at.quarantine.show(good).entry.outcome
    assert outcome is not None
    assert (outcome.status, outcome.seq) == (Status.ACCEPTED, 0)
    assert [entry.quarantine_id for entry in at.quarantine.pending()] == [bad]
    assert at.quarantine.show(bad).entry.times == 1


def test_replaying_twice_stores_once(at: Desk) -> None:
    at.quarantine.add([rejected(event_line(number)) for number in range(3)])
    replay(at.quarantine, at.intake)

    assert replay(at.quarantine, at.intake) == ReplayCounts(accepted=0, duplicate=0, remaining=0)
    assert at.stored() == 3


def test_what_came_another_way_meanwhile_is_a_duplicate(at: Desk) -> None:
    (name,) = at.quarantine.add([rejected(event_line(1))])
    at.intake.submit(parser_for("phitrail", source_system="ehr", received=TickingClock()).parse(event_line(1)))

    assert replay(at.quarantine, at.intake) == ReplayCounts(accepted=0, duplicate=1, remaining=0)
    assert not at.quarantine.show(name).entry.is_pending
    assert at.stored() == 1


def test_what_the_ledger_refuses_stays_with_that_reason(at: Desk) -> None:
    assert isinstance(at.clock, TickingClock)
    at.clock.step = timedelta(seconds=1)
    at.intake.submit(parser_for("phitrail", source_system="ehr", received=TickingClock()).parse(event_line(1)))
    (name,) = at.quarantine.add([rejected(event_line(1, action="print"))])

    counts = replay(at.quarantine, at.intake)

    entry = at.quarantine.show(name).entry
    assert counts == ReplayCounts(accepted=0, duplicate=0, remaining=1)
    assert entry.is_pending
    assert entry.reason == "event_id was used before for something else"


def test_parts_and_unknown_formats_are_left_alone(at: Desk) -> None:
    part = Fragment(source_system="mx1", format="syslog", reason="cut off", raw=postfix_line(1))
    at.quarantine.add([part, rejected(event_line(1), "from-the-future")])

    assert replay(at.quarantine, at.intake) == ReplayCounts(accepted=0, duplicate=0, remaining=1)
    assert at.stored() == 0


def test_a_record_about_several_patients_is_accepted_when_one_of_its_events_is_new(at: Desk) -> None:
    one, two = json.dumps(audit_event(1, ("P-1",))).encode(), json.dumps(audit_event(2, ("P-1", "P-2"))).encode()
    names = at.quarantine.add([rejected(one, "fhir-auditevent"), rejected(two, "fhir-auditevent")])
    parsed = parser_for("fhir-auditevent", source_system="ehr", received=TickingClock()).parse(two)
    at.intake.submit([*parser_for("fhir-auditevent", source_system="ehr", received=TickingClock()).parse(one), parsed[0]])

    assert replay(at.quarantine, at.intake) == ReplayCounts(accepted=1, duplicate=1, remaining=0)
    outcome = at.quarantine.show(names[1]).entry.outcome
    assert outcome is not None
    assert (outcome.status, outcome.seq) == (Status.ACCEPTED, 2)


def test_syslog_content_is_routed_again(at: Desk) -> None:
    at.quarantine.add([rejected(postfix_line(1), "syslog", "mx1"), rejected(b"<13>1 - h cron - - - hello", "syslog", "h")])

    assert replay(at.quarantine, at.intake) == ReplayCounts(accepted=1, duplicate=0, remaining=1)
    assert at.node.engine.rows("SELECT source_system, format FROM events") == [("mx1", "postfix")]


def test_a_time_stamp_without_a_year_is_read_as_of_its_receipt(at: Desk) -> None:
    line = b"Dec 31 23:59:00 mx1 postfix/smtp[71]: 4F1: to=<a@example.org>, relay=none, delay=1, dsn=4.0.0, status=deferred (x)"
    assert isinstance(at.clock, TickingClock)
    at.clock.now = at.clock.now.replace(year=2025, month=1, day=1, hour=0)
    at.quarantine.add([rejected(line, "postfix")])
    at.clock.advance(days=700)

    replay(at.quarantine, at.intake)

    assert at.node.engine.rows("SELECT toYear(time) FROM events") == [(2024,)]


def test_records_of_a_stream_share_a_parser_and_many_pages_are_replayed(at: Desk) -> None:
    asked: list[tuple[str, str]] = []

    def factory(format_name: str, source_system: str, received: Clock) -> Parser | None:
        asked.append((format_name, source_system))
        return quarantine_parser(format_name, source_system, received)

    assert isinstance(at.clock, TickingClock)
    at.clock.step = timedelta(microseconds=1)
    records: list[Parsed] = [rejected(event_line(number), source_system=f"s{number % 2}") for number in range(1200)]
    at.intake.submit(records)

    assert replay(at.quarantine, at.intake, factory) == ReplayCounts(accepted=1200, duplicate=0, remaining=0)
    assert sorted(asked) == [("phitrail", "s0"), ("phitrail", "s1")]
    assert at.stored() == 1200
