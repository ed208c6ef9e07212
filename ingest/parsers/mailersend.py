"""MailerSend: webhooks of activity in both versions of its payload, of inbound mail, and of the account.

The first version holds the mail in `data.email` and what happened in `data.morph`, the second is flat with `data.meta`.
MailerSend says nothing about TLS.
"""

from collections.abc import Iterator, Mapping, Sequence

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
from ingest.parsers.webhook_values import address, bare_id, place, reply, snake, text, word_of, words

_MEANINGS: Mapping[str, Meaning] = {
    "queued": ACCEPTED,
    "sent": ACCEPTED,
    "delivered": DELIVERED,
    "deferred": DEFERRED,
    "soft_bounced": BOUNCED,
    "hard_bounced": BOUNCED,
    "rejected": DROPPED,
    "suppressed": DROPPED,
    "dropped": DROPPED,
    "opened": OPENED,
    "opened_unique": OPENED,
    "clicked": CLICKED,
    "clicked_unique": CLICKED,
    "unsubscribed": UNSUBSCRIBED,
    "spam_complaint": COMPLAINT,
    "spam_complaints": COMPLAINT,
}
_REASONS = ("bounce_reason", "suppression_reason", "unsubscribe_reason", "reason")


class MailerSendParser(WebhookParser):
    """Reads webhook bodies."""

    format = "mailersend"
    provider = "MailerSend"

    def _told(self, event: Mapping[str, object]) -> Iterator[Told]:
        kind, data = word_of(event.get("type")), mapping(event.get("data"))
        if kind is None:
            raise InvalidInput("type is missing: the record is no webhook of MailerSend")
        word = kind.removeprefix("activity.")
        yield _inbound(event, data) if kind == "inbound.message" else _activity(event, data, word, kind)


def _activity(event: Mapping[str, object], data: Mapping[str, object], word: str, kind: str) -> Told:
    email, morph, meta = mapping(data.get("email")), mapping(data.get("morph")), mapping(data.get("meta"))
    message, who = mapping(email.get("message")), email.get("recipient") or data.get("recipient")
    more = {**morph, **meta}
    ip = ip_of(text(more.get("ip")))
    said = text(more.get("readable_reason")) or next((found for name in _REASONS if (found := text(more.get(name)))), None)
    mail = kind.startswith("activity.")
    own = text(data.get("id")) if mail else None
    plain = snake(word)
    facts: dict[str, object] = {
        "message_id": text(message.get("id")) or text(data.get("message_id")),
        "provider_message_id": text(message.get("id")) or text(data.get("message_id")),
        "email_id": text(email.get("id")) or text(data.get("email_id")),
        "subject": text(email.get("subject")) or text(data.get("subject")),
        "direction": "outbound" if mail else "inbound" if kind.startswith("inbound") else None,
        **reply(said, code=more.get("bounce_code")),
        "reason": said or text(event.get("message")),
        "category": text(more.get("reason")),
        "bounce_type": text(more.get("bounce_type"))
        or ("hard" if plain == "hard_bounced" else "soft" if plain == "soft_bounced" else None),
        "tags": words(email.get("tags") or data.get("tags")),
        "user_agent": text(more.get("user_agent")),
        "client": text(more.get("browser")),
        "device_type": text(more.get("device_type")),
        "client_ip": ip,
        "url": text(more.get("url")),
        "template": text(data.get("template_id")),
        "domain_id": text(event.get("domain_id")) or text(data.get("domain_id")),
        "first": True if plain.endswith("_unique") else None,
        "status": text(email.get("status")),
    }
    return Told(
        word=word,
        meaning=meaning_of(word, _MEANINGS) if mail else (snake(kind), None),
        content=data or event,
        own_id=own,
        times=(data.get("created_at"), event.get("created_at")),
        to=_mailboxes(who),
        sender=address(email.get("from")),
        facts=facts,
        ip=ip,
        geo=place(more.get("country"), more.get("city")),
    )


def _inbound(event: Mapping[str, object], data: Mapping[str, object]) -> Told:
    headers = mapping(data.get("headers"))
    recipients = mapping(data.get("recipients"))
    to = _mailboxes(recipients.get("rcptTo")) or _mailboxes(data.get("recipients")) or _mailboxes(data.get("to"))
    return Told(
        word="inbound.message",
        meaning=ACCEPTED,
        content=data,
        own_id=text(data.get("id")),
        times=(data.get("created_at"), event.get("created_at")),
        to=to,
        sender=address(data.get("sender")) or address(data.get("from")),
        facts={
            "message_id": bare_id(headers.get("Message-ID") or headers.get("Message-Id") or data.get("message_id")),
            "subject": text(data.get("subject")),
            "direction": "inbound",
            "spf": text(mapping(data.get("spf_check")).get("code")),
            "dkim": data.get("dkim_check"),
        },
    )


def _mailboxes(value: object) -> Sequence[str]:
    return [found for one in sequence(value) if (found := address(one))]
