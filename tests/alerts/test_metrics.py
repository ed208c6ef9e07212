"""Metrics as a scrape sees them."""

from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from alerts.metrics import AlertMetrics
from store.alerts import AlertStore
from store.engine import Engine
from store.outbox import Outbox, plan
from store.sources import Sources
from store.suppressions import SuppressionBook, Suppressions
from tests.alerts.builders import NINE, Recorded, a_finding, an_episode, at
from tests.support.cast import chart_view
from tests.support.clock import TickingClock
from tests.support.node import node


def scrape(engine: Engine, *, hours: float, expected: dict[str, timedelta] | None = None) -> str:
    registry = CollectorRegistry()
    alerts, outbox = AlertStore(engine, Recorded()), Outbox(engine, Recorded())
    clock = TickingClock(at(hours))
    sources, held = Sources(engine), Suppressions(engine)
    registry.register(
        AlertMetrics(alerts=alerts, outbox=outbox, sources=sources, clock=clock, expected=expected, suppressions=held)
    )
    return generate_latest(registry).decode()


def test_alerts_deliveries_and_sources_are_counted(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock(NINE)) as live:
        live.ledger.append([chart_view(1)])
    Sources(engine).refresh()
    AlertStore(engine, Recorded()).apply([an_episode(), an_episode(a_finding("f-2", patient="P-2", kind="watch_mallory"))])
    Outbox(engine, Recorded()).put([plan(alert_id="a1", version=1, channel="mail", at=NINE, due=NINE)])

    book, found = SuppressionBook(engine, Recorded(), lambda: "t"), [a_finding("f-9", kind="watch_mallory")]
    book.set("watch_mallory", {"actor_id": "alice"}, by="officer", reason="x", at=NINE, until=at(5))
    Suppressions(engine).hold(found, Suppressions(engine).holding(found))

    text = scrape(engine, hours=2, expected={"ehr": timedelta(hours=1)})

    assert 'phitrail_alerts{kind="household_access",severity="medium",status="open"} 1.0' in text
    assert 'phitrail_alerts{kind="other",severity="medium",status="open"} 1.0' in text
    assert 'phitrail_deliveries{channel="mail",state="pending"} 1.0' in text
    assert 'phitrail_delivery_oldest_pending_seconds{channel="mail"} 7200.0' in text
    assert 'phitrail_findings_held_total{kind="other"} 1.0' in text
    assert 'phitrail_sources{state="silent"} 1.0' in text
    assert not any(name in text for name in ("mallory", "alice", "P-1", "P-2", "ehr"))


def test_an_empty_store_has_metrics_too(engine: Engine) -> None:
    assert 'phitrail_sources{state="heard"} 0.0' in scrape(engine, hours=0)
