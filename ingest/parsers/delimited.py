"""Rows of delimiter-separated text (RFC 4180, as spreadsheets and databases write it), found in bounded memory and cut into fields.

A stream is a header and rows. The header comes as one record with the first row after it, every other row alone; a record of two
rows is therefore always a header and its row, and can be read without what came before. Delimiter and encoding are told by the
header. A quote that never closes costs its own line and not the rest of the file.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from sys import byteorder

from domain.errors import InvalidInput
from ingest.parsers.field_mapping import DELIMITERS
from ingest.parsers.records import BLANK, KEPT, Feed, Oversize

MOST_FIELDS = 4096
"""Columns of one table. MySQL's limit, and more than any audit table has."""

_UTF_8 = "utf-8"
_WIDE = {"utf-16-le": b"\n\0", "utf-16-be": b"\0\n"}
_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_MARK = "\ufeff"
_HEADER_ALONE = "the record is one line: a header without a row, or a row that came without its header"
FALLBACK = "latin-1"
"""What text is read as that is no UTF-8: every byte has a meaning in it, right for Western files and wrong for others."""


# --- One row ---------------------------------------------------------------------------------------------------------------


class _End(Enum):
    DONE = auto()
    OPEN = auto()
    BROKEN = auto()


class _Quotes:
    """Follows the fields of one row, line by line: a quoted field may hold line ends. Quotes count at the start of a field only."""

    __slots__ = ("_delimiter", "_inside", "_whole")

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._whole = _whole_fields(delimiter)
        self._inside = False

    def line(self, text: str) -> _End:
        """The state after one more line (with its line end, if it has one)."""
        if not self._inside and '"' not in text:
            return _End.DONE
        at = 0
        while True:
            if not self._inside and (whole := self._whole.match(text, at)):
                at = whole.end()
            if self._inside or text.startswith('"', at):
                found = _closing(text, at if self._inside else at + 1)
                self._inside = found < 0
                if found < 0:
                    return _End.OPEN
                at = found + 1
                if not text[at:].strip("\r\n"):
                    return _End.DONE
                if text[at] != self._delimiter:
                    return _End.BROKEN
            else:
                at = text.find(self._delimiter, at)
                if at < 0:
                    return _End.DONE
            at += 1


@lru_cache(maxsize=16)
def _whole_fields(delimiter: str) -> re.Pattern[str]:
    """What can be passed over at once: fields with the delimiter behind them, each tried once (possessive quantifiers)."""
    mark = re.escape(delimiter)
    return re.compile(rf'(?:(?:"(?:[^"]++|"")*+"|(?!")[^{mark}]*+){mark})*+')


def _closing(text: str, at: int) -> int:
    """Offset of the quote that closes a field, or −1. A doubled quote is one that is meant."""
    while (found := text.find('"', at)) >= 0:
        if not text.startswith('"', found + 1):
            return found
        at = found + 2
    return -1


def fields_of(row: str, delimiter: str) -> list[str]:
    """The fields of one row without its line end. Raises InvalidInput for a quote that does not close or closes too early."""
    if '"' not in row:
        return row.split(delimiter, MOST_FIELDS)
    fields: list[str] = []
    at = 0
    while len(fields) <= MOST_FIELDS:
        if row.startswith('"', at):
            end = _closing(row, at + 1)
            if end < 0:
                raise InvalidInput("a quoted field does not end")
            fields.append(row[at + 1 : end].replace('""', '"'))
            at = end + 1
            if at == len(row):
                return fields
            if row[at] != delimiter:
                raise InvalidInput("a quote inside a quoted field is not doubled")
        else:
            end = row.find(delimiter, at)
            fields.append(row[at:] if end < 0 else row[at:end])
            if end < 0:
                return fields
            at = end
        at += 1
    return fields


# --- A whole record --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The header of a table: its bytes, and what they say about the rows."""

    raw: bytes
    columns: Sequence[str]
    codec: str
    delimiter: str


