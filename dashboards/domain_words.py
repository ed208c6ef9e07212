"""What is known of a mail domain in words and tones. What is not known, or was seen too long ago, is said so and has no colour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from domain.clock import rfc3339
from domain.json import Json
from store.domain_posture import Posture, PostureChange

STALE = timedelta(days=3)
"""After which a look says nothing about now: domains are looked at once a day."""

GOOD, WATCH, BAD, WORSE, UNKNOWN = "status-resolved", "sev-low", "sev-medium", "sev-high", ""
"""Badges. Unknown is grey: it has no colour of its own, and never the green one."""

NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aspect:
    """One thing about a domain: `field` as problems name it, what is known of it, and the badge for that."""

    field: str
    title: str
    word: str
    tone: str = UNKNOWN
    about: str = ""


_MODES = {"enforce": ("enforce", GOOD), "testing": ("testing", WATCH), "none": ("none", WATCH)}
_SPF = {
    "fail": ("all others fail", GOOD),
    "softfail": ("all others softfail", WATCH),
    "redirect": ("left to another domain", UNKNOWN),
    "neutral": ("says nothing of others", BAD),
    "pass": ("everybody may send", WORSE),
    "absent": ("none", WORSE),
    "invalid": ("wrong", WORSE),
}
_DMARC = {
    "reject": ("reject", GOOD),
    "quarantine": ("quarantine", WATCH),
    "none": ("none, only reports", BAD),
    "absent": ("no record", WORSE),
    "invalid": ("wrong record", WORSE),
}
_DKIM = {"valid": GOOD, "revoked": WATCH, "absent": BAD, "invalid": BAD}

_WHATS = {
    "mx": "mail servers (MX)",
    "mx_outside": "mail servers that the policy does not name",
    "mta_sts": "MTA-STS as published",
    "mta_sts_lapsed": "MTA-STS policy ran out",
    "mta_sts_mx": "hosts of the MTA-STS policy",
    "dane": "DANE",
    "tls_rpt": "TLS reports",
    "spf": "SPF record",
    "spf_all": "SPF, all others",
    "dmarc_policy": "DMARC policy",
    "dmarc_subdomain": "DMARC policy for subdomains",
    "dmarc_percent": "DMARC percentage",
}


_FIELDS = {
    "mx": "MX",
    "mta_sts": "MTA-STS",
    "dane": "DANE",
    "tls_rpt": "TLS-RPT",
    "spf": "SPF",
    "dkim": "DKIM",
    "dmarc": "DMARC",
}


def problem_words(problem: str) -> str:
    """A problem of a look as people read it: `MTA-STS: the policy host answered 404.`"""
    field, _, words = problem.partition(": ")
    return f"{_FIELDS.get(field, field)}: {words}."


def what_words(change: PostureChange) -> str:
    """What changed."""
    return _WHATS.get(change.what, change.what)


def aspects(posture: Posture | None, now: datetime) -> list[Aspect]:
    """How a domain wants mail to be sent to it."""
    seen = posture or Posture(domain="", observed_at=now)
    found = [_mta_sts(seen, now), _dane(seen), _yes_no(seen.tls_rpt, "tls_rpt", "TLS-RPT")]
    if seen.takes_no_mail:
        found = [Aspect(field="mx", title="Mail", word="takes none", about="It says so (RFC 7505).")]
    return _as_of(found, posture, now)


def own_aspects(posture: Posture, now: datetime) -> list[Aspect]:
    """Who may send as one of our domains, beside `aspects`."""
    word, tone = _SPF.get(posture.spf_all, (NOT_KNOWN, UNKNOWN))
    found = [Aspect(field="spf", title="SPF", word=word, tone=tone, about=posture.spf)]
    word, tone = _DMARC.get(posture.dmarc_policy, (NOT_KNOWN, UNKNOWN))
    if posture.dmarc_percent is not None and posture.dmarc_percent < 100:
        word, tone = f"{word} for {posture.dmarc_percent} %", WATCH if tone == GOOD else tone
    if posture.dmarc_subdomain not in ("", posture.dmarc_policy):
        word += f", subdomains {_DMARC.get(posture.dmarc_subdomain, (NOT_KNOWN, ''))[0]}"
        tone = WATCH if tone == GOOD else tone
    found.append(Aspect(field="dmarc", title="DMARC", word=word, tone=tone, about=posture.dmarc))
    for key in posture.dkim:
        selector, _, state = key.rpartition("=")
        word = NOT_KNOWN if state == "unknown" else state
        found.append(Aspect(field="dkim", title=f"DKIM {selector}", word=word, tone=_DKIM.get(state, UNKNOWN)))
    if not posture.dkim:
        found.append(Aspect(field="dkim", title="DKIM", word=NOT_KNOWN, about="No selector is set (posture.dkim_selectors)."))
    return _as_of(found, posture, now)


def is_stale(posture: Posture, now: datetime) -> bool:
    """Whether a look is too old to speak of now."""
    return now - posture.observed_at > STALE


def _as_of(found: Sequence[Aspect], posture: Posture | None, now: datetime) -> list[Aspect]:
    if posture is None:
        return [Aspect(field=one.field, title=one.title, word=NOT_KNOWN, about="It was never looked at.") for one in found]
    if not is_stale(posture, now):
        return list(found)
    day = posture.observed_at.date().isoformat()
    return [
        Aspect(field=one.field, title=one.title, word=NOT_KNOWN, about=f"Last looked at on {day}: {one.word}.") for one in found
    ]


def _mta_sts(posture: Posture, now: datetime) -> Aspect:
    mode = posture.mta_sts_at(now)
    word, tone = _MODES.get(mode, (NOT_KNOWN, UNKNOWN))
    about = ""
    if mode in ("enforce", "testing") and posture.mta_sts_expires is not None:
        about = f"In force until {rfc3339(posture.mta_sts_expires)[:10]} at least."
        if posture.mta_sts_seen != mode:
            word, tone = f"{word}, taken earlier", BAD
            gone = "not published any more" if posture.mta_sts_seen == "none" else "not to be had at the last look"
            about = f"The policy is {gone}; {about[0].lower()}{about[1:]}"
        elif outside := posture.mx_outside:
            tone = BAD
            about = f"The policy does not name {', '.join(outside)}. {about}"
    elif mode == "none" and not posture.is_known("mta_sts"):
        about = "What is published is wrong, and counts as none."
    return Aspect(field="mta_sts", title="MTA-STS", word=word, tone=tone, about=about)


def _dane(posture: Posture) -> Aspect:
    return _yes_no(posture.dane, "dane", "DANE")


def _yes_no(value: bool | None, field: str, title: str) -> Aspect:
    word, tone = {True: ("yes", GOOD), False: ("no", WATCH), None: (NOT_KNOWN, UNKNOWN)}[value]
    return Aspect(field=field, title=title, word=word, tone=tone)


def record_of(domain: str, registered: Mapping[str, Mapping[str, Json]]) -> tuple[str, Mapping[str, Json]] | None:
    """The record of the register that counts for a domain, its own or the nearest above, and the domain it is of."""
    name = domain
    while name:
        if name in registered:
            return name, registered[name]
        name = name.partition(".")[2]
    return None


def agreement(domain: str, registered: Mapping[str, Mapping[str, Json]], today: date) -> Aspect:
    """The state of the business associate agreement on a local day."""
    found = record_of(domain, registered)
    if found is None:
        return Aspect(field="baa", title="Agreement", word="not registered")
    name, record = found
    about = "" if name == domain else f"By the record of {name}."
    if record.get("baa") is not True:
        word = "none" if record.get("baa") is False else NOT_KNOWN
        return Aspect(field="baa", title="Agreement", word=word, tone=BAD if word == "none" else UNKNOWN, about=about)
    try:
        ends = date.fromisoformat(str(record["baa_expires"])) if record.get("baa_expires") else None
    except ValueError:
        return Aspect(field="baa", title="Agreement", word=NOT_KNOWN, about="Its last day is no date.")
    if ends is None:
        return Aspect(field="baa", title="Agreement", word="in force", tone=GOOD, about=f"No last day on record. {about}".strip())
    if ends < today:
        return Aspect(field="baa", title="Agreement", word=f"ended {ends}", tone=WORSE, about=about)
    return Aspect(field="baa", title="Agreement", word=f"until {ends}", tone=GOOD, about=about)


def posture_line(posture: Posture) -> str:
    """One line about a look, for a terminal."""
    moment = posture.observed_at
    known = [*aspects(posture, moment), *(own_aspects(posture, moment) if posture.is_own else [])]
    hosts = ", ".join(posture.hosts) or ("none" if posture.takes_no_mail else NOT_KNOWN)
    said = "; ".join(f"{one.title} {one.word}" for one in known)
    return f"{posture.domain}: mail servers {hosts}; {said}"
