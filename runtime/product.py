"""Everything a node can do, put together once: the wiring that commands, the server and the demo share.

Middle packages do not know each other; here a finding becomes an alert, an alert a notification, a question a report.
"""

import os
import random
import secrets
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib.metadata import version

from alerts.channels import Channel
from alerts.channels.email import EmailChannel, MailServer, Security
from alerts.channels.webhook import WebhookChannel
from alerts.dispatch import Dispatcher
from alerts.follow import FindingsFollower
from alerts.metrics import AlertMetrics
from alerts.route import default_routing
from alerts.sources_alarm import SourceAlarm
from alerts.sources_metrics import SourceMetrics
from alerts.sources_recovery import SourceRecovery
from alerts.tampering import tampering
from alerts.triage import Triage
from alerts.witnessing import witnessing
from analytics.daily import Daily
from analytics.decisions import Decisions
from analytics.engine import Analysis, Analytics
from analytics.mail_policy import default_policy
from api.routes.hooks import HookMetrics
from api.services import Services, assemble
from dashboards.exports import ExportDesk
from dashboards.reports import Reports
from dashboards.views import Site
from domain.clock import Clock
from domain.organisation import Organisation
from domain.proof import EventProof
from ingest.spool.desk import SpooledDesk
from ingest.spool.metrics import SpoolMetrics
from ingest.webhooks import HookTally
from retention.archive import Archive
from retention.disposal import Disposal
from retention.holds import Holds
from retention.policy import RetentionPolicy
from runtime.beyond import Beyond, beyond
from runtime.cli.redacting import redaction_of
from runtime.directory import StaffDirectory
from runtime.mail_terms import mail_terms
from runtime.node import Base, Node
from runtime.settings import Settings
from runtime.tallies import CountedIntake
from runtime.watch import RecordWatch
from store.alert_verdicts import AlertVerdicts
from store.alerts import AlertStore
from store.completeness import examine
from store.context import ContextStore
from store.cursors import Cursors
from store.exports import ExportQuestions
from store.findings import Findings
from store.login_attempts import LoginAttempts
from store.outbox import Outbox
from store.proofs import Proofs
from store.redaction import RedactionStore
from store.reports import ReportQuestions
from store.retention import RetentionStore
from store.sessions import Sessions
from store.source_watch import SourceWatch
from store.sources import Sources
from store.suppressions import Suppressions

