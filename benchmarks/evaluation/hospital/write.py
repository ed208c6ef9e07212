"""Writing a hospital out: the reference data directory, the events, the answers, and a page of facts about it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from benchmarks.evaluation.hospital.accounts import service_records
from benchmarks.evaluation.hospital.diary import Row
from benchmarks.evaluation.hospital.house import House
from benchmarks.evaluation.hospital.mail import MAIL_DOMAIN
from benchmarks.evaluation.hospital.offices import training
from benchmarks.evaluation.hospital.places import VPN_EGRESS, Place
from benchmarks.evaluation.hospital.plan import DAY, Plan
from benchmarks.evaluation.hospital.records import Patient, Person, Staff
from domain.json import Json

Record = Mapping[str, Json]


def write_context(house: House, directory: Path) -> None:
    """`org.json` and every JSON Lines file of the reference data."""
    plan, book = house.plan, house.book
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "org.json").write_bytes(orjson.dumps(_organisation(house), option=orjson.OPT_INDENT_2))
    files: dict[str, Iterable[Record]] = {
        "staff": [*(_staff(plan, staff) for staff in house.town.staff), *service_records(house)],
        "patients": (_patient(plan, patient) for patient in house.town.patients),
        "encounters": book.encounters(),
        "appointments": book.appointments,
        "referrals": book.referrals,
        "orders": book.orders,
        "worklists": book.worklists,
        "shifts": _shifts(house),
        "leave": _leave(house),
        "protocols": book.protocols,
        "domains": book.domains,
        "consents": book.consents,
        "training": training(house),
        "applications": _applications(),
    }
    for name, records in files.items():
        (directory / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))


def _organisation(house: House) -> dict[str, Json]:
    return {
        "name": f"Hospital {house.plan.seed}",
        "timezone": house.plan.habits.zone,
        "holidays": [day.isoformat() for day in house.plan.holidays],
        "mail_domain": MAIL_DOMAIN,
        "vpn_egress_ips": list(VPN_EGRESS),
        "units": [
            {"unit": u.unit, "department": u.department, "kind": u.kind, "network": f"{u.stem}.0/24"} for u in house.town.units
        ],
    }


def _contact(person: Person | None) -> Json:
    return None if person is None else {"name": person.name, "phone": person.phone}


def _staff(plan: Plan, staff: Staff) -> Record:
    person = staff.person
    unit, department = staff.post(plan.days)
    return {
        "staff_id": staff.staff_id,
        "account_id": staff.account,
        "kind": staff.kind,
        "first_name": person.first,
        "last_name": person.last,
        "role": staff.role,
        "department": department,
        "unit": unit,
        "manager_id": staff.manager.staff_id if staff.manager else None,
        "date_of_birth": person.born,
        "home_address": person.home.record(int(staff.staff_id[1:]) % 3),
        "phone": person.phone,
        "email": f"{staff.account}@{MAIL_DOMAIN}",
        "emergency_contact": _contact(person.contact),
        "hire_date": plan.local_date(staff.hired).isoformat(),
        "termination_date": None if staff.gone is None else plan.text(staff.gone),
        "notice_date": None if staff.notice is None else plan.local_date(staff.notice).isoformat(),
        "patient_id": person.patient.patient_id if person.patient and int(staff.staff_id[1:]) % 5 else None,
        "schedule": staff.pattern,
        "last_login": None if staff.last_login is None else plan.text(staff.last_login),
        "previous_positions": list(staff.posts),
    }


def _patient(plan: Plan, patient: Patient) -> Record:
    person, number = patient.person, int(patient.patient_id[1:])
    return {
        "patient_id": patient.patient_id,
        "first_name": person.first,
        "last_name": person.last,
        "date_of_birth": person.born,
        "sex": person.sex,
        "address": person.home.record(number % 2),
        "previous_address": person.former_home.record(0) if person.former_home else None,
        "phone": person.phone if number % 17 else None,
        "email": f"person{number}@mail{number % 4}.example" if number % 3 else None,
        "employer": "the hospital" if person.staff else person.employer or None,
        "emergency_contact": _contact(person.contact),
        "vip": patient.vip,
        "vip_since": None if patient.vip_since is None else plan.text(patient.vip_since),
        "restricted": patient.restricted,
        "primary_care_id": patient.primary_care,
        "portal_enrolled": patient.portal,
    }


def _shifts(house: House) -> Iterable[Record]:
    plan = house.plan
    for day in sorted(house.roster.by_day):
        for shift in house.roster.by_day[day]:
            if shift.rostered:
                yield {
                    "staff_id": shift.staff.staff_id,
                    "unit": shift.unit,
                    "kind": shift.kind or "regular",
                    "mentor_id": shift.mentor,
                    "start": plan.text(shift.start),
                    "end": plan.text(shift.end),
                }


def _leave(house: House) -> Iterable[Record]:
    for staff_id, leaves in sorted(house.roster.away.items()):
        for first, last, kind in leaves:
            days = house.plan.local_date(first).isoformat(), house.plan.local_date(last).isoformat()
            yield {"staff_id": staff_id, "first_day": days[0], "last_day": days[1], "kind": kind}


def _applications() -> list[Record]:
    known = (("Lumen Mail", "lumenmail.example"), ("Ward Planner", "wardplanner.example"), ("Claims Gate", "claimsgate.example"))
    cleared: dict[str, Json] = {"owner": "IT", "approved": True, "handles_phi": True, "baa": True, "baa_expires": None}
    return [{"application": name, "hosts": [host], "retired_at": None, **cleared} for name, host in known]


class EventLines:
    """Rows as lines of `--format phitrail`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._places: dict[int, bytes] = {}
        self._kept: list[Place] = []

    def line(self, number: int, row: Row) -> bytes:
        """The line of event `number` (its place in the order of time)."""
        time, source, action, actor, kind, patient, outcome, place, module, seconds, extra = row
        details: dict[str, Json] = {}
        if module:
            details["module"] = module
        if seconds is not None:
            details["duration_s"] = seconds
        if extra:
            details |= extra
        head = {
            "event_id": event_id(number),
            "time": self._plan.text(time),
            "source": source,
            "action": action,
            "actor": {"id": actor, "kind": kind},
            "patient_id": patient,
            "outcome": outcome,
            "details": details,
        }
        return orjson.dumps(head)[:-1] + self._place(place)

    def _place(self, place: Place | None) -> bytes:
        if place is None:
            return b"}\n"
        found = self._places.get(id(place))
        if found is None:
            parts: dict[str, object] = {
                "device": {"id": place.device, "kind": place.kind},
                "ip": place.ip,
            }
            if place.geo is not None:
                city, country, lat, lon = place.geo
                parts["geo"] = {"city": city, "country": country, "lat": lat, "lon": lon}
            found = b"," + orjson.dumps(parts)[1:] + b"\n"
            self._places[id(place)] = found
            self._kept.append(place)
        return found


def event_id(number: int) -> str:
    """The id of the event at a place in the order of time."""
    return f"ev-{number:08d}"


def inside(plan: Plan, row: Row) -> bool:
    """Whether an event lies in the period; what work overhangs is cut off."""
    return plan.start <= row[0] < plan.end - 1 and row[0] + DAY > plan.start
