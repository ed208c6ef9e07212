"""A tumour board: eight physicians read the same charts before noon, and nothing on record says why."""

from benchmarks.evaluation.hospital.scene import Scene


def stage(scene: Scene) -> None:
    """A few of them."""
    for day in range(scene.plan.warm_up, scene.plan.days - 1, 7):
        if not scene.plan.is_open(day):
            continue
        charts = [stay for stay in (scene.house.stay_at(day, scene.draw) for _ in range(4)) if stay is not None]
        doctors = scene.house.roles("physician", day)
        for shift in scene.draw.sample(doctors, min(len(doctors), 8)):
            desk = scene.house.desk(f"board/{day}/{shift.staff.account}")
            at = scene.plan.at(day, 11.0) + scene.draw.uniform(0, 900)
            for stay in charts:
                if shift.start < at < shift.end:
                    at = desk.open(shift.staff, stay.patient, at, shift.unit, documented=False, more=0.6) + 30
