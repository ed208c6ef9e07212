"""Commands about how long things are kept: retention plan, run, hold, release, holds."""

from typing import Annotated

import typer
from rich.table import Table

from domain.clock import system_clock
from retention.disposal import Authority
from retention.holds import HoldRequest
from retention.policy import Decision
from runtime.cli import redacting
from runtime.cli.options import DataDir, err, out, settings
from store.retention import HoldScope

_COLOURS = {Decision.DUE: "yellow", Decision.HELD: "cyan", Decision.KEEP: "green"}

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the hold.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    retention = typer.Typer(help="Six years, holds, and disposal with proof.", no_args_is_help=True)
    retention.command("plan")(plan)
    retention.command("run")(run)
    retention.command("hold")(hold)
    retention.command("release")(release)
    retention.command("holds")(holds)
    redacting.register(retention)
    app.add_typer(retention, name="retention")


def plan(data_dir: DataDir = None) -> None:
    """Show month by month what is kept, held or due, and why. Changes nothing."""
    from runtime.node import open_node
    from runtime.product import build

    with open_node(settings(data_dir), system_clock) as node:
        items = build(node).disposal.plan()
    table = Table("month", "decision", "due on", "why", box=None)
    for item in items:
        colour = _COLOURS[item.decision]
        table.add_row(f"{item.epoch // 100}-{item.epoch % 100:02d}", f"[{colour}]{item.decision}[/]", str(item.due_on), item.reason)
    out.print(table if items else "the ledger is empty: there is nothing to keep or dispose of")


def run(
    data_dir: DataDir = None,
    approver: Annotated[list[str] | None, typer.Option("--approver", help="Who approved; none, or two different people.")] = None,
) -> None:
    """Archive, prove and drop every month that is due and not held."""
    from runtime.node import open_node
    from runtime.product import build
    from runtime.self_audit import operator

    with open_node(settings(data_dir), system_clock) as node, err.status("archiving and checking"):
        outcomes = build(node).disposal.run(Authority(run_by=operator(), approvers=tuple(approver or ())))
    for outcome in outcomes:
        month = f"{outcome.epoch // 100}-{outcome.epoch % 100:02d}"
        out.print(f"{month}: {outcome.result}, {outcome.entries:,} entries, {outcome.archive} {outcome.reason}", soft_wrap=True)
    if not outcomes:
        out.print("nothing is due")


def hold(
    reason: Reason,
    data_dir: DataDir = None,
    patient: Annotated[str | None, typer.Option("--patient", help="Hold every month with events of this patient.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Hold every month with events of this actor.")] = None,
    months: Annotated[str | None, typer.Option("--months", help="Hold months, for example 2026-01..2026-03.")] = None,
) -> None:
    """Place a legal hold; without a scope it holds everything."""
    from runtime.node import open_node
    from runtime.product import build
    from runtime.self_audit import operator

    first, last = _months(months)
    request = HoldRequest(
        scope=_scope(patient, actor, months),
        reason=reason,
        by=operator(),
        subject=patient or actor or "",
        first_epoch=first,
        last_epoch=last,
    )
    with open_node(settings(data_dir), system_clock) as node:
        placed = build(node).holds.hold(request)
    out.print(f"hold {placed.hold_id} is in force")


def release(
    hold_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the hold.")], reason: Reason, data_dir: DataDir = None
) -> None:
    """Release a legal hold."""
    from runtime.node import open_node
    from runtime.product import build
    from runtime.self_audit import operator

    with open_node(settings(data_dir), system_clock) as node:
        build(node).holds.release(hold_id, by=operator(), reason=reason)
    out.print(f"hold {hold_id} is released")


def holds(data_dir: DataDir = None) -> None:
    """List every hold ever placed, with its release where there was one."""
    from runtime.node import open_node
    from runtime.product import build

    with open_node(settings(data_dir), system_clock) as node:
        found = build(node).holds.holds()
    table = Table("id", "scope", "placed", "by", "reason", "released", box=None)
    for item in found:
        released = f"{item.released_at:%Y-%m-%d} by {item.released_by}" if item.released_at else "in force"
        table.add_row(item.hold_id, item.scope.value, f"{item.placed_at:%Y-%m-%d}", item.placed_by, item.reason, released)
    out.print(table if found else "no hold was ever placed")


def _scope(patient: str | None, actor: str | None, months: str | None) -> HoldScope:
    chosen = [
        scope for scope, value in ((HoldScope.PATIENT, patient), (HoldScope.ACTOR, actor), (HoldScope.MONTHS, months)) if value
    ]
    if len(chosen) > 1:
        raise typer.BadParameter("choose one of --patient, --actor and --months")
    return chosen[0] if chosen else HoldScope.ALL


def _months(text: str | None) -> tuple[int, int]:
    """`2026-01..2026-03` or one month as first and last YYYYMM; (0, 0) for none."""
    if text is None:
        return 0, 0
    first, _, last = text.partition("..")
    try:
        return int(first.replace("-", "")), int((last or first).replace("-", ""))
    except ValueError:
        raise typer.BadParameter("--months takes 2026-01 or 2026-01..2026-03") from None
