#!/usr/bin/env python3
"""Check an audit export with the Python standard library alone (Python 3.9 or later): no network, no other program.

    python3 -I verify.py EXPORT.zip [--trust KEYFILE] [--since OLD_CHECKPOINT]

It says of each claim whether it is PROVEN, NOT PROVEN (nothing here shows it, nothing contradicts it) or FAILED (something here
contradicts it). Exit 0: nothing failed. 1: something failed. 2: this is no export that can be read.

Whoever can change an export can change the copy of this file inside it: run a copy that you got another way. It is written to be
read; the export's README.txt gives the same steps in words. KEYFILE holds the ledger's verifier key, one line; OLD_CHECKPOINT is
the file `checkpoint` of an earlier export, or another checkpoint of the same ledger that you kept.

It is one file, longer than others of its program, because it travels alone.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import stat
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn

FORMAT = "phitrail-export-1"
NAMES = {
    "README.txt", "manifest.json", "receipt.json", "report.html", "report.pdf", "events.csv", "events.jsonl", "proofs.jsonl",
    "completeness.json", "checkpoint", "keys/ledger.vkey", "verify.py",
}  # fmt: skip
MAX_BYTES = 1 << 40
MAX_SMALL = 16 << 20
MAX_LINE = 64 << 20
MAX_RATIO = 1100  # deflate cannot do better than 1032 to 1
PORTION = 1 << 20

PROVEN, NOT_PROVEN, FAILED = "PROVEN", "NOT PROVEN", "FAILED"

CLAIMS = {
    "archive": "the archive holds the files of an export, and nothing else",
    "files": "every file is the one that the manifest was made for",
    "receipt": "the manifest is the one that the ledger recorded for this export",
    "signature": "the checkpoint and the receipt are signed by the key that you trust",
    "events": "each event stands, unchanged, in a log that the checkpoint commits to",
    "order": "the events are in order, each with the number that its place in the log gives it",
    "twice": "no event is here twice",
    "count": "there are as many events as the manifest says",
    "private": "each private part that is given is the one that was hashed",
    "withheld": "the private part of every event is here",
    "scope": "every event of the ledger that was asked for is here",
    "since": "the ledger has only grown since the older checkpoint",
    "time": "the checkpoint was signed when the ledger says it was",
}
ENTRY_CLAIMS = ("events", "order", "twice", "count", "private", "withheld", "scope")

CANNOT = """What a log cannot prove, and this program does not say:
  - that the ledger was told of everything that happened; completeness.json says what is known about that
  - that what an event says is true, or that the person named did it rather than someone with their password
  - that one thing was recorded once: a source may report it twice, as two events"""

Fields = dict[str, object]
"""A JSON object."""


class Unreadable(Exception):
    """This is no export, or no key or checkpoint, that can be read."""


class Wrong(Exception):
    """Something contradicts a claim."""


class Misfit(Wrong):
    """A line that contradicts a claim: which file, which line from 1 (None: the file as a whole)."""

    def __init__(self, claim: str, file: str, line: int | None, what: str) -> None:
        super().__init__(what)
        self.claim, self.file, self.line = claim, file, line


# ---- Ed25519, RFC 8032 section 5.1: only what checking a signature needs, where no secret is handled ----

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Point = tuple[int, int, int, int]
"""Extended homogeneous coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z."""


def add(p: Point, q: Point) -> Point:
    """RFC 8032 section 5.1.4."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, p: Point) -> Point:
    """Scalar times point, by doubling and adding."""
    result: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, p)
        p = add(p, p)
        scalar >>= 1
    return result


