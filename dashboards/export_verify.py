#!/usr/bin/env python3
"""Check an audit export with the Python standard library alone (Python 3.9 or later): no network, no other program.

    python3 -I verify.py EXPORT.zip [--trust KEYFILE] [--policy FILE] [--since OLD_CHECKPOINT [--consistency ANSWER]]

It says of each claim whether it is PROVEN, NOT PROVEN (nothing here shows it, nothing contradicts it) or FAILED (something here
contradicts it). Exit 0: nothing failed. 1: something failed. 2: this is no export that can be read.

Whoever can change an export can change the copy of this file inside it: run a copy that you got another way. It is written to be
read; the export's README.txt gives the same steps in words.

    KEYFILE          the ledger's verifier key, or its list of keys; a key of earlier years will do, where the export holds the
                     rotations that lead from it to the later ones
    FILE             which witnesses you trust, and how many of them must have seen a checkpoint (c2sp.org/tlog-policy)
    OLD_CHECKPOINT   the file `checkpoint` of an earlier export, or another checkpoint of the same ledger that you kept
    ANSWER           what /v1/consistency of the ledger answers for the sizes of the two checkpoints, where the export has no proof

It is one file, longer than others of its program, because it travels alone.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import re
import stat
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn

FORMAT = "phitrail-export-2"
NAMES = {
    "README.txt", "manifest.json", "receipt.json", "report.html", "report.pdf", "events.csv", "events.jsonl", "proofs.jsonl",
    "scope.jsonl", "history.jsonl", "timestamps.jsonl", "completeness.json", "checkpoint", "policy.tlog-policy", "keys/ledger.keys",
    "verify.py",
}  # fmt: skip
MAX_BYTES = 1 << 40
MAX_SMALL = 16 << 20
MAX_LINE = 64 << 20
MAX_KEPT = 1 << 20  # lines of which something stays in memory: logs, seals, earlier checkpoints
MAX_KEPT_BYTES = 1 << 30  # of such lines in one file
MAX_WHY = 20  # sentences about one claim that failed
MAX_DEPTH = 32
MAX_RATIO = 1100  # deflate cannot do better than 1032 to 1
PORTION = 1 << 20
TILE = 256
CLOCKS_DIFFER = 3_600_000_000  # microseconds by which a witness's clock and the ledger's may differ

PROVEN, NOT_PROVEN, FAILED = "PROVEN", "NOT PROVEN", "FAILED"
RANK = {"": 0, PROVEN: 1, NOT_PROVEN: 2, FAILED: 3}

CLAIMS = {
    "archive": "the archive holds the files of an export, and nothing else",
    "files": "every file is the one that the manifest was made for",
    "signature": "the checkpoint and the receipt are signed by the keys that you trust",
    "receipt": "the manifest is the one that the ledger recorded for this export",
    "events": "each event stands, unchanged, in a log that the checkpoint commits to",
    "order": "the events are in order, each with the number that its place in the log gives it",
    "twice": "no event is here twice",
    "count": "there are as many events as the manifest says",
    "private": "each private part that is given is the one that was hashed",
    "withheld": "the private part of every event is here",
    "scope": "every event of the ledger that was asked for is here",
    "since": "the ledger has only grown since the older checkpoint",
    "later": "each event was recorded not later than the time shown",
    "earlier": "each event was recorded not earlier than the time shown",
    "quorum": "the checkpoint was seen by a quorum of the witnesses that you trust",
    "tombstones": "what was disposed of after retention is shown by the ledger's own entries",
}
ENTRY_CLAIMS = ("events", "order", "twice", "count", "private", "withheld", "scope", "later", "earlier", "tombstones")

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

    @property
    def sentence(self) -> str:
        """The place, and what is wrong there."""
        return f"{self.file}: {self}" if self.line is None else f"{self.file} line {self.line}: {self}"


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


# ---- ML-DSA-44, FIPS 204: only what checking a signature needs; the names are those of the standard ----

Q = 8380417
TAU, GAMMA1, GAMMA2, BETA, OMEGA, K, L = 39, 2**17, (Q - 1) // 88, 78, 80, 4, 4
DROPPED_BITS = 13
ZETAS = [pow(1753, int(f"{i:08b}"[::-1], 2), Q) for i in range(256)]
Poly = list[int]
"""256 coefficients below Q."""


def ntt(w: Poly) -> Poly:
    """Algorithm 41, on a copy."""
    w, m, length = list(w), 0, 128
    while length:
        for start in range(0, 256, 2 * length):
            m += 1
            zeta = ZETAS[m]
            for j in range(start, start + length):
                t = zeta * w[j + length] % Q
                w[j], w[j + length] = (w[j] + t) % Q, (w[j] - t) % Q
        length //= 2
    return w


def inverse_ntt(w: Poly) -> Poly:
    """Algorithm 42, on a copy."""
    w, m, length = list(w), 256, 1
    while length < 256:
        for start in range(0, 256, 2 * length):
            m -= 1
            zeta = ZETAS[m]
            for j in range(start, start + length):
                t = w[j]
                w[j], w[j + length] = (t + w[j + length]) % Q, zeta * (w[j + length] - t) % Q
        length *= 2
    return [8347681 * one % Q for one in w]  # 256 to the power of -1


def rejection_sampled(seed: bytes) -> Poly:
    """Algorithm 30: 256 numbers below Q out of SHAKE128."""
    size, found = 1024, list[int]()
    while len(found) < 256:
        stream = hashlib.shake_128(seed).digest(size)
        numbers = (int.from_bytes(stream[i : i + 3], "little") & 0x7FFFFF for i in range(0, size - 2, 3))
        found = [number for number in numbers if number < Q][:256]
        size *= 2
    return found


def sample_in_ball(seed: bytes) -> Poly:
    """Algorithm 29: TAU coefficients of 1 or -1, the others 0."""
    size, c = 1024, [0] * 256
    stream = hashlib.shake_256(seed).digest(size)
    signs, position = int.from_bytes(stream[:8], "little"), 8
    for i in range(256 - TAU, 256):
        while stream[position] > i:
            position += 1
            if position + 1 == size:
                size *= 2
                stream = hashlib.shake_256(seed).digest(size)
        j = stream[position]
        position += 1
        c[i], c[j] = c[j], 1 - 2 * (signs >> i + TAU - 256 & 1)
    return c


def unpacked(data: bytes, bits: int) -> list[int]:
    """Algorithms 18 and 19: 256 numbers of so many bits, least significant first."""
    number, mask = int.from_bytes(data, "little"), (1 << bits) - 1
    return [number >> bits * i & mask for i in range(256)]


def unpacked_hint(data: bytes) -> list[set[int]] | None:
    """Algorithm 21: the places of the ones of each polynomial, or None where this is not the one spelling of a hint."""
    hint, index = [], 0
    for end in data[OMEGA:]:
        places = list(data[index:end])
        if end < index or end > OMEGA or places != sorted(set(places)):
            return None
        hint.append(set(places))
        index = end
    return None if any(data[index:OMEGA]) else hint


def high_bits(r: int, is_hinted: bool) -> int:
    """Algorithms 36 and 40: the part of r above 2*GAMMA2, moved by one where the hint says so."""
    low = r % (2 * GAMMA2)
    if low > GAMMA2:
        low -= 2 * GAMMA2
    high, low = (0, low - 1) if r - low == Q - 1 else ((r - low) // (2 * GAMMA2), low)
    return high if not is_hinted else (high + (1 if low > 0 else -1)) % 44


def ml_dsa_44(public: bytes, message: bytes, signature: bytes) -> bool:
    """Algorithms 3 and 8 with an empty context."""
    if len(public) != 1312 or len(signature) != 2420:
        return False
    rho, t1 = public[:32], [unpacked(public[32 + 320 * i : 352 + 320 * i], 10) for i in range(K)]
    challenge, hint = signature[:32], unpacked_hint(signature[2336:])
    z = [[GAMMA1 - one for one in unpacked(signature[32 + 576 * i : 608 + 576 * i], 18)] for i in range(L)]
    if hint is None or any(abs(one) >= GAMMA1 - BETA for poly in z for one in poly):
        return False
    of_key = hashlib.shake_256(public).digest(64)
    mu = hashlib.shake_256(of_key + b"\x00\x00" + message).digest(64)
    c, z = ntt(sample_in_ball(challenge)), [ntt(poly) for poly in z]
    commitment = b""
    for i in range(K):
        row = [rejection_sampled(rho + bytes([j, i])) for j in range(L)]
        t = ntt([one << DROPPED_BITS for one in t1[i]])
        w = inverse_ntt([(sum(row[j][n] * z[j][n] for j in range(L)) - c[n] * t[n]) % Q for n in range(256)])
        packed = sum(high_bits(w[n], n in hint[i]) << 6 * n for n in range(256))
        commitment += packed.to_bytes(192, "little")
    return hashlib.shake_256(mu + commitment).digest(32) == challenge


# ---- Signed notes, checkpoints and the keys of a log over time (C2SP signed-note, tlog-checkpoint) ----


class Key(NamedTuple):
    """A verifier key `name+hash+base64`: `kind` 1 signs notes, 4 (Ed25519) and 6 (ML-DSA-44) cosign checkpoints."""

    name: str
    kind: int
    public: bytes

    @property
    def identity(self) -> bytes:
        """The four bytes that stand in front of its signatures."""
        return sha(self.name.encode(), b"\n", bytes([self.kind]), self.public)[:4]

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{self.name}+{self.identity.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"


class Tree(NamedTuple):
    """Size and root of a log."""

    origin: str
    size: int
    root: bytes

    @property
    def line(self) -> bytes:
        """The hash under which a spine entry commits to it."""
        return sha(b"\x00", f"{self.origin} {self.size} {self.root.hex()}".encode())


class Signature(NamedTuple):
    """A signature line of a note."""

    name: str
    identity: bytes
    payload: bytes


def sha(*parts: bytes) -> bytes:
    """SHA-256 over bytes joined."""
    return hashlib.sha256(b"".join(parts)).digest()


PUBLIC_SIZES = {1: 32, 4: 32, 6: 1312}
UNNAMEABLE = re.compile(r"[+\s\x00-\x1f\ud800-\udfff]")
UNWRITABLE = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")


def read_key(text: str, kinds: Sequence[int] = (1,)) -> Key:
    """Read a verifier key of one of these kinds."""
    parts = text.strip().split("+", 2)
    data = unbase64(parts[2]) if len(parts) == 3 else None
    if not data or base64.b64encode(data).decode() != parts[2] or not is_name(parts[0]):
        raise Wrong("this is no verifier key (name+hash+base64)")
    key = Key(parts[0], data[0], data[1:])
    if key.kind not in kinds or len(key.public) != PUBLIC_SIZES[key.kind]:
        raise Wrong("the verifier key is of another kind than is wanted here")
    if key.kind == 6 and len(key.name.encode()) > 255:
        raise Wrong("the name of a cosigner is too long")
    if key.identity.hex() != parts[1]:
        raise Wrong("the verifier key's hash does not belong to its name and key")
    return key


def split_note(note: str) -> tuple[str, list[Signature]]:
    """The text of a note and its signatures, none of them checked."""
    text, between, block = note.rpartition("\n\n")
    if UNWRITABLE.search(note) or not note.endswith("\n"):
        raise Wrong("the note has control characters, or does not end with a newline")
    if not between or not block:
        raise Wrong("the note has no signatures")
    lines = block[:-1].split("\n")
    if len(lines) > 64:
        raise Wrong("the note has too many signatures")
    signatures = []
    for line in lines:
        name, space, encoded = line[2:].partition(" ")
        payload = unbase64(encoded)
        if line[:2] != "— " or not space or not is_name(name) or payload is None or len(payload) < 5:
            raise Wrong("the note has a malformed signature line")
        signatures.append(Signature(name, payload[:4], payload[4:]))
    return f"{text}\n", signatures


def signed_by(key: Key, text: str, signatures: Sequence[Signature]) -> bool:
    """Whether this key signed. A signature under its name that does not fit spoils the note."""
    mine = [one.payload for one in signatures if (one.name, one.identity) == (key.name, key.identity)]
    if not all(ed25519(key.public, text.encode(), payload) for payload in mine):
        raise Wrong(f"the signature of {key.name} does not fit the note")
    return bool(mine)


def read_tree(text: str) -> Tree:
    """The checkpoint in the text of a note."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise Wrong("this is no checkpoint")
    if not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]) or int(lines[1]) >= 2**63:
        raise Wrong("the checkpoint's size is no decimal number of 63 bits")
    root = unbase64(lines[2])
    if root is None:
        raise Wrong("the checkpoint's root is no base64")
    if len(root) != 32:
        raise Wrong("the checkpoint's root is not 32 bytes")
    return Tree(lines[0], int(lines[1]), root)


