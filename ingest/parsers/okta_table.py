"""What Okta's event types are called here (System Log API, “Event types”)."""

from collections.abc import Mapping

from ingest.parsers.audit_codes import snake

_ACTIONS: Mapping[str, str] = {
    "login": "user.session.start user.authentication.sso user.session.access_admin_app",
    "logout": "user.session.end user.authentication.slo user.authentication.universal_logout",
    "authentication": """
        user.authentication.auth user.authentication.authenticate user.authentication.auth_via_AD_agent
        user.authentication.auth_via_IDP user.authentication.auth_via_LDAP_agent user.authentication.auth_via_inbound_SAML
        user.authentication.auth_via_inbound_delauth user.authentication.auth_via_iwa user.authentication.auth_via_radius
        user.authentication.auth_via_richclient user.authentication.auth_via_social""",
    "mfa_verify": """
        user.authentication.auth_via_mfa user.authentication.verify user.mfa.okta_verify user.mfa.okta_verify.deny_push""",
    "mfa_challenge": "system.push.send_factor_verify_push system.sms.send_factor_verify_message",
    "password_reset": "user.account.reset_password user.account.expire_password",
    "password_reset_request": "system.email.password_reset.sent_message",
    "account_password_change": "user.account.update_password",
    "privilege_change": """
        user.account.privilege.grant user.account.privilege.revoke group.privilege.grant group.privilege.revoke
        group.user_membership.add group.user_membership.remove iam.role.create iam.role.update iam.role.delete
        iam.role.permissions.add iam.role.permissions.delete iam.resourceset.bindings.add iam.resourceset.bindings.delete
        iam.resourceset.create iam.resourceset.update iam.resourceset.delete iam.resourceset.resources.add
        iam.resourceset.resources.delete app.oauth2.client.privilege.grant app.oauth2.client.privilege.revoke""",
    "application_assign": "application.user_membership.add group.application_assignment.add",
    "application_unassign": "application.user_membership.remove group.application_assignment.remove",
    "app_consent": "app.oauth2.as.consent.grant app.oauth2.consent.grant",
    "app_consent_revoke": """
        app.oauth2.as.consent.revoke app.oauth2.consent.revoke app.oauth2.as.consent.revoke.user
        app.oauth2.as.consent.revoke.implicit.user app.oauth2.as.consent.revoke.implicit.client""",
    "account_create": "user.lifecycle.create user.lifecycle.jit.create user.registration.create",
    "account_enable": "user.lifecycle.activate user.lifecycle.reactivate user.lifecycle.unsuspend",
    "account_disable": "user.lifecycle.deactivate user.lifecycle.suspend",
    "account_delete": "user.lifecycle.delete.initiated user.lifecycle.delete.completed user.lifecycle.delete",
    "account_update": """
        user.account.update_profile user.account.update_primary_email user.account.update_secondary_email""",
    "account_lock": "user.account.lock user.account.lock.limit",
    "account_unlock": "user.account.unlock user.account.unlock_by_admin user.account.unlock_token",
    "account_mfa_factor_enable": "user.mfa.factor.activate user.mfa.factor.unsuspend user.mfa.factor.update",
    "account_mfa_factor_disable": """
        user.mfa.factor.deactivate user.mfa.factor.reset_all user.mfa.factor.suspend""",
    "impersonation_start": "user.session.impersonation.initiate user.session.impersonation.grant",
    "impersonation_end": "user.session.impersonation.end user.session.impersonation.revoke",
    "audit_stop": "system.log_stream.lifecycle.deactivate system.log_stream.lifecycle.delete",
    "audit_start": "system.log_stream.lifecycle.activate system.log_stream.lifecycle.create",
    "threat_detected": "security.threat.detected security.attack.start user.account.report_suspicious_activity_by_enduser",
}
_ACTION_OF = {name.lower(): action for action, names in _ACTIONS.items() for name in names.split()}

_POLICIES = (
    *("policy.lifecycle.", "policy.rule.", "policy.sign_on.", "policy.update", "zone.", "network_zone.", "system.mfa.factor."),
    *("security.authenticator.lifecycle.", "security.trusted_origin.", "application.policy.", "system.feature."),
)
"""How the names of events begin that change what is allowed."""

OUTCOMES = {
    "success": "success",
    "allow": "success",
    "failure": "failure",
    "deny": "denied",
    "rate_limit": "denied",
}
"""By `outcome.result`. SKIPPED, CHALLENGE, UNANSWERED, ABANDONED, SCHEDULED and UNKNOWN are neither good nor bad."""


def okta_action(event_type: str) -> str:
    """The action of an event type; what is not known is called as Okta calls it."""
    lower = event_type.lower()
    known = _ACTION_OF.get(lower)
    if known is None and lower.startswith(_POLICIES):
        known = "policy_change"
    return known or snake(event_type)
