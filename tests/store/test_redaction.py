"""The store's part of a redaction: entries read for what they are, exactly their private parts emptied, what repeats them found."""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import orjson
import pytest

from domain.index_tree import Dimension
from domain.record import Receipt, Rejected, Status
from store.engine import Engine
from store.logs import registered_logs
from store.quarantine import Quarantine
from store.redaction import Batch, RedactedRow, RedactEntry, RedactionStore
from tests.support.cast import BOB, MORNING, PATIENT, chart_view
from tests.support.redacting import SECRET, Redacting, redacting, some_events


@pytest.fixture
def rig(engine: Engine, tmp_path: Path) -> Iterator[Redacting]:
    with redacting(engine, tmp_path, some_events(8)) as made:
        made.derive()
        yield made


def begun(rig: Redacting, *seqs: int) -> tuple[RedactionStore, RedactEntry, Batch]:
    """Entries as far as the spine entry, which this test only pretends there is."""
    store = RedactionStore(rig.engine)
    found = list(store.entries([("main", seq) for seq in seqs]))
    batch = Batch(found[0].log, [entry.row for entry in found])
    store.add(batch)
    entry = RedactEntry(
        spine_seq=9,
        time=MORNING,
        origin=batch.record.origin,
        epoch=batch.record.epoch,
        writer="main",
        count=len(seqs),
        root=batch.root,
        reason="other",
        run_by="x",
        approvers=(),
    )
    store.mark(entry)
    return store, entry, batch


def test_what_is_kept_of_an_entry_is_what_it_was_hashed_with_and_filed_under(rig: Redacting) -> None:
    (entry,) = RedactionStore(rig.engine).entries([("main", 2)])

    salt = hmac.new(SECRET, b"main\n2", hashlib.sha256).digest()[:16]
    digest = hashlib.sha256(salt + rig.row(2)["private"].encode()).hexdigest()
    tags = []
    for dimension, subject in ((b"patient", b"P-2"), (b"actor", PATIENT.id.encode())):
        key = hmac.new(SECRET, b"index\n" + dimension, hashlib.sha256).digest()
        tags.append(hmac.new(key, subject, hashlib.sha256).hexdigest())
    assert (entry.place, entry.fits, entry.is_redacted) == (("main", 2), True, False)
    assert entry.row == RedactedRow(2, digest, *tags)
    assert entry.row.text == f"2 {digest} {tags[0]} {tags[1]}"
    assert entry.record_digest == hashlib.sha256(b'{"event_id":"view-2"}').digest()


def test_the_root_of_a_batch_is_over_its_rows_in_order(rig: Redacting) -> None:
    (record,) = registered_logs(rig.engine)
    rows = [
        RedactedRow(3, "a" * 64, "", "b" * 64),
        RedactedRow(5, "c" * 64, "d" * 64, "e" * 64),
        RedactedRow(8, "f" * 64, "", "0" * 64),
    ]

    one, two, three = (hashlib.sha256(b"\x00" + row.text.encode()).digest() for row in rows)

    assert rows[0].text == f"3 {'a' * 64}  {'b' * 64}"
    left = hashlib.sha256(b"\x01" + one + two).digest()
    assert Batch(record, rows).root == hashlib.sha256(b"\x01" + left + three).hexdigest()
    assert Batch(record, rows[:1]).root == one.hex()


@pytest.mark.parametrize(
    "change",
    [
        "private = replaceOne(private, 'P-3', 'P-9')",
        "header = replaceOne(header, 'deliver', 'bounce')",
        "leaf = SHA256('x')",
        "patient_id = 'P-9'",
        "ip = ''",
        "actor_id = 'carol'",
        "private = 'no json'",
        "private_digest = 'no digest'",
        "private_digest = repeat('0', 64)",
        "private_digest = repeat('0', 64), private = '', patient_id = '', ip = ''",
    ],
)
def test_an_entry_that_was_changed_does_not_fit(rig: Redacting, change: str) -> None:
    rig.engine.execute(f"ALTER TABLE events UPDATE {change} WHERE seq = 3")

    fits = {entry.row.seq: entry.fits for entry in RedactionStore(rig.engine).entries([("main", seq) for seq in (1, 2, 3)])}

    assert fits == {1: True, 2: True, 3: False}


