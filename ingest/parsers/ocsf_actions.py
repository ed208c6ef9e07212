"""What an OCSF event is called here, and how it ended.

The tables are those of the standard's classes (Open Cybersecurity Schema Framework 1.0 to 1.6). A class that has none is an event
all the same, called by the name of its class: an audit log leaves nothing out because nobody expected it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.parsers.access_words import outcome_word
from ingest.parsers.audit_codes import rest_action, snake
from ingest.parsers.shapes import mapping, text_of

AUTHENTICATION = 3002
EMAIL = 4009
MAIL_CLASSES = frozenset({EMAIL, 4011, 4012})
"""Email Activity, Email File Activity, Email URL Activity."""

_CLASSES = {
    3001: "account",
    3002: "authentication",
    3003: "authorize_session",
    3004: "entity",
    3005: "user_access",
    3006: "group",
    4002: "http",
    6001: "web_resource",
    6003: "api",
    6004: "web_access",
    6005: "datastore",
    6006: "file",
}
_CAPTIONS = {
    3001: "Account Change",
    3002: "Authentication",
    3003: "Authorize Session",
    3004: "Entity Management",
    3005: "User Access Management",
    3006: "Group Management",
    4002: "HTTP Activity",
    4009: "Email Activity",
    4011: "Email File Activity",
    4012: "Email URL Activity",
    6001: "Web Resources Activity",
    6003: "API Activity",
    6004: "Web Resource Access Activity",
    6005: "Datastore Activity",
    6006: "File Hosting Activity",
}
_ACTIVITIES: Mapping[int, Sequence[str]] = {  # the first is activity 1
    3001: (
        *("create", "enable", "password_change", "password_reset", "disable", "delete", "attach_policy", "detach_policy", "lock"),
        *("mfa_factor_enable", "mfa_factor_disable", "unlock"),
    ),
    3002: (
        *("logon", "logoff", "authentication_ticket", "service_ticket_request", "service_ticket_renew", "preauth"),
        "account_switch",
    ),
    3003: ("assign_privileges", "assign_groups", "assign_roles"),
    3004: (
        *("create", "read", "update", "delete", "move", "enroll", "unenroll", "enable", "disable", "activate", "deactivate"),
        *("suspend", "resume"),
    ),
    3005: ("assign_privileges", "revoke_privileges", "assign_role", "remove_role"),
    3006: ("assign_privileges", "revoke_privileges", "add_user", "remove_user", "delete", "create"),
    4002: ("connect", "delete", "get", "head", "options", "post", "put", "trace", "patch"),
    4009: ("send", "receive", "scan", "trace", "mta_relay"),
    6001: ("create", "read", "update", "delete", "search", "import", "export", "share"),
    6003: ("create", "read", "update", "delete"),
    6004: ("access_grant", "access_deny", "access_revoke", "access_error"),
    6005: ("read", "update", "connect", "query", "write", "create", "delete", "list", "encrypt", "decrypt"),
    6006: (
        *("upload", "download", "update", "delete", "rename", "copy", "move", "restore", "preview", "lock", "unlock", "share"),
        *("unshare", "open", "sync", "unsync"),
    ),
}
_FIXED = {
    (3001, "password_reset"): "password_reset",
    (3001, "attach_policy"): "privilege_change",
    (3001, "detach_policy"): "privilege_change",
    (3002, "logon"): "login",
    (3002, "logoff"): "logout",
    (3006, "assign_privileges"): "privilege_change",
    (3006, "revoke_privileges"): "privilege_change",
    (3006, "add_user"): "privilege_change",
    (3006, "remove_user"): "privilege_change",
    (6001, "search"): "search",
    (6001, "import"): "import",
    (6001, "export"): "export",
    **{(3005, activity): "privilege_change" for activity in _ACTIVITIES[3005]},
    **{(6004, activity): "web_access" for activity in _ACTIVITIES[6004]},
}
_ON_RECORDS = frozenset({3004, 4002, 6001, 6003, 6005})
"""Classes whose activity on a patient's record is an access like any other."""

_INTERACTIONS = {
    "create": "create", "post": "create",
    "read": "read", "get": "read", "head": "read",
    "update": "update", "write": "update", "put": "update", "patch": "update",
    "delete": "delete",
    "search": "search", "query": "search", "list": "search",
}  # fmt: skip

# Security Control profile. The caption goes before the number, because captions did not change between versions.
_DISPOSITIONS = {
    2: "blocked", 3: "quarantined", 4: "isolated", 5: "deleted", 6: "dropped", 14: "delayed",
    24: "access_revoked", 25: "rejected", 26: "unauthorized", 27: "error",
}  # fmt: skip
_DENIED = frozenset({"blocked", "access_revoked", "rejected", "unauthorized"})
_DROPPED = frozenset({"blocked", "quarantined", "isolated", "deleted", "dropped"})
_STATUS = {1: "success", 2: "failure"}
_MAIL_ACTIONS = {"bounced": "bounce", "deferred": "defer", "dropped": "discard"}


