"""What a pull connector is: it reads one source page by page from a cursor, and keeps nothing that a restart would miss."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import orjson

from domain.clock import parse_rfc3339, rfc3339
from domain.errors import PhitrailError
from ingest.parsers import Oversize


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Something of a page that holds no record: an answer that is no JSON, say. It is quarantined whole, with the reason."""

    raw: bytes
    reason: str


Item = bytes | Oversize | Unreadable
"""One record in the source's own bytes, or what stands where one should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """From `start` up to `end` the source does not give everything any more. `reason` is a sentence without content of records."""

    start: datetime
    end: datetime
    reason: str


def _nothing() -> Iterable[Item]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """
    What one fetch gave. `records` may be lazy, and may raise PullFailed half way: the page is then fetched again.

    `cursor` is where the next fetch begins once `records` are stored; `more` says that it may begin at once. `reached` is the
    moment up to which everything that the source has given so far is read, where the page says so. `notices` are troubles that did
    not stop the page, as sentences for people.

    A page of a stream whose records explain one another (a log file) names it: the parser of a `stream` lives on from page to page,
    and one that has not seen the stream's start is first shown `before`, so that ids do not depend on when we were restarted.
    Without a name every page gets a parser of its own, so a record that is read again gets the id it had.
    """

    records: Iterable[Item]
    cursor: str
    more: bool
    reached: datetime | None = None
    gaps: Sequence[Gap] = ()
    notices: Sequence[str] = ()
    stream: str | None = None
    stream_ends: bool = False
    before: Callable[[], Iterable[Item]] = _nothing


class Connector(Protocol):
    """
    Reads one source. Used by one thread at a time.

    `fetch` with the same cursor may be called any number of times: it must give at least what it gave before, as long as the source
    still has it, and nothing may be lost between one page's cursor and the next page. None is the beginning. It raises PullFailed
    and nothing else on purpose; it never sleeps.
    """

    @property
    def kind(self) -> str: ...

    def fetch(self, cursor: str | None) -> Page: ...


class PullFailed(PhitrailError):
    """The source did not give a page. Trying again is always safe.

    The message is a sentence for people: no secret, no address with one, no content of records. `retry_after` is in seconds, where
    the source named a time. `kept` is an answer that could not be understood, for the quarantine.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, kept: Unreadable | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.kept = kept


def read_cursor(text: str | None) -> Mapping[str, object] | None:
    """The fields of a cursor; None at the beginning. Raises PullFailed for text that is no cursor of ours."""
    if text is None:
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise PullFailed("the stored cursor cannot be read: it was written by another version, or is damaged")
    return value


def write_cursor(**fields: object) -> str:
    """A cursor as text: JSON with instants in RFC 3339."""
    return orjson.dumps({name: rfc3339(value) if isinstance(value, datetime) else value for name, value in fields.items()}).decode()


def instant_in(cursor: Mapping[str, object], name: str) -> datetime:
    """An instant of a cursor. Raises PullFailed where there is none."""
    try:
        return parse_rfc3339(str(cursor[name]))
    except (KeyError, ValueError):
        raise PullFailed("the stored cursor cannot be read: it was written by another version, or is damaged") from None


def text_in(cursor: Mapping[str, object], name: str) -> str | None:
    """A text of a cursor, None where there is none."""
    value = cursor.get(name)
    return value if isinstance(value, str) else None