def decompress(data: bytes) -> Point | None:
    """RFC 8032 section 5.1.3: the point of 32 bytes, or None where they are none."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def compress(p: Point) -> bytes:
    """RFC 8032 section 5.1.2: 32 bytes."""
    inverse = pow(p[2], P - 2, P)
    x, y = p[0] * inverse % P, p[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """RFC 8032 section 5.1.7: whether S*B - k*A is R."""
    a, s = decompress(public), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= ORDER or a is None or BASE is None:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    minus_a: Point = (P - a[0], a[1], 1, P - a[3])
    return compress(add(multiply(s, BASE), multiply(k, minus_a))) == signature[:32]


# ---- Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint) ----


class Key(NamedTuple):
    """A verifier key `name+hash+base64`."""

    name: str
    identity: bytes
    public: bytes
    text: str


class Tree(NamedTuple):
    """Size and root of a log."""

    origin: str
    size: int
    root: bytes


def sha(*parts: bytes) -> bytes:
    """SHA-256 over bytes joined."""
    return hashlib.sha256(b"".join(parts)).digest()


def read_key(text: str) -> Key:
    """Read a verifier key."""
    parts = text.strip().split("+", 2)
    data = unbase64(parts[2]) if len(parts) == 3 else None
    if data is None or len(data) != 33 or data[:1] != b"\x01" or not is_name(parts[0]):
        raise Wrong("this is no verifier key (name+hash+base64) of Ed25519")
    identity = sha(parts[0].encode(), b"\n", data)[:4]
    if identity.hex() != parts[1]:
        raise Wrong("the verifier key's hash does not belong to its name and key")
    return Key(parts[0], identity, data[1:], text.strip())


def read_note(note: str, key: Key) -> Tree:
    """The checkpoint in a note, which this key must have signed. Other keys' signatures are passed over."""
    text, between, block = note.rpartition("\n\n")
    if not between or not block.endswith("\n") or any(ord(c) < 0x20 and c != "\n" for c in note):
        raise Wrong("the note has no signatures, or control characters, or does not end with a line end")
    text += "\n"
    is_signed = False
    for line in block[:-1].split("\n")[:64]:
        dash, name, encoded = ([*line.split(" "), "", ""])[:3]
        payload = unbase64(encoded)
        if dash != "—" or not is_name(name) or payload is None or len(payload) < 5 or line.count(" ") != 2:
            raise Wrong("the note has a malformed signature line")
        if name == key.name and payload[:4] == key.identity:
            if not ed25519(key.public, text.encode(), payload[4:]):
                raise Wrong(f"the signature of {name} does not fit the note")
            is_signed = True
    if not is_signed:
        raise Wrong("no known key signed the note")
    lines = text.split("\n")
    root = unbase64(lines[2]) if len(lines) >= 4 else None
    if root is None or len(root) != 32 or not re.fullmatch("0|[1-9][0-9]{0,17}", lines[1]):
        raise Wrong("this is no checkpoint")
    if lines[0] != key.name:
        raise Wrong("the checkpoint is of another log than the key")
    return Tree(lines[0], int(lines[1]), root)


