"""Leaving something out of an export, by whoever holds the ledger's key: the manifest fits, the receipt holds, all is signed."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from domain.index_tree import Dimension, index_key, tag
from tests.dashboards.exports_checkers import FAILED, OPEN, PROVEN, Answer, Given, ask
from tests.dashboards.exports_forge import SECRET, Draft, Entry, Forge, Line, outside_line, three_logs
from tests.dashboards.exports_scene import drop_log

JUST_TIMES = {"since", "later", "earlier", "quorum"}
"""What nobody claims of these exports."""


@pytest.fixture
def forge() -> Forge:
    """A ledger of its own for each test."""
    return three_logs()


@pytest.fixture
def answer(tmp_path: Path) -> Callable[[Draft], Answer]:
    """What both checkers say of an export with the ledger's keys trusted."""
    return lambda draft: ask(draft.give(tmp_path / "x.zip"), Given(trust=draft.forge.keys.text))


def is_print(entry: Entry) -> bool:
    return b'"action":"print"' in entry.body


def drop_event(draft: Draft, number: int) -> None:
    """An event and its path."""
    paths = [line for line in draft.proofs if "seq" in line]
    draft.proofs.remove(paths[number])
    del draft.events[number]


def index_of(draft: Draft, origin: str) -> Line:
    """The index line of a log."""
    return next(line for line in draft.index_lines if line["index"] == origin)


# ---- What an honest export proves ----


@pytest.mark.parametrize(
    ("asked", "wants", "events", "outside"),
    [
        pytest.param({"patient_id": "P-2"}, None, 116, 0, id="a patient"),
        pytest.param({"patient_id": "P-9"}, None, 0, 0, id="a patient without entries"),
        pytest.param({"actor_id": "bob"}, None, 173, 0, id="an actor"),
        pytest.param({"source_systems": ["ehr"]}, None, 343, 0, id="a source system"),
        pytest.param({"patient_id": "P-2", "actions": ["print"]}, is_print, 20, 96, id="some actions on a patient"),
        pytest.param({}, None, 343, 0, id="everything"),
        pytest.param({"sources": ["access"]}, None, 343, 0, id="a filter that everything passes"),
    ],
)
def test_an_export_with_everything_that_was_asked_for_is_proven(
    forge: Forge,
    answer: Callable[[Draft], Answer],
    asked: dict[str, object],
    wants: Callable[[Entry], bool],
    events: int,
    outside: int,
) -> None:
    said = answer(forge.draft(asked, wants=wants))

    assert (said.exit_code, said.open) == (0, JUST_TIMES)
    assert said.says("scope", f"3 logs, {events} events, {outside} outside")
    assert said.says("scope", "as of 2026-03-10T09:00:05")