def test_private_parts_are_emptied_and_nothing_else_changes(rig: Redacting) -> None:
    before = [rig.row(seq) for seq in range(8)]
    store, entry, batch = begun(rig, 1, 2, 3)

    store.erase(entry, batch.rows)

    after = [rig.row(seq) for seq in range(8)]
    emptied = {"private": "", "patient_id": "", "ip": ""}
    digests = {row.seq: row.private_digest for row in batch.rows}
    for seq in (0, 4, 5, 6, 7):
        assert after[seq] == before[seq]
    assert after[1] == before[1] | emptied | {"private_digest": digests[1]}
    assert after[2] == before[2] | emptied | {"private_digest": digests[2], "actor_id": ""}, "a patient is private as an actor too"
    assert after[3] == before[3] | emptied | {"private_digest": digests[3]}
    found = list(store.entries([("main", seq) for seq in (1, 2, 3, 4)]))
    assert [(one.fits, one.is_redacted) for one in found] == [(True, True)] * 3 + [(True, False)]
    assert [one.row.private_digest for one in found[:3]] == list(digests.values())


def test_the_projections_forget_too(rig: Redacting) -> None:
    """They repeat patient and actor on disk, and look-ups are answered from them."""
    store, entry, batch = begun(rig, 2)

    store.erase(entry, batch.rows)

    for name, column, value in (("by_patient", "patient_id", "P-2"), ("by_actor", "actor_id", PATIENT.id)):
        kept = rig.engine.rows(
            f"SELECT countIf({column} = '{value}'), countIf({column} = '') FROM mergeTreeProjection('phitrail', 'events', '{name}')"
        )
        others = 0 if column == "patient_id" else 1  # entry 6 is by the same portal account
        assert kept == [(others, 1)]


def test_the_old_copy_of_a_part_is_known_until_the_engine_removes_it(rig: Redacting) -> None:
    store, entry, batch = begun(rig, 1)
    (old,) = rig.engine.rows("SELECT table, name FROM system.parts WHERE database = 'phitrail' AND table = 'events' AND active")
    assert old not in store.old_copies()

    store.erase(entry, batch.rows)

    assert old in store.old_copies()


def test_erasing_again_asks_for_no_mutation(rig: Redacting) -> None:
    store, entry, batch = begun(rig, 1, 5)
    mutations = "SELECT count() FROM system.mutations WHERE table = 'events'"
    before = int(str(rig.engine.rows(mutations)[0][0]))

    store.erase(entry, batch.rows)
    store.erase(entry, batch.rows)

    assert rig.engine.rows(mutations) == [(before + 1,)]
    assert rig.row(1)["private_digest"] == batch.rows[0].private_digest


def test_a_thousand_entries_are_one_mutation(engine: Engine, tmp_path: Path) -> None:
    with redacting(engine, tmp_path, some_events(1_100)) as rig:
        store, entry, batch = begun(rig, *range(50, 1_070))

        store.erase(entry, batch.rows)

        assert rig.count("events", "private_digest != '' AND private = '' AND patient_id = ''") == 1_020
        found = list(store.entries([("main", seq) for seq in range(1_100)]))
        assert all(one.fits for one in found)
        assert [one.row.seq for one in found if one.is_redacted] == list(range(50, 1_070))


def test_no_statement_has_private_data_in_its_text(rig: Redacting) -> None:
    """ClickHouse keeps the text of mutations, in a table and in a file of each part."""
    store, entry, batch = begun(rig, 1, 2, 3)
    store.erase(entry, batch.rows)
    store.erase_repeats(entry)

    texts = [str(text) for (text,) in rig.engine.rows("SELECT command FROM system.mutations")]

    assert texts
    for private in ("P-1", "P-2", "P-3", PATIENT.id, "192.0.2.7"):
        assert not any(private in text for text in texts)