class RangedKey(NamedTuple):
    """A key, and the sizes of the checkpoints that it signs, both included; `last` None: it signs still."""

    key: Key
    first: int
    last: int | None

    def covers(self, size: int) -> bool:
        """Whether it signs checkpoints of this size."""
        return self.first <= size and (self.last is None or size <= self.last)


Ring = list[RangedKey]
"""The keys of one log, oldest first; both sign the size at which one follows the other."""


def read_ring(text: str) -> Ring:
    """A key list: one line a key, alone or with its first and last size."""
    ring = []
    for line in text.splitlines():
        parts = line.split()
        if not parts:
            continue
        size = "0|[1-9][0-9]{0,17}"
        if len(parts) == 1:
            parts += ["0", "-"]
        if len(parts) != 3 or not re.fullmatch(size, parts[1]) or not (parts[2] == "-" or re.fullmatch(size, parts[2])):
            raise Wrong("a line of a key list is a verifier key, alone or with its first and last size")
        ring.append(RangedKey(read_key(parts[0]), int(parts[1]), None if parts[2] == "-" else int(parts[2])))
    if not ring or len({one.key.name for one in ring}) != 1:
        raise Wrong("a key list has keys, and all of one log")
    for one, following in neighbours(ring):
        if one.last is None or one.last != following.first or one.last <= one.first:
            raise Wrong("in a key list each key begins at the size at which the one before it ends")
    return ring


def neighbours(ring: Ring) -> list[tuple[RangedKey, RangedKey]]:
    """Each key with the one that follows it."""
    return [(ring[i], ring[i + 1]) for i in range(len(ring) - 1)]


def open_note(note: str, ring: Ring) -> Tree:
    """The checkpoint in a note that every key in charge of its size has signed. Signatures of unknown keys are passed over."""
    text, signatures = split_note(note)
    signed = [one for one in ring if signed_by(one.key, text, signatures)]
    if not signed:
        raise Wrong("no known key signed the note")
    tree = read_tree(text)
    if tree.origin != ring[0].key.name:
        raise Wrong("the checkpoint is of another log than the key")
    wanted = [one for one in ring if one.covers(tree.size)]
    if not wanted:
        raise Wrong(f"no known key signs for a checkpoint of size {tree.size}")
    if not all(one in signed for one in wanted):
        raise Wrong(f"the checkpoint of size {tree.size} is not signed by the key that signs for this size")
    return tree


@dataclass(frozen=True)
class Rotation:
    """A `key-rotate` entry at place `index`, under a checkpoint of the next size that both keys signed."""

    line: int
    index: int
    previous: Key
    key: Key


def joined(ring: Ring, rotations: Sequence[Rotation]) -> tuple[Ring, list[Rotation]]:
    """The keys that rotations lead to, later and earlier, from those of `ring`; and the rotations that lead nowhere."""
    ring, waiting, before = list(ring), sorted(rotations, key=lambda one: one.index), -1
    while len(waiting) != before:
        before = len(waiting)
        waiting = [one for one in waiting if not join(ring, one)]
    return ring, waiting


def join(ring: Ring, rotation: Rotation) -> bool:
    """Put a rotation at the end or the beginning of the keys; False: it does not belong there (yet)."""
    size, oldest, newest = rotation.index + 1, ring[0], ring[-1]
    for one, following in neighbours(ring):
        if (one.key, following.key, one.last) == (rotation.previous, rotation.key, size):
            return True
    if newest.key == rotation.previous and newest.last in (None, size) and newest.first < size:
        ring[-1:] = [RangedKey(newest.key, newest.first, size), RangedKey(rotation.key, size, None)]
        return True
    if oldest.key == rotation.key and oldest.first in (0, size) and (oldest.last is None or oldest.last > size):
        ring[:1] = [RangedKey(rotation.previous, 0, size), RangedKey(oldest.key, size, oldest.last)]
        return True
    return False


def unbase64(text: str) -> bytes | None:
    """The bytes, or None where it is no base64."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def is_name(name: str) -> bool:
    """Whether a key may have this name."""
    return bool(name) and not UNNAMEABLE.search(name)


# ---- Trees (RFC 6962, RFC 9162) ----


def included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162 section 2.1.3.2: whether `path` shows that `leaf` is at `index` of `size` under `root`."""
    if not 0 <= index < size:
        return False
    first, second, result = index, size - 1, leaf
    for sibling in path:
        if second == 0:
            return False
        if first & 1 or first == second:
            result = hashlib.sha256(b"\x01" + sibling + result).digest()
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            result = hashlib.sha256(b"\x01" + result + sibling).digest()
        first, second = first >> 1, second >> 1
    return second == 0 and result == root


