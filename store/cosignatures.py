"""Cosignatures that witnesses gave to checkpoints of the spine, and what may be published with them.

Only lines that were verified are added; a reader verifies them again against the policy that holds when it reads, so a key that was
taken out of the policy stops to count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from domain.cosignature import Cosigner, add_lines, lines_of
from domain.errors import IntegrityError
from domain.event import LATEST
from domain.note import Signature, split_note
from domain.witness_policy import PolicyWitness, WitnessPolicy
from store.engine import Engine

_NEWEST_OF = "SELECT name, line FROM cosignatures WHERE size = {size:UInt64} ORDER BY name, received DESC LIMIT 1 BY name"

_LAST = "SELECT name, max(size) FROM cosignatures GROUP BY name ORDER BY name"

_SIGNED = """
SELECT size, groupUniqArray(name) FROM cosignatures
WHERE size < {before:UInt64} GROUP BY size ORDER BY size DESC LIMIT {limit:UInt32}
"""

_NOTE = "SELECT note FROM checkpoints WHERE size = {size:UInt64} LIMIT 1"

_NEWEST = "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1"

_PAGE = 500
_END = 2**63

_INSTANT = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCosignature:
    """A witness's line (with its newline) over the checkpoint of `size`, and the time that it states. `name` as in the policy."""

    size: int
    name: str
    timestamp: datetime
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignedCheckpoint:
    """A checkpoint with the cosignatures that it has under a policy.

    `signed` are the witnesses of the policy, by name, with the times that they state; `note` has their lines in this order.
    """

    size: int
    note: str
    signed: Sequence[tuple[PolicyWitness, datetime]]

    @property
    def names(self) -> Sequence[str]:
        """The witnesses' names in the policy."""
        return [witness.name for witness, _ in self.signed]


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessRound:
    """What came of asking every witness once for the checkpoint of `size`.

    `signed` are the witnesses whose cosignatures over it are held, whenever they came; `failed` has a sentence for each that gave
    none. `is_met` is whether the policy's quorum is; if not, `missing_since` says since when. `refused` are the witnesses that
    say our history does not fit what they hold, each with the moment since which it has said so without a break.
    """

    at: datetime
    size: int
    signed: Sequence[str]
    failed: Mapping[str, str]
    is_met: bool
    missing_since: datetime | None = None
    refused: Mapping[str, datetime] = field(default_factory=dict)


class Cosignatures:
    """Reads and adds cosignatures. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, cosignatures: Sequence[StoredCosignature], received: datetime) -> None:
        """Keep verified cosignatures; durable on return. Of two by one witness over one size the later received counts."""
        if not cosignatures:
            return
        self._engine.insert(
            "cosignatures",
            pl.DataFrame(
                {
                    "size": pl.Series([item.size for item in cosignatures], dtype=pl.UInt64),
                    "name": [item.name for item in cosignatures],
                    "timestamp": pl.Series([item.timestamp for item in cosignatures], dtype=_INSTANT),
                    "line": [item.line for item in cosignatures],
                    "received": pl.Series([received] * len(cosignatures), dtype=_INSTANT),
                }
            ),
        )

    def of_size(self, size: int) -> list[str]:
        """The lines over the checkpoint of this size, by the names of their witnesses."""
        return [str(line) for _, line in self._engine.rows(_NEWEST_OF, size=size)]

    def last_sizes(self) -> dict[str, int]:
        """The largest size each witness has cosigned: the old size to offer it next."""
        return {str(name): int(str(size)) for name, size in self._engine.rows(_LAST)}

    def cosigned(self, size: int, policy: WitnessPolicy) -> CosignedCheckpoint | None:
        """The checkpoint of this size with the lines that it has under the policy; None where none was signed."""
        rows = self._engine.rows(_NOTE, size=size)
        return self._verified(size, str(rows[0][0]), policy) if rows else None

    def newest_met(self, policy: WitnessPolicy) -> CosignedCheckpoint | None:
        """The newest checkpoint whose cosignatures satisfy the policy: what `/checkpoint` publishes. None where none does.

        A policy that asks for no witness is satisfied by the newest checkpoint there is.
        """
        if policy.is_met(frozenset()):
            rows = self._engine.rows(_NEWEST)
            return self._verified(int(str(rows[0][0])), str(rows[0][1]), policy) if rows else None
        before = _END
        while page := self._engine.rows(_SIGNED, before=before, limit=_PAGE):
            for size, names in page:
                before = int(str(size))
                assert isinstance(names, list | tuple)
                # Names are only a hint: what counts is what verifies under this policy.
                if not policy.is_met({str(name) for name in names}):
                    continue
                found = self.cosigned(before, policy)
                if found is not None and policy.is_met(found.names):
                    return found
        return None

    def _verified(self, size: int, note: str, policy: WitnessPolicy) -> CosignedCheckpoint:
        """The note with every stored line that fits it. One that does not was changed in the store: it counts for nothing."""
        text = split_note(note)[0]
        witnesses = {witness.name: witness for witness in policy.witnesses}
        signed: list[tuple[PolicyWitness, datetime]] = []
        lines: list[str] = []
        for name, line in self._engine.rows(_NEWEST_OF, size=size):
            witness = witnesses.get(str(name))
            moment = None if witness is None else stated_time(witness.cosigner, text, str(line))
            if witness is not None and moment is not None:
                signed.append((witness, moment))
                lines.append(str(line))
        return CosignedCheckpoint(size=size, note=add_lines(note, lines), signed=signed)


def stated_time(cosigner: Cosigner, checkpoint_text: str, line: str) -> datetime | None:
    """The time that a cosigner's line states; None where the line is not by it, does not fit the text, or states no usable time.

    Zero is no time: a witness MUST NOT leave it out (c2sp.org/tlog-witness).
    """
    try:
        kept = lines_of(cosigner, checkpoint_text, [line])
    except IntegrityError:
        return None
    timestamp = cosigner.verify(checkpoint_text, Signature.parse(kept[0].removesuffix("\n")).payload) if kept else None
    return datetime.fromtimestamp(timestamp, UTC) if timestamp is not None and 0 < timestamp < LATEST.timestamp() else None
