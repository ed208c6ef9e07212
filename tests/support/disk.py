"""A disk whose steps fail on demand, before or after they are done, or in the middle of a write."""

import errno
import threading
from pathlib import Path

from ingest.spool.disk import Disk


class FaultyDisk(Disk):
    """The next `times` calls of `step` fail. `after`: the step is done, and fails nevertheless; for a write: half of it is."""

    def __init__(self) -> None:
        self.step: str | None = None
        self.after = False
        self.times = 0
        self.code = errno.EIO
        self.calls: list[str] = []
        self._guard = threading.Lock()

    def fail(self, step: str, *, after: bool = False, times: int = 1, code: int = errno.EIO) -> None:
        """Arm a fault."""
        self.step, self.after, self.times, self.code = step, after, times, code

    def create(self, path: Path) -> int:
        self._before("create")
        return super().create(path)

    def write(self, file: int, data: bytes) -> None:
        if self._is_due("write"):
            if self.after:
                super().write(file, data[: len(data) // 2])
            raise self._error("write")
        super().write(file, data)

    def read(self, file: int, start: int, end: int) -> bytes:
        self._before("read")
        return super().read(file, start, end)

    def sync(self, file: int) -> None:
        failing = self._is_due("sync")
        if not failing or self.after:
            super().sync(file)
        if failing:
            raise self._error("sync")

    def truncate(self, file: int, size: int) -> None:
        self._before("truncate")
        super().truncate(file, size)

    def rename(self, old: Path, new: Path) -> None:
        failing = self._is_due("rename")
        if not failing or self.after:
            super().rename(old, new)
        if failing:
            raise self._error("rename")

    def unlink(self, path: Path) -> None:
        failing = self._is_due("unlink")
        if not failing or self.after:
            super().unlink(path)
        if failing:
            raise self._error("unlink")

    def sync_directory(self, path: Path) -> None:
        failing = self._is_due("sync_directory")
        if not failing or self.after:
            super().sync_directory(path)
        if failing:
            raise self._error("sync_directory")

    def _before(self, step: str) -> None:
        if self._is_due(step):
            raise self._error(step)

    def _is_due(self, step: str) -> bool:
        with self._guard:
            self.calls.append(step)
            if step != self.step or not self.times:
                return False
            self.times -= 1
            return True

    def _error(self, step: str) -> OSError:
        return OSError(self.code, f"injected into {step}")
