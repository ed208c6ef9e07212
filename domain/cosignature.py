"""Cosignatures: what a witness adds to a checkpoint once it has seen that the log only grew (c2sp.org/tlog-cosignature).

A cosignature is a signature line of the checkpoint's note whose payload is `timestamp (8 bytes, big-endian) || signature`. What is
signed depends on the type of the key:

    Ed25519     "cosignature/v1\\n" "time " timestamp "\\n" and the checkpoint's whole text, extension lines too
    ML-DSA-44   the struct `cosigned_message` over name, timestamp, origin, size and root, without extension lines

Only ML-DSA-44 binds the cosigner's name and outlasts a quantum computer; the specification asks for it in new deployments.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from domain.checkpoint import MAX_SIZE, parse_checkpoint
from domain.errors import IntegrityError
from domain.note import Signature, key_id, split_key, split_note

_PRIVATE_PREFIX = "PRIVATE+KEY+"
_SEED_SIZE = 32
_TIMESTAMP_SIZE = 8
_LABEL = b"subtree/v1\n\x00"


class Algorithm(Enum):
    """How a cosigner signs; the value is the signature type byte of its key."""

    ED25519 = 0x04
    ML_DSA_44 = 0x06

    @property
    def type_byte(self) -> bytes:
        """The signature type, one byte: first in an encoded key, and part of the key's id."""
        return bytes([self.value])

    @property
    def public_size(self) -> int:
        """Bytes of a public key (RFC 8032, FIPS 204)."""
        return 32 if self is Algorithm.ED25519 else 1312

    @property
    def signature_size(self) -> int:
        """Bytes of a signature (RFC 8032, FIPS 204)."""
        return 64 if self is Algorithm.ED25519 else 2420


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A named public key that cosigns: 32 bytes of Ed25519 or 1312 of ML-DSA-44."""

    name: str
    public: bytes
    algorithm: Algorithm

    @property
    def key_id(self) -> bytes:
        """SHA256(name || 0x0A || type || public key), first 4 bytes."""
        return key_id(self.name, self.algorithm.type_byte + self.public)

    @property
    def text(self) -> str:
        """The verifier key, `name+hash+base64(type || public key)`."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self.algorithm.type_byte + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> "Cosigner":
        """Read a verifier key. Raises IntegrityError where it is none of a cosigner, or its hash does not belong to it."""
        name, said_id, data = split_key(text)
        cosigner = cls(name, data[1:], _algorithm(data, name))
        if len(cosigner.public) != cosigner.algorithm.public_size:
            raise IntegrityError("the cosigner's key has the wrong length for its type")
        if cosigner.key_id.hex() != said_id:
            raise IntegrityError("the cosigner's key hash does not belong to its name and key")
        return cosigner

    def verify(self, checkpoint_text: str, payload_after_key_id: bytes) -> int | None:
        """When this key cosigned the checkpoint, in POSIX seconds; None where the payload is no such cosignature."""
        timestamp = int.from_bytes(payload_after_key_id[:_TIMESTAMP_SIZE], "big")
        signature = payload_after_key_id[_TIMESTAMP_SIZE:]
        if len(signature) != self.algorithm.signature_size or timestamp > MAX_SIZE:
            return None
        try:
            message = _message(self.algorithm, self.name, checkpoint_text, timestamp)
            if self.algorithm is Algorithm.ED25519:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
            else:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (IntegrityError, InvalidSignature):
            return None
        return timestamp


@dataclass(frozen=True, slots=True, repr=False)
class CosigningKey:
    """A named private key that cosigns (32-byte seed, for either algorithm). Never printed."""

    name: str
    seed: bytes
    algorithm: Algorithm

    @property
    def cosigner(self) -> Cosigner:
        """The public half."""
        return Cosigner(self.name, self._key().public_key().public_bytes_raw(), self.algorithm)

    @property
    def text(self) -> str:
        """The private key, `PRIVATE+KEY+name+hash+base64(type || seed)`: a secret."""
        encoded = base64.b64encode(self.algorithm.type_byte + self.seed).decode()
        return f"{_PRIVATE_PREFIX}{self.name}+{self.cosigner.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> "CosigningKey":
        """Read `text` back. Raises IntegrityError, which does not show the key, where it is none."""
        stripped = text.strip()
        if not stripped.startswith(_PRIVATE_PREFIX):
            raise IntegrityError(f"this is no private key of a cosigner ({_PRIVATE_PREFIX}name+hash+base64)")
        name, said_id, data = split_key(stripped.removeprefix(_PRIVATE_PREFIX))
        key = cls(name, data[1:], _algorithm(data, name))
        if len(key.seed) != _SEED_SIZE:
            raise IntegrityError("the cosigner's private key has the wrong length")
        if key.cosigner.key_id.hex() != said_id:
            raise IntegrityError("the hash in the cosigner's private key does not belong to its name and key")
        return key

    def cosign(self, checkpoint_text: str, timestamp: int) -> str:
        """The signature line over a checkpoint, with its newline; `timestamp` in POSIX seconds.

        The caller has verified that the checkpoint is consistent with all it cosigned before for that log.
        Raises IntegrityError where the text is no checkpoint, ValueError where the timestamp has no place in the format.
        """
        if not 0 <= timestamp <= MAX_SIZE:
            raise ValueError("a cosignature's timestamp is 0 to 2^63 - 1 seconds")
        signature = self._key().sign(_message(self.algorithm, self.name, checkpoint_text, timestamp))
        return Signature(self.name, self.cosigner.key_id, timestamp.to_bytes(_TIMESTAMP_SIZE, "big") + signature).line

    def _key(self) -> Ed25519PrivateKey | MLDSA44PrivateKey:
        if self.algorithm is Algorithm.ED25519:
            return Ed25519PrivateKey.from_private_bytes(self.seed)
        return MLDSA44PrivateKey.from_seed_bytes(self.seed)


