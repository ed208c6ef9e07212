"""Webhook bodies read in tests, as the hooks and the file reader read them."""

import json
from datetime import UTC, datetime

from domain.event import AuditEvent
from domain.record import Parsed
from ingest.parsers.records import MAX_RECORD, Feed
from ingest.parsers.webhook_formats import WEBHOOK_PARSERS
from ingest.parsers.webhook_records import WEBHOOK_SPLITTERS

RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)


def records(provider: str, *chunks: bytes, limit: int = MAX_RECORD) -> list[bytes]:
    """The records of a body; one that is too long fails the test."""
    found: list[bytes] = []
    for record in WEBHOOK_SPLITTERS[provider](Feed(chunks), limit):
        assert isinstance(record, bytes)
        found.append(record)
    return found


def parse(provider: str, record: bytes | object) -> list[Parsed]:
    """What comes of one record."""
    body = record if isinstance(record, bytes) else json.dumps(record).encode()
    return WEBHOOK_PARSERS[provider]("post", received=lambda: RECEIVED).parse(body)


def events(provider: str, record: bytes | object) -> list[AuditEvent]:
    """The events of one record, which has to be understood."""
    parsed = parse(provider, record)
    found = [one for one in parsed if isinstance(one, AuditEvent)]
    assert len(found) == len(parsed), parsed
    return found


def event(provider: str, record: bytes | object) -> AuditEvent:
    """The one event of a record."""
    (one,) = events(provider, record)
    return one
