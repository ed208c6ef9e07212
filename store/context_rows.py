"""Reference data as rows for joins: how one version of a record becomes what a table says.

Pure: the rows of a version follow from its record and the organisation's clock, so they can be dropped and made again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from domain.context import Record
from domain.context_fields import instant_of
from domain.json import Json

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""Known from: since before any event."""

NEVER = datetime(2200, 1, 1, tzinfo=UTC)
"""Known until: not superseded."""

MOMENT = pl.Datetime("us", "UTC")

Schema = Mapping[str, pl.DataType | type[pl.DataType]]
Row = dict[str, object]

_STAMP: Schema = {"version": pl.UInt32, "known_from": MOMENT, "known_until": MOMENT, "revision": pl.UInt64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a record and the period [known_from, known_until) in which it was knowledge."""

    key: str
    version: int
    known_from: datetime
    known_until: datetime
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """What a kind of record becomes in one table."""

    table: str
    schema: Schema
    rows: Callable[[Version, ZoneInfo], Iterator[Row]]

    def frame(self, versions: Sequence[Version], zone: ZoneInfo, revision: int) -> pl.DataFrame:
        """The rows of these versions, ready to insert; `revision` grows from load to load."""
        found = [
            row | {"version": v.version, "known_from": v.known_from, "known_until": v.known_until, "revision": revision}
            for v in versions
            for row in self.rows(v, zone)
        ]
        return pl.DataFrame(found, schema={**self.schema, **_STAMP})


def text(record: Record, name: str) -> str:
    """A field as text, empty when absent."""
    value = record.get(name)
    return "" if value is None else str(value)


def items(record: Record, name: str) -> Sequence[Json]:
    """A field as a list, empty when absent."""
    value = record.get(name)
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def validity(version: Version, zone: ZoneInfo) -> tuple[datetime, datetime | None]:
    """`valid_from` and `valid_to`; the last day counts whole."""
    begin = instant_of(version.record.get("valid_from"), zone) or ALWAYS
    return begin, instant_of(version.record.get("valid_to"), zone, end_of_day=True)
