"""How deliveries to a provider's other domains went: what tells of a domain that has no past of its own.

A mail server's home is its name without the first label: `mx1.mailbase.example` and `mx2.mailbase.example` are at home in
`mailbase.example`, and the servers of a provider that gives each customer a name of its own differ in that label only. Whether a
domain's server offers STARTTLS (RFC 3207) is its provider's doing, so a provider whose domains have always used TLS speaks for one
that is new.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from analytics.domain_history import is_sent
from analytics.mail_policy import HistoryPolicy
from domain.json import Json
from domain.tls import TlsVerdict
from store.cursors import Span
from store.deliveries import DeliveryFact
from store.mail_messages import MailMessages

_FEWEST_DOMAINS = 3
"""Of so many other domains at least: one customer's habit is not a provider's."""


@dataclass(slots=True)
class _Day:
    plain: int = 0
    encrypted: int = 0
    domains: set[str] = field(default_factory=set)


class MxHomes:
    """The past of homes to whose servers something of this batch went in the clear; of others nothing is read."""

    def __init__(
        self, messages: MailMessages, made: Sequence[DeliveryFact], spans: Sequence[Span], rules: HistoryPolicy, own: str
    ) -> None:
        self._rules = rules
        self._own = own
        self._days: dict[str, dict[date, _Day]] = {}
        asked = [one for one in made if self._is_clear(one) and home_of(one.entry.details)]
        if not asked:
            return
        homes = {home_of(one.entry.details) for one in asked}
        start = _midnight(min(one.entry.time for one in asked)) - timedelta(days=rules.days)
        end = _midnight(max(one.entry.time for one in asked))
        for home, day, plain, encrypted, domains in messages.homes(homes, start, end, without=spans):
            self._add(home, day, plain, encrypted, domains)
        for one in made:
            if is_sent(one) and (home := home_of(one.entry.details)) in homes:
                clear = one.tls_verdict == TlsVerdict.NONE
                known = one.tls_verdict != TlsVerdict.UNKNOWN
                self._add(home, one.entry.time.astimezone(UTC).date(), int(clear), int(known and not clear), [one.to_domain])

    def downgraded(self, base: DeliveryFact) -> str:
        """The sentence for a delivery in the clear to a server of a home that has always used TLS; '' for any other."""
        home = home_of(base.entry.details) if self._is_clear(base) else ""
        if (known := self._days.get(home)) is None:
            return ""
        today = base.entry.time.astimezone(UTC).date()
        days = [one for day, one in known.items() if today - timedelta(days=self._rules.days) <= day < today]
        plain, encrypted = sum(one.plain for one in days), sum(one.encrypted for one in days)
        others = {domain for one in days for domain in one.domains} - {base.to_domain}
        enough = len(days) >= self._rules.fewest_days and encrypted >= self._rules.fewest_deliveries
        if not enough or len(others) < _FEWEST_DOMAINS or plain > round(self._rules.exceptions * (plain + encrypted)):
            return ""
        return (
            f"The domain is new, and its servers are at {home}, whose domains have always used TLS: "
            f"{encrypted:,} of {plain + encrypted:,} deliveries on {len(days)} days"
        )

    def _is_clear(self, one: DeliveryFact) -> bool:
        return one.tls_verdict == TlsVerdict.NONE and is_sent(one) and one.to_domain != self._own

    def _add(self, home: str, day: date, plain: int, encrypted: int, domains: Sequence[str]) -> None:
        known = self._days.setdefault(home, {}).setdefault(day, _Day())
        known.plain += plain
        known.encrypted += encrypted
        if len(known.domains) <= _FEWEST_DOMAINS:
            known.domains.update(domains)


def home_of(details: Mapping[str, Json]) -> str:
    """Where the receiving server is at home, '' where its name is not known or has no label to spare."""
    relay = details.get("relay")
    if not isinstance(relay, str):
        return ""
    first, _, rest = relay.strip().rstrip(".").lower().partition(".")
    return rest if first and "." in rest and not rest.replace(".", "").isdecimal() else ""


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(UTC).date(), time(), UTC)
