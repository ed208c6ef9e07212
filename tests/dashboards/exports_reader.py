"""An export read by its format (docs/export-format.md section 3) with the mathematics of `domain/`, each line proven.

Not a checker: it asserts, at the first thing that does not fit, and needs the whole archive in memory.
"""

import base64
import csv
import io
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from domain.checkpoint import Head, heads_root
from domain.cosignature import cosignatures
from domain.entry import chain, private_digest
from domain.index_tree import Dimension, IndexProof, subject_digest, tag, verify_index_proof
from domain.json import canonical
from domain.keyring import KeyRing
from domain.merkle import leaf_hash, verify_consistency, verify_inclusion
from domain.note import split_note
from domain.witness_policy import WitnessPolicy
from tests.dashboards.exports_desk import Files

Line = Mapping[str, Any]


def hashes(texts: Sequence[str]) -> list[bytes]:
    """Hex as it stands in lines."""
    return [bytes.fromhex(text) for text in texts]


@dataclass
class Export:
    """An archive, taken apart."""

    files: Files
    keys: KeyRing = field(init=False)
    head: Head = field(init=False)
    manifest: Line = field(init=False)

    def __post_init__(self) -> None:
        self.keys = KeyRing.parse(self.files["keys/ledger.keys"].decode())
        self.head = self.keys.open(self.files["checkpoint"].decode())
        self.manifest = json.loads(self.files["manifest.json"])

    def lines(self, name: str, first: str | None = None) -> list[Line]:
        """The lines of a file (that begin with this field), each in canonical form."""
        found = []
        for text in self.files[name].splitlines():
            line = json.loads(text)
            assert canonical(line) == text, f"{name} is not canonical"
            if first is None or first in line:
                found.append(line)
        return found

    def spine(self, line: Line, head: Head | None = None) -> Line:
        """The decoded body of the spine entry in a line, proven under the checkpoint or another head."""
        head = head or self.head
        leaf = chain(bytes.fromhex(line["spine_previous"]), line["spine_body"].encode())
        assert verify_inclusion(leaf, line["spine_index"], head.size, hashes(line["spine_path"]), head.root)
        body: Line = json.loads(line["spine_body"])
        assert body["seq"] == line["spine_index"]
        return body

    def check(self) -> None:
        """Everything there is."""
        self.check_manifest()
        self.check_events()
        self.check_scope()
        self.check_history()
        self.check_times()

    def check_manifest(self) -> None:
        """Sums, counts, receipt."""
        for name, said in self.manifest["files"].items():
            assert said == {"bytes": len(self.files[name]), "sha256": sha256(self.files[name]).hexdigest()}, name
        assert set(self.files) - set(self.manifest["files"]) == {"manifest.json", "receipt.json"}
        head = self.head
        assert self.manifest["ledger"] == {"origin": head.origin, "size": head.size, "root": head.root.hex()}
        receipt = json.loads(self.files["receipt.json"])
        later = self.keys.open(receipt["checkpoint"])
        body = self.spine(receipt, later)
        assert body["kind"] == "export"
        assert body["fields"]["manifest_sha256"] == sha256(self.files["manifest.json"]).hexdigest()
        assert later.size == receipt["spine_index"] + 1
        assert verify_consistency(head.size, later.size, hashes(receipt["consistency"]), head.root, later.root)
        events = self.lines("events.jsonl")
        counts = self.manifest["counts"]
        states = [event["private_is"] for event in events]
        assert counts["events"] == len(events) == body["fields"]["events"]
        assert [counts[state] for state in ("given", "withheld", "redacted")] == [
            states.count(state) for state in ("given", "withheld", "redacted")
        ]
        assert counts["outside"] == len(self.lines("scope.jsonl", "outside"))
        rows = list(csv.DictReader(io.StringIO(self.files["events.csv"].decode(), newline="")))
        assert [(row["writer"], int(row["seq"]), row["leaf"]) for row in rows] == [
            (event["writer"], event["seq"], event["leaf"]) for event in events
        ]

    def check_events(self) -> None:
        """Each event in its place, with its private part."""
        events = iter(self.lines("events.jsonl"))
        log: Line = {}
        tile: Line = {}
        last: tuple[str, int] = ("", -1)
        logs = 0
        for line in self.lines("proofs.jsonl"):
            if "log" in line:
                self.check_log(line)
                log, tile = line, {}
                logs += 1
            elif "tile" in line:
                count = -(-log["size"] // 256)
                root = bytes.fromhex(line["root"])
                assert verify_inclusion(root, line["tile"], count, hashes(line["path"]), bytes.fromhex(log["root"]))
                assert line["tile"] > tile.get("tile", -1)
                tile = line
            else:
                event = next(events)
                assert (event["writer"], event["seq"]) == (log["writer"], line["seq"])
                assert (event["writer"], event["seq"]) > last
                last = (event["writer"], event["seq"])
                leaf = chain(bytes.fromhex(line["previous"]), event["body"].encode())
                assert leaf.hex() == event["leaf"]
                place, width = line["index"] - 256 * tile["tile"], min(256, log["size"] - 256 * tile["tile"])
                assert verify_inclusion(leaf, place, width, hashes(line["path"]), bytes.fromhex(tile["root"]))
                whole = hashes(line["path"] + tile["path"])
                assert verify_inclusion(leaf, line["index"], log["size"], whole, bytes.fromhex(log["root"]))
                self.check_private(event)
        assert next(events, None) is None
        assert logs == self.manifest["counts"]["logs"]

    def check_log(self, line: Line) -> None:
        """A log's head under the checkpoint."""
        body = self.spine(line)
        assert body["kind"] in ("heads", "index", "seal")
        head = leaf_hash(f"{line['log']} {line['size']} {line['root']}".encode())
        committed = bytes.fromhex(body["heads_root"])
        assert verify_inclusion(head, line["heads_index"], line["heads_count"], hashes(line["heads_path"]), committed)

    def check_private(self, event: Line) -> None:
        """The private part is the one that was hashed."""
        if event["private_is"] == "given":
            digest = private_digest(event["private"].encode(), bytes.fromhex(event["salt"])).hex()
            assert json.loads(event["body"])["private_digest"] == digest
        else:
            assert event["private"] is None
            assert event["salt"] is None

    def check_scope(self) -> None:
        """Every log there is, and of each everything about the subject."""
        seals = {line["seal"]: self.spine(line) for line in self.lines("scope.jsonl", "seal")}
        (heads,) = self.lines("scope.jsonl", "heads")
        body = self.spine(heads)
        vector = [Head.parse(line) for line in heads["heads"]]
        assert heads_root(vector).hex() == body["heads_root"]
        chained, following = [], body["fields"]["last_seal"]
        for line in self.lines("scope.jsonl", "seal"):
            assert line["spine_index"] == following
            chained.append(line["seal"])
            following = seals[line["seal"]]["fields"]["previous_seal"]
        assert following is None
        assert len(chained) == len(set(chained)) == body["fields"]["seals"]
        disposed = {line["disposed"] for line in self.lines("history.jsonl", "disposed")}
        known = {head.origin: head.size for head in vector} | {
            origin: seal["fields"]["size"] for origin, seal in seals.items() if seal["fields"]["epoch"] not in disposed
        }
        assert not {head.origin for head in vector} & set(seals)
        subject = self.subject()
        index = {line["index"]: line for line in self.lines("scope.jsonl", "index")}
        if subject is None:
            assert not index
            assert not self.lines("scope.jsonl", "outside")
            return
        assert set(index) == set(known)
        entries = self.subject_entries(subject)
        for origin, line in index.items():
            if line["source"] == "seal":
                fields = seals[origin]["fields"]
            else:
                said = self.spine(line)
                assert said["kind"] == "index"
                fields = said["fields"]
                head = next(one for one in vector if one.origin == origin)
                assert (fields["origin"], fields["size"], fields["root"]) == (head.origin, head.size, head.root.hex())
            assert line["by"] == subject[0]
            tree = fields["index"][line["by"]]
            assert tree["key_sha256"] == sha256(bytes.fromhex(line["key"])).hexdigest()
            row = verify_index_proof(
                IndexProof.parse(line["proof"]),
                tag(bytes.fromhex(line["key"]), subject[1]),
                bytes.fromhex(tree["root"]),
                tree["size"],
            )
            mine = sorted(entries[origin])
            assert (0 if row is None else row.count) == len(mine), origin
            if row is not None:
                assert row.digest == subject_digest(mine)

    def subject(self) -> tuple[str, str] | None:
        """Dimension and id of what was asked for."""
        asked = self.manifest["asked"]
        if "patient_id" in asked:
            return Dimension.PATIENT, asked["patient_id"]
        if "actor_id" in asked:
            return Dimension.ACTOR, asked["actor_id"]
        if len(asked.get("source_systems", [])) == 1:
            return Dimension.SOURCE_SYSTEM, asked["source_systems"][0]
        return None

    def subject_entries(self, subject: tuple[str, str]) -> Mapping[str, list[tuple[int, bytes]]]:
        """Seq and leaf of the subject's entries that are named here, by log."""
        found: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        events = iter(self.lines("events.jsonl"))
        origin = ""
        for line in self.lines("proofs.jsonl"):
            if "log" in line:
                origin = line["log"]
            elif "seq" in line:
                event = next(events)
                found[origin].append((event["seq"], bytes.fromhex(event["leaf"])))
        for line in self.lines("scope.jsonl", "outside"):
            leaf = chain(bytes.fromhex(line["previous"]), line["body"].encode())
            assert json.loads(line["body"])["seq"] == line["seq"]
            found[line["outside"]].append((line["seq"], leaf))
        return found

    def check_history(self) -> None:
        """Earlier checkpoints, keys, months disposed of, redactions."""
        for line in self.lines("history.jsonl", "consistency"):
            old = bytes.fromhex(line["root"])
            assert verify_consistency(line["consistency"], self.head.size, hashes(line["path"]), old, self.head.root)
        for line in self.lines("history.jsonl", "rotation"):
            head = self.keys.open(line["note"])
            assert head.size == line["rotation"] + 1
            body = self.spine(line, head)
            assert body["kind"] == "key-rotate"
            assert body["fields"]["key"] in self.files["keys/ledger.keys"].decode()
        for kind, field_name in (("tombstone", "origin"), ("disposed", "epoch")):
            for line in self.lines("history.jsonl", kind):
                body = self.spine(line)
                assert (body["kind"], body["fields"][field_name]) == (kind, line[kind])
        redacted = {
            (event["writer"], event["seq"]): event for event in self.lines("events.jsonl") if event["private_is"] == "redacted"
        }
        for line in self.lines("history.jsonl", "redact"):
            body = self.spine(line)
            assert (body["kind"], body["fields"]["origin"], body["fields"]["count"]) == ("redact", line["redact"], line["count"])
            event = redacted.pop((body["fields"]["writer"], line["seq"]))
            seq, digest, _, _ = line["row"].split(" ")
            assert (int(seq), digest) == (line["seq"], json.loads(event["body"])["private_digest"])
            leaf, root = leaf_hash(line["row"].encode()), bytes.fromhex(body["fields"]["root"])
            assert verify_inclusion(leaf, line["index"], line["count"], hashes(line["path"]), root)
        assert not redacted

    def check_times(self) -> None:
        """Others' signatures before and after."""
        logs = {line["log"]: line for line in self.lines("proofs.jsonl", "log")}
        first = self.first_seqs()
        covered = set()
        for line in self.lines("timestamps.jsonl", "covers"):
            head = self.keys.open(line["note"])
            log = logs[line["covers"]]
            body = self.spine(line, head)
            assert (line["spine_index"], line["spine_body"]) == (log["spine_index"], log["spine_body"])
            assert body["kind"] == log_kind(log)
            covered.add(line["covers"])
        assert covered == set(logs)
        for line in self.lines("timestamps.jsonl", "after"):
            log = logs[line["after"]]
            assert line["seq"] < first[line["after"]]
            leaf = chain(bytes.fromhex(line["previous"]), line["body"].encode())
            tile_root, place = bytes.fromhex(line["tile_root"]), line["index"] - 256 * line["tile"]
            width = min(256, log["size"] - 256 * line["tile"])
            assert verify_inclusion(leaf, place, width, hashes(line["path"]), tile_root)
            count, root = -(-log["size"] // 256), bytes.fromhex(log["root"])
            assert verify_inclusion(tile_root, line["tile"], count, hashes(line["tile_path"]), root)
            body = json.loads(line["body"])
            assert body["action"] == "time_anchor"
            private = line["private"]
            assert private_digest(private.encode(), bytes.fromhex(line["salt"])).hex() == body["private_digest"]
            details = json.loads(private)["details"]
            self.keys.open(line["note"])
            if line["token"] is None:
                assert details["note_sha256"] == sha256(line["note"].encode()).hexdigest()
            else:
                assert details["token_sha256"] == sha256(base64.b64decode(line["token"])).hexdigest()
                assert details["note_sha256"] == sha256(split_note(line["note"])[0].encode()).hexdigest()

    def first_seqs(self) -> Mapping[str, int]:
        """The first event here of each log."""
        first: dict[str, int] = {}
        origin = ""
        for line in self.lines("proofs.jsonl"):
            if "log" in line:
                origin = line["log"]
            elif "seq" in line:
                first.setdefault(origin, line["seq"])
        return first

    def cosigners(self, note: str | None = None) -> set[str]:
        """Whose cosignatures are in a note, the checkpoint by default."""
        policy = WitnessPolicy.parse(self.files["policy.tlog-policy"].decode())
        text = note or self.files["checkpoint"].decode()
        return {one.name for one in cosignatures(text, [witness.cosigner for witness in policy.witnesses])}


def log_kind(line: Line) -> str:
    """The kind of spine entry that a log line has."""
    return str(json.loads(line["spine_body"])["kind"])
