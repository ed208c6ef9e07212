"""Notice is given; in the last days lists and records are taken along."""

from benchmarks.evaluation.hospital.plan import DAY
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(("physician", "therapist", "case_manager", "scheduler", "biller"), lambda s: len(scene.shifts(s)) > 5)
    if staff is None:
        return None
    shifts = scene.shifts(staff)
    last = shifts[-1]
    staff.notice, staff.gone = max(0, last.day - scene.draw.randrange(10, 20)), scene.plan.at(last.day, 24)
    scene.house.roster.drop(staff, staff.gone, scene.plan.end + DAY)
    scene.house.diary.silence(staff.account, staff.gone, scene.plan.end + DAY)
    draft = Draft()
    for shift in shifts[-4:-1]:
        at, place = scene.moment(shift), scene.seat(staff, shift)
        own = [p for p in scene.house.town.patients if staff.account in p.seen]
        for patient in scene.draw.sample(own, min(len(own), scene.draw.randrange(8, 20))):
            draft.act(at, staff.account, scene.draw.choice(("print", "export")), place, patient=patient.patient_id, module="chart")
            at += scene.draw.uniform(10, 60)
    draft.whole_account = True
    return draft if draft.rows else None


SCENARIO = Scenario(name="before_resignation", nature=Nature.BEHAVIOUR, stage=stage, weight=1.0)
