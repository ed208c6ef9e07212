"""What was seen of mail domains, look by look: how a domain wants its mail to be sent to it (table `domain_postures`).

Unknown is a value of its own everywhere: '' or None. Whatever could not be learnt, or is published wrongly, is in `problems`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import polars as pl

from domain.clock import microseconds
from store.engine import Engine

_COLUMNS = """
domain, observed_at, is_own, mx, mta_sts_id, mta_sts_seen, mta_sts_mode, mta_sts_mx, mta_sts_expires, dane, tls_rpt, spf, spf_all,
dkim, dmarc, dmarc_policy, dmarc_subdomain, dmarc_percent, problems
"""

_AS_OF = f"""
SELECT {_COLUMNS} FROM domain_postures FINAL
WHERE observed_at <= fromUnixTimestamp64Micro({{moment:Int64}}, 'UTC') AND (/* which */)
ORDER BY domain, observed_at DESC LIMIT 1 BY domain
"""

_ONE_OF = "domain IN {domains:Array(String)}"

# Both ends of each run of equal looks: what was last seen before a change, and what was seen first after it.
_EDGES = f"""
SELECT {_COLUMNS} FROM (
    SELECT *, cityHash64(is_own, mx, mta_sts_id, mta_sts_seen, mta_sts_mode, mta_sts_mx, ifNull(dane, 255), ifNull(tls_rpt, 255),
            spf, spf_all, dkim, dmarc, dmarc_policy, dmarc_subdomain, ifNull(dmarc_percent, 255), problems) AS content,
        lagInFrame(content, 1, 0) OVER past AS before, leadInFrame(content, 1, 0) OVER past AS after
    FROM domain_postures FINAL
    WHERE observed_at < fromUnixTimestamp64Micro({{until:Int64}}, 'UTC') AND (/* which */)
    WINDOW past AS (PARTITION BY domain ORDER BY observed_at ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
) WHERE content != before OR content != after
ORDER BY domain, observed_at
"""

_LONG = datetime(9999, 1, 1, tzinfo=UTC)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

NULL_MX = "."
"""The only host of a domain that takes no mail (RFC 7505)."""

NOTHING = "nothing"
"""A list that is known to be empty, in words."""

LAPSED = "mta_sts: the policy that was in force has run out, and it cannot be had again"
"""The problem of a domain whose policy no longer protects anybody, though nobody took it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posture:
    """One look at a domain.

    `mx` are host names in lower case without a final dot, best preference first; () is no MX record, or unknown (`is_known("mx")`).
    `mta_sts_seen` is what was published at the look and `mta_sts_mode` what was in force then (RFC 8461 section 5.1: a policy taken
    earlier stays in force until `mta_sts_expires`): enforce, testing, none, or '' not known. none with an empty `mta_sts_id` is a
    domain that publishes nothing. `mta_sts_mx` are the patterns of the policy in force.
    `dane`: every MX host has usable TLSA records in answers that a validating resolver vouched for (RFC 7672); `tls_rpt`: reports
    are asked for (RFC 8460). Of own domains only: `spf` and `dmarc` are the records as published; `spf_all` is fail, softfail,
    neutral, pass, redirect, absent, invalid or '' not known; `dmarc_policy` and `dmarc_subdomain` are reject, quarantine, none,
    absent, invalid or ''; `dmarc_percent` is pct (RFC 7489); `dkim` says of each selector `selector=valid`, or revoked, absent,
    invalid, unknown.
    `problems` begin with the field they are about and a colon: `mx: the name servers did not answer in time`.
    """

    domain: str
    observed_at: datetime
    is_own: bool = False
    mx: tuple[str, ...] = ()
    mta_sts_id: str = ""
    mta_sts_seen: str = ""
    mta_sts_mode: str = ""
    mta_sts_mx: tuple[str, ...] = ()
    mta_sts_expires: datetime | None = None
    dane: bool | None = None
    tls_rpt: bool | None = None
    spf: str = ""
    spf_all: str = ""
    dkim: tuple[str, ...] = ()
    dmarc: str = ""
    dmarc_policy: str = ""
    dmarc_subdomain: str = ""
    dmarc_percent: int | None = None
    problems: tuple[str, ...] = ()

    def is_known(self, field: str) -> bool:
        """Whether no problem is about this field (mx, mta_sts, dane, tls_rpt, spf, dkim, dmarc)."""
        return not any(problem.startswith(f"{field}:") for problem in self.problems)

    def mta_sts_at(self, moment: datetime) -> str:
        """The mode in force at a moment from this look on: a policy whose max_age is over is not known to hold ('')."""
        if self.mta_sts_mode not in ("enforce", "testing"):
            return self.mta_sts_mode
        return self.mta_sts_mode if self.mta_sts_expires is not None and moment < self.mta_sts_expires else ""

    @property
    def takes_no_mail(self) -> bool:
        """Whether the domain says that it takes no mail (RFC 7505)."""
        return self.mx == (NULL_MX,)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where mail for it goes: its MX hosts or, where it has no MX record, itself (RFC 5321 section 5.1). () is not known."""
        if not self.is_known("mx") or self.takes_no_mail:
            return ()
        return self.mx or (self.domain,)

    @property
    def mx_outside(self) -> tuple[str, ...]:
        """Hosts that the policy in force does not name: mail to them is refused under enforce (RFC 8461 section 4.1)."""
        if self.mta_sts_mode not in ("enforce", "testing"):
            return ()
        return tuple(sorted(host for host in self.hosts if not any(matches(host, pattern) for pattern in self.mta_sts_mx)))


def matches(host: str, pattern: str) -> bool:
    """Whether an MX host is named by a pattern of a policy: `*.` stands for exactly one label (RFC 8461 section 4.1)."""
    host, pattern = host.lower().rstrip("."), pattern.lower().rstrip(".")
    if not pattern.startswith("*."):
        return host == pattern != ""
    label, _, rest = host.partition(".")
    return label != "" and rest == pattern[2:]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostureChange:
    """Something known of a domain that became something else known; what was not known in between is passed over.

    `what` is mx, mta_sts (as published), mta_sts_lapsed, mta_sts_mx, mx_outside, dane, tls_rpt, spf, spf_all, dmarc_policy,
    dmarc_subdomain, dmarc_percent or `dkim SELECTOR`; `before` and `after` are its values in words. `was` is the last look at
    which `before` was seen, None where hosts outside the policy were seen at the first look.
    """

    domain: str
    what: str
    before: str
    after: str
    was: Posture | None
    now: Posture


class DomainPostures:
    """Reads and writes looks. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, postures: Sequence[Posture]) -> None:
        """Keep looks; one at the same moment at the same domain is replaced. Durable on return."""
        if postures:
            columns = {name: pl.Series([_value(one, name) for one in postures], dtype=kind) for name, kind in _SCHEMA.items()}
            self._engine.insert("domain_postures", pl.DataFrame(columns))

    def as_of(self, domains: Collection[str], moment: datetime) -> Mapping[str, Posture]:
        """The newest look at each domain up to a moment; a domain that was never looked at by then is left out."""
        if not domains:
            return {}
        sql = _AS_OF.replace("/* which */", _ONE_OF)
        return self._by_domain(sql, moment=microseconds(moment), domains=sorted(domains))

    def latest(self, moment: datetime = _LONG) -> Mapping[str, Posture]:
        """The newest look at each domain, by name; with `moment`, of the looks up to then."""
        return self._by_domain(_AS_OF.replace("/* which */", "1"), moment=microseconds(moment))

    def changes(self, first: datetime, last: datetime, domain: str | None = None) -> list[PostureChange]:
        """What became different at looks of [first, last), oldest first; of one domain, or of all."""
        sql = _EDGES.replace("/* which */", _ONE_OF if domain is not None else "1")
        only = {} if domain is None else {"domains": [domain]}
        found: list[PostureChange] = []
        seen: dict[tuple[str, str], tuple[str, Posture]] = {}
        for now in _postures(self._engine.frame(sql, until=microseconds(last), **only)):
            for what, after in _said(now).items():
                before, was = seen.get((now.domain, what), ("", None))
                is_change = before != after if was is not None else what == "mx_outside" and after != NOTHING
                if is_change and now.observed_at >= first:
                    found.append(PostureChange(domain=now.domain, what=what, before=before, after=after, was=was, now=now))
                seen[now.domain, what] = (after, now)
        return sorted(found, key=lambda change: (change.now.observed_at, change.domain, change.what))

    def _by_domain(self, sql: str, **parameters: object) -> Mapping[str, Posture]:
        return {posture.domain: posture for posture in _postures(self._engine.frame(sql, **parameters))}


