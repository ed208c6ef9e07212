"""Which domains are looked at, and when: each once a UTC day, and again after some hours where something could not be learnt.

A round is cut into batches, so that it never asks faster than a bound and may be stopped after any domain: what was seen is kept.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingest.posture.look import Looker
from ingest.posture.reading import host_name
from store.domain_posture import DomainPostures, Posture

AGAIN = timedelta(hours=6)
"""When a domain of which something could not be learnt is looked at again on the same day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A domain to look at; `is_own`: it is ours, so that SPF, DKIM and DMARC are looked at too."""

    domain: str
    is_own: bool = False


def wanted(own: str, registered: Iterable[str], recipients: Iterable[str], *, most: int) -> list[Wanted]:
    """Our domain, those of the register, those that got mail (in the order given), each once and at most `most`. What is no domain
    name is passed over."""
    found: dict[str, Wanted] = {}
    if (name := host_name(own)) is not None:
        found[name] = Wanted(domain=name, is_own=True)
    for text in [*registered, *recipients]:
        if len(found) >= most:
            break
        if (name := host_name(text)) is not None:
            found.setdefault(name, Wanted(domain=name))
    return list(found.values())


def due(domains: Sequence[Wanted], latest: Mapping[str, Posture], now: datetime) -> list[Wanted]:
    """Those to look at now: never looked at, not today, or again because something was not learnt; longest ago first."""
    never = datetime.min.replace(tzinfo=UTC)

    def seen(one: Wanted) -> datetime:
        return latest[one.domain].observed_at if one.domain in latest else never

    def is_due(one: Wanted) -> bool:
        last = latest.get(one.domain)
        if last is None or last.observed_at.astimezone(UTC).date() < now.astimezone(UTC).date() or last.is_own != one.is_own:
            return True
        return bool(last.problems) and now - last.observed_at >= AGAIN

    return sorted(filter(is_due, domains), key=seen)


def look_at(
    domains: Iterable[Wanted],
    *,
    looker: Looker,
    postures: DomainPostures,
    is_over: Callable[[], bool] = lambda: False,
    pause: Callable[[], object] = lambda: None,
) -> Iterator[Posture]:
    """Look at domains one after the other and keep what is seen of each; `is_over` is asked before each, `pause` waits between."""
    for number, one in enumerate(domains):
        if is_over():
            return
        if number:
            pause()
        last = postures.as_of([one.domain], looker.clock()).get(one.domain)
        posture = looker.look(one.domain, is_own=one.is_own, last=last)
        postures.add([posture])
        yield posture
