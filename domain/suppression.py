"""A person's decision that certain findings shall open no alert for a while. Pure.

What it holds back is judged by the finding's own time and never by now: history that is analysed again is held back as it was.
What is said about the record itself cannot be held back: whoever could silence that could work unseen.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.errors import InvalidInput
from domain.finding import Finding

LONGEST = timedelta(days=366)
"""A suppression ends by itself, and a new decision is due."""

MOST_REASON = 2_000
MOST_NAME = 512
"""Characters of a reason, and of an id that narrows."""

UNSUPPRESSIBLE = frozenset(
    {
        "audit_stopped",
        "record_tampered",
        "witness_quorum_missing",
        "witness_refused",
        "source_silent",
        "source_numbers",
        "source_failing",
        "source_skewed",
    }
)
"""Kinds about the record and its sources."""

NARROWINGS = ("actor_id", "patient_id", "to_domain", "source_system", "rule_id")
"""What can narrow a suppression, in the order in which it is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """Findings of one kind that every given narrowing fits, from `set_at` to the earlier of `until` and `lifted_at`.

    '' stands for a narrowing that is not given. `by` owns it and answers for the reason.
    """

    suppression_id: str
    kind: str
    by: str
    reason: str
    set_at: datetime
    until: datetime
    actor_id: str = ""
    patient_id: str = ""
    to_domain: str = ""
    source_system: str = ""
    rule_id: str = ""
    lifted_at: datetime | None = None
    lifted_by: str = ""
    lift_reason: str = ""

    @property
    def ends(self) -> datetime:
        """The first moment at which it holds no more."""
        return self.until if self.lifted_at is None else min(self.until, self.lifted_at)

    @property
    def narrowings(self) -> Mapping[str, str]:
        """What narrows it, by name."""
        return {name: value for name in NARROWINGS if (value := str(getattr(self, name)))}

    def check(self) -> None:
        """Raises InvalidInput for one that nobody answers for, that is too wide or too long, or of a kind that must be heard."""
        if self.kind in UNSUPPRESSIBLE:
            raise InvalidInput("what is said about the record itself or a source cannot be held back; act on the alert instead")
        if not 0 < len(self.kind) <= MOST_NAME:
            raise InvalidInput("a suppression is for one kind of finding: say which")
        if not self.narrowings:
            raise InvalidInput("a suppression is for somebody or something: give a person, patient, domain, source system or rule")
        if any(len(value) > MOST_NAME for value in self.narrowings.values()):
            raise InvalidInput(f"an id has at most {MOST_NAME} characters")
        if not 0 < len(self.reason.strip()) <= MOST_REASON:
            raise InvalidInput(f"a reason is needed, of at most {MOST_REASON:,} characters")
        if not self.set_at < self.until <= self.set_at + LONGEST:
            raise InvalidInput(f"a suppression ends after it begins and within {LONGEST.days} days: give another day")

    def holds(self, finding: Finding) -> bool:
        """Whether this finding is held back."""
        if finding.kind != self.kind or finding.kind in UNSUPPRESSIBLE or not self.set_at <= finding.time < self.ends:
            return False
        given = self.narrowings
        return bool(given) and all(_of(finding, name) == value for name, value in given.items())


def holder(suppressions: Iterable[Suppression], finding: Finding) -> Suppression | None:
    """The suppression that holds a finding back, the earliest set of several; None where none does."""
    found = [one for one in suppressions if one.holds(finding)]
    return min(found, key=lambda one: (one.set_at, one.suppression_id), default=None)


def _of(finding: Finding, name: str) -> str:
    if name in ("to_domain", "source_system"):
        value = finding.inputs.get(name)
        text = value if isinstance(value, str) else ""
        return text.lower() if name == "to_domain" else text
    return str(getattr(finding, name) or "")
