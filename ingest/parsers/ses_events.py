"""Events of Amazon SES about mail it sends: what each type says, about which recipients, and over which session."""

from collections.abc import Mapping

from domain.json import Json
from domain.tls import normalise_version
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
    SUBSCRIBED,
    UNSUBSCRIBED,
    Meaning,
    Told,
    meaning_of,
)
from ingest.parsers.webhook_values import address, addresses, bare_id, flag, header, marks_in, reply, snake, text, word_of

_MEANINGS: Mapping[str, Meaning] = {
    "send": ACCEPTED,
    "delivery": DELIVERED,
    "bounce": BOUNCED,
    "complaint": COMPLAINT,
    "reject": DROPPED,
    "open": OPENED,
    "click": CLICKED,
    "rendering_failure": DROPPED,
    "delivery_delay": DEFERRED,
    "subscription": UNSUBSCRIBED,
}
_PARTS: Mapping[str, str] = {"rendering_failure": "failure", "delivery_delay": "deliveryDelay"}
_SESSIONS = frozenset({"delivery", "bounce", "delivery_delay"})
_SUBMITTED = frozenset({"send", "reject", "rendering_failure"})
# The address was on a list of SES or of the account: nothing was sent.
_SUPPRESSED = frozenset({"Suppressed", "OnAccountSuppressionList"})
_PLAIN = frozenset({"none", "plaintext", "plain", "cleartext"})
_DELIVERY: Mapping[str, Json] = {"tls_leg": "delivery", "tls_field": "ses:outgoing-tls-version"}


def sending_event(event: Mapping[str, object], sent: object) -> Told:
    """An event or feedback notification about a mail that was given to SES. `sent` is when its envelope was sent."""
    word = word_of(event.get("eventType")) or word_of(event.get("notificationType")) or ""
    plain = snake(word)
    mail = mapping(event.get("mail"))
    part = mapping(event.get(_PARTS.get(plain, plain)))
    affected = _affected(part, mail)
    ip = ip_of(text(part.get("ipAddress")))
    source_ip = ip_of(text(mail.get("sourceIp")) or _tag(mail, "ses:source-ip"))
    facts: dict[str, object] = {
        **about(mail),
        "client_ip": ip or source_ip,
        "sending_ip": ip_of(_tag(mail, "ses:outgoing-ip")),
        "relay_ip": ip_of(text(part.get("remoteMtaIp"))),
        "reporting_mta": text(part.get("reportingMTA")),
        **_said(plain, part),
        "direction": "outbound",
        "feedback_id": text(part.get("feedbackId")),
        "user_agent": text(part.get("userAgent")),
        "url": text(part.get("link")),
        "link_tags": part.get("linkTags"),
        "processing_ms": part.get("processingTimeMillis"),
        **_submission(mail),
        **(_tls(mail) if plain in _SESSIONS else {}),  # behind the caller's leg: where both are told, the delivery is judged
    }
    return Told(
        word=word,
        meaning=_meaning(plain, word, part),
        content=event,
        times=(part.get("timestamp"), *([mail.get("timestamp"), sent] if plain in _SUBMITTED else [sent, mail.get("timestamp")])),
        to=list(affected),
        apart=affected,
        sender=address(mail.get("source")) or address(_first(mapping(mail.get("commonHeaders")).get("from"))),
        facts=facts,
        ip=ip or (source_ip if plain in _SUBMITTED else None),
    )


def service_event(word: str, detail: Mapping[str, object], sent: object) -> Told:
    """What SES says about itself or the account, such as a finding of its advisor."""
    return Told(
        word=word or "event",
        meaning=meaning_of(word or "mail_event", {}),
        content={"word": word, "detail": detail},
        times=(detail.get("timestamp"), sent),
        facts={"reason": text(detail.get("message")), "data": detail.get("data")},
    )


def about(mail: Mapping[str, object]) -> dict[str, object]:
    """What every event says of its mail."""
    common, headers = mapping(mail.get("commonHeaders")), sequence(mail.get("headers"))
    named = bare_id(next(iter(header(headers, "message-id")), None)) or bare_id(common.get("messageId"))
    tags = mapping(mail.get("tags"))
    own = {name: value for name, value in tags.items() if not name.startswith("ses:")}
    return {
        "message_id": named or text(mail.get("messageId")),
        "provider_message_id": text(mail.get("messageId")),
        "subject": text(common.get("subject")) or next(iter(header(headers, "subject")), None),
        "recipients": addresses(mail.get("destination")),
        "header_from": _first(common.get("from")),
        "cc": addresses(common.get("cc")),
        "configuration_set": _tag(mail, "ses:configuration-set"),
        "caller": _tag(mail, "ses:caller-identity") or text(mail.get("callerIdentity")),
        "operation": _tag(mail, "ses:operation"),
        "sending_domain": _tag(mail, "ses:from-domain"),
        "recipient_isp": _tag(mail, "ses:recipient-isp"),
        "account": text(mail.get("sendingAccountId")),
        "labels": own,
        **marks_in(headers),
    }


