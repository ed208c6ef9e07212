"""The register of business associate agreements against the domains that received PHI, each delivery by what held at its moment.

45 CFR 164.502(e) and 164.504(e). An agreement counts to the end of its last local day; a domain below a registered one counts as
registered (analytics/recipients.py judges single deliveries the same way).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from domain.clock import microseconds
from store.context_rows import NEVER
from store.engine import Engine
from store.mail_knowledge import MailKnowledge
from store.mail_reports import IN_SCOPE, SENT, MailScope, MailTerms, instant, integer


class Agreement(StrEnum):
    """What the register said of a domain at a moment. AFTER: it ran out, or is no longer registered; BEFORE: registered only later.

    EXEMPT: the mail policy asks no agreement of its kind. PUBLIC: anybody has a mailbox there, so that an agreement is no question.
    """

    IN_FORCE = "in_force"
    AFTER = "after_expiry"
    BEFORE = "before"
    WITHOUT = "without"
    EXEMPT = "exempt"
    PUBLIC = "public_mailboxes"
    NOT_SAID = "not_said"
    UNREGISTERED = "unregistered"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterVersion:
    """One version of a registered domain, knowledge in [since, until). `baa` None: the register does not say."""

    domain: str
    number: int
    since: datetime
    until: datetime
    kind: str
    baa: bool | None
    expires: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `begins` the domain stood so, by its version `number`."""

    domain: str
    begins: datetime
    state: Agreement
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BaaTally:
    """Deliveries that carried PHI, or were not classified, to a domain while it stood so and to such recipients.

    `domain` is the registered one where there is one, else the recipient's; `recipient` is the standing (analytics/recipients.py).
    `sealed` of those with PHI were encrypted as a message, or only a link. `first` and `last` are of both.
    """

    domain: str
    is_registered: bool
    number: int
    state: Agreement
    recipient: str
    phi: int
    unclassified: int
    sealed: int
    first: datetime
    last: datetime
    first_entry: tuple[str, int, str]
    last_entry: tuple[str, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaaDelivery:
    """One delivery that went out without an agreement known to be in force. `phi` None: not classified."""

    writer: str
    seq: int
    event_id: str
    time: datetime
    sender: str
    to_domain: str
    state: Agreement
    recipient: str
    phi: bool | None
    category: str
    encryption: str
    policy_outcome: str


# Of each delivery: the registered domain it counts for ('' without one), and how that stood. `begins` of the first version is 1970.
_STANDING = f"""
WITH periods AS
(
    SELECT p.1 AS domain, fromUnixTimestamp64Micro(p.2, 'UTC') AS begins, p.3 AS state, p.4 AS number
    FROM (SELECT arrayJoin(arrayZip({{domains:Array(String)}}, {{begins:Array(Int64)}}, {{states:Array(String)}},
        {{numbers:Array(UInt32)}})) AS p)
),
facts AS
(
    SELECT writer, seq, event_id, time, actor_id AS sender, toString(to_domain) AS to_domain, recipient, phi, category, encryption,
        policy_outcome
    FROM delivery_facts FINAL WHERE {IN_SCOPE} AND {SENT} AND ifNull(phi, 1) = 1
),
named AS
(
    SELECT to_domain, arrayFirst(one -> has({{registered:Array(String)}}, one),
        arrayMap(i -> arrayStringConcat(arraySlice(splitByChar('.', to_domain), i), '.'),
            range(1, greatest(length(splitByChar('.', to_domain)), 2)))) AS registered
    FROM (SELECT DISTINCT to_domain FROM facts)
),
placed AS
(
    SELECT facts.*, named.registered AS registered FROM facts INNER JOIN named ON facts.to_domain = named.to_domain
),
stood AS
(
    SELECT placed.*, if(periods.state = '', 'unregistered', periods.state) AS state, periods.number AS number
    FROM placed ASOF LEFT JOIN periods ON placed.registered = periods.domain AND placed.time >= periods.begins
)
"""

_TALLIES = f"""
{_STANDING}
SELECT if(state = 'unregistered', to_domain, registered) AS domain, state, number, recipient,
    toInt64(countIf(phi = 1)), toInt64(countIf(phi IS NULL)), toInt64(countIf(phi = 1 AND encryption IN {{sealed:Array(String)}})),
    toUnixTimestamp64Micro(min(time)), toUnixTimestamp64Micro(max(time)),
    argMin((writer, seq, event_id), (time, writer, seq)), argMax((writer, seq, event_id), (time, writer, seq))
FROM stood
GROUP BY domain, state, number, recipient
ORDER BY domain, number, state, recipient
"""

# The recipient's own address on file needs no agreement, wherever the mailbox is.
_WITHOUT = """
state NOT IN ('in_force', 'exempt') AND NOT (state IN ('public_mailboxes', 'unregistered') AND recipient = 'patient')
"""

_DELIVERIES = f"""
{_STANDING}
SELECT writer, seq, event_id, time, sender, to_domain, state, recipient, phi, category, encryption, policy_outcome
FROM stood WHERE {_WITHOUT}
ORDER BY phi IS NULL, time, writer, seq LIMIT {{limit:UInt32}}
"""


class BaaRegister:
    """The register of domains with its past, and what went to whom under it. Read once; `zone` is the organisation's."""

    def __init__(self, engine: Engine, zone: ZoneInfo, terms: MailTerms) -> None:
        self._engine = engine
        self._terms = terms
        self.versions = _versions(MailKnowledge(engine))
        self._of = {domain: list(_periods(versions, zone, terms)) for domain, versions in self.versions.items()}
        self._periods = [period for periods in self._of.values() for period in periods]

    def at(self, domain: str, moment: datetime) -> tuple[RegisterVersion | None, Agreement]:
        """What was registered of a domain, or else of the nearest above it, and how it stood then."""
        labels = domain.split(".")
        for start in range(max(len(labels) - 1, 1)):
            domain = ".".join(labels[start:])
            held = [period for period in self._of.get(domain, ()) if period.begins <= moment]
            if held:
                return self.versions[domain][held[-1].number - 1], held[-1].state
        return None, Agreement.UNREGISTERED

    def tallies(self, scope: MailScope) -> list[BaaTally]:
        """What went where, by domain, version and recipient: a few rows a domain."""
        return [
            BaaTally(
                domain=str(row[0]),
                is_registered=row[1] != Agreement.UNREGISTERED,
                state=Agreement(str(row[1])),
                number=integer(row[2]),
                recipient=str(row[3]),
                phi=integer(row[4]),
                unclassified=integer(row[5]),
                sealed=integer(row[6]),
                first=instant(row[7]),
                last=instant(row[8]),
                first_entry=_entry(row[9]),
                last_entry=_entry(row[10]),
            )
            for row in self._engine.rows(_TALLIES, sealed=sorted(self._terms.sealed), **self._parameters(scope))
        ]

    def deliveries(self, scope: MailScope, limit: int) -> list[BaaDelivery]:
        """Deliveries without an agreement known to be in force, PHI before what is not classified, at most `limit`."""
        frame = self._engine.frame(_DELIVERIES, limit=limit, **self._parameters(scope))
        return [
            BaaDelivery(
                **{**row, "state": Agreement(row["state"]), "phi": None if row["phi"] is None else bool(row["phi"])},
            )
            for row in frame.iter_rows(named=True)
        ]

    def _parameters(self, scope: MailScope) -> dict[str, object]:
        return {
            **scope.parameters,
            "registered": list(self.versions),
            "domains": [period.domain for period in self._periods],
            "begins": [microseconds(period.begins) for period in self._periods],
            "states": [period.state.value for period in self._periods],
            "numbers": [period.number for period in self._periods],
        }


def _versions(knowledge: MailKnowledge) -> dict[str, list[RegisterVersion]]:
    """Every domain's versions, oldest first."""
    found: dict[str, list[tuple[datetime, dict[str, object]]]] = {}
    for since, record in knowledge.register():
        domain = str(record.get("domain") or "").strip().rstrip(".").lower()
        found.setdefault(domain, []).append((since, dict(record)))
    return {
        domain: [
            RegisterVersion(
                domain=domain,
                number=number,
                since=since,
                until=until,
                kind=str(record.get("kind") or "").lower(),
                baa=baa if isinstance(baa := record.get("baa"), bool) else None,
                expires=_day(record.get("baa_expires")),
            )
            for number, ((since, record), (until, _)) in enumerate(pairwise([*versions, (NEVER, {})]), 1)
        ]
        for domain, versions in sorted(found.items())
    }


def _periods(versions: Sequence[RegisterVersion], zone: ZoneInfo, terms: MailTerms) -> Iterable[Period]:
    """How one domain stood, from when on: at most two periods a version."""
    for place, version in enumerate(versions):
        state = _state(versions, place, terms)
        yield Period(domain=version.domain, begins=version.since, state=state, number=version.number)
        if state is Agreement.IN_FORCE and version.expires is not None:
            ends = max(datetime.combine(version.expires + timedelta(days=1), time(), zone), version.since)
            if ends < version.until:
                yield Period(domain=version.domain, begins=ends, state=Agreement.AFTER, number=version.number)


def _state(versions: Sequence[RegisterVersion], place: int, terms: MailTerms) -> Agreement:
    version = versions[place]
    if version.kind in terms.without_agreement:
        return Agreement.EXEMPT
    if version.baa:
        return Agreement.IN_FORCE
    if version.kind in terms.public_mailboxes:
        return Agreement.PUBLIC
    if version.baa is None:
        return Agreement.NOT_SAID
    if any(one.baa for one in versions[:place]):
        return Agreement.AFTER
    return Agreement.BEFORE if any(one.baa for one in versions[place + 1 :]) else Agreement.WITHOUT


def _day(value: object) -> date | None:
    return date.fromisoformat(value[:10]) if isinstance(value, str) and value else None


def _entry(value: object) -> tuple[str, int, str]:
    assert isinstance(value, tuple)
    writer, seq, event_id = value
    return str(writer), integer(seq), str(event_id)
