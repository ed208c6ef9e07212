"""What the directory says of a change, alike in the unified audit log and in Entra's own: targets, properties, consent.

Both list what was changed as name, old and new value, the values mostly JSON inside a text.
"""

import re
from collections.abc import Sequence

from ingest.parsers.m365_fields import Fields, flag, unquoted

_SCOPE = re.compile(r"Scope:\s*(?P<scopes>[^,\]\r\n]+)")
_CONSENT_TYPE = re.compile(r"ConsentType:\s*(?P<kind>\w+)")
_MOST = 200
_LONGEST = 2000


def changes_of(values: Sequence[object]) -> list[dict[str, object]]:
    """The changed properties as `{name, old, new}`; what is empty is left out. Some operations list names only."""
    found: list[dict[str, object]] = []
    for one in values[:_MOST]:
        if isinstance(one, str) and one.strip():
            found.append({"name": one})
            continue
        fields = Fields(one)
        change: dict[str, object] = {
            "name": fields.text("name", "displayname"),
            "old": _shortened(fields.get("oldvalue")),
            "new": _shortened(fields.get("newvalue")),
        }
        change = {name: value for name, value in change.items() if value not in (None, "", "[]")}
        if "name" in change:
            found.append(change)
    return found


def new_value(values: Sequence[object], *names: str) -> str | None:
    """The new value of the first of these properties that has one, else its old one."""
    known = {(fields.text("name", "displayname") or "").lower(): fields for fields in map(Fields, values)}
    for name in names:
        fields = known.get(name.lower())
        if fields is not None:
            found = unquoted(fields.get("newvalue")) or unquoted(fields.get("oldvalue"))
            if found:
                return found
    return None


def consent_of(values: Sequence[object]) -> dict[str, object]:
    """What was consented to: `scopes`, `consent_type` (`AllPrincipals` is for everybody), `admin_consent`."""
    permissions = new_value(values, "ConsentAction.Permissions", "DelegatedPermissionGrant.Scope") or ""
    granted = permissions.rpartition("=>")[2] or permissions
    found = [scope for match in _SCOPE.finditer(granted) for scope in match["scopes"].split()]
    if not found and permissions and "Scope:" not in permissions:
        found = [scope for scope in permissions.split() if "=>" not in scope and "[" not in scope]
    kind = _CONSENT_TYPE.search(granted)
    return {
        "scopes": list(dict.fromkeys(found)),
        "consent_type": kind["kind"] if kind else new_value(values, "DelegatedPermissionGrant.ConsentType"),
        "admin_consent": flag(new_value(values, "ConsentContext.IsAdminConsent")),
        "for_everybody": flag(new_value(values, "ConsentContext.OnBehalfOfAll")),
        "app_only": flag(new_value(values, "ConsentContext.IsAppOnly")),
    }


def _shortened(value: object) -> object:
    return value[:_LONGEST] if isinstance(value, str) else value
