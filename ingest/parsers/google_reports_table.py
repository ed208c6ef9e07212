"""What the events of Google Workspace's applications are called here (Admin SDK Reports API, “Activity events”)."""

import re
from collections.abc import Mapping

from ingest.parsers.audit_codes import snake

_SIGN_IN: Mapping[str, tuple[str, str | None]] = {
    "login_success": ("login", "success"),
    "login_failure": ("login", "failure"),
    "logout": ("logout", "success"),
    "login_challenge": ("mfa_challenge", None),
    "login_verification": ("mfa_verify", None),
    "2sv_enroll": ("account_mfa_factor_enable", "success"),
    "2sv_disable": ("account_mfa_factor_disable", "success"),
    "passkey_enrolled": ("account_mfa_factor_enable", "success"),
    "passkey_removed": ("account_mfa_factor_disable", "success"),
    "password_edit": ("account_password_change", "success"),
    "account_disabled_password_leak": ("account_disable", None),
    "account_disabled_generic": ("account_disable", None),
    "account_disabled_hijacked": ("account_disable", None),
    "account_disabled_spamming": ("account_disable", None),
    "account_disabled_spamming_through_relay": ("account_disable", None),
    "email_forwarding_out_of_domain": ("forward_rule", "success"),
    "risky_sensitive_action_blocked": ("risky_sensitive_action", "denied"),
    "risky_sensitive_action_allowed": ("risky_sensitive_action", "success"),
}
_ADMIN: Mapping[str, str] = {
    "privilege_change": """
        ASSIGN_ROLE UNASSIGN_ROLE CREATE_ROLE DELETE_ROLE RENAME_ROLE UPDATE_ROLE ADD_PRIVILEGE REMOVE_PRIVILEGE
        GRANT_ADMIN_PRIVILEGE REVOKE_ADMIN_PRIVILEGE GRANT_DELEGATED_ADMIN_PRIVILEGES ADD_GROUP_MEMBER REMOVE_GROUP_MEMBER
        UPDATE_GROUP_MEMBER GROUP_MEMBER_BULK_UPLOAD""",
    "app_consent": "AUTHORIZE_API_CLIENT_ACCESS ADD_TO_TRUSTED_OAUTH2_APPS TRUST_DOMAIN_OWNED_OAUTH2_APPS",
    "app_consent_revoke": """
        REMOVE_API_CLIENT_ACCESS REMOVE_FROM_TRUSTED_OAUTH2_APPS REVOKE_3LO_TOKEN REVOKE_3LO_DEVICE_TOKENS
        UNTRUST_DOMAIN_OWNED_OAUTH2_APPS""",
    "password_reset": "CHANGE_PASSWORD CHANGE_PASSWORD_ON_NEXT_LOGIN",
    "account_create": "CREATE_USER UNDELETE_USER",
    "account_delete": "DELETE_USER",
    "account_disable": "SUSPEND_USER ARCHIVE_USER",
    "account_enable": "UNSUSPEND_USER UNARCHIVE_USER",
    "account_update": "RENAME_USER CHANGE_FIRST_NAME CHANGE_LAST_NAME CHANGE_RECOVERY_EMAIL CHANGE_RECOVERY_PHONE ADD_NICKNAME",
    "account_mfa_factor_disable": """
        TURN_OFF_2_STEP_VERIFICATION REVOKE_SECURITY_KEY DELETE_2SV_SCRATCH_CODES""",
    "account_mfa_factor_enable": "GENERATE_2SV_SCRATCH_CODES",
    "session_revoke": "RESET_SIGNIN_COOKIES",
    "account_unlock": "UNBLOCK_USER_SESSION UNLOCK_USER",
    "search": "EMAIL_LOG_SEARCH EMAIL_LIFE_OF_A_MESSAGE SECURITY_INVESTIGATION_QUERY",
    "export": "REQUEST_MAILBOX_DUMP CUSTOMER_TAKEOUT_CREATED SECURITY_INVESTIGATION_EXPORT_QUERY DOWNLOAD_USERLIST_CSV",
    "forward_rule": "CREATE_EMAIL_MONITOR CHANGE_EMAIL_ROUTING CREATE_EMAIL_ROUTE CHANGE_EMAIL_ROUTE",
    "mail_released": "RELEASE_FROM_QUARANTINE",
    "discard": "DROP_FROM_QUARANTINE REJECT_FROM_QUARANTINE",
}
_ADMIN_ACTION = {name.lower(): action for action, names in _ADMIN.items() for name in names.split()}
_MAIL = frozenset({"forward_rule", "mail_released", "discard"})

_POLICY_TYPES = frozenset(
    {
        *("application_settings", "security_settings", "domain_settings", "email_settings", "docs_settings", "calendar_settings"),
        *("chat_settings", "chrome_os_settings", "mobile_settings", "sites_settings", "contacts_settings", "org_settings"),
        *("system_defined_rules", "rules", "data_protection", "context_aware_access_settings", "hangouts_settings"),
    }
)
_CHANGES = (
    *("change_", "toggle_", "allow_", "enforce_", "enable_", "disable_", "set_", "update_", "add_", "remove_", "create_"),
    *("delete_", "assign_", "unassign_", "weak_", "session_control_", "two_step_", "untrust_", "trust_", "block_", "unblock_"),
)
_FORWARDING = re.compile(r"forward|rout(?:e|ing)|email_?monitor|recipient_?address_?map|catch_?all", re.IGNORECASE)
_AUDIT = re.compile(r"audit|log_?export|bigquery|log_?shar|cloud_?log", re.IGNORECASE)
_OFF = frozenset({"false", "off", "disabled", "disable", "0", "none"})
_ON = frozenset({"true", "on", "enabled", "enable", "1"})