def unbase64(text: str) -> bytes | None:
    """The bytes, or None where it is no base64."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def is_name(name: str) -> bool:
    """Whether a key may have this name."""
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)


def included(leaf: bytes, index: int, tree: Tree, path: Sequence[bytes]) -> bool:
    """RFC 9162 section 2.1.3.2: whether `path` shows that `leaf` is at `index` in `tree`."""
    if not 0 <= index < tree.size:
        return False
    first, second, result = index, tree.size - 1, leaf
    for sibling in path:
        if second == 0:
            return False
        if first & 1 or first == second:
            result = sha(b"\x01", sibling, result)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            result = sha(b"\x01", result, sibling)
        first, second = first >> 1, second >> 1
    return second == 0 and result == tree.root


# ---- JSON that somebody sent us ----


def pairs(items: list[tuple[str, object]]) -> Fields:
    """An object in which no name stands twice, so that nothing hides in a second reading."""
    value = dict(items)
    if len(value) != len(items):
        raise ValueError("a name stands twice")
    return value


def integer(text: str) -> int:
    """An integer that every reader reads alike."""
    if len(text) > 17:
        raise ValueError("too large")
    return int(text)


def refuse(text: str) -> NoReturn:
    """No fractions, no NaN: an export has none."""
    raise ValueError(text)


DECODER = json.JSONDecoder(object_pairs_hook=pairs, parse_int=integer, parse_float=refuse, parse_constant=refuse)


def read_object(text: bytes, what: str, *, is_canonical: bool = False) -> Fields:
    """A JSON object; canonical: with sorted names and no white space."""
    try:
        value: object = DECODER.decode(text.decode("utf-8"))
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise Wrong(f"{what} is not JSON" if "twice" not in str(error) else f"{what} is not in canonical form") from None
    if not isinstance(value, dict):
        raise Wrong(f"{what} is no JSON object")
    if is_canonical and again != text:
        raise Wrong(f"{what} is not in canonical form")
    return value


def text_of(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise Wrong(f"{name} is missing or is no text")
    return value


def number_of(fields: Fields, name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong(f"{name} is missing or is no number")
    return value


def bytes_of(fields: Fields, name: str, size: int = 32) -> bytes:
    value = fields.get(name)
    if not isinstance(value, str) or not re.fullmatch(f"[0-9a-f]{{{2 * size}}}", value):
        raise Wrong(f"{name} is missing or is not {size} bytes in hex")
    return bytes.fromhex(value)


def path_of(fields: Fields, name: str) -> list[bytes]:
    value = fields.get(name)
    if not isinstance(value, list) or len(value) > 64:
        raise Wrong(f"{name} is missing or is no list of hashes")
    return [bytes_of({name: item}, name) for item in value]


# ---- The archive: nothing is unpacked to disk, nothing is read before it is bounded ----

DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError, RuntimeError, ValueError)


class Archive:
    """An opened export."""

    def __init__(self, path: str, max_bytes: int) -> None:
        try:
            self.zip = zipfile.ZipFile(path)
        except DAMAGE:
            raise Unreadable("this is no zip archive, or it cannot be read") from None
        entries = self.zip.infolist()
        names = [entry.filename for entry in entries]
        if "manifest.json" not in names:
            raise Unreadable("this is no audit export: it has no manifest.json")
        if len(set(names)) != len(names):
            raise Wrong("the archive has two files of one name")
        for name in sorted(set(names) - NAMES):
            raise Wrong(f"the archive has a file that no export has: {name[:80]!r}")
        for name in sorted(NAMES - set(names)):
            raise Wrong(f"the archive lacks {name}")
        for entry in entries:
            if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Wrong(f"{entry.filename} is encrypted, or packed in a way that no export is")
            if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
                raise Wrong(f"{entry.filename} is a link or a device, not a file")
            if entry.file_size > MAX_RATIO * max(1, entry.compress_size):
                raise Wrong(f"{entry.filename} claims a size that no file packs into")
        if sum(entry.file_size for entry in entries) > max_bytes:
            raise Wrong(f"the archive unpacks to more than {max_bytes} bytes")
        if min(entry.header_offset for entry in entries) != 0:
            raise Wrong("there are bytes hidden in front of the archive")
        self.entries = {entry.filename: entry for entry in entries}

    def portions(self, name: str) -> Iterator[bytes]:
        """The content of a file, a portion at a time."""
        try:
            with self.zip.open(self.entries[name]) as entry:
                portion = entry.read(PORTION)
                while portion:
                    yield portion
                    portion = entry.read(PORTION)
        except DAMAGE:
            raise Wrong(f"{name} is damaged inside the archive") from None

    def small(self, name: str) -> bytes:
        """A small file, whole."""
        if self.entries[name].file_size > MAX_SMALL:
            raise Wrong(f"{name} is larger than {MAX_SMALL} bytes")
        return b"".join(self.portions(name))

    def sum(self, name: str) -> Fields:
        """Size and SHA-256 of a file, as the manifest gives them."""
        digest, size = hashlib.sha256(), 0
        for portion in self.portions(name):
            digest.update(portion)
            size += len(portion)
        return {"bytes": size, "sha256": digest.hexdigest()}

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file without their ends, one in memory at a time."""
        waiting = b""
        for portion in self.portions(name):
            *whole, waiting = (waiting + portion).split(b"\n")
            yield from whole
            if len(waiting) > MAX_LINE:
                raise Wrong(f"{name} has a line of more than {MAX_LINE} bytes")
        if waiting:
            raise Wrong(f"{name} does not end with a line end")


