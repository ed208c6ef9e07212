"""Appends events from several threads until it is killed; prints each acknowledged id only after the acknowledgement."""

import sys
import threading
from pathlib import Path

from domain.clock import system_clock
from runtime.node import open_node
from runtime.settings import Settings
from tests.support.cast import chart_view

if __name__ == "__main__":
    data_dir, first = Path(sys.argv[1]), int(sys.argv[2])
    settings = Settings.model_validate({"data_dir": data_dir, "ledger": {"anchor_dir": data_dir.parent / "copies"}})
    printing = threading.Lock()

    def load(lane: int) -> None:
        """Batches of 1, 8, 64 … events, for ever."""
        number = first + lane * 1_000_000
        while True:
            size = 8 ** (number % 3)
            receipts = node.ledger.append([chart_view(n) for n in range(number, number + size)])
            number += size
            with printing:
                print("\n".join(f"{receipt.event_id} {receipt.seq}" for receipt in receipts), flush=True)

    with open_node(settings, system_clock) as node:
        for lane in range(3):
            threading.Thread(target=load, args=(lane,), daemon=True).start()
        while True:
            node.keeper.checkpoint()
