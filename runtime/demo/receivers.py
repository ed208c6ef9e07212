"""Where the demo's alerts arrive: a webhook that checks signatures, and a mail server that insists on STARTTLS.

Both are real peers on loopback ports of their own. They keep what they got, so that the summary can say what arrived rather than
what was sent.
"""

import asyncio
import base64
import hashlib
import hmac
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from domain.clock import Clock
from runtime.demo.certificates import ServerCertificate

LOOPBACK = "127.0.0.1"
TOLERANCE = timedelta(minutes=5)
"""How far the time of a webhook may be off (Standard Webhooks, "timestamp tolerance")."""

MOST_BODY = 1 << 20
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What arrived so far. `refused` counts webhooks without a valid signature, or mails before TLS."""

    messages: tuple[bytes, ...] = ()
    refused: int = 0


@dataclass(slots=True)
class _Store:
    messages: dict[str, bytes] = field(default_factory=dict)
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, key: str, body: bytes) -> None:
        """Keep it once, however often it is sent."""
        with self.lock:
            self.messages.setdefault(key, body)

    def refuse(self) -> None:
        with self.lock:
            self.refused += 1

    def snapshot(self) -> Received:
        with self.lock:
            return Received(messages=tuple(self.messages.values()), refused=self.refused)


class WebhookReceiver:
    """Takes `POST` with a valid Standard Webhooks signature (204), refuses all else (401). A context manager."""

    def __init__(self, *, key: bytes, clock: Clock) -> None:
        """`key` is the shared secret, raw; `secret` gives the form senders are configured with."""
        self._key = key
        self._clock = clock
        self._store = _Store()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), name="demo-webhook", daemon=True)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/alerts"

    @property
    def secret(self) -> str:
        return "whsec_" + base64.b64encode(self._key).decode()

    def received(self) -> Received:
        """Bodies in order of arrival; the same webhook-id counts once."""
        return self._store.snapshot()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Check one request and keep its body. False where the signature, the id or the time is not right."""
        message_id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        fresh = sent.isascii() and sent.isdigit() and abs(self._clock().timestamp() - int(sent)) <= TOLERANCE.total_seconds()
        signed = b".".join((message_id.encode(), sent.encode(), body))
        expected = base64.b64encode(hmac.new(self._key, signed, hashlib.sha256).digest())
        given = [
            part.removeprefix("v1,").encode() for part in headers.get("webhook-signature", "").split() if part.startswith("v1,")
        ]
        if not message_id or not fresh or not any(hmac.compare_digest(expected, signature) for signature in given):
            self._store.refuse()
            return False
        self._store.keep(message_id, body)
        return True

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def do_POST(self) -> None:
                length = self.headers.get("content-length", "")
                whole = length.isascii() and length.isdigit() and int(length) <= MOST_BODY
                headers = {name.lower(): value for name, value in self.headers.items()}
                accepted = whole and receiver.take(headers, self.rfile.read(int(length)))
                self.close_connection = not whole
                self.send_response(204 if accepted else 401)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the library's)
                """Say nothing: the summary tells what arrived."""

        return Handler


class _OwnPort(Controller):
    """A controller on whatever port is free."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


class MailReceiver:
    """An SMTP server that takes mail only after STARTTLS with the given certificate. A context manager."""

    def __init__(self, certificate: ServerCertificate) -> None:
        self.ca_file = certificate.ca_file
        self._store = _Store()
        self._controller = _OwnPort(
            _Inbox(self._store),
            hostname=LOOPBACK,
            port=0,
            tls_context=certificate.server_context(),
            require_starttls=True,
            ident="phitrail demo",
        )

    @property
    def host(self) -> str:
        return LOOPBACK

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def received(self) -> Received:
        """Messages in order of arrival, as they were on the wire; the same Message-ID counts once."""
        return self._store.snapshot()

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._controller.stop()


class _Inbox:
    """The handler of one server; method names are the library's."""

    def __init__(self, store: _Store) -> None:
        self._store = store

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the message."""
        if session.ssl is None:
            self._store.refuse()
            return "530 5.7.0 Must issue a STARTTLS command first"
        body = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        self._store.keep(_message_id(body), body)
        return "250 2.0.0 OK"


def _message_id(body: bytes) -> str:
    for line in body.split(b"\r\n\r\n", 1)[0].split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"message-id":
            return value.strip().decode("ascii", "replace")
    return hashlib.sha256(body).hexdigest()
