"""Rule files: what is not right in every part stops the start, with file and rule named."""

from pathlib import Path

import pytest

from analytics.sigma.loader import load_rules, read_rules
from domain.errors import ConfigError
from store.rule_plans import Count, InOrder, Match, Missing, leaves, reach

GOOD = """
title: A rule
id: 11111111-2222-4333-8444-555555555555
description: What it is.
tags: [hipaa.164.312_b]
logsource: {product: phitrail, category: phi_access}
detection: {selection: {action: export}, condition: selection}
level: high
falsepositives: [None known.]
runbook: |
  1. Look.
phitrail: {kind: some_kind, version: "1.0", score: 0.5, group_by: [actor_id], explanation: ["{count} by {actor_id}."]}
"""

PARTS = """
title: One
name: one
logsource: {product: phitrail, category: phi_access}
detection: {selection: {action: a}, condition: selection}
---
title: Other
name: other
logsource: {product: phitrail, category: mail_delivery}
detection: {selection: {action: b}, condition: selection}
---
title: Both
id: 11111111-2222-4333-8444-555555555555
description: What it is.
tags: [hipaa.164.312_b]
correlation:
  type: temporal_ordered
  rules: [one, other]
  group-by: [who]
  aliases: {who: {one: actor_id, other: patient_id}}
  timespan: 5m
level: low
falsepositives: [None known.]
runbook: 1. Look.
phitrail: {kind: some_kind, version: "1.0", score: 0.5, explanation: ["{count}."]}
"""


def test_a_rule_is_read_whole() -> None:
    (rule,) = read_rules(GOOD, "good.yml")

    assert (rule.rule_id, rule.version, rule.kind, rule.score) == ("11111111-2222-4333-8444-555555555555", "1.0", "some_kind", 0.5)
    assert rule.controls == ("164.312(b)",)
    assert rule.runbook == "1. Look."
    assert isinstance(rule.plan, Match)
    assert rule.plan.where.parameters == {"r0_0": "export"}


def test_a_correlation_over_two_log_sources_is_grouped_by_aliases() -> None:
    (rule,) = read_rules(PARTS, "parts.yml")

    assert isinstance(rule.plan, InOrder)
    assert [(leaf.source.table, leaf.group) for leaf in leaves(rule.plan)] == [
        ("access_facts", ("actor_id",)),
        ("delivery_facts", ("patient_id",)),
    ]
    assert rule.group_by == ("who",)
    assert reach(rule.plan) == 300


def test_correlations_that_ship_are_what_they_say() -> None:
    plans = {(rule.file, type(rule.plan)): rule.plan for rule in load_rules()}

    burst = plans["login_burst.yml", InOrder]
    assert isinstance(burst, InOrder)
    assert isinstance(burst.of[0], Count)
    assert (burst.span, burst.of[0].span, burst.of[0].at_least, reach(burst)) == (600, 900, 10, 1500)
    assert ("audit_stopped.yml", Missing) in plans
    assert ("break_glass.yml", Missing) in plans


BAD = {
    "no YAML": (GOOD.replace("level: high", "level: [high"), "no Sigma rule file"),
    "no Sigma": (GOOD.replace("level: high", "level: splendid"), "no Sigma rule file"),
    "a reference to nothing": (PARTS.replace("rules: [one, other]", "rules: [one, nobody]"), "no Sigma rule file"),
    "no conduct": (GOOD[: GOOD.index("phitrail:")], "no key 'phitrail'"),
    "a misspelled key": (GOOD.replace("group_by:", "groupby:"), "groupby"),
    "no runbook": (GOOD.replace("runbook: |\n  1. Look.\n", ""), "runbook"),
    "no false positives": (GOOD.replace("falsepositives: [None known.]\n", ""), "false positives"),
    "no id": (GOOD.replace("id: 11111111-2222-4333-8444-555555555555\n", ""), "an id"),
    "no control": (GOOD.replace("tags: [hipaa.164.312_b]\n", ""), "at least one control"),
    "an unknown control": (GOOD.replace("164.312_b", "164.312_z"), "not in the catalogue"),
    "no group": (GOOD.replace("group_by: [actor_id], ", ""), "at least one field"),
    "a score beyond one": (GOOD.replace("score: 0.5", "score: 1.5"), "score"),
    "an unknown field": (GOOD.replace("{action: export}", "{no_such_field: x}"), "no_such_field"),
    "an unknown field in a sentence": (GOOD.replace("by {actor_id}.", "by {nobody}."), "speaks of 'nobody'"),
    "a sentence that cannot be read": (GOOD.replace("by {actor_id}.", "by {actor_id."), "cannot be read"),
    "a sentence that asks too much": (GOOD.replace("by {actor_id}.", "by {actor_id:median}."), "placeholder"),
    "a log source that is not ours": (GOOD.replace("product: phitrail", "product: windows"), "logsource"),
    "keywords": (GOOD.replace("{selection: {action: export},", "{selection: [export],"), "without a field"),
    "a habit that is none": (GOOD.replace("score: 0.5,", "score: 0.5, habit: {of: any},"), "habit"),
    "a group given twice": (PARTS.replace('version: "1.0", score', 'version: "1.0", group_by: [actor_id], score'), "group-by"),
    "an upper bound": (
        PARTS.replace("type: temporal_ordered", "type: event_count\n  condition: {lt: 3}"),
        "lower bound",
    ),
    "an odd condition": (PARTS.replace("timespan: 5m", "timespan: 5m\n  condition: one or other"), "'a and not b'"),
    "the order of a and b": (PARTS.replace("timespan: 5m", "timespan: 5m\n  condition: other and not one"), "'a and not b'"),
    "a type that is not supported": (
        PARTS.replace("type: temporal_ordered", "type: value_sum\n  condition: {gte: 3, field: records}"),
        "not supported",
    ),
    "too long a span for different values": (
        PARTS.replace("type: temporal_ordered", "type: value_count\n  condition: {gte: 3, field: patient_id}").replace("5m", "40d"),
        "at most 24 days",
    ),
}


@pytest.mark.parametrize(("text", "says"), BAD.values(), ids=BAD.keys())
def test_what_is_not_right_is_named(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_rules(text, "bad.yml")

    assert "bad.yml" in str(caught.value)
    assert says in str(caught.value)


def test_ids_are_unique_across_files(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(GOOD)
    (tmp_path / "b.yml").write_text(GOOD.replace("A rule", "Another"))
    (tmp_path / "notes.txt").write_text("not read")

    with pytest.raises(ConfigError, match=r"b.yml: 'Another' has the id of another rule, 'A rule'"):
        load_rules(tmp_path)


def test_parts_of_a_correlation_are_grouped_alike() -> None:
    counted = "type: event_count, rules: [one], group-by: [ip], timespan: 1m, condition: {gte: 3}"
    burst = f"title: Burst\nname: burst\ncorrelation: {{{counted}}}"
    nested = PARTS.replace("rules: [one, other]", "rules: [burst, other]").replace("title: Both", f"{burst}\n---\ntitle: Both")

    with pytest.raises(ConfigError, match="grouped alike"):
        read_rules(nested, "nested.yml")
