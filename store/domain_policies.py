"""What people demand of mail to domains: set, withdrawn, and read as of any moment (table `domain_policies`, append-only).

Each word is first an event of the ledger and then a row: a policy that nobody is named for cannot be in force.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from domain.clock import microseconds, rfc3339
from domain.domain_policy import Demand, DomainPolicy, Policies, SenderClass, domains_above, mail_domain
from domain.errors import Conflict, InvalidInput, NotFound
from domain.event import AuditEvent
from domain.json import Json
from store.alert_events import SERVICE, Record, alert_event
from store.engine import Engine

MOST_REASON = 2_000
"""Characters of a reason."""

_READ = """
SELECT domain, sender_class, at, demand, by, reason, until FROM domain_policies
WHERE at <= fromUnixTimestamp64Micro({moment:Int64}, 'UTC')/* which */ ORDER BY domain, sender_class, at
"""

_ONE_OF = " AND domain IN {domains:Array(String)}"

_MOST_BY = 128
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_FAR = datetime(2261, 1, 1, tzinfo=UTC)


class DomainPolicyBook:
    """Takes words on domains and gives them back. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, record: Record) -> None:
        """`record` is where the event of each word goes (`Ledger.append`)."""
        self._engine = engine
        self._record = record
        self._words = DomainPolicies(engine)

    def set(self, word: DomainPolicy) -> DomainPolicy:
        """Put a demand on record; it holds from `word.at`. Returns it as it was kept.

        Raises InvalidInput for one without person or reason, or whose end is not after its start, and Conflict for one that is not
        newer than the last word on its domain and class.
        """
        if word.demand is None:
            raise InvalidInput("a policy that is set demands something: none is a demand too")
        return self._keep(word, "domain_policy_set")

    def withdraw(self, domain: str, sender_class: SenderClass, *, by: str, reason: str, at: datetime) -> DomainPolicy:
        """End everything that was set for exactly this domain and class. Raises InvalidInput, Conflict, NotFound."""
        word = DomainPolicy(domain=domain, sender_class=sender_class, demand=None, at=at, by=by, reason=reason)
        return self._keep(word, "domain_policy_withdrawn")

    def _keep(self, given: DomainPolicy, action: str) -> DomainPolicy:
        word = replace(given, domain=mail_domain(given.domain), reason=given.reason.strip())
        _check(word)
        known = [one for one in self._words.read([word.domain], _FAR) if one.sender_class is word.sender_class]
        if known and known[-1].at >= word.at:
            raise Conflict("something newer is on record for this domain; look at it, check the clock of this machine, and repeat")
        if word.demand is None and Policies(known).at(word.domain, word.sender_class, word.at) is None:
            raise NotFound("nothing is in force for exactly this domain and class; list the policies to see what is")
        self._record([_event(word, action)])
        row = {
            "domain": word.domain,
            "sender_class": word.sender_class.value,
            "at": word.at,
            "demand": word.demand.value if word.demand is not None else "",
            "by": word.by,
            "reason": word.reason,
            "until": word.until or _NEVER,
        }
        self._engine.insert("domain_policies", pl.DataFrame([row], schema=_SCHEMA))
        return word


class DomainPolicies:
    """Reads words on domains. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, domains: Collection[str], moment: datetime) -> list[DomainPolicy]:
        """Every word up to a moment on these domains and the domains above them, in order; one query."""
        names = sorted({name for domain in domains for name in domains_above(domain)})
        if not names:
            return []
        return list(_words(self._engine.frame(_READ.replace("/* which */", _ONE_OF), moment=microseconds(moment), domains=names)))

    def all(self, moment: datetime) -> list[DomainPolicy]:
        """Every word on every domain up to a moment, by domain, class and time."""
        return list(_words(self._engine.frame(_READ.replace("/* which */", ""), moment=microseconds(moment))))

    def as_of(self, domains: Collection[str], sender_class: SenderClass, moment: datetime) -> Mapping[str, DomainPolicy]:
        """The policy in force at a moment for each of these domains, as `Policies` chooses; those without are left out."""
        known = Policies(self.read(domains, moment))
        found = {domain: known.in_force(domain, sender_class, moment) for domain in domains}
        return {domain: word for domain, word in found.items() if word is not None}


_SCHEMA: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("domain", "sender_class"), pl.String()),
    "at": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("demand", "by", "reason"), pl.String()),
    "until": pl.Datetime("us", "UTC"),
}


def _check(word: DomainPolicy) -> None:
    if word.by in ("", SERVICE) or len(word.by) > _MOST_BY:
        raise InvalidInput("a policy is a person's word: say who sets or withdraws it")
    if not 0 < len(word.reason) <= MOST_REASON:
        raise InvalidInput(f"the reason has 1 to {MOST_REASON:,} characters, and no patient data")
    if word.until is not None and not word.at < word.until < _FAR:
        raise InvalidInput("a policy ends after it begins: give a later day, or none")


def _event(word: DomainPolicy, action: str) -> AuditEvent:
    details: dict[str, Json] = {"domain": word.domain, "sender_class": word.sender_class.value, "reason": word.reason}
    if word.demand is not None:
        details |= {"demand": word.demand.value, "until": rfc3339(word.until) if word.until is not None else None}
    return alert_event(
        event_id=f"domain_policy.{microseconds(word.at)}.{word.sender_class.value}.{word.domain}",
        action=action,
        by=word.by,
        at=word.at,
        details=details,
    )


def _words(frame: pl.DataFrame) -> Iterator[DomainPolicy]:
    for row in frame.iter_rows(named=True):
        yield DomainPolicy(
            domain=row["domain"],
            sender_class=SenderClass(row["sender_class"]),
            demand=Demand(row["demand"]) if row["demand"] else None,
            at=row["at"],
            by=row["by"],
            reason=row["reason"],
            until=row["until"] if row["until"] > _NEVER else None,
        )
