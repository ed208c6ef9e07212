"""A system restarts at night: its audit stops and starts again within minutes."""

from benchmarks.evaluation.hospital.accounts import SERVER
from benchmarks.evaluation.hospital.scene import Scene


def stage(scene: Scene) -> None:
    """A few of them."""
    for _ in range(3):
        at = scene.plan.at(scene.day(), scene.draw.uniform(1, 4))
        for action, later in (("audit_stop", 0.0), ("audit_start", scene.draw.uniform(60, 400))):
            scene.house.diary.note(at + later, "svc-interface", action, place=SERVER, kind="service", module="security")
