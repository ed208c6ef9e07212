"""Records keep the bytes they came in, whatever is around them."""

import json

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.pull.calling import error_code, retry_after
from ingest.pull.json_pages import NotJson, array_records, enveloped
from tests.support.clock import TickingClock

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
INDENT = st.sampled_from([None, 0, 3])


@settings(deadline=None)
@given(st.lists(VALUES, max_size=6), INDENT, st.booleans())
def test_an_array_falls_into_its_elements(values: list[object], indent: int | None, ascii_only: bool) -> None:
    body = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")

    records = array_records(body)

    assert [json.loads(record) for record in records] == values
    assert all(record in body for record in records)


@settings(deadline=None)
@given(
    st.lists(VALUES, max_size=6),
    st.dictionaries(st.text(max_size=5).filter(lambda name: name != "value"), VALUES, max_size=4),
    INDENT,
)
def test_an_envelope_falls_into_records_and_members(values: list[object], others: dict[str, object], indent: int | None) -> None:
    body = json.dumps({**others, "value": values, "after": 1}, indent=indent).encode()

    envelope = enveloped(body, "value")

    assert [json.loads(record) for record in envelope.records] == values
    assert dict(envelope.members) == {**others, "after": 1}
    assert all(record in body for record in envelope.records)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_records_or_refused(body: bytes) -> None:
    for read in (array_records, lambda data: enveloped(data, "value")):
        try:
            read(body)
        except NotJson:
            continue
        json.loads(body.decode("utf-8-sig"))


@settings(deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4), st.data())
def test_a_body_that_is_cut_off_is_refused(values: list[object], data: st.DataObject) -> None:
    body = json.dumps(values).encode()
    cut = data.draw(st.integers(0, len(body) - 1))

    with pytest.raises(NotJson):
        array_records(body[:cut])


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"value":' * 100_000, b"\xff[]", b'{"value": 3}', b"[1] [2]", b'{"value": []} x']
)
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(NotJson):
        array_records(body)
    with pytest.raises(NotJson):
        enveloped(body, "value")


@settings(deadline=None)
@given(st.text(max_size=60))
def test_retry_after_is_seconds_or_a_date_and_never_more_than_a_day(text: str) -> None:
    headers = httpx.Headers([(b"retry-after", text.encode("utf-8", "replace").replace(b"\r", b"").replace(b"\n", b""))])

    wait = retry_after(headers, TickingClock()())

    assert wait is None or 0.0 <= wait <= 86_400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("999999999999999", 86_400.0),
        ("Mon, 02 Mar 2026 08:01:00 GMT", 60.0),
        ("", None),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_by_example(text: str, seconds: float | None) -> None:
    assert retry_after(httpx.Headers({"retry-after": text}), TickingClock()()) == seconds


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error":{"code":"AF20022","message":"x"}}', "AF20022"),
        (b'{"error":{"code":403,"status":"PERMISSION_DENIED","errors":[{"reason":"rateLimitExceeded"}]}}', "rateLimitExceeded"),
        (b'{"error":{"code":403,"status":"PERMISSION_DENIED"}}', "PERMISSION_DENIED"),
        (b'{"error":"invalid_client","error_description":"x"}', "invalid_client"),
        (b'{"errorCode":"E0000047","errorSummary":"x"}', "E0000047"),
        (b'{"error":"Jane Roe was here"}', ""),
        (b'{"error":["x"]}', ""),
        (b"<html>", ""),
        (b"[]", ""),
    ],
)
def test_the_word_for_an_error_is_taken_only_where_it_is_one(body: bytes, code: str) -> None:
    assert error_code(body) == code
