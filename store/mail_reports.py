"""What the reports about mail have in common, and the TLS ledger: how every delivery of a period travelled.

Everything is asked of `delivery_facts` and grouped by the engine; single deliveries come a page at a time. All questions of one
report share a `MailScope`, which ends at the newest fact there was when the report began: its sums and its rows are of the same
deliveries, however many are being judged meanwhile.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import overload

from domain.clock import microseconds
from domain.json import Json
from store.engine import Engine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

IN_SCOPE = """
time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
    AND direction NOT IN ('inbound', 'internal') AND recipient != 'own'
    AND ({patient:String} = '' OR patient_id = {patient:String}) AND ({actor:String} = '' OR actor_id = {actor:String})
    AND arrayExists((w, l) -> writer = w AND seq <= l, {writers:Array(String)}, {lasts:Array(UInt64)})
"""
"""What a scope takes of `delivery_facts`: mail that left, or that nobody said stayed inside."""

SENT = "(action IN ('deliver', 'forward') AND outcome IN ('', 'success', 'delivered'))"
"""Taken by an outside server (analytics/domain_history.py reads it the same way)."""

_REACH = "SELECT writer, max(seq) FROM delivery_facts GROUP BY writer ORDER BY writer"

_BROKEN = "policy_outcome = 'broken' OR demand_outcome = 'broken'"
_GOOD = f"tls_verdict IN ('verified_webpki', 'verified_dane') AND tls_weak = 0 AND NOT ({_BROKEN})"

# The verdicts of domain/tls.py; a word that is not one of them counts as not known.
_TALLIES = f"""
toInt64(count()), toInt64(countIf(tls_verdict = 'none')), toInt64(countIf(tls_verdict = 'anonymous')),
    toInt64(countIf(tls_verdict = 'untrusted')), toInt64(countIf(tls_verdict = 'trusted')),
    toInt64(countIf(tls_verdict = 'verified_webpki')), toInt64(countIf(tls_verdict = 'verified_dane')),
    toInt64(countIf(tls_verdict NOT IN ('none', 'anonymous', 'untrusted', 'trusted', 'verified_webpki', 'verified_dane'))),
    toInt64(countIf(tls_weak = 1)), toInt64(countIf({_BROKEN})), toInt64(countIf(NOT ({_GOOD})))
"""

_TOTALS = f"SELECT {_TALLIES}, toInt64(uniqExact(to_domain)) FROM delivery_facts FINAL WHERE {IN_SCOPE} AND {SENT}"

_AROUND = f"""
SELECT
    (SELECT toInt64(countIf(action IN ('deliver', 'forward', 'bounce', 'defer') AND NOT {SENT}))
        FROM delivery_facts FINAL WHERE {IN_SCOPE}),
    (SELECT toInt64(count()) FROM events WHERE source = 'mail' AND action IN ('deliver', 'forward', 'bounce', 'defer')
        AND time >= fromUnixTimestamp64Micro({{since:Int64}}, 'UTC') AND time < fromUnixTimestamp64Micro({{until:Int64}}, 'UTC')
        AND ({{patient:String}} = '' OR patient_id = {{patient:String}}) AND ({{actor:String}} = '' OR actor_id = {{actor:String}}))
    -
    (SELECT toInt64(count()) FROM delivery_facts FINAL WHERE action IN ('deliver', 'forward', 'bounce', 'defer')
        AND time >= fromUnixTimestamp64Micro({{since:Int64}}, 'UTC') AND time < fromUnixTimestamp64Micro({{until:Int64}}, 'UTC')
        AND ({{patient:String}} = '' OR patient_id = {{patient:String}}) AND ({{actor:String}} = '' OR actor_id = {{actor:String}})
        AND arrayExists((w, l) -> writer = w AND seq <= l, {{writers:Array(String)}}, {{lasts:Array(UInt64)}}))
"""

_DOMAINS = f"""
SELECT to_domain, {_TALLIES},
    sumMapIf([if(tls_version = '', 'version not stated', tls_version)], [toUInt64(1)], tls_verdict NOT IN ('none', 'unknown')),
    sumMapIf([if(tls_cipher = '', 'cipher not stated', tls_cipher)], [toUInt64(1)], tls_verdict NOT IN ('none', 'unknown')),
    toUnixTimestamp64Micro(min(time)), toUnixTimestamp64Micro(max(time))
