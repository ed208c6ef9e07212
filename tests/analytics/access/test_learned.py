"""Learned reasons: usual for a department, weak until people approve them, and nothing of a day is learned from itself or later."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from analytics.relationships.learned import Bar, collaborations, in_care, learned_reasons, mined, reason_id
from analytics.relationships.policy import has_reason
from analytics.weak_reasons import WeakReasons
from domain.event import AuditEvent
from domain.organisation import Organisation
from store.access import Accesses
from store.learned_reasons import Decision, LearnedReasonBook, LearnedReasons
from tests.analytics.access.clinic import TUESDAY, Clinic, Look

DAY = timedelta(days=1)
MONDAY = date(2026, 3, 2)
LABORATORY = reason_id("Laboratory", "visit", "Emergency")


def days(charts: list[int], *, of: int = 20, people: int = 4, first: date = MONDAY) -> pl.DataFrame:
    """A laboratory that opened so many of `of` charts of visitors of the emergency department on each day."""
    rows = []
    for number, count in enumerate(charts):
        day = first + number * DAY
        rows.append((day, "Laboratory", "visit", "Emergency", [f"lab{n}" for n in range(people)], count))
        rows.append((day, "", "visit", "Emergency", ["somebody"], of))
    schema = ["day", "department", "care", "place", "actors", "charts"]
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_what_is_usual_is_learned_and_what_is_rare_is_not() -> None:
    window = (MONDAY, MONDAY + 4 * DAY)

    (usual,) = mined(days([4] * 5), window).to_dicts()
    assert (usual["reason_id"], usual["people"], usual["charts"], usual["of_charts"], usual["days"]) == (LABORATORY, 4, 20, 100, 5)
    for rare in (days([1] * 5), days([8] * 2), days([4] * 5, people=2), days([2] * 5, of=60)):
        assert mined(rare, window).is_empty()
    own = days([9] * 5).with_columns(
        department=pl.when(pl.col("department") != "").then(pl.lit("Emergency")).otherwise("department")
    )
    assert mined(own, window).is_empty()


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12), st.integers(0, 11))
def test_nothing_outside_the_window_teaches(charts: list[int], length: int) -> None:
    window = (MONDAY, MONDAY + length * DAY)

    assert mined(days(charts), window, Bar(days=1)).equals(mined(days(charts[: length + 1]), window, Bar(days=1)))


def test_a_sentence_says_that_it_was_learned_and_whether_people_approved() -> None:
    accesses = pl.DataFrame({"row": [0, 1], "department": ["Laboratory", "Pharmacy"]}, schema_overrides={"row": pl.UInt32})
    care = pl.DataFrame({"row": [0, 1], "care": ["visit"] * 2, "place": ["Emergency"] * 2}, schema_overrides={"row": pl.UInt32})
    learned = mined(days([4] * 5), (MONDAY, MONDAY + 4 * DAY))

    (weak,) = learned_reasons(accesses, care, learned, []).to_dicts()
    (strong,) = learned_reasons(accesses, care, learned, [LABORATORY]).to_dicts()

    usual = "People of Laboratory usually open charts of patients who visit Emergency, or lately did"
    assert weak == {"row": 0, "reasons": [f"{usual} (learned from 5 days; not yet approved)"], "reason_kinds": ["learned"]}
    assert strong["reasons"] == [f"{usual} (learned from 5 days; approved)"]
    facts = pl.DataFrame({"explained": [1, 1, 1, 0], "reason_kinds": [["learned"], ["learned_approved"], ["visit", "learned"], []]})
    assert facts.select(has_reason())["explained"].to_list() == [False, True, True, False]


def test_care_counts_as_it_was_known_and_for_two_weeks_after() -> None:
    at = datetime(2026, 3, 20, tzinfo=UTC)
    accesses = pl.DataFrame(
        {"row": [0], "time": [at], "known_at": [at], "patient_id": ["P-1"], "actor_id": ["lab"], "department": ["Laboratory"]}
    )
    tie = {
        "patient_id": "P-1", "link": "stay", "subject_kind": "unit", "subject": "3N", "valid_from": at - 30 * DAY,
        "known_from": at - 30 * DAY, "known_until": at + DAY,
    }  # fmt: skip

    def places(**change: object) -> list[str]:
        row = {**tie, "valid_to": at - 13 * DAY, **change}
        return in_care(accesses, pl.DataFrame([row]), {"3N": "Medicine"})["place"].to_list()

    assert places() == ["Medicine"]
    assert places(valid_to=at - 15 * DAY) == []
    assert places(known_from=at + timedelta(hours=1)) == []
    counted = collaborations(accesses, in_care(accesses, pl.DataFrame([{**tie, "valid_to": at}]), {"3N": "Medicine"}))
    assert counted.select("department", "place", "charts").rows() == [("", "Medicine", 1), ("Laboratory", "Medicine", 1)]


def test_a_day_is_explained_by_what_was_learned_and_approved_before_it(clinic: Clinic) -> None:
    clinic.load(
        encounters=[
            {
                "encounter_id": "E-1", "patient_id": patient, "department": "Emergency", "admitted_at": "2026-03-01",
                "discharged_at": "2026-03-02", "recorded_at": "2026-03-01",
            }
            for patient in ("P-1",)
        ]
    )  # fmt: skip
    org: Organisation = clinic.context.org()
    day = TUESDAY.date()
    end = org.midnight(day + DAY)
    store = LearnedReasons(clinic.engine)
    usual = days([4] * 6, first=day - 6 * DAY).with_columns(pl.col("department").str.replace("Laboratory", "Surgery"))
    for (one,), rows in usual.group_by("day"):
        assert isinstance(one, date)
        store.add_day(one, rows.drop("day"), TUESDAY)
    told: list[AuditEvent] = []
    book = LearnedReasonBook(clinic.engine, told.extend)
    clinic.ask(
        Look(actor="mallory", patient="P-1"),
        Look(actor="mallory", patient="P-1", action="print"),
        Look(actor="carol", patient="P-1"),
    )

    def run() -> dict[tuple[str, str], list[str]]:
        WeakReasons(clinic.engine, clock=lambda: TUESDAY).run(day, end, org)
        facts = Accesses(clinic.engine).of_day(day)
        return {(row["actor_id"], row["action"]): row["reason_kinds"] for row in facts.to_dicts()}

    assert run() == {("mallory", "view_chart"): ["learned"], ("mallory", "print"): [], ("carol", "view_chart"): []}
    assert Accesses(clinic.engine).actor_days(day, day).filter(pl.col("actor_id") == "mallory")["unexplained"].to_list() == [1]
    reason = reason_id("Surgery", "visit", "Emergency")
    book.decide(reason, Decision.APPROVED, by="owen", note="They are asked by telephone.", at=end + DAY)
    assert run()["mallory", "view_chart"] == ["learned"]
    book.decide(reason, Decision.APPROVED, by="owen", note="They are asked by telephone.", at=end - DAY / 2)
    assert run()["mallory", "view_chart"] == ["learned_approved"]
    assert [(event.action, event.actor.id) for event in told] == [("learned_reason_approved", "owen")] * 2
