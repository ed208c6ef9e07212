"""Write steps that fail on demand, in pairs: failed and lost (`before`), failed but done (`after`)."""

from collections.abc import Callable
from typing import Any

from store.anchor import Anchor
from store.engine import Engine


class Fault(RuntimeError):
    """The injected failure."""


class FaultyEngine:
    """An engine whose next insert into `table` fails once, before or after it is done. Everything else is the real engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.table: str | None = None
        self.after = False

    def insert(self, table: str, *args: Any, **options: Any) -> None:
        self._around(table, lambda: self._engine.insert(table, *args, **options))

    def _around(self, table: str, work: Callable[[], None]) -> None:
        if table != self.table:
            work()
            return
        self.table = None
        if self.after:
            work()
        raise Fault(table)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


class FaultyAnchor(Anchor):
    """An anchor whose next swap of the given kind fails once, before or after it is done."""

    step: str | None = None
    after = False

    def advance_writer(self, *args: Any, **options: Any) -> None:
        self._around("advance_writer", lambda: Anchor.advance_writer(self, *args, **options))

    def intend_writer(self, *args: Any, **options: Any) -> None:
        self._around("intend_writer", lambda: Anchor.intend_writer(self, *args, **options))

    def advance_spine(self, *args: Any, **options: Any) -> None:
        self._around("advance_spine", lambda: Anchor.advance_spine(self, *args, **options))

    def _around(self, step: str, work: Callable[[], None]) -> None:
        if step != self.step:
            work()
            return
        self.step = None
        if self.after:
            work()
        raise Fault(step)
