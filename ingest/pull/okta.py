"""Okta System Log: polling with the link to the next page, which is kept for ever.

A polling request (no `until`, ascending) is answered in the order in which events were persisted, so none comes late, and always
with `Link: <…>; rel="next"` to go on from, also when there is nothing yet (developer.okta.com, "System Log query").
That link is the cursor. Should it be refused, reading goes on by time from an overlap before the last event that was read.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import orjson

from domain.clock import Clock
from ingest.pull.calling import Caller, Refused
from ingest.pull.contract import Gap, Item, Page, PullFailed, Unreadable, instant_in, read_cursor, text_in, write_cursor
from ingest.pull.json_pages import NotJson, array_records

KEPT_FOR = timedelta(days=90)
_MARGIN = timedelta(minutes=5)
TRIES = 3
"""Times that an answer which is no JSON is asked for before it is kept as it is, and the link after it followed."""

_LINK = re.compile(r"<([^<>]{1,4096})>((?:\s*;\s*[a-zA-Z*]+=(?:\"[^\"]*\"|[^\s;,\"]+))*)")
_NEXT = re.compile(r";\s*rel=\"?next\"?(?=\s*(?:;|$))", re.IGNORECASE)


class OktaSystemLog:
    """A `Connector` for the System Log of one organisation."""

    kind = "okta"

    def __init__(
        self,
        caller: Caller,
        *,
        clock: Clock,
        history: timedelta = KEPT_FOR,
        overlap: timedelta = timedelta(minutes=30),
        page_size: int = 1_000,
        filter_expression: str | None = None,
    ) -> None:
        """The caller's base is `https://ORG.okta.com`. `history` is how far back the very first request goes."""
        self._caller = caller
        self._clock = clock
        self._history = min(history, KEPT_FOR - _MARGIN)
        self._overlap = overlap
        self._page_size = page_size
        self._filter = {"filter": filter_expression} if filter_expression else {}
        self._stumbles = 0
        self._restarts = 0

    def fetch(self, cursor: str | None) -> Page:
        """One page. See `Connector`."""
        now = self._clock()
        fields = read_cursor(cursor)
        reached = now - self._history if fields is None else instant_in(fields, "reached")
        link = None if fields is None else text_in(fields, "next")
        gaps: list[Gap] = []
        try:
            if link is None:
                since, gaps = _since(reached if fields is None else reached - self._overlap, reached, now)
                query = {"since": _spelled(since), "sortOrder": "ASCENDING", "limit": str(self._page_size), **self._filter}
                answer = self._caller.get(f"{self._caller.base}/api/v1/logs", query)
            else:
                answer = self._caller.get(link)
        except Refused as error:
            if link is not None and error.status in {400, 404, 410}:
                self._restarts += 1
                anew = write_cursor(next=None, reached=reached)
                # The second time in a row it waits: a source that refuses every link must not be asked without a pause.
                notices = ["the link to the next page is refused; reading by time"]
                return Page(records=(), cursor=anew, more=self._restarts < 2, notices=notices)
            raise
        self._restarts = 0 if link is not None else self._restarts
        following = _next_link(answer.headers)
        records, last = self._records(answer.body, has_next=following is not None)
        if following is None:
            raise PullFailed("the System Log gave no link to go on from; the page is asked for again")
        # Half a page or less is the present end: the next ask waits for the interval, or a busy organisation is asked without a
        # pause.
        more = len(records) * 2 > self._page_size or any(isinstance(each, Unreadable) for each in records)
        leads_back = bool(records) and following == link
        reached = max(reached, last or reached) if more else max(reached, now)
        return Page(
            records=records,
            cursor=write_cursor(next=following, reached=reached),
            more=more and not leads_back,
            reached=reached,
            gaps=gaps,
            notices=["the link to the next page leads back to the page it came with"] if leads_back else [],
        )

    def _records(self, body: bytes, *, has_next: bool) -> tuple[Sequence[Item], datetime | None]:
        """The events, and when the last of them was published."""
        try:
            records = array_records(body)
        except NotJson as error:
            self._stumbles += 1
            if self._stumbles < TRIES:
                raise PullFailed(f"a page of the System Log cannot be read: {error}") from None
            kept = Unreadable(raw=body, reason=f"a page of the System Log that cannot be read: {error}")
            if not has_next:
                raise PullFailed("a page of the System Log cannot be read, nor passed: it has no link", kept=kept) from None
            self._stumbles = 0
            return [kept], None
        self._stumbles = 0
        return records, _published(records[-1]) if records else None


def _since(start: datetime, reached: datetime, now: datetime) -> tuple[datetime, list[Gap]]:
    earliest = now - KEPT_FOR + _MARGIN
    if reached >= earliest:
        return max(start, earliest), []
    reason = "the System Log keeps events for 90 days, and this was not read in that time"
    return earliest, [Gap(start=reached, end=earliest, reason=reason)]


def _spelled(moment: datetime) -> str:
    """RFC 3339 with milliseconds, as the interface itself writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _published(record: bytes) -> datetime | None:
    try:
        event = orjson.loads(record)
        moment = datetime.fromisoformat(str(event["published"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _next_link(headers: httpx.Headers) -> str | None:
    """The target of rel="next" (RFC 8288); Okta sends one Link field for each relation."""
    for value in headers.get_list("link"):
        for found in _LINK.finditer(value):
            if _NEXT.search(found[2]):
                return found[1]
    return None


def reset_wait(headers: httpx.Headers, now: datetime) -> float | None:
    """Seconds until X-Rate-Limit-Reset (POSIX seconds of Okta's clock), by the answer's own Date: our clock may differ."""
    text = headers.get("x-rate-limit-reset", "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        return None
    try:
        here = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, TypeError):
        here = now
    moment = datetime.fromtimestamp(int(text), UTC)
    return max((moment - (here if here.tzinfo else now)).total_seconds(), 0.0) + 1.0
