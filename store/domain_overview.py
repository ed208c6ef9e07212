"""How mail left by recipient domain: counts by protection and TLS version, aggregated by the engine from `delivery_facts`.

Counted is what the page of deliveries counts (store/mail_overview.py): handed over, neither inbound nor within the organisation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import orjson
import polars as pl

from domain.clock import microseconds
from domain.json import Json
from store.engine import Engine
from store.mail_overview import BAND, OUTBOUND, Band

_COUNTS = f"""
SELECT to_domain AS domain, toInt64(count()) AS deliveries,
    toInt64(countIf(tls_verdict NOT IN ('none', 'unknown'))) AS encrypted, toInt64(countIf(tls_verdict = 'none')) AS clear,
    toInt64(countIf(tls_weak = 1)) AS weak,
    toInt64(countIf(tls_verdict IN ('verified_webpki', 'verified_dane') AND tls_weak = 0)) AS verified,
    toInt64(countIf(tls_verdict = 'unknown')) AS unknown, toInt64(countIf(phi = 1)) AS with_phi,
    toInt64(countIf(phi = 1 AND (tls_verdict = 'none' OR tls_weak = 1))) AS phi_badly, max(time) AS newest
FROM delivery_facts FINAL
WHERE {OUTBOUND} AND to_domain != '' AND (empty({{domains:Array(String)}}) OR to_domain IN {{domains:Array(String)}})
GROUP BY to_domain ORDER BY deliveries DESC, domain LIMIT {{limit:UInt32}}
"""

_DAYS = f"""
SELECT toDate(toTimezone(time, {{zone:String}})) AS day, {BAND} AS band, toInt64(count()) AS deliveries
FROM delivery_facts FINAL WHERE {OUTBOUND} AND to_domain = {{domain:String}} GROUP BY day, band
"""

_VERSIONS = f"""
SELECT to_domain, multiIf(tls_verdict = 'none', 'none', tls_version = '', 'unknown', tls_version) AS version, toInt64(count())
FROM delivery_facts FINAL
WHERE {OUTBOUND} AND to_domain != '' AND (empty({{domains:Array(String)}}) OR to_domain IN {{domains:Array(String)}})
GROUP BY to_domain, version ORDER BY to_domain, count() DESC, version
"""

_REGISTERED = """
SELECT argMax(body, version) AS body FROM context_records
WHERE kind = 'domains' AND known_from <= fromUnixTimestamp64Micro({moment:Int64}, 'UTC') GROUP BY key ORDER BY key
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainMail:
    """Deliveries to a domain in a period: `encrypted`, `clear` and `unknown` are all of them. What is weak is not `verified`."""

    domain: str
    deliveries: int
    encrypted: int
    clear: int
    weak: int
    verified: int
    unknown: int
    with_phi: int
    phi_badly: int
    newest: datetime

    @property
    def told(self) -> int:
        """Deliveries whose protection the source reported."""
        return self.deliveries - self.unknown


class DomainOverview:
    """Asks about deliveries by domain. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def mail(self, since: datetime, until: datetime, domains: Sequence[str] = (), *, limit: int = 1_000) -> list[DomainMail]:
        """Deliveries of [since, until) by domain, most first, at most `limit`; of some domains, or of all."""
        frame = self._engine.frame(_COUNTS, domains=list(domains), limit=limit, **_bounds(since, until))
        return [DomainMail(**row) for row in frame.iter_rows(named=True)]

    def days(self, domain: str, since: datetime, until: datetime, zone: str) -> Mapping[date, Mapping[Band, int]]:
        """Deliveries to a domain per local day and band; days without any are left out."""
        found: dict[date, dict[Band, int]] = {}
        for day, band, deliveries in self._engine.frame(_DAYS, domain=domain, zone=zone, **_bounds(since, until)).iter_rows():
            found.setdefault(day, {})[Band(band)] = deliveries
        return found

    def versions(self, since: datetime, until: datetime, domains: Sequence[str] = ()) -> Mapping[str, Mapping[str, int]]:
        """Deliveries by domain and TLS version, most first; `none` is in the clear, `unknown` was not reported."""
        found: dict[str, dict[str, int]] = {}
        for domain, version, deliveries in self._engine.frame(
            _VERSIONS, domains=list(domains), **_bounds(since, until)
        ).iter_rows():
            found.setdefault(domain, {})[version] = deliveries
        return found

    def registered(self, moment: datetime) -> Mapping[str, Mapping[str, Json]]:
        """The register of domains (`domains.jsonl`) as it was known at a moment, by name in lower case."""
        bodies = self._engine.frame(_REGISTERED, moment=microseconds(moment))["body"].cast(pl.String)
        records: list[Mapping[str, Json]] = [orjson.loads(body) for body in bodies]
        return {str(record["domain"]).lower().rstrip("."): record for record in records if record.get("domain")}


def _bounds(since: datetime, until: datetime) -> dict[str, int]:
    return {"since": microseconds(since), "until": microseconds(until)}
