"""What can be done to an export on its way by somebody without the ledger's keys, and what both checkers say."""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from domain.note import Signer
from store.engine import Engine
from store.events import EventFilter
from tests.dashboards.exports_checkers import OPEN, Answer, Given, ask
from tests.dashboards.exports_desk import Files, export_house, pack, refit, resign, unpack
from tests.retention.old_ledger import emptied
from tests.support.node import SIGNER

MALLORY = Signer(SIGNER.name, b"m" * 32)
TRUST = Given(trust=SIGNER.verifier.text)

Change = Callable[[Files], None]


@pytest.fixture(scope="module")
def whole(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An export over two logs."""
    folder = tmp_path_factory.mktemp("export")
    with export_house(emptied(shared_engine), folder) as house:
        yield house.export(folder / "x.zip", wanted=EventFilter(patient_id="P-1"))


@pytest.fixture
def files(whole: Path) -> Files:
    """Its files."""
    return unpack(whole)


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., Answer]:
    """What both checkers say of files."""
    return lambda files, given=TRUST: ask(pack(files, tmp_path / "x.zip"), given)


def lines(files: Files, name: str) -> list[bytes]:
    return files[name].splitlines()


def put(files: Files, name: str, content: list[bytes]) -> None:
    files[name] = b"".join(line + b"\n" for line in content)


def edit(name: str, number: int, change: Callable[[dict[str, object]], None]) -> Change:
    """Change the object in one line of a file."""

    def alter(files: Files) -> None:
        content = lines(files, name)
        value = json.loads(content[number])
        change(value)
        content[number] = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        put(files, name, content)

    return alter


def replaced(field: str, old: str, new: str) -> Callable[[dict[str, object]], None]:
    def change(value: dict[str, object]) -> None:
        assert old in str(value[field])
        value[field] = str(value[field]).replace(old, new)

    return change


def assign(field: str, new: object) -> Callable[[dict[str, object]], None]:
    def change(value: dict[str, object]) -> None:
        assert field in value
        value[field] = new

    return change


def flip(field: str) -> Callable[[dict[str, object]], None]:
    def change(value: dict[str, object]) -> None:
        text = value[field]
        if isinstance(text, list):
            value[field] = [f"{int(text[0][0], 16) ^ 1:x}{text[0][1:]}", *text[1:]]
        else:
            value[field] = f"{int(str(text)[0], 16) ^ 1:x}{str(text)[1:]}"

    return change


def drop(event: int, proof: int) -> Change:
    def alter(files: Files) -> None:
        for name, number in (("events.jsonl", event), ("proofs.jsonl", proof)):
            content = lines(files, name)
            del content[number]
            put(files, name, content)

    return alter


def exchange(name: str, one: int, other: int) -> Change:
    def alter(files: Files) -> None:
        content = lines(files, name)
        content[one], content[other] = content[other], content[one]
        put(files, name, content)

    return alter


def both(*changes: Change) -> Change:
    def alter(files: Files) -> None:
        for change in changes:
            change(files)

    return alter


def twice(files: Files) -> None:
    for name, number in (("events.jsonl", 3), ("proofs.jsonl", 5)):
        content = lines(files, name)
        content.insert(number, content[number])
        put(files, name, content)


def test_the_whole_one_is_whole(whole: Path, tmp_path: Path) -> None:
    said = ask(whole, TRUST)

    assert (said.exit_code, said.open) == (0, {"since", "later", "earlier", "quorum"})


def test_a_flipped_bit_anywhere_in_any_file_is_found(files: Files, checked: Callable[..., Answer]) -> None:
    for name, content in files.items():
        step = max(1, len(content) // 6)
        for position in [*range(0, len(content), step), len(content) - 1]:
            changed = bytearray(content)
            changed[position] ^= 1
            said = checked({**files, name: bytes(changed)})
            assert said.exit_code != 0, (name, position)


SIXTH = "events.jsonl line 6"
FIRST_LOG = "proofs.jsonl line 1"


def event(change: Callable[[dict[str, object]], None]) -> Change:
    """Of the sixth event."""
    return edit("events.jsonl", 5, change)


def path(change: Callable[[dict[str, object]], None]) -> Change:
    """Of the sixth event."""
    return edit("proofs.jsonl", 7, change)


def without(name: str, part: bytes) -> Change:
    """The lines with this in them."""
    return lambda files: put(files, name, [line for line in lines(files, name) if part not in line])


def empty(name: str, content: bytes = b"") -> Change:
    """A file replaced."""
    return lambda files: files.update({name: content})


# The manifest is made to fit again; the ledger's receipt does not fit it any more, and the place is named as well.
@pytest.mark.parametrize(
    ("change", "claim", "place", "says"),
    [
        pytest.param(
            event(replaced("body", "view_chart", "view_notes")), "events", SIXTH, "leaf", id="a body"
        ),
        pytest.param(
            event(replaced("private", "P-1", "P-9")), "private", SIXTH, "private part", id="a private part"
        ),
        pytest.param(event(flip("salt")), "private", SIXTH, "private part", id="a salt"),
        pytest.param(event(flip("leaf")), "events", SIXTH, "leaf of entry 15", id="a leaf"),
        pytest.param(event(assign("seq", 16)), "events", SIXTH, "another place", id="a number"),
        pytest.param(event(assign("writer", "b")), "events", SIXTH, "another place", id="a writer"),
        pytest.param(
            event(assign("private_is", "withheld")), "private", SIXTH, "gives it", id="claim withheld"
        ),
        pytest.param(
            event(assign("private_is", "lost")), "private", SIXTH, "does not say", id="claim nothing"
        ),
        pytest.param(
            both(*[event(assign(name, new)) for name, new in
                   (("private", None), ("salt", None), ("private_is", "redacted"))]),
            "withheld", SIXTH, "the ledger has no entry", id="claim redacted",
        ),
        pytest.param(path(flip("path")), "events", SIXTH, "not in the ledger", id="a path"),
        pytest.param(path(flip("previous")), "events", SIXTH, "leaf", id="a previous leaf"),
        pytest.param(path(assign("index", 16)), "events", SIXTH, "not in the ledger", id="an index"),
        pytest.param(path(assign("seq", 3)), "events", SIXTH, "not that of entry", id="a proof"),
        pytest.param(edit("proofs.jsonl", 1, flip("root")), "events", "proofs.jsonl line 2", "tile 0 is not", id="a tile"),
        pytest.param(edit("proofs.jsonl", 1, assign("tile", 1)), "events", "proofs.jsonl line 2", "tile 1", id="a tile's number"),
        pytest.param(edit("proofs.jsonl", 0, flip("root")), "events", FIRST_LOG, "commit to this log", id="a log's root"),
        pytest.param(edit("proofs.jsonl", 0, assign("size", 99)), "events", FIRST_LOG, "commit to this", id="a log's size"),
        pytest.param(
            edit("proofs.jsonl", 0, assign("log", "log.example/b/2026-02")), "events", FIRST_LOG, "commit", id="a log's name"
        ),
        pytest.param(
            edit("proofs.jsonl", 0, replaced("spine_body", "seal", "heads")), "events", FIRST_LOG, "not under", id="an entry"
        ),
        pytest.param(
            both(exchange("events.jsonl", 2, 3), exchange("proofs.jsonl", 4, 5)), "order", "events.jsonl line 4", "order", id="swap"
        ),
        pytest.param(exchange("events.jsonl", 2, 3), "events", "events.jsonl line 3", "not that of", id="swap events only"),
        pytest.param(twice, "twice", "events.jsonl line 5", "out of order, or twice", id="an event twice"),
        pytest.param(empty("events.jsonl"), "count", FIRST_LOG, "without event", id="no events"),
        pytest.param(empty("proofs.jsonl"), "count", "proofs.jsonl", "fewer paths", id="no proofs"),
        pytest.param(
            without("proofs.jsonl", b'"heads_index"'), "events", FIRST_LOG, "any log",
            id="no log",
        ),
        pytest.param(
            without("proofs.jsonl", b'"tile"'),
            "events", "events.jsonl line 1", "not in the ledger", id="no tile",
        ),
        pytest.param(
            lambda files: files.update({"events.jsonl": files["events.jsonl"][:-1]}), "events", "events.jsonl", "line end", id="cut"
        ),
        pytest.param(empty("scope.jsonl"), "scope", "scope.jsonl", "vector of heads", id="no scope"),
        pytest.param(
            without("scope.jsonl", b'"heads"'), "scope", "scope.jsonl line 1", "vector of heads",
            id="no heads",
        ),
        pytest.param(
            without("scope.jsonl", b'"index":"log'), "scope", "scope.jsonl", "not accounted for",
            id="an index line",
        ),
        pytest.param(empty("history.jsonl", b"{}\n"), "tombstones", "history.jsonl line 1", "kinds", id="history"),
        pytest.param(empty("timestamps.jsonl", b"[]\n"), "later", "timestamps.jsonl line 1", "JSON", id="times"),
        pytest.param(drop(5, 7), "scope", "scope.jsonl line", "entries of the subject", id="leave an event out"),
        pytest.param(empty("events.csv", b"seq\n"), "receipt", "manifest.json", "not the manifest", id="the spreadsheet"),
        pytest.param(
            empty("completeness.json", b"{}\n"), "receipt", "manifest.json", "not the manifest", id="completeness"
        ),
    ],
)  # fmt: skip
def test_a_change_with_the_manifest_made_to_fit_is_named(
    files: Files, checked: Callable[..., Answer], change: Change, claim: str, place: str, says: str
) -> None:
    change(files)
    refit(files)

    said = checked(files)

    assert said.failed == {claim, "receipt"}
    assert any(why.startswith(place) and says in why for why in said.claims[claim].why), said.claims[claim]
    assert said.says("receipt", "it is not the manifest that the ledger recorded for this export")


@pytest.mark.parametrize(
    ("name", "old", "new", "claim", "says"),
    [
        ("checkpoint", b"log.example/spine\n", b"log.example/spin3\n", "signature", "checkpoint: the signature of"),
        ("receipt.json", b'"spine_index": ', b'"spine_index": 1', "receipt", "not under the checkpoint"),
        ("receipt.json", b'\\"kind\\":\\"export\\"', b'\\"kind\\":\\"exp0rt\\"', "receipt", "not under the checkpoint"),
        ("manifest.json", b"OCR audit", b"OCR lunch", "receipt", "not the manifest that the ledger recorded"),
        ("manifest.json", b'"README.txt"', b'"README.tx"', "files", "exactly the files of an export"),
        ("keys/ledger.keys", b" 0 -", b" 1 -", "signature", "keys/ledger.keys line 1"),
        ("policy.tlog-policy", b"none", b"many", "quorum", "policy.tlog-policy: it is no witness policy"),
    ],
)
def test_a_change_of_a_small_file_is_named(
    files: Files, checked: Callable[..., Answer], name: str, old: bytes, new: bytes, claim: str, says: str
) -> None:
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)

    said = checked(files)

    assert claim in said.failed
    assert said.says(claim, says), said.claims[claim]
    if name not in ("manifest.json", "receipt.json"):
        assert said.says("files", f"{name}: its bytes are not those that the manifest was made for")


def test_what_fits_is_said_up_to_the_first_that_does_not(files: Files, checked: Callable[..., Answer]) -> None:
    edit("events.jsonl", 5, flip("leaf"))(files)
    refit(files)

    said = checked(files)

    for name in ("order", "twice", "count", "private", "withheld", "scope", "later", "earlier", "tombstones"):
        assert said.claims[name].state == OPEN
        assert said.says(name, "5 events fit; checking stopped at the first that does not")


def test_the_receipt_of_another_entry_does_not_do(files: Files, checked: Callable[..., Answer]) -> None:
    receipt, other = json.loads(files["receipt.json"]), json.loads(lines(files, "scope.jsonl")[0])
    receipt |= {name: value for name, value in other.items() if name.startswith("spine")}
    receipt |= {"checkpoint": files["checkpoint"].decode(), "consistency": []}
    files["receipt.json"] = json.dumps(receipt).encode()

    assert checked(files).says("receipt", "receipt.json: the spine entry is of kind heads, not export")


def test_another_key_is_told_from_the_trusted_one(files: Files, checked: Callable[..., Answer]) -> None:
    resign(files, MALLORY)
    refit(files)

    trusted, untrusted = checked(files), checked(files, Given())

    assert trusted.says("signature", "keys/ledger.keys line 1: the key is not one that is trusted")
    assert trusted.says("signature", "checkpoint: no known key signed the note")
    assert untrusted.failed == {"receipt", "quorum", "later"}  # the policy and the older notes are of the true ledger
    assert untrusted.claims["signature"].state == OPEN


def test_more_entries_than_the_manifest_says(files: Files, checked: Callable[..., Answer]) -> None:
    manifest = json.loads(files["manifest.json"])
    manifest["counts"]["events"] += 1
    files["manifest.json"] = json.dumps(manifest).encode()

    said = checked(files)

    assert said.failed == {"count", "receipt"}
    assert said.says("count", "the manifest says another number")


@pytest.mark.parametrize("counts", [None, {}, {"events": "37"}, []])
def test_a_manifest_that_does_not_say_how_many(files: Files, checked: Callable[..., Answer], counts: object) -> None:
    manifest = json.loads(files["manifest.json"])
    manifest["counts"] = counts
    files["manifest.json"] = json.dumps(manifest).encode()

    assert checked(files).failed == {"count", "receipt"}


def test_a_file_that_the_manifest_lists_otherwise(files: Files, checked: Callable[..., Answer]) -> None:
    content = files["README.txt"]
    manifest = json.loads(files["manifest.json"])
    for claimed in ({"bytes": len(content)}, {"bytes": 1, "sha256": sha256(content).hexdigest()}, None, "x"):
        manifest["files"]["README.txt"] = claimed
        files["manifest.json"] = json.dumps(manifest).encode()
        assert checked(files).says("files", "README.txt: its bytes are not those that the manifest was made for")