def test_what_repeats_an_entry_leaves_and_what_repeats_others_stays(rig: Redacting) -> None:
    store, entry, _ = begun(rig, 1, 2, 3)
    store.erase_repeats(entry)

    assert sorted(rig.engine.rows("SELECT seq FROM access_facts")) == [(0,), (4,), (5,), (6,)]
    assert sorted(rig.engine.rows("SELECT seq FROM late_reasons")) == [(0,), (4,), (5,), (6,)]
    assert rig.engine.rows("SELECT seq FROM delivery_facts") == [(7,)]
    for table in ("scores", "score_features"):
        assert sorted(rig.engine.rows(f"SELECT object_id FROM {table}")) == [(f"P-{n}",) for n in (0, 4, 5, 6, 7)]
    assert store.erase_repeats(entry) == 0


def test_scores_of_a_mail_leave_whatever_day_it_was_where_it_was_sent(rig: Redacting) -> None:
    for day in (date(2026, 3, 1), date(2026, 3, 3), date(2026, 3, 4)):
        rig.engine.execute(f"INSERT INTO scores (day, actor_id, object_id) VALUES ('{day}', 'mx-1', 'P-3')")
    store, entry, _ = begun(rig, 3)

    store.erase_repeats(entry)

    assert rig.engine.rows("SELECT day FROM scores WHERE object_id = 'P-3'") == [(date(2026, 3, 4),)]


def test_a_record_that_was_understood_later_leaves_the_quarantine(rig: Redacting) -> None:
    quarantine = Quarantine(rig.engine, rig.clock)
    one, other, third = quarantine.add(
        [Rejected(source_system="ehr", format="csv", reason="?", raw=raw) for raw in (b"1", b"2", b"3")]
    )
    quarantine.settle([(one, place(1)), (other, place(4))])
    store, entry, _ = begun(rig, 1)

    assert store.erase_repeats(entry) > 0

    assert {row.quarantine_id for row in quarantine.newest()} == {other, third}
    assert rig.count("quarantine_outcomes") == 1


def place(seq: int) -> Receipt:
    return Receipt(status=Status.ACCEPTED, writer="main", seq=seq)


@pytest.mark.parametrize(
    "left",
    [
        "INSERT INTO access_facts (writer, seq, patient_id) VALUES ('main', 1, 'P-1')",
        "INSERT INTO access_facts (writer, seq, ip) VALUES ('main', 1, '192.0.2.7')",
        "INSERT INTO access_facts (writer, seq, actor_id, actor_kind) VALUES ('main', 2, 'portal-1', 'patient')",
        "INSERT INTO late_reasons (writer, seq, reasons) VALUES ('main', 1, ['visit'])",
        "INSERT INTO delivery_facts (writer, seq, patient_id) VALUES ('main', 1, 'P-1')",
        "INSERT INTO delivery_facts (writer, seq, to_domain) VALUES ('main', 1, 'example.org')",
        "INSERT INTO quarantine_outcomes (id, writer, seq) VALUES ('x', 'main', 1)",
        "ALTER TABLE events UPDATE private = '{}', private_digest = '' WHERE seq = 1",
    ],
)
def test_what_is_left_or_came_back_is_found(rig: Redacting, left: str) -> None:
    store, entry, batch = begun(rig, 1, 2, 3)
    assert store.unfinished() == {9}
    assert not store.is_settled(202603)
    store.erase(entry, batch.rows)
    store.erase_repeats(entry)
    assert store.unfinished() == frozenset()
    assert store.is_settled(202603)

    rig.engine.execute("INSERT INTO access_facts (writer, seq, actor_id) VALUES ('main', 1, 'bob')")
    assert store.unfinished() == frozenset(), "a look at what is left of the entry is no private data"
    rig.engine.execute(left)

    assert store.unfinished() == {9}
    assert not store.is_settled(202603)
    assert store.is_settled(202602)


def test_rows_that_no_spine_entry_speaks_of_are_forgotten_by_name(rig: Redacting) -> None:
    store = RedactionStore(rig.engine)
    batches = []
    for seq in (1, 2):
        (found,) = store.entries([("main", seq)])
        batches.append(Batch(found.log, [found.row]))
        store.add(batches[-1])
    assert not store.is_settled(202603)

    store.forget(202603, "main", batches[0].root)

    assert store.open_batches() == [(202603, "main", batches[1].root)]
    assert rig.engine.rows("SELECT seq, spine_seq FROM redactions") == [(2, -1)]


