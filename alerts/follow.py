"""Follows the findings with a cursor and hands what is new to triage. The cursor moves only after triage has written everything."""

from alerts.triage import Triage, Triaged
from store.cursors import Cursors
from store.findings import Findings

_NAME = "alerts"
_WRITER = "findings"
_BATCH = 1_000


class FindingsFollower:
    """Turns findings into alerts, each once. A stop between triage and cursor brings findings again: triage is idempotent."""

    def __init__(self, findings: Findings, cursors: Cursors, triage: Triage) -> None:
        self._findings = findings
        self._cursors = cursors
        self._triage = triage

    def run(self, *, notify: bool = True) -> Triaged:
        """Take in every finding recorded since the last run. Raises Conflict as `Triage.take` does."""
        total = Triaged()
        done = self._cursors.get(_NAME).get(_WRITER, 0)
        while batch := self._findings.after(done, _BATCH):
            taken = self._triage.take([item.finding for item in batch], notify=notify)
            done = batch[-1].number
            self._cursors.advance(_NAME, {_WRITER: done})
            total += taken
        return total
