"""Making an export: what is in it, what is left out, what the ledger knows about it, and what a stop leaves."""

import csv
import io
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

import dashboards.export_zip
from dashboards.export_format import ORDER
from dashboards.export_zip import write_zip
from dashboards.exports import export_bundle
from domain.errors import InvalidInput
from domain.witness_policy import NO_WITNESSES, WitnessPolicy
from store.engine import Engine
from store.events import EventFilter
from store.fsck import Integrity
from tests.dashboards.exports_desk import PURPOSE, ExportHouse, export_house, lines, request, unpack
from tests.dashboards.exports_reader import Export
from tests.retention.old_ledger import emptied
from tests.support.cast import MORNING
from tests.support.node import SIGNER


@pytest.fixture(scope="module")
def house(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExportHouse]:
    with export_house(emptied(shared_engine), tmp_path_factory.mktemp("node")) as made:
        yield made


@pytest.fixture
def moment(house: ExportHouse) -> datetime:
    """A minute of its own for each test, so that its exports are its own."""
    house.clock.advance(minutes=1)
    return house.clock.now


def test_an_export_holds_what_was_asked_and_checks_out(house: ExportHouse, moment: datetime, tmp_path: Path) -> None:
    wanted = EventFilter(patient_id="P-1", until=MORNING + timedelta(days=1))

    given = export_bundle(house.desk(), request(wanted=wanted), tmp_path / "x.zip")

    files = unpack(given.path)
    lines = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    assert given.events == len(lines) == 37
    assert {json.loads(line["private"])["patient_id"] for line in lines} == {"P-1"}
    rows = list(csv.DictReader(io.StringIO(files["events.csv"].decode())))
    assert [(row["writer"], int(row["seq"]), row["leaf"]) for row in rows] == [
        (one["writer"], one["seq"], one["leaf"]) for one in lines
    ]
    export = Export(files)
    export.check()
    assert export.keys.newest == SIGNER.verifier
    assert (export.manifest["purpose"], export.manifest["asked"]["patient_id"]) == (PURPOSE, "P-1")
    assert given.path.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize("policy", [None, NO_WITNESSES])
def test_without_witnesses_the_policy_names_the_log_and_asks_for_nobody(
    house: ExportHouse, moment: datetime, tmp_path: Path, policy: WitnessPolicy | None
) -> None:
    given = export_bundle(replace(house.desk(), policy=policy), request(), tmp_path / "x.zip")

    files = unpack(given.path)
    assert files["policy.tlog-policy"].decode() == f"log {SIGNER.verifier.text}\nquorum none\n"
    assert json.loads(files["completeness.json"])["witnesses"] == {"quorum": None, "cosigned_by": [], "is_met": False}


def test_the_ledger_knows_of_the_export(house: ExportHouse, moment: datetime, tmp_path: Path) -> None:
    given = export_bundle(house.desk(), request(), tmp_path / "x.zip")

    engine = house.live.engine
    ((actor, patient, header, private),) = engine.rows(
        "SELECT actor_id, patient_id, header, private FROM events WHERE event_id = {id:String}", id=f"export:{given.export_id}"
    )
    assert (actor, patient) == ("privacy.officer", "P-1")
    assert PURPOSE not in str(header)
    assert PURPOSE in str(private)
    ((body,),) = engine.rows("SELECT body FROM spine WHERE seq = {seq:UInt64}", seq=given.spine_seq)
    fields = json.loads(str(body))["fields"]
    manifest = unpack(given.path)["manifest.json"]
    assert fields == {"export_id": given.export_id, "events": given.events, "manifest_sha256": sha256(manifest).hexdigest()}
    assert house.live.verify().integrity is Integrity.INTACT


def test_what_was_left_out_is_counted_by_log_and_cause(house: ExportHouse, moment: datetime, tmp_path: Path) -> None:
    wanted = EventFilter(patient_id="P-2", since=MORNING + timedelta(minutes=30), until=MORNING + timedelta(minutes=90))

    given = export_bundle(house.desk(), request(wanted=wanted), tmp_path / "x.zip")

    missing = json.loads(unpack(given.path)["completeness.json"])
    february, march = missing["logs"]
    assert (february["log"], february["stored"], february["exported"]) == ("log.example/main/2026-02", 70, 13)
    assert february["left_out"] == {"outside_period": 30, "by_filter": 27}
    assert (march["exported"], march["left_out"]["by_filter"]) == (7, 13)
    assert march["missing_numbers"] == 0
    assert missing["ledger"] == {"verdict": "gaps", "findings": ["recording in ehr was stopped once"]}
    assert [source["source_system"] for source in missing["sources_in_period"]] == ["ehr"]
    assert missing["sources_in_period"][0]["events"] == 60
    assert missing["totals"]["exported"] == given.events == 20


