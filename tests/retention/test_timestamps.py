"""Time-stamps from a real authority: what holds, every way in which one does not, and a stop at each step into the ledger."""

import base64
import hashlib
import random
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import httpx
import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.checkpoint import Head, parse_checkpoint
from domain.clock import Clock, rfc3339
from domain.errors import Backpressure, ConfigError, IntegrityError
from domain.event import AuditEvent
from domain.json import Json
from domain.note import open_note
from retention.timestamp_der import encode_query, granted_response, open_response, token_time
from retention.timestamps import (
    MOST_BYTES,
    NotStamped,
    Stamping,
    TimestampAuthority,
    Token,
    Trouble,
    load_roots,
    signed_text,
    verify_token,
)
from store.engine import Engine
from store.fsck import Integrity
from store.spine import SpineEntry
from store.timestamps import Timestamp, Timestamps
from tests.support.cast import chart_view
from tests.support.clock import TickingClock
from tests.support.faults import Fault, FaultyEngine
from tests.support.node import SIGNER, Node, node
from tests.support.time_authority import DAY, Ceremony, Desk, need_openssl, now, time_authority

CHECKPOINT = Head("log.example/spine", 7, bytes(range(32))).checkpoint
NOTE = SIGNER.sign(CHECKPOINT)
DOCUMENT = Path(__file__).parents[2] / "docs" / "time-and-copies.md"
NONCE = 0xA5A5_0123_4567_89AB_CDEF

# An authority whose certificate, and whose CA's, ended three seconds after it made this token over CHECKPOINT.
ENDED_AT = datetime(2026, 11, 24, 8, 0, 4, 820979, tzinfo=UTC)
ENDED_ROOT = """
MIIBMzCB2aADAgECAhRgauNQT+awQXY6Lke5u+/bIL/gvjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARyb290MB4XDTI2MTEyMzA4MDAwNFoXDTI2MTEyNDA4
MDAwN1owDzENMAsGA1UEAwwEcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOd/4uwgWs4uckPE26GgnjONTQ77gj0/kPov2XLVNi5euVFmGpjcAFkL
pZXDiFc6Kf/cw2fXV+CLDOzv8Ye8KTmjEzARMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhANm6w7oaaNDHuPIulIM88kshl9q6myVF+foi
G7EuSvu3AiEArXY6WcVUAYjIPsYQp7GJsmYhaE1k45bOoZ25R4uwvxo=
"""
ENDED_TOKEN = """
MIIDWgYJKoZIhvcNAQcCoIIDSzCCA0cCAQMxDzANBglghkgBZQMEAgEFADCBngYLKoZIhvcNAQkQAQSggY4EgYswgYgCAQEGCSsGAQQBho0fATAxMA0GCWCG
SAFlAwQCAQUABCCbREJEljrsCiBrat7tVRAg8ZXmH4R+FXcbO2AheOxhNwIBAhgWMjAyNjExMjQwODAwMDQuODIwOTc5WjADAgEBAgsApaUBI0VniavN76AY
pBYwFDESMBAGA1UEAwwJYXV0aG9yaXR5oIIBUDCCAUwwgfOgAwIBAgIUBDv/sTusfZVhF3qdHz6viwDGuj4wCgYIKoZIzj0EAwIwDzENMAsGA1UEAwwEcm9v
dDAeFw0yNjExMjMwODAwMDRaFw0yNjExMjQwODAwMDdaMBQxEjAQBgNVBAMMCWF1dGhvcml0eTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOn/JrFQHEB2
0w2ROr+oMvwK6W0kwNo3RyZN8hFL2m1+Zq3ZtCuG6UqpPrf8GI6Up4xrHM3Xn/NUGNQLpYlr7UujKDAmMAwGA1UdEwEB/wQCMAAwFgYDVR0lAQH/BAwwCgYI
KwYBBQUHAwgwCgYIKoZIzj0EAwIDSAAwRQIgfMfNOU+ARf1DnDpcanBl6KZERkA1qD06iYhJjlDt64MCIQCqCfDKRMGW2WfkVot8XYHPDGHJfrpkLFqFDx4F
hDxB+DGCATowggE2AgEBMCcwDzENMAsGA1UEAwwEcm9vdAIUBDv/sTusfZVhF3qdHz6viwDGuj4wDQYJYIZIAWUDBAIBBQCggaQwGgYJKoZIhvcNAQkDMQ0G
CyqGSIb3DQEJEAEEMBwGCSqGSIb3DQEJBTEPFw0yNjExMjQwODAwMDRaMC8GCSqGSIb3DQEJBDEiBCB8ce3pe3CvyXXDcNvMi8qAp17HGbscBIbgVbSl0zUN
AzA3BgsqhkiG9w0BCRACLzEoMCYwJDAiBCAz3a0LwpwofKs3xy1vUl+mIzymE2SNuzi9C7cuYl6EaDAKBggqhkjOPQQDAgRGMEQCIDk0gd7SsP+7R3gBzhcQ
o74d00oGrwb4rwySDt7f4tQ2AiBAPTG5Qt/i018+Ilfn+/YiHk8As6Jq7H8qh2AaC+UIAg==
"""


