"""The mailbox log of Zimbra: deliveries by LMTP, mail sent, rules that send mail on, logins by IMAP and POP, mail read."""

import re
from collections.abc import Sequence

from domain.event import ActorKind, Source
from domain.json import Json
from ingest.parsers.mail_lines import Reading, person
from ingest.parsers.postfix_fields import recipient
from ingest.parsers.recent import Recent
from ingest.parsers.zimbra_audit import about
from ingest.parsers.zimbra_fields import Entry

MESSAGES = 10_000

_DELIVERING = re.compile(
    r"Delivering message: size=(?P<size>\d{1,15}|unspecified)[^,]{0,20}, nrcpts=(?P<nrcpt>\d{1,9}), sender=(?P<sender>[^,]*), "
    r"msgid=(?P<id>.*)"
)
_ADDING = re.compile(
    r"Adding Message: id=(?P<item>\d{1,15}), Message-ID=(?P<id>.*), parentId=-?\d+, folderId=\d+, "
    r"folderName=(?P<folder>.*?)(?: acct=[0-9a-f-]{1,40})?\.?"
)
_SENDING = re.compile(
    r"Sending message to MTA at (?P<relay>[^,:\s]{1,255})(?:, port (?P<port>\d{1,5}))?: Message-ID=(?P<id>[^,]*)(?P<more>.*)"
)
_REPLY = re.compile(r", replyType=(?P<reply>\w{1,20})")
_REDIRECTING = re.compile(r"Redirecting message to (?P<to>\S+?)\.?")
_AUTHENTICATED = re.compile(r"user (?P<user>\S{1,400}) authenticated, mechanism=(?P<method>[\w-]{1,40})(?P<tls> \[TLS\])?")
_REFUSED = re.compile(
    r"(?:[A-Za-z ]{0,40}: )?authentication failed for \[?(?P<user>[^\]\s,]{1,400})\]?(?P<reason>.*)", re.IGNORECASE | re.DOTALL
)
_REQUEST = re.compile(r"(?:\([^()]{0,100}\) )?(?P<name>[A-Z]\w{1,60})Request(?: elapsed=(?P<elapsed>\d{1,9}))?\b.*")
_REQUESTS = {
    "GetMsg": "view_message",
    "GetConv": "view_message",
    "GetMsgMetadata": "view_message",
    "Search": "search",
    "SearchConv": "search",
    "SendMsg": "send_message",
    "SendInviteReply": "send_message",
    "MsgAction": "mailbox_change",
    "ConvAction": "mailbox_change",
    "ItemAction": "mailbox_change",
    "FolderAction": "mailbox_share_or_folder_change",
    "ModifyPrefs": "mail_settings_change",
    "ModifyFilterRules": "filter_rules_change",
    "ModifyOutgoingFilterRules": "filter_rules_change",
    "ApplyFilterRules": "filter_rules_change",
    "GrantRights": "privilege_change",
    "RevokeRights": "privilege_change",
    "ChangePassword": "password_change",
    "EndSession": "logout",
    "ExportContacts": "export",
}
_ACCESS = frozenset({"logout", "privilege_change", "password_change", "export"})
_LEVELS = {"WARN": "mail_warning", "ERROR": "mail_error", "FATAL": "mail_fatal"}


