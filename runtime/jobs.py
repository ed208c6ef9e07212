"""The schedule as a table: what runs, how often, and what happens when it is late (it runs once, never twice at a time)."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from domain.clock import system_clock
from domain.errors import IntegrityError
from runtime.posture import posture_watch
from runtime.product import Product

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the schedule."""

    name: str
    seconds: int
    run: Callable[[], object]
    at_once: bool = False
    """Whether it first runs at the start, and not after its interval: people look at what it finds."""


def schedule(product: Product) -> Sequence[Job]:
    """What a worker does. Every job may be stopped at any moment and run again: each has its own cursor or watermark."""
    settings = product.settings
    outward = [Job(name="posture", seconds=60, run=posture_watch(product).run)] if settings.posture.enabled else []
    return [
        Job(name="checkpoint", seconds=settings.ledger.checkpoint_seconds, run=product.node.keeper.checkpoint),
        Job(name="seal", seconds=60, run=product.node.keeper.seal_due),
        Job(name="analytics", seconds=settings.analytics.follow_seconds, run=product.follow),
        Job(name="days", seconds=60, run=product.close_days),
        Job(name="silence", seconds=60, run=product.listen, at_once=True),
        Job(name="deliver", seconds=5, run=product.dispatcher.run_once),
        Job(name="verify", seconds=300, run=product.verify, at_once=True),
        Job(name="witness", seconds=settings.witnesses.interval_seconds, run=product.witness),
        Job(name="copies", seconds=60, run=product.beyond.copying.run),
        Job(name="prune", seconds=3_600, run=product.prune),
        *outward,
    ]


class Scheduler:
    """Runs a schedule on APScheduler. A job that raises is logged, counted and tried again at its next time."""

    def __init__(self, jobs: Sequence[Job], on_integrity: Callable[[IntegrityError], None]) -> None:
        """`on_integrity` is told when the ledger refuses to go on."""
        self.failures: dict[str, int] = {job.name: 0 for job in jobs}
        self._on_integrity = on_integrity
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(len(jobs))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        for job in jobs:
            first = {"next_run_time": system_clock()} if job.at_once else {}
            self._scheduler.add_job(self._guarded(job), "interval", seconds=job.seconds, id=job.name, **first)

    def start(self) -> None:
        """Start; a job runs for the first time after its interval, unless it is one that runs at once."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop; a job that is running is waited for."""
        self._scheduler.shutdown(wait=True)

    def _guarded(self, job: Job) -> Callable[[], None]:
        def run() -> None:
            try:
                job.run()
            except IntegrityError as error:
                self.failures[job.name] += 1
                _log.critical("job %s stopped: %s", job.name, error)
                self._on_integrity(error)
            except Exception as error:  # noqa: BLE001 - a follower goes on; what failed is counted and logged by type
                self.failures[job.name] += 1
                _log.error("job %s failed (%s); it is tried again", job.name, type(error).__name__)

        return run
