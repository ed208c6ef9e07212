"""The mail policy: what may leave, how and to whom, and the judgement on one delivery.

The policy is a reviewed, versioned file (mail_policy.toml). A judgement never guesses: what is broken is broken by something the
sources said, what they did not say is listed as not known, and only a delivery with neither meets the policy.
"""

import tomllib
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analytics.consents import Word
from analytics.domain_history import Past
from analytics.recipients import Recipient, Standing
from domain.domain_policy import Demanded, Kept
from domain.errors import ConfigError
from domain.tls import ASSUMED, TlsJudgement, TlsVerdict

Count = Annotated[int, Field(ge=1)]
Words = frozenset[str]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PhiPolicy(_Part):
    sealed: Words
    behind_login: Words
    versions: Words
    verified: Words


class RecipientPolicy(_Part):
    without_agreement: Words
    public_mailboxes: Words


class MarketingPolicy(_Part):
    categories: Words
    channels: Words
    grace_business_days: Annotated[int, Field(ge=0)]


class HistoryPolicy(_Part):
    days: Count
    fewest_deliveries: Count
    fewest_days: Count
    exceptions: Annotated[float, Field(ge=0, lt=1)]

    def slips(self, deliveries: int) -> int:
        """How many of so many deliveries may have been otherwise, rounded: one in 25 is a slip, one in ten may be a habit."""
        return round(self.exceptions * deliveries)


class MtaStsPolicy(_Part):
    passed: Words
    failed: Words


class DomainPolicyPart(_Part):
    marketing: Words
    transactional: Words
    looked_days: Count


class TransactionalPolicy(_Part):
    deadlines: dict[str, Count]


class MisdirectedPolicy(_Part):
    known_deliveries: Count
    known_days: Count
    newcomer: int
    shortest: Count
    edits: Count
    edits_address: Count


class MailPolicy(_Part):
    """mail_policy.toml, whose comments say what each value means."""

    version: Annotated[str, Field(min_length=1)]
    phi: PhiPolicy
    recipients: RecipientPolicy
    marketing: MarketingPolicy
    history: HistoryPolicy
    mta_sts: MtaStsPolicy
    domain_policy: DomainPolicyPart
    transactional: TransactionalPolicy
    misdirected: MisdirectedPolicy


def read_policy(text: str) -> MailPolicy:
    """A policy from TOML. Raises ConfigError naming what is wrong."""
    try:
        return MailPolicy.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(f"the mail policy cannot be read; correct it: {error}") from error


@cache
def default_policy() -> MailPolicy:
    """The policy that ships with phitrail."""
    return read_policy((files("analytics") / "mail_policy.toml").read_text(encoding="utf-8"))


