"""The intake of a node with a count of what became of everything that came through it since the start."""

import threading
from collections import Counter
from collections.abc import Sequence

from domain.record import Parsed, Position, Receipt, Status
from ingest.pipeline import Counts
from store.intake import Intake


class CountedIntake:
    """An intake that counts receipts. Thread-safe."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._guard = threading.Lock()
        self._counts: Counter[Status] = Counter()

    def submit(self, batch: Sequence[Parsed]) -> list[Receipt]:
        """As `Intake.submit`."""
        receipts = self._intake.submit(batch)
        with self._guard:
            self._counts.update(receipt.status for receipt in receipts)
        return receipts

    def head(self) -> Position:
        """As `Intake.head`."""
        return self._intake.head()

    def counts(self) -> Counts:
        """What became of everything so far."""
        with self._guard:
            return Counts(
                accepted=self._counts[Status.ACCEPTED],
                duplicate=self._counts[Status.DUPLICATE],
                quarantined=self._counts[Status.QUARANTINED],
            )
