"""Redaction on a real ledger: what leaves, what stays provable, who may not, and a stop at every step."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from analytics.access import AccessFacts
from analytics.deliveries import fact
from domain.clock import rfc3339
from domain.entry import private_digest, salt
from domain.errors import Conflict, IntegrityError, InvalidInput, NotFound
from domain.event import AuditEvent
from domain.keyring import KeyRing
from domain.proof import verify_event_proof
from domain.record import Receipt, Rejected, Status
from retention.holds import HoldRequest, Holds
from retention.redaction import MOST, Redacted, RedactionAuthority, RedactionReason
from store.context import ContextStore
from store.cursors import Span
from store.deliveries import DeliveryFacts
from store.engine import Engine
from store.fsck import Integrity
from store.index_trees import index_commitments
from store.ledger import Ledger
from store.logs import registered_logs
from store.proofs import Proofs
from store.quarantine import Quarantine
from store.redaction import Batch, RedactionStore
from store.retention import HoldScope, RetentionStore
from tests.support.cast import MORNING, chart_view
from tests.support.faults import Fault
from tests.support.node import SIGNER, verify
from tests.support.redacting import BY, COURT, SECRET, Redacting, redacting, some_events


@pytest.fixture
def rig(engine: Engine, tmp_path: Path) -> Iterator[Redacting]:
    with redacting(engine, tmp_path, some_events(8)) as made:
        yield made


def intact(rig: Redacting) -> bool:
    """What `phitrail verify` says."""
    return verify(rig.engine, rig.anchor).integrity is Integrity.INTACT


def test_a_redacted_entry_lost_its_private_part_and_nothing_that_is_proven(rig: Redacting) -> None:
    (record,) = registered_logs(rig.engine)
    before = Proofs(rig.engine, SIGNER.name).event("main", 2)
    trees = index_commitments(rig.engine, record, 8)

    done = rig.redaction().run([("main", 3), ("main", 2)], RedactionReason.INDIVIDUAL_REQUEST, BY)

    assert done == [Redacted(spine_seq=1, writer="main", epoch=202603, count=2, findings=0, alerts=0)]
    assert [rig.row(seq)["private"] == "" for seq in range(8)] == [False, False, True, True, False, False, False, False]
    rig.keeper.checkpoint()
    after = Proofs(rig.engine, SIGNER.name).event("main", 2)
    assert (after.body, after.previous, after.index) == (before.body, before.previous, before.index)
    verify_event_proof(after, KeyRing.of(SIGNER.verifier))
    assert index_commitments(rig.engine, record, 8) == trees, "a redacted entry is still its subject's"
    assert intact(rig)


def test_the_spine_says_how_many_why_and_by_whom_and_nothing_more(rig: Redacting) -> None:
    rig.redact(2, 3)

    ((body,),) = rig.engine.rows("SELECT body FROM spine WHERE kind = 'redact'")
    rows = [
        f"{seq} {digest} {patient} {actor}".encode()
        for seq, digest, patient, actor in rig.engine.rows(
            "SELECT seq, private_digest, patient_tag, actor_tag FROM redactions ORDER BY seq"
        )
    ]
    one, two = (hashlib.sha256(b"\x00" + row).digest() for row in rows)
    assert orjson.loads(str(body))["fields"] == {
        "origin": "log.example/main/2026-03",
        "epoch": 202603,
        "writer": "main",
        "count": 2,
        "first_seq": 2,
        "last_seq": 3,
        "root": hashlib.sha256(b"\x01" + one + two).hexdigest(),
        "reason": "court_order",
        "run_by": "records.officer",
        "approvers": ["counsel", "privacy.officer"],
    }
    assert rig.engine.rows("SELECT seq, spine_seq FROM redactions ORDER BY seq") == [(2, 1), (3, 1)]


def test_the_redaction_is_an_event_of_the_ledger_without_phi(rig: Redacting) -> None:
    rig.redact(2, 3)

    ((actor, patient, ip, private),) = rig.engine.rows(
        "SELECT actor_id, patient_id, ip, private FROM events WHERE action = 'redact' AND source_system = 'phitrail'"
    )
    assert (actor, patient, ip) == ("records.officer", "", "")
    details = {"count": 2, "reason": "court_order", "spine_seq": 1, "origin": "log.example/main/2026-03"}
    assert orjson.loads(str(private)) == {"details": details, "ip": None, "patient_id": None, "raw": ""}


def test_no_table_names_the_patient_any_more(engine: Engine, tmp_path: Path) -> None:
    """Whatever table there is: where one repeats an entry and is not listed in docs/redaction.md, this fails."""
    patient, address = "482913577", "198.51.100.99"
    event = replace(
        chart_view(1), patient_id=patient, ip=address, details={"mrn": patient}, raw=f"MRN {patient} from {address}".encode()
    )
    with redacting(engine, tmp_path, [chart_view(0), event, chart_view(2)]) as rig:
        rig.derive()
        assert naming(engine, patient) == {"events", "access_facts", "scores", "score_features"}
        assert naming(engine, address) == {"events", "access_facts", "late_reasons"}

        rig.redact(1)

        assert naming(engine, patient) == set()
        assert naming(engine, address) == set()


def naming(engine: Engine, text: str) -> set[str]:
    """The tables that have a text, or an array of texts, with this in it."""
    columns = engine.rows(
        "SELECT table, name FROM system.columns "
        "WHERE database = 'phitrail' AND type LIKE '%String%' AND type NOT LIKE 'FixedString%' AND default_kind != 'ALIAS'"
    )
    found = set()
    for table, name in columns:
        ((number,),) = engine.rows(f"SELECT countIf(position(toString({name}), '{text}') > 0) FROM {table}")
        if number:
            found.add(str(table))
    return found


def test_a_guessed_patient_cannot_be_tried_against_the_digest(engine: Engine, tmp_path: Path) -> None:
    """Everything about the entry is known but nine digits, and the digest is at hand: without the salt no guess is told right."""
    truth = 482_913_577
    with redacting(engine, tmp_path, [replace(chart_view(0), patient_id=str(truth), raw=b"%d" % truth)]) as rig:
        known = rig.row(0)["private"]
        rig.redact(0)
        digest = rig.row(0)["private_digest"]
        kept = orjson.dumps(rig.engine.rows("SELECT * FROM redactions")).decode()

    def guesses() -> Iterator[tuple[int, bytes]]:
        for guess in (*range(truth - 500, truth + 500), *range(100_000_000, 100_000_500)):
            yield guess, known.replace(str(truth), str(guess)).encode()

    def matching(salted: bytes) -> list[int]:
        return [guess for guess, private in guesses() if private_digest(private, salted).hex() == digest]

    assert matching(b"") == []
    assert matching(bytes(16)) == []
    assert matching(salt(bytes(32), "main", 0)) == [], "the secret of another log"
    assert matching(salt(SECRET, "main", 1)) == [], "the salt of another entry"
    assert matching(salt(SECRET, "main", 0)) == [truth], "the guess was right all along, and only the salt was missing"
    for unsalted in (str(truth).encode(), known.encode()):
        assert hashlib.sha256(unsalted).hexdigest() not in kept
    assert str(truth) not in kept


def test_an_event_that_is_sent_again_does_not_bring_it_back(rig: Redacting) -> None:
    rig.redact(2)

    (receipt,) = rig.ledger.append([some_events(3)[2]])

    assert (receipt.status, receipt.seq) == (Status.DUPLICATE, 2)
    assert rig.row(2)["private"] == ""
    assert rig.count("events", "patient_id = 'P-2'") == 0


def test_entries_of_several_logs_have_a_spine_entry_each(rig: Redacting) -> None:
    rig.clock.advance(days=31)
    rig.ledger.append([chart_view(n) for n in range(100, 103)])
    other = Ledger(
        engine=cast("Engine", rig.broken),
        anchor=rig.anchor,
        origin=SIGNER.name,
        clock=rig.clock,
        new_secret=lambda: SECRET,
        writer="b",
    )
    other.append([chart_view(200), chart_view(201)])
    rig.keeper.checkpoint()

    done = rig.redaction().run([("main", 1), ("b", 1), ("main", 9), ("main", 10), ("main", 1)], COURT, BY)

    assert [(one.writer, one.epoch, one.count) for one in done] == [("b", 202604, 1), ("main", 202603, 1), ("main", 202604, 2)]
    assert rig.count("spine", "kind = 'redact'") == 3
    assert rig.count("events", "private = ''") == 4
    other.close()
    rig.keeper.checkpoint()
    assert intact(rig)


def test_a_sealed_month_keeps_the_index_it_was_sealed_with(rig: Redacting) -> None:
    rig.clock.advance(days=31)
    rig.ledger.append([chart_view(100)])
    rig.keeper.seal_due()
    ((said,),) = rig.engine.rows("SELECT JSONExtractRaw(body, 'fields', 'index') FROM spine WHERE kind = 'seal'")

    rig.redact(*range(8))

    record = registered_logs(rig.engine)[0]
    assert index_commitments(rig.engine, record, 8) == orjson.loads(str(said))
    rig.keeper.checkpoint()
    assert intact(rig)


NOTHING: list[tuple[str, int]] = []


@pytest.mark.parametrize(
    ("entries", "error", "words"),
    [
        (NOTHING, InvalidInput, "at least one entry"),
        ([("main", seq) for seq in range(MOST + 1)], InvalidInput, "at most 10,000"),
        ([("main", 1), ("main", 88)], NotFound, "no entry 88 of writer main"),
        ([("main", 1), ("elsewhere", 1)], NotFound, "no entry 1 of writer elsewhere"),
    ],
)
def test_what_cannot_be_redacted_is_refused_whole(
    rig: Redacting, entries: list[tuple[str, int]], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        rig.redaction().run(entries, COURT, BY)

    assert nothing_happened(rig)


def nothing_happened(rig: Redacting, redactions: int = 0) -> bool:
    return rig.count("events", "private = ''") == rig.count("redactions") == redactions


def test_an_entry_is_redacted_once(rig: Redacting) -> None:
    rig.redact(2)

    with pytest.raises(Conflict, match="entry 2 of writer main was redacted before"):
        rig.redact(1, 2)

    assert nothing_happened(rig, redactions=1)
    assert rig.count("spine", "kind = 'redact'") == 1


def test_an_entry_that_nothing_signed_covers_is_refused(rig: Redacting) -> None:
    rig.ledger.append([chart_view(100)])

    with pytest.raises(Conflict, match="entry 8 of writer main is stored, but no signed checkpoint covers it yet"):
        rig.redact(1, 8)

    assert nothing_happened(rig)
    rig.keeper.checkpoint()
    rig.redact(1, 8)


def test_an_entry_that_was_tampered_with_is_evidence_and_stays(rig: Redacting) -> None:
    rig.engine.execute("ALTER TABLE events UPDATE private = replaceOne(private, 'P-2', 'P-9') WHERE seq = 2")

    with pytest.raises(IntegrityError, match="entry 2 of writer main is not what was chained"):
        rig.redact(1, 2)

    assert nothing_happened(rig)


def test_events_of_one_record_are_redacted_together(engine: Engine, tmp_path: Path) -> None:
    both = b'{"patients":["P-1","P-2"]}'
    with redacting(engine, tmp_path, [replace(chart_view(0), raw=both), replace(chart_view(1, patient="P-2"), raw=both)]) as rig:
        with pytest.raises(Conflict, match="entry 1 of writer main came in the same record"):
            rig.redact(0)
        assert nothing_happened(rig)

        rig.redact(0, 1)

        assert rig.count("events", "private = ''") == 2


def test_a_record_that_waits_in_quarantine_is_settled_first(rig: Redacting) -> None:
    raw = b'{"event_id":"view-2"}'
    Quarantine(rig.engine, rig.clock).add([Rejected(source_system="ehr", format="phitrail", reason="?", raw=raw)])

    with pytest.raises(Conflict, match="the record of entry 2 of writer main waits in quarantine"):
        rig.redact(2)

    assert nothing_happened(rig)


def test_a_plan_says_what_a_run_would_say_and_changes_nothing(rig: Redacting) -> None:
    assert rig.redaction().plan([("main", 2), ("main", 3), ("main", 2)]) == 2
    with pytest.raises(NotFound):
        rig.redaction().plan([("main", 99)])
    assert nothing_happened(rig)


@pytest.mark.parametrize(
    ("run_by", "approvers"),
    [
        ("", ("counsel", "officer")),
        (" ", ("counsel", "officer")),
        ("x", ()),
        ("x", ("counsel",)),
        ("x", ("counsel", "counsel")),
        ("x", ("counsel", " Counsel ")),
        ("x", ("counsel", "")),
        ("x", ("counsel", "officer", "third")),
        ("x", ("counsel", "n" * 129)),
        ("x", ("counsel", "a\x00b")),
    ],
)
def test_two_different_people_approve(run_by: str, approvers: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        RedactionAuthority(run_by=run_by, approvers=approvers)


def holds(rig: Redacting) -> Holds:
    return Holds(RetentionStore(rig.engine), rig.clock, lambda: "H-1", lambda event: rig.ledger.append([event]))


@pytest.mark.parametrize(
    ("scope", "subject"),
    [(HoldScope.ALL, ""), (HoldScope.MONTHS, ""), (HoldScope.PATIENT, "P-7"), (HoldScope.ACTOR, "mx-1")],
)
def test_a_month_under_a_hold_is_not_redacted(rig: Redacting, scope: HoldScope, subject: str) -> None:
    month = 202603 if scope is HoldScope.MONTHS else 0
    placed = holds(rig).hold(
        HoldRequest(scope=scope, subject=subject, reason="suit", by="counsel", first_epoch=month, last_epoch=month)
    )

    with pytest.raises(Conflict, match="hold H-1 keeps month 202603 as it is"):
        rig.redact(2)
    assert nothing_happened(rig)

    holds(rig).release(placed.hold_id, by="counsel", reason="settled")
    rig.redact(2)
    assert rig.row(2)["private"] == ""


def test_a_hold_on_a_patient_covers_what_was_redacted_of_theirs(rig: Redacting) -> None:
    rig.redact(2)
    placed = HoldRequest(scope=HoldScope.PATIENT, subject="P-2", reason="suit", by="counsel")
    rig.clock.advance(days=31)  # the event of the hold itself names the patient, in the month of the hold
    holds(rig).hold(placed)

    with pytest.raises(Conflict, match="hold H-1 keeps month 202603"):
        rig.redact(3)

    assert rig.row(3)["private"] != ""


def test_a_hold_that_comes_in_before_the_spine_entry_wins(rig: Redacting) -> None:
    class HoldComesIn(RedactionStore):
        """At the moment between (2) and (3) counsel places a hold."""

        def add(self, batch: Batch) -> None:
            super().add(batch)
            holds(rig).hold(HoldRequest(scope=HoldScope.PATIENT, subject="P-5", reason="suit", by="counsel"))

    with pytest.raises(Conflict, match="hold H-1 keeps month 202603"):
        rig.redaction(HoldComesIn(rig.engine)).run([("main", 2)], COURT, BY)

    assert nothing_happened(rig)
    assert rig.count("spine", "kind = 'redact'") == 0


def test_a_month_that_is_detached_meanwhile_is_not_redacted(rig: Redacting) -> None:
    class DisposalComesIn(RedactionStore):
        """At the moment between (2) and (3) a disposal takes the month out of the table."""

        def add(self, batch: Batch) -> None:
            super().add(batch)
            RetentionStore(rig.engine).detach(202603)

    with pytest.raises(Conflict, match="entries of month 202603 left the store meanwhile"):
        rig.redaction(DisposalComesIn(rig.engine)).run([("main", 2)], COURT, BY)

    RetentionStore(rig.engine).attach(202603)
    assert nothing_happened(rig)
    assert rig.count("spine", "kind = 'redact'") == 0


REPEATED = [
    "scores",
    "score_features",
    "late_reasons",
    "access_facts",
    "delivery_facts",
    "quarantine DELETE",
    "quarantine_outcomes",
]
STOPS = [
    *((step, after) for step in ("redactions", "spine", "advance_spine", "checkpoints") for after in (False, True)),
    *((f"ALTER TABLE {step}", False) for step in ("redactions UPDATE", "events UPDATE", *REPEATED)),
    *(("events", after) for after in (False, True)),
]
"""Every write of a redaction in its order, as lost; also as done, where that is not what the next one finds when it is lost."""


def test_a_redaction_stopped_at_every_step_in_turn_completes(engine: Engine, tmp_path: Path) -> None:
    """Each stop is met by `resume`, which finishes what the spine commits to and forgets what it does not."""
    with redacting(engine, tmp_path, some_events(4 * len(STOPS))) as rig:
        for number, (step, after) in enumerate(STOPS):
            case, access, mail = (step, after), 4 * number + 1, 4 * number + 3
            if any(table in step for table in REPEATED):
                repeat(rig, access, mail)
            stop_at(rig, step, after=after)
            with pytest.raises(Fault):
                rig.redact(access, mail)
            rig.broken.table = rig.broken.words = rig.anchor.step = None

            is_committed = rig.count("spine", f"kind = 'redact' AND position(body, '\"first_seq\":{access},') > 0") == 1
            assert is_committed == (number > 2), case
            if not is_committed:
                assert rig.row(access)["private"] != "", case
            finished = rig.redaction().resume()
            assert len(finished) == int(is_committed), case
            if not is_committed:
                assert rig.count("redactions", f"seq = {access}") == 0, case
                rig.redact(access, mail)
            assert done(rig, access, mail), case
            assert rig.redaction().resume() == []

        rig.keeper.checkpoint()
        assert intact(rig)
        assert rig.count("spine", "kind = 'redact'") == rig.count("events", "action = 'redact'") == len(STOPS)
        assert rig.count("redactions") == 2 * len(STOPS)


def repeat(rig: Redacting, first: int, last: int) -> None:
    """Everything that repeats what is private in these entries; the first was understood only at its second reading."""
    rig.derive(first, last)
    quarantine = Quarantine(rig.engine, rig.clock)
    (name,) = quarantine.add([Rejected(source_system="ehr", format="csv", reason="?", raw=b"%d" % first)])
    quarantine.settle([(name, Receipt(status=Status.DUPLICATE, writer="main", seq=first))])


def stop_at(rig: Redacting, step: str, *, after: bool) -> None:
    rig.broken.after = rig.anchor.after = after
    if step.startswith("ALTER"):
        rig.broken.words = step
    elif step == "advance_spine":
        rig.anchor.step = step
    else:
        rig.broken.table = step


def done(rig: Redacting, *seqs: int) -> bool:
    """Nothing private is left of these entries, they verify, and no question is open."""
    store, listed = RedactionStore(rig.engine), ", ".join(map(str, seqs))
    found = list(store.entries([("main", seq) for seq in seqs]))
    return (
        all(entry.is_redacted and entry.fits for entry in found)
        and rig.count("redactions", f"seq IN ({listed}) AND spine_seq >= 0") == len(seqs)
        and not any(rig.count(table, f"seq IN ({listed})") for table in ("access_facts", "late_reasons", "delivery_facts"))
        and not any(rig.count(table, f"object_id IN ('P-{seqs[0]}', 'P-{seqs[1]}')") for table in ("scores", "score_features"))
        and rig.count("quarantine_outcomes") == rig.count("quarantine") == 0
        and store.is_settled(202603)
    )


def test_nothing_is_emptied_before_the_spine_entry_is_signed(rig: Redacting) -> None:
    """The process died between the entry's row and its signature; the next one signs before it goes on."""
    rig.broken.table, rig.broken.after = "spine", True
    with pytest.raises(Fault):
        rig.redact(2)
    signed: list[int] = []

    class Watched(RedactionStore):
        def erase(self, *args: Any) -> None:
            signed.append(self.signed_size())
            super().erase(*args)

    rig.redaction(Watched(rig.engine)).resume()

    (entry,) = RedactionStore(rig.engine).committed()
    assert signed
    assert min(signed) > entry.spine_seq
    assert rig.row(2)["private"] == ""


