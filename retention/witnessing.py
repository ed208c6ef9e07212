"""Collects cosignatures for the newest checkpoint from the witnesses of a policy (c2sp.org/tlog-witness, the client's side).

What a witness answers is trusted for nothing: its body is bounded, never logged or repeated, and counts only where it verifies with
the key in the policy, over our text, at about our time. A witness that fails costs the round that witness, never the recording.
"""

import ipaddress
import logging
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import httpx

from domain.checkpoint import Head, parse_checkpoint
from domain.clock import Clock, rfc3339
from domain.errors import ConfigError, IntegrityError, InvalidInput, PhitrailError
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json
from domain.note import Signature, split_note
from domain.witness_policy import PolicyWitness, WitnessPolicy
from domain.witness_protocol import SIZE_CONTENT_TYPE, AddCheckpoint, parse_answer, parse_size
from store.cosignatures import Cosignatures, CosignedCheckpoint, StoredCosignature, WitnessRound, stated_time
from store.spine import SpineEntry
from store.tiles import Tiles

MOST_BYTES = 256 * 1024
"""Of an answer that is read: 64 lines of ML-DSA-44, as many as a note may have, need 210 kB."""

TOLERANCE = timedelta(minutes=5)
"""How far a witness's clock may be from ours."""

_SENTENCES = {
    400: "it did not understand the request",
    403: "it does not accept the signature of this log: give its operator the list of our keys",
    404: "it does not know this log: give its operator our verifier key",
    409: "it answered 409 without the size that it holds",
    429: "it asks for fewer requests",
}

_log = logging.getLogger(__name__)

Newest = Callable[[], tuple[str, datetime] | None]
"""The newest signed checkpoint and its time: `Spine.checkpoint`."""


class WitnessFailed(PhitrailError):
    """A witness gave no cosignature that counts. The message says why, in our words only."""


class WitnessRefused(WitnessFailed):
    """A witness says that our history does not fit what it holds: it was forked or rolled back, or the witness is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What is submitted: a signed checkpoint, the size to follow from, and where proofs and news come from.

    `prove` gives the consistency path from a size to that of the checkpoint; `newest_size` the largest size signed by now.
    """

    note: str
    size: int
    old_size: int
    prove: Callable[[int], Sequence[bytes]]
    newest_size: Callable[[], int]


def submit(client: httpx.Client, url: str, submission: Submission, is_late: Callable[[], bool] = lambda: False) -> list[str]:
    """Ask the witness at this submission prefix; returns the lines it answered, each with its newline, none of them verified.

    A 409 that names another size is followed once. Raises WitnessFailed, WitnessRefused.
    """
    old, is_second = submission.old_size, False
    while True:
        status, answer = _post(client, url, _request(submission, old), is_late)
        if isinstance(answer, bytes):
            break
        if answer == old or answer > submission.size:
            raise _cannot_follow(answer, old, submission)
        if is_second:
            raise WitnessFailed("it names another size each time: it is cosigning for two of us at once")
        old, is_second = answer, True
    if status == 200:
        try:
            return parse_answer(answer)
        except InvalidInput:
            raise WitnessFailed("its answer is not made of signature lines") from None
    if status == 422 or (status == 409 and old == submission.size):
        raise WitnessRefused(f"it says that our history of {submission.size} entries does not fit the {old} that it holds")
    raise WitnessFailed(_SENTENCES.get(status, f"it answered {status}"))


def verified(note: str, lines: Iterable[str], witness: PolicyWitness, now: datetime) -> StoredCosignature:
    """The line of this witness over this note; lines by other keys are ignored. Raises WitnessFailed where none counts."""
    text, _ = split_note(note)
    cosigner = witness.cosigner
    for line in lines:
        signature = Signature.parse(line.removesuffix("\n"))
        if (signature.name, signature.key_id) != (cosigner.name, cosigner.key_id):
            continue
        moment = stated_time(cosigner, text, line)
        if moment is None:
            raise WitnessFailed("its cosignature does not fit what was sent")
        if abs(moment - now) > TOLERANCE:
            raise WitnessFailed("the time in its cosignature is minutes away from ours: one of the clocks is wrong")
        return StoredCosignature(size=parse_checkpoint(text).size, name=witness.name, timestamp=moment, line=line)
    raise WitnessFailed("it did not answer with a cosignature of the key in the policy")


