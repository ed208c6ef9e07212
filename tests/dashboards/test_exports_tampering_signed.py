"""What the ledger signs: its keys over time, its notes, the receipt, and the older checkpoints that a reader kept."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.checkpoint import Head
from domain.keyring import KeyRing
from domain.note import Signer
from tests.dashboards.exports_checkers import OPEN, PROVEN, Answer, Given, ask
from tests.dashboards.exports_forge import MALLORY, SIGNER, SUCCESSOR, Draft, Forge, Line, three_logs

OLD, NEW, UNKNOWN = (signer.verifier.text for signer in (SIGNER, SUCCESSOR, MALLORY))
THIRD = Signer(SIGNER.name, b"3" * 32)


@pytest.fixture
def forge() -> Forge:
    """A ledger of its own for each test: four entries in the spine."""
    return three_logs()


@pytest.fixture
def rotated(forge: Forge) -> Draft:
    """An export after the key changed at size 5."""
    place = forge.rotate()
    forge.commit_heads()
    draft = forge.draft({"patient_id": "P-2"})
    draft.history = [draft.rotation_line(place)]
    return draft


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., Answer]:
    """What both checkers say, with the original key trusted unless said otherwise."""

    def check(draft: Draft, trust: str | None = OLD, *, receipt: dict[str, object] | None = None, **given: object) -> Answer:
        return ask(draft.give(tmp_path / "x.zip", receipt_changes=receipt), Given(trust=trust, **given))  # type: ignore[arg-type]

    return check


# ---- Keys over time ----


@pytest.mark.parametrize(
    ("trust", "state"),
    [
        pytest.param(OLD, PROVEN, id="the old key"),
        pytest.param(NEW, PROVEN, id="the new key"),
        pytest.param(f"{OLD} 0 5\n{NEW} 5 -\n", PROVEN, id="the list"),
        pytest.param(f"{OLD} 0 -\n", PROVEN, id="the list as it was before"),
        pytest.param(f"{NEW} 5 -\n", PROVEN, id="the end of the list"),
        pytest.param(None, OPEN, id="nothing"),
    ],
)
def test_trust_passes_from_key_to_key(rotated: Draft, checked: Callable[..., Answer], trust: str | None, state: str) -> None:
    said = checked(rotated, trust)

    assert (said.exit_code, said.claims["signature"].state) == (0, state)
    assert said.says("signature", OLD)
    assert said.says("signature", NEW)


@pytest.mark.parametrize("trust", [OLD, NEW, THIRD.verifier.text, None])
def test_trust_passes_over_two_rotations(rotated: Draft, checked: Callable[..., Answer], trust: str | None) -> None:
    place = rotated.forge.rotate(THIRD)
    draft = rotated.forge.draft({"patient_id": "P-2"})
    for lines in ([draft.rotation_line(4), draft.rotation_line(place)], [draft.rotation_line(place), draft.rotation_line(4)]):
        draft.history = lines
        assert checked(draft, trust).exit_code == 0


def test_an_export_of_before_a_rotation_is_checked_with_the_list_of_after(forge: Forge, checked: Callable[..., Answer]) -> None:
    draft = forge.draft({"patient_id": "P-2"})

    assert checked(draft, f"{OLD} 0 900\n{NEW} 900 -\n").claims["signature"].state == PROVEN
    assert checked(draft, f"{OLD} 0 5\n{NEW} 5 -\n").failed == {"signature", "receipt"}


@pytest.mark.parametrize(
    ("trust", "words"),
    [
        pytest.param(UNKNOWN, "no known key signed the note", id="another key"),
        pytest.param(f"{OLD} 0 7\n{NEW} 7 -\n", "the rotation does not join the keys that are trusted", id="another size"),
        pytest.param(f"{NEW} 0 5\n{OLD} 5 -\n", "is not signed by the key that signs for this size", id="the other way round"),
    ],
)
def test_keys_that_are_not_trusted(rotated: Draft, checked: Callable[..., Answer], trust: str, words: str) -> None:
    said = checked(rotated, trust)

    assert "signature" in said.failed
    assert said.says("signature", words), said.claims["signature"]


@pytest.mark.parametrize("trust", [OLD, NEW, None])
def test_a_rotation_that_nothing_shows(rotated: Draft, checked: Callable[..., Answer], trust: str | None) -> None:
    rotated.history = []

    assert "signature" in checked(rotated, trust).failed


def test_an_old_key_signs_no_new_history(rotated: Draft, checked: Callable[..., Answer]) -> None:
    """The stolen seed of a key that was rotated out."""
    rotated.extra["checkpoint"] = rotated.forge.note(rotated.size, SIGNER).encode()

    said = checked(rotated)

    assert said.failed == {"signature"}
    assert said.says(
        "signature", f"checkpoint: the checkpoint of size {rotated.size} is not signed by the key that signs for this size"
    )


def test_a_new_key_signs_no_old_history(rotated: Draft, checked: Callable[..., Answer]) -> None:
    said = checked(rotated, since=rotated.forge.note(4, SUCCESSOR))

    assert said.failed == {"since"}
    assert said.says("since", "the older checkpoint: the checkpoint of size 4 is not signed by the key that signs for this size")


@pytest.mark.parametrize("signers", [[SIGNER], [SUCCESSOR], [MALLORY, SUCCESSOR], [SIGNER, MALLORY]])
@pytest.mark.parametrize("trust", [OLD, NEW, f"{OLD} 0 5\n{NEW} 5 -\n", None])
def test_a_rotation_signed_by_one_key_only(
    rotated: Draft, checked: Callable[..., Answer], signers: list[Signer], trust: str | None
) -> None:
    rotated.history = [rotated.rotation_line(4, rotated.forge.note(5, *signers))]

    said = checked(rotated, trust)

    assert "signature" in said.failed
    assert said.says("signature", "history.jsonl line 1: the checkpoint of the rotation is not signed by both keys")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda line: line.update(rotation=3), "not the one that ends in its entry", id="another number"),
        pytest.param(lambda line: line.update(spine_index=3), "is not under the checkpoint", id="another place"),
        pytest.param(lambda line: line.update(note="x"), "the note has control characters, or does not end", id="no note"),
        pytest.param(lambda line: line.pop("note"), "note is missing", id="nothing signed"),
        pytest.param(lambda line: line.update(consistency=1), "not of one of the kinds", id="of two kinds"),
    ],
)
def test_rotation_lines_that_do_not_fit(
    rotated: Draft, checked: Callable[..., Answer], change: Callable[[Line], object], words: str
) -> None:
    change(rotated.history[0])

    said = checked(rotated)

    assert said.failed >= {"signature"} or said.failed == {"tombstones"}
    assert any(said.says(name, words) for name in said.failed), said.claims


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("policy", {"key": NEW, "previous": OLD}),
        ("key-rotate", {"key": OLD, "previous": OLD}),
        ("key-rotate", {"key": "no key", "previous": OLD}),
        ("key-rotate", {"key": NEW}),
        ("key-rotate", {"key": Signer("other.example/spine", b"o" * 32).verifier.text, "previous": OLD}),
        ("key-rotate", {"key": NEW, "previous": UNKNOWN}),
    ],
)
def test_entries_that_rotate_nothing(forge: Forge, checked: Callable[..., Answer], kind: str, fields: dict[str, object]) -> None:
    place = forge.commit(kind, fields)
    draft = forge.draft({"patient_id": "P-2"})
    draft.history = [draft.rotation_line(place, forge.note(place + 1, SIGNER, SUCCESSOR, MALLORY))]

    assert checked(draft).failed == {"signature"}


def test_a_thief_leads_nobody_to_a_key_of_their_own(forge: Forge, checked: Callable[..., Answer]) -> None:
    """Mallory has no key of the ledger: signs a rotation alone, and everything after it."""
    forge.rotate(MALLORY)
    draft = forge.draft({"patient_id": "P-2"})
    note = MALLORY.sign(Head(SIGNER.name, 5, forge.root(5)).checkpoint)
    draft.history = [draft.rotation_line(4, note)]

    said = checked(draft)

    assert said.failed == {"signature", "receipt"}
    assert said.says("signature", "keys/ledger.keys line 1")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        pytest.param("", "keys/ledger.keys: it is no list of verifier keys", id="empty"),
        pytest.param("x", "keys/ledger.keys: it is no list of verifier keys", id="no key"),
        pytest.param(f"{OLD} 0\n", "keys/ledger.keys: it is no list of verifier keys", id="half a range"),
        pytest.param(f"{OLD} 0 6\n{NEW} 7 -\n", "keys/ledger.keys: it is no list of verifier keys", id="a gap"),
        pytest.param(f"{OLD} 0 06\n{NEW} 6 -\n", "keys/ledger.keys: it is no list of verifier keys", id="a zero in front"),
        pytest.param(UNKNOWN, "keys/ledger.keys line 1: the key is not one that is trusted", id="another key"),
        pytest.param(f"{OLD} 0 9\n{UNKNOWN} 9 -\n", "keys/ledger.keys line 1", id="a key more"),
        pytest.param(f"{OLD} 2 -\n", "keys/ledger.keys line 1", id="another range"),
    ],
)
def test_key_lists_that_do_not_fit(forge: Forge, checked: Callable[..., Answer], keys: str, words: str) -> None:
    draft = forge.draft({"patient_id": "P-2"})
    draft.keys = keys

    said = checked(draft)

    assert said.failed == {"signature"}
    assert said.says("signature", words), said.claims["signature"]


def test_an_old_key_signs_no_old_history_that_a_new_one_would_vouch_for(rotated: Draft, checked: Callable[..., Answer]) -> None:
    """The thief of the old key makes an export of before the rotation, for a reader who knows the new key alone."""
    forged = three_logs()
    draft = forged.draft({"patient_id": "P-9"})
    draft.size -= 2
    assert draft.size == 4
    draft.history = rotated.history
    draft.keys = rotated.keys

    said = checked(draft, NEW)

    assert "signature" in said.failed
    assert said.says("signature", "history.jsonl line 1: the key changed after the checkpoint")


def test_a_rotation_too_many(rotated: Draft, checked: Callable[..., Answer]) -> None:
    other = rotated.forge.clone()
    other.signers, other.keys = [MALLORY], KeyRing.of(MALLORY.verifier)
    place = other.rotate(THIRD)
    line: Line = {"rotation": place, "note": other.note(place + 1), **other.quote(place, place + 1)}
    rotated.history.append(line)

    assert checked(rotated).says("signature", "history.jsonl line 2: the rotation does not join the keys that are trusted")


def test_a_whole_ledger_of_somebody_else_is_told_by_its_key_only(checked: Callable[..., Answer]) -> None:
    """Everything is signed, by Mallory: without a trusted key nothing in the export can show that."""
    forge = three_logs()
    forge.signers, forge.keys = [MALLORY], KeyRing.of(MALLORY.verifier)
    draft = forge.draft({"patient_id": "P-2"})

    assert checked(draft, None).claims["signature"].state == OPEN
    assert not checked(draft, None).failed
    assert checked(draft, UNKNOWN).claims["signature"].state == PROVEN
    assert "signature" in checked(draft, OLD).failed


# ---- Notes ----


def junk(name: str, identity: bytes, size: int = 64) -> str:
    return f"— {name} {base64.b64encode(identity + bytes(size)).decode()}\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda note: note + junk("x.example/y", b"abcd") * 16, "", id="16 of unknown keys"),
        pytest.param(lambda note: note + junk(SIGNER.name, b"abcd") * 16, "", id="16 of its name"),
        pytest.param(lambda note: note + junk("x", SIGNER.verifier.key_id), "", id="one of its hash"),
        pytest.param(lambda note: note + junk("x", b"abcd", 5000), "", id="a long one"),
        pytest.param(lambda note: note + junk("x.example/y", b"abcd") * 64, "too many signatures", id="64 more"),
        pytest.param(lambda note: note + junk(SIGNER.name, SIGNER.verifier.key_id), "does not fit the note", id="one of its own"),
        pytest.param(lambda note: note + junk(SIGNER.name, SIGNER.verifier.key_id, 63), "does not fit the note", id="a short one"),
        pytest.param(lambda note: note.replace("\n", "\r\n"), "control characters", id="CRLF"),
        pytest.param(lambda note: note[:-1], "does not end with a newline", id="cut"),
        pytest.param(lambda note: note + "\n", "no signatures", id="an empty line at the end"),
        pytest.param(lambda note: note + "— x\n", "malformed signature line", id="no signature in it"),
        pytest.param(lambda note: note + "- x YWJjZGVm\n", "malformed signature line", id="another dash"),
        pytest.param(lambda note: note + "— x+y YWJjZGVm\n", "malformed signature line", id="a name with a plus"),
        pytest.param(lambda note: note + "— x YWJjZGV\n", "malformed signature line", id="half a base64"),
        pytest.param(lambda note: note + "— x YWJj\n", "malformed signature line", id="a short payload"),
        pytest.param(lambda note: note + "— x YWJjZGVmé\n", "malformed signature line", id="no ASCII"),
        pytest.param(lambda note: note + "— x\x00 YWJjZGVm\n", "control characters", id="a NUL"),
        pytest.param(lambda note: note.replace("\n\n", "\n", 1), "no signatures", id="no empty line"),
        pytest.param(lambda note: note.replace("spine\n", "spine\n1", 1), "does not fit the note", id="another size"),
        pytest.param(lambda note: "", "does not end with a newline", id="nothing"),
    ],
)
def test_notes_with_more_or_less_in_them(
    forge: Forge, checked: Callable[..., Answer], change: Callable[[str], str], words: str
) -> None:
    draft = forge.draft({"patient_id": "P-2"})
    draft.extra["checkpoint"] = change(draft.checkpoint).encode()

    said = checked(draft)

    assert said.failed == ({"signature"} if words else set()), said.claims
    if words:
        assert said.says("signature", words), said.claims["signature"]
        assert said.claims["events"].why == ("not reached, because of what failed",)


@pytest.mark.parametrize(
    "text",
    [
        "log.example/spine\n08\n{root}\n",
        "log.example/spine\n-8\n{root}\n",
        "log.example/spine\n8\n{root}=\n",
        "log.example/spine\n8\n{short}\n",
        "log.example/spine\n8\n",
        "log.example/spine\n99999999999999999999\n{root}\n",
        "other.example/spine\n8\n{root}\n",
        "log.example/spine\n8\n{root}\n\n\n",
        "log.example/spine\n" + "9" * 5000 + "\n{root}\n",
    ],
)
def test_checkpoints_that_are_none(forge: Forge, checked: Callable[..., Answer], text: str) -> None:
    """Signed by the ledger, whatever it says."""
    draft = forge.draft({"patient_id": "P-2"})
    root = forge.root(draft.size)
    text = text.format(root=base64.b64encode(root).decode(), short=base64.b64encode(root[:31]).decode())
    draft.extra["checkpoint"] = SIGNER.sign(text).encode()

    assert checked(draft).failed == {"signature"}


def test_an_extension_line_is_passed_over_and_bytes_that_are_no_text_are_not(forge: Forge, checked: Callable[..., Answer]) -> None:
    draft = forge.draft({"patient_id": "P-2"})
    draft.extra["checkpoint"] = SIGNER.sign(Head(SIGNER.name, draft.size, forge.root(draft.size)).checkpoint + "more\n").encode()
    assert not checked(draft).failed

    draft.extra["checkpoint"] = draft.checkpoint.encode() + b"\xe2\x80\x94 x \xff\n"
    assert checked(draft).says("signature", "checkpoint: it is not UTF-8")


# ---- The receipt and the manifest ----


def test_a_receipt_of_another_history(forge: Forge, checked: Callable[..., Answer]) -> None:
    """The ledger was forked after the export was made: the entry about it is in the other branch."""
    draft, other = forge.draft({"patient_id": "P-2"}), three_logs()
    other.commit("heads", {"seals": 2, "last_seal": 2})
    for _ in range(len(forge.bodies) - len(other.bodies)):
        other.commit("policy", {})
    draft.extra["checkpoint"] = draft.checkpoint.encode()
    draft.forge = other

    said = checked(draft)

    assert "receipt" in said.failed
    assert said.says("receipt", "its checkpoint is not of the same history as the file checkpoint")


@pytest.mark.parametrize(
    ("receipt", "words"),
    [
        ({"consistency": []}, "not of the same history"),
        ({"consistency": ["00" * 32]}, "not of the same history"),
        ({"consistency": None}, "consistency is missing"),
        ({"spine_index": 3}, "not under the checkpoint"),
        ({"spine_previous": "00" * 32}, "not under the checkpoint"),
        ({"checkpoint": "x"}, "does not end with a newline"),
    ],
)
def test_receipts_that_do_not_fit(forge: Forge, checked: Callable[..., Answer], receipt: dict[str, object], words: str) -> None:
    said = checked(forge.draft({"patient_id": "P-2"}), receipt=receipt)

    assert "receipt" in said.failed
    assert said.says("receipt", words), said.claims["receipt"]


def test_a_receipt_that_is_older_or_of_another_kind(forge: Forge, checked: Callable[..., Answer]) -> None:
    draft = forge.draft({"patient_id": "P-2"})
    older = {**forge.quote(4, 5), "checkpoint": forge.note(5)}
    assert checked(draft, receipt=older).says("receipt", "the spine entry is of kind heads, not export")

    place = forge.commit("export", {"manifest_sha256": "00" * 32})
    draft = forge.draft({"patient_id": "P-2"})
    early = {**forge.quote(place, place + 1), "checkpoint": forge.note(place + 1), "consistency": []}
    assert checked(draft, receipt=early).says("receipt", "not of the same history as the file checkpoint")
    late = {**forge.quote(place, len(forge.bodies)), "checkpoint": forge.note(len(forge.bodies))}
    late["consistency"] = forge.consistency(draft.size, len(forge.bodies))
    assert checked(draft, receipt=late).says("receipt", "it is not the manifest that the ledger recorded")


def test_a_receipt_that_nobody_signed(forge: Forge, checked: Callable[..., Answer]) -> None:
    draft = forge.draft({"patient_id": "P-2"})
    place = len(forge.bodies)
    said = checked(draft, receipt={"checkpoint": forge.note(place, MALLORY)})

    assert said.failed == {"signature", "receipt"}
    assert said.says("signature", "receipt.json: no known key signed the note")


@pytest.mark.parametrize("ledger", [{"size": 7}, {"root": "00" * 32}, {"origin": "x"}, {"more": 1}])
def test_a_manifest_that_names_another_checkpoint(
    forge: Forge, checked: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, ledger: dict[str, object]
) -> None:
    draft = forge.draft({"patient_id": "P-2"})
    honest = draft.manifest

    def manifest(files: dict[str, bytes]) -> Line:
        said = honest(files)
        return said | {"ledger": dict(said["ledger"]) | ledger}  # type: ignore[call-overload]

    monkeypatch.setattr(draft, "manifest", manifest)

    assert checked(draft).failed == {"files"}
