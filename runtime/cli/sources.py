"""Commands about sources: how they do, which systems are covered, gaps, and what people say about them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from domain.clock import rfc3339, system_clock
from runtime.cli.options import AsJson, DataDir, moment, out, settings

if TYPE_CHECKING:
    from store.source_watch import SourceWatch


class State(StrEnum):
    """What is declared."""

    ON = "on"
    OFF = "off"


class Lost(StrEnum):
    """Whether events were lost in a gap."""

    NONE = "none"
    SOME = "some"
    UNKNOWN = "unknown"


@contextmanager
def _watching(data_dir: Path | None) -> "Iterator[SourceWatch]":
    """The watch over a store that no server holds, with what is new taken in. It only reads: nothing is told to the ledger."""
    from runtime.node import open_base
    from store.context import ContextStore
    from store.source_watch import SourceWatch

    with open_base(settings(data_dir), system_clock) as base:
        watch = SourceWatch(base.engine, lambda _: None, ContextStore(base.engine).org)
        watch.rollup.refresh()
        yield watch


def join(sources: typer.Typer) -> None:
    """Add these commands to the group `phitrail sources`."""
    sources.command("list")(sources_list)
    sources.command("show")(sources_show)
    sources.command("register")(sources_register)
    sources.command("gaps")(sources_gaps)
    sources.command("explain")(sources_explain)
    sources.command("declare")(sources_declare)


def sources_list(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List every source with its verdict. Without a running worker nobody listens, and no silence is judged."""
    from dashboards.source_json import view_json

    with _watching(data_dir) as watch:
        seen = watch.view(system_clock())
    if as_json:
        print(json.dumps(view_json(seen), ensure_ascii=False))
        return
    table = Table("source", "verdict", "last received", "events in 24 h", "usual", "what is known", box=None)
    for state in seen.states:
        expected = state.judgement.expected
        table.add_row(
            state.source_system,
            state.verdict.value,
            rfc3339(state.last_received)[:19] + "Z" if state.last_received else "never",
            str(state.day_events),
            "not known" if expected is None else f"{expected.events:.0f}",
            state.judgement.sentences[0],
        )
    out.print(table if seen.states else "no source has sent anything yet")


def sources_show(
    name: Annotated[str, typer.Argument(help="Name of a source, or of a system of the register.")], data_dir: DataDir = None
) -> None:
    """Print everything that is known about one source, as JSON."""
    from dashboards.source_json import coverage_json, declaration_json, gap_json, health_json
    from domain.errors import NotFound

    with _watching(data_dir) as watch:
        seen = watch.view(system_clock())
        row = next((row for row in seen.coverage if name in (row.source_system, row.system)), None)
        if row is None:
            raise NotFound(f"no source and no system named {name!r} is known; phitrail sources list shows those there are")
        found = {
            "health": None if row.health is None else health_json(row.health),
            "coverage": coverage_json(row),
            "gaps": [gap_json(gap, seen.at) for gap in seen.gaps if gap.source_system == (row.source_system or row.system)],
            "declarations": [declaration_json(word) for word in watch.register.history(row.system)],
        }
    print(json.dumps(found, ensure_ascii=False, indent=2))


def sources_register(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Print the coverage register: every system that should send, whether its auditing is on, and since when."""
    from dashboards.source_json import coverage_json

    with _watching(data_dir) as watch:
        rows = watch.view(system_clock()).coverage
    if as_json:
        print(json.dumps({"systems": [coverage_json(row) for row in rows]}, ensure_ascii=False))
        return
    table = Table("system", "owner", "PHI", "auditing", "since", "what is known", box=None)
    words = {True: "yes", False: "no", None: "not stated"}
    for row in rows:
        since = rfc3339(row.since)[:10] if row.since else "–"
        mark = " (not covered)" if row.is_missing else ""
        table.add_row(row.system, row.owner or "–", words[row.handles_phi], row.auditing.value + mark, since, row.sentence)
    out.print(table if rows else "no system is registered and none has sent anything yet")


def sources_gaps(
    data_dir: DataDir = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only gaps that last.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the gap ledger, newest first."""
    from dashboards.source_json import gap_json
    from store.source_gap_rules import gap_sentence

    now = system_clock()
    with _watching(data_dir) as watch:
        gaps = [gap for gap in watch.gaps.all() if gap.is_open or not only_open]
    if as_json:
        print(json.dumps({"gaps": [gap_json(gap, now) for gap in gaps]}, ensure_ascii=False))
        return
    for gap in gaps:
        said = f"; {gap.acknowledged_by}: {gap.reason} (events lost: {gap.loss})" if gap.acknowledged else ""
        out.print(f"{gap.gap_id}  {gap_sentence(gap, now)}{said}", markup=False, soft_wrap=True)
    if not gaps:
        out.print("no gap is known")


def sources_explain(
    gap: Annotated[str, typer.Argument(metavar="GAP", help="Id of a gap, from phitrail sources gaps.")],
    loss: Annotated[Lost, typer.Option("--lost", help="Whether events were lost.")],
    reason: Annotated[str, typer.Option("--reason", help="What was found out. No patient data.")],
    data_dir: DataDir = None,
) -> None:
    """Say what became of a gap; you are named in the ledger. A gap that lost nothing no longer counts against completeness."""
    from runtime.node import open_node
    from runtime.self_audit import operator
    from store.source_gap_rules import Loss
    from store.source_gaps import GapLedger

    with open_node(settings(data_dir), system_clock) as node:
        ledger = GapLedger(node.base.engine, node.ledger.append)
        ledger.acknowledge(gap, by=operator(), reason=reason, loss=Loss[loss.name], at=system_clock())
    out.print("recorded")


def sources_declare(
    system: Annotated[str, typer.Argument(help="The system, as the application register or its events name it.")],
    state: Annotated[State, typer.Option("--state", help="on: it sends its audit events here. off: it does not for now.")],
    reason: Annotated[str, typer.Option("--reason", help="Why. No patient data.")],
    until: Annotated[str, typer.Option("--until", help="Valid to this day (inclusive) or moment; a year at most.")],
    owner: Annotated[str, typer.Option("--owner", help="Who answers for it.")] = "",
    source_system: Annotated[str, typer.Option("--source-system", help="The name it sends under, where that is another.")] = "",
    quiet: Annotated[int | None, typer.Option("--quiet-minutes", min=1, help="How long it may be quiet; unset: learned.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Declare what a system does; you are named in the ledger. While it is declared off, its silence raises no alert."""
    from runtime.node import open_node
    from runtime.self_audit import operator
    from store.source_register import Declaration, Declared, SourceRegister

    ends = moment(until, end=True)
    assert ends is not None
    with open_node(settings(data_dir), system_clock) as node:
        SourceRegister(node.base.engine, node.ledger.append).declare(
            Declaration(
                system=system,
                state=Declared(state.value),
                declared=system_clock(),
                declared_by=operator(),
                reason=reason,
                valid_until=ends,
                owner=owner,
                source_system=source_system,
                quiet=None if quiet is None else timedelta(minutes=quiet),
            )
        )
    out.print(f"declared {state.value} until {ends:%Y-%m-%d %H:%M} UTC")