def consistent(old: Tree, new: Tree, path: Sequence[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2: whether `path` shows that `old` holds the first entries of `new`."""
    if old.size < 0:
        return False
    if old.size >= new.size:
        return not path and (old.size, old.root) == (new.size, new.root)
    if old.size == 0:
        return not path and old.root == sha()
    nodes = [old.root, *path] if old.size & (old.size - 1) == 0 else list(path)
    if not nodes:
        return False
    first, second = old.size - 1, new.size - 1
    while first & 1:
        first, second = first >> 1, second >> 1
    of_old = of_new = nodes[0]
    for sibling in nodes[1:]:
        if second == 0:
            return False
        if first & 1 or first == second:
            of_old, of_new = sha(b"\x01", sibling, of_old), sha(b"\x01", sibling, of_new)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            of_new = sha(b"\x01", of_new, sibling)
        first, second = first >> 1, second >> 1
    return second == 0 and (of_old, of_new) == (old.root, new.root)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1, pair by pair: a hash without a neighbour goes up as it is."""
    row = list(leaves) or [sha()]
    while len(row) > 1:
        odd = row[-1:] if len(row) % 2 else []
        row = [sha(b"\x01", row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)] + odd
    return row[0]


# ---- JSON that somebody sent us ----


def pairs(items: list[tuple[str, object]]) -> Fields:
    """An object in which no name stands twice, so that nothing hides in a second reading."""
    value = dict(items)
    if len(value) != len(items):
        raise ValueError("a name stands twice")
    return value


def integer(text: str) -> int:
    """An integer that every reader reads alike."""
    if len(text) > 17 or abs(int(text)) >= 2**53:
        raise ValueError("too large")
    return int(text)


def refuse(text: str) -> NoReturn:
    """No fractions, no NaN: an export has none."""
    raise ValueError(text)


DECODE = json.JSONDecoder(object_pairs_hook=pairs, parse_int=integer, parse_float=refuse, parse_constant=refuse).decode
ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def is_deep(value: object, left: int = MAX_DEPTH) -> bool:
    """Whether objects and lists are nested deeper than an export has them."""
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    return inside is not None and (left == 0 or any(is_deep(one, left - 1) for one in inside))


def read_object(text: bytes, what: str, *, is_canonical: bool = True) -> Fields:
    """A JSON object; canonical: with sorted names and no white space, the one spelling that it has."""
    try:
        value: object = DECODE(text.decode("utf-8"))
        again = ENCODE(value).encode("utf-8")
        is_read = isinstance(value, dict) and (again == text or not is_canonical)
        if is_read and text.count(b"[") + text.count(b"{") > MAX_DEPTH:
            is_read = not is_deep(value)
    except (ValueError, RecursionError):
        is_read = False
    if not is_read or not isinstance(value, dict):
        raise Wrong(f"{what} is no JSON object" + (" in canonical form" if is_canonical else ""))
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


def object_of(fields: Fields, name: str) -> Fields:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise Wrong(f"{name} is missing or is no object")
    return value


def bytes_of(fields: Fields, name: str, size: int = 32) -> bytes:
    value = fields.get(name)
    if not isinstance(value, str) or len(value) != 2 * size or not HEX.fullmatch(value):
        raise Wrong(f"{name} is missing or is not {size} bytes in hex")
    return bytes.fromhex(value)


def path_of(fields: Fields, name: str) -> list[bytes]:
    value = fields.get(name)
    if not isinstance(value, list) or len(value) > 64:
        raise Wrong(f"{name} is missing or is no list of hashes")
    for item in value:
        if not isinstance(item, str) or len(item) != 64 or not HEX.fullmatch(item):
            raise Wrong(f"{name} is missing or is no list of hashes")
    return [bytes.fromhex(item) for item in value]


def kind_of(fields: Fields, *kinds: str) -> str:
    """Which kind of line this is: it has the field of one of them."""
    found = [kind for kind in kinds if kind in fields]
    if len(found) != 1:
        raise Wrong(f"the line is not of one of the kinds {', '.join(kinds)}")
    return found[0]


HEX = re.compile("[0-9a-f]+")
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - Python 3.9 has no datetime.UTC


def moment_of(fields: Fields, name: str) -> str:
    """A moment in the one spelling in which the order of text is the order of time."""
    value = text_of(fields, name)
    try:
        if not MOMENT.fullmatch(value):
            value = ""
        microseconds(value)
    except ValueError:
        raise Wrong(f"{name} is no moment in UTC with six decimals") from None
    return value


def microseconds(moment: str) -> int:
    """Since 1970."""
    return (datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=EPOCH.tzinfo) - EPOCH) // timedelta(microseconds=1)


def shown(seconds: int) -> str:
    """A cosignature's time for people."""
    if seconds > 253402300799:
        return f"{seconds} seconds after 1970"
    return (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S UTC")


# ---- Witnesses (C2SP tlog-policy, tlog-cosignature) ----


class Group(NamedTuple):
    """Has seen a checkpoint when `threshold` of its members have."""

    name: str
    threshold: int
    members: list[str]


@dataclass
class Policy:
    """Which witnesses there are, and which of them together are a quorum; `quorum` None: nobody has to cosign."""

    logs: list[Key] = field(default_factory=list)
    witnesses: dict[str, Key] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None

    def is_met(self, names: set[str]) -> bool:
        """Whether these witnesses are a quorum."""
        seen = set(names)
        for group in self.groups:
            if sum(member in seen for member in group.members) >= group.threshold:
                seen.add(group.name)
        return self.quorum in seen


def read_policy(text: str) -> Policy:
    """Read a policy file."""
    policy, members, quorums = Policy(), list[str](), list[str]()
    lines = text.split("\n")
    if lines.pop() or re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text):
        raise Wrong("a policy ends with a newline, and has no control characters")
    for line in lines:
        items = [item for item in re.split(r"[ \t]+", line) if item]
        if not items or items[0].startswith("#"):
            continue
        word, *rest = items
        defined = {*policy.witnesses, *(group.name for group in policy.groups)}
        if word == "log" and len(rest) in (1, 2):
            policy.logs.append(read_key(rest[0]))
        elif word == "witness" and len(rest) in (2, 3) and rest[0] not in {*defined, "none"}:
            policy.witnesses[rest[0]] = read_key(rest[1], (4, 6))
        elif word == "group" and len(rest) >= 3 and rest[0] not in {*defined, "none"} and defined.issuperset(rest[2:]):
            said = {"any": "1", "all": str(len(rest) - 2)}.get(rest[1], rest[1])
            if not re.fullmatch("[1-9][0-9]{0,8}", said) or int(said) > len(rest) - 2:
                raise Wrong("a group needs all, any, or some of its members")
            policy.groups.append(Group(rest[0], int(said), rest[2:]))
            members += rest[2:]
        elif word == "quorum" and len(rest) == 1 and rest[0] in {*defined, "none"}:
            quorums.append(rest[0])
        else:
            raise Wrong("a line of a policy is a log, witness, group or quorum, of what stands above it")
    logs, witnesses = {key.public for key in policy.logs}, {key.public for key in policy.witnesses.values()}
    is_twice = len(logs) < len(policy.logs) or len(witnesses) < len(policy.witnesses) or len(set(members)) < len(members)
    if len(quorums) != 1 or is_twice:
        raise Wrong("a policy has one quorum, and no key and no member of a group twice")
    policy.quorum = None if quorums[0] == "none" else quorums[0]
    return policy


def cosigned_at(key: Key, text: str, payload: bytes) -> int | None:
    """When this witness cosigned the checkpoint, in seconds since 1970; None where this is no such cosignature."""
    moment, signature, tree = int.from_bytes(payload[:8], "big"), payload[8:], read_tree(text)
    if moment >= 2**63:
        return None
    if key.kind == 4:
        message = f"cosignature/v1\ntime {moment}\n{text}".encode()
        return moment if ed25519(key.public, message, signature) else None
    name, origin = key.name.encode(), tree.origin.encode()
    if len(origin) > 255:
        return None
    message = b"subtree/v1\n\x00" + bytes([len(name)]) + name + payload[:8] + bytes([len(origin)]) + origin
    message += struct.pack(">QQ", 0, tree.size) + tree.root
    return moment if ml_dsa_44(key.public, message, signature) else None


def cosignatures(note: str, policy: Policy) -> dict[str, int]:
    """The witnesses that cosigned a note, each with its earliest time. One of a known witness that does not fit spoils the note.

    One with the time 0 does not count: the witness does not say that it saw no larger tree.
    """
    text, signatures = split_note(note)
    times: dict[str, int] = {}
    for name, key in policy.witnesses.items():
        for signature in signatures:
            if (signature.name, signature.identity) != (key.name, key.identity):
                continue
            moment = cosigned_at(key, text, signature.payload)
            if moment is None:
                raise Wrong(f"the cosignature of {key.name} does not fit the checkpoint")
            times[name] = min(moment, times.get(name, moment))
    return {name: moment for name, moment in times.items() if moment}


def quorum_time(times: dict[str, int], policy: Policy, *, is_first: bool) -> int | None:
    """When a quorum had cosigned: the latest time of the first quorum, or else the earliest time of the last one."""
    seen: set[str] = set()
    for moment, name in sorted(((moment, name) for name, moment in times.items()), reverse=not is_first):
        seen.add(name)
        if policy.quorum is not None and policy.is_met(seen):
            return moment
    return None


# ---- The archive: nothing is unpacked to disk, nothing is read before it is bounded ----

NO_ZIP = "this is no zip archive, or it cannot be read"
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError, RuntimeError, ValueError)


class Archive:
    """An opened export."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        try:
            self.zip = zipfile.ZipFile(file)
            entries = self.zip.infolist()
        except DAMAGE:
            raise Unreadable(NO_ZIP) from None
        self.entries = {entry.filename: entry for entry in entries}
        if "manifest.json" not in self.entries:
            raise Unreadable("this is no audit export: it has no manifest.json")
        self.format()
        names = [entry.filename for entry in entries]
        if len(self.entries) != len(names):
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

    def format(self) -> None:
        """An export of another format has other files. What is no manifest at all is named later."""
        try:
            manifest = read_object(self.small("manifest.json"), "manifest.json", is_canonical=False)
        except Wrong:
            return
        if manifest.get("format") != FORMAT:
            raise Unreadable(f"the export has the format {str(manifest.get('format'))[:40]!r}; this reads {FORMAT}")

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

    def text(self, name: str) -> str:
        """A small file of text."""
        try:
            return self.small(name).decode("utf-8")
        except ValueError:
            raise Wrong("it is not UTF-8") from None

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

    state: str = ""
    why: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SpineEntry:
    """An entry of the ledger's spine that is proven to be under a checkpoint."""

    index: int
    kind: str
    time: str
    heads_root: bytes
    fields: Fields
    body: str

    def of(self, *kinds: str) -> SpineEntry:
        """The same, where it is of one of these kinds."""
        if self.kind not in kinds:
            raise Wrong(f"the spine entry is of kind {self.kind[:40]}, not {' or '.join(kinds)}")
        return self


def spine_entry(fields: Fields, tree: Tree) -> SpineEntry:
    """The spine entry in a line, which is under `tree`."""
    text, index = text_of(fields, "spine_body"), number_of(fields, "spine_index")
    leaf = sha(b"\x00", bytes_of(fields, "spine_previous"), text.encode())
    if not included(leaf, index, tree.size, path_of(fields, "spine_path"), tree.root):
        raise Wrong("the spine entry is not under the checkpoint")
    body = read_object(text.encode(), "the spine entry")
    if number_of(body, "seq") != index:
        raise Wrong("the spine entry stands in another place than it says")
    kind, time = text_of(body, "kind"), moment_of(body, "time")
    return SpineEntry(index, kind, time, bytes_of(body, "heads_root"), object_of(body, "fields"), text)


