"""A store that goes away and returns: the real engine behind a switch that fails as the engine's own client would."""

import threading
from collections.abc import Callable
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from store.engine import Engine, _translated

Failure = Callable[[], ClickHouseError]


def unreachable() -> ClickHouseError:
    """Nobody listens there."""
    return OperationalError("Error HTTPConnectionPool: Max retries exceeded: Connection refused executing HTTP request attempt 2")


def no_room() -> ClickHouseError:
    """The disk of the store is full."""
    return DatabaseError("Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)")


def read_only() -> ClickHouseError:
    """A replica that lost its keeper."""
    return DatabaseError("Code: 242. DB::Exception: Table is in readonly mode: replica_path=/x. (TABLE_IS_READ_ONLY)")


class SwitchedEngine:
    """Between `go_away` and `come_back` inserts fail, and with `unreachable` questions too. Everything else is the real engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._failure: Failure | None = None
        self._refuses: Callable[[str, Any], ClickHouseError | None] = lambda _table, _frame: None
        self.refused = threading.Event()

    def go_away(self, failure: Failure = unreachable) -> None:
        """From now on."""
        self.refused.clear()
        self._failure = failure

    def come_back(self) -> None:
        """From now on."""
        self._failure = None

    def refuse(self, which: Callable[[str, Any], ClickHouseError | None]) -> None:
        """An insert fails with what `which(table, frame)` gives."""
        self._refuses = which

    def insert(self, table: str, frame: Any, **options: Any) -> None:
        self._check(writes=True)
        if (error := self._refuses(table, frame)) is not None:
            raise _translated(error) from error
        self._engine.insert(table, frame, **options)

    def rows(self, sql: str, **parameters: object) -> Any:
        self._check(writes=False)
        return self._engine.rows(sql, **parameters)

    def frame(self, sql: str, **parameters: object) -> Any:
        self._check(writes=False)
        return self._engine.frame(sql, **parameters)

    def _check(self, *, writes: bool) -> None:
        failure = self._failure
        if failure is None or not (writes or failure is unreachable):
            return
        self.refused.set()
        error = failure()
        raise _translated(error) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)
