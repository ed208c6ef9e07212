"""C2SP checkpoints: what a log signs about itself (c2sp.org/tlog-checkpoint), and the heads that a spine entry commits to."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import IntegrityError
from domain.merkle import leaf_hash, root

MAX_SIZE = 2**63 - 1
"""The largest tree that C2SP formats know, and the largest index and timestamp."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Head:
    """A log at a moment: its origin, number of entries and RFC 6962 root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    @property
    def line(self) -> str:
        """`origin size hex(root)`: the form in which a spine entry commits to this head."""
        return f"{self.origin} {self.size} {self.root.hex()}"

    @classmethod
    def parse(cls, line: str) -> "Head":
        """Read `line` back. Raises IntegrityError where it is none."""
        try:
            origin, size, digest = line.split(" ")
            head = cls(origin, parse_decimal(size), bytes.fromhex(digest))
        except ValueError:
            raise IntegrityError("a spine entry holds a malformed head") from None
        if head.line != line or len(head.root) != 32:
            raise IntegrityError("a spine entry holds a malformed head")
        return head

    @property
    def checkpoint(self) -> str:
        """The checkpoint text: origin, decimal size, base64 root, one line each."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Head:
    """Read the text of a checkpoint; extension lines are ignored. Raises IntegrityError where it is malformed."""
    *lines, end = text.split("\n")
    if len(lines) < 3 or end or not all(lines):
        raise IntegrityError("this is no checkpoint")
    try:
        size = parse_decimal(lines[1])
    except ValueError:
        raise IntegrityError("the checkpoint's size is no decimal number of 63 bits") from None
    try:
        digest = base64.b64decode(lines[2], validate=True)
    except ValueError:  # binascii.Error is one; text that is not ASCII raises the plain one
        raise IntegrityError("the checkpoint's root is no base64") from None
    if len(digest) != 32:
        raise IntegrityError("the checkpoint's root is not 32 bytes")
    return Head(lines[0], size, digest)


def parse_decimal(text: str) -> int:
    """A number from 0 to 2^63 − 1 in ASCII digits without leading zeros. Raises ValueError for any other spelling."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise ValueError("this is no decimal number of 63 bits")
    return int(text)


def heads_leaves(heads: Sequence[Head]) -> list[bytes]:
    """The leaf hashes of the tree over heads, in order of origin."""
    return [leaf_hash(head.line.encode()) for head in sorted(heads, key=lambda head: head.origin)]


def heads_root(heads: Sequence[Head]) -> bytes:
    """The root over all heads: what a spine entry commits to, whatever the number of writers."""
    return root(heads_leaves(heads))
