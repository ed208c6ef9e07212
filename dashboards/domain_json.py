"""Mail domains as JSON: what the command line and the interface say of them. What is not known is null."""

from zoneinfo import ZoneInfo

from dashboards.domain_words import agreement, is_stale, record_of
from domain.clock import rfc3339
from domain.json import Json
from store.domain_overview import DomainMail
from store.domain_posture import Posture, PostureChange
from store.domain_view import DomainView


def posture_json(posture: Posture) -> dict[str, Json]:
    """One look. Fields of own domains are null for others."""
    expires = posture.mta_sts_expires
    return {
        "domain": posture.domain,
        "observed_at": rfc3339(posture.observed_at),
        "own": posture.is_own,
        "mx": list(posture.mx) if posture.is_known("mx") else None,
        "mta_sts": {
            "id": posture.mta_sts_id or None,
            "published": posture.mta_sts_seen or None,
            "in_force": posture.mta_sts_mode or None,
            "until": rfc3339(expires) if expires is not None else None,
            "mx": list(posture.mta_sts_mx),
            "mx_outside": list(posture.mx_outside),
        },
        "dane": posture.dane,
        "tls_rpt": posture.tls_rpt,
        "spf": {"record": posture.spf, "all": posture.spf_all} if posture.spf_all else None,
        "dkim": _dkim(posture) if posture.is_own else None,
        "dmarc": {
            "record": posture.dmarc,
            "policy": posture.dmarc_policy,
            "subdomains": posture.dmarc_subdomain,
            "percent": posture.dmarc_percent,
        }
        if posture.dmarc_policy
        else None,
        "problems": list(posture.problems),
    }


def _dkim(posture: Posture) -> dict[str, Json]:
    keys = (key.rpartition("=") for key in posture.dkim)
    return {selector: None if state == "unknown" else state for selector, _, state in keys}


def change_json(change: PostureChange) -> dict[str, Json]:
    """Something that became different, with the two looks between which it did."""
    return {
        "domain": change.domain,
        "what": change.what,
        "before": change.before if change.was is not None else None,
        "after": change.after,
        "last_seen_before": rfc3339(change.was.observed_at) if change.was is not None else None,
        "first_seen_after": rfc3339(change.now.observed_at),
    }


def mail_json(mail: DomainMail) -> dict[str, Json]:
    """Deliveries of a period."""
    return {
        "deliveries": mail.deliveries,
        "encrypted": mail.encrypted,
        "verified": mail.verified,
        "weak": mail.weak,
        "clear": mail.clear,
        "unknown": mail.unknown,
        "phi": mail.with_phi,
        "phi_clear_or_weak": mail.phi_badly,
        "newest": rfc3339(mail.newest),
    }


def row_json(view: DomainView, domain: str, zone: ZoneInfo, mail: DomainMail | None) -> dict[str, Json]:
    """A domain in a view."""
    posture = view.postures.get(domain)
    found = record_of(domain, view.registered)
    return {
        "domain": domain,
        "register": None if found is None else {**found[1], "domain": found[0]},
        "agreement": agreement(domain, view.registered, view.at.astimezone(zone).date()).word,
        "mail": mail_json(mail) if mail is not None else None,
        "versions": dict(view.versions.get(domain, {})),
        "posture": posture_json(posture) if posture is not None else None,
        "posture_is_stale": is_stale(posture, view.at) if posture is not None else None,
    }
