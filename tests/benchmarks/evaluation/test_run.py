"""phitrail over the first days of a hospital, through its command line."""

from pathlib import Path

import pytest

from benchmarks.evaluation import run, table
from benchmarks.evaluation.figures import Yardstick
from benchmarks.evaluation.hospital.build import build
from benchmarks.evaluation.hospital.plan import Plan, Scale, utc
from benchmarks.evaluation.hospital_files import Hospital
from benchmarks.evaluation.session import HELD, TUNING, Result


def test_a_hospital_goes_through_the_command_line(tmp_path: Path) -> None:
    plan = Plan(seed=6, scale=Scale.TINY, wanted=25)
    build(plan, tmp_path / "hospital")
    hospital = Hospital.read(tmp_path / "hospital")
    until = utc(plan.at(8, 0))

    outcome = run.analyse(hospital.directory, tmp_path / "work", until=until, facts=True)
    figures, own = Yardstick(hospital).phitrail(outcome, [])

    assert outcome.alerts
    assert outcome.scores["day"].max() < plan.local_date(8)
    assert 0.5 < outcome.explained["explained"].mean() < 1
    assert figures.method == "phitrail"
    assert 0 <= figures.recall <= figures.found_at_all <= 1
    assert len(own.missed) == round((1 - figures.recall) * len(hospital.incidents))
    text = table.table(Result(facts=hospital.facts, figures=[figures], own=own, unknown=frozenset()))
    assert f"seed {plan.seed}" in text


def test_a_failed_command_says_which(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()

    with pytest.raises(run.CommandFailed, match="context load"):
        run.analyse(tmp_path, tmp_path / "work")


def test_held_seeds_are_not_for_tuning() -> None:
    assert not set(TUNING) & set(HELD)
    assert len(HELD) >= 5
