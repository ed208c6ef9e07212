"""Commands about what was found: analyze, alerts export, scores export."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import orjson
import typer

from domain.clock import system_clock
from runtime.cli.options import DataDir, From, To, err, moment, settings

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(analyze)
    alerts = typer.Typer(help="Alerts as data.", no_args_is_help=True)
    alerts.command("export")(alerts_export)
    app.add_typer(alerts, name="alerts")
    scores = typer.Typer(help="The ranking of accesses.", no_args_is_help=True)
    scores.command("export")(scores_export)
    app.add_typer(scores, name="scores")


def analyze(data_dir: DataDir = None, since: From = None, until: To = None) -> None:
    """Run every rule and detector over a period of history as the scheduler would have. Running again adds nothing."""
    from runtime.node import open_node
    from runtime.product import build

    with open_node(settings(data_dir), system_clock) as node, err.status("examining history") as shown:
        product = build(node)
        done = product.analyze(moment(since), moment(until, end=True), lambda day: shown.update(f"examined {day}"))
        product.close()
    print(json.dumps(asdict(done)))


def alerts_export(data_dir: DataDir = None, since: From = None, until: To = None) -> None:
    """Print the alerts of a period as JSON Lines."""
    from alerts.export import alert_json
    from runtime.node import open_node
    from store.alerts import AlertStore

    with open_node(settings(data_dir), system_clock) as node:
        store = AlertStore(node.base.engine, node.ledger.append)
        for alert in store.between(moment(since) or _EARLIEST, moment(until, end=True) or _tomorrow()):
            print(orjson.dumps(alert_json(alert)).decode())


def scores_export(data_dir: DataDir = None, since: From = None, until: To = None) -> None:
    """Print the full ranking of (actor, patient, local day) of a period as JSON Lines."""
    from runtime.node import open_base
    from store.scores import Scores

    with open_base(settings(data_dir), system_clock) as base:
        first = (moment(since) or _EARLIEST).date()
        last = ((moment(until, end=True) or _tomorrow()) - timedelta(microseconds=1)).date()
        for row in Scores(base.engine).export(first, last):
            print(orjson.dumps(row).decode())


def _tomorrow() -> datetime:
    return system_clock() + timedelta(days=1)
