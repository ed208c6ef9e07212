"""`phitrail explanations`: what was learned is listed, approved by a person, and withdrawn again (in processes of their own)."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.runtime.command import Command

START = datetime(2026, 3, 2, 15, tzinfo=UTC)
ORG = {"name": "Clinic", "timezone": "UTC", "units": [{"unit": "ED", "department": "Emergency", "kind": "emergency"}]}


def test_a_learned_explanation_from_history_to_approval_and_back(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "org.json").write_text(json.dumps(ORG))
    people = [f"lab{n}" for n in range(4)]
    staff = [{"staff_id": f"S-{one}", "account_id": one, "role": "technologist", "department": "Laboratory"} for one in people]
    visits = [
        {
            "encounter_id": f"E-{day}-{n}",
            "patient_id": f"P-{day}-{n}",
            "department": "Emergency",
            "admitted_at": (START + timedelta(days=day)).isoformat(),
            "recorded_at": (START + timedelta(days=day)).isoformat(),
        }
        for day in range(6)
        for n in range(4)
    ]
    (context / "staff.jsonl").write_text("\n".join(map(json.dumps, staff)))
    (context / "patients.jsonl").write_text("\n".join(json.dumps({"patient_id": one["patient_id"]}) for one in visits))
    (context / "encounters.jsonl").write_text("\n".join(map(json.dumps, visits)))
    events = [
        {
            "event_id": f"a-{number}",
            "time": (datetime.fromisoformat(one["admitted_at"]) + timedelta(minutes=number)).isoformat(),
            "source": "access",
            "action": "view_orders",
            "actor": {"id": people[number % 4], "kind": "staff"},
            "patient_id": one["patient_id"],
            "outcome": "success",
            "details": {},
        }
        for number, one in enumerate(visits)
    ]
    phitrail = Command(tmp_path)
    phitrail("context", "load", str(context))
    lines = "\n".join(map(json.dumps, events)).encode()
    phitrail("ingest", "-", "--format", "phitrail", "--source-system", "ehr", stdin=lines)
    phitrail("analyze")

    (learned,) = json.loads(phitrail("explanations", "list", "--json").out)["explanations"]
    done = [
        phitrail("explanations", "withdraw", learned["id"], "--reason", "x"),
        phitrail("explanations", "approve", "0" * 12, "--reason", "x"),
        phitrail("explanations", "approve", learned["id"], "--reason", "They are asked by telephone."),
    ]
    (approved,) = json.loads(phitrail("explanations", "list", "--json").out)["explanations"]
    withdrawn = phitrail("explanations", "withdraw", learned["id"], "--reason", "It ended.")

    assert learned["explanation"] == "People of Laboratory usually open charts of patients who visit Emergency, or lately did"
    assert (learned["decision"], learned["people"]) == (None, 4)
    assert [one.code for one in done] == [2, 2, 0]
    assert "nothing to withdraw" in done[0].err
    assert (approved["decision"], bool(approved["decided_by"])) == ("approved", True)
    assert withdrawn.code == 0
    assert "withdrawn" in phitrail("explanations", "list").out
