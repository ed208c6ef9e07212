"""A former partner's chart, a screen or two every week or so: low and slow."""

from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    found = scene.pair(ANYBODY, lambda s: [s.person.former_partner])
    if found is None:
        return None
    draft, (staff, patient) = Draft(), found
    for shift in scene.visits(staff, scene.draw.randrange(3, 8)):
        actions = ("view_chart",) if scene.draw.random() < 0.5 else None
        scene.look(draft, staff, patient, scene.moment(shift), scene.seat(staff, shift), actions=actions, searched=0.2, longest=80)
    return draft


SCENARIO = Scenario(name="ex_partner", nature=Nature.BEHAVIOUR, stage=stage, weight=2.0, targeted=True)
