"""The pull connectors of a node, put together from the settings, each in a thread of its own."""

import json
import logging
import random
import ssl
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import httpx
from pydantic import SecretStr

from domain.clock import Clock
from domain.errors import ConfigError, InvalidInput
from ingest.files import mapping_in
from ingest.parsers import Oversize, Parser, parser_for, split_records
from ingest.pipeline import Desk
from ingest.pull import google_reports, graph
from ingest.pull.calling import TIMEOUT, Caller, Credentials
from ingest.pull.contract import Connector
from ingest.pull.directory import DirectoryTail
from ingest.pull.directory_cut import tail_of
from ingest.pull.management_activity import ManagementActivity
from ingest.pull.okta import OktaSystemLog, reset_wait
from ingest.pull.runner import PullRunner
from ingest.pull.s3_prefix import Bucket, S3Prefix
from ingest.pull.state import PullState
from ingest.pull.tokens import (
    AssertionGrant,
    FixedToken,
    Grant,
    JwtSigner,
    SecretGrant,
    ServiceAccountGrant,
    Tokens,
    certificate_signer,
    rsa_key,
)
from runtime.pull_settings import (
    AnySource,
    DirectorySource,
    GoogleReportsSource,
    GraphMessageTracesSource,
    GraphSignInsSource,
    ManagementActivitySource,
    OktaSource,
    PullSettings,
    S3Source,
)
from store.engine import Engine
from store.pull_cursors import PullCursors

