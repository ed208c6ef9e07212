"""Care, on record, between people whom life ties to each other."""

from collections.abc import Callable, Sequence

from benchmarks.evaluation.hospital.plan import DAY, HOUR
from benchmarks.evaluation.hospital.records import Person, Staff, Stay
from benchmarks.evaluation.hospital.scene import Scene


def treat(scene: Scene, others: Callable[[Staff], Sequence[Person]], count: int, looks: int = 2) -> None:
    """`count` times: one of the `others` of a nurse is admitted to the nurse's unit and cared for, with a full record."""
    house, done = scene.house, 0
    wards = {unit.unit: unit for unit in house.town.units if unit.kind == "ward"}
    for staff in scene.players(("nurse",), lambda s: s.unit in wards):
        patients = [p.patient for p in others(staff) if p is not staff.person and scene.is_free(p.patient)]
        patients = [p for p in patients if p is not None and house.diary is not None]
        doctors = [s for s in house.town.staff if s.role == "physician" and s.unit == staff.unit]
        shifts = [s for s in scene.shifts(staff) if s.unit == staff.unit and s.rostered]
        if not patients or not doctors or not shifts:
            continue
        patient, shift = scene.draw.choice(patients), scene.draw.choice(shifts)
        assert patient is not None
        admitted = shift.start - scene.draw.uniform(1, 20) * HOUR
        places = [(staff.unit, admitted, shift.end + scene.draw.uniform(0.2, 3) * DAY)]
        stay = Stay(
            encounter_id=house.book.number("E"), patient=patient, type="inpatient", department=wards[staff.unit].department,
            attending=doctors[0], admitted=admitted, discharged=places[0][2], places=places, noted=places,
            recorded_at=admitted + 600, team=[staff] if scene.draw.random() < 0.5 else [],
        )  # fmt: skip
        house.book.stay(stay)
        scene.take(staff)
        scene.take_patient(patient)
        desk = house.desk(f"treated/{stay.encounter_id}")
        for _ in range(looks):
            desk.open(staff, patient, desk.moment(shift), staff.unit, documented=True)
        for other in house.roles("nurse", shift.day, unit=staff.unit)[:2]:
            desk.open(other.staff, patient, desk.moment(other), staff.unit, documented=other.rostered)
        done += 1
        if done == count:
            return
