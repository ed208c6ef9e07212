"""Commands about proof: verify, prove, anchor, export, verify-export."""

import json
import os
from typing import Annotated

import typer

from domain.clock import system_clock
from domain.errors import Conflict, IntegrityError
from domain.tlog_proof import tlog_proof
from runtime.beyond import copying
from runtime.cli.options import AsJson, DataDir, err, out, settings
from runtime.node import Base, open_base
from store.completeness import Completeness, examine
from store.fsck import Integrity, Verification
from store.proofs import Proofs

_EXIT = {Integrity.INTACT: 0, Integrity.TAMPERED: 1, Integrity.UNKNOWN: 2}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(verify)
    app.command()(prove)
    anchor = typer.Typer(help="What this node last signed, kept outside the store.", no_args_is_help=True)
    anchor.command("show")(anchor_show)
    anchor.command("accept")(anchor_accept)
    anchor.command("rotate")(anchor_rotate)
    app.add_typer(anchor, name="anchor")


def verify(
    data_dir: DataDir = None,
    as_json: AsJson = False,
    full: Annotated[bool, typer.Option("--full", help="Recompute every entry (the default).")] = False,
    since: Annotated[int, typer.Option("--since", help="Recompute entries from this sequence number only.", min=0)] = 0,
) -> None:
    """Recompute the ledger from its raw rows. Exit 0 intact, 1 tampered or missing, 2 could not tell."""
    with open_base(settings(data_dir), system_clock) as base:
        places = copying(base, base.keys.open)
        copies = places.held(base.keys.origin)
        verdict = base.verify(since=0 if full else since, copies=copies)
        completeness = examine(base.engine)
    silent = [f"{name}: {trouble}" for name, trouble in places.failures]
    if as_json:
        print(json.dumps(verdict_json(verdict, completeness) | {"copies_compared": len(copies), "copies_silent": silent}, indent=2))
    else:
        print_verdict(verdict, completeness)
        if copies:
            out.print(f"copies:       {len(copies)} checkpoints kept elsewhere were compared")
        for place in silent:
            out.print(f"copies:       [yellow]{place}[/]: its checkpoint was not compared", soft_wrap=True)
    raise typer.Exit(_EXIT[verdict.integrity])


def print_verdict(verdict: Verification, completeness: Completeness) -> None:
    """Both verdicts as a person reads them."""
    colour = {Integrity.INTACT: "green", Integrity.TAMPERED: "red bold", Integrity.UNKNOWN: "yellow"}[verdict.integrity]
    out.print(f"integrity:    [{colour}]{verdict.integrity}[/]")
    covered = f"{verdict.entries:,} entries recomputed; spine of {verdict.spine_entries:,}, signed to {verdict.signed_size:,}"
    out.print(f"              {covered}")
    for fact in verification_facts(verdict):
        out.print(f"              {fact}", soft_wrap=True)
    for problem in verdict.problems:
        place = "" if problem.seq is None else f" entry {problem.seq}:"
        out.print(f"  [red]✗[/] {problem.log}:{place} {problem.what}", soft_wrap=True)
    out.print(f"completeness: {completeness.verdict}")
    for finding in completeness.findings:
        out.print(f"  • {finding}", soft_wrap=True)


def verification_facts(verdict: Verification) -> list[str]:
    """What a verification found that is no problem, and that a reader should know."""
    facts = []
    if verdict.index_trees:
        facts.append(f"{verdict.index_trees:,} index trees built anew")
    if verdict.redacted:
        facts.append(f"{counted(verdict.redacted, 'entry', 'entries')} redacted, each with its spine entry")
    if verdict.pending_redactions:
        facts.append(f"{counted(verdict.pending_redactions, 'redaction is', 'redactions are')} committed and not carried out yet")
    if verdict.disposed:
        facts.append(f"{counted(verdict.disposed, 'log', 'logs')} disposed of, each with its tombstone")
    why = "a person went on with a store that was older than what had been signed"
    return [*facts, *(f"spine entry {seq}: {why}" for seq in verdict.accepted)]


def counted(number: int, one: str, more: str) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else more}"


