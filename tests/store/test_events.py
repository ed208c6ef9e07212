"""The read side of the ledger on a real engine."""

import base64
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.errors import InvalidInput, NotFound
from domain.event import Actor, ActorKind, AuditEvent, Geo, Source
from store.engine import Engine
from store.event_counts import EventCounts, bucket_edges
from store.events import EventFilter, Events
from tests.api.ledger_rows import NOON, access, put

NEW_YORK = ZoneInfo("America/New_York")


def ids(events: Events, wanted: EventFilter) -> set[str]:
    return {stored.event.event_id for stored in events.search(wanted, None, 100).events}


def test_an_entry_reads_back_as_the_event_it_was_made_from(engine: Engine) -> None:
    event = access(1, geo=Geo(city="Leeds", country="GB", lat="53.8", lon="-1.5"), raw=b"\xff\x00 not text")
    bare = AuditEvent(
        source_system="s",
        event_id="E-2",
        time=NOON,
        source=Source.PORTAL,
        action="login",
        actor=Actor(id="P-9", kind=ActorKind.PATIENT),
    )
    put(engine, [event, bare], received=NOON + timedelta(minutes=1))

    first, second = Events(engine).get("w1", 0), Events(engine).get("w1", 1)

    assert first.event == event
    assert second.event == bare
    assert first.received == NOON + timedelta(minutes=1)
    assert len(first.leaf) == 32


@pytest.mark.parametrize(("writer", "seq"), [("w1", 5), ("w2", 0), ("w1", -1), ("w1", 2**64)])
def test_a_place_without_entry_is_not_found(engine: Engine, writer: str, seq: int) -> None:
    put(engine, [access(0)])

    with pytest.raises(NotFound):
        Events(engine).get(writer, seq)


def test_find_locates_an_event_by_its_id_at_the_source(engine: Engine) -> None:
    put(engine, [access(0), access(1, source_system="lab")])

    assert Events(engine).find("lab", "E-1") == ("w1", 1)
    assert Events(engine).find("ehr", "E-1") is None


def test_each_filter_narrows(engine: Engine) -> None:
    events = Events(engine)
    put(
        engine,
        [
            access(0),
            access(1, actor=Actor(id="bob", kind=ActorKind.SERVICE)),
            access(2, patient_id="P-2", details={"note": "Überweisung"}),
            access(3, action="print", outcome="denied"),
            access(4, source=Source.MAIL, source_system="mx", action="deliver", ip="10.9.9.9", device=None),
        ],
    )

    assert ids(events, EventFilter()) == {"E-0", "E-1", "E-2", "E-3", "E-4"}
    assert ids(events, EventFilter(since=NOON + timedelta(seconds=1), until=NOON + timedelta(seconds=3))) == {"E-1", "E-2"}
    assert ids(events, EventFilter(actor_id="bob")) == {"E-1"}
    assert ids(events, EventFilter(patient_id="P-2")) == {"E-2"}
    assert ids(events, EventFilter(actions=("print", "deliver"))) == {"E-3", "E-4"}
    assert ids(events, EventFilter(sources=("mail",))) == {"E-4"}
    assert ids(events, EventFilter(source_systems=("mx",))) == {"E-4"}
    assert ids(events, EventFilter(outcomes=("denied",))) == {"E-3"}
    assert ids(events, EventFilter(actor_kinds=("service",))) == {"E-1"}
    assert ids(events, EventFilter(ip="10.9.9.9")) == {"E-4"}
    assert ids(events, EventFilter(device_id="ws-07", actions=("print",))) == {"E-3"}
    assert ids(events, EventFilter(text="überW")) == {"E-2"}
    assert ids(events, EventFilter(text="' OR 1 = 1 --")) == set()


def test_paging_neither_skips_nor_repeats_while_rows_arrive(engine: Engine) -> None:
    """Equal times across writers are told apart by writer and seq; newer rows arriving between pages do not shift the rest."""
    events = Events(engine)
    put(engine, [access(n, time=NOON + timedelta(seconds=n // 7)) for n in range(40)])
    put(engine, [access(n, time=NOON + timedelta(seconds=n // 7)) for n in range(100, 140)], writer="w2")
    seen: list[tuple[str, int]] = []
    cursor, first = None, True

    while first or cursor is not None:
        page = events.search(EventFilter(actor_id="alice"), cursor, 9)
        seen += [(stored.writer, stored.seq) for stored in page.events]
        put(engine, [access(1000 + len(seen), time=NOON + timedelta(hours=1))], first=100 + len(seen))
        cursor, first = page.next, False

    assert len(seen) == len(set(seen)) == 80
    assert set(seen) == {(writer, seq) for writer in ("w1", "w2") for seq in range(40)}


def test_pages_come_newest_first_and_the_last_has_no_cursor(engine: Engine) -> None:
    put(engine, [access(n) for n in range(4)])

    page = Events(engine).search(EventFilter(), None, 4)

    assert [stored.event.event_id for stored in page.events] == ["E-3", "E-2", "E-1", "E-0"]
    assert page.next is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "%%%",
        "é",
        base64.urlsafe_b64encode(b"1.2").decode(),
        base64.urlsafe_b64encode(b"9" * 30 + b".1.w").decode(),
        "LTEuLTEudw",
    ],
)
def test_a_forged_cursor_is_invalid_input(engine: Engine, cursor: str) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        Events(engine).search(EventFilter(), cursor, 10)


def test_a_follower_gets_the_rest_of_every_writer_in_log_order(engine: Engine) -> None:
    put(engine, [access(n) for n in range(5)], writer="a")
    put(engine, [access(n) for n in range(10, 13)], writer="b")

    found = Events(engine).after({"a": 2}, 2)

    assert [(stored.writer, stored.seq) for stored in found] == [("a", 3), ("a", 4), ("b", 0), ("b", 1)]
    assert Events(engine).after({"a": 4, "b": 2}, 2) == []


def test_the_histogram_has_no_holes_and_sums_to_the_total(engine: Engine) -> None:
    put(engine, [access(n * 60) for n in (0, 1, 1, 9)])

    histogram = EventCounts(engine).histogram(EventFilter(), ZoneInfo("UTC"))

    assert histogram.total == 4
    assert histogram.width == timedelta(minutes=1)
    assert [bucket.count for bucket in histogram.buckets] == [1, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    assert histogram.buckets[0].start == NOON


def test_the_histogram_of_nothing_is_empty(engine: Engine) -> None:
    assert EventCounts(engine).histogram(EventFilter(), NEW_YORK).buckets == ()


def test_days_begin_at_local_midnight_over_a_clock_change() -> None:
    edges = bucket_edges(datetime(2026, 3, 7, 12, tzinfo=UTC), datetime(2026, 3, 9, 12, tzinfo=UTC), timedelta(days=1), NEW_YORK)

    assert [edge.astimezone(NEW_YORK).hour for edge in edges] == [0, 0, 0, 0]
    assert [edge.astimezone(NEW_YORK).date() for edge in edges] == [date(2026, 3, day) for day in (7, 8, 9, 10)]
    assert edges[2] - edges[1] == timedelta(hours=23)


def test_facets_count_values_within_the_filter(engine: Engine) -> None:
    put(engine, [access(0), access(1, action="print"), access(2, outcome=None), access(3, patient_id="P-2", source=Source.PORTAL)])

    facets = EventCounts(engine).facets(EventFilter(patient_id="P-1"))

    assert facets["action"] == [("view_chart", 2), ("print", 1)]
    assert facets["outcome"] == [("success", 2), ("", 1)]
    assert facets["source"] == [("access", 3)]
    assert facets["actor_kind"] == [("staff", 3)]