def codec_of(head: bytes) -> str | None:
    """The wide encoding that text begins in, by its byte order mark or by where the zero bytes of its first letters are."""
    if head[:2] in _MARKS:
        return _MARKS[head[:2]]
    if len(head) >= 4 and not head[1] and not head[3] and head[0] and head[2]:
        return "utf-16-le"
    if len(head) >= 4 and not head[0] and not head[2] and head[1] and head[3]:
        return "utf-16-be"
    return None


def delimiter_of(line: str) -> str:
    """The delimiter of a header line: the candidate that stands most often outside quotes, a comma where there is none."""
    outside = "".join(line.split('"')[::2])
    return max(DELIMITERS, key=lambda candidate: (outside.count(candidate), -DELIMITERS.index(candidate)))


def decoded(raw: bytes, codec: str, *, strict: bool = False) -> tuple[str, str]:
    """
    The text of bytes and the encoding it was read in: `codec`, or where that is UTF-8 and the bytes are not, ISO 8859-1.

    Raises InvalidInput, with the place, where another codec or `strict` leaves no choice.
    """
    try:
        return raw.decode(codec), codec
    except UnicodeDecodeError as invalid:
        if codec == _UTF_8 and not strict:
            return raw.decode(FALLBACK), FALLBACK
        raise InvalidInput(f"the row is not valid {codec} (byte {invalid.start})") from None


def cut(record: bytes, known: Header | None, *, delimiter: str | None = None, encoding: str | None = None) -> tuple[Header, bytes]:
    """
    The header that holds for a record, and the bytes of its row: of a record of two rows the first, else `known`.

    `delimiter` and `encoding` stand above what the header says of itself. Raises InvalidInput for a row without a header and for a
    header that is none.
    """
    if known is not None and record == known.raw.rstrip(b"\r\n"):
        raise InvalidInput(_HEADER_ALONE)
    if known is not None and b"\n" not in record:
        return known, record
    codec = encoding or codec_of(record[:4]) or (known.codec if known else _UTF_8)
    if codec == "utf-16":
        codec = codec_of(record[:4]) or (known.codec if known else "utf-16-le")
    units = _units(record, codec)
    mark = 1 if units.startswith(_MARK) else 3 if units.startswith("\xef\xbb\xbf") else 0
    if known is not None and _row_end(units, mark, known.delimiter) < 0:
        return known, record
    separator = delimiter or delimiter_of(units[mark:].split("\n", 1)[0])
    end = _row_end(units, mark, separator)
    if end < 0:
        raise InvalidInput(_HEADER_ALONE)
    width = 2 if codec in _WIDE else 1
    text, read_as = decoded(record[mark * width : end * width], codec, strict=encoding is not None)
    columns = [name.strip() for name in fields_of(text.rstrip("\r\n"), separator)]
    if len(columns) > MOST_FIELDS:
        raise InvalidInput(f"the header has more than {MOST_FIELDS} columns")
    header = Header(raw=record[: end * width], columns=columns, codec=_UTF_8 if read_as == FALLBACK else codec, delimiter=separator)
    return header, record[end * width :]


def _row_end(units: str, at: int, delimiter: str) -> int:
    """Where the first of two rows ends, or −1 where there is one only."""
    quotes = _Quotes(delimiter)
    while (newline := units.find("\n", at)) >= 0:
        state = quotes.line(units[at : newline + 1])
        at = newline + 1
        if state is not _End.OPEN:
            return at if units[at:].strip(" \t\r\n") else -1
    return -1


def _units(raw: bytes, codec: str) -> str:
    """One character for each code unit, so that offsets in the text are offsets in the bytes."""
    if codec not in _WIDE:
        return raw.decode("latin-1")
    with suppress(UnicodeDecodeError):  # the quick way, right where no character takes two units
        text = raw[: len(raw) & ~1].decode(codec, "surrogatepass")
        if len(text) == len(raw) // 2:
            return text
    units = array("H", raw[: len(raw) & ~1])
    if (codec == "utf-16-le") != (byteorder == "little"):
        units.byteswap()
    return "".join(map(chr, units))


