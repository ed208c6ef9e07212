"""The samples in `docs/collectors.md` are understood, and every format has its section."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.event import AuditEvent
from ingest.parsers import FORMATS, parser_for, split_records

PAGE = (Path(__file__).parents[3] / "docs" / "collectors.md").read_text()
SAMPLES = dict(re.findall(r"^```([a-z-]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_has_a_section_with_a_sample_that_is_understood(format: str) -> None:  # noqa: A002
    assert f"\n## {format}\n" in PAGE
    parser = parser_for(format, source_system="docs", received=lambda: datetime(2026, 3, 2, 12, tzinfo=UTC))

    parsed = [
        one
        for record in split_records(format, [SAMPLES[format].encode()])
        if isinstance(record, bytes)
        for one in parser.parse(record)
    ]

    assert parsed
    assert all(isinstance(one, AuditEvent) for one in parsed)


def test_the_postfix_sample_shows_a_delivery_with_sender_and_session() -> None:
    parser = parser_for("postfix", source_system="docs", received=lambda: datetime(2026, 3, 2, 12, tzinfo=UTC))

    *_, delivery = [one for line in SAMPLES["postfix"].splitlines() for one in parser.parse(line.encode())]

    assert isinstance(delivery, AuditEvent)
    assert {"from", "tls", "message_id", "to_domain"} <= delivery.details.keys()
