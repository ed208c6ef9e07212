"""A report as one HTML file that stands alone: no script, nothing loaded from anywhere, made for the screen and for paper."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from dashboards.reports.document import Document, Shape, Table
from dashboards.reports.wording import moment_utc

_ENVIRONMENT = Environment(
    loader=PackageLoader("dashboards.reports", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render_html(document: Document) -> bytes:
    """The whole report, with styles inside. Every value is escaped; a table has a caption and column headers with scope."""
    template = _ENVIRONMENT.get_template("report.html.j2")
    moment = moment_utc(document.generated_at)
    return template.render(report=document, Shape=Shape, widths=_text_shares, generated=moment).encode()


def _text_shares(table: Table) -> int:
    """The shares of all running text together, with some left for the columns of fixed width."""
    fixed = sum(column.shape is not Shape.TEXT for column in table.columns)
    return fixed + sum(column.share for column in table.columns if column.shape is Shape.TEXT)