def _said(posture: Posture) -> dict[str, str]:
    """What a look knows, in words, by what it is about."""
    known: dict[str, str] = {}
    if posture.is_known("mx"):
        known["mx"] = _words(posture.mx)
        if posture.mta_sts_mode:
            known["mx_outside"] = _words(posture.mx_outside)
    if posture.mta_sts_mode in ("enforce", "testing"):
        known["mta_sts_lapsed"] = "no"
    elif LAPSED in posture.problems:
        known["mta_sts_lapsed"] = "yes"
    if posture.mta_sts_seen:
        known["mta_sts"] = posture.mta_sts_seen
    if posture.mta_sts_seen in ("enforce", "testing"):
        known["mta_sts_mx"] = _words(posture.mta_sts_mx)
    known |= {name: "yes" if value else "no" for name in ("dane", "tls_rpt") if (value := getattr(posture, name)) is not None}
    known |= {name: value for name in ("spf_all", "dmarc_policy", "dmarc_subdomain") if (value := getattr(posture, name))}
    if posture.spf_all:
        known["spf"] = posture.spf or NOTHING
    if posture.dmarc_percent is not None:
        known["dmarc_percent"] = str(posture.dmarc_percent)
    for key in posture.dkim:
        selector, _, state = key.rpartition("=")
        if state != "unknown":
            known[f"dkim {selector}"] = state
    return known


def _words(names: Sequence[str]) -> str:
    return ", ".join(names) or NOTHING


_WORDS = pl.List(pl.String())
_MOMENT = pl.Datetime("us", "UTC")
_SCHEMA: Mapping[str, pl.DataType] = {
    **dict.fromkeys((field.name for field in fields(Posture)), pl.String()),
    **dict.fromkeys(("observed_at", "mta_sts_expires"), _MOMENT),
    **dict.fromkeys(("is_own", "dane", "tls_rpt", "dmarc_percent"), pl.UInt8()),
    **dict.fromkeys(("mx", "mta_sts_mx", "dkim", "problems"), _WORDS),
}


def _value(posture: Posture, name: str) -> object:
    value = getattr(posture, name)
    if isinstance(value, tuple):
        return list(value)
    return _NEVER if name == "mta_sts_expires" and value is None else value


def _postures(frame: pl.DataFrame) -> list[Posture]:
    return [
        Posture(
            **{
                **row,
                **{name: tuple(row[name]) for name in ("mx", "mta_sts_mx", "dkim", "problems")},
                **{name: None if row[name] is None else bool(row[name]) for name in ("dane", "tls_rpt")},
                "is_own": bool(row["is_own"]),
                "mta_sts_expires": row["mta_sts_expires"] if row["mta_sts_expires"] > _NEVER else None,
            }
        )
        for row in frame.iter_rows(named=True)
    ]
