"""What the hospital writes down about care: rows of the reference data, as far as somebody wrote them."""

from dataclasses import dataclass, field

from benchmarks.evaluation.hospital.plan import DAY, Plan
from benchmarks.evaluation.hospital.records import Patient, Staff, Stay
from domain.json import Json

Record = dict[str, Json]


@dataclass(slots=True, kw_only=True)
class Book:
    """Records by file. Every method also notes on the patient who and what had to do with them, written down or not."""

    plan: Plan
    stays: list[Stay] = field(default_factory=list)
    appointments: list[Record] = field(default_factory=list)
    referrals: list[Record] = field(default_factory=list)
    orders: list[Record] = field(default_factory=list)
    worklists: list[Record] = field(default_factory=list)
    protocols: list[Record] = field(default_factory=list)
    consents: list[Record] = field(default_factory=list)
    domains: list[Record] = field(default_factory=list)
    applications: list[Record] = field(default_factory=list)
    _numbers: int = 0

    def number(self, letter: str) -> str:
        """The next record number."""
        self._numbers += 1
        return f"{letter}{self._numbers:06d}"

    def stay(self, stay: Stay) -> None:
        self.stays.append(stay)
        stay.patient.touched |= {stay.department, *(unit for unit, _, _ in stay.places)}

    def appointment(
        self, patient: Patient, provider: Staff, unit: str, at: float, created: float, by: str, status: str, *, kept: bool
    ) -> None:
        """`kept`: whether it stands in the appointment book at all."""
        patient.touched |= {provider.department, unit}
        if kept:
            self.appointments.append(
                {
                    "appointment_id": self.number("A"),
                    "patient_id": patient.patient_id,
                    "department": provider.department,
                    "clinic": unit,
                    "provider_id": provider.staff_id,
                    "scheduled_at": self.plan.text(at),
                    "created_at": self.plan.text(created),
                    "created_by": by,
                    "status": status,
                }
            )

    def referral(self, patient: Patient, by: Staff, department: str, to: str | None, at: float, *, kept: bool) -> None:
        patient.touched.add(department)
        if kept:
            self.referrals.append(
                {
                    "referral_id": self.number("R"),
                    "patient_id": patient.patient_id,
                    "from_provider_id": by.staff_id,
                    "to_department": department,
                    "to_provider_id": to,
                    "created_at": self.plan.text(at),
                    "status": "active",
                }
            )

    def order(
        self, patient: Patient, encounter: str | None, kind: str, by: Staff, department: str, performer: Staff | None,
        placed: float, completed: float | None, *, kept: bool,
    ) -> None:  # fmt: skip
        patient.touched.add(department)
        if kept:
            self.orders.append(
                {
                    "order_id": self.number("O"),
                    "patient_id": patient.patient_id,
                    "encounter_id": encounter,
                    "type": kind,
                    "ordering_id": by.staff_id,
                    "performing_department": department,
                    "performer_id": performer.staff_id if performer else None,
                    "placed_at": self.plan.text(placed),
                    "completed_at": None if completed is None else self.plan.text(completed),
                }
            )

    def task(
        self, patient: Patient, kind: str, staff: Staff | None, department: str, opened: float, closed: float | None, *, kept: bool,
        list_id: str | None = None,
    ) -> None:  # fmt: skip
        """An item of a worklist."""
        patient.touched.add(department)
        if kept:
            self.worklists.append(
                {
                    "worklist_id": list_id or self.number("W"),
                    "type": kind,
                    "patient_id": patient.patient_id,
                    "assigned_to": staff.staff_id if staff else None,
                    "department": department,
                    "reference": None,
                    "opened_at": self.plan.text(opened),
                    "closed_at": None if closed is None else self.plan.text(closed),
                }
            )

    def encounters(self) -> list[Record]:
        """The encounters that were written down, as of the end of the period: what ends later has no end yet."""
        plan = self.plan
        found: list[Record] = []
        for stay in self.stays:
            if stay.recorded_at is None or stay.recorded_at >= plan.end + DAY:
                continue
            over = stay.discharged < plan.end
            places: list[Json] = [
                {"unit": unit, "from": plan.text(begin), "to": plan.text(end) if end < plan.end else None}
                for unit, begin, end in stay.noted
                if begin < plan.end
            ]
            found.append(
                {
                    "encounter_id": stay.encounter_id,
                    "patient_id": stay.patient.patient_id,
                    "type": stay.type,
                    "department": stay.department,
                    "attending_id": stay.attending.staff_id,
                    "resident_id": stay.resident.staff_id if stay.resident else None,
                    "admitted_at": plan.text(stay.admitted),
                    "discharged_at": plan.text(stay.discharged) if over else None,
                    "locations": places,
                    "care_team": [member.staff_id for member in stay.team],
                    "recorded_at": plan.text(stay.recorded_at),
                }
            )
        return found
