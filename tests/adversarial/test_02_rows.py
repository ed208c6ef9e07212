"""Attack: rows are deleted, swapped, repeated, inserted or replaced, and every checksum is made to fit again. The first wrong
place is named.

Somebody who only moves rows leaves a chain that does not close. Somebody who read docs/log-format.md chains everything anew: then
the rows are consistent in themselves, and contradict what was signed of them. What stood there before is gone, so the place is
told as closely as the checkpoints can: after the last of them that still fits.
"""

from collections.abc import Callable, Sequence

import polars as pl
import pytest

from tests.adversarial.attacks import (
    APRIL,
    COUNT,
    FIRST_OF_APRIL,
    MARCH,
    Scene,
    first,
    place,
    rechain,
    renumbered,
    with_header,
)

Attack = Callable[[pl.DataFrame], pl.DataFrame]


def without(seq: int) -> Attack:
    """Delete an entry."""
    return lambda frame: frame.filter(pl.col("seq") != seq)


def swapped(one: int, other: int) -> Attack:
    """Two entries change places, each with the other's number."""

    def attack(frame: pl.DataFrame) -> pl.DataFrame:
        order = list(range(COUNT))
        order[one], order[other] = other, one
        moved = frame[order]
        return moved.with_columns(pl.Series("seq", range(COUNT), dtype=pl.UInt64))

    return attack


def repeated(seq: int, at: int) -> Attack:
    """A copy of an entry stands at another number as well."""

    def attack(frame: pl.DataFrame) -> pl.DataFrame:
        copy = frame[seq].with_columns(pl.lit(at, dtype=pl.UInt64).alias("seq"))
        return pl.concat([frame[:at], copy, frame[at:]])

    return attack


def replaced(seq: int, by: int) -> Attack:
    """A copy of an entry stands in place of another."""
    return lambda frame: pl.concat(
        [frame[:seq], frame[by].with_columns(pl.lit(seq, dtype=pl.UInt64).alias("seq")), frame[seq + 1 :]]
    )


def all_of(*attacks: Attack) -> Attack:
    """One after the other; each leaves the numbers of the others where they were."""

    def attack(frame: pl.DataFrame) -> pl.DataFrame:
        for one in attacks:
            frame = one(frame)
        return frame

    return attack


# What is wrong, first of all and beside it: the checker goes on after the first.
MOVES = [
    pytest.param(without(0), [0], id="delete the first"),
    pytest.param(all_of(without(150), without(255), without(299)), [150, 255, 299], id="delete three, one the last of a tile"),
    pytest.param(without(256), [256], id="delete the first after a tile"),
    pytest.param(without(339), [339], id="delete the newest"),
    pytest.param(all_of(swapped(40, 41), swapped(100, 280)), [40, 100], id="swap neighbours, and far apart"),
    pytest.param(repeated(17, at=17), [17], id="repeat in place"),
    pytest.param(repeated(17, at=30), [30], id="insert a copy"),
    pytest.param(repeated(310, at=COUNT), [COUNT], id="append a copy"),
    pytest.param(replaced(30, by=17), [30], id="replace one by a copy"),
]


@pytest.mark.parametrize(("attack", "seqs"), MOVES)
def test_rows_are_moved(scene: Scene, attack: Attack, seqs: list[int]) -> None:
    scene.write("events", attack(scene.table("events")))

    said = scene.verify()

    assert first(said) == (MARCH, seqs[0])
    assert {(MARCH, seq) for seq in seqs} <= {place(problem) for problem in said.problems}


@pytest.mark.parametrize(("seq", "log"), [(FIRST_OF_APRIL - 1, MARCH), (FIRST_OF_APRIL, APRIL)], ids=["the last", "the first"])
def test_a_row_at_the_border_of_a_month_is_deleted(months: Scene, seq: int, log: str) -> None:
    months.write("events", without(seq)(months.table("events")))

    assert first(months.verify()) == (log, seq)


def edited(seq: int, **changes: str) -> Attack:
    """Members of a header are changed, and the columns with them."""

    def attack(frame: pl.DataFrame) -> pl.DataFrame:
        headers = frame["header"].to_list()
        headers[seq] = with_header(headers[seq], **changes)
        columns = [
            pl.when(pl.col("seq") == seq).then(pl.lit(value)).otherwise(pl.col(name)).alias(name) for name, value in changes.items()
        ]
        return frame.with_columns(pl.Series("header", headers), *columns)

    return attack


def unprivate(seq: int) -> Attack:
    """Another patient's record was opened, says the private part."""

    def attack(frame: pl.DataFrame) -> pl.DataFrame:
        is_it = pl.col("seq") == seq
        return frame.with_columns(
            pl.when(is_it).then(pl.col("private").str.replace('"P-1"', '"P-9"')).otherwise(pl.col("private")).alias("private"),
            pl.when(is_it).then(pl.lit("P-9")).otherwise(pl.col("patient_id")).alias("patient_id"),
        )

    return attack


# There is a checkpoint after 100, 200, 250 and 300 entries: the bad entry stands after the last of these that fits.
REBUILT: Sequence[object] = [
    pytest.param(edited(50, action="print"), 0, id="edit"),
    pytest.param(edited(199, outcome="denied"), 100, id="edit the last under a checkpoint"),
    pytest.param(unprivate(150), 100, id="edit a private part"),
    pytest.param(edited(310, action="print"), 300, id="edit under the newest checkpoint"),
    pytest.param(lambda frame: renumbered(frame[[n for n in range(COUNT) if n != 150]]), 100, id="delete"),
    pytest.param(lambda frame: renumbered(frame[[*range(60), 61, 60, *range(62, COUNT)]]), 0, id="swap"),
    pytest.param(lambda frame: renumbered(pl.concat([frame[:220], frame[217], frame[220:]])), 200, id="insert a copy"),
]


@pytest.mark.parametrize(("attack", "after"), REBUILT)
def test_rows_are_changed_and_everything_is_chained_anew(scene: Scene, attack: Attack, after: int) -> None:
    """The entry that is named is the first that no checkpoint speaks for any more."""
    rechain(scene, attack(scene.table("events")))

    assert first(scene.verify()) == (MARCH, after)


@pytest.mark.parametrize(("seq", "after", "log"), [(250, 200, MARCH), (320, 300, APRIL)])
def test_two_months_are_chained_anew(months: Scene, seq: int, after: int, log: str) -> None:
    """The genesis of the second is made to follow the end of the first."""
    rechain(months, edited(seq, action="print")(months.table("events")))

    assert first(months.verify()) == (log, after)


def test_only_the_entry_and_its_own_leaf_are_made_to_fit(scene: Scene) -> None:
    """The model of a checksum a row: the entry holds by itself, and the one after it does not follow it any more."""
    frame = scene.table("events")
    rechain(scene, edited(17, action="print")(frame))
    mine = scene.table("events").filter(pl.col("seq") == 17)
    scene.write("events", pl.concat([frame[:17], mine, frame[18:]]))

    assert first(scene.verify()) == (MARCH, 18)
