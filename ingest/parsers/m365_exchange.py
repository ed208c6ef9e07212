"""What Exchange Online writes into the unified audit log: mailbox reads and their gaps, forwarding, and auditing switched.

Mailbox records list what was touched in `Item`, `AffectedItems` or `Folders`; cmdlets list their `Parameters`; rules changed in
Outlook come as `OperationProperties`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ingest.parsers.identity_events import text_or_number
from ingest.parsers.m365_actions import INBOX_RULES, LOGON_TYPES
from ingest.parsers.m365_fields import Fields, flag, pairs, unpacked
from ingest.parsers.webhook_values import bare_id

_BETWEEN = re.compile(r"[\s;,<>()\[\]\"'|]+")
_LOCAL_AND_DOMAIN = re.compile(r"[^@:]{1,128}@[^@.:]{1,63}(?:\.[^@.:]{1,63}){1,16}")
_SIZE = re.compile(r"\s*\((?P<size>\d{1,15})b\)\s*$")
_PARAMETER = re.compile(r'(?:^|\s)-(?P<name>[A-Za-z]\w*)[: ]\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s"]+))')
_LONGEST_LINE = 20_000
_LONGEST_NAME = 998
_MOST_ITEMS = 1000
_TO = ("forwardto", "redirectto", "forwardasattachmentto", "forwardingaddress", "forwardingsmtpaddress")
_RULE_TO = ("blindcopyto", "copyto", "redirectmessageto", "addtorecipients")
_KEEP = "delivertomailboxandforward"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """What a record says of forwarding: the addresses, whether it was taken away, and the details of it."""

    to: Sequence[str]
    removed: bool
    details: Mapping[str, object]


def parameters_of(record: Fields) -> dict[str, object]:
    """The parameters of a cmdlet by name: a list of pairs from Exchange, a command line from Purview."""
    given = record.array("parameters", "cmdletparameters")
    line = given[0] if len(given) == 1 else None
    if isinstance(line, str):
        return {found["name"]: found["quoted"] or found["bare"] for found in _PARAMETER.finditer(line[:_LONGEST_LINE])}
    return pairs(given)


def properties_of(record: Fields) -> dict[str, object]:
    """The operation's properties by name, JSON inside them decoded."""
    return {name: unpacked(value) for name, value in pairs(record.array("operationproperties")).items()}


def forwarding_of(record: Fields, operation: str) -> Forwarding | None:
    """The forwarding that a record sets or takes away; None where it is about none."""
    if operation in INBOX_RULES:
        return _inbox_rule(record, operation)
    if operation in ("set-mailbox", "new-mailbox", "enable-mailbox"):
        return _mailbox(record)
    return None


def copies_of(record: Fields) -> list[str]:
    """To whom a transport rule sends copies."""
    given = Fields(parameters_of(record))
    return [address for name in _RULE_TO for address in _addresses(given.get(name))]


def auditing_of(record: Fields, operation: str) -> bool | None:
    """True where auditing was switched on, False where it was switched off, None where the record is about neither."""
    given = Fields(parameters_of(record))
    match operation:
        case "set-mailboxauditbypassassociation":
            bypass = given.flag("auditbypassenabled")
            return None if bypass is None else not bypass
        case "set-adminauditlogconfig":
            states = [given.flag(name) for name in ("unifiedauditlogingestionenabled", "adminauditlogenabled")]
            return False if False in states else True if True in states else None
        case "set-mailbox" | "set-user":
            return given.flag("auditenabled")
        case "set-organizationconfig":
            disabled = given.flag("auditdisabled")
            return None if disabled is None else not disabled
    return None


def is_throttled(record: Fields) -> bool:
    """Whether Exchange says that it stopped recording the reads of this mailbox."""
    given = Fields(pairs(record.array("operationproperties")))
    return given.flag("isthrottled") is True or record.flag("isthrottled") is True


def mailbox_details(record: Fields) -> dict[str, object]:
    """Whose mailbox, by whom in which role, and which items."""
    logon = record.get("logontype")
    items = [Fields(one) for one in (*record.array("affecteditems"), *record.array("item"))][:_MOST_ITEMS]
    folders = [Fields(one) for one in record.array("folders", "aggregatedrecordfoldersdata")]
    read = [Fields(one) for folder in folders for one in folder.array("folderitems")][:_MOST_ITEMS]
    paths = [*(item.inner("parentfolder").text("path") for item in items), *(folder.text("path", "name") for folder in folders)]
    subjects = [found for item in items if (found := item.text("subject"))]
    ids = [found for item in (*items, *read) if (found := bare_id(item.text("internetmessageid")))]
    single = items[0] if len(items) == 1 and not read else Fields(None)
    properties = properties_of(record)
    access = Fields(properties).text("mailaccesstype")
    return {
        "mailbox": record.text("mailboxownerupn"),
        "mailbox_guid": record.text("mailboxguid"),
        "mailbox_sid": record.text("mailboxownersid"),
        "logon_type": LOGON_TYPES[logon] if isinstance(logon, int) and 0 <= logon < len(LOGON_TYPES) else record.text("logontype"),
        "logon_sid": record.text("logonusersid"),
        "external_access": record.flag("externalaccess"),
        "client": record.text("clientinfostring"),
        "client_version": record.text("clientversion"),
        "process": record.text("clientprocessname"),
        "server": record.text("originatingserver"),
        "sent_as": record.text("sendasusersmtp", "sendasusermailboxguid"),
        "on_behalf_of": record.text("sendonbehalfofusersmtp", "sendonbehalfofusermailboxguid"),
        "cross_mailbox": record.flag("crossmailboxoperation"),
        "message_id": ids[0] if len(ids) == 1 else None,
        "message_ids": ids if len(ids) > 1 else None,
        "subject": subjects[0] if len(subjects) == 1 else None,
        "subjects": subjects if len(subjects) > 1 else None,
        "size": single.get("sizeinbytes"),
        "folders": list(dict.fromkeys(path for path in paths if path))
        or [found for found in [record.inner("folder").text("path")] if found],
        "destination_folder": record.inner("destfolder").text("path"),
        "attachments": [one for item in items for one in _attachments(item.text("attachments"))][:_MOST_ITEMS],
        "records": _count(record, items, read),
        "access_type": access,
        "throttled": is_throttled(record) or None,
        "operation_properties": {name: value for name, value in properties.items() if value is not None},
    }


