"""A code: a dozen people of six departments are in one chart within the hour, most of them on no list."""

from benchmarks.evaluation.hospital.plan import DAY, HOUR
from benchmarks.evaluation.hospital.scene import Scene


def stage(scene: Scene) -> None:
    """A few of them."""
    stays = [s for s in scene.house.book.stays if s.type == "inpatient" and s.recorded_at and s.discharged - s.admitted > DAY]
    for stay in scene.draw.sample(stays, min(3, len(stays))):
        at = scene.draw.uniform(stay.admitted + 2 * HOUR, stay.discharged - HOUR)
        day = scene.plan.day_of(at)
        if not scene.plan.warm_up <= day < scene.plan.days - 1:
            continue
        roles = ("nurse", "physician", "resident", "pharmacist", "lab_technologist", "imaging_technologist", "therapist")
        here = [s for role in roles for s in scene.house.roles(role, day) if s.start <= at < s.end - HOUR]
        for shift in scene.draw.sample(here, min(len(here), 12)):
            desk = scene.house.desk(f"code/{stay.encounter_id}/{shift.staff.account}")
            known = stay.on(at) == shift.unit
            desk.open(shift.staff, stay.patient, at + scene.draw.uniform(0, 2000), shift.unit, documented=known, more=1.2)
