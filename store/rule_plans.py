"""What a rule asks, as a tree. Rule files are compiled to it (analytics/sigma); store/rule_sql.py turns it into one SQL question.

Leaves are predicates over one log source; inner nodes are the Sigma correlations, as windows over event time. A node yields
occurrences: the moment it became true, which is the time of the last event it needed, so nothing looks ahead; and the moment its
evidence begins. Spans are closed on both sides: exactly 15 minutes apart is within 15 minutes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from store.rule_fields import LogSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """A WHERE text and the values to bind on the server. Parameter names are unique within a plan, and no `span…` or window's."""

    text: str
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A leaf: events of one log source that satisfy a predicate, grouped by fields of it.

    `counted` is the field whose different values a Count above it counts.
    """

    source: LogSource
    where: Predicate
    group: tuple[str, ...]
    counted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """At least `at_least` events of any of the kinds within `span` seconds; with `distinct`, values of `Match.counted`."""

    of: tuple["Plan", ...]
    span: int
    at_least: int
    distinct: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """At least `at_least` of the kinds within `span` seconds, in any order."""

    of: tuple["Plan", ...]
    span: int
    at_least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InOrder:
    """One of each kind, in the order given, the last at most `span` seconds after the first."""

    of: tuple["Plan", ...]
    span: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The first of two kinds, not followed by the second within `span` seconds. Becomes true when the span is over.

    Only the root of a plan: whether something failed to come can be said once it can no longer come.
    """

    of: tuple["Plan", "Plan"]
    span: int


Plan = Match | Count | Together | InOrder | Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Whole local days of `zone` (an IANA name), as instants: [start, end)."""

    start: datetime
    end: datetime
    zone: str


def reach(plan: Plan) -> int:
    """How many seconds before its last event the evidence of a plan may begin."""
    return 0 if isinstance(plan, Match) else plan.span + max(reach(part) for part in plan.of)


def leaves(plan: Plan) -> Iterator[Match]:
    """The predicates of a plan, in the order they are written."""
    if isinstance(plan, Match):
        yield plan
    else:
        for part in plan.of:
            yield from leaves(part)
