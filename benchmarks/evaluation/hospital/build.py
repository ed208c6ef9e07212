"""Building one hospital and writing it to a directory: `python -m benchmarks.evaluation.hospital.build SEED DIR`."""

import gc
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.evaluation.hospital.accounts import run_accounts
from benchmarks.evaluation.hospital.book import Book
from benchmarks.evaluation.hospital.clinics import run_clinics, run_emergency
from benchmarks.evaluation.hospital.decoys import decoys
from benchmarks.evaluation.hospital.diary import Diary
from benchmarks.evaluation.hospital.house import House
from benchmarks.evaluation.hospital.incidents import scenarios
from benchmarks.evaluation.hospital.mail import run_mail
from benchmarks.evaluation.hospital.offices import run_offices, top_up
from benchmarks.evaluation.hospital.orders import OrderDesk
from benchmarks.evaluation.hospital.places import Machines
from benchmarks.evaluation.hospital.plan import Plan, Scale
from benchmarks.evaluation.hospital.population import settle
from benchmarks.evaluation.hospital.portal import run_portal
from benchmarks.evaluation.hospital.roster import make_roster
from benchmarks.evaluation.hospital.scene import Draft, Scenario, Scene
from benchmarks.evaluation.hospital.truth import Incident
from benchmarks.evaluation.hospital.wards import run_wards
from benchmarks.evaluation.hospital.write import EventLines, event_id, inside, write_context

FEWEST_UNDOCUMENTED = 0.11
"""Share of ordinary sessions that leave no record: at least a tenth, and as much more as the habits of the hospital say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`hospital.json`: what was built."""

    seed: int
    scale: str
    rarity: int
    staff: int
    patients: int
    days: int
    first_day: str
    zone: str
    events: int
    sessions: int
    undocumented: float
    incidents: int


def build(plan: Plan, directory: Path) -> Facts:
    """Write `context/`, `events.jsonl`, `truth.jsonl` and `hospital.json` into the directory."""
    collecting = gc.isenabled()
    gc.disable()  # a million tuples that all stay: collecting them again and again would double the time
    try:
        house = _care(plan)
        staged = _stage(house)
        directory.mkdir(parents=True, exist_ok=True)
        return _write(house, staged, directory)
    finally:
        if collecting:
            gc.enable()


def _care(plan: Plan) -> House:
    town = settle(plan)
    house = House(
        plan=plan, town=town, roster=make_roster(plan, town), book=Book(plan=plan), diary=Diary(), machines=Machines(town.units)
    )
    orders = OrderDesk(house)
    run_wards(house, orders)
    run_clinics(house, orders)
    run_emergency(house, orders)
    run_offices(house)
    run_accounts(house)
    run_portal(house)
    run_mail(house)
    for name, stage in decoys():
        stage(Scene(house, f"decoy/{name}"))
    top_up(house, max(FEWEST_UNDOCUMENTED, plan.habits.gap * 0.8))
    return house


def _stage(house: House) -> list[tuple[str, Scenario, Draft]]:
    """Put the incidents in. Each scenario comes once before any comes twice, as far as there are enough."""
    every = list(scenarios())
    scene = Scene(house, "incidents")
    staged: list[tuple[str, Scenario, Draft]] = []
    for scenario in _playbill(scene, every, house.plan.incidents):
        if len(staged) == house.plan.incidents:
            break
        draft = scenario.stage(scene)
        if draft is not None:
            staged.append((f"I{len(staged) + 1:04d}", scenario, draft))
    return staged


def _playbill(scene: Scene, every: list[Scenario], count: int) -> list[Scenario]:
    """The scenarios to try, in order; more than wanted, because some find no cast."""
    first = list(every)
    scene.draw.shuffle(first)
    return [*first, *scene.draw.choices(every, weights=[scenario.weight for scenario in every], k=2 * count)]


def _write(house: House, staged: list[tuple[str, Scenario, Draft]], directory: Path) -> Facts:
    plan, diary = house.plan, house.diary
    for incident_id, _, draft in staged:
        for number in draft.claimed:
            diary.labels[number] = incident_id
    rows = [
        (row, diary.labels.get(number, ""))
        for number, row in enumerate(diary.rows)
        if inside(plan, row) and not diary.is_silenced(row)
    ]
    rows += [(row, incident_id) for incident_id, _, draft in staged for row in draft.rows if inside(plan, row)]
    rows.sort(key=lambda item: item[0][0])
    lines = EventLines(plan)
    found: dict[str, list[int]] = {}
    with (directory / "events.jsonl").open("wb", buffering=1 << 20) as file:
        for number, (row, label) in enumerate(rows):
            file.write(lines.line(number, row))
            if label:
                found.setdefault(label, []).append(number)
    write_context(house, directory / "context")
    kept = [_incident(plan, *entry, [(n, rows[n][0]) for n in found[entry[0]]]) for entry in staged if entry[0] in found]
    (directory / "truth.jsonl").write_bytes(b"".join(orjson.dumps(incident.record()) + b"\n" for incident in kept))
    facts = Facts(
        seed=plan.seed,
        scale=plan.scale.value,
        rarity=plan.rarity,
        staff=len(house.town.staff),
        patients=len(house.town.patients),
        days=plan.days,
        first_day=plan.habits.first_day.isoformat(),
        zone=plan.habits.zone,
        events=len(rows),
        sessions=diary.sessions,
        undocumented=round(diary.undocumented / diary.sessions, 4),
        incidents=len(kept),
    )
    (directory / "hospital.json").write_bytes(orjson.dumps(facts))
    return facts


def _incident(
    plan: Plan, incident_id: str, scenario: Scenario, draft: Draft, rows: list[tuple[int, tuple[object, ...]]]
) -> Incident:
    times = [float(str(row[0])) for _, row in rows]
    return Incident(
        incident_id=incident_id,
        scenario=scenario.name,
        nature=scenario.nature.value,
        targeted=scenario.targeted,
        known=scenario.known,
        actors=list(dict.fromkeys(str(row[3]) for _, row in rows)),
        patient_ids=list(dict.fromkeys(str(row[5]) for _, row in rows if row[5] is not None)),
        event_ids=[event_id(number) for number, _ in rows],
        first=plan.text(min(times)),
        last=plan.text(max(times)),
        whole_account=draft.whole_account,
    )


if __name__ == "__main__":
    made = build(Plan(seed=int(sys.argv[1]), scale=Scale(sys.argv[3] if len(sys.argv) > 3 else "small")), Path(sys.argv[2]))
    print(orjson.dumps(made).decode())
