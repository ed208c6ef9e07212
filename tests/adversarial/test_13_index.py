"""Attack: the ledger itself signs a wrong index tree: an entry is filed under nobody, or under another subject, before anyone
asks about it.

An export over such a tree proves what is not so, because the log committed to it. Only somebody who reads the whole log can tell:
the full audit builds every tree anew, and names the spine entry that commits to the wrong one. So this is the one promise of an
export that rests on an audit; docs/threat-model.md says so.
"""

from collections.abc import Callable, Mapping
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from domain.entry import chain as leaf_of
from domain.index_tree import Dimension
from domain.json import Json
from store import keeper
from store.engine import Engine
from store.fsck import Integrity
from store.index_trees import index_commitments
from store.logs import LogRecord, registered_logs
from tests.adversarial.attacks import SPINE, Scene, first, place, some_events
from tests.dashboards import exports_forge
from tests.dashboards.exports_checkers import PROVEN, Given, ask
from tests.dashboards.exports_forge import ForgedLog, three_logs
from tests.support.clock import TickingClock
from tests.support.node import SIGNER, node

Lie = Callable[[dict[str, Any]], None]


def other_root(commitments: dict[str, Any]) -> None:
    commitments["patient"]["root"] = "00" * 32


def fewer_subjects(commitments: dict[str, Any]) -> None:
    commitments["actor"]["size"] -= 1


def other_key(commitments: dict[str, Any]) -> None:
    commitments["source_system"]["key_sha256"] = "00" * 32


def exchanged(commitments: dict[str, Any]) -> None:
    """The tree of one dimension is said to be that of another."""
    commitments["patient"], commitments["actor"] = commitments["actor"], commitments["patient"]


def no_dimension(commitments: dict[str, Any]) -> None:
    del commitments["actor"]


LIES = [other_root, fewer_subjects, other_key, exchanged, no_dimension]


def test_seals_commit_to_wrong_trees(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A month for each lie, between two honest ones; all else is as it should be, and signed. The audit names these seals."""
    lies: list[Lie | None] = [None, *LIES, None]
    months = chain(lies, repeat(None))

    def commit(*args: Any) -> Mapping[str, Json]:
        honest = copied(index_commitments(*args))
        lie = next(months)
        if lie is not None:
            lie(honest)
        return honest

    monkeypatch.setattr(keeper, "index_commitments", commit)
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        for number in range(len(lies) + 1):
            live.ledger.append(some_events(range(5 * number, 5 * number + 5)))
            live.keeper.seal_due()
            clock.advance(days=31)
        live.keeper.checkpoint()

        said = live.verify()
    seals = [seq for (seq,) in engine.rows("SELECT seq FROM spine WHERE kind = 'seal' ORDER BY seq")]

    assert said.integrity is Integrity.TAMPERED
    named = [place(problem) for problem in said.problems]
    assert sorted(set(named)) == [(SPINE, seals[n]) for n, lie in enumerate(lies) if lie is not None], said.problems
    assert first(said) == (SPINE, seals[1])


def copied(commitments: Mapping[str, Json]) -> dict[str, Any]:
    """To change."""
    return {name: dict(said) for name, said in commitments.items()}  # type: ignore[arg-type]


def test_an_entry_for_an_export_commits_to_a_wrong_tree(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a log that is open: the `index` entry is named."""

    def commit(engine: Engine, record: LogRecord, size: int) -> Mapping[str, Json]:
        honest = copied(index_commitments(engine, record, size))
        other_root(honest)
        return honest

    with scene.start() as live:
        monkeypatch.setattr(keeper, "index_commitments", commit)
        (record,) = registered_logs(scene.engine, "main")
        number = live.keeper.index(record, 340).seq

        assert first(live.verify()) == (SPINE, number)


class Misfiled(ForgedLog):
    """A log whose operator files entry 5 of patient P-2 under nobody in the index tree."""

    def index(self, dimension: Dimension) -> Any:
        hidden = {entry.seq: entry.subjects for entry in self.entries if entry.seq == 5}
        for entry in self.entries:
            if entry.seq in hidden:
                entry.subjects = {**entry.subjects, Dimension.PATIENT: ""}
        try:
            return super().index(dimension)
        finally:
            for entry in self.entries:
                entry.subjects = hidden.get(entry.seq, entry.subjects)


def test_an_export_alone_cannot_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not caught, and why the audit is needed: the export without entry 5 is proven whole. Anybody who has the log sees
    it.
    """
    monkeypatch.setattr(exports_forge, "ForgedLog", Misfiled)
    forge = three_logs()
    draft = forge.draft({"patient_id": "P-2"})
    place = next(number for number, line in enumerate(draft.events) if (line["writer"], line["seq"]) == ("main", 5))
    del draft.events[place]
    draft.proofs.remove([line for line in draft.proofs if "seq" in line][place])

    said = ask(draft.give(tmp_path / "x.zip"), Given(trust=SIGNER.verifier.text))

    assert said.claims["scope"].state == PROVEN
    entry = forge.logs[0].entries[5]
    assert entry.leaf == leaf_of(entry.previous, entry.body)
    assert b'"P-2"' in entry.private
