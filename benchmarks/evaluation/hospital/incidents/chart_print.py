"""One stranger's chart printed, after a search by name."""

from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(ANYBODY)
    found = scene.strangers(staff, 1) if staff else []
    if staff is None or not found:
        return None
    draft = Draft()
    at, place = scene.occasion(staff)
    scene.look(draft, staff, scene.take_patient(found[0]), at, place, actions=("view_chart", "view_notes", "print"), searched=1.0)
    return draft


SCENARIO = Scenario(name="chart_print", nature=Nature.BEHAVIOUR, stage=stage, weight=1.0)
