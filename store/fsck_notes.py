"""Checkpoints as the checker trusts them: which keys sign for which sizes, and what one signed note says.

C2SP signed notes (c2sp.org/signed-note) holding checkpoints (c2sp.org/tlog-checkpoint). A signature of a known key counts for the
sizes of that key only (docs/log-format.md section 5): a stolen old key signs no new history, a new key no old one.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from store.fsck_report import Problem

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_MOST_SIGNATURES = 64
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_ED25519 = b"\x01"
_STRANGER = "a checkpoint is not signed by this ledger's key"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """An Ed25519 key (32 bytes) and the checkpoint sizes it signs for, inclusive; `to_size` None: it signs still."""

    name: str
    public_key: bytes
    from_size: int = 0
    to_size: int | None = None

    @property
    def key_id(self) -> bytes:
        """SHA256(name || 0x0A || 0x01 || public key), first 4 bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:4]

    @property
    def text(self) -> str:
        """The verifier key, `name+hash+base64`."""
        encoded = base64.b64encode(_ED25519 + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def covers(self, size: int) -> bool:
        """Whether it signs for checkpoints of this size."""
        return self.from_size <= size and (self.to_size is None or size <= self.to_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """What the checker holds against the store: the spine's origin, its keys, signed notes, acknowledged (writer → (seq, leaf)).

    `notes` are checkpoints that this node kept. `copies` were put out of its reach: they may be of a history that a person gave up,
    and do not count where the signed spine says so.
    """

    key_name: str
    keys: Sequence[TrustedKey]
    notes: Sequence[str] = ()
    copies: Sequence[str] = ()
    acknowledged: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)

    @classmethod
    def single(
        cls, name: str, public: bytes, *, notes: Sequence[str] = (), acknowledged: Mapping[str, tuple[int, bytes]] | None = None
    ) -> Self:
        """One key that signs for all sizes."""
        return cls(key_name=name, keys=[TrustedKey(name=name, public_key=public)], notes=notes, acknowledged=acknowledged or {})


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint that every key in charge of its size has signed."""

    size: int
    root: bytes


def open_notes(notes: Sequence[str], trusted: Trusted, problems: list[Problem]) -> Sequence[Signed]:
    """The checkpoints in `notes`, smallest first. Says which are not signed, and which contradict each other (a fork)."""
    found = dict[Signed, None]()
    for note in dict.fromkeys(notes):
        signed = open_note(note, trusted)
        if isinstance(signed, str):
            problems.append(Problem(log=trusted.key_name, seq=None, what=signed))
        else:
            found[signed] = None
    return sorted(found, key=lambda signed: signed.size)


def forks(signed: Sequence[Signed], trusted: Trusted) -> Iterator[Problem]:
    """Two roots that were signed for one size: one of them is of another history."""
    for one, other in pairwise(signed):
        if one.size == other.size:
            what = f"two different checkpoints of size {one.size} are signed (the ledger was forked)"
            yield Problem(log=trusted.key_name, seq=max(one.size - 1, 0), what=what)


def open_note(note: str, trusted: Trusted) -> Signed | str:
    """The checkpoint of a note, or why it does not count."""
    body, _, block = note.rpartition("\n\n")
    text, lines = f"{body}\n", body.split("\n")
    signatures = _signatures(block)
    if _CONTROL.search(note) or signatures is None or len(lines) < 3 or not all(lines) or lines[0] != trusted.key_name:
        return _STRANGER
    root = _decoded(lines[2])
    if not _SIZE.fullmatch(lines[1]) or root is None or len(root) != 32:
        return _STRANGER
    size, signers, has_others = int(lines[1]), set[bytes](), False
    for name, payload in signatures:
        for key in trusted.keys:
            if key.name != name or key.key_id != payload[:4]:
                continue
            if not _is_signature(key, payload[4:], text):
                # A known key that fails rejects the note (c2sp.org/signed-note).
                return _STRANGER
            if key.covers(size):
                signers.add(key.public_key)
            else:
                has_others = True
    wanted = {key.public_key for key in trusted.keys if key.covers(size)}
    if wanted and wanted <= signers:
        return Signed(size, root)
    if has_others:
        return f"the checkpoint of size {size} is signed by a key that does not sign for this size"
    if signers:
        return f"the checkpoint of size {size} is signed by one key only, where the old and the new one both sign"
    return _STRANGER


def check_rotations(rotations: Sequence[tuple[int, str, str]], trusted: Trusted, *, size: int) -> Iterator[Problem]:
    """`key-rotate` entries (index, next key, key until now) against the key list; `size` is how many spine entries there are."""
    listed = {}
    for key in trusted.keys:
        successor = next((other for other in trusted.keys if key.to_size is not None and other.from_size == key.to_size), None)
        if successor is not None and key.to_size is not None:
            listed[key.to_size - 1] = (successor.text, key.text)
    seen = {index: (successor, previous) for index, successor, previous in rotations}
    for index in sorted(listed.keys() | seen.keys()):
        if index >= size or listed.get(index) == seen.get(index):
            continue
        what = "the spine names another signing key here than the key list"
        if index not in seen:
            what = "by the key list another key signs from here on, and no spine entry names it"
        yield Problem(log=trusted.key_name, seq=index, what=what)


def _signatures(block: str) -> Sequence[tuple[str, bytes]] | None:
    """(name, key id || signature) of each line; None where the block is malformed."""
    lines = block.removesuffix("\n").split("\n")
    if not block.endswith("\n") or len(lines) > _MOST_SIGNATURES:
        return None
    found = []
    for line in lines:
        name, _, encoded = line.removeprefix("— ").partition(" ")
        payload = _decoded(encoded)
        if (
            not line.startswith("— ")
            or not name
            or "+" in name
            or any(c.isspace() for c in name)
            or payload is None
            or len(payload) < 5
        ):
            return None
        found.append((name, payload))
    return found


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def _is_signature(key: TrustedKey, signature: bytes, text: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, text.encode())
    except (ValueError, InvalidSignature):
        return False
    return True
