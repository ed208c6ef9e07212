"""What a site demands of mail to a domain: which policy is in force at a moment, and whether a message kept to it.

A policy is a person's word on a domain and everything below it, for one class of senders or for any. What was sent is compared with
what was demanded at that moment: a policy set later does not count, nor one whose time is over. What is not known is never met.

Sources: RFC 8461 (MTA-STS), RFC 7672 (SMTP over DANE), RFC 7435 (opportunistic security), NIST SP 800-52r2 (which TLS counts).
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

from domain.errors import InvalidInput
from domain.tls import ASSUMED, TlsJudgement, TlsVerdict

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST = 253  # RFC 1035 section 2.3.4, in its usual spelling


class Demand(StrEnum):
    """What mail to a domain must have. From FORCED on, TLS means a known version that SP 800-52r2 does not refuse."""

    NONE = "none"
    """Nothing: the exception to a policy of the domain above."""
    OPPORTUNISTIC = "opportunistic"
    """TLS wherever the server offers it."""
    FORCED = "forced"
    """TLS, or the message waits."""
    TLS_EXCLUSIVE = "tls_exclusive"
    """TLS, or the message is dropped."""
    ESCALATE = "escalate"
    """TLS, or else a portal link, PGP, S/MIME or escrow."""
    MTA_STS = "mta_sts"
    """A server that was verified by the domain's MTA-STS policy (RFC 8461), or by DANE, which goes before it (section 2)."""
    DANE = "dane"
    """A server that was verified by DANE (RFC 7672)."""
    FORWARD_TLS_ONLY = "forward_tls_only"
    """TLS for what is forwarded, and rules that forward only to domains that use TLS; nothing else is touched."""

    @property
    def phrase(self) -> str:
        """What is demanded, after "demands"."""
        return _PHRASES[self]

    @property
    def asks_domain(self) -> bool:
        """Whether it depends on what the domain itself published."""
        return self in (Demand.MTA_STS, Demand.DANE)


_PHRASES = {
    Demand.NONE: "nothing",
    Demand.OPPORTUNISTIC: "TLS where it is offered",
    Demand.FORCED: "TLS or deferral",
    Demand.TLS_EXCLUSIVE: "TLS or no delivery",
    Demand.ESCALATE: "TLS or else a portal, PGP, S/MIME or escrow",
    Demand.MTA_STS: "a server verified by MTA-STS",
    Demand.DANE: "a server verified by DANE",
    Demand.FORWARD_TLS_ONLY: "TLS for forwarded mail",
}


