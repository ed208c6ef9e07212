"""Tokens: how long they are kept, how assertions are made, and that nothing of them shows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from domain.errors import ConfigError
from ingest.pull.contract import PullFailed
from ingest.pull.tokens import (
    JWT_BEARER,
    AssertionGrant,
    FixedToken,
    Grant,
    JwtSigner,
    SecretGrant,
    Tokens,
    certificate_signer,
    rsa_key,
)
from tests.ingest.pull.bench import Bench
from tests.support.pull_servers import Imitation, Reply, in_json, jwt_claims, serving

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SECRET = SecretGrant(client_id="app", secret="hunter2", scope="s")


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def certificate(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "reader")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, start, start + timedelta(days=365))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def api(bench: Bench) -> Iterator[Imitation]:
    made = Imitation(bench.clock)
    with serving(made):
        yield made


def tokens(bench: Bench, api: Imitation, grant: Grant = SECRET) -> Tokens:
    return Tokens(source="Entra ID", url=f"{api.url}/token", grant=grant, client=bench.client, clock=bench.clock)


def test_a_token_is_kept_until_shortly_before_its_end(bench: Bench, api: Imitation) -> None:
    made = tokens(bench, api)

    first = made.authorization()
    bench.clock.advance(seconds=3_539)
    assert made.authorization() == first
    bench.clock.advance(seconds=2)

    assert (first, made.authorization()) == ("Bearer T-1", "Bearer T-2")


def test_a_token_of_short_life_is_kept_for_half_of_it(bench: Bench, api: Imitation) -> None:
    api.token_life = 20
    made = tokens(bench, api)
    made.authorization()
    bench.clock.advance(seconds=9)
    made.authorization()
    assert api.issued == 1
    bench.clock.advance(seconds=2)
    made.authorization()

    assert api.issued == 2


def test_a_refused_token_is_replaced_once_though_two_report_it(bench: Bench, api: Imitation) -> None:
    made = tokens(bench, api)
    first = made.authorization()
    made.refused(first)
    second = made.authorization()
    made.refused(first)

    assert made.authorization() == second == "Bearer T-2"


def test_the_secret_is_sent_in_the_body_and_nowhere_else(bench: Bench, api: Imitation) -> None:
    tokens(bench, api).authorization()

    (request,) = api.requests
    assert request.form == {"grant_type": "client_credentials", "client_id": "app", "client_secret": "hunter2", "scope": "s"}
    assert request.query == {}


def test_a_certificate_signs_an_assertion_that_is_used_once(bench: Bench, api: Imitation) -> None:
    signer = certificate_signer(certificate(KEY) + pem(KEY))
    ids = iter(["id-1", "id-2"])
    grant = AssertionGrant(client_id="app", scope="s", audience="https://login/token", signer=signer, new_id=lambda: next(ids))
    made = tokens(bench, api, grant)
    made.refused(made.authorization())
    made.authorization()

    first, second = (request.form for request in api.requests)
    header, claims = jwt_claims(first["client_assertion"], KEY.public_key())
    assert header["alg"] == "PS256"
    assert len(str(header["x5t#S256"])) == 43
    assert claims["iss"] == claims["sub"] == "app"
    assert claims["aud"] == "https://login/token"
    assert int(str(claims["exp"])) - int(str(claims["iat"])) == 300
    assert first["client_assertion_type"] == JWT_BEARER
    assert "client_secret" not in first
    assert [claims["jti"], jwt_claims(second["client_assertion"], KEY.public_key())[1]["jti"]] == ["id-1", "id-2"]


def test_a_key_signs_for_okta(bench: Bench, api: Imitation) -> None:
    signer = JwtSigner(rsa_key(pem(KEY)), header={"kid": "k1"})
    grant = AssertionGrant(client_id="app", scope="okta.logs.read", audience="a", signer=signer, new_id=lambda: "id")
    tokens(bench, api, grant).authorization()

    header, _ = jwt_claims(api.requests[0].form["client_assertion"], KEY.public_key())
    assert header == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert api.requests[0].form["scope"] == "okta.logs.read"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (in_json({"error": "invalid_client", "error_description": "hunter2"}, 401), "gives no token (401 invalid_client)"),
        (in_json({"error": "Jane Roe, born 1970"}, 400), "gives no token (400)"),
        (Reply(body=b"<html>hunter2</html>"), "has no token in it"),
        (in_json({"access_token": "two\r\nlines"}), "has no token in it"),
        (in_json({"access_token": 7}), "has no token in it"),
        (in_json([]), "has no token in it"),
        (Reply(hangs_up=True), "cannot be asked for a token"),
        (Reply(body=b"x" * 100, cut=10), "cannot be asked for a token"),
    ],
)
def test_what_goes_wrong_is_said_in_words_of_ours(bench: Bench, api: Imitation, reply: Reply, message: str) -> None:
    api.trouble("/token", reply)

    with pytest.raises(PullFailed) as caught:
        tokens(bench, api).authorization()

    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "Jane" not in str(caught.value)


def test_a_busy_endpoint_says_when_to_come_back(bench: Bench, api: Imitation) -> None:
    api.trouble("/token", Reply(status=429, headers={"retry-after": "17"}))

    with pytest.raises(PullFailed) as caught:
        tokens(bench, api).authorization()

    assert caught.value.retry_after == 17.0


@pytest.mark.parametrize(
    "broken",
    [b"", b"no pem", certificate(KEY), pem(ec.generate_private_key(ec.SECP256R1()))],
    ids=["empty", "text", "certificate", "elliptic"],
)
def test_a_key_that_cannot_sign_is_refused(broken: bytes) -> None:
    with pytest.raises(ConfigError):
        rsa_key(broken)


def test_a_certificate_and_a_key_must_belong_together() -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    with pytest.raises(ConfigError, match="do not belong together"):
        certificate_signer(certificate(KEY) + pem(other))
    with pytest.raises(ConfigError):
        certificate_signer(pem(KEY))


def test_a_fixed_token_stays() -> None:
    token = FixedToken("SSWS", "x")
    token.refused(token.authorization())

    assert token.authorization() == "SSWS x"
