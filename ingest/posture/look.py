"""One look at a domain: what it publishes now, and what of the last look is still in force.

Everything is asked for by itself, so that what cannot be learnt costs only its own field: that is unknown, and a problem says why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TLSA
import dns.resolver
import httpx

from domain.clock import Clock
from ingest.posture import sender_records, transport_records
from ingest.posture.asking import Answer, Asker, NotLearnt
from ingest.posture.policy_host import fetch
from ingest.posture.policy_text import read_policy
from ingest.posture.reading import host_name
from ingest.posture.tlsa import Tlsa, binds
from store.domain_posture import LAPSED, NULL_MX, Posture

MOST_HOSTS = 10
"""MX hosts whose TLSA records are asked for. A domain with more is never told to have DANE."""

MOST_QUESTIONS = 60
MOST_PARENTS = 4

Wrong = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looker:
    """Looks at domains. `validates` is the site's word that `resolver` checks DNSSEC signatures; `selectors` are its DKIM keys."""

    resolver: dns.resolver.Resolver
    client: httpx.Client
    validates: bool
    selectors: Sequence[str]
    clock: Clock
    ticks: Callable[[], float]
    seconds: float = 30.0
    policy_seconds: float = 10.0

    def look(self, domain: str, *, is_own: bool = False, last: Posture | None = None) -> Posture:
        """What the domain publishes now. `last` is the look before, whose MTA-STS policy may still be in force."""
        asker = Asker(self.resolver, validates=self.validates, ticks=self.ticks, seconds=self.seconds, most=MOST_QUESTIONS)
        problems: list[str] = []

        def wrong(field: str, problem: str) -> None:
            problems.append(f"{field}: {problem}")

        posture = Posture(domain=domain, observed_at=self.clock(), is_own=is_own)
        mx, mx_secure = _mx(asker, domain, wrong)
        posture = replace(posture, mx=mx, problems=tuple(problems))
        if not posture.takes_no_mail:
            posture = self._policy(asker, posture, last, wrong)
            hosts = posture.hosts
            posture = replace(posture, dane=_dane(asker, hosts, mx_secure, wrong), tls_rpt=_tls_rpt(asker, domain, wrong))
        if is_own:
            posture = _sender(asker, posture, self.selectors, wrong)
        return replace(posture, problems=tuple(problems))

    def _policy(self, asker: Asker, posture: Posture, last: Posture | None, wrong: Wrong) -> Posture:
        """RFC 8461 sections 3.3 and 5.1: what cannot be had anew holds until its max_age is over."""
        now = posture.observed_at
        held = last if last is not None and last.mta_sts_at(now) in ("enforce", "testing") else None
        try:
            published = transport_records.mta_sts_id(asker.texts(f"_mta-sts.{posture.domain}"))
            if published.problem:
                wrong("mta_sts", published.problem)
            if not published.value:
                return _held(replace(posture, mta_sts_seen="none"), held)
            posture = replace(posture, mta_sts_id=published.value)
            text = fetch(self.client, posture.domain, seconds=min(self.policy_seconds, asker.left()), ticks=self.ticks)
        except NotLearnt as problem:
            wrong("mta_sts", str(problem))
            return _unlearnt(posture, held, last, wrong)
        read = read_policy(text)
        if read.value is None:
            wrong("mta_sts", read.problem)
            return _unlearnt(posture, held, last, wrong)
        policy = read.value
        if policy.mode == "none":
            return replace(posture, mta_sts_seen="none", mta_sts_mode="none")
        if policy.max_age == 0:
            wrong("mta_sts", "the policy is valid for no time at all (max_age 0)")
            return _unlearnt(posture, held, last, wrong)
        return replace(
            posture,
            mta_sts_seen=policy.mode,
            mta_sts_mode=policy.mode,
            mta_sts_mx=policy.mx,
            mta_sts_expires=now + timedelta(seconds=policy.max_age),
        )


def _held(posture: Posture, held: Posture | None) -> Posture:
    """With the policy of an earlier look where that is in force; else with what was seen, none or not known."""
    if held is None:
        return replace(posture, mta_sts_mode=posture.mta_sts_seen)
    return replace(posture, mta_sts_mode=held.mta_sts_mode, mta_sts_mx=held.mta_sts_mx, mta_sts_expires=held.mta_sts_expires)


def _unlearnt(posture: Posture, held: Posture | None, last: Posture | None, wrong: Wrong) -> Posture:
    ran_out = last is not None and (last.mta_sts_mode in ("enforce", "testing") or LAPSED in last.problems)
    if held is None and ran_out:
        field, _, problem = LAPSED.partition(": ")
        wrong(field, problem)
    return _held(posture, held)


