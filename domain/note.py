"""C2SP signed notes: a text, and signature lines that bind it to named keys (c2sp.org/signed-note, Ed25519).

A note is UTF-8 without control characters but newline; an empty line; then `— name base64(key id || signature)` lines.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from domain.errors import IntegrityError

MAX_SIGNATURES = 64
"""Lines of a note that are read; the specification asks for 16 at least."""

_ED25519 = b"\x01"
_SIGNATURE_PREFIX = "— "
_UNWRITABLE = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
"""What no note holds: ASCII controls but newline, and lone surrogates, which are no UTF-8."""
_UNNAMEABLE = re.compile(r"[+\s\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Verifier:
    """A named Ed25519 public key (32 bytes). `text` is its verifier key, `name+hash+base64`."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """SHA256(name || 0x0A || 0x01 || public key), first 4 bytes."""
        return key_id(self.name, _ED25519 + self.public)

    @property
    def text(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Read a verifier key. Raises IntegrityError where it is none, or its hash does not belong to it."""
        name, said_id, data = split_key(text)
        if len(data) != 33 or data[:1] != _ED25519:
            raise IntegrityError("the verifier key is not Ed25519")
        verifier = cls(name, data[1:])
        if verifier.key_id.hex() != said_id:
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
        return f"{text}\n{Signature(self.name, self.verifier.key_id, self._key().sign(text.encode())).line}"

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line: the name and id (4 bytes) of the key, and the rest of the bytes, whose form the key's type decides."""

    name: str
    key_id: bytes
    payload: bytes

    @property
    def line(self) -> str:
        """The line, with its newline."""
        return f"{_SIGNATURE_PREFIX}{self.name} {base64.b64encode(self.key_id + self.payload).decode()}\n"

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """Read a line without its newline. Raises IntegrityError where it is no signature line."""
        name, space, encoded = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
        if not line.startswith(_SIGNATURE_PREFIX) or not space or not _is_name(name):
            raise IntegrityError("the note has a malformed signature line")
        try:
            data = base64.b64decode(encoded, validate=True)
        except ValueError:  # binascii.Error is one; text that is not ASCII raises the plain one
            raise IntegrityError("the note has a malformed signature line") from None
        if len(data) < 5:
            raise IntegrityError("the note has a malformed signature line")
        return cls(name, data[:4], data[4:])


@dataclass(frozen=True, slots=True)
class Note:
    """An opened note: its text and the names of the known keys that signed it."""

    text: str
    signers: tuple[str, ...]


def open_note(note: str, verifiers: Iterable[Verifier]) -> Note:
    """Check a note against known keys. Unknown keys are ignored; a known key that fails rejects the note.

    Raises IntegrityError where the form is wrong, a known key's signature fails, or no known key signed.
    """
    text, signatures = split_note(note)
    known = {(v.name, v.key_id): v for v in verifiers}
    signers: list[str] = []
    for signature in signatures:
        verifier = known.get((signature.name, signature.key_id))
        if verifier is None:
            continue
        if not verifier.verify(text, signature.payload):
            raise IntegrityError(f"the signature of {signature.name} does not fit the note")
        if signature.name not in signers:
            signers.append(signature.name)
    if not signers:
        raise IntegrityError("no known key signed the note")
    return Note(text, tuple(signers))


def split_note(note: str) -> tuple[str, tuple[Signature, ...]]:
    """The text of a note, with its final newline, and its signatures, none of them checked.

    The text ends at the last empty line. Raises IntegrityError where the form is wrong.
    """
    if _UNWRITABLE.search(note) or not note.endswith("\n"):
        raise IntegrityError("the note has control characters, or does not end with a newline")
    text, separator, block = note.rpartition("\n\n")
    if not separator or not block:
        raise IntegrityError("the note has no signatures")
    lines = block.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise IntegrityError("the note has too many signatures")
    return f"{text}\n", tuple(Signature.parse(line) for line in lines)


def key_id(name: str, key: bytes) -> bytes:
    """SHA256(name || 0x0A || key), first 4 bytes; `key` is the signature type (one byte) and the public key."""
    return hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]


def split_key(text: str) -> tuple[str, str, bytes]:
    """Name, hash and bytes (signature type first) of a key `name+hash+base64`, the hash not checked.

    Raises IntegrityError where it is none.
    """
    try:
        name, said_id, encoded = text.strip().split("+", 2)
        data = from_base64(encoded)
    except ValueError:
        raise IntegrityError("this is no verifier key (name+hash+base64)") from None
    if not _is_name(name):
        raise IntegrityError("the name in a verifier key is empty, or has a space in it")
    return name, said_id, data


def from_base64(text: str) -> bytes:
    """Standard base64 (RFC 4648 §4) in its one spelling: padded, and with no bit set that carries nothing.

    Raises ValueError for any other.
    """
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("this is not the one spelling of its bytes in base64")
    return data


def _is_name(name: str) -> bool:
    return bool(name) and not _UNNAMEABLE.search(name)