_DRIVE: Mapping[str, str] = {
    "view": "file_view", "edit": "file_update", "download": "file_download", "print": "print", "copy": "file_copy",
    "create": "file_create", "delete": "file_delete", "trash": "file_delete", "upload": "file_upload", "rename": "file_rename",
    "move": "file_move", "untrash": "file_restore", "preview": "file_preview", "source_copy": "file_copy",
    "add_to_folder": "file_move", "remove_from_folder": "file_move", "sheets_import_range": "file_view",
    "email_as_attachment": "export", "export_docs": "export",
}  # fmt: skip
_TOKEN: Mapping[str, tuple[str, str | None]] = {
    "authorize": ("app_consent", "success"),
    "revoke": ("app_consent_revoke", "success"),
    "deny": ("app_consent", "denied"),
    "request": ("app_consent_request", None),
    "activity": ("api_call", None),
}
_GROUPS = frozenset(
    {
        *("add_user", "add_member", "remove_user", "remove_member", "invite_user", "accept_invitation", "approve_join_request"),
        *("change_acl_permission", "change_member_role", "add_member_role", "remove_member_role", "update_member_role", "join"),
        *("ban_user_with_moderation", "change_security_setting", "update_member", "add_dynamic_group_query"),
    }
)
_DENIALS = frozenset({"access_deny_event", "access_deny_internal_error_event"})
_PASSED = frozenset({"passed", "challenge passed.", "challenge passed", "success"})
_CHROME: Mapping[str, tuple[str, str | None]] = {
    "chrome_os_login_event": ("login", "success"),
    "chrome_os_login_failure_event": ("login", "failure"),
    "chrome_os_logout_event": ("logout", "success"),
    "login_event": ("browser_login", None),
    "content_transfer": ("dlp_content_transfer", None),
}


def report_action(application: str, name: str, kind: str, parameters: Mapping[str, object]) -> tuple[str, str | None]:
    """The action of an event and its outcome, by application, event name, event type, and parameters in lower case."""
    lower, plain = name.lower(), snake(name)
    if application == "admin":
        return _admin(lower, kind.lower(), parameters), "success"
    if lower in _SIGN_IN and application not in ("drive", "token"):
        action, outcome = _SIGN_IN[lower]
        return action, _challenge_outcome(parameters) if outcome is None and action.startswith("mfa_") else outcome
    if application == "token" and lower in _TOKEN:
        return _TOKEN[lower]
    if application == "drive":
        return _drive(lower, kind.lower()), "success"
    if application in ("groups", "groups_enterprise") or kind.lower() == "moderator_action":
        return "privilege_change" if lower in _GROUPS else plain, "success"
    if application == "context_aware_access":
        return "access_check", "denied" if lower in _DENIALS else None  # in monitor mode nothing is refused
    if lower in _CHROME and application == "chrome":
        return _CHROME[lower]
    if application == "vault" and "export" in lower:
        return "export", None
    if application == "vault" and "search" in lower:
        return "search", None
    if application == "takeout":
        return "export", None
    return plain, None


def is_about_mail(action: str, application: str, kind: str, parameters: Mapping[str, object]) -> bool:
    """True where the event belongs to the stream of mail: forwarding, quarantines, and settings of Gmail."""
    if action in _MAIL:
        return True
    about = f"{kind} {parameters.get('application_name') or ''} {parameters.get('service_name') or ''}".lower()
    return action == "policy_change" and application == "admin" and ("email_settings" in about or "gmail" in about)


def _admin(name: str, kind: str, parameters: Mapping[str, object]) -> str:
    known = _ADMIN_ACTION.get(name)
    if known is not None:
        return known
    setting = f"{name} {parameters.get('setting_name') or ''} {parameters.get('user_defined_setting_name') or ''}"
    new = str(parameters.get("new_value") or "").strip().lower()
    is_change = name.startswith(_CHANGES)
    if is_change and _AUDIT.search(setting):
        return (
            "audit_stop"
            if new in _OFF or name.startswith(("disable_", "delete_", "remove_"))
            else "audit_start"
            if new in _ON
            else "policy_change"
        )
    if "email_settings" in kind or "gmail" in name:
        if _FORWARDING.search(setting) and not name.startswith(("delete_", "remove_")):
            return "forward_rule"
        return "policy_change"
    if is_change and (kind in _POLICY_TYPES or "data_protection" in name or name.endswith("_setting")):
        return "policy_change"
    return snake(name)


def _drive(name: str, kind: str) -> str:
    if kind == "acl_change":
        return "file_share"
    return _DRIVE.get(name) or snake(name)


def _challenge_outcome(parameters: Mapping[str, object]) -> str | None:
    status = parameters.get("login_challenge_status")
    if not isinstance(status, str) or not status.strip():
        return None
    return "success" if status.strip().lower() in _PASSED else "failure"
