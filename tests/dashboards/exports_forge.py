"""A ledger and exports of it made by hand from docs/export-format.md, for whoever holds the ledger's keys and wants to lie.

Nothing of what makes exports takes part, only hashes of `domain/`. A `Forge` is the ledger: logs, a spine, signed checkpoints. A
`Draft` is an export before its manifest: its lines are plain objects that an attack changes; `give` then makes every hash in the
manifest fit, lets the ledger record it, and signs.
"""

import copy
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from domain.checkpoint import Head, heads_root
from domain.clock import rfc3339
from domain.cosignature import Algorithm, CosigningKey
from domain.entry import body_bytes, chain, genesis, private_digest
from domain.index_tree import Dimension, IndexTree, Row, index_key, subject_digest, tag
from domain.json import Json, canonical
from domain.keyring import KeyRing
from domain.merkle import Leaves, consistency_proof, leaf_hash, node_hash
from domain.note import Signer

Line = dict[str, object]
Files = dict[str, bytes]

SIGNER = Signer("log.example/spine", bytes(range(32)))
SUCCESSOR = Signer("log.example/spine", bytes(range(32, 64)))
MALLORY = Signer("log.example/spine", b"m" * 32)
WITNESSES = {
    "one": CosigningKey("witness.example/one", b"\x01" * 32, Algorithm.ED25519),
    "two": CosigningKey("witness.example/two", b"\x02" * 32, Algorithm.ML_DSA_44),
    "three": CosigningKey("witness.example/three", b"\x03" * 32, Algorithm.ED25519),
}
POLICY = "".join(f"witness {name} {key.cosigner.text}\n" for name, key in WITNESSES.items()) + "group any-two 2 one two three\n"
POLICY += "quorum any-two\n"
SECRET = bytes(range(32))
TILE = 256


