"""Commands about the export for a regulator: export, verify-export."""

from pathlib import Path
from typing import Annotated

import typer

from domain.clock import system_clock
from domain.errors import InvalidInput
from domain.note import Verifier
from runtime.cli.options import DataDir, From, To, err, moment, out, settings


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(export)
    app.command("verify-export")(verify_export)


def export(
    out_file: Annotated[Path, typer.Option("--out", help="The .zip to write; it must not exist.")],
    purpose: Annotated[str, typer.Option("--purpose", help="Why it is made; it stands in the export and in the ledger.")],
    data_dir: DataDir = None,
    since: From = None,
    until: To = None,
    patient: Annotated[str | None, typer.Option("--patient", help="Only this patient's events.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this person or program did.")] = None,
    recipient: Annotated[str | None, typer.Option("--recipient", help="age key to encrypt to.")] = None,
    withhold: Annotated[bool, typer.Option("--withhold-private", help="Prove the events without their private parts.")] = False,
) -> None:
    """Write the audit export: events, proofs, checkpoint, reports. The export is itself an event in the ledger."""
    from dashboards.export_request import ExportRequest
    from dashboards.exports import export_bundle
    from runtime.node import open_node
    from runtime.product import build
    from runtime.self_audit import operator
    from store.events import EventFilter

    wanted = EventFilter(since=moment(since), until=moment(until, end=True), patient_id=patient, actor_id=actor)
    request = ExportRequest(wanted=wanted, purpose=purpose, by=operator(), with_private=not withhold, recipient=recipient)
    with open_node(settings(data_dir), system_clock) as node, err.status("writing the export"):
        product = build(node)
        given = export_bundle(product.export_desk(), request, out_file)
        product.close()
    out.print(f"{given.events:,} events in {given.path}")
    out.print(f"manifest SHA-256 {given.manifest_sha256}, committed to as spine entry {given.spine_seq}", soft_wrap=True)


def verify_export(
    file: Annotated[Path, typer.Argument(help="The export to check.")],
    trust: Annotated[Path | None, typer.Option("--trust", help="File with the verifier key you trust.")] = None,
) -> None:
    """Check an export with no store and no network. Exit 0 proven, 1 something fails, 2 could not tell."""
    from dashboards.export_check import verify_bundle

    verifier = None
    if trust is not None:
        try:
            verifier = Verifier.parse(trust.read_text(encoding="utf-8"))
        except OSError as error:
            raise InvalidInput(f"{trust} cannot be read ({error.strerror})") from None
    verdict = verify_bundle(file, verifier)
    out.print(f"export:  {verdict.state}")
    out.print(f"         {verdict.events:,} events checked, spine of {verdict.spine_size:,} entries")
    for problem in verdict.problems:
        place = problem.file if problem.line is None else f"{problem.file} line {problem.line}"
        out.print(f"  ✗ {place}: {problem.what}", soft_wrap=True, markup=False)
    if verdict.key:
        whose = "which you trust" if verdict.is_trusted else "which came with the export: compare it with one you got elsewhere"
        out.print(f"key:     {verdict.key}, {whose}", soft_wrap=True)
    raise typer.Exit(verdict.exit_code)
