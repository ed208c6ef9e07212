"""Attack: the end of the record is cut off, by one entry, by a tile, by a month, with or without the spine. The first missing
entry is named.

A cut tail is consistent in itself; only what was signed, and what was acknowledged outside the store, says that there was more.
What was acknowledged after the last checkpoint is in the anchor. The writer refuses to go on over a cut record.
"""

import pytest

from domain.errors import IntegrityError
from tests.adversarial.attacks import (
    APRIL,
    COUNT,
    COVERED,
    FIRST_OF_APRIL,
    MARCH,
    SPINE,
    Scene,
    first,
    is_intact,
    place,
    some_events,
)


def cut(scene: Scene, entries: int = COUNT, spine: int | None = None) -> None:
    """Keep so many entries, and of the spine; everything that is derived from what leaves, leaves too."""
    scene.sql(f"ALTER TABLE events DELETE WHERE seq >= {entries}", f"ALTER TABLE event_keys DELETE WHERE seq >= {entries}")
    if entries <= FIRST_OF_APRIL:
        scene.sql("ALTER TABLE logs DELETE WHERE epoch = 202604")
    if spine is not None:
        scene.sql(
            f"ALTER TABLE spine DELETE WHERE seq >= {spine}",
            f"ALTER TABLE checkpoints DELETE WHERE size > {spine}",
            "TRUNCATE TABLE tiles",
        )


@pytest.mark.parametrize("entries", [COUNT - 1, 256, 1], ids=["by one", "to a tile", "to one"])
def test_entries_are_cut(scene: Scene, entries: int) -> None:
    cut(scene, entries)

    assert first(scene.verify()) == (MARCH, entries)


def test_a_month_is_cut_with_its_registration(months: Scene) -> None:
    cut(months, FIRST_OF_APRIL)

    said = months.verify()

    assert first(said) == (APRIL, None)
    assert ("main", COUNT - 1) in {place(problem) for problem in said.problems}


def test_more_than_a_month_is_cut(months: Scene) -> None:
    """All of April and the end of March: both are named, March from its first missing entry."""
    cut(months, 256)

    said = months.verify()

    assert first(said) == (MARCH, 256)
    assert APRIL in {problem.log for problem in said.problems}


@pytest.mark.parametrize("spine", [4, 2, 0])
def test_the_spine_is_cut_too(scene: Scene, spine: int) -> None:
    """Yesterday's store: whole in itself. The signed size in the anchor names the first entry of the spine that is gone."""
    cut(scene, (0, *COVERED)[spine], spine)

    assert first(scene.verify()) == (SPINE, spine)


@pytest.mark.parametrize(("entries", "spine"), [(COUNT - 1, None), (200, 2), (0, 0)])
def test_the_writer_does_not_go_on(scene: Scene, entries: int, spine: int | None) -> None:
    cut(scene, entries, spine)

    with pytest.raises(IntegrityError, match=r"older than its anchor|has gaps"), scene.start():
        pass


def test_what_was_acknowledged_after_the_last_checkpoint_is_cut(scene: Scene) -> None:
    """Nothing signed speaks of it, and the anchor does: also between two checkpoints a cut is found, from its first entry on."""
    with scene.writer() as ledger:
        ledger.append(some_events(range(COUNT, COUNT + 5)))
    assert is_intact(scene.verify())
    cut(scene, COUNT + 2)

    said = scene.verify()

    assert first(said)[1] == COUNT + 2
    with pytest.raises(IntegrityError, match=f"entry {COUNT + 4} was acknowledged"), scene.start():
        pass
