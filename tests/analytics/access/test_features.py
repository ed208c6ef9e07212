"""What a day's facts say of a pair: strangers, rare actions, company in the chart, boards, unrecorded work."""

from datetime import date, timedelta

import polars as pl

from analytics.detectors.ranking.features import History, pair_features
from analytics.detectors.ranking.risk import FLOOR
from store.scores import Scores
from tests.analytics.access.clinic import TUESDAY, Clinic, Look

DAY = timedelta(days=1)
TODAY = date(2026, 3, 12)
NOON = TUESDAY + 9 * DAY


def features(clinic: Clinic, *looks: Look) -> dict[tuple[str, str], dict[str, float]]:
    """The features of today's pairs, by actor and patient."""
    clinic.happen(*looks)
    clinic.enrich()
    accesses = clinic.accesses
    found = pair_features(
        accesses.of_day(TODAY),
        History(
            pairs=accesses.pair_history(TODAY, TODAY - 28 * DAY, TODAY - DAY),
            company=accesses.company(TODAY - 28 * DAY, TODAY - 2 * DAY, TODAY),
            actor_days=accesses.actor_days(TODAY - 28 * DAY, TODAY),
            actions=accesses.actor_actions(TODAY - 28 * DAY, TODAY - DAY),
        ),
    )
    names = [name for name in found.columns if name.startswith("x_")]
    return {(row["actor_id"], row["patient_id"]): {name[2:]: row[name] for name in names} for row in found.iter_rows(named=True)}


def test_a_chart_nobody_around_knows_is_foreign(clinic: Clinic) -> None:
    seen = features(clinic, Look(actor="mallory", patient="P-1", time=NOON))["mallory", "P-1"]

    assert (seen["foreign"], seen["no_care"], seen["acquainted"]) == (1.0, 1.0, 0.0)


def test_colleagues_of_the_last_weeks_make_it_less_foreign(clinic: Clinic) -> None:
    seen = features(
        clinic,
        Look(actor="alice", patient="P-1", time=NOON - 9 * DAY),
        Look(actor="mallory", patient="P-1", time=NOON - 9 * DAY),
        Look(actor="bob", patient="P-1", time=NOON),
    )["bob", "P-1"]

    assert (seen["foreign"], seen["acquainted"], seen["colleagues"]) == (0.2, 0.5, 0.0)


def test_somebody_with_a_reason_means_that_the_patient_is_in_care(clinic: Clinic) -> None:
    clinic.load(orders=[{"order_id": "O-1", "patient_id": "P-1", "ordering_id": "S2", "placed_at": (NOON - DAY).isoformat()}])

    seen = features(clinic, Look(actor="bob", patient="P-1", time=NOON - DAY), Look(actor="mallory", patient="P-1", time=NOON))[
        "mallory", "P-1"
    ]

    assert (seen["foreign"], seen["no_care"]) == (0.3, 0.0)


def test_an_action_the_role_hardly_takes(clinic: Clinic) -> None:
    """The actor's own habit is no excuse: what counts is what others of the role do."""
    others = [Look(actor="alice", patient="P-2", time=NOON - (1 + n % 8) * DAY, action="view_chart") for n in range(600)]
    own = [Look(actor="mallory", patient="P-3", time=NOON - (1 + n % 8) * DAY, action="print") for n in range(50)]

    seen = features(
        clinic,
        *others,
        *own,
        Look(actor="mallory", patient="P-1", time=NOON, action="print"),
        Look(actor="mallory", patient="P-2", time=NOON, action="view_chart"),
    )

    assert seen["mallory", "P-1"]["odd_action"] == 1.0
    assert seen["mallory", "P-2"]["odd_action"] == 0.0


def test_too_few_accesses_of_a_role_call_nothing_rare(clinic: Clinic) -> None:
    seen = features(
        clinic,
        *[Look(actor="alice", patient="P-2", time=NOON - (1 + n % 8) * DAY) for n in range(50)],
        Look(actor="mallory", patient="P-1", time=NOON, action="print"),
    )

    assert seen["mallory", "P-1"]["odd_action"] == 0.0


def test_a_crowd_comes_from_several_departments(clinic: Clinic) -> None:
    seen = features(
        clinic,
        *[Look(actor=actor, patient="P-1", time=NOON) for actor in ("bob", "carol", "mallory")],
        *[Look(actor=actor, patient="P-3", time=NOON) for actor in ("alice",)],
    )

    assert seen["mallory", "P-1"]["crowd"] == 0.5
    assert seen["alice", "P-3"]["crowd"] == 0.0


def test_a_board_goes_through_several_charts_together(clinic: Clinic) -> None:
    board = ("bob", "carol", "mallory")
    seen = features(clinic, *[Look(actor=actor, patient=patient, time=NOON) for actor in board for patient in ("P-1", "P-2")])

    assert seen["mallory", "P-1"]["conference"] == 1.0
    assert seen["mallory", "P-1"]["crowd"] == 0.0


def test_who_writes_in_charts_is_at_work(clinic: Clinic) -> None:
    seen = features(
        clinic,
        *[Look(actor="mallory", patient=patient, time=NOON, action="edit_vitals") for patient in ("P-1", "P-2")],
        Look(actor="mallory", patient="P-3", time=NOON),
        Look(actor="mallory", patient="P-4", time=NOON, action="print"),
        Look(actor="carol", patient="P-1", time=NOON, action="edit_billing"),
        Look(actor="carol", patient="P-3", time=NOON),
    )

    assert seen["mallory", "P-3"]["at_work"] == 1.0
    assert seen["mallory", "P-4"]["at_work"] == 0.0, "what is taken away is no care"
    assert seen["carol", "P-3"]["at_work"] == 0.0, "one chart is no ward"


def test_risks_are_the_sums_of_the_scores_above_the_floor(clinic: Clinic) -> None:
    scores, now = Scores(clinic.engine), NOON
    vectors = pl.DataFrame(
        {
            "day": [TODAY - DAY] * 3 + [TODAY],
            "actor_id": ["a", "a", "b", "a"],
            "object_id": ["P-1", "P-2", "P-1", "P-1"],
            "x_one": [1.0, 1.0, 0.0, 1.0],
            "x_two": [0.5, 0.0, 0.0, 0.0],
        }
    )
    scores.add_vectors(vectors, features="f/1", names=("x_one", "x_two"), computed_at=now)

    found = scores.risks(TODAY - DAY, TODAY - DAY, features="f/1", weights=[4.0, 2.0], bias=-4.0, floor=FLOOR)

    assert found.select("day", "actor_id").rows() == [(TODAY - DAY, "a")]
    assert abs(found["risk"][0] - (0.5 + 1 / (1 + 2.718281828459045**-1))) < 1e-9
    assert scores.risks(TODAY, TODAY, features="f/2", weights=[4.0, 2.0], bias=0.0, floor=FLOOR).is_empty()
