"""Postmark: webhooks for deliveries, bounces, complaints, opens, clicks, changes of subscription, and inbound mail.

Postmark says nothing about TLS. Its own message id is a UUID; the Message-ID header is not told.
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
    OTHER,
    SUBSCRIBED,
    UNSUBSCRIBED,
    Meaning,
    Told,
    WebhookParser,
    meaning_of,
)
from ingest.parsers.webhook_values import address, addresses, bare_id, flag, header, place, reply, text, word_of, words

_RECORDS: Mapping[str, Meaning] = {
    "delivery": DELIVERED,
    "bounce": BOUNCED,
    "spam_complaint": COMPLAINT,
    "open": OPENED,
    "click": CLICKED,
    "subscription_change": UNSUBSCRIBED,
    "inbound": ACCEPTED,
    "smtp_api_error": DROPPED,
}
# Of the types of bounces, those that are no bounce. Answers of machines and mail by the recipient come back as "bounces" too.
_BOUNCES: Mapping[str, Meaning] = {
    "Transient": DEFERRED,
    "DnsError": DEFERRED,
    "Unsubscribe": UNSUBSCRIBED,
    "Subscribe": SUBSCRIBED,
    "AutoResponder": OTHER,
    "AddressChange": OTHER,
    "ChallengeVerification": OTHER,
    "OpenRelayTest": OTHER,
    "InboundError": OTHER,
    "SpamComplaint": COMPLAINT,
    "BadEmailAddress": DROPPED,
    "ManuallyDeactivated": DROPPED,
    "Unconfirmed": DROPPED,
    "SMTPApiError": DROPPED,
    "TemplateRenderingFailed": DROPPED,
}
_SUPPRESSIONS: Mapping[str, Meaning] = {"HardBounce": BOUNCED, "SpamComplaint": COMPLAINT}
# Before 2018 there was no RecordType; each webhook is known by a field that only it has.
_KNOWN_BY = (
    ("BouncedAt", "Bounce"),
    ("DeliveredAt", "Delivery"),
    ("OriginalLink", "Click"),
    ("FirstOpen", "Open"),
    ("SuppressSending", "SubscriptionChange"),
    ("FromFull", "Inbound"),
)


class PostmarkParser(WebhookParser):
    """Reads webhook bodies."""

    format = "postmark"
    provider = "Postmark"

    def _told(self, event: Mapping[str, object]) -> Iterator[Told]:
        record = word_of(event.get("RecordType")) or next((name for known, name in _KNOWN_BY if known in event), None)
        if record is None:
            raise InvalidInput("RecordType is missing: the record is no webhook of Postmark")
        yield self._inbound(event) if record == "Inbound" else self._outbound(event, record)

    def _outbound(self, event: Mapping[str, object], record: str) -> Told:
        kind, details = text(event.get("Type")), text(event.get("Details"))
        client, system, geo = mapping(event.get("Client")), mapping(event.get("OS")), mapping(event.get("Geo"))
        ip = ip_of(text(geo.get("IP")))
        own = text(event.get("ID"))
        facts: dict[str, object] = {
            "message_id": text(event.get("MessageID")),
            "provider_message_id": text(event.get("MessageID")),
            "subject": text(event.get("Subject")),
            "direction": "inbound" if kind == "InboundError" else "outbound",
            **reply(details),
            "reason": text(event.get("Description")) or text(event.get("SuppressionReason")),
            "category": kind or text(event.get("SuppressionReason")),
            "bounce_type": text(event.get("Name")),
            "suppressed": flag(event.get("Inactive")) if "Inactive" in event else flag(event.get("SuppressSending")),
            "origin": text(event.get("Origin")),
            "stream": text(event.get("MessageStream")),
            "server_id": text(event.get("ServerID")) or text(event.get("ServerId")),
            "tags": words(event.get("Tag")),
            "metadata": event.get("Metadata"),
            "user_agent": text(event.get("UserAgent")),
            "client": text(client.get("Name")),
            "client_os": text(system.get("Name")),
            "device_type": text(event.get("Platform")),
            "first": flag(event.get("FirstOpen")),
            "client_ip": ip,
            "url": text(event.get("OriginalLink")),
        }
        return Told(
            word=record,
            meaning=_meaning(event, record, kind),
            content=event,
            own_id=f"{own}@{text(event.get('MessageID'))}" if own and own != "0" else None,
            times=[event.get(name) for name in ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")],
            to=[found] if (found := address(event.get("Email")) or address(event.get("Recipient"))) else [],
            sender=address(event.get("From")),
            facts=facts,
            ip=ip,
            geo=place(geo.get("CountryISOCode") or geo.get("Country"), geo.get("City"), coordinates=text(geo.get("Coords"))),
        )

    def _inbound(self, event: Mapping[str, object]) -> Told:
        headers = sequence(event.get("Headers"))
        facts: dict[str, object] = {
            "message_id": bare_id(next(iter(header(headers, "message-id")), None)) or text(event.get("MessageID")),
            "provider_message_id": text(event.get("MessageID")),
            "subject": text(event.get("Subject")),
            "direction": "inbound",
            "recipients": [address(one) for name in ("ToFull", "CcFull", "BccFull") for one in sequence(event.get(name))],
            "tags": words(event.get("Tag")),
            "stream": text(event.get("MessageStream")),
            "attachments": len(sequence(event.get("Attachments"))),
        }
        return Told(
            word="Inbound",
            meaning=ACCEPTED,
            content=event,
            own_id=text(event.get("MessageID")),
            times=(event.get("ReceivedAt"),),
            to=addresses(event.get("OriginalRecipient")) or addresses(event.get("To")),
            sender=address(event.get("FromFull")) or address(event.get("From")),
            facts=facts,
        )


def _meaning(event: Mapping[str, object], record: str, kind: str | None) -> Meaning:
    if record == "SubscriptionChange":
        if flag(event.get("SuppressSending")) is False:
            return SUBSCRIBED
        return _SUPPRESSIONS.get(text(event.get("SuppressionReason")) or "", UNSUBSCRIBED)
    known = _BOUNCES.get(kind or "") if record == "Bounce" else None
    return known or meaning_of(record, _RECORDS)