class SenderClass(StrEnum):
    """Whose mail a policy is about."""

    ANY = "any"
    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPolicy:
    """One word on a domain: who set what, when, why, and until when (None: until it is withdrawn).

    `demand` None is the withdrawal of everything set before it for the same domain and class.
    """

    domain: str
    sender_class: SenderClass
    demand: Demand | None
    at: datetime
    by: str
    reason: str
    until: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether it was set by then and its time is not over. A withdrawal never holds."""
        return self.demand is not None and self.at <= moment and (self.until is None or moment < self.until)


def mail_domain(text: str) -> str:
    """A domain as policies name it: lower case, A-labels, no final dot. Raises InvalidInput for what is none."""
    name = text.strip().lower().removesuffix(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            name = ""
    if not 0 < len(name) <= _LONGEST or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise InvalidInput("this is no mail domain: write it as it stands behind the @ of an address")
    return name


@lru_cache(maxsize=100_000)
def domains_above(domain: str) -> tuple[str, ...]:
    """The domain and the domains above it, the most specific first; as given where it is none."""
    try:
        name = mail_domain(domain)
    except InvalidInput:
        return (domain,) if domain else ()
    labels = name.split(".")
    return tuple(".".join(labels[start:]) for start in range(len(labels)))


class Policies:
    """Words on domains, from which the policy in force is chosen: the most specific domain first, then the class over any.

    For one domain and class the newest word holds whose time is not over, unless all were withdrawn after it: an exception for a
    week gives way to what was set before it. Of two words of the same moment the later in the order of `Demand` holds, and a word
    holds against a withdrawal.
    """

    def __init__(self, words: Iterable[DomainPolicy]) -> None:
        self._words: dict[tuple[str, SenderClass], list[DomainPolicy]] = {}
        for word in words:
            self._words.setdefault((word.domain, word.sender_class), []).append(word)

    def __bool__(self) -> bool:
        return bool(self._words)

    def in_force(self, domain: str, sender_class: SenderClass, moment: datetime) -> DomainPolicy | None:
        """The policy for this class of mail to a domain at a moment, None where nothing was set."""
        for name in domains_above(domain):
            for one in dict.fromkeys((sender_class, SenderClass.ANY)):
                if (name, one) in self._words and (found := self.at(name, one, moment)) is not None:
                    return found
        return None

    def at(self, domain: str, sender_class: SenderClass, moment: datetime) -> DomainPolicy | None:
        """What holds for exactly this domain and class at a moment."""
        words = self._words.get((domain, sender_class), ())
        withdrawn = max((word.at for word in words if word.demand is None and word.at <= moment), default=None)
        holding = [word for word in words if word.holds(moment) and (withdrawn is None or word.at >= withdrawn)]
        return max(holding, key=_rank, default=None)

    def demands(self, domain: str, sender_class: SenderClass | None, moment: datetime) -> tuple[DomainPolicy | None, ...]:
        """The policy in force; where the class is not known, that of each class if they differ. Empty where there is none."""
        classes = (SenderClass.TRANSACTIONAL, SenderClass.MARKETING) if sender_class is None else (sender_class,)
        found = tuple(dict.fromkeys(self.in_force(domain, one, moment) for one in classes))
        return () if found == (None,) else found


_ORDER = list(Demand)


_FOREVER = datetime.max.replace(tzinfo=UTC)


def _rank(word: DomainPolicy) -> tuple[datetime, int, datetime, str, str]:
    order = _ORDER.index(word.demand) if word.demand is not None else -1
    return word.at, order, word.until or _FOREVER, word.by, word.reason


class Kept(StrEnum):
    """Whether a message kept to what was demanded."""

    MET = "met"
    UNKNOWN = "unknown"
    BROKEN = "broken"


_WORST = (Kept.BROKEN, Kept.UNKNOWN, Kept.MET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What is known of the way of one message; None and '' are not known.

    `is_delivered` False: deferred, bounced or dropped. `is_sealed`: encrypted in itself, or replaced by a portal link.
    `sts_passed` is what the sending system said of MTA-STS. `sts_mode` is the domain's MTA-STS mode at that moment, by the sending
    system or by a look at the domain; `sts_names_server`: the server is one that the domain's policy names; `has_dane`: a look at
    the domain found usable TLSA records. `is_rule`: no message, but a rule that forwards; `uses_tls`: mail to the domain does.
    """

    tls: TlsJudgement
    is_delivered: bool
    is_sealed: bool | None = None
    is_forwarded: bool | None = None
    starttls_offered: bool | None = None
    sts_passed: bool | None = None
    sts_mode: str = ""
    sts_names_server: bool | None = None
    has_dane: bool | None = None
    is_rule: bool = False
    uses_tls: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`clause` says for people what was or was not so, without a full stop."""

    kept: Kept
    clause: str


def compare(demand: Demand, passage: Passage) -> Comparison:
    """Whether one message kept to a demand. Met only by what is known; broken only by what the sources said."""
    if demand is Demand.NONE:
        return _met("nothing was to be kept")
    if not passage.is_delivered and not passage.is_rule:
        return _not_delivered(demand, passage)
    match demand:
        case Demand.OPPORTUNISTIC:
            return _opportunistic(passage)
        case Demand.ESCALATE:
            return _escalated(passage)
        case Demand.MTA_STS:
            return _by_mta_sts(passage)
        case Demand.DANE:
            return _by_dane(passage)
        case Demand.FORWARD_TLS_ONLY:
            return _forwarded(passage)
        case _:
            return _line(passage.tls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demanded:
    """What was demanded of a message and what became of it; the first of `policies` is the one that speaks."""

    policies: Sequence[DomainPolicy]
    kept: Kept
    fact: str

    @property
    def demands(self) -> str:
        """The demands, joined by ', '."""
        return ", ".join(dict.fromkeys(word.demand.value for word in self.policies if word.demand is not None))

    @property
    def set_by(self) -> str:
        """Which policies, by whom and since when, joined by '; '."""
        return "; ".join(_origin(word) for word in self.policies)


def judge(policies: Sequence[DomainPolicy | None], passage: Passage) -> Demanded | None:
    """Compare a message with the policies that may apply to it (`Policies.demands`); None where nothing was demanded.

    Several are those of each sender class where the class of the message is not known: it kept to them only if it kept to each, and
    broke them only if it broke each.
    """
    named = [word for word in policies if word is not None and word.demand is not None]
    if not named:
        return None
    found = [(compare(word.demand, passage), word) for word in named if word.demand is not None]
    found.sort(key=lambda one: _WORST.index(one[0].kept))
    verdicts = {comparison.kept for comparison, _ in found} | ({Kept.MET} if len(named) < len(policies) else set())
    kept = verdicts.pop() if len(verdicts) == 1 else Kept.UNKNOWN
    (worst, word), *_ = found
    fact = f"The policy for {_about(word)} demands {_phrase(word)}, and {worst.clause}"
    if kept is not worst.kept:
        fact += ", but whether it is about this message is not known, as the class of its sender is not"
    return Demanded(policies=[word for _, word in found], kept=kept, fact=fact)


def worst(found: Iterable[Demanded]) -> Demanded | None:
    """Of the judgements on several recipients the one that speaks most against the message."""
    return min(found, key=lambda one: (_WORST.index(one.kept), one.fact), default=None)


def tls_word(tls: TlsJudgement) -> bool | None:
    """Whether TLS that SP 800-52r2 does not refuse was used; None where that is not known."""
    return {Kept.MET: True, Kept.BROKEN: False, Kept.UNKNOWN: None}[_line(tls).kept]


def sender_class(words: Collection[str], category: str, classes: Mapping[SenderClass, Collection[str]]) -> SenderClass | None:
    """The class of a message by its category and other words of its sender; None where they do not say.

    One marketing word makes it marketing. A category that is none is transactional; other words are, where they are listed as such.
    """
    said = {*words, category} - {""}
    if not said.isdisjoint(classes.get(SenderClass.MARKETING, ())):
        return SenderClass.MARKETING
    if category or not said.isdisjoint(classes.get(SenderClass.TRANSACTIONAL, ())):
        return SenderClass.TRANSACTIONAL
    return None


def _line(tls: TlsJudgement) -> Comparison:
    if tls.verdict is TlsVerdict.NONE:
        return _broken("it went in the clear")
    if tls.verdict is TlsVerdict.UNKNOWN:
        return _unknown("whether TLS was used is not known")
    if tls.weak:
        return _broken(f"it went over TLS that NIST SP 800-52r2 does not allow{_brackets(tls.version)}")
    if not tls.version:
        return _unknown("it went over TLS of a version that is not known")
    return _met(f"it went over {tls.version}")


def _not_delivered(demand: Demand, passage: Passage) -> Comparison:
    """Nothing reached a server's mailbox, which every demand allows; but one to send it another way may still be open."""
    if demand is Demand.ESCALATE and not passage.is_sealed and tls_word(passage.tls) is not True:
        return _unknown("it was not delivered, and whether it was sent another way is not known")
    return _met("it was not delivered")


