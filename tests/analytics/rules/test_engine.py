"""Following the ledger and analysing history: the same findings, once, whatever the portions, and nothing that looks ahead."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from analytics.engine import Analytics
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.finding import Finding, Severity
from store.context import ContextStore
from store.cursors import Cursors
from store.engine import Engine
from store.findings import Findings
from tests.support.cast import ALICE, BOB
from tests.support.clock import TickingClock
from tests.support.node import Node, node

NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)
NIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)
EVER = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock(datetime(2026, 3, 4, 12, tzinfo=UTC))


@pytest.fixture
def house(engine: Engine, tmp_path: Path, clock: TickingClock) -> Iterator[Node]:
    """An empty ledger in an organisation in New York."""
    ContextStore(engine).load({"org": [{"name": "General", "timezone": "America/New_York"}]}, clock())
    with node(engine, tmp_path, clock) as opened:
        yield opened


def event(number: int, action: str, time: datetime, **given: object) -> AuditEvent:
    plain = AuditEvent(
        source_system="ehr", event_id=f"e-{number}", time=time, source=Source.ACCESS, action=action, actor=ALICE, outcome="success"
    )
    return replace(plain, **given)  # type: ignore[arg-type]


def letter(number: int, time: datetime, domain: str = "clinic.example") -> AuditEvent:
    return event(
        number,
        "deliver",
        time,
        source=Source.MAIL,
        actor=Actor(id="records@hospital.example", kind=ActorKind.SYSTEM),
        outcome="delivered",
        details={"to_domain": domain, "phi": True, "tls": None},
    )


def burst(first: int, start: datetime) -> list[AuditEvent]:
    """Twelve failed log-ins and one that succeeds, from an address nobody knows."""
    failed = [event(first + n, "login", start + timedelta(seconds=20 * n), outcome="failure", ip="203.0.113.9") for n in range(12)]
    return [*failed, event(first + 12, "login", start + timedelta(seconds=300), ip="203.0.113.9")]


HISTORY = [
    *burst(0, NIGHT),
    letter(20, NOON),
    letter(21, NOON + timedelta(hours=1)),
    letter(22, NOON + timedelta(days=1)),
    event(30, "audit_stop", NOON, actor=Actor(id="svc-backup", kind=ActorKind.SERVICE)),
    event(31, "break_glass", NOON, patient_id="P-1", details={"reason": "Reviewing history before a transfer"}),
    event(32, "break_glass", NOON, patient_id="P-2", details={"reason": "Seizure in the waiting room"}, actor=BOB),
    event(33, "med_admin", NOON + timedelta(minutes=5), patient_id="P-2", actor=BOB),
]


class DaysSeen:
    """A detector that finds nothing and remembers which days it was shown."""

    def __init__(self) -> None:
        self.days: list[date] = []

    def run(self, day: date) -> list[Finding]:
        self.days.append(day)
        return []


def analytics(engine: Engine, clock: TickingClock, batch: int = 20_000) -> Analytics:
    """Only the rules; the daily detectors have their own tests."""
    return Analytics(engine, clock=clock, batch=batch, daily=DaysSeen())


def of_rules(engine: Engine) -> list[Finding]:
    """What was found, the newest of each group."""
    return Findings(engine).between(*EVER)


def summary(found: Sequence[Finding]) -> list[tuple[str, datetime, int]]:
    return [(finding.kind, finding.time, len(finding.evidence)) for finding in found]


SOON = [
    ("login_burst", NIGHT + timedelta(seconds=300), 13),
    ("plaintext_phi", NOON + timedelta(hours=1), 2),
    ("plaintext_phi", NOON + timedelta(days=1), 1),
]
ABSENT = [("audit_stopped", NOON + timedelta(minutes=10), 1), ("break_glass", NOON + timedelta(hours=2), 1)]
ALL = sorted([*SOON, *ABSENT], key=lambda item: item[1])


def test_new_entries_are_taken_once_and_become_findings(engine: Engine, house: Node, clock: TickingClock) -> None:
    house.ledger.append(HISTORY)
    follower = analytics(engine, clock)

    assert follower.follow() == len(HISTORY)
    assert summary(of_rules(engine)) == SOON
    assert follower.follow() == 0
    assert Cursors(engine).get("analytics") == {"main": len(HISTORY) - 1}


@pytest.mark.parametrize("batch", [3, 8])
def test_the_portions_do_not_matter(engine: Engine, house: Node, clock: TickingClock, batch: int) -> None:
    house.ledger.append(HISTORY)

    analytics(engine, clock, batch).follow()

    opening = next(item.finding for item in Findings(engine).after(0) if item.finding.kind == "plaintext_phi")
    assert summary(of_rules(engine)) == SOON
    assert (opening.time, len(opening.evidence)) == (NOON, 1)


def test_history_analysed_gives_what_following_gave_and_what_failed_to_come(
    engine: Engine, house: Node, clock: TickingClock
) -> None:
    house.ledger.append(HISTORY)
    follower = analytics(engine, clock)
    follower.follow()
    before = {finding.finding_id for finding in of_rules(engine)}

    first = follower.analyze()
    again = follower.analyze()

    assert summary(of_rules(engine)) == ALL
    assert before < {finding.finding_id for finding in of_rules(engine)}
    assert (first.events, first.days) == (len(HISTORY), 2)
    assert again.findings == 0


def test_analysing_everything_moves_the_follower(engine: Engine, house: Node, clock: TickingClock) -> None:
    house.ledger.append(HISTORY)
    told: list[date] = []
    shown = DaysSeen()
    worker = Analytics(engine, clock=clock, daily=shown)

    done = worker.analyze(on_day=told.append)

    monday = NOON.date()
    assert done.findings >= len(ALL)
    assert told == [monday, monday + timedelta(days=1), monday + timedelta(days=2)]
    assert shown.days == told[:2], "the third is not over"
    assert worker.follow() == 0
    assert worker.close_days() == []


def test_a_part_of_history_neither_looks_ahead_nor_moves_the_follower(engine: Engine, house: Node, clock: TickingClock) -> None:
    house.ledger.append(HISTORY)

    analytics(engine, clock).analyze(NIGHT, NOON + timedelta(minutes=30))

    assert summary(of_rules(engine)) == [SOON[0], ("plaintext_phi", NOON, 1), ABSENT[0]]
    assert Cursors(engine).get("analytics") == {}


def test_a_prefix_of_history_opens_with_the_same_findings(engine: Engine, house: Node, clock: TickingClock) -> None:
    house.ledger.append(HISTORY)
    analytics(engine, clock).analyze(None, NOON + timedelta(minutes=30))
    early = {finding.finding_id for finding in of_rules(engine)}

    analytics(engine, clock).analyze()

    assert early <= {item.finding.finding_id for item in Findings(engine).after(0)}


def test_a_late_event_finds_its_fellows(engine: Engine, house: Node, clock: TickingClock) -> None:
    events = burst(0, NIGHT)
    follower = analytics(engine, clock)
    house.ledger.append([*events[:5], *events[8:], letter(50, NOON + timedelta(days=1))])
    follower.follow()
    too_few = summary(of_rules(engine))

    house.ledger.append(events[5:8])
    follower.follow()

    assert too_few == [SOON[2]]
    assert summary(of_rules(engine)) == [SOON[0], SOON[2]]


def test_evidence_names_the_events_and_a_finding_says_why(engine: Engine, house: Node, clock: TickingClock) -> None:
    house.ledger.append(HISTORY)
    analytics(engine, clock).follow()

    found = {finding.kind: finding for finding in of_rules(engine) if finding.time < NOON + timedelta(hours=2)}

    mail, login = found["plaintext_phi"], found["login_burst"]
    assert [ref.event_id for ref in mail.evidence] == ["e-20", "e-21"]
    assert [(ref.writer, ref.seq) for ref in mail.evidence] == [("main", 13), ("main", 14)]
    assert "delivered to clinic.example in plain text: 2, from 2026-03-02 12:00 EST to 2026-03-02 13:00 EST." in mail.explanation[0]
    assert mail.inputs["to_domain"] == "clinic.example"
    assert (mail.actor_id, mail.patient_id) == ("records@hospital.example", None)
    assert (login.severity, login.actor_id) == (Severity.HIGH, "alice")
    assert all(finding.time >= NIGHT and finding.controls and finding.runbook for finding in found.values())
    assert "alice" not in login.group_key


def test_what_failed_to_come_is_said_once_the_time_is_over_and_was_there_to_come(
    engine: Engine, house: Node, clock: TickingClock
) -> None:
    stopped = event(1, "audit_stop", clock(), actor=Actor(id="svc-backup", kind=ActorKind.SERVICE))
    house.ledger.append([stopped])
    follower = analytics(engine, clock)

    follower.follow()
    at_once = summary(of_rules(engine))
    clock.advance(minutes=9, seconds=59)
    follower.follow()
    early = summary(of_rules(engine))
    clock.advance(minutes=2)
    follower.follow()

    assert at_once == early == []
    assert summary(of_rules(engine)) == [("audit_stopped", stopped.time + timedelta(minutes=10), 1)]


def test_history_that_arrives_in_pieces_is_not_taken_for_silence(engine: Engine, house: Node, clock: TickingClock) -> None:
    stopped = clock() - timedelta(hours=3)
    machine = Actor(id="svc-release", kind=ActorKind.SERVICE)
    follower = analytics(engine, clock)
    house.ledger.append([event(1, "audit_stop", stopped, actor=machine)])
    follower.follow()
    clock.advance(minutes=2)
    house.ledger.append([event(2, "audit_start", stopped + timedelta(seconds=70), actor=machine)])
    follower.follow()
    clock.advance(hours=1)
    follower.follow()
    follower.analyze()

    assert of_rules(engine) == []


def test_a_day_is_closed_when_it_is_over_and_quiet(engine: Engine, house: Node, clock: TickingClock) -> None:
    clock.now = NOON + timedelta(hours=1)
    follower = analytics(engine, clock)
    house.ledger.append([item for item in HISTORY if item.time <= clock()])
    follower.follow()
    during = follower.close_days()
    clock.now = datetime(2026, 3, 3, 5, 30, tzinfo=UTC)
    house.ledger.append([letter(60, NOON)])
    follower.follow()
    just_now = follower.close_days()
    clock.advance(minutes=11)
    over = follower.close_days()

    assert during == just_now == []
    assert over == [NOON.date()]
    assert ("break_glass", NOON + timedelta(hours=2), 1) in summary(of_rules(engine))
    assert follower.close_days() == []


def test_an_evening_that_nothing_followed_is_found_the_next_day(engine: Engine, house: Node, clock: TickingClock) -> None:
    evening = datetime(2026, 3, 3, 4, 55, tzinfo=UTC)
    house.ledger.append([event(1, "audit_stop", evening, actor=Actor(id="svc-backup", kind=ActorKind.SERVICE))])

    analytics(engine, clock).analyze()

    assert summary(of_rules(engine)) == [("audit_stopped", evening + timedelta(minutes=10), 1)]


def test_a_known_address_makes_a_burst_weigh_less(engine: Engine, house: Node, clock: TickingClock) -> None:
    before = event(90, "view_chart", NIGHT - timedelta(days=3), ip="203.0.113.9", patient_id="P-1")
    house.ledger.append([before, *burst(0, NIGHT)])

    analytics(engine, clock).follow()

    (found,) = [finding for finding in of_rules(engine) if finding.kind == "login_burst"]
    assert found.severity is Severity.LOW
    assert "has been used from the address" in found.exculpatory[0]
    assert found.inputs["habitual"] is True


def test_the_daily_detectors_that_ship_see_a_day_that_is_over(engine: Engine, house: Node, clock: TickingClock) -> None:
    house.ledger.append([event(n, "view_chart", NOON + timedelta(minutes=n), patient_id=f"P-{n}") for n in range(3)])
    worker = Analytics(engine, clock=clock)

    worker.analyze()

    assert engine.rows("SELECT DISTINCT day, actor_id FROM scores") == [(NOON.date(), "alice")]
    assert worker.analyze().findings == 0
