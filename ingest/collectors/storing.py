"""The thread behind a listener: takes messages off its queue, parses them by stream, stores them in batches."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from domain.errors import Backpressure, IntegrityError
from domain.record import Rejected
from ingest.collectors.framing import Message
from ingest.collectors.routing import SYSLOG, SyslogRouter
from ingest.collectors.tally import Tally
from ingest.inbox import Inbox
from ingest.pipeline import Desk, Record, count, patiently, understood
from store.quarantine import Fragment

BATCH_RECORDS = 2_000
BATCH_BYTES = 16 * 1024 * 1024
LINGER_SECONDS = 0.05

_MAX_STREAMS = 512
_RETRY_SECONDS = 5.0

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message of a stream, or (with None) the end of the stream."""

    stream: str
    peer: str
    message: Message | None

    @property
    def size(self) -> int:
        """Bytes held for it."""
        return 0 if self.message is None else len(self.message.data)


class Storing:
    """Stores what arrives in one inbox. A batch goes out after 50 ms, or at 2,000 messages where more wait: large ones cost less.

    A stream keeps its parser from its first message to its end, so related lines are joined; a new connection is a new stream, so a
    sender that connects again and repeats itself makes duplicates and nothing new. While the store is away the batch waits and the
    inbox fills. A batch that fails for another reason is tried message by message; one that cannot be stored goes to quarantine.
    """

    def __init__(
        self, *, name: str, inbox: Inbox[Arrived], intake: Desk, new_router: Callable[[str], SyslogRouter], tally: Tally
    ) -> None:
        """`new_router` makes the router of a stream from the peer's address."""
        self._inbox = inbox
        self._intake = intake
        self._new_router = new_router
        self._tally = tally
        self._routers: OrderedDict[str, SyslogRouter] = OrderedDict()
        self._giving_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"syslog-store-{name}", daemon=True)

    def start(self) -> None:
        """Begin to take messages."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Store what is waiting, then end. After `seconds`, or once storing has failed for good, what is left is given up."""
        self._inbox.close()
        self._thread.join(seconds)
        self._giving_up.set()
        self._thread.join()
        while left := self._take():
            self._abandon(left)

    def _run(self) -> None:
        while self._tally.fault is None and (batch := self._take()):
            records = []
            for arrived in batch:
                if arrived.message is None:
                    self._routers.pop(arrived.stream, None)
                else:
                    records.append(self._parse(arrived, arrived.message))
            if records:
                self._store(records)

    def _take(self) -> list[Arrived]:
        return self._inbox.take(max_items=BATCH_RECORDS, max_bytes=BATCH_BYTES, linger=LINGER_SECONDS)

    def _parse(self, arrived: Arrived, message: Message) -> Record:
        router = self._routers.get(arrived.stream)
        if router is None:
            if len(self._routers) >= _MAX_STREAMS:  # UDP streams have no end: the one silent longest goes
                self._routers.popitem(last=False)
            router = self._routers[arrived.stream] = self._new_router(arrived.peer)
        self._routers.move_to_end(arrived.stream)
        if message.fault is None:
            return understood(router, message.data, source_system=arrived.peer)
        source = router.source_of_part(message.data)
        return [Fragment(source_system=source, format=SYSLOG, reason=message.fault, raw=message.data)]

    def _store(self, records: Sequence[Record]) -> None:
        try:
            self._tally.stored += count(patiently(self._intake, records, wait=self._wait, patience=inf))
        except Backpressure:
            self._tally.abandoned += len(records)
        except IntegrityError as error:
            self._tally.fault = str(error)
            self._tally.abandoned += len(records)
            _LOG.critical("syslog intake has stopped: %s", error)
        except Exception as error:  # noqa: BLE001 - the listener lives on; what failed is counted, and kept in quarantine
            self._tally.failures += 1
            _LOG.error("a batch of %d syslog messages could not be stored (%s)", len(records), type(error).__name__)
            self._store_apart(records)

    def _store_apart(self, records: Sequence[Record]) -> None:
        """One message that cannot be stored must not take its neighbours with it, nor be lost itself."""
        if len(records) > 1:
            for record in records:
                self._store([record])
            return
        first = records[0][0]
        if not isinstance(first, Rejected):
            reason = "understood, but could not be stored"
            self._store([[Rejected(source_system=first.source_system, format=first.format, reason=reason, raw=first.raw)]])
        elif self._giving_up.wait(_RETRY_SECONDS):
            self._tally.abandoned += 1
        else:
            self._store(records)

    def _wait(self, seconds: float) -> bool:
        self._tally.backpressure += 1
        return self._giving_up.wait(seconds)

    def _abandon(self, left: Sequence[Arrived]) -> None:
        self._tally.abandoned += sum(arrived.message is not None for arrived in left)
