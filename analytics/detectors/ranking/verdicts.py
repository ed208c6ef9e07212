"""What people decided about accesses that were shown to them: the labels the ranking learns from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One decision: whether the access was improper. `object_id` is the patient, `day` the local day of the access."""

    actor_id: str
    object_id: str
    day: date
    improper: bool
    decided_at: datetime


class Verdicts(Protocol):
    """Where decisions come from. Must give the same answer for the same moment again: decisions are never undated or unmade."""

    def decided_before(self, moment: datetime) -> Sequence[Verdict]: ...


class NoVerdicts:
    """Before anybody has decided anything."""

    def decided_before(self, moment: datetime) -> Sequence[Verdict]:  # noqa: ARG002 - the protocol's signature
        return ()
