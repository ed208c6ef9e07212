"""README.txt of an export, followed to the letter with SHA-256, HMAC and Ed25519 alone: nothing of this program takes part."""

import base64
import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from store.engine import Engine
from store.events import EventFilter
from tests.dashboards.exports_desk import Files, old_house, refit, unpack
from tests.retention.old_ledger import emptied

Line = Mapping[str, Any]
Tree = tuple[int, bytes]
"""Size and root."""


def sha(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def read(text: bytes) -> Line:
    """JSON in its one spelling."""
    value = json.loads(text)
    assert json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == text
    return dict(value)


def lines(files: Files, name: str) -> list[Line]:
    return [read(line) for line in files[name].splitlines()]


def signed_tree(note: str, keys: str) -> Tree:
    """(2) Size and root of a checkpoint, signed by every key whose sizes its size lies in."""
    text, signatures = note.split("\n\n")
    text += "\n"
    origin, said, root = text.splitlines()
    size, needed = int(said), 0
    for line in keys.splitlines():
        key, first, last = line.split(" ")
        if not int(first) <= size <= (size if last == "-" else int(last)):
            continue
        needed += 1
        name, _, encoded = key.split("+", 2)
        public = base64.b64decode(encoded)[1:]
        assert name == origin
        key_id = sha(name.encode(), b"\n\x01", public)[:4]
        parts = [one.split(" ") for one in signatures.splitlines()]
        mine = [payload for _, signer, payload in parts if signer == name and base64.b64decode(payload)[:4] == key_id]
        assert mine, "not signed by this key"
        for payload in mine:
            Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(payload)[4:], text.encode())
    assert needed
    return size, base64.b64decode(root)


def included(leaf: bytes, index: int, tree: Tree, path: Sequence[str]) -> bool:
    """(3)"""
    first, second, result = index, tree[0] - 1, leaf
    assert 0 <= index <= second
    for text in path:
        sibling = bytes.fromhex(text)
        if second == 0:
            return False
        if first % 2 == 1 or first == second:
            result = sha(b"\x01", sibling, result)
            while first % 2 == 0 and first != 0:
                first, second = first // 2, second // 2
        else:
            result = sha(b"\x01", result, sibling)
        first, second = first // 2, second // 2
    return second == 0 and result == tree[1]


def consistent(old: Tree, new: Tree, path: Sequence[str]) -> bool:
    """(3)"""
    if old[0] == new[0]:
        return not path and old == new
    if old[0] == 0:
        return not path
    nodes = [bytes.fromhex(text) for text in path]
    if old[0] & (old[0] - 1) == 0:
        nodes.insert(0, old[1])
    first, second = old[0] - 1, new[0] - 1
    while first % 2:
        first, second = first // 2, second // 2
    a = b = nodes[0]
    for node in nodes[1:]:
        if second == 0:
            return False
        if first % 2 == 1 or first == second:
            a, b = sha(b"\x01", node, a), sha(b"\x01", node, b)
            while first % 2 == 0 and first != 0:
                first, second = first // 2, second // 2
        else:
            b = sha(b"\x01", b, node)
        first, second = first // 2, second // 2
    return second == 0 and (a, b) == (old[1], new[1])


def root_of(leaves: Sequence[bytes]) -> bytes:
    """(9)"""
    row = list(leaves)
    while len(row) > 1:
        row = [sha(b"\x01", *row[at : at + 2]) if at + 1 < len(row) else row[at] for at in range(0, len(row), 2)]
    return row[0] if row else sha(b"")


def entry_of(line: Line, tree: Tree, kind: str) -> Line:
    """(3) A spine entry."""
    leaf = sha(b"\x00", bytes.fromhex(line["spine_previous"]), line["spine_body"].encode())
    assert included(leaf, line["spine_index"], tree, line["spine_path"])
    body = read(line["spine_body"].encode())
    assert kind in ("", body["kind"])
    return body


