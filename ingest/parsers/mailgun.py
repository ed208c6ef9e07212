"""Mailgun: webhooks with `signature` and `event-data`, events as its Events API lists them, and the form posts before 2018.

`delivery-status.tls` says whether TLS was used and `certificate-verified` whether the other server's certificate was checked and
good; version and cipher are not given. Where a delivery failed without a server being reached (no `mx-host`), `tls: false` says
nothing, and is left out.
"""

from collections.abc import Iterator, Mapping

from domain.errors import InvalidInput
from domain.json import Json
from ingest.parsers.addresses import ip_of
from ingest.parsers.mailgun_forms import form_of, legacy
from ingest.parsers.shapes import decode_json, mapping
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
from ingest.parsers.webhook_values import address, addresses, bare_id, flag, instant_of, place, reply, snake, text, word_of, words

_MEANINGS: Mapping[str, Meaning] = {
    "accepted": ACCEPTED,
    "stored": ACCEPTED,
    "delivered": DELIVERED,
    "failed": BOUNCED,
    "bounced": BOUNCED,
    "permanent_fail": BOUNCED,
    "temporary_fail": DEFERRED,
    "dropped": DROPPED,
    "rejected": DROPPED,
    "opened": OPENED,
    "clicked": CLICKED,
    "complained": COMPLAINT,
    "unsubscribed": UNSUBSCRIBED,
}
# Mailgun's own codes for mail that it did not try to deliver (605 bounced before, 606 unsubscribed, 607 complained).
_SUPPRESSED = frozenset({"605", "606", "607"})
_FAILURES = frozenset({"failed", "permanent_fail", "temporary_fail"})
_ATTEMPTS = frozenset({"delivered", "failed", "permanent_fail", "temporary_fail"})


class MailgunParser(WebhookParser):
    """Reads webhook bodies, JSON or forms, and items of the Events API."""

    format = "mailgun"
    provider = "Mailgun"

    def _decoded(self, record: bytes) -> object:
        form = form_of(record)
        return decode_json(record) if form is None else form

    def _told(self, event: Mapping[str, object]) -> Iterator[Told]:
        if isinstance(items := event.get("items"), list):  # a page of the Events API
            for item in items:
                yield self._one(mapping(item))
        elif isinstance(data := event.get("event-data"), dict):
            yield self._one(data)
        elif "event-data" not in event and ("token" in event or "body-plain" in event or "message-headers" in event):
            yield legacy(event, _MEANINGS)
        else:
            yield self._one(event)

    def _one(self, data: Mapping[str, object]) -> Told:
        word = word_of(data.get("event"))
        if word is None:
            raise InvalidInput("event is missing: the record is no event of Mailgun")
        status, envelope, message = (
            mapping(data.get("delivery-status")),
            mapping(data.get("envelope")),
            mapping(data.get("message")),
        )
        headers, client, geo = mapping(message.get("headers")), mapping(data.get("client-info")), mapping(data.get("geolocation"))
        rejected, flags = mapping(data.get("reject")), mapping(data.get("flags"))
        said = text(status.get("message")) or text(data.get("notification"))
        ip = ip_of(text(data.get("ip")))
        message_id = bare_id(headers.get("message-id"))
        inbound = word == "stored" or flag(flags.get("is-routed")) is True
        facts: dict[str, object] = {
            "message_id": message_id,
            "subject": text(headers.get("subject")),
            "size": message.get("size"),
            "direction": "inbound" if inbound else "outbound",
            "header_from": text(headers.get("from")),
            "header_to": text(headers.get("to")),
            **reply(said, code=status.get("code"), dsn=status.get("enhanced-code")),
            "reason": (said if word != "delivered" else None)
            or text(status.get("description"))
            or text(rejected.get("description"))
            or text(rejected.get("reason"))
            or text(data.get("reason")),
            "description": text(status.get("description")) or text(rejected.get("reason")),
            "category": text(data.get("reason")) or text(status.get("bounce-type")),
            "severity": text(data.get("severity")),
            "attempt": text(status.get("attempt-no")),
            "retry_seconds": text(status.get("retry-seconds")),
            "session_seconds": text(status.get("session-seconds")),
            "relay": text(status.get("mx-host")),
            "relay_ip": ip_of(text(status.get("mx-ip"))),
            "sending_ip": ip_of(text(envelope.get("sending-ip"))),
            "transport": text(envelope.get("transport")),
            "method": text(data.get("method")),
            "client_ip": ip or ip_of(text(data.get("originating-ip"))),
            "tags": words(data.get("tags")),
            "campaigns": data.get("campaigns"),
            "metadata": data.get("user-variables"),
            "user_agent": text(client.get("user-agent")),
            "client": text(client.get("client-name")),
            "client_type": text(client.get("client-type")),
            "client_os": text(client.get("client-os")),
            "device_type": text(client.get("device-type")),
            "machine": True if text(client.get("bot")) else None,
            "url": text(data.get("url")),
            "mailing_list": address(data.get("mailing-list")),
            "sending_domain": text(mapping(data.get("domain")).get("name")),
            "storage_key": text(mapping(data.get("storage")).get("key")),
            "log_level": text(data.get("log-level")),
            "test_mode": flag(flags.get("is-test-mode")),
            **(_tls(word, status) if word in _ATTEMPTS else {}),
        }
        return Told(
            word=word,
            meaning=_meaning(word, data, status),
            content=data,
            own_id=_own_id(data),
            times=(data.get("timestamp"),),
            to=addresses(data.get("recipient")) or addresses(data.get("recipients")) or addresses(headers.get("to")),
            sender=address(envelope.get("sender")) or address(headers.get("from")),
            facts=facts,
            ip=ip,
            geo=place(geo.get("country"), geo.get("city")),
        )


def _own_id(data: Mapping[str, object]) -> str | None:
    """An id of Mailgun's is unique within a day."""
    own, moment = text(data.get("id")), instant_of(data.get("timestamp"))
    return f"{own}@{moment:%Y-%m-%d}" if own and moment else own


def _meaning(word: str, data: Mapping[str, object], status: Mapping[str, object]) -> Meaning:
    if snake(word) not in _FAILURES:
        return meaning_of(word, _MEANINGS)
    if (text(data.get("reason")) or "").startswith("suppress-") or text(status.get("code")) in _SUPPRESSED:
        return DROPPED
    return DEFERRED if text(data.get("severity")) == "temporary" else meaning_of(word, _MEANINGS)


def _tls(word: str, status: Mapping[str, object]) -> dict[str, Json]:
    used, verified = flag(status.get("tls")), flag(status.get("certificate-verified"))
    if used is None and not verified:
        return {}
    if used is False:
        reached = word == "delivered" or text(status.get("mx-host")) is not None
        return {"tls": None, "tls_field": "delivery-status.tls"} if reached else {}
    if verified is None:
        return {"tls": {"established": True}, "tls_field": "delivery-status.tls"}
    said = "delivery-status.tls, delivery-status.certificate-verified"
    return {"tls": {"established": True, "verified": verified}, "tls_field": said}