def pack(files: Files, path: Path) -> Path:
    """An archive of these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def levels(nodes: Sequence[bytes]) -> list[Sequence[bytes]]:
    """A tree by pairs, as RFC 6962 cuts it: a node without a neighbour goes up as it is."""
    rows = [nodes]
    while len(nodes) > 1:
        nodes = [node_hash(nodes[i], nodes[i + 1]) if i + 1 < len(nodes) else nodes[i] for i in range(0, len(nodes), 2)]
        rows.append(nodes)
    return rows


def path_in(rows: Sequence[Sequence[bytes]], index: int) -> list[str]:
    """The audit path of a node, in hex."""
    return [row[index >> up ^ 1].hex() for up, row in enumerate(rows[:-1]) if index >> up ^ 1 < len(row)]


def top(nodes: Sequence[bytes]) -> bytes:
    """The root over nodes."""
    return levels(nodes)[-1][0] if nodes else sha256(b"").digest()


@dataclass(slots=True)
class Entry:
    """One entry of a log. `subjects` are its patient, actor and source system."""

    seq: int
    body: bytes
    private: bytes
    salt: bytes
    previous: bytes
    leaf: bytes
    subjects: Mapping[Dimension, str]
    is_redacted: bool = False

    @property
    def digest(self) -> str:
        """Of the private part, in hex."""
        return private_digest(self.private, self.salt).hex()


@dataclass(slots=True)
class ForgedLog:
    """A log, its place in the spine once it is sealed or indexed, and what is kept of its subtrees."""

    origin: str
    writer: str
    epoch: int
    first_seq: int
    previous: bytes
    entries: list[Entry] = field(default_factory=list)
    seal: int | None = None

    @property
    def head(self) -> Head:
        """All of it."""
        return Head(self.origin, len(self.entries), top([top(tile) for tile in self.tiles()]))

    def tiles(self) -> list[list[bytes]]:
        """The leaves, 256 at a time."""
        leaves = [entry.leaf for entry in self.entries]
        return [leaves[start : start + TILE] for start in range(0, len(leaves), TILE)]

    def index(self, dimension: Dimension) -> IndexTree:
        """The index tree over all of it."""
        key, found = index_key(SECRET, dimension), dict[str, list[tuple[int, bytes]]]()
        for entry in self.entries:
            if entry.subjects.get(dimension):
                found.setdefault(entry.subjects[dimension], []).append((entry.seq, entry.leaf))
        return IndexTree(Row(tag(key, name), len(places), subject_digest(places)) for name, places in found.items())

    def commitments(self) -> dict[str, Json]:
        """The field `index` of a seal."""
        keys = {dimension: sha256(index_key(SECRET, dimension)).hexdigest() for dimension in Dimension}
        trees = {dimension: self.index(dimension) for dimension in Dimension}
        return {one.value: {"size": tree.size, "root": tree.root.hex(), "key_sha256": keys[one]} for one, tree in trees.items()}


class Forge:
    """The ledger. `signers` are asked for the key of a size; `now` moves on by a second an entry."""

    def __init__(self) -> None:
        self.logs: list[ForgedLog] = []
        self.bodies: list[bytes] = []
        self.leaves: list[bytes] = []
        self.heads: dict[int, list[Head]] = {}
        self.seals: list[int] = []
        self.now = datetime(2026, 3, 10, 9, tzinfo=UTC)
        self.keys = KeyRing.of(SIGNER.verifier)
        self.signers = [SIGNER]

    # ---- the ledger ----

    def log(self, writer: str, epoch: int) -> ForgedLog:
        """A new log of a writer."""
        before = [log for log in self.logs if log.writer == writer]
        origin = f"log.example/{writer}/{epoch // 100}-{epoch % 100:02}"
        first = before[-1].first_seq + len(before[-1].entries) if before else 0
        last = before[-1].entries[-1].leaf if before and before[-1].entries else b""
        self.logs.append(ForgedLog(origin, writer, epoch, first, genesis(origin, last)))
        return self.logs[-1]

    def add(self, log: ForgedLog, **said: object) -> Entry:
        """An entry: `patient`, `actor`, `kind`, `system`, `action`, `time`, `ip`, `details`, with something sensible for each."""
        number = log.first_seq + len(log.entries)
        time = rfc3339(datetime(log.epoch // 100, log.epoch % 100, 2, tzinfo=UTC) + timedelta(minutes=number))
        kind, actor = said.get("kind", "staff"), said.get("actor", "alice")
        patient = said.get("patient", f"P-{number % 3}")
        header = {
            "v": 1, "event_id": f"e{number}", "source_system": said.get("system", "ehr"), "format": "phitrail",
            "time": said.get("time", time), "received": time, "source": "access", "action": said.get("action", "view_chart"),
            "outcome": said.get("outcome", "success"), "actor": {"kind": kind} | ({"id": actor} if kind == "staff" else {}),
            "device": {"id": "ws-7", "kind": "workstation"}, "private_digest": "", "writer": log.writer, "seq": number,
        }  # fmt: skip
        private = {"patient_id": patient, "ip": said.get("ip", "192.0.2.7"), "details": said.get("details", {}), "raw": "{}"}
        if kind != "staff":
            private["actor_id"] = actor
        subjects = {Dimension.PATIENT: patient or "", Dimension.ACTOR: actor, Dimension.SOURCE_SYSTEM: header["source_system"]}
        named = {dimension: str(name) for dimension, name in subjects.items()}
        return self.add_raw(log, canonical(header), canonical(private), named)  # type: ignore[arg-type]

    def add_raw(self, log: ForgedLog, header: bytes, private: bytes, subjects: Mapping[Dimension, str]) -> Entry:
        """An entry of these bytes, whatever they are."""
        seq = log.first_seq + len(log.entries)
        salt = sha256(f"{log.origin} {seq}".encode()).digest()[:16]
        previous = log.entries[-1].leaf if log.entries else log.previous
        body = body_bytes(header, private_digest(private, salt))
        log.entries.append(Entry(seq, body, private, salt, previous, chain(previous, body), subjects))
        return log.entries[-1]

    def commit(self, kind: str, fields: Mapping[str, object], heads: Iterable[Head] = (), **changes: object) -> int:
        """A spine entry. Returns its place."""
        place, vector = len(self.bodies), sorted(heads, key=lambda head: head.origin)
        self.now += timedelta(seconds=1)
        said = {
            "v": 1,
            "seq": place,
            "time": rfc3339(self.now),
            "kind": kind,
            "heads_root": heads_root(vector).hex(),
            "fields": fields,
        }
        self.bodies.append(canonical(said | changes))  # type: ignore[arg-type]
        previous = self.leaves[-1] if self.leaves else genesis(SIGNER.name, b"")
        self.leaves.append(chain(previous, self.bodies[-1]))
        self.heads[place] = vector
        return place

    def seal(self, log: ForgedLog, **changes: object) -> int:
        """Seal a log."""
        head, last = log.head, log.entries[-1].leaf if log.entries else log.previous
        fields = {
            "origin": log.origin, "writer": log.writer, "epoch": log.epoch, "first_seq": log.first_seq,
            "last_seq": log.first_seq + head.size - 1, "size": head.size, "root": head.root.hex(), "last_leaf": last.hex(),
            "first_received": None, "last_received": None, "index": log.commitments(), "seals": len(self.seals),
            "previous_seal": self.last_seal,
        }  # fmt: skip
        log.seal = self.commit("seal", fields | changes, [head])
        self.seals.append(log.seal)
        return log.seal

    @property
    def last_seal(self) -> int | None:
        """The place of the newest seal."""
        return self.seals[-1] if self.seals else None

    def commit_heads(self, logs: Iterable[ForgedLog] | None = None) -> int:
        """A `heads` entry over the logs that are open, or over these."""
        open_logs = [log for log in self.logs if log.seal is None] if logs is None else logs
        return self.commit("heads", {"seals": len(self.seals), "last_seal": self.last_seal}, [log.head for log in open_logs])

    def commit_index(self, log: ForgedLog, **changes: object) -> int:
        """An `index` entry of an open log."""
        fields = {"origin": log.origin, "size": log.head.size, "root": log.head.root.hex(), "index": log.commitments()}
        return self.commit("index", fields | changes, [log.head])

    def dispose(self, log: ForgedLog, **changes: object) -> int:
        """A tombstone for a log that is sealed; its entries stay here, for who wants to go on lying."""
        head = log.head
        fields = {
            "origin": log.origin, "epoch": log.epoch, "writer": log.writer, "first_seq": log.first_seq, "count": head.size,
            "last_seq": log.first_seq + head.size - 1, "root": head.root.hex(), "last_leaf": log.entries[-1].leaf.hex(),
            "first_leaf_prev": log.previous.hex(), "archive_sha256": "00" * 32, "policy": "6 years", "approvers": [], "run_by": "x",
        }  # fmt: skip
        return self.commit("tombstone", fields | changes)

    def root(self, size: int) -> bytes:
        """Of the spine."""
        return top(self.leaves[:size])

    def note(self, size: int, *signers: Signer, seen_by: Mapping[str, datetime | int] | None = None) -> str:
        """A checkpoint, signed by these or by who signs for its size, and cosigned."""
        text = Head(SIGNER.name, size, self.root(size)).checkpoint
        pairs = zip(self.keys.keys, self.signers, strict=True)
        first, *others = signers or [signer for key, signer in pairs if key.covers(size)]
        note = first.sign(text) + "".join(one.sign(text).removeprefix(f"{text}\n") for one in others)
        return note + "".join(WITNESSES[name].cosign(text, seconds(when)) for name, when in (seen_by or {}).items())

    def rotate(self, successor: Signer = SUCCESSOR) -> int:
        """Let another key sign from here on."""
        place = self.commit("key-rotate", {"key": successor.verifier.text, "previous": self.keys.newest.text})
        self.keys = self.keys.rotated(place, successor.verifier)
        self.signers.append(successor)
        return place

    def quote(self, place: int, size: int) -> Line:
        """A spine entry under the checkpoint of a size."""
        return {
            "spine_index": place,
            "spine_body": self.bodies[place].decode(),
            "spine_previous": (self.leaves[place - 1] if place else genesis(SIGNER.name, b"")).hex(),
            "spine_path": path_in(levels(self.leaves[:size]), place),
        }

    def consistency(self, old: int, new: int) -> list[str]:
        """From one size to another, in hex."""
        return [item.hex() for item in consistency_proof(Leaves(self.leaves), old, new)]

    # ---- the export ----

    def draft(self, asked: Mapping[str, object] | None = None, **options: object) -> "Draft":
        """An export of what is asked for; see `Draft`."""
        return Draft(self, dict(asked or {}), **options)  # type: ignore[arg-type]

    def clone(self) -> "Forge":
        """The same ledger, to go another way with."""
        return copy.deepcopy(self)


@dataclass
class Draft:
    """An export before its manifest. `wants` decides what is an event; `private_of` what becomes of its private part."""

    forge: Forge
    asked: dict[str, object]
    wants: Callable[[Entry], bool] | None = None
    seen_by: Mapping[str, datetime | int] = field(default_factory=dict)
    policy: str = "quorum none\n"

    def __post_init__(self) -> None:
        """Steps 2 to 5 of the document."""
        self.by, self.subject = self._subject()
        self.place = self.forge.commit_heads()
        self.open = [log for log in self.forge.logs if log.seal is None]
        self.indexed = {log.origin: self.forge.commit_index(log) for log in self.open} if self.by else {}
        self.size = len(self.forge.bodies)
        self.events: list[Line] = []
        self.proofs: list[Line] = []
        self.outside: list[Line] = []
        self.history: list[Line] = []
        self.timestamps: list[Line] = []
        self.extra: Files = {}
        self.keys = self.forge.keys.text
        self.write_scope()
        for log in sorted(self.forge.logs, key=lambda log: (log.writer, log.epoch)):
            self._write_log(log)

    @property
    def checkpoint(self) -> str:
        """The file of that name."""
        return self.forge.note(self.size, seen_by=self.seen_by)

    def write_scope(self) -> None:
        """The lines of scope.jsonl but those of outside entries."""
        heads = self.forge.heads[self.place]
        self.heads_line: Line = {"heads": [head.line for head in heads], **self.quote(self.place)}
        seals = reversed(self.forge.seals)
        self.seal_lines: list[Line] = [{"seal": self.forge.heads[one][0].origin, **self.quote(one)} for one in seals]
        self.index_lines = [self.index_line(log) for log in self.forge.logs if self.by]

    def index_line(self, log: ForgedLog, subject: str | None = None) -> Line:
        """What a log has of the subject."""
        assert self.by is not None
        key = index_key(SECRET, self.by)
        proof = log.index(self.by).prove(tag(key, subject or self.subject)).to_json()
        line: Line = {"index": log.origin, "by": self.by.value, "key": key.hex(), "proof": proof, "source": "seal"}
        if log.origin in self.indexed:
            line |= {"source": "index", **self.quote(self.indexed[log.origin])}
        return line

    def quote(self, place: int) -> Line:
        """A spine entry under the export's checkpoint."""
        return self.forge.quote(place, self.size)

    def is_wanted(self, entry: Entry) -> bool:
        """Whether an entry is an event of this export."""
        return self.wants is None or self.wants(entry)

    def log_line(self, log: ForgedLog) -> Line:
        """The log line of proofs.jsonl."""
        place = self.place if log.seal is None else log.seal
        heads = self.forge.heads[place]
        index = heads.index(log.head)
        path = path_in(levels([leaf_hash(head.line.encode()) for head in heads]), index)
        line: Line = {"log": log.origin, "writer": log.writer, "size": log.head.size, "root": log.head.root.hex()}
        return line | {"heads_index": index, "heads_count": len(heads), "heads_path": path, **self.quote(place)}

    def covers_line(self, log: ForgedLog, note: str | None = None, token: str | None = None) -> Line:
        """That a log was there when a checkpoint was signed: by default the export's."""
        place, said = self.place if log.seal is None else log.seal, note or self.checkpoint
        return {"covers": log.origin, "note": said, "token": token, **self.forge.quote(place, int(said.split("\n")[1]))}

    def after_line(self, log: ForgedLog, entry: Entry, note: str, token: str | None = None) -> Line:
        """That what follows an entry in a log was recorded after a note."""
        index = entry.seq - log.first_seq
        tiles, tile = log.tiles(), index // TILE
        roots = [top(leaves) for leaves in tiles]
        return {
            "after": log.origin, "seq": entry.seq, "index": index, "previous": entry.previous.hex(), "body": entry.body.decode(),
            "private": entry.private.decode(), "salt": entry.salt.hex(), "tile": tile, "tile_root": roots[tile].hex(),
            "path": path_in(levels(tiles[tile]), index % TILE), "tile_path": path_in(levels(roots), tile), "note": note,
            "token": token,
        }  # fmt: skip

    def consistency_line(self, size: int) -> Line:
        """That an earlier size is a prefix."""
        root, path = self.forge.root(size).hex(), self.forge.consistency(size, self.size)
        return {"consistency": size, "root": root, "path": path}

    def rotation_line(self, place: int, note: str | None = None) -> Line:
        """That a key was followed by another."""
        return {"rotation": place, "note": note or self.forge.note(place + 1), **self.forge.quote(place, place + 1)}

    def redact_lines(self, log: ForgedLog, entries: Sequence[Entry], place: int) -> list[Line]:
        """What became of private parts that entry `place` of the spine removed."""
        rows = [redaction_row(entry) for entry in entries]
        tree = levels([leaf_hash(row.encode()) for row in rows])
        return [
            {"redact": log.origin, "seq": entry.seq, "row": row, "index": number, "count": len(rows), "path": path_in(tree, number)}
            | self.quote(place)
            for number, (entry, row) in enumerate(zip(entries, rows, strict=True))
        ]

    def files(self) -> Files:
        """All files but manifest and receipt."""
        given = {
            "events.jsonl": self.events,
            "proofs.jsonl": self.proofs,
            "scope.jsonl": [self.heads_line, *self.seal_lines, *self.index_lines, *self.outside],
            "history.jsonl": self.history,
            "timestamps.jsonl": self.timestamps,
        }
        texts = {"checkpoint": self.checkpoint, "policy.tlog-policy": self.policy, "keys/ledger.keys": self.keys}
        files = dict.fromkeys(("README.txt", "report.html", "report.pdf", "events.csv", "completeness.json", "verify.py"), b"x\n")
        files |= {name: b"".join(encoded(line) for line in lines) for name, lines in given.items()}
        return files | {name: text.encode() for name, text in texts.items()} | self.extra

    def manifest(self, files: Files) -> Line:
        """That fits the files."""
        sums = {name: {"bytes": len(content), "sha256": sha256(content).hexdigest()} for name, content in files.items()}
        root = self.forge.root(self.size).hex()
        return {
            "format": "phitrail-export-2", "export_id": "EXP-1", "made_at": rfc3339(self.forge.now), "made_by": "mallory",
            "purpose": "OCR audit", "organisation": "Lakeside Clinic", "asked": self.asked, "private_part": "given",
            "counts": {"events": files["events.jsonl"].count(b"\n")}, "files": sums,
            "ledger": {"origin": SIGNER.name, "size": self.size, "root": root},
        }  # fmt: skip

    def give(self, path: Path, *, receipt_changes: Mapping[str, object] | None = None) -> Path:
        """Let the ledger record the manifest, sign, and pack."""
        files = self.files()
        content = json.dumps(self.manifest(files), indent=2).encode()
        place = self.forge.commit("export", {"manifest_sha256": sha256(content).hexdigest(), "export_id": "EXP-1", "events": 0})
        size = place + 1
        receipt = {
            **self.forge.quote(place, size),
            "checkpoint": self.forge.note(size),
            "consistency": self.forge.consistency(self.size, size),
        }
        receipt |= receipt_changes or {}
        return pack({"manifest.json": content, "receipt.json": json.dumps(receipt).encode(), **files}, path)

    def _subject(self) -> tuple[Dimension | None, str]:
        systems = self.asked.get("source_systems")
        if "patient_id" in self.asked:
            return Dimension.PATIENT, str(self.asked["patient_id"])
        if "actor_id" in self.asked:
            return Dimension.ACTOR, str(self.asked["actor_id"])
        return (Dimension.SOURCE_SYSTEM, str(systems[0])) if isinstance(systems, list) and len(systems) == 1 else (None, "")

    def _write_log(self, log: ForgedLog) -> None:
        """Events and proofs of a log, and its outside lines."""
        tiles, tile, has_line = log.tiles(), -1, False
        roots = levels([top(leaves) for leaves in tiles])
        for index, entry in enumerate(log.entries):
            if self.by is not None and entry.subjects.get(self.by) != self.subject:
                continue
            if not self.is_wanted(entry):
                if self.by is not None:
                    self.outside.append(outside_line(log, entry))
                continue
            if not has_line:
                has_line = True
                self.proofs.append(self.log_line(log))
            if tile != index // TILE:
                tile = index // TILE
                rows = levels(tiles[tile])
                self.proofs.append({"tile": tile, "root": rows[-1][0].hex(), "path": path_in(roots, tile)})
            self.proofs.append(
                {"seq": entry.seq, "index": index, "previous": entry.previous.hex(), "path": path_in(rows, index % TILE)}
            )
            self.events.append(event_line(log, entry))