def _opportunistic(passage: Passage) -> Comparison:
    """RFC 7435: any TLS is better than none, and none is all right where none is offered."""
    if passage.tls.verdict.is_encrypted:
        return _met("TLS was used")
    if passage.tls.verdict is TlsVerdict.UNKNOWN:
        return _unknown("whether TLS was used is not known")
    if passage.starttls_offered is None:
        return _unknown("it went in the clear, and whether TLS was offered is not known")
    return _broken("it went in the clear although TLS was offered") if passage.starttls_offered else _met("TLS was not offered")


def _escalated(passage: Passage) -> Comparison:
    line = _line(passage.tls)
    if line.kept is Kept.MET:
        return line
    if passage.is_sealed:
        return _met("it was encrypted in itself or replaced by a link")
    if passage.is_sealed is None:
        return _unknown(f"{line.clause}, and whether it was encrypted in itself is not known")
    return Comparison(kept=line.kept, clause=f"{line.clause}, not encrypted in itself")


def _forwarded(passage: Passage) -> Comparison:
    if passage.is_rule:
        if passage.uses_tls is None:
            return _unknown("whether the domain that a rule forwards to uses TLS is not known")
        return _met("a rule forwards to it over TLS") if passage.uses_tls else _broken("a rule forwards to it in the clear")
    line = _line(passage.tls)
    if line.kept is Kept.MET:
        return line
    if passage.is_forwarded is None:
        return _unknown(f"{line.clause}, and whether it was forwarded is not known")
    return line if passage.is_forwarded else _met("it was not forwarded")


