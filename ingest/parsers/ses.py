"""Amazon SES: event publishing, feedback notifications and received mail, by SNS, EventBridge, Firehose, SQS or Lambda.

Three legs, kept apart. `ses:source-tls-version` is the session of whoever called SES: `submission_tls`. `ses:outgoing-tls-version`
is the session with the recipient's server: `tls`, on deliveries, bounces and delays only. Mail that SES received has its session
in the Received header, where it is told at all. Whether the other server was verified, SES never says; where nothing is said
about the outgoing session, nothing is known.
"""

from collections.abc import Iterator, Mapping

from domain.errors import InvalidInput
from ingest.parsers.ses_events import sending_event, service_event
from ingest.parsers.ses_mail import received_mail
from ingest.parsers.shapes import decode_json, kind_of, mapping
from ingest.parsers.webhook_events import Told, WebhookParser
from ingest.parsers.webhook_values import json_text, text, word_of

_DEEPEST = 6
_SUBSCRIPTIONS = {"SubscriptionConfirmation": "audit_start", "UnsubscribeConfirmation": "audit_stop"}


class SesParser(WebhookParser):
    """Reads what SES tells, in whichever envelope it came."""

    format = "ses"
    provider = "Amazon SES"

    def _told(self, event: Mapping[str, object]) -> Iterator[Told]:
        yield from _opened(event, None, _DEEPEST)


def _opened(event: Mapping[str, object], sent: object, left: int) -> Iterator[Told]:
    """Take one envelope off after the other. `sent` is when the outermost that says so was sent."""
    if left == 0:
        raise InvalidInput("the record holds envelopes in envelopes")
    if isinstance(records := event.get("Records"), list):
        for one in records:
            yield from _opened(mapping(one), sent, left - 1)
    elif isinstance(event.get("ses"), dict) or isinstance(event.get("Sns"), dict) or "body" in event:
        yield from _opened(_lambda_record(event), sent, left - 1)
    elif "Message" in event and ("Type" in event or "TopicArn" in event or "MessageId" in event):
        yield from _notification(event, left)
    elif "detail-type" in event and isinstance(detail := event.get("detail"), dict):
        if _is_mail(detail):
            yield from _opened(detail, event.get("time"), left - 1)
        else:
            yield service_event(text(event.get("detail-type")) or "", detail, event.get("time"))
    elif text(event.get("notificationType")) == "Received" or ("receipt" in event and "mail" in event):
        yield received_mail(event, sent)
    elif _is_mail(event):
        yield sending_event(event, sent)
    elif word := word_of(event.get("notificationType")) or word_of(event.get("eventType")):
        yield service_event(word, event, sent)
    else:
        raise InvalidInput("the record has no eventType, notificationType or envelope of Amazon's: it does not come from SES")


def _is_mail(event: Mapping[str, object]) -> bool:
    return isinstance(event.get("mail"), dict) and bool(word_of(event.get("eventType")) or word_of(event.get("notificationType")))


def _lambda_record(record: Mapping[str, object]) -> Mapping[str, object]:
    """What a record of a Lambda event is about."""
    for name in ("ses", "Sns"):
        if isinstance(found := record.get(name), dict):
            return found
    body = record.get("body")  # SQS
    inner = json_text(body) if isinstance(body, str) else body
    if isinstance(inner, dict):
        return inner
    raise InvalidInput("a record of the Lambda event is neither of SES nor of SNS nor of SQS")


def _notification(envelope: Mapping[str, object], left: int) -> Iterator[Told]:
    """What an SNS message holds; subscriptions themselves switch this feed on and off."""
    kind = text(envelope.get("Type")) or ""
    if kind in _SUBSCRIPTIONS:
        yield Told(
            word=kind,
            meaning=(_SUBSCRIPTIONS[kind], None),
            content={name: envelope.get(name) for name in ("Type", "TopicArn", "MessageId", "Timestamp")},
            own_id=text(envelope.get("MessageId")),
            times=(envelope.get("Timestamp"),),
            facts={"topic": text(envelope.get("TopicArn"))},
        )
        return
    message = envelope.get("Message")
    if isinstance(message, str):
        try:
            inner = decode_json(message.encode("utf-8", "replace"))
        except InvalidInput:
            inner = None
        if not isinstance(inner, dict):
            inner = {"notificationType": "SnsMessage", "message": message}
    elif isinstance(message, dict):
        inner = message
    else:
        raise InvalidInput(f"Message of the SNS notification is {kind_of(message)}, not text")
    yield from _opened(inner, envelope.get("Timestamp"), left - 1)
