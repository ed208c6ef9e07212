"""Attack: a month leaves the record in another way than by disposal: no tombstone, one that nobody signed or saw, one under a
legal hold.

A month may be gone when the signed spine holds its tombstone, of the log as it was sealed, and after it the `disposed` entry.
Anything else is a month that somebody took, named by its log and its first entry. The program disposes of nothing under a hold,
and of nothing that it has not archived and read back.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

from domain.errors import IntegrityError
from domain.json import Json
from retention.disposal import Result
from retention.holds import HoldRequest
from retention.policy import Decision
from store.engine import Engine
from store.fsck import Integrity
from store.retention import HoldScope, RetentionStore
from tests.adversarial.attacks import APRIL, MARCH, SPINE, Scene, first, is_intact, place, spine_row
from tests.dashboards.exports_checkers import OPEN, PROVEN, Answer, Given, ask
from tests.dashboards.exports_forge import POLICY, Draft, Forge, three_logs
from tests.dashboards.exports_scene import drop_log
from tests.retention.old_ledger import BY, NEXT, OLD, Fault, OldLedger, Stop, old_ledger
from tests.support.node import SIGNER

NOVEMBER = "log.example/main/2019-11"


def tombstone(scene: Scene, **changes: Json) -> dict[str, Json]:
    """The fields of March's tombstone, as the true one would be."""
    rows, seal = scene.table("events"), scene.engine.rows("SELECT heads FROM spine WHERE kind = 'seal'")[0][0]
    march = rows.filter(pl.col("epoch") == 202603)
    fields: dict[str, Json] = {
        "epoch": 202603, "writer": "main", "origin": MARCH, "first_seq": 0, "last_seq": 299, "count": 300,
        "first_leaf_prev": scene.table("logs")["previous"][0].hex(), "last_leaf": march["leaf"][-1].hex(),
        "root": str(seal).split(" ")[2], "archive_sha256": "00" * 32, "policy": "6 years", "run_by": "mallory", "approvers": [],
    }  # fmt: skip
    return fields | changes


DISPOSED: dict[str, Json] = {"epoch": 202603, "logs": 1, "run_by": "mallory"}


# ---- Taken by the database's administrator ----


def test_a_month_is_dropped_without_a_tombstone(months: Scene) -> None:
    months.sql("ALTER TABLE events DROP PARTITION 202603")

    said = months.verify()

    assert first(said) == (MARCH, 0)
    assert said.disposed == 0


def test_a_month_is_dropped_with_its_registration(months: Scene) -> None:
    months.sql("ALTER TABLE events DROP PARTITION 202603", "ALTER TABLE logs DELETE WHERE epoch = 202603")

    said = months.verify()

    assert said.integrity is Integrity.TAMPERED
    assert MARCH in {problem.log for problem in said.problems}


def test_a_tombstone_that_nobody_signed(months: Scene) -> None:
    """The administrator adds tombstone and `disposed` to the spine, chained as they should be: they are under no checkpoint."""
    fields = tombstone(months)
    for seq, (kind, said) in enumerate([("tombstone", fields), ("disposed", DISPOSED)], 5):
        months.write("spine", pl.concat([months.table("spine"), spine_row(months, seq, kind, said)]))
    months.sql("ALTER TABLE events DROP PARTITION 202603")

    assert first(months.verify()) == (MARCH, 0)


@pytest.mark.parametrize("at_once", [True, False], ids=["both at once", "one at each start"])
def test_a_tombstone_of_a_stranger_is_not_signed_at_the_next_start(months: Scene, at_once: bool) -> None:
    """What a stop can leave unsigned is one entry, which the writer itself was about to sign: a stranger's is not taken for it."""
    fields = tombstone(months)
    for kind, said in (("tombstone", fields), ("disposed", DISPOSED)):
        place = len(months.table("spine"))
        months.write("spine", pl.concat([months.table("spine"), spine_row(months, place, kind, said)]))
        if not at_once or kind == "disposed":
            with suppress(IntegrityError), months.start():
                pass
    months.sql("ALTER TABLE events DROP PARTITION 202603")

    assert first(months.verify()) == (MARCH, 0)


