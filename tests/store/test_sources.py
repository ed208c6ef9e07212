"""The roll-up of sources over a real ledger."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from store.engine import Engine
from store.sources import Sources
from tests.support.cast import MORNING, chart_view
from tests.support.clock import TickingClock
from tests.support.node import node


def test_sources_are_counted_by_hour_of_receipt_and_only_what_is_new_is_read(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock(MORNING)
    sources = Sources(engine)
    with node(engine, tmp_path, clock) as live:
        assert sources.refresh() == 0
        live.ledger.append([chart_view(0), replace(chart_view(1), source_system="mail")])
        assert sources.refresh() == 2
        clock.advance(minutes=30)
        live.ledger.append([chart_view(2)])
        clock.advance(hours=2)
        live.ledger.append([chart_view(3)])
        assert sources.refresh() == 2
        assert sources.refresh() == 0

    ehr, mail = sources.activity(since=MORNING)

    assert (ehr.source_system, ehr.events, mail.source_system, mail.events) == ("ehr", 3, "mail", 1)
    assert (ehr.last_received, ehr.last_claimed) == (MORNING + timedelta(hours=2.5), chart_view(3).time)
    assert [(span.events, span.first - MORNING, span.last - MORNING) for span in ehr.spans] == [
        (2, timedelta(0), timedelta(minutes=30)),
        (1, timedelta(hours=2.5), timedelta(hours=2.5)),
    ]


def test_a_source_not_heard_for_long_is_still_known(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock(MORNING)) as live:
        live.ledger.append([chart_view(0)])
    sources = Sources(engine)
    sources.refresh()

    (ehr,) = sources.activity(since=MORNING + timedelta(days=30))

    assert (ehr.last_received, ehr.spans) == (MORNING, ())
