"""Work that touches many charts for good reason: reviews, research, releases, tickets; and calls that nothing announces."""

from benchmarks.evaluation.hospital.house import House
from benchmarks.evaluation.hospital.plan import HOUR
from benchmarks.evaluation.hospital.records import Patient, Shift

COURSE = 365


def run_offices(house: House) -> None:
    """Quality sweeps, cohorts, tickets and calls of every day."""
    _protocols(house)
    draw = house.plan.chance("offices")
    for day in range(house.plan.days):
        for shift in house.roles("quality_analyst", day):
            if draw.random() < 0.6:
                _sweep(house, shift, draw.randrange(6, 25), f"review/{shift.staff.staff_id}/{day}")
        for shift in house.roles("it_administrator", day):
            if draw.random() < 0.35:
                _ticket(house, shift)
        for role in ("scheduler", "registration_clerk", "medical_assistant", "nurse", "biller"):
            for shift in house.roles(role, day):
                if draw.random() < house.plan.habits.gap * 1.6:
                    _call(house, shift)
                if draw.random() < 0.03:
                    _wrong_chart(house, shift)


def top_up(house: House, share: float) -> None:
    """Calls and questions without a record, until at least `share` of all sessions have none."""
    draw, diary = house.plan.chance("top-up"), house.diary
    shifts = [s for day in range(house.plan.days) for s in house.roster.by_day.get(day, ()) if s.staff.role != "it_administrator"]
    while diary.undocumented < share * diary.sessions:
        _call(house, draw.choice(shifts))


def _sweep(house: House, shift: Shift, count: int, topic: str) -> None:
    """A list of charts to review, opened one after the other."""
    draw, desk = house.plan.chance(topic), house.desk(f"{topic}/desk")
    at = desk.moment(shift, 0.3, 4)
    number = house.book.number("W")
    kept = draw.random() >= house.plan.habits.gap
    for _ in range(count):
        patient = house.idle(draw)
        house.book.task(
            patient, "quality_review", shift.staff, shift.staff.department, at - 30 * HOUR, at + 9 * HOUR, kept=kept, list_id=number
        )
        at = desk.open(shift.staff, patient, at, shift.unit, documented=kept, more=0.6) + draw.uniform(5, 120)


def _protocols(house: House) -> None:
    """Studies with their cohorts, read by researchers; some may export."""
    plan, draw = house.plan, house.plan.chance("protocols")
    researchers = [s for s in house.town.staff if s.role == "researcher"]
    for number in range(max(2, len(researchers) // 2)):
        team = draw.sample(researchers, min(len(researchers), draw.randrange(1, 4)))
        cohort = draw.sample(house.town.patients, min(len(house.town.patients) // 3, draw.randrange(40, 160)))
        exports = number == 0 or draw.random() < 0.3
        house.book.protocols.append(
            {
                "protocol_id": f"IRB-{plan.habits.first_day.year}-{number + 11}",
                "title": f"Outcomes study {number + 1}",
                "staff_ids": [member.staff_id for member in team],
                "cohort_patient_ids": [patient.patient_id for patient in cohort],
                "valid_from": plan.local_date(-200).isoformat(),
                "valid_to": plan.local_date(plan.days + 200).isoformat(),
                "bulk_export_approved": exports,
            }
        )
        for member in team:
            for shift in house.roster.of(member):
                if shift.day >= 0 and draw.random() < 0.5:
                    _read_cohort(house, shift, cohort, exports=exports and draw.random() < 0.15)


def _read_cohort(house: House, shift: Shift, cohort: list[Patient], *, exports: bool) -> None:
    desk = house.desk(f"cohort/{shift.staff.staff_id}/{shift.day}")
    at = desk.moment(shift, 0.3, 3)
    for patient in desk.draw.sample(cohort, min(len(cohort), desk.draw.randrange(4, 14))):
        at = desk.open(shift.staff, patient, at, shift.unit, documented=True, more=0.8) + desk.draw.uniform(20, 300)
    if exports:
        place = desk.seat(shift.staff, shift.unit)
        records = desk.draw.randrange(100, 400)
        house.diary.note(at, shift.staff.account, "extract", place=place, module="report", extra={"records": records})


def _ticket(house: House, shift: Shift) -> None:
    desk = house.desk(f"ticket/{shift.staff.staff_id}/{shift.day}")
    patient, at = house.idle(desk.draw), desk.moment(shift)
    kept = desk.draw.random() >= house.plan.habits.gap
    house.book.task(patient, "ticket", shift.staff, shift.staff.department, at - 2 * HOUR, at + HOUR, kept=kept)
    desk.open(shift.staff, patient, at, shift.unit, documented=kept, more=0.2)


def _call(house: House, shift: Shift) -> None:
    """Somebody calls about a visit, a bill or a child; the chart is opened and nothing else is written."""
    desk = house.desk(f"call/{shift.staff.staff_id}/{shift.day}/{house.diary.sessions}")
    desk.open(shift.staff, house.familiar(shift.staff, desk.draw), desk.moment(shift), shift.unit, documented=False, more=0.7)


def _wrong_chart(house: House, shift: Shift) -> None:
    desk = house.desk(f"wrong/{shift.staff.staff_id}/{shift.day}")
    desk.glimpse(shift.staff, house.idle(desk.draw), desk.moment(shift), shift.unit)


def training(house: House) -> list[dict[str, str]]:
    """Who has learned about privacy, when, and until when it counts."""
    plan, draw = house.plan, house.plan.chance("training")
    found = []
    for staff in house.town.staff:
        if staff.never_trained:
            continue
        done = staff.hired - 1 if staff.hired >= 0 else -draw.randrange(5, 250)
        if staff.untrained_from is not None:
            done = plan.day_of(staff.untrained_from) - 1 - COURSE
        until = done + COURSE
        found.append(
            {
                "staff_id": staff.staff_id,
                "course": "privacy-and-security",
                "completed_at": plan.local_date(done).isoformat(),
                "valid_until": plan.local_date(until).isoformat(),
            }
        )
    return found
