"""A manager reads the chart of somebody they lead, around a sick leave."""

from benchmarks.evaluation.hospital.records import Person
from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    led: dict[str, list[Person | None]] = {}
    for other in scene.house.town.staff:
        if other.manager is not None:
            led.setdefault(other.manager.account, []).append(other.person)
    found = scene.pair((*ANYBODY, "quality_analyst", "release_clerk"), lambda s: led.get(s.account, []))
    if found is None:
        return None
    draft, (staff, patient) = Draft(), found
    for shift in scene.visits(staff, scene.draw.choice((1, 2)), 7):
        scene.look(draft, staff, patient, scene.moment(shift), scene.seat(staff, shift), longest=90)
    return draft


SCENARIO = Scenario(name="manager_looks", nature=Nature.BEHAVIOUR, stage=stage, weight=1.5, targeted=True)