# ---- The check ----


@dataclass
class Claim:
    """A claim, what became of it, and the sentences that say why."""

    state: str = NOT_PROVEN
    why: list[str] = field(default_factory=list)


class Check:
    """Goes through the export once. What one step finds does not keep a later one from naming the place."""

    def __init__(self, trust: Key | None, since: str | None) -> None:
        self.trust, self.since = trust, since
        self.claims = {name: Claim() for name in CLAIMS}
        self.manifest: Fields = {}

    def say(self, name: str, state: str, why: str) -> None:
        """Settle a claim; what failed stays failed."""
        claim = self.claims[name]
        if claim.state != FAILED or state == FAILED:
            claim.state = state
            claim.why.append(why)

    def run(self, path: str, max_bytes: int) -> None:
        """All steps. Raises Unreadable."""
        step = "archive"
        try:
            archive = Archive(path, max_bytes)
            self.say(step, PROVEN, f"{len(NAMES)} files")
            step = "files"
            self.manifest = read_object(archive.small("manifest.json"), "manifest.json")
            if self.manifest.get("format") != FORMAT:
                raise Unreadable(f"the export has the format {str(self.manifest.get('format'))[:40]!r}; this reads {FORMAT}")
            self.files(archive)
            step = "signature"
            text = archive.small("keys/ledger.vkey").decode("utf-8", "replace").strip()
            key = self.trust or read_key(text)
        except Wrong as error:
            self.say(step, FAILED, str(error))
            return
        tree = self.checkpoint(archive, key)
        if text != key.text:
            self.say("signature", FAILED, "keys/ledger.vkey: the key in the export is not the trusted one")
        newest = self.receipt(archive, key)
        if tree is not None and newest is not None:
            self.signature(key)
        if tree is not None:
            Entries(self, archive, tree).run()
        self.older([one for one in (tree, newest) if one is not None], key)
        self.say("time", NOT_PROVEN, "times are the ledger's own: no witness and no time stamp of somebody else is in an export")

    def files(self, archive: Archive) -> None:
        """Each file has the size and hash that the manifest gives."""
        listed = self.manifest.get("files")
        if not isinstance(listed, dict) or set(listed) != NAMES - {"manifest.json", "receipt.json"}:
            self.say("files", FAILED, "manifest.json: it does not list exactly the files of an export")
            return
        for name in listed:
            try:
                if listed[name] != archive.sum(name):
                    self.say("files", FAILED, f"{name}: its bytes are not those that the manifest was made for")
            except Wrong as error:
                self.say("files", FAILED, f"{name}: {error}")
        self.say("files", PROVEN, f"{len(listed)} files have the size and SHA-256 that the manifest gives")

    def checkpoint(self, archive: Archive, key: Key) -> Tree | None:
        """The signed tree that everything is proven under."""
        try:
            return read_note(archive.small("checkpoint").decode("utf-8", "replace"), key)
        except Wrong as error:
            self.say("signature", FAILED, f"checkpoint: {error}")
            return None

    def signature(self, key: Key) -> None:
        """Both notes are signed by `key`; whose key that is, only the reader can know."""
        if self.trust is not None:
            self.say("signature", PROVEN, f"by {key.text}")
        else:
            self.say("signature", NOT_PROVEN, f"they are signed by the key that came with the export, {key.text}")
            self.say("signature", NOT_PROVEN, "whose that is shows only with --trust and a key that you got elsewhere")

    def receipt(self, archive: Archive, key: Key) -> Tree | None:
        """The ledger's entry about this export holds the hash of the manifest, and is under a signed checkpoint."""
        try:
            tree, index, recorded = self.recorded(read_object(archive.small("receipt.json"), "receipt.json"), key)
        except Wrong as error:
            self.say("receipt", FAILED, f"receipt.json: {error}")
            return None
        if archive.sum("manifest.json")["sha256"] == recorded:
            self.say("receipt", PROVEN, f"its SHA-256 is in entry {index} of the ledger's spine")
        else:
            self.say("receipt", FAILED, "manifest.json: it is not the manifest that the ledger recorded for this export")
        return tree

    def recorded(self, receipt: Fields, key: Key) -> tuple[Tree, int, str]:
        """The receipt's tree, the place of the ledger's entry in it, and the manifest's hash in that entry."""
        tree, body = read_note(text_of(receipt, "checkpoint"), key), text_of(receipt, "spine_body").encode()
        index, path = number_of(receipt, "spine_index"), path_of(receipt, "spine_path")
        if not included(sha(b"\x00", bytes_of(receipt, "spine_previous"), body), index, tree, path):
            raise Wrong("the ledger's entry about this export is not under its checkpoint")
        entry = read_object(body, "the ledger's entry about this export")
        fields = entry.get("fields")
        if entry.get("kind") != "export" or not isinstance(fields, dict):
            raise Wrong("the ledger's entry in the receipt is not about an export")
        return tree, index, text_of(fields, "manifest_sha256")

    def older(self, trees: Sequence[Tree], key: Key) -> None:
        """Whether the older checkpoint is of the same history as those in the export."""
        if self.since is None:
            self.say("since", NOT_PROVEN, "no older checkpoint was given (--since)")
            return
        if not trees:
            self.say("since", NOT_PROVEN, "no checkpoint in the export holds, so there is nothing to compare with")
            return
        try:
            old = read_note(self.since, key)
        except Wrong as error:
            self.say("since", FAILED, f"the older checkpoint: {error}")
            return
        newest = max(tree.size for tree in trees)
        same = [tree.root == old.root for tree in trees if tree.size == old.size]
        if not all(same) or (old.size == 0 and old.root != sha()):
            self.say("since", FAILED, f"two roots for one size, {old.size}: the ledger signed two histories")
        elif old.size > newest:
            self.say("since", FAILED, f"{old.size} entries, the export's newest {newest}: entries were lost, or it is not older")
        elif same or old.size == 0:
            self.say("since", PROVEN, f"at {old.size} entries both have the same root")
        else:
            self.say("since", NOT_PROVEN, f"{old.size} entries, then {newest}: an export holds no consistency proof between them")


