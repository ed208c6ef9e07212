"""The chart of somebody who left weeks ago, or died here, read by the unit that has no part in it any more."""

from benchmarks.evaluation.hospital.plan import DAY
from benchmarks.evaluation.hospital.records import Staff, Stay
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    stays = [
        s for s in scene.house.book.stays if s.type == "inpatient" and s.recorded_at and s.discharged < scene.plan.end - 21 * DAY
    ]
    scene.draw.shuffle(stays)
    for stay in stays[:60]:
        after = stay.discharged + 17 * DAY
        if not scene.is_free(stay.patient) or stay.patient.person.staff is not None:
            continue

        def fits(staff: Staff, stay: Stay = stay, after: float = after) -> bool:
            return (
                staff.unit == stay.places[-1][0]
                and staff.account not in stay.patient.seen
                and scene.is_unrelated(staff, stay.patient)
                and any(s.start > after for s in scene.shifts(staff))
            )

        later = [s for s in scene.house.book.stays if s.patient is stay.patient and s.admitted > stay.discharged]
        staff = None if later else scene.player(("nurse",), fits)
        if staff is not None:
            shift = scene.draw.choice([s for s in scene.shifts(staff) if s.start > after])
            draft = Draft()
            patient = scene.take_patient(stay.patient)
            scene.look(
                draft,
                staff,
                patient,
                scene.moment(shift),
                scene.seat(staff, shift),
                actions=("view_chart", "view_notes", "view_labs"),
            )
            return draft
    return None


SCENARIO = Scenario(name="long_discharged", nature=Nature.BEHAVIOUR, stage=stage, weight=1.0)
