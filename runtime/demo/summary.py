"""The summary of a demo, and how it looks on a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from domain.finding import Alert
from ingest.pipeline import Counts
from runtime.demo.app import SignIn
from runtime.demo.receivers import Received
from runtime.demo.score import ScoreCard
from runtime.demo.streams import Collector
from store.fsck import Integrity, Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSummary:
    """What came of it. `sent` counts records by collector, `arrived` what became of them; `checkpoint` is the signed note."""

    sent: Mapping[Collector, int]
    malformed: int
    arrived: Counts
    checkpoint: str
    alerts: Sequence[Alert]
    card: ScoreCard
    webhooks: Received
    mails: Received
    verification: Verification
    sign_in: SignIn
    seconds: float

    @property
    def intact(self) -> bool:
        """Whether the ledger verified."""
        return self.verification.integrity is Integrity.INTACT

    @property
    def lost(self) -> int:
        """Records sent that no collector has accounted for: datagrams, at most."""
        return max(0, sum(self.sent.values()) - self.arrived.read)


def show(summary: DemoSummary, console: Console) -> None:
    """Print all of it."""
    console.print()
    console.print(_collectors(summary))
    console.print(_scores(summary.card))
    if summary.card.missed:
        console.print(f"Missed: {', '.join(incident.incident_id for incident in summary.card.missed)}")
    others = Counter(alert.kind for alert in summary.alerts)
    listed = ", ".join(
        f"{kind} {count}" for kind, count in sorted(others.items()) if kind not in {row.kind for row in summary.card.kinds}
    )
    if listed:
        console.print(f"Alerts of kinds without labels, not scored: {listed}")
    console.print(
        f"Alerts: {len(summary.alerts)}; notifications received: "
        f"{len(summary.webhooks.messages)} by webhook, {len(summary.mails.messages)} by mail"
        + (
            f"; refused {summary.webhooks.refused + summary.mails.refused}"
            if summary.webhooks.refused or summary.mails.refused
            else ""
        )
    )
    console.print(f"Checkpoint: {_checkpoint(summary.checkpoint)}", soft_wrap=True)
    _verdict(summary, console)
    console.print(f"[dim]{summary.seconds:.0f} seconds in all[/dim]")
    console.print()
    console.print(f"Dashboard: [bold]{summary.sign_in.url}[/bold]", soft_wrap=True)
    console.print(f"Sign in as [bold]{summary.sign_in.user}[/bold] with [bold]{summary.sign_in.password}[/bold]", soft_wrap=True)


def _collectors(summary: DemoSummary) -> Table:
    table = Table(title="Records through the collectors", title_justify="left", box=box.SIMPLE)
    table.add_column("collector")
    table.add_column("sent", justify="right")
    for collector in Collector:
        table.add_row(collector.value, f"{summary.sent.get(collector, 0):,}")
    table.add_section()
    arrived = summary.arrived
    table.add_row("accepted", f"{arrived.accepted:,}")
    table.add_row("duplicate", f"{arrived.duplicate:,}")
    table.add_row(f"quarantined (malformed on purpose: {summary.malformed})", f"{arrived.quarantined:,}")
    if summary.lost:
        table.add_row("lost on the way (UDP)", f"{summary.lost:,}")
    return table


def _scores(card: ScoreCard) -> Table:
    table = Table(
        title="Alerts against the incidents that were put in",
        title_justify="left",
        show_footer=True,
        box=box.SIMPLE,
        pad_edge=False,
    )
    rows = card.kinds
    totals = [sum(values) for values in zip(*((r.incidents, r.found, r.alerts, r.right) for r in rows), strict=True)]
    table.add_column("kind", footer="all", no_wrap=True)
    for name, total in zip(("put in", "found", "alerts", "right"), totals, strict=True):
        table.add_column(name, justify="right", footer=str(total))
    table.add_column("recall", justify="right", footer=_percent(card.recall))
    table.add_column("precision", justify="right", footer=_percent(card.precision))
    for row in rows:
        counts = (row.incidents, row.found, row.alerts, row.right)
        table.add_row(row.kind.value, *map(str, counts), _percent(row.recall), _percent(row.precision))
    return table


def _verdict(summary: DemoSummary, console: Console) -> None:
    checked = summary.verification
    colour = "green" if summary.intact else "bold red"
    console.print(f"Integrity: [{colour}]{checked.integrity.value}[/{colour}] ({checked.entries:,} entries recomputed)")
    for problem in checked.problems[:5]:
        place = "" if problem.seq is None else f" at {problem.seq}"
        console.print(f"  {problem.log}{place}: {problem.what}", style="red", markup=False)


def _checkpoint(note: str) -> str:
    """Origin, size and root of the signed note (C2SP tlog-checkpoint: its first three lines), and whoever else signed it."""
    origin, size, root, *rest = [*note.splitlines(), "", "", ""]
    others = [line.split(" ")[1] for line in rest if line.startswith("— ") and line.split(" ")[1] != origin]
    return f"{origin}, size {size}, root {root}" + (f", cosigned by {', '.join(others)}" if others else "")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
