"""A directory of logs: files that grow, are renamed, copied and cut to nothing, compressed, appear and vanish.

The cursor knows every stream by what was read of it (directory_streams.py), so no name and no inode has to stay. A page is a piece
of one stream up to where its last whole record ends (directory_cut.py); the offset moves once the piece is stored.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.clock import Clock
from domain.errors import InvalidInput
from ingest.parsers import Oversize
from ingest.parsers.records import MAX_RECORD
from ingest.pull.contract import Gap, Item, Page, PullFailed, read_cursor, write_cursor
from ingest.pull.directory_cut import Split, Tail, cut_short, is_lines, whole_lines
from ingest.pull.directory_reading import Reader, measured
from ingest.pull.directory_streams import SAMPLE, Found, Mark, Stream, coding_by_content, content, digest, holds, scan, with_head

PAGE_BYTES = 4 * 1024 * 1024
MOST_STREAMS = 5_000
"""Streams that the cursor holds. Beyond it those gone longest are forgotten; should one come back, its records become
duplicates."""

_REMEMBERED_DAYS = 30
"""For how long a stream that is gone is remembered."""

_FINAL_AFTER = timedelta(hours=1)
"""For how long a file must not have changed before a last line without an end is taken as it is."""

Matches = Mapping[int, tuple[Stream, Found]]


class DirectoryTail:
    """A `Connector` for the files of a directory whose names match."""

    kind = "directory"

    def __init__(
        self,
        directory: Path,
        *,
        patterns: Sequence[str],
        split: Split,
        tail: Tail,
        clock: Clock,
        recursive: bool = False,
        settled: timedelta = timedelta(minutes=1),
        page_bytes: int = PAGE_BYTES,
    ) -> None:
        """
        `patterns` must also match what a rotated file is called (`mail.log*`), or what was written last before a rotation is
        missed.

        `settled` is for how long a compressed file, or one taken as a whole, must not have changed before it is read, and a log
        before its last entry is taken for finished. A last line without an end is taken after an hour without change.
        """
        self._directory = directory
        self._patterns = patterns
        self._split = split
        self._tail = tail
        self._clock = clock
        self._recursive = recursive
        self._settled = settled
        self._page_bytes = page_bytes
        self._reader = Reader()
        self._missed: dict[int, datetime] = {}
        self._known_lines: set[tuple[int, int]] = set()
        self._codings: dict[Mark, Found] = {}
        self._held: dict[tuple[object, ...], bool] = {}

    def fetch(self, cursor: str | None) -> Page:
        """The next piece of the file that was changed longest ago and has something new. See `Connector`."""
        now = self._clock()
        streams, following = _streams_in(cursor)
        files = [self._coded(file) for file in scan(self._directory, self._patterns, recursive=self._recursive)]
        matches, fresh = self._matched(files, streams)
        streams, gaps = self._updated(streams, matches, now)
        notices: list[str] = []
        work = [*((match[1], streams[number]) for number, match in matches.items()), *((file, None) for file in fresh)]
        for file, stream in sorted(work, key=lambda each: (each[0].changed, each[0].name)):
            if stream is not None and stream.is_done and stream.mark == file.mark:
                continue
            try:
                page = self._piece(file, stream, streams, following, now, notices)
            except (OSError, InvalidInput) as error:
                reason = str(error) if isinstance(error, InvalidInput) else f"{error.strerror}"
                notices.append(f"a file (inode {file.inode}) cannot be read: {reason}")
                continue
            if page is not None:
                return replace(page, gaps=gaps, notices=notices)
        return Page(records=(), cursor=_text(streams.values(), following), more=False, reached=now, gaps=gaps, notices=notices)

    def _coded(self, file: Found) -> Found:
        """The file with its coding by content; looked at once for each state of it."""
        known = self._codings.get(file.mark)
        if known is None or known.path != file.path:
            if len(self._codings) > MOST_STREAMS:
                self._codings.clear()
            known = self._codings[file.mark] = coding_by_content(file)
        return known

    def _matched(
        self, files: Sequence[Found], streams: Mapping[int, Stream]
    ) -> tuple[dict[int, tuple[Stream, Found]], list[Found]]:
        """Which file holds which stream, and the files that hold something new. Copies of a stream in work are neither."""
        ended = {each.mark: each for each in streams.values() if each.is_done}
        heads: dict[tuple[int, str], list[Stream]] = {}
        for each in streams.values():
            heads.setdefault((each.sample, each.head), []).append(each)
        # A file that is as it was when it was read to its end is not read again to know that.
        held = {file: [ended[file.mark]] if file.mark in ended else self._holds(file, heads) for file in files}
        pairs = [(file, stream) for file in files for stream in held[file]]
        pairs.sort(key=lambda pair: (pair[0].inode != pair[1].inode, -pair[1].offset, pair[0].coding is not None, pair[1].number))
        matches: dict[int, tuple[Stream, Found]] = {}
        taken: set[Found] = set()
        for file, stream in pairs:
            if stream.number not in matches and file not in taken:
                matches[stream.number] = stream, file
                taken.add(file)
        fresh = [file for file in files if file not in taken and not any(self._is_copy(file, each, matches) for each in held[file])]
        return matches, fresh

    def _holds(self, file: Found, streams: Mapping[tuple[int, str], Sequence[Stream]]) -> list[Stream]:
        """See `holds`; a compressed file is unpacked once for each state of it and of a stream."""
        alike = with_head(file, streams)
        if file.coding is None:
            return holds(file, alike)
        found, asked = [], []
        for stream in alike:
            known = self._held.get((file.mark, stream.number, stream.offset))
            if known is None:
                asked.append(stream)
            elif known:
                found.append(stream)
        if asked:
            if len(self._held) > 20 * MOST_STREAMS:
                self._held.clear()
            newly = holds(file, asked)
            for stream in asked:
                self._held[file.mark, stream.number, stream.offset] = stream in newly
            found += newly
        return found

    def _is_copy(self, file: Found, stream: Stream, matches: Matches) -> bool:
        """Whether a file that another one of the same stream was preferred to says nothing beyond it, as far as can be known
        now."""
        match = matches.get(stream.number)
        if match is None:
            return False
        _, preferred = match
        if preferred.coding is None and preferred.size > stream.offset:
            return True  # not known before the other is read to its end
        if file.coding is None:
            return file.size <= stream.offset
        key = (file.mark, stream.number, stream.offset, "more")
        if key not in self._held:
            try:
                self._held[key] = any(content(file, stream.offset))
            except (OSError, InvalidInput):
                return True
        return not self._held[key]

    def _updated(self, streams: Mapping[int, Stream], matches: Matches, now: datetime) -> tuple[dict[int, Stream], list[Gap]]:
        """The streams with their present files, and gaps for those that went before they were read to their end."""
        today = now.toordinal()
        updated, gaps = {}, []
        for number, stream in streams.items():
            if number in matches:
                self._missed.pop(number, None)
                file = matches[number][1]
                updated[number] = replace(stream, file=file.name, seen=today, is_gone=False)
                continue
            # A rename may hide a file from one look at the directory.
            if now - self._missed.setdefault(number, now) >= self._settled and not stream.is_gone:
                if not stream.is_done:
                    gaps.append(_vanished(stream, now))
                stream = replace(stream, is_gone=True)  # noqa: PLW2901 - the same stream, one fact more
            updated[number] = stream
        gone = sorted((stream for stream in updated.values() if stream.is_gone), key=lambda stream: (stream.seen, stream.number))
        for place, stream in enumerate(gone):
            if stream.seen < today - _REMEMBERED_DAYS or len(updated) > MOST_STREAMS > len(gone) - place:
                del updated[stream.number]
        self._missed = {number: since for number, since in self._missed.items() if number in updated}
        return updated, gaps

    def _piece(
        self,
        file: Found,
        stream: Stream | None,
        streams: Mapping[int, Stream],
        following: int,
        now: datetime,
        notices: list[str],
    ) -> Page | None:
        """What can be taken of a file now; None for nothing. Troubles are added to `notices`."""
        age = now - datetime.fromtimestamp(file.changed / 1e9, UTC)
        if file.coding is not None and age < self._settled:
            return None  # it may still be being written
        number = following if stream is None else stream.number
        tail = self._tail_of(file, number, age)
        if tail is None:
            return None
        if tail is Tail.WHOLE:
            return self._whole(file, number, streams, max(following, number + 1), age, now, notices)
        piece = self._reader.read(file, stream, self._page_bytes)
        if piece.damage is not None and piece.at_end:
            notices.append(f"a compressed file (inode {file.inode}) is read as far as it goes: {piece.damage}")
        is_whole = file.coding is not None and piece.damage is None
        is_end = piece.at_end and (is_whole or age >= _FINAL_AFTER)
        holds_last = tail is Tail.ENTRIES and not (piece.at_end and age >= self._settled)
        items: list[bytes | Oversize]
        items, size = whole_lines(piece.data, self._split, is_end=is_end, holds_last=holds_last)
        last = piece.data[:size]
        if not size and not piece.at_end:
            items, size, last = self._long_line(file, 0 if stream is None else stream.offset)
        is_done = piece.at_end and size == len(piece.data)
        if not size and not (is_done and stream is not None):
            return None
        offset = (0 if stream is None else stream.offset) + size
        text, sample = piece.known + last, min(SAMPLE, offset)
        new = Stream(
            number=number,
            file=file.name,
            inode=file.inode,
            offset=offset,
            # Until it is as long as a sample, what was known is the start of the file.
            head=stream.head if stream is not None and stream.offset >= SAMPLE else digest((piece.known + piece.data)[:sample]),
            tail=digest(text[-sample:]),
            size=file.size,
            changed=file.changed,
            altered=file.altered,
            is_done=is_done,
            seen=now.toordinal(),
        )
        return Page(
            records=items,
            cursor=_text({**streams, number: new}.values(), max(following, number + 1)),
            more=True,
            stream=str(number),
            stream_ends=is_done and file.coding is not None,
            before=lambda: self._earlier(file, stream),
        )

    def _long_line(self, file: Found, offset: int) -> tuple[list[bytes | Oversize], int, bytes]:
        """A line that is longer than a page: the record, its size and its last bytes. Without an end it waits."""
        size, kept, last = 0, bytearray(), b""
        for chunk in content(file, offset):
            end = chunk.find(b"\n") + 1
            piece = chunk[:end] if end else chunk
            kept += piece[: max(0, MAX_RECORD + 1 - len(kept))]
            last = (last + piece)[-SAMPLE:]
            size += len(piece)
            if end:
                oversize = cut_short(bytes(kept))
                return ([oversize] if oversize else list(self._split([bytes(kept)]))), size, last
        return [], 0, b""

    def _earlier(self, file: Found, stream: Stream | None) -> Iterator[Item]:
        """The records of a stream that are stored, for a parser that has not seen them."""
        if stream is not None and stream.offset:
            try:
                yield from self._split(content(file, until=stream.offset))
            except (OSError, InvalidInput):
                raise PullFailed("a file vanished or was damaged while it was read") from None

    def _whole(
        self,
        file: Found,
        number: int,
        streams: Mapping[int, Stream],
        following: int,
        age: timedelta,
        now: datetime,
        notices: list[str],
    ) -> Page | None:
        if age < self._settled or not file.size:
            return None
        size, head, tail, damage = measured(file)
        if not size:
            return None
        if damage is not None:
            notices.append(f"a compressed file (inode {file.inode}) is read as far as it goes: {damage}")
        new = Stream(
            number=number,
            file=file.name,
            inode=file.inode,
            offset=size,
            head=head,
            tail=tail,
            size=file.size,
            changed=file.changed,
            altered=file.altered,
            is_done=True,
            seen=now.toordinal(),
        )
        return Page(
            records=self._unchanged(file),
            cursor=_text({**streams, number: new}.values(), following),
            more=True,
        )

    def _unchanged(self, file: Found) -> Iterator[Item]:
        """The records of a whole file. Raises PullFailed at its end where it was changed meanwhile: then it is read again."""
        yield from self._split(_readable(file))
        try:
            status = file.path.stat()
        except OSError:
            raise PullFailed("a file vanished while it was read; what was read of it is stored") from None
        if (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns) != file.mark:
            raise PullFailed("a file changed while it was read; it is read again")

    def _tail_of(self, file: Found, number: int, age: timedelta) -> Tail | None:
        """How this file is read; None while it cannot be told."""
        if self._tail not in {Tail.JSON, Tail.LOG}:
            return self._tail
        if (number, file.inode) in self._known_lines:
            return Tail.LINES
        head = bytearray()
        for chunk in _readable(file, until=MAX_RECORD):
            head += chunk
            if b"\n" in chunk and head.strip():
                break
        if is_lines(bytes(head), self._tail):
            self._known_lines.add((number, file.inode))
            return Tail.LINES
        return Tail.WHOLE if age >= self._settled else None


def _readable(file: Found, *, until: int | None = None) -> Iterator[bytes]:
    """The content up to where it is damaged."""
    try:
        yield from content(file, until=until)
    except InvalidInput:
        return


def _vanished(stream: Stream, now: datetime) -> Gap:
    changed = datetime.fromtimestamp(stream.changed / 1e9, UTC)
    return Gap(start=min(changed, now), end=now, reason="a file vanished before it was read to its end")


def _streams_in(cursor: str | None) -> tuple[dict[int, Stream], int]:
    fields = read_cursor(cursor)
    if fields is None:
        return {}, 1
    try:
        listed = fields["streams"]
        assert isinstance(listed, list)
        streams = [Stream(**each) for each in listed]
        return {stream.number: stream for stream in streams}, int(str(fields["following"]))
    except (AssertionError, KeyError, TypeError, ValueError):
        raise PullFailed("the stored cursor cannot be read: it was written by another version, or is damaged") from None


def _text(streams: Iterable[Stream], following: int) -> str:
    return write_cursor(streams=[_fields(stream) for stream in streams], following=following)


def _fields(stream: Stream) -> dict[str, object]:
    return {name: getattr(stream, name) for name in Stream.__slots__}
