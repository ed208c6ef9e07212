"""`phitrail domains policy`: set, list, withdraw; a demand that is broken becomes an alert (in processes of their own)."""

import json
from datetime import datetime, timedelta
from pathlib import Path

from domain.clock import system_clock
from tests.runtime.command import Command


def letter(number: int, when: datetime, category: str = "letter") -> str:
    event = {
        "event_id": f"m-{number}",
        "time": when.isoformat(),
        "source": "mail",
        "action": "deliver",
        "actor": {"id": "records@hospital.example", "kind": "system"},
        "outcome": "delivered",
        "details": {
            "to": "x@mx.clinic.example",
            "direction": "outbound",
            "category": category,
            "phi": False,
            "encryption": "none",
            "tls": {"version": None},
        },
    }
    return json.dumps(event)


def test_a_demand_from_the_command_line_to_the_alert(tmp_path: Path) -> None:
    phitrail = Command(tmp_path)
    before = system_clock()
    done = [
        phitrail("domains", "policy", "set", "Clinic.example", "--demand", "forced", "--reason", "Contract."),
        phitrail("domains", "policy", "set", "clinic.example", "--demand", "none", "--for", "marketing", "--reason", "News."),
        phitrail("domains", "policy", "set", "no domain", "--demand", "dane", "--reason", "x"),
        phitrail("domains", "policy", "withdraw", "mx.clinic.example", "--reason", "x"),
    ]
    after = system_clock()
    events = [letter(1, before - timedelta(minutes=1)), letter(2, after), letter(3, after, "newsletter")]
    phitrail("ingest", "-", "--format", "phitrail", "--source-system", "relay", stdin="\n".join(events).encode())
    phitrail("analyze")

    alerts = [json.loads(line) for line in phitrail("alerts", "export").out.splitlines()]
    withdrawn = phitrail("domains", "policy", "withdraw", "clinic.example", "--reason", "It ended.")
    listed = json.loads(phitrail("domains", "policy", "list", "--json").out)
    table = phitrail("domains", "policy", "list", "mx.clinic.example", "--history").out

    assert [one.code for one in done] == [0, 0, 2, 2]
    assert "mail to clinic.example (any): TLS or deferral" in done[0].out
    assert "no mail domain" in done[2].err
    assert "nothing is in force" in done[3].err
    assert [(one["kind"], one["event_ids"]) for one in alerts] == [("domain_policy_broken", ["m-2"])]
    assert "The policy for clinic.example demands TLS or deferral, and it went in the clear." in alerts[0]["explanation"]
    assert withdrawn.code == 0
    assert [(one["sender_class"], one["demand"]) for one in listed["policies"]] == [("marketing", "none")]
    assert "withdrawn" in table
    assert "forced" in table
