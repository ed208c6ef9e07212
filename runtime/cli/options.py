"""Options that commands share, and how a command gets at the store."""

import os
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from domain.clock import parse_rfc3339
from domain.errors import InvalidInput
from runtime.settings import Settings, load

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where everything of this node lives (default ./phitrail-data).")]
From = Annotated[str | None, typer.Option("--from", help="From this day or RFC 3339 moment, inclusive.")]
To = Annotated[str | None, typer.Option("--to", help="To this day (inclusive) or RFC 3339 moment (exclusive).")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of sentences.")]

out = Console(highlight=False)
"""Standard output, for people."""

err = Console(stderr=True, highlight=False)
"""Standard error: progress and sentences."""


def settings(data_dir: Path | None) -> Settings:
    """The settings of this command. Raises ConfigError."""
    return load(os.environ, data_dir=data_dir)


def moment(text: str | None, *, end: bool = False) -> datetime | None:
    """A day or an RFC 3339 moment as an instant; a day as an end is the start of the next. Raises InvalidInput."""
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        pass
    else:
        start = datetime.combine(day, time(), UTC)
        return start.replace() if not end else datetime.fromtimestamp(start.timestamp() + 86_400, UTC)
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is neither a day (2026-03-02) nor a moment with offset (2026-03-02T08:00:00Z)") from None