class Outcome(StrEnum):
    """What the policy says. NOT_JUDGED: not a delivery to the outside, nor anything else it speaks of."""

    MET = "met"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"
    NOT_JUDGED = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What is known of one message that went out. `mta_sts` is (mode, result), '' where not said; `opted_in`: to plain e-mail.

    `registered_sts` is the mode in the register of domains; `marketing` the recipient's last word on it.
    """

    moment: datetime
    day: date
    phi: bool | None
    category: str
    encryption: str
    auto_forwarded: bool
    tls: TlsJudgement
    recipient: Recipient
    opted_in: bool
    mta_sts: tuple[str, str]
    marketing: Word | None
    consents_kept: bool
    past: Past
    outbound: bool
    """The source said that it went out; otherwise it is only not known to have stayed inside."""
    demanded: Demanded | None = None
    """What was demanded of mail to the domain at that moment, None where nothing was."""


@dataclass(slots=True)
class Judgement:
    """What was broken and what could not be decided, as words, and the facts as sentences."""

    broken: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        return Outcome.BROKEN if self.broken else Outcome.UNKNOWN if self.unknown else Outcome.MET

    def breaks(self, word: str, fact: str = "") -> None:
        self.broken.append(word)
        self.says(fact)

    def leaves_open(self, word: str) -> None:
        if word not in self.unknown:
            self.unknown.append(word)

    def says(self, fact: str) -> None:
        clause = fact.rstrip(".")
        if clause and clause not in self.facts:
            self.facts.append(clause)


def judge_sent(sent: Sent, policy: MailPolicy, is_holiday: frozenset[date] = frozenset()) -> Judgement:
    """The judgement on one delivered message. `is_holiday` holds the days that are no business days besides weekends."""
    found = Judgement()
    if sent.recipient.standing is not Standing.OWN:
        _to_outside(sent, policy, is_holiday, found)
    _domain_policy(sent.demanded, found)
    return found


def judge_forwarding(recipient: Recipient, demanded: Demanded | None = None) -> Judgement:
    """The judgement on a rule that sends mail on: to the outside only where an agreement is in force, and as was demanded."""
    found = Judgement()
    _outside(recipient, found, "forward_rule_outside", outbound=False)
    _domain_policy(demanded, found)
    return found


def business_days(after: date, until: date, holidays: frozenset[date]) -> int:
    """How many business days lie after the one day, up to and including the other."""
    weeks, rest = divmod((until - after).days, 7)
    over = sum((until - timedelta(days=n)).weekday() < 5 for n in range(rest))
    return weeks * 5 + over - sum(after < day <= until and day.weekday() < 5 for day in holidays)


def _to_outside(sent: Sent, policy: MailPolicy, is_holiday: frozenset[date], found: Judgement) -> None:
    if sent.auto_forwarded:
        _forwarded(sent, found)
    if sent.phi is not False:
        _phi(sent, policy, found)
    if sent.category in policy.marketing.categories:
        _marketing(sent, policy, is_holiday, found)
    _line(sent, policy, found)
    _mta_sts(sent, policy, found)


def _domain_policy(demanded: Demanded | None, found: Judgement) -> None:
    if demanded is not None and demanded.kept is Kept.BROKEN:
        found.breaks("domain_policy_broken", demanded.fact)
    elif demanded is not None and demanded.kept is Kept.UNKNOWN:
        found.leaves_open("domain_policy_not_known")


def _forwarded(sent: Sent, found: Judgement) -> None:
    _outside(sent.recipient, found, "auto_forward_outside", outbound=sent.outbound)


def _outside(recipient: Recipient, found: Judgement, word: str, *, outbound: bool) -> None:
    match recipient.standing:
        case Standing.OWN | Standing.ASSOCIATE:
            return
        case Standing.UNKNOWN if recipient.baa_unsaid or not (recipient.is_outside or outbound):
            found.leaves_open("forwarded_to_whom")
        case _:
            found.breaks(word, recipient.fact or f"No agreement with {recipient.domain} is on record.")


def _phi(sent: Sent, policy: MailPolicy, found: Judgement) -> None:
    """PHI, or what may be PHI: of the latter, only what would be broken or open if it were PHI is said, as not known."""
    about = Judgement()
    to_patient = sent.recipient.standing in (Standing.PATIENT, Standing.UNKNOWN)
    if sent.encryption not in policy.phi.sealed and not (sent.opted_in and to_patient):
        _phi_line(sent.tls, policy, about)
    if not sent.auto_forwarded:
        _phi_recipient(sent.recipient, about, is_behind_login=sent.encryption in policy.phi.behind_login)
    if sent.phi:
        found.broken += about.broken
        found.unknown += about.unknown
        found.facts += about.facts
    elif about.broken or about.unknown:
        found.leaves_open("phi_not_classified")


def _phi_line(tls: TlsJudgement, policy: MailPolicy, about: Judgement) -> None:
    if tls.verdict is TlsVerdict.NONE:
        about.breaks("phi_in_clear")
    elif tls.verdict is TlsVerdict.UNKNOWN:
        about.leaves_open("tls_not_reported")
    elif tls.weak:
        about.breaks("phi_over_weak_tls")
    elif tls.verdict.value not in policy.phi.verified:
        if tls.verdict is TlsVerdict.TRUSTED or ASSUMED in tls.evidence:
            about.leaves_open("peer_not_reported")
        else:
            about.breaks("phi_unverified_peer")
    if tls.verdict.is_encrypted and not tls.weak and tls.version not in policy.phi.versions:
        about.leaves_open("tls_version_not_reported")


def _phi_recipient(recipient: Recipient, about: Judgement, *, is_behind_login: bool) -> None:
    if is_behind_login and not recipient.standing.is_partner:
        return
    match recipient.standing:
        case Standing.EXPIRED:
            about.breaks("baa_expired", recipient.fact)
        case Standing.NO_AGREEMENT:
            about.breaks("phi_without_baa", recipient.fact)
        case Standing.NOT_ON_FILE:
            about.breaks("phi_not_on_file", recipient.fact)
        case Standing.UNKNOWN:
            about.leaves_open("recipient_not_known")
        case _:
            return


def _marketing(sent: Sent, policy: MailPolicy, holidays: frozenset[date], found: Judgement) -> None:
    if sent.phi:
        found.breaks("marketing_with_phi")
    elif sent.phi is None:
        found.leaves_open("phi_not_classified")
    word = sent.marketing
    if word is None:
        if not sent.recipient.patient_id or not sent.consents_kept:
            found.leaves_open("marketing_consent_not_known")
        else:
            found.breaks("marketing_without_optin", "No agreement to marketing was on record.")
    elif not word.agreed:
        passed = business_days(word.day, sent.day, holidays)
        when = (
            f"on {word.day.isoformat()}, {passed} business days before"
            if word.day != date.min
            else "at a time that is not recorded"
        )
        fact = f"Opted out {when} (CAN-SPAM gives {policy.marketing.grace_business_days} business days)."
        if passed > policy.marketing.grace_business_days:
            found.breaks("marketing_after_optout", fact)
        else:
            found.says(fact)


def _line(sent: Sent, policy: MailPolicy, found: Judgement) -> None:
    """A line worse than the domain's own history: STARTTLS stripped on the way, or somebody else's server."""
    past, rules = sent.past, policy.history
    if past.days < rules.fewest_days:
        return
    over = f"of {past.encrypted + past.plain:,} deliveries with a known line on {past.days} of the {rules.days} days before"
    if sent.tls.verdict is TlsVerdict.NONE:
        if past.encrypted >= rules.fewest_deliveries and past.plain <= rules.slips(past.plain + past.encrypted):
            found.breaks("tls_downgrade", f"The domain has always used TLS: {past.encrypted:,} {over}.")
        return
    if sent.tls.weak and past.encrypted >= rules.fewest_deliveries and past.weak <= rules.slips(past.encrypted):
        found.breaks("tls_weakened", f"The domain used sound TLS before: {past.encrypted - past.weak:,} {over}.")
    unverified = sent.tls.verdict in (TlsVerdict.ANONYMOUS, TlsVerdict.UNTRUSTED) and ASSUMED not in sent.tls.evidence
    seen = past.verified + past.unverified
    if unverified and past.verified >= rules.fewest_deliveries and past.unverified <= rules.slips(seen):
        found.breaks("peer_lost", f"The domain's server was verified before: {past.verified:,} {over}.")


def _mta_sts(sent: Sent, policy: MailPolicy, found: Judgement) -> None:
    """RFC 8461 section 5: only `enforce` forbids; DANE, where it verified, takes precedence (section 2)."""
    mode, result = sent.mta_sts
    listed = not mode
    mode = mode or sent.recipient.mta_sts
    if mode not in ("enforce", "testing") or sent.tls.verdict is TlsVerdict.VERIFIED_DANE:
        return
    bare = sent.tls.verdict is TlsVerdict.NONE
    unproven = sent.tls.verdict in (TlsVerdict.ANONYMOUS, TlsVerdict.UNTRUSTED) and ASSUMED not in sent.tls.evidence
    failed = result in policy.mta_sts.failed or bare or unproven
    if failed and mode == "testing":
        found.says("The domain's MTA-STS policy is in testing: it would have refused this delivery.")
    elif failed:
        where = "the register of domains" if listed else "the sending system"
        found.breaks("mta_sts_violated", f"The domain's MTA-STS policy is enforce, by {where}, and the session did not satisfy it.")
    elif mode == "enforce" and not listed and result not in policy.mta_sts.passed and not sent.tls.verdict.is_verified:
        found.leaves_open("mta_sts_result_not_known")
