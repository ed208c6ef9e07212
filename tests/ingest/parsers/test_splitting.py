"""Where records begin and end: one broken or endless record costs itself and nothing else."""

import tracemalloc
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from ingest.parsers import FORMATS, Oversize, parser_for, split_records
from ingest.parsers.records import KEPT, Feed

GOOD = b'{"event_id":"good"}'


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def split(format: str, data: bytes, *, limit: int = 1000, size: int = 7) -> list[bytes | Oversize]:  # noqa: A002
    return [*split_records(format, pieces(data, size), max_record=limit)]


@pytest.mark.parametrize("format", ["exim", "zimbra", "nginx", "postfix", "atna", "exchange-tracking", "csv"])
def test_blank_lines_are_passed_over_at_once_wherever_they_are(monkeypatch: pytest.MonkeyPatch, format: str) -> None:  # noqa: A002
    lines = count()
    line = Feed.line

    def counted(feed: Feed, limit: int) -> bytes | Oversize | None:
        next(lines)
        return line(feed, limit)

    monkeypatch.setattr(Feed, "line", counted)
    blank = b" \r\n\n\t\n" * 2_000

    records = split(format, b"one,two\n" + blank + b"three,four\n" + blank, size=10_000)

    assert records[-1] in (b"three,four", b"one,two\nthree,four"), "a table has its header with it"
    assert next(lines) < 50


def test_lines_end_with_either_line_end_and_blank_ones_are_no_records() -> None:
    assert split("postfix", b"\xef\xbb\xbfone\r\n\n  \ntwo\nthree") == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (b'{"a":1}\n{"a":2}\n', [b'{"a":1}', b'{"a":2}']),
        (b'\xef\xbb\xbf{"a":1}', [b'{"a":1}']),
        (b'{\n "a": {"b": "}"},\n "c": [1, 2]\n}\n{"a":2}', [b'{\n "a": {"b": "}"},\n "c": [1, 2]\n}', b'{"a":2}']),
        (b'[{"a":1},{"a":"]"} ,\n {"a":3}]\n{"a":4}', [b'{"a":1}', b'{"a":"]"}', b'{"a":3}', b'{"a":4}']),
        (b'{"a":1}{"a":2}', [b'{"a":1}', b'{"a":2}']),
        (b'{"a":"\\"}"}\n{"a":"\\\\"}', [b'{"a":"\\"}"}', b'{"a":"\\\\"}']),
        (b"[1,null,[2],{}]", [b"1", b"null", b"[2]", b"{}"]),
        (b"[]", []),
    ],
)
def test_json_comes_as_one_object_an_array_or_lines(text: bytes, records: list[bytes]) -> None:
    assert split("phitrail", text) == records


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_elements_on_lines_of_their_own_inside_a_record_do_not_end_it(size: int) -> None:
    inside = b'{"a":[\n{"b":1},\n{"b":[{"c":"},\\n{"}]},\r\n{"b":2}\n],"d":3}'
    broken = b'{"a":{"b":1,'

    assert split("phitrail", inside + b"\n" + GOOD, size=size) == [inside, GOOD]
    assert split("phitrail", broken + b"\n" + GOOD + b"\n" + GOOD, size=size)[1:] == [GOOD, GOOD]


@pytest.mark.parametrize(
    "broken",
    [
        b'{"event_id":"cut in a str',
        b'{"event_id":1,',
        b'{"event_id":',
        b'{"event_id":[',
        b'{"event_id":{"deeper":1',
        b"no json at all",
        b'{"event_id":"x"} trailing',
        b"{{{{",
        b"]",
    ],
)
def test_a_broken_line_does_not_swallow_the_next(broken: bytes) -> None:
    records = split("phitrail", GOOD + b"\n" + broken + b"\n" + GOOD + b"\n" + GOOD + b"\n")

    assert [record for record in records if record == GOOD] == [GOOD] * 3
    assert len(records) >= 4


def test_a_broken_element_does_not_swallow_the_next() -> None:
    records = split("phitrail", b'[\n{"a":1},\n{"a":"cut,\n{"a":3},\n{"a":4,\n{"a":5}\n]\n' + GOOD)

    assert records == [b'{"a":1}', b'{"a":"cut,', b'{"a":3}', b'{"a":4,', b'{"a":5}', GOOD]


