"""What somebody with the database, the machine or the key can do to a ledger, and a ledger to do it to.

The scene is a store of writer `main`: 340 entries of March, more than a tile, under five checkpoints, after 100, 200, 250, 300 and
all. In the scene of two months the last 40 are of April, and March is sealed by spine entry 3. A scene is laid once; a `Scene` puts
it back for a test where the last one changed it. Attacks take tables out as frames and write them back, as somebody at the database
can, or speak SQL. `rechain` is what an attacker can do who read docs/log-format.md: every hash of the store fits again, and nothing
that was signed.
"""

import json
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from domain.checkpoint import Head, heads_root
from domain.clock import rfc3339
from domain.entry import body_bytes, chain, draft, genesis, private_digest, salt
from domain.event import AuditEvent
from domain.json import Json, canonical
from domain.keyring import KeyRing
from store.anchor import Anchor
from store.engine import Engine
from store.fsck import Integrity, Problem, Trusted, TrustedKey, Verification, check
from store.ledger import Ledger
from store.logs import registered_logs
from store.segment import make_segment
from tests.support.cast import ALICE, BOB, MALLORY, PATIENT, chart_view
from tests.support.clock import TickingClock
from tests.support.node import SIGNER, Node, node

SPINE = SIGNER.name
MARCH, APRIL = "log.example/main/2026-03", "log.example/main/2026-04"
FIRST_OF_APRIL, COUNT = 300, 340
RING = KeyRing.of(SIGNER.verifier)
SECRET = bytes(32)

COVERED = (100, 200, 250, 300, COUNT)
"""How many entries each checkpoint of the scene covers, in order of their sizes."""

_BEGINNING = datetime(2026, 3, 2, 8, tzinfo=UTC)
_EVENING = datetime(2026, 3, 2, 18, tzinfo=UTC)
_IN_APRIL = datetime(2026, 4, 3, 8, tzinfo=UTC)
_TABLES = ("events", "logs", "spine", "checkpoints", "event_keys", "tiles", "redactions")


def some_events(numbers: Iterable[int]) -> list[AuditEvent]:
    """Openings of the charts of P-1, P-2 and P-3 by Alice, Bob, Mallory and a patient."""
    actors = [ALICE, BOB, MALLORY, PATIENT]
    return [chart_view(n, actor=actors[n % 4], patient=f"P-{1 + n % 3}") for n in numbers]


@dataclass(frozen=True, slots=True)
class Scene:
    """The store, its node's directory (`state`, `copies`), and every checkpoint signed, by size; `now` is later."""

    engine: Engine
    directory: Path
    notes: Mapping[int, str]
    keys: KeyRing = RING
    now: datetime = _EVENING

    def table(self, name: str) -> pl.DataFrame:
        """The rows of a table, in order."""
        order = {"events": "writer, seq", "spine": "seq", "logs": "epoch", "checkpoints": "size"}.get(name, "tuple()")
        return self.engine.frame(f"SELECT * FROM {name} ORDER BY {order}")

    def write(self, name: str, frame: pl.DataFrame) -> None:
        """Replace the rows of a table."""
        self.engine.execute(f"TRUNCATE TABLE {name}")
        if not frame.is_empty():
            self.engine.insert(name, frame)

    def sql(self, *statements: str) -> None:
        """What an administrator types."""
        for statement in statements:
            self.engine.execute(statement)

    def trusted(self, *notes: str) -> Trusted:
        """What this node holds against its store: anchor, copy of the checkpoint, keys; and notes that somebody kept."""
        with closing(Anchor(self.directory / "state", self.directory / "copies")) as anchor:
            signed, copied, head = anchor.spine_note(), anchor.copied_note(self.keys), anchor.writer_head("main")
        return Trusted(
            key_name=SPINE,
            keys=[
                TrustedKey(name=key.verifier.name, public_key=key.verifier.public, from_size=key.from_size, to_size=key.to_size)
                for key in self.keys.keys
            ],
            notes=[*notes, *(note for note in (copied, signed and signed[1]) if note)],
            acknowledged={"main": head} if head and head[0] >= 0 else {},
        )

    def verify(self, *notes: str) -> Verification:
        """What `phitrail verify` says."""
        return check(self.engine, self.trusted(*notes))

    @contextmanager
    def writer(self, engine: Engine | None = None) -> Iterator[Ledger]:
        """The writer alone: what it acknowledges is under no checkpoint when it ends."""
        clock = TickingClock(self.now)
        with (
            closing(Anchor(self.directory / "state", self.directory / "copies")) as anchor,
            Ledger(engine=engine or self.engine, anchor=anchor, origin=SPINE, clock=clock, new_secret=lambda: SECRET) as ledger,
        ):
            yield ledger

    @contextmanager
    def start(self) -> Iterator[Node]:
        """The node started again. Raises IntegrityError where it refuses."""
        with node(self.engine, self.directory, TickingClock(self.now)) as live:
            yield live


