"""Reports on paper: tagged, numbered, with every character either set or spelled out."""

import re
from datetime import UTC, datetime

import pytest
import typst

from dashboards.reports.as_pdf import _COVERED, _code_points, _compile, _plain_spaces, render_pdf
from dashboards.reports.document import Column, Dataset, Document, Figure, LedgerState, Section, Shape, Table


def document(words: str = "words", rows: int = 3) -> Document:
    columns = (Column(title="When", shape=Shape.TIME), Column(title="What"), Column(title="N", shape=Shape.NUMBER))
    table = Table(caption="Rows", columns=columns, rows=[["2026-03-08 01:30:00 CST", words, "1"]] * rows)
    return Document(
        name="test",
        title="Test report",
        subtitle="Of nothing",
        organisation="Lakeside Clinic",
        asked={"Patient": words},
        generated_at=datetime(2026, 4, 2, 9, 0, 0, 123456, tzinfo=UTC),
        zone="America/Chicago",
        summary=[words],
        figures=[Figure(value="3", label=words)],
        sections=[Section(heading="Rows", table=table), Section(heading="None", empty="Nothing to see.")],
        data=Dataset(fields=(), rows=()),
        notes=[words],
        ledger=LedgerState(
            heads=[("log.example/main/2026-03", 9, "ab" * 32)], note="log.example/spine\n1\nAAAA\n\n— log.example/spine x=\n"
        ),
    )


def test_it_is_tagged_titled_and_in_a_language() -> None:
    pdf = render_pdf(document())

    assert re.search(rb"/MarkInfo\s*<<[^>]*/Marked true", pdf)
    assert b"<pdfuaid:part>1</pdfuaid:part>" in pdf
    assert b"Test report" in pdf
    assert re.search(rb"/Lang\s*\(en", pdf)
    for tag in (b"/H1", b"/TH", b"/TD", b"/Table"):
        assert tag in pdf


def test_a_long_table_goes_over_pages() -> None:
    def pages(pdf: bytes) -> int:
        return len(re.findall(rb"/Type\s*/Page\b", pdf))

    assert pages(render_pdf(document(rows=3))) <= 2
    assert pages(render_pdf(document(rows=100))) > 4


@pytest.mark.parametrize(
    "words",
    [
        "病历 カルテ 의무기록",
        "سجل المريض",
        "\x00\x07\x1b[31m",
        "a\u200b\u202eb\ufeff",
        "😀 \ud83d",
        "#let x = 1 $y$ *z* `q` @ref <label>",
        "x" * 3000,
    ],
    ids=["cjk", "arabic", "control", "invisible", "surrogate", "markup", "endless"],
)
def test_any_text_can_be_set(words: str) -> None:
    assert render_pdf(document(words.encode("utf-8", "replace").decode())).startswith(b"%PDF-1.7")


def test_every_character_called_covered_is() -> None:
    covered = "".join(chr(code) for code in range(0x20, 0x2800) if re.match(f"[{_COVERED}]", chr(code)))

    assert len(covered) > 400
    assert _compile(document(covered), _plain_spaces).startswith(b"%PDF-1.7")
    with pytest.raises(typst.TypstError):
        _compile(document(f"{covered}病"), _plain_spaces)
    assert _code_points("P-1 病") == "P-1 ⟨U+75C5⟩"
