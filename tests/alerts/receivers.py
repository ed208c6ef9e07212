"""Real receivers on loopback: an SMTP server, an HTTP server and the certificates they show."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from ingest.collectors.tls import ensure_certificates


@dataclass(frozen=True)
class Certificates:
    """A server's key and certificate (for 127.0.0.1) and the authority that signed it, as files."""

    authority: Path
    chain: Path

    def server_context(self, *, at_most: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain)
        if at_most is not None:
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.maximum_version = at_most
        return context


def make_certificates(folder: Path, *, host: str = "127.0.0.1") -> Certificates:
    """An authority of its own and a server certificate for `host`, valid around the wall clock that OpenSSL looks at."""
    files = ensure_certificates(folder, [host], datetime.now(UTC))  # noqa: TID251 - checked against the real time
    made = Certificates(authority=files.authority, chain=folder / "chain.pem")
    made.chain.write_bytes(files.key.read_bytes() + files.certificate.read_bytes())
    return made


@dataclass
class Mailbox:
    """What an SMTP server got, and how it answers: `answer` to the message, `refuse` to a recipient, in SMTP's words."""

    port: int = 0
    mails: list[bytes] = field(default_factory=list)
    envelopes: int = 0
    tls: list[bool] = field(default_factory=list)
    answer: str = "250 OK"
    refuse: Callable[[str], str | None] = lambda address: None

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        self.envelopes += 1
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if refusal := self.refuse(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answer.startswith("2"):
            self.mails.append(bytes(envelope.content))
            self.tls.append(server.transport.get_extra_info("ssl_object") is not None)
        return self.answer


@contextmanager
def smtp_server(
    certificates: Certificates | None, *, implicit: bool = False, at_most: ssl.TLSVersion | None = None
) -> Iterator[Mailbox]:
    """An SMTP server on a free port: with STARTTLS, with TLS from the first byte, or (no certificates) in the clear."""
    mailbox = Mailbox()
    context = certificates.server_context(at_most=at_most) if certificates else None

    def protocol() -> SMTP:
        starttls = None if implicit else context
        return SMTP(
            mailbox,
            hostname="mx.test",
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_require_tls=True,
            authenticator=lambda server, session, envelope, mechanism, data: AuthResult(
                success=data.login == b"phitrail" and data.password == b"right", handled=False
            ),
            loop=loop,
        )

    loop = asyncio.new_event_loop()
    # A handshake that fails is what some tests are about; it is not news for standard error.
    loop.set_exception_handler(lambda loop, context: None)
    thread = threading.Thread(target=loop.run_forever, name="smtp-receiver")
    thread.start()

    async def start() -> asyncio.Server:
        return await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if implicit else None)

    async def stop() -> None:
        server.close()
        await server.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await loop.shutdown_default_executor()

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@dataclass
class Hook:
    """What an HTTP receiver got, and what it answers."""

    url: str = ""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)


@contextmanager
def http_server(certificates: Certificates | None = None) -> Iterator[Hook]:
    """An HTTP(S) receiver on a free port."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(hook.status)
            for name, value in hook.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that drops a bad handshake is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if certificates:
            server.socket = certificates.server_context().wrap_socket(server.socket, server_side=True)
        hook.url = f"{'https' if certificates else 'http'}://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="http-receiver")
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join(10)
