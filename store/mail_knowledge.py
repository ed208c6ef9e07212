"""What is known around mail entries: patients' addresses, the register of domains, and how earlier deliveries went.

The past is read from `delivery_facts`: few columns of the days asked for, grouped by the engine. It is never more than one row a
domain and day that comes back.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import orjson
import polars as pl

from domain.clock import microseconds
from domain.json import Json
from store.cursors import Span
from store.engine import Engine

_ADDRESSES = """
SELECT patient_id, email_key, known_from, known_until FROM context_patients FINAL
WHERE email_key != '' AND patient_id IN (
    SELECT patient_id FROM events
    WHERE writer = {writer:String} AND seq >= {first:UInt64} AND seq <= {last:UInt64} AND source = 'mail' AND patient_id != ''
) ORDER BY patient_id, version
"""

_REGISTER = "SELECT known_from, body FROM context_records FINAL WHERE kind = 'domains' ORDER BY key, version"

_SENT = """
    action IN ('deliver', 'forward') AND outcome IN ('', 'success', 'delivered') AND direction NOT IN ('inbound', 'internal')
    AND time >= fromUnixTimestamp64Micro({start:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({end:Int64}, 'UTC')
"""

_DAYS = f"""
SELECT to_domain, toDate(time, 'UTC') AS day, toInt64(countIf(tls_verdict = 'none')) AS plain,
    toInt64(countIf(tls_verdict NOT IN ('none', 'unknown'))) AS encrypted, toInt64(countIf(tls_weak = 1)) AS weak,
    toInt64(countIf(tls_verdict IN ('verified_webpki', 'verified_dane'))) AS verified,
    toInt64(countIf(tls_verdict IN ('anonymous', 'untrusted') AND position(evidence, {{assumed:String}}) = 0)) AS unverified,
    toInt64(count()) AS deliveries
FROM delivery_facts FINAL
WHERE {_SENT} AND to_domain IN {{domains:Array(String)}}
    AND NOT arrayExists((w, f, l) -> writer = w AND seq >= f AND seq <= l,
        {{writers:Array(String)}}, {{firsts:Array(UInt64)}}, {{lasts:Array(UInt64)}})
GROUP BY to_domain, day ORDER BY to_domain, day
"""

_FREQUENT = f"""
SELECT to_domain FROM delivery_facts FINAL WHERE {_SENT} AND to_domain != ''
GROUP BY to_domain HAVING count() >= {{deliveries:UInt32}} AND uniqExact(toDate(time, 'UTC')) >= {{days:UInt32}} ORDER BY to_domain
"""

_MET = f"""
SELECT patient_id, to_domain, toDate(min(time), 'UTC') AS first FROM delivery_facts FINAL
WHERE {_SENT} AND patient_id IN {{patients:Array(String)}} AND to_domain != '' GROUP BY patient_id, to_domain
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainDay:
    """One UTC day of deliveries to a domain. What the source did not say is in `deliveries` only."""

    day: date
    plain: int
    encrypted: int
    weak: int
    verified: int
    unverified: int
    deliveries: int


class MailKnowledge:
    """Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def addresses(self, spans: Sequence[Span]) -> Iterator[tuple[str, str, datetime, datetime]]:
        """Of the patients that mail entries of the spans are about: id, address (lower case), known from, known until."""
        for span in spans:
            yield from self._engine.frame(_ADDRESSES, writer=span.writer, first=span.first, last=span.last).iter_rows()

    def register(self) -> list[tuple[datetime, Mapping[str, Json]]]:
        """Every version of every record of `domains.jsonl`, and since when it was knowledge; versions of one domain in order."""
        rows = self._engine.frame(_REGISTER).with_columns(pl.col("body").cast(pl.String))
        return [(known_from, orjson.loads(body)) for known_from, body in rows.iter_rows()]

    def days(
        self, domains: Collection[str], start: datetime, end: datetime, *, without: Sequence[Span], assumed: str
    ) -> dict[str, list[DomainDay]]:
        """Deliveries of [start, end) by domain and UTC day, without those of some spans. Evidence with the words `assumed` says
        nothing about the peer."""
        frame = self._engine.frame(
            _DAYS,
            domains=sorted(domains),
            start=microseconds(start),
            end=microseconds(end),
            assumed=assumed,
            writers=[span.writer for span in without],
            firsts=[span.first for span in without],
            lasts=[span.last for span in without],
        )
        found: dict[str, list[DomainDay]] = {}
        for row in frame.iter_rows(named=True):
            found.setdefault(row.pop("to_domain"), []).append(DomainDay(**row))
        return found

    def frequent(self, start: datetime, end: datetime, *, deliveries: int, days: int) -> list[str]:
        """Domains that got so many deliveries on so many days of [start, end)."""
        frame = self._engine.frame(_FREQUENT, start=microseconds(start), end=microseconds(end), deliveries=deliveries, days=days)
        return frame["to_domain"].to_list()

    def met(self, patients: Collection[str], start: datetime, end: datetime) -> list[tuple[str, str, date]]:
        """Which domains got mail about these patients in [start, end), and on which UTC day first: (patient, domain, day)."""
        frame = self._engine.frame(_MET, patients=sorted(patients), start=microseconds(start), end=microseconds(end))
        return list(frame.iter_rows())
