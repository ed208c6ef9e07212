"""Lists that are asked for by time: a window from an overlap before the last one up to now, page by page.

Such sources show a record some time after it happened, the newest first. So nothing can be said about a window before all its pages
are read, and what was late is only seen by reading again: every round reads the last few minutes again, and now and then the whole
time that the source may be late. What is read again becomes duplicates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from domain.clock import Clock, parse_rfc3339
from ingest.pull.calling import Answer, Refused
from ingest.pull.contract import Gap, Page, PullFailed, Unreadable, instant_in, read_cursor, text_in, write_cursor
from ingest.pull.json_pages import NotJson

TRIES = 3
"""Times that an answer which is no JSON is asked for before it is put into quarantine as it is. The window cannot go on without
it."""

CLOCKS_DIFFER = timedelta(minutes=1)
"""A period that ends in their future is refused by some, and our clock may be ahead of theirs."""

_MARGIN = timedelta(minutes=5)
_SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """
    What a source allows and how late it may be.

    `kept_for` is for how long it gives records, `longest` how long a window may be, `late` by how much a record may be listed late
    in the rule, `recent` what every round reads again. `history` is how far back the very first round goes.
    """

    kept_for: timedelta
    longest: timedelta
    late: timedelta
    history: timedelta
    recent: timedelta = timedelta(minutes=10)

    @property
    def overlap(self) -> timedelta:
        """The whole time to read again: with what passes between two sweeps, but less than a window so that windows get on."""
        return min(self.late * 5 / 4, self.longest / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPage:
    """The records of one page and what leads to the next one (None: it was the last)."""

    records: Sequence[bytes]
    following: str | None


class Listing(Protocol):
    """How one source is asked. `page` raises PullFailed, and NotJson for an answer that cannot be read."""

    @property
    def kind(self) -> str: ...

    def ask(self, start: datetime, end: datetime, following: str | None) -> Answer: ...

    def page(self, answer: Answer) -> WindowPage: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """All up to `since` was listed; the whole overlap was last read again at `swept`. The window in work, if there is one."""

    since: datetime
    swept: datetime
    start: datetime | None = None
    end: datetime | None = None
    following: str | None = None

    @property
    def text(self) -> str:
        return write_cursor(since=self.since, swept=self.swept, start=self.start, end=self.end, following=self.following)


class Windows:
    """A `Connector` over a listing."""

    def __init__(self, listing: Listing, *, bounds: Bounds, clock: Clock) -> None:
        self.kind = listing.kind
        self._listing = listing
        self._bounds = bounds
        self._clock = clock
        self._stumbles = 0
        self._restarts = 0

    def fetch(self, cursor: str | None) -> Page:
        """One page of the window in work, or the first of a new one. See `Connector`."""
        now = self._clock()
        earliest = now - self._bounds.kept_for
        progress, gaps = self._within_reach(_read(cursor, now - min(self._bounds.history, self._longest_history)), earliest)
        progress = self._window(progress, now, earliest)
        assert progress.start is not None
        assert progress.end is not None
        try:
            answer = self._listing.ask(progress.start, progress.end, progress.following)
        except Refused as error:
            if progress.following is not None and error.status in {400, 404, 410}:
                # What leads to a page does not live for ever. The window begins anew; what was read of it becomes duplicates.
                self._restarts += 1
                anew = replace(progress, following=None).text
                # The second time in a row it waits: a source that refuses every link must not be asked without a pause.
                return Page(records=(), cursor=anew, more=self._restarts < 2, gaps=gaps, notices=["a window is listed anew"])
            raise
        page = self._page(answer)
        if page.following is not None and page.following == progress.following:
            raise PullFailed("a list leads back to the page it was on; it is asked for again")
        if page.following is not None:
            return Page(records=page.records, cursor=replace(progress, following=page.following).text, more=True, gaps=gaps)
        self._restarts = 0
        is_sweep = progress.start <= progress.since - self._bounds.overlap
        done = _Progress(since=max(progress.since, progress.end), swept=progress.end if is_sweep else progress.swept)
        more = now - done.since > _MARGIN
        return Page(records=page.records, cursor=done.text, more=more, reached=done.since, gaps=gaps)

    @property
    def _longest_history(self) -> timedelta:
        """The very first window is in work for a while, and must not become too old meanwhile."""
        return self._bounds.kept_for - min(timedelta(hours=1), self._bounds.kept_for / 10)

    def _within_reach(self, progress: _Progress, earliest: datetime) -> tuple[_Progress, list[Gap]]:
        gaps = []
        if progress.since < earliest:
            days = self._bounds.kept_for.days
            reason = f"the source gives records for {days} days, and this was not read in that time"
            gaps.append(Gap(start=progress.since, end=earliest + _MARGIN, reason=reason))
            progress = replace(progress, since=earliest + _MARGIN)
        if progress.start is not None and progress.start < earliest:
            progress = replace(progress, start=None, end=None, following=None)
        return progress, gaps

    def _window(self, progress: _Progress, now: datetime, earliest: datetime) -> _Progress:
        if progress.start is not None and progress.end is not None:
            return progress
        overlap = self._bounds.overlap
        is_due = now - progress.swept >= self._bounds.late / 4
        again = overlap if is_due else min(self._bounds.recent, overlap)
        start = max(progress.since - again, earliest + _MARGIN)
        end = max(min(start + self._bounds.longest, now - CLOCKS_DIFFER), start + _SHORTEST)
        return replace(progress, start=start, end=end, following=None)

    def _page(self, answer: Answer) -> WindowPage:
        try:
            page = self._listing.page(answer)
        except NotJson as error:
            self._stumbles += 1
            kept = Unreadable(raw=answer.body, reason=f"a page that cannot be read: {error}") if self._stumbles >= TRIES else None
            raise PullFailed(f"a page cannot be read: {error}; it is asked for again", kept=kept) from None
        self._stumbles = 0
        return page


def _read(cursor: str | None, beginning: datetime) -> _Progress:
    fields = read_cursor(cursor)
    if fields is None:
        return _Progress(since=beginning, swept=beginning)
    return _Progress(
        since=instant_in(fields, "since"),
        swept=instant_in(fields, "swept"),
        start=_optional(fields, "start"),
        end=_optional(fields, "end"),
        following=text_in(fields, "following"),
    )


def _optional(fields: Mapping[str, object], name: str) -> datetime | None:
    text = text_in(fields, name)
    try:
        return None if text is None else parse_rfc3339(text)
    except ValueError:
        raise PullFailed("the stored cursor cannot be read: it was written by another version, or is damaged") from None
