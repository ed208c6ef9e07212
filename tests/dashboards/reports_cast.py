"""A small hospital for report tests: one patient's chart opened by people with and without a reason, and mail on its way out."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from dashboards.reports import ReportParams, Reports
from domain.event import Actor, ActorKind, AuditEvent, Geo, Source
from store.engine import Engine
from store.reports import ReportQuestions
from tests.support.cast import ALICE, BOB, MALLORY, PATIENT, chart_view
from tests.support.clock import TickingClock
from tests.support.node import node

START = datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
"""Half an hour before the clocks of Chicago go forward."""

MARCH = ReportParams(since=datetime(2026, 3, 1, 6, tzinfo=UTC), until=datetime(2026, 4, 1, 5, tzinfo=UTC), by="privacy.officer")
ZONE = ZoneInfo("America/Chicago")


class Names:
    """Who Alice and Bob are; nobody else is known."""

    def names(self, actor_ids: Sequence[str]) -> Mapping[str, str]:
        known = {"alice": "Alice Adler", "bob": "Bob Brennan"}
        return {actor: known[actor] for actor in actor_ids if actor in known}


def accesses() -> list[AuditEvent]:
    """What happens to the chart of P-1, and one look at P-2 that is nobody's business here."""
    rows: list[tuple[Actor, str, dict[str, object]]] = [
        (ALICE, "view_chart", {}),
        (ALICE, "edit_note", {"details": {"module": "notes"}}),
        (BOB, "view_labs", {"details": {}, "device": None, "ip": None}),
        (MALLORY, "break_glass", {"details": {"module": "chart", "reason": "=code blue, bed 4"}}),
        (MALLORY, "view_chart", {"outcome": "denied"}),
        (PATIENT, "view_results", {"source": Source.PORTAL, "geo": Geo(city="Evanston", country="US"), "details": {}}),
        (Actor(id="@cron", kind=ActorKind.SERVICE), "rebuild_index", {"details": {}}),
        (BOB, "deliver", {"source": Source.MAIL, "details": {}}),
    ]
    events = []
    for number, (actor, action, changes) in enumerate(rows):
        event = replace(chart_view(number, actor=actor), time=START + timedelta(minutes=17 * number), action=action)
        events.append(replace(event, **changes))  # type: ignore[arg-type]
    return [*events, replace(chart_view(90, patient="P-2"), time=START)]


def _access_facts(engine: Engine) -> None:
    """Alice and Bob have a reason, Mallory has none; the portal and the program are not examined yet."""
    rows = [
        _fact(0, role="Nurse", department="ICU", explained=1, reasons=["on shift in unit ICU, where the patient stayed"]),
        _fact(1, role="Nurse", department="ICU", explained=1, reasons=["on shift in unit ICU, where the patient stayed"]),
        _fact(2, role="Physician", department="Cardiology", explained=1, reasons=["ordered the test", "named in the care team"]),
        _fact(3, role="Clerk", department="Billing", flags=["same surname as the patient, a rare one"]),
        _fact(4, role="Clerk", department="Billing", flags=["same surname as the patient, a rare one"]),
    ]
    _insert(engine, "access_facts", rows)


def _fact(
    seq: int, *, role: str, department: str, explained: int = 0, reasons: Sequence[str] = (), flags: Sequence[str] = ()
) -> dict[str, object]:
    return {
        "writer": "main",
        "seq": seq,
        "actor_role": role,
        "actor_department": department,
        "known": 1,
        "explained": explained,
        "reasons": list(reasons),
        "flags": list(flags),
    }


def _delivery_facts(engine: Engine) -> None:
    """One of each way to travel; the last six are not insecure deliveries and must not be listed."""
    base: dict[str, object] = {
        "writer": "main",
        "action": "deliver",
        "outcome": "delivered",
        "actor_id": "results@clinic.example",
        "patient_id": "P-1",
        "to_domain": "practice.example",
        "direction": "outbound",
        "category": "lab result",
        "phi": 1,
        "encryption": "none",
        "policy_version": "1",
        "source_system": "postfix",
    }
    changes: list[dict[str, object]] = [
        {"tls_verdict": "none", "evidence": "the server did not offer STARTTLS"},
        {"tls_verdict": "trusted", "tls_version": "TLSv1", "tls_cipher": "ECDHE-RSA-AES256-SHA", "tls_weak": 1},
        {"tls_verdict": "anonymous", "tls_version": "TLSv1.3", "tls_cipher": "TLS_AES_256_GCM_SHA384", "patient_id": "P-2"},
        {"tls_verdict": "unknown", "phi": None, "to_domain": "mail.example", "encryption": "", "direction": ""},
        {"tls_verdict": "none", "encryption": "smime", "auto_forwarded": 1, "opted_in": 1, "to_domain": "=1+1.example"},
        {"tls_verdict": "verified_webpki", "tls_version": "TLSv1.3"},
        {"tls_verdict": "trusted", "tls_version": "TLSv1.3"},
        {"tls_verdict": "none", "phi": 0},
        {"tls_verdict": "none", "direction": "inbound"},
        {"tls_verdict": "none", "action": "bounce", "outcome": "bounced"},
        {"tls_verdict": "none", "time": datetime(2026, 4, 1, 5, tzinfo=UTC)},
    ]
    _insert(
        engine,
        "delivery_facts",
        [
            base | {"seq": 100 + number, "event_id": f"mail-{number}", "time": START + timedelta(hours=number)} | change
            for number, change in enumerate(changes)
        ],
    )


def _insert(engine: Engine, table: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Rows with the columns given; the others get the column's default."""
    names = sorted({name for row in rows for name in row})
    kinds = {
        str(name): str(kind)
        for name, kind in engine.rows("SELECT name, type FROM system.columns WHERE table = {t:String}", t=table)
    }
    types: dict[str, pl.DataType | type[pl.DataType]] = {"seq": pl.UInt64, "phi": pl.UInt8, "time": pl.Datetime("us", "UTC")}
    types |= {name: pl.UInt8 for name, kind in kinds.items() if kind == "UInt8"}
    full = [{name: row.get(name, _empty(kinds[name])) for name in names} for row in rows]
    engine.insert(table, pl.DataFrame(full, schema_overrides={name: kind for name, kind in types.items() if name in names}))


def _empty(kind: str) -> object:
    return 0 if kind.startswith(("UInt", "Int")) else None if kind.startswith("Nullable") else ""


@contextmanager
def hospital(engine: Engine, directory: Path) -> Iterator[Reports]:
    """The reports desk of the hospital, with everything stored and signed."""
    clock = TickingClock(datetime(2026, 4, 2, 9, tzinfo=UTC))
    with node(engine, directory, clock) as live:
        live.ledger.append(accesses())
        live.keeper.checkpoint()
        _access_facts(engine)
        _delivery_facts(engine)
        yield Reports(ReportQuestions(engine), clock, organisation="Lakeside Clinic", zone=ZONE, directory=Names())