def test_what_analytics_writes_late_is_found_by_the_next_start(rig: Redacting) -> None:
    rig.redact(2)
    rig.engine.execute("INSERT INTO access_facts (writer, seq, patient_id) VALUES ('main', 2, 'P-2')")

    assert [one.count for one in rig.redaction().resume()] == [1]

    assert rig.count("access_facts", "patient_id = 'P-2'") == 0
    assert rig.count("events", "action = 'redact'") == 1
    assert rig.redaction().resume() == []


def test_analytics_that_looks_again_finds_nothing_private(rig: Redacting) -> None:
    rig.redact(1, 2, 3)

    AccessFacts(rig.engine, ContextStore(rig.engine)).enrich({"main": (0, 8)})
    deliveries = DeliveryFacts(rig.engine)
    deliveries.add([fact(entry, opted_in=False) for entry in deliveries.entries(Span(writer="main", first=0, last=8))])

    facts = "SELECT seq, patient_id, ip, details FROM access_facts WHERE seq IN (1, 2)"
    assert sorted(rig.engine.rows(facts)) == [(1, "", "", ""), (2, "", "", "")]
    assert rig.engine.rows("SELECT seq, patient_id, to_domain FROM delivery_facts WHERE seq = 3") == [(3, "", "")]
    assert rig.redaction().resume() == []


