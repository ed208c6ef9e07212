"""The watch over the record: verifies on schedule, remembers what it found for pages, metrics and readiness, and commits it."""

import hmac
import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from dashboards.views import RecordState
from domain.errors import Backpressure, IntegrityError
from domain.json import Json
from runtime.node import Base
from store.completeness import examine
from store.fsck_progress import RollingCheck
from store.fsck_report import Verification
from store.fsck_verdicts import Committed, is_due, last_committed, verified_fields

CommitEntry = Callable[[str, Mapping[str, Json]], object]
"""Adds an entry of a kind to the spine; signed and durable when it returns (`Keeper.commit`)."""

SLICE = 200_000
"""Old entries that one run looks at. At a run every five minutes a pass over ten million entries takes four hours."""

_PURPOSE = b"verification progress"

_log = logging.getLogger(__name__)


class RecordWatch:
    """Runs verifications one at a time and holds the newest result. Thread-safe."""

    def __init__(
        self, base: Base, commit: CommitEntry, copies: Callable[[], Sequence[str]] = tuple, *, slice_rows: int = SLICE
    ) -> None:
        """`copies` gives the checkpoints that were put out of this node's reach (`Copying.held`).

        The progress is authenticated with a key that is derived from the signing key, which the database does not have.
        """
        self._base = base
        self._commit = commit
        self._copies = copies
        self._slice_rows = slice_rows
        self._running = threading.Lock()
        self._state = RecordState()
        secret = hmac.digest(base.signer.seed, _PURPOSE, "sha256")
        self._check = RollingCheck(base.engine, base.clock, secret)
        self._committed: Committed | None = None

    def state(self) -> RecordState:
        """What the last verification found; without verdict before the first."""
        return self._state

    def run(self) -> RecordState:
        """Verify what is new and a slice of what is old (everything, the first time), and commit the result when that is due."""
        with self._running:
            verification = self._check.run(self._base.trusted(self._copies()), self._slice_rows)
            self._state = RecordState(
                verified_at=self._base.clock(),
                is_full=verification.is_full,
                verification=verification,
                completeness=examine(self._base.engine),
            )
            self._say(verification)
            return self._state

    def _say(self, verification: Verification) -> None:
        now = self._base.clock()
        last = self._committed or last_committed(self._base.engine)
        if not is_due(last, verification, now):
            return
        try:
            self._commit("verified", verified_fields(verification))
        except (IntegrityError, Backpressure) as error:
            # The result is shown and raised all the same; committing it is due again at the next run.
            _log.error("the result of a verification was not committed: %s", error)
            return
        self._committed = Committed(now, verification.integrity.value)