@pytest.fixture(scope="module")
def ceremony(tmp_path_factory: pytest.TempPathFactory) -> Ceremony:
    need_openssl()
    made = Ceremony(tmp_path_factory.mktemp("ceremony"))
    made.authority()
    return made


@pytest.fixture
def desk(ceremony: Ceremony) -> Iterator[Desk]:
    with time_authority(ceremony) as opened:
        yield opened


@pytest.fixture(scope="module")
def token(ceremony: Ceremony) -> bytes:
    """A good token over the checkpoint."""
    _, der = open_response(ceremony.reply(encode_query(digest(), NONCE)))
    return der


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as made:
        yield made


Ask = Callable[..., Token]


@pytest.fixture
def ask(ceremony: Ceremony, desk: Desk, client: httpx.Client) -> Ask:
    """Asks the authority for a token over the checkpoint."""

    def stamp(clock: Clock = now, roots: Path = ceremony.roots, **options: timedelta) -> Token:
        authority = TimestampAuthority(desk.url, roots, client, clock=clock, new_nonce=lambda: NONCE, **options)
        return authority.stamp(NOTE)

    return stamp


def digest(text: str = CHECKPOINT) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def number(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1)


# What an authority answers.


def test_a_token_comes_with_the_authoritys_time(ask: Ask, desk: Desk, ceremony: Ceremony) -> None:
    before = now()
    token = ask()
    after = now()

    assert before <= token.gen_time <= after
    assert token.gen_time.tzinfo is UTC
    assert token.sha256 == hashlib.sha256(token.der).hexdigest()
    assert verify_token(token.der, CHECKPOINT, load_roots(ceremony.roots)) == token.gen_time
    assert desk.queries == [encode_query(digest(), NONCE)]
    assert desk.headers[0]["content-type"] == "application/timestamp-query"


