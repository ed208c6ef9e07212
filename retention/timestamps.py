"""RFC 3161 time-stamps: somebody else's clock and key say that a checkpoint of the spine existed.

A token is over the SHA-256 of the checkpoint's text (without signatures) and proves "not later than" its time. Its hash goes into
the spine (`tsa`) and into this node's log (`time_anchor`): what is chained after that is "not earlier than" its time, because the
hash was not known before. An authority that is away, slow or lying costs a time-stamp and nothing else: it is a `Trouble`, counted.

Order of writes, and what a stop before the next one leaves:

    (1) the token's row                        completed by the next run, before it asks for another
    (2) the `tsa` entry of the spine, signed   the same: the entry is found in the spine, not made again
    (3) the row, with the place of the entry   the same
    (4) the `time_anchor` event in the ledger  the same: the event's id makes it a repeat
    (5) the row, finished                      finished
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from domain.checkpoint import Head
from domain.clock import Clock, rfc3339
from domain.errors import ConfigError, IntegrityError, PhitrailError
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json
from retention.timestamp_der import encode_query, granted_response, open_response, token_time
from store.spine import SpineEntry
from store.timestamps import Timestamp, Timestamps

if TYPE_CHECKING:
    from rfc3161_client import SignedData

_log = logging.getLogger(__name__)

MOST_BYTES = 65_536
"""Of an answer. A token with its chain has 1 to 20 KB."""

SHA256_OID = "2.16.840.1.101.3.4.2.1"

_UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the parsers raise about a stranger's certificates (found by changing tokens at random)."""

Commit = Callable[[str, Mapping[str, Json]], SpineEntry]
"""Adds an entry of a kind to the spine; signed and durable when it returns."""

Record = Callable[[AuditEvent], object]
"""Stores an event in the ledger; durable when it returns."""


class Trouble(StrEnum):
    """Why there is no time-stamp."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    OTHER_NOTE = "other_note"
    OTHER_NONCE = "other_nonce"
    UNTRUSTED = "untrusted"
    TIME_OFF = "time_off"


class NotStamped(PhitrailError):
    """The authority gave no token that holds; `trouble` says in which way."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Token:
    """A TimeStampToken (RFC 3161 section 2.4.2, DER), verified, and its genTime in UTC."""

    der: bytes
    gen_time: datetime

    @property
    def sha256(self) -> str:
        """Hex, over the token's bytes."""
        return hashlib.sha256(self.der).hexdigest()


