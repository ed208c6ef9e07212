"""The maths of an archive, written a second time: leaves and root from bytes alone, without the code that wrote them.

digest = SHA256(HMAC-SHA256(secret, writer "\\n" seq)[:16] || private)     unless it was stored because the private part is gone
body   = header with the digest filled in
leaf_i = SHA256(0x00 || leaf_{i−1} || body_i)                             docs/log-format.md
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

import orjson

from domain.errors import IntegrityError

_REPEATED = ("writer", "seq", "event_id", "source_system", "source", "action", "outcome", "format", "time", "received")


@dataclass(slots=True)
class LogSum:
    """One log while its entries go by: what came last, how many, and the right edge of its tree."""

    writer: str
    origin: str
    first_seq: int
    genesis: bytes
    secret: bytes
    leaf: bytes
    count: int = 0
    _edge: list[tuple[int, bytes]] = field(default_factory=list)

    @classmethod
    def begin(cls, described: Mapping[str, object]) -> Self:
        """A log before its first entry, as the footer of an archive describes it. Raises KeyError or ValueError."""
        genesis = bytes.fromhex(str(described["genesis"]))
        return cls(
            writer=str(described["writer"]),
            origin=str(described["origin"]),
            first_seq=int(str(described["first_seq"])),
            genesis=genesis,
            secret=bytes.fromhex(str(described["secret"])),
            leaf=genesis,
        )

    def add(self, row: Mapping[str, object]) -> None:
        """Take the next entry, by column name. Raises IntegrityError, naming it, where it is not the one that belongs here."""
        expected, seq = self.first_seq + self.count, row["seq"]
        if seq != expected:
            raise IntegrityError(f"archive of {self.origin}: entry {expected} is missing; entry {seq} stands in its place")
        header, private, digest = str(row["header"]), str(row["private"]), str(row["private_digest"])
        if (column := differing_column(row)) is not None:
            raise IntegrityError(f"archive of {self.origin}: entry {seq} has a {column} that is not the one in its body")
        if not digest:
            salt = hmac.new(self.secret, f"{self.writer}\n{seq}".encode(), hashlib.sha256).digest()[:16]
            digest = hashlib.sha256(salt + private.encode()).hexdigest()
        body = header.replace('"private_digest":""', f'"private_digest":"{digest}"', 1).encode()
        leaf = hashlib.sha256(b"\x00" + self.leaf + body).digest()
        if leaf != row["leaf"]:
            raise IntegrityError(f"archive of {self.origin}: entry {seq} is not what was chained")
        self.leaf = leaf
        self.count += 1
        self._grow(leaf)

    def root(self) -> bytes:
        """The RFC 6962 root over the entries so far."""
        if not self._edge:
            return hashlib.sha256(b"").digest()
        node = self._edge[-1][1]
        for _, left in reversed(self._edge[:-1]):
            node = _node(left, node)
        return node

    def _grow(self, leaf: bytes) -> None:
        height, node = 0, leaf
        while self._edge and self._edge[-1][0] == height:
            node = _node(self._edge.pop()[1], node)
            height += 1
        self._edge.append((height, node))


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def differing_column(row: Mapping[str, object]) -> str | None:
    """The first column that repeats the header or the private part and does not say the same; None where all do."""
    header = orjson.loads(str(row["header"]))
    actor, device = header.get("actor") or {}, header.get("device") or {}
    said = {name: header.get(name) for name in _REPEATED}
    said |= {"actor_id": actor.get("id"), "actor_kind": actor.get("kind")}
    said |= {"device_id": device.get("id"), "device_kind": device.get("kind")}
    if not row["private_digest"]:
        private = orjson.loads(str(row["private"]))
        said |= {"patient_id": private.get("patient_id"), "ip": private.get("ip")}
        said["actor_id"] = said["actor_id"] or private.get("actor_id")
    return next((name for name, value in said.items() if _spelled(row[name]) != ("" if value is None else value)), None)


def _spelled(value: object) -> object:
    """A column's value as the body spells it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value
