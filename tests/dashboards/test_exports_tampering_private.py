"""Private parts: given, withheld, or removed by the ledger; and what is done to them on the way."""

from collections.abc import Callable
from pathlib import Path

import pytest

from domain.merkle import leaf_hash, root
from tests.dashboards.exports_checkers import PROVEN, Answer, Given, ask
from tests.dashboards.exports_forge import Draft, Entry, Forge, ForgedLog, Line, event_line, outside_line, redaction_row


class Scene:
    """One log with three entries of P-2 and three hundred of P-1, and one of P-3 alone."""

    def __init__(self) -> None:
        self.forge = Forge()
        self.log, self.other = self.forge.log("main", 202603), self.forge.log("b", 202603)
        for number in range(304):
            self.forge.add(self.log, patient="P-1" if number > 3 else "P-2")
        self.forge.add(self.other, patient="P-3")

    def draft(self) -> Draft:
        """The export of P-1."""
        return self.forge.draft({"patient_id": "P-1"})


@pytest.fixture
def scene() -> Scene:
    """A ledger of its own for each test."""
    return Scene()


@pytest.fixture
def checked(tmp_path: Path) -> Callable[[Draft], Answer]:
    """What both checkers say, with the keys trusted."""
    return lambda draft: ask(draft.give(tmp_path / "x.zip"), Given(trust=draft.forge.keys.text))


def test_numbers_below_zero_are_none(scene: Scene, checked: Callable[[Draft], Answer]) -> None:
    """The ledger itself begins to count at -1."""
    outside = scene.draft()
    scene.log.first_seq, scene.log.entries = -1, []
    entry = scene.forge.add(scene.log, patient="P-1", action="print")
    assert entry.seq == -1
    outside.outside = [outside_line(scene.log, entry)]
    outside.asked["actions"] = ["view_chart"]

    assert checked(outside).says("scope", "entry -1 stands in another place than its body says")
    said = checked(scene.forge.draft({}))
    assert said.says("events", "events.jsonl line 2: entry -1 stands in another place than its body says")


@pytest.fixture
def redacted(scene: Scene) -> tuple[Draft, ForgedLog, list[Entry]]:
    """Three entries of the log are redacted, two of P-1 among them."""
    entries = [scene.log.entries[number] for number in (2, 10, 290)]
    for entry in entries:
        entry.is_redacted = True
    place = scene.forge.commit("redact", {"origin": scene.log.origin, "count": 3, "root": redaction_root(entries)})
    draft = scene.draft()
    draft.history = draft.redact_lines(scene.log, entries, place)[1:]
    return draft, scene.log, entries


def redaction_root(entries: list[Entry]) -> str:
    return root([leaf_hash(redaction_row(entry).encode()) for entry in entries]).hex()


def test_a_redaction_is_shown_by_the_ledger(
    redacted: tuple[Draft, ForgedLog, list[Entry]], checked: Callable[[Draft], Answer]
) -> None:
    said = checked(redacted[0])

    assert not said.failed
    assert said.claims["withheld"].why == ("0 are withheld, 2 were redacted before",)
    assert said.claims["scope"].state == PROVEN


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            lambda lines: lines.pop(0), "the ledger has no entry that the private part of entry 10 was removed", id="no line"
        ),
        pytest.param(lambda lines: lines.append(lines[0]), "stands here twice", id="twice"),
        pytest.param(lambda lines: lines[0].update(redact="log.example/b/2026-03"), "of another log", id="of another log"),
        pytest.param(lambda lines: lines[0].update(seq=11), "not one of this entry", id="another number"),
        pytest.param(lambda lines: lines[0].update(row=lines[1]["row"]), "not one of this entry", id="another row"),
        pytest.param(lambda lines: lines[0].update(row=lines[0]["row"][:-1]), "not one of this entry", id="a short row"),
        pytest.param(lambda lines: lines[0].update(index=0), "not under the root", id="another place"),
        pytest.param(lambda lines: lines[0].update(count=2), "another number of rows", id="another count"),
        pytest.param(lambda lines: lines[0].update(path=[]), "not under the root", id="no path"),
        pytest.param(lambda lines: lines[0].update(spine_path=[]), "not under the checkpoint", id="no spine"),
    ],
)
def test_redactions_that_do_not_hold(
    redacted: tuple[Draft, ForgedLog, list[Entry]],
    checked: Callable[[Draft], Answer],
    change: Callable[[list[Line]], object],
    words: str,
) -> None:
    change(redacted[0].history)

    said = checked(redacted[0])

    assert said.failed == {"withheld"}
    assert said.says("withheld", words), said.claims["withheld"]


def test_a_private_part_that_is_called_redacted_and_is_not(scene: Scene, checked: Callable[[Draft], Answer]) -> None:
    draft = scene.draft()
    draft.events[7] |= {"private_is": "redacted", "private": None, "salt": None}

    assert checked(draft).says(
        "withheld", "events.jsonl line 8: the ledger has no entry that the private part of entry 11 was removed"
    )


def test_a_redaction_of_what_is_given(redacted: tuple[Draft, ForgedLog, list[Entry]], checked: Callable[[Draft], Answer]) -> None:
    draft, log, entries = redacted
    number = next(place for place, event in enumerate(draft.events) if event["seq"] == 10)
    entries[1].is_redacted = False
    draft.events[number] = event_line(log, entries[1])

    assert checked(draft).says("withheld", "history.jsonl line 1: entry 10 is not one of the redacted events of this export")