FROM delivery_facts FINAL WHERE {IN_SCOPE} AND {SENT}
GROUP BY to_domain
ORDER BY countIf(tls_verdict = 'none') DESC, countIf(tls_weak = 1) DESC, countIf(NOT ({_GOOD})) DESC, count() DESC, to_domain
LIMIT {{limit:UInt32}}
"""

_COLUMNS = """
writer, seq, event_id, time, source_system, actor_id AS sender, to_domain, recipient, phi, encryption, auto_forwarded, opted_in,
    tls_verdict AS verdict, tls_version, tls_cipher, tls_weak AS weak, evidence, policy_version AS tls_policy, policy_outcome,
    policy_reasons, policy_unknown, policy_facts, mail_policy, tls_leg AS leg, tls_bits AS bits, tls_confidence AS confidence,
    demanded, demanded_by, demand_outcome, demand_fact
"""

# In the order of the log, which is that of the primary key: a page reads its own granules and not the whole table.
_PAGE = f"""
SELECT {_COLUMNS} FROM delivery_facts FINAL
WHERE {IN_SCOPE} AND {SENT} AND writer = {{writer:String}} AND seq > {{after:Int64}}
ORDER BY writer, seq LIMIT {{limit:UInt32}}
"""

# Of those that do not fit, the mildest are left out: in the clear first, PHI before what is not classified.
_NOT_GOOD = f"""
SELECT {_COLUMNS} FROM delivery_facts FINAL
WHERE {IN_SCOPE} AND {SENT} AND NOT ({_GOOD})
ORDER BY multiIf(tls_verdict = 'none', 0, tls_weak = 1, 1, tls_verdict = 'anonymous', 2, tls_verdict = 'untrusted', 3,
    tls_verdict = 'trusted', 5, tls_verdict IN ('verified_webpki', 'verified_dane'), 6, 4),
    multiIf(phi = 1, 0, phi IS NULL, 1, 2), time, writer, seq
LIMIT {{limit:UInt32}}
"""

PAGE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MailScope:
    """Which deliveries a report is about: [since, until) of the claimed time, and facts up to `lasts` of each writer."""

    since: datetime
    until: datetime
    patient_id: str = ""
    actor_id: str = ""
    writers: Sequence[str] = ()
    lasts: Sequence[int] = ()

    @property
    def parameters(self) -> dict[str, object]:
        """For `IN_SCOPE`."""
        return {
            "since": microseconds(self.since),
            "until": microseconds(self.until),
            "patient": self.patient_id,
            "actor": self.actor_id,
            "writers": list(self.writers),
            "lasts": list(self.lasts),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MailTerms:
    """The words of the mail policy that reports need: what is marketing, which consents speak of what, what protects a message.

    `plain` are the channels of a wish for unencrypted mail; `grace` business days are given after an opt-out; `is_holiday` are days
    that are none besides weekends. Without words nothing counts as marketing, and no message as sealed.
    """

    categories: Collection[str] = ()
    marketing: Collection[str] = ()
    plain: Collection[str] = ()
    grace: int = 10
    sealed: Collection[str] = ()
    without_agreement: Collection[str] = ()
    public_mailboxes: Collection[str] = ()
    is_holiday: Collection[date] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Deliveries by how well the connection was protected. `weak`, `broken` and `not_good` cut across.

    `broken` is what broke the mail policy, or what the site demands of mail to the domain.
    """

    deliveries: int
    clear: int
    anonymous: int
    untrusted: int
    trusted: int
    webpki: int
    dane: int
    unknown: int
    weak: int
    broken: int
    not_good: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTotals:
    """The whole. `not_sent` were deferred, bounced, refused or dropped; `not_examined` mail events have no facts yet."""

    tally: Tally
    domains: int
    not_sent: int
    not_examined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDomain:
    """One recipient domain, '' where not known. `versions` and `ciphers` count the encrypted deliveries, in order of the names."""

    domain: str
    tally: Tally
    versions: Sequence[tuple[str, int]]
    ciphers: Sequence[tuple[str, int]]
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDelivery:
    """One delivery and its verdict. `phi` None: not classified. The policy's words are joined by ', ', its facts by '; '.

    `leg` is the hop that the record speaks of, `bits` of the key (0 not known), `confidence` whether the source stated the verdict;
    `demanded` and what follows are what the site demanded of mail to the domain (domain/domain_policy.py).
    """

    writer: str
    seq: int
    event_id: str
    time: datetime
    source_system: str
    sender: str
    to_domain: str
    recipient: str
    phi: bool | None
    encryption: str
    auto_forwarded: bool
    opted_in: bool
    verdict: str
    tls_version: str
    tls_cipher: str
    weak: bool
    evidence: str
    tls_policy: str
    policy_outcome: str
    policy_reasons: str
    policy_unknown: str
    policy_facts: str
    mail_policy: str
    leg: str
    bits: int
    confidence: str
    demanded: str
    demanded_by: str
    demand_outcome: str
    demand_fact: str


