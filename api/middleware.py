"""What holds for every answer: security headers, a bound on what may be sent, and a request log that knows no PHI.

The log names the route, never the path, and no query: a path may hold a patient id.
"""

import logging
import traceback
from collections.abc import Callable, Mapping

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import PROBLEMS, TooLarge, defect_response, problem_response

log = logging.getLogger("phitrail.http")

DEFAULT_LIMIT = 1024 * 1024
"""Bytes of a request body: forms and decisions."""

INTAKE_LIMIT = 64 * 1024 * 1024
"""Bytes of a request body as sent (compressed) where records come in. What it unpacks to is bounded by intake itself."""

INTAKE_PREFIXES = ("/v1/events", "/v1/logs", "/v1/context", "/fhir", "/hooks/")

_HEADERS: Mapping[str, str] = {
    # No inline style or script anywhere: injected markup can neither run nor restyle. 'self' only, and nobody may frame us.
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Addresses in here may name a patient; they leave with no request.
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecurityHeaders:
    """Adds the headers above, and `no-store` unless the route chose otherwise (only static files and full tiles do)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Refuses a body over its limit: at once where its length is announced, else as soon as it is passed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = INTAKE_LIMIT if scope["path"].startswith(INTAKE_PREFIXES) else DEFAULT_LIMIT
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > limit:
            await _too_large(limit)(scope, receive, send)
            return
        seen, started = 0, False

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, bounded, watched)
        except TooLarge:
            if started:
                raise
            await _too_large(limit)(scope, receive, send)


class Defects:
    """Answers what no route foresaw. The log gets the kind of error and where it arose, never its message: that may hold PHI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except TooLarge:
            raise
        except Exception as error:  # noqa: BLE001 - the loop of the server: it records, answers and goes on
            frames = traceback.extract_tb(error.__traceback__)
            where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames[-6:]))
            log.error("%s in %s %s at %s", type(error).__name__, scope["method"], _route(scope), where)  # noqa: TRY400 - no message
            if not started:
                await defect_response(Request(scope))(scope, receive, send)


class RequestLog:
    """One line a request: method, route, status, milliseconds. `ticks` gives seconds that only go forward."""

    def __init__(self, app: ASGIApp, ticks: Callable[[], float]) -> None:
        self._app = app
        self._ticks = ticks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = self._ticks(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            log.info("%s %s %d %.0f ms", scope["method"], _route(scope), status, (self._ticks() - start) * 1000)


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "(no route)")


def _too_large(limit: int) -> ASGIApp:
    detail = f"A request to this address may hold {limit // 1024:,} KiB; send less at a time."
    return problem_response(PROBLEMS[TooLarge], detail, headers={"Connection": "close"})
