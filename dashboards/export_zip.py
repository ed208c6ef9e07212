"""The archive of an export: a zip whose bytes depend on its files alone, and which appears under its name only when it is whole."""

import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_MOMENT = (1980, 1, 1, 0, 0, 0)
_PORTION = 1 << 20


@dataclass(frozen=True, slots=True)
class FileSum:
    """Size and SHA-256 (hex) of a file."""

    size: int
    sha256: str


def file_sum(path: Path) -> FileSum:
    """Read a file once, in portions."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileSum(file.tell(), digest.hexdigest())


def write_zip(files: Mapping[str, Path], order: Sequence[str], temporary: Path) -> None:
    """Pack files in order, all with one moment and mode; on disk when this returns, and readable by its owner only."""
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w+b") as target:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name in order:
                info = zipfile.ZipInfo(name, _MOMENT)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system = 3
                info.external_attr = 0o100644 << 16
                info.file_size = files[name].stat().st_size
                with files[name].open("rb") as source, archive.open(info, "w") as entry:
                    while portion := source.read(_PORTION):
                        entry.write(portion)
        target.flush()
        os.fsync(target.fileno())


def give(temporary: Path, out: Path) -> None:
    """Let the finished archive take its name."""
    temporary.replace(out)
    directory = os.open(out.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