class Check:
    """Goes through the export. What one step finds does not keep a later one from naming the place."""

    def __init__(self, trust: Ring | None, policy: Policy | None, since: str | None, consistency: bytes | None) -> None:
        self.trust, self.trusted_policy, self.since, self.consistency = trust, policy, since, consistency
        self.claims = {name: Claim() for name in CLAIMS}
        self.manifest: Fields = {}
        self.ring: Ring = []
        self.policy: Policy | None = None
        self.notes: dict[bytes, Tree] = {}
        self.cosigned: dict[bytes, dict[str, int]] = {}
        self.rotated: list[Rotation] = []
        self.roots: dict[int, bytes] = {}
        self.exported_at: str | None = None

    def say(self, name: str, state: str, why: str) -> None:
        """Settle a claim: the worst that is said of it holds, and what failed is not dressed up with what did not."""
        claim, why = self.claims[name], plain(why)
        if state == FAILED != claim.state:
            claim.why.clear()
        if RANK[state] > RANK[claim.state]:
            claim.state = state
        if (state == claim.state or claim.state != FAILED) and (state != FAILED or len(claim.why) < MAX_WHY):
            claim.why.append(why)

    def failed(self, misfit: Misfit) -> None:
        """Settle a claim that a line contradicts."""
        self.say(misfit.claim, FAILED, misfit.sentence)

    def run(self, path: str, max_bytes: int) -> None:
        """All steps. Raises Unreadable."""
        try:
            with Path(path).open("rb") as file:
                self.read(file, max_bytes)
        except OSError:
            raise Unreadable(NO_ZIP) from None
        for claim in self.claims.values():
            claim.state = claim.state or NOT_PROVEN
            claim.why = claim.why or ["not reached, because of what failed"]

    def read(self, file: BinaryIO, max_bytes: int) -> None:
        """From the archive to the keys, and everything that these show."""
        step = "archive"
        try:
            archive = Archive(file, max_bytes)
            self.say(step, PROVEN, f"{len(NAMES)} files")
            step = "files"
            self.manifest = read_object(archive.small("manifest.json"), "manifest.json", is_canonical=False)
            self.files(archive)
            step = "signature"
            self.keys(archive)
            if self.ring:
                self.under_keys(archive)
        except Wrong as error:
            self.say(step, FAILED, str(error))

    def under_keys(self, archive: Archive) -> None:
        """Everything that the keys show."""
        tree = None
        try:
            tree = self.open(archive.text("checkpoint"))
        except Wrong as error:
            self.say("signature", FAILED, f"checkpoint: {error}")
        for one in self.rotated:
            if tree is not None and one.index >= tree.size:
                what = "the key changed after the checkpoint: no export of then knew of it"
                self.failed(Misfit("signature", "history.jsonl", one.line, what))
        newest = self.receipt(archive, tree)
        self.signature(tree, newest)
        self.read_policies(archive)
        history = History(self, archive, tree)
        if tree is not None:
            self.said_ledger(tree)
            history.read()
            self.quorum(archive)
            scope = Scope(self, archive, tree, history)
            scope.read()
            entries = Entries(self, archive, tree, scope, history)
            if entries.run():
                scope.settle(entries)
                Times(self, archive, entries).run()
        self.older([one for one in (tree, newest) if one is not None], history)
        for size, root in self.roots.items():
            if history.earlier.get(size, root) != root:
                self.two_histories(size)

    def files(self, archive: Archive) -> None:
        """Each file has the size and hash that the manifest gives."""
        listed = self.manifest.get("files")
        if not isinstance(listed, dict) or set(listed) != NAMES - {"manifest.json", "receipt.json"}:
            self.say("files", FAILED, "manifest.json: it does not list exactly the files of an export")
            return
        for name in sorted(listed):
            try:
                if listed[name] != archive.sum(name):
                    self.say("files", FAILED, f"{name}: its bytes are not those that the manifest was made for")
            except Wrong as error:
                self.say("files", FAILED, f"{name}: {error}")
        self.say("files", PROVEN, f"{len(listed)} files have the size and SHA-256 that the manifest gives")

    def keys(self, archive: Archive) -> None:
        """The keys of the ledger: the trusted ones, and those that rotations in the export join to them."""
        try:
            listed = read_ring(archive.text("keys/ledger.keys"))
        except Wrong:
            self.say("signature", FAILED, "keys/ledger.keys: it is no list of verifier keys")
            listed = None
        start = self.trust or (None if listed is None else [RangedKey(listed[-1].key, 0, None)])
        if start is None:
            return
        self.rotated = list(self.rotations(archive))
        self.ring, loose = joined(start, self.rotated)
        for one in loose:
            self.failed(Misfit("signature", "history.jsonl", one.line, "the rotation does not join the keys that are trusted"))
        if listed is None:
            return
        open_ends = [key[:2] for key in self.ring]  # an export of before a rotation says of its last key that it signs still
        for number, said in enumerate(listed, 1):
            is_open = said.last is None and number == len(listed)
            if said not in self.ring and not (is_open and said[:2] in open_ends):
                what = "the key is not one that is trusted, or that a rotation leads to, with these sizes"
                self.failed(Misfit("signature", "keys/ledger.keys", number, what))

    def rotations(self, archive: Archive) -> Iterator[Rotation]:
        """The rotations in the export, each with a checkpoint that both keys signed."""
        for line, text in numbered(archive, "history.jsonl", "signature", self):
            try:
                fields = read_object(text, "the line")
            except Wrong:
                continue  # History names it
            if "rotation" not in fields:
                continue
            try:
                yield self.rotation(fields, line)
            except Wrong as error:
                self.failed(Misfit("signature", "history.jsonl", line, str(error)))

    def rotation(self, fields: Fields, line: int) -> Rotation:
        """One of them."""
        text, signatures = split_note(text_of(fields, "note"))
        tree = read_tree(text)
        entry = spine_entry(fields, tree).of("key-rotate")
        try:
            keys = [read_key(text_of(entry.fields, name)) for name in ("previous", "key")]
        except Wrong:
            raise Wrong("the key-rotate entry does not name two verifier keys") from None
        if {key.name for key in keys} != {tree.origin} or keys[0] == keys[1]:
            raise Wrong("the key-rotate entry does not lead from one key of this log to another")
        if (entry.index, entry.index + 1) != (number_of(fields, "rotation"), tree.size):
            raise Wrong("the checkpoint of the rotation is not the one that ends in its entry")
        if not all(signed_by(key, text, signatures) for key in keys):
            raise Wrong("the checkpoint of the rotation is not signed by both keys")
        self.same_root(tree)
        return Rotation(line, entry.index, keys[0], keys[1])

    def open(self, note: str) -> Tree:
        """A signed checkpoint of this ledger. Two roots for one size are two histories, whatever they were signed for."""
        name = sha(note.encode())
        if name not in self.notes:
            self.notes[name] = open_note(note, self.ring)
            self.same_root(self.notes[name])
        return self.notes[name]

    def same_root(self, tree: Tree) -> None:
        """Remember what was signed for this size."""
        if self.roots.setdefault(tree.size, tree.root) != tree.root:
            self.two_histories(tree.size)

    def two_histories(self, size: int) -> None:
        """No honest log signs two roots for one size."""
        self.say("signature", FAILED, f"the ledger signed two histories: there are two roots for one size, {size}")

    def signature(self, tree: Tree | None, newest: Tree | None) -> None:
        """Both notes are signed; whose keys these are, only the reader can know."""
        if tree is None or newest is None:
            return
        keys = ", ".join(one.key.text for one in self.ring)
        if self.trust is not None:
            self.say("signature", PROVEN, f"by {keys}")
        else:
            self.say("signature", NOT_PROVEN, f"they are signed by what came with the export, {keys}")
            self.say("signature", NOT_PROVEN, "whose that is shows only with --trust and a key that you got elsewhere")

    def said_ledger(self, tree: Tree) -> None:
        """The manifest names the checkpoint that is here."""
        said = self.manifest.get("ledger")
        if said != {"origin": tree.origin, "size": tree.size, "root": tree.root.hex()}:
            self.say("files", FAILED, "manifest.json: the checkpoint that it names is not the one in the export")

    def receipt(self, archive: Archive, tree: Tree | None) -> Tree | None:
        """The ledger's entry about this export holds the hash of the manifest, and is under a later checkpoint of the ledger."""
        newest = None
        try:
            receipt = read_object(archive.small("receipt.json"), "receipt.json", is_canonical=False)
            newest = self.receipt_tree(receipt)
            entry = spine_entry(receipt, newest).of("export")
            recorded, path = text_of(entry.fields, "manifest_sha256"), path_of(receipt, "consistency")
        except Wrong as error:
            self.say("receipt", FAILED, f"receipt.json: {error}")
            return newest
        if tree is not None and (tree.size > newest.size or not consistent(tree, newest, path)):
            self.say("receipt", FAILED, "receipt.json: its checkpoint is not of the same history as the file checkpoint")
        elif archive.sum("manifest.json")["sha256"] != recorded:
            self.say("receipt", FAILED, "manifest.json: it is not the manifest that the ledger recorded for this export")
        elif tree is not None:
            self.exported_at = entry.time
            self.say("receipt", PROVEN, f"its SHA-256 is in entry {entry.index} of the ledger's spine, of {entry.time}")
        return newest

    def receipt_tree(self, receipt: Fields) -> Tree:
        """The checkpoint in the receipt."""
        try:
            return self.open(text_of(receipt, "checkpoint"))
        except Wrong as error:
            self.say("signature", FAILED, f"receipt.json: {error}")
            raise

    def read_policies(self, archive: Archive) -> None:
        """The witnesses that count: those of the policy that the reader trusts, else of the one in the export."""
        try:
            given: Policy | None = read_policy(archive.text("policy.tlog-policy"))
        except Wrong:
            self.say("quorum", FAILED, "policy.tlog-policy: it is no witness policy")
            given = None
        self.policy = self.trusted_policy or given
        keys = [one.key for one in self.ring]
        if self.policy is not None and self.policy.logs and not any(key in keys for key in self.policy.logs):
            self.say("quorum", FAILED, "the policy is about other logs than this ledger")

    def witnesses(self, note: str) -> dict[str, int]:
        """The witnesses that cosigned a note, with their times."""
        name = sha(note.encode())
        if name not in self.cosigned:
            self.cosigned[name] = {} if self.policy is None else cosignatures(note, self.policy)
        return self.cosigned[name]

    def quorum(self, archive: Archive) -> None:
        """Enough witnesses cosigned the checkpoint."""
        if self.policy is None:
            return
        try:
            times = self.witnesses(archive.text("checkpoint"))
        except Wrong as error:
            self.say("quorum", FAILED, f"checkpoint: {error}")
            return
        names = ", ".join(f"{name} ({shown(moment)})" for name, moment in sorted(times.items())) or "no witness"
        if self.policy.quorum is None:
            self.say("quorum", NOT_PROVEN, "the policy asks for no witness")
        elif not self.policy.is_met(set(times)):
            self.say("quorum", NOT_PROVEN, f"cosigned by {names}: that is no quorum")
        elif self.trusted_policy is None:
            self.say("quorum", NOT_PROVEN, f"cosigned by {names}: a quorum of the policy that came with the export")
        else:
            self.say("quorum", PROVEN, f"cosigned by {names}")

    def older(self, trees: Sequence[Tree], history: History) -> None:
        """Whether the older checkpoint is of the same history as those in the export."""
        if self.since is None:
            self.say("since", NOT_PROVEN, "no older checkpoint was given (--since)")
            return
        if not trees:
            self.say("since", NOT_PROVEN, "no checkpoint in the export holds, so there is nothing to compare with")
            return
        try:
            old = open_note(self.since, self.ring)
        except Wrong as error:
            self.say("since", FAILED, f"the older checkpoint: {error}")
            return
        known = {tree.size: tree.root for tree in trees}
        known = {**history.earlier, **known}
        if known.get(old.size, old.root) != old.root or (old.size == 0 and old.root != sha()):
            self.say("since", FAILED, f"two roots for one size, {old.size}: the ledger signed two histories")
        elif old.size in known or old.size == 0:
            self.say("since", PROVEN, f"its {old.size} entries are the first of the {trees[0].size} that this export is under")
        elif not self.answered(old, trees):
            newest = max(tree.size for tree in trees)
            if old.size > newest:
                what = f"{old.size} entries, the export's newest {newest}: entries were lost, or it is not older"
                self.say("since", FAILED, what)
            else:
                self.say("since", NOT_PROVEN, f"{old.size} entries, then {newest}: there is no consistency proof between them")

    def answered(self, old: Tree, trees: Sequence[Tree]) -> bool:
        """Whether the ledger's answer about consistency settles it."""
        if self.consistency is None:
            return False
        try:
            answer = read_object(self.consistency, "the answer", is_canonical=False)
            sizes, path = (number_of(answer, "from_size"), number_of(answer, "to_size")), path_of(answer, "path")
        except Wrong as error:
            self.say("since", NOT_PROVEN, f"the answer about consistency cannot be read: {error}")
            return False
        for tree in trees:
            first, second = sorted((old, tree), key=lambda one: one.size)
            if sizes != (first.size, second.size):
                continue
            if consistent(first, second, path):
                self.say("since", PROVEN, f"its {old.size} entries and the {tree.size} of this export are of one history")
            else:
                self.say("since", FAILED, f"the answer about consistency does not lead from {first.size} to {second.size} entries")
            return True
        self.say("since", NOT_PROVEN, "the answer about consistency is for other checkpoints than these")
        return False


