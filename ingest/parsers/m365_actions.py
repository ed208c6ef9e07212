"""What the operations of Microsoft 365's and Entra's audit logs are called here.

Names: learn.microsoft.com, “Audit log activities”, and “Microsoft Entra audit log activity reference”. The directory writes the
same operations into both logs, in the unified one with a full stop behind. What is not listed keeps its own name in snake case.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from ingest.parsers.webhook_values import snake

_ACTIONS: Mapping[str, str] = {
    "login": "UserLoggedIn|MailboxLogin|TeamsSessionStarted|Sign-in activity|SignIn",
    "logout": "UserLoggedOut|User signed out|UserLogoff",
    "search": (
        "SearchQueryPerformed|SearchQueryInitiatedExchange|SearchQueryInitiatedSharePoint|eDiscoverySearchPerformed|"
        "New-ComplianceSearch|Start-ComplianceSearch|SearchCreated|SearchStarted|AuditSearchCreated|New-MailboxSearch|"
        "Search-UnifiedAuditLog|SearchViewed|SearchPreviewed"
    ),
    "export": (
        "SearchExported|SearchReportExported|SearchExportDownloaded|SearchResultsSentToZoom|New-MailboxExportRequest|"
        "AuditSearchExportJobCreated|AuditSearchExportResultsDownloaded|Export-ActivityExplorerData|ExportReport|ExportTile|"
        "CaseExportDownloaded|ReviewSetExported|Export job created|Download users|Download audit logs|Download sign-in logs"
    ),
    "download_record": "FileDownloaded|FileSyncDownloadedFull|FileSyncDownloadedPartial|FileDownloadedFromBrowser|DownloadFile",
    "print": "FilePrinted|PrintFile",
    "report_run": "ViewReport|RunReport|ReportingAccessed",
    "password_reset": (
        "Reset user password|Reset password (self-service)|Reset password (by admin)|Reset user password (by admin)|"
        "Self-service password reset flow activity progress|Change user password|Change password (self-service)|"
        "Set force change user password"
    ),
    "app_consent": "Consent to application",
    "privilege_change": (
        "Add member to role|Remove member from role|Add eligible member to role|Remove eligible member from role|"
        "Add scoped member to role|Remove scoped member from role|Add member to role outside of PIM (permanent)|"
        "Add member to role in PIM completed (permanent)|Add member to role in PIM completed (timebound)|"
        "Add member to role completed (PIM activation)|Add member to role requested (PIM activation)|"
        "Remove member from role (PIM activation expired)|Remove member from role in PIM completed (permanent)|"
        "Add eligible member to role in PIM completed (permanent)|Add eligible member to role in PIM completed (timebound)|"
        "Add role definition|Update role|Update role setting in PIM|Delete role definition|Update role definition|"
        "Add app role assignment to service principal|Add app role assignment grant to user|Add app role assignment to group|"
        "Remove app role assignment from service principal|Remove app role assignment from user|"
        "Add delegated permission grant|Remove delegated permission grant|Add OAuth2PermissionGrant|Add delegation entry|"
        "Set delegation entry|Remove delegation entry|"
        "Add-MailboxPermission|Remove-MailboxPermission|Add-RecipientPermission|Remove-RecipientPermission|"
        "Add-MailboxFolderPermission|Set-MailboxFolderPermission|Remove-MailboxFolderPermission|AddFolderPermissions|"
        "ModifyFolderPermissions|RemoveFolderPermissions|Add-ADPermission|Remove-ADPermission|"
        "New-ManagementRoleAssignment|Set-ManagementRoleAssignment|Remove-ManagementRoleAssignment|New-ManagementRole|"
        "Remove-ManagementRole|New-RoleGroup|Set-RoleGroup|Remove-RoleGroup|Add-RoleGroupMember|Remove-RoleGroupMember|"
        "Update-RoleGroupMember|Add-ManagementRoleEntry|Remove-ManagementRoleEntry|Set-ManagementRoleEntry|"
        "Add-eDiscoveryCaseAdmin|Remove-eDiscoveryCaseAdmin|Update-eDiscoveryCaseAdmin|"
        "SiteCollectionAdminAdded|SiteCollectionAdminRemoved|SitePermissionsModified|PermissionLevelAdded|PermissionLevelModified|"
        "PermissionLevelRemoved|SharingInheritanceBroken|AddedToGroup|RemovedFromGroup|MemberRoleChanged|RoleAssignmentAdded|"
        "Add member to group|Remove member from group|Add owner to group|Remove owner from group"
    ),
    "policy_change": (
        "Add conditional access policy|Update conditional access policy|Delete conditional access policy|Add policy|Update policy|"
        "Delete policy|Set company information|Set DirSyncEnabled flag|Set federation settings on domain|Add owner to policy|"
        "Set domain authentication|Add named location|Update named location|Delete named location|Update authorization policy|"
        "Authentication Methods Policy Update|Update cross-tenant access setting|Add a partner to cross-tenant access setting|"
        "Disable Strong Authentication|Update security defaults|SharingPolicyChanged|DeviceAccessPolicyChanged|"
        "NetworkAccessPolicyChanged|UnmanagedSyncClientBlocked|AllowAnonymousSharing|SiteSharingCapabilityChanged|"
        "SensitivityLabelPolicyChanged|DLPPolicyChanged|Set-Mailbox audit"
    ),
}
_ACTION_OF = {name.lower(): action for action, names in _ACTIONS.items() for name in names.split("|")}

_POLICIES = re.compile(
    r"(?:new|set|remove|enable|disable|install|uninstall|import)-"
    r"(?:transportrule\w*|dlp\w+|\w*compliancepolicy|\w*compliancerule|retention\w+|unifiedauditlogretentionpolicy|"
    r"(?:in|out)boundconnector|(?:send|receive)connector|transportconfig|remotedomain|accepteddomain|journalrule|"
    r"hosted(?:content|connection|outboundspam)filter\w+|malwarefilter\w+|antiphish\w+|safe(?:links|attachment)\w+|"
    r"atpp\w*policy\w*|quarantinepolicy|tenantallowblocklist\w*|organizationconfig|casmailboxplan|owamailboxpolicy|"
    r"authenticationpolicy|irmconfiguration|omeconfiguration|label\w*|autosensitivitylabel\w+|protectionalert|"
    r"informationbarrierpolicy|sharingpolicy|organizationrelationship|externalinoutlook|mobiledevicemailboxpolicy|"
    r"clientaccessrule|dataclassification|smtpdane\w*|mtasts\w*)",
    re.IGNORECASE,
)
"""Cmdlets that change what mail may do, or what is kept and watched."""

LOGINS_FAILED = frozenset({"userloginfailed", "failedlogin", "mailboxloginfailed"})
MAIL_TAKEN: Mapping[str, str] = {"send": "owner", "sendas": "as", "sendonbehalf": "on_behalf"}
INBOX_RULES = frozenset({"new-inboxrule", "set-inboxrule", "enable-inboxrule", "updateinboxrules"})

USER_TYPES = (
    *("Regular", "Reserved", "Admin", "DcAdmin", "System", "Application", "ServicePrincipal", "CustomPolicy", "SystemPolicy"),
    *("PartnerTechnician", "Guest"),
)
"""Names of the numbers 0 to 10 (Management Activity API schema, enumeration User Type)."""

LOGON_TYPES = ("owner", "admin", "delegate", "transport", "system", "best_access", "delegated_admin")

OUTCOMES: Mapping[str, str] = {
    **dict.fromkeys(("success", "succeeded", "true", "completed"), "success"),
    **dict.fromkeys(("failure", "failed", "false", "error", "fail", "timeout"), "failure"),
    **dict.fromkeys(("denied", "blocked", "accessdenied", "unauthorized"), "denied"),
}
"""`PartiallySucceeded` is neither."""


_LONGEST = 128
"""Characters of a name: what is longer is none, and is not to fill the memory of those that are."""


def operation_of(name: str) -> str:
    """An operation's name as the tables have it: lower case, no full stop behind."""
    return name.strip().rstrip(".").strip().lower()


def action_of(name: str) -> str:
    """The action of an operation: a known one, or its own name in snake case."""
    return _action_of(name[:_LONGEST])


@lru_cache(maxsize=4096)
def _action_of(name: str) -> str:
    operation = operation_of(name)
    if known := _ACTION_OF.get(operation):
        return known
    if operation in LOGINS_FAILED:
        return "login"
    if _POLICIES.fullmatch(operation):
        return "policy_change"
    return snake(name)[:_LONGEST] or "event"


def is_mail_policy(operation: str) -> bool:
    """Whether an operation changes a policy by a cmdlet of Exchange or Purview."""
    return _POLICIES.fullmatch(operation) is not None


def user_type(value: object) -> str | None:
    """The name of a user type, given as number or name."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip()
    if text.isascii() and text.isdecimal() and len(text) < 3:
        return USER_TYPES[int(text)] if int(text) < len(USER_TYPES) else None
    return next((known for known in USER_TYPES if known.lower() == text.lower()), None)
