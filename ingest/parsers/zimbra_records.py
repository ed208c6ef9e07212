"""Where the entries of a Zimbra log begin and end: a line, and the stack trace below it."""

import re
from collections.abc import Iterator

from ingest.parsers.mail_lines import LONGEST_LINE
from ingest.parsers.records import BLANK, Feed, Oversize

_ENTRY = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")
_TRACE = re.compile(rb"[ \t]+\S|Caused by: |ExceptionId:|Code:|(?:[a-z][\w$]{0,60}\.){1,12}[A-Z][\w$]{0,100}(?:Exception|Error)\b")


def zimbra_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """Every entry without its last line end; blank lines are none. Of a trace beyond 64 KiB each line is its own record."""
    feed.skip_mark()
    held = b""
    while (line := feed.line(limit)) is not None:
        if held and isinstance(line, bytes) and _TRACE.match(line) and len(held) + len(line) <= min(limit, LONGEST_LINE):
            held += line
            continue
        if held:
            yield held.rstrip(b"\r\n")
        held = b""
        if isinstance(line, Oversize):
            yield line
        elif _ENTRY.match(line):
            held = line
        elif line.strip(BLANK):
            yield line.rstrip(b"\r\n")
        else:
            feed.skip_blank_lines()
    if held:
        yield held.rstrip(b"\r\n")
