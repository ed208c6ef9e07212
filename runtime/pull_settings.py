"""Settings of the pull connectors. `PHITRAIL_PULL__CONNECTORS` is a JSON array, `PHITRAIL_PULL__CONNECTORS_FILE` a file with one.

Secrets may stand in it, or (better) in files of their own that it names. Each kind has its own fields; an unknown one is an error.
"""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from ingest.pull.directory_cut import Tail


def _safe(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost"
    if not host or parts.username or parts.password or parts.query or (parts.scheme != "https" and not is_here):
        raise ValueError("the address must begin with https:// (plain http only to this machine) and hold no password and no query")
    return url.rstrip("/")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("the zone is no name of the time zone database, such as Europe/Berlin") from None
    return name


Address = Annotated[str, AfterValidator(_safe)]
Zone = Annotated[str, AfterValidator(_zone)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9._@-]{1,128}$")]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _Source(_Group):
    """What every connector has."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="its own name; where it stands is kept under it")
    source_system: str = Field(min_length=1, max_length=128, description="name of the source in events")
    zone: Zone = Field("UTC", description="zone of times without an offset")
    mapping: Path | None = Field(None, description="mapping file, for formats that take one")
    tls_logging_proven: bool = Field(False, description="the mail server is known to log every TLS session")


class _Entra(_Source):
    """An application that is registered in Entra ID: a secret, or a certificate."""

    tenant: Identifier = Field(description="id of the directory (tenant)")
    client_id: Identifier = Field(description="id of the application")
    client_secret: SecretStr | None = Field(None, description="its secret")
    client_secret_file: Path | None = Field(None, description="file with its secret")
    certificate: Path | None = Field(None, description="PEM file with its certificate and private key, instead of a secret")
    login_url: Address = Field("https://login.microsoftonline.com", description="where tokens are asked for")

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if sum(each is not None for each in (self.client_secret, self.client_secret_file, self.certificate)) != 1:
            raise ValueError("set one of client_secret, client_secret_file and certificate")
        return self


class ManagementActivitySource(_Entra):
    """Office 365 Management Activity API."""

    kind: Literal["management-activity"]
    format: str = Field("m365-audit", description="format of the records")
    base_url: Address = Field("https://manage.office.com", description="the interface; national clouds have their own")
    content_types: tuple[
        Literal["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"], ...
    ] = Field(("Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General"), min_length=1)
    interval_seconds: int = Field(120, ge=10)
    history_days: float = Field(7, gt=0, le=7, description="how far back the first round goes")
    late_hours: float = Field(2, gt=0, le=12, description="how late a content blob may be listed")


class GraphSignInsSource(_Entra):
    """Microsoft Graph, sign-ins."""

    kind: Literal["graph-sign-ins"]
    format: str = Field("entra-signin", description="format of the records")
    base_url: Address = Field("https://graph.microsoft.com")
    types: tuple[Literal["interactiveUser", "nonInteractiveUser", "servicePrincipal", "managedIdentity"], ...] = Field(
        (), description="kinds of sign-in, through the beta version; none: interactive ones, through version 1.0"
    )
    interval_seconds: int = Field(300, ge=10)
    history_days: float = Field(7, gt=0, le=30)
    kept_days: float = Field(30, gt=0, le=30, description="how long the tenant's licence keeps sign-ins (7 without P1)")
    late_hours: float = Field(6, gt=0, le=12)


class GraphMessageTracesSource(_Entra):
    """Microsoft Graph, message traces."""

    kind: Literal["graph-message-traces"]
    format: str = Field("m365-message-trace", description="format of the records")
    base_url: Address = Field("https://graph.microsoft.com")
    interval_seconds: int = Field(300, ge=10)
    history_days: float = Field(7, gt=0, le=89)
    late_hours: float = Field(24, gt=0, le=24)


class GoogleReportsSource(_Source):
    """Admin SDK Reports of Google Workspace."""

    kind: Literal["google-reports"]
    format: str = Field("google-reports", description="format of the records")
    key_file: Path = Field(description="JSON key of the service account")
    subject: str = Field(pattern=r"^[^@\s]{1,64}@[^@\s]{1,255}$", description="administrator on whose behalf it reads")
    applications: tuple[Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")], ...] = Field(("login", "admin"), min_length=1)
    customer_id: Identifier | None = Field(None)
    base_url: Address = Field("https://admin.googleapis.com")
    token_url: Address = Field("https://oauth2.googleapis.com/token")
    interval_seconds: int = Field(300, ge=10)
    history_days: float = Field(7, gt=0, le=180)
    late_hours: float | None = Field(None, gt=0, le=84, description="unset: what Google documents for the application, and more")


class OktaSource(_Source):
    """System Log of Okta: an API token, or a service application with a key."""

    kind: Literal["okta"]
    format: str = Field("okta", description="format of the records")
    base_url: Address = Field(description="address of the organisation, https://ORG.okta.com")
    token: SecretStr | None = Field(None, description="API token (SSWS)")
    token_file: Path | None = Field(None, description="file with the API token")
    client_id: Identifier | None = Field(None, description="service application, instead of a token")
    key_file: Path | None = Field(None, description="PEM private key of the service application")
    key_id: Identifier | None = Field(None, description="id of that key (kid)")
    filter: str | None = Field(None, max_length=2_000, description="filter expression; what it leaves out is not in the ledger")
    interval_seconds: int = Field(30, ge=5)
    history_days: float = Field(90, gt=0, le=90)

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        application = (self.client_id, self.key_file, self.key_id)
        has_application = all(each is not None for each in application)
        if any(each is not None for each in application) and not has_application:
            raise ValueError("client_id, key_file and key_id are set together")
        if sum((self.token is not None, self.token_file is not None, has_application)) != 1:
            raise ValueError("set one of token, token_file, and client_id with key_file and key_id")
        return self


class DirectorySource(_Source):
    """Files of a directory."""

    kind: Literal["directory"]
    format: str = Field(description="format of the records")
    path: Path = Field(description="the directory")
    patterns: tuple[str, ...] = Field(("*",), min_length=1, description="names, also of rotated files: mail.log*")
    recursive: bool = Field(False, description="directories below it, too")
    tail: Tail | None = Field(None, description="lines, entries, whole, json or log; unset: by the format")
    settled_seconds: int = Field(60, ge=1, description="how long a compressed or whole file must not have changed")
    interval_seconds: int = Field(5, ge=1)


class S3Source(_Source):
    """Objects under a prefix of a bucket. Keys and region are found as every AWS tool finds them."""

    kind: Literal["s3"]
    format: str = Field(description="format of the records")
    bucket: str = Field(pattern=r"^[A-Za-z0-9.-]{1,255}$")
    prefix: str = Field("", description="what names begin with")
    endpoint: Address | None = Field(None, description="address of a store that is not Amazon's")
    interval_seconds: int = Field(300, ge=10)
    history_days: float | None = Field(None, gt=0, description="leaves out older objects at the first start; unset: everything")


AnySource = Annotated[
    ManagementActivitySource
    | GraphSignInsSource
    | GraphMessageTracesSource
    | GoogleReportsSource
    | OktaSource
    | DirectorySource
    | S3Source,
    Field(discriminator="kind"),
]


class PullSettings(_Group):
    """The group `pull`."""

    connectors: tuple[AnySource, ...] = Field((), description="sources that are asked, a JSON array (docs/pull.md)")
    proxy: SecretStr | None = Field(None, description="HTTP proxy for asking cloud sources, http://host:port; unset: none")
    ca_file: Path | None = Field(None, description="PEM CA of the cloud sources' addresses; unset: the system's")

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        names = [source.name for source in self.connectors]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two connectors have the name {twice[0]}")
        return self
