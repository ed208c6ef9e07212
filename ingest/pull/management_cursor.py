"""The cursor of the Management Activity connector: where its window stands, which blobs are read and which are owed."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from domain.clock import parse_rfc3339, rfc3339
from ingest.pull.contract import PullFailed, instant_in, read_cursor, text_in, write_cursor

MOST_REMEMBERED = 20_000
"""Blobs of the overlap that are remembered as read. One that is forgotten is read again, and its records become duplicates."""

MOST_OWED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A content blob as the listing names it."""

    blob_id: str
    created: datetime
    uri: str

    @property
    def key(self) -> str:
        """96 bits of SHA-256 over the id: ids are long, and many are remembered."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.blob_id.encode("utf-8", "replace")).digest()[:12]).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """
    What a cursor says. Everything listed up to `since` is read or owed; [`start`, `end`) is the window in work, None between two.

    `next_page` is the address of the listing page in work (None: the window's first), `read` the keys of blobs that are stored,
    with their times, and `owed` blobs that could not be had and are asked for again.
    """

    since: datetime
    start: datetime | None = None
    end: datetime | None = None
    next_page: str | None = None
    read: dict[str, datetime] = field(default_factory=dict)
    owed: Sequence[Blob] = ()

    @classmethod
    def of(cls, cursor: str | None, *, beginning: datetime) -> "Progress":
        """Read a cursor. Raises PullFailed for one that is damaged."""
        fields = read_cursor(cursor)
        if fields is None:
            return cls(since=beginning)
        try:
            start = parse_rfc3339(str(fields["start"])) if fields.get("start") else None
            end = parse_rfc3339(str(fields["end"])) if fields.get("end") else None
            read, owed = fields.get("read") or {}, fields.get("owed") or []
            assert isinstance(read, dict)
            assert isinstance(owed, list)
            return cls(
                since=instant_in(fields, "since"),
                start=start,
                end=end,
                next_page=text_in(fields, "next_page"),
                read={str(key): datetime.fromtimestamp(seconds, UTC) for key, seconds in read.items()},
                owed=[Blob(blob_id=name, created=parse_rfc3339(created), uri=uri) for name, created, uri in owed],
            )
        except (AssertionError, ValueError, TypeError, OverflowError):
            raise PullFailed("the stored cursor cannot be read: it was written by another version, or is damaged") from None

    @property
    def text(self) -> str:
        """The cursor."""
        return write_cursor(
            since=self.since,
            start=self.start,
            end=self.end,
            next_page=self.next_page,
            read={key: int(created.timestamp()) for key, created in self.read.items()},
            owed=[[blob.blob_id, rfc3339(blob.created), blob.uri] for blob in self.owed],
        )

    def unread(self, blobs: Iterable[Blob]) -> list[Blob]:
        """Those that are neither read nor owed, each once, in their order."""
        known = {*self.read, *(blob.key for blob in self.owed)}
        return list({blob.key: blob for blob in blobs if blob.key not in known}.values())

    def after(self, read: Iterable[Blob], owed: Iterable[Blob], *, keep_since: datetime) -> "Progress":
        """With more blobs read and owed; blobs created before `keep_since` can no longer be listed and are forgotten."""
        remembered = {**self.read, **{blob.key: blob.created for blob in read}}
        kept = {key: created for key, created in remembered.items() if created >= keep_since}
        if len(kept) > MOST_REMEMBERED:
            newest = sorted(kept, key=kept.__getitem__)[-MOST_REMEMBERED:]
            kept = {key: kept[key] for key in newest}
        still = {blob.key: blob for blob in (*self.owed, *owed) if blob.key not in remembered}
        if len(still) > MOST_OWED:
            raise PullFailed(f"more than {MOST_OWED} content blobs cannot be had; none is given up, and the window waits for them")
        return replace(self, read=kept, owed=list(still.values()))

    def oldest_listed(self, overlap: timedelta) -> datetime:
        """The beginning of whatever may still be listed: of the window in work, and of the one after it."""
        following = (self.end or self.since) - overlap
        return following if self.start is None else min(self.start, following)

    def window(self, now: datetime, *, overlap: timedelta, longest: timedelta, earliest: datetime) -> "Progress":
        """With a window to work in: from the overlap before `since` on, at most `longest`, never beyond now."""
        if self.start is not None and self.end is not None:
            return self
        start = max(self.since - overlap, earliest)
        return replace(self, start=start, end=min(start + longest, max(now, start)), next_page=None)

    def next_window(self) -> "Progress":
        """With the window in work done."""
        return replace(self, since=max(self.since, self.end or self.since), start=None, end=None, next_page=None)
