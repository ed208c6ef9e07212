"""A small outside world on loopback: a resolver over UDP and TCP, and policy hosts over HTTPS with a CA of their own."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dns.flags
import dns.message
import dns.nameserver
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from domain.clock import Clock
from ingest.posture.asking import asking
from ingest.posture.look import Looker

SILENT = "silent"
"""In place of records: no answer at all."""


@dataclass
class Zone:
    """What the resolver knows: records as text by (name, type), `SILENT`, or the word for an error code such as SERVFAIL.

    `signed` holds the names whose answers carry the AD flag; what is below a signed name is signed too.
    """

    records: dict[tuple[str, str], Sequence[str] | str] = field(default_factory=dict)
    signed: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, wire: bytes, *, over_tcp: bool) -> bytes | None:
        query = dns.message.from_wire(wire)
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        reply = dns.message.make_response(query, recursion_available=True)
        if any(name == one or name.endswith(f".{one}") for one in self.signed):
            reply.flags |= dns.flags.AD
        found = self.records.get((name, kind))
        if found == SILENT:
            return None
        if isinstance(found, str):
            reply.set_rcode(dns.rcode.from_text(found))
        elif found:
            reply.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, found))
        elif name not in {known for known, _ in self.records}:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        packet = reply.to_wire(max_size=65_535)
        if not over_tcp and len(packet) > 1_232:
            short = dns.message.make_response(query, recursion_available=True)
            short.flags |= dns.flags.TC
            return short.to_wire()
        return packet


@dataclass
class Page:
    """What a policy host gives."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "text/plain; charset=utf-8"})


@dataclass
class World:
    """The resolver and the policy hosts, and what tests change in them."""

    zone: Zone
    pages: dict[str, Page]
    certified: set[str]
    port: int
    address: tuple[str, int]
    trusted: Path

    def looker(self, clock: Clock, *, validates: bool = True, selectors: Sequence[str] = (), seconds: float = 20.0) -> Looker:
        """A looker of this world; names of policy hosts lead to it, and are checked against the certificate as always."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [dns.nameserver.Do53Nameserver(*self.address)]
        asking(resolver, seconds=0.4)
        context = ssl.create_default_context(cafile=self.trusted)
        return Looker(
            resolver=resolver,
            client=httpx.Client(transport=_Here(context, self.port)),
            validates=validates,
            selectors=selectors,
            clock=clock,
            ticks=time.monotonic,
            seconds=seconds,
            policy_seconds=5.0,
        )

    def policy(self, domain: str, text: str, name: str = "20260301") -> None:
        """Publish a policy."""
        self.zone.records[f"_mta-sts.{domain}", "TXT"] = [f'"v=STSv1; id={name};"']
        self.pages[f"mta-sts.{domain}"] = Page(text.encode())
        self.certified.add(f"mta-sts.{domain}")


class _Here(httpx.BaseTransport):
    """Connects to this machine whatever the host's name, and keeps the name for TLS and HTTP."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._inner = httpx.HTTPTransport(verify=context)
        self._port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Serve until the block ends."""
    zone, pages, certified = Zone(), dict[str, Page](), set[str]()
    authority, key = _certificate("CA of the world", is_ca=True)
    (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    contexts: dict[str, ssl.SSLContext] = {}

    def context_for(name: str) -> ssl.SSLContext:
        """The certificate names the host only where it is certified."""
        shown = name if name in certified else "elsewhere.example"
        if shown not in contexts:
            contexts[shown] = _context(folder, shown, authority, key)
        return contexts[shown]

    with _resolver(zone) as address, _policy_hosts(pages, context_for) as port:
        yield World(zone=zone, pages=pages, certified=certified, port=port, address=address, trusted=folder / "ca.pem")


@contextmanager
def _resolver(zone: Zone) -> Iterator[tuple[str, int]]:
    tcp = socket.create_server(("127.0.0.1", 0))
    port = tcp.getsockname()[1]
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", port))

    def by_udp() -> None:
        while True:
            packet, asker = udp.recvfrom(4_096)
            if not packet:
                return
            if (reply := zone.answer(packet, over_tcp=False)) is not None:
                udp.sendto(reply, asker)

    def by_tcp() -> None:
        while True:
            connection, _ = tcp.accept()
            with connection, connection.makefile("rb") as stream:
                size = int.from_bytes(stream.read(2), "big")
                if not size:
                    return
                if (reply := zone.answer(stream.read(size), over_tcp=True)) is not None:
                    connection.sendall(len(reply).to_bytes(2, "big") + reply)

    threads = [threading.Thread(target=one, daemon=True) for one in (by_udp, by_tcp)]
    for thread in threads:
        thread.start()
    try:
        yield "127.0.0.1", port
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", port))
        with socket.create_connection(("127.0.0.1", port)) as end:
            end.sendall(b"\0\0")
            for thread in threads:
                thread.join(10)
        udp.close()
        tcp.close()


@contextmanager
def _policy_hosts(pages: dict[str, Page], context_for: "object") -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            page = pages.get(self.headers.get("host", "").partition(":")[0], Page(b"", 404))
            if self.path != "/.well-known/mta-sts.txt":
                page = Page(b"", 404)
            self.send_response_only(page.status)
            for name, value in {**page.headers, "content-length": str(len(page.body)), "connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):  # a client that has read enough goes away
                self.wfile.write(page.body)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that does not trust us is no news."""

    def by_name(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = context_for(name or "")  # type: ignore[operator]

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(context_for("elsewhere.example").chain)  # type: ignore[operator]
    context.sni_callback = by_name  # type: ignore[assignment]
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(10)


class _Context(ssl.SSLContext):
    chain: Path


def _context(folder: Path, name: str, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    made, own = _certificate(name, issuer=authority, issuer_key=key)
    path = folder / f"{name}.pem"
    private = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = _Context(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.chain = path
    return context


def _certificate(
    name: str,
    *,
    issuer: x509.Certificate | None = None,
    issuer_key: ec.EllipticCurvePrivateKey | None = None,
    is_ca: bool = False,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)  # noqa: TID251 - what OpenSSL looks at
    signer = issuer_key or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if is_ca:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(signer, hashes.SHA256()), key
