"""The details of a row of the Gmail log: what it says of the message, its way and its checks, under our names."""

from collections.abc import Mapping, Sequence

import orjson

from ingest.parsers.google_bigquery import integer, truth
from ingest.parsers.google_gmail_table import EVENT_NAMES, STAGES
from ingest.parsers.identity_events import address, is_empty
from ingest.parsers.shapes import mapping, sequence, text_of

_MOST = 200
"""Attachments, rules and domains of one row that are kept beside its record."""


def gmail_details(
    event: Mapping[str, object],
    message: Mapping[str, object],
    kind: int | None,
    stage: int | None,
    recipients: int,
) -> dict[str, object]:
    """What is the same for every recipient. `kind` is the mail event type, `stage` the action type."""
    link, source = mapping(message.get("connection_info")), mapping(message.get("source"))
    spam, client = mapping(message.get("spam_info")), mapping(event.get("client_context"))
    after = mapping(mapping(message.get("post_delivery_info")).get("interaction"))
    size = integer(message.get("payload_size"))
    return {
        "from": text_of(source.get("address")),
        "header_from": text_of(source.get("from_header_address")),
        "header_from_name": text_of(source.get("from_header_displayname")),
        "source_service": text_of(source.get("service")),
        "source_selector": text_of(source.get("selector")),
        "subject": text_of(message.get("subject")),
        "message_id": (text_of(message.get("rfc2822_message_id")) or "").strip().removeprefix("<").removesuffix(">"),
        "size": size if size is not None and size >= 0 else None,
        "nrcpt": recipients or None,
        "client_ip": address(link.get("client_ip")) or address(link.get("smtp_in_connect_ip")),
        "connect_ip": address(link.get("smtp_in_connect_ip")),
        "user_agent_ip": address(link.get("smtp_user_agent_ip")),
        "client": text_of(link.get("client_host_zone")),
        "relay": text_of(link.get("smtp_out_remote_host")),
        "relay_ip": address(link.get("smtp_out_connect_ip")),
        "failed_relay_ips": [found for one in sequence(link.get("failed_smtp_out_connect_ip")) if (found := address(one))][:_MOST],
        "response": text_of(message.get("description")),
        "reply_reason": integer(link.get("smtp_response_reason")),
        "relay_error": integer(message.get("smtp_relay_error")) or None,
        "smtp_tls_state": integer(link.get("smtp_tls_state")),
        "tls_required_but_unavailable": truth(link.get("tls_required_but_unavailable")),
        "spf": _passed(link.get("spf_pass")),
        "dkim": _passed(link.get("dkim_pass")),
        "dmarc": _passed(link.get("dmarc_pass")),
        "dmarc_domain": text_of(link.get("dmarc_published_domain")),
        "authenticated_domains": _objects(link.get("authenticated_domain"), texts=("name",), numbers=("type",)),
        "spam": truth(message.get("is_spam")),
        "spam_disposition": integer(spam.get("disposition")),
        "spam_reason": integer(spam.get("classification_reason")),
        "attachments": _objects(
            repeated(message, "attachment"), texts=("file_name", "file_extension_type", "sha256"), numbers=("malware_family",)
        ),
        "nattachments": integer(message.get("num_message_attachments")),
        "link_domains": [one for one in sequence(message.get("link_domain")) if text_of(one)][:_MOST],
        "message_sets": [integer(one.get("type")) for one in _mappings(message.get("message_set"))][:_MOST],
        "rules": _rules(message),
        "encryption": "smime" if truth(message.get("smime_encrypt_message")) else None,
        "confidential_mode": truth(mapping(message.get("confidential_mode_info")).get("is_confidential_mode")),
        "auto_forwarded": True if kind == 11 or source.get("selector") == "autoforward" else None,
        "client_type": text_of(client.get("client_type")),
        "delegate": text_of(mapping(client.get("session_context")).get("delegate_user_email")),
        "session_id": text_of(mapping(client.get("session_context")).get("dusi")),
        "link_url": text_of(after.get("link_url")),
        "opened_attachments": _objects(after.get("attachment"), texts=("file_name", "sha256"), numbers=()),
        "duration_us": integer(event.get("elapsed_time_usec")),
        "success": truth(event.get("success")),
        "event_type": EVENT_NAMES.get(kind, str(kind)) if kind is not None else None,
        "mail_event_type": kind,
        "stage": STAGES.get(stage, str(stage)) if stage is not None else None,
        "action_type": stage,
    }


def repeated(message: Mapping[str, object], name: str) -> Sequence[object]:
    """A repeated record; tables that became CSV on their way hold it as JSON in a text."""
    value = message.get(name)
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return ()
    return sequence(value) if isinstance(value, list | dict) else ()


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [mapping(one) for one in sequence(value) if isinstance(one, dict)]


def _objects(value: object, *, texts: Sequence[str], numbers: Sequence[str]) -> list[dict[str, object]]:
    """Objects with these members, without what is null."""
    objects: list[dict[str, object]] = []
    for one in _mappings(list(value) if isinstance(value, tuple) else value)[:_MOST]:
        known: dict[str, object] = {name: text for name in texts if (text := text_of(one.get(name)))}
        known |= {name: count for name in numbers if (count := integer(one.get(name))) is not None}
        if known:
            objects.append(known)
    return objects


def _rules(message: Mapping[str, object]) -> list[dict[str, object]]:
    """Rules that were triggered: name, type, whose they are, what they did. What matched is content, and stays in the record."""
    found: list[dict[str, object]] = []
    for one in _mappings(list(repeated(message, "triggered_rule_info")))[:_MOST]:
        rule: dict[str, object] = {
            "name": text_of(one.get("rule_name")),
            "type": integer(one.get("rule_type")),
            "policy_holder": text_of(one.get("policy_holder_address")),
            "actions": [
                {"action": integer(done.get("action")), "reason": text_of(done.get("reason"))}
                for done in _mappings(one.get("consequence"))
            ],
            "detectors": [
                name for match in _mappings(one.get("string_match")) if (name := text_of(match.get("predefined_detector_name")))
            ],
        }
        if known := {name: value for name, value in rule.items() if not is_empty(value)}:
            found.append(known)
    return found


def _passed(value: object) -> str | None:
    """`pass` or `fail`; null is not known."""
    known = truth(value)
    return None if known is None else "pass" if known else "fail"
