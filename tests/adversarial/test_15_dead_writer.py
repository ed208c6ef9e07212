"""Attack, or accident: a writer dies between two checkpoints. The next start goes on where it was; what is missing is explained
or there is nothing.

What it had acknowledged is in the store and in the anchor, under no checkpoint yet: it is signed after the start. What it had not
acknowledged is there whole or not at all, and taken over after its chain was recomputed, if it ends as the anchor says that it was
about to. Any other rows are refused by their numbers.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import cast

import polars as pl
import pytest

from domain.errors import IntegrityError
from store.completeness import Verdict, examine
from store.engine import Engine
from store.keeper import Keeper
from store.spine import Spine
from tests.adversarial.attacks import COUNT, MARCH, Scene, first, forged_rows, is_intact, some_events
from tests.support.clock import TickingClock
from tests.support.faults import Fault, FaultyAnchor, FaultyEngine
from tests.support.node import SIGNER

MORE = some_events(range(COUNT, COUNT + 30))


def test_a_writer_dies_after_an_acknowledgement(scene: Scene) -> None:
    """No checkpoint covers its last entries: they are whole, the next one goes on behind them, and its checkpoint covers them."""
    with scene.writer() as dying:
        dying.append(MORE)
    assert is_intact(scene.verify())
    assert scene.verify().signed_size == 5

    with scene.start() as next_one:
        assert next_one.ledger.head().seq == COUNT + 29
        assert next_one.ledger.append(some_events([900]))[0].seq == COUNT + 30

    assert is_intact(scene.verify())
    (heads,) = scene.engine.rows("SELECT heads FROM spine ORDER BY seq DESC LIMIT 1")
    assert str(heads[0]).startswith(f"{MARCH} {COUNT + 31} ")


def test_a_writer_dies_before_it_acknowledges(scene: Scene) -> None:
    """Its rows are there and its anchor is not: they are taken over, whole; the sender's second try is a repeat."""
    broken = FaultyEngine(scene.engine)
    broken.table, broken.after = "events", True
    with scene.writer(cast("Engine", broken)) as dying, pytest.raises(Fault):
        dying.append(MORE)

    with scene.start() as next_one:
        assert next_one.ledger.head().seq == COUNT + 29
        assert [receipt.seq for receipt in next_one.ledger.append(MORE)] == list(range(COUNT, COUNT + 30))

    assert is_intact(scene.verify())


@pytest.mark.parametrize("is_well_made", [True, False], ids=["well made", "not chained"])
def test_rows_behind_the_end_that_it_was_not_about_to_write_are_refused(scene: Scene, is_well_made: bool) -> None:
    """Somebody who can write the table and read the register adds entries while the writer is down. They look as a commit does that
    was cut short, but the anchor, which is not in the database, has no note of it.
    """
    frame = scene.table("events")
    added = forged_rows(scene, some_events([900, 901]), first_seq=COUNT, previous=frame["leaf"][-1])
    if not is_well_made:
        added = added.with_columns(pl.Series("leaf", [added["leaf"][0], bytes(32)], dtype=pl.Binary))
    scene.write("events", pl.concat([frame, added]))

    assert is_well_made or first(scene.verify()) == (MARCH, COUNT + 1)
    with pytest.raises(IntegrityError, match=f"entries {COUNT} to {COUNT + 1} of writer main .* somebody else did"), scene.start():
        pass


@pytest.mark.parametrize("damage", ["one more", "one less", "another"])
def test_a_commit_that_was_cut_short_is_taken_over_as_it_was_or_not_at_all(scene: Scene, damage: str) -> None:
    """It dies after its rows are stored; somebody changes them before the next start."""
    broken = FaultyEngine(scene.engine)
    broken.table, broken.after = "events", True
    with scene.writer(cast("Engine", broken)) as dying, pytest.raises(Fault):
        dying.append(MORE)
    frame = scene.table("events")
    end = frame["leaf"][-1]
    match damage:
        case "one more":
            frame = pl.concat([frame, forged_rows(scene, some_events([900]), first_seq=COUNT + 30, previous=end)])
        case "one less":
            frame = frame.head(-1)
        case "another":
            row = forged_rows(scene, some_events([900]), first_seq=COUNT + 29, previous=frame["leaf"][-2])
            frame = pl.concat([frame.head(-1), row])
    scene.write("events", frame)

    with pytest.raises(IntegrityError, match="somebody else did"), scene.start():
        pass


@pytest.mark.parametrize(("step", "after"), [("spine", True), ("advance_spine", False), ("advance_spine", True)])
def test_the_keeper_dies_at_a_step_of_a_checkpoint(scene: Scene, step: str, after: bool) -> None:
    """At most one spine entry is unsigned: the next checkpoint covers it."""
    broken = FaultyEngine(scene.engine)
    with closing(FaultyAnchor(scene.directory / "state", scene.directory / "copies")) as anchor:
        keeper = Keeper(cast("Engine", broken), Spine(cast("Engine", broken), anchor, SIGNER, TickingClock()), TickingClock())
        broken.table = anchor.step = step
        broken.after = anchor.after = after
        with pytest.raises(Fault):
            keeper.checkpoint()
    assert is_intact(scene.verify())

    with scene.start():
        pass

    said = scene.verify()
    assert is_intact(said)
    assert said.spine_entries == said.signed_size


def test_recording_that_was_stopped_is_a_finding_of_completeness(scene: Scene) -> None:
    """What never came is no matter of integrity: the gap that a source told of is explained there, and the record is intact."""
    stop, begin = some_events([900, 901])
    with scene.start() as live:
        live.ledger.append([replace(stop, action="audit_stopped"), replace(begin, action="audit_start")])

    found = examine(scene.engine)
    assert found.verdict is Verdict.GAPS
    assert "recording in ehr was stopped 1 times" in found.findings[0]
    assert "was started again" in found.findings[0]
    assert is_intact(scene.verify())


def test_kill_9_while_it_writes(tmp_path: Path) -> None:
    """One round of `tests/e2e/test_kill.py`: every acknowledged event is there once, and the record verifies."""
    data_dir, root = tmp_path / "data", Path(__file__).parents[2]
    acknowledged: dict[str, int] = {}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.loader", str(data_dir), "0"], stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event, seq = line.split()
            acknowledged[event] = int(seq)
            if len(acknowledged) >= 100:
                break
        process.send_signal(signal.SIGKILL)
    code = (
        "import json, sys; from pathlib import Path\n"
        "from domain.clock import system_clock; from runtime.node import open_base; from runtime.settings import Settings\n"
        "data = Path(sys.argv[1])\n"
        "settings = Settings.model_validate({'data_dir': data, 'ledger': {'anchor_dir': data.parent / 'copies'}})\n"
        "with open_base(settings, system_clock) as base:\n"
        "    said = base.verify()\n"
        "    places = dict(base.engine.rows('SELECT event_id, groupArray(seq) FROM events GROUP BY event_id'))\n"
        "print(json.dumps([said.integrity, [problem.what for problem in said.problems], places]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(data_dir)],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env=os.environ,
    )
    integrity, problems, places = json.loads(done.stdout)

    assert (integrity, problems) == ("intact", [])
    assert {event: places.get(event) for event in acknowledged} == {event: [seq] for event, seq in acknowledged.items()}
    assert all(len(found) == 1 for found in places.values())
