"""RFC 5425: only TLS 1.2 and newer, only senders that may, and certificates that a first start makes for itself."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from domain.clock import system_clock
from domain.errors import ConfigError
from ingest.collectors.listeners import Listener
from ingest.collectors.syslog import SyslogCollector
from ingest.collectors.tally import ListenerCounters, Transport
from ingest.collectors.tls import Authority, TlsFiles, ensure_certificates, server_context
from tests.support.clock import TickingClock
from tests.support.desk import Desk, eventually
from tests.support.records import audit_message, postfix_line
from tests.support.senders import counted, send_tcp

STREAM = counted(postfix_line(1)) + counted(audit_message(2))


@contextmanager
def collecting(at: Desk, context: ssl.SSLContext) -> Iterator[SyslogCollector]:
    with SyslogCollector([Listener(name="one", transport=Transport.TLS, tls=context)], at.intake, at.clock) as collector:
        yield collector


def counters(collector: SyslogCollector) -> ListenerCounters:
    (found,) = collector.counters()
    return found


def as_client(directory: Path, authority: Authority, trusted: Path) -> ssl.SSLContext:
    """A sender with a certificate signed by `authority`."""
    certificate, key = authority.issue(["mx1.example.org"], system_clock(), for_client=True)
    (directory / "client.pem").write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(cafile=trusted)
    context.load_cert_chain(directory / "client.pem")
    return context


def authority_file(directory: Path, authority: Authority) -> Path:
    path = directory / "clients.pem"
    path.write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    return path


def is_refused(address: tuple[str, int], context: ssl.SSLContext) -> bool:
    """Whether the server ends the connection. In TLS 1.3 a client learns it only when it reads."""
    with socket.create_connection(address, timeout=20) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as secured:
                return secured.recv(1) == b""
        except (ssl.SSLError, ConnectionError):
            return True


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_messages_arrive_over_tls(at: Desk, tls_files: TlsFiles, trusting: ssl.SSLContext, size: int) -> None:
    with collecting(at, server_context(tls_files.certificate, tls_files.key)) as collector:
        send_tcp(collector.address("one"), [STREAM[start : start + size] for start in range(0, len(STREAM), size)], trusting)
        eventually(lambda: counters(collector).accepted == 2)

    assert counters(collector).incomplete == 0
    assert at.stored() == 2


def test_a_sender_that_drops_a_tls_connection_loses_no_whole_message(
    at: Desk, tls_files: TlsFiles, trusting: ssl.SSLContext
) -> None:
    with collecting(at, server_context(tls_files.certificate, tls_files.key)) as collector:
        with socket.create_connection(collector.address("one")) as plain:
            secured = trusting.wrap_socket(plain, server_hostname="localhost")
            secured.sendall(STREAM + b"500 <22>half")
            eventually(lambda: counters(collector).messages == 2)
            secured.close()
        eventually(lambda: counters(collector).quarantined == 1)

    assert at.stored() == 2
    assert at.raws() == [b"<22>half"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_versions_that_are_spoken(at: Desk, tls_files: TlsFiles, trusting: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    trusting.minimum_version = trusting.maximum_version = version
    with collecting(at, server_context(tls_files.certificate, tls_files.key)) as collector:
        send_tcp(collector.address("one"), [STREAM], trusting)
        eventually(lambda: counters(collector).accepted == 2)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_older_tls_is_refused_and_counted(at: Desk, tls_files: TlsFiles, trusting: ssl.SSLContext) -> None:
    trusting.minimum_version = ssl.TLSVersion.TLSv1_1
    trusting.maximum_version = ssl.TLSVersion.TLSv1_1
    trusting.set_ciphers("ALL:@SECLEVEL=0")
    with collecting(at, server_context(tls_files.certificate, tls_files.key)) as collector:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            send_tcp(collector.address("one"), [STREAM], trusting)
        eventually(lambda: counters(collector).handshakes_failed == 1)

    assert counters(collector).connections == 0


def test_who_speaks_no_tls_is_refused_and_counted(at: Desk, tls_files: TlsFiles, trusting: ssl.SSLContext) -> None:
    with collecting(at, server_context(tls_files.certificate, tls_files.key)) as collector:
        with socket.create_connection(collector.address("one"), timeout=20) as plain:
            plain.sendall(STREAM)
            eventually(lambda: counters(collector).handshakes_failed == 1)
        with socket.create_connection(collector.address("one")):
            pass  # looks and goes: a port scan
        eventually(lambda: counters(collector).handshakes_failed == 2)
        eventually(lambda: counters(collector).connections == 0)
        send_tcp(collector.address("one"), [STREAM], trusting)
        eventually(lambda: counters(collector).accepted == 2)

    assert counters(collector).messages == 2


def test_with_an_authority_for_clients_only_their_certificates_are_let_in(
    at: Desk, tls_files: TlsFiles, trusting: ssl.SSLContext, tmp_path: Path
) -> None:
    ours, strange = Authority.new("ours", system_clock()), Authority.new("strange", system_clock())
    context = server_context(tls_files.certificate, tls_files.key, client_authority=authority_file(tmp_path, ours))
    refused = [trusting, as_client(tmp_path, strange, tls_files.authority)]
    allowed = as_client(tmp_path, ours, tls_files.authority)

    with collecting(at, context) as collector:
        for number, sender in enumerate(refused, 1):
            assert is_refused(collector.address("one"), sender)
            eventually(lambda: counters(collector).handshakes_failed == number)  # noqa: B023 (called in this round)
        send_tcp(collector.address("one"), [STREAM], allowed)
        eventually(lambda: counters(collector).accepted == 2)

    assert counters(collector).messages == 2


def test_stopping_ends_connections_and_unfinished_handshakes(at: Desk, tls_files: TlsFiles, trusting: ssl.SSLContext) -> None:
    context = server_context(tls_files.certificate, tls_files.key)
    listener = Listener(name="one", transport=Transport.TLS, tls=context)
    collector = SyslogCollector([listener], at.intake, at.clock, drain_seconds=1.0)
    collector.start()
    with socket.create_connection(collector.address("one")) as silent, socket.create_connection(collector.address("one")) as plain:
        with trusting.wrap_socket(plain, server_hostname="localhost") as secured:
            secured.sendall(STREAM)
            eventually(lambda: counters(collector).messages == 2)
            collector.stop()
        silent.settimeout(20)

        assert silent.recv(1) == b""
    assert (counters(collector).connections, counters(collector).accepted) == (0, 2)


def test_certificates_are_made_once_and_kept_private(tmp_path: Path) -> None:
    clock = TickingClock()
    made = ensure_certificates(tmp_path / "tls", ["log.example.org", "192.0.2.1"], clock())
    before = made.certificate.read_bytes()

    again = ensure_certificates(tmp_path / "tls", ["192.0.2.1"], clock())

    assert again == made
    assert made.certificate.read_bytes() == before
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "tls").iterdir()} == {0}
    assert (tmp_path / "tls").stat().st_mode & 0o077 == 0
    names = x509.load_pem_x509_certificate(before).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["log.example.org"]


@pytest.mark.parametrize("change", ["time", "name"])
def test_a_certificate_is_made_anew_in_time_by_the_same_authority(tmp_path: Path, change: str) -> None:
    clock = TickingClock()
    made = ensure_certificates(tmp_path, ["localhost"], clock())
    old, authority = made.certificate.read_bytes(), made.authority.read_bytes()
    clock.advance(days=701 if change == "time" else 1)

    ensure_certificates(tmp_path, ["localhost", *(["new.example.org"] if change == "name" else [])], clock())

    new = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    assert made.certificate.read_bytes() != old
    assert made.authority.read_bytes() == authority
    assert new.not_valid_after_utc > clock() + timedelta(days=700)
    new.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))


def test_certificates_that_cannot_be_used_are_said_in_a_sentence(tmp_path: Path, tls_files: TlsFiles) -> None:
    ensure_certificates(tmp_path, ["localhost"], TickingClock()())
    (tmp_path / "server.pem").write_text("not a certificate")

    with pytest.raises(ConfigError, match="cannot be made or read"):
        ensure_certificates(tmp_path, ["localhost"], TickingClock()())
    with pytest.raises(ConfigError, match="cannot be used"):
        server_context(tmp_path / "server.pem", tmp_path / "server.key")
    with pytest.raises(ConfigError, match="cannot be used"):
        server_context(tls_files.certificate, tls_files.key, client_authority=tmp_path / "missing.pem")
    with pytest.raises(ConfigError, match="a certificate is needed for TLS, and only for TLS"):
        Listener(name="one", transport=Transport.TLS)
