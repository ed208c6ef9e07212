"""Findings: recorded once, in order, and read back as they were."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread

from domain.finding import EventRef, Finding, Severity
from store.engine import Engine
from store.findings import Findings

NOON = datetime(2026, 3, 2, 17, 0, 0, 123456, tzinfo=UTC)

FINDING = Finding(
    finding_id="f1",
    kind="self_access",
    title="Staff member opened their own record",
    time=NOON,
    score=0.85,
    severity=Severity.MEDIUM,
    rule_id="r",
    rule_version="1.0",
    group_key="self_access:1",
    actor_id="alice",
    patient_id=None,
    evidence=(EventRef(writer="main", seq=2**63, event_id="größe-1"), EventRef(writer="b", seq=0, event_id="")),
    explanation=("“First”, and 'second'.", "Two."),
    exculpatory=(),
    controls=("164.312(b)",),
    runbook="1. Look.\n2. Ask.",
    inputs={"events": 2, "to_domain": "clinic.example", "habitual": False},
)


def test_a_finding_is_read_as_it_was_recorded(engine: Engine) -> None:
    findings = Findings(engine)

    assert findings.add([FINDING, replace(FINDING, finding_id="f2", actor_id=None, patient_id="P-1")]) == 2

    first, second = findings.after(0)
    assert (first.number, first.finding) == (1, FINDING)
    assert (second.number, second.finding.actor_id, second.finding.patient_id) == (2, None, "P-1")
    assert findings.get(["f2", "unknown", "f1"]) == [first.finding, second.finding]


def test_recording_again_adds_nothing(engine: Engine) -> None:
    findings = Findings(engine)
    findings.add([FINDING])

    assert findings.add([FINDING, FINDING, replace(FINDING, finding_id="f2"), replace(FINDING, finding_id="f2")]) == 1
    assert findings.add([]) == 0
    assert [item.finding.finding_id for item in findings.after(0)] == ["f1", "f2"]
    assert findings.last_number() == 2


def test_a_follower_sees_each_once_and_in_order(engine: Engine) -> None:
    findings = Findings(engine)
    findings.add([replace(FINDING, finding_id=f"f{n}") for n in range(5)])

    first = findings.after(0, limit=3)
    rest = findings.after(first[-1].number, limit=3)

    assert [item.number for item in (*first, *rest)] == [1, 2, 3, 4, 5]
    assert findings.after(5) == []


def test_a_period_has_the_newest_of_each_group(engine: Engine) -> None:
    findings = Findings(engine)
    larger = replace(FINDING, finding_id="f2", time=NOON + timedelta(hours=1))
    other = replace(FINDING, finding_id="f3", group_key="self_access:2", time=NOON - timedelta(hours=1))
    later = replace(FINDING, finding_id="f4", group_key="self_access:3", time=NOON + timedelta(days=1))
    findings.add([FINDING, larger, other, later])

    period = (NOON - timedelta(days=1), NOON + timedelta(days=1))

    assert [finding.finding_id for finding in findings.between(*period)] == ["f3", "f2"]
    assert [finding.finding_id for finding in findings.between(*period, newest=False)] == ["f3", "f1", "f2"]


def test_numbers_are_dense_when_threads_record_at_once(engine: Engine) -> None:
    def record(part: int) -> None:
        for n in range(5):
            Findings(engine).add([replace(FINDING, finding_id=f"{part}-{n}"), FINDING])

    threads = [Thread(target=record, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [item.number for item in Findings(engine).after(0)] == list(range(1, 22))
