"""The whole demo against a stand-in for the node: real doors, the product's own channels, alerts made from the labels."""

import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx
import orjson
import pytest
from rich.console import Console

from alerts.channels.email import EmailChannel, MailServer
from alerts.channels.webhook import WebhookChannel
from alerts.notification import notification
from domain.checkpoint import Head
from domain.clock import system_clock
from domain.cosignature import add_lines
from domain.errors import Conflict
from domain.finding import Alert, AlertStatus, EventRef, Severity
from domain.keyring import KeyRing
from domain.witness_policy import WitnessPolicy
from ingest.pipeline import Counts
from retention.witnessing import Submission, submit
from runtime.demo.app import DemoSetup, Doors, SignIn
from runtime.demo.hospital.plan import FEWEST_DAYS
from runtime.demo.run import DemoOptions, run_demo
from runtime.demo.summary import DemoSummary
from store.fsck import Integrity, Verification
from tests.runtime.demo.collectors import Arrivals, open_collectors
from tests.support.node import SIGNER

OVERLOOKED = "audit_stopped"
"""The kind that this node never finds."""


@dataclass(slots=True)
class Node:
    """Counts at real doors; "analysis" reads the labels, overlooks one kind and raises one false alarm."""

    setup: DemoSetup
    calls: list[str] = field(default_factory=list)
    arrivals: Arrivals = field(default_factory=Arrivals)
    stack: ExitStack = field(default_factory=ExitStack)
    loaded: Path | None = None
    period: tuple[datetime, datetime] | None = None
    open_doors: Doors | None = None

    def __post_init__(self) -> None:
        self.open_doors, _ = self.stack.enter_context(open_collectors(self.setup.data_dir / "node", self.arrivals))

    @property
    def doors(self) -> Doors:
        assert self.open_doors is not None
        return self.open_doors

    @property
    def sign_in(self) -> SignIn:
        return SignIn(url=self.doors.base_url, user="admin", password="once-shown")

    @property
    def keys(self) -> KeyRing:
        return KeyRing.of(SIGNER.verifier)

    def load_context(self, directory: Path) -> Mapping[str, int]:
        self.calls.append("load_context")
        self.loaded = directory
        return {path.stem: 1 for path in directory.iterdir()}

    def counts(self) -> Counts:
        return self.arrivals.counts()

    def analyze(self, start: datetime, end: datetime) -> None:
        self.calls.append("analyze")
        self.period = (start, end)

    def alerts(self) -> Sequence[Alert]:
        labels = [orjson.loads(line) for line in (self.setup.data_dir / "demo" / "labels.jsonl").read_bytes().splitlines()]
        found = [
            _alert(label["kind"], label["event_ids"][0], label["incident_id"]) for label in labels if label["kind"] != OVERLOOKED
        ]
        return [*found, _alert("self_access", "ehr-0000001", "false-alarm")]

    def deliver_alerts(self) -> int:
        self.calls.append("deliver_alerts")
        setup = self.setup
        server = MailServer(host=setup.mail_host, port=setup.mail_port, ca_file=setup.mail_ca_file)
        mail = EmailChannel(name="mail", server=server, sender=setup.mail_from, recipients=[setup.mail_to], clock=system_clock)
        hook = WebhookChannel(name="hook", url=setup.webhook_url, secrets=[setup.webhook_secret], clock=system_clock)
        self.stack.callback(hook.close)
        for alert in self.alerts():
            note = notification(alert, delivery_id=f"dlv-{alert.alert_id}", base_url=self.doors.base_url)
            hook.send(note)
            if alert.alert_id == "false-alarm":
                mail.send(note)
        return len(self.alerts()) + 1

    def checkpoint(self) -> str:
        """Signed here, cosigned by whoever the policy names."""
        note = SIGNER.sign(Head(SIGNER.name, 42, bytes(32)).checkpoint)
        policy = WitnessPolicy.parse(self.setup.witness_policy.read_text(encoding="utf-8"))
        submission = Submission(note=note, size=42, old_size=0, prove=lambda _: [], newest_size=lambda: 42)
        with httpx.Client(trust_env=False) as client:
            lines = [line for witness in policy.witnesses for line in submit(client, witness.url or "", submission)]
        return add_lines(note, lines)

    def verify(self) -> Verification:
        self.calls.append("verify")
        return Verification(
            integrity=Integrity.INTACT, problems=[], entries=self.counts().read, spine_entries=1, signed_size=1, disposed=0
        )

    def close(self) -> None:
        self.calls.append("close")
        self.stack.close()


