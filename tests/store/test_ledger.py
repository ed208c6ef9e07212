"""The ledger writer on a real engine: order, duplicates, months, recovery, refusal."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from domain.errors import Backpressure, IntegrityError
from domain.event import AuditEvent
from domain.keyring import KeyRing
from domain.proof import EventProof, verify_event_proof
from domain.record import Receipt, Status
from store.engine import Engine
from store.fsck import Integrity
from store.proofs import Proofs
from tests.support.cast import chart_view
from tests.support.clock import TickingClock
from tests.support.node import SIGNER, node, verify


def views(first: int, count: int) -> list[AuditEvent]:
    return [chart_view(n) for n in range(first, first + count)]


def test_events_are_numbered_chained_and_verified(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock()) as live:
        receipts = live.ledger.append(views(0, 3)) + live.ledger.append(views(3, 2))
        live.keeper.checkpoint()

        assert [receipt.seq for receipt in receipts] == [0, 1, 2, 3, 4]
        assert {receipt.status for receipt in receipts} == {Status.ACCEPTED}
        assert live.ledger.head().seq == 4
        assert live.verify().integrity is Integrity.INTACT
        assert live.verify().entries == 5


def test_one_append_is_one_part(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock()) as live:
        live.ledger.append(views(0, 700))

        parts = engine.rows("SELECT rows FROM system.parts WHERE database = 'phitrail' AND table = 'events' AND active")

    assert parts == [(700,)]


def test_a_repeat_is_a_duplicate_and_names_the_first_copy(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock()) as live:
        live.ledger.append(views(0, 2))

        again = live.ledger.append([chart_view(1), chart_view(2), chart_view(2)])

    assert [(receipt.status, receipt.seq) for receipt in again] == [
        (Status.DUPLICATE, 1),
        (Status.ACCEPTED, 2),
        (Status.DUPLICATE, 2),
    ]
    assert engine.rows("SELECT count() FROM events") == [(3,)]


def test_a_reused_id_is_not_stored_and_says_so(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock()) as live:
        live.ledger.append(views(0, 1))

        (receipt,) = live.ledger.append([replace(chart_view(0), patient_id="P-2", raw=b"other")])

    assert receipt.status is Status.QUARANTINED
    assert receipt.reason == "event_id was used before for something else"
    assert engine.rows("SELECT count() FROM events") == [(1,)]


def test_the_same_id_from_another_system_is_another_event(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock()) as live:
        receipts = live.ledger.append([chart_view(0), replace(chart_view(0), source_system="ehr-2")])

    assert [receipt.status for receipt in receipts] == [Status.ACCEPTED, Status.ACCEPTED]


def test_many_callers_share_commits_and_each_gets_its_own_answers(engine: Engine, tmp_path: Path) -> None:
    answers: dict[int, list[Receipt]] = {}
    with node(engine, tmp_path, TickingClock()) as live:
        threads = [
            threading.Thread(target=lambda n=n: answers.update({n: live.ledger.append(views(n * 10, 10))})) for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        verdict = live.verify()

    assert all([r.event_id for r in answers[n]] == [e.event_id for e in views(n * 10, 10)] for n in range(20))
    assert sorted(r.seq for receipts in answers.values() for r in receipts if r.seq is not None) == list(range(200))
    assert verdict.entries == 200
    parts = engine.rows("SELECT count() FROM system.parts WHERE database = 'phitrail' AND table = 'events'")
    assert int(str(parts[0][0])) < 20


def test_receipt_never_goes_backwards_when_the_clock_does(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        live.ledger.append(views(0, 1))
        clock.advance(hours=-5)
        live.ledger.append(views(1, 1))
        live.keeper.checkpoint()

        assert live.verify().integrity is Integrity.INTACT
    first, second = (row[0] for row in engine.rows("SELECT received FROM events ORDER BY seq"))
    assert first == second


def test_a_month_ends_with_a_seal_and_the_next_log_follows_it(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        live.ledger.append(views(0, 300))
        clock.advance(days=31)
        live.ledger.append(views(300, 10))
        live.keeper.seal_due()
        live.keeper.checkpoint()
        proofs = Proofs(engine, SIGNER.name)

        assert engine.rows("SELECT epoch, count() FROM events GROUP BY epoch ORDER BY epoch") == [(202603, 300), (202604, 10)]
        assert [kind for (kind,) in engine.rows("SELECT kind FROM spine ORDER BY seq")] == ["seal", "heads"]
        for seq in (0, 255, 299, 300, 309):
            verify_event_proof(proofs.event("main", seq), KeyRing.of(SIGNER.verifier))
        assert live.verify().integrity is Integrity.INTACT


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 513])
def test_a_restart_goes_on_where_it_stopped(engine: Engine, tmp_path: Path, count: int) -> None:
    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        live.ledger.append(views(0, count))

    with node(engine, tmp_path, clock) as again:
        (receipt,) = again.ledger.append([chart_view(count)])
        again.keeper.checkpoint()

        assert receipt.seq == count
        assert again.ledger.append([chart_view(0)])[0].status is Status.DUPLICATE
        assert again.verify().integrity is Integrity.INTACT
        for seq in {0, count // 2, count}:
            verify_event_proof(Proofs(engine, SIGNER.name).event("main", seq), KeyRing.of(SIGNER.verifier))


def test_a_proof_survives_its_outward_form_and_fails_on_any_change(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock()) as live:
        live.ledger.append(views(0, 10))
        live.keeper.checkpoint()
        proof = Proofs(engine, SIGNER.name).event("main", 4)

    import orjson

    text = orjson.dumps(proof.to_json())
    assert EventProof.from_json(text) == proof
    assert verify_event_proof(proof, KeyRing.of(SIGNER.verifier)).origin == SIGNER.name
    for broken in (
        replace(proof, body=proof.body.replace(b"alice", b"mallo")),
        replace(proof, previous=bytes(32)),
        replace(proof, index=5),
        replace(proof, path=proof.path[1:]),
        replace(proof, heads_count=2),
        replace(proof, spine_body=proof.spine_body.replace(b"heads", b"seal")),
        replace(proof, spine_previous=bytes(32)),
        replace(proof, checkpoint=proof.checkpoint.replace("\n1\n", "\n2\n")),
    ):
        with pytest.raises(IntegrityError):
            verify_event_proof(broken, KeyRing.of(SIGNER.verifier))


def test_a_store_behind_its_anchor_is_refused(engine: Engine, tmp_path: Path) -> None:
    """Yesterday's store under today's state directory."""
    with node(engine, tmp_path, TickingClock()) as live:
        live.ledger.append(views(0, 20))
    engine.execute("ALTER TABLE events DELETE WHERE seq >= 10")

    with (
        pytest.raises(IntegrityError, match="ends at entry 9, but entry 19 was acknowledged"),
        node(engine, tmp_path, TickingClock()),
    ):
        pass


def test_a_restored_data_directory_is_noticed_by_the_second_copy_of_the_anchor(engine: Engine, tmp_path: Path) -> None:
    """Yesterday's data directory, state directory included: only the copy elsewhere remembers."""
    with node(engine, tmp_path, TickingClock()) as live:
        live.ledger.append(views(0, 5))
        live.keeper.checkpoint()
    for file in (tmp_path / "state").iterdir():
        file.unlink()
    for table in ("events", "spine", "checkpoints", "event_keys", "tiles", "logs"):
        engine.execute(f"TRUNCATE TABLE {table}")

    with pytest.raises(IntegrityError, match="rolled back"), node(engine, tmp_path, TickingClock()):
        pass


