"""What the demo needs of the product: a running node, seen from outside as far as possible."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from domain.finding import Alert
from domain.keyring import KeyRing
from ingest.pipeline import Counts
from runtime.demo.certificates import ServerCertificate
from store.fsck import Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSetup:
    """What the demo gives to the node it starts.

    The node listens on loopback: HTTP on `port` (0: any free one), syslog over TLS with `certificate`, over TCP and UDP on any free
    ports. Its alerts go to the webhook (signed with `webhook_secret`, "whsec_…") and by mail over STARTTLS to
    `mail_host`:`mail_port`, whose certificate is verified against `mail_ca_file`. `witness_policy` names who must cosign its
    checkpoints. `data_dir` holds nothing but the folder `demo`.
    """

    data_dir: Path
    port: int
    certificate: ServerCertificate
    webhook_url: str
    webhook_secret: str
    mail_host: str
    mail_port: int
    mail_ca_file: Path
    mail_from: str
    mail_to: str
    witness_policy: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where the collectors of the node listen. `base_url` has no slash at its end; `api_key` may send."""

    base_url: str
    api_key: str
    host: str
    tls_port: int
    tcp_port: int
    udp_port: int
    ca_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """How a person gets at the dashboard. The password is shown once, on this terminal."""

    url: str
    user: str
    password: str


class DemoApp(Protocol):
    """
    A node that runs, collectors and dashboard included, from the moment it exists until `close`.

    Calls come from one thread, in the order: load_context, (events through `doors`, counts), analyze, alerts, deliver_alerts,
    checkpoint, verify, close. All block until done. Errors are PhitrailErrors.
    """

    @property
    def doors(self) -> Doors: ...

    @property
    def sign_in(self) -> SignIn: ...

    @property
    def keys(self) -> KeyRing:
        """The keys that sign checkpoints: what a witness has to know."""

    def load_context(self, directory: Path) -> Mapping[str, int]:
        """`phitrail context load`: records loaded, by kind."""

    def counts(self) -> Counts:
        """What became of the records of all collectors since the start. Cheap: it is polled while datagrams settle."""

    def analyze(self, start: datetime, end: datetime) -> None:
        """`phitrail analyze`: every rule and detector over the period, then findings grouped into alerts."""

    def alerts(self) -> Sequence[Alert]:
        """Every alert, in its newest state."""

    def deliver_alerts(self) -> int:
        """Send what waits in the outbox until nothing is due; the number of deliveries that receivers took."""

    def checkpoint(self) -> str:
        """Commit to everything stored so far and take it to the witnesses; the note, signed and cosigned (C2SP checkpoint)."""

    def verify(self) -> Verification:
        """`phitrail verify --full`."""

    def close(self) -> None:
        """Stop listening, commit what waits, sign a last checkpoint. May be called twice."""


Starter = Callable[[DemoSetup], DemoApp]
"""Starts a node. Raises StoreHeld where another process has the data directory, ConfigError."""
