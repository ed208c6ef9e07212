"""Patients who asked for plain mail get it; a newsletter goes out in the clear as well, with nothing in it."""

from benchmarks.evaluation.hospital.mail import note_mail
from benchmarks.evaluation.hospital.scene import Scene


def stage(scene: Scene) -> None:
    """A few of them."""
    house = scene.house
    for consent in house.book.consents:
        for _ in range(scene.draw.randrange(1, 4)):
            at = scene.plan.at(scene.day(), scene.draw.uniform(8, 18))
            note_mail(house, at, "scheduling", "homelink.example", str(consent["patient_id"]), phi=True, tls=None)
    for day in range(0, scene.plan.days, 14):
        for number in range(20):
            note_mail(house, scene.plan.at(day, 6) + 3 * number, "newsletter", "homelink.example", None, phi=False, tls=None)
