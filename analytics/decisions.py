"""Verdicts from decisions: what people found the alerts to be teaches the next day's ranking."""

from collections.abc import Sequence
from datetime import datetime

from analytics.detectors.ranking.verdicts import Verdict
from domain.finding import Disposition
from store.alert_verdicts import AlertVerdicts


class Decisions:
    """`Verdicts` over resolved alerts. A violation is improper; what was right, on record or not, is not."""

    def __init__(self, decided: AlertVerdicts) -> None:
        self._decided = decided

    def decided_before(self, moment: datetime) -> Sequence[Verdict]:
        """By the moment of decision. Of two about the same accesses the later one counts (`Lesson.learn`)."""
        return [
            Verdict(
                actor_id=row["actor_id"],
                object_id=row["patient_id"],
                day=row["day"],
                improper=row["disposition"] == Disposition.VIOLATION,
                decided_at=row["decided_at"],
            )
            for row in self._decided.decided_before(moment).iter_rows(named=True)
        ]
