"""A served node as its neighbours meet it: real process, real sockets, hostile input, an orderly stop."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.runtime.command import ROOT, Command

GOOD = {
    "time": "2026-03-02T08:00:00-06:00",
    "source": "access",
    "action": "view_chart",
    "actor": {"id": "alice", "kind": "staff"},
    "patient_id": "P-1",
}
ATNA = (
    '<?xml version="1.0" encoding="UTF-8"?>{doctype}<AuditMessage><EventIdentification EventActionCode="R" '
    'EventDateTime="2026-03-02T08:00:00Z" EventOutcomeIndicator="0"><EventID csd-code="110110" codeSystemName="DCM" '
    'originalText="Patient Record"/></EventIdentification><ActiveParticipant UserID="alice" UserIsRequestor="true"/>'
    '<AuditSourceIdentification AuditSourceID="radiology"/><ParticipantObjectIdentification ParticipantObjectID="P-1" '
    'ParticipantObjectTypeCode="1" ParticipantObjectTypeCodeRole="1"/></AuditMessage>'
)


@dataclass(frozen=True, slots=True)
class Running:
    """A `phitrail serve` that is up."""

    process: subprocess.Popen[str]
    http: httpx.Client
    ports: dict[str, int]
    authority: Path


@contextmanager
def served(phitrail: Command) -> Iterator[Running]:
    key = phitrail("key", "create", "ehr", "--role", "collector").out.strip()
    environment = {
        **phitrail.environment,
        "PHITRAIL_HTTP__PORT": "0",
        "PHITRAIL_SYSLOG__TLS_PORT": "0",
        "PHITRAIL_SYSLOG__TCP_PORT": "0",
        "PHITRAIL_SYSLOG__UDP_PORT": "0",
    }
    command = [sys.executable, "-m", "runtime", "serve", "--data-dir", str(phitrail.data_dir)]
    log = phitrail.home / "serve.log"
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=environment)
    with process, ending(process):
        assert process.stdout is not None
        ports: dict[str, int] = {}
        address = ""
        while len(ports) < 3:
            line = process.stdout.readline()
            assert line, log.read_text(encoding="utf-8")
            if line.startswith("dashboard:"):
                address = line.split()[1]
            if line.startswith("syslog"):
                ports[line.split()[1].removesuffix(":")] = int(line.rsplit(":", 1)[1])
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False) as client:
            yield Running(process, client, ports, phitrail.data_dir / "state" / "tls" / "ca.pem")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever the test found, the process ends with it."""
    try:
        yield
    finally:
        process.kill()


@pytest.fixture
def phitrail(tmp_path: Path) -> Command:
    return Command(tmp_path)


def event(event_id: str, **changes: object) -> bytes:
    return json.dumps({**GOOD, "event_id": event_id, **changes}).encode()


