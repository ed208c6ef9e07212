"""Grouping: which findings are one incident, what the alert then says, and that batching does not matter."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.group import MOST_EVIDENCE, MOST_SENTENCES, fold, group_key, live
from alerts.kinds import KINDS, Subject, public_name, public_title
from domain.finding import Alert, AlertStatus, Finding, Severity
from store.alert_rows import Episode
from tests.alerts.builders import NINE, a_finding, at

TOGETHER = [
    ("one pair, two kinds of the same family", {}, {"kind": "self_access"}),
    ("one pair, twenty-four hours later", {}, {"hours": 24}),
    ("a finding that arrives late", {"hours": 20}, {"hours": 0}),
    ("many actors at one well-known patient", {"kind": "vip_access"}, {"kind": "vip_access", "actor": "bob"}),
    ("a crowd and one of it", {"kind": "vip_access", "actor": None}, {"kind": "vip_access"}),
    ("an account, whatever the record", {"kind": "terminated_active"}, {"kind": "terminated_active", "patient": "P-2"}),
    (
        "mail to one domain, whoever it is about",
        {"kind": "plaintext_phi", "inputs": {"to_domain": "clinic.example"}},
        {"kind": "plaintext_phi", "actor": "bob", "patient": "P-2", "inputs": {"to_domain": "Clinic.example"}},
    ),
    ("mail without a domain, by patient", {"kind": "weak_tls"}, {"kind": "weak_tls", "actor": "bob"}),
    (
        "one source that stopped",
        {"kind": "audit_stopped", "actor": "root", "patient": None, "inputs": {"source_system": "ehr"}},
        {"kind": "audit_stopped", "actor": "alice", "patient": None, "inputs": {"source_system": "ehr"}},
    ),
]

APART = [
    ("another patient", {}, {"patient": "P-2"}),
    ("another actor", {}, {"actor": "bob"}),
    ("another family", {}, {"kind": "bulk_export"}),
    ("more than twenty-four hours later", {}, {"hours": 24.01}),
    ("a kind nobody listed", {}, {"kind": "somebody's_rule"}),
    (
        "mail to two domains",
        {"kind": "plaintext_phi", "inputs": {"to_domain": "a.example"}},
        {"kind": "plaintext_phi", "inputs": {"to_domain": "b.example"}},
    ),
    (
        "two kinds of mail finding for one domain",
        {"kind": "plaintext_phi", "inputs": {"to_domain": "a.example"}},
        {"kind": "weak_tls", "inputs": {"to_domain": "a.example"}},
    ),
    (
        "two sources that stopped",
        {"kind": "audit_stopped", "inputs": {"source_system": "ehr"}},
        {"kind": "audit_stopped", "inputs": {"source_system": "lab"}},
    ),
    (
        "two rules about nobody",
        {"kind": "audit_stopped", "actor": None, "patient": None, "group": "x"},
        {"kind": "audit_stopped", "actor": None, "patient": None, "group": "y"},
    ),
    ("ids that run into each other", {"actor": "a", "patient": "b|c"}, {"actor": "a|b", "patient": "c"}),
]


def folded(*findings: Finding, onto: list[Episode] | None = None, now: datetime = NINE) -> list[Episode]:
    return fold(onto or [], findings, at=now, zone=UTC)


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in TOGETHER], ids=[case[0] for case in TOGETHER])
def test_these_are_one_incident(one: dict, other: dict) -> None:
    versions = folded(a_finding("f-1", **one), a_finding("f-2", events=(2,), **other))

    assert len({version.alert.alert_id for version in versions}) == 1
    assert set(versions[-1].alert.finding_ids) == {"f-1", "f-2"}


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in APART], ids=[case[0] for case in APART])
def test_these_are_two(one: dict, other: dict) -> None:
    versions = folded(a_finding("f-1", **one), a_finding("f-2", **other))

    assert len({version.alert.alert_id for version in versions}) == 2


def test_the_gravest_leads_and_everything_is_kept_once() -> None:
    mild = a_finding("f-1", severity=Severity.LOW, score=0.9, events=(1, 2), explanation=("A.", "B."), exculpatory=("Not alone.",))
    grave = a_finding(
        "f-2", kind="self_access", severity=Severity.HIGH, score=0.4, events=(2, 3), explanation=("C.", "A."), hours=1
    )

    alert = folded(mild, grave)[-1].alert

    assert (alert.kind, alert.rule_id, alert.title) == ("self_access", "rule.self_access", "Title of self_access")
    assert (alert.severity, alert.score) == (Severity.HIGH, 0.9)
    assert alert.explanation == ("C.", "A.", "B.")
    assert alert.exculpatory == ("Not alone.",)
    assert [place.seq for place in alert.evidence] == [1, 2, 3]
    assert alert.time == at(1)


def test_an_alert_about_several_people_names_none_of_them_as_the_one() -> None:
    alert = folded(a_finding("f-1", kind="vip_access"), a_finding("f-2", kind="vip_access", actor="bob"))[-1].alert

    assert alert.actor_id is None
    assert alert.patient_id == "P-1"


def test_the_id_is_short_fit_for_a_url_and_the_same_again() -> None:
    first, again = folded(a_finding("f-1"))[0].alert, folded(a_finding("f-1"), now=at(99))[0].alert

    assert first.alert_id == again.alert_id
    assert len(first.alert_id) == 16
    assert first.alert_id.isalnum()
    assert first.alert_id.isascii()


def test_only_the_opening_and_a_rise_in_severity_are_news() -> None:
    opened = folded(a_finding("f-1"))
    same = folded(a_finding("f-2", hours=1, events=(2,)), onto=opened)
    risen = folded(a_finding("f-3", hours=2, events=(3,), severity=Severity.CRITICAL), onto=same)
    milder = folded(a_finding("f-4", hours=3, events=(4,), severity=Severity.LOW), onto=risen)

    assert [[version.raised for version in step] for step in (opened, same, risen, milder)] == [[True], [False], [True], [False]]
    assert [step[-1].alert.version for step in (opened, same, risen, milder)] == [1, 2, 3, 4]
    assert milder[-1].alert.severity is Severity.CRITICAL
    assert milder[-1].opened == at(0)


def test_a_finding_that_is_already_in_changes_nothing() -> None:
    opened = folded(a_finding("f-1"))

    assert folded(a_finding("f-1"), onto=opened) == []


def test_an_acknowledged_alert_grows_and_stays_acknowledged() -> None:
    (opened,) = folded(a_finding("f-1"))
    acknowledged = with_status(opened, AlertStatus.ACKNOWLEDGED)

    (grown,) = folded(a_finding("f-2", hours=1, events=(2,)), onto=[acknowledged])

    assert (grown.alert.alert_id, grown.alert.version, grown.alert.status) == (opened.alert.alert_id, 3, AlertStatus.ACKNOWLEDGED)
    assert grown.alert.changed_by == "phitrail"


def test_after_a_resolution_a_new_finding_opens_a_new_alert_and_an_old_one_none() -> None:
    (opened,) = folded(a_finding("f-1"))
    resolved = with_status(opened, AlertStatus.RESOLVED)

    (new,) = folded(a_finding("f-1"), a_finding("f-2", hours=1), onto=[resolved])

    assert new.alert.alert_id != opened.alert.alert_id
    assert (new.alert.version, new.alert.finding_ids) == (1, ("f-2",))


def test_a_larger_finding_of_the_same_rule_group_and_day_takes_the_place_of_the_smaller() -> None:
    small = a_finding("f-1", events=(1, 2), explanation=("2 charts.",))
    large = a_finding("f-2", events=(1, 2, 3), explanation=("3 charts.",), hours=1)

    alert = folded(small, large)[-1].alert

    assert alert.explanation == ("3 charts.",)
    assert [place.seq for place in alert.evidence] == [1, 2, 3]
    assert alert.finding_ids == ("f-1", "f-2")


def test_a_replay_of_a_smaller_finding_after_a_larger_one_says_nothing_new() -> None:
    large = folded(a_finding("f-2", events=(1, 2, 3), explanation=("3 charts.",), hours=1))

    (grown,) = folded(a_finding("f-1", events=(1, 2), explanation=("2 charts.",)), onto=large)

    assert grown.alert.explanation == ("3 charts.",)
    assert not grown.raised


def test_findings_that_share_no_event_or_no_local_day_all_speak() -> None:
    evening, night = a_finding("f-1", hours=13.5), a_finding("f-2", hours=14.5)
    elsewhere = a_finding("f-3", events=(9,), hours=13.6)

    assert live([evening, night, elsewhere], zone=ZoneInfo("Europe/Berlin")) == [evening, elsewhere, night]
    assert live([evening, night, elsewhere], zone=UTC) == [elsewhere, night]


def test_an_alert_stays_readable_however_much_belongs_to_it() -> None:
    findings = [a_finding(f"f-{n:04}", hours=n / 1000, events=(n,), group=str(n)) for n in range(MOST_EVIDENCE + 200)]

    alert = folded(*findings)[-1].alert

    assert len(alert.evidence) == MOST_EVIDENCE
    assert len(alert.explanation) == MOST_SENTENCES
    assert alert.explanation[-1] == f"{len(findings) - MOST_SENTENCES + 1} more sentences are in the findings of this alert."
    assert len(alert.finding_ids) == len(findings)


FINDINGS = st.lists(
    st.builds(
        a_finding,
        name=st.uuids().map(str),
        kind=st.sampled_from(["self_access", "household_access", "vip_access", "bulk_export", "unlisted"]),
        hours=st.integers(0, 90),
        actor=st.sampled_from(["alice", "bob"]),
        patient=st.sampled_from(["P-1", "P-2", None]),
        severity=st.sampled_from(list(Severity)),
        score=st.floats(0, 1),
        events=st.lists(st.integers(0, 30), min_size=1, max_size=4, unique=True).map(tuple),
    ),
    max_size=12,
    unique_by=lambda finding: finding.finding_id,
)


@given(findings=FINDINGS, cut=st.integers(0, 12))
def test_how_findings_are_batched_does_not_change_what_is_raised_or_where_it_ends(findings: list[Finding], cut: int) -> None:
    """Taken at once or in two batches in time order: the same alerts, the same news, the same end."""
    ordered = sorted(findings, key=lambda finding: (finding.time, finding.finding_id))

    at_once = folded(*ordered)
    first = folded(*ordered[:cut])
    both = first + folded(*ordered[cut:], onto=list({version.alert.alert_id: version for version in first}.values()))

    assert news(at_once) == news(both)
    assert ends(at_once) == ends(both)


@given(findings=FINDINGS)
def test_every_version_holds_its_evidence_and_never_later_than_its_time(findings: list[Finding]) -> None:
    versions = folded(*findings)

    assert {name for version in versions for name in version.alert.finding_ids} == {finding.finding_id for finding in findings}
    for version in versions:
        members = {finding.finding_id: finding for finding in version.findings}
        assert set(version.alert.finding_ids) == set(members)
        assert all(finding.time <= version.alert.time for finding in version.findings)
        assert set(version.alert.evidence) == {place for finding in version.findings for place in finding.evidence}


def test_every_listed_kind_has_a_title_that_says_something() -> None:
    assert all(len(kind.title) > 10 and kind.family and kind.subject in Subject for kind in KINDS.values())


def test_an_unlisted_kind_goes_out_as_nothing_in_particular() -> None:
    assert public_name("watch_john_smith") == "other"
    assert public_title("watch_john_smith") == "Finding to review"


def test_the_key_says_family_and_subject() -> None:
    assert group_key(a_finding("f-1")) == '["record","pair","alice","P-1"]'


def with_status(episode: Episode, status: AlertStatus) -> Episode:
    changed = replace(episode.alert, version=episode.alert.version + 1, status=status, changed_by="carol")
    return replace(episode, alert=changed, raised=False)


def news(versions: list[Episode]) -> list[tuple[str, Severity, datetime, tuple[object, ...]]]:
    raised = [version.alert for version in versions if version.raised]
    return sorted((alert.alert_id, alert.severity, alert.time, tuple(alert.evidence)) for alert in raised)


def ends(versions: list[Episode]) -> dict[str, tuple[object, ...]]:
    def content(alert: Alert) -> tuple[object, ...]:
        return alert.severity, alert.score, alert.evidence, alert.explanation, alert.finding_ids, alert.kind, alert.time

    return {version.alert.alert_id: content(version.alert) for version in versions}
