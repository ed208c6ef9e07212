"""What both checkers say of exports that the ledger made: every question that can be asked, every kind of reader."""

import ast
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dashboards import export_verify
from dashboards.export_check import CANNOT, CLAIMS
from domain.witness_policy import WitnessPolicy
from store.engine import Engine
from store.events import EventFilter
from tests.dashboards.exports_checkers import OPEN, PROVEN, VERIFY, Answer, Given, ask, stand_alone
from tests.dashboards.exports_desk import POLICY, REQUESTS, SUCCESSOR, WITNESSES, export_house, sample_bundles
from tests.retention.old_ledger import emptied
from tests.support.cast import chart_view
from tests.support.node import SIGNER


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples")


@pytest.fixture(scope="module")
def samples(shared_engine: Engine, folder: Path) -> dict[str, Path]:
    """Exports of an old ledger: a month disposed of, a key that changed, redactions, witnesses."""
    return sample_bundles(emptied(shared_engine), folder)


@pytest.fixture(scope="module")
def best(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """An export of which everything can be shown, and a checkpoint from before it."""
    folder = tmp_path_factory.mktemp("best")
    with export_house(emptied(shared_engine), folder) as house:
        house.policy, house.witnesses = POLICY, WITNESSES
        house.clock.now = datetime(2026, 4, 3, 9, tzinfo=UTC)
        house.live.ledger.append([chart_view(900, patient="P-5")])
        house.live.keeper.seal_due()
        house.live.keeper.checkpoint()
        signed = house.live.spine.checkpoint()
        assert signed is not None
        house.anchor()
        house.live.ledger.append([chart_view(number, patient="P-7") for number in range(901, 941)])
        house.clock.advance(minutes=1)
        path = house.export(folder / "best.zip", wanted=EventFilter(patient_id="P-7"), since_checkpoint=signed[0])
        yield path, signed[0]


def given(folder: Path, **changes: str | None) -> Given:
    """A reader who trusts the ledger's keys and the operator's witnesses."""
    return Given(**({"trust": (folder / "ledger.keys").read_text(), "policy": POLICY.text} | changes))


def test_everything_can_be_proven(best: tuple[Path, str]) -> None:
    path, old = best
    said = ask(path, Given(trust=SIGNER.verifier.text, policy=POLICY.text, since=old))

    assert {name: claim.state for name, claim in said.claims.items()} == dict.fromkeys(CLAIMS, PROVEN)
    assert said.exit_code == 0


def test_nothing_is_taken_for_proven_that_only_the_export_says(best: tuple[Path, str]) -> None:
    path, _ = best
    said = ask(path, Given())

    assert said.exit_code == 0
    assert said.open == {"signature", "since", "later", "earlier", "quorum"}


@pytest.mark.parametrize("name", REQUESTS)
def test_every_question_is_answered_alike(samples: dict[str, Path], folder: Path, name: str) -> None:
    said = ask(samples[name], given(folder))

    assert (said.exit_code, said.failed) == (0, set())
    assert set(said.claims) == set(CLAIMS)
    proven = {"archive", "files", "signature", "receipt", "events", "order", "twice", "count", "private", "quorum"}
    assert {name for name, claim in said.claims.items() if claim.state == PROVEN} >= proven
    assert said.claims["scope"].state == OPEN  # November is gone
    assert said.claims["tombstones"].state == (OPEN if name in ("period", "nothing") else PROVEN)


@pytest.mark.parametrize("trust", [SIGNER.verifier.text, SUCCESSOR.verifier.text, None])
def test_every_key_of_the_ledger_leads_to_the_others(samples: dict[str, Path], folder: Path, trust: str | None) -> None:
    said = ask(samples["patient"], given(folder, trust=trust))

    assert said.exit_code == 0
    assert said.claims["signature"].state == (OPEN if trust is None else PROVEN)


def test_what_was_redacted_withheld_and_disposed_of_is_said(samples: dict[str, Path], folder: Path) -> None:
    everything, withheld = (ask(samples[name], given(folder)) for name in ("everything", "withheld"))

    assert everything.says("withheld", "0 are withheld, 5 were redacted before")
    assert withheld.says("withheld", "were redacted before")
    assert withheld.claims["withheld"].state == OPEN
    assert everything.says("tombstones", "202511: 2 logs with 17 entries")
    assert everything.says("scope", "what was disposed of after retention is not here: log.example/main/2025-11")


def test_the_times_are_those_of_the_witnesses(samples: dict[str, Path], folder: Path) -> None:
    said = ask(samples["patient"], given(folder))

    assert said.claims["later"].state == PROVEN
    assert said.says("earlier", "log.example/main/2026-03: not earlier than 2026-03-10 09:00:00 UTC")
    assert said.claims["earlier"].state == OPEN
    assert said.says("earlier", "log.example/site-b/2026-03: no quorum of witnesses shows it")


def test_an_older_checkpoint_is_found_in_the_history(samples: dict[str, Path], folder: Path) -> None:
    old = (folder / "old.checkpoint").read_text()

    assert ask(samples["since"], given(folder, since=old)).claims["since"].state == PROVEN
    assert ask(samples["nothing"], given(folder, since=old)).claims["since"].state == PROVEN
    assert ask(samples["patient"], given(folder, since=old)).failed == {"since"}  # it is older than that checkpoint


def test_another_policy_is_another_answer(samples: dict[str, Path], folder: Path) -> None:
    stranger = WitnessPolicy.parse(POLICY.text.replace("quorum both", "quorum one"))
    for policy, state in ((stranger.text, PROVEN), ("quorum none\n", OPEN)):
        said = ask(samples["patient"], given(folder, policy=policy))
        assert (said.exit_code, said.claims["quorum"].state, said.claims["later"].state) == (0, state, state)
    assert ask(samples["since"], given(folder)).claims["quorum"].state == OPEN  # nobody cosigned that one


@pytest.mark.parametrize("name", ["patient", "nobody", "since"])
def test_a_stranger_sees_the_same(samples: dict[str, Path], folder: Path, name: str) -> None:
    """In a process of its own, isolated, without packages."""
    old = (folder / "old.checkpoint").read_text()
    reader = given(folder, since=old)

    assert stand_alone(samples[name], reader) == ask(samples[name], reader)


def test_the_copy_in_the_archive_is_this_one_and_runs_from_anywhere(samples: dict[str, Path], folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(samples["nobody"]) as archive:
        content = archive.read("verify.py")
    assert content == VERIFY.read_bytes()
    (tmp_path / "verify.py").write_bytes(content)

    assert stand_alone(samples["nobody"], given(folder), program=tmp_path / "verify.py").exit_code == 0


def imported(file: Path) -> set[str]:
    """The modules of this program that a module imports."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_our_checker_shares_no_code_with_the_maker_or_with_verify_py() -> None:
    checkers = {f"dashboards.{file.stem}": file for file in VERIFY.parent.glob("export_check*.py")}
    checkers |= {f"dashboards.{name}": VERIFY.parent / f"{name}.py" for name in ("export_entries", "export_fields", "export_open")}
    makers = {file for file in VERIFY.parent.glob("export*.py") if file not in {*checkers.values(), VERIFY}}
    ours = {name for file in checkers.values() for name in imported(file)}

    assert {name for name in ours if name.startswith(("dashboards", "store", "runtime"))} <= set(checkers)
    assert not {name for file in makers for name in imported(file)} & set(checkers)


def test_both_say_the_same_about_what_they_answer() -> None:
    assert (export_verify.CLAIMS, export_verify.CANNOT) == (CLAIMS, CANNOT)


def test_an_answer_names_every_claim(samples: dict[str, Path], folder: Path) -> None:
    said: Answer = stand_alone(samples["patient"], given(folder))

    assert list(said.claims) == list(CLAIMS)
    assert all(claim.why for claim in said.claims.values())
