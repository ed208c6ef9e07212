"""The scenarios: one file each, with a `SCENARIO`. A new file here is a new scenario; nothing else needs to know of it."""

import pkgutil
from collections.abc import Sequence
from importlib import import_module

from benchmarks.evaluation.hospital.scene import Scenario


def scenarios() -> Sequence[Scenario]:
    """All of them, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = [import_module(f"{__name__}.{name}").SCENARIO for name in names]
    assert all(isinstance(scenario, Scenario) for scenario in found)
    return found