def test_a_disposal_that_nobody_signed(months: Scene) -> None:
    """A true tombstone, of a disposal that a hold stopped; the entry that says it was done is the administrator's own."""
    fields = tombstone(months)
    with months.start() as live:
        live.keeper.commit("tombstone", fields)
    place = len(months.table("spine"))
    months.write("spine", pl.concat([months.table("spine"), spine_row(months, place, "disposed", DISPOSED)]))
    months.sql("ALTER TABLE events DROP PARTITION 202603")

    assert first(months.verify()) == (MARCH, 0)


# ---- Signed, and not as it should be: by somebody with the key ----


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"root": "00" * 32}, (MARCH, 0)),
        ({"last_leaf": "00" * 32}, (MARCH, 0)),
        ({"origin": APRIL}, (SPINE, 6)),  # the `disposed` entry: March has no tombstone before it
    ],
    ids=["root", "last leaf", "another log"],
)
def test_a_tombstone_of_another_log_than_was_sealed(months: Scene, changes: Mapping[str, Json], where: tuple[str, int]) -> None:
    fields = tombstone(months, **changes)
    with months.start() as live:
        live.keeper.commit("tombstone", fields)
        live.keeper.commit("disposed", DISPOSED)
    months.sql("ALTER TABLE events DROP PARTITION 202603")

    said = months.verify()

    assert first(said) == where
    assert any("tombstone" in problem.what for problem in said.problems), said.problems


def test_a_tombstone_of_an_open_month(months: Scene) -> None:
    """It was never sealed, so it cannot be disposed of."""
    with months.start() as live:
        live.keeper.commit("tombstone", tombstone(months, epoch=202604, origin=APRIL, first_seq=300, last_seq=339, count=40))
        live.keeper.commit("disposed", {**DISPOSED, "epoch": 202604})
        months.sql("ALTER TABLE events DROP PARTITION 202604")

        assert first(live.verify()) == (APRIL, 300)
        live.ledger.close()


def test_a_tombstone_alone_disposes_of_nothing(months: Scene) -> None:
    """A disposal was decided and then stopped, for a hold; the month is dropped all the same."""
    fields = tombstone(months)
    with months.start() as live:
        live.keeper.commit("tombstone", fields)
    assert is_intact(months.verify())
    months.sql("ALTER TABLE events DROP PARTITION 202603")

    assert first(months.verify()) == (MARCH, 0)


def test_a_month_that_was_disposed_of_comes_back(months: Scene) -> None:
    """With other rows, who knows: it is named, and the tombstone still says what it was."""
    fields = tombstone(months)
    with months.start() as live:
        live.keeper.commit("tombstone", fields)
        live.keeper.commit("disposed", DISPOSED)

    said = months.verify()

    assert first(said) == (MARCH, 0)
    assert "rows of it are back" in said.problems[0].what
    months.sql("ALTER TABLE events DROP PARTITION 202603")
    assert is_intact(months.verify())
    assert months.verify().disposed == 1


# ---- By the program itself ----


@pytest.fixture
def old(engine: Engine, tmp_path: Path) -> Iterator[OldLedger]:
    with old_ledger(engine, tmp_path) as ledger:
        yield ledger


def test_a_month_under_a_legal_hold(old: OldLedger) -> None:
    """Nothing is archived, buried or dropped. Then the hold is released, and while the month is out of the table another is placed:
    its tombstone is signed by then, and it is attached again. Dropping it after that is named.
    """
    holds = old.holds()
    placed = holds.hold(HoldRequest(scope=HoldScope.PATIENT, subject="P-1", reason="subpoena", by="counsel"))
    assert old.disposal().run(BY) == []
    assert {item.decision for item in old.disposal().plan() if item.epoch in {OLD, NEXT}} == {Decision.HELD}
    assert (old.count(OLD), RetentionStore(old.engine).tombstones()) == (17, [])
    holds.release(placed.hold_id, by="counsel", reason="settled")

    class HoldComesIn(Fault):
        """Not a stop: at this moment counsel places a hold."""

        def call(self, step: str, run: Callable[[], object]) -> None:
            try:
                super().call(step, run)
            except Stop:
                holds.hold(HoldRequest(scope=HoldScope.ALL, reason="another subpoena", by="counsel"))

    outcome = old.disposal(HoldComesIn("detach", "after")).run(BY)[0]
    assert (outcome.epoch, outcome.result, old.count(OLD)) == (OLD, Result.HELD, 17)
    assert {one.epoch for one in RetentionStore(old.engine).tombstones()} == {OLD}
    assert is_intact(old.verify())

    old.engine.execute(f"ALTER TABLE events DROP PARTITION {OLD}")

    assert (NOVEMBER, 0) in {place(problem) for problem in old.verify().problems}


