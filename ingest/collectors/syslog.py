"""Syslog over UDP, TCP and TLS: one thread receives for all ports, one thread per port stores."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Self

from domain.clock import Clock
from domain.errors import ConfigError
from ingest.collectors.listeners import DatagramPort, Feed, Listener, Port, StreamPort, make_feed
from ingest.collectors.tally import ListenerCounters, Transport
from ingest.pipeline import Desk

DRAIN_SECONDS = 5.0


class SyslogCollector:
    """
    Receives syslog on its listeners from `start` until `stop`.

    Syslog has no acknowledgement: what a sender's system has sent and we have not read can be lost. So a TCP or TLS sender is not
    read faster than the store takes, and `stop` reads what has arrived before it closes. A message that does not come whole is kept
    in quarantine, with the reason. Not to be started twice.
    """

    def __init__(self, listeners: Sequence[Listener], intake: Desk, clock: Clock, *, drain_seconds: float = DRAIN_SECONDS) -> None:
        """`drain_seconds` bounds how long `stop` waits for senders, and again how long it waits for the store."""
        self._drain_seconds = drain_seconds
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="syslog-receive", daemon=True)
        self._ports = [(settings, *self._port(settings, intake, clock)) for settings in listeners]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Open every port. Raises ConfigError, with nothing left open, when one cannot be opened."""
        self._thread.start()
        opened: list[Port] = []
        for settings, port, _ in self._ports:
            try:
                self._in_loop(port.open())
            except OSError as error:
                for other in opened:
                    self._in_loop(other.drain(0))
                self._end_loop()
                raise ConfigError(
                    f"syslog listener {settings.name} cannot listen on {settings.host} port {settings.port}: {error.strerror}"
                ) from None
            opened.append(port)
        for _, _, feed in self._ports:
            feed.storing.start()

    def stop(self) -> None:
        """Accept no more, read what was sent, store it, end."""
        self._in_loop(self._drain())
        for _, _, feed in self._ports:
            feed.storing.stop(self._drain_seconds)
        self._end_loop()

    def address(self, name: str) -> tuple[str, int]:
        """Host and port that the listener of this name listens on."""
        return next(port.address for settings, port, _ in self._ports if settings.name == name)

    def counters(self) -> list[ListenerCounters]:
        """The counts of every listener."""
        return [_counters(settings, port, feed) for settings, port, feed in self._ports]

    def _port(self, settings: Listener, intake: Desk, clock: Clock) -> tuple[Port, Feed]:
        if settings.transport is Transport.UDP:
            feed = make_feed(settings, intake, clock, lambda: None)
            return DatagramPort(settings, feed), feed
        feed = make_feed(settings, intake, clock, lambda: self._call(stream.go_on))
        stream = StreamPort(settings, feed)
        return stream, feed

    async def _drain(self) -> None:
        await asyncio.gather(*(port.drain(self._drain_seconds) for _, port, _ in self._ports))

    def _in_loop(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _call(self, what: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(what)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


def _counters(settings: Listener, port: Port, feed: Feed) -> ListenerCounters:
    tally = feed.tally
    settled = tally.stored.read + tally.abandoned
    return ListenerCounters(
        name=settings.name,
        transport=settings.transport,
        bytes=tally.bytes,
        messages=tally.messages,
        incomplete=tally.incomplete,
        dropped=tally.dropped,
        waiting=tally.messages - settled,
        accepted=tally.stored.accepted,
        duplicate=tally.stored.duplicate,
        quarantined=tally.stored.quarantined,
        spooled=tally.stored.spooled,
        abandoned=tally.abandoned,
        backpressure=tally.backpressure,
        failures=tally.failures,
        connections=port.connections,
        connections_accepted=tally.connections_accepted,
        connections_refused=tally.connections_refused,
        connections_timed_out=tally.connections_timed_out,
        handshakes_failed=tally.handshakes_failed,
        fault=tally.fault,
    )
