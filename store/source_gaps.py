"""The gap ledger: every interval in which a source was silent, stopped or lost events, and what people found out about it.

Append-only, the newest version of a gap is its state; a version is written by compare-and-swap, as those of alerts are
(store/alerts.py). Each version is also an event of the ledger, derived from its row alone, so that nobody can make a gap vanish
unnoticed: `rerecord` makes the event good after a stop between the two.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import orjson
import polars as pl

from domain.errors import Conflict, InvalidInput, NotFound
from domain.event import AuditEvent
from store.alert_events import SERVICE, Record, alert_event
from store.engine import Engine
from store.source_gap_rules import Gap, GapKind, Loss, Mark, Restart, Step

_NEWEST = """
SELECT * FROM source_gaps WHERE (gap_id, version) IN (SELECT gap_id, max(version) FROM source_gaps GROUP BY gap_id)
ORDER BY began DESC, gap_id LIMIT 1 BY gap_id
"""

_VERSIONS = "SELECT * FROM source_gaps WHERE gap_id = {gap_id:String} ORDER BY version LIMIT 1 BY version"

_STANDING = """
SELECT * FROM source_gaps WHERE (gap_id, version) IN {keys:Array(Tuple(String, UInt32))} LIMIT 1 BY gap_id, version
"""

_CHANGED = """
SELECT * FROM source_gaps WHERE changed >= {since:DateTime64(6, 'UTC')}
ORDER BY changed, gap_id, version LIMIT 1 BY gap_id, version
"""

_MARKS = "SELECT source_system, action, time, began, ended, writer, seq FROM source_marks FINAL"

_UNREAD = "SELECT writer, max(last_seq) FROM source_health GROUP BY writer"

_UNREAD_MARKS = """
SELECT source_system, action, time, time AS began, time AS ended, writer, seq FROM events
WHERE (/* newer */) AND action IN {actions:Array(String)} AND outcome NOT IN ('failure', 'denied')
"""

# The return of a silent source: the first receipt after the gap began. An hour that already had events knows only its last one.
_RETURNED = """
SELECT min(if(entry.first_received > {began:DateTime64(6, 'UTC')}, entry.first_received, entry.last_received)) AS returned
FROM source_health AS entry
WHERE source_system = {name:String} AND entry.last_received > {began:DateTime64(6, 'UTC')}
"""

_CAME_LATER = """
SELECT count() FROM events
WHERE source_system = {name:String} AND time > {began:DateTime64(6, 'UTC')} AND time < {ended:DateTime64(6, 'UTC')}
"""

_RECORDING = "SELECT seq, time, body FROM spine WHERE kind = 'audit-off' ORDER BY seq"

_SPINE_TIMES = "SELECT seq, time FROM spine WHERE seq IN {seqs:Array(UInt64)}"

_NOT_YET = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES = {
    "version": pl.UInt32,
    "first_number": pl.UInt64,
    "last_number": pl.UInt64,
    "evidence_seq": pl.Int64,
    "expected": pl.Float64,
}
_MOST_REASON = 2_000
_TRIES = 5


class GapLedger:
    """Reads and writes gaps. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, record: Record) -> None:
        """`record` is where the event of each version goes (`Ledger.append`)."""
        self._engine = engine
        self._record = record

    def all(self) -> list[Gap]:
        """Every gap as it stands, newest beginning first."""
        return gaps_of(self._engine)

    def get(self, gap_id: str) -> Gap:
        """One gap as it stands. Raises NotFound."""
        return self.history(gap_id)[-1]

    def history(self, gap_id: str) -> list[Gap]:
        """Every version, first to newest. Raises NotFound."""
        versions = _read(self._engine.frame(_VERSIONS, gap_id=gap_id))
        if not versions:
            raise NotFound("there is no gap with this id")
        return versions

    def write(self, versions: Sequence[Gap]) -> list[Gap]:
        """Write versions, each unless somebody else wrote that version first. Returns those that stand."""
        for gap in versions:
            self._engine.insert("source_gaps", _frame([gap]), token=f"{gap.gap_id}:{gap.version}")
        keys = [(gap.gap_id, gap.version) for gap in versions]
        standing = {(gap.gap_id, gap.version): gap for gap in _read(self._engine.frame(_STANDING, keys=keys))} if keys else {}
        written = [gap for gap in versions if standing.get((gap.gap_id, gap.version)) == gap]
        if written:
            self._record([step_event(gap) for gap in written])
        return written

    def acknowledge(self, gap_id: str, *, by: str, reason: str, loss: Loss, at: datetime) -> Gap:
        """A person says what became of a gap and whether events were lost; may be said again, and the last word counts.

        Raises NotFound, InvalidInput without a reason or a loss, and Conflict while others keep changing it.
        """
        words = reason.strip()
        if by == SERVICE:
            raise InvalidInput("a gap is acknowledged by a person")
        if not words or len(words) > _MOST_REASON:
            raise InvalidInput(f"say in 1 to {_MOST_REASON:,} characters what was found out about the gap")
        if loss is Loss.OPEN:
            raise InvalidInput("say whether events were lost: none, some or not known")
        for _ in range(_TRIES):
            gap = self.get(gap_id)
            if loss is Loss.NONE and gap.is_open:
                raise Conflict("the gap is not over; whether events were lost can be said when it is")
            said = replace(
                gap,
                version=gap.version + 1,
                changed=at,
                step=Step.ACKNOWLEDGED,
                acknowledged=at,
                acknowledged_by=by,
                loss=loss,
                reason=words,
            )
            if self.write([said]):
                return said
        raise Conflict("the gap keeps changing; try again")

    def rerecord(self, since: datetime) -> int:
        """Hand the event of every version written since to the ledger again (the start does this). Returns how many."""
        versions = _read(self._engine.frame(_CHANGED, since=since))
        if versions:
            self._record([step_event(gap) for gap in versions])
        return len(versions)

    def marks(self) -> list[Mark]:
        """What sources said about their own recording, as of the last roll-up."""
        return [Mark(**row) for row in self._engine.frame(_MARKS).iter_rows(named=True)]

    def returned(self, gap: Gap) -> datetime | None:
        """When a silent source sent again; None while it has not."""
        found = self._engine.frame(_RETURNED, name=gap.source_system, began=gap.began)["returned"][0]
        return found if isinstance(found, datetime) and found > gap.began else None

    def came_later(self, gap: Gap) -> int | None:
        """Events that claim to have happened within a gap and were received after all; None while it lasts."""
        if gap.ended is None or gap.kind is GapKind.OFF:
            return None
        return int(str(self._engine.rows(_CAME_LATER, name=gap.source_system, began=gap.began, ended=gap.ended)[0][0]))

    def restarts(self) -> list[Restart]:
        """Times between two runs of this system, as its spine tells: from `off`, or the last sign of life, to the next `on`."""
        steps: dict[str, list[tuple[int, datetime, str]]] = {}
        for row in self._engine.frame(_RECORDING).iter_rows(named=True):
            said = orjson.loads(row["body"])["fields"]
            steps.setdefault(str(said["writer"]), []).append((row["seq"], row["time"], str(said["state"])))
        starts = [
            (before, after) for entries in steps.values() for before, after in pairwise(entries) if after[2] == "on"
        ]  # the first start of all ends nothing
        crashed = [after[0] - 1 for before, after in starts if before[2] == "on"]
        alive = dict(self._engine.frame(_SPINE_TIMES, seqs=crashed).iter_rows()) if crashed else {}
        return [
            Restart(
                began=before[1] if before[2] == "off" else alive.get(after[0] - 1, before[1]),
                ended=after[1],
                said=before[2] == "off",
            )
            for before, after in starts
        ]


