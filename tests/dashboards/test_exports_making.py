"""What an export of an old ledger says: sealed and open logs, keys that changed, months disposed of, witnesses, redactions."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.errors import IntegrityError, InvalidInput
from domain.keyring import KeyRing
from domain.merkle import EMPTY_ROOT
from domain.note import Signer
from store.engine import Engine
from store.events import EventFilter
from store.logs import LogRecord, register_log
from tests.dashboards.exports_desk import (
    POLICY,
    REQUESTS,
    SUCCESSOR,
    WITNESSES,
    ExportHouse,
    lines,
    old_house,
    unpack,
)
from tests.dashboards.exports_reader import Export
from tests.retention.old_ledger import emptied
from tests.support.cast import chart_view
from tests.support.node import SIGNER

MAIN = "log.example/main"


@pytest.fixture(scope="module")
def house(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExportHouse]:
    with old_house(emptied(shared_engine), tmp_path_factory.mktemp("node")) as made:
        yield made


@pytest.fixture
def out(house: ExportHouse, tmp_path: Path) -> Path:
    """Where an export goes, at a minute of its own."""
    house.clock.advance(minutes=1)
    return tmp_path / "x.zip"


@pytest.mark.parametrize("name", REQUESTS)
def test_every_line_is_proven(house: ExportHouse, out: Path, name: str) -> None:
    Export(unpack(house.export(out, **REQUESTS[name]))).check()


def test_everything_is_every_entry_of_every_log_that_is_left(house: ExportHouse, out: Path) -> None:
    files = unpack(house.export(out, wanted=EventFilter()))

    ((stored,),) = house.live.engine.rows("SELECT count() FROM events")
    logs = lines(files, "proofs.jsonl")
    assert len(lines(files, "events.jsonl")) == stored
    assert [log["log"] for log in logs if "log" in log] == [
        f"{MAIN}/2025-12", f"{MAIN}/2026-02", f"{MAIN}/2026-03", "log.example/site-b/2025-12", "log.example/site-b/2026-03",
    ]  # fmt: skip
    assert [log["tile"] for log in logs if "tile" in log] == [0, 1, 2, 0, 0, 0, 0]
    scope = lines(files, "scope.jsonl")
    assert [line["seal"] for line in scope if "seal" in line] == [
        f"{MAIN}/2026-02", "log.example/site-b/2025-12", f"{MAIN}/2025-12", "log.example/site-b/2025-11", f"{MAIN}/2025-11",
    ]  # fmt: skip
    assert not [line for line in scope if "index" in line or "outside" in line]


def test_a_patients_export_has_all_of_theirs_and_says_of_each_log_that_it_does(house: ExportHouse, out: Path) -> None:
    wanted = EventFilter(patient_id="P-1", until=datetime(2026, 3, 3, tzinfo=UTC))

    export = Export(unpack(house.export(out, wanted=wanted)))

    export.check()
    index = {line["index"]: line for line in export.lines("scope.jsonl", "index")}
    assert {origin: line["source"] for origin, line in index.items()} == {
        f"{MAIN}/2025-12": "seal",
        f"{MAIN}/2026-02": "seal",
        f"{MAIN}/2026-03": "index",
        "log.example/site-b/2025-12": "seal",
        "log.example/site-b/2026-03": "index",
    }
    outside = export.lines("scope.jsonl", "outside")
    assert outside
    assert all(json.loads(line["body"])["time"] >= "2026-03-03" for line in outside)
    assert all("P-1" not in line["body"] for line in outside)


def test_about_somebody_unknown_it_shows_that_there_is_nothing(house: ExportHouse, out: Path) -> None:
    export = Export(unpack(house.export(out, wanted=EventFilter(patient_id="P-404"))))

    export.check()
    proofs = {line["index"]: line["proof"] for line in export.lines("scope.jsonl", "index")}
    assert [origin for origin, proof in proofs.items() if "row" in proof] == [f"{MAIN}/2026-03"], "the request itself is about them"
    assert all(set(proof) == {"left", "right"} for origin, proof in proofs.items() if origin != f"{MAIN}/2026-03")


def test_redacted_entries_of_a_patient_and_an_actor_are_there(house: ExportHouse, out: Path) -> None:
    by_patient = [
        Export(unpack(house.export(out.with_name(f"{n}.zip"), wanted=EventFilter(patient_id=f"P-{n}")))) for n in (1, 2, 3)
    ]
    by_actor = Export(unpack(house.export(out, wanted=EventFilter(actor_id="portal-1"))))

    for export in (*by_patient, by_actor):
        export.check()
    redacted = [export.manifest["counts"]["redacted"] for export in by_patient]
    assert sum(redacted) == 5
    assert by_actor.manifest["counts"]["redacted"] == len(by_actor.lines("history.jsonl", "redact")) == 2


def test_a_redacted_entry_outside_of_the_period_counts_all_the_same(house: ExportHouse, out: Path) -> None:
    wanted = EventFilter(patient_id="P-1", since=datetime(2030, 1, 1, tzinfo=UTC))

    export = Export(unpack(house.export(out, wanted=wanted)))

    export.check()
    assert export.manifest["counts"]["events"] == 0
    bodies = [json.loads(line["body"]) for line in export.lines("scope.jsonl", "outside")]
    assert len(bodies) > 200


def test_a_record_about_several_patients_is_withheld_from_each(house: ExportHouse, out: Path) -> None:
    alone = Export(unpack(house.export(out, wanted=EventFilter(patient_id="P-2"))))
    both = Export(unpack(house.export(out.with_name("both.zip"), wanted=EventFilter(source_systems=("fhir",)))))

    alone.check()
    counts = alone.manifest["counts"]
    assert (counts["shared_records"], counts["withheld"]) == (1, 1)
    (withheld,) = [event for event in alone.lines("events.jsonl") if event["private_is"] == "withheld"]
    assert json.loads(withheld["body"])["event_id"] == "several-1#2"
    assert b"Patient/P-1" not in b"".join(alone.files.values())
    assert b"names other patients too" in alone.files["report.html"]
    assert both.manifest["counts"]["given"] == 2, "who asks for no patient gets the record as it was"


def test_a_senders_own_numbers_with_a_hash_are_no_shared_record(house: ExportHouse, out: Path) -> None:
    """`#2` is ours in formats whose records can name several patients; elsewhere it is what the sender wrote."""
    first = chart_view(9001, patient="P-51")
    second = replace(chart_view(9002, patient="P-52"), event_id=f"{first.event_id}#2")
    house.live.ledger.append([first, second])

    export = Export(unpack(house.export(out, wanted=EventFilter(patient_id="P-51"))))

    assert export.manifest["counts"]["shared_records"] == 0


def test_a_mail_to_several_about_one_patient_is_theirs_alone(house: ExportHouse, out: Path) -> None:
    """One record, an event for each recipient: numbered the same way, and nobody else's name is in it."""
    record = b'{"to": ["a@example.org", "b@example.org"]}'
    letters = [
        replace(chart_view(9100, patient="P-71"), event_id=f"mail-1{end}", raw=record, format="ocsf") for end in ("", "#2", "#3")
    ]
    house.live.ledger.append(letters)

    export = Export(unpack(house.export(out, wanted=EventFilter(patient_id="P-71"))))

    assert (export.manifest["counts"]["events"], export.manifest["counts"]["shared_records"]) == (4, 0)


