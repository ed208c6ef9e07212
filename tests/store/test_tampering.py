"""Everything an administrator of the database could do to the rows, and what the independent checker says about it."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from domain.entry import body_bytes, chain, private_digest, salt
from store.anchor import Anchor
from store.engine import Engine
from store.fsck import Integrity, Problem
from tests.support.cast import chart_view
from tests.support.clock import TickingClock
from tests.support.node import node, verify

COUNT = 300


@pytest.fixture
def ledger(engine: Engine, tmp_path: Path) -> Path:
    """300 entries, two signed checkpoints, and the anchor's directory."""
    with node(engine, tmp_path, TickingClock()) as live:
        live.ledger.append([chart_view(n) for n in range(200)])
        live.keeper.checkpoint()
        live.ledger.append([chart_view(n) for n in range(200, COUNT)])
    return tmp_path


def problems(engine: Engine, directory: Path) -> list[Problem]:
    anchor = Anchor(directory / "state", None)
    try:
        verdict = verify(engine, anchor)
    finally:
        anchor.close()
    assert (verdict.integrity is Integrity.INTACT) == (not verdict.problems)
    return list(verdict.problems)


def alter(what: str) -> Callable[[Engine], None]:
    return lambda engine: engine.execute(f"ALTER TABLE events {what}")


def copy_row(engine: Engine, seq: int, new_seq: int, *, instead: bool) -> None:
    frame = engine.frame("SELECT * FROM events WHERE seq = {seq:UInt64}", seq=seq)
    if instead:
        engine.execute("ALTER TABLE events DELETE WHERE seq = {seq:UInt64}", seq=new_seq)
    engine.insert("events", frame.with_columns(pl.lit(new_seq, dtype=pl.UInt64).alias("seq")))


def swap_rows(engine: Engine) -> None:
    frame = engine.frame("SELECT * FROM events WHERE seq IN (40, 41) ORDER BY seq")
    engine.execute("ALTER TABLE events DELETE WHERE seq IN (40, 41)")
    engine.insert("events", frame.with_columns(pl.Series("seq", [41, 40], dtype=pl.UInt64)))


def edit_and_refit(engine: Engine) -> None:
    """Edit entry 50 and every leaf after it: the work of someone who read docs/log-format.md."""
    frame = engine.frame("SELECT * FROM events ORDER BY seq")
    previous = frame["leaf"][49]
    leaves, headers, actors = frame["leaf"].to_list(), frame["header"].to_list(), frame["actor_id"].to_list()
    headers[50], actors[50] = headers[50].replace('"alice"', '"bob"'), "bob"
    for seq in range(50, COUNT):
        digest = private_digest(frame["private"][seq].encode(), salt(bytes(32), "main", seq))
        previous = chain(previous, body_bytes(headers[seq].encode(), digest))
        leaves[seq] = previous
    engine.execute("TRUNCATE TABLE events")
    engine.insert(
        "events",
        frame.with_columns(pl.Series("leaf", leaves, dtype=pl.Binary), pl.Series("header", headers), pl.Series("actor_id", actors)),
    )


@pytest.mark.parametrize(
    ("attack", "seq", "says"),
    [
        pytest.param(alter("UPDATE actor_id = 'bob' WHERE seq = 17"), 17, "a column differs", id="edit a column"),
        pytest.param(alter("UPDATE patient_id = 'P-9' WHERE seq = 17"), 17, "private column differs", id="edit the patient column"),
        pytest.param(alter("UPDATE time = time + 60 WHERE seq = 17"), 17, "time differs", id="back-date a column"),
        pytest.param(alter("UPDATE outcome = 'denied' WHERE seq = 17"), 17, "a column differs", id="edit the outcome"),
        pytest.param(
            alter("UPDATE header = replaceOne(header, 'alice', 'carol') WHERE seq = 17"),
            17,
            "not what was chained",
            id="edit the header",
        ),
        pytest.param(
            alter("UPDATE private = replaceOne(private, 'P-1', 'P-2') WHERE seq = 17"),
            17,
            "not what was chained",
            id="edit the private part",
        ),
        pytest.param(
            alter("UPDATE leaf = toFixedString(unhex(repeat('ab', 32)), 32) WHERE seq = 17"), 17, "not what was", id="edit a leaf"
        ),
        pytest.param(alter("DELETE WHERE seq = 17"), 17, "is missing", id="delete a row"),
        pytest.param(alter("DELETE WHERE seq = 0"), 0, "is missing", id="delete the first row"),
        pytest.param(swap_rows, 40, "not what was chained", id="swap two rows"),
        pytest.param(lambda e: copy_row(e, 17, 17, instead=False), 17, "stands twice", id="repeat a row"),
        pytest.param(lambda e: copy_row(e, 17, 30, instead=False), 30, "stands twice", id="insert a row"),
        pytest.param(lambda e: copy_row(e, 17, COUNT, instead=False), COUNT, "not what was chained", id="append a row"),
        pytest.param(lambda e: copy_row(e, 17, 30, instead=True), 30, "not what was chained", id="replace a row"),
        pytest.param(alter("DELETE WHERE seq >= 290"), 290, "the tail was cut", id="cut the tail"),
        pytest.param(alter("DELETE WHERE seq >= 0"), 0, "the tail was cut", id="empty the log"),
        pytest.param(edit_and_refit, 0, "not the signed one", id="edit and chain everything again"),
    ],
)
def test_an_attack_is_named(engine: Engine, ledger: Path, attack: Callable[[Engine], None], seq: int | None, says: str) -> None:
    assert problems(engine, ledger) == []

    attack(engine)

    found = problems(engine, ledger)
    assert found
    assert says in found[0].what
    assert found[0].seq == seq


