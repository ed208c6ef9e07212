"""Analytics: follows the ledger, from new entries to findings, and looks at every local day once more when it is over.

Near real time: facts of new entries, then every rule, asked only about the groups that the new entries belong to, looking back as
far as the rule reaches, so that an event that comes late finds its fellows. Daily: all rules over the whole day, and the detectors.
The order of effects is facts, findings, days, cursor: after a stop anywhere the same entries are taken again and add nothing twice.

On history nothing looks ahead: facts are as of their event, a finding is dated by its last evidence, a day by its end.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from analytics.access import AccessFacts
from analytics.daily import Daily
from analytics.deliveries import Deliveries
from analytics.sigma.evaluate import Evaluator
from analytics.sigma.loader import RuleSet, load_rules
from domain.clock import Clock
from domain.event import EARLIEST, LATEST
from domain.finding import Finding
from domain.organisation import Organisation
from store.context import ContextStore
from store.cursors import Backlog, Cursors, FollowerDays, Span
from store.deliveries import DeliveryFacts
from store.engine import Engine
from store.findings import Findings
from store.rule_plans import Missing, leaves, reach
from store.rules import Rules

NAME = "analytics"
"""The follower's name among the cursors."""

BATCH = 20_000
"""Entries taken in one go: bounds memory, and what is done again after a stop."""

HISTORY = 100_000
"""Entries of a history taken in one go: what is asked once for each batch is asked less often. Bounds memory."""

SETTLE = timedelta(minutes=10)
"""A day is closed when it is over and nothing new has come for it for this long: sources deliver late, and history in pieces."""

_A_DAY = timedelta(days=1)

_A_MONTH = timedelta(days=31)

_LOOK_FOR_ABSENCE = timedelta(minutes=1)


