"""Opening an export that somebody sent us: nothing is written to disk, nothing is trusted before it is bounded.

Refused are what a zip can be besides an archive of known files: other names, paths out of the folder, two files of one name, links,
encrypted or exotically packed entries, sizes that no honest file has, bytes hidden before the archive.
"""

import hashlib
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from dashboards.export_fields import Fields, read_loose_object
from domain.errors import IntegrityError, InvalidInput

FORMAT = "phitrail-export-2"
MAX_BYTES = 1 << 40
MAX_SMALL = 16 << 20
MAX_LINE = 64 << 20
_MAX_RATIO = 1100  # deflate cannot do better than 1032 to 1
_PORTION = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError, RuntimeError, ValueError)

NAMES = frozenset(
    {
        "README.txt", "manifest.json", "receipt.json", "report.html", "report.pdf", "events.csv", "events.jsonl", "proofs.jsonl",
        "scope.jsonl", "history.jsonl", "timestamps.jsonl", "completeness.json", "checkpoint", "policy.tlog-policy",
        "keys/ledger.keys", "verify.py",
    }
)  # fmt: skip


class Bundle:
    """An opened export. Raises InvalidInput where it is no export at all, IntegrityError where it is one with something wrong."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        """`max_bytes` bounds what the files may be unpacked."""
        with ExitStack() as stack:
            try:
                self._file = stack.enter_context(path.open("rb"))
                self._zip = zipfile.ZipFile(self._file)
                entries = self._zip.infolist()
            except _DAMAGE as error:
                raise InvalidInput("this is no zip archive, or it cannot be read") from error
            self._entries = {entry.filename: entry for entry in entries}
            self._check_format()
            _check(entries, max_bytes)
            stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def small(self, name: str) -> bytes:
        """A small file, whole. Raises IntegrityError where it is damaged or not small."""
        if self._entries[name].file_size > MAX_SMALL:
            raise IntegrityError(f"{name} is larger than {MAX_SMALL} bytes")
        return b"".join(self._portions(name))

    def text(self, name: str) -> str:
        """The same, where it is text."""
        try:
            return self.small(name).decode()
        except UnicodeDecodeError:
            raise IntegrityError("it is not UTF-8") from None

    def loose(self, name: str) -> Fields:
        """A small file that is one JSON object, laid out for people."""
        return read_loose_object(self.small(name), name)

    def sum(self, name: str) -> tuple[int, str]:
        """Size and SHA-256 (hex) of a file as it unpacks. Raises IntegrityError where it is damaged."""
        digest, size = hashlib.sha256(), 0
        for portion in self._portions(name):
            digest.update(portion)
            size += len(portion)
        return size, digest.hexdigest()

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file without their ends, one in memory at a time. Raises IntegrityError where it is damaged."""
        waiting = b""
        for portion in self._portions(name):
            waiting += portion
            *whole, waiting = waiting.split(b"\n")
            yield from whole
            if len(waiting) > MAX_LINE:
                raise IntegrityError(f"{name} has a line of more than {MAX_LINE} bytes")
        if waiting:
            raise IntegrityError(f"{name} does not end with a line end")

    def _check_format(self) -> None:
        """An export of another format has other files, so this comes first. What is no manifest at all is named later."""
        if "manifest.json" not in self._entries:
            raise InvalidInput("this is no audit export: it has no manifest.json")
        try:
            said = self.loose("manifest.json").get("format")
        except IntegrityError:
            return
        if said != FORMAT:
            raise InvalidInput(f"the export has the format {str(said)[:40]!r}; this reads {FORMAT}")

    def _portions(self, name: str) -> Iterator[bytes]:
        try:
            with self._zip.open(self._entries[name]) as entry:
                while portion := entry.read(_PORTION):
                    yield portion
        except _DAMAGE as error:
            raise IntegrityError(f"{name} is damaged inside the archive") from error


def _check(entries: Sequence[zipfile.ZipInfo], max_bytes: int) -> None:
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise IntegrityError("the archive has two files of one name")
    if strange := sorted(set(names) - NAMES):
        raise IntegrityError(f"the archive has a file that no export has: {strange[0][:80]!r}")
    if absent := sorted(NAMES - set(names)):
        raise IntegrityError(f"the archive lacks {absent[0]}")
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if entry.flag_bits & 0x1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise IntegrityError(f"{entry.filename} is encrypted, or packed in a way that no export is")
        if kind not in (0, stat.S_IFREG):
            raise IntegrityError(f"{entry.filename} is a link or a device, not a file")
        if entry.file_size > _MAX_RATIO * max(1, entry.compress_size):
            raise IntegrityError(f"{entry.filename} claims a size that no file packs into")
    if sum(entry.file_size for entry in entries) > max_bytes:
        raise IntegrityError(f"the archive unpacks to more than {max_bytes} bytes")
    if min(entry.header_offset for entry in entries) != 0:
        raise IntegrityError("there are bytes hidden in front of the archive")
