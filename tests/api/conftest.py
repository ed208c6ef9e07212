"""A whole installation in one process: real engine, real ledger, real accounts, and the application over them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from argon2 import PasswordHasher
from fastapi import FastAPI

from api.app import create_app
from api.services import Services, assemble
from dashboards.reports import Reports
from dashboards.views import RecordState, Site
from domain.keyring import KeyRing
from store.accounts import Role
from store.alerts import AlertStore
from store.completeness import examine
from store.engine import Engine
from store.intake import Intake
from store.outbox import Outbox
from store.proofs import Proofs
from store.quarantine import Quarantine
from store.reports import ReportQuestions
from tests.api.door import Door
from tests.api.ledger_rows import NOON
from tests.support.clock import TickingClock
from tests.support.node import SIGNER, Node, node

PASSWORD = "correct horse battery"
NEW_YORK = ZoneInfo("America/New_York")


@dataclass
class House:
    """The installation, and ways to come in."""

    portal: BlockingPortal
    node: Node
    clock: TickingClock
    services: Services
    app: FastAPI
    state: list[RecordState] = field(default_factory=lambda: [RecordState()])

    def visitor(self, url: str = "http://127.0.0.1", address: str = "127.0.0.1") -> httpx.Client:
        """Someone at the door: a client without session or key, coming from `address`."""
        return httpx.Client(transport=Door(self.portal, self.app, address), base_url=url)

    def person(self, *roles: Role, name: str = "") -> httpx.Client:
        """A browser whose person has signed in; `csrf` of the session is in its header `X-CSRF-Token`."""
        name = name or "-".join(sorted(role.value.replace("_", "-") for role in roles))
        if name not in {account.name for account in self.services.accounts.all()}:
            self.services.accounts.add(name, PASSWORD, roles, by="test")
        browser = self.visitor()
        token = self.services.sessions.start(name)
        browser.cookies.set("phitrail", token)
        session = self.services.sessions.resume(token)
        assert session is not None
        browser.headers["X-CSRF-Token"] = session.csrf
        return browser

    def program(self, *roles: Role) -> httpx.Client:
        """A program with an API key."""
        _, text = self.services.keys.create("test", roles, by="test")
        client = self.visitor()
        client.headers["Authorization"] = f"Bearer {text}"
        return client

    def verify(self) -> None:
        """What the scheduler does: look at everything and keep the result."""
        self.state[0] = RecordState(
            verified_at=self.clock(),
            is_full=True,
            verification=self.node.verify(),
            completeness=examine(self.node.engine),
        )

    def recorded(self, action: str = "audit_read") -> list[tuple[object, ...]]:
        """The events of this system in the ledger: (actor, patient, outcome, details), oldest first."""
        return self.node.engine.rows(
            "SELECT actor_id, patient_id, outcome, details FROM events "
            "WHERE source_system = 'phitrail' AND action = {action:String} ORDER BY seq",
            action=action,
        )


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """One event loop for all applications: its worker threads, and with them the store's clients, are used again."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def house(engine: Engine, tmp_path: Path, portal: BlockingPortal) -> Iterator[House]:
    """An empty installation at noon."""
    clock = TickingClock(NOON)
    with node(engine, tmp_path, clock) as here:
        yield furnish(portal, here, clock)


def furnish(portal: BlockingPortal, here: Node, clock: TickingClock) -> House:
    """Services and application over a node."""
    numbers = count(1)
    state = [RecordState()]
    engine = here.engine
    reports = Reports(ReportQuestions(engine), clock, organisation="St. Example", zone=NEW_YORK)
    services = assemble(
        engine=engine,
        ledger=here.ledger,
        intake=Intake(here.ledger, Quarantine(engine, clock)),
        alerts=AlertStore(engine, here.ledger.append),
        outbox=Outbox(engine, here.ledger.append),
        clock=clock,
        ticks=lambda: 0.0,
        new_token=lambda: f"token-{next(numbers):037d}",
        prove=lambda writer, seq: Proofs(engine, SIGNER.name).event(writer, seq),
        ledger_keys=KeyRing.of(SIGNER.verifier),
        record_state=lambda: state[0],
        site=lambda: Site(name="St. Example", zone=NEW_YORK),
        report=reports.chunks,
        version="0.0.0-test",
        hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1),
    )
    return House(portal=portal, node=here, clock=clock, services=services, app=create_app(services), state=state)
