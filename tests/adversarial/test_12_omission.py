"""Attack: an export leaves something out: one event of the subject, a whole log, or it says that there is nothing about a patient
who has something.

The attacker is the ledger's operator: manifest, receipt and checkpoint are signed with the true key. What gives them away is what
the ledger committed to before it was asked: the vector of heads, the chain of seals, and an index tree of each log. File and line
are named.
"""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from domain.index_tree import Dimension, index_key, tag
from tests.dashboards.exports_checkers import OPEN, PROVEN, Answer, Given, ask
from tests.dashboards.exports_forge import SECRET, Draft, Forge, Line, three_logs
from tests.dashboards.exports_scene import drop_log

FEBRUARY, OTHER, MARCH = "log.example/main/2026-02", "log.example/b/2026-02", "log.example/main/2026-03"

# scope.jsonl of an export of one patient: heads, two seals (newest first), then an index line for each log.
LINE_OF = {FEBRUARY: 4, OTHER: 5, MARCH: 6}


@pytest.fixture
def forge() -> Forge:
    """Two sealed logs and an open one; P-2 is in all of them."""
    return three_logs()


@pytest.fixture
def answer(tmp_path: Path) -> Callable[[Draft], Answer]:
    """What both checkers say to a reader with the ledger's key."""
    return lambda draft: ask(draft.give(tmp_path / "x.zip"), Given(trust=draft.forge.keys.text))


def drop_event(draft: Draft, number: int) -> None:
    """Take an event and its path out."""
    draft.proofs.remove([line for line in draft.proofs if "seq" in line][number])
    del draft.events[number]


def index_of(draft: Draft, origin: str) -> Line:
    """The index line of a log."""
    return next(line for line in draft.index_lines if line["index"] == origin)


@pytest.mark.parametrize(
    ("asked", "events"),
    [
        ({"patient_id": "P-2"}, 116),
        ({"patient_id": "P-9"}, 0),
        ({"actor_id": "bob"}, 173),
        ({"source_systems": ["ehr"]}, 343),
        ({}, 343),
    ],
    ids=["a patient", "nobody", "an actor", "a source system", "everything"],
)
def test_what_is_whole_is_proven_whole(
    forge: Forge, answer: Callable[[Draft], Answer], asked: dict[str, object], events: int
) -> None:
    said = answer(forge.draft(asked))

    assert (said.failed, said.claims["scope"].state) == (set(), PROVEN)
    assert said.says("scope", f"3 logs, {events} events")


# Three events of log b come first, then 100 of February, 13 of March.
@pytest.mark.parametrize(("number", "origin"), [(0, OTHER), (3, FEBRUARY), (57, FEBRUARY), (115, MARCH)])
def test_one_event_is_left_out(forge: Forge, answer: Callable[[Draft], Answer], number: int, origin: str) -> None:
    draft = forge.draft({"patient_id": "P-2"})
    drop_event(draft, number)

    said = answer(draft)

    assert said.failed == {"scope"}
    assert said.says("scope", f"scope.jsonl line {LINE_OF[origin]}: {origin} has"), said.claims["scope"]


