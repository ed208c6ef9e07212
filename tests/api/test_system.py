"""Liveness, readiness, metrics, version and the interface description."""

from dataclasses import replace

from api.app import create_app
from domain.errors import Backpressure
from store.accounts import Role
from store.overview import Overview, Size
from tests.api.conftest import House
from tests.api.scenes import SECRETS, a_day, an_alert, raise_alert


class AwayStore(Overview):
    """A store that does not answer."""

    def size(self) -> Size:
        raise Backpressure("the store is not reachable; nothing was accepted", retry_after=5)


def test_readiness_tells_nobody_why_but_those_who_may_know(house: House) -> None:
    assert house.visitor().get("/readyz").json() == {"status": "ready"}
    assert house.program(Role.ADMIN).get("/readyz").json() == {"status": "ready", "problems": {}}

    house.app = create_app(replace(house.services, overview=AwayStore(house.node.engine), unready=lambda: {"ledger": "stopped"}))

    assert house.visitor().get("/readyz").json() == {"status": "unready"}
    answer = house.program(Role.ADMIN).get("/readyz")
    assert answer.status_code == 503
    assert set(answer.json()["problems"]) == {"ledger", "store"}
    assert house.program(Role.COLLECTOR).get("/readyz").json() == {"status": "unready"}
    assert house.visitor().get("/livez").status_code == 200


def test_metrics_count_and_name_nobody(house: House) -> None:
    a_day(house.node.ledger.append)
    raise_alert(house.services.alerts, an_alert("one"))
    house.node.keeper.checkpoint()
    house.verify()
    house.clock.advance(seconds=7)

    answer = house.program(Role.ADMIN).get("/metrics")

    lines = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'phitrail_events_total{source_system="ehr",status="accepted"} 6.0' in lines
    assert 'phitrail_events_total{source_system="mx1",status="accepted"} 2.0' in lines
    assert 'phitrail_ledger_head_seq{writer="main"} 8.0' in lines
    assert "phitrail_checkpoint_age_seconds 7.0" in lines
    assert "phitrail_verified_age_seconds 7.0" in lines
    assert 'phitrail_integrity{verdict="intact"} 1.0' in lines
    assert not any(secret in answer.text for secret in SECRETS)


def test_the_interface_is_described_as_openapi_31_with_unique_operation_ids(house: House) -> None:
    described = house.program(Role.AUDITOR).get("/openapi.json").json()

    operations = [operation for path in described["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert described["openapi"].startswith("3.1")
    assert len(names) == len(set(names))
    assert all(name.isidentifier() and "_" not in name for name in names), names
    assert "/v1/patients/{patient_id}/accesses" in described["paths"]
    assert "/login" not in described["paths"]


def test_the_version_is_told_to_those_who_may_know(house: House) -> None:
    assert house.program(Role.AUDITOR).get("/version").json() == {"name": "phitrail", "version": "0.0.0-test"}