def test_a_store_without_its_state_directory_is_refused(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock()) as live:
        live.ledger.append(views(0, 5))

    with pytest.raises(IntegrityError, match="no anchor"), node(engine, tmp_path / "elsewhere", TickingClock()):
        pass


def test_a_second_writer_on_one_head_stops_at_once(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock()) as one, node(engine, tmp_path, TickingClock()) as two:
        one.ledger.append(views(0, 3))

        with pytest.raises(IntegrityError):
            two.ledger.append(views(3, 3))
        with pytest.raises(IntegrityError):
            two.ledger.append(views(6, 1))

        two.ledger._queue.failure = two.ledger._queue.failure or IntegrityError("stopped")


def test_too_much_waiting_is_turned_away_and_nothing_of_it_is_stored(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock(), max_waiting=10) as live:
        live.ledger.append(views(0, 30))
        entered, release = threading.Event(), threading.Event()
        original = live.ledger._queue._commit

        def slow(events):  # type: ignore[no-untyped-def]
            entered.set()
            assert release.wait(10)
            return original(events)

        live.ledger._queue._commit = slow
        first = threading.Thread(target=live.ledger.append, args=(views(100, 1),))
        second = threading.Thread(target=live.ledger.append, args=(views(200, 8),))
        first.start()
        assert entered.wait(10)
        second.start()
        while not live.ledger._queue._count:
            pass
        with pytest.raises(Backpressure):
            live.ledger.append(views(300, 5))
        release.set()
        first.join()
        second.join()

    assert engine.rows("SELECT count() FROM events WHERE event_id LIKE 'view-3__'") == [(0,)]
    assert engine.rows("SELECT count() FROM events") == [(39,)]


def test_an_idle_ledger_still_commits(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock()) as live:
        live.ledger.append(views(0, 1))
        for _ in range(3):
            live.keeper.checkpoint()

        assert live.verify().signed_size == 3


def test_an_empty_store_is_unknown_never_intact(engine: Engine, tmp_path: Path) -> None:
    from store.anchor import Anchor

    anchor = Anchor(tmp_path / "state", None)
    assert verify(engine, anchor).integrity is Integrity.UNKNOWN
    anchor.close()
