"""Keeping a whole log out of sight of an export, by whoever holds the ledger's key; and months that were disposed of."""

from collections.abc import Callable
from pathlib import Path

import pytest

from domain.checkpoint import Head
from tests.dashboards.exports_checkers import OPEN, PROVEN, Answer, Given, ask
from tests.dashboards.exports_forge import Draft, Forge, event_line, three_logs
from tests.dashboards.exports_scene import drop_log


@pytest.fixture
def forge() -> Forge:
    """A ledger of its own for each test."""
    return three_logs()


@pytest.fixture
def answer(tmp_path: Path) -> Callable[[Draft], Answer]:
    """What both checkers say of an export with the ledger's keys trusted."""
    return lambda draft: ask(draft.give(tmp_path / "x.zip"), Given(trust=draft.forge.keys.text))


# ---- Keeping a whole log out of sight ----


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda draft: draft.seal_lines.pop(0), "this is not the seal at 2", id="the newest seal"),
        pytest.param(lambda draft: draft.seal_lines.pop(1), "the seal at 1 is missing", id="the oldest seal"),
        pytest.param(lambda draft: draft.seal_lines.clear(), "the seal at 2 is missing", id="all seals"),
        pytest.param(lambda draft: draft.seal_lines.reverse(), "this is not the seal at 2", id="another order"),
        pytest.param(lambda draft: draft.seal_lines.append(draft.seal_lines[1]), "does not belong in this place", id="one twice"),
        pytest.param(lambda draft: draft.seal_lines[0].update(seal="log.example/c/2026-02"), "not the seal", id="another name"),
        pytest.param(lambda draft: draft.seal_lines[0].update(draft.quote(0)), "is of kind heads, not seal", id="another kind"),
        pytest.param(lambda draft: draft.heads_line["heads"].pop(), "are not the ones", id="a head"),
        pytest.param(lambda draft: draft.heads_line.update(heads=[]), "are not the ones", id="all heads"),
        pytest.param(
            lambda draft: draft.heads_line.update(heads=draft.heads_line["heads"] * 2), "in order of origin", id="a head twice"
        ),
        pytest.param(lambda draft: draft.heads_line.update(heads="x"), "not the vector of heads", id="no heads"),
        pytest.param(
            lambda draft: draft.heads_line.update(heads=["a +1 " + "0" * 64]), "lines in order", id="a head in another spelling"
        ),
        pytest.param(lambda draft: draft.heads_line.update(draft.quote(1)), "is of kind seal, not heads", id="another entry"),
        pytest.param(lambda draft: draft.heads_line.update(draft.quote(0)), "are not the ones", id="an older entry"),
    ],
)
def test_a_log_kept_out_of_sight(
    forge: Forge, answer: Callable[[Draft], Answer], change: Callable[[Draft], object], words: str
) -> None:
    draft = forge.draft({"patient_id": "P-9"})
    change(draft)

    said = answer(draft)

    assert said.failed == {"scope"}
    assert said.says("scope", words), said.claims["scope"]


def test_an_older_vector_from_before_a_log_shows_its_age(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """The older `heads` entry is true: it says of itself as of when it is, and a period that goes on is not proven."""
    old = forge.commit_heads()
    late = forge.log("c", 202603)
    forge.add(late, patient="P-9")
    draft = forge.draft({"patient_id": "P-9", "until": "2026-03-10T09:00:06.500000Z"})
    draft.place = old
    draft.write_scope()
    draft.index_lines = [line for line in draft.index_lines if line["index"] != late.origin]
    drop_log(draft, late.origin)
    draft.index_lines[2] |= {"source": "index"}

    said = answer(draft)

    assert said.claims["scope"].state == OPEN
    assert said.says("scope", "what is here is as of 2026-03-10T09:00:05")


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(lambda forge: forge.seal(forge.logs[2], previous_seal=1), id="a seal is passed over"),
        pytest.param(lambda forge: forge.seal(forge.logs[2], previous_seal=None), id="the chain begins anew"),
        pytest.param(lambda forge: forge.seal(forge.logs[2], seals=0), id="the number is smaller"),
        pytest.param(lambda forge: forge.seal(forge.logs[2], previous_seal=99), id="the seal before is yet to come"),
        pytest.param(lambda forge: forge.seal(forge.logs[2], size=39), id="another size than the head"),
    ],
)
def test_a_seal_that_lies(forge: Forge, answer: Callable[[Draft], Answer], lie: Callable[[Forge], object]) -> None:
    lie(forge)
    draft = forge.draft({"patient_id": "P-9"})
    draft.index_lines = []

    assert answer(draft).failed == {"scope"}


