"""How outbound mail left: by how well the connection was protected, per local day, and what of it carried PHI in the clear.

An outbound delivery is what the reports count as one: handed over (`deliver`), not inbound, not within the organisation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from domain.clock import microseconds
from store.engine import Engine

OUTBOUND = """
time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
AND action = 'deliver' AND direction NOT IN ('inbound', 'internal')
"""

# The verdicts of domain/tls.py in the bands people think in. Weak counts whoever the peer was; unknown is never good.
BAND = """
multiIf(tls_verdict = 'none', 'clear', tls_verdict = 'unknown', 'unknown', tls_weak = 1, 'weak',
    tls_verdict IN ('verified_webpki', 'verified_dane'), 'verified', tls_verdict = 'trusted', 'trusted', 'unverified')
"""

_DAYS = f"""
SELECT toDate(toTimezone(time, {{zone:String}})) AS day, {BAND} AS band, count() AS deliveries
FROM delivery_facts FINAL WHERE {OUTBOUND} GROUP BY day, band
"""

_PHI = f"""
SELECT
    countIf(phi = 1 AND tls_verdict = 'none') AS clear,
    countIf(phi = 1 AND tls_verdict = 'none' AND opted_in = 1) AS clear_by_consent,
    countIf(phi = 1 AND tls_verdict = 'none' AND encryption NOT IN ('', 'none')) AS clear_but_sealed,
    countIf(phi IS NULL AND tls_verdict = 'none') AS clear_unclassified,
    countIf(phi = 1 AND tls_weak = 1) AS weak,
    countIf(phi = 1 AND tls_verdict = 'unknown') AS unknown
FROM delivery_facts FINAL WHERE {OUTBOUND}
"""

_DOMAINS = f"""
SELECT to_domain, count() AS deliveries, countIf(phi = 1) AS with_phi FROM delivery_facts FINAL
WHERE {OUTBOUND} AND tls_verdict = 'none'
GROUP BY to_domain ORDER BY with_phi DESC, deliveries DESC, to_domain LIMIT {{top:UInt32}}
"""

_DELIVERIES = f"""
SELECT writer, seq, time, actor_id, patient_id, to_domain, category, phi, opted_in, encryption, tls_verdict, tls_version,
    tls_cipher, tls_weak, evidence, {BAND} AS band
FROM delivery_facts FINAL
WHERE {OUTBOUND} AND ({{band:String}} = '' OR band = {{band:String}})
    AND ({{to_domain:String}} = '' OR to_domain = {{to_domain:String}}) AND (NOT {{only_phi:UInt8}} OR phi = 1)
ORDER BY time DESC, writer DESC, seq DESC LIMIT {{limit:UInt32}}
"""

# The plain maximum is answered from the bounds of parts; the outbound one is looked for in the month before it, or else everywhere.
_NEWEST_ANY = "SELECT max(time) FROM delivery_facts WHERE time < fromUnixTimestamp64Micro({before:Int64}, 'UTC')"

_NEWEST = f"SELECT max(time) FROM delivery_facts WHERE {OUTBOUND}"


_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Band(StrEnum):
    """How well a delivery was protected on the way, worst first; `unknown` is outside the order."""

    CLEAR = "clear"
    WEAK = "weak"
    UNVERIFIED = "unverified"
    TRUSTED = "trusted"
    VERIFIED = "verified"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearDomain:
    """A recipient domain that got mail in the clear."""

    domain: str
    deliveries: int
    with_phi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhiInMail:
    """Deliveries of a period marked as PHI, by what was wrong; the first four are in plain text.

    `clear_by_consent`: the patient asked for it (45 CFR 164.524(c), as read by HHS in 2013). `clear_but_sealed`: the message itself
    was encrypted. `clear_unclassified`: the sender did not say whether it held PHI.
    """

    clear: int
    clear_by_consent: int
    clear_but_sealed: int
    clear_unclassified: int
    weak: int
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundDelivery:
    """One delivery of the list; `phi` None: the sender did not classify it."""

    writer: str
    seq: int
    time: datetime
    actor_id: str
    patient_id: str
    to_domain: str
    category: str
    phi: bool | None
    opted_in: bool
    encryption: str
    tls_verdict: str
    tls_version: str
    tls_cipher: str
    tls_weak: bool
    evidence: str
    band: Band


class MailOverview:
    """Asks about deliveries. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def newest(self, before: datetime) -> datetime | None:
        """When the newest outbound delivery before that moment left; None without one."""
        newest = _moment(self._engine.frame(_NEWEST_ANY, before=microseconds(before)).item())
        if newest is None:
            return None
        for since in (newest - timedelta(days=31), _BEGINNING):
            found = _moment(self._engine.frame(_NEWEST, **_bounds(since, before)).item())
            if found is not None:
                return found
        return None

    def days(self, since: datetime, until: datetime, zone: str) -> Mapping[date, Mapping[Band, int]]:
        """Deliveries per local day and band; days without any are left out."""
        found: dict[date, dict[Band, int]] = {}
        for day, band, deliveries in self._engine.frame(_DAYS, zone=zone, **_bounds(since, until)).iter_rows():
            found.setdefault(day, {})[Band(band)] = deliveries
        return found

    def phi(self, since: datetime, until: datetime) -> PhiInMail:
        """What carried PHI badly."""
        return PhiInMail(**self._engine.frame(_PHI, **_bounds(since, until)).row(0, named=True))

    def clear_domains(self, since: datetime, until: datetime, top: int = 5) -> Sequence[ClearDomain]:
        """Who got mail in the clear, those with PHI first."""
        frame = self._engine.frame(_DOMAINS, top=top, **_bounds(since, until))
        return [ClearDomain(domain=row[0], deliveries=row[1], with_phi=row[2]) for row in frame.iter_rows()]

    def deliveries(
        self, since: datetime, until: datetime, *, band: Band | None, to_domain: str, only_phi: bool, limit: int
    ) -> Sequence[OutboundDelivery]:
        """The newest deliveries of a period, of one band and to one domain where given, at most `limit`."""
        frame = self._engine.frame(
            _DELIVERIES, band=band or "", to_domain=to_domain, only_phi=int(only_phi), limit=limit, **_bounds(since, until)
        )
        return [
            OutboundDelivery(
                **{
                    **row,
                    "phi": None if row["phi"] is None else bool(row["phi"]),
                    "opted_in": bool(row["opted_in"]),
                    "tls_weak": bool(row["tls_weak"]),
                    "band": Band(row["band"]),
                }
            )
            for row in frame.iter_rows(named=True)
        ]


def _moment(value: object) -> datetime | None:
    """What `max` gave; of nothing it is 1970."""
    return value if isinstance(value, datetime) and value > _BEGINNING else None


def _bounds(since: datetime, until: datetime) -> dict[str, int]:
    return {"since": microseconds(since), "until": microseconds(until)}
