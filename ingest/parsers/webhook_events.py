"""What the webhooks of mail providers have in common: meanings, ids, and how one event becomes one for each recipient.

A parser of a provider says what an event means (`Told`); here it becomes events of the ledger. `details` carry, as far as the
provider says it: `to to_domain from subject message_id provider_message_id direction relay relay_ip client_ip sending_ip dsn
reply_code response reason category event_type tags metadata user_agent url`, and `tls`, which is about the delivery to the
recipient's server and nothing else.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import ClassVar

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Geo, Source
from domain.json import Json, canonical, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.shapes import decode_json, kind_of
from ingest.parsers.webhook_values import instant_of, recipient, snake

Meaning = tuple[str, str | None]
"""An action and its outcome."""

DELIVERED: Meaning = ("deliver", "delivered")
BOUNCED: Meaning = ("bounce", "bounced")
DEFERRED: Meaning = ("defer", "deferred")
DROPPED: Meaning = ("discard", "dropped")
ACCEPTED: Meaning = ("mail_accepted", None)
OPENED: Meaning = ("mail_opened", None)
CLICKED: Meaning = ("mail_clicked", None)
COMPLAINT: Meaning = ("mail_complaint", None)
UNSUBSCRIBED: Meaning = ("mail_unsubscribed", None)
SUBSCRIBED: Meaning = ("mail_subscribed", None)
OTHER: Meaning = ("mail_event", None)

MOST_RECIPIENTS = 10_000
_LONGEST_ID = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """
    What one event says.

    `times` are tried in order, the first that is an instant counts; without one it is the moment of receipt. `own_id` is the
    provider's id of this event; where it has none, `content` (what the provider said, without envelope and signature) stands for
    it. `facts` are details by our names; what is None or empty is left out, except `tls`, where None means plain text. `apart`
    are the facts that hold for one of the recipients only.
    """

    word: str
    meaning: Meaning
    content: object
    own_id: str | None = None
    times: Sequence[object] = ()
    to: Sequence[str] = ()
    sender: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    apart: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    ip: str | None = None
    geo: Geo | None = None
    actor: Actor | None = None


class WebhookParser(ABC):
    """Reads what one provider posts: one event, an array of them, or an object around them."""

    format: ClassVar[str]
    provider: ClassVar[str]
    """The provider's name for people, and the actor of events that name no sender."""

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC) -> None:
        """`zone` is what times without an offset are in; few providers send any."""
        self._source_system = source_system
        self._received = received
        self._zone = zone

    def parse(self, record: bytes) -> list[Parsed]:
        """An event per recipient of each event in the record, or one Rejected."""
        try:
            return [*self._events(record)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=record)]

    @abstractmethod
    def _told(self, event: Mapping[str, object]) -> Iterator[Told]:
        """What an object of the record says. Raises InvalidInput where it is none of the provider's."""

    def _decoded(self, record: bytes) -> object:
        """The record as JSON."""
        return decode_json(record)

    def _events(self, record: bytes) -> Sequence[AuditEvent]:
        value = self._decoded(record)
        events: list[AuditEvent] = []
        seen: dict[str, int] = {}
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                raise InvalidInput(f"the record is {kind_of(one)}, not an object")
            for told in self._told(one):
                identifier = _identifier(told)
                seen[identifier] = times = seen.get(identifier, 0) + 1
                events += self._made(told, identifier if times == 1 else f"{identifier}~{times}", record)
        if not events:
            raise InvalidInput(f"the record holds no event of {self.provider}")
        return events

    def _made(self, told: Told, identifier: str, record: bytes) -> Iterator[AuditEvent]:
        if len(told.to) > MOST_RECIPIENTS:
            raise InvalidInput(f"the event has {len(told.to)} recipients, too many to tell apart")
        moment = next((found for value in told.times if (found := instant_of(value, self._zone))), None)
        facts = _kept({"event_type": told.word, "provider": self.format, "from": told.sender, **told.facts})
        if moment is None:
            facts["time_from"] = "receipt"
        action, outcome = told.meaning
        sender = told.sender if told.sender and "@" in told.sender else None
        actor = told.actor or (
            Actor(id=sender[:512], kind=ActorKind.SYSTEM) if sender else Actor(id=self.provider, kind=ActorKind.SERVICE)
        )
        recipients: Sequence[str | None] = list(dict.fromkeys(told.to)) or [None]
        for place, to in enumerate(recipients, start=1):
            yield AuditEvent(
                source_system=self._source_system,
                event_id=identifier if place == 1 else f"{identifier}#{place}",
                time=moment or self._received(),
                source=Source.MAIL,
                action=action[:128],
                actor=actor,
                outcome=outcome,
                ip=told.ip,
                geo=told.geo,
                details={**recipient(to), **facts, **_kept(told.apart.get(to or "", {}))},
                raw=record,
                format=self.format,
            )


def _identifier(told: Told) -> str:
    """
    The provider's id with the kind of event, else the SHA-256 of what was said.

    The kind is part of it because ids are promised to be unique only among the events of one kind, or of one day.
    """
    if told.own_id and len(told.own_id) <= _LONGEST_ID:
        return f"{told.own_id}:{snake(told.word)[:64]}"
    try:
        normal = normalise({"event": told.content, "id": told.own_id})
    except ValueError as error:
        raise InvalidInput(f"the record is {error}") from None
    assert isinstance(normal, Mapping)
    return hashlib.sha256(canonical(normal)).hexdigest()


def _kept(facts: Mapping[str, object]) -> dict[str, Json]:
    """The facts that say something, in canonical form."""
    try:
        normal = normalise({name: value for name, value in facts.items() if value not in (None, "", [], {}) or name == "tls"})
    except ValueError as error:
        raise InvalidInput(f"the record is {error}") from None
    assert isinstance(normal, dict)
    return normal


def meaning_of(word: str, known: Mapping[str, Meaning]) -> Meaning:
    """What a provider's word for an event means; a word that is not known is the action itself."""
    plain = snake(word)
    return known.get(plain) or (plain[:128] or "mail_event", None)