@dataclass(frozen=True, slots=True)
class Cosignature:
    """Who cosigned, and when (POSIX seconds, by the cosigner's clock)."""

    name: str
    timestamp: int
    algorithm: Algorithm


def cosignatures(note: str, cosigners: Iterable[Cosigner]) -> list[Cosignature]:
    """The cosignatures of known cosigners in a checkpoint's note, in the note's order; unknown keys are ignored.

    Each cosigner counts once, with its earliest time. Nothing is said about the log's own signature.
    Raises IntegrityError where the note is malformed, or a known cosigner's signature does not fit it.
    """
    text, signatures = split_note(note)
    known = {(cosigner.name, cosigner.key_id): cosigner for cosigner in cosigners}
    times: dict[Cosigner, int] = {}
    for signature in signatures:
        cosigner = known.get((signature.name, signature.key_id))
        if cosigner is None:
            continue
        timestamp = cosigner.verify(text, signature.payload)
        if timestamp is None:
            raise IntegrityError(f"the cosignature of {cosigner.name} does not fit the checkpoint")
        times[cosigner] = min(timestamp, times.get(cosigner, timestamp))
    return [Cosignature(cosigner.name, timestamp, cosigner.algorithm) for cosigner, timestamp in times.items()]


def add_lines(note: str, lines: Iterable[str]) -> str:
    """The note with further signature lines, one a key: a key that has a line in the note gets no second one.

    The lines are not verified: see `lines_of`. Raises IntegrityError where the note or a line is malformed, or there are too many.
    """
    _, signatures = split_note(note)
    keys = {(signature.name, signature.key_id) for signature in signatures}
    for line in lines:
        signature = Signature.parse(line.removesuffix("\n"))
        if (signature.name, signature.key_id) not in keys:
            keys.add((signature.name, signature.key_id))
            note += signature.line
    split_note(note)
    return note


def lines_of(cosigner: Cosigner, checkpoint_text: str, lines: Iterable[str]) -> list[str]:
    """Of signature lines from outside, those by this cosigner that fit the checkpoint: only these may be added to its note.

    A witness may answer with lines of any key; a line under another's name that does not fit would spoil the note for everyone
    who knows that key. Raises IntegrityError where a line is malformed, or one by this cosigner does not fit.
    """
    kept: list[str] = []
    for line in lines:
        signature = Signature.parse(line.removesuffix("\n"))
        if (signature.name, signature.key_id) != (cosigner.name, cosigner.key_id):
            continue
        if cosigner.verify(checkpoint_text, signature.payload) is None:
            raise IntegrityError(f"the cosignature of {cosigner.name} does not fit the checkpoint")
        kept.append(signature.line)
    return kept


def _algorithm(data: bytes, name: str) -> Algorithm:
    """The type of an encoded key. Raises IntegrityError where it cannot cosign."""
    try:
        algorithm = Algorithm(data[0])
    except (ValueError, IndexError):
        raise IntegrityError("the key is none of a cosigner: neither Ed25519 (type 0x04) nor ML-DSA-44 (type 0x06)") from None
    if algorithm is Algorithm.ML_DSA_44 and len(name.encode()) > 255:
        raise IntegrityError("the name of an ML-DSA-44 cosigner is at most 255 bytes long")
    return algorithm


def _message(algorithm: Algorithm, name: str, checkpoint_text: str, timestamp: int) -> bytes:
    """What is signed. Raises IntegrityError where the text is no checkpoint, or a name has no place in the struct."""
    head = parse_checkpoint(checkpoint_text)
    if algorithm is Algorithm.ED25519:
        return f"cosignature/v1\ntime {timestamp}\n{checkpoint_text}".encode()
    # A checkpoint is the subtree from leaf 0 (`start`) to the size (`end`, exclusive).
    return b"".join(
        [
            _LABEL,
            _opaque(name),
            timestamp.to_bytes(8, "big"),
            _opaque(head.origin),
            bytes(8),
            head.size.to_bytes(8, "big"),
            head.root,
        ]
    )


def _opaque(text: str) -> bytes:
    """`opaque<1..2^8-1>` of RFC 8446 §3.4: the length in one byte, then the bytes."""
    data = text.encode()
    if not 1 <= len(data) <= 255:
        raise IntegrityError("ML-DSA-44 cosignatures have no place for an origin or a name of more than 255 bytes")
    return bytes([len(data)]) + data