class TimestampAuthority:
    """Asks one authority over HTTP (RFC 3161 section 3.4). From one thread at a time."""

    def __init__(
        self,
        url: str,
        roots: Path,
        client: httpx.Client,
        *,
        clock: Clock,
        new_nonce: Callable[[], int],
        tolerance: timedelta = timedelta(minutes=5),
        wait: timedelta = timedelta(seconds=20),
    ) -> None:
        """`roots` is a PEM file of the CA certificates trusted for time; `new_nonce` makes a random number of 64 bits or more.

        `tolerance` is how far the authority's time may lie from `clock`; `wait` is how long it has to answer. Plain http is as good
        as https here: the question holds nothing secret, and the answer is signed. Raises ConfigError.
        """
        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL:
            parts = httpx.URL("")
        if parts.scheme not in {"http", "https"} or not parts.host:
            raise ConfigError("the address of a time-stamp authority begins with https:// or http://")
        _check_extra()
        self.name = parts.host
        self._url = parts
        self._roots = load_roots(roots)
        self._client = client
        self._clock = clock
        self._new_nonce = new_nonce
        self._tolerance = tolerance
        self._wait = wait

    def stamp(self, note: str) -> Token:
        """A token over the text of a signed note. Raises NotStamped.

        The answer is verified before it is believed: nonce, imprint, signature, chain to the roots, and the time against the clock.
        """
        text, nonce, asked = signed_text(note), self._new_nonce(), self._clock()
        answer = self._ask(encode_query(_digest(text), nonce), asked)
        try:
            status, der = open_response(answer)
        except ValueError:
            raise NotStamped(Trouble.MALFORMED, "the time-stamp authority's answer is no time-stamp response") from None
        # 0 is granted, 1 granted with modifications (RFC 3161 section 2.4.2); what matters of them is checked below.
        if status not in {0, 1}:
            raise NotStamped(Trouble.REFUSED, f"the time-stamp authority refused (PKI status {status})")
        gen_time = _verified(der, text, self._roots, nonce)
        if not asked - self._tolerance <= gen_time <= self._clock() + self._tolerance:
            raise NotStamped(
                Trouble.TIME_OFF,
                "the time-stamp authority's time and this machine's are too far apart: check the clock of this machine (NTP)",
            )
        return Token(der, gen_time)

    def _ask(self, query: bytes, asked: datetime) -> bytes:
        headers = {
            "content-type": "application/timestamp-query",
            "accept": "application/timestamp-reply",
            "accept-encoding": "identity",
        }
        answer, wait = bytearray(), self._wait.total_seconds()
        try:
            with self._client.stream(
                "POST", self._url, content=query, headers=headers, timeout=wait, follow_redirects=False
            ) as response:
                if response.status_code != httpx.codes.OK:
                    raise NotStamped(Trouble.REFUSED, f"the time-stamp authority answered {response.status_code}")
                for piece in response.iter_raw():
                    answer += piece
                    if len(answer) > MOST_BYTES:
                        raise NotStamped(Trouble.TOO_LONG, "the time-stamp authority's answer is longer than any token")
                    # The client's limit is on each read; an answer that trickles in is late all the same.
                    if self._clock() - asked > self._wait:
                        raise NotStamped(Trouble.TIMEOUT, "the time-stamp authority did not answer in time")
        except httpx.TimeoutException:
            raise NotStamped(Trouble.TIMEOUT, "the time-stamp authority did not answer in time") from None
        except httpx.HTTPError:
            raise NotStamped(Trouble.UNREACHABLE, "the time-stamp authority could not be reached") from None
        return bytes(answer)


