"""Commands about learned explanations: what was learned, and what people approve of it."""

import json
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from domain.clock import rfc3339, system_clock
from domain.errors import InvalidInput
from runtime.cli.options import AsJson, DataDir, moment, out, settings

if TYPE_CHECKING:
    from store.learned_reasons import Decision

Id = Annotated[str, typer.Argument(help="Which one, by its id in the list.")]
Reason = Annotated[str, typer.Option("--reason", help="Why. No patient data.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    explanations = typer.Typer(help="Explanations learned from history, for people to approve.", no_args_is_help=True)
    explanations.command("list")(list_learned)
    explanations.command("approve")(approve)
    explanations.command("withdraw")(withdraw)
    app.add_typer(explanations, name="explanations")


def list_learned(
    data_dir: DataDir = None,
    day: Annotated[str | None, typer.Option("--day", help="As they were used on this local day; without it, the newest.")] = None,
    as_json: AsJson = False,
) -> None:
    """List whose people usually open charts of which patients, how often that was so, and whether somebody approved it."""
    from analytics.relationships.learned import said
    from runtime.node import open_base
    from store.learned_reasons import LearnedReasons

    with open_base(settings(data_dir), system_clock) as base:
        store = LearnedReasons(base.engine)
        wanted = _day(day) if day else store.newest()
        found = store.of_day(wanted).to_dicts() if wanted else []
        decided = {row["reason_id"]: row for row in store.decided_before(moment(day, end=True) or system_clock()).to_dicts()}
    rows = [
        {
            "id": row["reason_id"],
            "explanation": said(row["department"], row["care"], row["place"]),
            "people": row["people"],
            "charts": row["charts"],
            "of_charts": row["of_charts"],
            "days": row["days"],
            "learned_from": row["window_from"].isoformat(),
            "learned_to": row["window_to"].isoformat(),
            "version": row["version"],
            "decision": decided[row["reason_id"]]["decision"] if row["reason_id"] in decided else None,
            "decided_by": decided[row["reason_id"]]["account"] if row["reason_id"] in decided else None,
        }
        for row in found
    ]
    if as_json:
        print(json.dumps({"day": wanted.isoformat() if wanted else None, "explanations": rows}))
        return
    table = Table("id", "explanation", "people", "charts", "of", "days", "decision", box=None)
    for row in rows:
        cells = (row["people"], row["charts"], row["of_charts"], row["days"], row["decision"] or "not yet approved")
        table.add_row(row["id"], row["explanation"], *map(str, cells))
    out.print(table if rows else "nothing was learned yet: it takes some days of history that are analysed")


def approve(explanation: Id, reason: Reason, data_dir: DataDir = None) -> None:
    """Let a learned explanation count as a reason from today's accesses on; you are named in the ledger."""
    from store.learned_reasons import Decision

    _decide(explanation, Decision.APPROVED, reason, data_dir)


def withdraw(explanation: Id, reason: Reason, data_dir: DataDir = None) -> None:
    """Withdraw an approval: the explanation is weak again from today's accesses on; you are named in the ledger."""
    from store.learned_reasons import Decision

    _decide(explanation, Decision.WITHDRAWN, reason, data_dir)


def _decide(explanation: str, decision: "Decision", reason: str, data_dir: DataDir) -> None:
    from runtime.node import open_node
    from runtime.self_audit import operator
    from store.learned_reasons import LearnedReasonBook

    at = system_clock()
    with open_node(settings(data_dir), system_clock) as node:
        LearnedReasonBook(node.base.engine, node.ledger.append).decide(explanation, decision, by=operator(), note=reason, at=at)
    out.print(f"{decision.value}: {explanation}, from {rfc3339(at)}", soft_wrap=True)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no day, as in 2026-03-02") from None
