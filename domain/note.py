"""C2SP signed notes: a text, and signature lines that bind it to named keys (c2sp.org/signed-note, Ed25519).

A note is UTF-8 without control characters but newline; an empty line; then `— name base64(key id || signature)` lines.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from domain.errors import IntegrityError

_ED25519 = b"\x01"
_SIGNATURE_PREFIX = "— "
_MAX_SIGNATURES = 64


@dataclass(frozen=True, slots=True)
class Verifier:
    """A named Ed25519 public key (32 bytes). `text` is its verifier key, `name+hash+base64`."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """SHA256(name || 0x0A || 0x01 || public key), first 4 bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    @property
    def text(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Read a verifier key. Raises IntegrityError where it is none, or its hash does not belong to it."""
        try:
            name, key_id, encoded = text.strip().split("+", 2)
            data = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error):
            raise IntegrityError("this is no verifier key (name+hash+base64)") from None
        if len(data) != 33 or data[:1] != _ED25519 or not _valid_name(name):
            raise IntegrityError("the verifier key is not Ed25519")
        verifier = cls(name, data[1:])
        if verifier.key_id.hex() != key_id:
            raise IntegrityError("the verifier key's hash does not belong to its name and key")
        return verifier

    def verify(self, text: str, signature: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's over the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A named Ed25519 private key (32-byte seed). Never printed."""

    name: str
    seed: bytes

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self._key().public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """The note: the text, which must end in a newline, and one signature line."""
        if not text.endswith("\n"):
            raise ValueError("a note's text ends with a newline")
        payload = self.verifier.key_id + self._key().sign(text.encode())
        return f"{text}\n{_SIGNATURE_PREFIX}{self.name} {base64.b64encode(payload).decode()}\n"

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True, slots=True)
class Note:
    """An opened note: its text and the names of the known keys that signed it."""

    text: str
    signers: tuple[str, ...]


def open_note(note: str, verifiers: Iterable[Verifier]) -> Note:
    """Check a note against known keys. Unknown keys are ignored; a known key that fails rejects the note.

    Raises IntegrityError where the form is wrong, a known key's signature fails, or no known key signed.
    """
    if any(ord(c) < 0x20 and c != "\n" for c in note) or not note.endswith("\n"):
        raise IntegrityError("the note has control characters, or does not end with a newline")
    text, separator, block = note.rpartition("\n\n")
    if not separator or not block:
        raise IntegrityError("the note has no signatures")
    text += "\n"
    known = {(v.name, v.key_id): v for v in verifiers}
    lines = block.removesuffix("\n").split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise IntegrityError("the note has too many signatures")
    signers: list[str] = []
    for line in lines:
        name, payload = _signature(line)
        verifier = known.get((name, payload[:4]))
        if verifier is None:
            continue
        if not verifier.verify(text, payload[4:]):
            raise IntegrityError(f"the signature of {name} does not fit the note")
        if name not in signers:
            signers.append(name)
    if not signers:
        raise IntegrityError("no known key signed the note")
    return Note(text, tuple(signers))


def _signature(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
    if not line.startswith(_SIGNATURE_PREFIX) or not space or not _valid_name(name):
        raise IntegrityError("the note has a malformed signature line")
    try:
        payload = base64.b64decode(encoded, validate=True)
    except ValueError:  # binascii.Error is one; text that is not ASCII raises the plain one
        raise IntegrityError("the note has a malformed signature line") from None
    if len(payload) < 5:
        raise IntegrityError("the note has a malformed signature line")
    return name, payload


def _valid_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)
