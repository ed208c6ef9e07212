"""Sending the streams through the collectors, as their source systems would: over sockets, several at once.

HTTP batches are acknowledged by the answer and sent again when the collector asks for time. Syslog has no acknowledgement: streams
are closed in good order, so that everything sent is read; datagrams go slowly, and the caller compares counts.
"""

import gzip
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import httpx

from domain.errors import DeliveryError
from runtime.demo.app import Doors
from runtime.demo.streams import Collector, Parcel, Stream
from runtime.demo.wire.syslog import octet_counted

LANES = 3
"""Connections of a sender with many requests, each with every third parcel."""

WORKERS = 8
FRAMES_AT_ONCE = 50
DATAGRAM_PAUSE = 0.004
PATIENCE_SECONDS = 60.0
TIMEOUT = 30.0
SOURCE_HEADER = "X-Source-System"

_CONTENT_TYPES = {Collector.HTTP: "application/x-ndjson", Collector.FHIR: "application/fhir+json"}

Progress = Callable[[Collector, int], None]
"""Called from the sending threads after each parcel with the number of records that went out."""


@dataclass(slots=True)
class _Trip:
    """What the sending threads share."""

    doors: Doors
    on_progress: Progress
    stop: threading.Event = field(default_factory=threading.Event)
    sent: Counter[Collector] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, collector: Collector, records: int) -> None:
        with self.lock:
            self.sent[collector] += records
        self.on_progress(collector, records)

    def pause(self, seconds: float) -> None:
        """Wait, or give up at once when another thread has failed."""
        if self.stop.wait(seconds):
            raise DeliveryError("sending was given up")


def send(streams: Sequence[Stream], doors: Doors, on_progress: Progress) -> Mapping[Collector, int]:
    """Send every stream; records sent by collector.

    Raises DeliveryError where a collector refuses or stays away longer than a minute; other threads then stop at their next parcel.
    """
    trip = _Trip(doors=doors, on_progress=on_progress)
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="demo-send") as pool:
        try:
            for finished in as_completed([pool.submit(task) for task in _tasks(streams, trip)]):
                finished.result()
        finally:
            trip.stop.set()
    return dict(trip.sent)


def _tasks(streams: Sequence[Stream], trip: _Trip) -> Iterator[Callable[[], None]]:
    for stream in streams:
        match stream.collector:
            case Collector.HTTP | Collector.FHIR:
                for lane in range(min(LANES, len(stream.parcels))):
                    yield partial(_post, trip, stream, stream.parcels[lane::LANES])
            case Collector.SYSLOG_UDP:
                yield partial(_datagrams, trip, stream, stream.parcels)
            case Collector.SYSLOG_TCP | Collector.SYSLOG_TLS:
                yield partial(_frames, trip, stream, stream.parcels)


def _post(trip: _Trip, stream: Stream, parcels: Sequence[Parcel]) -> None:
    headers = {
        "Authorization": f"Bearer {trip.doors.api_key}",
        "Content-Type": _CONTENT_TYPES[stream.collector],
        SOURCE_HEADER: stream.source_system,
    }
    compress = stream.collector is Collector.HTTP
    if compress:
        headers["Content-Encoding"] = "gzip"
    with httpx.Client(base_url=trip.doors.base_url, headers=headers, timeout=TIMEOUT, trust_env=False) as client:
        for parcel in parcels:
            body = gzip.compress(parcel.body, 1) if compress else parcel.body
            _until_taken(trip, stream.collector, partial(client.post, parcel.path, content=body))
            trip.note(stream.collector, parcel.records)


def _until_taken(trip: _Trip, collector: Collector, post: Callable[[], httpx.Response]) -> None:
    """Send one request; again after 503 when the collector says so (RFC 9110 section 10.2.3). The same ids make it safe."""
    waited = 0.0
    while True:
        try:
            response = post()
        except httpx.HTTPError as error:
            raise DeliveryError(f"{collector}: the collector could not be reached ({type(error).__name__})") from None
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        asked = response.headers.get("retry-after", "1")
        seconds = float(asked) if asked.isascii() and asked.isdigit() else 1.0
        if waited + seconds > PATIENCE_SECONDS:
            raise DeliveryError(f"{collector}: the collector stayed busy for {waited:.0f} seconds")
        trip.pause(seconds)
        waited += seconds
    if not (response.is_success or response.status_code in _UNDERSTOOD):
        raise DeliveryError(f"{collector}: the collector answered {response.status_code}")
    trip.pause(0)


_UNDERSTOOD = frozenset({httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY})
"""Answers to a body of which nothing could be read; the record is in quarantine nevertheless."""


def _frames(trip: _Trip, stream: Stream, parcels: Sequence[Parcel]) -> None:
    """Octet-counted messages on one connection (RFC 5425, RFC 6587)."""
    doors = trip.doors
    secure = stream.collector is Collector.SYSLOG_TLS
    try:
        with ExitStack() as stack:
            line = stack.enter_context(
                socket.create_connection((doors.host, doors.tls_port if secure else doors.tcp_port), TIMEOUT)
            )
            if secure:
                line = stack.enter_context(_secured(line, doors))
            for at in range(0, len(parcels), FRAMES_AT_ONCE):
                some = parcels[at : at + FRAMES_AT_ONCE]
                line.sendall(b"".join(octet_counted(parcel.body) for parcel in some))
                trip.note(stream.collector, sum(parcel.records for parcel in some))
                trip.pause(0)
            _close_in_good_order(line)
    except OSError as error:
        raise DeliveryError(f"{stream.collector}: the connection failed ({type(error).__name__})") from None


def _secured(plain: socket.socket, doors: Doors) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(doors.ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context.wrap_socket(plain, server_hostname=doors.host)


def _close_in_good_order(line: socket.socket) -> None:
    """Say that nothing follows and wait until the other side has read to the end: closing at once could lose what is on the way."""
    if isinstance(line, ssl.SSLSocket):
        line.unwrap().close()
        return
    line.shutdown(socket.SHUT_WR)
    while line.recv(4096):
        pass


def _datagrams(trip: _Trip, stream: Stream, parcels: Sequence[Parcel]) -> None:
    """One message each (RFC 5426), with a pause after each: nobody would notice a loss here."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        for parcel in parcels:
            line.sendto(parcel.body, (trip.doors.host, trip.doors.udp_port))
            trip.note(stream.collector, parcel.records)
            trip.pause(DATAGRAM_PAUSE)
