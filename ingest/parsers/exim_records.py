"""Where the entries of an Exim log begin and end: a line, except in the reject log.

There, a refused message is followed by its envelope and header (log_selector `rejected_header`). No such line begins with a time,
and no other line of a log begins as they do.
"""

import re
from collections.abc import Iterator

from ingest.parsers.mail_lines import LONGEST_LINE
from ingest.parsers.records import BLANK, Feed, Oversize

_CONTINUES = re.compile(rb"Envelope-(?:from|to): |[A-Z* ] [!-9;-~]{1,128}:|[ \t]+\S")
_REFUSED = re.compile(rb"\brejected (?:after|by|during)\b")


def exim_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """Every entry without its last line end; blank lines are none."""
    feed.skip_mark()
    held = b""
    while (line := feed.line(limit)) is not None:
        if held and isinstance(line, bytes) and _CONTINUES.match(line) and len(held) + len(line) <= min(limit, LONGEST_LINE):
            held += line
            continue
        if held:
            yield held.rstrip(b"\r\n")
        held = b""
        if isinstance(line, Oversize):
            yield line
        elif _REFUSED.search(line):
            held = line
        elif line.strip(BLANK):
            yield line.rstrip(b"\r\n")
        else:
            feed.skip_blank_lines()
    if held:
        yield held.rstrip(b"\r\n")
