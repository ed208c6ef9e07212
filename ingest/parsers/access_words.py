"""What senders without a vocabulary of their own call things, in our words.

Log lines and tables name actions, outcomes and patients as their makers liked. What is listed here is read; what is not keeps its
own name, and a mapping file says what it means.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from ingest.parsers.audit_codes import snake

ACTIONS = frozenset(
    {
        *("login", "logout", "search", "print", "export", "extract", "report_run", "break_glass", "privilege_change"),
        *("view_chart", "view_notes", "view_labs", "view_meds", "view_orders", "view_imaging", "view_billing"),
        *("view_demographics", "view_schedule", "edit_note", "edit_result", "edit_vitals", "edit_billing", "edit_demographics"),
        *("edit_schedule", "med_admin", "verify_med", "sign_order", "route_result", "audit_stop", "audit_start"),
        *("deliver", "bounce", "defer", "recall", "forward_rule", "tls_report", "policy_change"),
        *("view_message", "view_results", "view_bill", "view_appointments", "send_message", "request_refill", "pay_bill"),
        *("update_contact", "download_record", "password_reset", "proxy_grant", "message_expired"),
    }
)
"""The actions that rules and reports know by name (the event's page in `docs/collectors.md`)."""

PATIENT_NAMES = (
    *("patientid", "patient", "patientidentifier", "patientnumber", "patientno", "patid", "mrn", "patientmrn"),
    *("medicalrecordnumber", "medicalrecordno", "patientrecordnumber"),
)
"""Names of a field that holds a patient's id, without blanks and marks, the surest first. `pid` is a process in log lines."""

_SAME: dict[str, tuple[str, ...]] = {
    "login": (
        *("logon", "log_on", "log_in", "sign_in", "signin", "sign_on", "user_login", "user_logon", "user_logged_in", "user_log_in"),
        *("user_signed_in", "logged_in", "logged_on", "login_successful", "logon_successful", "authentication"),
        *("user_authentication",),
    ),
    "logout": (
        *("logoff", "log_off", "log_out", "sign_out", "signout", "user_logout", "user_logoff", "user_logged_out", "logged_out"),
        *("session_logout", "session_closed"),
    ),
    "view_chart": (
        *("chart_open", "chart_opened", "open_chart", "chart_view", "chart_viewed", "patient_chart_opened", "patient_chart_viewed"),
        *("patient_record_viewed", "view_patient_record", "record_viewed", "patient_record_access", "patient_record_accessed"),
        *("view_patient", "patient_viewed", "patient_view", "patient_record_view", "chart_access", "chart_accessed"),
    ),
    "search": ("patient_search", "patient_lookup", "search_patient", "patient_query"),
    "break_glass": (
        *("break_the_glass", "breaktheglass", "breakglass", "btg", "emergency_access", "emergency_override", "glass_broken"),
    ),
    "print": ("chart_print", "chart_printed", "record_printed", "print_chart", "printed"),
    "export": ("data_export", "exported", "record_export", "record_exported", "chart_export", "chart_exported"),
    "report_run": ("report_generated", "report_executed", "run_report", "report_created", "generate_report"),
    "privilege_change": (
        *("role_assigned", "role_changed", "role_change", "privileges_changed", "permission_changed", "permission_change"),
        *("user_role_changed", "role_removed", "privilege_granted", "privilege_revoked"),
    ),
    "audit_stop": ("audit_disabled", "audit_log_disabled", "auditing_disabled", "audit_logging_disabled", "audit_stopped"),
    "audit_start": ("audit_enabled", "audit_log_enabled", "auditing_enabled", "audit_logging_enabled", "audit_started"),
}
_ACTION_OF = {word: action for action, words in _SAME.items() for word in words}
_FAILED_LOGINS = frozenset(
    {
        *("login_failed", "login_failure", "failed_login", "logon_failed", "logon_failure", "failed_logon", "user_login_failed"),
        *("sign_in_failed", "signin_failed", "authentication_failed", "authentication_failure", "failed_authentication"),
        *("login_denied", "invalid_login", "user_login_failure"),
    }
)
_OUTCOMES = {
    "success": (
        *("success", "succeeded", "successful", "ok", "okay", "allow", "allowed", "permit", "permitted", "granted", "grant"),
        *("pass", "passed", "accept", "accepted", "approved", "complete", "completed"),
    ),
    "failure": ("failure", "failed", "fail", "error", "unsuccessful", "invalid"),
    "denied": (
        *("denied", "deny", "block", "blocked", "forbidden", "reject", "rejected", "unauthorized", "unauthorised", "refused"),
        *("prevented", "not_permitted", "not_allowed", "access_denied"),
    ),
    "delivered": ("delivered",),
    "bounced": ("bounced", "bounce"),
    "deferred": ("deferred", "delayed"),
    "dropped": ("dropped", "drop", "discarded", "quarantined", "quarantine"),
}
_OUTCOME_OF = {word: outcome for outcome, words in _OUTCOMES.items() for word in words}
_LONGEST = 128
"""Characters: what is longer is no name of anything, and is not to fill the memory of those that are."""

_PLAIN = re.compile(r"[^a-z0-9]+")


def plain(name: str) -> str:
    """A field's name without blanks, marks and capitals: `Patient ID`, `patientId` and `PATIENT_ID` are one."""
    return _plain(name) if len(name) <= _LONGEST else ""


@lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    return _PLAIN.sub("", name.lower())


def action_word(candidates: Iterable[str | None]) -> tuple[str, str | None] | None:
    """The known action that the first of `candidates` names, and the outcome where the name says it (a failed login)."""
    for candidate in candidates:
        word = _word(candidate or "")
        if word in ACTIONS:
            return word, None
        if (action := _ACTION_OF.get(word)) is not None:
            return action, None
        if word in _FAILED_LOGINS:
            return "login", "failure"
    return None


def outcome_word(text: str | None) -> str | None:
    """Our outcome for a word like `Succeeded`, `/Failure` or `BLOCKED`; None for any other."""
    return _OUTCOME_OF.get(_word(text or ""))


def _word(text: str) -> str:
    return _snake(text) if len(text) <= _LONGEST else ""


@lru_cache(maxsize=4096)
def _snake(text: str) -> str:
    return snake(text)
