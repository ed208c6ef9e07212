"""A parent, sibling or grown child at another address: a shared surname, or only an emergency contact."""

from benchmarks.evaluation.hospital.records import Person, Staff
from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    def kin(staff: Staff) -> list[Person | None]:
        near = [p for p in staff.person.kin if p.staff is None]
        return [p for p in near if p.last == staff.person.last or p is staff.person.contact or p.contact is staff.person]

    found = scene.pair(ANYBODY, kin)
    if found is None:
        return None
    draft, (staff, patient) = Draft(), found
    at, place = scene.occasion(staff)
    scene.look(draft, staff, patient, at, place)
    return draft


SCENARIO = Scenario(name="relative_elsewhere", nature=Nature.BEHAVIOUR, stage=stage, weight=2.5, targeted=True)
