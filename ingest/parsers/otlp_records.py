"""Where the log records of OTLP requests begin and end: a request holds many, and each is a record of its own.

A request with one log record is kept as it came. One with several is taken apart: every record stands alone in a request with its
resource and its scope, all of them the exact bytes that were sent, so that a record in quarantine or in evidence explains itself.
"""

import re
from collections.abc import Iterator

from domain.errors import InvalidInput
from ingest.parsers import otlp_wire as wire
from ingest.parsers.json_records import json_records
from ingest.parsers.json_walk import elements, end_of_value, members, skip_blank
from ingest.parsers.otlp_model import is_json
from ingest.parsers.records import KEPT, Feed, Oversize

LARGEST_ORIGIN = 16 * 1024
"""Bytes that resource and scope may have to be repeated with every record; a request with larger ones stays whole."""

_GROWTH = 4
_FREE = 16 * 1024 * 1024

_NEAR = 64
_ZEROS = re.compile(rb"\0*")
_RESOURCE_LOGS = ("resourceLogs", "resource_logs")
_SCOPE_LOGS = ("scopeLogs", "scope_logs", "instrumentationLibraryLogs")
_SCOPE = ("scope", "instrumentationLibrary")
_LOG_RECORDS = ("logRecords", "log_records", "logs")


def otlp_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """
    The log records in a stream of requests: JSON (one, an array, JSON Lines), one protobuf message, or protobuf messages that each
    have their size in front (four bytes, big-endian, as the collector's file exporter writes them).
    """
    while len(feed.held) < _NEAR and feed.more():
        pass
    if is_json(bytes(feed.held[:_NEAR])) or bytes(feed.held[:_NEAR]).lstrip()[:1] in (b"{", b"["):
        for request in json_records(feed, limit):
            yield from (request,) if isinstance(request, Oversize) else unbundled(request)
    elif feed.held[:1] == b"\0":
        yield from _sized(feed, limit)
    else:
        yield from _single(feed, limit)


def _single(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    head = b""
    while feed.more():
        if len(feed.held) > limit:
            head = head or bytes(feed.held[:KEPT])
            feed.held.clear()
    if head or len(feed.held) > limit:
        yield Oversize(head=head or bytes(feed.held[:KEPT]), limit=limit)
    elif feed.held:
        yield from unbundled(feed.take(len(feed.held)))


def _sized(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    while True:
        while len(feed.held) < 4 and feed.more():
            pass
        if not feed.held:
            return
        size = int.from_bytes(feed.take(4), "big")
        if size == 0:  # empty requests; many in a row are passed over at once
            zeros = _ZEROS.match(feed.held)
            feed.take(len(zeros[0]) // 4 * 4 if zeros else 0)
            continue
        while len(feed.held) < min(size, limit + 1) and feed.more():
            pass
        if size <= limit:
            yield from unbundled(feed.take(size))
            continue
        yield Oversize(head=bytes(feed.held[:KEPT]), limit=limit)
        while size > 0 and (feed.held or feed.more()):
            size -= len(feed.take(min(size, len(feed.held))))


def unbundled(request: bytes) -> Iterator[bytes]:
    """Each log record of a request. What is no request comes as it is, for the parser to say why; an empty one gives nothing."""
    yield from taken_apart(request)[0]


def taken_apart(request: bytes) -> tuple[list[bytes], str | None]:
    """The log records of a request, and why it is none; then it comes whole. What is wrong inside a log record is not seen here."""
    records: list[bytes] = []
    left = len(request) * _GROWTH + _FREE
    try:
        for record in _json(request) if is_json(request) else _protobuf(request):
            records.append(record)
            left -= len(record)
            if left < 0:
                return [request], None
    except _TooLarge:
        return [request], None
    except InvalidInput as refusal:
        return [request], str(refusal)
    except (ValueError, IndexError, RecursionError):
        return [request], "the request is not valid JSON"
    return [request] if len(records) == 1 else records, None


class _TooLarge(InvalidInput):
    """Resource and scope are too large to be repeated with every log record."""


# --- Protobuf --------------------------------------------------------------------------------------------------------------------


def _protobuf(request: bytes) -> Iterator[bytes]:
    is_request = not request
    for number, _, value in wire.fields(request):
        if number != 1 or not isinstance(value, bytes):
            continue
        is_request = True
        parts = list(wire.fields(value))
        resource = b"".join(wire.message(1, one) for place, _, one in parts if place == 1 and isinstance(one, bytes))
        schema = b"".join(wire.message(3, one) for place, _, one in parts if place == 3 and isinstance(one, bytes))
        for place, _, scope_logs in parts:
            if place not in (2, 1000) or not isinstance(scope_logs, bytes):
                continue
            inner = list(wire.fields(scope_logs))
            scope = b"".join(wire.message(1, one) for at, _, one in inner if at == 1 and isinstance(one, bytes))
            if len(resource) + len(scope) + len(schema) > LARGEST_ORIGIN:
                raise _TooLarge
            for at, _, one in inner:
                if at == 2 and isinstance(one, bytes):
                    yield wire.message(1, resource + wire.message(place, scope + wire.message(2, one)) + schema)
    if not is_request:
        raise InvalidInput("the message is no OTLP request with logs")


# --- JSON ------------------------------------------------------------------------------------------------------------------------


def _json(request: bytes) -> Iterator[bytes]:
    text = request.decode().removeprefix("\ufeff")
    begin = skip_blank(text, 0)
    end = end_of_value(text, begin)  # what follows relies on the text being JSON
    if text[end:].strip(" \t\r\n"):
        raise InvalidInput("there is something behind the request")
    if text[begin] != "{":
        raise InvalidInput("the request is no object")
    top = _members(text, begin)
    named = [(start, end) for key, start, end in top if key in _RESOURCE_LOGS]
    if top and not named:
        raise InvalidInput("the record is no OTLP request with logs")
    for start, _ in named:
        for first, _ in _items(text, start):
            parts = _members(text, first)
            resource = _kept(text, parts, ("resource", "schemaUrl", "schema_url"))
            for key, at, _ in parts:
                if key not in _SCOPE_LOGS:
                    continue
                for second, _ in _items(text, at):
                    inner = _members(text, second)
                    scope = _kept(text, inner, (*_SCOPE, "schemaUrl", "schema_url"))
                    if len(resource) + len(scope) > LARGEST_ORIGIN:
                        raise _TooLarge
                    for name, place, _ in inner:
                        if name in _LOG_RECORDS:
                            for third, stop in _items(text, place):
                                one = f'{{"resourceLogs":[{{{resource}"{key}":[{{{scope}"{name}":[{text[third:stop]}]}}]}}]}}'
                                yield one.encode()


def _kept(text: str, members: list[tuple[str, int, int]], names: tuple[str, ...]) -> str:
    return "".join(f'"{key}":{text[start:end]},' for key, start, end in members if key in names)


def _members(text: str, at: int) -> list[tuple[str, int, int]]:
    """Key, start and end of each value of the object at `at`; nothing where there is no object."""
    return list(members(text, at)) if text[at] == "{" else []


def _items(text: str, at: int) -> list[tuple[int, int]]:
    """Start and end of each value of the array at `at`; an object where an array belongs is alone."""
    if text[at] == "[":
        return list(elements(text, at))
    return [(at, end_of_value(text, at))] if text[at] == "{" else []
