"""How the benchmarks measure and report: in one run, side by side, because the machine is shared."""

import time
from collections.abc import Callable

Report = Callable[[str, str, float], None]
"""Takes area, what was measured, and the figure."""


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call took."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def report(area: str, what: str, value: float) -> None:
    """One line of the result."""
    print(f"{area:<8} {what:<66} {value:>12,.2f}", flush=True)
