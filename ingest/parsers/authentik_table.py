"""What authentik's event actions are called here."""

from collections.abc import Mapping

from ingest.parsers.audit_codes import snake

_ACTIONS: Mapping[str, str] = {
    "login": "login",
    "login_failed": "login",
    "logout": "logout",
    "password_set": "account_password_change",
    "impersonation_started": "impersonation_start",
    "impersonation_ended": "impersonation_end",
}
OUTCOMES: Mapping[str, str] = {
    "login": "success",
    "login_failed": "failure",
    "logout": "success",
    "user_write": "success",
    "password_set": "success",
    "secret_view": "success",
    "secret_rotate": "success",
    "invitation_used": "success",
    "authorize_application": "success",
    "source_linked": "success",
    "impersonation_started": "success",
    "impersonation_ended": "success",
    "model_created": "success",
    "model_updated": "success",
    "model_deleted": "success",
    "email_sent": "success",
    "policy_exception": "failure",
    "property_mapping_exception": "failure",
    "system_task_exception": "failure",
    "system_exception": "failure",
    "configuration_error": "failure",
}
"""By action; the others say nothing of how it ended."""

_PRIVILEGES = frozenset({"group", "role", "groupobjectpermission", "userobjectpermission", "permission", "roleobjectpermission"})
_POLICIES = ("policy", "policybinding", "flow", "stage", "prompt", "provider", "source", "brand", "tenant", "outpost")
_AUDIT = frozenset({"notificationtransport", "notificationrule"})


def event_action(kind: str, context: Mapping[str, object], model: str) -> str:
    """The action of an event; a change of a model is what the model makes it."""
    if kind == "user_write":
        return "account_create" if context.get("created") is True else "account_update"
    if kind.startswith("model_"):
        return _model_action(kind.removeprefix("model_").removesuffix("d"), model.lower())
    return _ACTIONS.get(kind) or snake(kind) or "event"


def _model_action(verb: str, model: str) -> str:
    if model in _PRIVILEGES:
        return "privilege_change"
    if model == "user":
        return f"account_{verb}"
    if model not in _AUDIT and (model.endswith(_POLICIES) or model.startswith(("flow", "policy"))):
        return "policy_change"
    return f"{snake(model) or 'model'}_{verb}"


def request_outcome(status: object) -> str | None:
    """`denied` for 401 and 403, `failure` for other statuses from 400 on."""
    if isinstance(status, bool) or not isinstance(status, int):
        return None
    if status in (401, 403):
        return "denied"
    return "failure" if status >= 400 else "success"
