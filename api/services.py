"""What the API needs of the rest, in one frozen value: assembled by `runtime/` and by tests, by nobody else.

A Protocol here is a boundary: its docstring says what the implementation owes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from argon2 import PasswordHasher
from prometheus_client.registry import Collector

from dashboards.reports import ReportParams
from dashboards.views import RecordState, Site
from domain.clock import Clock
from domain.event import AuditEvent
from domain.keyring import KeyRing
from domain.proof import EventProof
from domain.record import Parsed, Position, Receipt
from store.access_overview import AccessOverview
from store.accounts import Accounts, TokenSource
from store.alert_overview import AlertOverview
from store.alerts import AlertStore
from store.api_keys import ApiKeys
from store.engine import Engine
from store.event_counts import EventCounts
from store.events import Events
from store.login_attempts import LoginAttempts
from store.mail_overview import MailOverview
from store.outbox import Outbox
from store.overview import Overview
from store.people import People
from store.sessions import Sessions


class LedgerWriter(Protocol):
    """This node's log. `append` blocks until the events are durable; raises Backpressure or IntegrityError."""

    def append(self, events: Sequence[AuditEvent]) -> list[Receipt]: ...

    def head(self) -> Position: ...


class IntakeDesk(Protocol):
    """Where records come in: events to the ledger, the rest to quarantine; answers in the order given, once durable."""

    def submit(self, batch: Sequence[Parsed]) -> list[Receipt]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a route may use; `assemble` says what the callables owe."""

    engine: Engine
    ledger: LedgerWriter
    intake: IntakeDesk
    alerts: AlertStore
    outbox: Outbox
    events: Events
    counts: EventCounts
    overview: Overview
    mail: MailOverview
    accesses: AccessOverview
    people: People
    waiting: AlertOverview
    accounts: Accounts
    sessions: Sessions
    keys: ApiKeys
    attempts: LoginAttempts
    clock: Clock
    ticks: Callable[[], float]
    new_token: TokenSource
    prove: Callable[[str, int], EventProof]
    ledger_keys: KeyRing
    newest_note: Callable[[], str | None]
    is_log_public: bool
    record_state: Callable[[], RecordState]
    site: Callable[[], Site]
    report: Callable[[str, ReportParams, str], Iterator[bytes]]
    unready: Callable[[], Mapping[str, str]]
    metrics: Sequence[Collector]
    version: str
    is_proxied_tls: bool


def assemble(
    *,
    engine: Engine,
    ledger: LedgerWriter,
    intake: IntakeDesk,
    alerts: AlertStore,
    outbox: Outbox,
    clock: Clock,
    ticks: Callable[[], float],
    new_token: TokenSource,
    prove: Callable[[str, int], EventProof],
    ledger_keys: KeyRing,
    record_state: Callable[[], RecordState],
    site: Callable[[], Site],
    report: Callable[[str, ReportParams, str], Iterator[bytes]],
    version: str,
    unready: Callable[[], Mapping[str, str]] = dict,
    metrics: Sequence[Collector] = (),
    is_proxied_tls: bool = False,
    is_log_public: bool = True,
    newest_note: Callable[[], str | None] | None = None,
    hasher: PasswordHasher | None = None,
) -> Services:
    """Services over one engine.

    `ticks` gives seconds that only go forward; `new_token` 32 random bytes as URL-safe text; `prove` the proof of one entry (raises
    NotFound); `ledger_keys` are the keys that sign checkpoints; `record_state` is what the last verification found; `site` the
    organisation as it is known now; `report` writes a report by name as html, pdf, csv or json, in pieces (raises InvalidInput
    before the first); `unready` says which parts of this process cannot work now, and why, beyond what the store answers itself;
    `metrics` are collectors of other parts for `/metrics`. `is_proxied_tls` says that a proxy in front ends TLS, so that cookies
    are Secure although we see plain HTTP. `is_log_public`: checkpoint and tiles are given to whoever asks. `newest_note` gives
    the newest checkpoint that may be published, cosigned where there are witnesses; by default the newest signed.
    """
    return Services(
        engine=engine,
        ledger=ledger,
        intake=intake,
        alerts=alerts,
        outbox=outbox,
        events=Events(engine),
        counts=EventCounts(engine),
        overview=Overview(engine),
        mail=MailOverview(engine),
        accesses=AccessOverview(engine),
        people=People(engine),
        waiting=AlertOverview(engine),
        accounts=Accounts(engine, clock, new_token, hasher),
        sessions=Sessions(engine, clock, new_token),
        keys=ApiKeys(engine, clock, new_token),
        attempts=LoginAttempts(engine, clock),
        clock=clock,
        ticks=ticks,
        new_token=new_token,
        prove=prove,
        ledger_keys=ledger_keys,
        newest_note=newest_note or (lambda: _newest(engine)),
        is_log_public=is_log_public,
        record_state=record_state,
        site=site,
        report=report,
        unready=unready,
        metrics=metrics,
        version=version,
        is_proxied_tls=is_proxied_tls,
    )


def _newest(engine: Engine) -> str | None:
    newest = Overview(engine).checkpoint()
    return None if newest is None else newest.note
