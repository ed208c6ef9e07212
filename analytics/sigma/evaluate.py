"""From the events that a rule cites to findings.

A finding is about one rule, one group and one local day. Its id comes from these and from its evidence, so running again over the
same history adds nothing, and more evidence makes a larger finding that supersedes the smaller. Of every group and day two are
made: the opening, with the evidence up to the moment at which the rule first became true, and the whole. So a replay of history, in
portions of any size, opens with the same finding at the same time as a run that was there when it happened.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import orjson
import polars as pl

from analytics.sigma.rule import Habit, Of, Rule
from analytics.sigma.sentences import Cited
from domain.finding import EventRef, Finding, Severity
from domain.json import Json
from store.cursors import Span
from store.rule_plans import Window, leaves
from store.rules import Rules

MOST_EVIDENCE = 500
"""How many events a finding names; the number of all is in its sentences and inputs."""

_SENTENCES = 5
"""How many different reasons and flags of the events are passed on."""


class Evaluator:
    """Asks the store about rules and words the answers. `zone` is the organisation's; days and sentences are on its clock."""

    def __init__(self, rules: Rules, zone: ZoneInfo) -> None:
        self._rules = rules
        self._zone = zone

    def findings(
        self,
        rule: Rule,
        start: datetime,
        end: datetime,
        *,
        spans: Sequence[Span] | None = None,
        settled: datetime | None = None,
    ) -> list[Finding]:
        """What the rule finds in [start, end), which begins with a local day; `spans` and `settled` as in `Rules.evidence`."""
        if spans is not None and not self._rules.touched(rule.plan, spans):
            return []
        window = Window(start=start, end=end, zone=self._zone.key)
        frame = self._rules.evidence(rule.plan, window, rule.columns, spans=spans, settled=settled)
        return [
            finding for group in frame.partition_by("day", "key", maintain_order=True) for finding in self._of_group(rule, group)
        ]

    def _of_group(self, rule: Rule, events: pl.DataFrame) -> Iterator[Finding]:
        true_at = events["true_at"].is_not_null().arg_max()
        assert true_at is not None
        opening = events.head(true_at + 1)
        known = self._is_habit(rule, opening)
        yield self._finding(rule, opening, known=known)
        if events.height > opening.height:
            yield self._finding(rule, events, known=known)

    def _finding(self, rule: Rule, events: pl.DataFrame, *, known: bool) -> Finding:
        habit = rule.habit if known else None
        places = list(zip(events["writer"], events["seq"], strict=True))
        moments = [moment for moment in (*events["time"], *events["true_at"]) if isinstance(moment, datetime)]
        key = str(events["key"][0])
        day = events["day"][0]
        cited = Cited(
            day=day,
            times=list(events["time"]),
            values={name: list(events[f"field {name}"]) for name in rule.columns},
            zone=self._zone,
        )
        group = dict(zip(rule.group_by, key.split("\x1f"), strict=False))
        inputs: dict[str, Json] = {**group, "events": events.height, "day": day.isoformat(), "habitual": known}
        return Finding(
            finding_id=_digest([rule.rule_id, rule.version, key, day.isoformat(), places]),
            kind=rule.kind,
            title=rule.title,
            time=max(moments),
            score=habit.score if habit else rule.score,
            severity=Severity(habit.level) if habit else rule.severity,
            rule_id=rule.rule_id,
            rule_version=rule.version,
            group_key=f"{rule.kind}:{_digest([rule.rule_id, key, day.isoformat()])[:32]}",
            actor_id=_only(events["actor_id"]),
            patient_id=_only(events["patient_id"]),
            evidence=tuple(
                EventRef(writer=writer, seq=seq, event_id=event_id)
                for (writer, seq), event_id in list(zip(places, events["event_id"], strict=True))[:MOST_EVIDENCE]
            ),
            explanation=(
                *(sentence.about(cited) for sentence in rule.explanation),
                *(_distinct(events["flags"]) if rule.flags else ()),
            ),
            exculpatory=(
                *(sentence.about(cited) for sentence in rule.exculpatory),
                *([habit.sentence] if habit else []),
                *(_distinct(events["reasons"]) if rule.reasons else ()),
            ),
            controls=rule.controls,
            runbook=rule.runbook,
            inputs=inputs,
        )

    def _is_habit(self, rule: Rule, opening: pl.DataFrame) -> bool:
        """Whether the same was so on enough earlier days, judged by what was before the first event."""
        habit: Habit | None = rule.habit
        if habit is None:
            return False
        last = list(leaves(rule.plan))[-1]
        group = dict(zip(last.group, str(opening["key"][0]).split("\x1f"), strict=False))
        own = {name: str(opening[f"field {name}"][-1]) for name in habit.fields}
        first = opening["time"][0]
        window = Window(start=first - habit.lookback, end=first, zone=self._zone.key)
        return self._rules.days_seen(last, group | own, window, matching=habit.of is Of.MATCH) >= habit.days


def _only(values: pl.Series) -> str | None:
    """The one value all events have, or None."""
    different = values.unique()
    return str(different[0]) or None if different.len() == 1 else None


def _distinct(lists: pl.Series) -> list[str]:
    return list(dict.fromkeys(sentence for sentences in lists for sentence in sentences))[:_SENTENCES]


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()
