"""Empties the outbox: claims what is due, sends it, writes down what became of it.

For each delivery:

    (1) claim it by compare-and-swap                      → falls due again when the lease ends
    (2) read the alert; nothing to say: withdraw or wait  → as (1)
    (3) send                                              → sent again under the same id: at least once
    (4) write down: sent, or the next attempt             → done
        or: put the next channel's delivery, then failed  → the next channel's delivery is put once, however often

What a stop between two steps leaves is on the right. Nothing but the outbox remembers, so a restart goes on where it stopped.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from alerts.backoff import wait_after
from alerts.channels import Channel, ReceiverBusy
from alerts.notification import notification
from domain.clock import Clock
from domain.errors import DeliveryError, NotFound
from domain.finding import Alert, AlertStatus
from store.alerts import AlertStore
from store.outbox import Delivery, Outbox, plan

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """What one run did, in deliveries. `escalated` counts those put for the next channel after one failed for good."""

    sent: int = 0
    postponed: int = 0
    failed: int = 0
    escalated: int = 0
    withdrawn: int = 0


class Dispatcher:
    """Sends what is due. Any number may run, each under its own `holder`; one at a time is enough."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        alerts: AlertStore,
        channels: Sequence[Channel],
        base_url: str,
        holder: str,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        """`channels` in order of escalation; `chance` gives numbers in [0, 1) for the jitter of retries."""
        self._outbox = outbox
        self._alerts = alerts
        self._channels = {channel.name: channel for channel in channels}
        self._base_url = base_url
        self._holder = holder
        self._clock = clock
        self._chance = chance

    def run_once(self, *, limit: int = 200) -> Dispatched:
        """Try what is due, at most `limit` deliveries. A channel that fails rests until the next run: others do not wait for it."""
        counts = dict.fromkeys(Dispatched.__slots__, 0)
        resting: set[str] = set()
        for delivery in self._outbox.due(self._clock(), limit=limit):
            if delivery.channel in resting:
                continue
            claimed = self._outbox.claim(delivery, holder=self._holder, now=self._clock())
            if claimed is None:
                continue
            try:
                history = self._alerts.history(claimed.alert_id)
            except NotFound:
                history = []
            if not history or history[-1].version < claimed.version:
                # The version this speaks of is not written yet (alerts.triage, step 3): it comes, or its findings come again.
                continue
            if _answered(history) >= claimed.version:
                self._outbox.withdraw(claimed, at=self._clock())
                counts["withdrawn"] += 1
                continue
            for outcome in self._attempt(claimed, history[-1]):
                counts[outcome] += 1
                if outcome == "postponed":
                    resting.add(claimed.channel)
        return Dispatched(**counts)

    def _attempt(self, claimed: Delivery, alert: Alert) -> list[str]:
        channel = self._channels.get(claimed.channel)
        if channel is None:
            return self._give_up(claimed, "this channel is no longer in the settings")
        asked: timedelta | None = None
        try:
            channel.send(notification(alert, delivery_id=claimed.delivery_id, base_url=self._base_url))
        except DeliveryError as error:
            if error.permanent:
                return self._give_up(claimed, str(error))
            reason = str(error)
            asked = error.retry_after if isinstance(error, ReceiverBusy) else None
        except Exception as error:  # noqa: BLE001
            # A defect in one channel must not hold up the others, nor lose the delivery.
            _log.exception("channel %s failed unexpectedly", claimed.channel)
            reason = f"the channel failed with {type(error).__name__}"
        else:
            self._outbox.sent(claimed, at=self._clock())
            return ["sent"]
        wait = wait_after(claimed.attempt + 1, chance=self._chance(), asked=asked)
        if wait is None:
            return self._give_up(claimed, reason)
        now = self._clock()
        self._outbox.postpone(claimed, at=now, due=now + wait, error=reason)
        _log.warning("delivery %s: attempt %d failed: %s", claimed.delivery_id, claimed.attempt + 1, reason)
        return ["postponed"]

    def _give_up(self, claimed: Delivery, reason: str) -> list[str]:
        now = self._clock()
        tried = {other.channel for other in self._outbox.of_alert(claimed.alert_id) if other.version == claimed.version}
        spare = next((name for name in self._channels if name not in tried), None)
        if spare is not None:
            self._outbox.put([plan(alert_id=claimed.alert_id, version=claimed.version, channel=spare, at=now, due=now)])
        self._outbox.fail(claimed, at=now, error=reason)
        _log.error("delivery %s was given up after %d attempts: %s", claimed.delivery_id, claimed.attempt + 1, reason)
        return ["failed"] if spare is None else ["failed", "escalated"]


def _answered(history: Sequence[Alert]) -> int:
    """The version in which a person last took the alert on or closed it; 0 when nobody has."""
    steps = pairwise(history)
    return max((later.version for earlier, later in steps if later.status not in {earlier.status, AlertStatus.OPEN}), default=0)
