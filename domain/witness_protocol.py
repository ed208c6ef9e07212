"""What is said between a log and a witness: the bodies of `add-checkpoint` and its answers (c2sp.org/tlog-witness).

request     "old " size "\\n", at most 63 consistency hashes in base64, one a line, an empty line, the checkpoint's note
200         signature lines, one or more
409         the size of the newest checkpoint that the witness cosigned for this log, and a newline (text/x.tlog.size)
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.checkpoint import Head, parse_checkpoint, parse_decimal
from domain.errors import IntegrityError, InvalidInput
from domain.note import MAX_SIGNATURES, Signature, from_base64, split_note

MAX_BODY = 1 << 20
"""Bytes of a request or an answer; 64 ML-DSA-44 signatures need 210 kB."""
MAX_PATH = 63
"""Hashes of a consistency proof: no log has more than 2^63 − 1 entries."""
SIZE_CONTENT_TYPE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: the size a witness is thought to have cosigned last (0: none), the consistency proof from there, the new note."""

    old_size: int
    path: Sequence[bytes]
    note: str

    @property
    def head(self) -> Head:
        """What the note claims. Nothing is verified: ask `open_note` with the key that is trusted for this origin."""
        return parse_checkpoint(split_note(self.note)[0])

    @property
    def body(self) -> bytes:
        """The request's body."""
        hashes = "".join(f"{base64.b64encode(item).decode()}\n" for item in self.path)
        return f"old {self.old_size}\n{hashes}\n{self.note}".encode()

    @classmethod
    def parse(cls, body: bytes) -> "AddCheckpoint":
        """Read a body. Raises InvalidInput (answer 400) where it is malformed, or the old size exceeds the checkpoint's.

        Signatures and proof are not verified: who does, answers 404, 403, 409 or 422 as the specification has it.
        """
        head, separator, note = _text(body).partition("\n\n")
        first, *hashes = head.split("\n")
        if not separator or not first.startswith("old "):
            raise InvalidInput("the request is not `old SIZE`, consistency hashes, an empty line and a checkpoint")
        if len(hashes) > MAX_PATH:
            raise InvalidInput(f"the consistency proof has more than {MAX_PATH} hashes")
        try:
            old_size = parse_decimal(first.removeprefix("old "))
            path = tuple(from_base64(item) for item in hashes)
        except ValueError:
            raise InvalidInput("the old size is no decimal number, or a consistency hash is no base64") from None
        if any(len(item) != 32 for item in path):
            raise InvalidInput("a consistency hash is not 32 bytes")
        request = cls(old_size, path, note)
        try:
            size = request.head.size
        except IntegrityError as error:
            raise InvalidInput(str(error)) from None
        if old_size > size:
            raise InvalidInput("the old size is larger than the checkpoint's")
        return request


def answer_lines(lines: Iterable[str]) -> bytes:
    """The body of an answer 200: signature lines, each with its newline."""
    return "".join(lines).encode()


def parse_answer(body: bytes) -> list[str]:
    """The signature lines of an answer 200, each with its newline; see `domain.cosignature.lines_of` for which to keep.

    Raises InvalidInput where it is anything else.
    """
    text = _text(body)
    lines = text.split("\n")
    if lines.pop() or not 1 <= len(lines) <= MAX_SIGNATURES:
        raise InvalidInput("the witness's answer is no list of signature lines")
    try:
        return [Signature.parse(line).line for line in lines]
    except IntegrityError:
        raise InvalidInput("the witness's answer is no list of signature lines") from None


def answer_size(size: int) -> bytes:
    """The body of an answer 409 that tells the client which size to start from."""
    return f"{size}\n".encode()


def parse_size(body: bytes) -> int:
    """The size in an answer 409. Raises InvalidInput where it is none."""
    try:
        return parse_decimal(_text(body).removesuffix("\n"))
    except ValueError:
        raise InvalidInput("the witness's answer is no size of a log") from None


def _text(body: bytes) -> str:
    if len(body) > MAX_BODY:
        raise InvalidInput(f"the body has more than {MAX_BODY} bytes")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InvalidInput("the body is not UTF-8") from None
