"""The scheduled verification: what is new at once, everything else within one pass, and never intact again until it is mended."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import cast

import pytest

from store.anchor import Anchor
from store.engine import Engine
from store.fsck_progress import RollingCheck
from store.fsck_report import Integrity, Verification
from store.fsck_tree import WIDTH
from tests.adversarial.attacks import APRIL, COUNT, FIRST_OF_APRIL, MARCH, SPINE, Scene, first, is_intact, place
from tests.support.cast import chart_view
from tests.support.clock import TickingClock
from tests.support.faults import Fault

SECRET = b"known to the node, not to the database"
RUNS = 4
"""More than a pass of the scene takes at a tile a run: the spine, two tiles of March, the last of April."""


class Watch:
    """Runs of one scheduler after the other, each five minutes after the one before."""

    def __init__(self, scene: Scene, secret: bytes = SECRET) -> None:
        self.scene = scene
        self.clock = TickingClock(scene.now)
        self.check = RollingCheck(scene.engine, self.clock, secret)

    def run(self, *notes: str) -> Verification:
        """A run that looks at one tile of what is old."""
        self.clock.advance(minutes=5)
        return self.check.run(self.scene.trusted(*notes), WIDTH)

    def runs(self) -> Iterator[Verification]:
        """One run after the other, until a pass is done."""
        for _ in range(RUNS):
            found = self.run()
            yield found
            if found.is_full_pass_done:
                return

    def again(self) -> "Watch":
        """The scheduler of a process started anew."""
        later = Watch(self.scene)
        later.clock.now = self.clock.now
        return later


@pytest.fixture
def watch(scene: Scene) -> Watch:
    """After its first run, which looked at everything."""
    made = Watch(scene)
    assert is_intact(made.run())
    return made


def test_the_first_run_looks_at_everything(scene: Scene) -> None:
    found = Watch(scene).run()

    assert is_intact(found)
    assert (found.is_full, found.is_full_pass_done, found.new_entries) == (True, True, COUNT + found.spine_entries)
    assert found.full_pass_at is not None


def test_a_run_costs_what_is_new_and_a_slice_of_what_is_old(watch: Watch) -> None:
    with watch.scene.start() as live:
        live.ledger.append([chart_view(n) for n in range(1000, 1003)])
        live.keeper.checkpoint()

    found = watch.run()

    assert is_intact(found)
    assert found.entries == COUNT + 3
    assert found.new_entries == 3 + found.spine_entries - len(watch.scene.notes)
    assert 0 < found.rolled_entries <= WIDTH + found.spine_entries
    assert not found.is_full


def test_a_pass_is_done_run_by_run_and_begins_again(watch: Watch) -> None:
    started = watch.clock.now

    for _ in range(2):
        pass_ = list(watch.runs())

        assert all(map(is_intact, pass_))
        assert [found.is_full_pass_done for found in pass_] == [False] * (len(pass_) - 1) + [True]
        shares = [found.pass_progress for found in pass_[:-1]]
        assert shares == sorted(set(shares))
        assert all(0 < share < 1 for share in shares)
        assert sum(found.rolled_entries for found in pass_) >= COUNT
        assert pass_[-1].full_pass_at is not None
        assert pass_[-1].full_pass_at >= started - timedelta(minutes=5)


def test_age_is_of_the_newest_complete_pass(watch: Watch) -> None:
    done = list(watch.runs())[-1]
    watch.clock.advance(hours=3)

    later = watch.run()

    assert later.full_pass_at == done.full_pass_at
    assert later.full_pass_age is not None
    assert later.full_pass_age >= timedelta(hours=3)


@pytest.mark.parametrize(("seq", "column"), [(0, "actor_id"), (255, "private"), (256, "event_id"), (COUNT - 1, "action")])
def test_an_old_entry_that_was_changed_is_found_within_a_pass(watch: Watch, seq: int, column: str) -> None:
    watch.scene.sql(f"ALTER TABLE events UPDATE {column} = concat({column}, ' ') WHERE seq = {seq}")

    pass_ = list(watch.runs())

    found = [one for one in pass_ if one.problems]
    assert found, "a pass ended without a word about it"
    assert first(found[0]) == (MARCH, seq)
    assert not pass_[-1].is_full_pass_done


def test_what_was_found_is_found_again_until_it_is_mended(watch: Watch) -> None:
    watch.scene.sql("ALTER TABLE events UPDATE action = concat(action, ' ') WHERE seq = 300")
    found = next(one for one in watch.runs() if one.problems)

    assert first(found) == first(watch.run()) == first(watch.again().run()) == (MARCH, 300)

    watch.scene.sql("ALTER TABLE events UPDATE action = trimRight(action) WHERE seq = 300")
    assert all(map(is_intact, watch.runs()))


def test_a_new_entry_that_was_changed_is_found_at_once(watch: Watch) -> None:
    with watch.scene.start() as live:
        live.ledger.append([chart_view(n) for n in range(1000, 1010)])
        live.keeper.checkpoint()
    watch.scene.sql(f"ALTER TABLE events UPDATE actor_id = 'mallory' WHERE seq = {COUNT + 4}")

    assert first(watch.run()) == (MARCH, COUNT + 4)


@pytest.mark.parametrize("keep", [COUNT - 1, 256, 10, 0])
def test_a_cut_is_found_at_once(watch: Watch, keep: int) -> None:
    watch.scene.sql(f"ALTER TABLE events DELETE WHERE seq >= {keep}")

    assert first(watch.run()) == (MARCH, keep)


def test_a_spine_that_was_cut_is_found_at_once(watch: Watch) -> None:
    watch.scene.sql("ALTER TABLE spine DELETE WHERE seq >= 3", "ALTER TABLE checkpoints DELETE WHERE size > 3")

    assert first(watch.run()) == (SPINE, 3)


def test_a_copy_of_a_checkpoint_kept_elsewhere_is_held_against_it(watch: Watch) -> None:
    """The store, the anchor and the copy of one day are put back; what somebody kept is of a later day."""
    with watch.scene.start() as live:
        live.ledger.append([chart_view(1000)])
        live.keeper.checkpoint()
    with closing(Anchor(watch.scene.directory / "state", watch.scene.directory / "copies")) as anchor:
        signed = anchor.spine_note()
    assert signed is not None
    watch.scene.sql(
        f"ALTER TABLE events DELETE WHERE seq >= {COUNT}",
        f"ALTER TABLE spine DELETE WHERE seq >= {len(watch.scene.notes)}",
        f"ALTER TABLE checkpoints DELETE WHERE size > {len(watch.scene.notes)}",
    )

    assert (SPINE, len(watch.scene.notes)) in {place(problem) for problem in watch.run(signed[1]).problems}


def test_another_process_goes_on_where_the_last_one_ended(watch: Watch) -> None:
    before = watch.run()

    after = watch.again().run()

    assert not after.is_full
    assert after.pass_progress > before.pass_progress or after.is_full_pass_done


def test_without_progress_everything_is_looked_at_anew(watch: Watch) -> None:
    watch.scene.sql("TRUNCATE TABLE verification_progress")

    found = watch.again().run()

    assert (found.is_full, found.is_full_pass_done) == (True, True)


def test_progress_that_the_database_made_up_is_none(watch: Watch) -> None:
    """Everything verified up to the end, and a pass that has just begun: what somebody would write who changed entry 5."""
    watch.scene.sql(
        "ALTER TABLE events UPDATE actor_id = 'mallory' WHERE seq = 5",
        "ALTER TABLE verification_progress UPDATE progress = replace(progress, '\"roll\": [0', '\"roll\": [999999') WHERE 1",
    )

    found = watch.again().run()

    assert found.is_full
    assert first(found) == (MARCH, 5)


def test_progress_of_a_node_with_another_key_is_none(watch: Watch) -> None:
    assert Watch(watch.scene, secret=b"another").run().is_full


def test_old_progress_brought_back_makes_it_look_at_more(watch: Watch) -> None:
    old = watch.scene.engine.frame("SELECT * FROM verification_progress")
    with watch.scene.start() as live:
        live.ledger.append([chart_view(n) for n in range(1000, 1010)])
        live.keeper.checkpoint()
    watch.run()
    nothing_new = watch.run().new_entries
    watch.scene.sql("TRUNCATE TABLE verification_progress")
    watch.scene.engine.insert("verification_progress", old)

    assert nothing_new == 0
    assert watch.again().run().new_entries >= 10


def test_a_month_that_was_sealed_is_part_of_the_pass(months: Scene) -> None:
    watch = Watch(months)
    assert is_intact(watch.run())
    months.sql(f"ALTER TABLE events UPDATE action = 'print' WHERE seq IN (7, {FIRST_OF_APRIL + 1})")

    found = [one for one in itertools.islice(iter(watch.run, None), RUNS) if one.problems]

    assert first(found[0]) in ((MARCH, 7), (APRIL, FIRST_OF_APRIL + 1))
    assert all(one.integrity is Integrity.TAMPERED for one in found)


def test_entries_that_are_sealed_between_two_runs_are_new(months: Scene) -> None:
    """What came after the last run and was sealed before the next is looked at, index trees and all."""
    watch = Watch(months)
    assert is_intact(watch.run())
    with months.start() as live:
        live.ledger.append([chart_view(n) for n in range(1000, 1004)])
        live.keeper.checkpoint()
    watch.clock.now = datetime(2026, 5, 3, 8, tzinfo=months.now.tzinfo)
    later = Scene(months.engine, months.directory, months.notes, now=watch.clock.now)
    with later.start() as live:
        live.ledger.append([chart_view(2000)])
        live.keeper.seal_due()
        live.keeper.checkpoint()

    found = watch.run()

    assert is_intact(found)
    assert found.index_trees == 3
    assert found.new_entries >= 5


def test_a_store_that_is_older_than_its_progress_is_looked_at_as_a_whole(watch: Watch) -> None:
    """A person accepted another history: what was verified before says nothing about this one."""
    watch.scene.sql("TRUNCATE TABLE events", "TRUNCATE TABLE spine", "TRUNCATE TABLE checkpoints", "TRUNCATE TABLE logs")

    found = watch.run()

    assert found.is_full
    assert found.integrity is Integrity.TAMPERED


def test_a_run_that_the_store_cut_short_is_no_progress(watch: Watch) -> None:
    before = watch.run()
    broken = _Away(watch.scene.engine)
    interrupted = RollingCheck(cast("Engine", broken), watch.clock, SECRET)
    with pytest.raises(Fault):
        interrupted.run(watch.scene.trusted(), WIDTH)

    after = watch.again().run()
    assert after.pass_progress > before.pass_progress or after.is_full_pass_done


class _Away:
    """An engine that loses its store where a run is about to say how far it came."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def insert(self, table: str, *_: object, **__: object) -> None:
        raise Fault(table)