def load_roots(path: Path) -> list[x509.Certificate]:
    """The certificates in a PEM file. Raises ConfigError where there are none."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"the CA certificates of the time-stamp authority cannot be read ({error.strerror})") from None
    except ValueError:
        raise ConfigError("the file of the time-stamp authority's CA certificates holds no PEM certificate") from None


def signed_text(note: str) -> str:
    """The text part of a signed note, which is what its signatures and a time-stamp are over. Whether they hold is not asked."""
    text, blank, _ = note.rpartition("\n\n")
    if not blank:
        raise IntegrityError("a note without signatures is no checkpoint")
    return f"{text}\n"


def verify_token(der: bytes, text: str, roots: Sequence[x509.Certificate]) -> datetime:
    """The time of a token over the text of a checkpoint. Offline. Raises IntegrityError where the token does not prove it.

    The chain is judged as of the token's time (RFC 3161 appendix B), so an authority's certificate may have expired since. Whether
    it was revoked is not asked.
    """
    _check_extra()
    try:
        return _verified(der, text, roots, nonce=None)
    except NotStamped as error:
        raise IntegrityError(f"the time-stamp does not hold: {error}") from None


def _verified(der: bytes, text: str, roots: Sequence[x509.Certificate], nonce: int | None) -> datetime:
    import rfc3161_client as tsp  # noqa: PLC0415 - an optional extra

    try:
        gen_time = token_time(der)
        response = tsp.decode_timestamp_response(granted_response(der))
        info, signed = response.tst_info, response.signed_data
        # The library's time has no fraction; that both readings are of one time shows that they are of one token.
        if info.gen_time != gen_time.replace(microsecond=0):
            raise NotStamped(Trouble.MALFORMED, "the token's time can be read in two ways")
        if info.message_imprint.hash_algorithm.dotted_string != SHA256_OID or info.message_imprint.message != _digest(text):
            raise NotStamped(Trouble.OTHER_NOTE, "the token is over something else")
        if nonce is not None and info.nonce != nonce:
            raise NotStamped(Trouble.OTHER_NONCE, "the token answers another question")
        _check_signer(signed)
        tsp.VerifierBuilder(roots=list(roots)).build().verify(response, _digest(text))
    except tsp.VerificationError:
        raise NotStamped(Trouble.UNTRUSTED, "the token's signature does not lead to a trusted certificate") from None
    except _UNREADABLE:
        raise NotStamped(Trouble.MALFORMED, "this is no time-stamp token") from None
    return gen_time


def _check_signer(signed: "SignedData") -> None:
    """One signer, and one certificate that it can be: of two with one name and number, one may be judged and the other used."""
    signers = signed.signer_infos
    certificates = [x509.load_der_x509_certificate(each) for each in signed.certificates]
    named = [(each.issuer, each.serial_number) for each in certificates]
    if len(signers) != 1 or any(named.count((signer.issuer, signer.serial_number)) != 1 for signer in signers):
        raise NotStamped(Trouble.UNTRUSTED, "the token does not come with the one certificate that signed it")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _check_extra() -> None:
    try:
        import rfc3161_client  # noqa: F401, PLC0415 - an optional extra
    except ImportError:
        raise ConfigError("time-stamps need an optional part: install phitrail[timestamps]") from None


class Stamping:
    """Has the newest checkpoint time-stamped once an interval. Run it more often than that: it knows when it is due."""

    def __init__(
        self,
        authority: TimestampAuthority,
        store: Timestamps,
        *,
        newest: Callable[[], str | None],
        open_checkpoint: Callable[[str], Head],
        commit: Commit,
        record: Record,
        clock: Clock,
        interval: timedelta = timedelta(hours=1),
    ) -> None:
        """`newest` gives the newest signed checkpoint, None before the first; `open_checkpoint` checks its signatures."""
        self._authority = authority
        self._store = store
        self._newest = newest
        self._open_checkpoint = open_checkpoint
        self._commit = commit
        self._record = record
        self._clock = clock
        self._interval = interval
        self._failures: Counter[Trouble] = Counter()

    @property
    def failures(self) -> Mapping[Trouble, int]:
        """How often each trouble was met since the start."""
        return dict(self._failures)

    def run(self) -> Timestamp | Trouble | None:
        """Complete what was begun, then ask when it is due. None: it is not due, or there is nothing new to stamp.

        Raises only what the ledger raises (Backpressure, IntegrityError); the authority's failures are the Trouble returned.
        """
        for begun in self._store.unfinished():
            self._complete(begun)
        note, last = self._newest(), self._store.newest()
        if note is None or (last is not None and self._clock() - last.received < self._interval):
            return None
        head = self._open_checkpoint(note)
        if last is not None and head.size <= last.size:
            return None
        try:
            token = self._authority.stamp(note)
        except NotStamped as error:
            self._failures[error.trouble] += 1
            _log.warning("no time-stamp (%s): %s", error.trouble, error)
            return error.trouble
        stamp = Timestamp(
            size=head.size,
            token=token.der,
            note=note,
            note_sha256=_digest(signed_text(note)).hex(),
            gen_time=token.gen_time,
            received=self._clock(),
            authority=self._authority.name,
        )
        # (1)
        self._store.add(stamp)
        return self._complete(stamp)

    def _complete(self, stamp: Timestamp) -> Timestamp:
        if stamp.spine_seq is None:
            place = self._store.spine_entry(stamp)
            if place is None:
                # (2)
                place = self._commit("tsa", _fields(stamp)).seq
            # (3)
            stamp = replace(stamp, spine_seq=place)
            self._store.add(stamp)
        # (4)
        self._record(_event(stamp))
        # (5)
        stamp = replace(stamp, in_ledger=True)
        self._store.add(stamp)
        return stamp


def _fields(stamp: Timestamp) -> dict[str, Json]:
    return {
        "size": stamp.size,
        "note_sha256": stamp.note_sha256,
        "token_sha256": stamp.token_sha256,
        "gen_time": rfc3339(stamp.gen_time),
    }


def _event(stamp: Timestamp) -> AuditEvent:
    """The same however often it is made: its id is the token's and its time that of receipt, so that a second one is a repeat."""
    return AuditEvent(
        source_system="phitrail",
        event_id=f"time_anchor:{stamp.size}:{stamp.token_sha256}",
        time=stamp.received,
        source=Source.ACCESS,
        action="time_anchor",
        actor=Actor(id="phitrail", kind=ActorKind.SYSTEM),
        outcome="success",
        details={**_fields(stamp), "authority": stamp.authority},
    )
