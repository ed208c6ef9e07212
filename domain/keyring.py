"""The keys of one log over time: which key signs a checkpoint of which size, and how trust passes from one key to the next.

A key list has one line a key, `<verifier key> <from size> <to size>`, sizes inclusive, `-` for no end; a bare verifier key stands
for all sizes. A signature by a known key outside its sizes does not count: a stolen old key cannot sign new history, nor a new key
an old one (docs/log-format.md section 5). At a rotation both keys sign: the size that ends one key's range begins the next one's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from domain.checkpoint import Head, parse_checkpoint
from domain.errors import IntegrityError
from domain.note import Verifier, open_note

_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class RangedKey:
    """A verifier key and the checkpoint sizes it signs for, inclusive; `to_size` None: it signs still."""

    verifier: Verifier
    from_size: int = 0
    to_size: int | None = None

    @property
    def line(self) -> str:
        """The form in a key list."""
        return f"{self.verifier.text} {self.from_size} {'-' if self.to_size is None else self.to_size}"

    def covers(self, size: int) -> bool:
        """Whether it signs for checkpoints of this size."""
        return self.from_size <= size and (self.to_size is None or size <= self.to_size)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of one log, oldest first; each begins where the one before it ends."""

    keys: Sequence[RangedKey]

    def __post_init__(self) -> None:
        if not self.keys:
            raise IntegrityError("a key list needs at least one verifier key")
        if len({key.verifier.name for key in self.keys}) != 1:
            raise IntegrityError("the keys of a key list belong to different logs")
        for one, following in zip(self.keys, self.keys[1:], strict=False):
            if one.to_size is None or one.to_size != following.from_size or one.to_size <= one.from_size:
                raise IntegrityError("in a key list each key begins at the size at which the one before it ends")

    @classmethod
    def of(cls, verifier: Verifier) -> "KeyRing":
        """One key for all sizes."""
        return cls((RangedKey(verifier),))

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read a key list. Raises IntegrityError where a line is no key, or the ranges do not join."""
        return cls(tuple(_ranged(line) for line in text.splitlines() if line.strip()))

    @property
    def text(self) -> str:
        """The key list, one line a key."""
        return "".join(f"{key.line}\n" for key in self.keys)

    @property
    def origin(self) -> str:
        """The log's origin, which is the name of its keys."""
        return self.keys[0].verifier.name

    @property
    def newest(self) -> Verifier:
        """The key that signs last."""
        return self.keys[-1].verifier

    def open(self, note: str) -> Head:
        """The checkpoint in a note that every key in charge of its size has signed.

        Raises IntegrityError where the note is malformed, is of another log, or lacks such a signature.
        """
        verifiers = [key.verifier for key in self.keys]
        opened = open_note(note, verifiers)
        head = parse_checkpoint(opened.text)
        if head.origin != self.origin:
            raise IntegrityError("the checkpoint is of another log than the key")
        wanted = [key.verifier for key in self.keys if key.covers(head.size)]
        if not wanted:
            raise IntegrityError(f"no known key signs for a checkpoint of size {head.size}")
        for verifier in wanted:
            # `open_note` names signers by name, which keys of one log share: ask for each by itself.
            try:
                open_note(note, [verifier])
            except IntegrityError:
                raise IntegrityError(
                    f"the checkpoint of size {head.size} is not signed by the key that signs for this size"
                ) from None
        return head

    def rotated(self, entry_index: int, successor: Verifier) -> "KeyRing":
        """The ring after a `key-rotate` entry at that index of the spine: both keys sign size `entry_index` + 1."""
        last = self.keys[-1]
        size = entry_index + 1
        if size <= last.from_size:
            raise IntegrityError("a key cannot be followed by another at the size at which it began")
        ended = RangedKey(last.verifier, last.from_size, size)
        return KeyRing((*self.keys[:-1], ended, RangedKey(successor, size)))


def successor_of(body: bytes, trusted: Verifier) -> Verifier:
    """The key that a `key-rotate` entry names after `trusted`. Raises IntegrityError where it is none, or follows another key."""
    try:
        said = orjson.loads(body)
        is_rotation, fields = said["kind"] == "key-rotate", said["fields"]
        previous, successor = Verifier.parse(str(fields["previous"])), Verifier.parse(str(fields["key"]))
    except (ValueError, KeyError, TypeError):
        raise IntegrityError("this is no key-rotate entry") from None
    if not is_rotation or previous != trusted or successor.name != trusted.name:
        raise IntegrityError("the key-rotate entry does not follow the key that is trusted")
    return successor


def _ranged(line: str) -> RangedKey:
    parts = line.split()
    if len(parts) == 1:
        return RangedKey(Verifier.parse(parts[0]))
    if len(parts) != 3 or not _SIZE.fullmatch(parts[1]) or not (parts[2] == "-" or _SIZE.fullmatch(parts[2])):
        raise IntegrityError("a line of a key list is a verifier key, alone or with its first and last size (- for none)")
    return RangedKey(Verifier.parse(parts[0]), int(parts[1]), None if parts[2] == "-" else int(parts[2]))
