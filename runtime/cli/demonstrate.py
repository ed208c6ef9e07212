"""The demo command."""

from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.options import DataDir, out, settings


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(demo)


def demo(
    data_dir: DataDir = None,
    days: Annotated[int, typer.Option(min=10, max=60, help="Days of history.")] = 14,
    seed: Annotated[int, typer.Option(help="The same seed makes the same hospital.")] = 1,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the dashboard; 0: any free one.")] = 0,
    once: Annotated[bool, typer.Option("--once", help="Stop after the summary.")] = False,
) -> None:
    """A synthetic hospital sends its events through the real collectors; see what phitrail makes of them."""
    from domain.clock import system_clock
    from runtime.demo.run import DemoOptions, run_demo
    from runtime.demo_node import DemoNode

    chosen = settings(data_dir).data_dir
    clear_former_demo(chosen)
    options = DemoOptions(data_dir=chosen, days=days, seed=seed, port=port, once=once)
    run_demo(options, out, lambda setup: DemoNode(setup, system_clock))


def clear_former_demo(data_dir: Path) -> None:
    """Remove a data directory that an earlier demo made, and nothing else. Raises StoreHeld while that demo still runs."""
    import shutil

    from store.engine import Engine

    if not (data_dir / "demo" / "labels.jsonl").is_file():
        return
    with Engine.embedded(data_dir):
        pass
    shutil.rmtree(data_dir)
