"""What reports there are, and what each needs to be asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from dashboards.reports.document import Document, LedgerState
from store.mail_reports import MailTerms
from store.reports import ReportQuestions


class Grouping(StrEnum):
    """How the rows of a report for people are put together."""

    NONE = "none"
    PERSON = "person"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportParams:
    """What was asked. The period is half open, [since, until), of the claimed time; `by` is who asked, as the report names them."""

    since: datetime
    until: datetime
    patient_id: str | None = None
    actor_id: str | None = None
    grouping: Grouping = Grouping.NONE
    by: str = ""


class Directory(Protocol):
    """Who is behind an actor id."""

    def names(self, actor_ids: Sequence[str]) -> Mapping[str, str]:
        """The names of those that are known, as people are called: `Alice Adler`. An id that is not known is left out."""


class NoNames:
    """The directory of a deployment without reference data."""

    def names(self, actor_ids: Sequence[str]) -> Mapping[str, str]:
        """Nobody is known: reports show ids."""
        del actor_ids
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a definition works with: the questions, the names, the place and moment of writing, and the state of the record.

    `row_limit` bounds the rows of one report; a report that reached it says so. `terms` are the words of the mail policy.
    """

    questions: ReportQuestions
    directory: Directory
    organisation: str
    zone: ZoneInfo
    generated_at: datetime
    ledger: LedgerState
    row_limit: int
    terms: MailTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A report by name. `needs_patient`: it is about one patient and cannot be made without."""

    name: str
    title: str
    about: str
    needs_patient: bool
    build: Callable[[Desk, ReportParams], Document]
