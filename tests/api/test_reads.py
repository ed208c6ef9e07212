"""Every read of PHI is in the ledger before it leaves."""

from collections.abc import Sequence
from dataclasses import replace

import orjson

from api.app import create_app
from domain.errors import Backpressure, IntegrityError
from domain.event import AuditEvent
from domain.record import Position, Receipt
from store.accounts import Role
from tests.api.conftest import House
from tests.api.scenes import SECRETS, a_day, an_alert, raise_alert

# address, patient recorded, filters recorded
READS = [
    ("/v1/events", "", []),
    ("/v1/events.csv?action=print&q=Z", "", ["actions", "text"]),
    ("/v1/events?patient=P-1&outcome=success", "P-1", ["patient_id", "outcomes"]),
    ("/v1/events/main/4", "P-2", []),
    ("/v1/patients/P-2/accesses.csv", "P-2", ["patient_id"]),
    ("/v1/actors/alice/activity", "", ["actor_id"]),
    ("/v1/alerts?kind=household_access", "", ["kind"]),
    ("/v1/alerts/one", "P-1", []),
    ("/v1/alerts/one/history", "P-1", []),
    ("/v1/reports/patient-access.json?first=2026-03-01&last=2026-03-31&patient=P-1", "P-1", ["period", "patient"]),
    ("/", "", []),
    ("/events?last=24h", "", ["since"]),
    ("/events/main/4", "P-2", []),
    ("/patients/P-1", "P-1", []),
    ("/actors/alice", "", ["actor_id"]),
    ("/mail?phi=yes", "", ["phi"]),
    ("/accesses?department=Oncology", "", ["department"]),
    ("/alerts", "", ["view", "severity", "kind"]),
    ("/alerts/one", "P-1", []),
]

TEMPLATES = {
    "/v1/events.csv?action=print&q=Z": "/v1/events.{suffix}",
    "/v1/events/main/4": "/v1/events/{writer}/{seq}",
    "/v1/patients/P-2/accesses.csv": "/v1/patients/{patient_id:path}/accesses.{suffix}",
    "/v1/actors/alice/activity": "/v1/actors/{actor_id:path}/activity",
    "/v1/alerts/one": "/v1/alerts/{alert_id}",
    "/v1/alerts/one/history": "/v1/alerts/{alert_id}/history",
    "/v1/reports/patient-access.json?first=2026-03-01&last=2026-03-31&patient=P-1": "/v1/reports/{name}.{suffix}",
    "/events/main/4": "/events/{writer}/{seq}",
    "/patients/P-1": "/patients/{patient_id:path}",
    "/actors/alice": "/actors/{actor_id:path}",
    "/alerts/one": "/alerts/{alert_id}",
}


def filled(house: House) -> None:
    a_day(house.node.ledger.append)
    raise_alert(house.services.alerts, an_alert("one"))
    house.node.keeper.checkpoint()


def test_a_read_is_one_event_that_names_who_and_what_was_asked_but_not_its_values(house: House) -> None:
    filled(house)
    reader = house.person(Role.AUDITOR, Role.ANALYST, name="carol")

    for number, (address, patient, filters) in enumerate(READS, 1):
        answer = reader.get(address)

        recorded = house.recorded()
        assert (answer.status_code, len(recorded)) == (200, number), address
        actor, recorded_patient, outcome, text = recorded[-1]
        details = orjson.loads(str(text))
        assert (actor, recorded_patient, outcome) == ("carol", patient, "success"), address
        assert details["filters"] == filters, address
        assert details["route"] == f"GET {TEMPLATES.get(address, address.partition('?')[0])}"
        assert details["rows"] >= 0
        assert not any(secret in str(text) for secret in SECRETS), address


class StoppedLedger:
    """A ledger that takes nothing."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def append(self, events: Sequence[AuditEvent]) -> list[Receipt]:
        raise self._error

    def head(self) -> Position:
        return Position("main", 0)


def test_nothing_is_shown_when_the_read_cannot_be_recorded(house: House) -> None:
    filled(house)
    stopped = StoppedLedger(Backpressure("the store is not reachable; nothing was accepted", retry_after=5))
    house.app = create_app(replace(house.services, ledger=stopped))
    reader = house.person(Role.AUDITOR, Role.ANALYST)

    for address, _, _ in READS:
        answer = reader.get(address)

        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), address
        assert not any(secret in answer.text for secret in SECRETS), address
    assert house.recorded() == []


def test_a_ledger_that_refuses_to_go_on_shows_nothing_either(house: House) -> None:
    filled(house)
    house.app = create_app(replace(house.services, ledger=StoppedLedger(IntegrityError("the ledger stopped"))))

    answer = house.person(Role.AUDITOR).get("/v1/events")

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:phitrail:problem:integrity"


def test_a_program_is_named_by_its_key(house: House) -> None:
    filled(house)
    program = house.program(Role.AUDITOR)

    program.get("/v1/events")

    ((actor, _, _, _),) = house.recorded()
    assert str(actor) == f"key:{house.services.keys.all()[0].key_id}"


def test_the_administrator_sees_the_first_screen_without_names_and_nothing_is_recorded(house: House) -> None:
    filled(house)

    answer = house.person(Role.ADMIN).get("/")

    assert answer.status_code == 200
    assert not any(secret in answer.text for secret in SECRETS)
    assert house.recorded() == []
