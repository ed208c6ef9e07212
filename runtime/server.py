"""A serving node: API and dashboard, syslog collectors and the schedule, started in order and stopped in the reverse."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.routes import intake as intake_routes
from domain.errors import ConfigError
from ingest.collectors.listeners import Listener
from ingest.collectors.syslog import SyslogCollector
from ingest.collectors.tally import Transport
from ingest.collectors.tls import ensure_certificates, server_context
from runtime.jobs import Scheduler, schedule
from runtime.product import Product
from runtime.settings import Settings


class Part(StrEnum):
    """What a process does; several machines may each do a part."""

    API = "api"
    INGEST = "ingest"
    WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A node that serves: where it listens. `stopped` is set when the HTTP server ends by itself (a signal)."""

    product: Product
    base_url: str
    syslog: SyslogCollector | None
    authority: Path | None
    stopped: threading.Event

    def ports(self) -> dict[str, int]:
        """The ports of the syslog listeners by transport: tls, tcp, udp."""
        if self.syslog is None:
            return {}
        return {counters.name: self.syslog.address(counters.name)[1] for counters in self.syslog.counters()}


@contextmanager
def serving(product: Product, parts: frozenset[Part] = frozenset(Part)) -> Iterator[Serving]:
    """Start the parts; at the end stop taking in, store what arrived, stop the schedule. Raises ConfigError."""
    settings = product.settings
    with ExitStack() as stack:
        syslog, authority = None, None
        if Part.INGEST in parts:
            listeners, authority = _listeners(product)
            if listeners:
                syslog = stack.enter_context(SyslogCollector(listeners, product.intake, product.clock))
        stopped = threading.Event()
        stack.enter_context(_recording(product))
        base_url = ""
        if parts & {Part.API, Part.INGEST}:
            more = [intake_routes.router] if Part.INGEST in parts else []
            app = create_app(product.services(), more)
            base_url = stack.enter_context(_http(app, settings, stopped.set))
        if Part.WORKER in parts:
            scheduler = Scheduler(schedule(product), lambda _: stopped.set())
            scheduler.start()
            stack.callback(scheduler.stop)
        yield Serving(product=product, base_url=base_url, syslog=syslog, authority=authority, stopped=stopped)


@contextmanager
def _recording(product: Product) -> Iterator[None]:
    """The spine says when this node records and when it does not (the audit log's status, 45 CFR 170.315(d)(2)(i)(B))."""
    keeper, writer = product.node.keeper, product.settings.ledger.writer
    keeper.commit("audit-off", {"writer": writer, "state": "on"})
    try:
        yield
    finally:
        if not product.node.ledger.has_stopped:
            keeper.commit("audit-off", {"writer": writer, "state": "off"})


@contextmanager
def _http(app: FastAPI, settings: Settings, on_stop: Callable[[], None]) -> Iterator[str]:
    config = uvicorn.Config(
        app,
        host=settings.http.host,
        port=settings.http.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    server = uvicorn.Server(config)
    listening = _bound(config, settings)

    def run() -> None:
        try:
            server.run(sockets=[listening])
        finally:
            on_stop()

    started = threading.Thread(target=run, name="http", daemon=True)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    started.start()
    try:
        yield f"http://{settings.http.host}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        started.join()


def _bound(config: uvicorn.Config, settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.http.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.http.host, settings.http.port))
    except OSError as error:
        listening.close()
        raise ConfigError(f"cannot listen on {settings.http.host} port {settings.http.port}: {error.strerror}") from None
    listening.listen(config.backlog)
    return listening


def _listeners(product: Product) -> tuple[list[Listener], Path | None]:
    syslog = product.settings.syslog
    listeners: list[Listener] = []
    authority = None
    if syslog.tls_port is not None:
        certificate, key = syslog.certificate, syslog.key
        if certificate is None or key is None:
            names = syslog.names or tuple(dict.fromkeys((syslog.host, "localhost", socket.gethostname())))
            files = ensure_certificates(product.settings.state_dir / "tls", names, product.clock())
            certificate, key, authority = files.certificate, files.key, files.authority
        context = server_context(certificate, key, client_authority=syslog.client_ca)
        listeners.append(_listener(product, Transport.TLS, syslog.tls_port, tls=context))
    if syslog.tcp_port is not None:
        listeners.append(_listener(product, Transport.TCP, syslog.tcp_port))
    if syslog.udp_port is not None:
        listeners.append(_listener(product, Transport.UDP, syslog.udp_port))
    return listeners, authority


def _listener(product: Product, transport: Transport, port: int, *, tls: ssl.SSLContext | None = None) -> Listener:
    syslog = product.settings.syslog
    return Listener(
        name=transport.value,
        transport=transport,
        host=syslog.host,
        port=port,
        tls=tls,
        source_system=syslog.source_system,
        zone=product.context.org().timezone,
    )