def plain(text: str) -> str:
    """Without control characters and line ends."""
    return "".join(c if c.isprintable() else "?" for c in text)


def numbered(archive: Archive, name: str, claim: str, check: Check) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that is not large, with their numbers. One that is too large, or damaged, fails the claim."""
    size = 0
    try:
        for number, line in enumerate(archive.lines(name), 1):
            size += len(line)
            if number > MAX_KEPT or size > MAX_KEPT_BYTES:
                break
            yield number, line
        else:
            return
        what = f"it has more than {MAX_KEPT} lines, or {MAX_KEPT_BYTES} bytes"
    except Wrong as error:
        what = str(error)
    check.failed(Misfit(claim, name, None, what))


@dataclass(frozen=True)
class Gone:
    """A tombstone: which log it is about, at which line it stands."""

    line: int
    index: int
    epoch: int
    size: int
    root: bytes


class History:
    """history.jsonl: earlier checkpoints, months disposed of, private parts redacted. Keys that changed are read before."""

    def __init__(self, check: Check, archive: Archive, spine: Tree | None) -> None:
        self.check, self.archive, self.spine = check, archive, spine
        self.earlier: dict[int, bytes] = {}
        self.tombstones: dict[str, Gone] = {}
        self.months: dict[int, tuple[int, int]] = {}
        self.redacted: dict[tuple[str, int], tuple[int, str]] = {}

    def read(self) -> None:
        """Every line; one that does not fit fails the claim that it is about."""
        claims = {"consistency": "since", "rotation": "signature", "disposed": "tombstones", "redact": "withheld"}
        for line, text in numbered(self.archive, "history.jsonl", "tombstones", self.check):
            claim = "tombstones"
            try:
                fields = read_object(text, "the line")
                kind = kind_of(fields, "consistency", "rotation", "tombstone", "disposed", "redact")
                claim = claims.get(kind, claim)
                if kind != "rotation":
                    getattr(self, kind)(fields, line)
            except Wrong as error:
                self.check.failed(Misfit(claim, "history.jsonl", line, str(error)))

    def entry(self, fields: Fields, kind: str) -> SpineEntry:
        """The line's spine entry."""
        assert self.spine is not None
        return spine_entry(fields, self.spine).of(kind)

    def consistency(self, fields: Fields, _: int) -> None:
        """An earlier size, and that what there was then is still there."""
        assert self.spine is not None
        old = Tree(self.spine.origin, number_of(fields, "consistency"), bytes_of(fields, "root"))
        if old.size > self.spine.size or not consistent(old, self.spine, path_of(fields, "path")):
            raise Wrong(f"the first {old.size} entries of the ledger are not the ones that it had then")
        self.earlier[old.size] = old.root

    def tombstone(self, fields: Fields, line: int) -> None:
        """A log that was archived and may be disposed of; of two the later holds."""
        origin, entry = text_of(fields, "tombstone"), self.entry(fields, "tombstone")
        if text_of(entry.fields, "origin") != origin:
            raise Wrong("the tombstone is of another log")
        size, root = number_of(entry.fields, "count"), bytes_of(entry.fields, "root")
        gone = Gone(line, entry.index, number_of(entry.fields, "epoch"), size, root)
        if origin not in self.tombstones or self.tombstones[origin].index < gone.index:
            self.tombstones[origin] = gone

    def disposed(self, fields: Fields, line: int) -> None:
        """A month whose rows are gone."""
        epoch, entry = number_of(fields, "disposed"), self.entry(fields, "disposed")
        if number_of(entry.fields, "epoch") != epoch or epoch in self.months:
            raise Wrong("the entry is of another month, or the month stands here twice")
        self.months[epoch] = entry.index, line

    def redact(self, fields: Fields, line: int) -> None:
        """A private part that was removed, as the ledger recorded it."""
        place, entry = (text_of(fields, "redact"), number_of(fields, "seq")), self.entry(fields, "redact")
        row, count = text_of(fields, "row"), number_of(fields, "count")
        said = re.fullmatch("(0|[1-9][0-9]*) ([0-9a-f]{64}) ([0-9a-f]{64})? ([0-9a-f]{64})?", row)
        if said is None or said[1] != str(place[1]):
            raise Wrong("the row is not one of this entry")
        if (text_of(entry.fields, "origin"), number_of(entry.fields, "count")) != (place[0], count):
            raise Wrong("the redact entry is of another log, or of another number of rows")
        leaf, path = sha(b"\x00", row.encode()), path_of(fields, "path")
        if not included(leaf, number_of(fields, "index"), count, path, bytes_of(entry.fields, "root")):
            raise Wrong("the row is not under the root of the redact entry")
        if place in self.redacted:
            raise Wrong("the entry was redacted before: it stands here twice")
        self.redacted[place] = line, said[2]

    def is_gone(self, origin: str) -> bool:
        """Whether a log was disposed of: a tombstone, and then the month's `disposed` entry."""
        tombstone = self.tombstones.get(origin)
        return tombstone is not None and self.months.get(tombstone.epoch, (-1, 0))[0] > tombstone.index


# ---- What was asked for, and whether it is all here ----

MANY = {"actions": "action", "sources": "source", "source_systems": "source_system", "outcomes": "outcome"}
TEXTS = ("since", "until", "actor_id", "patient_id", "device_id", "ip", "text")


class Asked:
    """The filter of the export, as the manifest gives it."""

    def __init__(self, manifest: Fields) -> None:
        self.fields = object_of(manifest, "asked")
        for name, value in self.fields.items():
            if name in ("since", "until"):
                moment_of(self.fields, name)
            elif name in TEXTS:
                text_of(self.fields, name)
            elif name in (*MANY, "actor_kinds") and not is_texts(value):
                raise Wrong(f"{name} is no list of texts")
        self.by, self.subject = self.who()

    def who(self) -> tuple[str | None, str]:
        """By which index the entries of one subject are found; None: no one subject was asked for."""
        systems = self.fields.get("source_systems")
        if "patient_id" in self.fields:
            return "patient", text_of(self.fields, "patient_id")
        if "actor_id" in self.fields:
            return "actor", text_of(self.fields, "actor_id")
        if isinstance(systems, list) and len(systems) == 1:
            return "source_system", str(systems[0])
        return None, ""

    def excludes(self, header: Fields) -> bool | None:
        """Whether an entry's header shows that it was not asked for; None: only its private part could show that."""
        is_sure, is_out = True, False
        time = moment_of(header, "time")
        actor, device = header.get("actor"), header.get("device")
        actor = actor if isinstance(actor, dict) else {}
        for name, value in self.fields.items():
            if name == "since":
                is_out |= time < text_of(self.fields, name)
            elif name == "until":
                is_out |= time >= text_of(self.fields, name)
            elif name in MANY and isinstance(value, list):
                said = header.get(MANY[name])
                is_out |= ("" if said is None else said) not in value
            elif name == "actor_kinds" and isinstance(value, list):
                is_out |= actor.get("kind") not in value
            elif name == "device_id":
                is_out |= (device.get("id") if isinstance(device, dict) else None) != value
            elif name == "actor_id" and "id" in actor:
                is_out |= actor["id"] != value
            elif (name, self.by) not in (("patient_id", "patient"), ("actor_id", "actor")):
                is_sure = False
        return True if is_out else False if is_sure else None


def is_texts(value: object) -> bool:
    """Whether this is a list of texts."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


@dataclass(frozen=True)
class Row:
    """What an index tree says of the subject in one log: how many entries, and the digest over them."""

    line: int
    count: int
    digest: bytes


class Sealed(NamedTuple):
    """A log's final head, and what its seal says of its month and its index trees."""

    tree: Tree
    fields: Fields


class Outside(NamedTuple):
    """An entry of the subject that was not asked for."""

    place: tuple[str, int]
    origin: str
    leaf: bytes


