"""Log-ins of staff, mistyped passwords, work from home, service accounts and vendors."""

import random

from benchmarks.evaluation.hospital.house import House
from benchmarks.evaluation.hospital.places import Place
from benchmarks.evaluation.hospital.plan import HOUR
from domain.json import Json

SERVICES = (
    ("svc-interface", "02:00-04:00", "edit_result"),
    ("svc-claims", "22:00-23:30", "view_billing"),
    ("svc-registry", "03:00-05:00", "extract"),
)
SERVER = Place("srv-int-01", "server", "10.20.240.11")


def run_accounts(house: House) -> None:
    """The log-ins of every shift and the nights of the service accounts."""
    draw, note = house.plan.chance("accounts"), house.diary.note
    for day in range(house.plan.days):
        for shift in house.roster.by_day.get(day, ()):
            staff = shift.staff
            place = house.machines.desk(shift.unit, draw, int(staff.staff_id[1:]))
            begin = shift.start - draw.uniform(0, 0.3) * HOUR
            if draw.random() < 0.05:
                for n in range(draw.randrange(1, 4)):
                    note(begin - 60 + 15 * n, staff.account, "login", place=place, outcome="failure", module="login")
            note(begin, staff.account, "login", place=place, module="login")
            note(shift.end + draw.uniform(0, 0.4) * HOUR, staff.account, "logout", place=place, module="login")
        _services(house, day, draw)


def service_records(house: House) -> list[dict[str, Json]]:
    """The rows of `staff.jsonl` that are no people."""
    return [
        {"staff_id": f"SVC{n}", "account_id": name, "kind": "service", "role": "service", "department": "Information Technology",
         "unit": "IT", "schedule": hours, "hire_date": house.plan.local_date(-900).isoformat()}
        for n, (name, hours, _) in enumerate(SERVICES)
    ]  # fmt: skip


def _services(house: House, day: int, draw: random.Random) -> None:
    note, plan = house.diary.note, house.plan
    note(plan.at(day, 2.05), "svc-interface", "login", place=SERVER, kind="service", module="login")
    for _ in range(max(5, len(house.town.staff) // 20)):
        for name, hours, action in SERVICES[:2]:
            begin = int(hours[:2])
            at = plan.at(day, draw.uniform(begin + 0.1, begin + 1.4))
            patient = house.idle(draw).patient_id
            note(at, name, action, place=SERVER, kind="service", patient=patient, module=action.partition("_")[2])
    records = draw.randrange(400, 900)
    note(plan.at(day, 3.4), "svc-registry", "extract", place=SERVER, kind="service", module="report", extra={"records": records})
