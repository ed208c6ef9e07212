"""One TCP or TLS connection of a syslog sender."""

import asyncio
import ssl
from typing import Protocol, cast

from ingest.collectors.framing import FrameReader, Message

HANDSHAKE_SECONDS = 10.0

_LOST = "the connection ended before the end of the message"
_STALLED = "the sender stopped in the middle of the message"
_STOPPED = "the collector was stopped before the end of the message came"


class Receiver(Protocol):
    """What a connection needs of its listener. Called in the receiving thread only."""

    def admit(self, connection: "Connection") -> bool:
        """Count a new connection in; False when there are too many."""

    def leave(self, connection: "Connection") -> None:
        """Count it out."""

    def received(self, connection: "Connection", size: int, messages: list[Message]) -> bool:
        """Take `size` bytes and the messages that ended in them; True when the connection is to stop reading."""

    def handshake_failed(self) -> None:
        """Count a TLS handshake that came to nothing."""


class Connection(asyncio.Protocol):
    """Reads messages until the sender, the network, a time limit or the collector ends it. Unfinished ones are handed over too."""

    def __init__(self, receiver: Receiver, *, serial: int, limit: int, context: ssl.SSLContext | None) -> None:
        """`limit` is the longest message in bytes; with a `context` the connection begins with a TLS handshake."""
        self._receiver = receiver
        self._serial = serial
        self._context = context
        self._reader = FrameReader(limit)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._securing: asyncio.Task[None] | None = None
        self._is_held = False
        self._last = self._begun = self._loop.time()
        self.peer = ""
        self.stream = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the sender, and agree on TLS where it is asked for."""
        plain = cast("asyncio.Transport", transport)
        name = plain.get_extra_info("peername") or ("unknown", 0)
        self.peer = str(name[0]).removeprefix("::ffff:")
        self.stream = f"{self.peer}:{name[1]}#{self._serial}"
        if not self._receiver.admit(self):
            plain.abort()
        elif self._context is None:
            self._transport = plain
        else:
            plain.pause_reading()
            self._securing = self._loop.create_task(self._secure(plain, self._context))

    async def _secure(self, plain: asyncio.Transport, context: ssl.SSLContext) -> None:
        try:
            secured = await self._loop.start_tls(
                plain, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS, ssl_shutdown_timeout=1.0
            )
        except OSError:
            secured = None
        if secured is None:
            plain.abort()
            self._receiver.handshake_failed()
            self._receiver.leave(self)
            return
        self._transport = secured
        if self._is_held:
            secured.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Cut the bytes into messages and hand them over; stop reading when the queue is full."""
        self._last = self._loop.time()
        was_partial = self._reader.is_partial
        messages = self._reader.feed(data)
        if messages or not was_partial:
            self._begun = self._last
        if self._receiver.received(self, len(data), messages):
            self.hold()

    def eof_received(self) -> None:
        """The sender has closed its side."""
        self._finish(_LOST, clean=True)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 (asyncio names it)
        """The connection is gone."""
        self._finish(_LOST, clean=False)
        self._receiver.leave(self)

    def hold(self) -> None:
        """Read no more: the sender feels it through TCP."""
        self._is_held = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Read again; the time spent held does not count against the sender."""
        if not self._is_held:
            return
        self._is_held = False
        self._last = self._begun = self._loop.time()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def overdue(self, *, message_seconds: float, idle_seconds: float) -> bool:
        """True when a begun message has not ended in time, or nothing came for long."""
        if self._is_held or self._transport is None:
            return False
        now = self._loop.time()
        return now - self._begun > message_seconds if self._reader.is_partial else now - self._last > idle_seconds

    def is_quiet(self, seconds: float) -> bool:
        """True when nothing came for so long although we were reading."""
        return self._transport is not None and not self._is_held and self._loop.time() - self._last > seconds

    def time_out(self) -> None:
        """End a connection whose time is over."""
        self._end(_STALLED)

    def abort(self) -> None:
        """End the connection at once because the collector stops."""
        self._end(_STOPPED)

    def close(self) -> None:
        """End the connection in good order because the collector stops."""
        self._finish(_STOPPED, clean=True)
        if self._transport is not None:
            self._transport.close()

    def _end(self, reason: str) -> None:
        self._finish(reason, clean=False)
        if self._transport is not None:
            self._transport.abort()
        elif self._securing is not None and self._securing.cancel():
            self._receiver.leave(self)

    def _finish(self, reason: str, *, clean: bool) -> None:
        if messages := self._reader.finish(reason, clean=clean):
            self._receiver.received(self, 0, messages)
