"""What carries a TLS report: bare JSON, gzip, zip, or an e-mail (RFC 8460 §5.3), and where such a record ends.

The media types that senders give are not relied on: every part of a mail is looked at for what it is. Everything is bounded: what a
record unpacks to, how deep containers are in each other, how many parts are looked at.
"""

import binascii
import quopri
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO

from domain.errors import InvalidInput
from domain.event import EARLIEST, LATEST
from ingest.compression import unpacked
from ingest.parsers.addresses import mailbox_address
from ingest.parsers.json_records import json_records
from ingest.parsers.records import BLANK, KEPT, Feed, Oversize
from ingest.parsers.shapes import decode_json

MAX_UNPACKED = 8 * 1024 * 1024
"""Bytes that all containers of one record may unpack to together. The largest reports seen are a few hundred KiB."""

_DEEPEST = 6
_MOST_PARTS = 200
_NEAR = 1_024
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_HEADER = re.compile(rb"(?:From [^\r\n]*\r?\n)?[!-9;-~]{1,76}:[ \t\r\n]*[^\r\n]*\r?\n", re.ASCII)
_MBOX = re.compile(rb"From \S+ ")
_END_OF_HEADER = re.compile(rb"\r?\n(?=\r?\n)")
_FIELD = re.compile(r"^(?P<name>[!-9;-~]+)[ \t]*:[ \t]*(?P<value>[^\n]*(?:\n[ \t][^\n]*)*)", re.MULTILINE)
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"(?P<quoted>[^"\n]{1,200})"|(?P<bare>[^\s;"]{1,200}))', re.IGNORECASE)
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The JSON values in a record. `submitter` and `date` are what the outermost mail says of itself, where it is one."""

    values: Sequence[object]
    is_mail: bool = False
    submitter: str | None = None
    date: datetime | None = None


def tlsrpt_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """The records of a stream: JSON as `json_records` finds it; gzip, zip and an e-mail whole; each mail of an mbox."""
    while len(feed.held) < 8 and feed.more():
        pass
    if not feed.held.startswith((_GZIP, _ZIP)):
        feed.skip_mark()
        first = feed.peek()
        if first is None:
            return
        if first in b"{[":
            yield from json_records(feed, limit)
            return
        while b"\n" not in feed.held and len(feed.held) < _NEAR and feed.more():
            pass
        if _MBOX.match(feed.held):
            yield from _mails(feed, limit)
            return
    head = b""
    while feed.more():
        if len(feed.held) > limit:
            head = head or bytes(feed.held[:KEPT])
            feed.held.clear()
    if head or len(feed.held) > limit:
        yield Oversize(head=head or bytes(feed.held[:KEPT]), limit=limit)
    else:
        yield feed.take(len(feed.held))


def _mails(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """The mails of an mbox (RFC 4155): each begins with a `From ` line after an empty one."""
    held = bytearray()
    cut = empty = False
    while (line := feed.line(limit)) is not None:
        if isinstance(line, Oversize):
            held, cut = held or bytearray(line.head), True
            continue
        if empty and _MBOX.match(line):
            yield Oversize(head=bytes(held[:KEPT]), limit=limit) if cut else bytes(held)
            held, cut = bytearray(), False
        empty = not line.strip(BLANK)
        if cut or len(held) + len(line) > limit:
            cut = True
        else:
            held += line
    if held.strip(BLANK):
        yield Oversize(head=bytes(held[:KEPT]), limit=limit) if cut else bytes(held)


def carried(record: bytes) -> Carried:
    """Everything in a record that is JSON. Raises InvalidInput where a container is damaged, too large, or there is none."""
    budget = _Budget()
    if not _is_mail(record):
        return Carried(values=list(_values(record, budget, 0, must=True)))
    header, body = _split(record)
    values = list(_in_part(header, body, budget, 0))
    if not values and budget.trouble:
        raise budget.trouble[0]
    return Carried(values=values, is_mail=True, submitter=_submitter(header), date=_date(header.get("date")))


@dataclass(slots=True)
class _Budget:
    """What one record may still cost, and what was wrong with parts of a mail that may not have been meant as reports."""

    unpacked: int = MAX_UNPACKED
    parts: int = _MOST_PARTS
    trouble: list[InvalidInput] = field(default_factory=list)

    def take(self, chunks: Iterable[bytes]) -> bytes:
        content = bytearray()
        for chunk in chunks:
            self.unpacked -= len(chunk)
            if self.unpacked < 0:
                raise InvalidInput(f"the report unpacks to more than {MAX_UNPACKED} bytes")
            content += chunk
        return bytes(content)


def _values(data: bytes, budget: _Budget, depth: int, *, must: bool = False) -> Iterator[object]:
    """The JSON values in a piece of data, whatever it is packed in. `must`: what is nothing of the kind is an error."""
    if depth > _DEEPEST:
        raise InvalidInput(f"the report is packed more than {_DEEPEST} times")
    if data.startswith(_GZIP):
        yield from _values(budget.take(unpacked([data], "gzip")), budget, depth + 1, must=True)
    elif data.startswith(_ZIP):
        for content in _zipped(data, budget):
            yield from _values(content, budget, depth + 1)
    elif (text := _json_text(data)) is not None:
        for record in json_records(Feed([text]), MAX_UNPACKED):
            if isinstance(record, Oversize):
                raise record_too_long()
            value = decode_json(record)
            yield from value if isinstance(value, list) else [value]
    elif _is_mail(data):
        yield from _in_part(*_split(data), budget, depth + 1)
    elif must:
        raise InvalidInput("the record is neither JSON nor gzip nor an e-mail")


def record_too_long() -> InvalidInput:
    """Why JSON beyond the bound is refused."""
    return InvalidInput(f"the report is longer than {MAX_UNPACKED} bytes")


def _json_text(data: bytes) -> bytes | None:
    """The text where it can be JSON, in UTF-8 without marks and padding; None where it begins as something else."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeError:
            return None
    text = data.removeprefix(b"\xef\xbb\xbf").strip(BLANK + b"\0")
    return text if text.startswith((b"{", b"[")) else None


