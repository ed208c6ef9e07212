"""A log that a witness can follow, with forks of it, and keys of witnesses."""

from dataclasses import dataclass
from functools import cached_property

from domain.checkpoint import Head
from domain.cosignature import Algorithm, CosigningKey
from domain.keyring import KeyRing
from domain.merkle import Leaves, consistency_proof, leaf_hash, root
from domain.note import Signer
from domain.witness_protocol import AddCheckpoint

SIGNER = Signer("log.example/spine", bytes(range(32)))
WITNESS = CosigningKey("auditor.example/w1", b"w" * 32, Algorithm.ED25519)
SECOND = CosigningKey("cloud.example/w2", b"x" * 32, Algorithm.ED25519)
POST_QUANTUM = CosigningKey("auditor.example/pq", b"y" * 32, Algorithm.ML_DSA_44)


@dataclass(frozen=True)
class GrowingLog:
    """All sizes of one log. `forked_at`: from this leaf on it is another history than that of the log without it."""

    signer: Signer = SIGNER
    forked_at: int | None = None
    most: int = 64

    @cached_property
    def leaves(self) -> list[bytes]:
        """Leaf hashes."""
        return [
            leaf_hash(f"{n}{'' if self.forked_at is None or n < self.forked_at else ' forked'}".encode()) for n in range(self.most)
        ]

    def head(self, size: int) -> Head:
        """The head of a size."""
        return Head(self.signer.name, size, root(self.leaves[:size]))

    def note(self, size: int) -> str:
        """The checkpoint of a size, signed by this log."""
        return self.signer.sign(self.head(size).checkpoint)

    def request(self, old: int, size: int) -> AddCheckpoint:
        """What an honest log sends."""
        return AddCheckpoint(old, consistency_proof(Leaves(self.leaves), old, size), self.note(size))

    @property
    def ring(self) -> KeyRing:
        """The keys to know this log by."""
        return KeyRing.of(self.signer.verifier)