def _by_mta_sts(passage: Passage) -> Comparison:
    """RFC 8461 section 4: a certificate that verifies, of a server that the policy names. DANE goes before it (section 2)."""
    line, verdict = _line(passage.tls), passage.tls.verdict
    if line.kept is Kept.BROKEN:
        return line
    if passage.sts_passed is False:
        return _broken("the sending system says that it did not satisfy the domain's MTA-STS policy")
    if _is_unverified(passage.tls):
        return _broken("the server was not verified")
    if verdict is TlsVerdict.VERIFIED_DANE:
        return _with("the server was verified by DANE", line)
    if passage.sts_mode == "none":
        return _broken("the domain had no MTA-STS policy to verify it by")
    if passage.sts_passed:
        return _with("the sending system says that it satisfied the domain's MTA-STS policy", line)
    if verdict is not TlsVerdict.VERIFIED_WEBPKI:
        return _unknown("whether the server was verified is not known")
    if passage.sts_mode not in ("enforce", "testing"):
        return _unknown("the server was verified, but what MTA-STS policy the domain had is not known")
    if passage.sts_names_server is None:
        return _unknown("a server was verified, but whether the domain's MTA-STS policy names it is not known")
    if not passage.sts_names_server:
        return _broken("the server that took it is not named by the domain's MTA-STS policy")
    return _with("a server that the domain's MTA-STS policy names was verified", line)


def _by_dane(passage: Passage) -> Comparison:
    line = _line(passage.tls)
    if line.kept is Kept.BROKEN:
        return line
    if passage.tls.verdict is TlsVerdict.VERIFIED_DANE:
        return _with("the server was verified by DANE", line)
    if _is_unverified(passage.tls):
        return _broken("the server was not verified")
    if passage.has_dane is False:
        return _broken("the domain had no TLSA records to verify it by")
    return _unknown("whether the server was verified by DANE is not known")


def _is_unverified(tls: TlsJudgement) -> bool:
    """The source said so. Trusted is a good chain whose name nobody checked: neither verified nor found wrong."""
    return tls.verdict in (TlsVerdict.ANONYMOUS, TlsVerdict.UNTRUSTED) and ASSUMED not in tls.evidence


def _with(clause: str, line: Comparison) -> Comparison:
    """Verified, and as well as the line is known."""
    return _met(clause) if line.kept is Kept.MET else _unknown(f"{clause}, but {line.clause}")


def _met(clause: str) -> Comparison:
    return Comparison(kept=Kept.MET, clause=clause)


def _unknown(clause: str) -> Comparison:
    return Comparison(kept=Kept.UNKNOWN, clause=clause)


def _broken(clause: str) -> Comparison:
    return Comparison(kept=Kept.BROKEN, clause=clause)


def _phrase(word: DomainPolicy) -> str:
    return word.demand.phrase if word.demand is not None else ""


def _about(word: DomainPolicy) -> str:
    return word.domain if word.sender_class is SenderClass.ANY else f"{word.sender_class.value} mail to {word.domain}"


def _origin(word: DomainPolicy) -> str:
    until = f" until {word.until:%Y-%m-%dT%H:%M:%SZ}" if word.until is not None else ""
    return f"{word.domain} ({word.sender_class.value}), set by {word.by} on {word.at:%Y-%m-%dT%H:%M:%SZ}{until}"


def _brackets(text: str) -> str:
    return f" ({text})" if text else ""