def _meaning(plain: str, word: str, part: Mapping[str, object]) -> Meaning:
    if plain == "bounce" and text(part.get("bounceSubType")) in _SUPPRESSED:
        return DROPPED
    if plain == "complaint" and text(part.get("complaintSubType")) in _SUPPRESSED:
        return DROPPED
    if plain == "subscription":
        preferences = mapping(part.get("newTopicPreferences"))
        states = [text(mapping(one).get("subscriptionStatus")) for one in sequence(preferences.get("topicSubscriptionStatus"))]
        if flag(preferences.get("unsubscribeAll")) is False and "OptOut" not in states:
            return SUBSCRIBED
    return meaning_of(word, _MEANINGS)


def _affected(part: Mapping[str, object], mail: Mapping[str, object]) -> Mapping[str, Mapping[str, object]]:
    """The recipients the event is about, each with what is said of it only; where the event names none, all of the mail."""
    found: dict[str, Mapping[str, object]] = {}
    for name in ("bouncedRecipients", "complainedRecipients", "delayedRecipients", "recipients"):
        for one in sequence(part.get(name)):
            if not (to := address(mapping(one).get("emailAddress") if isinstance(one, dict) else one)):
                continue
            told = mapping(one)
            found[to] = reply(told.get("diagnosticCode"), dsn=told.get("status")) if told else {}
        if found:
            return found
    return {to: {} for to in addresses(mail.get("destination"))}


def _said(plain: str, part: Mapping[str, object]) -> dict[str, object]:
    """Reason, category and reply by type of event."""
    if plain == "delivery":
        return reply(part.get("smtpResponse"))
    if plain == "bounce":
        kinds = [found for name in ("bounceType", "bounceSubType") if (found := text(part.get(name)))]
        return {
            "reason": ": ".join(kinds) or None,
            "bounce_type": text(part.get("bounceType")),
            "category": text(part.get("bounceSubType")),
        }
    if plain == "complaint":
        return {
            "reason": text(part.get("complaintFeedbackType")) or text(part.get("complaintSubType")),
            "category": text(part.get("complaintSubType")),
            "arrived": text(part.get("arrivalDate")),
        }
    if plain == "delivery_delay":
        return {
            "reason": text(part.get("delayType")),
            "category": text(part.get("delayType")),
            "expires": text(part.get("expirationTime")),
        }
    if plain == "subscription":
        return {
            "list": text(part.get("contactList")),
            "origin": text(part.get("source")),
            "preferences": part.get("newTopicPreferences"),
        }
    return {
        "reason": text(part.get("reason")) or text(part.get("errorMessage")),
        "template": text(part.get("templateName")),
    }


def _first(value: object) -> str | None:
    return next((found for one in sequence(value) if (found := text(one))), None)


def _tag(mail: Mapping[str, object], name: str) -> str | None:
    return _first(mapping(mail.get("tags")).get(name))


def _submission(mail: Mapping[str, object]) -> dict[str, Json]:
    version = _tag(mail, "ses:source-tls-version")
    if not version:
        return {}
    return {"submission_tls": {"version": version}, "tls_leg": "caller", "tls_field": "ses:source-tls-version"}


def _tls(mail: Mapping[str, object]) -> dict[str, Json]:
    """The outgoing session. Of several versions, which a mail to many may have, the lowest: it cannot be told whose it was."""
    tags = mapping(mail.get("tags"))
    versions = [found for one in sequence(tags.get("ses:outgoing-tls-version")) if (found := text(one))]
    ciphers = [found for one in sequence(tags.get("ses:outgoing-tls-cipher")) if (found := text(one))]
    if not versions:
        return {}
    if any(version.lower() in _PLAIN for version in versions):
        return {"tls": None, **_DELIVERY}
    lowest = min(versions, key=normalise_version)
    cipher: dict[str, Json] = {"cipher": ciphers[0]} if len(set(ciphers)) == 1 == len(set(versions)) else {}
    return {"tls": {"version": lowest, **cipher}, **_DELIVERY}