def gaps_of(engine: Engine) -> list[Gap]:
    """Every gap as it stands, newest beginning first."""
    return _read(engine.frame(_NEWEST))


def marks_now(engine: Engine, actions: Iterable[str]) -> list[Mark]:
    """Every mark, also in entries that the roll-up has not seen: exact, and cheap while the roll-up is recent."""
    parts, parameters = [], dict[str, object]()
    rolled = []
    for place, (writer, last) in enumerate(engine.rows(_UNREAD)):
        parts.append(f"(writer = {{writer{place}:String}} AND seq > {{last{place}:UInt64}})")
        parameters |= {f"writer{place}": writer, f"last{place}": last}
        rolled.append(writer)
    newer = " OR ".join([*parts, "writer NOT IN {rolled:Array(String)}"])
    sql = _UNREAD_MARKS.replace("/* newer */", newer)
    unread = engine.frame(sql, **parameters, rolled=rolled, actions=list(actions))
    found = [Mark(**row) for frame in (engine.frame(_MARKS), unread) for row in frame.iter_rows(named=True)]
    return list({(mark.writer, mark.seq): mark for mark in found}.values())


def open_since(gaps: Iterable[Gap], kind: GapKind) -> dict[str, datetime]:
    """Since when gaps of a kind last, by source system."""
    return {gap.source_system: gap.began for gap in gaps if gap.kind is kind and gap.is_open}


