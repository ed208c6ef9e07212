"""What became weaker at a domain is raised once a day, names both looks, and what became better or unknown is not raised."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts.kinds import KINDS
from alerts.posture_findings import RAISED, posture_findings
from domain.controls import catalogue
from domain.finding import Finding, Severity
from store.domain_posture import LAPSED, DomainPostures, Posture
from store.engine import Engine

DAY = timedelta(days=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
GOOD = Posture(
    domain="clinic.example",
    observed_at=NOON,
    mx=("mx.clinic.example",),
    mta_sts_id="1",
    mta_sts_seen="enforce",
    mta_sts_mode="enforce",
    mta_sts_mx=("mx.clinic.example",),
    mta_sts_expires=NOON + 7 * DAY,
    dane=True,
    tls_rpt=True,
)
OWN = replace(GOOD, is_own=True, spf_all="fail", dmarc_policy="reject", dmarc_subdomain="reject", dmarc_percent=100)


def raised(engine: Engine, first: Posture, **changed: object) -> list[Finding]:
    """What is raised when a domain looks otherwise on the next day."""
    postures = DomainPostures(engine)
    second = replace(first, observed_at=NOON + DAY, **changed)  # type: ignore[arg-type]
    postures.add([first, second])
    return posture_findings(postures.changes(NOON, NOON + 2 * DAY))


@pytest.mark.parametrize(
    ("first", "changed", "kinds", "severity"),
    [
        (GOOD, {"mta_sts_seen": "none", "mta_sts_id": ""}, ["mta_sts_removed"], Severity.MEDIUM),
        (GOOD, {"mta_sts_seen": "none", "mta_sts_mode": "none", "mta_sts_id": "2"}, ["mta_sts_weakened"], Severity.MEDIUM),
        (GOOD, {"mta_sts_seen": "testing", "mta_sts_mode": "testing"}, ["mta_sts_weakened"], Severity.MEDIUM),
        (GOOD, {"mta_sts_seen": "", "mta_sts_mode": "", "problems": (LAPSED,)}, ["mta_sts_lapsed"], Severity.MEDIUM),
        (GOOD, {"mx": ("relay.example",)}, ["mx_outside_policy"], Severity.MEDIUM),
        (GOOD, {"dane": False}, ["dane_removed"], Severity.MEDIUM),
        (OWN, {"dane": False}, ["dane_removed"], Severity.HIGH),
        (OWN, {"dmarc_policy": "none", "dmarc_percent": 20}, ["dmarc_weakened", "dmarc_weakened"], Severity.HIGH),
        (OWN, {"dmarc_policy": "invalid", "dmarc_subdomain": "absent"}, ["dmarc_weakened", "dmarc_weakened"], Severity.HIGH),
        (GOOD, {"dane": None, "mta_sts_seen": "", "mx": (), "problems": ("mx: no answer in time",)}, [], Severity.LOW),
        (replace(GOOD, dane=False, mta_sts_seen="testing"), {"dane": True, "mta_sts_seen": "enforce"}, [], Severity.LOW),
        (OWN, {"dmarc_policy": "", "dmarc_percent": None}, [], Severity.LOW),
    ],
)
def test_what_is_raised(engine: Engine, first: Posture, changed: dict[str, object], kinds: list[str], severity: Severity) -> None:
    found = raised(engine, first, **changed)

    assert [finding.kind for finding in found] == kinds
    for finding in found:
        assert finding.severity is severity
        assert finding.inputs["to_domain"] == "clinic.example"
        assert "2026-03-02T12:00:00" in finding.explanation[1]
        assert "2026-03-03T12:00:00" in finding.explanation[1]
        assert finding.inputs["before"]["observed_at"][:10] == "2026-03-02"  # type: ignore[call-overload, index]
        assert finding.inputs["after"]["observed_at"][:10] == "2026-03-03"  # type: ignore[call-overload, index]
        assert set(finding.controls) <= set(catalogue())
        assert finding.exculpatory


def test_a_policy_that_was_taken_back_is_told_with_how_long_it_still_holds(engine: Engine) -> None:
    (finding,) = raised(engine, GOOD, mta_sts_seen="none", mta_sts_id="")

    assert "stays in force until 2026-03-09" in finding.explanation[-1]


def test_the_same_day_is_the_same_finding_and_another_day_another(engine: Engine) -> None:
    postures = DomainPostures(engine)
    flapping = [replace(GOOD, observed_at=NOON + timedelta(hours=hours), dane=hours % 2 == 0) for hours in range(6)]
    postures.add([*flapping, replace(GOOD, observed_at=NOON + DAY), replace(GOOD, observed_at=NOON + 2 * DAY, dane=False)])

    found = posture_findings(postures.changes(NOON, NOON + 3 * DAY))

    assert [finding.kind for finding in found] == ["dane_removed"] * 4
    assert len({finding.finding_id for finding in found}) == 2


def test_every_kind_has_a_public_name() -> None:
    assert set(RAISED) <= set(KINDS)
