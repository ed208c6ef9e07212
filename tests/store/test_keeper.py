"""The keeper: heads of every log, a chain of seals, and nothing sealed too soon."""

import threading
from pathlib import Path
from typing import cast

import orjson
import pytest

from domain.checkpoint import Head
from domain.errors import Conflict, IntegrityError, InvalidInput
from domain.merkle import EMPTY_ROOT
from store.anchor import Anchor
from store.engine import Engine
from store.fsck import Integrity
from store.index_trees import index_commitments
from store.keeper import Keeper
from store.lease import hold_lease
from store.ledger import Ledger
from store.logs import registered_logs
from store.spine import Spine
from tests.support.cast import chart_view
from tests.support.clock import TickingClock
from tests.support.faults import Fault, FaultyEngine
from tests.support.node import SIGNER, node, verify


def kinds(engine: Engine) -> list[str]:
    return [str(kind) for (kind,) in engine.rows("SELECT kind FROM spine ORDER BY seq")]


def entries(engine: Engine, kind: str) -> list[tuple[int, dict[str, object], list[Head]]]:
    """(seq, fields, heads) of the spine's entries of a kind."""
    rows = engine.rows("SELECT seq, body, heads FROM spine WHERE kind = {kind:String} ORDER BY seq", kind=kind)
    return [
        (cast("int", seq), orjson.loads(str(body))["fields"], [Head.parse(line) for line in str(heads).splitlines()])
        for seq, body, heads in rows
    ]


def another(engine: Engine, directory: Path, clock: TickingClock, writer: str) -> tuple[Ledger, Anchor]:
    """A writer of another node: a state directory of its own, and no keeper."""
    anchor = Anchor(directory / writer, None)
    secret = writer.encode().ljust(32)
    return Ledger(engine=engine, anchor=anchor, origin=SIGNER.name, clock=clock, new_secret=lambda: secret, writer=writer), anchor


