"""The watch over a real ledger: counting exactly once, gaps that open and close, and what completeness says of them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from domain.errors import Conflict, InvalidInput, NotFound
from domain.record import Rejected
from store.completeness import Verdict, examine
from store.engine import Engine
from store.quarantine import Quarantine
from store.source_gap_rules import GapKind, Loss, Step
from store.source_health import SourceHealth
from store.source_rollup import SourceRollup
from store.source_verdict import SourceVerdict
from store.source_watch import SourceWatch
from tests.support.cast import BOB, PATIENT
from tests.support.clock import TickingClock
from tests.support.faults import Fault, FaultyEngine
from tests.support.node import Node, node
from tests.support.source_feed import HOUR, NOW, an_event, history


class Scene:
    """A ledger, a watch, and a clock at half past ten on a Monday."""

    def __init__(self, live: Node, clock: TickingClock) -> None:
        self.live, self.clock = live, clock
        self.watch = SourceWatch(live.engine, live.ledger.append)

    def look(self, **later: float) -> list[tuple[str, str, str]]:
        """Move on and look: what was written, as (kind, source, step)."""
        self.clock.advance(**later)
        return [(gap.kind.value, gap.source_system, gap.step.value) for gap in self.watch.look(self.clock())]

    def keep_looking(self, **each: float) -> list[tuple[str, str, str]]:
        """Look every five minutes for so long."""
        return [step for _ in range(int(timedelta(**each) / timedelta(minutes=5))) for step in self.look(minutes=5)]

    def health(self, name: str = "ehr") -> SourceHealth:
        return next(state for state in self.watch.states(self.clock()) if state.source_system == name)

    def told(self) -> list[str]:
        """The steps of gaps that the ledger was told of."""
        rows = self.live.engine.rows("SELECT action FROM events WHERE action LIKE 'source\\_%' ORDER BY seq")
        return [str(row[0]) for row in rows]


@pytest.fixture
def scene(engine: Engine, tmp_path: Path) -> Iterator[Scene]:
    clock = TickingClock(NOW)
    with node(engine, tmp_path, clock) as live:
        yield Scene(live, clock)


def test_what_is_new_is_counted_once_and_by_what_it_should_have(scene: Scene) -> None:
    scene.live.ledger.append([
        an_event(at=NOW - timedelta(seconds=10)),
        an_event(patient_id=None, actor=BOB),
        an_event(device=None, ip=None),
        an_event(action="login", patient_id=None),
        an_event(details={}, actor=PATIENT),
        an_event("lab", at=NOW + timedelta(minutes=2)),
    ])  # fmt: skip

    scene.look()
    scene.look(minutes=1)

    ehr, lab = scene.health(), scene.health("lab")
    assert (ehr.events, ehr.day_events, lab.events, lab.day_future) == (5, 5, 1, 1)
    assert (lab.writer, lab.seq, lab.formats, lab.streams) == ("main", 5, ["phitrail"], ["access"])
    assert {part.field: (part.due, part.missing) for part in ehr.missing} == {
        "patient": (4, 1),
        "device": (4, 1),
        "ip": (5, 1),
        "details": (4, 1),
    }
    assert lab.skew is not None
    assert timedelta(seconds=-120) <= lab.skew <= timedelta(seconds=-60)
    assert (ehr.verdict, lab.verdict) == (SourceVerdict.UNKNOWN, SourceVerdict.UNKNOWN)


@pytest.mark.parametrize("table", ["source_marks", "source_numbers", "source_health"])
@pytest.mark.parametrize("after", [False, True])
def test_a_roll_up_that_is_stopped_anywhere_counts_once(scene: Scene, table: str, after: bool) -> None:
    scene.live.ledger.append([an_event(details={"sequence": n}) for n in (1, 2, 4)] + [an_event(action="audit_gap")])
    faulty = FaultyEngine(scene.live.engine)
    faulty.table, faulty.after = table, after
    with pytest.raises(Fault):
        SourceRollup(cast("Engine", faulty), slice_rows=2).refresh()

    SourceRollup(scene.live.engine, slice_rows=2).refresh()
    SourceRollup(scene.live.engine).refresh()
    scene.look()

    assert scene.health().events == 4
    assert len(scene.watch.gaps.marks()) == 1
    assert [(hole.first, hole.last) for hole in scene.watch.book.holes()] == [(3, 3)]


def test_a_silence_is_one_gap_that_closes_with_the_first_event_after_it(scene: Scene) -> None:
    history(scene.live.engine)
    assert scene.look() == []
    assert scene.health().verdict is SourceVerdict.OK

    steps = scene.keep_looking(hours=2)
    assert steps == [("silence", "ehr", "opened")]
    (gap,) = scene.watch.gaps.all()
    assert (gap.began, gap.ended, gap.opened) == (NOW - timedelta(minutes=5), None, NOW + timedelta(minutes=20))
    assert scene.health().verdict is SourceVerdict.SILENT

    back = scene.clock()
    scene.live.ledger.append([an_event(at=back)])
    assert scene.look(minutes=3) == [("silence", "ehr", "closed")]
    (gap,) = scene.watch.gaps.all()
    assert (gap.ended, gap.step, gap.version) == (back, Step.CLOSED, 2)
    assert gap.expected == pytest.approx(125, abs=1)
    assert scene.health().verdict is not SourceVerdict.SILENT
    assert scene.look(minutes=1) == []
    assert scene.told() == ["source_gap_opened", "source_gap_closed"]


def test_a_return_within_the_hour_is_seen(scene: Scene) -> None:
    history(scene.live.engine, each=600)
    scene.clock.now = NOW
    assert scene.look(minutes=12) == [("silence", "ehr", "opened")]

    scene.live.ledger.append([an_event(at=scene.clock())])

    assert scene.look(minutes=1) == [("silence", "ehr", "closed")]
    (gap,) = scene.watch.gaps.all()
    assert gap.ended == NOW + timedelta(minutes=12)


def test_nobody_is_blamed_for_a_silence_that_nobody_listened_to(scene: Scene) -> None:
    history(scene.live.engine)
    scene.clock.advance(hours=30)
    assert scene.health().verdict is SourceVerdict.UNKNOWN

    assert scene.look() == []
    assert scene.look(minutes=5) == []
    assert scene.keep_looking(minutes=30) == [("silence", "ehr", "opened")]


def test_what_a_source_says_of_its_recording_is_a_gap(scene: Scene) -> None:
    at = NOW - 5 * HOUR
    scene.live.ledger.append([an_event(at=at, action="audit_stop"), an_event("lab", at=at, action="audit_stop", outcome="denied")])
    assert scene.look() == [("stopped", "ehr", "opened")]
    assert scene.health().verdict is SourceVerdict.STOPPED
    assert examine(scene.live.engine).findings == [
        "recording in ehr was stopped 1 times, the last change was at 2026-03-02 05:30 UTC, and has not been started again"
    ]

    scene.live.ledger.append([an_event(at=at + HOUR, action="audit_start")])
    said = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-01T01:00:00Z"}
    scene.live.ledger.append([an_event("lab", action="audit_gap", details=said)])
    # Completeness reads what the roll-up has not seen.
    assert "and was started again" in examine(scene.live.engine).findings[0]
    assert scene.look(minutes=1) == [("stopped", "ehr", "closed"), ("stopped", "lab", "opened")]
    stop, declared = sorted(scene.watch.gaps.all(), key=lambda gap: gap.source_system)
    assert (stop.began, stop.ended) == (at, at + HOUR)
    assert (declared.ended or NOW) - declared.began == HOUR
    assert scene.look(minutes=1) == []


def test_missing_numbers_are_a_gap_that_closes_when_they_come(scene: Scene) -> None:
    scene.live.ledger.append([an_event(details={"sequence": n}) for n in (7, 8, 11, 12, 20)])
    assert scene.look() == []
    assert scene.look(minutes=16) == [("numbers", "ehr", "opened")] * 2
    numbers = scene.health().numbers
    assert numbers is not None
    assert (numbers.first, numbers.last, numbers.missing) == (7, 20, 9)
    assert "ehr never sent its numbers 9 to 10" in examine(scene.live.engine).findings

    scene.live.ledger.append([an_event(details={"sequence": n}) for n in (10, 9)])

    assert scene.look(minutes=1) == [("numbers", "ehr", "filled")]
    found = examine(scene.live.engine)
    assert found.findings == ["ehr never sent its numbers 13 to 19"]
    assert found.notes == ["1 gaps in numbers were filled later"]


def test_texts_and_broken_numbers_are_no_sequence(scene: Scene) -> None:
    scene.live.ledger.append([an_event(details={"sequence": value}) for value in ("3", None, [1], {"a": 1}, 5, -4)])

    scene.look()

    numbers = scene.health().numbers
    assert numbers is not None
    assert (numbers.first, numbers.last, numbers.missing) == (5, 5, 0)


def test_quarantine_and_a_wrong_clock_are_troubles_not_gaps(scene: Scene) -> None:
    history(scene.live.engine)
    quarantine = Quarantine(scene.live.engine, scene.clock)
    refused = [Rejected(source_system="ehr", format="cef", reason="no time", raw=b"%d" % n) for n in range(200)]
    quarantine.add([*refused, Rejected(source_system="new", format="cef", reason="no actor", raw=b"x")])
    scene.live.ledger.append([an_event(at=NOW + timedelta(minutes=9)) for _ in range(200)])

    assert scene.look() == [("quarantine", "ehr", "opened"), ("skew", "ehr", "opened")]

    ehr = scene.health()
    assert ehr.verdict is SourceVerdict.FAILING
    assert [(reason.reason, reason.records) for reason in ehr.reasons] == [("no time", 200)]
    assert (scene.health("new").verdict, scene.health("new").waiting) == (SourceVerdict.UNKNOWN, 1)
    assert scene.look(minutes=1) == []
    assert set(scene.look(hours=25)) == {("quarantine", "ehr", "closed"), ("skew", "ehr", "closed")}
    assert not any(gap.counts for gap in scene.watch.gaps.all() if gap.kind in (GapKind.QUARANTINE, GapKind.SKEW))


def test_a_restart_of_this_system_is_a_gap_of_its_own(scene: Scene) -> None:
    keeper, clock = scene.live.keeper, scene.clock
    for minutes, state in ((0, "on"), (10, "off"), (30, "on"), (31, "off"), (31.5, "on")):
        clock.now = NOW + timedelta(minutes=minutes)
        keeper.commit("audit-off", {"writer": "main", "state": state})
    clock.now = NOW + timedelta(minutes=40)
    keeper.checkpoint()
    clock.now = NOW + timedelta(minutes=50)
    keeper.commit("audit-off", {"writer": "main", "state": "on"})  # after a crash: nothing said off

    assert scene.look() == [("off", "phitrail", "opened")] * 2
    gaps = sorted(scene.watch.gaps.all(), key=lambda gap: gap.began)
    assert [(gap.began - NOW, gap.ended) for gap in gaps] == [
        (timedelta(minutes=10), NOW + timedelta(minutes=30)),
        (timedelta(minutes=40), NOW + timedelta(minutes=50)),
    ]
    assert scene.look(hours=2) == []


def test_a_person_says_what_became_of_a_gap(scene: Scene) -> None:
    history(scene.live.engine)
    scene.look()
    scene.keep_looking(hours=1)
    (gap,) = scene.watch.gaps.all()
    ledger = scene.watch.gaps
    assert examine(scene.live.engine).verdict is Verdict.GAPS

    with pytest.raises(Conflict, match="is not over"):
        ledger.acknowledge(gap.gap_id, by="carol", reason="Planned.", loss=Loss.NONE, at=scene.clock())
    for by, reason, loss in (("phitrail", "x", Loss.SOME), ("carol", " ", Loss.SOME), ("carol", "x", Loss.OPEN)):
        with pytest.raises(InvalidInput):
            ledger.acknowledge(gap.gap_id, by=by, reason=reason, loss=loss, at=scene.clock())
    with pytest.raises(NotFound):
        ledger.acknowledge("none", by="carol", reason="x", loss=Loss.SOME, at=scene.clock())
    ledger.acknowledge(gap.gap_id, by="carol", reason="The vendor looks.", loss=Loss.UNKNOWN, at=scene.clock())
    assert ledger.get(gap.gap_id).is_open

    scene.live.ledger.append([an_event(at=scene.clock())])
    assert scene.look(minutes=1) == [("silence", "ehr", "closed")]
    after = ledger.acknowledge(
        gap.gap_id, by="carol", reason="The system was down for its update.", loss=Loss.NONE, at=scene.clock()
    )

    assert (after.is_open, after.counts, after.acknowledged_by) == (False, False, "carol")
    found = examine(scene.live.engine)
    assert (found.verdict, found.findings) == (Verdict.NO_GAP_SEEN, [])
    assert found.notes == ["1 gaps were looked at by people, who found that nothing was lost (phitrail sources gaps)"]
    assert [version.step for version in ledger.history(gap.gap_id)] == ["opened", "acknowledged", "closed", "acknowledged"]
    people = scene.live.engine.rows("SELECT actor_id, action FROM events WHERE actor_kind = 'staff' AND source_system = 'phitrail'")
    assert people == [("carol", "source_gap_acknowledged")] * 2


def test_of_two_who_write_a_version_one_wins_and_only_its_event_is_told(scene: Scene) -> None:
    scene.live.ledger.append([an_event(action="audit_stop")])
    scene.look()
    (gap,) = scene.watch.gaps.all()
    one, other = (replace(gap, version=2, note=words) for words in ("one", "other"))

    assert scene.watch.gaps.write([one]) == [one]
    assert scene.watch.gaps.write([other]) == []
    assert scene.watch.gaps.get(gap.gap_id).note == "one"
    assert len(scene.told()) == 2


def test_an_event_that_a_stop_kept_from_the_ledger_is_made_good(scene: Scene) -> None:
    scene.live.ledger.append([an_event(action="audit_stop")])

    def stopped(events: object) -> None:
        raise RuntimeError("stopped")

    dying = SourceWatch(scene.live.engine, stopped)
    with pytest.raises(RuntimeError):
        dying.look(scene.clock())
    assert scene.told() == []

    assert scene.watch.gaps.rerecord(NOW - HOUR) == 1
    assert scene.watch.gaps.rerecord(NOW - HOUR) == 1
    assert scene.told() == ["source_gap_opened"]


def test_events_that_came_after_all_are_counted(scene: Scene) -> None:
    at = NOW - 5 * HOUR
    scene.live.ledger.append([an_event(at=at, action="audit_stop"), an_event(at=at + HOUR, action="audit_start")])
    scene.live.ledger.append([an_event(at=at + timedelta(minutes=n)) for n in (0, 1, 59, 61)])
    scene.look()
    (gap,) = scene.watch.gaps.all()

    assert scene.watch.gaps.came_later(gap) == 2
