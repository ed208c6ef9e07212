"""From recorded findings to alerts, over a real store."""

from collections.abc import Sequence
from datetime import UTC

import pytest

from alerts.follow import FindingsFollower
from alerts.kinds import KINDS
from alerts.route import default_routing
from alerts.triage import Triage, Triaged
from analytics.sigma.loader import load_rules
from domain.errors import Conflict
from domain.finding import Finding
from store.alerts import AlertStore
from store.cursors import Cursors
from store.engine import Engine
from store.findings import Findings
from store.outbox import Outbox
from tests.alerts.builders import NINE, Recorded, a_finding
from tests.support.clock import TickingClock


def follower(engine: Engine, kind: type[Triage] = Triage) -> FindingsFollower:
    triage = kind(
        alerts=AlertStore(engine, Recorded()),
        outbox=Outbox(engine, Recorded()),
        routing=default_routing(["mail"]),
        clock=TickingClock(NINE),
        zone=UTC,
    )
    return FindingsFollower(Findings(engine), Cursors(engine), triage)


def test_every_finding_is_taken_once_and_in_order(engine: Engine) -> None:
    findings = Findings(engine)
    findings.add([a_finding("f-1"), a_finding("f-2", patient="P-2")])
    assert follower(engine).run() == Triaged(opened=2, planned=2)
    assert follower(engine).run() == Triaged()

    findings.add([a_finding("f-3", events=(2,), hours=1)])

    assert follower(engine).run() == Triaged(grown=1)
    assert Cursors(engine).get("alerts") == {"findings": 3}


def test_findings_can_be_taken_without_ringing_a_bell(engine: Engine) -> None:
    Findings(engine).add([a_finding("f-1")])

    assert follower(engine).run(notify=False) == Triaged(opened=1)


class BusyTriage(Triage):
    """Cannot get through."""

    def take(self, findings: Sequence[Finding], *, notify: bool = True) -> Triaged:
        raise Conflict("the alerts kept changing")


def test_findings_that_could_not_be_taken_come_again(engine: Engine) -> None:
    Findings(engine).add([a_finding("f-1")])
    with pytest.raises(Conflict):
        follower(engine, BusyTriage).run()

    assert follower(engine).run() == Triaged(opened=1, planned=1)


def test_a_finding_comes_back_from_the_store_as_it_is_grouped(engine: Engine) -> None:
    """What is read from `findings` and what `alert_findings` keeps of it are equal."""
    finding = a_finding("f-1", inputs={"to_domain": "a.example", "events": 3, "habitual": False})
    Findings(engine).add([finding])
    follower(engine).run()
    alerts = AlertStore(engine, Recorded())

    (episode,) = alerts.episodes([alerts.open()[0].group_key], since=NINE)

    assert episode.findings == (finding,)


def test_every_shipped_rule_has_a_public_title() -> None:
    assert {rule.kind for rule in load_rules()} <= set(KINDS)
