"""The first administrator of a node, made at its first start; the password is shown once and kept only as a hash."""

import secrets

from runtime.node import Node
from store.accounts import Accounts


def accounts(node: Node) -> Accounts:
    """The accounts of a node."""
    return Accounts(node.base.engine, node.base.clock, lambda: secrets.token_urlsafe(32))


def first_administrator(node: Node) -> tuple[str, str] | None:
    """Name and password of the administrator made now; None when there are accounts already."""
    password = accounts(node).bootstrap("admin")
    return None if password is None else ("admin", password)
