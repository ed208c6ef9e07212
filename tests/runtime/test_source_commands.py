"""`phitrail sources`: list, show, register, gaps, explain, declare, over a store of its own (in a process of its own)."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

SCRIPT = """
import json, sys
from datetime import timedelta
import typer
from typer.testing import CliRunner
from domain.clock import system_clock
from runtime.cli import sources
from runtime.cli.records import context_load, ingest

app = typer.Typer()
group = typer.Typer()
sources.join(group)
app.add_typer(group, name="sources")
app.command("ingest")(ingest)
app.command("load")(context_load)
said = []
for line in json.load(sys.stdin):
    soon = str((system_clock() + timedelta(days=30)).date())
    done = CliRunner().invoke(app, [soon if word == "SOON" else word for word in line])
    said.append([done.exit_code, done.output, repr(done.exception)])
print(json.dumps(said))
"""


def run(tmp_path: Path, *lines: str) -> list[tuple[int, str, str]]:
    """Each line as a command, in one process; what came of each."""
    data = ["--data-dir", str(tmp_path / "data")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        input=json.dumps([[*line.split("|"), *data] for line in lines]),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"PHITRAIL_LEDGER__ANCHOR_DIR": str(tmp_path / "anchors"), "COLUMNS": "200"},
    )
    return [(code, text, error) for code, text, error in json.loads(done.stdout.splitlines()[-1])]


def an_event(number: int, action: str, **details: object) -> str:
    event = {
        "event_id": f"e-{number}",
        "time": f"2026-03-02T0{number}:00:00Z",
        "source": "access",
        "action": action,
        "actor": {"id": "svc", "kind": "service"},
        "details": details,
    }
    return json.dumps(event)


def test_the_commands_tell_one_story(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "org.json").write_text('{"name": "St. Example", "timezone": "America/Chicago"}')
    (context / "applications.jsonl").write_text('{"application": "Pharmacy", "owner": "Rx", "handles_phi": true}\n')
    events = tmp_path / "events.jsonl"
    gap = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-01T01:00:00Z"}
    events.write_text("\n".join([an_event(1, "audit_stop"), an_event(2, "audit_start"), an_event(3, "audit_gap", **gap)]))

    said = run(
        tmp_path,
        f"load|{context}",
        f"ingest|{events}|--format|phitrail|--source-system|ehr",
        "sources|list|--json",
        "sources|list",
        "sources|register",
        "sources|gaps",
        "sources|declare|Pharmacy|--state|off|--reason|Goes live in May.|--until|2199-01-01",
        "sources|explain|nothing|--lost|none|--reason|x",
        "sources|show|nobody",
        "sources|show|Pharmacy",
        "sources|declare|Pharmacy|--state|off|--reason|Goes live in May.|--until|SOON|--owner|Rx",
        "sources|register|--json",
    )

    codes = [code for code, _, _ in said]
    listed, shown = json.loads(said[2][1].splitlines()[-1]), json.loads(said[9][1])
    assert codes == [0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert listed["is_watched"] is False
    assert [(one["source_system"], one["verdict"], one["events"]) for one in listed["sources"]] == [("ehr", "unknown", 3)]
    assert "Nobody is listening now" in " ".join(said[3][1].split())
    assert "never heard (not covered)" in said[4][1]
    assert "no gap is known" in said[5][1]  # nobody has looked yet: the worker does
    assert "within the next year" in said[6][2]
    assert "NotFound" in said[7][2]
    assert "NotFound" in said[8][2]
    assert shown["coverage"]["auditing"] == "never heard"
    register = {one["system"]: one["auditing"] for one in json.loads(said[11][1])["systems"]}
    assert register == {"Pharmacy": "declared off", "ehr": "heard, not enough to judge"}
