"""Commands about the export for a regulator: export, verify-export."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from domain.clock import system_clock
from domain.errors import InvalidInput
from domain.keyring import KeyRing
from domain.witness_policy import WitnessPolicy
from runtime.cli.options import DataDir, From, To, err, moment, out, settings

_MOST = 16 << 20
"""Bytes of a key list, policy, checkpoint or answer that are read."""


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
    recipient: Annotated[str | None, typer.Option("--recipient", help="age key of the one reader to encrypt to.")] = None,
    withhold: Annotated[bool, typer.Option("--withhold-private", help="Prove the events without their private parts.")] = False,
    older: Annotated[
        Path | None, typer.Option("--since", help="An older checkpoint that the reader holds: the export continues it.")
    ] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="Witness policy to go with it, instead of the node's.")] = None,
) -> None:
    """Write the audit export: events, proofs, checkpoint, reports. The export is itself an event in the ledger."""
    from dashboards.export_request import ExportRequest
    from dashboards.exports import export_bundle
    from runtime.node import open_node
    from runtime.product import build
    from runtime.self_audit import operator
    from store.events import EventFilter

    request = ExportRequest(
        wanted=EventFilter(since=moment(since), until=moment(until, end=True), patient_id=patient, actor_id=actor),
        purpose=purpose,
        by=operator(),
        with_private=not withhold,
        recipient=recipient,
        since_checkpoint=None if older is None else _text(older),
    )
    witnesses = None if policy is None else WitnessPolicy.parse(_text(policy))
    with open_node(settings(data_dir), system_clock) as node, err.status("writing the export"):
        product = build(node)
        desk = product.export_desk()
        given = export_bundle(desk if witnesses is None else replace(desk, policy=witnesses), request, out_file)
        product.close()
    out.print(f"{given.events:,} events in {given.path}")
    out.print(f"manifest SHA-256 {given.manifest_sha256}, committed to as spine entry {given.spine_seq}", soft_wrap=True)


def verify_export(
    file: Annotated[Path, typer.Argument(help="The export to check.")],
    trust: Annotated[Path | None, typer.Option("--trust", help="File with the ledger's keys that you trust.")] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="Witness policy that you trust.")] = None,
    older: Annotated[Path | None, typer.Option("--since", help="An older checkpoint of the ledger that you kept.")] = None,
    consistency: Annotated[
        Path | None, typer.Option("--consistency", help="The ledger's answer of /v1/consistency about that checkpoint.")
    ] = None,
) -> None:
    """Check an export with no store and no network. Exit 0 nothing failed, 1 something did, 2 it is no export."""
    from dashboards.export_check import CANNOT, CLAIMS, verify_bundle

    verdict = verify_bundle(
        file,
        trust=None if trust is None else KeyRing.parse(_text(trust)),
        policy=None if policy is None else WitnessPolicy.parse(_text(policy)),
        since=None if older is None else _text(older),
        consistency=None if consistency is None else _read(consistency),
    )
    if verdict.unreadable:
        raise InvalidInput(f"{file}: {verdict.unreadable}")
    made = f"Export {verdict.export_id}, made {verdict.made_at} by {verdict.made_by}, for: {verdict.purpose}\n"
    out.print(made, soft_wrap=True, markup=False)
    for name, claim in verdict.claims.items():
        out.print(f"{claim.state:<12}{CLAIMS[name]}", soft_wrap=True, markup=False)
        for why in claim.why:
            out.print(f"{'':<14}{why}", soft_wrap=True, markup=False)
    out.print(f"\n{CANNOT}", soft_wrap=True, markup=False)
    raise typer.Exit(verdict.exit_code)


def _text(path: Path) -> str:
    """A small text file of the caller's own. Raises InvalidInput."""
    try:
        return _read(path).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is no UTF-8 text") from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror})") from None
