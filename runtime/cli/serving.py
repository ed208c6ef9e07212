"""Commands that make and run a node: init, serve, config."""

import json
import signal
from datetime import timedelta
from typing import Annotated

import typer

from domain.clock import system_clock
from domain.errors import Conflict, InvalidInput
from runtime.cli.options import DataDir, err, out, settings


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(init)
    app.command()(serve)
    config = typer.Typer(help="The settings of this node.", no_args_is_help=True)
    config.command("check")(config_check)
    config.command("show")(config_show)
    app.add_typer(config, name="config")


def init(data_dir: DataDir = None) -> None:
    """Make the state directory, the signing key and the first administrator; print what was made. Never overwrites."""
    from runtime.identity import load_signer
    from runtime.node import open_node
    from runtime.people import first_administrator

    chosen = settings(data_dir)
    if load_signer(chosen.state_dir) is not None:
        raise Conflict(f"{chosen.state_dir} belongs to a node already; nothing was changed")
    with open_node(chosen, system_clock) as node:
        out.print(f"state:         {chosen.state_dir}")
        out.print(f"ledger:        {node.base.signer.name}")
        out.print(f"key:           {node.base.signer.verifier.text}", soft_wrap=True)
        _print_administrator(first_administrator(node))
    out.print("Give the key above to whoever shall check your exports; keep a copy of the state directory apart from the data.")


def serve(
    data_dir: DataDir = None,
    role: Annotated[str, typer.Option("--role", help="Parts of this process: api, ingest, worker.")] = "api,ingest,worker",
) -> None:
    """Run API, dashboard, collectors and schedule until Ctrl-C."""
    from runtime.logs import configure
    from runtime.node import open_node
    from runtime.people import first_administrator
    from runtime.product import build
    from runtime.server import Part, serving

    try:
        parts = frozenset(Part(name.strip()) for name in role.split(","))
    except ValueError:
        raise InvalidInput(f"--role takes {', '.join(Part)}, separated by commas") from None
    configure()
    with open_node(settings(data_dir), system_clock) as node:
        _print_administrator(first_administrator(node))
        product = build(node, announce_within=timedelta(days=7))
        product.recall()
        product.watch.run()
        with serving(product, parts) as running:
            out.print(f"dashboard:     {running.base_url or 'not in this process'}")
            for transport, port in running.ports().items():
                out.print(f"syslog {transport}:    {node.base.settings.syslog.host}:{port}")
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: running.stopped.set())
            running.stopped.wait()
            err.print("stopping: what arrived is stored first")
        product.close()


def config_check(data_dir: DataDir = None) -> None:
    """Check the settings; every problem is named at once. Exit 2 when there is one."""
    settings(data_dir)
    out.print("the settings are usable")


def config_show(data_dir: DataDir = None) -> None:
    """Show every setting as JSON; secrets are masked."""
    print(json.dumps(settings(data_dir).model_dump(mode="json"), indent=2))


def _print_administrator(made: tuple[str, str] | None) -> None:
    if made is not None:
        name, password = made
        out.print(f"administrator: {name}")
        out.print(f"password:      {password}   (shown this once)")
