"""The archive of an export: a zip whose bytes depend on its files alone, and which appears under its name only when it is whole."""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyrage

from domain.errors import InvalidInput

_PORTION = 1 << 20

_LARGE = 1 << 30
"""Bytes from which on an entry gets the longer fields of ZIP64: well below the limit, which counts what was packed as well."""

_LEVEL = 3
"""Of deflate. Of 100,000 events level 6 takes more than twice the time and saves a tenth; below 3 no time is left to save."""


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
        # An entry that is opened by name has the level and the moment 1980-01-01; one that is opened by ZipInfo has level 6.
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
            for name in order:
                is_large = files[name].stat().st_size > _LARGE
                with files[name].open("rb") as source, archive.open(name, "w", force_zip64=is_large) as entry:
                    shutil.copyfileobj(source, entry, _PORTION)
                info = archive.getinfo(name)
                info.create_system, info.external_attr = 3, 0o100644 << 16
        target.flush()
        os.fsync(target.fileno())


def read_recipient(text: str) -> pyrage.x25519.Recipient:
    """An age X25519 public key (age-encryption.org/v1). Raises InvalidInput where it is none."""
    try:
        return pyrage.x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError:
        raise InvalidInput("the recipient is no age X25519 public key: it begins with age1 (`age-keygen -y` prints it)") from None


def encrypt(plain: Path, temporary: Path, recipient: pyrage.x25519.Recipient) -> None:
    """Encrypt a file to one reader, in portions; on disk when this returns, and the plain file is gone."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with plain.open("rb") as source, os.fdopen(descriptor, "wb") as target:
        pyrage.encrypt_io(source, target, [recipient])
        target.flush()
        os.fsync(target.fileno())
    plain.unlink()


def give(temporary: Path, out: Path) -> None:
    """Let the finished archive take its name. Raises InvalidInput where the name was taken meanwhile."""
    try:
        os.link(temporary, out)
        temporary.unlink()
    except FileExistsError:
        raise InvalidInput(f"{out.name} exists: an export never replaces a file") from None
    except OSError:  # a file system without hard links
        temporary.replace(out)
    directory = os.open(out.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
