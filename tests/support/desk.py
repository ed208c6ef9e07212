"""An intake over a real ledger and quarantine, and ways to make it fail."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from domain.clock import Clock
from domain.event import AuditEvent
from domain.record import Parsed, Receipt
from store.engine import Engine
from store.intake import Intake
from store.quarantine import Quarantine
from tests.support.clock import TickingClock
from tests.support.node import Node, node

WAIT_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything behind the intake, for looking at what became of what was sent."""

    node: Node
    quarantine: Quarantine
    intake: Intake
    clock: Clock

    def stored(self) -> int:
        """Entries in the ledger."""
        return int(str(self.node.engine.rows("SELECT count() FROM events")[0][0]))

    def raws(self) -> list[bytes]:
        """What is in quarantine, byte for byte, first received first."""
        entries = self.quarantine.newest(limit=10_000)[::-1]
        return [record.raw for record in self.quarantine.read(entries)]

    def reasons(self) -> list[str]:
        """Why."""
        return [entry.reason for entry in self.quarantine.newest(limit=10_000)[::-1]]


@contextmanager
def desk(engine: Engine, directory: Path, clock: Clock | None = None) -> Iterator[Desk]:
    """An intake, put together as `runtime/` does."""
    clock = clock or TickingClock()
    with node(engine, directory, clock) as made:
        quarantine = Quarantine(engine, clock)
        yield Desk(node=made, quarantine=quarantine, intake=Intake(made.ledger, quarantine), clock=clock)


class Gate:
    """A desk that holds every batch until it is opened, or raises what it is told to."""

    def __init__(self, inner: Intake, *, is_open: bool = True) -> None:
        self._inner = inner
        self._opened = threading.Event()
        self.failures: list[Exception] = []
        self.refuses: Callable[[Sequence[Parsed]], Exception | None] = lambda _: None
        if is_open:
            self._opened.set()

    def open(self) -> None:
        """Let everything through."""
        self._opened.set()

    def submit(self, batch: Sequence[Parsed]) -> list[Receipt]:
        """See `Intake.submit`."""
        if not self._opened.wait(WAIT_SECONDS):
            raise AssertionError("the gate was never opened")
        if self.failures:
            raise self.failures.pop(0)
        if (error := self.refuses(batch)) is not None:
            raise error
        return self._inner.submit(batch)


def is_event(item: Parsed) -> bool:
    """Whether a parsed record is an event."""
    return isinstance(item, AuditEvent)


def eventually(what: Callable[[], bool], *, seconds: float = WAIT_SECONDS) -> None:
    """Wait until something holds. Raises AssertionError when it does not in time."""
    deadline = monotonic() + seconds
    pause = threading.Event()
    while not what():
        assert monotonic() < deadline, "this did not come to hold in time"
        pause.wait(0.01)