class Scope:
    """scope.jsonl: every log that the ledger had, and of each that all of the subject's entries are accounted for.

    It is read in three parts: heads, seals and index lines at first; the outside lines beside the events, in one order with them;
    the sums at the end.
    """

    FILE = "scope.jsonl"

    def __init__(self, check: Check, archive: Archive, spine: Tree, history: History) -> None:
        self.check, self.spine, self.history = check, spine, history
        self.asked: Asked | None = None
        self.as_of = ""
        self.logs: dict[str, Tree] = {}
        self.seals: dict[str, Sealed] = {}
        self.rows: dict[str, Row] = {}
        self.next_seal: int | None = None
        self.seals_left = 0
        self.sums: dict[str, tuple[int, hashlib._Hash]] = {}
        self.is_over = False
        self.line = self.kept = 0
        self.source = archive.lines(self.FILE)
        self.waiting: Outside | None = None
        self.outside = self.unsure = 0

    def fail(self, what: str, line: int | None, file: str = FILE) -> None:
        """Name the first place; the rest of the file is not looked at."""
        self.check.failed(Misfit("scope", file, line, what))
        self.is_over = True

    def read(self) -> None:
        """Heads, seals and index lines, and the first outside line."""
        try:
            self.asked = Asked(self.check.manifest)
        except Wrong as error:
            self.fail(str(error), None, "manifest.json")
            return
        try:
            self.heads(self.next_line() or {})
            self.waiting = self.next_outside()
        except Misfit as error:
            self.fail(str(error), error.line)
        except Wrong as error:
            self.fail(str(error), self.line or None)

    def next_line(self) -> Fields | None:
        """The next line, or None at the end."""
        try:
            text = next(self.source, None)
        except Wrong as error:
            raise Misfit("scope", self.FILE, None, str(error)) from None
        if text is None:
            return None
        self.line += 1
        self.kept += len(text) if self.waiting is None else 0
        if self.waiting is None and (self.line > MAX_KEPT or self.kept > MAX_KEPT_BYTES):
            raise Wrong(f"there are more than {MAX_KEPT} lines, or {MAX_KEPT_BYTES} bytes, in front of the outside entries")
        return read_object(text, "the line")

    def heads(self, fields: Fields) -> None:
        """The heads of all logs that were open when the export was made, and the newest seal."""
        lines, last = fields.get("heads"), ""
        if not isinstance(lines, list) or len(lines) > MAX_KEPT:
            raise Wrong("the first line is not the vector of heads")
        entry = spine_entry(fields, self.spine).of("heads")
        for line in lines:
            said = re.fullmatch("([^ ]+) (0|[1-9][0-9]{0,17}) ([0-9a-f]{64})", line) if isinstance(line, str) else None
            if said is None or said[1] <= last:
                raise Wrong("the heads are not lines in order of origin")
            last = said[1]
            self.logs[last] = Tree(last, int(said[2]), bytes.fromhex(said[3]))
        if root_of([tree.line for tree in self.logs.values()]) != entry.heads_root:
            raise Wrong("the heads are not the ones that the ledger committed to")
        self.as_of, self.next_seal = entry.time, self.seal_before(entry, "last_seal")
        self.seals_left = number_of(entry.fields, "seals")

    def seal_before(self, entry: SpineEntry, name: str) -> int | None:
        """The place of the seal before an entry."""
        if entry.fields.get(name) is None:
            return None
        place = number_of(entry.fields, name)
        if not 0 <= place < entry.index:
            raise Wrong(f"{name} is not a place before this entry")
        return place

    def next_outside(self) -> Outside | None:
        """The next outside line; what stands in front of it is read on the way."""
        while True:
            fields = self.next_line()
            kind = None if fields is None else kind_of(fields, "heads", "seal", "index", "outside")
            if kind == "seal" and self.next_seal is not None and fields is not None:
                self.seal(fields)
                continue
            if self.next_seal is not None:
                raise Wrong(f"the seal at {self.next_seal} is missing")
            if self.seals_left:
                raise Wrong("the chain of seals is not whole")
            if fields is None:
                return None
            if kind == "index" and self.waiting is None:
                self.index(fields)
            elif kind == "outside" and self.asked is not None and self.asked.by is not None:
                return self.read_outside(fields, self.asked)
            else:
                raise Wrong("the line does not belong in this place")

    def seal(self, fields: Fields) -> None:
        """A log that is over: the seal before the one that was read last."""
        origin, entry = text_of(fields, "seal"), spine_entry(fields, self.spine).of("seal")
        tree = Tree(text_of(entry.fields, "origin"), number_of(entry.fields, "size"), bytes_of(entry.fields, "root"))
        if entry.index != self.next_seal or tree.origin != origin:
            raise Wrong(f"this is not the seal at {self.next_seal}")
        if entry.heads_root != tree.line:
            raise Wrong("the seal does not commit to the log's last head")
        self.seals_left -= 1
        if number_of(entry.fields, "seals") != self.seals_left:
            raise Wrong("the seal is not the one with this number")
        if origin in self.logs:
            raise Wrong("the log has another seal, or is among the heads of those that have none")
        kept: Fields = {name: entry.fields.get(name) for name in ("epoch", "index")}
        self.logs[origin], self.seals[origin] = tree, Sealed(tree, kept)
        self.next_seal = self.seal_before(entry, "previous_seal")

    def index(self, fields: Fields) -> None:
        """What a log's index tree says of the subject."""
        origin, by, key = text_of(fields, "index"), text_of(fields, "by"), bytes_of(fields, "key")
        if self.asked is None or by != self.asked.by:
            raise Wrong("this is not the index of what was asked for")
        if origin not in self.logs or origin in self.rows:
            raise Wrong("there is no such log, or it has an index line above")
        said = object_of(self.committed(fields, origin), by)
        size, root = number_of(said, "size"), bytes_of(said, "root")
        if bytes_of(said, "key_sha256") != sha(key):
            raise Wrong("the index key is not the one that the ledger committed to")
        tag = hmac.new(key, self.asked.subject.encode(), "sha256").digest()
        proof = object_of(fields, "proof")
        try:
            row = self.proven(proof, tag, size, root)
        except Wrong:
            raise Wrong("the index proof shows neither the subject's row nor that it has none") from None
        if row is None:
            self.rows[origin] = Row(self.line, 0, sha())
        else:
            self.rows[origin] = Row(self.line, int.from_bytes(row[32:40], "big"), row[40:])

    def committed(self, fields: Fields, origin: str) -> Fields:
        """The index trees that the ledger committed to for this log."""
        tree, source = self.logs[origin], text_of(fields, "source")
        if source == "seal" and origin in self.seals:
            return object_of(self.seals[origin].fields, "index")
        if source != "index":
            raise Wrong("source names neither the log's seal nor an index entry")
        entry = spine_entry(fields, self.spine).of("index")
        said = Tree(text_of(entry.fields, "origin"), number_of(entry.fields, "size"), bytes_of(entry.fields, "root"))
        if said != tree:
            raise Wrong("the index entry is of another log, or of another size of it")
        return object_of(entry.fields, "index")

    def proven(self, proof: Fields, tag: bytes, size: int, root: bytes) -> bytes | None:
        """The row of the subject (72 bytes), or None where neighbours show that it has none."""
        if set(proof) == {"row", "index", "path"}:
            row, _ = self.row(proof, size, root)
            if row[:32] == tag:
                return row
        elif set(proof) == {"left", "right"}:
            sides = [None if proof[name] is None else self.row(object_of(proof, name), size, root) for name in ("left", "right")]
            left, right = sides
            is_gapless = (-1 if left is None else left[1]) + 1 == (size if right is None else right[1])
            is_between = (left is None or left[0][:32] < tag) and (right is None or right[0][:32] > tag)
            if is_gapless and is_between and (size or root == sha()):
                return None
        raise Wrong("this is no proof")

    def row(self, proof: Fields, size: int, root: bytes) -> tuple[bytes, int]:
        """A row of an index tree, proven to be in its place."""
        row, index = bytes_of(proof, "row", 72), number_of(proof, "index")
        is_in = included(sha(b"\x00", row), index, size, path_of(proof, "path"), root)
        if set(proof) != {"row", "index", "path"} or not is_in or not any(row[32:40]):
            raise Wrong("the index row is not in the index tree")
        return row, index

    def read_outside(self, fields: Fields, asked: Asked) -> Outside:
        """An entry of the subject that was not asked for, as its header shows."""
        origin, seq, text = text_of(fields, "outside"), number_of(fields, "seq"), text_of(fields, "body").encode()
        header = read_object(text, "the body")
        place = text_of(header, "writer"), seq
        if seq < 0 or header.get("seq") != seq:
            raise Wrong(f"entry {seq} stands in another place than its body says")
        if origin not in self.rows:
            raise Wrong(f"entry {seq} is of a log without an index line, so that nothing shows that there is such an entry")
        if self.waiting is not None and place <= self.waiting.place:
            raise Wrong(f"entry {seq} is out of order, or twice")
        is_out = asked.excludes(header)
        if is_out is False:
            raise Wrong(f"entry {seq} is what was asked for, and is not among the events")
        self.unsure += is_out is None
        self.outside += 1
        return Outside(place, origin, sha(b"\x00", bytes_of(fields, "previous"), text))

    def up_to(self, place: tuple[str, int] | None) -> None:
        """Count the outside entries in front of an event; None: all that are left."""
        try:
            while self.waiting is not None and (place is None or self.waiting.place < place):
                self.count(self.waiting.origin, self.waiting.place[1], self.waiting.leaf)
                self.waiting = self.next_outside()
        except Misfit as error:
            self.fail(str(error), error.line)
        except Wrong as error:
            self.fail(str(error), self.line)
        if self.waiting is not None and self.waiting.place == place:
            self.fail(f"entry {self.waiting.place[1]} is among the events too", self.line)

    def enter(self, log: Tree, line: int) -> None:
        """A log of which there are events: it is one of those above, at the same size."""
        if not self.is_over and self.logs.get(log.origin) != log:
            self.fail("the log is not as the vector of heads, or its seal, has it", line, "proofs.jsonl")

    def take(self, log: Tree, writer: str, seq: int, leaf: bytes) -> None:
        """An event that is here."""
        if self.is_over:
            return
        self.up_to((writer, seq))
        self.count(log.origin, seq, leaf)

    def count(self, origin: str, seq: int, leaf: bytes) -> None:
        """An entry that is accounted for."""
        number, digest = self.sums.get(origin) or (0, hashlib.sha256())
        digest.update(struct.pack(">Q", seq) + leaf)
        self.sums[origin] = number + 1, digest

    def settle(self, entries: Entries) -> None:
        """Compare the sums; say what that shows."""
        if not self.is_over:
            self.up_to(None)
        if self.is_over or self.asked is None:
            return
        say, missing, unknown, gone = self.check.say, 0, list[str](), list[str]()
        for origin, tree in sorted(self.logs.items()):
            number, digest = self.sums.get(origin) or (0, hashlib.sha256())
            row = self.rows.get(origin)
            if row is not None and (row.count, row.digest) != (number, digest.digest()):
                what = f"{origin} has {row.count} entries of the subject; here are {number}, or others than those"
                self.check.failed(Misfit("scope", self.FILE, row.line, what))
            elif row is not None or number == tree.size:
                continue
            elif self.history.is_gone(origin):
                gone.append(origin)
            elif self.asked.by is None and self.asked.fields:
                missing += tree.size - number
                unknown.append(origin)
            else:
                what = f"{origin} is not accounted for: it has {tree.size} entries, of which {number} are here"
                self.check.failed(Misfit("scope", self.FILE, None, what))
        say("scope", PROVEN, f"what was asked for: {ENCODE(self.asked.fields)}")
        what = f"{len(self.logs)} logs, {entries.checked} events, {self.outside} outside of what was asked"
        say("scope", PROVEN, f"as of {self.as_of}: {what}")
        if missing:
            say("scope", NOT_PROVEN, f"{missing} entries are not here, and no proof says that they were not asked for")
        if self.unsure:
            say("scope", NOT_PROVEN, f"{self.unsure} entries were left out for what only their private part shows")
        if gone:
            say("scope", NOT_PROVEN, f"what was disposed of after retention is not here: {listed(gone)}")
        until = self.asked.fields.get("until")
        if isinstance(until, str) and until > self.as_of:
            say("scope", NOT_PROVEN, f"what was asked for ends at {until}, and what is here is as of {self.as_of}")
        self.tombstones(unknown)

    def tombstones(self, unknown: list[str]) -> None:
        """Months disposed of: each log of them has its tombstone, and that is of the log as it was sealed."""
        say, history, problems = self.check.say, self.history, []
        for origin, tombstone in history.tombstones.items():
            sealed = self.seals.get(origin)
            if sealed is None or (tombstone.size, tombstone.root) != sealed.tree[1:]:
                problems.append((tombstone.line, f"the tombstone is not of {origin} as it was sealed"))
        for epoch, (_, line) in history.months.items():
            logs = sorted(origin for origin, sealed in self.seals.items() if sealed.fields.get("epoch") == epoch)
            without = [origin for origin in logs if not history.is_gone(origin) or history.tombstones[origin].epoch != epoch]
            if without or not logs:
                problems.append((line, f"the month was disposed of, and not every log of it has its tombstone: {listed(without)}"))
            else:
                total = sum(self.seals[origin].tree.size for origin in logs)
                say("tombstones", PROVEN, f"{epoch}: {len(logs)} logs with {total} entries")
        for line, what in sorted(problems):
            self.check.failed(Misfit("tombstones", "history.jsonl", line, what))
        if not history.months:
            say("tombstones", PROVEN, "no month was disposed of")
        if unknown:
            say("tombstones", NOT_PROVEN, f"what is not here may have been disposed of, or not: {listed(unknown)}")