def test_the_question_is_shown_because_the_answer_is_only_as_good(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    assert answer(forge.draft({"patient_id": "P-2"})).says("scope", 'what was asked for: {"patient_id":"P-2"}')


def test_a_log_without_entries_needs_no_index(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    empty = forge.log("c", 202603)
    draft = forge.draft({"patient_id": "P-1"})
    draft.index_lines.remove(index_of(draft, empty.origin))

    assert answer(draft).claims["scope"].state == PROVEN


# ---- Leaving events out ----


@pytest.mark.parametrize("number", [0, 1, 57, 115])
def test_one_event_left_out_is_missed(forge: Forge, answer: Callable[[Draft], Answer], number: int) -> None:
    draft = forge.draft({"patient_id": "P-2"})
    drop_event(draft, number)

    said = answer(draft)

    assert said.failed == {"scope"}
    assert said.says("scope", "entries of the subject; here are")


def test_a_log_left_out_is_missed(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    for with_index in (True, False):
        draft = forge.draft({"patient_id": "P-2"})
        drop_log(draft, "log.example/b/2026-02")
        if not with_index:
            draft.index_lines.remove(index_of(draft, "log.example/b/2026-02"))

        said = answer(draft)

        assert said.failed == {"scope"}
        assert said.says("scope", "here are 0" if with_index else "log.example/b/2026-02 is not accounted for")


def test_an_event_replaced_by_another_of_the_same_log_is_missed(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """The number fits, the digest does not."""
    draft, other = forge.draft({"patient_id": "P-2"}), forge.draft({"patient_id": "P-1"})
    draft.events[3] = other.events[0]  # the first three are of writer b
    place = [number for number, line in enumerate(draft.proofs) if "seq" in line][3]
    draft.proofs[place] = next(line for line in other.proofs if "seq" in line)

    assert answer(draft).failed == {"scope"}


def test_an_entry_missing_from_an_export_of_everything(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    everything, period = forge.draft({}), forge.draft({"since": "2026-01-01T00:00:00.000000Z"})
    for draft in (everything, period):
        drop_event(draft, 200)

    assert answer(everything).failed == {"scope"}
    said = answer(period)
    assert (said.claims["scope"].state, said.exit_code) == (OPEN, 0)
    assert said.says("scope", "1 entries are not here, and no proof says")
    assert said.claims["tombstones"].state == OPEN


def test_several_source_systems_have_no_index(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    draft = forge.draft({"source_systems": ["ehr", "lab"]})
    drop_event(draft, 3)

    assert answer(draft).claims["scope"].state == OPEN


# ---- Outside lines ----


@pytest.fixture
def partly(forge: Forge) -> Draft:
    """What was printed of P-2; the rest of P-2 is named as outside."""
    return forge.draft({"patient_id": "P-2", "actions": ["print"]}, wants=is_print)


@pytest.mark.parametrize("number", [0, 50, 95])
def test_an_outside_entry_left_out_is_missed(partly: Draft, answer: Callable[[Draft], Answer], number: int) -> None:
    del partly.outside[number]

    assert answer(partly).failed == {"scope"}


def test_an_outside_entry_that_was_asked_for_is_named(partly: Draft, answer: Callable[[Draft], Answer]) -> None:
    """An event is moved to the outside lines."""
    entry = next(entry for entry in partly.forge.logs[0].entries if entry.seq == partly.events[0]["seq"])
    drop_event(partly, 0)
    partly.outside.insert(3, outside_line(partly.forge.logs[0], entry))
    partly.outside.sort(key=lambda line: (str(line["outside"]), int(str(line["seq"]))))

    said = answer(partly)

    assert said.failed == {"scope"}
    assert said.says("scope", "is what was asked for, and is not among the events")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda lines: lines.insert(4, lines[3]), "out of order, or twice", id="twice"),
        pytest.param(lambda lines: lines.reverse(), "out of order, or twice", id="backwards"),
        pytest.param(lambda lines: lines[4].update(outside="log.example/x/2026-02"), "without an index line", id="unknown log"),
        pytest.param(lambda lines: lines[4].update(outside="log.example/b/2026-02"), "here are", id="another log"),
        pytest.param(lambda lines: lines[4].update(seq=1), "another place than its body", id="another number"),
        pytest.param(lambda lines: lines[4].update(previous="00" * 32), "or others than those", id="another leaf before it"),
        pytest.param(lambda lines: lines[4].update(body="{}"), "writer is missing", id="no body"),
        pytest.param(lambda lines: lines[4].update(body='{"time": 1}'), "canonical form", id="a body in another spelling"),
        pytest.param(lambda lines: lines[4].pop("body"), "body is missing", id="no body at all"),
        pytest.param(lambda lines: lines[4].update(index="x"), "not of one of the kinds", id="of two kinds"),
    ],
)
def test_outside_lines_that_do_not_fit(
    partly: Draft, answer: Callable[[Draft], Answer], change: Callable[[list[Line]], None], words: str
) -> None:
    change(partly.outside)

    said = answer(partly)

    assert said.failed == {"scope"}
    assert said.says("scope", words), said.claims["scope"]


def test_entries_that_were_made_up_account_for_no_log(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """As many outside lines as the log has entries: without an index line nothing ties them to it."""
    draft = forge.draft({"patient_id": "P-2", "actions": ["fly"]}, wants=lambda _: False)
    origin = forge.logs[1].origin
    draft.index_lines.remove(index_of(draft, origin))

    assert answer(draft).says("scope", "is of a log without an index line")
    draft = forge.draft({"patient_id": "P-2", "actions": ["fly"]}, wants=lambda _: False)
    draft.index_lines.remove(index_of(draft, origin))
    draft.outside = [line for line in draft.outside if line["outside"] != origin]
    assert answer(draft).says("scope", f"{origin} is not accounted for")


def test_an_event_that_is_outside_too_is_named(partly: Draft, answer: Callable[[Draft], Answer]) -> None:
    """Its header would have to say that it was not asked for: so the question is another."""
    partly.asked["actions"] = ["view_chart"]
    entry = next(entry for entry in partly.forge.logs[0].entries if entry.seq == partly.events[0]["seq"])
    partly.outside = [outside_line(partly.forge.logs[0], entry)]

    assert answer(partly).says("scope", f"entry {entry.seq} is among the events too")


def test_outside_lines_without_a_subject_have_no_place(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    draft = forge.draft({"actions": ["print"]}, wants=is_print)
    draft.outside = [outside_line(forge.logs[0], forge.logs[0].entries[1])]

    assert answer(draft).says("scope", "the line does not belong in this place")


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        ({"since": "2026-03-01T00:00:00.000000Z"}, PROVEN),
        ({"until": "2026-02-01T00:00:00.000000Z"}, PROVEN),
        ({"device_id": "ws-8"}, PROVEN),
        ({"actor_kinds": ["patient"]}, PROVEN),
        ({"actor_id": "carol"}, PROVEN),
        ({"outcomes": ["failure"]}, PROVEN),
        ({"sources": ["mail"]}, PROVEN),
        ({"source_systems": ["lab"]}, PROVEN),
        ({"ip": "192.0.2.9"}, OPEN),
        ({"text": "lunch"}, OPEN),
        ({"ip": "192.0.2.9", "outcomes": ["failure"]}, PROVEN),
        ({"something": "new"}, OPEN),
        ({"since": "2026-02-01T00:00:00.000000Z"}, FAILED),
        ({"until": "2026-03-10T00:00:00.000000Z"}, FAILED),
        ({"device_id": "ws-7"}, FAILED),
        ({"actor_kinds": ["staff"]}, FAILED),
        ({"source_systems": ["ehr"]}, FAILED),
    ],
)
def test_what_a_header_can_show(forge: Forge, answer: Callable[[Draft], Answer], asked: dict[str, object], state: str) -> None:
    """Everything of P-2 in one log of February is named as outside of what was asked."""
    draft = forge.draft({"patient_id": "P-2"}, wants=lambda _: False)
    draft.asked |= asked
    if state is FAILED:
        assert answer(draft).failed == {"scope"}
        return
    is_march = "since" in asked
    draft = forge.draft({"patient_id": "P-2"}, wants=lambda entry: is_march and entry.seq >= 300)
    draft.asked |= asked

    said = answer(draft)

    assert said.claims["scope"].state == state, said.claims["scope"]
    assert not said.failed


def test_a_personal_actor_is_named_in_the_private_part_only(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    forge.add(forge.logs[-1], kind="patient", actor="portal-1", patient="P-7")
    draft = forge.draft({"patient_id": "P-7", "actor_id": "portal-2"}, wants=lambda _: False)

    said = answer(draft)

    assert said.claims["scope"].state == OPEN
    assert said.says("scope", "1 entries were left out for what only their private part shows")


def test_no_outcome_is_asked_for_as_an_empty_one(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    forge.add(forge.logs[-1], patient="P-7", outcome=None)
    for outcomes, state in (([""], FAILED), (["success"], PROVEN)):
        draft = forge.draft({"patient_id": "P-7", "outcomes": outcomes}, wants=lambda _: False)
        assert answer(draft).claims["scope"].state == state


def test_a_period_that_ends_after_what_the_export_is_as_of(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    for until, state in (("2026-03-10T09:00:05.000000Z", PROVEN), ("2026-03-10T09:00:06.000001Z", OPEN)):
        draft = forge.clone().draft({"until": until})
        assert answer(draft).claims["scope"].state == state


@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        {"since": "2026-03-10"},
        {"until": 5},
        {"since": "2026-02-30T00:00:00.000000Z"},
        {"until": "2026-03-10T24:00:00.000000Z"},
        {"patient_id": None},
        {"actions": "print"},
        {"source_systems": [1]},
        {"actor_kinds": None},
    ],
)
def test_a_question_that_cannot_be_read(forge: Forge, answer: Callable[[Draft], Answer], asked: object) -> None:
    draft = forge.draft({})
    draft.asked = asked  # type: ignore[assignment]

    assert answer(draft).failed == {"scope"}


# ---- Claiming that there is nothing ----


def test_absence_with_rows_that_are_no_neighbours(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """P-2 has entries; the rows on both sides of it are shown as if nothing were between them."""
    draft = forge.draft({"patient_id": "P-2"})
    log = forge.logs[0]
    tree = log.index(Dimension.PATIENT)
    wanted = tag(index_key(SECRET, Dimension.PATIENT), "P-2")
    place = next(number for number in range(tree.size) if tree.row(number).tag == wanted)
    sides = {
        "left": None if place == 0 else tree.prove(tree.row(place - 1).tag).to_json(),
        "right": None if place == tree.size - 1 else tree.prove(tree.row(place + 1).tag).to_json(),
    }
    index_of(draft, log.origin)["proof"] = sides
    drop_log(draft, log.origin)

    said = answer(draft)

    assert said.failed == {"scope"}
    assert said.says("scope", "neither the subject's row nor that it has none")


def test_absence_under_another_key(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    """Under a key that the ledger did not commit to nobody has a row: two true neighbours would show that anyone has none."""
    draft = forge.draft({"patient_id": "P-2"})
    log = forge.logs[0]
    tree = log.index(Dimension.PATIENT)
    key = next(key for key in (sha256(bytes([n])).digest() for n in range(64)) if tree.prove(tag(key, "P-2")).found is None)
    index_of(draft, log.origin).update(key=key.hex(), proof=tree.prove(tag(key, "P-2")).to_json())
    drop_log(draft, log.origin)

    said = answer(draft)

    assert said.failed == {"scope"}
    assert said.says("scope", "scope.jsonl line 4: the index key is not the one that the ledger committed to")


@pytest.mark.parametrize("subject", ["P-1", "P-9", "p-2", "P-2 ", ""])
def test_the_proof_of_another_subject(forge: Forge, answer: Callable[[Draft], Answer], subject: str) -> None:
    draft = forge.draft({"patient_id": "P-2"})
    place = draft.index_lines.index(index_of(draft, "log.example/b/2026-02"))
    draft.index_lines[place] = draft.index_line(forge.logs[1], subject)
    drop_log(draft, "log.example/b/2026-02")

    assert answer(draft).failed == {"scope"}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda line, other: line.update(proof=other["proof"]), id="the proof of another log"),
        pytest.param(lambda line, other: line.update({**other, "index": line["index"]}), id="the line of another log"),
        pytest.param(lambda line, other: line.update(index="log.example/x/2026-02"), id="of a log that is none"),
        pytest.param(lambda line, other: line.update(index=other["index"]), id="two of one log"),
        pytest.param(lambda line, other: line.update(by="actor"), id="another dimension"),
        pytest.param(lambda line, other: line.update(by="diagnosis"), id="a dimension that is none"),
        pytest.param(lambda line, other: line.update(source="index"), id="another source"),
        pytest.param(lambda line, other: line.update(source="memory"), id="a source that is none"),
        pytest.param(lambda line, other: line.update(proof={"left": None, "right": None}), id="nothing on either side"),
        pytest.param(lambda line, other: line.update(proof={}), id="no proof"),
        pytest.param(lambda line, other: line.update(proof={**line["proof"], "left": None}), id="both proofs"),
        pytest.param(lambda line, other: line["proof"].update(index=1), id="another place"),
        pytest.param(lambda line, other: line["proof"].update(index=-1), id="a place below"),
        pytest.param(lambda line, other: line["proof"].update(row=line["proof"]["row"][:-2] + "00"), id="another digest"),
        pytest.param(lambda line, other: line["proof"].update(row="0" + line["proof"]["row"]), id="a row that is too long"),
        pytest.param(lambda line, other: line["proof"].update(path=line["proof"]["path"][:-1]), id="a path that is too short"),
    ],
)
def test_index_lines_that_do_not_fit(forge: Forge, answer: Callable[[Draft], Answer], change: Callable[[Line, Line], None]) -> None:
    draft = forge.draft({"patient_id": "P-2"})
    change(draft.index_lines[0], draft.index_lines[2])

    assert answer(draft).failed == {"scope"}


def test_an_index_entry_for_another_size_or_without_its_key(forge: Forge, answer: Callable[[Draft], Answer]) -> None:
    log = forge.logs[2]
    smaller = forge.clone()
    del smaller.logs[2].entries[-3:]
    forge.bodies, forge.leaves, forge.heads = smaller.bodies, smaller.leaves, smaller.heads
    early = smaller.commit_index(smaller.logs[2])
    draft = forge.draft({"patient_id": "P-2"})
    index_of(draft, log.origin).update(draft.quote(early), proof=smaller.logs[2].index(Dimension.PATIENT).prove(
        tag(index_key(SECRET, Dimension.PATIENT), "P-2")).to_json())  # fmt: skip
    assert answer(draft).says("scope", "the index entry is of another log, or of another size of it")

    bare = {name: {"size": one["size"], "root": one["root"]} for name, one in log.commitments().items()}  # type: ignore[index, call-overload]
    keyless = forge.commit(
        "index", {"origin": log.origin, "size": log.head.size, "root": log.head.root.hex(), "index": bare}, [log.head]
    )
    draft = forge.draft({"patient_id": "P-2"})
    index_of(draft, log.origin).update(draft.quote(keyless))
    assert answer(draft).says("scope", "key_sha256 is missing")
