"""Where the Authorization header comes from: a fixed token, or OAuth 2 tokens that are asked for and kept until they end.

Client credentials with a secret or a signed assertion (RFC 6749 section 4.4, RFC 7523 section 2.2), and the JWT grant of service
accounts (RFC 7523 section 2.1). Nothing here is ever part of a message: not the secret, not the assertion, not the token.
"""

import base64
import hashlib
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

import httpx
import orjson
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from domain.clock import Clock
from domain.errors import ConfigError
from ingest.pull.calling import TooLong, error_code, retry_after, sent
from ingest.pull.contract import PullFailed

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

_MARGIN = timedelta(seconds=60)
_ASSERTION_LIFE = timedelta(minutes=5)
_SHORTEST_LIFE = 120

NewId = Callable[[], str]
"""Makes an id that was never used before, for `jti` (RFC 7519 section 4.1.7)."""


class FixedToken:
    """`Credentials` that never change, such as an Okta API token (scheme SSWS)."""

    def __init__(self, scheme: str, token: str) -> None:
        self._value = f"{scheme} {token}"

    def authorization(self) -> str:
        """See `Credentials`."""
        return self._value

    def refused(self, authorization: str) -> None:
        """There is no other."""


class Grant(Protocol):
    """What is sent to the token endpoint at a moment: the fields of the form, without those that never change."""

    def fields(self, moment: datetime) -> Mapping[str, str]: ...


class Tokens:
    """`Credentials` from a token endpoint: a bearer token is kept until a minute before its end, and asked for anew when
    refused."""

    def __init__(self, *, source: str, url: str, grant: Grant, client: httpx.Client, clock: Clock) -> None:
        """`source` is what the messages call the endpoint; `url` its address."""
        self._source = source
        self._url = url
        self._grant = grant
        self._client = client
        self._clock = clock
        self._guard = threading.Lock()
        self._value: str | None = None
        self._until: datetime | None = None

    def authorization(self) -> str:
        """See `Credentials`. One thread asks while others wait: a token endpoint is soon tired of being asked."""
        with self._guard:
            now = self._clock()
            if self._value is None or self._until is None or now >= self._until:
                self._value, life = self._new(now)
                self._until = now + max(timedelta(seconds=life) - _MARGIN, timedelta(seconds=life) / 2)
            return self._value

    def refused(self, authorization: str) -> None:
        """See `Credentials`. A value that another thread has replaced meanwhile stays."""
        with self._guard:
            if self._value == authorization:
                self._value = None

    def _new(self, now: datetime) -> tuple[str, int]:
        headers = {"accept": "application/json", "user-agent": "phitrail"}
        try:
            status, said, body = sent(self._client, "POST", self._url, data=self._grant.fields(now), headers=headers)
        except httpx.TimeoutException:
            raise PullFailed(f"{self._source} did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, TooLong) as error:
            raise PullFailed(f"{self._source} cannot be asked for a token ({type(error).__name__})") from None
        if status >= 500 or status == 429:
            raise PullFailed(f"{self._source} is in trouble ({status})", retry_after=retry_after(said, now))
        if status != 200:
            named = f"{status} {error_code(body)}".rstrip()
            raise PullFailed(f"{self._source} gives no token ({named}): check the id, the secret or key, and their expiry")
        return _token(body, self._source)


def _token(body: bytes, source: str) -> tuple[str, int]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    token = answer.get("access_token") if isinstance(answer, dict) else None
    # A token is printable ASCII without spaces (RFC 6750 section 2.1); anything else would make a header of another meaning.
    if not isinstance(token, str) or not token or not all("!" <= each <= "~" for each in token):
        raise PullFailed(f"the answer of {source} has no token in it")
    life = answer.get("expires_in")
    seconds = int(life) if isinstance(life, int | str) and str(life).isdigit() else _SHORTEST_LIFE
    return f"Bearer {token}", min(seconds, 86_400)


class SecretGrant:
    """Client credentials with a secret (RFC 6749 sections 2.3.1 and 4.4)."""

    def __init__(self, *, client_id: str, secret: str, scope: str) -> None:
        self._fields = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": scope}

    def fields(self, moment: datetime) -> Mapping[str, str]:
        """See `Grant`."""
        del moment
        return self._fields


class AssertionGrant:
    """Client credentials with a signed assertion (RFC 7523 section 2.2): Entra ID with a certificate, Okta with a key."""

    def __init__(self, *, client_id: str, scope: str, audience: str, signer: "JwtSigner", new_id: NewId) -> None:
        """`audience` is the token endpoint."""
        self._client_id = client_id
        self._scope = scope
        self._audience = audience
        self._signer = signer
        self._new_id = new_id

    def fields(self, moment: datetime) -> Mapping[str, str]:
        """See `Grant`. Every assertion is used once."""
        issued = int(moment.timestamp())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._audience,
            "jti": self._new_id(),
            "iat": issued,
            "nbf": issued,
            "exp": issued + int(_ASSERTION_LIFE.total_seconds()),
        }
        return {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "scope": self._scope,
            "client_assertion_type": JWT_BEARER,
            "client_assertion": self._signer.signed(claims),
        }


class ServiceAccountGrant:
    """The JWT grant (RFC 7523 section 2.1) as Google's service accounts use it, with domain-wide delegation to `subject`."""

    def __init__(self, *, email: str, subject: str, scope: str, audience: str, signer: "JwtSigner") -> None:
        """`email` is the service account, `subject` the administrator on whose behalf it reads."""
        self._claims = {"iss": email, "sub": subject, "scope": scope, "aud": audience}
        self._signer = signer

    def fields(self, moment: datetime) -> Mapping[str, str]:
        """See `Grant`."""
        issued = int(moment.timestamp())
        claims = {**self._claims, "iat": issued, "exp": issued + 3_600}
        return {"grant_type": JWT_GRANT, "assertion": self._signer.signed(claims)}


class JwtSigner:
    """Signs JWTs (RFC 7519) with an RSA key, as RS256 or PS256 (RFC 7518 sections 3.3 and 3.5)."""

    def __init__(self, key: rsa.RSAPrivateKey, *, algorithm: str = "RS256", header: Mapping[str, str] | None = None) -> None:
        """`header` says which key it is: `kid`, or `x5t#S256`."""
        self._key = key
        self._algorithm = algorithm
        self._header = {"alg": algorithm, "typ": "JWT", **(header or {})}

    def signed(self, claims: Mapping[str, object]) -> str:
        """The compact form."""
        signed = b".".join(_base64url(orjson.dumps(part)) for part in (self._header, claims))
        scheme: padding.AsymmetricPadding = padding.PKCS1v15()
        if self._algorithm == "PS256":
            scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
        return (signed + b"." + _base64url(self._key.sign(signed, scheme, hashes.SHA256()))).decode()


def rsa_key(pem: bytes) -> rsa.RSAPrivateKey:
    """An RSA private key in PEM without a password. Raises ConfigError, which says nothing about its content."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError("the private key cannot be read: it must be PEM without a password") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < 2048:
        raise ConfigError("the private key must be RSA of at least 2048 bits")
    return key


def certificate_signer(pem: bytes) -> JwtSigner:
    """A signer from a PEM file with a certificate and its key, named by the certificate's SHA-256 (RFC 7515 section 4.1.8)."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise ConfigError("the certificate cannot be read: the file must hold a PEM certificate and its private key") from None
    key = rsa_key(pem)
    if certificate.public_key() != key.public_key():
        raise ConfigError("the certificate and the private key do not belong together")
    digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()
    return JwtSigner(key, algorithm="PS256", header={"x5t#S256": _base64url(digest).decode()})


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
