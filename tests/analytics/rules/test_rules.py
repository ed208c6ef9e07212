"""Every rule file is complete, and every rule does on the real engine what its own tests say."""

from datetime import timedelta

import pytest

from analytics.sigma.evaluate import Evaluator
from analytics.sigma.loader import load_rules
from analytics.sigma.rule import Expect, Rule, RuleTest
from domain.controls import catalogue
from store.engine import Engine
from store.rule_plans import leaves
from store.rules import Rules
from tests.analytics.rules.facts import NOON, ZONE, clear_facts, insert_facts

RULES = load_rules()
CASES = [pytest.param(rule, case, id=f"{rule.kind}-{rule.rule_id[-2:]}-{case.name}") for rule in RULES for case in rule.tests]
KINDS = [
    *("audit_stopped", "auto_forward_outside", "baa_expired", "before_leaving"),
    *("break_glass", "bulk_export", "domain_policy_broken", "dormant_account", "forward_rule_outside"),
    *("household_access", "impossible_travel", "login_burst", "mail_policy_weakened"),
    *("marketing_after_optout", "marketing_with_phi", "marketing_without_optin", "message_recalled", "misdirected_mail"),
    *("mta_sts_violated", "on_leave_active", "password_spray", "phi_in_subject", "phi_returned", "phi_without_baa"),
    *("plaintext_phi", "portal_takeover", "privilege_change", "restricted_access"),
    "secure_message_unread",
    *("self_access", "service_as_person", "shadow_destination", "shared_credential"),
    *(
        "strange_place",
        "terminated_active",
        "tls_downgrade",
        "transactional_bounced",
        "transactional_late",
        "unapproved_application",
    ),
    "unapproved_sender",
    *("untrained", "unverified_certificate", "vip_access", "weak_tls"),
]


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_rule_does_what_its_tests_say(shared_engine: Engine, rule: Rule, case: RuleTest) -> None:
    source = next(leaves(rule.plan)).source
    clear_facts(shared_engine, source)
    insert_facts(shared_engine, source, case.events)

    found = Evaluator(Rules(shared_engine), ZONE).findings(rule, NOON - timedelta(days=60), NOON + timedelta(days=60))

    assert bool(found) is (case.expect is Expect.MATCH)
    if found:
        whole = max(found, key=lambda finding: (finding.time, len(finding.evidence)))
        assert case.severity in (None, whole.severity)
        assert case.events_cited in (None, len(whole.evidence))
        assert "{" not in "".join((*whole.explanation, *whole.exculpatory))


def test_a_finding_of_a_day_does_not_open_on_the_day_before(shared_engine: Engine) -> None:
    """A crowd that lasts: evidence of the second day reaches back to the first, on which the rule was true already."""
    rule = next(rule for rule in RULES if rule.rule_id.endswith("0a0d"))
    source = next(leaves(rule.plan)).source
    clear_facts(shared_engine, source)
    looks = [
        {
            "actor_id": f"a{n}",
            "action": "view_chart",
            "patient_id": "P-3",
            "is_vip": 1,
            "time": (NOON + timedelta(hours=after)).isoformat(),
        }
        for n, after in enumerate((0, 1, 2, 24, 25))
    ]
    insert_facts(shared_engine, source, looks)
    evaluator = Evaluator(Rules(shared_engine), ZONE)

    found = evaluator.findings(rule, NOON - timedelta(days=1), NOON + timedelta(days=3))
    by_day = {day: [one for one in found if one.inputs["day"] == day] for day in ("2026-03-02", "2026-03-03")}

    assert min(one.time for one in by_day["2026-03-02"]) == NOON + timedelta(hours=2)
    assert min(one.time for one in by_day["2026-03-03"]) == NOON + timedelta(hours=24)
    clear_facts(shared_engine, source)
    insert_facts(shared_engine, source, looks[:3])
    assert evaluator.findings(rule, NOON - timedelta(days=1), NOON + timedelta(days=3)) == by_day["2026-03-02"]


def test_the_kinds_are_the_ones_that_alerts_and_labels_name() -> None:
    assert list(RULES.kinds) == KINDS


@pytest.mark.parametrize("rule", list(RULES), ids=lambda rule: f"{rule.file}:{rule.rule_id[-2:]}")
def test_rule_page_is_complete(rule: Rule) -> None:
    expected = {case.expect for case in rule.tests}

    assert expected == {Expect.MATCH, Expect.NONE}, "a rule shows both what it finds and what it passes over"
    assert set(rule.controls) <= set(catalogue())
    assert len(rule.runbook.splitlines()) >= 3
    assert all(line.lstrip()[:2].strip(".").isdigit() for line in rule.runbook.splitlines())
    assert all(text.endswith(".") for text in (*rule.falsepositives, rule.description, *(s.template for s in rule.explanation)))
    assert len({case.name for case in rule.tests}) == len(rule.tests)
    assert rule.habit is None or (rule.habit.score < rule.score and rule.habit.level.rank < rule.severity.rank)


def test_titles_are_unique() -> None:
    titles = [rule.title for rule in RULES]

    assert len(set(titles)) == len(titles)