def test_a_bundle_is_its_entries_byte_for_byte() -> None:
    resource = b'{ "resourceType" : "AuditEvent",\n "id":"\xc3\xa9", "x":[1.10e1]}'
    bundle = b'{"resourceType":"Bundle","entry":[{"fullUrl":"u","resource":' + resource + b' }, {"request":{}}]}'

    assert split("fhir-auditevent", bundle) == [resource, b'{"request":{}}']
    assert split("phitrail", bundle) == [bundle]


def test_xml_is_one_document_a_file_or_a_line_with_or_without_header() -> None:
    pretty = b'<?xml version="1.0"?>\n<AuditMessage>\n  <a/>\n</AuditMessage>'
    line = b"<85>1 2026-03-02T06:30:00Z h a - - - <AuditMessage><a/></AuditMessage>"
    cut = b"<85>1 2026-03-02T06:30:00Z h a - - - <AuditMessage><a"

    assert split("atna", pretty) == [pretty]
    assert split("atna", b"\n".join([pretty, line, cut, line, b"garbage", line + line])) == [
        *(pretty, line, cut, line, b"garbage", line, line)
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_a_record_over_the_limit_is_cut_off_and_those_after_it_come(format: str) -> None:  # noqa: A002
    endless = b'{"a":"' + b"x" * 5000 + b'"}'
    last = b"<AuditMessage></AuditMessage>" if format == "atna" else GOOD

    first, second = split(format, endless + b"\n" + last + b"\n", limit=1000, size=64)

    assert isinstance(first, Oversize)
    assert endless.startswith(first.head)
    assert second == last
    rejected = first.rejected(source_system="s", format=format)
    assert rejected.reason.startswith("record longer than 1000 bytes")
    assert rejected.raw == first.head


@pytest.mark.parametrize(
    ("format", "unit"),
    [("postfix", b"x" * 65536), ("atna", b"x" * 65536), ("phitrail", b"x" * 65536), ("phitrail", b"[" * 65536)],
)
def test_a_hundred_megabyte_line_is_read_in_bounded_memory(format: str, unit: bytes) -> None:  # noqa: A002
    def stream() -> Iterator[bytes]:
        yield b'{"a":' + (b'"' if unit[0] == ord("x") else b"")
        for _ in range(1600):  # 100 MiB
            yield unit
        yield b"\n" + GOOD + b"\n"

    tracemalloc.start()
    records = [*split_records(format, stream(), max_record=1 << 20)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(records[0], Oversize)
    assert len(records[0].head) == KEPT
    assert peak < 8 << 20
    assert records[1:] == [GOOD]


def test_xml_that_is_no_audit_message_does_not_swallow_one() -> None:
    message = b"<AuditMessage><a/></AuditMessage>"
    other = b'<?xml version="1.0"?><Other/>'

    assert split("atna", b"\n".join([b"<Other/>", message, other, other, b'<?xml version="1.0"?>\n' + message])) == [
        *(b"<Other/>", message, other, other, b'<?xml version="1.0"?>\n' + message)
    ]


def test_line_ends_inside_a_record_stay_as_they_came() -> None:
    pretty = b'<?xml version="1.0"?>\r\n<AuditMessage>\r\n\r\n</AuditMessage>'
    indented = b'{\r\n "a": 1\r\n}'

    assert split("atna", pretty + b"\r\n" + pretty) == [pretty, pretty]
    assert split("phitrail", indented + b"\r\n" + indented) == [indented, indented]


def test_an_array_of_any_length_is_read_in_bounded_memory() -> None:
    def stream() -> Iterator[bytes]:
        yield b"["
        for _ in range(2000):
            yield b'{"a":"' + b"x" * 1000 + b'"},'
        yield GOOD + b"]"

    tracemalloc.start()
    count = sum(1 for _ in split_records("phitrail", stream(), max_record=64 * 1024))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 2001
    assert peak < 1 << 20


TEXTS = st.lists(
    st.sampled_from(
        [
            b'{"a":1}',
            b'{"a":',
            b"[",
            b"]",
            b",",
            b'"',
            b"\\",
            b"\n",
            b" ",
            b"x1",
            b"}",
            b"\xff",
            b"<AuditMessage>",
            b"<85>",
            b"</AuditMessage>",
        ]
    ),
    max_size=30,
).map(b"".join)


@settings(deadline=None)
@given(text=TEXTS, size=st.integers(1, 9), format=st.sampled_from(FORMATS))
def test_records_do_not_depend_on_how_the_stream_is_cut(text: bytes, size: int, format: str) -> None:  # noqa: A002
    assert split(format, text, size=size) == split(format, text, size=10_000)


@settings(deadline=None)
@given(text=TEXTS, format=st.sampled_from(FORMATS))
def test_no_content_is_lost_between_records(text: bytes, format: str) -> None:  # noqa: A002
    records = b"".join(record for record in split(format, text) if isinstance(record, bytes))

    assert bytes(byte for byte in records if byte not in b" \r\n,[]") == bytes(byte for byte in text if byte not in b" \r\n,[]")


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=f"known formats: {', '.join(FORMATS)}"):
        split_records("fax", [])
    with pytest.raises(InvalidInput, match="known formats"):
        parser_for("fax", source_system="s", received=lambda: pytest.fail("not needed"))
    with pytest.raises(InvalidInput, match="source system"):
        parser_for("atna", source_system="", received=lambda: pytest.fail("not needed"))


# --- What once took quadratic time: each would take minutes -----------------------------------------------------------------


@pytest.mark.parametrize(("unit", "each"), [(b'{"a":1}', 1), (b'{"a":1}[]', 1), (b'{"a":1} [{"b":"}{"},2] ', 3)])
@pytest.mark.parametrize("size", [7, 64 * 1024, 1 << 30])
def test_a_line_of_very_many_values_is_cut_at_each(unit: bytes, each: int, size: int) -> None:
    count = 50_000 if size > 7 else 100

    assert len(split("phitrail", unit * count, limit=1 << 23, size=size)) == count * each


@pytest.mark.parametrize(
    "inner",
    [b'"\\u0000"', b"[]", b"[[[[[]]]]]", b'{"b":{"c":["}"]}}', b'""', b'{"b":"]\\\\"}', b'\n{"b":[\n{"c":1}]}', b'"{[\\""'],
)
@pytest.mark.parametrize("size", [1, 5, 64 * 1024])
def test_brackets_and_strings_by_the_thousand_stay_one_value(inner: bytes, size: int) -> None:
    count = 20_000 if size > 5 else 20
    record = b'{"a":[\n' + b",".join([inner] * count) + b"]}"

    assert split("phitrail", record + b"\n" + GOOD, limit=1 << 23, size=size) == [record, GOOD]


def test_an_audit_message_may_hold_any_number_of_lines_without_a_tag() -> None:
    record = b"<AuditMessage>\n" + b"x\n \n\n" * 50_000 + b"</AuditMessage>"

    assert split("atna", record + b"\n<AuditMessage/>", limit=1 << 23, size=1 << 16) == [record, b"<AuditMessage/>"]
    (cut, after) = split("atna", record + b"\n<AuditMessage/>", limit=1000, size=64)
    assert isinstance(cut, Oversize)
    assert record.startswith(cut.head)
    assert after == b"<AuditMessage/>"


@pytest.mark.parametrize("format", ["csv", "openemr", "m365-message-trace"])
def test_a_table_may_hold_any_number_of_blank_rows(format: str) -> None:  # noqa: A002
    blank = b"\n \r\n\t\n" * 100_000

    assert split(format, b"a,b\n" + blank + b"1,2\n" + blank + b"3,4", limit=1 << 23, size=1 << 16)[-2:] == [b"a,b\n1,2", b"3,4"]


@pytest.mark.parametrize("row", [b'"x",y', b'"say ""so""",y', b'"two\nlines",y', b'"",""', b'x"y,z'])
@pytest.mark.parametrize("size", [3, 1 << 16])
def test_a_row_of_very_many_fields_ends_where_it_ends(row: bytes, size: int) -> None:
    wide = b",".join([row] * (20_000 if size > 3 else 20))

    assert split("csv", b"a,b\n" + wide + b"\n3,4", limit=1 << 23, size=size) == [b"a,b\n" + wide, b"3,4"]
