"""A serving node: API and dashboard, syslog collectors and the schedule, started in order and stopped in the reverse."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fastapi import APIRouter

from api.app import create_app
from api.routes import hooks as hook_routes
from api.routes import intake as intake_routes
from api.routes import otlp as otlp_routes
from api.services import Services
from ingest.collectors.listeners import Listener
from ingest.collectors.syslog import SyslogCollector
from ingest.collectors.tally import Transport
from ingest.collectors.tls import ensure_certificates, server_context
from runtime.hooks import build_hooks, https_get
from runtime.jobs import Scheduler, schedule
from runtime.listening import served
from runtime.product import Product
from runtime.pulling import pulling
from runtime.spooling import spooled


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
        syslog, authority, desk = None, None, None
        if Part.INGEST in parts:
            desk = stack.enter_context(spooled(product.intake, settings.spool, settings.state_dir, product.clock))
            stack.enter_context(pulling(settings.pull, engine=product.node.base.engine, intake=product.intake, clock=product.clock))
            listeners, authority = _listeners(product)
            if listeners:
                syslog = stack.enter_context(SyslogCollector(listeners, desk, product.clock))
        stopped = threading.Event()
        stack.enter_context(_recording(product))
        base_url = ""
        if parts & {Part.API, Part.INGEST}:
            more = _intake_routes(product) if Part.INGEST in parts else []
            app = create_app(product.services(desk), more)
            base_url = stack.enter_context(served(app, settings.http.host, settings.http.port, stopped.set))
        if Part.WORKER in parts:
            scheduler = Scheduler(schedule(product), lambda _: stopped.set())
            scheduler.start()
            stack.callback(scheduler.stop)
        yield Serving(product=product, base_url=base_url, syslog=syslog, authority=authority, stopped=stopped)


def _intake_routes(product: Product) -> Sequence[Callable[[Services], APIRouter]]:
    made = build_hooks(product.settings.hooks, clock=product.clock, fetch=https_get())
    return [intake_routes.router, otlp_routes.router, lambda services: hook_routes.router(services, made, product.hook_tally)]


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
