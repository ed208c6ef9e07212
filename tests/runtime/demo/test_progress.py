"""Progress is visible wherever the output goes."""

import io
import threading

import pytest
from rich.console import Console

from runtime.demo.progress import stage


class _Watched(io.StringIO):
    """A log that tells when a line with the given text was written."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.seen = threading.Event()

    def write(self, words: str) -> int:
        written = super().write(words)
        if self.text in self.getvalue():
            self.seen.set()
        return written


def test_a_log_gets_a_line_at_once_and_again_while_it_takes_long() -> None:
    log = _Watched("Counting: 3 of 10")

    with stage(Console(file=log), "Counting", 10, heartbeat=0.01) as advance:
        assert "Counting …" in log.getvalue()
        advance(1)
        advance(2)
        assert log.seen.wait(10)

    assert log.getvalue().splitlines()[-1].startswith("✓ Counting (")


def test_a_terminal_gets_a_bar_and_the_duration() -> None:
    log = io.StringIO()

    with stage(Console(file=log, force_terminal=True, width=80), "Counting", 10) as advance:
        advance(10)

    assert "✓" in log.getvalue()
    assert "10/10" in log.getvalue()


def test_a_step_that_fails_is_not_reported_as_done() -> None:
    log = io.StringIO()

    with pytest.raises(ValueError, match="no"), stage(Console(file=log), "Counting"):
        raise ValueError("no")

    assert "✓" not in log.getvalue()
    assert not [thread for thread in threading.enumerate() if thread.name == "demo-heartbeat"]
