"""Mailtrap Email Sending: webhooks, `{"events": […]}` or JSON Lines, and the account's activity log.

Mailtrap says nothing about TLS. A soft bounce is tried again, so it is a deferral.
"""

from collections.abc import Iterator, Mapping

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind
from ingest.parsers.addresses import ip_of
from ingest.parsers.shapes import mapping
from ingest.parsers.webhook_events import (
    BOUNCED,
    CLICKED,
    COMPLAINT,
    DEFERRED,
    DELIVERED,
    DROPPED,
    OPENED,
    UNSUBSCRIBED,
    Meaning,
    Told,
    WebhookParser,
    meaning_of,
)
from ingest.parsers.webhook_values import address, reply, snake, text, word_of, words

_MEANINGS: Mapping[str, Meaning] = {
    "delivery": DELIVERED,
    "bounce": BOUNCED,
    "soft_bounce": DEFERRED,
    "suspension": DROPPED,
    "reject": DROPPED,
    "spam": COMPLAINT,
    "spam_complaint": COMPLAINT,
    "unsubscribe": UNSUBSCRIBED,
    "open": OPENED,
    "click": CLICKED,
}
_ACTIVITY = "activity_log."


class MailtrapParser(WebhookParser):
    """Reads webhook bodies."""

    format = "mailtrap"
    provider = "Mailtrap"

    def _told(self, event: Mapping[str, object]) -> Iterator[Told]:
        if isinstance(events := event.get("events"), list):
            for one in events:
                yield _one(mapping(one))
        else:
            yield _one(event)


def _one(event: Mapping[str, object]) -> Told:
    word = word_of(event.get("event"))
    if word is None:
        raise InvalidInput("event is missing: the record is no event of Mailtrap")
    if word.startswith(_ACTIVITY):
        return _activity(event, word)
    ip = ip_of(text(event.get("ip")))
    facts: dict[str, object] = {
        "message_id": text(event.get("message_id")),
        "provider_message_id": text(event.get("message_id")),
        "direction": "outbound",
        **reply(event.get("response"), code=event.get("response_code")),
        "reason": text(event.get("reason")) or text(event.get("response")),
        "category": text(event.get("bounce_category")),
        "tags": words(event.get("category")),
        "metadata": event.get("custom_variables"),
        "stream": text(event.get("sending_stream")),
        "sending_domain": text(event.get("sending_domain_name")),
        "user_agent": text(event.get("user_agent")),
        "client_ip": ip,
        "url": text(event.get("url")),
    }
    return Told(
        word=word,
        meaning=meaning_of(word, _MEANINGS),
        content=event,
        own_id=text(event.get("event_id")),
        times=(event.get("timestamp"),),
        to=[found] if (found := address(event.get("email"))) else [],
        facts=facts,
        ip=ip,
    )


def _activity(event: Mapping[str, object], word: str) -> Told:
    """Something that a person, a token or Mailtrap itself did in the account."""
    who, what = mapping(event.get("actor")), mapping(event.get("resource"))
    name, kind = text(who.get("name")) or text(who.get("id")), text(who.get("type"))
    kinds = {"user": ActorKind.STAFF, "api_token": ActorKind.SERVICE}
    return Told(
        word=word,
        meaning=(snake(word.removeprefix(_ACTIVITY)), None),
        content=event,
        own_id=text(event.get("event_id")),
        times=(event.get("timestamp"),),
        facts={
            "reason": text(event.get("description")),
            "target": text(what.get("name")),
            "target_id": text(what.get("id")),
            "target_type": text(what.get("type")),
            "actor_id": text(who.get("id")),
            "changes": event.get("changes"),
        },
        actor=Actor(id=name[:512], kind=kinds.get(kind or "", ActorKind.SYSTEM)) if name else None,
    )
