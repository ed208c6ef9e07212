"""A running node that can be stopped and started again, and senders that go on over it, each as its protocol lets it.

HTTP and FHIR answer once records are durable: a sender repeats a request until it is answered. Syslog has no answer. A sender over
TCP or TLS that sees its connection break sends again all that went over that connection; one that sees it end in good order knows
that everything was read, not that it was stored. A sender of datagrams knows nothing.
"""

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.runtime.command import ROOT, Command
from tests.support.senders import counted

LONGEST_WAIT = 60.0
PAUSE = threading.Event()
"""Never set: senders wait on it for a moment before they try again."""

FHIR = {"Content-Type": "application/fhir+json"}
LINES = {"Content-Type": "application/x-ndjson"}

_OUTCOME = {"200 OK": "duplicate", "201 Created": "accepted", "202 Accepted": "quarantined"}


class Node:
    """`phitrail serve` on one data directory, at other ports after every start."""

    def __init__(self, phitrail: Command) -> None:
        self._phitrail = phitrail
        self._key = phitrail("key", "create", "feeds", "--role", "collector").out.strip()
        self._up = threading.Event()
        self._log = phitrail.home / "serve.log"
        self._process: subprocess.Popen[str] | None = None
        self.starts = 0
        self.url = ""
        self.ports: dict[str, int] = {}

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"}

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    @property
    def authority(self) -> Path:
        return self._phitrail.data_dir / "state" / "tls" / "ca.pem"

    def start(self) -> None:
        """Returns when it listens."""
        ports = {f"PHITRAIL_{name}_PORT": "0" for name in ("HTTP_", "SYSLOG__TLS", "SYSLOG__TCP", "SYSLOG__UDP")}
        command = [sys.executable, "-m", "runtime", "serve", "--data-dir", str(self._phitrail.data_dir)]
        with self._log.open("a") as errors:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env={**self._phitrail.environment, **ports}
            )
        assert self._process.stdout is not None
        found: dict[str, int] = {}
        while len(found) < 3:
            line = self._process.stdout.readline()
            assert line, self.log
            if line.startswith("dashboard:"):
                self.url = line.split()[1]
            if line.startswith("syslog"):
                found[line.split()[1].removesuffix(":")] = int(line.rsplit(":", 1)[1])
        self.ports = found
        self.starts += 1
        self._up.set()

    def end(self, number: int) -> int:
        """Send the signal; returns the exit code once the process is gone."""
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(timeout=LONGEST_WAIT)
        self._up.clear()  # not before: senders are not told that it is about to end
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def kill(self) -> None:
        """Whatever the test found, the process ends with it."""
        if self._process is not None and self._process.stdout is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def wait_until_up(self) -> None:
        """Returns while it listens, as far as is known."""
        assert self._up.wait(LONGEST_WAIT), "the node did not come back"


class Hour:
    """The clock that senders share: each sends by the times in its records, so none runs ahead of the others.

    While it is `slow` a sender waits up to five seconds before each batch, so that the hour is not over before a node has stopped.
    """

    def __init__(self, senders: int) -> None:
        self._parts = [0.0] * senders
        self._is_slow = False
        self._changed = threading.Condition()

    def pass_to(self, sender: int, part: float) -> None:
        """This sender has come so far in the hour (0 to 1); returns when no other is more than three minutes behind."""
        with self._changed:
            self._parts[sender] = part
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: min(self._parts) >= part - 0.05, LONGEST_WAIT), "a sender does not go on"
            self._changed.wait_for(lambda: not self._is_slow, 5.0)

    def slow(self, is_slow: bool) -> None:
        """From now on, or no more."""
        with self._changed:
            self._is_slow = is_slow
            self._changed.notify_all()

    def wait_until(self, part: float) -> None:
        """Returns when every sender has come so far."""
        with self._changed:
            assert self._changed.wait_for(lambda: min(self._parts) >= part, LONGEST_WAIT), "a sender does not go on"