def test_of_several_patients_and_recipients_every_event_is_shared(house: ExportHouse, out: Path) -> None:
    record = b'{"to": ["a@example.org", "b@example.org"], "about": ["P-81", "P-82"]}'
    letters = [
        replace(
            chart_view(9200, patient=f"P-8{1 + n % 2}"),
            event_id=f"mail-2{'' if n == 0 else f'#{n + 1}'}",
            raw=record,
            format="ocsf",
        )
        for n in range(4)
    ]
    house.live.ledger.append(letters)

    for patient in ("P-81", "P-82"):
        export = Export(unpack(house.export(out.with_name(f"{patient}.zip"), wanted=EventFilter(patient_id=patient))))
        export.check()
        assert export.manifest["counts"]["shared_records"] == 2


def test_history_leads_from_every_earlier_checkpoint_that_others_hold(house: ExportHouse, out: Path) -> None:
    first = unpack(house.export(out.with_name("first.zip")))
    house.clock.advance(days=1)
    house.live.keeper.checkpoint()
    held = house.live.spine.checkpoint()
    assert held is not None
    house.live.keeper.checkpoint()

    export = Export(unpack(house.export(out, since_checkpoint=held[0])))

    export.check()
    sizes = {line["consistency"]: line["root"] for line in export.lines("history.jsonl", "consistency")}
    for note in (first["checkpoint"].decode(), json.loads(first["receipt.json"])["checkpoint"], held[0]):
        head = export.keys.open(note)
        assert sizes[head.size] == head.root.hex()


