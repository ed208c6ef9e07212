"""Appends to a spool, and drains it, until it is killed; prints each acknowledgement only after it was given."""

import sys
import threading
from pathlib import Path

from domain.clock import system_clock
from ingest.spool.spool import Spool
from tests.support.cast import chart_view

if __name__ == "__main__":
    directory, first = Path(sys.argv[1]), int(sys.argv[2])
    spool = Spool(directory, system_clock, segment_bytes=20_000)
    printing = threading.Lock()

    def say(words: list[str]) -> None:
        with printing:
            print("\n".join(words), flush=True)

    def append(lane: int) -> None:
        number = first + lane * 1_000
        while True:
            size = 1 + number % 7
            items = [chart_view(n) for n in range(number, number + size)]
            spool.append(items)
            say([f"kept {item.event_id}" for item in items])
            number += size

    def drain() -> None:
        while True:
            batch = spool.peek(max_records=11, max_bytes=1 << 20)
            if batch is not None:
                say([f"taken {item.event_id}" for item in batch.items if hasattr(item, "event_id")])
                spool.advance(batch)

    for lane in range(3):
        threading.Thread(target=append, args=(lane,), daemon=True).start()
    drain()
