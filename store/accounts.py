"""Local accounts: who may sign in, in which roles, and with what password (argon2id, RFC 9106).

An account is never overwritten: each change is a new row, the newest is the state, and the rows before it say who granted what.
45 CFR 164.312(a)(2)(i) asks for one name per person, 164.312(d) for authentication.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import polars as pl
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain.clock import Clock
from domain.errors import Conflict, InvalidInput, NotFound
from store.engine import Engine

MIN_PASSWORD = 15
"""Characters in a password that is the only factor (NIST SP 800-63B-4, section 3.1.1.2)."""

MAX_PASSWORD = 1024

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")

_NEWEST = """
SELECT name, changed, version, password_hash, roles, disabled, changed_by FROM accounts {where}
ORDER BY name, version DESC, changed DESC LIMIT 1 BY name
"""


class Role(StrEnum):
    """What a person or program is here for. One account may hold several."""

    COLLECTOR = "collector"
    ANALYST = "analyst"
    AUDITOR = "auditor"
    PRIVACY_OFFICER = "privacy_officer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The present state of an account; its name is also the actor id of what it does."""

    name: str
    roles: frozenset[Role]
    disabled: bool
    version: int
    changed: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class _Row:
    account: Account
    password_hash: str


class TokenSource(Protocol):
    """Gives a new secret of at least 32 random bytes, as URL-safe text, at every call."""

    def __call__(self) -> str: ...


class Accounts:
    """Reads and changes accounts. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, clock: Clock, new_token: TokenSource, hasher: PasswordHasher | None = None) -> None:
        self._engine = engine
        self._clock = clock
        self._new_token = new_token
        self._hasher = hasher or PasswordHasher()
        # Verified in place of an account that does not exist, so that the time to answer does not tell which names do.
        self._decoy = self._hasher.hash(new_token())

    def bootstrap(self, name: str = "admin", roles: Collection[Role] = (Role.ADMIN,)) -> str | None:
        """Make the first account, with a random password that is returned here and nowhere else; None where accounts exist."""
        if self.all():
            return None
        password = self._new_token()[:24]
        self.add(name, password, roles, by="phitrail")
        return password

    def add(self, name: str, password: str, roles: Collection[Role], by: str) -> Account:
        """Make an account. Raises InvalidInput for an unusable name or password, Conflict where the name is taken."""
        name = name.strip().lower()
        if not _NAME.fullmatch(name):
            raise InvalidInput("an account name is 1 to 64 of the characters a-z 0-9 . _ @ - and begins with a letter or digit")
        if self._row(name) is not None:
            raise Conflict(f"there is an account {name} already")
        return self._store(
            Account(name=name, roles=frozenset(roles), disabled=False, version=0, changed=self._clock(), changed_by=by),
            self._hashed(password),
            by,
        )

    def get(self, name: str) -> Account:
        """The account of this name. Raises NotFound."""
        return self._known(name).account

    def all(self) -> list[Account]:
        """Every account, by name."""
        return [row.account for row in self._rows("")]

    def set_password(self, name: str, password: str, by: str) -> Account:
        """Replace the password. Raises NotFound, InvalidInput. End the account's sessions with it."""
        return self._store(self._known(name).account, self._hashed(password), by)

    def set_roles(self, name: str, roles: Collection[Role], by: str) -> Account:
        """Replace the roles. Raises NotFound."""
        row = self._known(name)
        return self._store(replace(row.account, roles=frozenset(roles)), row.password_hash, by)

    def disable(self, name: str, by: str) -> Account:
        """Stop the account from signing in; its open sessions end with its next request. Raises NotFound."""
        row = self._known(name)
        return self._store(replace(row.account, disabled=True), row.password_hash, by)

    def enable(self, name: str, by: str) -> Account:
        """Let a disabled account sign in again. Raises NotFound."""
        row = self._known(name)
        return self._store(replace(row.account, disabled=False), row.password_hash, by)

    def authenticate(self, name: str, password: str) -> Account | None:
        """The account, if the password is its own and it is not disabled. Takes as long for a name that does not exist."""
        row = self._row(name.strip().lower())
        try:
            self._hasher.verify(self._decoy if row is None else row.password_hash, password[:MAX_PASSWORD])
        except (VerificationError, InvalidHashError):
            return None
        if row is None or row.account.disabled:
            return None
        if self._hasher.check_needs_rehash(row.password_hash):
            return self._store(row.account, self._hasher.hash(password), row.account.changed_by)
        return row.account

    def _hashed(self, password: str) -> str:
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise InvalidInput(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
        return self._hasher.hash(password)

    def _known(self, name: str) -> _Row:
        row = self._row(name.strip().lower())
        if row is None:
            raise NotFound(f"there is no account {name}")
        return row

    def _row(self, name: str) -> _Row | None:
        return next(iter(self._rows("WHERE name = {name:String}", name=name)), None)

    def _rows(self, where: str, **parameters: object) -> list[_Row]:
        frame = self._engine.frame(_NEWEST.format(where=where), **parameters)
        return [
            _Row(
                Account(
                    name=row["name"],
                    roles=frozenset(Role(role) for role in row["roles"]),
                    disabled=bool(row["disabled"]),
                    version=row["version"],
                    changed=row["changed"],
                    changed_by=row["changed_by"],
                ),
                row["password_hash"],
            )
            for row in frame.iter_rows(named=True)
        ]

    def _store(self, account: Account, password_hash: str, by: str) -> Account:
        new = replace(account, version=account.version + 1, changed=self._clock(), changed_by=by)
        self._engine.insert(
            "accounts",
            pl.DataFrame(
                {
                    "name": [new.name],
                    "changed": [new.changed],
                    "version": pl.Series([new.version], dtype=pl.UInt64),
                    "password_hash": [password_hash],
                    "roles": pl.Series([sorted(new.roles)], dtype=pl.List(pl.String)),
                    "disabled": pl.Series([int(new.disabled)], dtype=pl.UInt8),
                    "changed_by": [new.changed_by],
                }
            ),
        )
        return new
