"""How deliveries to a domain went before a day: whole UTC days before it, so that the order within a day does not count."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import add

from domain.tls import ASSUMED
from store.deliveries import DeliveryFact
from store.mail_knowledge import DomainDay

_VERIFIED = frozenset({"verified_webpki", "verified_dane"})
_DELIVERED = frozenset({"", "success", "delivered"})


@dataclass(frozen=True, slots=True)
class Past:
    """Sums over the days before. `days` counts those with a delivery whose line is known; `deliveries` counts all."""

    days: int = 0
    plain: int = 0
    encrypted: int = 0
    weak: int = 0
    verified: int = 0
    unverified: int = 0
    deliveries: int = 0


NOTHING = Past()


class DomainHistory:
    """The past of domains, from stored days and the facts now being made."""

    def __init__(self, stored: Mapping[str, Sequence[DomainDay]], made: Iterable[DeliveryFact], days: int) -> None:
        self._reach = timedelta(days=days)
        counts: dict[str, dict[date, list[int]]] = {}
        for domain, known in stored.items():
            for one in known:
                _add(counts, domain, one.day, (one.plain, one.encrypted, one.weak, one.verified, one.unverified, one.deliveries))
        for fact in made:
            if is_sent(fact):
                _add(counts, fact.to_domain, fact.entry.time.astimezone(UTC).date(), _one(fact))
        self._days = {domain: sorted(by_day) for domain, by_day in counts.items()}
        self._sums = {domain: _running(by_day, self._days[domain]) for domain, by_day in counts.items()}
        self._found: dict[tuple[str, date], Past] = {}

    def before(self, domain: str, moment: datetime) -> Past:
        """What is known of the domain from before the UTC day of a moment."""
        if (days := self._days.get(domain)) is None:
            return NOTHING
        day = moment.astimezone(UTC).date()
        if (past := self._found.get((domain, day))) is None:
            first, last = bisect_left(days, day - self._reach), bisect_left(days, day)
            sums = self._sums[domain]
            past = self._found[domain, day] = Past(*(then - before for before, then in zip(sums[first], sums[last], strict=True)))
        return past


def _add(counts: dict[str, dict[date, list[int]]], domain: str, day: date, more: Sequence[int]) -> None:
    known = counts.setdefault(domain, {}).setdefault(day, [0] * len(more))
    for place, number in enumerate(more):
        known[place] += number


def _running(by_day: Mapping[date, Sequence[int]], days: Sequence[date]) -> list[tuple[int, ...]]:
    """Running sums in the order of `Past`, beginning with zeros."""
    sums: list[tuple[int, ...]] = [(0,) * 7]
    for day in days:
        plain, encrypted, *_ = by_day[day]
        step = (int(plain + encrypted > 0), *by_day[day])
        sums.append(tuple(map(add, sums[-1], step)))
    return sums


def is_sent(fact: DeliveryFact) -> bool:
    """Whether it is a message that an outside server took, as far as known."""
    delivered = fact.entry.action in ("deliver", "forward") and fact.entry.outcome in _DELIVERED
    return delivered and fact.direction not in ("inbound", "internal") and fact.to_domain != ""


def _one(fact: DeliveryFact) -> tuple[int, ...]:
    """One delivery in the order of `DomainDay`, without its day."""
    verdict = fact.tls_verdict
    return (
        verdict == "none",
        verdict not in ("none", "unknown"),
        fact.tls_weak,
        verdict in _VERIFIED,
        verdict in ("anonymous", "untrusted") and ASSUMED not in fact.evidence,
        True,
    )
