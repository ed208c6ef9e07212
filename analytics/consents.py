"""Who had agreed to what, and when. A consent counts from the moment it was given until the next one for the same channel."""

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl

from domain.consent import AGREED

PLAIN_MAIL = frozenset({"unencrypted_email"})

_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A patient's last word: yes or no, and since when; `day` is the local day of it."""

    agreed: bool
    at: datetime
    day: date


class Consents:
    """The consents for some channels that mean the same. Of two at one moment the stricter counts."""

    def __init__(self, frame: pl.DataFrame, channels: Collection[str] = PLAIN_MAIL, zone: ZoneInfo | None = None) -> None:
        """`frame` has patient_id, channel, status and at (a moment in UTC; null is since ever)."""
        self._zone = zone or ZoneInfo("UTC")
        self._history: dict[str, list[tuple[datetime, bool]]] = {}
        known = frame.filter(pl.col("channel").str.to_lowercase().is_in(list(channels)))
        for patient_id, status, at in known.select("patient_id", "status", "at").iter_rows():
            agreed = str(status or "").lower() in AGREED
            self._history.setdefault(patient_id, []).append((at or _EVER, agreed))
        for history in self._history.values():
            history.sort(key=lambda step: (step[0], not step[1]))

    @property
    def is_empty(self) -> bool:
        """True where no consent for these channels was ever recorded: then nothing follows from there being none."""
        return not self._history

    def agreed(self, patient_id: str, moment: datetime) -> bool:
        """Whether the patient's last word before or at the moment was yes. Without a patient nobody agreed."""
        word = self.word(patient_id, moment)
        return word is not None and word.agreed

    def word(self, patient_id: str, moment: datetime) -> Word | None:
        """The patient's last word before or at the moment (of a repeated no, its beginning); None where there is none."""
        history = self._history.get(patient_id, [])
        place = bisect_right(history, moment, key=lambda step: step[0])
        if place == 0:
            return None
        place -= 1
        agreed = history[place][1]
        while place > 0 and not agreed and not history[place - 1][1]:
            place -= 1
        at = history[place][0]
        return Word(agreed=agreed, at=at, day=date.min if at == _EVER else at.astimezone(self._zone).date())
