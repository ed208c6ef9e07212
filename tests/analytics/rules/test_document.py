"""docs/rules.md is what the rule files say."""

from pathlib import Path

from analytics.sigma.document import PAGE, document
from analytics.sigma.loader import load_rules

ROOT = Path(__file__).parents[3]


def test_the_page_is_made_from_the_rules() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == document(load_rules()), "run: python -m analytics.sigma.document"


def test_the_page_says_everything_about_every_rule() -> None:
    page = document(load_rules())

    for rule in load_rules():
        for part in (
            f"## {rule.title}\n",
            rule.rule_id,
            rule.description,
            rule.runbook,
            *rule.falsepositives,
            *(case.name for case in rule.tests),
        ):
            assert part in page
