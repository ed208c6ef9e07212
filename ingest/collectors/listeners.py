"""A port that syslog messages arrive at, and the queue behind it. All methods run in the receiving thread."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from itertools import count
from typing import Protocol

from domain.clock import Clock
from domain.errors import ConfigError
from ingest.collectors.connection import Connection
from ingest.collectors.framing import Message
from ingest.collectors.routing import SyslogRouter
from ingest.collectors.storing import Arrived, Storing
from ingest.collectors.tally import Tally, Transport
from ingest.inbox import Inbox
from ingest.pipeline import Desk

_LONGEST_DATAGRAM = 65_536
_DATAGRAMS_AT_ONCE = 500
_RECEIVE_BUFFER = 8 * 1024 * 1024
_QUIET_SECONDS = 0.25
_SWEEP_SECONDS = 0.5
_BACKLOG = 512
_BLANK = b" \t\r\n\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """
    Settings of one port; port 0 takes any free one.

    `source_system` None: each message's HOSTNAME names its source, and the peer's address where there is none. `zone` is that of
    time stamps without an offset (RFC 3164). `message_seconds` bounds how long one message may take to arrive, `idle_seconds` how
    long a connection may be silent. The queue holds `max_waiting` messages or `max_waiting_bytes`. Raises ConfigError.
    """

    name: str
    transport: Transport
    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    source_system: str | None = None
    zone: tzinfo = UTC
    tls_logging_proven: bool = False
    max_message: int = 1024 * 1024
    max_connections: int = 512
    message_seconds: float = 60.0
    idle_seconds: float = 6 * 3600.0
    max_waiting: int = 20_000
    max_waiting_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        if (self.transport is Transport.TLS) != (self.tls is not None):
            raise ConfigError(f"syslog listener {self.name}: a certificate is needed for TLS, and only for TLS")


class Port(Protocol):
    """A listening port. `drain` stops accepting, takes what senders had already sent, and ends; it may use up to `seconds`."""

    @property
    def address(self) -> tuple[str, int]: ...

    @property
    def connections(self) -> int: ...

    async def open(self) -> None: ...

    async def drain(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Feed:
    """The queue behind a port, with its counts and its storing thread."""

    tally: Tally
    inbox: Inbox[Arrived]
    storing: Storing


def make_feed(settings: Listener, intake: Desk, clock: Clock, on_room: Callable[[], None]) -> Feed:
    """The queue for a port. `on_room` is called in the storing thread when a full queue has fallen to half."""
    tally = Tally()
    inbox: Inbox[Arrived] = Inbox(max_items=settings.max_waiting, max_bytes=settings.max_waiting_bytes, on_room=on_room)

    def new_router(peer: str) -> SyslogRouter:
        return SyslogRouter(
            source_system=settings.source_system,
            received=clock,
            peer=peer,
            zone=settings.zone,
            tls_logging_proven=settings.tls_logging_proven,
        )

    storing = Storing(name=settings.name, inbox=inbox, intake=intake, new_router=new_router, tally=tally)
    return Feed(tally, inbox, storing)


class StreamPort:
    """TCP (RFC 6587) and TLS (RFC 5425). A full queue stops the reading of whoever sends."""

    def __init__(self, settings: Listener, feed: Feed) -> None:
        self._settings = settings
        self._feed = feed
        self._serials = count(1)
        self._open: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._server is not None
        host, port, *_ = self._server.sockets[0].getsockname()
        return host, port

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._open)

    async def open(self) -> None:
        """Listen. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, self._settings.host, self._settings.port, backlog=_BACKLOG)
        self._sweeping = loop.create_task(self._sweep())

    async def drain(self, seconds: float) -> None:
        """Wait for connections to end or fall silent, then end them."""
        assert self._server is not None
        assert self._sweeping is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        for _ in range(2):  # one round of the event loop accepts what the kernel already holds
            await asyncio.sleep(0)
        self._server.close()
        self._sweeping.cancel()
        while self._open and loop.time() < deadline:
            for connection in list(self._open):
                if connection.is_quiet(_QUIET_SECONDS):
                    connection.close()
            await asyncio.sleep(_QUIET_SECONDS / 10)
        for connection in list(self._open):
            connection.abort()
        while self._open:
            await asyncio.sleep(0)

    def go_on(self) -> None:
        """Read again from all who were held."""
        for connection in self._open:
            connection.go_on()

    def admit(self, connection: Connection) -> bool:
        """See `Receiver`."""
        if len(self._open) >= self._settings.max_connections:
            self._feed.tally.connections_refused += 1
            return False
        self._feed.tally.connections_accepted += 1
        self._open.add(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """See `Receiver`."""
        if connection in self._open:
            self._open.discard(connection)
            self._feed.inbox.push(Arrived(connection.stream, connection.peer, None), 0)

    def received(self, connection: Connection, size: int, messages: list[Message]) -> bool:
        """See `Receiver`."""
        tally = self._feed.tally
        tally.bytes += size
        for message in messages:
            tally.messages += 1
            tally.incomplete += message.fault is not None
            arrived = Arrived(connection.stream, connection.peer, message)
            self._feed.inbox.push(arrived, arrived.size)
        return self._feed.inbox.is_full

    def handshake_failed(self) -> None:
        """See `Receiver`."""
        self._feed.tally.handshakes_failed += 1

    def _connection(self) -> Connection:
        return Connection(self, serial=next(self._serials), limit=self._settings.max_message, context=self._settings.tls)

    async def _sweep(self) -> None:
        settings = self._settings
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            for connection in list(self._open):
                if connection.overdue(message_seconds=settings.message_seconds, idle_seconds=settings.idle_seconds):
                    self._feed.tally.connections_timed_out += 1
                    connection.time_out()


class DatagramPort:
    """UDP (RFC 5426): one datagram, one message. What finds the queue full is dropped, and counted: UDP cannot be held back."""

    connections = 0

    def __init__(self, settings: Listener, feed: Feed) -> None:
        self._settings = settings
        self._feed = feed
        self._socket: socket.socket | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._socket is not None
        host, port, *_ = self._socket.getsockname()
        return host, port

    async def open(self) -> None:
        """Listen. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._settings.host, self._settings.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)  # the kernel may grant less
        try:
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        loop.add_reader(self._socket, self._read)

    async def drain(self, seconds: float) -> None:
        """Take what the kernel holds, as fast as the store lets us, then end."""
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        loop.remove_reader(self._socket)
        while loop.time() < deadline:
            if self._feed.inbox.is_full:
                await asyncio.sleep(0.01)
            elif not self._receive():
                break
        self._socket.close()

    def _read(self) -> None:
        for _ in range(_DATAGRAMS_AT_ONCE):
            if not self._receive():
                return

    def _receive(self) -> bool:
        """Take one datagram. False when there is none."""
        assert self._socket is not None
        try:
            data, sender = self._socket.recvfrom(_LONGEST_DATAGRAM)
        except OSError:  # none there, or the network reported an error about an earlier one
            return False
        tally = self._feed.tally
        tally.bytes += len(data)
        message = Message(data.strip(_BLANK))
        if message.data:
            peer = str(sender[0]).removeprefix("::ffff:")
            if self._feed.inbox.offer(Arrived(f"{peer}:{sender[1]}", peer, message), len(data)):
                tally.messages += 1
            else:
                tally.dropped += 1
        return True
