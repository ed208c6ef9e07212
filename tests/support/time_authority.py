"""A real time-stamp authority: `openssl ts` behind a loopback HTTP server, with a throwaway CA. And ways to make it lie."""

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)

_CONFIGURATION = """
[ authority ]
serial = {folder}/{name}.serial
crypto_device = builtin
signer_cert = {folder}/{name}.pem
signer_key = {folder}/{name}.key
{chain}
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha512
accuracy = secs:1
clock_precision_digits = 6
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def now() -> datetime:
    """The wall clock, which is the one that openssl looks at."""
    return datetime.now(UTC)  # noqa: TID251 - see above


def need_openssl() -> str:
    """Where openssl is; the test skips where it is not."""
    found = shutil.which("openssl")
    if found is None:
        pytest.skip("openssl is not on this machine")
    return found


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """A CA: its name, key and certificate."""

    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


@dataclass
class Ceremony:
    """Makes the certificates of a test in a folder. `root.pem` is the CA that tokens lead to, `other.pem` one that none do."""

    folder: Path
    root: Issuer = field(init=False)
    other: Issuer = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.issuer("root")
        self.other = self.issuer("other")

    @property
    def roots(self) -> Path:
        return self.folder / "root.pem"

    def issuer(self, name: str, by: Issuer | None = None) -> Issuer:
        """A CA of its own, or one that `by` certified."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, by.name if by else name, by.key if by else key, is_ca=True)
        self._write(name, certificate)
        return Issuer(name=name, key=key, certificate=certificate)

    def authority(
        self,
        name: str = "authority",
        *,
        by: Issuer | None = None,
        chain: str | None = None,
        valid: tuple[datetime, datetime] | None = None,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.TIME_STAMPING,
        serial: int | None = None,
    ) -> str:
        """The certificate and key of an authority and its `openssl ts` configuration, all under `name`. `chain` is sent along."""
        issuer = by or self.root
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, issuer.name, issuer.key, valid=valid, usage=usage, serial=serial)
        self._write(name, certificate)
        (self.folder / f"{name}.key").write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        certs = f"certs = {self.folder}/{chain}.pem" if chain else ""
        (self.folder / f"{name}.cnf").write_text(_CONFIGURATION.format(folder=self.folder, name=name, chain=certs))
        return name

    def certificate(self, name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / f"{name}.pem").read_bytes())

    def reply(self, query: bytes, name: str = "authority") -> bytes:
        """What `openssl ts` answers."""
        asked, answer = self.folder / f"{name}.tsq", self.folder / f"{name}.tsr"
        asked.write_bytes(query)
        self.openssl("ts", "-reply", "-queryfile", asked, "-config", f"{name}.cnf", "-section", "authority", "-out", answer)
        return answer.read_bytes()

    def openssl(self, *arguments: str | Path) -> bytes:
        """Run openssl in the folder. Raises CalledProcessError."""
        return subprocess.run([need_openssl(), *map(str, arguments)], cwd=self.folder, capture_output=True, check=True).stdout

    def _write(self, name: str, certificate: x509.Certificate) -> None:
        (self.folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool = False,
    valid: tuple[datetime, datetime] | None = None,
    usage: x509.ObjectIdentifier | None = None,
    serial: int | None = None,
) -> x509.Certificate:
    begin, end = valid or (now() - DAY, now() + 30 * DAY)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@dataclass
class Desk:
    """What the authority was asked, and how it answers: `hear` changes the question, `say` the answer.

    With `turn` the answer trickles: one byte each time it is released.
    """

    url: str = ""
    queries: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    hear: Callable[[bytes], bytes] = lambda query: query
    say: Callable[[bytes], bytes] = lambda answer: answer
    status: int = 200
    name: str = "authority"
    is_silent: bool = False
    turn: threading.Semaphore | None = None
    closed: threading.Event = field(default_factory=threading.Event)


@contextmanager
def time_authority(ceremony: Ceremony) -> Iterator[Desk]:
    """The authority on a free port."""
    desk = Desk()

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["content-length"]))
            desk.queries.append(query)
            desk.headers.append({name.lower(): value for name, value in self.headers.items()})
            if desk.is_silent:
                desk.closed.wait()
                return
            answer = desk.say(ceremony.reply(desk.hear(query), desk.name) if desk.status == 200 else b"")
            self.send_response(desk.status)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            if desk.turn is None:
                self.wfile.write(answer)
                return
            for place in range(len(answer)):
                if not desk.turn.acquire(timeout=10):
                    return
                self.wfile.write(answer[place : place + 1])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hangs up on a bad answer is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        desk.url = f"http://127.0.0.1:{server.server_address[1]}/tsr"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="time-authority")
        thread.start()
        try:
            yield desk
        finally:
            desk.closed.set()
            server.shutdown()
            thread.join(10)
