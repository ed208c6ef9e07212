"""Attack: an event is dated back or forward, clocks are set, moments are equal. Times that were hashed do not change; claims are
only claims.

An event has the time that its source claims, and the time of receipt, which never decreases in a log. Between which moments it
was really recorded is shown by the clocks of witnesses: not earlier than a cosignature that the log names before it, not later
than one over it.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from api.witness import Witness
from store.engine import Engine
from store.witness_state import WitnessState
from tests.adversarial.attacks import MARCH, Scene, first, is_intact, place, rechain, some_events, with_header
from tests.dashboards.exports_checkers import FAILED, OPEN, PROVEN, Answer, Given, ask
from tests.dashboards.exports_forge import POLICY, SIGNER, Entry, Forge, three_logs
from tests.support.clock import TickingClock
from tests.support.node import node
from tests.support.witness import WITNESS, GrowingLog

HOUR = timedelta(hours=1)


def test_stored_times_are_changed(scene: Scene) -> None:
    """An hour back, an hour forward, a microsecond: each in an entry of its own, and each is named."""
    changes = [(column, by) for column in ("time", "received") for by in (-HOUR, HOUR, timedelta(microseconds=1))]
    frame = scene.table("events")
    for number, (column, by) in enumerate(changes):
        moved = pl.when(pl.col("seq") == 10 + 20 * number).then(pl.col(column) + by).otherwise(pl.col(column))
        frame = frame.with_columns(moved.alias(column))
    scene.write("events", frame)

    said = scene.verify()

    assert first(said) == (MARCH, 10)
    assert {(MARCH, 10 + 20 * number) for number in range(len(changes))} <= {place(problem) for problem in said.problems}


@pytest.mark.parametrize(
    ("received", "says"),
    [
        pytest.param("2026-03-02T07:59:59.999999Z", "received before", id="back"),
        pytest.param("2026-02-27T08:00:00.000000Z", "another month", id="into another month"),
    ],
)
def test_a_receipt_is_dated_back_and_everything_is_chained_anew(scene: Scene, received: str, says: str) -> None:
    """Consistent in itself, and named at the entry, because a log's receipts never go back."""
    frame = scene.table("events")
    headers = frame["header"].to_list()
    headers[150] = with_header(headers[150], received=received)
    moment = datetime.fromisoformat(received)
    column = pl.when(pl.col("seq") == 150).then(pl.lit(moment, dtype=frame.schema["received"])).otherwise(pl.col("received"))
    rechain(scene, frame.with_columns(pl.Series("header", headers), column.alias("received")))

    said = scene.verify()

    assert first(said) == (MARCH, 150)
    assert says in said.problems[0].what


def test_the_clock_is_set_back_and_forward_while_recording(engine: Engine, tmp_path: Path) -> None:
    """An hour back: receipts stay where they were. A day forward and back again: nothing is received before what stands in front
    of it.
    """
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        for number, step in enumerate([timedelta(0), -HOUR, 24 * HOUR, -24 * HOUR]):
            clock.advance(seconds=step.total_seconds())
            live.ledger.append(some_events([number]))
            live.keeper.checkpoint()

        assert is_intact(live.verify())
    start = datetime(2026, 3, 2, 8)  # as the engine gives it
    received = [moment for (moment,) in engine.rows("SELECT received FROM events ORDER BY seq")]
    assert received == [start, start, start + 23 * HOUR, start + 23 * HOUR]


def test_claims_of_any_time_are_kept_as_claims(engine: Engine, tmp_path: Path) -> None:
    """A source dates its event years back or ahead: it is recorded as claimed, in the order of receipt."""
    clock = TickingClock()
    claims = [datetime(1999, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC), clock.now, clock.now]
    with node(engine, tmp_path, clock) as live:
        live.ledger.append([replace(event, time=time) for event, time in zip(some_events(range(4)), claims, strict=True)])
        live.keeper.checkpoint()

        assert is_intact(live.verify())
    rows = engine.rows("SELECT time, received FROM events ORDER BY seq")
    assert rows == [(claim.replace(tzinfo=None), clock.now.replace(tzinfo=None)) for claim in claims]


