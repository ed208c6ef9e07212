"""Office 365 Management Activity API: content blobs of one content type of one tenant.

A subscription makes the service put audit records into blobs; they are listed by the time at which they became available, in
windows of at most 24 hours that begin at most seven days ago, and blobs may be listed late or out of order. So every window begins
an overlap before the end of the last one, and what was read is remembered by blob id. What cannot be had is owed and asked for
again until it is too old; then it is a gap. (learn.microsoft.com, "Office 365 Management Activity API reference".)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import orjson

from domain.clock import Clock
from ingest.pull.calling import Answer, Caller, Refused
from ingest.pull.contract import Gap, Item, Page, PullFailed, Unreadable
from ingest.pull.json_pages import NotJson, array_records
from ingest.pull.management_cursor import Blob, Progress

CONTENT_TYPES = ("Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All")

LONGEST_WINDOW = timedelta(hours=24)
KEPT_FOR = timedelta(days=7)
_MARGIN = timedelta(minutes=5)
"""Their clock is not ours, and the floor moves on while we ask."""

CLOCKS_DIFFER = timedelta(minutes=1)
"""A window that ends in their future is not asked for, and our clock may be ahead of theirs."""

PAGE_BYTES = 16 * 1024 * 1024
"""No further blob is asked for once there is so much to store."""

TRIES = 3
"""Times that a blob whose content is no JSON, or that fails alone, is asked for before it is kept as it is, or owed."""

_NO_SUBSCRIPTION = frozenset({"AF20022", "AF20023"})
_ALREADY_ENABLED = "AF20024"
_EXPIRED = "AF20051"
_ALL_ALIKE = frozenset({401, 403, 429})
"""Answers that have nothing to do with the blob that was asked for."""


@dataclass(slots=True)
class _Round:
    """What became of the blobs that one fetch asked for."""

    read: list[Blob] = field(default_factory=list)
    owed: list[Blob] = field(default_factory=list)
    lost: list[Blob] = field(default_factory=list)
    records: list[Item] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


class ManagementActivity:
    """A `Connector` for one content type."""

    kind = "management-activity"

    def __init__(
        self,
        caller: Caller,
        *,
        content_type: str,
        publisher: str,
        clock: Clock,
        overlap: timedelta = timedelta(hours=2),
        history: timedelta = KEPT_FOR,
        blobs_per_page: int = 25,
    ) -> None:
        """
        The caller's base is `https://manage.office.com/api/v1.0/TENANT`. `publisher` is the tenant of the application that asks,
        whose own quota then counts. `overlap` is how late a blob may be listed, `history` how far back the very first window goes.
        """
        self._caller = caller
        self._feed = f"{caller.base}/activity/feed"
        self._content_type = content_type
        self._publisher = {"PublisherIdentifier": publisher}
        self._clock = clock
        self._overlap = min(max(overlap, timedelta(minutes=1)), LONGEST_WINDOW / 2)
        self._history = min(history, KEPT_FOR - timedelta(hours=1))
        self._blobs_per_page = blobs_per_page
        self._stumbles: dict[str, int] = {}
        self._restarts = 0
        self._listed: tuple[tuple[object, ...], tuple[list[Blob], str | None]] | None = None

    def fetch(self, cursor: str | None) -> Page:
        """Blobs of one listing page, at most `blobs_per_page`. See `Connector`."""
        now = self._clock()
        earliest = now - KEPT_FOR
        progress, gaps = _within_reach(Progress.of(cursor, beginning=now - self._history), earliest)
        progress = progress.window(now - CLOCKS_DIFFER, overlap=self._overlap, longest=LONGEST_WINDOW, earliest=earliest + _MARGIN)
        try:
            listed, following = self._list(progress)
        except Refused as error:
            if progress.next_page is not None and error.status in {400, 404, 410}:
                # The address of a page does not live for ever; what was read of its window is remembered.
                self._restarts += 1
                anew = replace(progress, next_page=None).text
                # The second time in a row it waits: a source that refuses every link must not be asked without a pause.
                return Page(records=(), cursor=anew, more=self._restarts < 2, gaps=gaps, notices=["a window is listed anew"])
            raise
        unread = progress.unread(listed)
        is_last = following is None and len(unread) <= self._blobs_per_page
        found = self._read(unread[: self._blobs_per_page], progress.owed if is_last else (), earliest)
        gaps += [_lost(blob) for blob in found.lost]
        progress = progress.after((*found.read, *found.lost), found.owed, keep_since=progress.oldest_listed(self._overlap))
        is_last = is_last and not progress.unread(unread)
        if is_last:
            progress = progress.next_window()
            self._listed = None
            self._restarts = 0
        elif not progress.unread(unread):
            progress = replace(progress, next_page=following)
        return Page(
            records=found.records,
            cursor=progress.text,
            more=not is_last or now - progress.since > _MARGIN,
            reached=progress.since if is_last else None,
            gaps=gaps,
            notices=found.notices,
        )

    def _list(self, progress: Progress) -> tuple[list[Blob], str | None]:
        """The blobs of the listing page in work, and the address of the next page."""
        key = (progress.start, progress.end, progress.next_page)
        if self._listed is not None and self._listed[0] == key:
            return self._listed[1]
        try:
            answer = self._ask_list(progress)
        except Refused as error:
            if error.code not in _NO_SUBSCRIPTION:
                raise
            self._subscribe()
            answer = self._ask_list(progress)
        blobs = [self._blob(each) for each in _objects(answer.body)]
        following = answer.headers.get("nextpageuri")
        if following is not None and following == progress.next_page:
            raise PullFailed("the list of content blobs leads back to the page it was on; it is asked for again")
        self._listed = (key, (blobs, following))
        return blobs, following

    def _ask_list(self, progress: Progress) -> Answer:
        if progress.next_page is not None:
            return self._caller.get(progress.next_page)
        assert progress.start is not None
        assert progress.end is not None
        period = {"startTime": _spelled(progress.start), "endTime": _spelled(progress.end)}
        return self._caller.get(
            f"{self._feed}/subscriptions/content", {"contentType": self._content_type, **period, **self._publisher}
        )

    def _subscribe(self) -> None:
        try:
            self._caller.post(f"{self._feed}/subscriptions/start", {"contentType": self._content_type, **self._publisher})
        except Refused as error:
            if error.code != _ALREADY_ENABLED:
                raise

    def _blob(self, each: Mapping[str, object]) -> Blob:
        uri, blob_id = each.get("contentUri"), each.get("contentId")
        if not isinstance(uri, str) or not self._caller.is_ours(uri):
            raise PullFailed("the list of content blobs has one without an address of the service; it is asked for again")
        created = _moment(each.get("contentCreated"))
        if created is None:
            raise PullFailed("the list of content blobs has one without a time; it is asked for again")
        return Blob(blob_id=blob_id if isinstance(blob_id, str) and blob_id else uri, created=created, uri=uri)

    def _read(self, new: Sequence[Blob], owed: Sequence[Blob], earliest: datetime) -> _Round:
        """Ask for blobs. Raises the first failure where none of the new ones could be had: then it is the source, not the blob."""
        found = _Round()
        failure: PullFailed | None = None
        in_a_row, size = 0, 0
        for blob in (*new, *owed):
            try:
                records = self._content(blob)
            except PullFailed as error:
                failure = failure or error
                in_a_row += 1
                self._stumbled(blob, error, found, earliest)
                if in_a_row >= TRIES or (isinstance(error, Refused) and error.status in _ALL_ALIKE):
                    found.notices.append(str(error))  # the rest would fare no better: they are asked for in the next round
                    break
                continue
            in_a_row = 0
            self._stumbles.pop(blob.key, None)
            found.read.append(blob)
            found.records += records
            size += sum(len(each) for each in records if isinstance(each, bytes))
            if size >= PAGE_BYTES:
                break
        if failure is not None and new and not (found.read or found.lost or found.owed):
            raise failure
        return found

    def _stumbled(self, blob: Blob, error: PullFailed, found: _Round, earliest: datetime) -> None:
        if isinstance(error, Refused) and error.status in _ALL_ALIKE:
            return
        stumbles = self._stumbles[blob.key] = self._stumbles.get(blob.key, 0) + 1
        if (isinstance(error, Refused) and error.code == _EXPIRED) or blob.created < earliest:
            self._stumbles.pop(blob.key, None)
            found.lost.append(blob)
        elif stumbles >= TRIES:
            found.owed.append(blob)
            found.notices.append(f"a content blob cannot be had and is asked for again: {error}")

    def _content(self, blob: Blob) -> list[Item]:
        body = self._caller.get(blob.uri, self._publisher if "?" not in blob.uri else None).body
        try:
            return list(array_records(body))
        except NotJson as error:
            stumbles = self._stumbles.get(blob.key, 0)
            if stumbles + 1 < TRIES:
                raise PullFailed(f"a content blob cannot be read: {error}") from None
            return [Unreadable(raw=body, reason=f"a content blob that cannot be read: {error}")]


def _within_reach(progress: Progress, earliest: datetime) -> tuple[Progress, list[Gap]]:
    """Move on from what the service no longer gives, saying so. A window in work that has become too old is begun anew."""
    gaps = []
    if progress.since < earliest:
        reason = "the service keeps content for seven days, and this was not read in that time"
        gaps.append(Gap(start=progress.since, end=earliest + _MARGIN, reason=reason))
        progress = replace(progress, since=earliest + _MARGIN)
    if progress.start is not None and progress.start < earliest:
        progress = replace(progress, start=None, end=None, next_page=None)
    return progress, gaps


def _lost(blob: Blob) -> Gap:
    reason = "a content blob could not be had before the service gave it up"
    return Gap(start=blob.created, end=blob.created, reason=reason)


def _objects(body: bytes) -> list[Mapping[str, object]]:
    try:
        listed = orjson.loads(body)
    except orjson.JSONDecodeError:
        listed = None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise PullFailed("the list of content blobs cannot be read; it is asked for again")
    return listed


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _spelled(moment: datetime) -> str:
    """As the interface wants it: UTC, without offset."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