def test_a_month_that_is_over_is_sealed_once_with_its_indexes(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        live.ledger.append([chart_view(n) for n in range(300)])
        live.keeper.checkpoint()
        assert live.keeper.seal_due() == []
        clock.advance(days=31)
        live.ledger.append([chart_view(300)])

        (sealed,) = live.keeper.seal_due()
        assert live.keeper.seal_due() == []
        live.keeper.checkpoint()

        ((seq, fields, heads),) = entries(engine, "seal")
        record = registered_logs(engine)[0]
        assert (seq, sealed.kind) == (sealed.seq, "seal")
        assert heads == [Head(record.origin, 300, bytes.fromhex(str(fields["root"])))]
        assert (fields["first_seq"], fields["last_seq"], fields["size"], fields["writer"]) == (0, 299, 300, "main")
        assert fields["index"] == index_commitments(engine, record, 300)
        assert (fields["seals"], fields["previous_seal"]) == (0, None)
        _, newest, open_heads = entries(engine, "heads")[-1]
        assert newest == {"seals": 1, "last_seal": seq}
        assert [(head.origin, head.size) for head in open_heads] == [("log.example/main/2026-04", 1)]
        assert live.verify().integrity is Integrity.INTACT


def test_seals_lead_back_to_the_first(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        for month in range(4):
            live.ledger.append([chart_view(month)])
            clock.advance(days=31)
        live.keeper.seal_due()
        live.keeper.checkpoint()

        seals = {seq: fields for seq, fields, _ in entries(engine, "seal")}
        place, found = entries(engine, "heads")[-1][1]["last_seal"], []
        while place is not None:
            found.append(seals[cast("int", place)]["origin"])
            place = seals[cast("int", place)]["previous_seal"]

    assert found == [f"log.example/main/2026-{month:02d}" for month in (6, 5, 4, 3)]
    assert [fields["seals"] for fields in seals.values()] == [0, 1, 2, 3]


def test_a_log_whose_writer_is_gone_is_sealed_a_day_after_its_month(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        gone, anchor = another(engine, tmp_path, clock, "gone")
        gone.append([chart_view(7)])
        gone.close()
        anchor.close()
        clock.now = clock.now.replace(month=4, day=1, hour=23)
        assert live.keeper.seal_due() == []

        clock.now = clock.now.replace(day=2, hour=1)

        assert [entry.kind for entry in live.keeper.seal_due()] == ["seal"]
        assert entries(engine, "seal")[0][1]["origin"] == "log.example/gone/2026-03"


def test_the_spine_commits_to_writers_of_other_nodes_as_they_are_stored(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        other, anchor = another(engine, tmp_path, clock, "site-b")
        live.ledger.append([chart_view(n) for n in range(3)])
        live.keeper.checkpoint()
        other.append([chart_view(n) for n in range(10, 310)])
        live.keeper.checkpoint()
        own, others = entries(engine, "heads")[-1][2]

        assert (own.origin, own.size) == ("log.example/main/2026-03", 3)
        assert (others.origin, others.size) == ("log.example/site-b/2026-03", 300)
        assert others == other.log_head()
        assert live.verify().integrity is Integrity.INTACT
        other.close()
        anchor.close()


def test_writers_side_by_side_share_nothing_but_the_spine(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        others = [another(engine, tmp_path, clock, f"site-{letter}") for letter in "bcd"]
        ledgers = [live.ledger, *(ledger for ledger, _ in others)]

        def load(ledger: Ledger, lane: int) -> None:
            for first in range(0, 300, 50):
                ledger.append([chart_view(1_000 * lane + n) for n in range(first, first + 50)])

        threads = [threading.Thread(target=load, args=(ledger, lane)) for lane, ledger in enumerate(ledgers)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            live.keeper.checkpoint()
        for thread in threads:
            thread.join()
        live.keeper.checkpoint()

        assert [head.size for head in entries(engine, "heads")[-1][2]] == [300] * 4
        assert live.verify().integrity is Integrity.INTACT
        for ledger, anchor in others:
            ledger.close()
            anchor.close()


def test_two_nodes_with_one_writer_name_do_not_fork_the_log(engine: Engine, tmp_path: Path) -> None:
    """Both start on an empty store, each with a state directory of its own: whoever registers second stops before it writes."""
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        rival_anchor = Anchor(tmp_path / "rival", None)
        rival = Ledger(engine=engine, anchor=rival_anchor, origin=SIGNER.name, clock=clock, new_secret=lambda: b"r" * 32)
        live.ledger.append([chart_view(0)])

        with pytest.raises(IntegrityError, match="another node writes as main"):
            rival.append([chart_view(1)])
        with pytest.raises(IntegrityError):
            rival.append([chart_view(1)])

        assert engine.rows("SELECT event_id FROM events") == [("view-0",)]
        rival.close()
        rival_anchor.close()


def test_a_lease_is_held_by_one_and_given_back(tmp_path: Path) -> None:
    with (
        hold_lease(tmp_path, "main"),
        hold_lease(tmp_path, "other"),
        pytest.raises(Conflict, match="another process writes"),
        hold_lease(tmp_path, "main"),
    ):
        pass
    with hold_lease(tmp_path, "main"):
        pass


def test_an_index_entry_commits_to_a_log_that_is_open(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock()) as live:
        live.ledger.append([chart_view(n) for n in range(5)])
        live.keeper.checkpoint()
        record = registered_logs(engine)[0]

        entry = live.keeper.index(record, 3)

        ((seq, fields, (head,)),) = entries(engine, "index")
        assert (seq, head.size, fields["size"]) == (entry.seq, 3, 3)
        assert fields["index"] == index_commitments(engine, record, 3)


def test_a_log_that_nothing_was_written_to_is_sealed_empty(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock()
    broken = FaultyEngine(engine)
    anchor = Anchor(tmp_path / "state", tmp_path / "copies")
    ledger = Ledger(engine=cast("Engine", broken), anchor=anchor, origin=SIGNER.name, clock=clock, new_secret=lambda: bytes(32))
    broken.table = "events"
    with pytest.raises(Fault):
        ledger.append([chart_view(0)])
    ledger.close()
    anchor.close()
    clock.advance(days=40)

    with node(engine, tmp_path, clock) as live:
        live.keeper.seal_due()
        ((_, fields, (head,)),) = entries(engine, "seal")

        assert (head.size, head.root, fields["first_received"]) == (0, EMPTY_ROOT, None)
        live.ledger.append([chart_view(1)])
        live.keeper.checkpoint()
        assert live.verify().integrity is Integrity.INTACT


@pytest.mark.parametrize("after", [False, True], ids=["lost", "done"])
@pytest.mark.parametrize("table", ["spine", "checkpoints"])
def test_a_seal_stops_half_way(engine: Engine, tmp_path: Path, table: str, after: bool) -> None:
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        live.ledger.append([chart_view(n) for n in range(3)])
        clock.advance(days=31)
        live.ledger.append([chart_view(3)])
    for name in ("spine", "checkpoints", "tiles"):
        # The closing seal of `node` above is taken back, so that one can fail.
        engine.execute(f"TRUNCATE TABLE {name}")
    (tmp_path / "state" / "anchor.sqlite").unlink()
    fresh = Anchor(tmp_path / "state", None)
    fresh.begin_spine()
    broken = FaultyEngine(engine)
    spine = Spine(cast("Engine", broken), fresh, SIGNER, clock)
    keeper = Keeper(cast("Engine", broken), spine, clock)
    broken.table, broken.after = table, after
    with pytest.raises(Fault):
        keeper.seal_due()

    keeper.seal_due()
    keeper.checkpoint()

    assert kinds(engine) == ["seal", "heads"]
    assert verify(engine, fresh).integrity is Integrity.INTACT
    fresh.close()


def test_a_long_entry_is_refused_and_nothing_is_written(engine: Engine, tmp_path: Path) -> None:

    with node(engine, tmp_path, TickingClock()) as live:
        with pytest.raises(InvalidInput, match="too long for the spine"):
            live.keeper.commit("export", {"export_id": "x" * 70_000})

        live.keeper.checkpoint()

        assert kinds(engine) == ["heads"]