class Reader:
    """Follows the steps. `spine` is the tree of the file checkpoint; `logs` are the log lines by origin."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.keys = files["keys/ledger.keys"].decode()
        self.manifest = json.loads(files["manifest.json"])
        self.spine: Tree = (0, b"")
        self.logs: dict[str, Line] = {}
        self.offsets: dict[str, int] = {}
        self.leaves: dict[str, list[tuple[int, bytes]]] = {}

    def follow(self) -> int:
        """Steps (1) to (11). Returns the number of events."""
        # (1)
        for name, said in self.manifest["files"].items():
            assert said == {"bytes": len(self.files[name]), "sha256": sha256(self.files[name]).hexdigest()}, name
        assert set(self.files) - set(self.manifest["files"]) == {"manifest.json", "receipt.json"}
        # (2)
        self.spine = signed_tree(self.files["checkpoint"].decode(), self.keys)
        # (4)
        receipt = json.loads(self.files["receipt.json"])
        newest = signed_tree(receipt["checkpoint"], self.keys)
        recorded = entry_of(receipt, newest, "export")["fields"]["manifest_sha256"]
        assert recorded == sha256(self.files["manifest.json"]).hexdigest()
        assert consistent(self.spine, newest, receipt["consistency"])
        return self.under_checkpoint()

    def under_checkpoint(self) -> int:
        """Steps (5) to (11)."""
        number = self.events()
        self.scope()
        self.history()
        self.times()
        return number

    def events(self) -> int:
        """(6) to (8)"""
        events, proofs = lines(self.files, "events.jsonl"), list(self.paths())
        assert len(events) == len(proofs) == self.manifest["counts"]["events"]
        redacted = {(line["redact"], line["seq"]): line for line in lines(self.files, "history.jsonl") if "redact" in line}
        last: dict[str, int] = {}
        for event, (log, tile, proof) in zip(events, proofs, strict=True):
            origin, leaf = log["log"], sha(b"\x00", bytes.fromhex(proof["previous"]), event["body"].encode())
            assert leaf.hex() == event["leaf"]
            assert self.in_tile(leaf, proof["index"], log, tile["tile"], tile["root"], proof["path"])
            said = read(event["body"].encode())
            assert (said["writer"], said["seq"]) == (event["writer"], event["seq"])
            if event["private"] is not None:
                assert said["private_digest"] == sha(bytes.fromhex(event["salt"]), event["private"].encode()).hex()
            if event["private_is"] == "redacted":
                line = redacted.pop((origin, event["seq"]))
                fields = entry_of(line, self.spine, "redact")["fields"]
                rows = line["count"], bytes.fromhex(fields["root"])
                assert included(sha(b"\x00", line["row"].encode()), line["index"], rows, line["path"])
                assert line["row"].startswith(f"{event['seq']} {said['private_digest']}")
            assert event["seq"] > last.get(origin, -1)
            last[origin] = event["seq"]
            assert event["seq"] - proof["index"] == self.offsets.setdefault(origin, event["seq"] - proof["index"])
            self.leaves.setdefault(origin, []).append((event["seq"], leaf))
        assert not redacted
        return len(events)

    def in_tile(self, leaf: bytes, index: int, log: Line, tile: int, root: str, path: Sequence[str]) -> bool:
        """(6)"""
        width = min(256, log["size"] - 256 * tile)
        return included(leaf, index - 256 * tile, (width, bytes.fromhex(root)), path)

    def paths(self) -> Iterator[tuple[Line, Line, Line]]:
        """(5) and (6) Each path with its log and tile, after these were checked."""
        log: Line = {}
        tile: Line = {}
        for line in lines(self.files, "proofs.jsonl"):
            if "log" in line:
                log = self.logs[line["log"]] = line
                head = sha(b"\x00", f"{log['log']} {log['size']} {log['root']}".encode())
                committed = bytes.fromhex(entry_of(log, self.spine, "")["heads_root"])
                assert included(head, log["heads_index"], (log["heads_count"], committed), log["heads_path"])
            elif "tile" in line:
                tile = line
                tiles = -(-log["size"] // 256), bytes.fromhex(log["root"])
                assert included(bytes.fromhex(tile["root"]), tile["tile"], tiles, tile["path"])
            else:
                yield log, tile, line

    def scope(self) -> None:
        """(9)"""
        first, *rest = lines(self.files, "scope.jsonl")
        heads = entry_of(first, self.spine, "heads")
        assert root_of([sha(b"\x00", line.encode()) for line in first["heads"]]).hex() == heads["heads_root"]
        known = {line.split(" ")[0]: line for line in first["heads"]}
        seals: dict[str, Line] = {}
        expected = heads["fields"]["last_seal"]
        for line in (one for one in rest if "seal" in one):
            assert line["spine_index"] == expected
            seal = seals[line["seal"]] = entry_of(line, self.spine, "seal")["fields"]
            expected = seal["previous_seal"]
            known[line["seal"]] = f"{seal['origin']} {seal['size']} {seal['root']}"
        assert expected is None
        assert all(known[log["log"]] == f"{log['log']} {log['size']} {log['root']}" for log in self.logs.values())
        gone = self.gone(seals)
        for line in (one for one in rest if "outside" in one):
            leaf = sha(b"\x00", bytes.fromhex(line["previous"]), line["body"].encode())
            self.leaves.setdefault(line["outside"], []).append((line["seq"], leaf))
            assert is_outside(read(line["body"].encode()), self.manifest["asked"])
        indexes = {line["index"]: line for line in rest if "index" in line}
        if indexes:
            assert set(indexes) == set(known) - gone
            for origin, line in indexes.items():
                self.index(line, known[origin], seals.get(origin))
        elif not self.manifest["asked"]:
            assert all(len(self.leaves[one]) == int(line.split(" ")[1]) for one, line in known.items() if one not in gone)

    def index(self, line: Line, head: str, seal: Line | None) -> None:
        """(9) What a log has of the subject."""
        key, asked = bytes.fromhex(line["key"]), self.manifest["asked"]
        if line["source"] == "seal":
            assert seal is not None
            said = seal["index"][line["by"]]
        else:
            fields = entry_of(line, self.spine, "index")["fields"]
            assert f"{fields['origin']} {fields['size']} {fields['root']}" == head
            said = fields["index"][line["by"]]
        assert sha(key).hex() == said["key_sha256"]
        tree = said["size"], bytes.fromhex(said["root"])
        subject = asked.get({"patient": "patient_id", "actor": "actor_id"}.get(line["by"], "")) or asked["source_systems"][0]
        tag = hmac.digest(key, subject.encode(), "sha256")
        entries = sorted(self.leaves.get(line["index"], []))
        if "row" in line["proof"]:
            digest = sha(*(u64(seq) + leaf for seq, leaf in entries))
            assert row_of(line["proof"], tree) == tag + u64(len(entries)) + digest
            return
        left, right = line["proof"]["left"], line["proof"]["right"]
        assert not entries
        assert (left["index"] if left else -1) + 1 == (right["index"] if right else tree[0])
        assert left is None or row_of(left, tree)[:32] < tag
        assert right is None or row_of(right, tree)[:32] > tag

    def gone(self, seals: Mapping[str, Line]) -> set[str]:
        """(10) The logs that were disposed of."""
        history = lines(self.files, "history.jsonl")
        months = {line["disposed"]: line["spine_index"] for line in history if "disposed" in line}
        found = set()
        for line in (one for one in history if "tombstone" in one):
            fields, seal = entry_of(line, self.spine, "tombstone")["fields"], seals[line["tombstone"]]
            assert (fields["origin"], fields["count"], fields["root"]) == (line["tombstone"], seal["size"], seal["root"])
            if months[fields["epoch"]] > line["spine_index"]:
                found.add(line["tombstone"])
        return found

    def history(self) -> None:
        """(10)"""
        for line in lines(self.files, "history.jsonl"):
            if "consistency" in line:
                assert consistent((line["consistency"], bytes.fromhex(line["root"])), self.spine, line["path"])
            if "disposed" in line:
                assert entry_of(line, self.spine, "disposed")["fields"]["epoch"] == line["disposed"]
            if "rotation" in line:
                tree = signed_tree(line["note"], self.keys)
                fields = entry_of(line, tree, "key-rotate")["fields"]
                assert f"{fields['previous']} 0 {line['rotation'] + 1}\n{fields['key']} {line['rotation'] + 1} " in self.keys

    def times(self) -> None:
        """(11) All but the cosignatures themselves."""
        for line in lines(self.files, "timestamps.jsonl"):
            log, tree = self.logs[line.get("covers", line.get("after"))], signed_tree(line["note"], self.keys)
            if "covers" in line:
                assert entry_of(line, tree, "") == read(log["spine_body"].encode())
                continue
            leaf = sha(b"\x00", bytes.fromhex(line["previous"]), line["body"].encode())
            tiles = -(-log["size"] // 256), bytes.fromhex(log["root"])
            assert included(bytes.fromhex(line["tile_root"]), line["tile"], tiles, line["tile_path"])
            assert self.in_tile(leaf, line["index"], log, line["tile"], line["tile_root"], line["path"])
            assert sha(bytes.fromhex(line["salt"]), line["private"].encode()).hex() == json.loads(line["body"])["private_digest"]
            assert line["seq"] < min(self.leaves[log["log"]])[0]
            details = json.loads(line["private"])["details"]
            token = "" if line["token"] is None else sha256(base64.b64decode(line["token"])).hexdigest()
            assert details["note_sha256"] == sha256(line["note"].encode()).hexdigest() or details["token_sha256"] == token


def row_of(place: Line, tree: Tree) -> bytes:
    """(9) A row, in its place."""
    row = bytes.fromhex(place["row"])
    assert included(sha(b"\x00", row), place["index"], tree, place["path"])
    return row


def is_outside(header: Line, asked: Line) -> bool:
    """(9) The header of an entry shows that it was not asked for, in so far as these tests ask."""
    is_early = header["time"] < asked.get("since", "")
    is_late = "until" in asked and header["time"] >= asked["until"]
    return is_early or is_late or header["action"] not in asked.get("actions", [header["action"]])


ASKED = {
    "patient": EventFilter(patient_id="P-1", actions=("view_chart",)),
    "nobody": EventFilter(patient_id="P-99"),
    "source system": EventFilter(source_systems=("fhir",)),
    "actor": EventFilter(actor_id="mallory"),
    "everything": EventFilter(),
}


@pytest.fixture(scope="module")
def exports(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Files]:
    """Exports of an old ledger, by what was asked for."""
    folder, made = tmp_path_factory.mktemp("export"), {}
    with old_house(emptied(shared_engine), folder) as house:
        for name, wanted in ASKED.items():
            house.clock.advance(minutes=1)
            made[name] = unpack(house.export(folder / f"{name}.zip", wanted=wanted))
    return made


@pytest.mark.parametrize("name", ASKED)
def test_the_readme_is_enough_to_check_an_export(exports: dict[str, Files], name: str) -> None:
    files = exports[name]

    assert Reader(files).follow() == files["events.jsonl"].count(b"\n")


def test_the_readme_is_enough_to_find_a_change(exports: dict[str, Files]) -> None:
    files = exports["patient"]
    changed = {**files, "events.jsonl": files["events.jsonl"].replace(b"view_chart", b"view_notes", 1)}
    with pytest.raises(AssertionError):
        Reader(changed).follow()
    refit(changed)
    with pytest.raises(AssertionError):
        Reader(changed).follow()

    forged = {**files, "checkpoint": files["checkpoint"].replace(b"spine\n", b"spine\n1", 1)}
    refit(forged)
    with pytest.raises(InvalidSignature):
        Reader(forged).follow()


def drop(name: str, number: int) -> Callable[[Files], None]:
    """Leave a line out."""

    def change(files: Files) -> None:
        content = files[name].splitlines(keepends=True)
        del content[number]
        files[name] = b"".join(content)

    return change


@pytest.mark.parametrize(
    "change",
    [drop("scope.jsonl", 1), drop("scope.jsonl", -1), drop("scope.jsonl", 0), drop("history.jsonl", -1), drop("proofs.jsonl", 1)],
)
def test_each_step_finds_what_is_missing(exports: dict[str, Files], change: Callable[[Files], None]) -> None:
    """Steps from (5) on, as if the manifest were the one that the ledger recorded."""
    files = dict(exports["patient"])
    change(files)
    reader = Reader(files)
    reader.spine = signed_tree(files["checkpoint"].decode(), reader.keys)

    with pytest.raises((AssertionError, KeyError, ValueError)):
        reader.under_checkpoint()


def test_every_step_that_is_followed_here_is_in_the_readme(exports: dict[str, Files]) -> None:
    text = exports["everything"]["README.txt"].decode()

    assert [text.count(f"\n({step}) ") for step in range(1, 12)] == [1] * 11
    assert "key_sha256" in text
    for name in exports["everything"]:
        assert name in text
