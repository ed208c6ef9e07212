"""Back from holidays, a dozen failures at the own desk, then it comes back to mind."""

from benchmarks.evaluation.hospital.scene import Scene


def stage(scene: Scene) -> None:
    """A few of them."""
    for staff in (scene.player() for _ in range(4)):
        if staff is None:
            return
        shift = scene.shift(staff)
        at, place = shift.start - 400, scene.seat(staff, shift)
        for _ in range(scene.draw.randrange(5, 13)):
            scene.house.diary.note(at, staff.account, "login", place=place, outcome="failure", module="login")
            at += scene.draw.uniform(4, 25)
        scene.house.diary.note(at, staff.account, "login", place=place, module="login")
