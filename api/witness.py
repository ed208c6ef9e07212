"""A witness for the logs of others (c2sp.org/tlog-witness): an application of its own, over its own memory, without a store.

It learns the name, size and root of a log and when they were submitted, and nothing else. The checks and their order are those of
the specification; each answer says what a log's operator can do about it.
"""

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from domain.checkpoint import Head
from domain.clock import Clock
from domain.cosignature import CosigningKey, add_lines
from domain.errors import ConfigError, IntegrityError, InvalidInput
from domain.keyring import KeyRing
from domain.merkle import verify_consistency
from domain.note import split_note
from domain.witness_protocol import SIZE_CONTENT_TYPE, AddCheckpoint, answer_lines, answer_size
from store.witness_state import Cosigned, Held, Refusal, Superseded, WitnessState

MOST_BYTES = 256 * 1024
"""Of a request: a note may have 64 signatures, which need 210 kB in ML-DSA-44."""

_TEXT = "text/plain; charset=utf-8"
_HASH = re.compile(r"[0-9a-f]{64}")

_log = logging.getLogger("phitrail.witness")


class _Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Witness:
    """Decides about one submission at a time. Thread-safe, as its state is."""

    def __init__(self, state: WitnessState, keys: Sequence[CosigningKey], clock: Clock) -> None:
        """Every key signs what is cosigned. Raises ConfigError without one."""
        if not keys:
            raise ConfigError("a witness needs a key to cosign with: make one with `phitrail witness init`")
        self._state = state
        self._keys = keys
        self._clock = clock

    def add_checkpoint(self, body: bytes) -> Sequence[str]:
        """Cosign the checkpoint in this request; the lines, once what they say is stored.

        Raises _Refused, and Superseded where the log has to prove consistency from another size.
        """
        try:
            request = AddCheckpoint.parse(body)
        except InvalidInput as error:
            raise _Refused(400, str(error)) from None
        head = request.head
        ring = self._state.keys_of(head.origin)
        if ring is None:
            raise _Refused(404, "this witness does not know the log")
        try:
            ring.open(request.note)
        except IntegrityError:
            raise _Refused(403, "no key that this witness trusts for the log has signed the checkpoint of this size") from None
        note = _without_strangers(request.note, ring)
        held = self._state.held(head.origin)
        if request.old_size != held.head.size:
            raise Superseded(held.head.size)
        self._check(head, note, held, request.path)
        made = self._state.check_and_store(held.head, head, lambda least: self._cosign(note, least))
        _log.info("cosigned %d entries of %s", head.size, head.origin)
        return made.lines

    def _check(self, head: Head, note: str, held: Held, path: Sequence[bytes]) -> None:
        """Refuse what is no continuation of what is held, and keep it where it can be shown to somebody."""
        if verify_consistency(held.head.size, head.size, path, held.head.root, head.root):
            return
        if head.size == held.head.size and head.root != held.head.root:
            self._state.add_evidence(Refusal.FORK, head, note, held_note=held.note, at=self._clock())
            raise _Refused(409, "this witness holds another tree of the same size; both are kept")
        if head.size > held.head.size:
            self._state.add_evidence(Refusal.UNPROVEN, head, note, held_note=held.note, at=self._clock())
        raise _Refused(422, "the consistency proof does not lead from the checkpoint that this witness holds to this one")

    def _cosign(self, note: str, least: int) -> Cosigned:
        """A clock that was set back must not let a later checkpoint claim an earlier time."""
        timestamp = max(int(self._clock().timestamp()), least)
        text, _ = split_note(note)
        lines = [key.cosign(text, timestamp) for key in self._keys]
        return Cosigned(add_lines(note, lines), lines, timestamp)


def create_witness(state: WitnessState, keys: Sequence[CosigningKey], clock: Clock, *, body_seconds: float = 10.0) -> FastAPI:
    """The ASGI application: `POST /add-checkpoint`, `GET /<hex SHA-256 of the origin>/checkpoint`, `GET /livez`.

    `body_seconds` is how long a request may take to arrive. Raises ConfigError without a key.
    """
    witness = Witness(state, keys, clock)
    app = FastAPI(title="phitrail witness", openapi_url=None, docs_url=None, redoc_url=None)

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        try:
            async with asyncio.timeout(body_seconds):
                body = await _body(request)
        except TimeoutError:
            return _sentence(408, "the request did not arrive in time", {"Connection": "close"})
        if body is None:
            return _sentence(413, f"a request has at most {MOST_BYTES // 1024} KiB", {"Connection": "close"})
        return await run_in_threadpool(_answer, witness, body)

    @app.get("/{origin_hash}/checkpoint")
    def checkpoint(origin_hash: str) -> Response:
        note = state.note_of(origin_hash) if _HASH.fullmatch(origin_hash) else None
        if note is None:
            return _sentence(404, "this witness holds no checkpoint of such a log")
        return Response(note, media_type=_TEXT, headers=_headers())

    @app.get("/livez")
    def livez() -> Mapping[str, str]:
        return {"status": "alive"}

    return app


def _answer(witness: Witness, body: bytes) -> Response:
    try:
        lines = witness.add_checkpoint(body)
    except Superseded as superseded:
        _log.info("refused: size %d is held", superseded.size)
        # As a header: a media type that begins with text/ would be given a charset.
        headers = {**_headers(), "Content-Type": SIZE_CONTENT_TYPE}
        return Response(answer_size(superseded.size), status_code=409, headers=headers)
    except _Refused as refused:
        _log.info("refused with %d", refused.status)
        return _sentence(refused.status, str(refused))
    except Exception as error:  # noqa: BLE001 - the loop of the server: it records, answers and goes on
        _log.error("%s: nothing was answered", type(error).__name__)
        return _sentence(500, "the witness met a defect; ask again")
    return Response(answer_lines(lines), media_type=_TEXT, headers=_headers())


async def _body(request: Request) -> bytes | None:
    """What was sent; None where it is too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def _without_strangers(note: str, ring: KeyRing) -> str:
    """The note with the signatures of the log's keys only: anybody can add a line under somebody's name that spoils it."""
    text, signatures = split_note(note)
    known = {(key.verifier.name, key.verifier.key_id) for key in ring.keys}
    return f"{text}\n" + "".join(signature.line for signature in signatures if (signature.name, signature.key_id) in known)


def _sentence(status: int, words: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(f"{words}\n", status_code=status, media_type=_TEXT, headers={**_headers(), **(headers or {})})


def _headers() -> dict[str, str]:
    return {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
