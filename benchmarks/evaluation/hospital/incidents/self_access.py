"""Somebody opens their own chart through the work account, on duty."""

from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(fits=lambda s: s.person.patient is not None and scene.is_free(s.person.patient))
    if staff is None or staff.person.patient is None:
        return None
    draft, own = Draft(), scene.take_patient(staff.person.patient)
    at, place = scene.occasion(staff)
    scene.look(draft, staff, own, at, place)
    return draft


SCENARIO = Scenario(name="self_access", nature=Nature.RULE, stage=stage, weight=2.0, targeted=True)
