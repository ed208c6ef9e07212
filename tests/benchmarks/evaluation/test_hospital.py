"""The synthetic hospital: repeatable, inside the outward contract, and with answers that agree with its events."""

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from analytics.context import load_context
from benchmarks.evaluation.hospital.build import build
from benchmarks.evaluation.hospital.decoys import decoys
from benchmarks.evaluation.hospital.incidents import scenarios
from benchmarks.evaluation.hospital.plan import Plan, Scale
from benchmarks.evaluation.hospital_files import Hospital, records
from domain.context import KINDS
from domain.event import AuditEvent
from ingest.parsers.phitrail import PhitrailParser
from store.context import ContextStore
from store.engine import Engine

NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    """A small hospital with many more incidents than it would have, so that nearly every scenario is staged."""
    place = tmp_path_factory.mktemp("hospital")
    build(Plan(seed=7, scale=Scale.SMALL, wanted=70), place)
    return Hospital.read(place)


@pytest.fixture(scope="module")
def peaceful(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    """The same hospital without incidents: only work and decoys."""
    place = tmp_path_factory.mktemp("peaceful")
    build(Plan(seed=7, scale=Scale.SMALL, wanted=0), place)
    return Hospital.read(place)


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        build(Plan(seed=5, scale=Scale.TINY, wanted=12), tmp_path / name)

    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.json*"))
    assert len(files) == 3 + 1 + len(KINDS)
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)


def test_another_seed_gives_another_hospital() -> None:
    habits = [Plan(seed=seed).habits for seed in range(40)]

    assert len({habit.staff for habit in habits}) > 30
    assert min(habit.staff for habit in habits) >= 200
    assert max(habit.staff for habit in habits) <= 1500
    assert max(habit.staff for habit in habits) > 3 * min(habit.staff for habit in habits)
    assert max(habit.gap for habit in habits) > 2 * min(habit.gap for habit in habits)


def test_every_line_is_an_event_of_our_own_format_in_order_of_time(full: Hospital) -> None:
    parser = PhitrailParser("hospital")
    found = [parsed for line in (full.directory / "events.jsonl").read_bytes().splitlines() for parsed in parser.parse(line)]

    assert len(found) == full.facts.events
    assert all(isinstance(event, AuditEvent) for event in found)
    events = [event for event in found if isinstance(event, AuditEvent)]
    assert len({event.event_id for event in events}) == len(events)
    assert all(earlier.time <= later.time for earlier, later in pairwise(events))


def test_the_reference_data_load_as_any_directory_does(full: Hospital, engine: Engine) -> None:
    loaded = load_context(full.directory / "context", ContextStore(engine), NOW)

    assert set(loaded) == {"org", *KINDS}
    assert all(counts.read > 0 for counts in loaded.values())
    assert loaded["patients"].new == full.facts.patients


def test_reference_records_use_only_fields_of_the_contract(full: Hospital) -> None:
    for name, kind in KINDS.items():
        used = {field for record in records(full.directory / "context" / f"{name}.jsonl") for field in record}
        assert used <= set(kind.fields), name


def test_the_answers_agree_with_the_events(full: Hospital) -> None:
    rows = {row["event_id"]: row for row in full.events.iter_rows(named=True)}
    cited = [event_id for incident in full.incidents for event_id in incident.event_ids]

    assert len(full.incidents) == full.facts.incidents
    assert len(cited) == len(set(cited))
    for incident in full.incidents:
        mine = [rows[event_id] for event_id in incident.event_ids]
        assert {row["actor"] for row in mine} == set(incident.actors)
        assert {row["patient"] for row in mine} - {None} == set(incident.patient_ids)
        assert min(row["time"] for row in mine) == datetime.fromisoformat(incident.first)
        assert max(row["time"] for row in mine) == datetime.fromisoformat(incident.last)
        assert incident.actor == (incident.actors[0] if len(incident.actors) == 1 else None)


def test_nobody_plays_in_two_incidents(full: Hospital) -> None:
    people = {
        record["account_id"] for record in records(full.directory / "context" / "staff.jsonl") if record["kind"] == "employee"
    }
    played = Counter(actor for incident in full.incidents for actor in incident.actors if actor in people)
    sprayed = {actor for incident in full.incidents if incident.scenario == "password_spray" for actor in incident.actors}

    assert {actor for actor, times in played.items() if times > 1} <= sprayed


def test_incidents_lie_among_ordinary_work_and_after_the_quiet_days(full: Hospital) -> None:
    first = min(full.events["day"])
    wrong = full.events.filter(full.events["incident"] != "")

    assert wrong.height < 0.1 * full.events.height
    assert (min(wrong["day"]) - first).days >= Plan(seed=7, scale=Scale.SMALL).warm_up


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_at_least_a_tenth_of_the_sessions_leave_no_record(seed: int, tmp_path: Path) -> None:
    assert build(Plan(seed=seed, scale=Scale.TINY), tmp_path).undocumented >= 0.1


def test_nearly_every_scenario_finds_its_cast(full: Hospital) -> None:
    staged = {incident.scenario for incident in full.incidents}

    assert len({scenario.name for scenario in scenarios()} - staged) <= 3


def test_scenarios_are_named_after_their_files() -> None:
    names = [scenario.name for scenario in scenarios()]

    assert len(names) == len(set(names))
    assert {scenario.name for scenario in scenarios() if not scenario.known}
    assert {scenario.name for scenario in scenarios() if scenario.targeted}


def test_decoys_are_no_incidents(peaceful: Hospital) -> None:
    """Without incidents there are no answers, and what looks like incidents is there all the same."""
    actions = Counter(peaceful.events["action"])
    in_the_clear = peaceful.events.filter(peaceful.events["exposed"])

    assert not peaceful.incidents
    assert len(decoys()) > 12
    assert actions["break_glass"] >= 3
    assert actions["audit_stop"] >= 3
    assert actions["privilege_change"] >= 1
    assert actions["oauth_consent"] >= 1
    assert in_the_clear.height > 0


def test_nobody_opens_their_own_chart_in_ordinary_work(peaceful: Hospital) -> None:
    own = {
        (record["account_id"], record["patient_id"])
        for record in records(peaceful.directory / "context" / "staff.jsonl")
        if record.get("patient_id")
    }
    opened = set(peaceful.events.select("actor", "patient").iter_rows())

    assert own
    assert not own & opened


def test_rarer_incidents_leave_the_rest_alone(tmp_path: Path) -> None:
    facts = [build(Plan(seed=9, scale=Scale.SMALL, rarity=rarity), tmp_path / str(rarity)) for rarity in (1, 7)]

    assert facts[1].incidents <= facts[0].incidents // 3
    assert facts[0].patients == facts[1].patients
    assert facts[0].sessions == facts[1].sessions


def test_clocks_change_in_the_period(tmp_path: Path) -> None:
    """Some seed has a change of clocks, and the events of its days keep their wall times."""
    plan = next(p for p in (Plan(seed=n, scale=Scale.TINY) for n in range(60)) if p.at(16, 0) - p.at(0, 0) != 16 * 86_400)
    build(plan, tmp_path)
    offsets = {str(orjson.loads(line)["time"])[-6:] for line in (tmp_path / "events.jsonl").read_bytes().splitlines()}

    assert len(offsets) == 2
    for day in range(16):
        assert plan.text(plan.at(day, 9.5))[11:16] == "09:30"
