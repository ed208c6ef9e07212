"""Brevo (once Sendinblue): webhooks of transactional mail, of campaigns, and of inbound mail.

Times come in four spellings. `ts_epoch` in milliseconds is UTC; `ts_event` and `ts` are seconds in UTC, but were seen hours
wrong beside a right `ts_epoch`; `date` is in the account's zone. Brevo says nothing about TLS and gives events no id.
"""

from collections.abc import Iterator, Mapping

from domain.errors import InvalidInput
from ingest.parsers.addresses import ip_of
from ingest.parsers.shapes import mapping, sequence
from ingest.parsers.webhook_events import (
    ACCEPTED,
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
from ingest.parsers.webhook_values import address, addresses, bare_id, flag, json_text, reply, snake, text, word_of, words

_MEANINGS: Mapping[str, Meaning] = {
    "request": ACCEPTED,
    "requests": ACCEPTED,
    "sent": ACCEPTED,
    "delivered": DELIVERED,
    "deferred": DEFERRED,
    "soft_bounce": BOUNCED,
    "hard_bounce": BOUNCED,
    "blocked": DROPPED,
    "invalid": DROPPED,
    "invalid_email": DROPPED,
    "error": DROPPED,
    "spam": COMPLAINT,
    "complaint": COMPLAINT,
    "opened": OPENED,
    "open": OPENED,
    "unique_opened": OPENED,
    "first_opening": OPENED,
    "proxy_open": OPENED,
    "unique_proxy_open": OPENED,
    "loaded_by_proxy": OPENED,
    "click": CLICKED,
    "clicked": CLICKED,
    "unsubscribe": UNSUBSCRIBED,
    "unsubscribed": UNSUBSCRIBED,
}
_BY_PROXY = frozenset({"proxy_open", "unique_proxy_open", "loaded_by_proxy"})
_ATTEMPTS = frozenset({"deferred", "soft_bounce", "hard_bounce"})
_FIRST = frozenset({"unique_opened", "first_opening", "unique_proxy_open"})
_A_MILLISECOND_STAMP = 10**11


class BrevoParser(WebhookParser):
    """Reads webhook bodies; `zone` is the account's, for events that have nothing but `date`."""

    format = "brevo"
    provider = "Brevo"

    def _told(self, event: Mapping[str, object]) -> Iterator[Told]:
        if isinstance(items := event.get("items"), list) and "event" not in event:
            for item in items:
                yield _inbound(mapping(item))
        elif "event" not in event and "Recipients" in event:
            yield _inbound(event)
        elif isinstance(events := event.get("events"), list) and "event" not in event:
            for one in events:
                yield from self._told(mapping(one))
        else:
            yield _one(event)


def _one(event: Mapping[str, object]) -> Told:
    word = word_of(event.get("event"))
    if word is None:
        raise InvalidInput("event is missing: the record is no webhook of Brevo")
    plain = snake(word)
    kept, reason = event.get("X-Mailin-custom"), text(event.get("reason"))
    custom = json_text(kept)
    ip = ip_of(text(event.get("ip")))
    named = event.get("email")
    facts: dict[str, object] = {
        "message_id": bare_id(event.get("message-id")),
        "subject": text(event.get("subject")),
        "direction": "outbound" if plain in _MEANINGS else None,
        **reply(reason if plain in _ATTEMPTS else None),
        "reason": reason,
        "bounce_type": "hard" if plain == "hard_bounce" else "soft" if plain == "soft_bounce" else None,
        "sending_ip": ip_of(text(event.get("sending_ip"))),
        "client_ip": ip,
        "tags": words(event.get("tags")) or words(event.get("tag")),
        "metadata": custom if isinstance(custom, dict) else {"X-Mailin-custom": kept} if text(kept) else None,
        "user_agent": text(event.get("user_agent")),
        "device_type": text(event.get("device_used")),
        "machine": True if plain in _BY_PROXY else None,
        "first": True if plain in _FIRST else None,
        "url": text(event.get("link")) or text(event.get("URL")),
        "template": text(event.get("template_id")),
        "campaign": text(event.get("campaign name")) or text(event.get("camp_id")),
        "contact": text(event.get("contact_id")),
        "lists": event.get("list_id", event.get("listid")),
    }
    return Told(
        word=word,
        meaning=meaning_of(word, _MEANINGS),
        content=event,
        times=_times(event),
        to=addresses(named) if isinstance(named, list) else [found] if (found := address(named)) else [],
        sender=address(event.get("sender_email")),
        facts=facts,
        ip=ip,
    )


def _times(event: Mapping[str, object]) -> list[object]:
    epoch, old = event.get("ts_epoch"), event.get("s_epoch")
    exact = [one for one in (epoch,) if isinstance(one, int) and one > _A_MILLISECOND_STAMP]
    return [
        *exact,
        *(event.get(name) for name in ("ts_event", "ts")),
        epoch,
        old,
        *(event.get(name) for name in ("date_event", "date", "ts_sent", "date_sent")),
    ]


def _inbound(item: Mapping[str, object]) -> Told:
    """Mail that Brevo parsed for us (inbound parse)."""
    if not item.get("From") and not item.get("MessageId"):
        raise InvalidInput("From and MessageId are missing: the record is no inbound mail of Brevo")
    copies = [found for name in ("To", "Cc") for one in sequence(item.get(name)) if (found := address(_boxed(one)))]
    return Told(
        word="inboundEmailProcessed",
        meaning=ACCEPTED,
        content=item,
        times=(item.get("SentAtDate"), item.get("Date")),
        to=[found for one in sequence(item.get("Recipients")) if (found := address(_boxed(one)))] or copies,
        sender=address(_boxed(item.get("From"))),
        facts={
            "message_id": bare_id(item.get("MessageId")),
            "subject": text(item.get("Subject")),
            "direction": "inbound",
            "recipients": copies,
            "spam_score": item.get("SpamScore"),
            "test": flag(item.get("Test")),
        },
    )


def _boxed(value: object) -> object:
    return value.get("Address") if isinstance(value, dict) else value