def test_the_same_ledger_at_the_same_moment_gives_the_same_archive(house: ExportHouse, moment: datetime, tmp_path: Path) -> None:
    """Up to what makes each export its own: its id, its entries in the ledger, and so the checkpoint."""
    wanted = EventFilter(actor_id="mallory")
    one = unpack(export_bundle(house.desk(), request(wanted=wanted), tmp_path / "1.zip").path)
    house.clock.advance(minutes=1)
    two = unpack(export_bundle(house.desk(), request(wanted=wanted), tmp_path / "2.zip").path)

    assert list(one) == list(two) == list(ORDER) == [
        "README.txt", "manifest.json", "receipt.json", "report.html", "report.pdf", "events.csv", "events.jsonl", "proofs.jsonl",
        "scope.jsonl", "history.jsonl", "timestamps.jsonl", "completeness.json", "checkpoint", "policy.tlog-policy",
        "keys/ledger.keys", "verify.py",
    ]  # fmt: skip
    for name in ("events.jsonl", "events.csv", "keys/ledger.keys", "policy.tlog-policy"):
        assert one[name] == two[name]


def test_the_same_files_give_the_same_zip(tmp_path: Path) -> None:
    files = {}
    for number, name in enumerate(["b", "keys/a"]):
        files[name] = tmp_path / str(number)
        files[name].write_bytes(b"content" * 1000)

    write_zip(files, ["b", "keys/a"], tmp_path / "1.zip")
    os.utime(files["b"], (0, 0))
    write_zip(files, ["b", "keys/a"], tmp_path / "2.zip")

    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


@pytest.mark.parametrize("large", [1 << 30, 0])
def test_each_file_has_the_one_moment_and_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int) -> None:
    """Also with the longer fields that archives beyond 2 GiB need."""
    monkeypatch.setattr(dashboards.export_zip, "_LARGE", large)
    (tmp_path / "a").write_bytes(b"content" * 1000)

    write_zip({"keys/a": tmp_path / "a"}, ["keys/a"], tmp_path / "x.zip")

    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        (info,) = archive.infolist()
        assert (info.date_time, info.external_attr >> 16, info.create_system) == ((1980, 1, 1, 0, 0, 0), 0o100644, 3)
        assert info.compress_type == zipfile.ZIP_DEFLATED
        assert archive.read("keys/a") == b"content" * 1000
    assert (tmp_path / "x.zip").stat().st_mode & 0o777 == 0o600


def test_a_withheld_private_part_is_proven_all_the_same(house: ExportHouse, moment: datetime, tmp_path: Path) -> None:
    wanted = EventFilter(since=MORNING, until=MORNING + timedelta(days=1))

    given = export_bundle(house.desk(), request(wanted=wanted, with_private=False), tmp_path / "x.zip")

    Export(unpack(given.path)).check()
    for name, content in unpack(given.path).items():
        for secret in (b"P-1", b"P-2", b"portal-1", b"192.0.2.7", "Größe".encode()):
            assert secret not in content, name


def test_an_export_of_nothing_is_an_export(house: ExportHouse, moment: datetime, tmp_path: Path) -> None:
    given = export_bundle(house.desk(), request(wanted=EventFilter(ip="203.0.113.9")), tmp_path / "x.zip")

    files = unpack(given.path)
    Export(files).check()
    assert (given.events, files["proofs.jsonl"], files["events.jsonl"], files["timestamps.jsonl"]) == (0, b"", b"", b"")
    assert len(lines(files, "scope.jsonl")) == 2, "the logs there are, all the same"


def test_the_report_is_for_people(house: ExportHouse, moment: datetime, tmp_path: Path) -> None:
    files = unpack(export_bundle(house.desk(), request(), tmp_path / "x.zip").path)

    text = files["report.html"].decode()
    assert "Recording in ehr was stopped once." in text
    assert "portal-1, the patient, through the portal" in text
    assert f"<dd>{PURPOSE}</dd>" in text
    assert files["report.pdf"].startswith(b"%PDF-1.7")
    readme = files["README.txt"].decode()
    assert SIGNER.verifier.text in readme
    assert max(map(len, readme.splitlines())) <= 90


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"recipient": "age1qqq"}, "no age X25519 public key"),
        ({"since_checkpoint": "nothing\n"}, "none of this ledger"),
        ({"purpose": " "}, r"purpose \(45 CFR 164.502\(b\), minimum necessary\)"),
        ({"by": ""}, "the person who asks"),
        (
            {"wanted": EventFilter(since=datetime(2026, 3, 2, tzinfo=UTC), until=datetime(2026, 3, 2, tzinfo=UTC))},
            "ends before it begins",
        ),
    ],
)
def test_a_request_is_refused_before_anything_is_done(
    house: ExportHouse, tmp_path: Path, changes: dict[str, object], says: str
) -> None:
    before = house.live.ledger.head()

    with pytest.raises(InvalidInput, match=says):
        export_bundle(house.desk(), request(**changes), tmp_path / "x.zip")

    assert house.live.ledger.head() == before
    assert list(tmp_path.iterdir()) == []


def test_an_export_never_replaces_a_file(house: ExportHouse, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_text("mine")

    with pytest.raises(InvalidInput, match=r"x.zip exists"):
        export_bundle(house.desk(), request(), tmp_path / "x.zip")
    with pytest.raises(InvalidInput, match="does not exist"):
        export_bundle(house.desk(), request(), tmp_path / "nowhere" / "x.zip")

    assert (tmp_path / "x.zip").read_text() == "mine"
