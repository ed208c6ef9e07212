"""A rule as the engine uses it, and the part of a rule file that Sigma does not define.

A rule is a page: what it looks for, what that means, what to do about it, which provisions it serves, what else can cause it, and
the tests that show it. The extra keys (`runbook`, `phitrail`, `tests`) are ones that other Sigma tools pass over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from analytics.sigma.sentences import Sentence
from domain.finding import Severity
from store.rule_plans import Plan

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
Score = Annotated[float, Field(gt=0, le=1)]
Text = Annotated[str, Field(min_length=1)]


def _span(value: object) -> object:
    """`15m`, `12h`, `90d`; everything else is left to pydantic."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    if isinstance(value, str) and value[:-1].isdigit() and value[-1:] in units:
        return timedelta(**{units[value[-1]]: int(value[:-1])})
    return value


Span = Annotated[timedelta, BeforeValidator(_span)]


class Strict(BaseModel):
    """A misspelled key is an error, not a rule that quietly does less."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Of(StrEnum):
    """Which earlier events make a habit: any of the log source, or only ones that the rule itself cites."""

    ANY = "any"
    MATCH = "match"


class Habit(Strict):
    """What has been so before weighs less: the same values on at least `days` earlier days of the last `lookback`.

    The values are those of the group and of `fields` in the event that made the rule true.
    """

    fields: tuple[Name, ...] = ()
    of: Of
    days: Annotated[int, Field(ge=1)]
    lookback: Span
    level: Severity
    score: Score
    sentence: Text


class Conduct(Strict):
    """The key `phitrail` of a rule file: how hits become findings.

    What is on record against and for the events (their flags and reasons) is passed on, unless the rule says that it is beside the
    point: that a patient may see their own record does not speak for somebody who guessed the patient's password.
    """

    kind: Name
    version: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)*$")]
    score: Score
    group_by: tuple[Name, ...] = ()
    explanation: Annotated[tuple[Text, ...], Field(min_length=1)]
    exculpatory: tuple[Text, ...] = ()
    flags: bool = True
    reasons: bool = True
    habit: Habit | None = None


class Expect(StrEnum):
    MATCH = "match"
    NONE = "none"


class RuleTest(Strict):
    """Facts, partly given (the rest is what is usual), and whether the rule cites any of them.

    An event may be given `repeat` times, `every` so much later; `severity` and `events_cited` are checked where given.
    """

    name: Text
    events: Annotated[tuple[Mapping[str, object], ...], Field(min_length=1)]
    expect: Expect
    severity: Severity | None = None
    events_cited: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, compiled. `group_by` names the values of a group, `logic` is the detection as written (YAML)."""

    rule_id: str
    version: str
    kind: str
    file: str
    title: str
    description: str
    severity: Severity
    score: float
    controls: tuple[str, ...]
    runbook: str
    falsepositives: tuple[str, ...]
    group_by: tuple[str, ...]
    plan: Plan
    explanation: tuple[Sentence, ...]
    exculpatory: tuple[Sentence, ...]
    flags: bool
    reasons: bool
    habit: Habit | None
    logic: str
    tests: tuple[RuleTest, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields that sentences and habit need of the cited events."""
        sentences = (*self.explanation, *self.exculpatory)
        named = [name for sentence in sentences for name in sentence.fields]
        return tuple(dict.fromkeys([*named, *(self.habit.fields if self.habit else ())]))
