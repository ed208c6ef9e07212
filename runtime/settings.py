"""Settings: the only reader of the environment. `PHITRAIL_A__B` sets `a.b`; `PHITRAIL_A__B_FILE` names a file that holds it.

Every setting has its unit in its name or type, and its reason in its description (`docs/settings.md` is generated from here).
Unknown PHITRAIL_ variables are errors: a typo must not become a default.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from domain.errors import ConfigError
from runtime.hooks import HookSettings
from runtime.posture_settings import PostureSettings
from runtime.pull_settings import PullSettings
from runtime.spooling import SpoolSettings

PREFIX = "PHITRAIL_"

_FILE_SETTINGS = frozenset(
    {
        "alerts__email__ca_file",
        "posture__ca_file",
        "pull__ca_file",
        "timestamps__ca_file",
        "witnesses__ca_file",
        "witnesses__policy_file",
    }
)
"""Settings that are themselves the name of a file."""

Port = Annotated[int, Field(ge=0, le=65535)]
"""A port; 0 asks the system for a free one."""


class Group(BaseModel):
    """A group of settings. Unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClickHouse(Group):
    url: SecretStr | None = Field(
        None, description="DSN of a ClickHouse server; unset means the embedded engine in the data directory"
    )


class Ledger(Group):
    writer: str = Field("main", pattern=r"^[a-z0-9-]{1,32}$", description="name of this node's log; one per node")
    checkpoint_seconds: int = Field(5, ge=1, le=60, description="how often the spine is signed, also when idle")
    anchor_dir: Path | None = Field(
        None, description="where the newest checkpoint is kept outside the data directory; default: the user's state directory"
    )


class Http(Group):
    host: str = Field("127.0.0.1", description="address of API and dashboard")
    port: Port = Field(8080, description="port of API and dashboard")
    base_url: str | None = Field(None, description="how people reach the dashboard, for links in notifications")
    public_log: bool = Field(
        True, description="checkpoint, tiles and consistency proofs (no PHI in them) are given to whoever asks, signed in or not"
    )
    proxied_tls: bool = Field(False, description="a proxy in front ends TLS: cookies are marked Secure")


class Syslog(Group):
    host: str = Field("127.0.0.1", description="address of the syslog listeners")
    tls_port: Port | None = Field(6514, description="RFC 5425 over TLS; none switches it off")
    tcp_port: Port | None = Field(None, description="RFC 6587 over TCP, for networks that are protected otherwise")
    udp_port: Port | None = Field(None, description="RFC 5426 over UDP; losses are counted, not prevented")
    names: tuple[str, ...] = Field(
        (), description="names in the self-signed certificate, JSON array; unset: host and this machine's"
    )
    certificate: Path | None = Field(None, description="PEM certificate chain; unset: a self-signed one is made at first start")
    key: Path | None = Field(None, description="PEM private key of the certificate")
    client_ca: Path | None = Field(None, description="PEM CA of client certificates; set: senders must show one")
    source_system: str | None = Field(None, description="name of the source; unset: the HOSTNAME in each message")


class Webhook(Group):
    url: str = Field(description="where alerts are posted (Standard Webhooks); https, or loopback")
    secret: SecretStr = Field(description="whsec_… shared with the receiver")


class Email(Group):
    host: str = Field(description="mail server for alerts")
    port: Port = Field(587, description="port of the mail server")
    implicit_tls: bool = Field(False, description="TLS from the first byte (port 465) instead of STARTTLS")
    sender: str = Field(description="From address of alerts")
    recipients: tuple[str, ...] = Field(min_length=1, description="To addresses of alerts, JSON array")
    username: str | None = Field(None, description="user at the mail server")
    password: SecretStr | None = Field(None, description="password at the mail server")
    ca_file: Path | None = Field(None, description="PEM CA of the mail server; unset: the system's")


class Alerts(Group):
    webhook: Webhook | None = Field(None, description="webhook channel; unset: none")
    email: Email | None = Field(None, description="e-mail channel; unset: none")


class Analytics(Group):
    follow_seconds: int = Field(5, ge=1, description="how often new events are examined")
    daily_budget: int = Field(10, ge=0, description="how many ranked accesses a day become alerts")


class Witnesses(Group):
    policy_file: Path | None = Field(
        None,
        description="tlog-policy file (c2sp.org/tlog-policy): the witnesses, where they are, and how many must sign; unset: none",
    )
    interval_seconds: int = Field(60, ge=5, description="how often the newest checkpoint is taken to the witnesses")
    alarm_seconds: int = Field(900, ge=60, description="after how long without a quorum an alert is raised")
    timeout_seconds: int = Field(10, ge=1, le=60, description="how long a witness has to answer")
    ca_file: Path | None = Field(None, description="PEM CA of the witnesses' addresses; unset: the system's")


