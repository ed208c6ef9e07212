"""Between which moments entries were recorded: what others signed after them, and what of others' was recorded before them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from domain.cosignature import add_lines
from domain.errors import IntegrityError
from domain.witness_policy import WitnessPolicy
from store.engine import Engine
from store.export_entries import ExportEntries, LeafWindow
from store.export_logs import ExportLog
from store.export_spine import ExportSpine
from store.export_tree import TileTree

_COSIGNED = """
SELECT size, groupUniqArray(name) FROM cosignatures WHERE size > {after:UInt64} AND size <= {until:UInt64}
GROUP BY size ORDER BY size LIMIT {limit:UInt32}
"""

_LINES = "SELECT name, line FROM cosignatures WHERE size = {size:UInt64} ORDER BY name, received DESC LIMIT 1 BY name"

_STAMPED = """
SELECT size, token, note FROM timestamps FINAL WHERE size > {after:UInt64} AND size <= {until:UInt64}
ORDER BY gen_time, size LIMIT 1
"""

_NAMED = "SELECT token, note FROM timestamps FINAL WHERE size = {size:UInt64} AND token_sha256 = {digest:String} LIMIT 1"

_PAGE = 500
_TRIES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """A checkpoint of `size` that others signed: in the note itself, or in a time-stamp token over it (RFC 3161, base64)."""

    size: int
    note: str
    token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A `time_anchor` event of a log with its proof, and the checkpoint that it names: what follows it is younger."""

    seq: int
    index: int
    previous: bytes
    body: str
    private: str
    salt: str
    tile: int
    tile_root: bytes
    path: Sequence[bytes]
    tile_path: Sequence[bytes]
    attested: Attested


class ExportTimes:
    """Looks for signatures of others. `policy` says whose count; without one only time-stamp tokens are looked for."""

    def __init__(self, engine: Engine, spine: ExportSpine, policy: WitnessPolicy | None) -> None:
        self._engine = engine
        self._spine = spine
        self._policy = policy

    def cosigned(self, needed: int, until: int) -> Attested | None:
        """Of the checkpoints from size `needed` to `until` the smallest that a quorum cosigned."""
        found = self._cosigned(needed - 1, until)
        return None if found is None else replace(found, token=self._token_over(found.size))

    def own(self, size: int) -> Attested:
        """The checkpoint of this size with what there is of others over it."""
        return Attested(size=size, note=self._note(size, None), token=self._token_over(size))

    def covering(self, seq: int) -> list[Attested]:
        """The earliest that a quorum cosigned over spine entry `seq`, and the earliest with a token: two, one or none."""
        found = [self._cosigned(seq, self._spine.size)]
        for size, token, note in self._engine.rows(_STAMPED, after=seq, until=self._spine.size):
            found.append(Attested(size=int(str(size)), note=str(note), token=str(token)))
        return [one for one in found if one is not None]

    def signers(self, note: str) -> list[str]:
        """The witnesses of the policy that cosigned a note."""
        return [] if self._policy is None else [witness.name for witness, _ in self._policy.witnesses_that_signed(note)]

    def anchors(self, entries: ExportEntries, log: ExportLog, first: int) -> list[Anchor]:
        """In front of entry `first` of a log: the newest anchor with a cosigned checkpoint, and the newest with a token."""
        found: dict[bool, Anchor] = {}
        for row in entries.anchors(log, first, _TRIES):
            details = orjson.loads(str(row["private"])).get("details") or {}
            is_token = "token_sha256" in details
            attested = None if is_token in found else self._named(details)
            if attested is not None:
                found[is_token] = _anchor(entries.window(log), log, row, attested)
        return list(found.values())

    def _cosigned(self, after: int, until: int) -> Attested | None:
        policy = self._policy
        while policy is not None and policy.witnesses:
            rows = self._engine.rows(_COSIGNED, after=after, until=until, limit=_PAGE)
            for size, hint in rows:
                after = int(str(size))
                assert isinstance(hint, list | tuple)
                if not policy.is_met({str(name) for name in hint}):
                    continue
                # Names are only a hint: what counts is what verifies under this policy.
                note = self._note(after, None)
                names = self.signers(note)
                if names and policy.is_met(names):
                    return Attested(size=after, note=note, token=None)
            if len(rows) < _PAGE:
                break
        return None

    def _token_over(self, size: int) -> str | None:
        rows = self._engine.rows(_STAMPED, after=size - 1, until=size)
        return str(rows[0][1]) if rows else None

    def _note(self, size: int, names: Sequence[str] | None) -> str:
        """The checkpoint with the lines of these witnesses (None: of all) that fit."""
        note = self._spine.note(size)
        for name, line in self._engine.rows(_LINES, size=size):
            if names is not None and name not in names:
                continue
            try:
                more = add_lines(note, [str(line)])
                self.signers(more)
            except IntegrityError:
                continue
            note = more
        return note

    def _named(self, details: Mapping[str, object]) -> Attested | None:
        """The checkpoint that an anchor names, where it can still be shown byte for byte."""
        size, names = details.get("size"), details.get("names")
        if not isinstance(size, int) or not 0 < size <= self._spine.size:
            return None
        if "token_sha256" in details:
            rows = self._engine.rows(_NAMED, size=size, digest=str(details["token_sha256"]))
            return Attested(size=size, note=str(rows[0][1]), token=str(rows[0][0])) if rows else None
        if not isinstance(names, list):
            return None
        note = self._note(size, names)
        if hashlib.sha256(note.encode()).hexdigest() != details.get("note_sha256"):
            return None
        return Attested(size=size, note=note, token=None)


def _anchor(window: LeafWindow, log: ExportLog, row: Mapping[str, object], attested: Attested) -> Anchor:
    assert log.record is not None
    seq = row["seq"]
    assert isinstance(seq, int)
    index = seq - log.record.first_seq
    tile, place = divmod(index, 256)
    window.read([tile])
    tree = TileTree(window, log.head.size)
    subtree = tree.tile(tile)
    return Anchor(
        seq=seq,
        index=index,
        previous=subtree.rows[0][place - 1] if place else window.before(tile),
        body=str(row["body"]),
        private=str(row["private"]),
        salt=str(row["salt"]),
        tile=tile,
        tile_root=subtree.root,
        path=subtree.path(place),
        tile_path=tree.tile_path(tile),
        attested=attested,
    )
