"""Where mail providers post their events: `POST /hooks/{provider}`, for those that are set up.

The signature is checked before anything is stored, and the answer comes only after everything is durable. It is 200, as some
providers take anything else for a failure. A record that cannot be understood is no failure of theirs: it is in quarantine.
Nothing of a request that is refused is kept but a count.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

import orjson
from fastapi import APIRouter, Request, Response
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.intake_body import Bodies, read_body
from api.problems import Problem, TooLarge, problem_response
from api.services import Services
from domain.errors import Backpressure, NotFound
from domain.record import Receipt
from ingest.parsers.records import MAX_RECORD, Feed, Oversize
from ingest.parsers.webhook_formats import WEBHOOK_PARSERS
from ingest.parsers.webhook_records import WEBHOOK_SPLITTERS
from ingest.pipeline import BATCH_RECORDS, Counts, Record, count, store_records, understood
from ingest.webhooks import Cause, Hook, HookRequest, HookTally, Refused, Verdict
from store.quarantine import Fragment

MAX_BODY = 16 * 1024 * 1024
MAX_TOGETHER = 128 * 1024 * 1024
"""Bytes of one body, and of all that are read at a time: whoever sends is not known before the body is there."""

_UNAUTHENTICATED = Problem(401, "unauthenticated", "This sender is not known")
_REFUSED = Problem(403, "forbidden", "This request is not accepted")
_UNSUPPORTED = Problem(415, "unsupported-media-type", "This form of body is not read here")
_ASKING = frozenset({Cause.UNSIGNED, Cause.UNAUTHENTICATED})
_BODY: dict[str, object] = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}

_LOG = logging.getLogger("phitrail.hooks")


def router(services: Services, hooks: Mapping[str, Hook], tally: HookTally | None = None) -> APIRouter:
    """
    The routes for `hooks`, by provider; any other name is not found.

    `tally` counts how requests ended; `HookMetrics` shows it.
    """
    routes = APIRouter(tags=["hooks"])
    bodies = Bodies(MAX_TOGETHER)
    counted = tally or HookTally()

    async def receive(request: Request, provider: str, token: str | None) -> Response:
        hook = hooks.get(provider)
        if hook is None:
            raise NotFound("There is nothing at this address.")
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            return problem_response(_UNSUPPORTED, "Content-Encoding has to be absent: signatures are over the body as it is.")
        try:
            if not hook.check.needs_body:
                hook.check(_asked(request, b"", token))
            with bodies.holding() as held:
                body = b"".join(await read_body(_bounded(request.stream()), held))
                asked = _asked(request, body, token)
                return await run_in_threadpool(_take, services, hook, asked, counted)
        except Refused as refusal:
            return _refused(hook, refusal, counted)
        except Backpressure:
            counted.count(hook.provider, "back_pressure")
            raise
        except ClientDisconnect:  # nobody is there to read it; nothing was stored
            return Response(status_code=400)

    @routes.post("/hooks/{provider}", operation_id="receiveWebhook", openapi_extra=_BODY)
    async def receive_webhook(request: Request, provider: str) -> Response:
        """Store the events a mail provider posts, once it is known to be the provider. Sending again is safe."""
        return await receive(request, provider, None)

    @routes.post("/hooks/{provider}/{token}", operation_id="receiveWebhookByToken", openapi_extra=_BODY)
    async def receive_webhook_by_token(request: Request, provider: str, token: str) -> Response:
        """The same for providers that can keep a secret in an address only."""
        return await receive(request, provider, token)

    return routes


class HookMetrics(Collector):
    """How requests to each hook ended, for `/metrics`."""

    def __init__(self, tally: HookTally) -> None:
        self._tally = tally

    def collect(self) -> Iterable[Metric]:
        """One counter, by provider and outcome."""
        family = CounterMetricFamily(
            "phitrail_hook_requests", "Requests of mail providers since the start.", labels=["provider", "outcome"]
        )
        for (provider, outcome), times in sorted(self._tally.counts().items()):
            family.add_metric([provider, outcome], times)
        yield family


def _asked(request: Request, body: bytes, token: str | None) -> HookRequest:
    return HookRequest(headers={name.lower(): value for name, value in request.headers.items()}, body=body, token=token)


def _take(services: Services, hook: Hook, asked: HookRequest, tally: HookTally) -> Response:
    """Check, then store. In a thread of its own: both may wait."""
    if hook.check(asked) is Verdict.ANSWER:
        tally.count(hook.provider, "answered")
        return _answer(Counts())
    answers = _store(services, _records(services, hook, asked.body))
    tally.count(hook.provider, "stored")
    return _answer(count(answers))


def _records(services: Services, hook: Hook, body: bytes) -> list[Record]:
    parser = WEBHOOK_PARSERS[hook.provider](hook.source_system, received=services.clock)
    records: list[Record] = []
    for record in WEBHOOK_SPLITTERS[hook.provider](Feed([body]), MAX_RECORD):
        if isinstance(record, Oversize):
            rejected = record.rejected(source_system=hook.source_system, format=parser.format)
            reason, head = rejected.reason, rejected.raw
            records.append([Fragment(source_system=hook.source_system, format=parser.format, reason=reason, raw=head)])
        else:
            records.append(understood(parser, record, source_system=hook.source_system))
    return records


def _store(services: Services, records: Sequence[Record]) -> list[list[Receipt]]:
    answers: list[list[Receipt]] = []
    for start in range(0, len(records), BATCH_RECORDS):
        answers += store_records(services.intake, records[start : start + BATCH_RECORDS])
    return answers


def _answer(counts: Counts) -> Response:
    body = {
        "read": counts.read,
        "accepted": counts.accepted,
        "duplicate": counts.duplicate,
        "quarantined": counts.quarantined,
        "spooled": counts.spooled,
    }
    return Response(orjson.dumps(body), media_type="application/json")


def _refused(hook: Hook, refusal: Refused, tally: HookTally) -> Response:
    tally.count(hook.provider, refusal.cause.value)
    _LOG.warning("a request to the hook of %s was refused (%s)", hook.provider, refusal.cause.value)
    if refusal.cause in _ASKING:
        # Some senders show their password only after they were asked for one.
        headers = {} if hook.check.needs_body else {"WWW-Authenticate": 'Basic realm="phitrail"'}
        return problem_response(_UNAUTHENTICATED, str(refusal), headers=headers)
    return problem_response(_REFUSED, str(refusal))


async def _bounded(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for piece in stream:
        size += len(piece)
        if size > MAX_BODY:
            raise TooLarge
        yield piece
