"""What was demanded of each delivery of a batch, and whether it kept to it.

The policies are those of the moment of the delivery (never later than it was received, whatever its clock said), and of what a
domain published only looks before that moment are knowledge. Policies are read once a batch; looks as often as a domain that is to
be verified was looked at within it, and only then.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from analytics.domain_history import DomainHistory, Past
from analytics.mail_policy import HistoryPolicy, MailPolicy
from domain.domain_policy import (
    Demand,
    Demanded,
    DomainPolicy,
    Passage,
    Policies,
    SenderClass,
    domains_above,
    judge,
    sender_class,
    worst,
)
from domain.json import Json
from domain.tls import TlsJudgement, TlsVerdict
from store.deliveries import DeliveryFact
from store.domain_policies import DomainPolicies
from store.domain_posture import DomainPostures, Posture, matches

Looks = Mapping[tuple[str, datetime], Posture]
"""The newest look at a domain up to a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A mail event to be compared with what was demanded: its fact, whether it was delivered, and its recipients' domains.

    `is_rule`: it is no message, but a rule that forwards; only demands on forwarding are about it.
    """

    base: DeliveryFact
    is_delivered: bool
    domains: Collection[str]
    is_rule: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """Writer and number of the entry."""
        return self.base.entry.writer, self.base.entry.seq

    @property
    def moment(self) -> datetime:
        """When it was sent: not after it was received here, so that what is set later can never count."""
        return min(self.base.entry.time, self.base.entry.received)


def demanded(
    sendings: Sequence[Sending], policies: DomainPolicies, postures: DomainPostures, history: DomainHistory, rules: MailPolicy
) -> dict[tuple[str, int], Demanded]:
    """By writer and number of the entry; without those of which nothing was demanded."""
    if not sendings:
        return {}
    names = {domain for one in sendings for domain in one.domains}
    known = Policies(policies.read(names, max(one.moment for one in sendings)))
    if not known:
        return {}
    classes = {
        SenderClass.MARKETING: rules.marketing.categories | rules.domain_policy.marketing,
        SenderClass.TRANSACTIONAL: rules.domain_policy.transactional,
    }
    asked: list[tuple[Sending, str, tuple[DomainPolicy | None, ...]]] = []
    for one in sendings:
        whose = sender_class(_words(one.base.entry.details), one.base.category, classes)
        of_each = ((domain, known.demands(domain, whose, one.moment)) for domain in sorted(one.domains))
        asked += [
            (one, domains_above(domain)[0], words) for domain, words in of_each if any(_is_about(one, word) for word in words)
        ]
    looked_at = [(domain, one.moment) for one, domain, words in asked if one.is_rule or any(map(_asks_domain, words))]
    looks = looks_before(looked_at, postures)
    found: dict[tuple[str, int], list[Demanded]] = {}
    for one, domain, words in asked:
        passage = _passage(one, domain, looks.get((domain, one.moment)), history, rules)
        if (judged := judge([word if _is_about(one, word) else None for word in words], passage)) is not None:
            found.setdefault(one.key, []).append(judged)
    return {key: judged for key, several in found.items() if (judged := worst(several)) is not None}


def looks_before(wanted: Iterable[tuple[str, datetime]], postures: DomainPostures) -> Looks:
    """The newest look at each domain up to each moment; pairs without one are left out.

    Each question settles every moment from its answer on: there are at most as many as looks within the time asked about, and one.
    """
    waiting: dict[str, list[datetime]] = {}
    for domain, moment in set(wanted):
        waiting.setdefault(domain, []).append(moment)
    found: dict[tuple[str, datetime], Posture] = {}
    while waiting:
        seen = postures.as_of(waiting, max(moment for moments in waiting.values() for moment in moments))
        for domain, look in seen.items():
            found |= {(domain, moment): look for moment in waiting[domain] if moment >= look.observed_at}
        waiting = {
            domain: earlier
            for domain, look in seen.items()
            if (earlier := [moment for moment in waiting[domain] if moment < look.observed_at])
        }
    return found


def _passage(one: Sending, domain: str, look: Posture | None, history: DomainHistory, rules: MailPolicy) -> Passage:
    base, details, moment = one.base, one.base.entry.details, one.moment
    session, said = _part(details.get("tls")), _part(details.get("mta_sts"))
    result = _word(said.get("result"))
    is_fresh = look is not None and moment - look.observed_at <= timedelta(days=rules.domain_policy.looked_days)
    seen = "" if look is None else look.mta_sts_at(moment)
    return Passage(
        tls=_line(base),
        is_delivered=one.is_delivered,
        is_sealed=base.encryption in rules.phi.sealed if base.encryption else None,
        is_forwarded=True if base.entry.action == "forward" else _flag(details.get("auto_forwarded")),
        starttls_offered=_flag(session.get("starttls_offered")),
        sts_passed=True if result in rules.mta_sts.passed else False if result in rules.mta_sts.failed else None,
        sts_mode=_word(said.get("policy")) or _word(said.get("mode")) or (seen if seen != "none" or is_fresh else ""),
        sts_names_server=_is_named(_server(details), look) if look is not None and seen in ("enforce", "testing") else None,
        has_dane=look.dane if look is not None and is_fresh else None,
        is_rule=one.is_rule,
        uses_tls=_uses_tls(history.before(domain, moment), look if is_fresh else None, moment, rules.history)
        if one.is_rule
        else None,
    )


def _uses_tls(past: Past, look: Posture | None, moment: datetime, rules: HistoryPolicy) -> bool | None:
    """Whether mail to a domain goes over TLS: by how its deliveries went, else by what it asks of everybody. None is not known."""
    if past.plain > rules.slips(past.plain + past.encrypted):
        return False
    if past.encrypted >= rules.fewest_deliveries and past.days >= rules.fewest_days:
        return True
    return True if look is not None and (look.mta_sts_at(moment) == "enforce" or look.dane) else None


def _line(base: DeliveryFact) -> TlsJudgement:
    return TlsJudgement(
        verdict=TlsVerdict(base.tls_verdict),
        version=base.tls_version,
        cipher=base.tls_cipher,
        weak=base.tls_weak,
        evidence=base.evidence,
    )


def _is_named(server: str, look: Posture) -> bool | None:
    return any(matches(server, pattern) for pattern in look.mta_sts_mx) if server else None


def _server(details: Mapping[str, Json]) -> str:
    """The name of the server that took the message; '' where only its address is known, or nothing."""
    name = _word(details.get("relay")).rstrip(".")
    is_address = ":" in name or name.rpartition(".")[2].rstrip("]").isdigit()  # no name ends so (RFC 3696 section 2)
    return name if "." in name and not is_address else ""


def _words(details: Mapping[str, Json]) -> set[str]:
    """The words by which providers let senders sort their mail."""
    tags = details.get("tags")
    several = tags if isinstance(tags, list | tuple) else (tags,)
    return {word for one in (*several, details.get("stream")) if (word := _word(one))}


def _is_about(one: Sending, word: DomainPolicy | None) -> bool:
    return word is not None and (word.demand is Demand.FORWARD_TLS_ONLY or not one.is_rule)


def _asks_domain(word: DomainPolicy | None) -> bool:
    return word is not None and word.demand is not None and word.demand.asks_domain


def _part(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _flag(value: Json) -> bool | None:
    return value if isinstance(value, bool) else None


def _word(value: Json) -> str:
    return value.strip().lower() if isinstance(value, str) else ""
