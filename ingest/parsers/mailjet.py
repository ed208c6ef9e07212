"""Mailjet: the Event API (one event or an array of them) and the Parse API for inbound mail.

`sent` means that the recipient's server took the mail, with its answer in `smtp_reply`. Mailjet says nothing about TLS.
"""

from collections.abc import Iterator, Mapping

from domain.errors import InvalidInput
from ingest.parsers.addresses import ip_of
from ingest.parsers.shapes import mapping
from ingest.parsers.webhook_events import (
    ACCEPTED,
    BOUNCED,
    CLICKED,
    COMPLAINT,
    DELIVERED,
    DROPPED,
    OPENED,
    UNSUBSCRIBED,
    Meaning,
    Told,
    WebhookParser,
    meaning_of,
)
from ingest.parsers.webhook_values import address, addresses, bare_id, flag, place, reply, text, word_of, words

_MEANINGS: Mapping[str, Meaning] = {
    "sent": DELIVERED,
    "open": OPENED,
    "click": CLICKED,
    "bounce": BOUNCED,
    "blocked": DROPPED,
    "spam": COMPLAINT,
    "unsub": UNSUBSCRIBED,
}


class MailjetParser(WebhookParser):
    """Reads webhook bodies."""

    format = "mailjet"
    provider = "Mailjet"

    def _told(self, event: Mapping[str, object]) -> Iterator[Told]:
        if "event" not in event and "Sender" in event and "Recipient" in event:
            yield _inbound(event)
            return
        word = word_of(event.get("event"))
        if word is None:
            raise InvalidInput("event is missing: the record is no event of Mailjet")
        hard = flag(event.get("hard_bounce"))
        identifier = text(event.get("MessageID"))
        ip = ip_of(text(event.get("ip")))
        facts: dict[str, object] = {
            "message_id": text(event.get("Message_GUID")) or identifier,
            "provider_message_id": identifier if identifier != "0" else None,
            "direction": "outbound",
            **reply(event.get("smtp_reply") or event.get("comment")),
            "reason": text(event.get("error")) or text(event.get("comment")) or text(event.get("source")),
            "category": text(event.get("error_related_to")),
            "bounce_type": None if hard is None else "hard" if hard else "soft",
            "suppressed": flag(event.get("blocked")) if word == "bounce" else None,
            "tags": words(event.get("CustomID")),
            "metadata": {"Payload": event["Payload"]} if text(event.get("Payload")) else None,
            "campaign": text(event.get("customcampaign")) or _number(event.get("mj_campaign_id")),
            "contact": _number(event.get("mj_contact_id")),
            "list": text(event.get("mj_list_id")),
            "user_agent": text(event.get("agent")),
            "client_ip": ip,
            "url": text(event.get("url")),
        }
        yield Told(
            word=word,
            meaning=meaning_of(word, _MEANINGS),
            content=event,
            times=(event.get("time"),),
            to=[found] if (found := address(event.get("email"))) else [],
            facts=facts,
            ip=ip,
            geo=place(event.get("geo")),
        )


def _number(value: object) -> str | None:
    said = text(value)
    return None if said == "0" else said


def _inbound(event: Mapping[str, object]) -> Told:
    headers = mapping(event.get("Headers"))
    return Told(
        word="parse",
        meaning=ACCEPTED,
        content=event,
        to=addresses(event.get("Recipient")),
        sender=address(event.get("Sender")),
        facts={
            "message_id": bare_id(headers.get("Message-ID") or headers.get("Message-Id")),
            "subject": text(event.get("Subject")),
            "direction": "inbound",
            "header_from": text(event.get("From")),
            "spam_score": text(event.get("SpamAssassinScore")),
        },
    )
