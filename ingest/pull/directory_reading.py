"""Reading pieces of a file, one after the other, without unpacking a compressed one from its start for each."""

from collections.abc import Iterator
from dataclasses import dataclass

from domain.errors import InvalidInput
from ingest.pull.contract import PullFailed
from ingest.pull.directory_streams import SAMPLE, Found, Mark, Stream, content, digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """`data` follows `known`, the bytes by which the stream was known again. `at_end`: there is no more now; `damage`: nor ever,
    why."""

    known: bytes
    data: bytes
    at_end: bool
    damage: str | None


class Reader:
    """Reads forward in one file at a time. What was handed out and not taken is still held, as far as it is compressed."""

    def __init__(self) -> None:
        self._mark: Mark | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._at = 0
        self._held = bytearray()
        self._ended = False
        self._damage: str | None = None

    def read(self, file: Found, stream: Stream | None, size: int) -> Piece:
        """Up to `size` bytes of a stream from its offset on (None: from the start of the file).

        The bytes before are read in the same breath and compared, so that a file which was cut to nothing a moment ago, and has
        grown again, is not taken for what it was. Raises OSError, and PullFailed for such a file.
        """
        sample = 0 if stream is None else stream.sample
        start = 0 if stream is None else stream.offset - sample
        if file.coding is None or self._mark != file.mark or not self._at <= start <= self._at + len(self._held):
            self._open(file, start)
        del self._held[: start - self._at]
        self._at = start
        while len(self._held) <= sample + size and not self._ended:
            self._more()
        known = bytes(self._held[:sample])
        if stream is not None and digest(known) != stream.tail:
            self._mark = None
            raise PullFailed("a file was cut or replaced while it was read; the directory is looked through again")
        return Piece(
            known=known,
            data=bytes(self._held[sample : sample + size]),
            at_end=self._ended and len(self._held) <= sample + size,
            damage=self._damage,
        )

    def _open(self, file: Found, start: int) -> None:
        self._mark = file.mark
        self._pieces = content(file, start)
        self._at = start
        self._held = bytearray()
        self._ended = False
        self._damage = None

    def _more(self) -> None:
        try:
            self._held += next(self._pieces)
        except StopIteration:
            self._ended = True
        except InvalidInput as error:
            self._ended = True
            self._damage = str(error)


def measured(file: Found) -> tuple[int, str, str, str | None]:
    """The length of a file's content, the digests of its first and last bytes, and what is wrong with it. Raises OSError."""
    size, head, tail = 0, b"", b""
    damage = None
    try:
        for chunk in content(file):
            size += len(chunk)
            head = (head + chunk)[:SAMPLE] if len(head) < SAMPLE else head
            tail = (tail + chunk)[-SAMPLE:]
    except InvalidInput as error:
        damage = str(error)
    return size, digest(head), digest(tail), damage