def event_line(log: ForgedLog, entry: Entry) -> Line:
    """The line of events.jsonl."""
    shown = not entry.is_redacted
    return {
        "writer": log.writer, "seq": entry.seq, "leaf": entry.leaf.hex(), "body": entry.body.decode(),
        "private_is": "given" if shown else "redacted", "private": entry.private.decode() if shown else None,
        "salt": entry.salt.hex() if shown else None,
    }  # fmt: skip


def outside_line(log: ForgedLog, entry: Entry) -> Line:
    """The line of scope.jsonl about an entry of the subject that was not asked for."""
    return {"outside": log.origin, "seq": entry.seq, "previous": entry.previous.hex(), "body": entry.body.decode()}


def redaction_row(entry: Entry) -> str:
    """docs/log-format.md section 10."""
    tags = [tag(index_key(SECRET, one), entry.subjects[one]).hex() for one in (Dimension.PATIENT, Dimension.ACTOR)]
    return f"{entry.seq} {entry.digest} {tags[0]} {tags[1]}"


def encoded(line: Mapping[str, object]) -> bytes:
    """A line in the one spelling."""
    return json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def seconds(when: datetime | int) -> int:
    """Since 1970."""
    return when if isinstance(when, int) else int(when.timestamp())


def three_logs() -> Forge:
    """Two sealed logs and one open of two writers: February of `main` is longer than a subtree, `b` has patient P-2 only."""
    forge = Forge()
    first, second = forge.log("main", 202602), forge.log("b", 202602)
    for number in range(300):
        forge.add(first, actor=("alice", "bob")[number % 2], action=("view_chart", "print")[number % 5 == 0])
    for _ in range(3):
        forge.add(second, patient="P-2", actor="bob")
    forge.commit_heads()
    forge.seal(first)
    forge.seal(second)
    third = forge.log("main", 202603)
    for number in range(40):
        forge.add(third, actor=("alice", "bob")[number % 2])
    forge.commit_heads()
    return forge
