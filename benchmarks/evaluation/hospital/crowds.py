"""Several people of several units who look at one chart."""

from benchmarks.evaluation.hospital.plan import DAY
from benchmarks.evaluation.hospital.records import Patient
from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Scene


def crowd(scene: Scene, patient: Patient, since: float) -> Draft | None:
    """Three to seven onlookers of different units within a day and a half; None if fewer than three can be found."""
    draft, units = Draft(), set[str]()
    wanted = scene.draw.randrange(3, 8)
    for staff in scene.players(ANYBODY):
        near = [s for s in scene.shifts(staff) if since <= s.start < since + 1.5 * DAY]
        if not near or staff.unit in units or not scene.is_stranger(staff, patient) or not scene.is_unrelated(staff, patient):
            continue
        shift = scene.draw.choice(near)
        units.add(staff.unit)
        scene.take(staff)
        scene.look(draft, staff, patient, scene.moment(shift), scene.seat(staff, shift), searched=0.7)
        if len(units) == wanted:
            break
    return draft if len(units) >= 3 else None