class Witnessing:
    """Asks the witnesses of a policy, round by round. One round at a time; thread-safe."""

    def __init__(
        self,
        *,
        policy: WitnessPolicy,
        cosignatures: Cosignatures,
        tiles: Tiles,
        newest: Newest,
        commit: Callable[[str, Mapping[str, Json]], SpineEntry],
        record: Callable[[AuditEvent], object],
        clock: Clock,
        ticks: Callable[[], float],
        timeout: float = 10.0,
        commit_every: timedelta = timedelta(hours=1),
        ca_file: Path | None = None,
    ) -> None:
        """`timeout` is seconds for a whole exchange; `ticks` gives seconds that only go forward.

        `commit` puts `witnessed` into the spine and `record` an event into the ledger, at most every `commit_every`, and when the
        quorum is met or lost. `ca_file` replaces the system's authorities. Raises ConfigError for plain HTTP to anywhere else.
        """
        self._policy = policy
        self._addresses = {witness.name: (witness, _checked(witness)) for witness in policy.witnesses if witness.url is not None}
        self._cosignatures = cosignatures
        self._tiles = tiles
        self._newest = newest
        self._commit = commit
        self._record = record
        self._clock = clock
        self._ticks = ticks
        self._timeout = timeout
        self._commit_every = commit_every
        self._context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._guard = threading.Lock()
        # No witness is missed before anybody asked.
        self._met_at = clock()
        self._refused: dict[str, datetime] = {}
        self._failing: set[str] = set()
        self._committed: tuple[datetime, bool] | None = None

    def run(self) -> WitnessRound | None:
        """Ask each witness that has not signed the newest checkpoint yet. None where there is no witness, or nothing to sign.

        Raises IntegrityError where the stored spine is not what was signed; whatever `commit` and `record` raise.
        """
        with self._guard:
            newest = self._newest()
            if newest is None or not self._policy.witnesses:
                return None
            note = newest[0]
            head = parse_checkpoint(split_note(note)[0])
            failed, refused = self._collect(note, head)
            return self._conclude(head.size, failed, refused)

    def _collect(self, note: str, head: Head) -> tuple[dict[str, str], set[str]]:
        """Ask in parallel and store what verifies. Returns why others failed, and which of them refused."""
        have = self._cosigned(head.size).names
        asked = {name: pair for name, pair in self._addresses.items() if name not in have}
        last = self._cosignatures.last_sizes()
        failed: dict[str, str] = {}
        refused: set[str] = set()
        found: list[StoredCosignature] = []
        broken: list[Exception] = []
        with ExitStack() as stack:
            pool = ThreadPoolExecutor(max(len(asked), 1), thread_name_prefix="witness")
            stack.callback(pool.shutdown, wait=False, cancel_futures=True)
            futures: dict[str, Future[StoredCosignature]] = {}
            for name, (witness, url) in asked.items():
                # A client of its own: closing it at the end is what stops an exchange that drags on.
                client = stack.enter_context(self._client())
                futures[name] = pool.submit(self._ask, client, witness, url, note, head, min(last.get(name, 0), head.size))
            wait(futures.values(), timeout=self._timeout)
            for name, future in futures.items():
                if not future.done():
                    failed[name] = "it did not answer in time"
                elif (error := future.exception()) is None:
                    found.append(future.result())
                elif isinstance(error, WitnessFailed):
                    failed[name] = str(error)
                    refused |= {name} if isinstance(error, WitnessRefused) else set()
                elif isinstance(error, Exception):
                    broken.append(error)
        self._cosignatures.add(found, self._clock())
        if broken:
            raise broken[0]
        return failed, refused

    def _ask(self, client: httpx.Client, witness: PolicyWitness, url: str, note: str, head: Head, old: int) -> StoredCosignature:
        end = self._ticks() + self._timeout
        submission = Submission(
            note=note, size=head.size, old_size=old, prove=lambda size: self._prove(size, head), newest_size=self._newest_size
        )
        lines = submit(client, url, submission, lambda: self._ticks() > end)
        return verified(note, lines, witness, self._clock())

    def _prove(self, old: int, head: Head) -> Sequence[bytes]:
        proof = self._tiles.consistency(old, head.size)
        if proof.new.root != head.root:
            raise IntegrityError(f"the first {head.size} spine entries are not what was signed here; run phitrail verify")
        return proof.path

    def _newest_size(self) -> int:
        newest = self._newest()
        return 0 if newest is None else parse_checkpoint(split_note(newest[0])[0]).size

    def _conclude(self, size: int, failed: Mapping[str, str], refused: Iterable[str]) -> WitnessRound:
        now = self._clock()
        checkpoint = self._cosigned(size)
        is_met = self._policy.is_met(checkpoint.names)
        if is_met:
            self._met_at = now
        self._refused = {name: self._refused.get(name, now) for name in refused}
        self._tell(failed)
        if self._committed is None or self._committed[1] != is_met or now - self._committed[0] >= self._commit_every:
            self._witnessed(checkpoint, is_met=is_met)
            self._committed = (now, is_met)
        return WitnessRound(
            at=now,
            size=size,
            signed=checkpoint.names,
            failed=failed,
            is_met=is_met,
            missing_since=None if is_met else self._met_at,
            refused=self._refused,
        )

    def _cosigned(self, size: int) -> CosignedCheckpoint:
        checkpoint = self._cosignatures.cosigned(size, self._policy)
        assert checkpoint is not None, "this checkpoint was read from the store"
        return checkpoint

    def _witnessed(self, checkpoint: CosignedCheckpoint, *, is_met: bool) -> None:
        """Put it into the record that others have seen the record: what comes after it is younger than their times."""
        size, names = checkpoint.size, list[Json](checkpoint.names)
        digest = sha256(checkpoint.note.encode()).hexdigest()
        self._commit("witnessed", {"size": size, "note_sha256": digest, "names": names, "is_quorum": is_met})
        if not names:
            return
        self._record(
            AuditEvent(
                source_system="phitrail",
                event_id=f"time_anchor:{size}:{digest[:16]}",
                time=self._clock(),
                source=Source.ACCESS,
                action="time_anchor",
                actor=Actor(id="phitrail", kind=ActorKind.SYSTEM),
                outcome="success",
                details={
                    "size": size,
                    "note_sha256": digest,
                    "names": names,
                    "times": [rfc3339(moment) for _, moment in checkpoint.signed],
                },
            )
        )

    def _tell(self, failed: Mapping[str, str]) -> None:
        """Log what changed; a witness that stays away is an alert's business, not a line a minute."""
        for name in failed.keys() - self._failing:
            _log.warning("witness %s gave no cosignature: %s", name, failed[name])
        for name in self._failing - failed.keys():
            _log.info("witness %s cosigns again", name)
        self._failing = set(failed)

    def _client(self) -> httpx.Client:
        # Neither proxies from the environment nor a redirect decide where this goes.
        return httpx.Client(verify=self._context, timeout=self._timeout, follow_redirects=False, trust_env=False)


