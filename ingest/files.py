"""Files and standard input through the same path as the live collectors."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import BinaryIO

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.record import Position
from ingest.compression import coding_of, unpacked
from ingest.parsers import MAPPED, MAX_RECORD, ROUTED, Explanation, Parser, mapping_names, parser_for, read_explanation
from ingest.pipeline import Counts, Pipeline
from store.intake import Intake

STANDARD_INPUT = Path("-")

_CHUNK = 256 * 1024
_SUFFIXES = {".gz": "gzip", ".zst": "zstd"}

Progress = Callable[[int], None]
"""Told, as they are read, how many more bytes (of the file, before unpacking) there were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSummary:
    """What became of the records of all files, and the head of the ledger after them. Counts are final: everything is durable."""

    counts: Counts
    head: Position


class UnreadableInput(InvalidInput):
    """Some input could not be read to its end. What was readable is stored; `summary` says what became of it."""

    def __init__(self, message: str, summary: IngestSummary) -> None:
        super().__init__(message)
        self.summary = summary


def ingest_files(
    paths: Sequence[Path],
    *,
    format: str,  # noqa: A002 (the field's name everywhere)
    source_system: str,
    intake: Intake,
    clock: Clock,
    zone: tzinfo = UTC,
    tls_logging_proven: bool = False,
    mapping: Explanation | None = None,
    max_record: int = MAX_RECORD,
    progress: Progress = lambda _: None,
    standard_input: BinaryIO | None = None,
) -> IngestSummary:
    """
    Store the records of files, in order; `-` is standard input. `.gz` and `.zst` are unpacked, also without the suffix.

    Every file is a stream of its own: the same file read twice, now or later, gives duplicates and nothing new. Formats that need
    to be told what the columns mean take `mapping`, or a mapping file beside the data (`mapping_beside`).
    Raises InvalidInput, before anything is stored, for an unknown format, an unusable source system, a mapping that is none, or a
    path that is no readable file; UnreadableInput, after everything readable of all files is stored, when one ended early or is
    damaged; Backpressure, IntegrityError.
    """

    def parser_of(path: Path) -> Parser:
        return parser_for(
            format,
            source_system=source_system,
            received=clock,
            zone=zone,
            tls_logging_proven=tls_logging_proven,
            mapping=mapping or mapping_beside(path, format),
        )

    for path in paths:
        _check(path)
    parsers = [parser_of(path) for path in paths]
    counts = Counts()
    troubles: list[str] = []
    for path, parser in zip(paths, parsers, strict=True):
        pipeline = Pipeline(parser=parser, source_system=source_system, intake=intake, max_record=max_record)
        try:
            pipeline.run(_content(path, progress, standard_input))
        except (InvalidInput, OSError) as error:
            reason = str(error) if isinstance(error, InvalidInput) else f"reading failed: {error.strerror}"
            troubles.append(f"{path}: {reason}")
        counts += pipeline.counts
    summary = IngestSummary(counts=counts, head=intake.head())
    if troubles:
        raise UnreadableInput(f"{'; '.join(troubles)}. What could be read is stored.", summary)
    return summary


def mapping_beside(path: Path, format: str) -> Explanation | None:  # noqa: A002 (the field's name everywhere)
    """The mapping or routes that lie beside a data file, for this file or for all in its folder.

    None without one, and for formats that take none. Raises InvalidInput where there is one that cannot be read, or is none.
    """
    if path == STANDARD_INPUT or format not in MAPPED | ROUTED:
        return None
    for name in mapping_names(path.name):
        beside = path.with_name(name)
        if beside.is_file():
            return mapping_in(beside, format)
    return None


def mapping_in(path: Path, format: str | None = None) -> Explanation:  # noqa: A002
    """The mapping, or the routes, in a file. Raises InvalidInput naming the file and every problem."""
    try:
        return read_explanation(path.read_text(encoding="utf-8"), format)
    except (OSError, UnicodeDecodeError):
        raise InvalidInput(f"{path} cannot be read as text; nothing was stored") from None
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None


def _check(path: Path) -> None:
    if path == STANDARD_INPUT:
        return
    try:
        with path.open("rb"):
            return
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}); nothing was stored") from None


def _content(path: Path, progress: Progress, standard_input: BinaryIO | None) -> Iterator[bytes]:
    if path == STANDARD_INPUT:
        yield from _unpacked(standard_input or sys.stdin.buffer, None, progress)
        return
    with path.open("rb") as file:
        yield from _unpacked(file, _SUFFIXES.get(path.suffix.lower()), progress)


def _unpacked(file: BinaryIO, coding: str | None, progress: Progress) -> Iterator[bytes]:
    chunks = _chunks(file, progress)
    first = next(chunks, b"")
    coding = coding or coding_of(first)
    stream = _joined(first, chunks)
    return unpacked(stream, coding) if coding else stream


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _chunks(file: BinaryIO, progress: Progress) -> Iterator[bytes]:
    """Whatever is there, up to 256 KiB: a slow pipe is not waited for."""
    read = getattr(file, "read1", file.read)
    while chunk := read(_CHUNK):
        progress(len(chunk))
        yield chunk