def verdict_json(verdict: Verification, completeness: Completeness) -> dict[str, object]:
    """Both verdicts for a machine."""
    return {
        "integrity": verdict.integrity.value,
        "first_bad": next((problem.seq for problem in verdict.problems if problem.seq is not None), None),
        "problems": [{"log": problem.log, "seq": problem.seq, "what": problem.what} for problem in verdict.problems],
        "entries": verdict.entries,
        "spine_entries": verdict.spine_entries,
        "signed_size": verdict.signed_size,
        "disposed_months": verdict.disposed,
        "redacted": verdict.redacted,
        "pending_redactions": verdict.pending_redactions,
        "index_trees": verdict.index_trees,
        "index_trees_gone": verdict.index_trees_gone,
        "accepted": list(verdict.accepted),
        "completeness": completeness.verdict.value,
        "completeness_findings": list(completeness.findings),
    }


def prove(
    seq: Annotated[int, typer.Argument(help="Sequence number of the event.", min=0)],
    data_dir: DataDir = None,
    writer: Annotated[str | None, typer.Option(help="Whose log; default: this node's.")] = None,
    as_tlog: Annotated[
        bool, typer.Option("--tlog-proof", help="As a C2SP tlog-proof of the spine entry, with the way from it to the event.")
    ] = False,
) -> None:
    """Print the inclusion proof of one event against the newest checkpoint, as JSON."""
    with open_base(settings(data_dir), system_clock) as base:
        proof = Proofs(base.engine, base.keys.origin).event(writer or base.settings.ledger.writer, seq)
    if as_tlog:
        print(tlog_proof(proof).text, end="")
    else:
        print(json.dumps(proof.to_json(), indent=2, ensure_ascii=False))


def anchor_show(data_dir: DataDir = None) -> None:
    """Show what was last signed and acknowledged here, and the key that signs."""
    with open_base(settings(data_dir), system_clock) as base:
        for key in base.keys.keys:
            sizes = f"sizes {key.from_size} to {'now' if key.to_size is None else key.to_size}"
            out.print(f"key:        {key.verifier.text} ({sizes})", soft_wrap=True)
        for name, note in _notes(base).items():
            head = base.keys.open(note)
            out.print(f"{name}: spine of {head.size:,} entries, root {head.root.hex()[:16]}…")
        head_of = base.anchor.writer_head(base.settings.ledger.writer)
        for at, decision, why in base.anchor.decisions():
            out.print(f"decision:   {at[:10]} {decision}: {why}", soft_wrap=True, markup=False)
        if head_of is not None:
            out.print(f"writer:     {base.settings.ledger.writer} acknowledged up to entry {head_of[0]:,}")


def anchor_accept(
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            help="Why the older store goes on, without patients' names. Kept with the anchor; the spine has its salted digest.",
        ),
    ],
    data_dir: DataDir = None,
) -> None:
    """After a restore: accept the store as it is, although more was signed here. The decision is committed to the spine."""
    from runtime.acceptance import accept_store

    with open_base(settings(data_dir), system_clock) as base:
        verdict = base.verify()
        behind = [problem for problem in verdict.problems if "older than" in problem.what or "missing" in problem.what]
        if verdict.integrity is Integrity.INTACT:
            raise Conflict("the store agrees with its anchor: there is nothing to accept")
        if len(behind) != len(verdict.problems):
            raise IntegrityError("the store is not only older, it was changed: `phitrail verify` lists how; it cannot be accepted")
        entry = accept_store(base, reason, salt=os.urandom(16))
    err.print(f"accepted: spine entry {entry.seq} says so. Keep the old checkpoint: it shows what was lost.")


def anchor_rotate(
    data_dir: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Change the signing key. Both keys sign the change; the old one signs nothing after it and is destroyed."""
    from runtime.identity import rotate
    from runtime.node import open_node

    if not yes:
        typer.confirm(
            "Change the signing key of this ledger? Whoever trusts the old key learns the new one from the ledger.", abort=True
        )
    chosen = settings(data_dir)
    with open_node(chosen, system_clock) as node:
        entry = rotate(chosen.state_dir, node.spine, lambda: os.urandom(32))
        out.print(f"new key: {node.spine.keys.newest.text}", soft_wrap=True)
    err.print(f"spine entry {entry.seq} names it. Give it to whoever checks your exports; state/ledger.keys has all keys.")


def _notes(base: Base) -> dict[str, str]:
    signed = base.anchor.spine_note()
    copied = base.anchor.copied_note(base.keys)
    notes = {"anchor    ": signed[1] if signed else None, "copy      ": copied}
    return {name: note for name, note in notes.items() if note}
