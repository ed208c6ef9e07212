"""Commands about what is held back: list, add, lift, held."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from domain.clock import rfc3339, system_clock
from runtime.cli.options import AsJson, DataDir, moment, out, settings

if TYPE_CHECKING:
    from domain.json import Json
    from domain.suppression import Suppression

Name = Annotated[str, typer.Argument(help="The id of the suppression, as `phitrail suppressions list` shows it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why. It is kept with the suppression and not in the ledger.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(help="Findings that shall open no alert for a while.", no_args_is_help=True)
    group.command("list")(suppressions_list)
    group.command("add")(suppressions_add)
    group.command("lift")(suppressions_lift)
    group.command("held")(suppressions_held)
    app.add_typer(group, name="suppressions")


def suppressions_list(
    data_dir: DataDir = None,
    everything: Annotated[bool, typer.Option("--history", help="Also what has expired or was lifted.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what is held back: by whom, why, until when, and how many findings that concerned."""
    from dashboards.suppression_pages import suppression_json
    from runtime.node import open_base
    from store.suppressions import Suppressions

    now = system_clock()
    with open_base(settings(data_dir), system_clock) as base:
        known = Suppressions(base.engine)
        counts = known.counts()
        found = [one for one in known.all() if everything or one.ends > now]
    if as_json:
        shown = [suppression_json(one, counts.get(one.suppression_id, 0), now) for one in found]
        print(json.dumps({"suppressions": shown}))
        return
    table = Table(Column("id", no_wrap=True), "kind", "of", "set by", Column("ends", no_wrap=True), "held", "why", box=None)
    for one in found:
        table.add_row(
            one.suppression_id,
            one.kind,
            _of(one),
            one.by,
            rfc3339(one.ends)[:16] + "Z" + ("\n(lifted)" if one.lifted_at else ""),
            str(counts.get(one.suppression_id, 0)),
            one.reason,
        )
    out.print(table if found else "nothing is held back")


def suppressions_add(
    kind: Annotated[str, typer.Argument(help="The kind of finding, such as unusual_access.")],
    until: Annotated[str, typer.Option("--until", help="Holds to this day (inclusive) or moment; at most 366 days from now.")],
    reason: Reason,
    data_dir: DataDir = None,
    actor: Annotated[str, typer.Option("--actor", help="Only of this actor.")] = "",
    patient: Annotated[str, typer.Option("--patient", help="Only about this patient.")] = "",
    to_domain: Annotated[str, typer.Option("--to-domain", help="Only of mail to exactly this domain.")] = "",
    source_system: Annotated[str, typer.Option("--source", help="Only about this source system.")] = "",
    rule: Annotated[str, typer.Option("--rule", help="Only of the rule with this id.")] = "",
) -> None:
    """Hold findings back from now on; at least one narrowing is needed, all given must fit. You are named in the ledger."""
    import secrets

    from domain.errors import InvalidInput
    from runtime.node import open_node
    from runtime.self_audit import operator
    from store.suppressions import SuppressionBook

    ends = moment(until, end=True)
    if ends is None:
        raise InvalidInput("say until when findings are held back")
    narrowings = {
        "actor_id": actor,
        "patient_id": patient,
        "to_domain": to_domain,
        "source_system": source_system,
        "rule_id": rule,
    }
    with open_node(settings(data_dir), system_clock) as node:
        book = SuppressionBook(node.base.engine, node.ledger.append, lambda: secrets.token_urlsafe(32))
        one = book.set(kind, narrowings, by=operator(), reason=reason, at=system_clock(), until=ends)
    out.print(f"held back as {one.suppression_id}: {one.kind} of {_of(one)}, until {rfc3339(one.until)}", soft_wrap=True)


def suppressions_lift(name: Name, reason: Reason, data_dir: DataDir = None) -> None:
    """End a suppression now; what it held back stays held. You are named in the ledger."""
    import secrets

    from runtime.node import open_node
    from runtime.self_audit import operator
    from store.suppressions import SuppressionBook

    with open_node(settings(data_dir), system_clock) as node:
        book = SuppressionBook(node.base.engine, node.ledger.append, lambda: secrets.token_urlsafe(32))
        one = book.lift(name, by=operator(), reason=reason, at=system_clock())
    out.print(f"lifted: {one.kind} of {_of(one)}, from {rfc3339(one.ends)}", soft_wrap=True)


def suppressions_held(
    name: Name, data_dir: DataDir = None, limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 100
) -> None:
    """Print the findings that a suppression held back as JSON Lines, newest first."""
    from dashboards.suppression_pages import held_json
    from runtime.node import open_node
    from runtime.self_audit import own_event
    from store.suppressions import Suppressions

    with open_node(settings(data_dir), system_clock) as node:
        known = Suppressions(node.base.engine)
        one, found = known.get(name), known.held(name, limit=limit)
        details: dict[str, Json] = {"route": "suppressions held", "rows": len(found)}
        node.ledger.append([own_event("audit_read", now=system_clock(), details=details, patient_id=one.patient_id or None)])
        for finding in found:
            print(json.dumps(held_json(finding)))


def _of(one: "Suppression") -> str:
    return ", ".join(f"{name} {value}" for name, value in one.narrowings.items())