def test_what_is_kept_and_was_changed_stops_a_redaction_before_it_empties_anything(rig: Redacting) -> None:
    rig.broken.words, rig.broken.after = "ALTER TABLE events UPDATE", False
    with pytest.raises(Fault):
        rig.redact(2)
    rig.engine.execute("ALTER TABLE redactions UPDATE private_digest = repeat('0', 64) WHERE seq = 2")

    with pytest.raises(IntegrityError, match="what is kept of the redaction in spine entry 1 is not what was signed"):
        rig.redaction().resume()

    assert rig.row(2)["private"] != ""


def test_an_entry_that_does_not_read_back_is_reported(rig: Redacting) -> None:
    class Tampering(RedactionStore):
        """Somebody changes the header while the redaction runs."""

        def erase_repeats(self, *args: Any) -> int:
            rig.engine.execute("ALTER TABLE events UPDATE header = replaceOne(header, 'success', 'denied') WHERE seq = 2")
            return super().erase_repeats(*args)

    with pytest.raises(IntegrityError, match="entry 2 of writer main did not read back as it was redacted"):
        rig.redaction(Tampering(rig.engine)).run([("main", 2)], COURT, BY)


def test_the_event_says_the_same_whenever_it_is_made(rig: Redacting) -> None:
    """It is made of the spine entry alone, so that after a stop it is a repeat and not a second act."""
    events: list[AuditEvent] = []
    rig.redaction(record=events.append).run([("main", 2)], COURT, BY)
    rig.clock.advance(days=2)
    rig.redaction(record=events.append).resume()

    assert len(events) == 2
    assert events[0] == events[1]
    ((body,),) = rig.engine.rows("SELECT body FROM spine WHERE kind = 'redact'")
    assert rfc3339(events[0].time) == orjson.loads(str(body))["time"]
    assert events[0].time >= MORNING