def _zipped(data: bytes, budget: _Budget) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = archive.infolist()
            if len(names) > _MOST_PARTS:
                raise InvalidInput(f"the zip archive has more than {_MOST_PARTS} files")
            for name in names:
                with archive.open(name) as file:
                    yield budget.take(iter(lambda: file.read(65536), b""))
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError):
        raise InvalidInput("the zip archive is damaged, encrypted or packed in a way that is not read here") from None


# --- E-mail (RFC 5322, RFC 2045 and 2046) ---------------------------------------------------------------------------------------


def _is_mail(data: bytes) -> bool:
    return _HEADER.match(data) is not None


def _split(data: bytes) -> tuple[dict[str, str], bytes]:
    """The header fields by their names in lower case, the first of each, and the body."""
    if data.startswith(b"From "):
        data = data.partition(b"\n")[2]
    if data.startswith((b"\n", b"\r\n")):
        return {}, data.lstrip(b"\r\n")
    end = _END_OF_HEADER.search(data)
    head, body = (data[: end.end()], data[end.end() :]) if end else (data, b"")
    fields: dict[str, str] = {}
    for found in _FIELD.finditer(head.decode("utf-8", "replace").replace("\r\n", "\n")):
        fields.setdefault(found["name"].lower(), re.sub(r"\n[ \t]+", " ", found["value"]).strip())
    return fields, body.removeprefix(b"\r").removeprefix(b"\n")


def _in_part(header: dict[str, str], body: bytes, budget: _Budget, depth: int) -> Iterator[object]:
    if depth > _DEEPEST:
        raise InvalidInput(f"the parts of the e-mail are nested more than {_DEEPEST} levels deep")
    budget.parts -= 1
    if budget.parts < 0:
        raise InvalidInput(f"the e-mail has more than {_MOST_PARTS} parts")
    kind = header.get("content-type", "")
    boundary = _BOUNDARY.search(f";{kind.partition(';')[2]}") if kind.lower().startswith("multipart/") else None
    if boundary is not None:
        for part in _parts(body, (boundary["quoted"] or boundary["bare"]).rstrip().encode()):
            yield from _in_part(*_split(part), budget, depth + 1)
        return
    media_type = kind.partition(";")[0].strip().lower()
    try:
        content = _decoded(body, header.get("content-transfer-encoding", ""))
        yield from _values(content, budget, depth, must=media_type.startswith("application/tlsrpt"))
    except InvalidInput as refusal:
        # A text for people may begin with a bracket; an attachment that cannot be read must not be passed over.
        if media_type.startswith("application/") or budget.unpacked < 0:
            raise
        budget.trouble.append(refusal)


def _parts(body: bytes, boundary: bytes) -> list[bytes]:
    """The bodies between the lines of a boundary; without a closing one the last goes to the end."""
    line = re.compile(rb"(?:^|\r?\n)--" + re.escape(boundary) + rb"(?P<last>--)?[ \t]*(?=\r?\n|$)")
    parts: list[bytes] = []
    begin: int | None = None
    for found in line.finditer(body):
        if begin is not None:
            parts.append(_after_line_end(body[begin : found.start()]))
        begin = found.end()
        if found["last"] or len(parts) > _MOST_PARTS:
            return parts
    if begin is not None:
        parts.append(_after_line_end(body[begin:]))
    return parts


def _after_line_end(part: bytes) -> bytes:
    return part.removeprefix(b"\r").removeprefix(b"\n")


def _decoded(body: bytes, encoding: str) -> bytes:
    """The content of a part. Line ends and marks inside base64 are passed over, missing padding is filled in."""
    name = encoding.partition(";")[0].strip().lower()
    if name == "quoted-printable":
        return quopri.decodestring(body)
    if name == "base64" or (not name and body[:4] == b"H4sI"):  # gzip in base64 that nobody declared
        letters = _NO_BASE64.sub(b"", body.partition(b"=")[0])
        letters = letters[: len(letters) - (len(letters) % 4 == 1)]
        try:
            return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
        except binascii.Error:
            raise InvalidInput("an attachment is not valid base64") from None
    return body


def _submitter(header: dict[str, str]) -> str | None:
    """Who sent the mail: the header that RFC 8460 §5.3 asks for, else the domain of the sender."""
    address = mailbox_address(header.get("from", "")[:1_000])
    return (header.get("tls-report-submitter") or address.rpartition("@")[2])[:255].strip() or None


def _date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime((text or "")[:200])
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if EARLIEST <= moment < LATEST else None
