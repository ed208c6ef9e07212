"""The demo from end to end: make a hospital, start a node, send, analyse, deliver, score, verify, show."""

import secrets
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from domain.clock import Clock, system_clock
from domain.errors import Conflict
from ingest.pipeline import Counts
from runtime.demo.app import DemoApp, DemoSetup, Starter
from runtime.demo.auditor import Auditor, auditor
from runtime.demo.certificates import ServerCertificate, certify_loopback
from runtime.demo.hospital import Hospital, Plan, make_hospital
from runtime.demo.hospital.org import MAIL_DOMAIN
from runtime.demo.hospital.write import write_labels, write_reference
from runtime.demo.progress import stage
from runtime.demo.receivers import MailReceiver, WebhookReceiver
from runtime.demo.score import score
from runtime.demo.send import send
from runtime.demo.streams import make_streams
from runtime.demo.summary import DemoSummary, show

SETTLE_SECONDS = 20.0
"""How long to wait for the last syslog messages to be stored."""

STILL_SECONDS = 2.0
"""Counts that stand still so long are final."""

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """The options of `phitrail demo`. What the demo writes besides the store goes to `data_dir`/demo."""

    data_dir: Path
    days: int = 14
    seed: int = 1
    port: int = 0
    once: bool = False


def run_demo(options: DemoOptions, console: Console, start: Starter, *, clock: Clock = system_clock) -> DemoSummary:
    """Run it all; without `once`, serve the dashboard until Ctrl-C after the summary.

    Raises PhitrailError: ConfigError for impossible options, Conflict where the data directory is not free, DeliveryError where a
    collector refuses what it should take.
    """
    begin = time.monotonic()
    _require_empty(options.data_dir)
    aside = options.data_dir / "demo"
    plan = Plan(seed=options.seed, until=clock().replace(minute=0, second=0, microsecond=0), days=options.days)
    with stage(console, f"Making a hospital and {options.days} days in it (seed {options.seed})"):
        hospital = make_hospital(plan)
        write_labels(hospital, aside)
        write_reference(hospital, aside / "reference")
    with ExitStack() as stack:
        certificate = certify_loopback(aside / "tls", clock)
        webhook = stack.enter_context(WebhookReceiver(key=secrets.token_bytes(32), clock=clock))
        mail = stack.enter_context(MailReceiver(certificate))
        outside = stack.enter_context(auditor(aside / "auditor", clock))
        with stage(console, "Starting the node"):
            app = start(_setup(options, certificate, webhook, mail, outside))
        stack.enter_context(closing(app))
        outside.trust(app.keys)
        summary = _play(hospital, app, aside, console, webhook, mail, begin)
        show(summary, console)
        if not options.once:
            console.print("Serving until Ctrl-C.")
            _until_interrupted()
    return summary


def _setup(
    options: DemoOptions, certificate: ServerCertificate, webhook: WebhookReceiver, mail: MailReceiver, outside: Auditor
) -> DemoSetup:
    return DemoSetup(
        data_dir=options.data_dir,
        port=options.port,
        certificate=certificate,
        webhook_url=webhook.url,
        webhook_secret=webhook.secret,
        mail_host=mail.host,
        mail_port=mail.port,
        mail_ca_file=mail.ca_file,
        mail_from=f"phitrail@{MAIL_DOMAIN}",
        mail_to=f"privacy@{MAIL_DOMAIN}",
        witness_policy=outside.policy,
    )


def _play(
    hospital: Hospital, app: DemoApp, aside: Path, console: Console, webhook: WebhookReceiver, mail: MailReceiver, begin: float
) -> DemoSummary:
    plan = hospital.plan
    with stage(console, "Loading the reference data"):
        app.load_context(aside / "reference")
    streams = make_streams(hospital)
    total = sum(stream.records for stream in streams)
    with stage(console, f"Sending {total:,} records through the collectors", total) as advance:
        sent = send(streams, app.doors, lambda _, records: advance(records))
        arrived = _settled(app, total)
    with stage(console, "Analysing: rules, relationships, baselines, ranking"):
        app.analyze(plan.start, plan.until + timedelta(seconds=1))
        alerts = app.alerts()
    with stage(console, f"Delivering {len(alerts)} alerts"):
        app.deliver_alerts()
    with stage(console, "Verifying the ledger from its raw rows"):
        checkpoint = app.checkpoint()
        verification = app.verify()
    return DemoSummary(
        sent=sent,
        malformed=sum(stream.bad for stream in streams),
        arrived=arrived,
        checkpoint=checkpoint,
        alerts=alerts,
        card=score(alerts, hospital.incidents),
        webhooks=webhook.received(),
        mails=mail.received(),
        verification=verification,
        sign_in=app.sign_in,
        seconds=time.monotonic() - begin,
    )


def _require_empty(directory: Path) -> None:
    """Nothing that somebody may need is ever mixed with make-believe."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Conflict(
            f"{directory} is not empty; the demo wants a data directory of its own: remove it or choose another --data-dir"
        )


def _settled(app: DemoApp, total: int) -> Counts:
    """The counts once everything sent is accounted for, or once they stand still: a datagram may have been lost."""
    end = time.monotonic() + SETTLE_SECONDS
    counts, since = app.counts(), time.monotonic()
    while counts.read < total and time.monotonic() < end and time.monotonic() - since < STILL_SECONDS:
        time.sleep(_POLL_SECONDS)
        newest = app.counts()
        if newest != counts:
            counts, since = newest, time.monotonic()
    return counts


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
