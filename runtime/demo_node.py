"""The node that the demo starts: the product as it always is, with ports of its own and receivers that the demo made."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alerts.dispatch import Dispatched
from analytics.context import load_context
from domain.clock import Clock
from domain.finding import Alert
from domain.keyring import KeyRing
from ingest.pipeline import Counts
from runtime.demo.app import DemoSetup, Doors, SignIn
from runtime.jobs import Scheduler, schedule
from runtime.node import open_node
from runtime.people import accounts
from runtime.product import build
from runtime.server import Part, serving
from runtime.settings import Settings
from store.accounts import Role
from store.fsck import Verification

_VIEWER = "privacy"
_BEGINNING = datetime(1990, 1, 1, tzinfo=UTC)


class DemoNode:
    """`runtime.demo.app.DemoApp`. Until `verify` only checkpoints are scheduled, so that history is examined once it is whole."""

    def __init__(self, setup: DemoSetup, clock: Clock) -> None:
        """Raises StoreHeld, ConfigError."""
        self._stack = ExitStack()
        with ExitStack() as starting:
            starting.callback(self._stack.close)
            self._setup = setup
            self._node = self._stack.enter_context(open_node(_settings(setup), clock))
            self._product = build(self._node)
            self._stack.callback(self._product.close)
            parts = frozenset({Part.API, Part.INGEST})
            self._serving = self._stack.enter_context(serving(self._product, parts))
            self._start_jobs("checkpoint")
            services = self._product.services()
            password = services.new_token()[:16]
            accounts(self._node).add(_VIEWER, password, [Role.PRIVACY_OFFICER, Role.AUDITOR], "demo")
            _, self._key = services.keys.create("demo", [Role.COLLECTOR], "demo")
            self._sign_in = SignIn(url=self._serving.base_url, user=_VIEWER, password=password)
            starting.pop_all()

    @property
    def doors(self) -> Doors:
        """See `DemoApp`."""
        ports = self._serving.ports()
        return Doors(
            base_url=self._serving.base_url,
            api_key=self._key,
            host="127.0.0.1",
            tls_port=ports["tls"],
            tcp_port=ports["tcp"],
            udp_port=ports["udp"],
            ca_file=self._setup.certificate.ca_file,
        )

    @property
    def sign_in(self) -> SignIn:
        """See `DemoApp`."""
        return self._sign_in

    @property
    def keys(self) -> KeyRing:
        """See `DemoApp`."""
        return self._node.spine.keys

    def load_context(self, directory: Path) -> Mapping[str, int]:
        """See `DemoApp`."""
        loaded = load_context(directory, self._product.context, self._product.clock())
        return {kind: counts.read for kind, counts in loaded.items()}

    def counts(self) -> Counts:
        """See `DemoApp`."""
        return self._product.intake.counts()

    def analyze(self, start: datetime, end: datetime) -> None:
        """See `DemoApp`."""
        self._product.analyze(start, end)

    def alerts(self) -> Sequence[Alert]:
        """See `DemoApp`."""
        return list(self._product.alerts.between(_BEGINNING, self._product.clock() + timedelta(days=1)))

    def deliver_alerts(self) -> int:
        """See `DemoApp`."""
        sent = 0
        while (done := self._product.dispatcher.run_once()) != Dispatched():
            sent += done.sent
            if not done.sent:
                break
        return sent

    def checkpoint(self) -> str:
        """See `DemoApp`."""
        self._node.keeper.checkpoint()
        self._product.witness()
        return self._product.beyond.newest_note() or ""

    def verify(self) -> Verification:
        """See `DemoApp`. From here on the whole schedule runs."""
        verification = self._product.watch.run().verification
        assert verification is not None
        self._start_jobs("analytics", "days", "silence", "deliver", "verify", "witness")
        return verification

    def close(self) -> None:
        """See `DemoApp`."""
        self._stack.close()

    def _start_jobs(self, *names: str) -> None:
        jobs = [job for job in schedule(self._product) if job.name in names]
        scheduler = Scheduler(jobs, lambda _: self._serving.stopped.set())
        scheduler.start()
        self._stack.callback(scheduler.stop)


def _settings(setup: DemoSetup) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": setup.data_dir,
            "organisation": "demo.phitrail.local",
            # A demo is thrown away: its anchor has no business outside its folder.
            "ledger": {"anchor_dir": setup.data_dir / "anchors"},
            "http": {"port": setup.port},
            "witnesses": {"policy_file": setup.witness_policy},
            "syslog": {
                "tls_port": 0,
                "tcp_port": 0,
                "udp_port": 0,
                "certificate": setup.certificate.certificate,
                "key": setup.certificate.key,
            },
            "alerts": {
                "webhook": {"url": setup.webhook_url, "secret": setup.webhook_secret},
                "email": {
                    "host": setup.mail_host,
                    "port": setup.mail_port,
                    "sender": setup.mail_from,
                    "recipients": (setup.mail_to,),
                    "ca_file": setup.mail_ca_file,
                },
            },
        }
    )
