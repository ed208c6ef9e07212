"""The quarantine on a real engine: byte for byte, once in the list however often it came, and settled by rows that are added."""

from datetime import timedelta

import pytest

from domain.errors import InvalidInput, NotFound
from domain.record import Receipt, Rejected, Status
from store.engine import Engine
from store.quarantine import Fragment, Quarantine, Quarantined, quarantine_id
from tests.support.clock import TickingClock


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock(step=timedelta(seconds=1))


@pytest.fixture
def quarantine(engine: Engine, clock: TickingClock) -> Quarantine:
    return Quarantine(engine, clock)


def rejected(raw: bytes, reason: str = "not JSON", *, source_system: str = "ehr") -> Rejected:
    return Rejected(source_system=source_system, format="phitrail", reason=reason, raw=raw)


def names(entries: list[Quarantined]) -> list[str]:
    return [entry.quarantine_id for entry in entries]


@pytest.mark.parametrize("raw", [b"", b"plain", bytes(range(256)), b"\xff\xfe\x00", "Müller “x”".encode(), b"x" * 3_000_000])
def test_a_record_comes_back_byte_for_byte(quarantine: Quarantine, raw: bytes) -> None:
    (name,) = quarantine.add([rejected(raw)])

    record = quarantine.show(name)

    assert record.raw == raw
    assert (record.entry.size, record.entry.whole, record.entry.times) == (len(raw), True, 1)
    assert (record.entry.source_system, record.entry.format, record.entry.reason) == ("ehr", "phitrail", "not JSON")


def test_the_same_bytes_from_the_same_source_are_one_record_that_came_twice(quarantine: Quarantine) -> None:
    first, other = quarantine.add([rejected(b"a"), rejected(b"a", source_system="lab")])
    again, fresh = quarantine.add([rejected(b"a", "later reason"), rejected(b"b")])

    entry = quarantine.show(first).entry

    assert first == again
    assert len({first, other, fresh}) == 3
    assert (entry.times, entry.reason) == (2, "later reason")
    assert entry.received - entry.first_received == timedelta(seconds=1)


def test_text_that_is_no_unicode_is_taken_too(quarantine: Quarantine) -> None:
    (name,) = quarantine.add([rejected(b"x", "half a pair: \ud800", source_system="m\udcffx")])

    entry = quarantine.show(name).entry

    assert (entry.reason, entry.source_system) == ("half a pair: ?", "m?x")


def test_fields_cannot_be_shifted_into_each_other() -> None:
    one = Rejected(source_system="ab", format="c", reason="", raw=b"d")
    two = Rejected(source_system="a", format="bc", reason="", raw=b"d")

    assert quarantine_id(one) != quarantine_id(two)


def test_the_list_shows_each_record_once_newest_first_over_all_pages(quarantine: Quarantine) -> None:
    for number in range(7):
        quarantine.add([rejected(b"%d" % number), rejected(b"always")])
    quarantine.add([rejected(b"0")])

    seen: list[str] = []
    after: str | None = None
    while page := quarantine.newest(limit=3, after=after):
        seen += names(page)
        after = page[-1].cursor

    expected = [quarantine_id(rejected(raw)) for raw in (b"0", b"always", b"6", b"5", b"4", b"3", b"2", b"1")]
    assert seen[0] == expected[0]
    assert set(seen[1:3]) == set(expected[1:3])  # received in the same moment
    assert seen[3:] == expected[3:]


def test_settled_records_and_parts_of_records_do_not_wait(quarantine: Quarantine) -> None:
    part = Fragment(source_system="ehr", format="syslog", reason="cut off", raw=b"<22>1 half")
    one, two, _ = quarantine.add([rejected(b"1"), rejected(b"2"), part])
    quarantine.settle([(one, Receipt(status=Status.ACCEPTED, writer="main", seq=7))])

    waiting = quarantine.pending()
    outcome = quarantine.show(one).entry.outcome

    assert names(waiting) == [two]
    assert quarantine.count_pending() == 1
    assert outcome is not None
    assert (outcome.status, outcome.writer, outcome.seq) == (Status.ACCEPTED, "main", 7)
    assert not quarantine.show(one).entry.is_pending
    assert quarantine.show(one).raw == b"1"


def test_a_settled_record_that_comes_again_waits_again(quarantine: Quarantine) -> None:
    (name,) = quarantine.add([rejected(b"1")])
    quarantine.settle([(name, Receipt(status=Status.DUPLICATE))])
    quarantine.add([rejected(b"1")])

    assert names(quarantine.pending()) == [name]
    assert quarantine.show(name).entry.is_pending


def test_waiting_records_page_in_the_order_of_receipt(quarantine: Quarantine) -> None:
    expected = [quarantine.add([rejected(b"%d" % number)])[0] for number in range(5)]

    first = quarantine.pending(limit=3)
    second = quarantine.pending(limit=3, after=first[-1].cursor)

    assert names(first) + names(second) == expected
    assert [record.raw for record in quarantine.read(second)] == [b"3", b"4"]


def test_what_is_not_there_is_said(quarantine: Quarantine) -> None:
    with pytest.raises(NotFound, match="phitrail quarantine list"):
        quarantine.show("0" * 32)
    for cursor in ("", "~", "yesterday~x", "2026-03-02T08:00:00~x"):
        with pytest.raises(InvalidInput, match="cursor"):
            quarantine.newest(after=cursor)
    assert quarantine.add([]) == []
    assert quarantine.newest() == []
    assert quarantine.pending() == []
    assert quarantine.count_pending() == 0