def lay(engine: Engine, directory: Path, numbers: Sequence[int], *, is_long: bool) -> Scene:
    """The scene in an empty store, of these events in place of all; `is_long`: of two months."""
    clock = TickingClock(_BEGINNING)
    ends = (100, 200, FIRST_OF_APRIL) if is_long else COVERED[:-1]
    with node(engine, directory, clock) as live:
        for low, high in pairwise((0, *ends)):
            live.ledger.append(some_events(n for n in numbers if low <= n < high))
            live.keeper.checkpoint()
            clock.advance(minutes=5)
        clock.now = _IN_APRIL if is_long else clock.now
        live.ledger.append(some_events(n for n in numbers if n >= FIRST_OF_APRIL))
    notes = {int(str(size)): str(note) for size, note in engine.rows("SELECT size, note FROM checkpoints FINAL ORDER BY size")}
    return Scene(engine, directory, notes, now=clock.now.replace(hour=18))


class Laid:
    """A scene laid once in the engine of this process: `fresh` puts it back for the next test."""

    def __init__(self, engine: Engine, directory: Path, numbers: Sequence[int] = range(COUNT), *, is_long: bool = False) -> None:
        """Lay it of these events in place of all: what this very program makes for whoever wants another history."""
        self._clear(engine, ())
        self._scene = lay(engine, directory, numbers, is_long=is_long)
        self._frames = {name: self._scene.table(name) for name in _TABLES}
        self._sums = {name: self._sum(name) for name in _TABLES}

    def fresh(self, directory: Path) -> Scene:
        """The scene as it was laid, with a copy of the node's directory."""
        scene = self._scene
        self._clear(scene.engine, _TABLES)
        for name in _TABLES:
            if self._sum(name) != self._sums[name]:
                scene.write(name, self._frames[name])
        return self.outside(directory)

    def outside(self, directory: Path) -> Scene:
        """What is not in the store: a copy of the node's directory, and the checkpoints. The store stays as it is."""
        shutil.copytree(self._scene.directory, directory)
        return replace(self._scene, directory=directory)

    def _sum(self, name: str) -> tuple[object, ...]:
        return self._scene.engine.rows(f"SELECT count(), sum(cityHash64(*)) FROM {name}")[0]

    def _clear(self, engine: Engine, but: Sequence[str]) -> None:
        """Empty every table except these."""
        for (name,) in engine.rows(
            "SELECT name FROM system.tables WHERE database = 'phitrail' AND total_rows > 0 AND name != 'migrations'"
        ):
            if name not in but:
                engine.execute(f"TRUNCATE TABLE {name}")


def first(verification: Verification) -> tuple[str, int | None]:
    """Where the first thing is that does not fit: log and number. The verdict must be TAMPERED."""
    assert verification.integrity is Integrity.TAMPERED, verification
    return place(verification.problems[0])


def place(problem: Problem) -> tuple[str, int | None]:
    """Where a problem is: log and number."""
    return problem.log, problem.seq


def numbered(verification: Verification) -> set[tuple[str, int | None]]:
    """Where there is something at an entry; what is about a log as a whole (its index trees) is left out."""
    return {place(problem) for problem in verification.problems if problem.seq is not None}


