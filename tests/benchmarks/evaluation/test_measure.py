"""The figures, on examples that can be counted by hand."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from benchmarks.evaluation.cases import Case, cases
from benchmarks.evaluation.hospital.truth import Incident
from benchmarks.evaluation.measure import (
    Workload,
    at_budget,
    average_precision,
    delays,
    explained_share,
    median_delay,
    places_a_day,
    replay_differences,
    triples_of,
    true_cases_a_day,
    workload,
)

CHICAGO = ZoneInfo("America/Chicago")
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


def incident(number: int, *events: str, scenario: str = "self_access", nature: str = "rule", **more: bool) -> Incident:
    return Incident(
        incident_id=f"I{number}", scenario=scenario, nature=nature, targeted=more.get("targeted", True), known=True,
        actors=["alice"], patient_ids=["P1"], event_ids=events, first="2026-03-02T09:00:00-06:00", last="2026-03-02T09:05:00-06:00",
        whole_account=more.get("whole_account", False),
    )  # fmt: skip


def alert(
    number: int, time: str, *events: str, actor: str | None = "alice", patient: str | None = "P1", score: float = 0.5
) -> dict[str, object]:
    return {
        "alert_id": f"a{number}", "time": time, "score": score, "severity": "medium", "kind": "self_access", "actor": actor,
        "patient_id": patient, "event_ids": list(events), "explanation": [], "exculpatory": [],
    }  # fmt: skip


def case(day: date, subject: str, score: float, *incidents: str, real: float = 1.0) -> Case:
    return Case(day=day, subject=subject, score=score, incidents=frozenset(incidents), real=real)


def test_a_case_is_all_alerts_about_one_actor_on_one_local_day() -> None:
    found = cases(
        [
            alert(1, "2026-03-02T20:00:00Z", "e1"),
            alert(2, "2026-03-03T05:30:00Z", "e2", score=0.9),  # still Monday in Chicago
            alert(3, "2026-03-03T20:00:00Z", "e3"),
            alert(4, "2026-03-02T20:00:00Z", "e4", actor=None),
            alert(5, "2026-03-02T21:00:00Z", "e5", actor=None),
            alert(6, "2026-03-02T21:00:00Z", "e6", actor=None, patient=None),
        ],
        [incident(1, "e1", "e9"), incident(2, "e5")],
        CHICAGO,
    )

    assert [(c.day, c.subject, c.score, sorted(c.incidents), c.real) for c in found] == [
        (MONDAY, "alice", 0.9, ["I1"], 0.5),
        (MONDAY, "P1", 0.5, ["I2"], 0.5),
        (MONDAY, "a6", 0.5, [], 0.0),
        (TUESDAY, "alice", 0.5, [], 0.0),
    ]


@pytest.mark.parametrize(("staff", "places"), [(800, 10), (400, 5), (1500, 19), (60, 1), (10, 1)])
def test_ten_cases_a_day_for_800_staff(staff: int, places: int) -> None:
    assert places_a_day(staff) == places


def test_only_the_best_of_each_day_are_looked_at() -> None:
    incidents = [incident(1, "e1"), incident(2, "e2", scenario="browsing"), incident(3, "e3", scenario="browsing")]
    found = [
        case(MONDAY, "a", 0.9),
        case(MONDAY, "b", 0.8, "I1", real=0.2),
        case(MONDAY, "c", 0.7, "I2"),
        case(TUESDAY, "d", 0.1, "I3"),
    ]

    budget = at_budget(found, incidents, places=2, days=2, true_cases={MONDAY: 3, TUESDAY: 1})

    assert budget.by_scenario == {"browsing": (1, 2), "self_access": (1, 1)}
    assert budget.recall == pytest.approx(2 / 3)
    assert budget.precision == pytest.approx(2 / 3)  # a, b and d are shown
    assert budget.strict == pytest.approx(1 / 3)  # of what b cites too little is real
    assert budget.ceiling == pytest.approx(3 / 4)  # two of Monday's three, one of Tuesday, in four places
    assert budget.missed == ["I2"]


def test_a_larger_budget_finds_no_less() -> None:
    incidents = [incident(n, f"e{n}") for n in range(6)]
    found = [case(MONDAY, f"s{n}", 1 - n / 10, *([f"I{n // 2}"] if n % 2 else [])) for n in range(10)]

    recalls = [at_budget(found, incidents, places=n, days=1, true_cases={}).recall for n in range(1, 11)]

    assert recalls == sorted(recalls)
    assert recalls[-1] == pytest.approx(5 / 6)


def test_workload_counts_the_cases_until_enough_is_found() -> None:
    incidents = [incident(n, f"e{n}") for n in range(5)]
    found = [
        case(MONDAY, "a", 0.9, "I0"),
        case(MONDAY, "b", 0.8),
        case(TUESDAY, "c", 0.7, "I1", "I2"),
        case(TUESDAY, "d", 0.6, "I2"),
        case(TUESDAY, "e", 0.5, "I3"),
        case(TUESDAY, "f", 0.4),
    ]

    assert workload(found, incidents, 0.8, staff=800, days=2) == Workload(cases_a_day=2.5, precision=0.8)
    assert workload(found, incidents, 0.8, staff=400, days=2) == Workload(cases_a_day=5.0, precision=0.8)
    assert workload(found, incidents, 0.6, staff=800, days=1) == Workload(cases_a_day=3.0, precision=2 / 3)
    assert workload(found, incidents, 0.9, staff=800, days=2) is None


def events(*rows: tuple[str, str, str | None, str]) -> pl.DataFrame:
    """(event id, actor, patient, incident), all accesses on Monday."""
    return pl.DataFrame(
        {
            "event_id": [row[0] for row in rows],
            "source": ["access"] * len(rows),
            "action": ["view_chart"] * len(rows),
            "actor": [row[1] for row in rows],
            "kind": ["staff"] * len(rows),
            "patient": [row[2] for row in rows],
            "domain": [None] * len(rows),
            "day": [MONDAY] * len(rows),
            "incident": [row[3] for row in rows],
        },
        schema_overrides={"patient": pl.String, "domain": pl.String},
    )


def scores(*rows: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame([{"actor": a, "object": o, "day": MONDAY, "score": s} for a, o, s in rows])


def test_average_precision_over_triples() -> None:
    triples = triples_of(
        events(
            ("e1", "a", "P1", "I1"), ("e2", "a", "P1", ""), ("e3", "b", "P2", ""), ("e4", "c", "P3", "I2"), ("e5", "d", None, "")
        ),
        [incident(1, "e1"), incident(2, "e4")],
    )

    assert triples.height == 3
    right = scores(("a", "P1", 0.9), ("b", "P2", 0.5), ("c", "P3", 0.4), ("z", "P9", 1.0))
    assert average_precision(right, triples) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert average_precision(scores(("b", "P2", 0.5), ("c", "P3", 0.4)), triples) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_triples_leave_out_what_is_neither_right_nor_wrong() -> None:
    seen = events(("e1", "a", "P1", "I1"), ("e2", "b", "P2", "I2"), ("e3", "c", "P3", "I3"), ("e4", "d", "P4", ""))
    incidents = [incident(1, "e1", whole_account=True), incident(2, "e2", targeted=False), incident(3, "e3")]

    assert triples_of(seen, incidents)["actor"].to_list() == ["b", "c", "d"]
    assert triples_of(seen, incidents, targeted=True)["actor"].to_list() == ["c", "d"]


def test_delay_runs_from_the_first_event_to_the_first_alert_that_cites_one() -> None:
    incidents = [
        incident(1, "e1", "e2"),
        incident(2, "e3", nature="behaviour"),
        incident(3, "e4", nature="behaviour"),
        incident(4, "e5"),
    ]
    found = delays(
        [
            alert(1, "2026-03-02T16:00:00Z", "e2"),
            alert(2, "2026-03-02T15:10:00Z", "e1", "x"),
            alert(3, "2026-03-03T06:00:00Z", "e3"),
            alert(4, "2026-03-03T08:00:00Z", "e4"),
        ],
        incidents,
    )

    assert found == {"I1": 600.0, "I2": 15 * 3600.0, "I3": 17 * 3600.0}
    assert median_delay(found, incidents, "rule") == 600.0
    assert median_delay(found, incidents, "behaviour") == 16 * 3600.0
    assert median_delay({}, incidents, "rule") is None


def test_the_explained_share_is_of_ordinary_accesses() -> None:
    seen = events(
        ("e1", "a", "P1", ""), ("e2", "a", "P2", ""), ("e3", "a", "P3", "I1"), ("e4", "a", None, ""), ("e5", "a", "P4", "")
    )
    known = pl.DataFrame({"event_id": ["e1", "e2", "e3"], "explained": [1, 0, 1]})

    assert explained_share(seen, known) == pytest.approx(1 / 3)


def test_a_perfect_detector_raises_one_case_for_each_person_and_day() -> None:
    assert true_cases_a_day(events(("e1", "a", "P1", "I1"), ("e2", "a", "P2", "I1"), ("e3", "b", "P3", "I2"))) == {MONDAY: 2}


@pytest.mark.parametrize(
    ("part", "different"),
    [
        ([alert(1, "2026-03-02T16:00:00Z", "e1", "e2")], []),
        ([alert(1, "2026-03-02T16:00:00Z", "e2", "e1")], []),
        ([alert(1, "2026-03-02T16:00:00Z", "e1")], ["a1"]),
        ([alert(1, "2026-03-02T16:00:00Z", "e1", "e2", score=0.6)], ["a1"]),
        ([], ["a1"]),
        ([alert(1, "2026-03-02T16:00:00Z", "e1", "e2"), alert(2, "2026-03-02T16:00:00Z", "e1")], ["a2"]),
    ],
)
def test_a_replay_is_honest_when_the_alerts_are_the_same(part: Sequence[dict[str, object]], different: list[str]) -> None:
    assert replay_differences([alert(1, "2026-03-02T16:00:00Z", "e1", "e2")], part) == different


def test_moments_are_read_as_instants() -> None:
    assert datetime.fromisoformat(incident(1).first) == datetime(2026, 3, 2, 15, tzinfo=UTC)
