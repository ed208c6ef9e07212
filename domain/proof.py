"""The proof of one event: from its body up to a signed checkpoint, in steps that anyone can follow with SHA-256 and Ed25519.

    (1) leaf   = SHA256(0x00 || previous || body)
    (2) leaf at `index` of `size` with `path`            → root of the writer's log
    (3) head line `origin size root` in `heads_path`     → heads_root of a spine entry
    (4) spine entry at `spine_index` with `spine_path`   → root of the spine
    (5) the root and size are in a note signed by the spine's key

A proof shows that the event stood in the log when the checkpoint was signed. It does not show that nothing else did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from domain.checkpoint import Head
from domain.entry import chain
from domain.errors import IntegrityError
from domain.json import Json
from domain.keyring import KeyRing
from domain.merkle import leaf_hash, verify_inclusion


@dataclass(frozen=True, slots=True, kw_only=True)
class EventProof:
    """Hashes are 32 bytes; `head` is the writer's log as the spine entry commits to it; `checkpoint` is a signed note."""

    writer: str
    seq: int
    body: bytes
    previous: bytes
    index: int
    head: Head
    path: Sequence[bytes]
    heads_index: int
    heads_count: int
    heads_path: Sequence[bytes]
    spine_body: bytes
    spine_previous: bytes
    spine_index: int
    spine_path: Sequence[bytes]
    checkpoint: str

    def to_json(self) -> Mapping[str, Json]:
        """The outward form: bytes of hashes in hex, bodies as the text they are."""
        return {
            "writer": self.writer,
            "seq": self.seq,
            "body": self.body.decode(),
            "previous": self.previous.hex(),
            "index": self.index,
            "head": self.head.line,
            "path": [item.hex() for item in self.path],
            "heads_index": self.heads_index,
            "heads_count": self.heads_count,
            "heads_path": [item.hex() for item in self.heads_path],
            "spine_body": self.spine_body.decode(),
            "spine_previous": self.spine_previous.hex(),
            "spine_index": self.spine_index,
            "spine_path": [item.hex() for item in self.spine_path],
            "checkpoint": self.checkpoint,
        }

    @classmethod
    def from_json(cls, text: bytes) -> "EventProof":
        """Read the outward form. Raises IntegrityError where it is none."""
        try:
            fields = orjson.loads(text)
            return cls(
                writer=str(fields["writer"]),
                seq=int(fields["seq"]),
                body=str(fields["body"]).encode(),
                previous=bytes.fromhex(fields["previous"]),
                index=int(fields["index"]),
                head=Head.parse(fields["head"]),
                path=[bytes.fromhex(item) for item in fields["path"]],
                heads_index=int(fields["heads_index"]),
                heads_count=int(fields["heads_count"]),
                heads_path=[bytes.fromhex(item) for item in fields["heads_path"]],
                spine_body=str(fields["spine_body"]).encode(),
                spine_previous=bytes.fromhex(fields["spine_previous"]),
                spine_index=int(fields["spine_index"]),
                spine_path=[bytes.fromhex(item) for item in fields["spine_path"]],
                checkpoint=str(fields["checkpoint"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise IntegrityError("this is no event proof") from None


def verify_event_proof(proof: EventProof, keys: KeyRing) -> Head:
    """Check steps (1) to (5). Returns the signed head of the spine. Raises IntegrityError naming the step that fails."""
    # (1) and (2)
    leaf = chain(proof.previous, proof.body)
    if not verify_inclusion(leaf, proof.index, proof.head.size, proof.path, proof.head.root):
        raise IntegrityError(f"entry {proof.seq}: the event is not in the writer's log as proven")
    # (3)
    try:
        committed = bytes.fromhex(orjson.loads(proof.spine_body)["heads_root"])
    except (ValueError, KeyError, TypeError):
        raise IntegrityError(f"entry {proof.seq}: the spine entry is malformed") from None
    line = leaf_hash(proof.head.line.encode())
    if not verify_inclusion(line, proof.heads_index, proof.heads_count, proof.heads_path, committed):
        raise IntegrityError(f"entry {proof.seq}: the spine entry does not commit to the writer's log")
    # (4) and (5)
    spine = keys.open(proof.checkpoint)
    spine_leaf = chain(proof.spine_previous, proof.spine_body)
    if not verify_inclusion(spine_leaf, proof.spine_index, spine.size, proof.spine_path, spine.root):
        raise IntegrityError(f"entry {proof.seq}: the spine entry is not under the signed checkpoint")
    return spine
