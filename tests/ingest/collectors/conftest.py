"""An intake over the shared engine, and certificates made once."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.clock import system_clock
from ingest.collectors.tls import TlsFiles, ensure_certificates
from store.engine import Engine
from tests.support.desk import Desk, desk


@pytest.fixture
def at(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    with desk(engine, tmp_path / "node") as made:
        yield made


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """A server certificate for localhost, valid today: handshakes look at the machine's clock."""
    return ensure_certificates(tmp_path_factory.mktemp("tls"), ["localhost", "127.0.0.1"], system_clock())


@pytest.fixture
def trusting(tls_files: TlsFiles) -> ssl.SSLContext:
    """A sender that trusts the server's authority."""
    return ssl.create_default_context(cafile=tls_files.authority)
