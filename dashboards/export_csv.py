"""events.csv: the entries of an export as rows for a spreadsheet, a whole portion at a time (RFC 4180, UTF-8).

The rules are those of the reports (`dashboards.reports.as_csv`): text that a spreadsheet would run as a formula gets an apostrophe
in front (CWE-1236), and a zero character, at which some readers stop, becomes U+FFFD.
"""

from io import BytesIO

import polars as pl

CSV_FIELDS = (
    "writer", "seq", "time", "received", "source", "source_system", "event_id", "action", "outcome", "actor_id", "actor_kind",
    "patient_id", "device_id", "device_kind", "ip", "details", "format", "leaf",
)  # fmt: skip

CSV_HEADER = (",".join(CSV_FIELDS) + "\r\n").encode()

_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"


def csv_rows(rows: pl.DataFrame) -> bytes:
    """The rows as CSV, without a header; the frame has at least the columns of `CSV_FIELDS`."""
    texts = pl.col(pl.String).str.replace_all("\x00", "\N{REPLACEMENT CHARACTER}", literal=True)
    safe = pl.when(pl.col(pl.String).str.contains(_FORMULA)).then("'" + pl.col(pl.String)).otherwise(pl.col(pl.String))
    frame = rows.select(CSV_FIELDS).with_columns(texts).with_columns(safe.name.keep())
    written = BytesIO()
    frame.write_csv(written, include_header=False, line_terminator="\r\n", quote_style="necessary")
    return written.getvalue()