class MailboxLog:
    """Reads the entries of a stream, and keeps who sent the messages that LMTP is delivering."""

    def __init__(self) -> None:
        self._incoming: Recent[tuple[str | None, str, str], dict[str, Json]] = Recent(MESSAGES)

    def read(self, entry: Entry, host: str | None) -> Sequence[Reading]:
        """The event of one entry."""
        found = self._described(entry, host) or _refused(entry)
        if found is not None:
            return [found]
        actor = person(entry.person, kind=ActorKind.SYSTEM)
        facts: dict[str, Json] = {**about(entry), "text": entry.text}
        return [Reading(action=_LEVELS.get(entry.level, "mail_log"), actor=actor, ip=entry.ip, facts=facts)]

    def _described(self, entry: Entry, host: str | None) -> Reading | None:
        match entry.category:
            case "lmtp":
                return self._received(entry, host)
            case "mailop":
                return self._stored(entry, host)
            case "smtp":
                return _sent(entry)
            case "filter":
                return _redirected(entry)
            case "imap" | "pop" | "pop3":
                return _signed_in(entry)
            case "soap":
                return _requested(entry)
        return None

    def _received(self, entry: Entry, host: str | None) -> Reading | None:
        found = _DELIVERING.fullmatch(entry.text)
        if found is None:
            return None
        envelope: dict[str, Json] = {"from": found["sender"].strip("<>"), "nrcpt": int(found["nrcpt"])}
        if found["size"].isdecimal():
            envelope["size"] = int(found["size"])
        message_id = _message_id(found["id"])
        if message_id:
            self._incoming.put((host, entry.thread, message_id), envelope)
        return Reading(action="mail_received", ip=entry.ip, facts={**about(entry), **envelope, "message_id": message_id})

    def _stored(self, entry: Entry, host: str | None) -> Reading | None:
        found = _ADDING.fullmatch(entry.text)
        if found is None:
            return None
        message_id = _message_id(found["id"])
        facts: dict[str, Json] = {**about(entry), "message_id": message_id, "folder": found["folder"], "item": int(found["item"])}
        if not entry.thread.startswith("Lmtp"):  # a copy of what was sent, a draft, an import
            return Reading(action="mail_stored", actor=person(entry.person, kind=ActorKind.SYSTEM), ip=entry.ip, facts=facts)
        facts |= {**(self._incoming.get((host, entry.thread, message_id)) or {}), "direction": "internal"}
        if entry.account:
            facts |= recipient(entry.account)
        return Reading(action="deliver", outcome="delivered", facts=facts)


def _sent(entry: Entry) -> Reading | None:
    found = _SENDING.fullmatch(entry.text)
    if found is None:
        return None
    facts: dict[str, Json] = {**about(entry), "relay": found["relay"], "message_id": _message_id(found["id"])}
    if found["port"]:
        facts["relay_port"] = int(found["port"])
    if reply := _REPLY.search(found["more"]):
        facts["reply_type"] = reply["reply"]
    return Reading(action="mail_submitted", actor=person(entry.person, kind=ActorKind.SYSTEM), ip=entry.ip, facts=facts)


def _redirected(entry: Entry) -> Reading | None:
    found = _REDIRECTING.fullmatch(entry.text)
    if found is None:
        return None
    facts: dict[str, Json] = {**about(entry), **recipient(found["to"]), "auto_forwarded": True, "by": "filter"}
    if entry.account:
        facts["orig_to"] = entry.account
        own = recipient(entry.account).get("to_domain")
        if own is not None and own == facts.get("to_domain"):
            facts["direction"] = "internal"
    return Reading(action="deliver", outcome="delivered", actor=person(entry.account, kind=ActorKind.SYSTEM), facts=facts)


def _signed_in(entry: Entry) -> Reading | None:
    found = _AUTHENTICATED.fullmatch(entry.text)
    if found is None:
        return None
    facts: dict[str, Json] = {**about(entry), "service": entry.category, "method": found["method"]}
    if found["tls"]:
        facts["tls"] = {"established": True}
    elif not {"oip", "via"} & entry.context.keys():  # behind a proxy, what the client spoke is not known here
        facts["tls"] = None
    return Reading(source=Source.ACCESS, action="login", outcome="success", actor=person(found["user"]), ip=entry.ip, facts=facts)


def _requested(entry: Entry) -> Reading | None:
    found = _REQUEST.fullmatch(entry.text)
    action = _REQUESTS.get(found["name"]) if found else None
    if found is None or action is None or entry.person is None:
        return None
    facts: dict[str, Json] = {**about(entry), "request": found["name"], "service": "soap"}
    if entry.account:
        facts["mailbox"] = entry.account
    # Work in one's own mailbox is mail; in the mailbox of another it is access to what is not one's own.
    access = entry.delegated or action in _ACCESS
    return Reading(
        source=Source.ACCESS if access else Source.MAIL,
        action=action,
        actor=person(entry.person, kind=ActorKind.STAFF if access else ActorKind.SYSTEM),
        ip=entry.ip,
        facts=facts,
    )


def _refused(entry: Entry) -> Reading | None:
    """A failed authentication as the mailbox log has it. The audit log has it too, as a login, so here it is none."""
    found = _REFUSED.fullmatch(entry.text)
    if found is None:
        return None
    facts: dict[str, Json] = {**about(entry), "service": entry.context.get("oproto") or entry.category}
    if reason := found["reason"].strip(" ,;:."):
        facts["reason"] = reason
    actor = person(found["user"])
    return Reading(source=Source.ACCESS, action="authentication", outcome="failure", actor=actor, ip=entry.ip, facts=facts)


def _message_id(text: str) -> str:
    return text.strip().removeprefix("<").removesuffix(">")
