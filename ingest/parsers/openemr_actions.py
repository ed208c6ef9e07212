"""What the events of OpenEMR are called here.

OpenEMR names an event after the SQL it ran: an area and the kind of statement (`patient-record-select`), and puts what part of the
record it was into `category`. Events that the program names itself (`login`, `view`, `logout`, …) stand beside them.
"""

import re
from collections.abc import Mapping

from ingest.parsers.audit_codes import snake

_STATEMENT = re.compile(r"(?P<area>[a-z][a-z-]*?)-(?P<verb>select|insert|update|delete|replace)", re.IGNORECASE)
_AREA_OF_CATEGORY = {
    "patient demographics": "demographics",
    "patient insurance": "billing",
    "billing": "billing",
    "scheduling": "schedule",
    "medication": "meds",
    "lab order": "orders",
    "referral": "orders",
    "lab result": "labs",
    "vitals": "vitals",
    "encounter form": "notes",
    "clinical mail": "notes",
    "amendments": "notes",
}
_AREA_OF_EVENT = {"order": "meds", "lab-order": "orders", "lab-results": "labs", "scheduling": "schedule"}
_EDITED = {"notes": "note", "labs": "result", "meds": "orders"}
"""Writing to the prescriptions is ordering."""

_NAMED = {
    "login": "login",
    "logout": "logout",
    "auth": "login",
    "view": "view_chart",
    "patient-access": "view_chart",
    "patient-record": "view_chart",
    "print": "print",
    "fax": "fax",
    "backup": "backup",
    "breakglass": "break_glass",
    "break-glass": "break_glass",
    "emergency-login": "break_glass",
}
_RIGHTS = re.compile(
    r"\b(?:insert\s+into|update|delete\s+from|replace\s+into)\s+`?(?:users(?:_secure)?|groups|gacl_\w+)\b", re.IGNORECASE
)
_RECORDING = re.compile(r"^\s*(?:audit logging|enable_auditlog)\s+(?P<state>enabled|disabled)\b", re.IGNORECASE)


def openemr_action(event: str, category: str, comments: str | None) -> str:
    """
    The action of an event name with its category. `comments`, where they can be read, tell a change of rights and the audit switch.

    A name that is not known here is kept in snake case.
    """
    name = event.strip().lower()
    if (known := _NAMED.get(name)) is not None:
        return known
    found = _STATEMENT.fullmatch(name)
    if found is None:
        return _by_ending(name)
    area, verb = found["area"], found["verb"]
    if area == "security-administration":
        return _administration(verb, comments) or snake(name)
    if area != "patient-record" and area not in _AREA_OF_EVENT:
        return snake(name)
    part = _AREA_OF_CATEGORY.get(category.strip().lower()) or _AREA_OF_EVENT.get(area, "chart")
    if verb == "select":
        return "view_chart" if part == "vitals" else f"view_{part}"
    return f"edit_{_EDITED.get(part, part)}"


def _by_ending(name: str) -> str:
    if name.endswith(("-export", "export")):
        return "export"
    if name.endswith("-import"):
        return "import"
    return snake(name) or "event"


def _administration(verb: str, comments: str | None) -> str | None:
    if comments is None or verb == "select":
        return None
    if switch := _RECORDING.match(comments):
        return "audit_start" if switch["state"].lower() == "enabled" else "audit_stop"
    return "privilege_change" if _RIGHTS.search(comments) else None


def portal_action(event: str) -> str:
    """The action of an event that a patient caused in the portal."""
    name = event.strip().lower()
    if "login" in name:
        return "login"
    if "logout" in name:
        return "logout"
    if name.endswith("download"):
        return "download_record"
    return snake(name) or "event"


API_VERBS: Mapping[str, str] = {"GET": "read", "POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
