"""Somebody who left the hospital lately and is a patient; those who worked beside them are curious."""

from benchmarks.evaluation.hospital.records import Patient, Staff
from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    gone = [s for s in scene.house.town.staff if s.gone is not None and scene.is_free(s.person.patient)]
    scene.draw.shuffle(gone)
    for former in gone:
        patient = former.person.patient
        assert patient is not None
        assert former.gone is not None
        end = former.gone

        def later(staff: Staff, unit: str = former.unit, end: float = end, patient: Patient = patient) -> bool:
            return staff.unit == unit and any(s.start > end for s in scene.shifts(staff)) and scene.is_stranger(staff, patient)

        staff = scene.player(ANYBODY, later)
        if staff is not None:
            draft = Draft()
            shift = scene.draw.choice([s for s in scene.shifts(staff) if s.start > end])
            scene.look(draft, staff, scene.take_patient(patient), scene.moment(shift), scene.seat(staff, shift))
            return draft
    return None


SCENARIO = Scenario(name="former_colleague", nature=Nature.BEHAVIOUR, stage=stage, weight=1.0, targeted=True)
