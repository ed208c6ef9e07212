"""A quorum that stays away is an alert after a while, a witness that contradicts the record at once; each is raised once."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from alerts.witnessing import PATIENCE, witnessing
from domain.finding import Severity
from store.cosignatures import WitnessRound

SINCE = datetime(2026, 3, 2, 8, tzinfo=UTC)
AWAY = {"b": "it did not answer in time", "c": "it answered 500"}


def a_round(after: timedelta, *, is_met: bool = False, refused: Mapping[str, datetime] | None = None) -> WitnessRound:
    failed = {**AWAY, **dict.fromkeys(refused or {}, "it says that our history of 9 entries does not fit the 7 that it holds")}
    return WitnessRound(
        at=SINCE + after,
        size=9,
        signed=["a"],
        failed=failed,
        is_met=is_met,
        missing_since=None if is_met else SINCE,
        refused=refused or {},
    )


@pytest.mark.parametrize("after", [timedelta(0), timedelta(minutes=14), PATIENCE])
def test_a_short_outage_is_nobodys_alarm(after: timedelta) -> None:
    assert witnessing(a_round(after)) == []


def test_a_quorum_that_stays_away_is_named_with_what_each_witness_did() -> None:
    (finding,) = witnessing(a_round(PATIENCE + timedelta(seconds=1)))

    assert (finding.kind, finding.severity) == ("witness_quorum_missing", Severity.HIGH)
    assert finding.time == SINCE + PATIENCE
    assert finding.explanation == (
        "Since 2026-03-02T08:00:00.000000Z the quorum of the witness policy has not been met.",
        "The checkpoint of 9 entries was cosigned by: a.",
        "Witness b gave no cosignature: it did not answer in time.",
        "Witness c gave no cosignature: it answered 500.",
    )
    assert finding.exculpatory
    assert (finding.actor_id, finding.patient_id, list(finding.evidence)) == (None, None, [])


def test_the_same_outage_is_the_same_finding_and_the_next_another() -> None:
    one, two = (witnessing(a_round(timedelta(hours=hours)))[0] for hours in (1, 5))
    later = WitnessRound(
        at=SINCE + timedelta(days=1), size=9, signed=[], failed={}, is_met=False, missing_since=SINCE + timedelta(hours=9)
    )

    assert one == two
    assert witnessing(later)[0].finding_id != one.finding_id


def test_how_long_to_wait_can_be_set() -> None:
    assert witnessing(a_round(timedelta(minutes=2)), patience=timedelta(minutes=1))
    assert witnessing(a_round(timedelta(hours=2)), patience=timedelta(hours=3)) == []


def test_with_a_quorum_single_absences_raise_nothing() -> None:
    assert witnessing(a_round(timedelta(days=3), is_met=True)) == []


def test_a_witness_that_contradicts_the_record_is_the_gravest_finding_also_with_a_quorum() -> None:
    refusal = {"d": SINCE + timedelta(minutes=1)}

    (finding,) = witnessing(a_round(timedelta(minutes=1), is_met=True, refused=refusal))
    (again,) = witnessing(a_round(timedelta(minutes=9), is_met=True, refused=refusal))
    (anew,) = witnessing(a_round(timedelta(minutes=9), is_met=True, refused={"d": SINCE + timedelta(minutes=9)}))

    assert (finding.kind, finding.severity, finding.time) == ("witness_refused", Severity.CRITICAL, SINCE + timedelta(minutes=1))
    assert "does not fit the 7 that it holds" in finding.explanation[0]
    assert again.finding_id == finding.finding_id != anew.finding_id


def test_both_at_once_are_two_findings_and_nothing_speaks_for_the_absence() -> None:
    found = witnessing(a_round(timedelta(hours=1), refused={"b": SINCE, "d": SINCE}))

    assert [item.kind for item in found] == ["witness_refused", "witness_refused", "witness_quorum_missing"]
    assert found[-1].exculpatory == ()
    assert len({item.finding_id for item in found}) == 3
