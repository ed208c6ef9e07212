"""Attack: senders and storage repeat themselves: a batch twice, from many callers at once, an insert whose outcome is lost, two
leaseholders.

Each event is stored once, at one place that every answer names; an insert token that was used for other rows is noticed; whatever
step a stop comes after, the next start completes it, and the record verifies.
"""

import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from domain.errors import Conflict, IntegrityError
from domain.record import Receipt, Status
from store.anchor import Anchor
from store.engine import Engine
from store.fsck import Integrity
from store.lease import hold_lease
from store.ledger import Ledger
from tests.adversarial.attacks import COUNT, MARCH, SECRET, SPINE, Scene, first, is_intact, place, some_events
from tests.support.clock import TickingClock
from tests.support.faults import Fault, FaultyAnchor, FaultyEngine

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BATCH = some_events(range(COUNT, COUNT + 20))


def ledger_of(scene: Scene, engine: object, anchor: Anchor, writer: str = "main") -> Ledger:
    """A writer over this engine and anchor."""
    clock = TickingClock(NOON)
    return Ledger(engine=cast("Engine", engine), anchor=anchor, origin=SPINE, clock=clock, new_secret=lambda: SECRET, writer=writer)


def stored(scene: Scene) -> list[tuple[object, ...]]:
    """How many rows there are, and how many events they are of."""
    return scene.engine.rows("SELECT count(), uniqExact(event_id) FROM events")


def test_a_batch_is_sent_three_times(scene: Scene) -> None:
    with scene.start() as live:
        answers = [live.ledger.append(BATCH) for _ in range(3)]

    assert [{receipt.status for receipt in answer} for answer in answers] == [
        {Status.ACCEPTED},
        {Status.DUPLICATE},
        {Status.DUPLICATE},
    ]
    assert all([receipt.seq for receipt in answer] == list(range(COUNT, COUNT + 20)) for answer in answers)
    assert stored(scene) == [(COUNT + 20, COUNT + 20)]
    assert is_intact(scene.verify())


def test_a_batch_is_sent_by_many_at_once(scene: Scene) -> None:
    answers: list[list[Receipt]] = []
    with scene.start() as live:
        threads = [threading.Thread(target=lambda: answers.append(live.ledger.append(BATCH))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [sum(answer[n].status is Status.ACCEPTED for answer in answers) for n in range(20)] == [1] * 20
    assert len({tuple(receipt.seq for receipt in answer) for answer in answers}) == 1
    assert stored(scene) == [(COUNT + 20, COUNT + 20)]
    assert is_intact(scene.verify())


def test_an_id_that_was_used_is_sent_with_other_content(scene: Scene) -> None:
    """Not a repeat: it is not stored over the first, nor beside it; the sender is told."""
    with scene.start() as live:
        (answer,) = live.ledger.append([replace(some_events([17])[0], outcome="denied", raw=b"other")])

    assert (answer.status, answer.seq) == (Status.QUARANTINED, None)
    assert stored(scene) == [(COUNT, COUNT)]


class TokenUsed(FaultyEngine):
    """The store takes the next insert of events for one that it has had: it reports success and drops the rows."""

    def insert(self, table: str, *args: Any, **options: Any) -> None:
        if table == "events" and self.table == "events":
            self.table = None
            return
        super().insert(table, *args, **options)


def test_an_insert_token_was_used_for_other_rows(scene: Scene) -> None:
    """Nothing is acknowledged that is not there: the writer stops, and the first entry that is missing is named."""
    broken = TokenUsed(scene.engine)
    with closing(Anchor(scene.directory / "state", None)) as anchor, ledger_of(scene, broken, anchor) as ledger:
        broken.table = "events"

        with pytest.raises(IntegrityError, match=f"entries {COUNT} to {COUNT + 19} were not stored as written"):
            ledger.append(BATCH)
        assert ledger.has_stopped

    assert is_intact(scene.verify())
    with scene.start() as live:
        assert [receipt.seq for receipt in live.ledger.append(BATCH)] == list(range(COUNT, COUNT + 20))


def test_the_engine_does_drop_rows_under_a_used_token(engine: Engine) -> None:
    """Why it is looked for: the same token with other rows is a success that stores nothing."""
    frame = pl.DataFrame({"seq": pl.Series([0], dtype=pl.UInt64), "kind": ["one"]})
    engine.insert("spine", frame, token="t")
    engine.insert("spine", frame.with_columns(pl.lit("other").alias("kind")), token="t")

    assert engine.rows("SELECT kind FROM spine") == [("one",)]


@pytest.mark.parametrize(
    ("step", "after"), [("events", True), ("event_keys", False), ("advance_writer", False), ("advance_writer", True)]
)
def test_a_crash_at_a_step_of_the_commit(scene: Scene, step: str, after: bool) -> None:
    """The process is gone; the caller sends again to the next one: everything is there once, and nothing else."""
    broken = FaultyEngine(scene.engine)
    anchor = FaultyAnchor(scene.directory / "state", scene.directory / "copies")
    with closing(anchor), ledger_of(scene, broken, anchor) as dying:
        broken.table = anchor.step = step
        broken.after = anchor.after = after
        with pytest.raises(Fault):
            dying.append(BATCH)

    with scene.start() as live:
        answers = live.ledger.append(BATCH)

    assert [receipt.seq for receipt in answers] == list(range(COUNT, COUNT + 20))
    assert {receipt.status for receipt in answers} <= {Status.ACCEPTED, Status.DUPLICATE}
    assert stored(scene) == [(COUNT + 20, COUNT + 20)]
    assert is_intact(scene.verify())


def test_a_lease_has_one_holder(tmp_path: Path) -> None:
    is_taken = pytest.raises(Conflict, match="another process writes the log main")
    with hold_lease(tmp_path, "main"), is_taken, hold_lease(tmp_path, "main"):
        pass


def test_two_leaseholders_over_one_anchor(scene: Scene) -> None:
    """The lease was circumvented: the head is compared and swapped, so the second commit is refused, and its rows are named."""
    anchor = Anchor(scene.directory / "state", None)
    with closing(anchor), ledger_of(scene, scene.engine, anchor) as one, ledger_of(scene, scene.engine, anchor) as other:
        one.append(BATCH[:1])
        for _ in range(2):
            with pytest.raises(IntegrityError, match=f"entries {COUNT} to {COUNT + 1} were not stored as written"):
                other.append(BATCH[1:3])
        assert other.has_stopped

    said = scene.verify()
    assert (said.integrity, first(said)) == (Integrity.TAMPERED, (MARCH, COUNT))


def test_two_nodes_under_one_name(scene: Scene) -> None:
    """Each with a state directory of its own: the second has no anchor for what is there, and does not write a line."""
    has_no_anchor = pytest.raises(IntegrityError, match="this node has no anchor for them")
    with closing(Anchor(scene.directory / "other", None)) as anchor, has_no_anchor:
        ledger_of(scene, scene.engine, anchor)

    assert stored(scene) == [(COUNT, COUNT)]
    assert [place(problem) for problem in scene.verify().problems] == []