# --- A stream --------------------------------------------------------------------------------------------------------------


def delimited_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """The header with its first row, then every row, without line ends. Rows without any content are no records."""
    feed.skip_mark()
    while len(feed.held) < 4 and feed.more():
        pass
    rows = _Rows(feed, limit, codec_of(bytes(feed.held[:4])) or _UTF_8)
    header, waiting = b"", b""
    while (row := rows.next()) is not None:
        if isinstance(row, Oversize):
            yield row
        elif not header:
            header = waiting = row
        elif rows.is_same(row, header) and not waiting:  # the next of several files in one stream
            waiting = row
        else:
            yield waiting + rows.bare(row)
            waiting = b""
    if waiting:
        yield rows.bare(waiting)


class _Rows:
    """Takes rows off a feed. The delimiter is settled by the first."""

    def __init__(self, feed: Feed, limit: int, codec: str) -> None:
        self._feed = feed
        self._limit = limit
        self._codec = codec
        self._newline = _WIDE.get(codec, b"\n")
        self._delimiter: str | None = None

    def bare(self, row: bytes) -> bytes:
        """A row without its line end."""
        if self._codec not in _WIDE:
            return row.rstrip(b"\r\n")
        while len(row) % 2 == 0 and row.endswith((self._newline, self._newline.replace(b"\n", b"\r"))):
            row = row[:-2]
        return row

    def is_same(self, row: bytes, other: bytes) -> bool:
        """Whether two rows are alike but for their line ends."""
        return len(row) <= len(other) + 4 and self.bare(row) == self.bare(other)

    def next(self) -> bytes | Oversize | None:
        """The next row that says anything, with its line end; None at the end of the stream."""
        while (row := self._row()) is not None:
            if isinstance(row, Oversize) or row.strip(self._nothing()):
                return row
            if self._codec not in _WIDE:
                self._feed.skip_blank_lines()
        return None

    def _nothing(self) -> bytes:
        return BLANK + (self._delimiter or ",").encode() + (b"\0" if self._codec in _WIDE else b"")

    def _row(self) -> bytes | Oversize | None:
        end = first = self._line_end(0)
        if end < 0:
            return self._cut_line()
        if end == 0:
            return None
        if self._delimiter is None:
            line = self._text(0, end)
            if line.strip("\ufeff \t\r\n"):
                self._delimiter = delimiter_of(line)
        quotes = _Quotes(self._delimiter or ",")
        state, at = quotes.line(self._text(0, end)), end
        while state is _End.OPEN:
            end = self._line_end(at)
            if end <= at or end > self._limit:  # a quote that does not close: its line is lost, those after it are not
                return self._feed.take(first)
            state, at = quotes.line(self._text(at, end)), end
        return self._feed.take(end if state is _End.DONE else first)

    def _text(self, start: int, end: int) -> str:
        return _units(bytes(self._feed.held[start:end]), self._codec).removeprefix(_MARK)

    def _line_end(self, at: int) -> int:
        """Offset behind the line that begins at `at`; that of the end of the stream; −1 where the line passes the limit."""
        held, width = self._feed.held, len(self._newline)
        searched = at
        while True:
            found = held.find(self._newline, searched)
            while found >= 0 and found % width:
                found = held.find(self._newline, found + 1)
            if found >= 0:
                return found + width if found <= self._limit else -1
            if len(held) >= self._limit + width:
                return -1
            searched = max(at, len(held) - width + 1)
            if not self._feed.more():
                return len(held)

    def _cut_line(self) -> Oversize:
        held, width = self._feed.held, len(self._newline)
        head = bytes(held[:KEPT])
        while True:
            found = held.find(self._newline)
            while found >= 0 and found % width:
                found = held.find(self._newline, found + 1)
            if found >= 0:
                del held[: found + width]
                return Oversize(head=head, limit=self._limit)
            del held[: len(held) // width * width]
            if not self._feed.more():
                held.clear()
                return Oversize(head=head, limit=self._limit)
