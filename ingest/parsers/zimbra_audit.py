"""The audit log of Zimbra: `security - cmd=Auth; account=…; protocol=…;` and what else the server holds worth an audit entry.

A command that nobody listed is an event all the same, called by its name in snake case.
"""

import re
from collections.abc import Mapping, Sequence

from domain.errors import InvalidInput
from domain.event import ActorKind, Source
from domain.json import Json
from ingest.parsers.audit_codes import snake
from ingest.parsers.mail_lines import Reading, person
from ingest.parsers.postfix_fields import recipient
from ingest.parsers.zimbra_fields import Entry, attributes

MOST_ADDRESSES = 100

_ACTIONS = {
    "Auth": "login",
    "AdminAuth": "login",
    "PreAuth": "login",
    "EndSession": "logout",
    "Logout": "logout",
    "DelegateAuth": "delegated_access",
    "ViewMail": "delegated_access",
    "SetPassword": "password_reset",
    "ResetPassword": "password_reset",
    "ChangePassword": "password_change",
    "CreateAccount": "account_create",
    "DeleteAccount": "account_delete",
    "RenameAccount": "account_rename",
    "ModifyAccount": "account_change",
    "ModifyPrefs": "account_change",
    "AddAccountAlias": "account_change",
    "RemoveAccountAlias": "account_change",
    "GrantRight": "privilege_change",
    "RevokeRight": "privilege_change",
    "ModifyAdminRights": "privilege_change",
    "ModifyConfig": "policy_change",
    "ModifyServer": "policy_change",
    "ModifyDomain": "policy_change",
    "ModifyCos": "policy_change",
}
_MAIL_ACTIONS = frozenset({"policy_change"})
_FORWARDS = frozenset({"zimbraprefmailforwardingaddress", "zimbramailforwardingaddress", "zimbraprefcalendarforwardinvitesto"})
_RULES = frozenset(
    {"zimbramailsievescript", "zimbraadminsievescriptbefore", "zimbraadminsievescriptafter", "zimbramailoutgoingsievescript"}
)
_REDIRECT = re.compile(r'\bredirect(?:\s+:\w{1,20}){0,4}\s+"([^"\s]{1,320})"')
_RIGHTS = frozenset({"zimbraisadminaccount", "zimbraisdelegatedadminaccount", "zimbraadminconsoleuicomponents", "zimbraacl"})
_TARGETS = ("account", "accountName", "name", "target", "accountId", "id")
_WORTH_KEEPING = {
    "protocol": "protocol",
    "error": "reason",
    "accountId": "account_id",
    "newName": "new_name",
    "right": "right",
    "grantee": "grantee",
}


def read_audit(entry: Entry) -> Sequence[Reading]:
    """The events of one entry of the category `security`. Raises InvalidInput where it sets up too many forwards to be one."""
    attrs = attributes(entry.text)
    values = dict(reversed(attrs))  # of two values of one name, the first
    command = values.get("cmd", "")
    target = next((values[name] for name in _TARGETS if values.get(name)), None)
    facts = about(entry)
    facts["command"] = command
    if target:
        facts["account"] = target
    facts |= {field: values[name] for name, field in _WORTH_KEEPING.items() if values.get(name)}
    action = _ACTIONS.get(command) or snake(command) or "mail_log"
    outcome = "failure" if values.get("error") else "success"
    # The tools on the server itself work as `zimbra`, which is nobody in particular.
    actor = person(entry.person, kind=ActorKind.SERVICE if entry.person == "zimbra" else ActorKind.STAFF)
    if action == "login":
        facts["method"] = {"AdminAuth": "admin", "PreAuth": "preauth"}.get(command, "password")
        facts["service"] = entry.context.get("oproto") or values.get("protocol") or "soap"
        account = person(target) or actor
        return [Reading(source=Source.ACCESS, action=action, outcome=outcome, actor=account, ip=entry.ip, facts=facts)]
    changed = sorted({name.lstrip("+-") for name, _ in attrs if name.lstrip("+-").startswith("zimbra")})
    if changed:
        facts["changed"] = changed[:MOST_ADDRESSES]
    if forwards := _forwards(attrs, target):
        return [
            Reading(
                source=Source.MAIL,
                action="forward_rule",
                outcome=outcome,
                actor=actor,
                ip=entry.ip,
                facts=facts | one,
            )
            for one in forwards
        ]
    if not _RIGHTS.isdisjoint(name.lower() for name in changed):
        action = "privilege_change"
    if action == "delegated_access":
        facts["mailbox"] = target
    source = Source.MAIL if action in _MAIL_ACTIONS else Source.ACCESS
    return [Reading(source=source, action=action, outcome=outcome, actor=actor, ip=entry.ip, facts=facts)]


def about(entry: Entry) -> dict[str, Json]:
    """What the context of a request says, by our names."""
    facts: dict[str, Json] = {"category": entry.category}
    for name, field in (("ua", "user_agent"), ("soapId", "request_id"), ("via", "via"), ("cid", "connection")):
        if value := entry.context.get(name):
            facts[field] = value[:500]
    if entry.delegated:
        facts |= {"delegated": True, "mailbox": entry.account}
    if entry.exception:
        facts["exception"] = entry.exception
    return facts


def _forwards(attrs: Sequence[tuple[str, str]], account: str | None) -> list[dict[str, Json]]:
    """One set of facts for each address that mail is now sent on to, or no longer."""
    found: list[dict[str, Json]] = []
    kept: Mapping[str, Json] = {"local_copy": False} if ("zimbraPrefMailLocalDeliveryDisabled", "TRUE") in attrs else {}
    for name, value in attrs:
        bare = name.lstrip("+-").lower()
        addresses: Sequence[str] = ()
        if bare in _FORWARDS:
            addresses = [one.strip() for one in value.split(",") if one.strip()]
            if not addresses:
                found.append({"orig_to": account, "setting": name.lstrip("+-"), "removed": True})
        elif bare in _RULES:
            addresses = _REDIRECT.findall(value)
        for address in addresses:
            facts: dict[str, Json] = {**recipient(address), "orig_to": account, "setting": name.lstrip("+-"), **kept}
            if name.startswith("-"):
                facts["removed"] = True
            found.append(facts)
    if len(found) > MOST_ADDRESSES:
        raise InvalidInput(f"the entry names more than {MOST_ADDRESSES} addresses to forward to")
    return found