STOP_SECONDS = 10.0
"""For how long a page in work is waited for at the end. One that is not finished is fetched again at the next start."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulling:
    """The runners of a node."""

    runners: Sequence[PullRunner]

    def states(self) -> list[PullState]:
        """How each is doing now, for health pages and metrics."""
        return [runner.state for runner in self.runners]


@contextmanager
def pulling(
    settings: PullSettings,
    *,
    engine: Engine,
    intake: Desk,
    clock: Clock,
    jitter: Callable[[], float] = random.random,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),  # noqa: TID251 - here is where ids begin
) -> Iterator[Pulling]:
    """Run every connector of the settings until the block ends. Raises ConfigError naming the connector that cannot work."""
    stopping = threading.Event()
    with ExitStack() as stack:
        cursors = PullCursors(engine)
        runners = []
        for source in settings.connectors:
            try:
                for name, connector in _connectors(source, settings, stack, clock, new_id):
                    runners.append(_runner(name, source, connector, intake, cursors, clock, stopping.wait, jitter))
            except (ConfigError, InvalidInput) as error:
                raise ConfigError(f"pull connector {source.name}: {error}") from None
        threads = [threading.Thread(target=runner.run, name=f"pull-{runner.name}", daemon=True) for runner in runners]
        for thread in threads:
            thread.start()
        try:
            yield Pulling(runners=runners)
        finally:
            stopping.set()
            for thread in threads:
                thread.join(STOP_SECONDS)
            if left := [thread.name for thread in threads if thread.is_alive()]:
                _log.warning("%s did not end in time; the page in work is fetched again at the next start", ", ".join(left))


def _runner(
    name: str,
    source: AnySource,
    connector: Connector,
    intake: Desk,
    cursors: PullCursors,
    clock: Clock,
    wait: Callable[[float], bool],
    jitter: Callable[[], float],
) -> PullRunner:
    return PullRunner(
        name=name,
        connector=connector,
        new_parser=_parser(source, clock),
        source_system=source.source_system,
        intake=intake,
        cursors=cursors,
        clock=clock,
        wait=wait,
        jitter=jitter,
        interval=timedelta(seconds=source.interval_seconds),
    )


def _parser(source: AnySource, clock: Clock) -> Callable[[], Parser]:
    return partial(
        parser_for,
        source.format,
        source_system=source.source_system,
        received=clock,
        zone=ZoneInfo(source.zone),
        tls_logging_proven=source.tls_logging_proven,
        mapping=None if source.mapping is None else mapping_in(source.mapping),
    )


def _connectors(
    source: AnySource, settings: PullSettings, stack: ExitStack, clock: Clock, new_id: Callable[[], str]
) -> Iterator[tuple[str, Connector]]:
    """The connectors of one entry, each with the name of its cursor: some sources are several lists."""
    if isinstance(source, DirectorySource):
        yield source.name, _directory(source, clock)
        return
    if isinstance(source, S3Source):
        yield source.name, _bucket(source, clock)
        return
    client = stack.enter_context(_client(settings))
    match source:
        case ManagementActivitySource():
            base = f"{source.base_url}/api/v1.0/{source.tenant}"
            caller = partial(
                Caller,
                source="the Management Activity API",
                base=base,
                client=client,
                credentials=_entra(source, f"{source.base_url}/.default", client, clock, new_id),
                clock=clock,
            )
            for content_type in source.content_types:
                yield (
                    f"{source.name}/{content_type}",
                    ManagementActivity(
                        caller(),
                        content_type=content_type,
                        publisher=source.tenant,
                        clock=clock,
                        overlap=timedelta(hours=source.late_hours),
                        history=timedelta(days=source.history_days),
                    ),
                )
        case GraphSignInsSource():
            yield (
                source.name,
                graph.sign_ins(
                    _graph(source, client, clock, new_id),
                    clock=clock,
                    types=source.types,
                    history=timedelta(days=source.history_days),
                    late=timedelta(hours=source.late_hours),
                    kept_for=timedelta(days=source.kept_days),
                ),
            )
        case GraphMessageTracesSource():
            yield (
                source.name,
                graph.message_traces(
                    _graph(source, client, clock, new_id),
                    clock=clock,
                    history=timedelta(days=source.history_days),
                    late=timedelta(hours=source.late_hours),
                ),
            )
        case GoogleReportsSource():
            credentials = _google(source, client, clock)
            for application in source.applications:
                caller_of = Caller(
                    source="Google Reports", base=source.base_url, client=client, credentials=credentials, clock=clock
                )
                yield (
                    f"{source.name}/{application}",
                    google_reports.google_reports(
                        caller_of,
                        application=application,
                        clock=clock,
                        history=timedelta(days=source.history_days),
                        late=None if source.late_hours is None else timedelta(hours=source.late_hours),
                        customer_id=source.customer_id,
                    ),
                )
        case OktaSource():
            okta = Caller(
                source="Okta",
                base=source.base_url,
                client=client,
                credentials=_okta(source, client, clock, new_id),
                clock=clock,
                reset_wait=reset_wait,
            )
            yield (
                source.name,
                OktaSystemLog(okta, clock=clock, history=timedelta(days=source.history_days), filter_expression=source.filter),
            )


def _client(settings: PullSettings) -> httpx.Client:
    """Neither proxies from the environment nor a redirect decide where credentials go."""
    try:
        context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
    except (OSError, ssl.SSLError):
        raise ConfigError("pull.ca_file cannot be read as PEM certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    proxy = None if settings.proxy is None else settings.proxy.get_secret_value()
    try:
        return httpx.Client(verify=context, timeout=TIMEOUT, follow_redirects=False, trust_env=False, proxy=proxy)
    except (ValueError, httpx.InvalidURL):
        raise ConfigError("pull.proxy is no address of a proxy, such as http://proxy.example:3128") from None


def _graph(
    source: GraphSignInsSource | GraphMessageTracesSource, client: httpx.Client, clock: Clock, new_id: Callable[[], str]
) -> Caller:
    credentials = _entra(source, f"{source.base_url}/.default", client, clock, new_id)
    return Caller(source="Microsoft Graph", base=source.base_url, client=client, credentials=credentials, clock=clock)


def _entra(
    source: ManagementActivitySource | GraphSignInsSource | GraphMessageTracesSource,
    scope: str,
    client: httpx.Client,
    clock: Clock,
    new_id: Callable[[], str],
) -> Credentials:
    url = f"{source.login_url}/{source.tenant}/oauth2/v2.0/token"
    grant: Grant
    if source.certificate is not None:
        signer = certificate_signer(_read(source.certificate))
        grant = AssertionGrant(client_id=source.client_id, scope=scope, audience=url, signer=signer, new_id=new_id)
    else:
        grant = SecretGrant(
            client_id=source.client_id, secret=_secret(source.client_secret, source.client_secret_file), scope=scope
        )
    return Tokens(source="Entra ID", url=url, grant=grant, client=client, clock=clock)


def _google(source: GoogleReportsSource, client: httpx.Client, clock: Clock) -> Credentials:
    try:
        key = json.loads(_read(source.key_file))
        email, pem, key_id = str(key["client_email"]), str(key["private_key"]), str(key["private_key_id"])
    except (ValueError, KeyError, TypeError):
        raise ConfigError("the key file is no JSON key of a service account") from None
    grant = ServiceAccountGrant(
        email=email,
        subject=source.subject,
        scope=google_reports.SCOPE,
        audience=source.token_url,
        signer=JwtSigner(rsa_key(pem.encode()), header={"kid": key_id}),
    )
    return Tokens(source="Google's token endpoint", url=source.token_url, grant=grant, client=client, clock=clock)


def _okta(source: OktaSource, client: httpx.Client, clock: Clock, new_id: Callable[[], str]) -> Credentials:
    if source.client_id is None or source.key_file is None or source.key_id is None:
        return FixedToken("SSWS", _secret(source.token, source.token_file))
    url = f"{source.base_url}/oauth2/v1/token"
    signer = JwtSigner(rsa_key(_read(source.key_file)), header={"kid": source.key_id})
    grant = AssertionGrant(client_id=source.client_id, scope="okta.logs.read", audience=url, signer=signer, new_id=new_id)
    return Tokens(source="Okta's token endpoint", url=url, grant=grant, client=client, clock=clock)


def _directory(source: DirectorySource, clock: Clock) -> Connector:
    return DirectoryTail(
        source.path,
        patterns=source.patterns,
        split=partial(_split, source.format),
        tail=source.tail or tail_of(source.format),
        clock=clock,
        recursive=source.recursive,
        settled=timedelta(seconds=source.settled_seconds),
    )


def _bucket(source: S3Source, clock: Clock) -> Connector:
    try:
        boto3, config = import_module("boto3"), import_module("botocore.config")
        errors = import_module("botocore.exceptions")
    except ImportError:
        raise ConfigError("reading a bucket needs an optional part: install phitrail[s3]") from None
    options: dict[str, object] = {"signature_version": "s3v4", "connect_timeout": 20, "read_timeout": TIMEOUT}
    options["retries"] = {"mode": "standard", "total_max_attempts": 2}
    if source.endpoint is not None:
        # Stores other than Amazon's seldom have a name in DNS for each bucket.
        options["s3"] = {"addressing_style": "path"}
    try:
        client = boto3.session.Session().client("s3", endpoint_url=source.endpoint, config=config.Config(**options))
    except (errors.BotoCoreError, ValueError):
        raise ConfigError("no S3 client can be made: check the address of the object store and the AWS settings") from None
    return S3Prefix(
        cast("Bucket", client),
        bucket=source.bucket,
        prefix=source.prefix,
        split=partial(_split, source.format),
        clock=clock,
        history=None if source.history_days is None else timedelta(days=source.history_days),
    )


def _split(format: str, chunks: Iterable[bytes]) -> Iterator[bytes | Oversize]:  # noqa: A002 (the field's name everywhere)
    return split_records(format, chunks)


def _secret(value: SecretStr | None, path: Path | None) -> str:
    secret = (
        value.get_secret_value() if value is not None else "" if path is None else _read(path).decode("utf-8", "replace").strip()
    )
    if not secret or not secret.isprintable() or not secret.isascii():
        raise ConfigError("the secret is empty, or has characters in it that no secret has")
    return secret


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})") from None
