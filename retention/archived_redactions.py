"""Redacted entries in an archive: each lost what it should, and all of one `redact` entry together have the root that was signed.

    row    = seq SP private_digest SP patient_tag SP actor_tag
    root   = RFC 6962 over the rows of one `redact` entry, in order of seq           docs/log-format.md section 10

Written a second time, like `retention/recompute.py`: what checks shares no code with what wrote.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.errors import IntegrityError

_HASH = re.compile(r"[0-9a-f]{64}")
_EMPTIED = ("private", "patient_id", "ip")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedRedaction:
    """The entries of one log that a `redact` entry of the spine speaks of, as computed again from the file. `root` is hex."""

    spine_seq: int
    count: int
    root: str


@dataclass(slots=True)
class RedactedRows:
    """The redacted entries of one log while its entries go by."""

    origin: str
    _leaves: dict[int, list[bytes]] = field(default_factory=dict)

    def add(self, row: Mapping[str, object]) -> None:
        """Take the next entry, by column name. Raises IntegrityError, naming it, where it is redacted by halves."""
        seq, digest, by = row["seq"], str(row["private_digest"]), row["redacted_by"]
        patient, actor = str(row["patient_tag"]), str(row["actor_tag"])
        if not digest:
            if by is not None or patient or actor:
                raise IntegrityError(f"archive of {self.origin}: entry {seq} is not redacted, but has the tags of one that is")
            return
        if any(row[name] for name in _EMPTIED):
            raise IntegrityError(f"archive of {self.origin}: entry {seq} is redacted, but has private data still")
        if (
            not isinstance(by, int)
            or not all(_HASH.fullmatch(one) for one in (digest, actor))
            or not _HASH.fullmatch(patient or actor)
        ):
            raise IntegrityError(f"archive of {self.origin}: entry {seq} is redacted, but nothing says by which redaction")
        text = f"{seq} {digest} {patient} {actor}"
        self._leaves.setdefault(by, []).append(hashlib.sha256(b"\x00" + text.encode()).digest())

    def found(self) -> list[ArchivedRedaction]:
        """What there was, by spine entry."""
        return [
            ArchivedRedaction(spine_seq=by, count=len(leaves), root=_root(leaves).hex())
            for by, leaves in sorted(self._leaves.items())
        ]


def _root(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1 by pairs; there is one at least."""
    level = list(hashes)
    while len(level) > 1:
        paired = [hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) & ~1 :]
    return level[0]