def test_a_witness_whose_clock_is_set_back_takes_no_time_back(tmp_path: Path) -> None:
    log, clock = GrowingLog(), TickingClock()
    with WitnessState.create(tmp_path / "w") as state:
        state.add_log(log.ring)
        witness = Witness(state, [WITNESS], clock)
        witness.add_checkpoint(log.request(0, 3).body)
        before = state.held(log.signer.name).timestamp
        clock.advance(hours=-5)

        witness.add_checkpoint(log.request(3, 4).body)

        assert state.held(log.signer.name).timestamp == before


class Bracket:
    """An export of patient P-9's one event, recorded after a checkpoint that witnesses saw, under another one that they saw."""

    def __init__(self, after: datetime, before: datetime) -> None:
        """`after` is what the witnesses said of the earlier checkpoint, `before` what they say of the export's own."""
        self.forge = three_logs()
        self.log = self.forge.logs[2]
        note = self.forge.note(4, seen_by={"one": after, "two": after})
        anchor = self._anchor(self.forge, note)
        self.forge.add(self.log, patient="P-9")
        self.draft = self.forge.draft({"patient_id": "P-9"})
        self.draft.policy = POLICY
        self.draft.seen_by = {"one": before, "two": before}
        self.draft.timestamps = [self.draft.covers_line(self.log), self.draft.after_line(self.log, anchor, note)]

    @staticmethod
    def _anchor(forge: Forge, note: str) -> Entry:
        return forge.add(
            forge.logs[2], patient=None, action="time_anchor", details={"note_sha256": sha256(note.encode()).hexdigest()}
        )

    def answer(self, path: Path) -> Answer:
        """What both checkers say to a reader with keys and policy of their own."""
        return ask(self.draft.give(path / "x.zip"), Given(trust=SIGNER.verifier.text, policy=POLICY))


MADE = datetime(2026, 3, 10, 9, tzinfo=UTC)


def test_the_bracket_shows_when_an_event_was_recorded(tmp_path: Path) -> None:
    said = Bracket(MADE, MADE + timedelta(minutes=1)).answer(tmp_path)

    assert (said.claims["earlier"].state, said.claims["later"].state) == (PROVEN, PROVEN), said
    assert said.says("earlier", "not earlier than 2026-03-10 09:00:00 UTC")
    assert said.says("later", "not later than 2026-03-10 09:01:00 UTC")


@pytest.mark.parametrize(
    ("after", "before", "claim", "words"),
    [
        pytest.param(MADE, MADE - 3 * HOUR, "later", "dated before the entry that they cover", id="cosigned before it was there"),
        pytest.param(MADE, MADE + 30 * HOUR, "later", "dated after the export was made", id="cosigned after the export"),
        pytest.param(MADE + 5 * HOUR, MADE, "earlier", "not earlier than", id="after is later than before"),
    ],
)
def test_cosignatures_of_an_impossible_time(tmp_path: Path, after: datetime, before: datetime, claim: str, words: str) -> None:
    said = Bracket(after, before).answer(tmp_path)

    assert claim in said.failed, said.claims
    assert said.says(claim, words)


def test_an_event_moved_in_front_of_the_anchor_is_not_shown_to_be_after_it(tmp_path: Path) -> None:
    """The line about the anchor comes with an event that stands before it: file and line are named."""
    bracket = Bracket(MADE, MADE)
    draft = bracket.forge.clone().draft({"patient_id": "P-1"})
    draft.policy, draft.seen_by = POLICY, bracket.draft.seen_by
    anchor = bracket.log.entries[40]
    note = str(bracket.draft.timestamps[1]["note"])
    draft.timestamps = [draft.after_line(draft.forge.logs[2], anchor, note)]

    said = ask(draft.give(tmp_path / "x.zip"), Given(trust=SIGNER.verifier.text, policy=POLICY))

    assert said.claims["earlier"].state == FAILED
    assert said.says("earlier", "timestamps.jsonl line 1: entry 340 does not stand in front of the events of its log")


def test_without_witnesses_no_time_is_proven(tmp_path: Path) -> None:
    said = ask(three_logs().draft({"patient_id": "P-1"}).give(tmp_path / "x.zip"), Given(trust=SIGNER.verifier.text))

    assert (said.claims["earlier"].state, said.claims["later"].state) == (OPEN, OPEN)
