"""The coverage register: who should send, who does, and what people declared about it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import InvalidInput
from domain.json import Json
from domain.record import Rejected
from store.context import ContextStore
from store.engine import Engine
from store.quarantine import Quarantine
from store.source_health import Told
from store.source_register import Auditing, Coverage, Declaration, Declared
from store.source_watch import SourceWatch
from tests.support.clock import TickingClock
from tests.support.node import Node, node
from tests.support.source_feed import HOUR, NOW, an_event, history

OFF = Declaration(
    system="Radiology",
    state=Declared.OFF,
    declared=NOW,
    declared_by="carol",
    reason="Its vendor adds audit events in May.",
    valid_until=NOW + timedelta(days=60),
    owner="Imaging",
)
ON = replace(OFF, system="Portal", state=Declared.ON, source_system="portal-prod", reason="Sends by syslog.", quiet=2 * HOUR)


class Scene:
    """A ledger with an application register."""

    def __init__(self, live: Node, clock: TickingClock) -> None:
        self.live, self.clock = live, clock
        self.watch = SourceWatch(live.engine, live.ledger.append)
        self.context = ContextStore(live.engine)

    def applications(self, *records: dict[str, Json]) -> None:
        self.context.load({"applications": list(records)}, NOW - 100 * HOUR)

    def rows(self) -> dict[str, Coverage]:
        return {row.system: row for row in self.watch.view(self.clock()).coverage}


@pytest.fixture
def scene(engine: Engine, tmp_path: Path) -> Iterator[Scene]:
    clock = TickingClock(NOW)
    with node(engine, tmp_path, clock) as live:
        found = Scene(live, clock)
        found.applications(
            {"application": "EHR", "owner": "Clinical Applications", "handles_phi": True, "hosts": ["ehr01.hospital.example"]},
            {"application": "Pharmacy", "owner": "Pharmacy IT", "handles_phi": True, "hosts": ["rx01.hospital.example"]},
            {"application": "Canteen", "owner": "Kitchen", "handles_phi": False},
            {"application": "Old lab", "handles_phi": True, "retired_at": "2025-01-01"},
            {"application": "Radiology", "handles_phi": True},
        )
        yield found


def test_every_system_is_there_and_what_never_sent_is_not_covered(scene: Scene) -> None:
    history(scene.live.engine, "ehr01")
    scene.live.ledger.append([an_event("mailgate")])
    scene.watch.look(NOW)

    rows = scene.rows()

    assert list(rows) == ["mailgate", "Pharmacy", "Radiology", "Canteen", "EHR"]
    assert {name: (row.auditing, row.is_expected, row.is_missing) for name, row in rows.items()} == {
        "EHR": (Auditing.ON, True, False),
        "Pharmacy": (Auditing.NEVER, True, True),
        "Radiology": (Auditing.NEVER, True, True),
        "Canteen": (Auditing.NEVER, False, False),
        "mailgate": (Auditing.UNPROVEN, True, True),
    }
    assert (rows["EHR"].source_system, rows["EHR"].owner) == ("ehr01", "Clinical Applications")
    assert (rows["mailgate"].is_registered, rows["mailgate"].event_id.startswith("live-")) == (False, True)
    assert rows["Pharmacy"].sentence == "No event has ever come from it."


def test_evidence_says_since_when(scene: Scene) -> None:
    history(scene.live.engine, "EHR")
    for minutes in range(0, 60, 5):
        scene.watch.look(NOW + timedelta(minutes=minutes))
    scene.clock.advance(hours=1)
    silent = scene.rows()["EHR"]
    assert (silent.auditing, silent.since, silent.is_missing) == (Auditing.SILENT, NOW - timedelta(minutes=5), True)
    assert (silent.open_gaps, silent.unexplained) == (1, 1)

    scene.live.ledger.append([an_event("EHR", at=scene.clock())])
    scene.watch.look(scene.clock())
    back = scene.rows()["EHR"]
    assert (back.since, back.open_gaps, back.unexplained) == (scene.clock(), 0, 1)

    scene.live.ledger.append([an_event("EHR", at=scene.clock(), action="audit_stop")])
    scene.watch.look(scene.clock())
    stopped = scene.rows()["EHR"]
    assert (stopped.auditing, stopped.since) == (Auditing.STOPPED, scene.clock())


def test_a_declaration_excuses_until_it_ends(scene: Scene) -> None:
    scene.watch.register.declare(OFF)

    row = scene.rows()["Radiology"]
    assert (row.auditing, row.is_expected, row.is_missing, row.owner) == (Auditing.OFF, False, False, "Imaging")
    assert row.sentence == "Declared as not sending by carol: Its vendor adds audit events in May."
    assert scene.watch.told(NOW)["Radiology"].excused

    scene.clock.advance(days=61)
    row = scene.rows()["Radiology"]
    assert (row.auditing, row.is_missing) == (Auditing.NEVER, True)
    assert scene.watch.told(scene.clock()).get("Radiology", Told()).excused == ""


def test_a_declaration_names_the_source_and_is_awaited(scene: Scene) -> None:
    scene.watch.register.declare(ON)

    row = scene.rows()["Portal"]
    assert (row.source_system, row.auditing, row.is_missing, row.is_registered) == ("portal-prod", Auditing.NEVER, True, False)
    assert scene.watch.register.awaited(NOW) == {"portal-prod"}
    assert scene.watch.told(NOW)["portal-prod"].patience == 2 * HOUR
    assert scene.watch.told(NOW)["EHR"].owner == "Clinical Applications"


def test_the_last_word_counts_and_every_word_is_kept_and_told_to_the_ledger(scene: Scene) -> None:
    register = scene.watch.register
    register.declare(OFF)
    register.declare(replace(OFF, declared=NOW + HOUR, declared_by="dave", state=Declared.ON, reason="It sends now."))

    assert register.declarations()["Radiology"].declared_by == "dave"
    assert [word.declared_by for word in register.history("Radiology")] == ["carol", "dave"]
    told = scene.live.engine.rows("SELECT actor_id FROM events WHERE action = 'source_declared' ORDER BY seq")
    assert told == [("carol",), ("dave",)]


@pytest.mark.parametrize(
    "word",
    [
        replace(OFF, declared_by=""),
        replace(OFF, declared_by="phitrail"),
        replace(OFF, reason=" "),
        replace(OFF, system=""),
        replace(OFF, system="x" * 129),
        replace(OFF, system="phitrail"),
        replace(OFF, valid_until=NOW),
        replace(OFF, valid_until=NOW + timedelta(days=367)),
        replace(ON, quiet=timedelta(seconds=10)),
    ],
)
def test_a_declaration_without_person_reason_or_end_is_refused(scene: Scene, word: Declaration) -> None:
    with pytest.raises(InvalidInput):
        scene.watch.register.declare(word)

    assert scene.watch.register.declarations() == {}


def test_what_was_never_understood_is_not_covered(scene: Scene) -> None:
    refused = [Rejected(source_system="Pharmacy", format="cef", reason="no time", raw=b"%d" % n) for n in range(5)]
    Quarantine(scene.live.engine, scene.clock).add(refused)
    scene.watch.look(NOW)

    row = scene.rows()["Pharmacy"]

    assert (row.auditing, row.sentence, row.is_missing) == (Auditing.NEVER, "Nothing it sent was understood.", True)
