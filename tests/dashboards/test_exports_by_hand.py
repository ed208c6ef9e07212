"""README.txt of an export, followed to the letter with SHA-256 and Ed25519 alone: nothing of this program takes part."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dashboards.exports import export_bundle
from store.engine import Engine
from store.events import EventFilter
from tests.dashboards.exports_desk import Files, export_house, refit, request, unpack
from tests.retention.old_ledger import emptied


def sha(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def signed_tree(note: str, key: str) -> tuple[int, bytes]:
    """(2) Size and root of a checkpoint."""
    text, signatures = note.split("\n\n")
    text += "\n"
    name, _, encoded = key.strip().split("+", 2)
    public = base64.b64decode(encoded)[1:]
    key_id = sha(name.encode(), b"\n\x01", public)[:4]
    for line in signatures.splitlines():
        _, signer, payload = line.split(" ")
        data = base64.b64decode(payload)
        if signer == name and data[:4] == key_id:
            Ed25519PublicKey.from_public_bytes(public).verify(data[4:], text.encode())
            origin, size, root = text.splitlines()
            assert origin == name
            return int(size), base64.b64decode(root)
    raise AssertionError("not signed by this key")


def included(leaf: bytes, index: int, size: int, path: Sequence[str], root: bytes) -> bool:
    """(3)"""
    first, second, result = index, size - 1, leaf
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
    return second == 0 and result == root


def follow(files: Files) -> int:
    """Steps (1) to (8). Returns the number of events."""
    key = files["keys/ledger.vkey"].decode()
    # (1)
    manifest = json.loads(files["manifest.json"])
    for name, said in manifest["files"].items():
        assert sha256(files[name]).hexdigest() == said["sha256"], name
    assert set(files) - set(manifest["files"]) == {"manifest.json", "receipt.json"}
    # (2)
    size, root = signed_tree(files["checkpoint"].decode(), key)
    receipt = json.loads(files["receipt.json"])
    receipt_size, receipt_root = signed_tree(receipt["checkpoint"], key)
    # (4)
    leaf = sha(b"\x00", bytes.fromhex(receipt["spine_previous"]), receipt["spine_body"].encode())
    assert included(leaf, receipt["spine_index"], receipt_size, receipt["spine_path"], receipt_root)
    assert json.loads(receipt["spine_body"])["fields"]["manifest_sha256"] == sha256(files["manifest.json"]).hexdigest()
    # (5) to (8)
    events = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    proofs = list(paths(files["proofs.jsonl"], size, root))
    assert len(events) == len(proofs) == manifest["counts"]["events"]
    places: dict[str, tuple[int, int]] = {}
    for event, (log, proof) in zip(events, proofs, strict=True):
        leaf = sha(b"\x00", bytes.fromhex(proof["previous"]), event["body"].encode())
        assert leaf.hex() == event["leaf"]
        assert included(leaf, proof["index"], log["size"], proof["path"], bytes.fromhex(log["root"]))
        if event["private"] is not None:
            digest = sha(bytes.fromhex(event["salt"]), event["private"].encode()).hex()
            assert json.loads(event["body"])["private_digest"] == digest
        last, offset = places.get(log["log"], (-1, event["seq"] - proof["index"]))
        assert event["seq"] > last
        assert event["seq"] - proof["index"] == offset
        places[log["log"]] = event["seq"], offset
    return len(events)


def paths(content: bytes, size: int, root: bytes) -> Iterator[tuple[Mapping[str, object], Mapping[str, object]]]:
    """(5) Each path with its log, after the log was checked under the checkpoint."""
    log = None
    for line in content.splitlines():
        fields = json.loads(line)
        if "log" not in fields:
            assert log is not None
            yield log, fields
            continue
        log = fields
        head = sha(b"\x00", f"{log['log']} {log['size']} {log['root']}".encode())
        committed = bytes.fromhex(json.loads(log["spine_body"])["heads_root"])
        assert included(head, log["heads_index"], log["heads_count"], log["heads_path"], committed)
        leaf = sha(b"\x00", bytes.fromhex(log["spine_previous"]), log["spine_body"].encode())
        assert included(leaf, log["spine_index"], size, log["spine_path"], root)


@pytest.fixture(scope="module")
def files(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("export")
    with export_house(emptied(shared_engine), folder) as house:
        return unpack(export_bundle(house.desk(), request(wanted=EventFilter(sources=("access",))), folder / "x.zip").path)


def test_the_readme_is_enough_to_check_an_export(files: Files) -> None:
    assert follow(files) == 112


def test_the_readme_is_enough_to_find_a_change(files: Files) -> None:
    changed = {**files, "events.jsonl": files["events.jsonl"].replace(b"mallory", b"nobody1", 1)}
    with pytest.raises(AssertionError):
        follow(changed)
    refit(changed)
    with pytest.raises(AssertionError):
        follow(changed)

    forged = {**files, "checkpoint": files["checkpoint"].replace(b"spine\n", b"spine\n1", 1)}
    refit(forged)
    with pytest.raises(InvalidSignature):
        follow(forged)


def test_every_step_that_is_followed_here_is_in_the_readme(files: Files, tmp_path: Path) -> None:
    text = files["README.txt"].decode()

    assert [text.count(f"\n({step}) ") for step in range(1, 9)] == [1] * 8
