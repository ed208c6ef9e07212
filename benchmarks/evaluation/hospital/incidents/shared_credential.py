"""One account on two units far apart, minutes from each other, back and forth."""

from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(("nurse", "medical_assistant", "registration_clerk", "resident"))
    if staff is None:
        return None
    shift = scene.shift(staff)
    at, here = scene.moment(shift), scene.seat(staff, shift)
    other = scene.draw.choice(
        [u.unit for u in scene.house.town.units if u.kind in ("ward", "emergency") and u.unit != shift.unit and u.opens < 0]
    )
    there = scene.house.machines.desk(other, scene.draw, 5)
    draft = Draft()
    draft.act(at - 40, staff.account, "login", there, module="login")
    own = [p for p in scene.house.town.patients if staff.account in p.seen][:6]
    lying = [stay.patient for stay in scene.house.book.stays if stay.on(at) == other][:6]
    for turn in range(scene.draw.randrange(4, 9)):
        place, charts = (there, lying) if turn % 2 == 0 else (here, own)
        if charts:
            scene.look(draft, staff, scene.draw.choice(charts), at, place, actions=("view_chart",), searched=0, longest=60)
        at += scene.draw.uniform(60, 200)
    draft.whole_account = True
    return draft


SCENARIO = Scenario(name="shared_credential", nature=Nature.RULE, stage=stage, weight=1.0)