def listed(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


# ---- The events ----


@dataclass
class Log:
    """The log that the next events are in."""

    tree: Tree
    writer: str
    body: bytes  # SHA-256 of the spine entry that commits to it
    tile: int = -1
    tile_root: bytes = b""
    offset: int | None = None
    first: int = -1


class Entries:
    """The events of an export, one line of events.jsonl with one line of proofs.jsonl at a time."""

    def __init__(self, check: Check, archive: Archive, spine: Tree, scope: Scope, history: History) -> None:
        self.check, self.archive, self.spine, self.scope, self.history = check, archive, spine, scope, history
        self.logs: dict[str, Log] = {}
        self.log: Log | None = None
        self.last: tuple[str, int] | None = None
        self.parts = {"given": 0, "withheld": 0, "redacted": 0}
        self.checked = 0

    def run(self) -> bool:
        """Settle the claims about events; whether everything fits."""
        try:
            self.read()
        except Misfit as error:
            self.check.failed(error)
        except Wrong as error:
            self.check.failed(Misfit("events", "events.jsonl", None, str(error)))
        else:
            self.settle()
            return True
        for name in ENTRY_CLAIMS:
            self.check.say(name, NOT_PROVEN, f"{self.checked} events fit; checking stopped at the first that does not")
        return False

    def read(self) -> None:
        """Every event with its proof. Raises Wrong at the first that does not fit."""
        proofs = enumerate(self.archive.lines("proofs.jsonl"), 1)
        for line, text in enumerate(self.archive.lines("events.jsonl"), 1):
            try:
                path, log = self.next_path(proofs)
            except Misfit:
                raise
            except Wrong as error:
                raise Misfit("events", "proofs.jsonl", None, str(error)) from None
            try:
                self.event(read_object(text, "the line"), path, log)
            except Misfit as error:
                error.line = line
                raise
            except Wrong as error:
                raise Misfit("events", "events.jsonl", line, str(error)) from None
            self.checked += 1
        for line, text in proofs:
            try:
                is_path = not {"log", "tile"} & set(read_object(text, "the line"))
            except Wrong as error:
                raise Misfit("events", "proofs.jsonl", line, str(error)) from None
            what = "a path of an event that is not here" if is_path else "a log or tile without event"
            raise Misfit("count", "proofs.jsonl", line, what)

    def next_path(self, proofs: Iterator[tuple[int, bytes]]) -> tuple[Fields, Log]:
        """The next path and its log; a log or tile that is met on the way is proven first."""
        for line, text in proofs:
            try:
                fields = read_object(text, "the line")
                log = self.enter(fields, line) if "log" in fields else self.present()
                if "tile" in fields:
                    self.enter_tile(fields, log)
            except Wrong as error:
                raise Misfit("events", "proofs.jsonl", line, str(error)) from None
            if "log" not in fields and "tile" not in fields:
                return fields, log
        raise Misfit("count", "proofs.jsonl", None, "it has fewer paths than there are events")

    def present(self) -> Log:
        """The log that was named last."""
        if self.log is None:
            raise Wrong("it stands in front of any log")
        return self.log

    def enter(self, fields: Fields, line: int) -> Log:
        """A log's head is what a spine entry commits to, and that entry is under the checkpoint."""
        tree = Tree(text_of(fields, "log"), number_of(fields, "size"), bytes_of(fields, "root"))
        entry = spine_entry(fields, self.spine).of("heads", "index", "seal")
        if not commits(fields, entry, tree):
            raise Wrong("the spine entry does not commit to this log")
        if tree.origin in self.logs:
            raise Wrong("the log stands here twice")
        if len(self.logs) >= MAX_KEPT:
            raise Wrong(f"there are more than {MAX_KEPT} logs")
        self.log = self.logs[tree.origin] = Log(tree, text_of(fields, "writer"), sha(entry.body.encode()))
        self.scope.enter(tree, line)
        return self.log

    def enter_tile(self, fields: Fields, log: Log) -> None:
        """A subtree of 256 entries is under the log's root."""
        tile, root = number_of(fields, "tile"), bytes_of(fields, "root")
        if not included(root, tile, tiles_of(log.tree), path_of(fields, "path"), log.tree.root):
            raise Wrong(f"tile {tile} is not in the log")
        log.tile, log.tile_root = tile, root

    def event(self, event: Fields, path: Fields, log: Log) -> None:
        """One event: body, leaf, proof, number, order, private part."""
        seq, index, body = number_of(event, "seq"), number_of(path, "index"), text_of(event, "body").encode()
        said = read_object(body, "the body")
        if seq < 0 or (said.get("writer"), said.get("seq"), event.get("writer")) != (log.writer, seq, log.writer):
            raise Wrong(f"entry {seq} stands in another place than its body says")
        if path.get("seq") != seq:
            raise Wrong(f"the proof in this place is not that of entry {seq}")
        leaf = hashlib.sha256(b"\x00" + bytes_of(path, "previous") + body).digest()
        if leaf != bytes_of(event, "leaf"):
            raise Wrong(f"the leaf of entry {seq} is not that of its body")
        if not in_tile(leaf, index, log, log.tile, path_of(path, "path"), log.tile_root):
            raise Wrong(f"entry {seq} is not in the ledger as it is given here")
        if log.offset is None:
            log.offset, log.first = seq - index, seq
        if log.offset != seq - index:
            raise Misfit("order", "events.jsonl", None, f"entry {seq} does not have the number that its place in the log gives it")
        if self.last is not None and (log.writer, seq) <= self.last:
            claim = "twice" if (log.writer, seq) == self.last else "order"
            raise Misfit(claim, "events.jsonl", None, f"entry {seq} stands after entry {self.last[1]}: out of order, or twice")
        self.last = log.writer, seq
        self.private(event, said, log, seq)
        self.scope.take(log.tree, log.writer, seq, leaf)

    def private(self, event: Fields, said: Fields, log: Log, seq: int) -> None:
        """A private part that is given is the one under the digest in the body; one that is gone was removed by the ledger."""
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
        if state == "redacted":
            _, digest = self.history.redacted.pop((log.tree.origin, seq), (0, ""))
            if digest != said.get("private_digest"):
                what = f"the ledger has no entry that the private part of entry {seq} was removed"
                self.check.failed(Misfit("withheld", "events.jsonl", self.checked + 1, what))
        self.parts[str(state)] += 1

    def settle(self) -> None:
        """Everything fits: say how much that is."""
        say, given = self.check.say, self.parts["given"]
        counts = self.check.manifest.get("counts")
        claimed = counts.get("events") if isinstance(counts, dict) else None
        say("events", PROVEN, f"{self.checked} events of {len(self.logs)} logs, under a checkpoint of {self.spine.size} entries")
        say("order", PROVEN, f"{self.checked} events")
        say("twice", PROVEN, "no place in the ledger is here more than once")
        if claimed == self.checked:
            say("count", PROVEN, f"{self.checked} events")
        else:
            say("count", FAILED, f"events.jsonl: it has {self.checked} events; the manifest says another number")
        say("private", PROVEN, f"{given} are given")
        hidden = f"{self.parts['withheld']} are withheld, {self.parts['redacted']} were redacted before"
        say("withheld", PROVEN if given == self.checked else NOT_PROVEN, hidden)
        for (_, seq), (line, _) in sorted(self.history.redacted.items()):
            what = f"entry {seq} is not one of the redacted events of this export"
            self.check.failed(Misfit("withheld", "history.jsonl", line, what))


def tiles_of(tree: Tree) -> int:
    """The number of subtrees of 256 entries, the last of which may have fewer."""
    return (tree.size + TILE - 1) // TILE


def in_tile(leaf: bytes, index: int, log: Log, tile: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether a leaf is at its place in a subtree of 256 entries."""
    start = tile * TILE
    return tile >= 0 and included(leaf, index - start, min(TILE, log.tree.size - start), path, root)


def commits(fields: Fields, entry: SpineEntry, tree: Tree) -> bool:
    """Whether a spine entry commits to a log's head, at the place in its vector that the line names."""
    index, count, path = number_of(fields, "heads_index"), number_of(fields, "heads_count"), path_of(fields, "heads_path")
    return included(tree.line, index, count, path, entry.heads_root)


# ---- The times ----


class Times:
    """timestamps.jsonl: between which moments the events were recorded, by the clocks of others."""

    FILE = "timestamps.jsonl"

    def __init__(self, check: Check, archive: Archive, entries: Entries) -> None:
        self.check, self.archive, self.logs = check, archive, entries.logs
        self.found: dict[str, dict[str, int]] = {"covers": {}, "after": {}}

    def run(self) -> None:
        """Every line, and then what is shown of each log."""
        for line, text in numbered(self.archive, self.FILE, "later", self.check):
            kind = "covers"
            try:
                fields = read_object(text, "the line")
                kind = kind_of(fields, "covers", "after")
                self.line(fields, kind)
            except Wrong as error:
                self.check.failed(Misfit("later" if kind == "covers" else "earlier", self.FILE, line, str(error)))
        self.settle("later", self.found["covers"])
        self.settle("earlier", self.found["after"])
        for origin, log in sorted(self.logs.items()):
            before, after = self.found["covers"].get(origin), self.found["after"].get(origin)
            if log.first >= 0 and before and after and after * 1_000_000 > before * 1_000_000 + CLOCKS_DIFFER:
                self.check.say("earlier", FAILED, f"{origin}: not earlier than {shown(after)}, and not later than {shown(before)}")

    def line(self, fields: Fields, kind: str) -> None:
        """What one line shows of one log."""
        origin, found = text_of(fields, kind), self.found[kind]
        log = self.logs.get(origin)
        if log is None or log.first < 0:
            raise Wrong("no event of this log is here")
        note, token = text_of(fields, "note"), fields.get("token")
        der = unbase64(token) if isinstance(token, str) else b""
        if der is None or not (token is None or isinstance(token, str)):
            raise Wrong("token is neither base64 nor null")
        tree, times = self.check.open(note), self.check.witnesses(note)
        is_named = self.covered(fields, log, tree) if kind == "covers" else self.anchored(fields, log, note, der)
        policy = self.check.policy
        moment = quorum_time(times, policy, is_first=kind == "covers") if policy is not None and is_named else None
        if kind == "covers" and moment is not None:
            self.dates(moment, spine_entry(fields, tree))
        if moment is not None:
            best = min if kind == "covers" else max
            found[origin] = best(moment, found.get(origin) or moment)
        elif token:
            found.setdefault(origin, 0)

    def covered(self, fields: Fields, log: Log, tree: Tree) -> bool:
        """The log as it is here was there when the note was signed."""
        entry = spine_entry(fields, tree)
        if entry.heads_root == log.tree.line or sha(entry.body.encode()) == log.body:
            return True
        if "heads_path" in fields and commits(fields, entry, log.tree):
            return True
        raise Wrong("the spine entry does not commit to the log as it is here")

    def anchored(self, fields: Fields, log: Log, note: str, token: bytes) -> bool:
        """An entry of the log in front of the events names the note, so it was written after the note was there."""
        seq, index, body = number_of(fields, "seq"), number_of(fields, "index"), text_of(fields, "body").encode()
        leaf, tile = sha(b"\x00", bytes_of(fields, "previous"), body), number_of(fields, "tile")
        root = bytes_of(fields, "tile_root")
        if not included(root, tile, tiles_of(log.tree), path_of(fields, "tile_path"), log.tree.root):
            raise Wrong(f"tile {tile} is not in the log")
        if not in_tile(leaf, index, log, tile, path_of(fields, "path"), root):
            raise Wrong(f"entry {seq} is not in the ledger as it is given here")
        said, private = read_object(body, "the body"), text_of(fields, "private").encode()
        if (said.get("writer"), said.get("seq"), said.get("action")) != (log.writer, seq, "time_anchor"):
            raise Wrong(f"entry {seq} is no time_anchor event of this place")
        if seq - index != log.offset or seq >= log.first:
            raise Wrong(f"entry {seq} does not stand in front of the events of its log")
        if sha(bytes_of(fields, "salt", 16), private).hex() != said.get("private_digest"):
            raise Wrong(f"the private part of entry {seq} is not the one that was hashed")
        details = object_of(read_object(private, "the private part"), "details")
        if details.get("note_sha256") == sha(note.encode()).hex():
            return True
        if not token or details.get("token_sha256") != sha(token).hex():
            raise Wrong(f"entry {seq} names neither this note nor this token")
        return False

    def dates(self, seconds: int, entry: SpineEntry) -> None:
        """A cosignature is as old as it can be: it follows the entry that it covers, and the export was made after it."""
        cosigned, exported = seconds * 1_000_000, self.check.exported_at
        if cosigned < microseconds(entry.time) - CLOCKS_DIFFER:
            raise Wrong(f"the cosignatures of {shown(seconds)} are dated before the entry that they cover, of {entry.time}")
        if exported is not None and cosigned > microseconds(exported) + CLOCKS_DIFFER:
            raise Wrong(f"the cosignatures of {shown(seconds)} are dated after the export was made, {exported}")

    def settle(self, claim: str, found: dict[str, int]) -> None:
        """Say what was shown of each log; 0 stands for a time stamp that somebody else has to check."""
        say = self.check.say
        logs = [origin for origin, log in sorted(self.logs.items()) if log.first >= 0]
        for origin in logs:
            moment = found.get(origin)
            if moment:
                state = NOT_PROVEN if self.check.trusted_policy is None else PROVEN
                say(claim, state, f"{origin}: not {claim} than {shown(moment)}")
            elif moment == 0:
                say(claim, NOT_PROVEN, f"{origin}: only a time stamp, which `openssl ts -verify` checks")
            else:
                say(claim, NOT_PROVEN, f"{origin}: no quorum of witnesses shows it")
        if not logs:
            say(claim, NOT_PROVEN, "there is no event here")
        elif self.check.trusted_policy is None and any(found.values()):
            say(claim, NOT_PROVEN, "the witnesses are those of the policy that came with the export (--policy)")


# ---- The command ----


def show(line: str, *, is_error: bool = False) -> None:
    """Print a line, in whatever the terminal can show. What an export says begins no line of its own and steers no terminal."""
    out = sys.stderr if is_error else sys.stdout
    encoding = out.encoding or "ascii"
    out.write(plain(line).encode(encoding, "backslashreplace").decode(encoding) + "\n")


def read_small(path: str | None) -> bytes | None:
    """A small file of the reader's own. Raises Unreadable."""
    if path is None:
        return None
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_SMALL)
    except OSError:
        raise Unreadable(f"{path} cannot be read") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the export that the arguments name, and print what came of it. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Check an audit export.", epilog="Exit 0: nothing failed; 1: something failed; 2: unreadable."
    )
    parser.add_argument("export", help="the .zip")
    parser.add_argument("--trust", metavar="KEYFILE", help="file with the verifier key, or the list of keys, that you trust")
    parser.add_argument("--policy", metavar="FILE", help="file with the witnesses that you trust (tlog-policy)")
    parser.add_argument("--since", metavar="OLD_CHECKPOINT", help="an older checkpoint of the same ledger, that you kept")
    parser.add_argument("--consistency", metavar="ANSWER", help="file with the ledger's answer of /v1/consistency")
    parser.add_argument("--max-bytes", type=int, default=MAX_BYTES, help="refuse an archive that unpacks to more")
    given = parser.parse_args(arguments)
    name = ""
    try:
        texts: dict[str, str | None] = {}
        for name in ("trust", "policy", "since"):
            data = read_small(getattr(given, name))
            texts[name] = None if data is None else data.decode("utf-8")
        name, trust, policy = "trust", None, None
        if texts["trust"] is not None:
            trust = read_ring(texts["trust"])
        name = "policy"
        if texts["policy"] is not None:
            policy = read_policy(texts["policy"])
        check = Check(trust, policy, texts["since"], read_small(given.consistency))
        check.run(given.export, given.max_bytes)
    except (Wrong, UnicodeDecodeError) as error:
        what = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error
        show(f"UNREADABLE  {getattr(given, name)}: {what}", is_error=True)
        return 2
    except Unreadable as error:
        show(f"UNREADABLE  {error}", is_error=True)
        return 2
    said = [str(check.manifest.get(name, "?"))[:200] for name in ("export_id", "made_at", "made_by", "purpose")]
    show("Export {}, made {} by {}, for: {}".format(*said))
    show("")
    for name, claim in check.claims.items():
        show(f"{claim.state:<12}{CLAIMS[name]}")
        for why in claim.why:
            show(f"{'':<12}  {why}")
    show("")
    for line in CANNOT.splitlines():
        show(line)
    return 1 if any(claim.state == FAILED for claim in check.claims.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
