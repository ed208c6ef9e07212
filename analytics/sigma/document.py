"""Writes docs/rules.md from the rule files: `python -m analytics.sigma.document [FILE]`. A test keeps the two the same."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from analytics.sigma.loader import RuleSet, load_rules
from analytics.sigma.rule import Expect, Habit, Of, Rule
from domain.controls import catalogue
from store.rule_fields import LOG_SOURCES, FieldType

PAGE = Path("docs/rules.md")

_OPENING = """\
# Rules

This page is made from `analytics/rules/*.yml` by `python -m analytics.sigma.document`.
A rule file is Sigma, with three keys of our own: `runbook`, `phitrail` (how hits become findings) and `tests`.
Every test below is run on the real engine by `make test`.

A finding is about one rule, one group (the fields after "gathered by") and one local day; more events make it larger.
"Weighs less" names what an account, mailbox or domain has done before: it lowers severity and score and never hides a finding.
Spans include their ends: exactly 15 minutes apart is within 15 minutes.
"""


def document(rules: RuleSet) -> str:
    """The whole page, ending in a newline."""
    pages = (line for rule in rules for line in _page(rule))
    return "\n".join([_OPENING, *_overview(rules), *_coverage(rules), *_fields(), *pages]).rstrip() + "\n"


def _overview(rules: Iterable[Rule]) -> Iterator[str]:
    yield "| kind | rule | severity | controls |"
    yield "| --- | --- | --- | --- |"
    for rule in rules:
        yield f"| `{rule.kind}` | [{rule.title}](#{_anchor(rule)}) | {rule.severity.value} | {', '.join(rule.controls)} |"
    yield ""


def _coverage(rules: RuleSet) -> Iterator[str]:
    yield "## Controls with rules"
    yield ""
    yield "Citations are to 45 CFR. A control that is not here is served by something else than a rule, or not by phitrail."
    yield ""
    for citation, control in catalogue().items():
        kinds = sorted({rule.kind for rule in rules if citation in rule.controls})
        if kinds:
            yield f"- {citation} {control.title}: {', '.join(f'`{kind}`' for kind in kinds)}"
    yield ""


def _fields() -> Iterator[str]:
    yield "## Fields"
    yield ""
    yield "What a rule may ask of each `category` of `logsource: {product: phitrail}`. Any other name is refused when it is read."
    yield ""
    for source in LOG_SOURCES.values():
        by_type: dict[FieldType, list[str]] = {}
        for name, kind in source.fields.items():
            by_type.setdefault(kind, []).append(f"`{name}`")
        details = " Values inside the event's details are fields too, as in `details.tls.version`." if source.has_details else ""
        yield (
            f"- `{source.category}`: "
            + "; ".join(f"{kind.value}: {', '.join(names)}" for kind, names in by_type.items())
            + f".{details}"
        )
    yield ""


def _page(rule: Rule) -> Iterator[str]:
    yield f"## {rule.title}"
    yield ""
    yield f"`{rule.kind}`, version {rule.version}, severity {rule.severity.value}, score {rule.score:g}."
    yield f"File `{rule.file}`, id `{rule.rule_id}`."
    yield f"Controls: {', '.join(f'{citation} ({catalogue()[citation].title})' for citation in rule.controls)}."
    yield f"Findings are gathered by {', '.join(f'`{name}`' for name in rule.group_by)}."
    yield ""
    yield rule.description
    yield ""
    if rule.habit:
        yield f"Weighs less (severity {rule.habit.level.value}, score {rule.habit.score:g}) {_habit(rule, rule.habit)}."
        yield ""
    yield "```yaml"
    yield rule.logic
    yield "```"
    yield ""
    yield "What else can cause it:"
    yield ""
    yield from (f"- {cause}" for cause in rule.falsepositives)
    yield ""
    yield "What to do:"
    yield ""
    yield rule.runbook
    yield ""
    for expect, words in ((Expect.MATCH, "Finds"), (Expect.NONE, "Passes over")):
        yield f"{words}: {'; '.join(case.name for case in rule.tests if case.expect is expect)}."
        yield ""


def _habit(rule: Rule, habit: Habit) -> str:
    what = "an event that the rule cites" if habit.of is Of.MATCH else "any event of its log source"
    same = ", ".join(f"`{name}`" for name in (*rule.group_by, *habit.fields))
    return f"where {what} with the same {same} was seen on at least {habit.days} of the last {habit.lookback.days} days"


def _anchor(rule: Rule) -> str:
    kept = "".join(sign for sign in rule.title.lower() if sign.isalnum() or sign in " -")
    return kept.replace(" ", "-")


if __name__ == "__main__":
    page = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    page.write_text(document(load_rules()), encoding="utf-8")
