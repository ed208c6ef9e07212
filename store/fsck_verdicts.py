"""When a result is committed to the spine as a `verified` entry, and what it says (docs/log-format.md section 4)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.json import Json
from store.engine import Engine
from store.fsck_report import Integrity, Verification
from store.fsck_spine import instant

_NEWEST = "SELECT toValidUTF8(body) FROM spine WHERE kind = 'verified' ORDER BY seq DESC LIMIT 1"

SELDOM = timedelta(hours=1)
"""How often the same verdict is committed where no pass was completed."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A verdict as the spine has it, and when."""

    at: datetime
    verdict: str


def is_due(last: Committed | None, found: Verification, now: datetime) -> bool:
    """Whether a result is committed: on each complete pass, on a change of the verdict, else at most hourly.

    Nothing is said about a store in which nothing is signed. A store that does not verify is examined as a whole each time: that is
    said again by the hour, too.
    """
    if found.integrity is Integrity.UNKNOWN:
        return False
    if last is None or last.verdict != found.integrity or now - last.at >= SELDOM:
        return True
    return found.is_full_pass_done and found.integrity is Integrity.INTACT


def verified_fields(found: Verification) -> Mapping[str, Json]:
    """The fields of the entry. Logs and numbers only: the spine holds no free text."""
    first = found.problems[0] if found.problems else None
    return {
        "verdict": found.integrity.value,
        "entries": found.entries,
        "spine_size": found.spine_entries,
        "is_full": found.is_full_pass_done,
        "problems": len(found.problems),
        "first_bad": None if first is None else {"log": first.log, "seq": first.seq},
    }


def last_committed(engine: Engine) -> Committed | None:
    """The newest verdict in the spine; None where there is none that can be read."""
    for (body,) in engine.rows(_NEWEST):
        try:
            said = json.loads(str(body))
            at, found = instant(str(said["time"])), str(said["fields"]["verdict"])
        except (ValueError, KeyError, TypeError):
            return None
        return Committed(at, found) if at is not None else None
    return None
