"""Every format has a section in `docs/collectors.md` or a page of its own there, with a sample that is understood."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.event import AuditEvent
from domain.record import Parsed
from ingest.parsers import FORMATS, parser_for, split_records

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "collectors.md").read_text()
OWN_PAGES = sorted(path.stem for path in (DOCS / "formats").glob("*.md"))
_SAMPLE = re.compile(r"^```([a-z0-9-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def samples(format: str) -> list[str]:  # noqa: A002
    """The samples of a format; a page may have several, of which some need a mapping file."""
    page = (DOCS / "formats" / f"{format}.md").read_text() if format in OWN_PAGES else PAGE
    return [text for name, text in _SAMPLE.findall(page) if name == format]


def understood(format: str, sample: str) -> list[Parsed]:  # noqa: A002
    parser = parser_for(format, source_system="docs", received=lambda: datetime(2026, 3, 2, 12, tzinfo=UTC))
    records = [record for record in split_records(format, [sample.encode()]) if isinstance(record, bytes)]
    return [one for record in records for one in parser.parse(record)]


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_is_on_the_page_with_a_sample_that_is_understood(format: str) -> None:  # noqa: A002
    assert f"[`{format}`](formats/{format}.md)" in PAGE or f"\n## {format}\n" in PAGE
    read = [understood(format, sample) for sample in samples(format)]

    assert any(parsed and all(isinstance(one, AuditEvent) for one in parsed) for parsed in read)


def test_the_page_names_no_format_that_is_not_there() -> None:
    assert set(OWN_PAGES) <= set(FORMATS)


def test_the_postfix_sample_shows_a_delivery_with_sender_and_session() -> None:
    *_, delivery = understood("postfix", samples("postfix")[0])

    assert isinstance(delivery, AuditEvent)
    assert {"from", "tls", "message_id", "to_domain"} <= delivery.details.keys()