def test_a_cut_tail_with_a_cut_spine_is_older_than_the_anchor(engine: Engine, ledger: Path) -> None:
    """Yesterday's store, consistent in itself: only what is kept outside knows better."""
    engine.execute("ALTER TABLE events DELETE WHERE seq >= 200")
    engine.execute("ALTER TABLE spine DELETE WHERE seq >= 1")
    engine.execute("ALTER TABLE checkpoints DELETE WHERE size > 1")

    found = problems(engine, ledger)

    assert any("older than a signed checkpoint" in problem.what for problem in found)
    assert any(problem.seq == COUNT - 1 and "acknowledged entry is missing" in problem.what for problem in found)


def test_a_spine_entry_that_was_edited_is_named(engine: Engine, ledger: Path) -> None:
    engine.execute("ALTER TABLE spine UPDATE body = replaceOne(body, 'heads', 'seals') WHERE seq = 1")

    assert any(problem.what.startswith("spine: ") and problem.seq == 1 for problem in problems(engine, ledger))


def test_a_checkpoint_by_another_key_is_named(engine: Engine, ledger: Path) -> None:
    engine.execute("ALTER TABLE checkpoints UPDATE note = replaceAll(note, 'log.example', 'evil.example') WHERE size > 0")

    assert any("not signed by this ledger's key" in problem.what for problem in problems(engine, ledger))


def test_a_dropped_month_without_a_tombstone_is_named(engine: Engine, ledger: Path) -> None:
    engine.execute("ALTER TABLE events DROP PARTITION 202603")

    assert any("the tail was cut" in problem.what for problem in problems(engine, ledger))


def test_rows_filed_under_an_unknown_month_are_named(engine: Engine, ledger: Path) -> None:
    frame = engine.frame("SELECT * FROM events WHERE seq = 3").with_columns(pl.lit(199901, dtype=pl.UInt32).alias("epoch"))
    engine.insert("events", frame)

    assert any("belong to no registered log" in problem.what for problem in problems(engine, ledger))


def test_a_changed_secret_is_named(engine: Engine, ledger: Path) -> None:
    engine.execute(f"ALTER TABLE logs UPDATE secret = toFixedString(unhex('{hashlib.sha256(b'x').hexdigest()}'), 32) WHERE 1")

    assert problems(engine, ledger)[0].seq == 0


def test_a_month_removed_together_with_its_registration_is_named(engine: Engine, tmp_path: Path) -> None:
    """The newest month and every trace of it in `logs`: the spine still commits to it."""
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        live.ledger.append([chart_view(n) for n in range(10)])
        clock.advance(days=31)
        live.ledger.append([chart_view(n) for n in range(10, 20)])
    engine.execute("ALTER TABLE events DELETE WHERE epoch = 202604")
    engine.execute("ALTER TABLE logs DELETE WHERE epoch = 202604")

    found = problems(engine, tmp_path)

    assert any("the spine commits to this log" in problem.what and problem.log.endswith("2026-04") for problem in found)
    assert any("acknowledged entry is missing" in problem.what for problem in found)


def test_ranges_meet_without_a_gap(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry is examined, whatever the size of a range: an edit at each border is found at its place."""
    monkeypatch.setattr("store.fsck_entries.SMALLEST_RANGE", 256)
    monkeypatch.setattr("store.fsck_entries.LARGEST_RANGE", 256)
    with node(engine, tmp_path, TickingClock()) as live:
        live.ledger.append([chart_view(n) for n in range(600)])
    assert problems(engine, tmp_path) == []

    engine.execute("ALTER TABLE events UPDATE actor_id = 'bob' WHERE seq IN (0, 255, 256, 511, 512, 599)")

    assert [problem.seq for problem in problems(engine, tmp_path)] == [0, 255, 256, 511, 512, 599]