def test_a_key_that_changed_is_led_up_to(house: ExportHouse, out: Path) -> None:
    export = Export(unpack(house.export(out)))

    assert [key.verifier for key in export.keys.keys] == [SIGNER.verifier, SUCCESSOR.verifier]
    (rotation,) = export.lines("history.jsonl", "rotation")
    for verifier in (SIGNER.verifier, SUCCESSOR.verifier):
        assert KeyRing.of(verifier).open(rotation["note"]).size == rotation["rotation"] + 1
    assert [line["tombstone"] for line in export.lines("history.jsonl", "tombstone")] == [
        f"{MAIN}/2025-11",
        "log.example/site-b/2025-11",
    ]
    assert [line["disposed"] for line in export.lines("history.jsonl", "disposed")] == [202511]


def test_witnesses_cosign_the_checkpoint_and_cover_sealed_logs_earlier(house: ExportHouse, out: Path) -> None:
    export = Export(unpack(house.export(out, wanted=EventFilter())))

    assert export.cosigners() == {witness.name for witness in WITNESSES}
    assert export.files["policy.tlog-policy"].decode() == POLICY.text
    covers = [line for line in export.lines("timestamps.jsonl", "covers") if line["token"] is None]
    sizes = {line["covers"]: export.keys.open(line["note"]).size for line in covers}
    assert len(covers) == len(sizes), "one cosigned line a log"
    assert sizes[f"{MAIN}/2025-12"] < sizes[f"{MAIN}/2026-02"] < sizes[f"{MAIN}/2026-03"] == export.head.size
    assert all(export.cosigners(line["note"]) == export.cosigners() for line in covers)
    tokens = {line["covers"] for line in export.lines("timestamps.jsonl", "covers") if line["token"] is not None}
    assert tokens == {f"{MAIN}/2025-12", f"{MAIN}/2026-02", "log.example/site-b/2025-12"}
    assert json.loads(export.files["completeness.json"])["witnesses"] == {
        "quorum": "both",
        "cosigned_by": ["one", "two"],
        "is_met": True,
    }


def test_events_follow_the_anchors_in_front_of_them(house: ExportHouse, out: Path) -> None:
    wanted = EventFilter(actor_id="bob", since=datetime(2026, 3, 4, 18, tzinfo=UTC))

    export = Export(unpack(house.export(out, wanted=wanted)))

    export.check()
    after = [(line["after"], line["token"] is None) for line in export.lines("timestamps.jsonl", "after")]
    assert sorted(after) == [(f"{MAIN}/2026-03", False), (f"{MAIN}/2026-03", True)]


