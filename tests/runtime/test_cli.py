"""The command line as people and scripts use it: exit codes, one JSON line, sentences instead of traces."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.runtime.command import ROOT, Command

LINE = {
    "event_id": "e-1",
    "time": "2026-03-02T08:00:00-06:00",
    "source": "access",
    "action": "view_chart",
    "actor": {"id": "alice", "kind": "staff"},
    "patient_id": "P-1",
    "outcome": "success",
}


@pytest.fixture
def phitrail(tmp_path: Path) -> Command:
    return Command(tmp_path)


def lines(count: int) -> bytes:
    return b"".join(json.dumps({**LINE, "event_id": f"e-{n}"}).encode() + b"\n" for n in range(count))


def test_init_prints_what_it_made_and_never_overwrites(phitrail: Command) -> None:
    first, second = phitrail("init"), phitrail("init")

    assert first.code == 0
    assert "password:" in first.out
    key = next(line.split()[1] for line in first.out.splitlines() if line.startswith("key:"))
    assert (phitrail.data_dir / "state" / "ledger.vkey").read_text(encoding="utf-8").strip() == key
    assert (phitrail.data_dir / "state" / "signing.key").stat().st_mode & 0o077 == 0
    assert second.code == 2
    assert "nothing was changed" in second.err
    assert "Traceback" not in second.err


def test_from_ingest_to_a_checked_export(phitrail: Command, tmp_path: Path) -> None:
    """The life of a record on one page."""
    ingested = phitrail("ingest", "-", "--format", "phitrail", "--source-system", "ehr", stdin=lines(30) + b"{broken\n")
    assert ingested.code == 3
    summary = json.loads(ingested.out)
    assert (summary["read"], summary["accepted"], summary["duplicate"], summary["quarantined"]) == (31, 30, 0, 1)
    again = json.loads(phitrail("ingest", "-", "--format", "phitrail", "--source-system", "ehr", stdin=lines(30)).out)
    assert (again["accepted"], again["duplicate"]) == (0, 30)

    waiting = phitrail("quarantine", "list")
    assert "waiting" in waiting.out

    verified = phitrail("verify", "--json")
    assert verified.code == 0
    assert json.loads(verified.out)["integrity"] == "intact"

    proof = json.loads(phitrail("prove", "3").out)
    assert proof["seq"] == 3
    assert phitrail("prove", "999").code == 2

    report = tmp_path / "access.html"
    assert phitrail("report", "patient-access", "--patient", "P-1", "--out", report).code == 0
    assert "view" in report.read_text(encoding="utf-8")

    bundle = tmp_path / "export.zip"
    made = phitrail("export", "--patient", "P-1", "--purpose", "request of the patient", "--out", bundle)
    assert made.code == 0, made.err
    assert {"manifest.json", "events.jsonl", "proofs.jsonl", "checkpoint", "README.txt"} <= set(zipfile.ZipFile(bundle).namelist())
    key = phitrail.data_dir / "state" / "ledger.vkey"
    checked = verify_export(phitrail, bundle, key)
    assert checked == 0

    after = json.loads(phitrail("verify", "--json").out)
    assert after["integrity"] == "intact"
    assert after["entries"] > 30, "reading and exporting are events too"


def verify_export(phitrail: Command, bundle: Path, key: Path) -> int:
    command = [sys.executable, "-m", "runtime", "verify-export", str(bundle), "--trust", str(key)]
    return subprocess.run(command, cwd=ROOT, env=phitrail.environment, capture_output=True, check=False).returncode


def test_a_changed_row_is_named_and_the_exit_code_says_so(phitrail: Command) -> None:
    phitrail("ingest", "-", "--format", "phitrail", "--source-system", "ehr", stdin=lines(10))
    change(phitrail, "ALTER TABLE events UPDATE actor_id = 'mallory' WHERE seq = 4 SETTINGS mutations_sync = 2")

    verified = phitrail("verify")

    assert verified.code == 1
    assert "entry 4:" in verified.out
    assert "tampered" in verified.out


def test_yesterdays_data_directory_is_refused_and_verify_says_why(phitrail: Command) -> None:
    phitrail("ingest", "-", "--format", "phitrail", "--source-system", "ehr", stdin=lines(10))
    yesterday = phitrail.home / "yesterday"
    shutil.copytree(phitrail.data_dir, yesterday, symlinks=True)
    phitrail("ingest", "-", "--format", "phitrail", "--source-system", "ehr", stdin=lines(20))
    shutil.rmtree(phitrail.data_dir)
    yesterday.rename(phitrail.data_dir)

    refused = phitrail("ingest", "-", "--format", "phitrail", "--source-system", "ehr", stdin=lines(30))
    verified = phitrail("verify")
    accepted = phitrail("anchor", "accept", "--reason", "restored after a disk failure")
    goes_on = phitrail("ingest", "-", "--format", "phitrail", "--source-system", "ehr", stdin=lines(30))

    assert refused.code == 2
    assert "rolled back" in refused.err
    assert verified.code == 1
    assert "older than a signed checkpoint" in verified.out
    assert accepted.code == 0, accepted.err
    assert json.loads(goes_on.out)["accepted"] == 20
    assert phitrail("verify").code == 0


def test_an_empty_store_is_neither_intact_nor_tampered(phitrail: Command) -> None:
    assert phitrail("verify").code == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ingest", "missing.log", "--format", "postfix", "--source-system", "mx"], "cannot be read"),
        (["ingest", "-", "--format", "no-such", "--source-system", "x"], "known formats"),
        (["prove", "1"], "nothing is signed yet"),
        (["report", "no-such", "--out", "x.html"], "there is no report named"),
        (["context", "load", "/no/such/folder"], "org.json"),
    ],
)
def test_a_mistake_is_one_sentence(phitrail: Command, words: list[str], says: str) -> None:
    done = phitrail(*words)

    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert done.err.count("\n") <= 2


def test_a_second_process_is_turned_away_with_a_sentence(phitrail: Command) -> None:
    code = (
        "import sys; from pathlib import Path; from store.engine import Engine\n"
        "engine = Engine.embedded(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    phitrail.data_dir.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", code, str(phitrail.data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.readline()
        refused = phitrail("verify")
        holder.stdin.close()

    assert refused.code == 2
    assert "another phitrail process is using the data directory" in refused.err
    assert "Traceback" not in refused.err


def test_config_show_masks_secrets(phitrail: Command) -> None:
    shown = phitrail(
        "config",
        "show",
        PHITRAIL_ALERTS__WEBHOOK__URL="https://hooks.example/x",
        PHITRAIL_ALERTS__WEBHOOK__SECRET="whsec_aHVzaGh1c2hodXNoaHVzaGh1c2hodXNo",
    )

    assert shown.code == 0
    assert "aHVzaGh1" not in shown.out + shown.err
    assert json.loads(shown.out)["alerts"]["webhook"]["url"] == "https://hooks.example/x"


def test_an_account_and_a_key_are_made_once(phitrail: Command) -> None:
    added = phitrail("user", "add", "carol", "--role", "auditor", stdin=b"a long enough passphrase\n")
    key = phitrail("key", "create", "ehr", "--role", "collector")

    assert added.code == 0, added.err
    assert key.code == 0, key.err
    assert "carol" in phitrail("user", "list").out
    listed = phitrail("key", "list").out
    assert "ehr" in listed
    assert key.out.strip() not in listed


def test_retention_keeps_what_is_young_and_says_why(phitrail: Command) -> None:
    phitrail("ingest", "-", "--format", "phitrail", "--source-system", "ehr", stdin=lines(3))

    plan = phitrail("retention", "plan")
    placed = phitrail("retention", "hold", "--patient", "P-1", "--reason", "litigation")
    ran = phitrail("retention", "run")

    assert "keep" in plan.out
    assert "in force" in placed.out
    assert "nothing is due" in ran.out
    assert "litigation" in phitrail("retention", "holds").out


def change(phitrail: Command, statement: str) -> None:
    """What an administrator of the database does, in a process of its own."""
    code = (
        "import sys; from pathlib import Path; from store.engine import Engine\n"
        "with Engine.embedded(Path(sys.argv[1])) as engine: engine.execute(sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, str(phitrail.data_dir), statement], cwd=ROOT, check=True)


def test_damaged_files_are_one_sentence(phitrail: Command) -> None:
    phitrail("verify")
    copied = phitrail.home / "copied"
    shutil.copytree(phitrail.data_dir, copied)
    shutil.rmtree(phitrail.data_dir)
    copied.rename(phitrail.data_dir)

    done = phitrail("verify")

    assert done.code == 2
    assert "phitrail: the files of the embedded store cannot be opened" in done.err
