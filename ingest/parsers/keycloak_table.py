"""What Keycloak's events are called here: user events by type, admin events by operation and resource."""

from collections.abc import Mapping

from ingest.parsers.audit_codes import snake

_USER_EVENTS: Mapping[str, str] = {
    "LOGIN": "login",
    "CLIENT_LOGIN": "login",
    "LOGOUT": "logout",
    "REGISTER": "account_create",
    "DELETE_ACCOUNT": "account_delete",
    "UPDATE_PROFILE": "account_update",
    "UPDATE_EMAIL": "account_update",
    "UPDATE_PASSWORD": "account_password_change",
    "RESET_PASSWORD": "password_reset",
    "SEND_RESET_PASSWORD": "password_reset_request",
    "UPDATE_TOTP": "account_mfa_factor_enable",
    "REMOVE_TOTP": "account_mfa_factor_disable",
    "GRANT_CONSENT": "app_consent",
    "UPDATE_CONSENT": "app_consent",
    "REVOKE_GRANT": "app_consent_revoke",
    "IMPERSONATE": "impersonation_start",
    "USER_DISABLED_BY_PERMANENT_LOCKOUT": "account_lock",
    "USER_DISABLED_BY_TEMPORARY_LOCKOUT": "account_lock",
}
_CONTACT = frozenset({"UPDATE_PROFILE", "UPDATE_EMAIL"})
_CREDENTIALS = {"UPDATE_CREDENTIAL": "enable", "REMOVE_CREDENTIAL": "disable"}

_ROLES = frozenset(
    {
        *("REALM_ROLE_MAPPING", "CLIENT_ROLE_MAPPING", "GROUP_MEMBERSHIP", "REALM_ROLE", "CLIENT_ROLE", "REALM_SCOPE_MAPPING"),
        *("CLIENT_SCOPE_MAPPING", "CLIENT_SCOPE_CLIENT_MAPPING", "AUTHORIZATION_POLICY", "AUTHORIZATION_SCOPE"),
        *("AUTHORIZATION_RESOURCE", "AUTHORIZATION_RESOURCE_SERVER", "ORGANIZATION_MEMBERSHIP"),
    }
)
_POLICIES = frozenset(
    {
        *("REALM", "AUTH_FLOW", "AUTH_EXECUTION", "AUTH_EXECUTION_FLOW", "AUTHENTICATOR_CONFIG", "REQUIRED_ACTION"),
        *("REQUIRED_ACTION_CONFIG", "IDENTITY_PROVIDER", "IDENTITY_PROVIDER_MAPPER", "CLIENT_INITIAL_ACCESS_MODEL", "USER_PROFILE"),
    }
)
_VERBS = {"CREATE": "create", "UPDATE": "update", "DELETE": "delete", "ACTION": "action"}


def user_action(event_type: str, details: Mapping[str, object], *, is_portal: bool) -> tuple[str, str | None]:
    """The action of a user event and its outcome: types that end in `_ERROR` failed, nothing else did."""
    bare = event_type.removesuffix("_ERROR")
    outcome = "success" if bare == event_type else "failure"
    if is_portal and bare in _CONTACT:
        return "update_contact", outcome
    if (change := _CREDENTIALS.get(bare)) is not None:
        if str(details.get("credential_type") or "").lower() == "password":
            return "account_password_change", outcome
        return f"account_mfa_factor_{change}", outcome
    return _USER_EVENTS.get(bare) or snake(bare), outcome


def admin_action(operation: str, resource: str, path: str) -> str:
    """The action of an admin event: what it does to whom decides, the rest is `user_update`, `client_delete`, …"""
    if path.endswith(("/reset-password", "/reset-password-email")):
        return "password_reset"
    if path.endswith("/execute-actions-email"):
        return "password_reset_request"
    if path.endswith("/impersonation"):
        return "impersonation_start"
    if path.endswith(("/logout", "/logout-all")) or path == "logout-all":
        return "session_revoke"
    if path.endswith("/events/config") or path == "events/config":
        return "policy_change"
    if resource in _ROLES:
        return "privilege_change"
    if resource in _POLICIES:
        return "policy_change"
    verb = _VERBS.get(operation, snake(operation))
    if resource == "USER" and verb != "action":
        return f"account_{verb}"
    return f"{snake(resource) or 'resource'}_{verb}"[:128]