def is_intact(verification: Verification) -> bool:
    """Whether everything fits, with something signed."""
    return verification.integrity is Integrity.INTACT and not verification.problems


def flipped(value: Any, position: int = 0) -> Any:
    """A value with its lowest bit changed: of a text (UTF-8) or of bytes that of one byte, of a time one microsecond."""
    if isinstance(value, str):
        return flipped(value.encode(), position).decode()
    if isinstance(value, bytes):
        changed = bytearray(value or b"\0")
        changed[position] ^= 1
        return bytes(changed)
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond ^ 1)
    return value ^ 1


def flip(scene: Scene, table: str, column: str, row: int, position: int = 0) -> None:
    """Change one bit of one value in the store."""
    frame = scene.table(table)
    values = frame[column].to_list()
    values[row] = flipped(values[row], position)
    scene.write(table, frame.with_columns(pl.Series(column, values, dtype=frame.schema[column])))


def rechain(scene: Scene, frame: pl.DataFrame) -> None:
    """Write these rows in place of all: every leaf follows the one before it, April follows March, and the register fits."""
    logs = {row["epoch"]: row for row in scene.table("logs").iter_rows(named=True)}
    previous, epoch, leaves = b"", 0, []
    for row in frame.iter_rows(named=True):
        if row["epoch"] != epoch:
            epoch = row["epoch"]
            previous = logs[epoch]["previous"] = genesis(logs[epoch]["origin"], previous)
            logs[epoch]["first_seq"] = row["seq"]
        digest = private_digest(row["private"].encode(), salt(SECRET, row["writer"], row["seq"]))
        previous = chain(previous, body_bytes(row["header"].encode(), digest))
        leaves.append(previous)
    scene.write("events", frame.with_columns(pl.Series("leaf", leaves, dtype=pl.Binary)))
    scene.write("logs", pl.DataFrame(list(logs.values()), schema=scene.table("logs").schema))


def renumbered(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows numbered in the order in which they are, in the column and in the header."""
    headers = [with_header(header, seq=seq) for seq, header in enumerate(frame["header"])]
    return frame.with_columns(pl.Series("seq", range(len(frame)), dtype=pl.UInt64), pl.Series("header", headers))


def with_header(header: str, **changes: Json) -> str:
    """A stored header with members changed, in its canonical form."""
    return canonical({**json.loads(header), **changes}).decode()


def forged_rows(scene: Scene, forged: Sequence[AuditEvent], *, first_seq: int, previous: bytes) -> pl.DataFrame:
    """Entries of the open log that follow the leaf `previous` as if the writer had made them: whoever reads the register can."""
    record = registered_logs(scene.engine, "main")[-1]
    received = scene.table("events")["received"][-1]
    drafts = [draft(event) for event in forged]
    segment = make_segment(forged, drafts, record=record, first_seq=first_seq, received=received, previous=previous)
    whole = segment.frame().with_columns(pl.lit("").alias("private_digest"))
    return whole.select(scene.table("events").columns)


def spine_row(scene: Scene, seq: int, kind: str, fields: Mapping[str, Json], heads: Sequence[Head] = ()) -> pl.DataFrame:
    """An entry of the spine that follows the one before it as if the writer had made it, and that nobody signed."""
    frame = scene.table("spine")
    moment = frame["time"][seq - 1]
    said: dict[str, Json] = {
        "v": 1,
        "seq": seq,
        "time": rfc3339(moment),
        "kind": kind,
        "heads_root": heads_root(heads).hex(),
        "fields": fields,
    }
    body = canonical(said)
    row = {
        "seq": [seq],
        "time": [moment],
        "kind": [kind],
        "body": [body.decode()],
        "heads": ["\n".join(head.line for head in heads)],
        "leaf": [chain(frame["leaf"][seq - 1], body)],
    }
    return pl.DataFrame(row, schema=frame.schema)


Files = dict[str, bytes]
"""The files of an export, by name."""


def unpack(path: Path) -> Files:
    """The files of an archive, in order."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(files: Files, path: Path) -> Path:
    """An archive of these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
