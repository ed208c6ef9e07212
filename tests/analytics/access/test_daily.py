"""A week on the ward, then a day with a snoop, a browser, a late registration and a wrong chart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl
import pytest

from analytics.daily import Daily
from domain.finding import Finding, Score, Severity
from domain.json import Json
from store.engine import Engine
from store.scores import Scores
from tests.analytics.access.clinic import TUESDAY, Clinic, Look
from tests.analytics.access.conftest import empty

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NURSES = ("alice", "nina", "nora", "nell", "noah")
IN_BED = [f"P-B{n}" for n in range(24)]
STRANGERS = [f"P-S{n}" for n in range(45)]
PASSERS_BY = [f"P-T{n}" for n in range(6)]
"""Too few to stand out by their number."""

LAST = TUESDAY + 9 * DAY
"""A Thursday, after the change to summer time."""

TODAY = date(2026, 3, 12)
END = datetime.fromisoformat("2026-03-13T00:00:00-04:00")


@dataclass(frozen=True, kw_only=True)
class Ward:
    """The clinic after all days have been run."""

    clinic: Clinic
    daily: Daily
    findings: Sequence[Finding]
    quiet: Sequence[Finding]

    def run(self) -> list[Finding]:
        return self.daily.run(TODAY)

    @property
    def scores(self) -> Mapping[tuple[str, str], Score]:
        found = Scores(self.clinic.engine).between(TODAY, TODAY)
        return {(score.actor_id, score.object_id): score for score in found}


@pytest.fixture(scope="module")
def ward(shared_engine: Engine) -> Iterator[Ward]:
    """Eight ordinary days, then the day of the incidents."""
    clinic = Clinic(empty(shared_engine))
    clinic.know(_records())
    clinic.happen(*_routine(), *_incidents())
    clinic.happen(Look(actor="alice", patient="P-1", time=LAST + 30 * HOUR))
    clinic.enrich()
    _deliver(shared_engine)
    daily = Daily(shared_engine, clinic.context, clock=lambda: LAST + 2 * DAY)
    quiet = [finding for n in range(9) for finding in daily.run(TODAY - timedelta(days=9 - n))]
    yield Ward(clinic=clinic, daily=daily, findings=daily.run(TODAY), quiet=quiet)
    empty(shared_engine)


def _records() -> Mapping[str, Sequence[Mapping[str, Json]]]:
    stays: list[Mapping[str, Json]] = [
        {
            "encounter_id": f"E-{patient}",
            "patient_id": patient,
            "admitted_at": "2026-03-01T00:00:00Z",
            "recorded_at": "2026-03-01T00:00:00Z",
            "locations": [{"unit": "3N", "from": "2026-03-01T00:00:00Z", "to": None}],
        }
        for patient in IN_BED
    ]
    late: list[Mapping[str, Json]] = [
        {"order_id": order, "patient_id": patient, "ordering_id": "S2", "placed_at": (LAST + after).isoformat()}
        for order, patient, after in (("O-late", "P-2", HOUR), ("O-too-late", "P-3", DAY))
    ]
    staff: list[Mapping[str, Json]] = [
        {"staff_id": f"S-{name}", "account_id": name, "role": "nurse", "department": "Medicine", "unit": "3N"} for name in NURSES
    ]
    mallory: Mapping[str, Json] = {
        "staff_id": "S4",
        "account_id": "mallory",
        "role": "nurse",
        "department": "Surgery",
        "unit": "4S",
        "home_address": "1 Elm Street, Stonemere 40126",
    }
    return {"staff": [*staff, mallory], "encounters": stays, "orders": late}


def _routine() -> Iterator[Look]:
    for day in range(10):
        for number, nurse in enumerate(NURSES):
            for turn in range(6):
                patient = IN_BED[(5 * number + 7 * day + 3 * turn) % len(IN_BED)]
                yield Look(
                    actor=nurse, patient=patient, time=TUESDAY + day * DAY + turn * timedelta(minutes=9), action="edit_vitals"
                )


def _incidents() -> Iterator[Look]:
    yield Look(actor="mallory", time=LAST, action="search", details={"method": "name"})
    for after, action in ((1, "view_chart"), (3, "view_notes"), (5, "print")):
        yield Look(actor="mallory", patient="P-1", time=LAST + timedelta(minutes=after), action=action)
    for number, patient in enumerate(STRANGERS):
        yield Look(actor="noah", patient=patient, time=LAST + HOUR + number * timedelta(minutes=4))
    for number, patient in enumerate(PASSERS_BY):
        yield Look(actor="nora", patient=patient, time=LAST + 2 * HOUR + number * timedelta(minutes=7))
    yield Look(actor="bob", patient="P-2", time=LAST)
    yield Look(actor="bob", patient="P-3", time=LAST)
    yield Look(actor="alice", patient="P-3", time=LAST, details={"duration_s": 4})


def _deliver(engine: Engine) -> None:
    """One letter in plain text on the day, one on the next."""
    for seq, time in enumerate((END - HOUR, END + HOUR)):
        row = {
            "writer": "w1",
            "seq": 9000 + seq,
            "time": time,
            "received": time,
            "action": "deliver",
            "outcome": "delivered",
            "direction": "outbound",
            "actor_id": "records@clinic.example",
            "to_domain": f"lab{seq}.example",
            "phi": 1,
            "tls_verdict": "none",
        }
        types = {"seq": pl.UInt64, "phi": pl.UInt8}
        engine.insert("delivery_facts", pl.DataFrame([row], schema_overrides=types))


def kinds(findings: Sequence[Finding]) -> Mapping[tuple[str, str | None], Finding]:
    return {(finding.kind, finding.actor_id): finding for finding in findings}


def test_snoop_is_found_with_reasons_and_evidence(ward: Ward) -> None:
    finding = kinds(ward.findings)["unusual_access", "mallory"]

    assert (finding.patient_id, finding.time, finding.severity) == ("P-1", END, Severity.MEDIUM)
    assert finding.explanation[:2] == (
        "Actor and patient share a household and no reason was found",
        "No reason found in visits, appointments, orders, worklists, shifts or protocols",
    )
    assert "The chart was opened right after a search by name" in finding.explanation
    assert len(finding.evidence) == 3
    assert finding.controls == ("164.312(b)", "164.308(a)(1)(ii)(D)", "164.502(b)")
    assert finding.rule_version.startswith("access-ranking/1+")


def test_browser_is_found_once_for_the_number_of_charts(ward: Ward) -> None:
    volume = kinds(ward.findings)["unusual_volume", "noah"]

    assert volume.explanation == (
        "Opened 51 charts in one day; 45 without a reason found",
        "Own median 6 over 9 days",
        "Median of the role nurse: 6 over 36 days of colleagues",
    )
    assert volume.exculpatory == ("6 of the charts have a reason on record",)
    assert len(volume.evidence) == 45
    assert set(kinds(ward.findings)) == {
        ("unusual_volume", "noah"),
        ("unusual_access", "mallory"),
        ("browsing", "nora"),
    }


def test_a_few_strangers_in_one_shift_are_one_case_about_the_actor(ward: Ward) -> None:
    """No chart stands out, and six are no large number; role and actor are not used to any."""
    finding = kinds(ward.findings)["browsing", "nora"]

    assert (finding.patient_id, finding.time, len(finding.evidence)) == (None, END, len(PASSERS_BY))
    assert finding.explanation[0] == "6 charts stand out together; of the first of them:"
    assert any(sentence.startswith("One of 6 charts opened that day") for sentence in finding.explanation)
    assert {ward.scores["nora", patient].score > 0.5 for patient in PASSERS_BY} == {True}
    assert finding.inputs["charts"] == 6


def test_findings_are_worth_what_is_rare(ward: Ward) -> None:
    """Shown scores follow the ranking, and none is certain."""
    ranked = [finding for finding in ward.findings if finding.kind != "unusual_volume"]
    peaks = [max(score.score for (actor, _), score in ward.scores.items() if actor == finding.actor_id) for finding in ranked]

    assert [finding.score for finding in ranked] == [
        score for _, score in sorted(zip(peaks, [f.score for f in ranked], strict=True), reverse=True)
    ]
    assert all(0 < finding.score < 0.95 for finding in ranked)


def test_ordinary_days_raise_nothing(ward: Ward) -> None:
    assert list(ward.quiet) == []


def test_every_pair_is_ranked_and_the_incidents_lead(ward: Ward) -> None:
    scores = ward.scores
    ranking = sorted(scores, key=lambda pair: -scores[pair].score)

    assert set(ranking[:2]) == {("records@clinic.example", "lab0.example"), ("mallory", "P-1")}
    assert len(scores) == 5 * 6 + 1 + len(STRANGERS) + len(PASSERS_BY) + 3 + 1
    assert all(
        scores["noah", stranger].score > scores["noah", bed].score
        for stranger in STRANGERS
        for bed in IN_BED
        if ("noah", bed) in scores
    )
    assert max(scores[pair].score for pair in scores if pair[1] in IN_BED) < 0.05


def test_reason_recorded_later_that_day_explains_and_one_of_the_next_day_does_not(ward: Ward) -> None:
    facts = ward.clinic.accesses.of_day(TODAY).filter(pl.col("actor_id") == "bob")
    reasons = dict(zip(facts["patient_id"], facts["reasons"].to_list(), strict=True))

    assert reasons == {"P-2": ["Placed order O-late on 2026-03-12 (recorded later)"], "P-3": []}
    assert ward.scores["bob", "P-2"].score < 0.02 < ward.scores["bob", "P-3"].score


def test_chart_closed_after_seconds_ranks_below_one_that_was_read(ward: Ward) -> None:
    glimpse = ward.scores["alice", "P-3"]

    assert glimpse.score < ward.scores["bob", "P-3"].score
    assert any("wrong chart" in reason for reason in glimpse.reasons)


def test_mail_of_the_day_is_in_the_ranking(ward: Ward) -> None:
    assert ward.scores["records@clinic.example", "lab0.example"].score == 0.95
    assert ("records@clinic.example", "lab1.example") not in ward.scores


def test_running_the_day_again_gives_the_same(ward: Ward) -> None:
    before = ward.scores

    assert ward.run() == ward.findings
    assert ward.scores == before


def test_what_comes_after_the_day_changes_nothing(ward: Ward) -> None:
    """Events of later days, and records that are knowledge only later."""
    before = ward.scores
    ward.clinic.happen(*(Look(actor="noah", patient=f"P-{n}", time=END + HOUR) for n in range(60)))
    ward.clinic.know({"orders": [{"order_id": "O-next", "patient_id": "P-1", "ordering_id": "S4", "placed_at": END.isoformat()}]})
    ward.clinic.enrich()

    assert ward.run() == ward.findings
    assert ward.scores == before


def test_model_of_the_day_is_on_record(ward: Ward) -> None:
    models = Scores(ward.clinic.engine).models().filter(pl.col("day") == TODAY)

    assert models["window_to"].to_list() == [TODAY - timedelta(days=1)]
    assert {score.model for score in ward.scores.values()} == {*models["model"], "mail-exposure/1"}


def test_budget_and_threshold_limit_what_is_shown(ward: Ward) -> None:
    clinic = ward.clinic
    none = Daily(clinic.engine, clinic.context, clock=lambda: LAST, budget=0).run(TODAY)
    many = Daily(clinic.engine, clinic.context, clock=lambda: LAST, threshold=0.0, budget=3).run(TODAY)

    assert [finding.kind for finding in none] == ["unusual_volume"]
    shown = [finding.actor_id for finding in many if finding.kind != "unusual_volume"]
    assert len(shown) == len(set(shown)) == 3, "one case an actor"


def test_day_without_anything(ward: Ward) -> None:
    assert ward.daily.run(date(2026, 1, 1)) == []