def test_without_an_answer_of_the_witnesses_it_says_so(house: ExportHouse, out: Path) -> None:
    house.witnesses = WITNESSES[:1]
    try:
        export = Export(unpack(house.export(out)))
    finally:
        house.witnesses = WITNESSES

    export.check()
    assert export.cosigners() == {WITNESSES[0].name}
    said = json.loads(export.files["completeness.json"])["witnesses"]
    assert said == {"quorum": "both", "cosigned_by": ["one"], "is_met": False}
    assert b"Too few of the witnesses" in export.files["report.html"]
    last = [line for line in export.lines("timestamps.jsonl", "covers") if line["covers"] == f"{MAIN}/2026-03"]
    assert [(line["note"].encode(), line["token"]) for line in last] == [(export.files["checkpoint"], None)]


def test_a_later_checkpoint_is_taken_where_witnesses_cosigned_only_that(house: ExportHouse, out: Path) -> None:
    """Somebody else commits to the spine between the export's last entry and the witnesses' answer."""
    attest = house.cosign

    def late() -> str:
        house.live.keeper.checkpoint()
        return attest()

    house.cosign = late  # type: ignore[method-assign]
    try:
        export = Export(unpack(house.export(out)))
    finally:
        house.cosign = attest  # type: ignore[method-assign]

    export.check()
    assert export.cosigners() == {witness.name for witness in WITNESSES}
    (heads,) = export.lines("scope.jsonl", "heads")
    assert export.head.size > heads["spine_index"] + 3


def test_what_is_recorded_meanwhile_is_in_a_later_export(house: ExportHouse, out: Path) -> None:
    house.keeper.before["index"] = lambda: house.live.ledger.append([chart_view(house.live.ledger.head().seq + 50_000)]) and None
    try:
        export = Export(unpack(house.export(out, wanted=EventFilter(patient_id="P-1"))))
    finally:
        house.keeper.before.clear()

    export.check()
    ids = {json.loads(event["body"])["event_id"] for event in export.lines("events.jsonl")}
    newest = house.live.engine.rows("SELECT event_id FROM events WHERE writer = 'main' ORDER BY seq DESC LIMIT 1")
    assert str(newest[0][0]).startswith("view-")
    assert newest[0][0] not in ids
    assert json.loads(export.files["completeness.json"])["logs"][2]["stored"] == export.lines("proofs.jsonl", "log")[2]["size"]


@pytest.mark.parametrize("size", [0, 10_000_000])
def test_an_older_checkpoint_of_another_history_is_an_alarm(house: ExportHouse, tmp_path: Path, size: int) -> None:
    """Signed by this ledger's key, and not what the ledger is: size 0 with a root, or more entries than there are."""
    signer: Signer = SIGNER if size == 0 else SUCCESSOR
    forged = signer.sign(f"{SIGNER.name}\n{size}\n{'A' * 43}=\n")
    before = house.live.ledger.head()

    with pytest.raises(IntegrityError, match="is another by now"):
        house.export(tmp_path / "x.zip", since_checkpoint=forged)

    assert house.live.ledger.head() == before


def test_an_older_checkpoint_of_somebody_else_is_refused(house: ExportHouse, tmp_path: Path) -> None:
    stranger = Signer("log.elsewhere/spine", b"\x05" * 32)

    with pytest.raises(InvalidInput, match="none of this ledger"):
        house.export(tmp_path / "x.zip", since_checkpoint=stranger.sign(f"{stranger.name}\n3\n{'A' * 43}=\n"))


def test_a_log_that_has_nothing_yet_is_accounted_for(house: ExportHouse, out: Path) -> None:
    """A stop between the registration of a month and its first rows leaves one."""
    origin = "log.example/site-c/2026-03"
    record = LogRecord(writer="site-c", epoch=202603, origin=origin, first_seq=0, previous=bytes(32), secret=b"\x03" * 32)
    register_log(house.live.engine, record)

    export = Export(unpack(house.export(out, wanted=EventFilter(patient_id="P-1"))))

    export.check()
    (heads,) = export.lines("scope.jsonl", "heads")
    assert f"{origin} 0 {EMPTY_ROOT.hex()}" in heads["heads"]
    (index,) = [line for line in export.lines("scope.jsonl", "index") if line["index"] == origin]
    assert index["proof"] == {"left": None, "right": None}
