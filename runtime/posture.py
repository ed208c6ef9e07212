"""Looking at mail domains: the resolver, the client and the round, put together from the settings."""

import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from domain.clock import Clock
from domain.errors import ConfigError, InvalidInput
from runtime.posture_settings import PostureSettings, server_of
from store.context import ContextStore
from store.domain_overview import DomainOverview
from store.domain_posture import DomainPostures, Posture
from store.engine import Engine

if TYPE_CHECKING:
    import dns.resolver

    from ingest.posture.look import Looker
    from ingest.posture.rounds import Wanted
    from runtime.product import Product

_RECENT = timedelta(days=90)
_BATCH_SECONDS = 45.0
_TELL_BACK = timedelta(days=2)
_DNS_SECONDS = 5.0


@contextmanager
def looking(settings: PostureSettings, clock: Clock) -> "Iterator[Looker]":
    """What looks at domains, as long as the block lasts. Raises ConfigError where there is no resolver or no CA to trust."""
    import httpx

    from ingest.posture.look import Looker

    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"posture.ca_file cannot be used ({error.strerror or 'no PEM certificates'})") from None
    with httpx.Client(verify=context, follow_redirects=False) as client:
        yield Looker(
            resolver=_resolver(settings),
            client=client,
            validates=settings.resolver_validates,
            selectors=settings.dkim_selectors,
            clock=clock,
            ticks=time.monotonic,
            seconds=float(settings.timeout_seconds),
            policy_seconds=min(10.0, float(settings.timeout_seconds)),
        )


def _resolver(settings: PostureSettings) -> "dns.resolver.Resolver":
    import dns.nameserver
    import dns.resolver

    from ingest.posture.asking import asking

    try:
        resolver = dns.resolver.Resolver(configure=not settings.resolvers)
    except dns.resolver.NoResolverConfiguration:
        raise ConfigError("this machine names no resolver: set posture.resolvers") from None
    if settings.resolvers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(*server_of(text)) for text in settings.resolvers]
    asking(resolver, seconds=min(_DNS_SECONDS, float(settings.timeout_seconds)))
    return resolver


def wanted_domains(engine: Engine, settings: PostureSettings, now: datetime) -> "list[Wanted]":
    """Which domains are to be looked at: ours, the register's, and those that got mail in the last 90 days, most mail first."""
    from ingest.posture.rounds import wanted

    overview = DomainOverview(engine)
    sent = overview.mail(now - _RECENT, now, limit=settings.most_domains)
    return wanted(
        ContextStore(engine).org().mail_domain,
        overview.registered(now),
        [mail.domain for mail in sent],
        most=settings.most_domains,
    )


def named_domains(engine: Engine, names: Sequence[str]) -> "list[Wanted]":
    """The domains that somebody named. Raises InvalidInput for what is no domain name."""
    from ingest.posture.reading import host_name
    from ingest.posture.rounds import Wanted

    own = host_name(ContextStore(engine).org().mail_domain)
    found: dict[str, Wanted] = {}
    for text in names:
        name = host_name(text)
        if name is None:
            raise InvalidInput(f"{text[:80]!r} is no domain name")
        found[name] = Wanted(domain=name, is_own=name == own)
    return list(found.values())


class PostureWatch:
    """The job: a batch each minute until every domain was looked at on this day; what became weaker is raised."""

    def __init__(
        self,
        engine: Engine,
        settings: PostureSettings,
        *,
        clock: Clock,
        tell: Callable[[], object],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tell` makes alerts of findings that were added."""
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._tell = tell
        self._ticks = ticks
        self._postures = DomainPostures(engine)
        self._is_told = False

    def run(self) -> list[Posture]:
        """One batch; the looks. Stopped anywhere it may be run again."""
        from ingest.posture.rounds import due, look_at

        now = self._clock()
        batch = due(wanted_domains(self._engine, self._settings, now), self._postures.latest(), now)
        batch = batch[: self._settings.domains_a_minute]
        seen: list[Posture] = []
        if batch:
            ends = self._ticks() + _BATCH_SECONDS
            with looking(self._settings, self._clock) as looker:
                seen = list(look_at(batch, looker=looker, postures=self._postures, is_over=lambda: self._ticks() > ends))
        if seen or not self._is_told:
            self._raise()
        return seen

    def _raise(self) -> None:
        """Also what an earlier run, or the command, saw and nobody raised: a finding that is known is not added again."""
        from alerts.posture_findings import posture_findings
        from store.findings import Findings

        now = self._clock()
        changes = self._postures.changes(now - _TELL_BACK, now + timedelta(microseconds=1))
        if Findings(self._engine).add(posture_findings(changes)):
            self._tell()
        self._is_told = True


def posture_watch(product: "Product") -> PostureWatch:
    """The watch of a node."""
    engine, settings = product.node.base.engine, product.settings.posture
    return PostureWatch(engine, settings, clock=product.clock, tell=product.follower.run)
