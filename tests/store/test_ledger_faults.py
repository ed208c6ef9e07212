"""Every write step fails once, lost or done: nothing acknowledged is lost, nothing is stored twice, the record verifies."""

from pathlib import Path
from typing import cast

import pytest

from domain.errors import IntegrityError
from domain.record import Status
from store.engine import Engine
from store.fsck import Integrity
from store.keeper import Keeper
from store.ledger import Ledger
from store.spine import Spine
from tests.support.cast import chart_view
from tests.support.clock import TickingClock
from tests.support.faults import Fault, FaultyAnchor, FaultyEngine
from tests.support.node import SIGNER, node, verify

TABLES = ["logs", "events", "event_keys", "tiles"]
WHEN = pytest.mark.parametrize("after", [False, True], ids=["lost", "done"])


def faulty(engine: Engine, tmp_path: Path, clock: TickingClock) -> tuple[FaultyEngine, FaultyAnchor, Ledger, Keeper]:
    broken = FaultyEngine(engine)
    anchor = FaultyAnchor(tmp_path / "state", tmp_path / "copies")
    spine = Spine(cast("Engine", broken), anchor, SIGNER, clock)
    keeper = Keeper(cast("Engine", broken), spine, clock)
    ledger = Ledger(
        engine=cast("Engine", broken),
        anchor=anchor,
        origin=SIGNER.name,
        clock=clock,
        new_secret=lambda: bytes(32),
        tiles_at_once=1,
    )
    keeper.attend(ledger)
    return broken, anchor, ledger, keeper


def settle(engine: Engine, ledger: Ledger, keeper: Keeper, anchor: FaultyAnchor, tmp_path: Path) -> None:
    """The caller tries again, as collectors do; then everything is there once, and a restart agrees."""
    events = [chart_view(n) for n in range(300)]

    receipts = ledger.append(events)

    assert {receipt.status for receipt in receipts} <= {Status.ACCEPTED, Status.DUPLICATE}
    assert [receipt.seq for receipt in receipts] == list(range(300))
    ledger.close()
    keeper.checkpoint()
    assert verify(engine, anchor).integrity is Integrity.INTACT
    anchor.close()
    with node(engine, tmp_path, TickingClock()) as again:
        assert {receipt.status for receipt in again.ledger.append(events)} == {Status.DUPLICATE}
        assert again.ledger.append([chart_view(300)])[0].seq == 300
        again.keeper.checkpoint()
        assert again.verify().integrity is Integrity.INTACT
    assert engine.rows("SELECT count(), uniqExact(event_id) FROM events") == [(301, 301)]


@WHEN
@pytest.mark.parametrize("table", TABLES)
def test_a_write_step_fails_in_the_running_ledger(engine: Engine, tmp_path: Path, table: str, after: bool) -> None:
    broken, anchor, ledger, keeper = faulty(engine, tmp_path, TickingClock())
    broken.table, broken.after = table, after

    with pytest.raises(Fault):
        ledger.append([chart_view(n) for n in range(300)])

    settle(engine, ledger, keeper, anchor, tmp_path)


@WHEN
@pytest.mark.parametrize("step", ["intend_writer", "advance_writer"])
def test_a_step_of_the_anchor_fails(engine: Engine, tmp_path: Path, step: str, after: bool) -> None:
    _, anchor, ledger, keeper = faulty(engine, tmp_path, TickingClock())
    ledger.append([chart_view(0)])
    anchor.step, anchor.after = step, after

    with pytest.raises(Fault):
        ledger.append([chart_view(n) for n in range(1, 300)])

    settle(engine, ledger, keeper, anchor, tmp_path)


@WHEN
@pytest.mark.parametrize("table", TABLES)
def test_the_process_dies_at_a_write_step(engine: Engine, tmp_path: Path, table: str, after: bool) -> None:
    """As above, but the ledger that met the fault is never used again."""
    broken, anchor, ledger, keeper = faulty(engine, tmp_path, TickingClock())
    broken.table, broken.after = table, after
    with pytest.raises(Fault):
        ledger.append([chart_view(n) for n in range(300)])
    ledger.close()
    anchor.close()

    _, anchor, restarted, keeper = faulty(engine, tmp_path, TickingClock())

    settle(engine, restarted, keeper, anchor, tmp_path)


@WHEN
@pytest.mark.parametrize("step", ["spine", "checkpoints", "advance_spine"])
def test_a_checkpoint_stops_half_way(engine: Engine, tmp_path: Path, step: str, after: bool) -> None:
    broken, anchor, ledger, keeper = faulty(engine, tmp_path, TickingClock())
    ledger.append([chart_view(0)])
    broken.table, broken.after = step, after
    anchor.step, anchor.after = step, after
    with pytest.raises(Fault):
        keeper.checkpoint()
    broken.table = anchor.step = None
    ledger.close()
    anchor.close()

    with node(engine, tmp_path, TickingClock()) as again:
        again.ledger.append([chart_view(1)])
        again.keeper.checkpoint()

        assert again.verify().integrity is Integrity.INTACT
        signed = again.verify().signed_size
    assert engine.rows("SELECT count() FROM spine")[0][0] == signed + 1


@pytest.mark.parametrize("step", ["spine", "checkpoints", "advance_spine"])
@WHEN
def test_the_spine_goes_on_after_a_failed_step(engine: Engine, tmp_path: Path, step: str, after: bool) -> None:
    broken, anchor, ledger, keeper = faulty(engine, tmp_path, TickingClock())
    ledger.append([chart_view(0)])
    broken.table, broken.after = step, after
    anchor.step, anchor.after = step, after
    with pytest.raises(Fault):
        keeper.checkpoint()
    broken.table = anchor.step = None

    ledger.append([chart_view(1)])
    keeper.checkpoint()

    assert verify(engine, anchor).integrity is Integrity.INTACT
    ledger.close()
    anchor.close()


def test_rows_beyond_the_anchor_that_do_not_fit_are_refused(engine: Engine, tmp_path: Path) -> None:
    """What is taken over after a crash is checked first."""
    broken, anchor, ledger, _ = faulty(engine, tmp_path, TickingClock())
    broken.table, broken.after = "events", True
    with pytest.raises(Fault):
        ledger.append([chart_view(n) for n in range(3)])
    ledger.close()
    anchor.close()
    engine.execute("ALTER TABLE events UPDATE header = replaceOne(header, 'alice', 'carol') WHERE seq = 1")

    with pytest.raises(IntegrityError, match="entry 1 "), node(engine, tmp_path, TickingClock()):
        pass