class Timestamps(Group):
    url: SecretStr | None = Field(None, description="address of an RFC 3161 time-stamp authority; unset: none")
    ca_file: Path | None = Field(None, description="PEM root certificates that are trusted for time")
    interval_seconds: int = Field(3_600, ge=60, description="how often the newest checkpoint is time-stamped")


class Copies(Group):
    directory: Path | None = Field(None, description="directory for copies of checkpoints, on storage of somebody else; must exist")
    s3_bucket: str | None = Field(None, description="bucket with object lock for copies of checkpoints")
    s3_prefix: str = Field("", description="what names in the bucket begin with; end it with a slash")
    s3_endpoint: str | None = Field(None, description="address of a store that is not Amazon's; https, or this machine")
    retain_years: int = Field(6, ge=1, le=100, description="for how long each copy is locked")
    interval_seconds: int = Field(900, ge=60, description="how often the newest checkpoint is copied")


class Retention(Group):
    years: int = Field(6, ge=6, description="how long events are kept; 45 CFR 164.316(b)(2)(i) sets the floor of six")
    archive_dir: Path | None = Field(
        None, description="where disposed months are archived; default: archive/ in the data directory"
    )


class Settings(Group):
    """All settings, frozen. Made by `load`."""

    data_dir: Path = Field(Path("phitrail-data"), description="where everything of this node lives")
    organisation: str = Field(
        "phitrail.local", pattern=r"^[A-Za-z0-9.-]{1,100}$", description="domain name that begins the origin of this ledger"
    )
    clickhouse: ClickHouse = ClickHouse()
    ledger: Ledger = Ledger()
    http: Http = Http()
    syslog: Syslog = Syslog()
    spool: SpoolSettings = SpoolSettings()
    hooks: HookSettings = HookSettings()
    alerts: Alerts = Alerts()
    analytics: Analytics = Analytics()
    retention: Retention = Retention()
    witnesses: Witnesses = Witnesses()
    timestamps: Timestamps = Timestamps()
    copies: Copies = Copies()
    pull: PullSettings = PullSettings()
    posture: PostureSettings = PostureSettings()

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if (self.syslog.certificate is None) != (self.syslog.key is None):
            raise ValueError("syslog.certificate and syslog.key are set together or not at all")
        if (self.timestamps.url is None) != (self.timestamps.ca_file is None):
            raise ValueError("timestamps.url and timestamps.ca_file are set together or not at all")
        return self

    @property
    def state_dir(self) -> Path:
        """Signing key and anchor of this node."""
        return self.data_dir / "state"

    @property
    def anchor_copies(self) -> Path:
        """Where the second copy of the anchor is kept: outside the data directory unless set otherwise."""
        if self.ledger.anchor_dir is not None:
            return self.ledger.anchor_dir
        home = os.environ.get("XDG_STATE_HOME")
        return (Path(home) if home else Path.home() / ".local" / "state") / "phitrail" / "anchors"

    @property
    def archive_dir(self) -> Path:
        """Where disposed months are archived."""
        return self.retention.archive_dir or self.data_dir / "archive"

    @property
    def base_url(self) -> str:
        """How people reach the dashboard."""
        return self.http.base_url or f"http://{self.http.host}:{self.http.port}"


def load(environment: Mapping[str, str], *, data_dir: Path | None = None) -> Settings:
    """Read settings from an environment; `data_dir` (the command line) wins. Raises ConfigError naming every problem at once."""
    tree: dict[str, object] = {}
    problems: list[str] = []
    for name in sorted(environment):
        if not name.startswith(PREFIX):
            continue
        value, path = environment[name], name.removeprefix(PREFIX).lower()
        if path.endswith("_file") and path not in _FILE_SETTINGS:
            path = path.removesuffix("_file")
            try:
                value = Path(value).read_text(encoding="utf-8").strip()
            except OSError as error:
                problems.append(f"{name}: the file cannot be read ({error.strerror})")
                continue
        _put(tree, path.split("__"), value)
    if data_dir is not None:
        tree["data_dir"] = str(data_dir)
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        # The input is left out on purpose: it may be a secret.
        problems += [f"{'.'.join(str(part) for part in item['loc']) or 'settings'}: {item['msg']}" for item in error.errors()]
    if problems:
        raise ConfigError("; ".join(problems))
    return settings


def _put(tree: dict[str, object], path: list[str], value: str) -> None:
    for part in path[:-1]:
        branch = tree.setdefault(part, {})
        tree = branch if isinstance(branch, dict) else {}
    tree[path[-1]] = _decoded(value)


def _decoded(value: str) -> object:
    """Lists come as JSON arrays; the words none and null mean unset; anything else is text that the model reads."""
    if value.lower() in {"none", "null"}:
        return None
    if value.startswith("["):
        import json

        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