def test_an_event_is_replaced_by_one_of_somebody_else(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """The number fits, and what it is over does not."""
    draft, other = forge.draft({"patient_id": "P-2"}), forge.draft({"patient_id": "P-1"})
    paths = [number for number, line in enumerate(draft.proofs) if "seq" in line]
    draft.events[3], draft.proofs[paths[3]] = other.events[0], next(line for line in other.proofs if "seq" in line)

    said = answer(draft)

    assert said.failed == {"scope"}
    assert said.says("scope", f"scope.jsonl line {LINE_OF[FEBRUARY]}: ")


@pytest.mark.parametrize("origin", LINE_OF)
def test_a_log_is_left_out(forge: Forge, answer: Callable[[Draft], Answer], origin: str) -> None:
    """With its index line, and without."""
    for with_line in (True, False):
        draft = forge.clone().draft({"patient_id": "P-2"})
        drop_log(draft, origin)
        if not with_line:
            draft.index_lines.remove(index_of(draft, origin))

        said = answer(draft)

        assert said.failed == {"scope"}
        assert said.says(
            "scope", f"scope.jsonl line {LINE_OF[origin]}: {origin} has" if with_line else f"{origin} is not accounted for"
        )


def test_a_seal_is_left_out(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """A whole month kept out of sight: the chain of seals has a hole, and the seal that is missing is named by its place."""
    for number, place in ((0, 2), (1, 1)):
        draft = forge.clone().draft({"patient_id": "P-9"})
        del draft.seal_lines[number]
        draft.index_lines = [line for line in draft.index_lines if line["index"] != [OTHER, FEBRUARY][number]]

        said = answer(draft)

        assert "scope" in said.failed
        assert said.says("scope", f"seal at {place}"), said.claims["scope"]


def test_an_older_vector_of_heads_shows_its_age(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """Of before the last seals: it is true of that moment, and the export then says "as of" that moment."""
    draft = forge.draft({"until": "2026-03-10T09:00:30.000000Z"})
    draft.place = 0
    draft.write_scope()

    said = answer(draft)

    assert said.claims["scope"].state != PROVEN


def test_an_entry_of_everything_is_left_out(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    draft = forge.draft({})
    drop_event(draft, 200)

    said = answer(draft)

    assert said.failed == {"scope"}
    assert said.says("scope", f"{FEBRUARY} is not accounted for: it has 300 entries, of which 299 are here")


def test_what_no_index_is_made_of_is_not_proven(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """A period without a subject: what is left out does not show, and the export does not claim that it would."""
    draft = forge.draft({"since": "2026-01-01T00:00:00.000000Z"})
    drop_event(draft, 200)

    said = answer(draft)

    assert (said.failed, said.claims["scope"].state) == (set(), OPEN)
    assert said.says("scope", "1 entries are not here, and no proof says")


# ---- "There is nothing about P-2" ----


def nothing(forge: Forge) -> Draft:
    """An export of P-2 without any event of February of `main`."""
    draft = forge.draft({"patient_id": "P-2"})
    drop_log(draft, FEBRUARY)
    return draft


def test_neighbours_that_are_none(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """The rows on both sides of the subject's, as if nothing were between them."""
    draft, tree = nothing(forge), forge.logs[0].index(Dimension.PATIENT)
    wanted = tag(index_key(SECRET, Dimension.PATIENT), "P-2")
    place = next(number for number in range(tree.size) if tree.row(number).tag == wanted)
    index_of(draft, FEBRUARY)["proof"] = {
        "left": None if place == 0 else tree.prove(tree.row(place - 1).tag).to_json(),
        "right": None if place == tree.size - 1 else tree.prove(tree.row(place + 1).tag).to_json(),
    }

    said = answer(draft)

    assert said.failed == {"scope"}
    assert said.says("scope", f"scope.jsonl line {LINE_OF[FEBRUARY]}: the index proof shows neither")


def test_another_index_key(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """Under a key of the attacker's choice true neighbours lie on both sides of where the subject would be: the ledger committed
    to its key.
    """
    draft, tree = nothing(forge), forge.logs[0].index(Dimension.PATIENT)
    key = next(key for key in (sha256(bytes([n])).digest() for n in range(64)) if tree.prove(tag(key, "P-2")).found is None)
    index_of(draft, FEBRUARY).update(key=key.hex(), proof=tree.prove(tag(key, "P-2")).to_json())

    said = answer(draft)

    assert said.failed == {"scope"}
    assert said.says("scope", f"scope.jsonl line {LINE_OF[FEBRUARY]}: the index key is not the one that the ledger committed to")


@pytest.mark.parametrize("subject", ["P-1", "P-9", "P-2 ", "p-2"])
def test_the_proof_of_somebody_else(forge: Forge, answer: Callable[[Draft], Answer], subject: str) -> None:
    draft = nothing(forge)
    place = draft.index_lines.index(index_of(draft, FEBRUARY))
    draft.index_lines[place] = draft.index_line(forge.logs[0], subject)

    said = answer(draft)

    assert said.failed == {"scope"}
    assert said.says("scope", f"scope.jsonl line {LINE_OF[FEBRUARY]}: ")


def test_the_tree_of_another_log_or_dimension(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    for change in ({"by": "actor"}, {"source": "index"}, {"index": MARCH}):
        draft = nothing(forge.clone())
        index_of(draft, FEBRUARY).update(change)

        assert answer(draft).failed == {"scope"}


def test_what_was_not_asked_for_is_shown_not_to_be(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """A printout moved among the entries that are "outside of what was asked": its own header says that it was asked for."""

    def is_print(entry: object) -> bool:
        return b'"action":"print"' in entry.body  # type: ignore[attr-defined]

    whole = forge.draft({"patient_id": "P-2", "actions": ["print"]}, wants=is_print)
    assert answer(whole).claims["scope"].state == PROVEN
    lying = forge.clone().draft({"patient_id": "P-2", "actions": ["print"]}, wants=lambda entry: is_print(entry) and entry.seq != 5)

    said = answer(lying)

    assert said.failed == {"scope"}
    assert said.says("scope", "entry 5 is what was asked for, and is not among the events")
