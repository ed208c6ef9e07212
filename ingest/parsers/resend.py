"""Resend: webhooks of mail (`email.*`), contacts and domains.

Resend says nothing about the session of a delivery; the `tls` of its domains is what it was told to do, not what happened. The
id of a webhook is in the header `svix-id` and not in the body, so events are told apart by what they say.
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
    Meaning,
    Told,
    WebhookParser,
    meaning_of,
)
from ingest.parsers.webhook_values import address, addresses, bare_id, marks_in, reply, snake, text, word_of, words

_MEANINGS: Mapping[str, Meaning] = {
    "sent": ACCEPTED,
    "received": ACCEPTED,
    "delivered": DELIVERED,
    "delivery_delayed": DEFERRED,
    "delivered_delayed": DEFERRED,
    "bounced": BOUNCED,
    "complained": COMPLAINT,
    "opened": OPENED,
    "clicked": CLICKED,
    "failed": DROPPED,
    "suppressed": DROPPED,
}
# Resend hands on what Amazon SES says: these were not sent at all.
_SUPPRESSED = frozenset({"Suppressed", "OnAccountSuppressionList"})


class ResendParser(WebhookParser):
    """Reads webhook bodies."""

    format = "resend"
    provider = "Resend"

    def _told(self, event: Mapping[str, object]) -> Iterator[Told]:
        kind, data = word_of(event.get("type")), mapping(event.get("data"))
        if kind is None:
            raise InvalidInput("type is missing: the record is no webhook of Resend")
        word = kind.removeprefix("email.")
        mail = kind.startswith("email.")
        bounce, failed, suppressed = mapping(data.get("bounce")), mapping(data.get("failed")), mapping(data.get("suppressed"))
        engaged = mapping(data.get("click")) or mapping(data.get("open"))
        answers = [found for one in sequence(bounce.get("diagnosticCode")) if (found := text(one))]
        ip = ip_of(text(engaged.get("ipAddress")))
        labels = _labels(data.get("tags"))
        inbound = word == "received"
        facts: dict[str, object] = {
            "message_id": bare_id(data.get("message_id")) or text(data.get("email_id")),
            "provider_message_id": text(data.get("email_id")),
            "subject": text(data.get("subject")),
            "direction": "inbound" if inbound else "outbound" if mail else None,
            **reply("; ".join(answers) or None),
            "reason": text(bounce.get("message")) or text(failed.get("reason")) or text(suppressed.get("message")),
            "category": text(bounce.get("subType")) or text(suppressed.get("type")),
            "bounce_type": text(bounce.get("type")),
            "cc": addresses(data.get("cc")),
            "bcc": addresses(data.get("bcc")),
            "tags": words(list(labels)),
            "labels": labels,
            "user_agent": text(engaged.get("userAgent")),
            "client_ip": ip,
            "url": text(engaged.get("link")),
            "broadcast": text(data.get("broadcast_id")),
            "template": text(data.get("template_id")),
            "name": None if mail else text(data.get("name")),
            "status": None if mail else text(data.get("status")),
            "attachments": len(sequence(data.get("attachments"))) or None,
            **marks_in(sequence(data.get("headers"))),
        }
        own = data.get("to") if mail else data.get("email")
        yield Told(
            word=kind,
            meaning=_meaning(word, bounce) if mail else (snake(kind), None),
            content=event,
            times=(event.get("created_at"), data.get("created_at")),
            to=addresses(own) or (addresses(data.get("received_for")) if inbound else []),
            sender=address(data.get("from")),
            facts=facts,
            ip=ip,
        )


def _meaning(word: str, bounce: Mapping[str, object]) -> Meaning:
    if word == "bounced" and text(bounce.get("subType")) in _SUPPRESSED:
        return DROPPED
    known = meaning_of(word, _MEANINGS)
    return known if known in _MEANINGS.values() else (f"email_{known[0]}"[:128], None)


def _labels(tags: object) -> dict[str, object]:
    """Tags of Resend have a name and a value: an object, or a list of them."""
    if isinstance(tags, dict):
        return tags
    pairs = [(text(one.get("name")), one.get("value")) for one in sequence(tags) if isinstance(one, dict)]
    return {name: value for name, value in pairs if name}
