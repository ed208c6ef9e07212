"""Commands that write documents for people: report."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from domain.clock import system_clock
from domain.errors import InvalidInput
from runtime.cli.options import DataDir, From, To, err, moment, settings

_NAMES = "patient-access, insecure-deliveries, tls-ledger, baa-register, consent-register, domain-posture or log-source-coverage."


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(report)


def report(
    name: Annotated[str, typer.Argument(help=_NAMES)],
    out_file: Annotated[Path, typer.Option("--out", help="File to write; the suffix chooses .html .pdf .csv .json.")],
    data_dir: DataDir = None,
    since: From = None,
    until: To = None,
    patient: Annotated[str | None, typer.Option("--patient", help="Whose record.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this person or program did.")] = None,
) -> None:
    """Write a report. That it was asked for is itself an event in the ledger."""
    from dashboards.reports import ReportParams
    from runtime.node import open_node
    from runtime.product import build
    from runtime.self_audit import operator, own_event

    form = out_file.suffix.removeprefix(".").lower()
    if not form:
        raise InvalidInput("--out needs a suffix that says the format: .html .pdf .csv or .json")
    with open_node(settings(data_dir), system_clock) as node, err.status("writing the report"):
        product = build(node)
        params = ReportParams(
            since=moment(since) or datetime(1990, 1, 1, tzinfo=UTC),
            until=moment(until, end=True) or system_clock() + timedelta(days=1),
            patient_id=patient,
            actor_id=actor,
            by=operator(),
        )
        chunks = product.reports().chunks(name, params, form)
        details = {"report": name, "format": form}
        node.ledger.append([own_event("report_run", now=system_clock(), details=details, patient_id=patient)])
        with out_file.open("wb") as written:
            size = sum(written.write(chunk) for chunk in chunks)
        product.close()
    err.print(f"wrote {out_file} ({size:,} bytes)")
