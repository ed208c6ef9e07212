"""The records inside the answers of Google's list APIs: `{"items": […]}`, `{"entries": […]}`, each in the bytes it came in."""

from collections.abc import Iterator

from ingest.parsers.json_records import json_records
from ingest.parsers.json_walk import unwrapped
from ingest.parsers.records import Feed, Oversize

_ENVELOPES = frozenset({"items", "entries"})


def google_reports_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """Activities of the Reports API and entries of Cloud Logging, out of their lists or one by one."""
    return unwrapped(json_records(feed, limit), _ENVELOPES)
