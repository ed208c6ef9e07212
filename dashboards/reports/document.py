"""A report before it has a format: what it says to people, the rows behind it, and the state of the record it was made from.

Definitions build a `Document`; renderers turn it into HTML, PDF, CSV or JSON. Neither knows the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.json import Json

NAMELESS = "Organisation not named in the reference data"
"""What stands where the name of the organisation should."""


class Shape(StrEnum):
    """How a column is set: running text, an instant (kept on one line), a number (to the right), an identifier (fixed width)."""

    TEXT = "text"
    TIME = "time"
    NUMBER = "number"
    CODE = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table for people. `share` is its part of the width left over by TIME and NUMBER columns."""

    title: str
    shape: Shape = Shape.TEXT
    share: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows for people: every cell is text that can be read as it stands. `caption` says what the rows are (WCAG 2.2, H39)."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading with sentences and at most one table. `empty` is said in place of a table without rows."""

    heading: str
    sentences: Sequence[str] = ()
    table: Table | None = None
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number that a reader looks for first, and what it counts. `alarming` sets it apart; the label says why without colour."""

    value: str
    label: str
    alarming: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The rows for machines: instants are RFC 3339 in UTC, absent is null. CSV and JSON are made of these, not of `Table`."""

    fields: Sequence[str]
    rows: Sequence[Sequence[Json]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerState:
    """What the ledger had signed about itself when a report was made, quoted so that the paper can be tied to the record.

    `heads` are (log, number of entries, root in hex), one a writer; `note` is the newest signed checkpoint, '' before the first.
    """

    heads: Sequence[tuple[str, int, str]] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole report. `asked` are the parameters as given, `notes` what it does not say."""

    name: str
    title: str
    subtitle: str
    organisation: str
    asked: Mapping[str, str]
    generated_at: datetime
    zone: str
    summary: Sequence[str]
    figures: Sequence[Figure]
    sections: Sequence[Section]
    data: Dataset
    notes: Sequence[str]
    ledger: LedgerState = field(default_factory=LedgerState)
