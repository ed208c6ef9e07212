"""What is due and why: a pure decision over months, holds and a date.

45 CFR 164.316(b)(2)(i) asks for six years from creation or last effect. The clock of a month of receipt starts at the later of the
claimed and the received time of its newest event, so nothing in it is disposed of early. A setting can only make it longer, and a
hold beats everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from domain.errors import ConfigError
from store.retention import Hold, HoldScope, MonthLog

FLOOR_YEARS = 6
CITATION = "45 CFR 164.316(b)(2)(i)"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How long events are kept. Raises ConfigError below six years: a shorter time is no setting, it is a violation."""

    years: int = FLOOR_YEARS

    def __post_init__(self) -> None:
        if not FLOOR_YEARS <= self.years <= 100:
            raise ConfigError(f"retention.years is {self.years}: choose {FLOOR_YEARS} ({CITATION}) or more, at most 100")

    def due_on(self, newest: datetime) -> date:
        """The first day (UTC) on which events no newer than `newest` may be disposed of: the day after its anniversary."""
        moment = newest.astimezone(UTC).date()
        try:
            anniversary = moment.replace(year=moment.year + self.years)
        except ValueError:  # 29 February
            anniversary = date(moment.year + self.years, 3, 1)
        return anniversary + timedelta(days=1)

    @property
    def words(self) -> str:
        """The policy as a tombstone quotes it."""
        return f"{self.years} years from the later of claimed and received time of the newest event ({CITATION}), and no hold"


class Decision(StrEnum):
    """KEEP: not yet due. HELD: due or not, a hold keeps it. DUE: may be disposed of."""

    KEEP = "keep"
    HELD = "held"
    DUE = "due"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItem:
    """The decision about one month (YYYYMM), with its reason as a sentence that names no patient."""

    epoch: int
    entries: int
    due_on: date
    decision: Decision
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveHold:
    """A hold in force with the months that it was found to cover (of a patient or an actor: those with events of theirs)."""

    hold: Hold
    months: frozenset[int] = frozenset()

    def covers(self, epoch: int) -> bool:
        """Whether this hold keeps a month."""
        match self.hold.scope:
            case HoldScope.ALL:
                return True
            case HoldScope.MONTHS:
                return self.hold.first_epoch <= epoch <= self.hold.last_epoch
            case HoldScope.PATIENT | HoldScope.ACTOR:
                return epoch in self.months


def plan(logs: Sequence[MonthLog], holds: Sequence[ActiveHold], now: datetime, policy: RetentionPolicy) -> list[PlanItem]:
    """Decide about every month that has rows, oldest first."""
    months: dict[int, list[MonthLog]] = {}
    for log in logs:
        months.setdefault(log.epoch, []).append(log)
    return [_decide(epoch, members, holds, now, policy) for epoch, members in sorted(months.items())]


def _decide(epoch: int, logs: Sequence[MonthLog], holds: Sequence[ActiveHold], now: datetime, policy: RetentionPolicy) -> PlanItem:
    claimed = max(log.newest_time for log in logs)
    received = max(log.newest_received for log in logs)
    due_on = policy.due_on(max(claimed, received))
    held_by = [active.hold for active in holds if active.covers(epoch)]
    decision, reason = Decision.DUE, f"it was kept for {policy.years} years after its newest event, as {CITATION} asks"
    if held_by:
        decision, reason = Decision.HELD, _held_reason(held_by)
    elif epoch >= current_epoch(now):
        decision, reason = Decision.KEEP, "it is being written"
    elif now.astimezone(UTC).date() < due_on:
        decision, reason = Decision.KEEP, _keep_reason(claimed, received, due_on, policy)
    elif unsealed := sorted(log.writer for log in logs if log.sealed_root is None):
        decision, reason = Decision.KEEP, f"the log of writer {', '.join(unsealed)} is not sealed yet"
    return PlanItem(epoch=epoch, entries=sum(log.entries for log in logs), due_on=due_on, decision=decision, reason=f"{reason}.")


def current_epoch(now: datetime) -> int:
    """The month (YYYYMM, UTC) that is being written at a moment."""
    moment = now.astimezone(UTC)
    return moment.year * 100 + moment.month


def _keep_reason(claimed: datetime, received: datetime, due_on: date, policy: RetentionPolicy) -> str:
    which = "received" if received >= claimed else "claimed"
    newest = max(claimed, received).astimezone(UTC).date()
    return f"its newest event is of {newest} ({which} time, the later one) and is kept for {policy.years} years: due on {due_on}"


_HELD_WORDS: Mapping[HoldScope, str] = {
    HoldScope.ALL: "everything",
    HoldScope.MONTHS: "this month",
    HoldScope.PATIENT: "events of a patient in it",
    HoldScope.ACTOR: "events of a person or program in it",
}


def _held_reason(holds: Sequence[Hold]) -> str:
    parts = [
        f"hold {hold.hold_id} of {hold.placed_at.astimezone(UTC).date()} by {hold.placed_by} keeps {_HELD_WORDS[hold.scope]}"
        for hold in holds
    ]
    return "; ".join(parts)
