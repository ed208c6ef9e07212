"""Commands about what comes in: ingest, quarantine, context, sources."""

import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn
from rich.table import Table

from domain.clock import system_clock
from ingest.files import STANDARD_INPUT, IngestSummary, UnreadableInput, ingest_files, mapping_beside, mapping_in
from ingest.parsers import FORMATS, parser_for
from ingest.replay import quarantine_parser, replay
from runtime.cli import sources as source_commands
from runtime.cli.options import AsJson, DataDir, err, out, settings
from runtime.node import open_base, open_node
from store.quarantine import Quarantine

Format = Annotated[str, typer.Option("--format", help=f"One of {', '.join(sorted(FORMATS))}.")]
Mapping = Annotated[
    Path | None,
    typer.Option("--mapping", help="TOML file that says what the fields mean; by default one that lies beside the data."),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(ingest)
    quarantine = typer.Typer(help="Records that could not be understood: kept whole, with the reason.", no_args_is_help=True)
    quarantine.command("list")(quarantine_list)
    quarantine.command("show")(quarantine_show)
    quarantine.command("replay")(quarantine_replay)
    app.add_typer(quarantine, name="quarantine")
    context = typer.Typer(help="Reference data: staff, patients, encounters and the rest.", no_args_is_help=True)
    context.command("load")(context_load)
    app.add_typer(context, name="context")
    sources = typer.Typer(help="Try a feed before connecting it.", no_args_is_help=True)
    sources.command("test")(sources_test)
    source_commands.join(sources)
    app.add_typer(sources, name="sources")


def ingest(
    files: Annotated[list[Path], typer.Argument(help="Files to read; - is standard input; .gz and .zst are unpacked.")],
    format: Format,  # noqa: A002 - the option's name
    source_system: Annotated[str, typer.Option("--source-system", help="Name of the system the records come from.")],
    data_dir: DataDir = None,
    mapping: Mapping = None,
) -> None:
    """Read files through the same path as the live collectors. Exit 3 when a record was quarantined."""
    total = sum(path.stat().st_size for path in files if path != STANDARD_INPUT and path.is_file())
    bar = Progress(
        TextColumn("reading"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn(),
        console=err, disable=not sys.stderr.isatty(), transient=True,
    )  # fmt: skip
    with open_node(settings(data_dir), system_clock) as node, bar:
        task = bar.add_task("reading", total=total or None)
        try:
            summary = ingest_files(
                files,
                format=format,
                source_system=source_system,
                intake=node.intake,
                clock=system_clock,
                mapping=None if mapping is None else mapping_in(mapping, format),
                progress=lambda size: bar.advance(task, size),
            )
        except UnreadableInput as trouble:
            _print_summary(trouble.summary)
            raise
    _print_summary(summary)
    raise typer.Exit(3 if summary.counts.quarantined else 0)


def _print_summary(summary: IngestSummary) -> None:
    counts = summary.counts
    line = {
        "read": counts.read,
        "accepted": counts.accepted,
        "duplicate": counts.duplicate,
        "quarantined": counts.quarantined,
        "head": {"writer": summary.head.writer, "seq": summary.head.seq},
    }
    print(json.dumps(line))


def quarantine_list(data_dir: DataDir = None, limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100) -> None:
    """List the newest quarantined records, without their content."""
    with open_base(settings(data_dir), system_clock) as base:
        entries = Quarantine(base.engine, system_clock).newest(limit=limit)
    table = Table("id", "received", "source", "format", "bytes", "reason", "state", box=None)
    for entry in entries:
        state = "waiting" if entry.is_pending else "replayed"
        received = f"{entry.received:%Y-%m-%d %H:%M:%S}Z"
        table.add_row(entry.quarantine_id, received, entry.source_system, entry.format, str(entry.size), entry.reason, state)
    out.print(table if entries else "nothing is in quarantine")


def quarantine_show(
    record: Annotated[str, typer.Argument(metavar="ID", help="Id of the quarantined record.")], data_dir: DataDir = None
) -> None:
    """Write one quarantined record, byte for byte, to standard output; the reason goes to standard error."""
    with open_base(settings(data_dir), system_clock) as base:
        found = Quarantine(base.engine, system_clock).show(record)
    err.print(f"{found.entry.source_system} · {found.entry.format} · {found.entry.reason}", soft_wrap=True)
    sys.stdout.buffer.write(found.raw)


def quarantine_replay(data_dir: DataDir = None, mapping: Mapping = None) -> None:
    """Try every waiting record again; what is understood now goes to the ledger."""
    told = None if mapping is None else mapping_in(mapping)
    with open_node(settings(data_dir), system_clock) as node:
        counts = replay(node.quarantine, node.intake, partial(quarantine_parser, mapping=told))
    line = {"read": counts.read, "accepted": counts.accepted, "duplicate": counts.duplicate, "remaining": counts.remaining}
    print(json.dumps(line))


def context_load(
    directory: Annotated[Path, typer.Argument(help="Folder with org.json and the JSON Lines files.")], data_dir: DataDir = None
) -> None:
    """Load reference data, versioned by load time; prints how many records each file brought."""
    from analytics.context import load_context
    from store.context import ContextStore

    with open_base(settings(data_dir), system_clock) as base:
        loaded = load_context(directory, ContextStore(base.engine), system_clock())
    print(json.dumps({name: asdict(counts) for name, counts in loaded.items()}))


def sources_test(
    file: Annotated[Path, typer.Argument(help="A file of records as the source sends them.")],
    format: Format,  # noqa: A002 - the option's name
    as_json: AsJson = False,
    mapping: Mapping = None,
) -> None:
    """Show how each record of a file would be understood. Nothing is stored."""
    from runtime.sources import understood

    told = mapping_beside(file, format) if mapping is None else mapping_in(mapping, format)
    parser = parser_for(format, source_system="test", received=system_clock, mapping=told)
    for record in understood(file, parser):
        if as_json:
            print(json.dumps(record, ensure_ascii=False))
            continue
        out.print(f"[bold]{record['n']}[/] {record['status']} {record['reason'] or ''}", soft_wrap=True)
        events = record["events"]
        for event in events if isinstance(events, list) else []:
            for name, value in event.items():
                out.print(
                    f"    {name:<14} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}", markup=False
                )
