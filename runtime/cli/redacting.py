"""The command that removes private parts of entries for good: retention redact."""

import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer

from domain.clock import system_clock
from domain.errors import Conflict, InvalidInput
from retention.redaction import Redaction, RedactionAuthority, RedactionReason
from runtime.cli.options import DataDir, err, out, settings
from runtime.node import Node
from store.redaction import RedactionStore
from store.retention import RetentionStore

_PATIENCE = 120
"""Seconds. The embedded engine clears up 30 to 40 seconds after it opened a table (its cleanup_delay_period)."""


def register(retention: typer.Typer) -> None:
    """Add this module's command to the group `retention`."""
    retention.command("redact")(redact)


def redaction_of(node: Node) -> Redaction:
    """The redaction of a running node. Its `resume` belongs into every start, after that of the disposal."""
    return Redaction(
        RedactionStore(node.base.engine),
        RetentionStore(node.base.engine),
        commit=node.keeper.commit,
        checkpoint=node.keeper.checkpoint,
        record=lambda event: node.ledger.append([event]),
    )


def redact(
    seq: Annotated[list[int], typer.Option("--seq", help="Number of an entry; give it once for each.", min=0)],
    reason: Annotated[RedactionReason, typer.Option("--reason", help="Why; it stands in the public part of the ledger.")],
    approver: Annotated[list[str], typer.Option("--approver", help="Who approved it; give it twice, for two different people.")],
    data_dir: DataDir = None,
    writer: Annotated[str | None, typer.Option("--writer", help="Whose log; default: this node's.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; it cannot be undone.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until the old copies have left the disk.")] = False,
) -> None:
    """Remove the private part of entries for good: who the patient is, details, the record as received. Proofs stay valid."""
    from runtime.node import open_node
    from runtime.self_audit import operator

    authority = RedactionAuthority(run_by=operator(), approvers=tuple(approver))
    chosen = settings(data_dir)
    places = [(writer or chosen.ledger.writer, number) for number in seq]
    with open_node(chosen, system_clock) as node:
        redaction = redaction_of(node)
        for earlier in redaction.resume():
            err.print(f"finished first: the redaction of spine entry {earlier.spine_seq}, which was cut short")
        _confirm(redaction.plan(places), yes=yes)
        done = redaction.run(places, reason, authority)
        if not no_wait:
            _await_removal(node)
    for one in done:
        month = f"{one.epoch // 100}-{one.epoch % 100:02d}"
        out.print(f"{one.count:,} entries of {one.writer} in {month} are redacted, as spine entry {one.spine_seq} says")
        if one.findings or one.alerts:
            out.print(f"{one.findings:,} findings and {one.alerts:,} alerts rest on them and stay, as the record of a review")
    out.print("backups, archives and exports made before still hold what was removed here")


def _await_removal(node: Node) -> None:
    """Wait until the engine has removed the parts that the redaction replaced; say so where that cannot be waited for."""
    store = RedactionStore(node.base.engine)
    old = store.old_copies()
    if not node.base.engine.is_embedded:
        err.print(
            f"the server removes {len(old)} old parts from disk by itself (old_parts_lifetime, 8 minutes unless set otherwise)"
        )
        return
    with err.status("waiting until the old copies have left the disk"):
        left = wait_while(lambda: len(old & store.old_copies()), seconds=_PATIENCE, pause=time.sleep)
    if left:
        err.print(f"{left} old parts are still on disk; they leave it within minutes while phitrail serve runs")


def wait_while(left: Callable[[], int], *, seconds: int, pause: Callable[[float], None]) -> int:
    """Ask once a second how much is left, until it is nothing or the time is over. Returns what is left."""
    for _ in range(seconds):
        if not left():
            return 0
        pause(1)
    return left()


def _confirm(count: int, *, yes: bool) -> None:
    """Raises InvalidInput where nobody can be asked, Conflict where the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInput("a redaction cannot be undone, and nobody can be asked here: say --yes")
    if not typer.confirm(f"Remove the private part of {count:,} entries for good?", err=True):
        raise Conflict("nothing was redacted")
