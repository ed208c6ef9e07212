"""The reference data and the labels as files: what `phitrail context load` reads, and what the score is computed from."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

import orjson

from domain.json import Json
from runtime.demo.hospital import org
from runtime.demo.hospital.build import Hospital
from runtime.demo.hospital.plan import Plan
from runtime.demo.hospital.records import encode

LABELS = "labels.jsonl"


def write_reference(hospital: Hospital, directory: Path) -> Mapping[str, int]:
    """Write `org.json` and one JSON Lines file a kind; gives the number of records of each. Only what was known by the end."""
    directory.mkdir(parents=True, exist_ok=True)
    plan, care, papers = hospital.plan, hospital.care, hospital.paperwork
    (directory / "org.json").write_bytes(orjson.dumps(_organisation(plan), option=orjson.OPT_INDENT_2))
    files: dict[str, Sequence[object]] = {
        "staff": list(hospital.people.staff.values()),
        "patients": list(hospital.people.patients.values()),
        "encounters": [encounter for encounter in care.encounters if encounter.recorded_at < plan.until],
        "appointments": care.appointments,
        "referrals": care.referrals,
        "orders": care.orders,
        "worklists": care.worklists,
        "shifts": hospital.roster.shifts,
        "leave": hospital.roster.leave,
        "protocols": papers.protocols,
        "domains": papers.domains,
        "consents": papers.consents,
        "training": papers.training,
        "applications": papers.applications,
    }
    for name, records in files.items():
        _write_lines(directory / f"{name}.jsonl", (encode(record, plan) for record in records))
    return {name: len(records) for name, records in files.items()}


def write_labels(hospital: Hospital, directory: Path) -> Path:
    """Write `labels.jsonl` beside the reference data, never among what is loaded."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / LABELS
    _write_lines(path, (incident.record() for incident in hospital.incidents))
    return path


def _organisation(plan: Plan) -> dict[str, Json]:
    return {
        "name": org.NAME,
        "timezone": plan.zone.key,
        "holidays": [day.isoformat() for day in _holidays(plan)],
        "mail_domain": org.MAIL_DOMAIN,
        "vpn_egress_ips": list(org.VPN_EGRESS_IPS),
        "units": [
            {"unit": unit.unit, "department": unit.department, "kind": unit.kind, "network": unit.network} for unit in org.UNITS
        ],
    }


def _holidays(plan: Plan) -> list[date]:
    year = plan.until.year
    return [date(year, 1, 1), date(year, 7, 4), date(year, 12, 25)]


def _write_lines(path: Path, records: Iterable[Json]) -> None:
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
