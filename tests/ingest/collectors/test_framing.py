"""Messages come out the same wherever the network cuts the stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.collectors.framing import KEPT, FrameReader, Message

LINE = b"<22>1 2026-03-02T08:00:00Z mx1 postfix/smtp 7 - - 4F1: to=<a@example.org>, status=sent (250 ok)"
XML = b'<?xml version="1.0"?>\n<AuditMessage>\n <EventIdentification/>\n</AuditMessage>'
AUDIT = b"<85>1 2026-03-02T08:00:00Z pacs app 7 IHE+RFC-3881 - " + XML
JSON = b'<110>1 2026-03-02T08:00:00Z ehr app - - - {"event_id":"1"}'
WIDE = "<?xml version='1.0'?><AuditMessage/>".encode("utf-16")


def counted(message: bytes) -> bytes:
    return b"%d %s" % (len(message), message)


STREAMS: dict[str, tuple[bytes, list[bytes]]] = {
    "octet counting": (counted(LINE) + counted(AUDIT) + counted(JSON), [LINE, AUDIT, JSON]),
    "octet counting with line feeds inside the count": (counted(LINE + b"\n") + counted(JSON + b"\n"), [LINE, JSON]),
    "octet counting with line feeds between": (counted(LINE) + b"\n" + counted(JSON) + b"\r\n", [LINE, JSON]),
    "line feeds": (LINE + b"\n" + JSON + b"\r\n\n" + LINE + b"\n", [LINE, JSON, LINE]),
    "NUL": (LINE + b"\0" + JSON + b"\0", [LINE, JSON]),
    "audit messages that hold line feeds, ended by line feeds": (
        AUDIT + b"\n" + AUDIT + b"\n" + LINE + b"\n",
        [AUDIT, AUDIT, LINE],
    ),
    "XML without any framing": (XML + XML + b"\xef\xbb\xbf" + XML, [XML, XML, b"\xef\xbb\xbf" + XML]),
    "audit message on one line": (AUDIT.replace(b"\n", b"") + b"\n" + LINE + b"\n", [AUDIT.replace(b"\n", b""), LINE]),
    "both framings on one connection": (LINE + b"\n" + counted(AUDIT) + JSON + b"\n" + counted(LINE), [LINE, AUDIT, JSON, LINE]),
    "line that begins with a number": (
        b"2026-03-02T08:00:00Z mx1 x: y\n12 apostles\n" + LINE + b"\n",
        [b"2026-03-02T08:00:00Z mx1 x: y", b"12 apostles", LINE],
    ),
    "number too long for a count": (b"1234567890 <22>x\n" + LINE + b"\n", [b"1234567890 <22>x", LINE]),
    "counted messages that begin like none": (
        counted(b"no record of any kind") + counted(LINE) + counted(b"none again,\non two lines") + counted(LINE),
        [b"no record of any kind", LINE, b"none again,\non two lines", LINE],
    ),
    "header without PRI": (
        b"1 2026-03-02T08:00:00Z mx1 a - - - b\n" + LINE + b"\n",
        [b"1 2026-03-02T08:00:00Z mx1 a - - - b", LINE],
    ),
    "count of zero": (b"0 <22>x\n" + LINE + b"\n", [b"0 <22>x", LINE]),
    "XML that never ends, then a new message": (
        b"<85>1 - h a - IHE+RFC-3881 - <AuditMessage>\n<Event/>\n" + LINE + b"\n" + counted(JSON),
        [b"<85>1 - h a - IHE+RFC-3881 - <AuditMessage>\n<Event/>", LINE, JSON],
    ),
    "end tag over two lines": (
        b"<85>1 - h a - - - <AuditMessage></AuditMessage\n>\n" + LINE + b"\n",
        [b"<85>1 - h a - - - <AuditMessage></AuditMessage\n>", LINE],
    ),
    "UTF-16 in a count": (counted(WIDE) + counted(LINE), [WIDE, LINE]),
    "nothing but line ends": (b"\n\r\n\0 \n", []),
}


def read(pieces: list[bytes], limit: int = 4096) -> list[Message]:
    reader = FrameReader(limit)
    return [message for piece in pieces for message in reader.feed(piece)]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_gives_its_messages_wherever_it_is_cut_in_two(name: str) -> None:
    stream, messages = STREAMS[name]

    for cut in range(len(stream) + 1):
        assert read([stream[:cut], stream[cut:]]) == [Message(message) for message in messages], f"cut at {cut}"


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_gives_its_messages_byte_by_byte(name: str) -> None:
    stream, messages = STREAMS[name]

    assert read([stream[at : at + 1] for at in range(len(stream))]) == [Message(message) for message in messages]


@given(st.lists(st.sampled_from([LINE, AUDIT, JSON]), max_size=6), st.data())
def test_any_mixture_of_framings_in_any_pieces(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(data.draw(st.sampled_from([counted(message), message + b"\n"])) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    assert read(pieces) == [Message(message) for message in messages]


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_no_byte_of_garbage_is_lost_and_nothing_raises(pieces: list[bytes]) -> None:
    """What comes out is what went in, less counts and blanks; each message is whole or says why it is not."""
    reader = FrameReader(64)

    messages = [message for piece in pieces for message in reader.feed(piece)]
    messages += reader.finish("ended", clean=False)

    stream = b"".join(pieces)
    at = 0
    for message in messages:
        found = stream.find(message.data, at)
        assert found >= 0
        at = found + len(message.data)
    assert not reader.is_partial
    assert bool(messages) == bool(stream.strip(b" \t\r\n\0"))


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"", b"\n"), (b"<85>1 - h a - IHE+RFC-3881 - <AuditMessage>", b"</AuditMessage>")],
    ids=["line", "document"],
)
@pytest.mark.parametrize("piece", [1 << 10, 1 << 16])
def test_a_text_message_that_is_too_long_keeps_its_beginning_and_not_its_neighbours(
    before: bytes, after: bytes, piece: int
) -> None:
    long = before + b"x" * 300_000 + after
    stream = LINE + b"\n" + long + LINE + b"\n"

    messages = read([stream[at : at + piece] for at in range(0, len(stream), piece)], limit=100_000)

    assert [message.data for message in messages] == [LINE, long[:KEPT], LINE]
    assert [message.fault for message in messages] == [
        None,
        f"message longer than 100000 bytes; only its first {KEPT} bytes are kept",
        None,
    ]


@pytest.mark.parametrize("piece", [7, 1 << 10, 1 << 20])
def test_a_counted_message_that_is_too_long_is_passed_over_exactly(piece: int) -> None:
    long = b"<22>" + b"\n<22>" * 60_000
    stream = counted(LINE) + counted(long) + counted(LINE)

    messages = read([stream[at : at + piece] for at in range(0, len(stream), piece)], limit=100_000)

    assert [message.data for message in messages] == [LINE, long[:KEPT], LINE]
    assert messages[1].fault is not None


def test_a_hundred_megabytes_without_an_end_are_not_held() -> None:
    reader = FrameReader(1 << 20)
    piece = b"x" * (1 << 18)

    largest = 0
    for _ in range(400):
        assert reader.feed(piece) == []
        largest = max(largest, len(reader._held))

    assert largest <= (1 << 20) + (1 << 18)
    assert [message.data for message in reader.feed(b"\n" + LINE + b"\n")] == [piece[:KEPT], LINE]


@pytest.mark.parametrize("stream", [counted(LINE)[:-1], LINE[:-1], XML[:-1], b"12", b"12 ", counted(JSON)[:-1]])
@pytest.mark.parametrize("clean", [True, False])
def test_what_is_cut_off_is_handed_out_as_a_part(stream: bytes, clean: bool) -> None:
    reader = FrameReader(4096)

    assert reader.feed(stream) == []
    assert reader.is_partial
    (part,) = reader.finish("cut off", clean=clean)

    assert part.fault == "cut off"
    assert stream.strip().endswith(part.data)
    assert reader.finish("cut off", clean=clean) == []


def test_a_last_line_without_its_end_is_believed_only_where_its_content_shows_that_it_is_whole() -> None:
    for stream, fault in [(JSON, None), (LINE, "cut off")]:
        reader = FrameReader(4096)
        reader.feed(stream)

        assert reader.finish("cut off", clean=True) == [Message(stream, fault)]
