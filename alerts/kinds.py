"""What a kind of finding is called in public, and what it is about.

The title goes out in notifications, so it says what happened and never to whom. A kind that is not listed (a rule somebody added)
groups by what its findings name and goes out as `other`, under a title that says nothing: a rule's name can be a person's.
"""

from dataclasses import dataclass
from enum import StrEnum


class Subject(StrEnum):
    """Whom or what findings of a kind are gathered by."""

    PAIR = "pair"
    """One actor in one patient's record."""
    ACTOR = "actor"
    """One actor, whatever the record: accounts, volumes, exports."""
    PATIENT = "patient"
    """One patient, whoever looked: a crowd at a well-known name."""
    DESTINATION = "destination"
    """One recipient domain of mail or, where there is none, one patient."""
    SOURCE = "source"
    """One source system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Kinds of one family about the same subject are one incident. `title` names nobody."""

    family: str
    subject: Subject
    title: str


def _kind(family: str, subject: Subject, title: str) -> Kind:
    return Kind(family=family, subject=subject, title=title)


KINDS = {
    "self_access": _kind("record", Subject.PAIR, "Staff member opened their own record"),
    "household_access": _kind("record", Subject.PAIR, "Access to the record of a relative or household member"),
    "unusual_access": _kind("record", Subject.PAIR, "Unusual record access"),
    "break_glass": _kind("record", Subject.PAIR, "Emergency access to review"),
    "vip_access": _kind("vip", Subject.PATIENT, "Access to a well-known person's record without a known reason"),
    "browsing": _kind("volume", Subject.ACTOR, "Several records opened without a known reason"),
    "bulk_export": _kind("volume", Subject.ACTOR, "Export of many records"),
    "unusual_volume": _kind("volume", Subject.ACTOR, "Far more records opened than usual"),
    "login_burst": _kind("account", Subject.ACTOR, "Failed logins, then a success"),
    "terminated_active": _kind("account", Subject.ACTOR, "Account in use after its owner left"),
    "on_leave_active": _kind("account", Subject.ACTOR, "Records opened during leave"),
    "dormant_account": _kind("account", Subject.ACTOR, "Account awake after a long sleep"),
    "impossible_travel": _kind("account", Subject.ACTOR, "Journey that nobody can make"),
    "strange_place": _kind("account", Subject.ACTOR, "Account used from a strange place"),
    "shared_credential": _kind("account", Subject.ACTOR, "One account in two places at once"),
    "service_as_person": _kind("account", Subject.ACTOR, "Service account behaving like a person"),
    "privilege_change": _kind("account", Subject.ACTOR, "Somebody gave themselves rights"),
    "portal_takeover": _kind("account", Subject.ACTOR, "Portal account taken over"),
    "password_spray": _kind("password_spray", Subject.ACTOR, "Passwords tried over many accounts"),
    "untrained": _kind("untrained", Subject.ACTOR, "PHI opened without valid privacy training"),
    "unapproved_application": _kind("shadow", Subject.ACTOR, "Consent given to an application that is not registered"),
    "shadow_destination": _kind("shadow", Subject.ACTOR, "Data sent to a service that is not registered"),
    "before_leaving": _kind("volume", Subject.ACTOR, "Many records taken out before leaving"),
    "restricted_access": _kind("record", Subject.PAIR, "Restricted record opened without a known reason"),
    "plaintext_phi": _kind("plaintext_phi", Subject.DESTINATION, "Mail with PHI sent in the clear"),
    "weak_tls": _kind("weak_tls", Subject.DESTINATION, "Mail sent over outdated encryption"),
    "unverified_certificate": _kind("unverified_certificate", Subject.DESTINATION, "Mail sent to a server that was not verified"),
    "phi_without_baa": _kind("phi_without_baa", Subject.DESTINATION, "Mail with PHI to a recipient without an agreement"),
    "baa_expired": _kind("baa_expired", Subject.DESTINATION, "Mail with PHI after the agreement ran out"),
    "marketing_without_optin": _kind("marketing", Subject.ACTOR, "Marketing mail without an opt-in"),
    "marketing_after_optout": _kind("marketing", Subject.ACTOR, "Marketing mail after an opt-out"),
    "marketing_with_phi": _kind("marketing", Subject.ACTOR, "Marketing mail that carries PHI"),
    "auto_forward_outside": _kind("mail_forwarding", Subject.ACTOR, "Mail forwarded automatically to the outside"),
    "forward_rule_outside": _kind("mail_forwarding", Subject.ACTOR, "A rule forwards mail to the outside"),
    "tls_downgrade": _kind("plaintext_phi", Subject.DESTINATION, "Mail over a worse line than the domain always used"),
    "mta_sts_violated": _kind("mta_sts_violated", Subject.DESTINATION, "Mail delivered against an MTA-STS policy"),
    "domain_policy_broken": _kind("domain_policy_broken", Subject.DESTINATION, "Mail sent against what is demanded for its domain"),
    "phi_in_subject": _kind("phi_in_subject", Subject.ACTOR, "Mail with an identifier in its subject"),
    "phi_returned": _kind("phi_returned", Subject.DESTINATION, "PHI that came back in the clear"),
    "message_recalled": _kind("message_recalled", Subject.DESTINATION, "A message to the outside was recalled"),
    "secure_message_unread": _kind("secure_message_unread", Subject.PATIENT, "A secure message that was not picked up"),
    "transactional_late": _kind("transactional", Subject.DESTINATION, "Mail that somebody waits for came late"),
    "transactional_bounced": _kind("transactional", Subject.DESTINATION, "Mail that somebody waits for was refused"),
    "unapproved_sender": _kind("unapproved_sender", Subject.DESTINATION, "Mail in our name by a sender that is not approved"),
    "mail_policy_weakened": _kind("mail_policy_weakened", Subject.ACTOR, "Protection of mail was weakened"),
    "mta_sts_removed": _kind("domain_posture", Subject.DESTINATION, "A domain took back its MTA-STS policy"),
    "mta_sts_weakened": _kind("domain_posture", Subject.DESTINATION, "A domain no longer enforces its MTA-STS policy"),
    "mta_sts_lapsed": _kind("domain_posture", Subject.DESTINATION, "The MTA-STS policy of a domain ran out"),
    "mx_outside_policy": _kind("domain_posture", Subject.DESTINATION, "A domain has mail servers that its policy does not name"),
    "dane_removed": _kind("domain_posture", Subject.DESTINATION, "A domain no longer has DANE"),
    "dmarc_weakened": _kind("domain_posture", Subject.DESTINATION, "DMARC of an own domain was weakened"),
    "misdirected_mail": _kind("misdirected_mail", Subject.DESTINATION, "Mail that may have gone to the wrong place"),
    "audit_stopped": _kind("audit_stopped", Subject.SOURCE, "Audit recording stopped"),
    "record_tampered": _kind("record_tampered", Subject.SOURCE, "The audit record does not verify"),
    "witness_quorum_missing": _kind("witness_quorum_missing", Subject.SOURCE, "The record is not witnessed"),
    "witness_refused": _kind("witness_refused", Subject.SOURCE, "A witness contradicts the audit record"),
    "source_silent": _kind("source_silent", Subject.SOURCE, "A source has gone silent"),
    "source_numbers": _kind("source_numbers", Subject.SOURCE, "Events of a source are missing by number"),
    "source_failing": _kind("source_failing", Subject.SOURCE, "Records of a source are not understood"),
    "source_skewed": _kind("source_skewed", Subject.SOURCE, "The clock of a source is wrong"),
}

UNLISTED = Kind(family="", subject=Subject.PAIR, title="Finding to review")


def public_name(kind: str) -> str:
    """The kind as it may go out: itself where it is listed, otherwise `other`."""
    return kind if kind in KINDS else "other"


def public_title(kind: str) -> str:
    """What a notification calls it."""
    return KINDS.get(kind, UNLISTED).title
