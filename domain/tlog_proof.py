"""Proofs as files: a C2SP tlog-proof of a spine entry, whose extra data lead on to one event (c2sp.org/tlog-proof).

    c2sp.org/tlog-proof@v1
    extra <base64>              (left out where there is none)
    index <n>
    <inclusion path, one hash a line>

    <checkpoint, a signed note>

What a generic reader verifies is that the spine entry is under the checkpoint. The extra data are not signed; `verify_entry` checks
that they lead from the event to that entry (docs/log-format.md section 6).
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from domain.checkpoint import Head, parse_checkpoint, parse_decimal
from domain.entry import chain
from domain.errors import IntegrityError
from domain.keyring import KeyRing
from domain.merkle import leaf_hash, node_hash, verify_inclusion
from domain.note import Verifier, from_base64, open_note, split_note
from domain.proof import EventProof

_MAGIC = "c2sp.org/tlog-proof@v1"
_EXTRA_MAGIC = b"phitrail/entry-proof/v1"
_MAX_PATH = 63
_HASH = 32


@dataclass(frozen=True, slots=True)
class TlogProof:
    """An entry's place from 0, its path (32 bytes a hash, nearest sibling first), the checkpoint's note, the application's data."""

    index: int
    path: Sequence[bytes]
    checkpoint: str
    extra: bytes | None

    @property
    def text(self) -> str:
        """The file."""
        extra = [] if not self.extra else [f"extra {_base64(self.extra)}"]
        lines = [_MAGIC, *extra, f"index {self.index}", *map(_base64, self.path)]
        return "\n".join(lines) + f"\n\n{self.checkpoint}"

    @classmethod
    def parse(cls, text: str) -> "TlogProof":
        """Read a file. Raises IntegrityError where it is malformed; base64 and numbers have one spelling. Nothing is verified."""
        head, separator, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not separator or lines.pop(0) != _MAGIC:
            raise IntegrityError(f"this is no proof: it does not begin with {_MAGIC}, or has no checkpoint")
        try:
            extra = from_base64(lines.pop(0).removeprefix("extra ")) if lines[0].startswith("extra ") else None
            index = parse_decimal(lines.pop(0).removeprefix("index "))
            path = tuple(from_base64(line) for line in lines)
        except (ValueError, IndexError):
            raise IntegrityError("the proof has a malformed line between its first line and its checkpoint") from None
        if any(len(item) != _HASH for item in path) or len(path) > _MAX_PATH:
            raise IntegrityError("the proof's path is not of hashes, or has too many")
        note, signatures = split_note(checkpoint)
        parse_checkpoint(note)
        proof = cls(index, path, f"{note}\n{''.join(signature.line for signature in signatures)}", extra)
        if proof.text != text:
            raise IntegrityError("the proof is not in its one spelling")
        return proof

    def head(self, verifiers: KeyRing | Iterable[Verifier]) -> Head:
        """The signed head in the checkpoint: a `KeyRing` knows which key signs which size, bare verifiers sign all.

        Raises IntegrityError where no key of the checkpoint's origin signed, or a known key fails.
        """
        if isinstance(verifiers, KeyRing):
            return verifiers.open(self.checkpoint)
        opened = open_note(self.checkpoint, verifiers)
        head = parse_checkpoint(opened.text)
        if head.origin not in opened.signers:
            raise IntegrityError("the checkpoint is of another log than the key")
        return head

    def verify(self, leaf_hash: bytes, verifiers: KeyRing | Iterable[Verifier]) -> Head:
        """The signed head under which the entry with this leaf hash stands at `index`. Raises IntegrityError where it does not."""
        head = self.head(verifiers)
        if not verify_inclusion(leaf_hash, self.index, head.size, self.path, head.root):
            raise IntegrityError("the entry is not under the signed checkpoint at that index")
        return head


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryExtra:
    """The extra data that lead from a spine entry to an event at `index` of the log `origin` of `size` entries.

    `heads_index` of `heads_count` is the log's place among the heads that the spine entry commits to; hashes are 32 bytes.
    """

    spine_body: bytes
    spine_previous: bytes
    origin: str
    size: int
    index: int
    heads_index: int
    heads_count: int
    heads_path: Sequence[bytes]
    path: Sequence[bytes]

    @classmethod
    def of(cls, proof: EventProof) -> "EntryExtra":
        """The extra data for an event's proof."""
        return cls(
            spine_body=proof.spine_body,
            spine_previous=proof.spine_previous,
            origin=proof.head.origin,
            size=proof.head.size,
            index=proof.index,
            heads_index=proof.heads_index,
            heads_count=proof.heads_count,
            heads_path=proof.heads_path,
            path=proof.path,
        )

    @property
    def data(self) -> bytes:
        """The bytes of docs/log-format.md section 6."""
        place = f"{self.origin} {self.size} {self.index} {self.heads_index} {self.heads_count}".encode()
        hashes = b"".join([self.spine_previous, *self.heads_path, *self.path])
        return b"\n".join([_EXTRA_MAGIC, self.spine_body, place, hashes])

    @classmethod
    def parse(cls, data: bytes) -> "EntryExtra":
        """Read `data` back. Raises IntegrityError where it is none. Nothing is verified."""
        try:
            magic, spine_body, place, packed = data.split(b"\n", 3)
            origin, *numbers = place.decode().split(" ")
            size, index, heads_index, heads_count = map(parse_decimal, numbers)
            heads_length, length = len(_sides(heads_index, heads_count)), len(_sides(index, size))
        except ValueError:
            raise _no_extra() from None
        if magic != _EXTRA_MAGIC or not origin or len(packed) != _HASH * (1 + heads_length + length):
            raise _no_extra()
        hashes = [packed[start : start + _HASH] for start in range(0, len(packed), _HASH)]
        return cls(
            spine_body=spine_body,
            spine_previous=hashes[0],
            origin=origin,
            size=size,
            index=index,
            heads_index=heads_index,
            heads_count=heads_count,
            heads_path=tuple(hashes[1 : 1 + heads_length]),
            path=tuple(hashes[1 + heads_length :]),
        )

    def head(self, leaf: bytes) -> Head:
        """The log's head as it must be if `leaf` stands at `index`: the root follows from the path."""
        node = leaf
        for is_left, sibling in zip(_sides(self.index, self.size), self.path, strict=True):
            node = node_hash(sibling, node) if is_left else node_hash(node, sibling)
        return Head(self.origin, self.size, node)