class PagedRows(Sequence[Sequence[Json]]):
    """Rows that are read a page at a time, so that a million of them are never in memory together. `len` was counted before."""

    def __init__(self, length: int, pages: Callable[[], Iterator[Sequence[Sequence[Json]]]]) -> None:
        """`pages` gives all of them from the first, every time it is called."""
        self._length = length
        self._pages = pages

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Sequence[Json]]:
        for page in self._pages():
            yield from page

    @overload
    def __getitem__(self, index: int) -> Sequence[Json]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Sequence[Json]]: ...

    def __getitem__(self, index: int | slice) -> Sequence[Json] | Sequence[Sequence[Json]]:
        if isinstance(index, slice):
            return list(islice(self, *index.indices(self._length)))
        return next(islice(self, range(self._length)[index], None))


class MailReports:
    """The questions of the TLS ledger. Read-only; thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def scope(self, *, since: datetime, until: datetime, patient_id: str = "", actor_id: str = "") -> MailScope:
        """The deliveries of a period, as far as they are judged now."""
        reach = self._engine.rows(_REACH)
        return MailScope(
            since=since,
            until=until,
            patient_id=patient_id,
            actor_id=actor_id,
            writers=[str(writer) for writer, _ in reach],
            lasts=[integer(last) for _, last in reach],
        )

    def totals(self, scope: MailScope) -> LedgerTotals:
        """The sums over all deliveries of the scope."""
        (row,) = self._engine.rows(_TOTALS, **scope.parameters)
        ((not_sent, not_examined),) = self._engine.rows(_AROUND, **scope.parameters)
        return LedgerTotals(
            tally=_tally(row[:11]),
            domains=integer(row[11]),
            not_sent=integer(not_sent),
            not_examined=max(0, integer(not_examined)),
        )

    def domains(self, scope: MailScope, limit: int) -> list[LedgerDomain]:
        """Recipient domains, those with mail in the clear first, at most `limit`."""
        return [
            LedgerDomain(
                domain=str(row[0]),
                tally=_tally(row[1:12]),
                versions=_counts(row[12]),
                ciphers=_counts(row[13]),
                first=instant(row[14]),
                last=instant(row[15]),
            )
            for row in self._engine.rows(_DOMAINS, limit=limit, **scope.parameters)
        ]

    def not_good(self, scope: MailScope, limit: int) -> list[LedgerDelivery]:
        """Deliveries that were not verified, or weak, or against the mail policy: the worst first, at most `limit`."""
        return self._deliveries(_NOT_GOOD, limit=limit, **scope.parameters)

    def pages(self, scope: MailScope, size: int = PAGE) -> Iterator[list[LedgerDelivery]]:
        """Every delivery of the scope in the order of the log, a page at a time."""
        for writer in scope.writers:
            after = -1
            while page := self._deliveries(_PAGE, limit=size, writer=writer, after=after, **scope.parameters):
                yield page
                if len(page) < size:
                    break
                after = page[-1].seq

    def _deliveries(self, sql: str, **parameters: object) -> list[LedgerDelivery]:
        return [
            LedgerDelivery(
                **{
                    **row,
                    "phi": None if row["phi"] is None else bool(row["phi"]),
                    **{name: bool(row[name]) for name in ("auto_forwarded", "opted_in", "weak")},
                }
            )
            for row in self._engine.frame(sql, **parameters).iter_rows(named=True)
        ]


def instant(value: object) -> datetime:
    """Microseconds since 1970 as an instant."""
    return _EPOCH + timedelta(microseconds=integer(value))


def integer(value: object) -> int:
    """A number of the engine."""
    assert isinstance(value, int)
    return value


def _tally(row: Sequence[object]) -> Tally:
    deliveries, clear, anonymous, untrusted, trusted, webpki, dane, unknown, weak, broken, not_good = map(integer, row)
    return Tally(
        deliveries=deliveries,
        clear=clear,
        anonymous=anonymous,
        untrusted=untrusted,
        trusted=trusted,
        webpki=webpki,
        dane=dane,
        unknown=unknown,
        weak=weak,
        broken=broken,
        not_good=not_good,
    )


def _counts(value: object) -> list[tuple[str, int]]:
    assert isinstance(value, tuple)
    names, numbers = value
    return [(str(name), integer(number)) for name, number in zip(names, numbers, strict=True)]