def step_event(gap: Gap) -> AuditEvent:
    """The ledger event of one version: what happened to which gap. A person's words stay in the row."""
    by = gap.acknowledged_by if gap.step is Step.ACKNOWLEDGED else SERVICE
    return alert_event(
        event_id=f"gap.{gap.gap_id}.{gap.version}",
        action=f"source_gap_{gap.step.value}",
        by=by,
        at=gap.changed,
        details={
            "gap_id": gap.gap_id,
            "version": gap.version,
            "kind": gap.kind.value,
            "system": gap.source_system,
            "loss": gap.loss.value,
        },
    )


def _frame(gaps: Sequence[Gap]) -> pl.DataFrame:
    return pl.DataFrame([_row(gap) for gap in gaps], schema_overrides=_TYPES)


def _row(gap: Gap) -> Mapping[str, object]:
    writer, seq = gap.evidence or ("", -1)
    return {
        "gap_id": gap.gap_id,
        "version": gap.version,
        "source_system": gap.source_system,
        "kind": gap.kind.value,
        "began": gap.began,
        "ended": gap.ended or _NOT_YET,
        "opened": gap.opened,
        "changed": gap.changed,
        "step": gap.step.value,
        "expected": -1.0 if gap.expected is None else gap.expected,
        "note": gap.note,
        "first_number": gap.first_number,
        "last_number": gap.last_number,
        "evidence_writer": writer,
        "evidence_seq": seq,
        "acknowledged": gap.acknowledged or _NOT_YET,
        "acknowledged_by": gap.acknowledged_by,
        "loss": gap.loss.value,
        "reason": gap.reason,
    }


def _read(frame: pl.DataFrame) -> list[Gap]:
    return list(_gaps(frame))


def _gaps(frame: pl.DataFrame) -> Iterator[Gap]:
    for row in frame.iter_rows(named=True):
        yield Gap(
            gap_id=row["gap_id"],
            version=row["version"],
            source_system=row["source_system"],
            kind=GapKind(row["kind"]),
            began=row["began"],
            ended=None if row["ended"] == _NOT_YET else row["ended"],
            opened=row["opened"],
            changed=row["changed"],
            step=Step(row["step"]),
            expected=None if row["expected"] < 0 else row["expected"],
            note=row["note"],
            first_number=row["first_number"],
            last_number=row["last_number"],
            evidence=(row["evidence_writer"], row["evidence_seq"]) if row["evidence_writer"] else None,
            acknowledged=None if row["acknowledged"] == _NOT_YET else row["acknowledged"],
            acknowledged_by=row["acknowledged_by"],
            loss=Loss(row["loss"]),
            reason=row["reason"],
        )
