"""The outbox: what is to be sent to whom, and what became of it, on disk before anything is tried.

Append-only, one row a step, the newest step is the state. A step is written by compare-and-swap as in `store.alerts`: a dispatcher
claims a delivery by writing its next step, which puts the delivery off for the length of a lease. Of two dispatchers one gets it.
One that dies while it sends leaves a delivery that falls due again when the lease ends, under the same id: at least once, and a
receiver that knows the id sees it once.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypedDict, cast

import orjson
import polars as pl

from domain.event import AuditEvent
from store.alert_events import SERVICE, Record, alert_event
from store.engine import Engine

LEASE = timedelta(minutes=5)
"""How long a claim holds: well beyond the time any channel may take."""

_DUE = """
SELECT * FROM deliveries
WHERE (delivery_id, step) IN (
    SELECT delivery_id, max(step) FROM deliveries GROUP BY delivery_id
    HAVING argMax(state, step) = 'pending' AND argMax(due, step) <= {now:DateTime64(6, 'UTC')})
ORDER BY due, delivery_id LIMIT 1 BY delivery_id LIMIT {limit:UInt32}
"""

_STEP = "SELECT * FROM deliveries WHERE delivery_id = {delivery_id:String} AND step = {step:UInt32} LIMIT 1"

_OF_ALERT = "SELECT * FROM deliveries WHERE alert_id = {alert_id:String} ORDER BY step DESC, planned LIMIT 1 BY delivery_id"

_EXISTING = "SELECT DISTINCT delivery_id FROM deliveries WHERE delivery_id IN {delivery_ids:Array(String)}"

_LAST_PLANNED = """
SELECT alert_id, max(planned) AS planned FROM deliveries WHERE alert_id IN {alert_ids:Array(String)} GROUP BY alert_id
"""

_SETTLED_SINCE = """
SELECT * FROM deliveries WHERE at >= {since:DateTime64(6, 'UTC')} AND state IN ('sent', 'failed')
ORDER BY at, delivery_id, step LIMIT 1 BY delivery_id, step
"""

_BACKLOG = """
SELECT channel, countIf(state = 'pending'), countIf(state = 'sent'), countIf(state = 'failed'),
    dateDiff('second', minIf(planned, state = 'pending'), {now:DateTime64(6, 'UTC')})
FROM (
    SELECT argMax(channel, step) AS channel, argMax(state, step) AS state, argMax(planned, step) AS planned
    FROM deliveries GROUP BY delivery_id)
GROUP BY channel ORDER BY channel
"""

_INSTANT = pl.Datetime("us", "UTC")
_COLUMNS = pl.Schema(
    {
        "delivery_id": pl.String(),
        "step": pl.UInt32(),
        "alert_id": pl.String(),
        "version": pl.UInt32(),
        "channel": pl.String(),
        "state": pl.String(),
        "attempt": pl.UInt32(),
        "due": _INSTANT,
        "planned": _INSTANT,
        "at": _INSTANT,
        "holder": pl.String(),
        "error": pl.String(),
    }
)


class DeliveryState(StrEnum):
    """`withdrawn`: somebody took the alert on before it was sent, so it need not be."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notification of one alert version to one channel.

    `attempt` counts finished attempts; a pending one is tried from `due` on; `planned` is when it was decided, `at` when this step
    was written, by `holder`. `error` is why the last attempt failed, a sentence without names.
    """

    delivery_id: str
    step: int
    alert_id: str
    version: int
    channel: str
    state: DeliveryState
    attempt: int
    due: datetime
    planned: datetime
    at: datetime
    holder: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How one channel stands: deliveries by state, and the age of the oldest that waits (zero when none does)."""

    channel: str
    pending: int
    sent: int
    failed: int
    oldest: timedelta


class _Row(TypedDict):
    delivery_id: str
    step: int
    alert_id: str
    version: int
    channel: str
    state: str
    attempt: int
    due: datetime
    planned: datetime
    at: datetime
    holder: str
    error: str


def plan(*, alert_id: str, version: int, channel: str, at: datetime, due: datetime) -> Delivery:
    """The delivery of this alert version to this channel: the same id whenever it is planned."""
    digest = hashlib.sha256(orjson.dumps([alert_id, version, channel])).hexdigest()
    return Delivery(
        delivery_id=f"msg_{digest[:26]}",
        step=1,
        alert_id=alert_id,
        version=version,
        channel=channel,
        state=DeliveryState.PENDING,
        attempt=0,
        due=due,
        planned=at,
        at=at,
    )