def number(value: object) -> int | None:
    """An integer, also where a sender wrote it as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16 else None


def class_of(record: Mapping[str, object]) -> int | None:
    """The class, also from `type_uid`, which is class × 100 + activity."""
    known = number(record.get("class_uid"))
    type_uid = number(record.get("type_uid"))
    return known if known is not None or type_uid is None else type_uid // 100


def class_name(record: Mapping[str, object]) -> str:
    """The class in words: the sender's, else the standard's, else its number."""
    named = text_of(record.get("class_name")) or (text_of(record.get("type_name")) or "").partition(":")[0].strip()
    uid = class_of(record)
    return named or _CAPTIONS.get(uid or 0, "") or (f"class {uid}" if uid is not None else "")


def activity_of(record: Mapping[str, object]) -> str:
    """The activity in words: by the standard's table for the class, else as the sender names it."""
    uid, activity = class_of(record), number(record.get("activity_id"))
    type_uid = number(record.get("type_uid"))
    if activity is None and type_uid is not None:
        activity = type_uid % 100
    known = _ACTIVITIES.get(uid or 0, ())
    if activity is not None and 0 < activity <= len(known):
        return known[activity - 1]
    return snake(text_of(record.get("activity_name")) or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    What an event was done to: `kinds` are its clinical types (FHIR resource names), the main one first; `has_patient` says that a
    patient is named. `search` and `export` say that the URL asks for that, whatever the method of the request.
    """

    kinds: Sequence[str] = ()
    has_patient: bool = False
    search: bool = False
    export: bool = False


def action_of(record: Mapping[str, object], target: Target) -> str:
    """The action of an event that is no mail."""
    uid, activity = class_of(record), activity_of(record)
    interaction = _INTERACTIONS.get(activity)
    if uid in _ON_RECORDS and interaction is not None and (target.kinds or target.has_patient or target.export):
        if target.export:
            return "export"
        return rest_action("search" if target.search else interaction, target.kinds)
    if (fixed := _FIXED.get((uid or 0, activity))) is not None:
        return fixed
    prefix = _CLASSES.get(uid or 0)
    if prefix is None or not activity:
        return prefix or snake(class_name(record)) or "event"
    return activity if prefix in ("authentication", "authorize_session") else f"{prefix}_{activity}"


def mail_action(record: Mapping[str, object], outcome: str | None) -> str:
    """The action of an email event: `deliver` and its like where mail went out or was traced, else what else was done with it."""
    if class_of(record) != EMAIL:
        return snake(class_name(record)) or "mail_activity"
    match activity_of(record):
        case "send" | "trace" | "mta_relay":
            return _MAIL_ACTIONS.get(outcome or "", "deliver")
        case "receive":
            return "mail_received"
        case "scan":
            return "mail_scanned"
        case other:
            return f"mail_{other}" if other else "mail_activity"


def outcome_of_event(record: Mapping[str, object]) -> str | None:
    """`denied` where a control stepped in, else the status, else the HTTP status code, else what the words say."""
    if _disposition(record) in _DENIED or number(record.get("action_id")) == 2:
        return "denied"
    if class_of(record) == 6004 and activity_of(record) in ("access_deny", "access_revoke"):
        return "denied"
    status = _STATUS.get(number(record.get("status_id")) or 0)
    if status is not None:
        return status
    code = number(mapping(record.get("http_response")).get("code")) or number(mapping(record.get("http_status")).get("code"))
    if code is not None and 100 <= code <= 599:
        return "denied" if code in (401, 403) else "success" if code < 400 else "failure"
    return outcome_word(text_of(record.get("status")))


def mail_outcome(record: Mapping[str, object]) -> str | None:
    """What became of the mail. Where only the status is known, success of a sending is delivery to the next server."""
    disposition = _disposition(record)
    if disposition in _DROPPED:
        return "dropped"
    if disposition == "delayed":
        return "deferred"
    status = _STATUS.get(number(record.get("status_id")) or 0) or outcome_word(text_of(record.get("status")))
    if disposition == "rejected" or (status == "failure" and disposition != "error"):
        return "bounced" if _is_sending(record) else status
    if status == "success":
        return "delivered" if _is_sending(record) else "success"
    return status


def _is_sending(record: Mapping[str, object]) -> bool:
    return class_of(record) == EMAIL and activity_of(record) in ("send", "trace", "mta_relay")


def _disposition(record: Mapping[str, object]) -> str | None:
    named = snake(text_of(record.get("disposition")) or "")
    return named if named in _DISPOSITIONS.values() else _DISPOSITIONS.get(number(record.get("disposition_id")) or 0)