def _count(record: Fields, items: Sequence[Fields], read: Sequence[Fields]) -> int | None:
    """How many items, where the record says so or lists them."""
    said = record.get("operationcount")
    if isinstance(said, int) and not isinstance(said, bool) and said >= 0:
        return said
    return len(items) + len(read) or None


def _attachments(text: str | None) -> Iterator[dict[str, object]]:
    """Name and size: `a (1).pdf (1024b); b.png (2048b)`."""
    for part in (text or "").split(";", _MOST_ITEMS):
        if found := _SIZE.search(part[-40:]):
            name = part[: len(part) - len(found[0])].replace("\\", "/").rpartition("/")[2].strip()
            yield {"name": name, "size": int(found["size"])}


def _inbox_rule(record: Fields, operation: str) -> Forwarding | None:
    given, properties = Fields(parameters_of(record)), Fields(properties_of(record))
    to = [address for name in _TO for address in _addresses(given.get(name))]
    for name in ("ruleactions", "serverrule", "actions", "inboxrule"):
        to += _forwarded(properties.get(name))
    if not to:
        return None
    word = (properties.text("ruleoperation") or operation).lower()
    return Forwarding(
        to=list(dict.fromkeys(to)),
        removed="remove" in word or "delete" in word,
        details={
            "setting": "inbox rule",
            "rule": given.text("name", "identity") or properties.text("rulename", "name"),
            "rule_id": properties.text("ruleid"),
            "rule_state": properties.text("rulestate"),
            "rule_condition": properties.text("rulecondition"),
            "deletes": given.flag("deletemessage"),
            "mailbox": given.text("mailbox") or record.text("mailboxownerupn"),
        },
    )


def _mailbox(record: Fields) -> Forwarding | None:
    parameters = parameters_of(record)
    given = Fields(parameters)
    to = [address for name in ("forwardingsmtpaddress", "forwardingaddress") for address in _addresses(given.get(name))]
    named = any(name in given for name in ("forwardingsmtpaddress", "forwardingaddress"))
    keep = given.flag(_KEEP)
    if not to and not named and keep is not True:
        return None
    return Forwarding(
        to=list(dict.fromkeys(to)),
        removed=named and not to,
        details={
            "setting": "mailbox forwarding",
            "local_copy": keep,
            "mailbox": given.text("identity") or record.text("objectid"),
        },
    )


def _addresses(value: object) -> list[str]:
    """The addresses in a parameter; a recipient that is named without an address by that name."""
    inner = unpacked(value)
    if isinstance(inner, list):
        return [address for one in inner for address in _addresses(one)]
    text = text_or_number(inner)
    if text is None or flag(text) is not None or text.lower() in ("$null", "null"):
        return []
    return _mailboxes(text) or [text[:_LONGEST_NAME]]


def _mailboxes(text: str) -> list[str]:
    """The mail addresses in a text, without `SMTP:` before them."""
    words = (word.rpartition(":")[2] for word in _BETWEEN.split(text[:_LONGEST_LINE]) if "@" in word)
    return [word for word in words if _LOCAL_AND_DOMAIN.fullmatch(word)]


def _forwarded(value: object, *, forwards: bool = False) -> list[str]:
    """The recipients of the forwarding and redirecting actions in a rule, however deep it lists them."""
    found: list[str] = []
    stack: list[tuple[object, bool]] = [(value, forwards)]
    while stack and len(found) < _MOST_ITEMS:
        one, is_forward = stack.pop()
        if isinstance(one, list):
            stack += [(inner, is_forward) for inner in reversed(one)]
        elif isinstance(one, dict):
            kind = " ".join(str(one.get(name) or "") for name in ("ActionType", "$type", "Type", "@odata.type")).lower()
            is_forward = is_forward or "forward" in kind or "redirect" in kind
            stack += [(inner, is_forward or "forward" in str(name).lower()) for name, inner in reversed([*one.items()])]
        elif is_forward and isinstance(one, str):
            found += _mailboxes(one)
    return found