@dataclass(slots=True)
class Sent:
    """What one sender has sent, and what it was told.

    `repeats` are records that were sent again because no answer came; `late` are those that went to the node once restarted.
    """

    records: int = 0
    repeats: int = 0
    late: int = 0
    answers: Counter[str] = field(default_factory=Counter)


def send_events(node: Node, source: str, batches: Sequence[Sequence[bytes]], sent: Sent, progress: Callable[[int], None]) -> None:
    """JSON Lines, one request a batch."""
    with httpx.Client(
        headers={**node.headers, **LINES, "X-Source-System": source}, timeout=LONGEST_WAIT, trust_env=False
    ) as client:
        for number, batch in enumerate(batches, 1):
            body = _until_answered(node, client, "/v1/events", b"\n".join(batch), sent, len(batch)).json()
            assert body["read"] == len(batch)
            sent.records += len(batch)
            sent.answers.update({status: body[status] for status in ("accepted", "duplicate", "quarantined")})
            progress(number)


def send_bundles(
    node: Node, source: str, batches: Sequence[Sequence[dict[str, object]]], sent: Sent, progress: Callable[[int], None]
) -> None:
    """FHIR AuditEvents, one Bundle a batch."""
    with httpx.Client(headers={**node.headers, **FHIR, "X-Source-System": source}, timeout=LONGEST_WAIT, trust_env=False) as client:
        for number, batch in enumerate(batches, 1):
            bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": resource} for resource in batch]}
            body = _until_answered(node, client, "/fhir", json.dumps(bundle).encode(), sent, len(batch)).json()
            sent.records += len(batch)
            sent.answers.update(_OUTCOME[entry["response"]["status"]] for entry in body["entry"])
            progress(number)


def send_stream(
    node: Node, transport: str, batches: Sequence[Sequence[bytes]], sent: Sent, progress: Callable[[int], None]
) -> None:
    """Syslog over TCP or TLS, one connection a batch."""
    for number, batch in enumerate(batches, 1):
        while True:
            node.wait_until_up()
            is_late = node.starts > 1
            if _sent_whole(node, transport, batch):
                break
            sent.repeats += len(batch)
            PAUSE.wait(0.05)
        sent.records += len(batch)
        sent.late += len(batch) if is_late else 0
        progress(number)


def send_datagrams(node: Node, messages: Sequence[bytes]) -> None:
    """Syslog over UDP, a few at a time: what a receiver's buffer does not hold is lost, and nobody is told."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number, message in enumerate(messages):
            sender.sendto(message, ("127.0.0.1", node.ports["udp"]))
            if number % 20 == 19:
                PAUSE.wait(0.002)


def datagrams_dropped(node: Node) -> int:
    """How many datagrams the kernel has thrown away at the node's port since it opened (proc(5), /proc/net/udp)."""
    for line in Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == node.ports["udp"]:
            return int(fields[-1])
    raise AssertionError("the node does not listen for datagrams")


def _until_answered(node: Node, client: httpx.Client, path: str, content: bytes, sent: Sent, records: int) -> httpx.Response:
    while True:
        node.wait_until_up()
        try:
            answer = client.post(f"{node.url}{path}", content=content)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code != 503:
            assert answer.status_code == 200, answer.text
            return answer
        sent.repeats += records
        PAUSE.wait(0.05)


def _sent_whole(node: Node, transport: str, messages: Sequence[bytes]) -> bool:
    """Whether the connection took everything and ended in good order."""
    try:
        with socket.create_connection(("127.0.0.1", node.ports[transport]), timeout=LONGEST_WAIT) as plain:
            if transport == "tcp":
                for message in messages:
                    plain.sendall(counted(message))
                plain.shutdown(socket.SHUT_WR)
                return plain.recv(1) == b""
            context = ssl.create_default_context(cafile=str(node.authority))
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
                for message in messages:
                    secured.sendall(counted(message))
                secured.unwrap()
            return True
    except OSError:
        return False
