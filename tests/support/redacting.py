"""A ledger with everything that repeats its private parts, and write steps of a redaction that fail on demand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json
from retention.redaction import Redaction, RedactionAuthority, RedactionReason
from store.engine import Engine
from store.keeper import Keeper
from store.ledger import Ledger
from store.redaction import RedactionStore
from store.retention import RetentionStore
from store.spine import Spine
from tests.support.cast import BOB, MORNING, PATIENT, chart_view
from tests.support.clock import TickingClock
from tests.support.faults import Fault, FaultyAnchor, FaultyEngine
from tests.support.node import SIGNER

COURT = RedactionReason.COURT_ORDER
BY = RedactionAuthority(run_by="records.officer", approvers=("counsel", "privacy.officer"))
SECRET = bytes(range(32))

_SAME = "writer, seq, event_id, time, received, action, actor_id, patient_id"
_DERIVED = (
    f"access_facts ({_SAME}, ip, details, local_day) SELECT {_SAME}, ip, details, toDate(time) FROM events WHERE source = 'access'",
    "late_reasons (writer, seq, local_day, reasons) SELECT writer, seq, toDate(time), [ip] FROM events WHERE source = 'access'",
    f"delivery_facts ({_SAME}, to_domain) SELECT {_SAME}, 'example.org' FROM events WHERE source = 'mail'",
    "scores (day, actor_id, object_id, score) SELECT toDate(time), actor_id, patient_id, 0.5 FROM events WHERE 1",
    "score_features (day, actor_id, object_id) SELECT toDate(time), actor_id, patient_id FROM events WHERE 1",
)


class FaultyStatements(FaultyEngine):
    """An engine that also fails once at the next statement with these words, before or after it is done."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.words: str | None = None

    def execute(self, sql: str, **parameters: Any) -> None:
        statement = " ".join(sql.split())
        if self.words is None or self.words not in statement:
            self._engine.execute(sql, **parameters)
            return
        words, self.words = self.words, None
        if self.after:
            self._engine.execute(sql, **parameters)
        raise Fault(words)


@dataclass(slots=True)
class Redacting:
    """What a test of redaction works with: a ledger of writer `main` over the engine that fails on demand."""

    engine: Engine
    broken: FaultyStatements
    anchor: FaultyAnchor
    keeper: Keeper
    ledger: Ledger
    clock: TickingClock

    def redaction(
        self,
        store: RedactionStore | None = None,
        commit: Callable[[str, Mapping[str, Json]], object] | None = None,
        record: Callable[[AuditEvent], object] | None = None,
    ) -> Redaction:
        """A redaction as `runtime/` would wire it."""
        broken = cast("Engine", self.broken)
        return Redaction(
            store or RedactionStore(broken),
            RetentionStore(broken),
            commit=commit or self.keeper.commit,
            checkpoint=self.keeper.checkpoint,
            record=record or (lambda event: self.ledger.append([event])),
        )

    def redact(self, *seqs: int) -> None:
        """Redact entries of `main`, by court order."""
        self.redaction().run([("main", seq) for seq in seqs], COURT, BY)

    def row(self, seq: int) -> dict[str, Any]:
        """An entry as stored."""
        found = self.engine.frame("SELECT * FROM events WHERE writer = 'main' AND seq = {seq:UInt64}", seq=seq)
        return found.row(0, named=True)

    def count(self, table: str, where: str = "1") -> int:
        """How many rows of a table there are."""
        return int(str(self.engine.rows(f"SELECT count() FROM {table} WHERE {where}")[0][0]))

    def derive(self, first: int = 0, last: int = 2**32) -> None:
        """Facts, reasons and scores of entries, as rows that repeat what is private in them."""
        for statement in _DERIVED:
            self.engine.execute(f"INSERT INTO {statement} AND seq BETWEEN {first} AND {last}")


def some_events(count: int) -> list[AuditEvent]:
    """Accesses by staff; every fourth by a patient, and the one after it a mail. Each is about a patient of its own."""
    events = []
    for n in range(count):
        event = chart_view(n, patient=f"P-{n}", actor=PATIENT if n % 4 == 2 else BOB)
        if n % 4 == 3:
            mailbox = Actor(id="mx-1", kind=ActorKind.SYSTEM)
            event = replace(event, source=Source.MAIL, source_system="mail", action="deliver", actor=mailbox, raw=b"\xff%d" % n)
        events.append(event)
    return events


@contextmanager
def redacting(engine: Engine, directory: Path, events: Sequence[AuditEvent]) -> Iterator[Redacting]:
    """These events in one log, under a checkpoint."""
    broken, clock = FaultyStatements(engine), TickingClock(MORNING, step=timedelta(milliseconds=1))
    anchor = FaultyAnchor(directory / "state", directory / "copies")
    spine = Spine(cast("Engine", broken), anchor, SIGNER, clock)
    keeper = Keeper(cast("Engine", broken), spine, clock)
    ledger = Ledger(engine=cast("Engine", broken), anchor=anchor, origin=SIGNER.name, clock=clock, new_secret=lambda: SECRET)
    keeper.attend(ledger)
    ledger.append(events)
    keeper.checkpoint()
    try:
        yield Redacting(engine, broken, anchor, keeper, ledger, clock)
    finally:
        ledger.close()
        anchor.close()