def test_a_log_that_is_sealed_twice_or_grows_after(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    twice = forge.clone()
    twice.seal(twice.logs[0])
    assert answer(twice.draft({"patient_id": "P-9"})).says("scope", "the log has another seal")

    place = forge.commit("heads", {"seals": 2, "last_seal": 2}, [log.head for log in forge.logs])
    draft = forge.draft({"patient_id": "P-9"})
    draft.place = place
    draft.write_scope()
    assert answer(draft).says("scope", "or is among the heads of those that have none")


def test_a_log_at_another_size_than_the_vector_has_it(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """The events are proven under a smaller tree of the same log, in which the newest are missing."""
    newest = forge.logs[2].entries[-10:]
    del forge.logs[2].entries[-10:]
    small = forge.draft({})
    forge.logs[2].entries += newest
    late = forge.draft({})
    for line in small.proofs:
        if "log" in line:
            line.update(late.quote(int(str(line["spine_index"]))))
    late.proofs = small.proofs
    late.events = small.events
    start = next(number for number, line in enumerate(late.proofs, 1) if line.get("log") == "log.example/main/2026-03")

    said = answer(late)

    assert said.failed == {"scope"}
    assert said.says("scope", f"proofs.jsonl line {start}: the log is not as the vector of heads")


def test_an_event_of_a_log_that_is_in_no_vector(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    stray = forge.log("stray", 202603)
    forge.add(stray, patient="P-9")
    place = forge.commit_heads([stray])
    forge.logs.remove(stray)
    draft = forge.draft({"patient_id": "P-9"})
    entry = stray.entries[0]
    draft.proofs = [
        {"log": stray.origin, "writer": "stray", "size": 1, "root": stray.head.root.hex(), "heads_index": 0, "heads_count": 1,
         "heads_path": [], **draft.quote(place)},
        {"tile": 0, "root": stray.head.root.hex(), "path": []},
        {"seq": 0, "index": 0, "previous": entry.previous.hex(), "path": []},
    ]  # fmt: skip
    draft.events = [event_line(stray, entry)]

    assert answer(draft).says("scope", "proofs.jsonl line 1: the log is not as the vector of heads")


def test_a_head_of_another_log_in_the_vector(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """A vector that claims a log nobody knows: it has no index line, so it is not accounted for."""
    place = forge.commit(
        "heads", {"seals": 2, "last_seal": 2}, [forge.logs[2].head, Head("log.example/ghost/2026-03", 4, b"x" * 32)]
    )
    draft = forge.draft({"patient_id": "P-9"})
    draft.place = place
    draft.write_scope()

    assert answer(draft).says("scope", "log.example/ghost/2026-03 is not accounted for: it has 4 entries")


# ---- Months disposed of ----


@pytest.fixture
def disposed(forge: Forge) -> Draft:
    """An export of P-1 from a ledger whose February is gone."""
    places = [forge.dispose(log) for log in forge.logs[:2]]
    gone = forge.commit("disposed", {"epoch": 202602, "logs": 2, "run_by": "records.officer"})
    draft = forge.draft({"patient_id": "P-1"})
    for log in forge.logs[:2]:
        draft.index_lines = [line for line in draft.index_lines if line["index"] != log.origin]
    drop_log(draft, "log.example/main/2026-02")
    draft.history = [{"tombstone": log.origin, **draft.quote(place)} for log, place in zip(forge.logs, places, strict=False)]
    draft.history.append({"disposed": 202602, **draft.quote(gone)})
    return draft


def test_what_was_disposed_of_is_said_and_keeps_the_scope_open(disposed: Draft, answer: Callable[[Draft], Answer]) -> None:
    said = answer(disposed)

    assert (said.exit_code, said.claims["tombstones"].state, said.claims["scope"].state) == (0, PROVEN, OPEN)
    assert said.says("tombstones", "202602: 2 logs with 303 entries")
    assert said.says("scope", "what was disposed of after retention is not here: log.example/b/2026-02, log.example/main/2026-02")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            lambda lines: lines.pop(0), "not every log of it has its tombstone: log.example/main/2026-02", id="no tombstone"
        ),
        pytest.param(lambda lines: lines[0].update(tombstone="log.example/b/2026-02"), "of another log", id="of another log"),
        pytest.param(lambda lines: lines[2].update(disposed=202601), "of another month", id="another month"),
        pytest.param(lambda lines: lines.append(lines[2]), "stands here twice", id="a month twice"),
        pytest.param(lambda lines: lines[2].update(spine_path=[]), "is not under the checkpoint", id="no proof"),
        pytest.param(
            lambda lines: lines[2].update({key: lines[0][key] for key in lines[0] if "spine" in key}),
            "not disposed",
            id="another kind",
        ),
        pytest.param(lambda lines: lines[0].update(disposed=202602), "not of one of the kinds", id="of two kinds"),
    ],
)
def test_a_month_that_is_gone_without_its_entries(
    disposed: Draft, answer: Callable[[Draft], Answer], change: Callable[[list[dict[str, object]]], None], words: str
) -> None:
    change(disposed.history)

    said = answer(disposed)

    assert "tombstones" in said.failed
    assert said.says("tombstones", words), said.claims["tombstones"]


def test_a_tombstone_alone_disposes_of_nothing(disposed: Draft, answer: Callable[[Draft], Answer]) -> None:
    """Between the tombstone and the `disposed` entry the log is still there, and has to be accounted for."""
    disposed.history.pop()

    said = answer(disposed)

    assert said.failed == {"scope"}
    assert said.says("scope", "log.example/main/2026-02 is not accounted for")


@pytest.mark.parametrize("changes", [{"root": "00" * 32}, {"count": 299}, {"epoch": 202603}])
def test_a_tombstone_of_another_log_than_was_sealed(
    forge: Forge, answer: Callable[[Draft], Answer], changes: dict[str, object]
) -> None:
    place = forge.dispose(forge.logs[1], **changes)
    gone = forge.commit("disposed", {"epoch": 202602, "logs": 1, "run_by": "records.officer"})
    draft = forge.draft({"patient_id": "P-1"})
    draft.history = [{"tombstone": forge.logs[1].origin, **draft.quote(place)}, {"disposed": 202602, **draft.quote(gone)}]

    assert answer(draft).failed == {"tombstones"}


def test_a_month_disposed_of_before_its_tombstone(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """Of two tombstones the later holds, and that one comes too late."""
    first, gone, second = (
        forge.dispose(forge.logs[1]),
        forge.commit("disposed", {"epoch": 202602, "logs": 1, "run_by": "x"}),
        forge.dispose(forge.logs[1]),
    )
    draft = forge.draft({"patient_id": "P-9"})
    draft.index_lines = [line for line in draft.index_lines if line["index"] != forge.logs[1].origin]
    for places in ([first, second], [second, first]):
        draft.history = [{"tombstone": forge.logs[1].origin, **draft.quote(place)} for place in places]
        draft.history.append({"disposed": 202602, **draft.quote(gone)})
        assert answer(draft).failed == {"scope", "tombstones"}
        draft = forge.draft({"patient_id": "P-9"})
        draft.index_lines = [line for line in draft.index_lines if line["index"] != forge.logs[1].origin]
