"""Objects under a prefix of a bucket: each read once, from start to end.

Objects do not grow, so one is read when it is first listed, and what was read is remembered by name and content tag. Neither names
nor times say what is new: a late object may sort before others, and one that was uploaded in parts has the time at which its upload
began. So every round lists the whole prefix; only objects older than an overlap before the newest are forgotten, once they are
many.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import chain
from typing import Protocol, cast

from domain.clock import Clock, parse_rfc3339
from domain.errors import InvalidInput
from ingest.compression import coding_of, unpacked
from ingest.pull.contract import Item, Page, PullFailed, Unreadable, read_cursor, write_cursor
from ingest.pull.directory_cut import Split

MOST_REMEMBERED = 20_000
"""Objects that are remembered as read; one that is forgotten and still listed is read again, and its records become duplicates."""

_CHUNK = 256 * 1024

Answer = Mapping[str, object]


class Bucket(Protocol):
    """What is used of boto3's S3 client; each raises what botocore raises."""

    def list_objects_v2(self, **request: object) -> Answer: ...

    def get_object(self, **request: object) -> Answer: ...


class _Body(Protocol):
    def read(self, amt: int) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An object as the listing names it."""

    key: str
    tag: str
    modified: datetime

    @property
    def mark(self) -> str:
        """96 bits over name and content tag: an object that was written anew is another."""
        return hashlib.sha256(f"{self.key}\n{self.tag}".encode("utf-8", "replace")).hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """`read` are the marks of what was read, with their times (POSIX seconds); what was written before `floor` is taken as read."""

    floor: datetime | None = None
    read: Mapping[str, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return write_cursor(floor=self.floor, read=dict(self.read))

    def is_new(self, each: Listed) -> bool:
        return each.mark not in self.read and (self.floor is None or each.modified >= self.floor)

    def after(self, chosen: Listed, overlap: timedelta) -> "_Progress":
        read = {**self.read, chosen.mark: int(chosen.modified.timestamp())}
        if len(read) <= MOST_REMEMBERED:
            return replace(self, read=read)
        newest = datetime.fromtimestamp(max(read.values()), UTC)
        floor = newest - overlap if self.floor is None else max(self.floor, newest - overlap)
        kept = sorted((item for item in read.items() if item[1] >= floor.timestamp()), key=lambda item: item[1])
        return _Progress(floor=floor, read=dict(kept[-MOST_REMEMBERED:]))


class S3Prefix:
    """A `Connector` for the objects under a prefix."""

    kind = "s3"

    def __init__(
        self,
        client: Bucket,
        *,
        bucket: str,
        prefix: str,
        split: Split,
        clock: Clock,
        history: timedelta | None = None,
        overlap: timedelta = timedelta(days=2),
    ) -> None:
        """
        `overlap` is how much older than the newest an object may be and still be new, once more were read than are remembered.
        `history` leaves out what is older at the very first start; None takes everything.
        """
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._split = split
        self._clock = clock
        self._history = history
        self._overlap = overlap
        self._errors = import_module("botocore.exceptions")
        self._waiting: list[Listed] = []

    def fetch(self, cursor: str | None) -> Page:
        """The object that was written longest ago among those not read. See `Connector`."""
        now = self._clock()
        progress = _read(cursor, None if self._history is None else now - self._history)
        if not self._waiting:
            self._waiting = sorted(self._list(), key=lambda each: (each.modified, each.key), reverse=True)
        while self._waiting and not progress.is_new(self._waiting[-1]):
            self._waiting.pop()
        if not self._waiting:
            return Page(records=(), cursor=progress.text, more=False, reached=now)
        chosen = self._waiting[-1]
        return Page(records=self._records(chosen), cursor=progress.after(chosen, self._overlap).text, more=True)

    def _list(self) -> Iterator[Listed]:
        place: dict[str, object] = {}
        while True:
            page = self._call("list_objects_v2", Prefix=self._prefix, **place)
            for each in cast("Sequence[Answer]", page.get("Contents", ())):
                modified = each.get("LastModified")
                if isinstance(modified, datetime) and not str(each["Key"]).endswith("/"):
                    yield Listed(key=str(each["Key"]), tag=str(each.get("ETag", "")), modified=modified.astimezone(UTC))
            token = page.get("NextContinuationToken")
            if not page.get("IsTruncated"):
                return
            if token is None or {"ContinuationToken": token} == place:
                raise PullFailed("the bucket does not list its objects to the end; it is asked again")
            place = {"ContinuationToken": token}

    def _records(self, chosen: Listed) -> Iterator[Item]:
        try:
            # The object that was listed, not one that was written under its name since.
            answer = self._call("get_object", Key=chosen.key, IfMatch=chosen.tag)
        except PullFailed:
            self._waiting.clear()
            raise
        damage: list[str] = []
        with closing(cast("_Body", answer["Body"])) as body:
            yield from self._split(self._content(body, damage))
        for reason in damage:
            yield Unreadable(raw=f"{self._bucket}/{chosen.key}".encode(), reason=f"an object that is not whole: {reason}")

    def _content(self, body: _Body, damage: list[str]) -> Iterator[bytes]:
        """The content, unpacked by what it begins with; what is wrong with it is added to `damage` at its end."""
        pieces = self._pieces(body)
        first = next(pieces, b"")
        coding = coding_of(first)
        stream = chain([first], pieces)
        try:
            yield from stream if coding is None else unpacked(stream, coding)
        except InvalidInput as error:
            damage.append(str(error))

    def _pieces(self, body: _Body) -> Iterator[bytes]:
        try:
            while piece := body.read(_CHUNK):
                yield piece
        except (self._errors.BotoCoreError, OSError) as error:
            raise PullFailed(f"an object broke off while it was read ({type(error).__name__}); it is read again") from None

    def _call(self, operation: str, **request: object) -> Answer:
        try:
            return cast("Answer", getattr(self._client, operation)(Bucket=self._bucket, **request))
        except self._errors.ClientError as error:
            code = str(error.response["Error"].get("Code"))
            raise PullFailed(f"the bucket answered {code}: check its name, region and permissions") from None
        except (self._errors.BotoCoreError, OSError) as error:
            raise PullFailed(f"the bucket could not be reached ({type(error).__name__})") from None


def _read(cursor: str | None, beginning: datetime | None) -> _Progress:
    fields = read_cursor(cursor)
    if fields is None:
        return _Progress(floor=beginning)
    read, floor = fields.get("read"), fields.get("floor")
    try:
        assert isinstance(read, dict)
        return _Progress(
            floor=None if floor is None else parse_rfc3339(str(floor)),
            read={str(mark): int(seconds) for mark, seconds in read.items()},
        )
    except (AssertionError, TypeError, ValueError):
        raise PullFailed("the stored cursor cannot be read: it was written by another version, or is damaged") from None