class Detectors(Protocol):
    """What looks at a whole local day once it is over. Running a day again gives the same findings, by the same ids."""

    def run(self, day: date) -> list[Finding]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What an analysis of history went through, and how many findings it added."""

    events: int
    days: int
    findings: int


class Analytics:
    """One per deployment (the worker with the lease). Thread-safe: one call works at a time, others wait."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Clock,
        rules: RuleSet | None = None,
        daily: Detectors | None = None,
        batch: int = BATCH,
        history: int = HISTORY,
        settle: timedelta = SETTLE,
    ) -> None:
        """Without `rules` those that ship with phitrail; without `daily` the detectors as they are set by default.

        Raises ConfigError when a rule file is not right.
        """
        self._clock = clock
        self._rules = load_rules() if rules is None else rules
        self._context = ContextStore(engine)
        self._access = AccessFacts(engine, self._context)
        self._deliveries = Deliveries(DeliveryFacts(engine), self._context)
        self._daily: Detectors = daily or Daily(engine, self._context, clock=clock)
        self._questions = Rules(engine)
        self._findings = Findings(engine)
        self._cursors = Cursors(engine)
        self._backlog = Backlog(engine)
        self._days = FollowerDays(engine)
        self._batch = batch
        self._history = history
        self._settle = settle
        self._looked_for_absence = datetime.min.replace(tzinfo=UTC)
        self._working = threading.Lock()

    def follow(self) -> int:
        """Take everything that is new in the ledger; returns how many entries. Then look for what failed to come in the last day.

        What failed to come is said only of entries received long enough ago for it to have come.
        """
        with self._working:
            taken = 0
            while spans := self._backlog.after(self._cursors.get(NAME), self._batch):
                self._take(spans)
                taken += sum(span.size for span in spans)
            self._look_for_absence()
            return taken

    def close_days(self) -> list[date]:
        """Close every local day that is over, has new events and has been quiet for a while; returns them."""
        now = self._clock()
        today = now.astimezone(self._context.org().timezone).date()
        due = self._days.due(NAME, today, now - self._settle)
        for day in due:
            self.day(day)
        return due

    def day(self, local_day: date) -> int:
        """Evaluate a local day that is over: all rules, then the daily detectors. Returns how many findings it added."""
        with self._working:
            now, org = self._clock(), self._context.org()
            added = self._findings.add(self._rules_over(local_day, local_day + _A_DAY, org, now=now, seen_until=LATEST))
            return added + self._detect(local_day, org, now=now)

    def analyze(
        self, start: datetime | None = None, end: datetime | None = None, on_day: Callable[[date], None] | None = None
    ) -> Analysis:
        """Run everything over a period of history as it would have run then; running it again adds nothing.

        Whole local days are evaluated, from the one of `start`; nothing from `end` on is seen. Facts are made anew, so reference
        data loaded since counts as far as it was knowledge then. Over all of history the follower's place moves along, so that
        `follow` does not do the same again. `on_day` is told of each day done.
        """
        with self._working:
            now = self._clock()
            org = self._context.org()
            reached: dict[str, int] = {}
            first = EARLIEST if start is None else org.midnight(start.astimezone(org.timezone).date())
            last = LATEST if end is None else end
            events = 0
            for span in self._backlog.between(first, last, self._history):
                self._enrich([span])
                events += span.size
                reached[span.writer] = span.last
            days = self._backlog.days_between(first, last, org.timezone.key)
            due = _and_next(days)
            added = 0
            for begin, until in _stretches(due, longest=_A_MONTH):
                added += self._findings.add(self._rules_over(begin, until, org, now=min(now, last), seen_until=last))
            for day in due:
                added += self._detect(day, org, now=min(now, last))
                if on_day:
                    on_day(day)
            if start is None and end is None:
                self._cursors.advance(NAME, reached)
            return Analysis(events=events, days=len(days), findings=added)

    def _take(self, spans: Sequence[Span]) -> None:
        tables = self._enrich(spans)
        org = self._context.org()
        days = self._backlog.days(spans, org.timezone.key)
        evaluator = Evaluator(self._questions, org.timezone)
        for rule in self._rules:
            if isinstance(rule.plan, Missing) or tables.isdisjoint(leaf.source.table for leaf in leaves(rule.plan)):
                continue
            for begin, end in _stretches(days, reach=timedelta(seconds=reach(rule.plan))):
                self._findings.add(evaluator.findings(rule, org.midnight(begin), org.midnight(end), spans=spans))
        positions = {span.writer: span.last for span in spans}
        self._days.touch(NAME, _and_next(days), _progress(self._cursors.get(NAME) | positions), self._clock())
        self._cursors.advance(NAME, positions)

    def _enrich(self, spans: Sequence[Span]) -> set[str]:
        """Write the facts of these entries; returns the tables that have something about them."""
        accesses = self._access.enrich({span.writer: (span.first, span.last) for span in spans})
        deliveries = self._deliveries.enrich(spans)
        return {"events", *(["access_facts"] if accesses else []), *(["delivery_facts"] if deliveries else [])}

    def _look_for_absence(self) -> None:
        now = self._clock()
        if now - self._looked_for_absence < _LOOK_FOR_ABSENCE:
            return
        self._looked_for_absence = now
        org = self._context.org()
        yesterday = org.midnight((now - _A_DAY).astimezone(org.timezone).date())
        evaluator = Evaluator(self._questions, org.timezone)
        for rule in self._rules:
            if isinstance(rule.plan, Missing):
                settled = now - timedelta(seconds=rule.plan.span)
                self._findings.add(evaluator.findings(rule, yesterday, now, settled=settled))

    def _rules_over(self, first: date, end: date, org: Organisation, *, now: datetime, seen_until: datetime) -> list[Finding]:
        """All rules over the local days [first, end), as far as `seen_until`; what failed to come, as far as `now`. By time."""
        begin, over = org.midnight(first), org.midnight(end)
        evaluator = Evaluator(self._questions, org.timezone)
        found: list[Finding] = []
        for rule in self._rules:
            limit = min(over, now if isinstance(rule.plan, Missing) else seen_until)
            if begin < limit:
                found += evaluator.findings(rule, begin, limit)
        return sorted(found, key=lambda finding: (finding.time, finding.finding_id))

    def _detect(self, day: date, org: Organisation, *, now: datetime) -> int:
        """The daily detectors, where the day is over; then it is closed. Returns how many findings they added."""
        if org.midnight(day + _A_DAY) > now:
            return 0
        added = self._findings.add(self._daily.run(day))
        self._days.close(NAME, day, _progress(self._cursors.get(NAME)))
        return added


def _stretches(
    days: Sequence[date], *, reach: timedelta = timedelta(0), longest: timedelta = timedelta.max
) -> Iterator[tuple[date, date]]:
    """Runs of days: the first, and the day after the last on which events of these days can make a rule true. `days` ascend."""
    more = -(-reach // _A_DAY)
    begin: date | None = None
    end = date.min
    for day in days:
        if begin is not None and (day > end or day - begin >= longest):
            yield begin, end
            begin = None
        begin = begin or day
        end = day + timedelta(days=more + 1)
    if begin is not None:
        yield begin, end


def _and_next(days: Sequence[date]) -> list[date]:
    """With each day the next: what failed to come after an event in the evening is known only then."""
    return sorted({*days, *(day + _A_DAY for day in days)})


def _progress(positions: dict[str, int]) -> int:
    """How many entries lie up to these places."""
    return sum(seq + 1 for seq in positions.values())
