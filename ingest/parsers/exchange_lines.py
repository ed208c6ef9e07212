"""Lines of Exchange's message tracking logs: which columns they have, and where a record ends.

Each version wrote more columns; the line `#Fields:` names them. It comes with the first line after it as one record, so that this
record can be read without what came before. `Get-MessageTrackingLog | Export-Csv` and the extended report of Exchange Online's
message trace have the same columns under names of their own.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from domain.errors import InvalidInput
from ingest.parsers.access_words import plain
from ingest.parsers.delimited import decoded, fields_of
from ingest.parsers.json_records import json_records
from ingest.parsers.m365_records import is_json
from ingest.parsers.records import BLANK, Feed, Oversize

_OLDEST = (
    *("datetime", "clientip", "clienthostname", "serverip", "serverhostname", "sourcecontext", "connectorid", "source", "eventid"),
    *("internalmessageid", "messageid", "recipientaddress", "recipientstatus", "totalbytes", "recipientcount"),
    *("relatedrecipientaddress", "reference", "messagesubject", "senderaddress", "returnpath", "messageinfo"),
)
_SINCE_2010 = (*_OLDEST, "directionality", "tenantid", "originalclientip", "originalserverip", "customdata")
_SINCE_2013 = (*_SINCE_2010[:11], "networkmessageid", *_SINCE_2010[11:])
_SINCE_2016 = (*_SINCE_2013, "transporttraffictype", "logid", "schemaversion")
DEFAULT_COLUMNS: Mapping[int, Sequence[str]] = {
    21: _OLDEST,
    26: _SINCE_2010,
    27: _SINCE_2013,
    28: _SINCE_2016[:28],
    29: _SINCE_2016[:29],
    30: _SINCE_2016,
}
"""Number of columns to their names, for lines whose `#Fields:` never came: Exchange 2007, 2010, 2013 and since 2016."""

_SAME = {
    "timestamp": "datetime",
    "datetimeutc": "datetime",
    "date": "datetime",
    "recipients": "recipientaddress",
    "recipient": "recipientaddress",
    "sender": "senderaddress",
    "subject": "messagesubject",
    "eventdata": "customdata",
    "serverfqdn": "serverhostname",
    "event": "eventid",
    "messageinfodata": "messageinfo",
}
_NEEDED = frozenset({"datetime", "eventid"})
_COMMENT = re.compile(rb"#[A-Za-z]")
_FIELDS = re.compile(r"#Fields:\s*(?P<names>\S.*)", re.IGNORECASE)
_ABOUT = re.compile(r"#(?P<name>Software|Version|Log-type|Date):\s*(?P<value>\S.*)", re.IGNORECASE)
_MOST_COMMENTS = 64


def exchange_tracking_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """
    Every line, the comment lines and a header with the first line after them; JSON as everywhere.

    Comments with nothing after them are an empty log and no record.
    """
    feed.skip_mark()
    while len(feed.held) < 64 and feed.more():
        pass
    if is_json(bytes(feed.held[:64])):
        yield from json_records(feed, limit)
        return
    above: list[bytes] = []
    while (line := feed.line(limit)) is not None:
        if isinstance(line, Oversize):
            yield line
        elif _COMMENT.match(line) or (not above and is_header(line)):
            above = [*above[1 - _MOST_COMMENTS :], line]
        elif line.strip(BLANK):
            record = b"".join([*above, line.rstrip(b"\r\n")])
            yield record if len(record) <= limit else line.rstrip(b"\r\n")
            above = []
        else:
            feed.skip_blank_lines()


def is_header(line: bytes) -> bool:
    """Whether a line without `#` names columns."""
    if len(line) > 4096 or b"," not in line:
        return False
    try:
        return columns_of(line.decode().strip()) is not None
    except (UnicodeDecodeError, InvalidInput):
        return False


def columns_of(line: str) -> Sequence[str] | None:
    """The columns that a header names, None where the line is none."""
    found = _FIELDS.fullmatch(line)
    names = [plain(name) for name in fields_of(found["names"] if found else line, ",")]
    columns = [_SAME.get(name, name) for name in names]
    return columns if {*columns} >= _NEEDED else None


class Lines:
    """Reads lines under the columns that the stream named last. One thread at a time."""

    def __init__(self) -> None:
        self._columns: Sequence[str] | None = None

    def read(self, text: str) -> tuple[dict[str, str], dict[str, str]]:
        """The filled fields of a record by column, and what its comment lines say of the log; either may be empty.

        Raises InvalidInput for a line of another length than its header, or of a length that no version writes.
        """
        about: dict[str, str] = {}
        *above, last = text.split("\n")
        for line in above:
            self._above(line.strip(), about)
        if last.startswith("#") or self._is_header(last):
            self._above(last.strip(), about)
            return {}, about
        cells = fields_of(last.rstrip("\r"), ",")
        columns = self._columns
        if columns is None or len(columns) != len(cells):
            if columns is not None and len(cells) not in DEFAULT_COLUMNS:
                raise InvalidInput(f"the line has {len(cells)} fields, the header {len(columns)}")
            columns = DEFAULT_COLUMNS.get(len(cells))
            if columns is None:
                raise InvalidInput(f"the line has {len(cells)} fields, which is no line of a message tracking log")
        return {name: cell.strip() for name, cell in zip(columns, cells, strict=True) if cell.strip()}, about

    def _is_header(self, line: str) -> bool:
        return len(line) <= 4096 and "," in line and columns_of(line.strip()) is not None

    def _above(self, line: str, about: dict[str, str]) -> None:
        if found := _ABOUT.fullmatch(line):
            about[plain(found["name"])] = found["value"].strip()
        elif line and (line.lower().startswith("#fields:") or not line.startswith("#")):
            self._columns = columns_of(line) or self._columns


def text_of_line(record: bytes) -> str:
    """The text of a record: UTF-8, or ISO 8859-1 where it is none."""
    return decoded(record.removeprefix(b"\xef\xbb\xbf"), "utf-8")[0]
