"""The spool of a node: its settings, and the desk that collectors hand records in at.

The group of settings stands here and not in `runtime/settings.py`, beside what it switches; nothing heavy is imported for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from domain.clock import Clock
from domain.errors import ConfigError

if TYPE_CHECKING:
    from ingest.pipeline import Desk
    from ingest.spool.desk import SpooledDesk

_SMALLEST = 128 * 1024 * 1024


class SpoolSettings(BaseModel):
    """Where records wait while the store is away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    directory: Path | None = Field(
        None, description="where records wait while the store is away (they hold PHI); default: spool/ in the state directory"
    )
    max_bytes: int = Field(
        2 * 1024 * 1024 * 1024, ge=_SMALLEST, description="how much may wait there, in bytes; beyond it senders are refused"
    )
    retry_seconds: int = Field(5, ge=1, le=300, description="how often a store that is away is tried again")


@contextmanager
def spooled(intake: "Desk", settings: SpoolSettings, state_dir: Path, clock: Clock) -> "Iterator[SpooledDesk]":
    """
    A desk before `intake` that keeps records on disk while the store is away; what an earlier run left is drained first.

    At the end what the store takes is drained, and the rest stays. Raises ConfigError, and Conflict where another process has it.
    """
    from ingest.spool.desk import SpooledDesk
    from ingest.spool.spool import Spool

    directory = settings.directory or state_dir / "spool"
    try:
        spool = Spool(directory, clock, max_bytes=settings.max_bytes)
    except OSError as error:
        raise ConfigError(f"the spool directory {directory} cannot be used: {error.strerror}") from error
    try:
        with SpooledDesk(intake, spool, retry_seconds=settings.retry_seconds) as desk:
            yield desk
    finally:
        spool.close()
