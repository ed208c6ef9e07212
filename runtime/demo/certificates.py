"""The certificate of one demo: made on the spot as a node makes its own, good for this machine's loopback addresses only."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from domain.clock import Clock
from ingest.collectors.tls import ensure_certificates, server_context

NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificate:
    """Files in PEM: the authority to trust, the server's certificate and its key."""

    ca_file: Path
    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """TLS 1.2 or later with this certificate."""
        return server_context(self.certificate, self.key)


def certify_loopback(directory: Path, clock: Clock) -> ServerCertificate:
    """An authority and a certificate for localhost, 127.0.0.1 and ::1 in `directory`."""
    files = ensure_certificates(directory, NAMES, clock())
    return ServerCertificate(ca_file=files.authority, certificate=files.certificate, key=files.key)