def test_a_month_that_was_changed_is_not_disposed_of(old: OldLedger) -> None:
    """Its tampering would leave with it: archiving compares with the seal first, and names the entry."""
    old.engine.execute(f"ALTER TABLE events UPDATE private = replaceOne(private, 'P-1', 'P-9') WHERE epoch = {OLD} AND seq = 3")

    with pytest.raises(IntegrityError, match="entry 3 "):
        old.disposal().run(BY)

    assert (old.count(OLD), RetentionStore(old.engine).tombstones()) == (17, [])


# ---- In an export ----


@pytest.fixture
def forge() -> Forge:
    return three_logs()


def disposed(forge: Forge, **lie: object) -> Draft:
    """An export of P-1 from a ledger whose February is gone."""
    places = [forge.dispose(log, **lie) for log in forge.logs[:2]]
    gone = forge.commit("disposed", {"epoch": 202602, "logs": 2, "run_by": "records.officer"})
    draft = forge.draft({"patient_id": "P-1"})
    for log in forge.logs[:2]:
        draft.index_lines = [line for line in draft.index_lines if line["index"] != log.origin]
    drop_log(draft, "log.example/main/2026-02")
    draft.history = [{"tombstone": log.origin, **draft.quote(place)} for log, place in zip(forge.logs, places, strict=False)]
    draft.history.append({"disposed": 202602, **draft.quote(gone)})
    return draft


def answer(draft: Draft, path: Path, policy: str | None = None) -> Answer:
    return ask(draft.give(path / "x.zip"), Given(trust=SIGNER.verifier.text, policy=policy))


def test_what_was_disposed_of_is_said(forge: Forge, tmp_path: Path) -> None:
    said = answer(disposed(forge), tmp_path)

    assert (said.failed, said.claims["tombstones"].state, said.claims["scope"].state) == (set(), PROVEN, OPEN)


@pytest.mark.parametrize(
    ("change", "claim", "words"),
    [
        pytest.param(lambda lines: lines.clear(), "scope", "log.example/main/2026-02 is not accounted for", id="nothing is said"),
        pytest.param(
            lambda lines: lines.pop(0),
            "tombstones",
            "history.jsonl line 2: the month was disposed of, and not every log",
            id="no tombstone",
        ),
        pytest.param(lambda lines: lines.pop(), "scope", "is not accounted for", id="a tombstone alone"),
        pytest.param(
            lambda lines: lines[0].update(spine_path=[]),
            "tombstones",
            "history.jsonl line 1: the spine entry is not under the checkpoint",
            id="one that nobody signed",
        ),
        pytest.param(
            lambda lines: lines[2].update(disposed=202601),
            "tombstones",
            "history.jsonl line 3: the entry is of another month",
            id="another month",
        ),
    ],
)
def test_a_month_that_is_gone_in_another_way(
    forge: Forge, tmp_path: Path, change: Callable[[list[dict[str, object]]], object], claim: str, words: str
) -> None:
    draft = disposed(forge)
    change(draft.history)

    said = answer(draft, tmp_path)

    assert claim in said.failed
    assert said.says(claim, words), said.claims[claim]


@pytest.mark.parametrize("lie", [{"root": "00" * 32}, {"count": 2}], ids=["root", "count"])
def test_a_tombstone_of_something_else(forge: Forge, tmp_path: Path, lie: dict[str, object]) -> None:
    said = answer(disposed(forge, **lie), tmp_path)

    assert said.failed == {"tombstones"}
    assert said.says("tombstones", "history.jsonl line 1: the tombstone is not of log.example/main/2026-02 as it was sealed")


def test_a_tombstone_that_no_witness_saw(forge: Forge, tmp_path: Path) -> None:
    """It is signed by the ledger alone: to a reader with a policy, what the checkpoint says is not proven to have been seen."""
    said = answer(disposed(forge), tmp_path, POLICY)

    assert said.claims["quorum"].state == OPEN
    assert said.says("quorum", "cosigned by no witness: that is no quorum")
