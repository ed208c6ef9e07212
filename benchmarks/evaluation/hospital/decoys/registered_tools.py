"""Consents to applications and traffic to services that the register knows."""

from benchmarks.evaluation.hospital.scene import ANYBODY, Scene
from domain.json import Json


def stage(scene: Scene) -> None:
    """A few of them."""
    for _ in range(max(4, len(scene.house.town.staff) // 25)):
        staff = next(scene.players(ANYBODY), None)
        if staff is None:
            return
        at, place = scene.occasion(staff)
        name, host = scene.draw.choice((("Lumen Mail", "lumenmail.example"), ("Ward Planner", "wardplanner.example")))
        extra: dict[str, Json] = {"application": name, "host": host, "scopes": ["mail.read"]}
        scene.house.diary.note(at, staff.account, "oauth_consent", place=place, module="identity", extra=extra)
        for number in range(3):
            traffic: dict[str, Json] = {"host": host, "bytes_out": scene.draw.randrange(1_000, 90_000)}
            scene.house.diary.note(at + 60 * number, staff.account, "web_request", place=place, module="proxy", extra=traffic)
