"""The watch over the record: verifies on schedule and remembers what it found, for pages, metrics and readiness."""

import threading

from dashboards.views import RecordState
from runtime.node import Base
from store.completeness import examine


class RecordWatch:
    """Runs verifications one at a time and holds the newest result. Thread-safe."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._running = threading.Lock()
        self._state = RecordState()

    def state(self) -> RecordState:
        """What the last verification found; without verdict before the first."""
        return self._state

    def run(self) -> RecordState:
        """Verify everything now."""
        with self._running:
            verification = self._base.verify()
            self._state = RecordState(
                verified_at=self._base.clock(),
                is_full=True,
                verification=verification,
                completeness=examine(self._base.engine),
            )
            return self._state
