"""The way into the application without a socket: a synchronous httpx transport over its ASGI interface."""

import httpx
from anyio.from_thread import BlockingPortal
from starlette.types import ASGIApp


class Door(httpx.BaseTransport):
    """Calls the application on the portal's event loop, as a client at `address`; a defect becomes its answer, not an exception."""

    def __init__(self, portal: BlockingPortal, app: ASGIApp, address: str = "127.0.0.1") -> None:
        self._portal = portal
        self._inner = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 50_000))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx.BaseTransport."""
        return self._portal.call(self._handled, request, request.read())

    async def _handled(self, request: httpx.Request, body: bytes) -> httpx.Response:
        inner = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        answer = await self._inner.handle_async_request(inner)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        content = b"".join([piece async for piece in answer.stream])
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(content))