def _alert(kind: str, event_id: str, alert_id: str) -> Alert:
    moment = system_clock()
    return Alert(
        alert_id=alert_id,
        version=1,
        time=moment,
        updated=moment,
        score=0.8,
        severity=Severity.HIGH,
        kind=kind,
        title="Title",
        actor_id=None,
        patient_id=None,
        group_key="key",
        finding_ids=("finding",),
        evidence=[EventRef(writer="main", seq=1, event_id=event_id)],
        explanation=(),
        exculpatory=(),
        rule_id="rule",
        rule_version="1",
        controls=(),
        runbook="",
        status=AlertStatus.OPEN,
        changed_by="system",
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoSummary, Node, str]:
    nodes: list[Node] = []

    def start(setup: DemoSetup) -> Node:
        nodes.append(Node(setup=setup))
        return nodes[0]

    log = io.StringIO()
    options = DemoOptions(data_dir=tmp_path_factory.mktemp("run") / "fresh", days=FEWEST_DAYS, seed=3, once=True)
    summary = run_demo(options, Console(file=log, width=160), start)
    return summary, nodes[0], log.getvalue()


def test_the_steps_come_in_order_and_the_node_is_closed(finished: tuple[DemoSummary, Node, str]) -> None:
    _, node, _ = finished

    assert node.calls == ["load_context", "analyze", "deliver_alerts", "verify", "close"]


def test_everything_sent_arrives(finished: tuple[DemoSummary, Node, str]) -> None:
    summary, node, _ = finished

    assert sum(summary.sent.values()) == summary.arrived.read == node.arrivals.records.total()
    assert summary.lost == 0
    assert set(node.arrivals.systems) == {"ehr", "mail-provider", "portal", "lab-system", "pacs", "pharmacy", ""}
    assert node.arrivals.faults == []


def test_the_analysis_covers_the_whole_period(finished: tuple[DemoSummary, Node, str]) -> None:
    _, node, _ = finished
    assert node.period is not None

    start, end = node.period

    assert FEWEST_DAYS - 1 <= (end - start).total_seconds() / 86_400 <= FEWEST_DAYS + 0.1


def test_labels_are_not_among_the_reference_data(finished: tuple[DemoSummary, Node, str]) -> None:
    _, node, _ = finished
    assert node.loaded is not None

    names = {path.name for path in node.loaded.iterdir()}

    assert "org.json" in names
    assert "labels.jsonl" not in names


def test_the_score_names_what_was_overlooked_and_what_was_wrong(finished: tuple[DemoSummary, Node, str]) -> None:
    summary, _, _ = finished
    rows = {row.kind.value: row for row in summary.card.kinds}

    assert {incident.kind.value for incident in summary.card.missed} == {OVERLOOKED}
    assert rows[OVERLOOKED].recall == 0
    assert rows["self_access"].alerts - rows["self_access"].right == 1
    assert rows["vip_access"].precision == rows["vip_access"].recall == 1


def test_notifications_are_received_from_the_real_channels(finished: tuple[DemoSummary, Node, str]) -> None:
    summary, _, _ = finished

    assert len(summary.webhooks.messages) == len(summary.alerts)
    assert len(summary.mails.messages) == 1
    assert summary.webhooks.refused == summary.mails.refused == 0


def test_the_summary_says_what_people_want_to_know(finished: tuple[DemoSummary, Node, str]) -> None:
    summary, _, text = finished

    for words in (
        "Integrity: intact",
        f"{SIGNER.name}, size 42, root {b64encode(bytes(32)).decode()}, cosigned by auditor.example/w1",
        "syslog UDP (RFC 5426)",
        "malformed on purpose: 25",
        "Missed: audit_stopped-1, audit_stopped-2",
        "unusual_volume",
        "once-shown",
        summary.sign_in.url,
        "Sending",
    ):
        assert words in text


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").touch()

    def start(setup: DemoSetup) -> Node:
        raise AssertionError(setup)

    with pytest.raises(Conflict, match="not empty"):
        run_demo(DemoOptions(data_dir=tmp_path, once=True), Console(file=io.StringIO()), start)

    assert [path.name for path in tmp_path.iterdir()] == ["ledger.sqlite"]
