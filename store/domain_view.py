"""Everything about mail domains at one moment, for pages and reports: mail of a period, posture, changes, and the register."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.json import Json
from store.domain_overview import DomainMail, DomainOverview
from store.domain_posture import DomainPostures, Posture, PostureChange
from store.engine import Engine

MOST_DOMAINS = 2_000

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainView:
    """`mail` is by deliveries, most first; what is not in it got none. `versions` are deliveries by domain and TLS version.

    `changes` are those of the period; `all_changes` are, where the view is of one domain, all that were ever seen.
    """

    at: datetime
    since: datetime
    until: datetime
    mail: Sequence[DomainMail]
    versions: Mapping[str, Mapping[str, int]]
    postures: Mapping[str, Posture]
    registered: Mapping[str, Mapping[str, Json]]
    changes: Sequence[PostureChange]
    all_changes: Sequence[PostureChange]
    is_cut: bool

    def names(self) -> list[str]:
        """Every domain that is known: own ones first, then those with mail, then the rest by name."""
        own = sorted(name for name, posture in self.postures.items() if posture.is_own)
        rest = sorted({*self.postures, *self.registered})
        return list(dict.fromkeys([*own, *(one.domain for one in self.mail), *rest]))


def domain_view(
    engine: Engine, since: datetime, until: datetime, at: datetime, *, only: str | None = None, most: int = MOST_DOMAINS
) -> DomainView:
    """Mail and changes of [since, until); posture and register as they were known by `at`. `only` narrows it to one domain."""
    overview, postures = DomainOverview(engine), DomainPostures(engine)
    chosen = () if only is None else (only,)
    mail = overview.mail(since, until, chosen, limit=most + 1)
    ever = [] if only is None else postures.changes(_BEGINNING, until, only)
    return DomainView(
        at=at,
        since=since,
        until=until,
        mail=mail[:most],
        versions=overview.versions(since, until, chosen),
        postures=postures.latest(at) if only is None else postures.as_of(chosen, at),
        registered=overview.registered(at),
        changes=postures.changes(since, until, only),
        all_changes=ever,
        is_cut=len(mail) > most,
    )
