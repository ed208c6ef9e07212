"""Showing that work goes on: a moving bar on a terminal, a line every few seconds elsewhere. Never ten silent seconds."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

HEARTBEAT_SECONDS = 5.0

Advance = Callable[[int], None]
"""Tell how many more units are done. Thread-safe."""


@contextmanager
def stage(console: Console, title: str, total: int | None = None, *, heartbeat: float = HEARTBEAT_SECONDS) -> Iterator[Advance]:
    """Show one step while it runs, of `total` units where that is known, and a line with its duration when it is done."""
    begin = time.monotonic()
    if console.is_terminal:
        with _bar(console, title, total) as advance:
            yield advance
    else:
        with _heartbeat(console, title, total, heartbeat) as advance:
            yield advance
    console.print(f"[green]✓[/green] {title} [dim]({time.monotonic() - begin:.1f} s)[/dim]")


@contextmanager
def _bar(console: Console, title: str, total: int | None) -> Iterator[Advance]:
    columns = [SpinnerColumn(), TextColumn("{task.description}"), *([BarColumn(), MofNCompleteColumn()] if total else [])]
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda amount: progress.advance(task, amount)


@contextmanager
def _heartbeat(console: Console, title: str, total: int | None, heartbeat: float) -> Iterator[Advance]:
    """A line at the start and every `heartbeat` seconds, from a thread of its own because the step itself blocks."""
    done, lock, finished = [0], threading.Lock(), threading.Event()
    begin = time.monotonic()

    def advance(amount: int) -> None:
        with lock:
            done[0] += amount

    def beat() -> None:
        while not finished.wait(heartbeat):
            amount = f"{done[0]:,} of {total:,}, " if total else ""
            console.print(f"  {title}: {amount}{time.monotonic() - begin:.0f} s")

    console.print(f"  {title} …")
    thread = threading.Thread(target=beat, name="demo-heartbeat", daemon=True)
    thread.start()
    try:
        yield advance
    finally:
        finished.set()
        thread.join()
