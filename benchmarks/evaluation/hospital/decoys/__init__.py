"""What looks like an incident and is none: one file each, with `stage`. Decoys write into the diary like all ordinary work."""

import pkgutil
from collections.abc import Callable, Sequence
from importlib import import_module

from benchmarks.evaluation.hospital.scene import Scene


def decoys() -> Sequence[tuple[str, Callable[[Scene], None]]]:
    """All of them, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [(name, import_module(f"{__name__}.{name}").stage) for name in names]
