"""Syslog headers as senders write them, and the year that RFC 3164 leaves out."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ingest.parsers.syslog import SyslogRecord, read_syslog

RECEIVED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def read(record: bytes) -> SyslogRecord:
    return read_syslog(record, received=RECEIVED)


@pytest.mark.parametrize(
    "record",
    [
        b"<22>Mar  2 06:00:01 mx1 postfix/smtp[610]: text",
        b"Mar 02 06:00:01 mx1 postfix/smtp[610]: text",
        b"Mar  2 2026 06:00:01 mx1 postfix/smtp[610]: text",
        b"<22>Mar  2 06:00:01.000   mx1  postfix/smtp[610]:text",
        b"2026-03-02T06:00:01+00:00 mx1 postfix/smtp[610]: text",
        b"2026-03-02T01:00:01-0500 mx1 postfix/smtp[610]: text",
        b"2026-03-02 06:00:01,000 mx1 postfix/smtp[610]: text",
        b"<22>1 2026-03-02T06:00:01.000000Z mx1 postfix/smtp 610 - - text",
        b'<22>1 2026-03-02T06:00:01Z mx1 postfix/smtp 610 - [a@1 k="v"][b@2] text',
        b"\xef\xbb\xbf<22>1 2026-03-02T06:00:01Z mx1 postfix/smtp 610 - - \xef\xbb\xbftext",
        b"1 2026-03-02T06:00:01Z mx1 postfix/smtp 610 - - text",
    ],
)
def test_the_same_line_in_every_spelling(record: bytes) -> None:
    syslog = read(record)

    assert syslog.time == datetime(2026, 3, 2, 6, 0, 1, tzinfo=UTC)
    assert (syslog.host, syslog.app, syslog.procid, syslog.message) == ("mx1", "postfix/smtp", "610", b"text")


def test_pri_is_facility_and_severity_and_an_impossible_one_is_neither() -> None:
    assert (read(b"<85>Mar  2 06:00:01 h a: x").facility, read(b"<85>Mar  2 06:00:01 h a: x").severity) == (10, 5)
    assert (read(b"<999>Mar  2 06:00:01 h a: x").facility, read(b"<999>Mar  2 06:00:01 h a: x").host) == (None, "h")


def test_structured_data_is_read_with_its_escapes() -> None:
    syslog = read(b'<1>1 - - app - ID47 [ex@32473 a="q\\"\\]\\\\" b="2"][o@1 c=""] the message')

    assert syslog.data == {"ex@32473": {"a": 'q"]\\', "b": "2"}, "o@1": {"c": ""}}
    assert (syslog.time, syslog.host, syslog.app, syslog.msgid, syslog.message) == (None, None, "app", "ID47", b"the message")


@pytest.mark.parametrize(
    ("record", "app", "message"),
    [
        (b"postfix/smtp[610]: text", "postfix/smtp", b"text"),
        (b"Mar  2 06:00:01 postfix/smtp[610]: no host", "postfix/smtp", b"no host"),
        (b"just text", None, b"just text"),
        (b"", None, b""),
        (b"<22>1 broken", None, b"1 broken"),
        (b"<22>1 - h a - - [broken data", "a", b"[broken data"),
    ],
)
def test_what_is_missing_is_none_and_the_message_is_there(record: bytes, app: str | None, message: bytes) -> None:
    assert (read(record).app, read(record).message) == (app, message)


@pytest.mark.parametrize(
    ("stamp", "received", "expected"),
    [
        ("Mar  2 06:00:00", RECEIVED, datetime(2026, 3, 2, 6, tzinfo=UTC)),
        ("Mar  3 11:59:59", RECEIVED, datetime(2026, 3, 3, 11, 59, 59, tzinfo=UTC)),
        ("Mar  3 12:00:01", RECEIVED, datetime(2025, 3, 3, 12, 0, 1, tzinfo=UTC)),
        ("Dec 31 23:59:59", RECEIVED, datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("Jan  1 00:00:01", datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("Feb 29 10:00:00", RECEIVED, datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("Feb 31 10:00:00", RECEIVED, None),
    ],
)
def test_the_year_is_the_latest_not_more_than_a_day_after_receipt(
    stamp: str, received: datetime, expected: datetime | None
) -> None:
    assert read_syslog(f"{stamp} h a[1]: x".encode(), received=received).time == expected


def test_a_time_without_offset_is_in_the_zone_given() -> None:
    zone = ZoneInfo("America/Chicago")

    assert read_syslog(b"Jul  2 06:00:00 h a: x", received=RECEIVED, zone=zone).time == datetime(2025, 7, 2, 11, tzinfo=UTC)
    assert read_syslog(b"2026-01-02 06:00:00 h a: x", received=RECEIVED, zone=zone).time == datetime(2026, 1, 2, 12, tzinfo=UTC)
