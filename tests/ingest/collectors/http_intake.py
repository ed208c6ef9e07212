"""The intake routes of a node, served over a real socket."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from zoneinfo import ZoneInfo

import httpx

from api.app import create_app
from api.routes import intake
from api.services import IntakeDesk, assemble
from dashboards.views import RecordState, Site
from domain.event import AuditEvent
from domain.keyring import KeyRing
from domain.proof import EventProof
from domain.record import Receipt
from store.accounts import Role
from store.alerts import AlertStore
from store.outbox import Outbox
from tests.support.desk import Desk
from tests.support.http_server import served
from tests.support.node import SIGNER

SECRET = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


@contextmanager
def intake_client(at: Desk, role: Role = Role.COLLECTOR, inner: IntakeDesk | None = None) -> Iterator[httpx.Client]:
    """A program with an API key of one role. `inner` stands in for the intake."""

    def record(events: Sequence[AuditEvent]) -> list[Receipt]:
        return at.node.ledger.append(events)

    def prove(writer: str, seq: int) -> EventProof:
        raise AssertionError(f"nobody asks for a proof of {writer} {seq} here")

    services = assemble(
        engine=at.node.engine,
        ledger=at.node.ledger,
        intake=inner or at.intake,
        alerts=AlertStore(at.node.engine, record),
        outbox=Outbox(at.node.engine, record),
        clock=at.clock,
        ticks=lambda: 0.0,
        new_token=lambda: SECRET,
        prove=prove,
        ledger_keys=KeyRing.of(SIGNER.verifier),
        record_state=RecordState,
        site=lambda: Site(name="test", zone=ZoneInfo("UTC")),
        report=lambda *_: b"",
        version="0",
    )
    _, key = services.keys.create("the test's sender", [role], "test")
    app = create_app(services, [intake.router])
    with (
        served(app) as url,
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False) as client,
    ):
        yield client
