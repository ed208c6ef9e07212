"""The lease on a writer: one process at a time writes a log from one state directory.

It is a lock that the operating system takes back when the process ends, however it ends: a crashed writer never has to be waited
for, and a clock cannot lose it. Two nodes that were given the same writer name have different state directories; they are told
apart by the register of logs and by reading back (`store/ledger.py`), and the later one stops.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import Conflict


@contextmanager
def hold_lease(state: Path, writer: str) -> Iterator[None]:
    """Hold the lease on a writer. Raises Conflict at once where another process holds it."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / f"{writer}.lease").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"another process writes the log {writer} from this state directory: stop it first, or give this node a writer "
                "name and a state directory of its own"
            ) from None
        yield
