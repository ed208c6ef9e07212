"""Mail servers of other organisations, each with its own way of doing TLS, and the certificates they show."""

import asyncio
import logging
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)
_OLD = {ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1}


class Shown(StrEnum):
    """The certificate that a host shows."""

    GOOD = "good"
    SELF_SIGNED = "self-signed"
    EXPIRED = "expired"
    WRONG_NAME = "wrong name"
    UNKNOWN_CA = "unknown CA"
    NO_CERTIFICATE = "anonymous"
    NO_TLS = "no TLS"


class Habit(StrEnum):
    """What a host does beside accepting mail."""

    NONE = ""
    REFUSES = "refuses the recipient for good"
    TRIES_PATIENCE = "refuses for now over TLS, then offers no TLS any more and accepts"
    BREAKS_TLS = "hangs up after the handshake, and accepts in the clear"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailHost:
    """The mail server of one domain: `mx.DOMAIN` at an address, port 25."""

    domain: str
    shown: Shown
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    habit: Habit = Habit.NONE

    @property
    def name(self) -> str:
        return f"mx.{self.domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority."""

    name: str
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def made(cls, name: str) -> "Authority":
        return cls(name=name, key=ec.generate_private_key(ec.SECP256R1()))

    def pem(self) -> bytes:
        """Its own certificate."""
        return _pem(_certificate(self.name, self.key, self.name, self.key, is_ca=True))

    def certified(self, host: str, path: Path, *, expired: bool = False) -> x509.Certificate:
        """A certificate for a host, written with its key and the authority's certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(host, key, self.name, self.key, expired=expired)
        path.write_bytes(_key(key) + _pem(made) + self.pem())
        return made


def self_signed(host: str, path: Path) -> x509.Certificate:
    """A certificate that a host made for itself, written with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = _certificate(host, key, host, key)
    path.write_bytes(_key(key) + _pem(made))
    return made


def tlsa(certificate: x509.Certificate) -> str:
    """A TLSA record for the key of a server's certificate: DANE-EE(3) SPKI(1) SHA2-256(1) (RFC 7672 §3.1.1)."""
    spki = certificate.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki)
    return f"3 1 1 {digest.finalize().hex()}"


@contextmanager
def mail_hosts(
    hosts: Sequence[MailHost], addresses: Sequence[str], folder: Path, authority: Authority
) -> Iterator[dict[str, x509.Certificate]]:
    """The hosts listen at their addresses; yields the certificates that they show, by domain."""
    stranger = Authority.made("nobody's authority")
    certificates: dict[str, x509.Certificate] = {}
    with _loop() as loop:
        for host, address in zip(hosts, addresses, strict=True):
            context = None
            if host.shown is not Shown.NO_TLS:
                path = folder / f"{host.domain}.pem"
                if host.shown is Shown.SELF_SIGNED:
                    certificates[host.domain] = self_signed(host.name, path)
                elif host.shown is not Shown.NO_CERTIFICATE:
                    issuer = stranger if host.shown is Shown.UNKNOWN_CA else authority
                    name = "mx.elsewhere.example" if host.shown is Shown.WRONG_NAME else host.name
                    certificates[host.domain] = issuer.certified(name, path, expired=host.shown is Shown.EXPIRED)
                context = _context(host, path if path.exists() else None)
            door = _Door(host, context, loop)
            asyncio.run_coroutine_threadsafe(loop.create_server(door.enter, address, 25), loop).result(10)
        yield certificates


class _Door:
    """Lets connections in, and answers them as the host is in the habit of doing."""

    def __init__(self, host: MailHost, context: ssl.SSLContext | None, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._context = context
        self._loop = loop
        self._refused = False

    def enter(self) -> SMTP:
        context = None if self._refused else self._context
        return SMTP(self, hostname=self._host.name, tls_context=context, loop=self._loop)

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        if self._host.habit is Habit.BREAKS_TLS and session.ssl is not None:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return responses

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if self._host.habit is Habit.REFUSES:
            return "550 5.1.1 no such mailbox"
        if self._host.habit is Habit.TRIES_PATIENCE and not self._refused:
            self._refused = True
            return "450 4.2.0 come again"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        return "250 2.0.0 OK"


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    # A handshake that fails is what some hosts are there for, and no news.
    loop.set_exception_handler(lambda loop, context: None)
    logging.getLogger("mail.log").addHandler(logging.NullHandler())
    thread = threading.Thread(target=loop.run_forever, name="mail-hosts")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def _context(host: MailHost, chain: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if host.version in _OLD:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    if chain is None:  # with TLS 1.3, which knows no servers without a certificate, every handshake fails
        context.set_ciphers("aNULL:@SECLEVEL=0")
    else:
        context.load_cert_chain(chain)
    context.minimum_version = context.maximum_version = host.version
    return context


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool = False,
    expired: bool = False,
) -> x509.Certificate:
    today = datetime.now(UTC)  # noqa: TID251 - what OpenSSL looks at
    begin, end = (today - 30 * _DAY, today - _DAY) if expired else (today - _DAY, today + 30 * _DAY)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name.replace(" ", "-").replace("'", ""))]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