VERSION = version("phitrail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One of each, over one node. Made by `build`."""

    node: Node
    intake: CountedIntake
    context: ContextStore
    alerts: AlertStore
    outbox: Outbox
    analytics: Analytics
    findings: Findings
    follower: FindingsFollower
    sources: Sources
    started: datetime
    dispatcher: Dispatcher
    watch: RecordWatch
    disposal: Disposal
    holds: Holds
    proofs: Proofs
    beyond: Beyond
    hook_tally: HookTally
    source_watch: SourceWatch
    source_alarm: SourceAlarm
    channels: Sequence[Channel] = field(default_factory=tuple)

    @property
    def settings(self) -> Settings:
        """The settings this was built from."""
        return self.node.base.settings

    @property
    def clock(self) -> Clock:
        """The clock this was built with."""
        return self.node.base.clock

    def prove(self, writer: str, seq: int) -> EventProof:
        """The proof of one entry against the newest checkpoint. Raises NotFound."""
        return self.proofs.event(writer, seq)

    def reports(self) -> Reports:
        """Reports as the organisation is known now."""
        organisation = self.context.org()
        engine = self.node.base.engine
        return Reports(
            ReportQuestions(engine),
            self.clock,
            organisation=organisation.name,
            zone=organisation.timezone,
            directory=StaffDirectory(self.context),
            terms=mail_terms(default_policy(), organisation),
        )

    def follow(self) -> int:
        """Examine new events and raise what was found; returns how many events were examined."""
        examined = self.analytics.follow()
        self.follower.run()
        return examined

    def listen(self) -> None:
        """Look at every source: raise what fell silent, stopped, or cannot be understood, and close what came back."""
        self.sources.refresh()
        self.source_alarm.run(self.clock(), listening_since=self.started)

    def verify(self) -> None:
        """Recompute the record; raise it as the gravest alert when it does not fit what was signed."""
        state = self.watch.run()
        if state.verification is not None and self.findings.add(tampering(state.verification, self.clock())):
            self.follower.run()

    def witness(self) -> None:
        """Take the newest checkpoint to the witnesses; raise it when they are missing for long, or contradict the record."""
        latest, patience = self.beyond.ask(), timedelta(seconds=self.settings.witnesses.alarm_seconds)
        if latest is not None and self.findings.add(witnessing(latest, patience=patience)):
            self.follower.run()

    def prune(self) -> None:
        """Forget sessions that ended and failed log-ins that no longer count."""
        engine, clock = self.node.base.engine, self.clock
        Sessions(engine, clock, _new_token).prune()
        LoginAttempts(engine, clock).prune()

    def recall(self) -> None:
        """After a start: finish a disposal, and bring steps of alerts into the ledger, that a stop cut short."""
        self.disposal.resume()
        redaction_of(self.node).resume()
        since = self.clock() - timedelta(days=1)
        self.alerts.rerecord(since)
        self.outbox.rerecord(since)
        self.source_watch.gaps.rerecord(since)

    def close_days(self) -> None:
        """Run the daily detectors over local days that are over, and raise what was found."""
        if self.analytics.close_days():
            self.follower.run()

    def analyze(self, start: datetime | None, end: datetime | None, on_day: Callable[[date], None] | None = None) -> Analysis:
        """Replay history as of each moment, and raise what was found. `on_day` is told of each day done."""
        done = self.analytics.analyze(start, end, on_day)
        self.follower.run()
        return done

    def export_desk(self) -> ExportDesk:
        """What making an export needs."""
        base, organisation = self.node.base, self.context.org()
        return ExportDesk(
            questions=ExportQuestions(base.engine, base.keys.origin),
            clock=self.clock,
            new_id=lambda: str(uuid.uuid4()),  # noqa: TID251 - ids are made in runtime
            record=lambda event: self.node.ledger.append([event]),
            keeper=self.node.keeper,
            keys=self.node.spine.keys,
            completeness_verdict=lambda: _completeness(base),
            organisation=organisation.name,
            zone=organisation.timezone,
            policy=self.beyond.policy,
            attest=self.beyond.ask,
        )

    def services(self, spooled: SpooledDesk | None = None) -> Services:
        """What the API needs; `spooled` is the desk for records that come in, where this process takes any in."""
        base = self.node.base
        spool_metrics = [] if spooled is None else [SpoolMetrics(spooled, base.clock)]
        return assemble(
            engine=base.engine,
            ledger=self.node.ledger,
            intake=spooled or self.intake,
            alerts=self.alerts,
            outbox=self.outbox,
            clock=base.clock,
            ticks=time.monotonic,
            new_token=_new_token,
            prove=self.prove,
            ledger_keys=base.keys,
            is_log_public=base.settings.http.public_log,
            newest_note=self.beyond.newest_note,
            record_state=self.watch.state,
            site=lambda: _site(self.context.org()),
            report=lambda name, params, form: self.reports().chunks(name, params, form),
            version=VERSION,
            metrics=[
                *spool_metrics,
                HookMetrics(self.hook_tally),
                SourceMetrics(self.source_watch, base.clock),
                AlertMetrics(
                    alerts=self.alerts,
                    outbox=self.outbox,
                    sources=self.sources,
                    clock=base.clock,
                    suppressions=Suppressions(base.engine),
                ),
            ],
            is_proxied_tls=base.settings.http.proxied_tls,
        )

    def close(self) -> None:
        """Close what holds connections."""
        self.beyond.close()
        for channel in self.channels:
            if isinstance(channel, WebhookChannel):
                channel.close()


def build(node: Node, *, announce_within: timedelta | None = None) -> Product:
    """Put the product together over a node; alerts older than `announce_within` are shown and not announced. Raises ConfigError."""
    base = node.base
    engine, clock, settings = base.engine, base.clock, base.settings
    context = ContextStore(engine)
    record = node.ledger.append
    alerts, outbox = AlertStore(engine, record), Outbox(engine, record)
    channels = _channels(settings, clock)
    organisation = context.org()
    triage = Triage(
        alerts=alerts,
        outbox=outbox,
        routing=default_routing([channel.name for channel in channels]),
        clock=clock,
        zone=organisation.timezone,
        announce_within=announce_within,
        suppressions=Suppressions(engine),
    )
    findings = Findings(engine)
    follower = FindingsFollower(findings, Cursors(engine), triage)
    source_watch = SourceWatch(engine, record, context.org)
    retention = RetentionStore(engine)
    outside = beyond(node)
    daily = Daily(engine, context, clock=clock, verdicts=Decisions(AlertVerdicts(engine)), budget=settings.analytics.daily_budget)
    return Product(
        node=node,
        intake=CountedIntake(node.intake),
        context=context,
        alerts=alerts,
        outbox=outbox,
        analytics=Analytics(engine, clock=clock, daily=daily),
        findings=findings,
        follower=follower,
        source_watch=source_watch,
        source_alarm=SourceAlarm(source_watch, findings, follower, SourceRecovery(alerts, clock)),
        sources=Sources(engine),
        started=clock(),
        dispatcher=Dispatcher(
            outbox=outbox,
            alerts=alerts,
            channels=channels,
            base_url=settings.base_url,
            holder=f"{settings.ledger.writer}-{os.getpid()}",
            clock=clock,
            chance=random.SystemRandom().random,
        ),
        watch=RecordWatch(base, node.keeper.commit, outside.copies),
        disposal=Disposal(
            retention,
            Archive(settings.archive_dir, RedactionStore(engine)),
            RetentionPolicy(years=settings.retention.years),
            clock,
            node.keeper.commit,
            lambda: base.verify(copies=outside.copies()),
        ),
        holds=Holds(retention, clock, lambda: str(uuid.uuid4()), lambda event: record([event])),  # noqa: TID251 - ids are made here
        proofs=Proofs(engine, base.keys.origin),
        beyond=outside,
        hook_tally=HookTally(),
        channels=channels,
    )


def _new_token() -> str:
    return secrets.token_urlsafe(32)


def _completeness(base: Base) -> tuple[str, Sequence[str]]:
    found = examine(base.engine)
    return found.verdict.value, found.findings


def _site(organisation: Organisation) -> Site:
    return Site(name=organisation.name, zone=organisation.timezone)


def _channels(settings: Settings, clock: Clock) -> list[Channel]:
    channels: list[Channel] = []
    if (webhook := settings.alerts.webhook) is not None:
        secret = webhook.secret.get_secret_value()
        channels.append(WebhookChannel(name="webhook", url=webhook.url, secrets=[secret], clock=clock))
    if (email := settings.alerts.email) is not None:
        server = MailServer(
            host=email.host,
            port=email.port,
            security=Security.IMPLICIT if email.implicit_tls else Security.STARTTLS,
            ca_file=email.ca_file,
            username=email.username or "",
            password=email.password.get_secret_value() if email.password else "",
        )
        channels.append(EmailChannel(name="email", server=server, sender=email.sender, recipients=email.recipients, clock=clock))
    return channels