def _mx(asker: Asker, domain: str, wrong: Wrong) -> tuple[tuple[str, ...], bool | None]:
    """MX hosts, best first, and whether the answer is authenticated."""
    try:
        answer = asker.ask(domain, "MX")
    except NotLearnt as problem:
        wrong("mx", str(problem))
        return (), None
    if not answer.exists:
        wrong("mx", "the domain does not exist")
        return (), answer.is_secure
    records = sorted(
        (record.preference, record.exchange.to_text(omit_final_dot=True).lower())
        for record in answer.records
        if isinstance(record, dns.rdtypes.ANY.MX.MX)
    )
    names = [name for _, name in records]
    if names in ([NULL_MX], ["@"], [""]):
        return (NULL_MX,), answer.is_secure
    hosts = [host for name in names if (host := host_name(name)) is not None]
    if len(hosts) < len(names):
        wrong("mx", "one of the hosts is no host name")
    return tuple(dict.fromkeys(hosts)), answer.is_secure


def _dane(asker: Asker, hosts: Sequence[str], mx_secure: bool | None, wrong: Wrong) -> bool | None:
    """Whether every host is bound by TLSA records, all of it authenticated (RFC 7672 section 2.2)."""
    if not hosts:
        wrong("dane", "the hosts are not known")
        return None
    if len(hosts) > MOST_HOSTS:
        wrong("dane", f"the domain has more than {MOST_HOSTS} hosts")
        return None
    if mx_secure is None:
        wrong("dane", "the resolver is not stated to check signatures")
        return None
    if not mx_secure:
        return False
    unknown = False
    for host in hosts:
        try:
            answer = asker.ask(f"_25._tcp.{host}", "TLSA")
        except NotLearnt as problem:
            wrong("dane", f"the TLSA records of {host} are not known, {problem}")
            unknown = True
            continue
        if not answer.is_secure or not answer.records:
            return False
        if not binds(_tlsas(answer)):
            wrong("dane", f"none of the TLSA records of {host} is usable")
            return False
    return None if unknown else True


def _tlsas(answer: Answer) -> list[Tlsa]:
    return [
        Tlsa(usage=record.usage, selector=record.selector, matching=record.mtype, data=record.cert)
        for record in answer.records
        if isinstance(record, dns.rdtypes.ANY.TLSA.TLSA)
    ]


def _tls_rpt(asker: Asker, domain: str, wrong: Wrong) -> bool | None:
    try:
        read = transport_records.tls_rpt(asker.texts(f"_smtp._tls.{domain}"))
    except NotLearnt as problem:
        wrong("tls_rpt", str(problem))
        return None
    if read.problem:
        wrong("tls_rpt", read.problem)
    return read.value


def _sender(asker: Asker, posture: Posture, selectors: Sequence[str], wrong: Wrong) -> Posture:
    try:
        spf = sender_records.spf(asker.texts(posture.domain))
        if spf.problem:
            wrong("spf", spf.problem)
        posture = replace(posture, spf=spf.value.record, spf_all=spf.value.all_)
    except NotLearnt as problem:
        wrong("spf", str(problem))
    dmarc = _dmarc(asker, posture.domain, wrong)
    if dmarc is not None:
        posture = replace(
            posture,
            dmarc=dmarc.record,
            dmarc_policy=dmarc.policy,
            dmarc_subdomain=dmarc.subdomain,
            dmarc_percent=dmarc.percent,
        )
    return replace(posture, dkim=tuple(_dkim(asker, posture.domain, selector, wrong) for selector in selectors))


def _dmarc(asker: Asker, domain: str, wrong: Wrong) -> sender_records.Dmarc | None:
    """The policy of the domain or, where it has no record, what the nearest domain above says for its subdomains."""
    name, is_above = domain, False
    try:
        for _ in range(1 + MOST_PARENTS):
            read = sender_records.dmarc(asker.texts(f"_dmarc.{name}"))
            if read.problem:
                wrong("dmarc", read.problem)
            if read.value.policy != "absent":
                return replace(read.value, policy=read.value.subdomain) if is_above else read.value
            name, is_above = name.partition(".")[2], True
            if "." not in name:
                break
    except NotLearnt as problem:
        wrong("dmarc", str(problem))
        return None
    return sender_records.NO_DMARC


def _dkim(asker: Asker, domain: str, selector: str, wrong: Wrong) -> str:
    try:
        read = sender_records.dkim(asker.texts(f"{selector}._domainkey.{domain}"))
    except NotLearnt as problem:
        wrong("dkim", f"the key of selector {selector} is not known, {problem}")
        return f"{selector}=unknown"
    if read.problem:
        wrong("dkim", f"the key of selector {selector} is wrong: {read.problem}")
    return f"{selector}={read.value}"