class Entries:
    """The events of an export, one line of events.jsonl with one line of proofs.jsonl at a time."""

    def __init__(self, check: Check, archive: Archive, spine: Tree) -> None:
        self.check, self.archive, self.spine = check, archive, spine
        self.log: Tree | None = None
        self.writer = ""
        self.first: int | None = None
        self.sizes: dict[str, int] = {}
        self.last: tuple[str, int] | None = None
        self.parts = {"given": 0, "withheld": 0, "redacted": 0}
        self.checked = 0

    def run(self) -> None:
        """Settle the claims about events."""
        try:
            self.read()
        except Misfit as error:
            place = error.file if error.line is None else f"{error.file} line {error.line}"
            self.check.say(error.claim, FAILED, f"{place}: {error}")
        except Wrong as error:
            self.check.say("events", FAILED, f"events.jsonl: {error}")
        else:
            self.settle()
            return
        for name in ENTRY_CLAIMS:
            self.check.say(name, NOT_PROVEN, f"{self.checked} events fit; checking stopped at the first that does not")

    def read(self) -> None:
        """Every event with its proof. Raises Wrong at the first that does not fit."""
        proofs = enumerate(self.archive.lines("proofs.jsonl"), 1)
        for line, text in enumerate(self.archive.lines("events.jsonl"), 1):
            log, path = self.next_path(proofs)
            try:
                self.event(read_object(text, "the line", is_canonical=True), path, log)
            except Misfit as error:
                error.line = line
                raise
            except Wrong as error:
                raise Misfit("events", "events.jsonl", line, str(error)) from None
            self.checked += 1
        if next(proofs, None) is not None:
            raise Misfit("count", "proofs.jsonl", None, "it has more lines than there are events")

    def next_path(self, proofs: Iterator[tuple[int, bytes]]) -> tuple[Tree, Fields]:
        """The next path and its log; a log that is met on the way is proven first."""
        for line, text in proofs:
            try:
                fields = read_object(text, "the line", is_canonical=True)
                if "log" in fields:
                    self.enter(fields)
            except Wrong as error:
                raise Misfit("events", "proofs.jsonl", line, str(error)) from None
            if "log" in fields:
                continue
            if self.log is None:
                raise Misfit("events", "proofs.jsonl", line, "a path stands in front of any log")
            return self.log, fields
        raise Misfit("count", "proofs.jsonl", None, "it has fewer lines than there are events")

    def enter(self, fields: Fields) -> None:
        """A log's head is what a spine entry commits to, and that entry is under the checkpoint."""
        log = Tree(text_of(fields, "log"), number_of(fields, "size"), bytes_of(fields, "root"))
        body = text_of(fields, "spine_body").encode()
        committed = bytes_of(read_object(body, "the spine entry"), "heads_root")
        heads = Tree("", number_of(fields, "heads_count"), committed)
        head = sha(b"\x00", f"{log.origin} {log.size} {log.root.hex()}".encode())
        if not included(head, number_of(fields, "heads_index"), heads, path_of(fields, "heads_path")):
            raise Wrong("the spine entry does not commit to this log")
        leaf = sha(b"\x00", bytes_of(fields, "spine_previous"), body)
        if not included(leaf, number_of(fields, "spine_index"), self.spine, path_of(fields, "spine_path")):
            raise Wrong("the spine entry is not under the checkpoint")
        self.log, self.writer, self.first = log, text_of(fields, "writer"), None
        self.sizes[log.origin] = log.size

    def event(self, event: Fields, path: Fields, log: Tree) -> None:
        """One event: body, leaf, proof, number, order, private part."""
        seq, index, body = number_of(event, "seq"), number_of(path, "index"), text_of(event, "body").encode()
        said = read_object(body, "the body")
        if (said.get("writer"), said.get("seq"), event.get("writer")) != (self.writer, seq, self.writer):
            raise Wrong(f"entry {seq} stands in another place than its body says")
        if path.get("seq") != seq:
            raise Wrong(f"the proof in this place is not that of entry {seq}")
        leaf = sha(b"\x00", bytes_of(path, "previous"), body)
        if leaf != bytes_of(event, "leaf"):
            raise Wrong(f"the leaf of entry {seq} is not that of its body")
        if not included(leaf, index, log, path_of(path, "path")):
            raise Wrong(f"entry {seq} is not in the ledger as it is given here")
        self.first = seq - index if self.first is None else self.first
        if self.first != seq - index:
            raise Misfit("order", "events.jsonl", None, f"entry {seq} does not have the number that its place in the log gives it")
        if self.last is not None and (self.writer, seq) <= self.last:
            claim = "twice" if (self.writer, seq) == self.last else "order"
            raise Misfit(claim, "events.jsonl", None, f"entry {seq} stands after entry {self.last[1]}: out of order, or twice")
        self.last = self.writer, seq
        self.private(event, said, seq)

    def private(self, event: Fields, said: Fields, seq: int) -> None:
        """A private part that is given is the one under the digest in the body."""
        state = event.get("private_is")
        wrong = ""
        if state == "given":
            salt = bytes_of(event, "salt", 16)
            if sha(salt, text_of(event, "private").encode()).hex() != said.get("private_digest"):
                wrong = f"the private part of entry {seq} is not the one that was hashed"
        elif state not in ("withheld", "redacted"):
            wrong = f"entry {seq} does not say what became of its private part"
        elif event.get("private") is not None or event.get("salt") is not None:
            wrong = f"entry {seq} says that its private part is not given, and gives it"
        if wrong:
            raise Misfit("private", "events.jsonl", None, wrong)
        self.parts[str(state)] += 1

    def settle(self) -> None:
        """Everything fits: say how much that is, and what it does not show."""
        say, given, total = self.check.say, self.parts["given"], sum(self.sizes.values())
        counts = self.check.manifest.get("counts")
        claimed = counts.get("events") if isinstance(counts, dict) else None
        say("events", PROVEN, f"{self.checked} events of {len(self.sizes)} logs, under a checkpoint of {self.spine.size} entries")
        say("order", PROVEN, f"{self.checked} events")
        say("twice", PROVEN, "no place in the ledger is here more than once")
        if claimed == self.checked:
            say("count", PROVEN, f"{self.checked} events")
        else:
            say("count", FAILED, f"events.jsonl: it has {self.checked} events; the manifest says {claimed}")
        say("private", PROVEN, f"{given} are given")
        hidden = f"{self.parts['withheld']} are withheld, {self.parts['redacted']} were redacted before"
        say("withheld", PROVEN if given == self.checked else NOT_PROVEN, hidden)
        say("scope", NOT_PROVEN, f"the logs of these events have {total} entries, of which {total - self.checked} are not here")
        say("scope", NOT_PROVEN, "no proof says why: completeness.json counts what was left out, in the words of whoever made this")


