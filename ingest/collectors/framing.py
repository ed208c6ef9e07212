"""Where one syslog message ends and the next begins on a TCP or TLS stream (RFC 6587 §3.4, RFC 5425 §4.3).

Which framing a sender uses is seen message by message. A number and a space begin octet counting where what follows can begin a
message, or the connection has counted before, or no line ends within the count. All else runs to a line feed (or a NUL, which some
libraries send). Audit messages in XML hold line feeds themselves, and some senders put no framing at all around them: these end
with their root element, or where a line begins as only a new message can.

No byte is lost: what does not come whole is handed out with the reason.
"""

import re
from dataclasses import dataclass
from typing import Final

KEPT: Final = 64 * 1024
"""Bytes kept of a message that was too long."""

_BLANK = b" \t\r\n\0"
_LEADING = re.compile(rb"[ \t\r\n\0]+")
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")  # UTF-16: its characters hold NUL bytes
_COUNT = re.compile(rb"([1-9]\d{0,8}) ")
_FIRST = b"<{\xef\xff\xfe"
"""What a message begins with: PRI or XML, JSON, a byte order mark."""
_MAYBE_COUNTED = re.compile(rb"[1-9]\d{0,8} ?")
_LINE_END = re.compile(rb"[\n\0]")
_TEXT_END = re.compile(rb"[\n\0]|</(?:\w{1,32}:)?AuditMessage\s{0,16}>")
_DOCUMENT = re.compile(rb"<\?xml\s|<(?:\w{1,32}:)?AuditMessage[\s>]|\sIHE\+RFC-3881\s|\sDICOM\+RFC3881\s")
_DOCUMENT_END = re.compile(rb"</(?:\w{1,32}:)?AuditMessage\s{0,16}>|[\n\0](?=(?:[1-9]\d{0,8} )?<\d{1,3}>)")
_LOOK_BACK = 80
"""No terminator is longer, lookahead included, so that much is searched again when more bytes arrive."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as received. With a `fault` it is only a part of one, and the fault says why."""

    data: bytes
    fault: str | None = None


class FrameReader:
    """Takes the bytes of one connection as they come and hands out whole messages. Holds at most `limit` bytes and one piece."""

    def __init__(self, limit: int) -> None:
        """`limit` is the longest message taken, in bytes."""
        self._limit = limit
        self._held = bytearray()
        self._size = 0  # announced size of the counted message at hand
        self._expected: int | None = None  # how many of its octets are not taken from `_held` yet; None: not octet counting
        self._has_counted = False  # on this connection
        self._searched = 0  # no end of the text message at hand before this
        self._in_document = False
        self._head: bytes | None = None  # the beginning of a message that is too long

    @property
    def is_partial(self) -> bool:
        """True while a message has begun and not ended."""
        return self._expected is not None or self._head is not None or bool(self._held)

    def feed(self, data: bytes) -> list[Message]:
        """The messages that end within these bytes."""
        self._held += data
        messages: list[Message] = []
        while (message := self._next()) is not None:
            if message.data:
                messages.append(message)
        return messages

    def finish(self, reason: str, *, clean: bool) -> list[Message]:
        """What is left when the connection ends; `reason` says how it ended, `clean` that the sender closed it in good order.

        A sender that closes instead of ending its last line is believed only where the content itself shows that it is whole.
        """
        is_partial, is_counted = self.is_partial, self._expected is not None
        message = self._emit(len(self._held), len(self._held))
        if not is_partial:
            return []
        if message.fault is not None or (clean and not is_counted and message.data.endswith(b"}")):
            return [message]
        return [Message(message.data, reason)]

    def _next(self) -> Message | None:
        if self._expected is not None:
            return self._counted()
        if self._head is None and not self._searched and not self._start():
            return None
        return self._counted() if self._expected is not None else self._text()

    def _start(self) -> bool:
        """At the first byte of a message: settle its framing. False while that cannot be said yet."""
        held = self._held
        if blank := _LEADING.match(held):
            del held[: blank.end()]
        count = _COUNT.match(held)
        if count is None or len(held) == count.end():
            return bool(held) and _MAYBE_COUNTED.fullmatch(held) is None
        size, begin = int(count[1]), count.end()
        if not self._has_counted and held[begin] not in _FIRST:
            if size == 1 or size > self._limit or _LINE_END.search(held, begin, begin + size):
                return True  # text; a lone 1 is the version in a header without PRI (RFC 5424 §6.2.2)
            if len(held) < begin + size:
                return False
        else:
            self._has_counted = True
        self._size = self._expected = size
        del held[:begin]
        return True

    def _counted(self) -> Message | None:
        assert self._expected is not None
        if self._size > self._limit:
            return self._skip_counted()
        if len(self._held) < self._expected:
            return None
        return self._emit(self._expected, self._expected)

    def _skip_counted(self) -> Message | None:
        """A counted message that is too long: keep its beginning, pass over the rest."""
        assert self._expected is not None
        wanted = min(KEPT, self._size)
        self._head = (self._head or b"") + bytes(self._held[: wanted - len(self._head or b"")])
        passed = min(len(self._held), self._expected)
        del self._held[:passed]
        self._expected -= passed
        return self._emit(0, 0) if self._expected == 0 else None

    def _text(self) -> Message | None:
        while found := (_DOCUMENT_END if self._in_document else _TEXT_END).search(self._held, self._searched):
            at, end = found.start(), found.end()
            if found[0] in (b"\n", b"\0"):
                if not self._in_document and self._head is None and _DOCUMENT.search(self._held, 0, at + 1):
                    self._in_document = True
                    self._searched = max(0, at - _LOOK_BACK)
                    continue
                return self._emit(at, end)
            return self._emit(end, end)
        if len(self._held) > self._limit:
            if self._head is None:
                self._head = bytes(self._held[:KEPT])
                self._in_document = self._in_document or _DOCUMENT.search(self._head) is not None
            del self._held[:-_LOOK_BACK]
        self._searched = max(0, len(self._held) - _LOOK_BACK)
        return None

    def _emit(self, length: int, end: int) -> Message:
        """Hand out the first `length` bytes, let the first `end` go, and begin anew."""
        data, head = bytes(self._held[:length]), self._head
        del self._held[:end]
        self._expected, self._searched, self._in_document, self._head = None, 0, False, None
        if head is None and len(data) > self._limit:
            head = data[:KEPT]
        if head is not None:
            return Message(head, self._too_long(len(head)))
        return Message(data if data.startswith(_WIDE_MARKS) else data.strip(_BLANK))

    def _too_long(self, kept: int) -> str:
        return f"message longer than {self._limit} bytes; only its first {kept} bytes are kept"
