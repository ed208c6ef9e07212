"""What the independent checker says: the verdict, what does not fit, and what was looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Integrity(StrEnum):
    """INTACT: all that was recomputed fits what was signed. TAMPERED: something does not. UNKNOWN: nothing is signed yet."""

    INTACT = "intact"
    TAMPERED = "tampered"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that does not fit: in which log, at which sequence number (None: the log as a whole), and what."""

    log: str
    seq: int | None
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The integrity verdict, the first problems (at most 100 a log), and what was covered.

    `entries` and `spine_entries` are what the store has; of them a full verification recomputed all, a rolling one `new_entries`
    that came since the one before and `rolled_entries` of the pass over what is older. A pass that ended here sets
    `is_full_pass_done`. `full_pass_at` is when the newest complete pass began (None: there was none), `full_pass_age` how long ago
    that is, and `pass_progress` how far the one under way has come, 0 to 1.

    `pending_redactions`: entries that the spine says are redacted and whose private parts are still there. `index_trees` were built
    anew; those of `index_trees_gone` logs cannot be, because the logs were disposed of. `accepted` are the spine entries by which a
    person went on with a store that was older than what had been signed.
    """

    integrity: Integrity
    problems: Sequence[Problem]
    entries: int
    spine_entries: int
    signed_size: int
    disposed: int
    accepted: Sequence[int] = ()
    is_full: bool = True
    is_full_pass_done: bool = False
    new_entries: int = 0
    rolled_entries: int = 0
    full_pass_at: datetime | None = None
    full_pass_age: timedelta | None = None
    pass_progress: float = 0.0
    redacted: int = 0
    pending_redactions: int = 0
    index_trees: int = 0
    index_trees_gone: int = 0


def verdict(problems: Sequence[Problem], *, signed_size: int) -> Integrity:
    """TAMPERED where anything does not fit; UNKNOWN where nothing is signed that it could fit."""
    if problems:
        return Integrity.TAMPERED
    return Integrity.INTACT if signed_size else Integrity.UNKNOWN