def show(text: str, *, is_error: bool = False) -> None:
    """Print without control characters, in whatever the terminal can show."""
    out = sys.stderr if is_error else sys.stdout
    encoding = out.encoding or "ascii"
    plain = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    out.write(plain.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def read_small(path: str) -> str:
    """A small text file of the reader's own. Raises Unreadable."""
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_SMALL).decode("utf-8")
    except (OSError, ValueError):
        raise Unreadable(f"{path} cannot be read as text") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the export that the arguments name, and print what came of it. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Check an audit export.", epilog="Exit 0: nothing failed; 1: something failed; 2: unreadable."
    )
    parser.add_argument("export", help="the .zip")
    parser.add_argument("--trust", metavar="KEYFILE", help="file with the verifier key that you trust")
    parser.add_argument("--since", metavar="OLD_CHECKPOINT", help="an older checkpoint of the same ledger, that you kept")
    parser.add_argument("--max-bytes", type=int, default=MAX_BYTES, help="refuse an archive that unpacks to more")
    given = parser.parse_args(arguments)
    try:
        trust = None if given.trust is None else read_key(read_small(given.trust))
        check = Check(trust, None if given.since is None else read_small(given.since))
        check.run(given.export, given.max_bytes)
    except Wrong as error:
        show(f"{given.trust}: {error}", is_error=True)
        return 2
    except Unreadable as error:
        show(f"UNREADABLE  {error}", is_error=True)
        return 2
    said = [str(check.manifest.get(name, "?")) for name in ("export_id", "made_at", "made_by", "purpose")]
    show("Export {}, made {} by {}, for: {}\n".format(*said))
    for name, claim in check.claims.items():
        show(f"{claim.state:<12}{CLAIMS[name]}")
        for why in claim.why or ["not reached, because of what failed"]:
            show(f"{'':<12}  {why}")
    show(f"\n{CANNOT}")
    return 1 if any(claim.state == FAILED for claim in check.claims.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
