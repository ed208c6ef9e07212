"""What a listener has seen, counted: the sum of what was read is always accounted for."""

from dataclasses import dataclass, field
from enum import StrEnum

from ingest.pipeline import Counts


class Transport(StrEnum):
    """How syslog messages travel: RFC 5426, RFC 6587, RFC 5425."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerCounters:
    """One listener, since it started.

    messages = accepted + duplicate + quarantined + spooled + waiting + abandoned. `spooled` ones are durable on this node's disk
    until a store that is away returns. `dropped` datagrams found the queue full and are not among the messages; `incomplete`
    messages and those too long are, as quarantined. `abandoned` is what was still waiting when the listener was stopped while
    neither store nor spool took it. `fault` says why storing has stopped for good.
    """

    name: str
    transport: Transport
    bytes: int
    messages: int
    incomplete: int
    dropped: int
    waiting: int
    accepted: int
    duplicate: int
    quarantined: int
    spooled: int
    abandoned: int
    backpressure: int
    failures: int
    connections: int
    connections_accepted: int
    connections_refused: int
    connections_timed_out: int
    handshakes_failed: int
    fault: str | None


@dataclass(slots=True)
class Tally:
    """The running counts. Each field has one writing thread, so readers need no lock."""

    # written by the receiving thread
    bytes: int = 0
    messages: int = 0
    incomplete: int = 0
    dropped: int = 0
    connections_accepted: int = 0
    connections_refused: int = 0
    connections_timed_out: int = 0
    handshakes_failed: int = 0
    # written by the storing thread
    stored: Counts = field(default_factory=Counts)
    abandoned: int = 0
    backpressure: int = 0
    failures: int = 0
    fault: str | None = None
