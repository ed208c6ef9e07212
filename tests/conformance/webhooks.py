"""Webhooks of mail providers against the normalised events of two other projects."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from domain.event import AuditEvent
from ingest.parsers.records import Feed
from ingest.parsers.webhook_formats import WEBHOOK_PARSERS
from ingest.parsers.webhook_records import WEBHOOK_SPLITTERS
from tests.conformance.agreement import RECEIVED, Agreement, jsonl

_ANYMAIL_ACTIONS: Mapping[str, Sequence[str]] = {
    "queued": ("mail_accepted",),
    "sent": ("mail_accepted",),
    "delivered": ("deliver",),
    "deferred": ("defer",),
    "bounced": ("bounce",),
    "rejected": ("discard",),
    "failed": ("discard",),
    "opened": ("mail_opened",),
    "clicked": ("mail_clicked",),
    "complained": ("mail_complaint",),
    "unsubscribed": ("mail_unsubscribed",),
    "subscribed": ("mail_subscribed",),
    "autoresponded": ("mail_event",),
    "inbound": ("mail_accepted",),
}
_SYMFONY_ACTIONS: Mapping[str, str] = {
    "RECEIVED": "mail_accepted",
    "DELIVERED": "deliver",
    "DEFERRED": "defer",
    "BOUNCE": "bounce",
    "DROPPED": "discard",
    "OPEN": "mail_opened",
    "CLICK": "mail_clicked",
    "SPAM": "mail_complaint",
    "UNSUBSCRIBE": "mail_unsubscribed",
}
_BRACKETS = re.compile(r"^<|>$")


def measure(samples: Path, agreement: Agreement) -> None:
    """Read every webhook sample under `samples`, with its key where there is one."""
    folder = samples / "esp_webhooks"
    keys = {
        str(row["file"]): (compare, row)
        for project, compare in (("anymail", _anymail), ("symfony", _symfony))
        for row in jsonl(folder / f"{project}.expected.jsonl")
    }
    for path in sorted(folder.glob("*.json")):
        provider = next(name for name in WEBHOOK_PARSERS if name in path.name.replace("amazon_ses", "ses"))
        events: list[AuditEvent] = []
        parser = WEBHOOK_PARSERS[provider]("conformance", received=lambda: RECEIVED)
        for record in WEBHOOK_SPLITTERS[provider](Feed([path.read_bytes()]), 1 << 24):
            assert isinstance(record, bytes)
            parsed = parser.parse(record)
            agreement.account(f"webhooks/{provider}", parsed)
            events += [one for one in parsed if isinstance(one, AuditEvent)]
        if path.name in keys and events:
            compare, row = keys[path.name]
            compare(agreement, path.stem, row, events)


def _anymail(agreement: Agreement, record: str, row: Mapping[str, object], events: Sequence[AuditEvent]) -> None:
    expected = cast("Mapping[str, object]", row["expected"])
    recipient = expected.get("recipient")
    event = next((one for one in events if one.details.get("to") == recipient), events[0])
    metadata = event.details.get("metadata")
    own = metadata.get("anymail_id") if isinstance(metadata, Mapping) else None
    for name, value in expected.items():
        ours, doubt = _anymail_field(event, name, value, own)
        if ours is _NOT_CLAIMED:
            agreement.not_claimed.append(f"anymail {record} {name}: {doubt}")
        else:
            agreement.compare("anymail", name, record, _plain(value), _plain(ours), doubtful=doubt)


_NOT_CLAIMED = object()


def _anymail_field(event: AuditEvent, name: str, value: object, own: object) -> tuple[object, str | None]:
    """Our value for a field of the key, and why the key is doubtful where it is."""
    details = event.details
    match name:
        case "event_type":
            known = _ANYMAIL_ACTIONS.get(str(value), ())
            doubt = None
            if event.format == "brevo" and details["event_type"] == "invalid_email":
                doubt = "the key's own comment calls this payload a guess; the other key says dropped"
            return (value if event.action in known else event.action), doubt
        case "timestamp":
            ours = datetime.fromisoformat(str(value)).astimezone(UTC) == event.time
            sns = event.format == "ses" and not ours
            return (value if ours else event.time.isoformat()), "the key takes when SNS sent it" if sns else None
        case "message_id":
            candidates = [details.get("provider_message_id"), details.get("message_id"), own]
            return next((one for one in candidates if _plain(one) == _plain(value)), candidates[0]), None
        case "event_id":
            if event.format in ("mailgun", "resend", "ses"):
                return _NOT_CLAIMED, "the key takes an id of the delivery of the webhook, not of the event"
            return event.event_id.partition(":")[0].partition("@")[0], None
        case "recipient":
            return details.get("to"), None
        case "tags":
            return list(cast("Sequence[object]", details.get("tags", []))), None
        case "metadata":
            kept = details.get("metadata", {})
            return {key: one for key, one in cast("Mapping[str, object]", kept).items() if key != "anymail_id"}, None
        case "mta_response":
            said = details.get("response") or (details.get("reason") if value is not None and event.format == "brevo" else None)
            return (said if said is not None else details.get("reply_code") if str(value).isdigit() else None), None
        case "description":
            return next(
                (one for one in (details.get("description"), details.get("reason")) if one == value), details.get("reason")
            ), None
        case "user_agent":
            return details.get("user_agent"), None
        case "click_url":
            return details.get("url"), None
        case "reject_reason":
            return _NOT_CLAIMED, "a vocabulary of the other project; ours is in category and reason"
        case "esp_event['event-data']['id']":
            return event.event_id.partition("@")[0], None
    return _NOT_CLAIMED, "not a field of an event"


def _symfony(agreement: Agreement, record: str, row: Mapping[str, object], events: Sequence[AuditEvent]) -> None:
    event, details = events[0], events[0].details
    agreement.compare("symfony", "kind", record, _SYMFONY_ACTIONS[str(row["kind"])], event.action)
    ids = [details.get("provider_message_id"), details.get("message_id"), event.event_id.partition("@")[0]]
    agreement.compare(
        "symfony", "id", record, _plain(row["id"]), next((_plain(one) for one in ids if _plain(one) == _plain(row["id"])), ids[0])
    )
    agreement.compare("symfony", "recipient", record, row["recipient"], details.get("to"))
    if date := row.get("date"):
        agreement.compare("symfony", "date", record, *_moments(str(date), event.time))
    if reason := row.get("reason"):
        said = [details.get(name) for name in ("reason", "response", "category")]
        agreement.compare("symfony", "reason", record, reason, next((one for one in said if one == reason), said[0]))
    if row.get("tags"):
        agreement.compare("symfony", "tags", record, row["tags"], details.get("tags"))
    metadata = cast("Mapping[str, object]", row.get("metadata") or {})
    for name, value in metadata.items():
        if value:
            agreement.compare("symfony", "metadata", record, value, _found(details, name, event.ip))


def _found(details: Mapping[str, object], name: str, ip: str | None) -> object:
    kept = details.get("metadata")
    return kept[name] if isinstance(kept, Mapping) and name in kept else ip if name == "ip" else details.get(name)


def _moments(date: str, ours: datetime) -> tuple[object, object]:
    """The key's date and ours, as exact as the key is."""
    if re.fullmatch(r"\d+", date):
        return int(date), int(ours.timestamp())
    expected = datetime.fromtimestamp(float(date), UTC) if re.fullmatch(r"[\d.]+", date) else datetime.fromisoformat(date)
    return expected, ours


def _plain(value: object) -> object:
    """Texts without angle brackets and blanks around them."""
    return _BRACKETS.sub("", value.strip()) if isinstance(value, str) else json.loads(json.dumps(value, default=list))