def test_hostile_input_gets_a_clear_answer_and_everything_else_is_kept(phitrail: Command) -> None:
    hostile = {
        "malformed": b'{"event_id": "x", ',
        "no zone": event("nz", time="2026-03-02T08:00:00"),
        "year one": event("y1", time="0001-01-01T00:00:00Z"),
        "wrong type": event("wt", actor="alice"),
        "wrong kind": event("wk", actor={"id": "a", "kind": "wizard"}),
        "not an object": b"[1, 2]",
        "invalid UTF-8": b'{"event_id":"\xff\xfe"}',
        "unknown field": event("uf", surprise=1),
        "nested": b"[" * 5_000 + b"]" * 5_000,
    }
    with served(phitrail) as node:
        for name, record in hostile.items():
            body = b"\n".join([event(f"{name}-before"), record, event(f"{name}-after")])
            answer = node.http.post("/v1/events", content=body, headers={"Content-Type": "application/x-ndjson"})
            assert answer.status_code == 200, (name, answer.text)
            statuses = [line["status"] for line in answer.json()["results"]]
            assert (statuses[0], statuses[-1], set(statuses[1:-1])) == ("accepted", "accepted", {"quarantined"}), name
            assert all("P-1" not in str(line.get("reason")) for line in answer.json()["results"])

        assert node.http.post("/v1/events", content=b"\x00\x01", headers={"Content-Encoding": "gzip"}).status_code == 400
        assert node.http.post("/v1/events", content=b"x", headers={"Content-Type": "image/png"}).status_code == 415
        assert node.http.get("/livez").status_code == 200

        with socket.create_connection(("127.0.0.1", node.ports["tcp"])) as line:
            for number, doctype in enumerate(["", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', ""]):
                text = f"<85>1 2026-03-02T08:0{number}:00Z host app 1 IHE+RFC-3881 - {ATNA.format(doctype=doctype)}".encode()
                line.sendall(b"%d %s" % (len(text), text))
            line.sendall(b"9 unknown!!")
        context = ssl.create_default_context(cafile=str(node.authority))
        with (
            socket.create_connection(("127.0.0.1", node.ports["tls"])) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
        ):
            text = b"<22>Mar  2 08:00:00 mx postfix/smtp[9]: 4F1A2B3C01: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, "
            text += b"delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (250 ok)"
            secured.sendall(b"%d %s" % (len(text), text))
            secured.unwrap()

    verified = phitrail("verify", "--json")
    verdict = json.loads(verified.out)
    assert verified.code == 0, verified.out
    assert verdict["integrity"] == "intact"
    stored = events(phitrail)
    assert {f"{name}-{side}" for name in hostile for side in ("before", "after")} <= stored
    listed = phitrail("quarantine", "list").out
    assert "document type" in listed
    assert listed.count("waiting") >= len(hostile)
    log = (phitrail.home / "serve.log").read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert "P-1" not in log


def test_a_hundred_megabyte_line_is_cut_off_and_its_neighbours_are_stored(phitrail: Command, tmp_path: Path) -> None:
    huge = tmp_path / "huge.jsonl"
    with huge.open("wb") as file:
        file.write(event("before") + b"\n")
        for _ in range(100):
            file.write(b"x" * 1_048_576)
        file.write(b"\n" + event("after") + b"\n")
    code = (
        "import re, runpy, sys; from pathlib import Path; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_module('runtime', run_name='__main__')\n"
        "finally: print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1], file=sys.stderr)"
    )
    words = ["runtime", "ingest", str(huge), "--format", "phitrail", "--source-system", "ehr", "--data-dir", str(phitrail.data_dir)]

    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=ROOT, env=phitrail.environment, check=False
    )

    summary = json.loads(done.stdout)
    assert done.returncode == 3, done.stderr
    assert (summary["read"], summary["accepted"], summary["quarantined"]) == (3, 2, 1)
    assert int(done.stderr.split()[-1]) < 1_000_000, "kilobytes of memory at the most"


def test_alive_without_a_key_and_closed_otherwise(phitrail: Command) -> None:
    with served(phitrail) as node, httpx.Client(base_url=node.http.base_url, trust_env=False) as stranger:
        open_routes = {path: stranger.get(path).status_code for path in ("/livez", "/readyz", "/login", "/checkpoint")}
        closed = {
            path: stranger.get(path).status_code
            for path in ("/v1/events", "/v1/alerts", "/metrics", "/openapi.json", "/v1/proofs/main/0")
        }
        front = stranger.get("/", headers={"Accept": "text/html"})

    assert open_routes == {"/livez": 200, "/readyz": 200, "/login": 200, "/checkpoint": 200}
    assert set(closed.values()) == {401}
    assert front.status_code in {302, 303, 307}
    assert front.headers["location"].startswith("/login")


def events(phitrail: Command) -> set[str]:
    code = (
        "import json, sys; from pathlib import Path; from store.engine import Engine\n"
        "with Engine.embedded(Path(sys.argv[1])) as engine:\n"
        "    print(json.dumps([row[0] for row in engine.rows('SELECT event_id FROM events')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(phitrail.data_dir)], cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ
    )
    return set(json.loads(done.stdout))