class Outbox:
    """Reads and writes deliveries. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, record: Record) -> None:
        self._engine = engine
        self._record = record

    def put(self, deliveries: Iterable[Delivery]) -> int:
        """Keep what is to be sent; one that was put before is not put again. Returns how many were new."""
        wanted = {delivery.delivery_id: delivery for delivery in deliveries}
        if not wanted:
            return 0
        for row in self._engine.rows(_EXISTING, delivery_ids=sorted(wanted)):
            del wanted[str(row[0])]
        if wanted:
            token = hashlib.sha256("\n".join(sorted(wanted)).encode()).hexdigest()
            self._engine.insert("deliveries", _frame(wanted.values()), token=token)
        return len(wanted)

    def due(self, now: datetime, *, limit: int = 200) -> list[Delivery]:
        """What is to be tried now, longest due first."""
        return _read(self._engine.frame(_DUE, now=now, limit=limit))

    def claim(self, delivery: Delivery, *, holder: str, now: datetime) -> Delivery | None:
        """Take a delivery for the length of a lease; None when another holder was faster. Each dispatcher has its own `holder`."""
        return self._step(replace(delivery, at=now, due=now + LEASE, holder=holder))

    def sent(self, claimed: Delivery, *, at: datetime) -> None:
        """The receiver took it. Recorded in the ledger as `alert_delivered`."""
        self._settle(replace(claimed, state=DeliveryState.SENT, at=at, attempt=claimed.attempt + 1, error=""))

    def postpone(self, claimed: Delivery, *, at: datetime, due: datetime, error: str) -> None:
        """An attempt failed; the next is at `due`."""
        self._step(replace(claimed, at=at, due=due, attempt=claimed.attempt + 1, error=error))

    def fail(self, claimed: Delivery, *, at: datetime, error: str) -> None:
        """It will not be tried again. Recorded in the ledger as `alert_undelivered`."""
        self._settle(replace(claimed, state=DeliveryState.FAILED, at=at, attempt=claimed.attempt + 1, error=error))

    def withdraw(self, claimed: Delivery, *, at: datetime) -> None:
        """It need not be sent any more."""
        self._step(replace(claimed, state=DeliveryState.WITHDRAWN, at=at))

    def of_alert(self, alert_id: str) -> list[Delivery]:
        """Every delivery of an alert as it stands, in the order planned."""
        deliveries = _read(self._engine.frame(_OF_ALERT, alert_id=alert_id))
        return sorted(deliveries, key=lambda delivery: (delivery.planned, delivery.version, delivery.channel))

    def last_planned(self, alert_ids: Sequence[str]) -> dict[str, datetime]:
        """When each of these alerts was last put into the outbox; without those that never were."""
        frame = self._engine.frame(_LAST_PLANNED, alert_ids=list(alert_ids))
        return {str(alert_id): planned.astimezone(UTC) for alert_id, planned in frame.iter_rows()}

    def backlog(self, now: datetime) -> list[Backlog]:
        """How each channel stands: for the first screen and the metrics."""
        rows = cast("list[tuple[str, int, int, int, int]]", self._engine.rows(_BACKLOG, now=now))
        return [
            Backlog(channel=channel, pending=pending, sent=sent, failed=failed, oldest=timedelta(seconds=age if pending else 0))
            for channel, pending, sent, failed, age in rows
        ]

    def rerecord(self, since: datetime) -> int:
        """Hand the event of every delivery settled since to the ledger again (the start does this). Returns how many."""
        settled = _read(self._engine.frame(_SETTLED_SINCE, since=since))
        if settled:
            self._record([_settled_event(delivery) for delivery in settled])
        return len(settled)

    def _settle(self, settled: Delivery) -> None:
        if written := self._step(settled):
            self._record([_settled_event(written)])

    def _step(self, changed: Delivery) -> Delivery | None:
        """Write this as the next step unless there is one; None when the one that stands is not ours."""
        following = replace(changed, step=changed.step + 1)
        if self._standing(following) is None:
            self._engine.insert("deliveries", _frame([following]), token=f"{following.delivery_id}:{following.step}")
        return following if self._standing(following) == following else None

    def _standing(self, delivery: Delivery) -> Delivery | None:
        found = _read(self._engine.frame(_STEP, delivery_id=delivery.delivery_id, step=delivery.step))
        return found[0] if found else None


def _settled_event(delivery: Delivery) -> AuditEvent:
    sent = delivery.state is DeliveryState.SENT
    return alert_event(
        event_id=f"delivery.{delivery.delivery_id}.{delivery.step}",
        action="alert_delivered" if sent else "alert_undelivered",
        by=SERVICE,
        at=delivery.at,
        outcome="success" if sent else "failure",
        details={
            "alert_id": delivery.alert_id,
            "version": delivery.version,
            "channel": delivery.channel,
            "delivery_id": delivery.delivery_id,
            "attempt": delivery.attempt,
        },
    )


def _frame(deliveries: Iterable[Delivery]) -> pl.DataFrame:
    return pl.DataFrame([{**asdict(delivery), "state": delivery.state.value} for delivery in deliveries], schema=_COLUMNS)


def _read(frame: pl.DataFrame) -> list[Delivery]:
    return [
        Delivery(
            delivery_id=row["delivery_id"],
            step=row["step"],
            alert_id=row["alert_id"],
            version=row["version"],
            channel=row["channel"],
            state=DeliveryState(row["state"]),
            attempt=row["attempt"],
            due=row["due"].astimezone(UTC),
            planned=row["planned"].astimezone(UTC),
            at=row["at"].astimezone(UTC),
            holder=row["holder"],
            error=row["error"],
        )
        for row in cast("Iterator[_Row]", frame.iter_rows(named=True))
    ]
