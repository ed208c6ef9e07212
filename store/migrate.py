"""Schema migrations: numbered SQL files, forward only, each applied once and remembered with its checksum."""

import hashlib
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Protocol

from domain.errors import ConfigError

_NAME = re.compile(r"(\d{4})_[a-z_]+\.sql")

_REGISTER = """
CREATE TABLE IF NOT EXISTS migrations
    (version UInt32, name String, checksum String, applied DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = MergeTree ORDER BY version
"""


class Database(Protocol):
    """What a migration needs of an engine."""

    def rows(self, sql: str, **parameters: object) -> list[tuple[object, ...]]: ...

    def execute(self, sql: str, **parameters: object) -> None: ...


def migrate(database: Database) -> int:
    """Apply what is missing, in order. Returns the version at head.

    Raises ConfigError when an applied migration was edited afterwards, or the store is newer than this program.
    A statement is idempotent (IF NOT EXISTS), so a migration stopped half way is simply run again.
    """
    database.execute(_REGISTER)
    applied = {str(row[0]): str(row[1]) for row in database.rows("SELECT name, checksum FROM migrations")}
    version = 0
    known = dict(_scripts())
    if unknown := sorted(set(applied) - set(known)):
        raise ConfigError(f"the store has migration {unknown[-1]}, which this version does not know: run a newer phitrail")
    for name, text in known.items():
        version = int(name[:4])
        checksum = hashlib.sha256(text.encode()).hexdigest()
        if name in applied:
            if applied[name] != checksum:
                raise ConfigError(f"migration {name} differs from the one this store was made with: restore the released file")
            continue
        for statement in _statements(text):
            database.execute(statement)
        database.execute(
            "INSERT INTO migrations (version, name, checksum) VALUES ({version:UInt32}, {name:String}, {checksum:String})",
            version=version,
            name=name,
            checksum=checksum,
        )
    return version


def _scripts() -> Iterator[tuple[str, str]]:
    folder = files("store") / "migrations"
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if _NAME.fullmatch(entry.name):
            yield entry.name, entry.read_text(encoding="utf-8")


def _statements(text: str) -> Iterator[str]:
    """Statements end with a semicolon at the end of a line."""
    for statement in re.split(r";[ \t]*(?:\n|$)", text):
        if re.sub(r"--[^\n]*", "", statement).strip():
            yield statement
