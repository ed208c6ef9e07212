"""Opening charts: what each role does in one, for how long, from where; whether anything on record says why."""

import random
from collections.abc import Sequence

from benchmarks.evaluation.hospital.diary import Diary
from benchmarks.evaluation.hospital.places import Machines, Place
from benchmarks.evaluation.hospital.plan import HOUR, Plan
from benchmarks.evaluation.hospital.records import Patient, Shift, Staff

MIXES: dict[str, tuple[str, ...]] = {
    "nurse": ("view_chart", "view_meds", "med_admin", "edit_vitals", "edit_note", "view_orders", "view_labs"),
    "physician": ("view_chart", "view_notes", "view_labs", "edit_note", "sign_order", "view_imaging", "view_meds"),
    "resident": ("view_chart", "view_notes", "view_labs", "edit_note", "view_orders"),
    "medical_assistant": ("view_chart", "edit_vitals", "view_meds", "view_schedule"),
    "therapist": ("view_chart", "view_notes", "edit_note"),
    "pharmacist": ("view_meds", "verify_med", "view_labs"),
    "lab_technologist": ("view_orders", "edit_result", "route_result"),
    "imaging_technologist": ("view_orders", "view_imaging", "edit_result"),
    "radiologist": ("view_imaging", "view_notes", "edit_result"),
    "registration_clerk": ("view_demographics", "edit_demographics", "view_schedule"),
    "scheduler": ("view_schedule", "edit_schedule", "view_demographics"),
    "biller": ("view_billing", "edit_billing", "view_notes"),
    "coder": ("view_notes", "view_billing", "edit_billing", "view_chart"),
    "release_clerk": ("view_chart", "view_notes", "print"),
    "social_worker": ("view_chart", "view_notes", "edit_note"),
    "case_manager": ("view_chart", "view_notes", "edit_note", "view_billing"),
    "quality_analyst": ("view_chart", "view_notes", "view_labs"),
    "researcher": ("view_chart", "view_labs", "view_notes"),
    "it_administrator": ("view_chart", "view_schedule"),
}
LATER = {"medical_assistant": ("view_billing", "route_result"), "nurse": ("view_imaging",), "registration_clerk": ("view_billing",)}
"""What the changed record system adds to a role from `Habits.change_day` on."""


class Desk:
    """Writes chart sessions into the diary."""

    def __init__(self, plan: Plan, diary: Diary, machines: Machines, draw: random.Random) -> None:
        self.plan = plan
        self.diary = diary
        self.machines = machines
        self.draw = draw
        self._change = plan.at(plan.habits.change_day, 0)

    def seat(self, staff: Staff, unit: str) -> Place:
        """Where somebody sits for one session."""
        number = int(staff.staff_id[1:])
        if staff.role in ("physician", "resident") and self.draw.random() < 0.15:
            return self.machines.mobile(staff.account, number)
        if staff.role in ("coder", "radiologist") and number % 100 < 100 * self.plan.habits.remote_share * 3:
            return self.machines.remote(staff.account, number)
        return self.machines.desk(unit, self.draw, number)

    def open(
        self,
        staff: Staff,
        patient: Patient,
        at: float,
        unit: str,
        *,
        documented: bool,
        more: float = 1.6,
        place: Place | None = None,
        actions: Sequence[str] | None = None,
    ) -> float:
        """One ordinary session: a first look and some more, after a search by name sometimes. Returns when it ended."""
        if is_private(staff, patient, documented=documented):
            return at
        draw, note = self.draw, self.diary.note
        place = place or self.seat(staff, unit)
        account, key = staff.account, patient.patient_id
        if actions is None:
            mix = MIXES[staff.role]
            if at >= self._change:
                mix += LATER.get(staff.role, ())
            count = 1 + int(draw.expovariate(1 / more)) if more else 1
            actions = [mix[0], *(draw.choice(mix) for _ in range(min(count, 8) - 1))]
        if draw.random() < 0.08:
            note(at - draw.uniform(5, 60), account, "search", place=place, module="search", extra={"method": "name"})
        for action in actions:
            seconds = 4 + int(draw.expovariate(1 / 50))
            note(at, account, action, place=place, patient=key, module=action.partition("_")[2] or action, seconds=seconds)
            at += seconds + draw.uniform(0.5, 20)
        patient.seen.add(account)
        self.diary.sessions += 1
        self.diary.undocumented += not documented
        return at

    def moment(self, shift: Shift, early: float = 0.2, late: float = 0.3) -> float:
        """A moment inside a shift, away from its ends."""
        return self.draw.uniform(shift.start + early * HOUR, shift.end - late * HOUR)

    def glimpse(self, staff: Staff, patient: Patient, at: float, unit: str) -> None:
        """The wrong chart, closed at once."""
        if is_private(staff, patient, documented=False):
            return
        self.diary.note(
            at,
            staff.account,
            "view_chart",
            place=self.seat(staff, unit),
            patient=patient.patient_id,
            module="chart",
            seconds=self.draw.randrange(2, 7),
        )
        patient.seen.add(staff.account)
        self.diary.sessions += 1
        self.diary.undocumented += 1


def is_private(staff: Staff, patient: Patient, *, documented: bool) -> bool:
    """Whether a colleague has to do it: the own chart always, that of the family and former partners unless care is on record."""
    person, other = staff.person, patient.person
    near = (*person.house, *person.kin, person.former_partner, person.contact)
    return other is person or (not documented and (other in near or other.contact is person))