def tlog_proof(proof: EventProof) -> TlogProof:
    """An event's proof as a C2SP proof of its spine entry. Body and leaf before the event travel with the event."""
    return TlogProof(proof.spine_index, proof.spine_path, proof.checkpoint, EntryExtra.of(proof).data)


def verify_entry(proof: TlogProof, body: bytes, previous: bytes, verifiers: KeyRing | Iterable[Verifier]) -> Head:
    """Check that the event `body` after the leaf `previous` is proven; the steps are those of docs/log-format.md section 6.

    Returns the signed head of the spine. Raises IntegrityError naming the step that fails; a wrong event shows in step 2, because
    the log's root is computed and not given.
    """
    if proof.extra is None:
        raise IntegrityError("the proof has no extra data that lead from the spine to an event")
    extra = EntryExtra.parse(proof.extra)
    # (1)
    head = extra.head(chain(previous, body))
    # (2)
    try:
        committed = bytes.fromhex(orjson.loads(extra.spine_body)["heads_root"])
    except (ValueError, KeyError, TypeError):
        raise IntegrityError("step 2: the spine entry is malformed") from None
    line = leaf_hash(head.line.encode())
    if not verify_inclusion(line, extra.heads_index, extra.heads_count, extra.heads_path, committed):
        raise IntegrityError("step 2: the spine entry does not commit to a log with this event at this place")
    # (4) before (3): the root to compare with is only known from a checkpoint that is signed.
    try:
        signed = proof.head(verifiers)
    except IntegrityError as error:
        raise IntegrityError(f"step 4: {error}") from None
    # (3)
    spine_leaf = chain(extra.spine_previous, extra.spine_body)
    if not verify_inclusion(spine_leaf, proof.index, signed.size, proof.path, signed.root):
        raise IntegrityError("step 3: the spine entry is not under the signed checkpoint")
    return signed


def _sides(index: int, size: int) -> list[bool]:
    """For each hash of the path at `index` of `size` (RFC 9162 §2.1.3.1), nearest first, whether it stands to the left.

    Raises ValueError where the index is not in the tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    sides: list[bool] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        sides.append(index >= middle)
        low, high = (middle, high) if index >= middle else (low, middle)
    return sides[::-1]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _no_extra() -> IntegrityError:
    return IntegrityError("the proof's extra data are no phitrail entry proof")
