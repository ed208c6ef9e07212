"""What a record of the unified audit log says happened: mostly one thing, sometimes several.

Each address of a forwarding and each recipient of a mail is an event of its own. An attempt to switch auditing that failed keeps
the name of its cmdlet, so that nobody takes it for a gap.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.event import Actor, Source
from ingest.parsers.identity_events import address, system
from ingest.parsers.m365_actions import MAIL_TAKEN, action_of, is_mail_policy
from ingest.parsers.m365_details import named_application, recipients_of
from ingest.parsers.m365_directory import consent_of, new_value
from ingest.parsers.m365_exchange import Forwarding, auditing_of, copies_of, forwarding_of, parameters_of
from ingest.parsers.m365_fields import Fields
from ingest.parsers.webhook_values import recipient

_MOST_FORWARDS = 1000
_MOST_LISTED = 100
_MAIL_OUTCOMES: Mapping[str, tuple[str, str]] = {
    "delivered": ("deliver", "delivered"),
    "deliveredasspam": ("deliver", "delivered"),
    "junked": ("deliver", "delivered"),
    "blocked": ("discard", "dropped"),
    "replaced": ("discard", "dropped"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What all events of one record have in common. `actor`: who acted, and whether that is a person."""

    actor: tuple[Actor, bool]
    outcome: str | None
    ip: str | None
    details: Mapping[str, object]


Meaning = tuple[str, Source, str | None, tuple[Actor, bool] | None, Mapping[str, object]]


def meanings_of(record: Fields, operation: str, said: Common) -> Iterator[Meaning]:
    """What the record says happened: mostly one thing; each address of a forwarding and each recipient of a mail by itself."""
    name = record.text("operation", "operations") or ""
    failed = said.outcome in ("failure", "denied")
    auditing = auditing_of(record, operation)
    forwarding = forwarding_of(record, operation)
    if auditing is not None and not failed:
        yield "audit_start" if auditing else "audit_stop", Source.ACCESS, said.outcome, None, {"audited": _audited(record)}
        if forwarding is None:
            return
    if forwarding is not None:
        yield from _forwards(forwarding, said)
    elif operation in MAIL_TAKEN:
        yield "mail_accepted", Source.MAIL, said.outcome, None, {"sent_as": MAIL_TAKEN[operation], **_sender(record, said)}
    elif operation == "timaildata":
        yield from _scanned(record)
    elif operation == "consent to application":
        yield "app_consent", Source.ACCESS, said.outcome, None, _consent(record, said)
    elif is_mail_policy(operation):
        yield "policy_change", Source.MAIL, said.outcome, None, {"policy": _policy(record), **_copied(record)}
    elif operation == "set-mailbox" and _changes_auditing(record):
        yield "policy_change", Source.ACCESS, said.outcome, None, {"policy": _policy(record)}
    else:
        source = Source.MAIL if "inboxrule" in operation else Source.ACCESS
        yield action_of(name), source, said.outcome, None, {}


def _forwards(forwarding: Forwarding, said: Common) -> Iterator[Meaning]:
    more = {
        **forwarding.details,
        "removed": forwarding.removed or None,
        "mailbox": forwarding.details.get("mailbox") or said.details.get("mailbox") or said.actor[0].id,
    }
    to = forwarding.to[:_MOST_FORWARDS]
    recipients: Sequence[str | None] = to or [None]
    for one in recipients:
        named = recipient(one)
        yield (
            "forward_rule",
            Source.MAIL,
            said.outcome,
            None,
            {
                **more,
                **named,
                "forward_to": named.get("to"),
                "forward_domain": named.get("to_domain"),
                "recipients": list(to) if 1 < len(to) <= _MOST_LISTED else None,
            },
        )


def _sender(record: Fields, said: Common) -> dict[str, object]:
    """Whose name a mail was sent in."""
    own = said.details.get("mailbox")
    return {"from": said.details.get("sent_as") or said.details.get("on_behalf_of") or own or record.text("userid")}


def _scanned(record: Fields) -> Iterator[Meaning]:
    """A mail that Defender looked at, for each recipient."""
    delivery = record.text("deliveryaction") or ""
    action, outcome = _MAIL_OUTCOMES.get(delivery.lower(), ("mail_event", None))
    sender = record.text("p2sender", "p1sender", "sender")
    actor = (system(sender), False) if sender else None
    direction = (record.text("directionality") or "").lower()
    more = {
        "from": sender,
        "return_path": record.text("p1sender"),
        "subject": record.text("subject"),
        "message_id": (record.text("internetmessageid") or "").strip("<>"),
        "network_message_id": record.text("networkmessageid"),
        "client_ip": address(record.text("senderip")),
        "direction": {"inbound": "inbound", "outbound": "outbound", "intraorg": "internal", "intra-org": "internal"}.get(direction),
        "reason": record.text("verdict"),
        "category": delivery,
        "user_id": record.text("userid"),
        "attachments": [
            {"name": one.text("filename"), "type": one.text("filetype"), "sha256": one.text("sha256")}
            for one in map(Fields, record.array("attachmentdata"))
        ],
    }
    recipients: Sequence[str | None] = recipients_of(record) or [None]
    for to in recipients:
        yield action, Source.MAIL, outcome, actor, {**more, **recipient(to)}


def _consent(record: Fields, said: Common) -> dict[str, object]:
    changed = record.array("modifiedproperties")
    names = new_value(changed, "TargetId.ServicePrincipalNames")
    extended = record.inner("extendedproperties")
    return {
        **consent_of(changed),
        "application": named_application(record) or said.details.get("application"),
        "client_id": extended.text("appid") or _first_guid(names) or record.text("objectid"),
    }


def _first_guid(names: str | None) -> str | None:
    parts = [part.strip() for part in (names or "").replace(",", ";").split(";")]
    return next((part for part in parts if len(part) == 36 and part.count("-") == 4), None)


def _policy(record: Fields) -> str | None:
    return Fields(parameters_of(record)).text("name", "identity") or record.text("objectid")


def _copied(record: Fields) -> dict[str, object]:
    to = copies_of(record)
    if not to:
        return {}
    named = recipient(to[0])
    return {"forward_to": named.get("to"), "forward_domain": named.get("to_domain"), "recipients": to if len(to) > 1 else None}


def _changes_auditing(record: Fields) -> bool:
    return any(name.lower().startswith("audit") or name.lower() == "defaultauditset" for name in parameters_of(record))


def _audited(record: Fields) -> str | None:
    """What is recorded no more, or again: a mailbox, a person, or the organisation."""
    return Fields(parameters_of(record)).text("identity") or record.text("objectid") or record.text("organizationname")