def test_what_the_document_says_to_do_by_hand_works(ask: Ask, ceremony: Ceremony, tmp_path: Path) -> None:
    token = ask()
    (tmp_path / "token.der").write_bytes(token.der)
    (tmp_path / "note").write_text(NOTE)
    (tmp_path / "roots.pem").write_bytes(ceremony.roots.read_bytes())
    by_hand, later = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    later = re.sub(r"-attime \d+", f"-attime {int(token.gen_time.timestamp())}", later)

    said = subprocess.run(["sh", "-e", "-c", by_hand + later], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert said.count("Verification: OK") == 2
    assert f"{digest().hex()}  text\n{token.sha256}  token.der\n" in said
    assert f"{token.gen_time:%H:%M:%S.%f}".rstrip("0") in said


@pytest.mark.parametrize(
    ("trouble", "how"),
    [
        (Trouble.OTHER_NOTE, {"hear": lambda query: query.replace(digest(), digest("other"))}),
        (Trouble.OTHER_NONCE, {"hear": lambda query: query.replace(number(NONCE), number(NONCE ^ 1))}),
        (Trouble.OTHER_NONCE, {"hear": lambda query: _without_nonce(query)}),
        (Trouble.REFUSED, {"status": 503}),
        (
            Trouble.REFUSED,
            {"hear": lambda query: query.replace(bytes.fromhex("608648016503040201"), bytes.fromhex("608648016503040207"))},
        ),
        (Trouble.REFUSED, {"say": lambda _: bytes.fromhex("30053003020102")}),
        (Trouble.MALFORMED, {"say": lambda _: bytes.fromhex("30053003020100")}),
        (Trouble.MALFORMED, {"say": lambda _: b"<html>not today</html>"}),
        (Trouble.MALFORMED, {"say": lambda _: b""}),
        (Trouble.MALFORMED, {"say": lambda answer: answer[:-1]}),
        (Trouble.MALFORMED, {"say": lambda answer: answer + b"\0"}),
        (Trouble.TOO_LONG, {"say": lambda _: bytes(MOST_BYTES + 1)}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_answer_that_does_not_hold_is_told_by_type(ask: Ask, desk: Desk, trouble: Trouble, how: Mapping[str, object]) -> None:
    for name, value in how.items():
        setattr(desk, name, value)

    with pytest.raises(NotStamped) as failure:
        ask()

    assert failure.value.trouble is trouble


def _without_nonce(query: bytes) -> bytes:
    inner = query[2:].replace(b"\x02" + bytes([len(number(NONCE))]) + number(NONCE), b"")
    return b"\x30" + bytes([len(inner)]) + inner


@pytest.mark.parametrize("days", [-1, 1])
def test_a_time_that_is_a_day_off_is_refused(ask: Ask, days: int) -> None:
    """Whose clock is wrong is not known here; the sentence names the one that can be looked at."""
    with pytest.raises(NotStamped, match="clock of this machine") as failure:
        ask(clock=lambda: now() + days * DAY)

    assert failure.value.trouble is Trouble.TIME_OFF


def test_a_time_within_the_tolerance_is_taken(ask: Ask) -> None:
    assert ask(clock=lambda: now() + timedelta(seconds=200)).gen_time < now()


def test_a_root_that_the_token_does_not_lead_to(ask: Ask, ceremony: Ceremony) -> None:
    with pytest.raises(NotStamped) as failure:
        ask(roots=ceremony.folder / "other.pem")

    assert failure.value.trouble is Trouble.UNTRUSTED


@pytest.mark.parametrize("valid", [(-10, -1), (1, 10)], ids=["expired", "not yet valid"])
def test_an_authority_whose_certificate_is_not_valid_at_the_tokens_time(
    ask: Ask, desk: Desk, ceremony: Ceremony, valid: tuple[int, int]
) -> None:
    desk.name = ceremony.authority("dated", valid=(now() + valid[0] * DAY, now() + valid[1] * DAY))

    with pytest.raises(NotStamped) as failure:
        ask()

    assert failure.value.trouble is Trouble.UNTRUSTED


def test_a_certificate_that_is_not_for_time_cannot_sign_one(ceremony: Ceremony, token: bytes) -> None:
    """Anybody can have a server certificate of a public CA."""
    name = ceremony.authority("server", usage=ExtendedKeyUsageOID.SERVER_AUTH)

    with pytest.raises(IntegrityError, match="does not lead to a trusted certificate"):
        verify_token(resigned(ceremony, token, name), CHECKPOINT, load_roots(ceremony.roots))


def test_two_certificates_of_one_name_and_number_are_refused(ceremony: Ceremony, token: bytes) -> None:
    """One would be judged and the other used."""
    (ceremony.folder / "twin").mkdir()
    twin = Ceremony(ceremony.folder / "twin")
    extra = twin.folder / f"{twin.authority(serial=ceremony.certificate('authority').serial_number)}.pem"
    roots = load_roots(ceremony.roots)
    assert verify_token(resigned(ceremony, token, "authority"), CHECKPOINT, roots), "the signer itself is a good one"

    with pytest.raises(IntegrityError, match="one certificate that signed it"):
        verify_token(resigned(ceremony, token, "authority", "-certfile", extra), CHECKPOINT, roots)


def test_a_digest_by_another_algorithm_is_another_digest(ceremony: Ceremony, token: bytes) -> None:
    """SHA-512/256 makes 32 bytes too; a token that calls ours one of those is not over our note."""
    sha256, sha512_256 = bytes.fromhex("0609608648016503040201"), bytes.fromhex("0609608648016503040206")
    relabelled = resigned(ceremony, token, "authority", change=lambda content: content.replace(sha256, sha512_256))

    with pytest.raises(IntegrityError, match="over something else"):
        verify_token(relabelled, CHECKPOINT, load_roots(ceremony.roots))


def resigned(
    ceremony: Ceremony, token: bytes, name: str, *more: str | Path, change: Callable[[bytes], bytes] = lambda content: content
) -> bytes:
    """The content of a token, changed or not, signed by another certificate."""
    old, content, new = (ceremony.folder / each for each in ("old.der", "content.der", "new.der"))
    old.write_bytes(token)
    ceremony.openssl("cms", "-verify", "-noverify", "-inform", "DER", "-in", old, "-out", content)
    content.write_bytes(change(content.read_bytes()))
    signer = ("-signer", f"{name}.pem", "-inkey", f"{name}.key", "-md", "sha256", *more)
    kind = ("-econtent_type", "1.2.840.113549.1.9.16.1.4")
    ceremony.openssl("cms", "-sign", "-binary", "-nodetach", "-outform", "DER", *kind, *signer, "-in", content, "-out", new)
    return new.read_bytes()


def test_a_time_that_two_readers_read_differently_is_refused(
    ceremony: Ceremony, token: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library verifies one reading of the token and the time comes from another: they must agree."""
    monkeypatch.setattr("retention.timestamps.token_time", lambda der: token_time(der) - timedelta(seconds=1))

    with pytest.raises(IntegrityError, match="read in two ways"):
        verify_token(token, CHECKPOINT, load_roots(ceremony.roots))


def test_a_redirect_is_not_followed(ask: Ask, desk: Desk) -> None:
    """It may lead anywhere, and what comes from there is no answer of this authority."""
    desk.status = 307

    with pytest.raises(NotStamped, match="answered 307"):
        ask()

    assert len(desk.queries) == 1


@pytest.mark.parametrize("name", ["top", "a root whose name makes the certificate below it long"], ids=["unsorted", "sorted"])
def test_a_chain_is_taken_in_whatever_order_it_comes(ask: Ask, desk: Desk, ceremony: Ceremony, name: str) -> None:
    """DER wants the certificates sorted, which puts the shorter one first; openssl sends the signer's first."""
    top = ceremony.issuer(name)
    between = ceremony.issuer("between", by=top)
    desk.name = ceremony.authority("below", by=between, chain="between")

    token = ask(roots=ceremony.folder / f"{name}.pem")

    leaf, above = (ceremony.certificate(each).public_bytes(serialization.Encoding.DER) for each in ("below", "between"))
    assert token.der.index(leaf) < token.der.index(above)
    assert (leaf < above) == (name != "top"), "one of the two is not in the order of DER"
    assert verify_token(token.der, CHECKPOINT, [top.certificate]) == token.gen_time


def test_nobody_answers(ask: Ask, desk: Desk, ceremony: Ceremony, client: httpx.Client) -> None:
    with time_authority(ceremony) as other:
        url = other.url
    authority = TimestampAuthority(url, ceremony.roots, client, clock=now, new_nonce=lambda: NONCE)

    with pytest.raises(NotStamped) as failure:
        authority.stamp(NOTE)

    assert failure.value.trouble is Trouble.UNREACHABLE
    assert "127.0.0.1" not in str(failure.value)


def test_an_answer_that_does_not_come_is_given_up(ask: Ask, desk: Desk) -> None:
    desk.is_silent = True

    with pytest.raises(NotStamped) as failure:
        ask(wait=timedelta(milliseconds=50))

    assert failure.value.trouble is Trouble.TIMEOUT


def test_an_answer_that_trickles_is_given_up(ask: Ask, desk: Desk) -> None:
    """Each byte comes in time; together they do not."""
    desk.turn = turn = threading.Semaphore(0)
    clock = TickingClock(now(), step=timedelta(seconds=11))

    def read() -> datetime:
        turn.release()
        return clock()

    with pytest.raises(NotStamped) as failure:
        ask(clock=read)

    assert failure.value.trouble is Trouble.TIMEOUT


def test_the_query_is_what_the_library_would_write() -> None:
    import rfc3161_client as tsp

    made = tsp.TimestampRequestBuilder().data(CHECKPOINT.encode()).hash_algorithm(tsp.HashAlgorithm.SHA256).build()
    assert made.nonce is not None

    assert encode_query(digest(), made.nonce) == made.as_bytes()


@given(nonce=st.integers(1, 2**160), content=st.binary(min_size=32, max_size=32))
def test_a_query_is_golden_and_a_nonce_of_any_size_is_positive(nonce: int, content: bytes) -> None:
    query = encode_query(content, nonce)

    head = bytes.fromhex("0201013031300d060960864801650304020105000420") + content + b"\x02"
    assert query[2:].startswith(head)
    body = query[2 + len(head) :]
    assert int.from_bytes(body[1 : 1 + body[0]], signed=True) == nonce
    assert body[1 + body[0] :] == b"\x01\x01\xff"


# A token, later and offline.


def test_a_token_over_another_note_proves_nothing(ceremony: Ceremony, token: bytes) -> None:
    roots = load_roots(ceremony.roots)
    assert verify_token(token, CHECKPOINT, roots)

    for text in ("", CHECKPOINT[:-1], CHECKPOINT.replace("\n7\n", "\n8\n"), NOTE):
        with pytest.raises(IntegrityError, match="something else"):
            verify_token(token, text, roots)


def test_a_token_outlives_the_certificate_of_its_authority() -> None:
    """The chain is judged as of the token's time."""
    root = x509.load_der_x509_certificate(base64.b64decode(ENDED_ROOT))
    assert root.not_valid_after_utc < now()

    assert verify_token(base64.b64decode(ENDED_TOKEN), CHECKPOINT, [root]) == ENDED_AT


@pytest.mark.parametrize("change", [b"", b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x1f\x81\x01\x00", b"\x04\x01\x00"])
def test_what_is_no_token_is_refused(ceremony: Ceremony, change: bytes) -> None:
    with pytest.raises(IntegrityError, match="no time-stamp token"):
        verify_token(change, CHECKPOINT, load_roots(ceremony.roots))


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@settings(max_examples=300, deadline=None)
@given(seed=st.randoms(use_true_random=False))
def test_a_changed_token_is_refused_or_says_the_same(seed: random.Random) -> None:
    """Some bytes are not covered by the signature; they can say nothing else. What parsers raise about the rest is no matter."""
    roots, changed = [x509.load_der_x509_certificate(base64.b64decode(ENDED_ROOT))], bytearray(base64.b64decode(ENDED_TOKEN))
    for _ in range(seed.choice([1, 1, 2, 3])):
        place, length = seed.randrange(len(changed)), seed.choice([1, 2, 8])
        kind = seed.choice(["replace", "replace", "delete", "insert"])
        changed[place : place + (0 if kind == "insert" else length)] = b"" if kind == "delete" else seed.randbytes(length)

    try:
        said = verify_token(bytes(changed), CHECKPOINT, roots)
    except IntegrityError:
        return

    assert said == ENDED_AT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a003020102", "a003020109"),
        ("0c09617574686f72697479", "5d09617574686f72697479"),
        ("0c09617574686f72697479", "0309617574686f72697479"),
    ],
    ids=["version of a certificate", "type of a name", "name as a bit string"],
)
def test_what_a_parser_stumbles_over_is_refused_too(old: str, new: str) -> None:
    roots = [x509.load_der_x509_certificate(base64.b64decode(ENDED_ROOT))]
    changed = base64.b64decode(ENDED_TOKEN).replace(bytes.fromhex(old), bytes.fromhex(new))
    assert changed != base64.b64decode(ENDED_TOKEN)

    with pytest.raises(IntegrityError):
        verify_token(changed, CHECKPOINT, roots)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused_in_the_same_way(data: bytes) -> None:
    for read in (open_response, granted_response, token_time):
        try:
            read(data)
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("text", "micros"),
    [("20261124074938Z", 0), ("20261124074938.7Z", 700_000), ("20261124074938.000001Z", 1), ("20261124074938.1234567Z", 123_456)],
)
def test_the_time_of_a_token_has_its_fraction(text: str, micros: int) -> None:
    assert token_time(token_of(text)) == datetime(2026, 11, 24, 7, 49, 38, micros, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["20261124074938", "20261124074960Z", "20261324074938Z", "20261124074938.Z", "2026112407493Z", "2 261124074938Z"]
)
def test_a_time_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        token_time(token_of(text))


def token_of(time: str) -> bytes:
    """The frame of a token around a time, and nothing else."""

    def wrap(tag: int, *parts: bytes) -> bytes:
        content = b"".join(parts)
        assert len(content) < 128
        return bytes([tag, len(content)]) + content

    info = wrap(0x30, b"\x02\x01\x01", b"\x06\x01\x2a", b"\x30\x00", b"\x02\x01\x01", wrap(0x18, time.encode()))
    signed = wrap(0x30, b"\x02\x01\x03", b"\x31\x00", wrap(0x30, b"\x06\x01\x2a", wrap(0xA0, wrap(0x04, info))))
    return wrap(0x30, b"\x06\x01\x2a", wrap(0xA0, signed))


# Settings that cannot work.


@pytest.mark.parametrize("url", ["", "ftp://tsa.example/", "tsa.example", "https://", "http://[::1"])
def test_an_address_that_is_none_is_refused(ceremony: Ceremony, client: httpx.Client, url: str) -> None:
    with pytest.raises(ConfigError, match="begins with https"):
        TimestampAuthority(url, ceremony.roots, client, clock=now, new_nonce=lambda: NONCE)


def test_what_is_recorded_of_an_address_is_its_host(ceremony: Ceremony, client: httpx.Client) -> None:
    """Some authorities take a password in the address."""
    url = "https://user:secret@tsa.example/tsr?key=secret"

    assert TimestampAuthority(url, ceremony.roots, client, clock=now, new_nonce=lambda: NONCE).name == "tsa.example"


def test_roots_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_roots(tmp_path / "missing.pem")
    (tmp_path / "empty.pem").write_bytes(b"nothing\n")
    with pytest.raises(ConfigError, match="no PEM certificate"):
        load_roots(tmp_path / "empty.pem")


def test_without_the_extra_one_sentence_says_what_to_install(
    ceremony: Ceremony, client: httpx.Client, token: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = load_roots(ceremony.roots)
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)

    with pytest.raises(ConfigError, match=r"install phitrail\[timestamps\]$"):
        TimestampAuthority("https://tsa.example/", ceremony.roots, client, clock=now, new_nonce=lambda: NONCE)
    with pytest.raises(ConfigError, match=r"install phitrail\[timestamps\]$"):
        verify_token(token, CHECKPOINT, roots)


# Into the ledger.

HOUR = timedelta(hours=1)


class Line:
    """A clock near the wall clock, on which the authority's openssl runs, that can be wound on between two stampings."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return now() + self.ahead


@contextmanager
def stamped(
    engine: Engine,
    directory: Path,
    desk: Desk,
    ceremony: Ceremony,
    *,
    clock: Clock = now,
    faults: FaultyEngine | None = None,
    commit: Callable[[Node, str, Mapping[str, Json]], SpineEntry] | None = None,
    record: Callable[[Node, AuditEvent], object] | None = None,
) -> Iterator[tuple[Node, Stamping]]:
    """A node with its stamping, put together as `runtime/` does."""
    commit = commit or (lambda made, kind, fields: made.spine.append(kind, fields))
    record = record or (lambda made, event: made.ledger.append([event]))
    with httpx.Client(trust_env=False) as client, node(engine, directory, clock) as made:
        stamping = Stamping(
            TimestampAuthority(
                desk.url, ceremony.roots, client, clock=clock, new_nonce=lambda: secrets.randbits(64) | 1, tolerance=DAY
            ),
            Timestamps(cast("Engine", faults) if faults else engine),
            newest=lambda: newest(made),
            open_checkpoint=opened,
            commit=lambda kind, fields: commit(made, kind, fields),
            record=lambda event: record(made, event),
            clock=clock,
            interval=HOUR,
        )
        yield made, stamping


def newest(made: Node) -> str | None:
    found = made.spine.checkpoint()
    return found[0] if found else None


def opened(note: str) -> Head:
    return parse_checkpoint(open_note(note, [SIGNER.verifier]).text)


def spine_entries(engine: Engine) -> list[dict[str, object]]:
    bodies = engine.rows("SELECT body FROM spine WHERE kind = 'tsa' ORDER BY seq")
    return [orjson.loads(str(body)) for (body,) in bodies]


def anchors(engine: Engine) -> list[tuple[object, ...]]:
    return engine.rows(
        "SELECT event_id, actor_id, actor_kind, source, source_system, details FROM events WHERE action = 'time_anchor'"
    )


def test_a_stamp_is_stored_and_its_hash_is_in_spine_and_ledger(
    engine: Engine, tmp_path: Path, desk: Desk, ceremony: Ceremony
) -> None:
    with stamped(engine, tmp_path, desk, ceremony) as (made, stamping):
        made.ledger.append([chart_view(0)])
        made.keeper.checkpoint()

        stamp = stamping.run()

        assert isinstance(stamp, Timestamp)
        assert Timestamps(engine).newest() == stamp
        (entry,) = spine_entries(engine)
        fields = {
            "size": stamp.size,
            "note_sha256": digest(signed_text(stamp.note)).hex(),
            "token_sha256": hashlib.sha256(stamp.token).hexdigest(),
            "gen_time": rfc3339(stamp.gen_time),
        }
        assert entry["fields"] == fields
        assert entry["seq"] == stamp.spine_seq
        ((event_id, actor, kind, source, system, details),) = anchors(engine)
        assert (actor, kind, source, system) == ("phitrail", "system", "access", "phitrail")
        assert orjson.loads(str(details)) == {**fields, "authority": "127.0.0.1"}
        assert str(stamp.size) in str(event_id)
        assert verify_token(stamp.token, signed_text(stamp.note), load_roots(ceremony.roots)) == stamp.gen_time
        assert stamping.failures == {}
        made.keeper.checkpoint()
        assert made.verify().integrity is Integrity.INTACT


def test_it_asks_once_an_interval_and_only_about_something_new(
    engine: Engine, tmp_path: Path, desk: Desk, ceremony: Ceremony
) -> None:
    clock = Line()
    with stamped(engine, tmp_path, desk, ceremony, clock=clock) as (made, stamping):
        assert stamping.run() is None, "nothing is signed yet"
        made.keeper.checkpoint()
        first = stamping.run()
        assert isinstance(first, Timestamp)
        made.keeper.checkpoint()
        assert stamping.run() is None, "the interval has not passed"
        clock.ahead += HOUR
        second = stamping.run()
        assert isinstance(second, Timestamp)
        clock.ahead += HOUR
        third = stamping.run()
        assert isinstance(third, Timestamp), "its own entries are new too"

    assert len(desk.queries) == 3
    assert first.size < second.size < third.size


def test_a_stopped_ledger_is_not_stamped_again(engine: Engine, tmp_path: Path, desk: Desk, ceremony: Ceremony) -> None:
    clock = Line()
    with stamped(engine, tmp_path, desk, ceremony, clock=clock) as (made, stamping):
        made.keeper.checkpoint()
        held = newest(made)
        stamping._newest = lambda: held
        assert isinstance(stamping.run(), Timestamp)
        clock.ahead += HOUR

        assert stamping.run() is None

    assert len(desk.queries) == 1


def test_trouble_is_counted_and_the_next_run_tries_again(engine: Engine, tmp_path: Path, desk: Desk, ceremony: Ceremony) -> None:
    with stamped(engine, tmp_path, desk, ceremony) as (made, stamping):
        made.keeper.checkpoint()
        desk.status = 503
        assert stamping.run() is Trouble.REFUSED
        assert stamping.run() is Trouble.REFUSED
        desk.status, desk.say = 200, lambda _: b"garbage"
        assert stamping.run() is Trouble.MALFORMED
        assert stamping.failures == {Trouble.REFUSED: 2, Trouble.MALFORMED: 1}
        assert Timestamps(engine).newest() is None
        assert spine_entries(engine) == []

        desk.say = lambda answer: answer

        assert isinstance(stamping.run(), Timestamp)


def test_a_checkpoint_that_is_not_ours_is_not_stamped(engine: Engine, tmp_path: Path, desk: Desk, ceremony: Ceremony) -> None:
    with stamped(engine, tmp_path, desk, ceremony) as (made, stamping):
        made.keeper.checkpoint()
        engine.execute(
            "ALTER TABLE checkpoints UPDATE note = replaceRegexpOne(note, 'log.example/spine\n1', 'log.example/spine\n2') WHERE 1"
        )

        with pytest.raises(IntegrityError, match="does not fit"):
            stamping.run()

    assert desk.queries == []


STEPS = ["(1)", "(2)", "(3)", "(4)", "(5)"]


@pytest.mark.parametrize("after", [False, True], ids=["lost", "done"])
@pytest.mark.parametrize("step", STEPS)
def test_a_stop_at_each_step_is_completed_and_nothing_is_there_twice(
    engine: Engine, tmp_path: Path, desk: Desk, ceremony: Ceremony, step: str, after: bool
) -> None:
    """The steps of the module docstring; a stop before (1) is done leaves nothing, and the authority is asked again."""
    faults = FaultyEngine(engine)
    faults.after = after
    rows_written = {"(1)": 0, "(2)": 1, "(3)": 1, "(4)": 2, "(5)": 2}[step]

    def commit(made: Node, kind: str, fields: Mapping[str, Json]) -> SpineEntry:
        if step == "(2)" and not after:
            raise Fault(step)
        entry = made.spine.append(kind, fields)
        if step == "(2)":
            raise Fault(step)
        if step == "(3)":
            faults.table = "timestamps"
        return entry

    def record(made: Node, event: AuditEvent) -> None:
        if step == "(4)" and not after:
            raise Fault(step)
        made.ledger.append([event])
        if step == "(4)":
            raise Fault(step)
        if step == "(5)":
            faults.table = "timestamps"

    with stamped(engine, tmp_path, desk, ceremony, faults=faults, commit=commit, record=record) as (made, stamping):
        made.ledger.append([chart_view(0)])
        made.keeper.checkpoint()
        faults.table = "timestamps" if step == "(1)" else None
        with pytest.raises(Fault):
            stamping.run()
        written = engine.rows("SELECT count() FROM timestamps")[0][0]
        assert written == rows_written + (after and step in {"(1)", "(3)", "(5)"})

    with stamped(engine, tmp_path, desk, ceremony) as (made, stamping):
        lost = step == "(1)" and not after
        again = stamping.run()
        assert isinstance(again, Timestamp) == lost, "what was begun is completed; nothing new is due"
        (entry,) = spine_entries(engine)
        ((*_, details),) = anchors(engine)
        stamp = Timestamps(engine).newest()
        assert stamp is not None
        assert stamp.in_ledger
        assert stamp.spine_seq == entry["seq"]
        assert orjson.loads(str(details))["token_sha256"] == stamp.token_sha256
        assert Timestamps(engine).unfinished() == []
        assert engine.rows("SELECT count() FROM timestamps FINAL") == [(1,)]
        made.keeper.checkpoint()
        assert made.verify().integrity is Integrity.INTACT
    assert len(desk.queries) == (2 if lost else 1)


def test_what_the_ledger_raises_is_not_the_authoritys_fault(engine: Engine, tmp_path: Path, desk: Desk, ceremony: Ceremony) -> None:
    def busy(made: Node, event: AuditEvent) -> object:
        raise Backpressure("full", retry_after=5)

    with stamped(engine, tmp_path, desk, ceremony, record=busy) as (made, stamping):
        made.keeper.checkpoint()
        with pytest.raises(Backpressure):
            stamping.run()

        assert stamping.failures == {}


# The table.


def a_stamp(size: int, minute: int, spine_seq: int | None = None) -> Timestamp:
    moment = datetime(2026, 3, 2, 8, minute, 0, 123_456, tzinfo=UTC)
    return Timestamp(
        size=size,
        token=bytes([0, 255, size % 256]),
        note=NOTE,
        note_sha256=digest().hex(),
        gen_time=moment,
        received=moment + timedelta(seconds=1),
        authority="tsa.example",
        spine_seq=spine_seq,
        in_ledger=spine_seq is not None,
    )


def test_a_place_in_the_spine_is_bracketed_by_the_tightest_tokens(engine: Engine) -> None:
    store = Timestamps(engine)
    assert (store.newest(), store.covering(0), store.before(2**40)) == (None, None, None)
    stamps = [a_stamp(10, 0, 12), a_stamp(20, 10, 23), a_stamp(30, 20, 33), a_stamp(40, 30)]
    for stamp in stamps:
        store.add(stamp)

    assert store.newest() == stamps[3]
    assert [store.covering(size) for size in (0, 10, 11, 20, 40)] == [stamps[0], stamps[0], stamps[1], stamps[1], stamps[3]]
    assert store.covering(41) is None
    # Entries 10 and 11 were made while the authority was asked: the token says nothing about them.
    assert [store.before(size) for size in (0, 10, 12)] == [None, None, None]
    assert [store.before(size) for size in (13, 23, 24, 34, 1000)] == [stamps[0], stamps[0], stamps[1], stamps[2], stamps[2]]
    assert store.unfinished() == [stamps[3]]


def test_a_row_of_an_earlier_stage_changes_nothing(engine: Engine) -> None:
    store = Timestamps(engine)
    finished = a_stamp(10, 0, 12)
    store.add(finished)

    store.add(replace(finished, spine_seq=None, in_ledger=False))

    assert store.newest() == finished
    assert store.unfinished() == []


def test_a_token_that_was_changed_in_the_store_is_noticed(engine: Engine) -> None:
    store = Timestamps(engine)
    store.add(a_stamp(10, 0, 12))
    engine.execute("ALTER TABLE timestamps UPDATE token = 'no base64!' WHERE 1")

    with pytest.raises(IntegrityError, match="size 10 was changed"):
        store.newest()


def test_a_token_goes_through_the_store_byte_for_byte(engine: Engine, token: bytes) -> None:
    store = Timestamps(engine)
    store.add(replace(a_stamp(10, 0, 12), token=token))

    kept = store.newest()

    assert kept is not None
    assert kept.token == token
    assert engine.rows("SELECT token FROM timestamps") == [(base64.b64encode(token).decode(),)]


def test_a_note_without_signatures_has_no_text_to_stamp() -> None:
    assert signed_text(NOTE) == CHECKPOINT
    with pytest.raises(IntegrityError, match="without signatures"):
        signed_text(CHECKPOINT)
