"""Golden files: `FORMAT/NAME.in` as a source would send it, `FORMAT/NAME.json` as it is understood.

`python -m tests.golden.golden` writes the JSON anew; look at the difference before it is committed. All people and data in
the inputs are invented.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from domain.clock import rfc3339
from domain.event import AuditEvent
from domain.record import Parsed
from ingest.parsers import Oversize, parser_for, split_records

FOLDER = Path(__file__).parent
RECEIVED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SOURCE_SYSTEM = "golden"


def inputs() -> list[Path]:
    """Every golden input."""
    return sorted(FOLDER.glob("*/*.in"))


def understood(path: Path) -> list[list[Parsed]]:
    """What the parser of the folder's format makes of each record of a file."""
    parser = parser_for(path.parent.name, source_system=SOURCE_SYSTEM, received=lambda: RECEIVED)
    answers: list[list[Parsed]] = []
    for record in split_records(path.parent.name, [path.read_bytes()]):
        if isinstance(record, Oversize):
            answers.append([record.rejected(source_system=SOURCE_SYSTEM, format=path.parent.name)])
        else:
            answers.append(parser.parse(record))
    return answers


def render(path: Path) -> str:
    """The golden JSON for an input: a list of records, each a list of events or one refusal."""
    shown = [[_shown(parsed) for parsed in record] for record in understood(path)]
    return json.dumps(shown, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _shown(parsed: Parsed) -> dict[str, object]:
    if not isinstance(parsed, AuditEvent):
        return {"rejected": parsed.reason}
    shown = {
        "event_id": parsed.event_id,
        "time": rfc3339(parsed.time),
        "source": parsed.source,
        "action": parsed.action,
        "actor": f"{parsed.actor.kind} {parsed.actor.id}",
        "patient_id": parsed.patient_id,
        "outcome": parsed.outcome,
        "device": parsed.device and f"{parsed.device.kind or 'device'} {parsed.device.id}",
        "ip": parsed.ip,
        "geo": parsed.geo and [parsed.geo.city, parsed.geo.country, parsed.geo.lat, parsed.geo.lon],
        "details": parsed.details,
    }
    return {name: value for name, value in shown.items() if value is not None}


if __name__ == "__main__":
    for golden in inputs():
        golden.with_suffix(".json").write_text(render(golden))
