"""Commands about who may use this installation: user and key."""

import secrets
import sys
from typing import Annotated

import typer
from rich.prompt import Prompt
from rich.table import Table

from domain.clock import system_clock
from domain.errors import InvalidInput
from runtime.cli.options import DataDir, err, out, settings
from store.accounts import Role
from store.api_keys import ApiKeys
from store.engine import Engine

Roles = Annotated[list[Role], typer.Option("--role", help="May be given several times.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    user = typer.Typer(help="Local accounts.", no_args_is_help=True)
    user.command("add")(user_add)
    user.command("list")(user_list)
    user.command("disable")(user_disable)
    app.add_typer(user, name="user")
    key = typer.Typer(help="API keys of machines.", no_args_is_help=True)
    key.command("create")(key_create)
    key.command("list")(key_list)
    key.command("revoke")(key_revoke)
    app.add_typer(key, name="key")


def user_add(name: Annotated[str, typer.Argument(help="Name to sign in with.")], roles: Roles, data_dir: DataDir = None) -> None:
    """Add an account. The password is asked for; from a pipe it is read from standard input."""
    from runtime.node import open_node
    from runtime.people import accounts
    from runtime.self_audit import operator, own_event

    password = Prompt.ask("password", password=True, console=err) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    with open_node(settings(data_dir), system_clock) as node:
        made = accounts(node).add(name, password, roles, operator())
        details = {"account": made.name, "roles": sorted(role.value for role in made.roles)}
        node.ledger.append([own_event("account_added", now=system_clock(), details=details)])
    out.print(f"{name} may sign in")


def user_list(data_dir: DataDir = None) -> None:
    """List the accounts."""
    from runtime.node import open_node
    from runtime.people import accounts

    with open_node(settings(data_dir), system_clock) as node:
        found = accounts(node).all()
    table = Table("name", "roles", "state", box=None)
    for account in found:
        table.add_row(account.name, " ".join(sorted(account.roles)), "disabled" if account.disabled else "active")
    out.print(table if found else "there are no accounts")


def user_disable(name: Annotated[str, typer.Argument(help="Whose account.")], data_dir: DataDir = None) -> None:
    """Disable an account; its sessions end."""
    from runtime.node import open_node
    from runtime.people import accounts
    from runtime.self_audit import operator, own_event

    with open_node(settings(data_dir), system_clock) as node:
        accounts(node).disable(name, operator())
        node.ledger.append([own_event("account_disabled", now=system_clock(), details={"account": name})])
    out.print(f"{name} may not sign in any more")


def key_create(
    label: Annotated[str, typer.Argument(help="What the key is for; collectors' events carry it as source system.")],
    roles: Roles,
    data_dir: DataDir = None,
) -> None:
    """Create an API key and print it, this once."""
    from runtime.node import open_node
    from runtime.self_audit import operator, own_event

    if not label.strip():
        raise InvalidInput("a key needs a label that says what it is for")
    with open_node(settings(data_dir), system_clock) as node:
        key, text = _keys(node.base.engine).create(label, roles, operator())
        node.ledger.append([own_event("key_created", now=system_clock(), details={"key_id": key.key_id, "label": label})])
    print(text)
    err.print("keep it now: it is stored only as a hash and cannot be shown again")


def key_list(data_dir: DataDir = None) -> None:
    """List the API keys, without their secrets."""
    from runtime.node import open_base

    with open_base(settings(data_dir), system_clock) as base:
        found = _keys(base.engine).all()
    table = Table("id", "label", "roles", "state", box=None)
    for key in found:
        table.add_row(key.key_id, key.label, " ".join(sorted(key.roles)), "revoked" if key.revoked else "active")
    out.print(table if found else "there are no API keys")


def key_revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="Which key.")], data_dir: DataDir = None) -> None:
    """Revoke an API key at once."""
    from runtime.node import open_node
    from runtime.self_audit import operator, own_event

    with open_node(settings(data_dir), system_clock) as node:
        _keys(node.base.engine).revoke(key_id, operator())
        node.ledger.append([own_event("key_revoked", now=system_clock(), details={"key_id": key_id})])
    out.print(f"{key_id} is revoked")


def _keys(engine: Engine) -> ApiKeys:
    return ApiKeys(engine, system_clock, lambda: secrets.token_urlsafe(32))
