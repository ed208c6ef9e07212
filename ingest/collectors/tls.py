"""TLS for the syslog listener: the server's side of RFC 5425, and certificates for a first start that has none.

The certificates made here come from an authority of this node's own. Senders are given its certificate (`ca.pem`); the names in the
server's certificate are those they connect to. An installation with a certificate authority configures its own files instead.
"""

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from domain.errors import ConfigError

_AUTHORITY_LIFE = timedelta(days=3650)
_SERVER_LIFE = timedelta(days=730)
_RENEW_BEFORE = timedelta(days=30)
_CLOCK_DIFFERENCE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Paths in PEM: the authority's certificate for senders to trust, and the server's certificate and private key."""

    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, repr=False)
class Authority:
    """A certificate authority of one level. Never printed."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls, name: str, now: datetime) -> "Authority":
        """Make an authority, valid ten years."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        builder = _builder(subject, subject, key, now, _AUTHORITY_LIFE)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    def issue(
        self, names: Sequence[str], now: datetime, *, for_client: bool = False
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """A certificate for host names and addresses, valid two years, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if for_client else ExtendedKeyUsageOID.SERVER_AUTH
        life = min(_SERVER_LIFE, self.certificate.not_valid_after_utc - now)
        builder = _builder(_name(names[0]), self.certificate.subject, key, now, life)
        builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        return builder.sign(self.key, hashes.SHA256()), key


def ensure_certificates(directory: Path, names: Sequence[str], now: datetime) -> TlsFiles:
    """
    The files in `directory`, made where missing. A server certificate with less than 30 days left, or without one of the `names`,
    is made anew by the same authority, so that senders go on trusting it. Keys are readable by the owner only. Raises ConfigError.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = TlsFiles(authority=directory / "ca.pem", certificate=directory / "server.pem", key=directory / "server.key")
    authority_key = directory / "ca.key"
    try:
        if not files.authority.exists():
            made = Authority.new("phitrail node authority", now)
            _write(authority_key, _key_pem(made.key))
            _write(files.authority, made.certificate.public_bytes(serialization.Encoding.PEM))
        if not _serves(files, names, now):
            certificate, key = _load(files.authority, authority_key).issue(names, now)
            _write(files.key, _key_pem(key))
            _write(files.certificate, certificate.public_bytes(serialization.Encoding.PEM))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the TLS certificates in {directory} cannot be made or read ({type(error).__name__}): remove the folder to have new "
            "ones made, or configure a certificate"
        ) from error
    return files


def server_context(certificate: Path, key: Path, *, client_authority: Path | None = None) -> ssl.SSLContext:
    """
    TLS 1.2 or newer for a server. With `client_authority` a sender must show a certificate signed by it (RFC 5425 §4.2.2).

    Raises ConfigError when a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
        if client_authority is not None:
            context.load_verify_locations(client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise ConfigError(f"the TLS certificate {certificate} or its key or client authority cannot be used: {error}") from error
    return context


def _serves(files: TlsFiles, names: Sequence[str], now: datetime) -> bool:
    if not (files.certificate.exists() and files.key.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return certificate.not_valid_after_utc - now >= _RENEW_BEFORE and {_alternative(name) for name in names} <= set(held)


def _load(certificate: Path, key: Path) -> Authority:
    private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is no elliptic curve key")  # noqa: TRY004 (of the file, not of an argument)
    return Authority(x509.load_pem_x509_certificate(certificate.read_bytes()), private)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    # The key is new, so a serial number out of it is as unique as a random one.
    builder = builder.serial_number(int.from_bytes(identifier.digest[:19], "big") + 1)
    builder = builder.not_valid_before(now - _CLOCK_DIFFERENCE).not_valid_after(now + life)
    return builder.add_extension(identifier, critical=False)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write(path: Path, content: bytes) -> None:
    """Replace the file in one step, readable by its owner only."""
    draft = path.with_suffix(f"{path.suffix}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
