"""Policies for mail to domains as JSON: what the command line and the interface say of them."""

from collections.abc import Iterable
from datetime import datetime

from domain.clock import rfc3339
from domain.domain_policy import DomainPolicy, Policies, SenderClass
from domain.json import Json


def word_json(word: DomainPolicy) -> dict[str, Json]:
    """One word on a domain; `demand` null withdraws what was set before."""
    return {
        "domain": word.domain,
        "sender_class": word.sender_class.value,
        "demand": word.demand.value if word.demand is not None else None,
        "at": rfc3339(word.at),
        "by": word.by,
        "reason": word.reason,
        "until": rfc3339(word.until) if word.until is not None else None,
    }


def holding(words: Iterable[DomainPolicy], moment: datetime) -> list[DomainPolicy]:
    """What holds at a moment, one for each domain and class for which something does, by name."""
    known = list(words)
    policies = Policies(known)
    names = sorted({(word.domain, list(SenderClass).index(word.sender_class), word.sender_class) for word in known})
    found = [policies.at(domain, sender_class, moment) for domain, _, sender_class in names]
    return [word for word in found if word is not None]


def domain_json(domain: str, words: Iterable[DomainPolicy], moment: datetime) -> dict[str, Json]:
    """A domain: which policy each class of mail to it is under at a moment, and every word that was ever said on it or above it."""
    known = list(words)
    policies = Policies(known)
    of_class = {one: policies.in_force(domain, one, moment) for one in (SenderClass.TRANSACTIONAL, SenderClass.MARKETING)}
    return {
        "domain": domain,
        "at": rfc3339(moment),
        "in_force": {one.value: word_json(word) if word is not None else None for one, word in of_class.items()},
        "history": [word_json(word) for word in known],
    }