def _request(submission: Submission, old: int) -> bytes:
    return AddCheckpoint(old_size=old, path=tuple(submission.prove(old)), note=submission.note).body


def _post(client: httpx.Client, url: str, body: bytes, is_late: Callable[[], bool]) -> tuple[int, bytes | int]:
    """The status and body of an answer; for a 409 that names a size, the size."""
    headers = {"content-type": "text/plain; charset=utf-8", "accept-encoding": "identity", "user-agent": "phitrail"}
    data = bytearray()
    try:
        with client.stream("POST", f"{url}/add-checkpoint", content=body, headers=headers) as response:
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > MOST_BYTES:
                    raise WitnessFailed("its answer is longer than any answer may be")
                if is_late():
                    raise WitnessFailed("it did not answer in time")
            status, media_type = response.status_code, response.headers.get("content-type", "").partition(";")[0].strip()
    except httpx.TimeoutException:
        raise WitnessFailed("it did not answer in time") from None
    except httpx.HTTPError as error:
        raise WitnessFailed(_trouble(error)) from None
    if status == 409 and media_type == SIZE_CONTENT_TYPE:
        try:
            return status, parse_size(bytes(data))
        except InvalidInput:
            raise WitnessFailed(_SENTENCES[409]) from None
    return status, bytes(data)


def _cannot_follow(held: int, old: int, submission: Submission) -> WitnessFailed:
    """What a 409 says that names the size that was offered, or a larger one than the checkpoint has."""
    if held > submission.size and held > submission.newest_size():
        return WitnessRefused(
            f"it says that it cosigned {held} entries of this log, but {submission.size} were signed here: the record was rolled "
            "back, or its key is used elsewhere"
        )
    if held > submission.size:
        return WitnessFailed("it was given a newer checkpoint meanwhile; the next round asks again")
    if old == submission.size:
        return WitnessRefused(f"it says that our history of {submission.size} entries does not fit the {held} that it holds")
    return WitnessFailed("it refused the very size that it named")


def _trouble(error: httpx.HTTPError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its certificate could not be verified"
        if isinstance(cause, ssl.SSLError):
            return "no TLS connection with it came about"
        cause = cause.__cause__ or cause.__context__
    return "it could not be reached"


def _checked(witness: PolicyWitness) -> str:
    """The submission prefix of a witness, without its last slash."""
    try:
        parts = httpx.URL(witness.url or "")
    except httpx.InvalidURL:
        parts = httpx.URL()
    if not parts.host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.host))):
        raise ConfigError(f"the address of witness {witness.name} must begin with https:// (plain http only to this machine)")
    return str(parts).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
