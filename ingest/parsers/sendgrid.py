"""Twilio SendGrid: the Event Webhook (v3), which posts arrays of events.

`tls` on deliveries, bounces and deferrals is a bare 0 or 1: whether TLS was used, and nothing about version, cipher or who the
other server proved to be. 1 in `cert_err` says that the certificate was not good; 0 does not say that it was checked.
"""

from collections.abc import Iterator, Mapping

from domain.errors import InvalidInput
from domain.json import Json
from ingest.parsers.addresses import ip_of
from ingest.parsers.webhook_events import (
    ACCEPTED,
    BOUNCED,
    CLICKED,
    COMPLAINT,
    DEFERRED,
    DELIVERED,
    DROPPED,
    OPENED,
    SUBSCRIBED,
    UNSUBSCRIBED,
    Meaning,
    Told,
    WebhookParser,
    meaning_of,
)
from ingest.parsers.webhook_values import address, bare_id, flag, reply, text, word_of, words

_MEANINGS: Mapping[str, Meaning] = {
    "processed": ACCEPTED,
    "dropped": DROPPED,
    "delivered": DELIVERED,
    "deferred": DEFERRED,
    "bounce": BOUNCED,
    "blocked": BOUNCED,
    "open": OPENED,
    "click": CLICKED,
    "spamreport": COMPLAINT,
    "unsubscribe": UNSUBSCRIBED,
    "group_unsubscribe": UNSUBSCRIBED,
    "group_resubscribe": SUBSCRIBED,
}
_SESSIONS = frozenset({"delivered", "deferred", "bounce", "blocked"})
_ENGAGED = frozenset({"open", "click", "unsubscribe", "group_unsubscribe", "group_resubscribe", "spamreport"})
# Everything else in an event is a custom argument of the sender.
_OWN = frozenset(
    {"email", "timestamp", "event", "smtp-id", "sg_event_id", "sg_message_id", "category", "asm_group_id", "response", "attempt"}
    | {"reason", "status", "type", "bounce_classification", "useragent", "ip", "url", "url_offset", "tls", "cert_err", "from"}
    | {"sg_machine_open", "sg_content_type", "pool", "sg_template_id", "sg_template_name", "subject", "newsletter", "send_at"}
    | {"marketing_campaign_id", "marketing_campaign_name", "marketing_campaign_version", "marketing_campaign_split_id"}
    | {"singlesend_id", "singlesend_name", "phase_id", "template_hash", "template_id", "template_version_id"}
    | {"unique_args", "sg_user_id", "post_type", "sendgrid_sent_at"}
)


class SendGridParser(WebhookParser):
    """Reads events of the Event Webhook."""

    format = "sendgrid"
    provider = "SendGrid"

    def _told(self, event: Mapping[str, object]) -> Iterator[Told]:
        word = word_of(event.get("event"))
        if word is None:
            raise InvalidInput("event is missing: the record is no event of SendGrid")
        engaged = word in _ENGAGED
        answer = event.get("response") or (event.get("reason") if word in _SESSIONS else None)
        ip = ip_of(text(event.get("ip")))
        given = event.get("unique_args")
        metadata = {
            **(given if isinstance(given, dict) else {}),
            **{name: value for name, value in event.items() if name not in _OWN},
        }
        facts: dict[str, object] = {
            "message_id": bare_id(event.get("smtp-id")) or text(event.get("sg_message_id")),
            "provider_message_id": text(event.get("sg_message_id")),
            "subject": text(event.get("subject")),
            "direction": "outbound" if word != "account_status_change" else None,
            **reply(answer, dsn=event.get("status")),
            "reason": text(event.get("reason")),
            "attempt": text(event.get("attempt")),
            "bounce_type": text(event.get("type")),
            "category": text(event.get("bounce_classification")),
            "tags": words(event.get("category")),
            "metadata": metadata,
            "group": text(event.get("asm_group_id")),
            "template": text(event.get("sg_template_name")) or text(event.get("sg_template_id")),
            "campaign": text(event.get("marketing_campaign_name")) or text(event.get("singlesend_name")),
            "user_agent": text(event.get("useragent")),
            "url": text(event.get("url")),
            "machine": flag(event.get("sg_machine_open")),
            "client_ip" if engaged else "sending_ip": ip,
            **(_tls(event) if word in _SESSIONS else {}),
        }
        yield Told(
            word=word,
            meaning=meaning_of(word, _MEANINGS),
            content=event,
            own_id=text(event.get("sg_event_id")),
            times=(event.get("timestamp"),),
            to=[found] if (found := address(event.get("email"))) else [],
            sender=address(event.get("from")),
            facts=facts,
            ip=ip if engaged else None,
        )


def _tls(event: Mapping[str, object]) -> dict[str, Json]:
    used, certificate_error = flag(event.get("tls")), flag(event.get("cert_err"))
    if used is None:
        return {}
    if not used:
        return {"tls": None, "tls_field": "tls"}
    if certificate_error:
        return {"tls": {"established": True, "verified": False}, "tls_field": "tls, cert_err"}
    return {"tls": {"established": True}, "tls_field": "tls"}
