"""A report as PDF/UA-1 (ISO 14289-1) by typst: tagged, with headings, repeated header rows and page numbers.

The text goes in as data, never as markup. The same document gives the same bytes on every machine: fonts are those inside typst and
the clock is the report's. They cover Latin, Greek, Cyrillic and more, but not Chinese, Japanese or Korean; PDF/UA forbids a glyph
that is not there, so such a character is written as its code point, ⟨U+4E2D⟩, and the report says that it was.
"""

import re
from collections.abc import Callable, Sequence
from importlib.resources import files

import orjson
import typst

from dashboards.reports.document import Column, Document, Section, Shape
from dashboards.reports.wording import moment_utc

# What Libertinus Serif and DejaVu Sans Mono cover whole (tests/dashboards/test_reports_pdf.py prints every one of them).
_COVERED = (
    "\n\x20-\x7e\xa1-\xac\xae-\u017f\u0391-\u03a1\u03a3-\u03a9\u03b1-\u03c9\u0400-\u045f"
    "\u2010-\u2015\u2018-\u201e\u2026\u27e8\u27e9"
)
_NOT_COVERED = re.compile(f"[^{_COVERED}]")
_SPACES = re.compile(r"[\t\r\f\v\u00a0\u2000-\u200a\u202f]")
_MAY_BREAK = "\u200b"
_FEW = re.compile(r"[!-~]{4}(?=[!-~])")
_WIDEST = {Shape.TEXT: 20, Shape.CODE: 14}
"""Letters of a word that surely fit into a column."""

_REWRITTEN = "Characters that the fonts of this PDF lack are written as code points; the HTML, CSV and JSON forms show them."


def render_pdf(document: Document) -> bytes:
    """The PDF, all in memory. About 0.2 ms a table row, twice that where identifiers may have to break."""
    try:
        return _compile(document, _plain_spaces)
    except typst.TypstError as error:
        if "could not be displayed" not in error.diagnostic:
            raise
        return _compile(document, _code_points)


def _compile(document: Document, spell: Callable[[str], str]) -> bytes:
    template = (files("dashboards.reports") / "templates" / "report.typ").read_bytes()
    rewritten = spell is _code_points
    output = typst.compile(
        template,
        format="pdf",
        sys_inputs={"report": orjson.dumps(_content(document, spell, rewritten=rewritten)).decode()},
        pdf_standards=["ua-1"],
        timestamp=document.generated_at.replace(microsecond=0),  # typst refuses fractions of a second
        ignore_system_fonts=True,
    )
    assert isinstance(output, bytes)
    return output


def _content(document: Document, spell: Callable[[str], str], *, rewritten: bool) -> dict[str, object]:
    said = {
        "title": document.title,
        "subtitle": document.subtitle,
        "organisation": document.organisation,
        "asked": [[label, value] for label, value in document.asked.items()],
        "generated": moment_utc(document.generated_at),
        "zone": document.zone,
        "summary": list(document.summary),
        "figures": [{"value": figure.value, "label": figure.label, "alarming": figure.alarming} for figure in document.figures],
        "notes": [*document.notes, *([_REWRITTEN] if rewritten else [])],
        "heads": [[origin, f"{size:,}", root] for origin, size, root in document.ledger.heads],
        "note": document.ledger.note,
    }
    return {
        **{name: _spelled(value, spell) for name, value in said.items()},
        "sections": [_section(section, spell) for section in document.sections],
    }


def _section(section: Section, spell: Callable[[str], str]) -> dict[str, object]:
    table = section.table
    said = {
        "heading": section.heading,
        "sentences": list(section.sentences),
        "empty": section.empty,
        "caption": table.caption if table else "",
        "columns": [_column(column) for column in table.columns] if table else [],
    }
    widest = [_WIDEST.get(column.shape) for column in table.columns] if table else []
    rows = [[_breakable(spell(cell), wide) for cell, wide in zip(row, widest, strict=True)] for row in table.rows] if table else []
    return {**{name: _spelled(value, spell) for name, value in said.items()}, "rows": rows}


def _breakable(cell: str, wide: int | None) -> str:
    """The cell with places to break at in words that may be wider than their column: after an @ first, or else every few letters.

    Marked here and not found by the template, whose rules for text take longer than all the rest of a table.
    """
    if wide is None or len(cell) < wide:
        return cell
    return " ".join(word if len(word) < wide else _broken(word, wide) for word in cell.split(" "))


def _broken(word: str, wide: int) -> str:
    return f"@{_MAY_BREAK}".join(part if len(part) < wide else _FEW.sub(rf"\g<0>{_MAY_BREAK}", part) for part in word.split("@"))


def _column(column: Column) -> dict[str, object]:
    return {"title": column.title, "shape": column.shape.value, "share": column.share}


def _spelled(value: object, spell: Callable[[str], str]) -> object:
    """The same value with every text spelled so that it can be set."""
    if isinstance(value, str):
        return spell(value)
    if isinstance(value, dict):
        return {key: _spelled(item, spell) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_spelled(item, spell) for item in value]
    return value


def _plain_spaces(text: str) -> str:
    return _SPACES.sub(" ", text)


def _code_points(text: str) -> str:
    return _NOT_COVERED.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", _plain_spaces(text))
