"""Sigma rules and correlations to plans of the store.

What Sigma leaves open is decided here: all parts of a correlation are grouped alike; counts are only lower bounds (fewer than so
many is silence, which is watched per source and not by rules); `a and not b` as the condition of a `temporal_ordered` correlation
means that b did not follow a within the timespan.
"""

from collections.abc import Iterator, Sequence

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionNOT,
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)
from sigma.rule import SigmaRule

from analytics.sigma.backend import predicate
from domain.errors import InvalidInput
from store.rule_fields import LOG_SOURCES, LogSource, field_type
from store.rule_plans import Count, InOrder, Match, Missing, Plan, Together
from store.rule_sql import LONGEST_DISTINCT

_PRODUCT = "phitrail"


def compile_plan(rule: SigmaRule | SigmaCorrelationRule, group_by: Sequence[str], numbers: Iterator[int]) -> Plan:
    """The plan of a rule whose references are resolved; `numbers` numbers its leaves, for the names of parameters.

    Raises SigmaError and InvalidInput where a part is not supported.
    """
    if isinstance(rule, SigmaRule):
        return _match(rule, tuple(group_by), numbers, counted=None)
    if tuple(rule.group_by or ()) != tuple(group_by):
        raise InvalidInput(f"the parts of a correlation are grouped alike, but '{rule.title}' is not")
    condition, span = rule.condition, rule.timespan.seconds
    match rule.type:
        case SigmaCorrelationType.EVENT_COUNT:
            return Count(of=_parts(rule, numbers), span=span, at_least=_at_least(condition))
        case SigmaCorrelationType.VALUE_COUNT if span > LONGEST_DISTINCT:
            raise InvalidInput(f"different values can be counted over at most {LONGEST_DISTINCT // 86_400} days")
        case SigmaCorrelationType.VALUE_COUNT:
            return Count(of=_parts(rule, numbers), span=span, at_least=_at_least(condition), distinct=True)
        case SigmaCorrelationType.TEMPORAL if isinstance(condition, SigmaCorrelationCondition):
            return Together(of=_parts(rule, numbers), span=span, at_least=_at_least(condition))
        case SigmaCorrelationType.TEMPORAL_ORDERED if isinstance(condition, SigmaExtendedCorrelationCondition):
            return _missing(rule, condition, numbers)
        case SigmaCorrelationType.TEMPORAL_ORDERED:
            return InOrder(of=_parts(rule, numbers), span=span)
        case other:
            raise InvalidInput(f"correlations of the type {other.name.lower()} with this condition are not supported")


def _parts(rule: SigmaCorrelationRule, numbers: Iterator[int]) -> tuple[Plan, ...]:
    counted = rule.condition.fieldref if isinstance(rule.condition, SigmaCorrelationCondition) else None
    if isinstance(counted, list):
        raise InvalidInput("a value_count counts the values of one field")
    plans: list[Plan] = []
    for reference in rule.referenced_rules:
        if isinstance(reference.rule, SigmaRule):
            plans.append(_match(reference.rule, _group_of(rule, reference), numbers, counted=counted))
        elif counted:
            raise InvalidInput("a value_count counts values in events, not in correlations")
        else:
            plans.append(_without_absence(compile_plan(reference.rule, rule.group_by or (), numbers)))
    return tuple(plans)


def _match(rule: SigmaRule, group: tuple[str, ...], numbers: Iterator[int], *, counted: str | None) -> Match:
    source = log_source(rule)
    for name in (*group, *([counted] if counted else [])):
        field_type(source, name)
    return Match(source=source, where=predicate(rule, source, f"r{next(numbers)}_"), group=group, counted=counted)


def log_source(rule: SigmaRule) -> LogSource:
    """The table that a rule reads. Raises InvalidInput for a logsource that is not ours."""
    source = LOG_SOURCES.get(rule.logsource.category or "") if rule.logsource.product == _PRODUCT else None
    if source is None:
        raise InvalidInput(f"the logsource is 'product: {_PRODUCT}' with one of the categories {', '.join(LOG_SOURCES)}")
    return source


def _group_of(rule: SigmaCorrelationRule, reference: SigmaRuleReference) -> tuple[str, ...]:
    """The fields that hold the group's values in the events of one part (Sigma's `aliases`)."""
    aliases = {
        alias.alias: field
        for alias in rule.aliases
        for part, field in alias.mapping.items()
        if part.reference == reference.reference
    }
    return tuple(aliases.get(name, name) for name in rule.group_by or ())


def _missing(rule: SigmaCorrelationRule, condition: SigmaExtendedCorrelationCondition, numbers: Iterator[int]) -> Missing:
    asked: list[str] = []
    match condition.parsed:
        case CorrelationConditionAND(args=[SigmaRuleReference(reference=came), CorrelationConditionNOT(args=[follows])]):
            asked = [came, follows.reference] if isinstance(follows, SigmaRuleReference) else []
    if asked != [reference.reference for reference in rule.referenced_rules]:
        raise InvalidInput("the condition of a temporal_ordered correlation, where it has one, is 'a and not b', its rules a and b")
    first, second = _parts(rule, numbers)
    return Missing(of=(first, second), span=rule.timespan.seconds)


def _without_absence(plan: Plan) -> Plan:
    if isinstance(plan, Missing):
        raise InvalidInput("what did not follow cannot be a part of another correlation")
    return plan


def _at_least(condition: SigmaCorrelationCondition | SigmaExtendedCorrelationCondition) -> int:
    if not isinstance(condition, SigmaCorrelationCondition) or not float(condition.count).is_integer():
        raise InvalidInput("the condition of a correlation is a whole number of events")
    match condition.op:
        case SigmaCorrelationConditionOperator.GTE:
            return int(condition.count)
        case SigmaCorrelationConditionOperator.GT:
            return int(condition.count) + 1
        case _:
            raise InvalidInput("the condition of a correlation is a lower bound: gte or gt")
