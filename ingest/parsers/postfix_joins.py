"""What earlier lines of a Postfix log say about a later one: who sent the mail, and over which TLS session it left.

Postfix spreads one delivery over several lines of several processes. The sender is joined by queue id; the TLS session by the
process that opened it. Everything is bounded, and a join that is not certain is not made: the field stays absent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.json import Json
from ingest.parsers.postfix_fields import PostfixLine
from ingest.parsers.recent import Recent

MESSAGES = 50_000
PROCESSES = 5_000
_SLACK = timedelta(seconds=2)
_DELAYS = re.compile(r"[\d.]+/[\d.]+/(\d{1,6}(?:\.\d{1,6})?)/(\d{1,6}(?:\.\d{1,6})?)")

ProcessKey = tuple[str | None, str, str]
"""Host, program and process id."""
_PeerKey = tuple[str, Json]


_Round = tuple[str, int]
"""A queue id, and which of the times that the message was taken up for delivery."""


@dataclass(frozen=True, slots=True)
class _Session:
    """A session that a delivery process reported, or that it goes without TLS: with whom, when, and what the line says."""

    relay: Json
    opened: datetime
    facts: Mapping[str, Json]


@dataclass(slots=True)
class _Sessions:
    """Sessions that a delivery process reported since it took up its present message (`of`, once a line named it).

    `lost` are the addresses of relays with which it lost a connection since.
    """

    of: _Round | None = None
    lost: set[Json] = field(default_factory=set)
    by_peer: dict[_PeerKey, _Session] = field(default_factory=dict)

    def end(self, *, relay: Json = None, relay_ip: Json = None) -> None:
        """The sessions with a relay, known by its name or its address, are over."""
        self.by_peer = {
            key: one
            for key, one in self.by_peer.items()
            if (relay is None or one.relay != relay) and (relay_ip is None or key[0] != relay_ip)
        }


@dataclass(slots=True)
class _Proxied:
    """A session opened by tlsproxy(8) on behalf of some delivery process, until one message has used it."""

    opened: datetime
    facts: Mapping[str, Json]
    queue_id: str | None = None


class Messages:
    """Sender, size and message id by host and queue id. Postfix uses short queue ids again: a new message clears the old one."""

    def __init__(self) -> None:
        self._known: Recent[tuple[str | None, str], dict[str, Json]] = Recent(MESSAGES)

    def learn(self, host: str | None, line: PostfixLine) -> None:
        """Take in one line about a message."""
        if line.queue_id is None:
            return
        key = (host, line.queue_id)
        known = self._known.get(key) or {}
        if line.action in ("mail_accepted", "mail_submitted") or (line.action == "mail_received" and "message_id" in known):
            known = {}
        for name in ("from", "size", "nrcpt", "message_id"):
            if line.action in ("mail_received", "mail_queued", "mail_submitted", "mail_expired") and name in line.facts:
                known[name] = line.facts[name]
        self._known.put(key, known)

    def ended(self, host: str | None, line: PostfixLine) -> None:
        """Forget a message that a line says has left the queue."""
        if line.queue_id is not None and line.action in ("mail_removed", "mail_deleted"):
            self._known.forget((host, line.queue_id))

    def about(self, host: str | None, queue_id: str) -> Mapping[str, Json]:
        """What is known of a message by now; empty where its lines have not come or have been forgotten."""
        return self._known.get((host, queue_id)) or {}


class TlsSessions:
    """Joins TLS summary lines to the deliveries they carried."""

    def __init__(self) -> None:
        self._processes: Recent[ProcessKey, _Sessions] = Recent(PROCESSES)
        self._proxied: Recent[tuple[str | None, _PeerKey], _Proxied] = Recent(PROCESSES)
        self._inbound: Recent[ProcessKey, tuple[Json, Mapping[str, Json]]] = Recent(PROCESSES)
        self._rounds: Recent[tuple[str | None, str], int] = Recent(MESSAGES)

    def taken_up(self, host: str | None, queue_id: str) -> None:
        """The queue manager handed a message to delivery processes, for the first time or again: no earlier session carries it."""
        self._rounds.put((host, queue_id), (self._rounds.get((host, queue_id)) or 0) + 1)

    def opened(self, process: ProcessKey, relay: Mapping[str, Json], facts: Mapping[str, Json], at: datetime) -> None:
        """A delivery process reported a session."""
        sessions = self._since_last(process)
        sessions.by_peer[_peer_key(relay)] = _Session(relay.get("relay"), at, facts)
        self._processes.put(process, sessions)

    def left_plain(self, process: ProcessKey, relay: Json, facts: Mapping[str, Json], at: datetime) -> None:
        """A delivery process reported that it leaves a STARTTLS offer unused. A session that it had with this relay is over:
        Postfix falls back to plain text where TLS fails and the policy allows it."""
        sessions = self._since_last(process)
        sessions.end(relay=relay)
        sessions.by_peer[str(relay), None] = _Session(relay, at, facts)
        self._processes.put(process, sessions)

    def broke(self, process: ProcessKey, queue_id: str, relay_ip: Json) -> None:
        """A delivery process lost its connection: what it delivers to this relay afterwards goes over another one."""
        sessions = self.used(process, queue_id)
        sessions.end(relay_ip=relay_ip)
        sessions.lost.add(relay_ip)

    def opened_by_proxy(self, host: str | None, relay: Mapping[str, Json], facts: Mapping[str, Json], at: datetime) -> None:
        """tlsproxy(8) reported a session; which delivery process asked for it is not in the line."""
        self._proxied.put((host, _peer_key(relay)), _Proxied(opened=at, facts=facts))

    def used(self, process: ProcessKey, queue_id: str) -> _Sessions:
        """A process spoke of a message: its sessions belong to this message and to no later one."""
        sessions, now = self._processes.get(process), (queue_id, self._rounds.get((process[0], queue_id)) or 0)
        if sessions is None or sessions.of not in (None, now):
            sessions = _Sessions()
        sessions.of = now
        self._processes.put(process, sessions)
        return sessions

    def of_delivery(
        self, process: ProcessKey, queue_id: str, delivery: Mapping[str, Json], ended: datetime
    ) -> Mapping[str, Json] | None:
        """The session that carried a delivery, or None where no line proves one. `delivery` are the facts of its status line."""
        sessions = self.used(process, queue_id)
        key, host = _peer_key(delivery), str(delivery.get("relay"))
        own = sessions.by_peer.get(key) or sessions.by_peer.get((host, None))  # some lines name the host only
        spent = _connected_for(delivery.get("delays"))
        proxied = self._proxied.get((process[0], key))
        if own is not None and (spent is None or ended - spent - _SLACK <= own.opened):
            if proxied is not None:
                proxied.queue_id = queue_id  # both report a session that one opened for the other
            return own.facts
        if proxied is None or spent is None or proxied.queue_id not in (None, queue_id) or key[0] in sessions.lost:
            return None
        if not ended - spent - _SLACK <= proxied.opened <= ended + _SLACK:
            return None  # an older session: this delivery may have gone without
        proxied.queue_id = queue_id
        return {**proxied.facts, "joined_by": "relay and time"}

    def _since_last(self, process: ProcessKey) -> _Sessions:
        """The sessions that a process reported since it last spoke of a message."""
        sessions = self._processes.get(process)
        return _Sessions() if sessions is None or sessions.of is not None else sessions

    def client_arrived(self, process: ProcessKey) -> None:
        """A server process greeted its next client: the last one's session is over."""
        self._inbound.forget(process)

    def client_secured(self, process: ProcessKey, client_ip: Json, facts: Mapping[str, Json]) -> None:
        """A server process reported the session of its client."""
        self._inbound.put(process, (client_ip, facts))

    def of_client(self, process: ProcessKey, client_ip: Json) -> Mapping[str, Json] | None:
        """The session over which a client handed in its mail, where a line proves one."""
        known = self._inbound.get(process)
        return known[1] if known is not None and known[0] == client_ip else None


def _peer_key(relay: Mapping[str, Json]) -> _PeerKey:
    return str(relay.get("relay_ip") or relay.get("relay")), relay.get("relay_port")


def _connected_for(delays: Json) -> timedelta | None:
    """Seconds from the first connection attempt to the end: the last two of `delays=a/b/c/d` (postconf delay_logging)."""
    found = _DELAYS.fullmatch(delays) if isinstance(delays, str) else None
    return timedelta(seconds=float(found[1]) + float(found[2])) if found else None