def test_a_marked_batch_is_not_forgotten(rig: Redacting) -> None:
    store, _, batch = begun(rig, 1)

    store.forget(202603, "main", batch.root)

    assert rig.engine.rows("SELECT seq, spine_seq FROM redactions") == [(1, 9)]


def test_events_of_one_record_are_copies_of_each_other(engine: Engine, tmp_path: Path) -> None:
    shared = b'{"patients":["P-1","P-2"]}'
    events = [
        replace(chart_view(0), raw=shared),
        replace(chart_view(1), raw=shared),
        replace(chart_view(2), raw=b""),
        replace(chart_view(3), raw=b""),
        chart_view(4),
    ]
    with redacting(engine, tmp_path, events) as rig:
        store = RedactionStore(engine)
        found = {entry.row.seq: entry for entry in store.entries([("main", seq) for seq in range(5)])}

        assert [one.place for one in store.copies([found[0]])] == [("main", 1)]
        assert store.copies([found[0], found[1]]) == []
        assert store.copies([found[2]]) == [], "no record is no copy"
        assert store.copies([found[4]]) == []
        rig.redact(0, 1)
        assert store.copies([found[0]]) == []


def test_a_record_that_waits_in_quarantine_is_found(rig: Redacting) -> None:
    store = RedactionStore(rig.engine)
    found = list(store.entries([("main", 1), ("main", 2)]))
    quarantine = Quarantine(rig.engine, rig.clock)
    raw = b'{"event_id":"view-2"}'
    (name,) = quarantine.add([Rejected(source_system="ehr", format="phitrail", reason="?", raw=raw)])

    assert [one.place for one in store.waiting(found)] == [("main", 2)]
    quarantine.settle([(name, place(2))])
    assert store.waiting(found) == []


def test_how_far_the_newest_checkpoint_covers_a_log(rig: Redacting) -> None:
    (record,) = registered_logs(rig.engine)
    store = RedactionStore(rig.engine)
    rig.ledger.append([chart_view(100)])

    assert store.covered(record) == 8
    assert store.covered(replace(record, origin="main/2026-03")) == 0, "the end of another origin is no origin"
    rig.keeper.checkpoint()
    assert store.covered(record) == 9
    assert store.signed_size() == 2


def test_months_with_redacted_entries_of_someone_are_found_by_their_tags(rig: Redacting) -> None:
    store, _, _ = begun(rig, 2)

    assert store.months_of(Dimension.PATIENT, "P-2") == {202603}
    assert store.months_of(Dimension.ACTOR, PATIENT.id) == {202603}
    assert store.months_of(Dimension.PATIENT, "P-1") == frozenset()
    assert store.months_of(Dimension.ACTOR, BOB.id) == frozenset()


def test_findings_and_alerts_that_rest_on_a_batch_are_counted(rig: Redacting) -> None:
    store, entry, _ = begun(rig, 1, 2)
    for name, seqs in (("F-1", [1, 2]), ("F-2", [2, 7]), ("F-3", [3])):
        writers = ["main"] * len(seqs)
        rig.engine.execute(
            f"INSERT INTO findings (finding_id, evidence_writers, evidence_seqs) VALUES ('{name}', {writers}, {seqs})"
        )
    for version in (1, 2):
        rig.engine.execute(
            f"INSERT INTO alerts (alert_id, version, evidence_writer, evidence_seq) VALUES ('A', {version}, ['main'], [2])"
        )

    assert store.citing(entry) == (2, 1)


def test_the_redact_entries_of_the_spine_read_back(rig: Redacting) -> None:
    rig.redact(2, 5)

    (entry,) = RedactionStore(rig.engine).committed()

    body = orjson.loads(str(rig.engine.rows("SELECT body FROM spine WHERE kind = 'redact'")[0][0]))
    assert (entry.spine_seq, entry.count, entry.origin, entry.epoch) == (body["seq"], 2, "log.example/main/2026-03", 202603)
    assert (entry.reason, entry.run_by, list(entry.approvers)) == ("court_order", "records.officer", ["counsel", "privacy.officer"])
    rows = RedactionStore(rig.engine).rows(entry)
    assert [row.seq for row in rows] == [2, 5]
    assert Batch(registered_logs(rig.engine)[0], rows).root == entry.root == body["fields"]["root"]
