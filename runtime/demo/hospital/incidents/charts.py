"""Looking where one has no business: own chart, family, namesakes, public figures, and glass broken without need."""

from datetime import timedelta

from runtime.demo.hospital.incidents.cast import Cast
from runtime.demo.hospital.records import Patient, Shift, Staff
from runtime.demo.labels import IncidentKind

OWN_CHARTS = (("view_labs", "view_notes"), ("view_chart",), ("view_chart", "view_imaging", "print"))
"""What is done in each own chart."""

SAME_ROOF = (True, False, False)
"""Household incidents at one address: with the same surname, or not."""

CROWDS = (3, 2, 4)
"""How many unrelated people look at each public figure."""

POOR_REASONS = ("", "x", "needed access")
PLAUSIBLE_REASON = "Reviewing recent history before possible transfer"
CLINICAL = ("nurse", "physician", "resident", "medical_assistant", "therapist")


def stage_chart_incidents(cast: Cast) -> None:
    _own_charts(cast)
    _same_roof(cast)
    _namesake(cast)
    _public_figures(cast)
    _broken_glass(cast)


def _own_charts(cast: Cast) -> None:
    """Own results and notes, at the workstation, on duty."""
    for actions in OWN_CHARTS:
        staff, _ = cast.player((*CLINICAL, "lab_technologist", "biller", "scheduler"), lambda person: person.patient_id is not None)
        assert staff.patient_id is not None
        _look(cast, IncidentKind.SELF_ACCESS, staff, staff.patient_id, actions)


def _same_roof(cast: Cast) -> None:
    """A patient at the same address as the member of staff, who is on record nowhere near that person's work."""
    people = cast.scene.people
    for same_name in SAME_ROOF:
        pairs = [
            (staff, people.patients[member])
            for staff in people.staff.values()
            if cast.free(staff)
            for member in people.home[staff.staff_id].members
            if member in people.patients
            and member != staff.patient_id
            and (people.patients[member].last_name == staff.last_name) is same_name
        ]
        cast.chance.shuffle(pairs)
        staff, patient = next(
            pair for pair in pairs if pair[1].patient_id not in cast.scene.care.patients_known_to(people, pair[0])
        )
        cast.take(staff)
        _look(cast, IncidentKind.HOUSEHOLD_ACCESS, staff, patient.patient_id, ("view_chart", "view_labs", "view_notes"))


def _namesake(cast: Cast) -> None:
    """A relative at another address: nothing but a surname that only the two of them bear."""
    staff, patient = cast.kin()
    _look(cast, IncidentKind.HOUSEHOLD_ACCESS, staff, patient.patient_id, ("view_chart", "view_notes"))


def _look(cast: Cast, kind: IncidentKind, staff: Staff, patient_id: str, actions: tuple[str, ...]) -> None:
    key = cast.scene.diary.incident(kind, actor=staff.account_id, patient_id=patient_id)
    when, place = cast.occasion(staff)
    cast.scene.open_chart(staff, patient_id, when, actions, place, cast.chance, incident=key, seconds=(40, 200))


def _public_figures(cast: Cast) -> None:
    """Curiosity: several people of several departments, within a day and a half of each other."""
    scene, chance = cast.scene, cast.chance
    figures = [p for p in scene.people.patients.values() if p.vip]
    for patient, size in zip((figures[0], figures[2], figures[3]), CROWDS, strict=True):
        key = scene.diary.incident(IncidentKind.VIP_ACCESS, actor=None, patient_id=patient.patient_id)
        first: Shift | None = None
        units: set[str] = set()
        for _ in range(size):
            staff, shift = _onlooker(cast, patient, first, units)
            first = first or shift
            units.add(staff.unit)
            when, place = cast.during(shift), cast.desk(staff, shift)
            scene.note(staff, when - timedelta(seconds=30), "search", place, details={"method": "name", "records": 1}, incident=key)
            actions = ("view_chart", *(("view_notes",) if chance.random() < 0.6 else ()))
            scene.open_chart(staff, patient.patient_id, when, actions, place, chance, incident=key, seconds=(30, 160))


def _onlooker(cast: Cast, patient: Patient, first: Shift | None, units: set[str]) -> tuple[Staff, Shift]:
    """Somebody from a further unit, unrelated to the patient, at work close to the first onlooker's shift."""
    scene = cast.scene

    def near(shift: Shift) -> bool:
        return first is None or abs(shift.start - first.start) < timedelta(hours=36)

    def fits(staff: Staff) -> bool:
        if staff.unit in units or staff.last_name == patient.last_name or not any(near(shift) for shift in cast.shifts(staff)):
            return False
        return patient.patient_id not in scene.care.patients_known_to(scene.people, staff) and not scene.people.related(
            staff, patient
        )

    staff, _ = cast.player((*CLINICAL, "coder", "biller", "lab_technologist", "registration_clerk"), fits)
    return staff, cast.chance.choice([shift for shift in cast.shifts(staff) if near(shift)])


def _broken_glass(cast: Cast) -> None:
    """No reason, an idle one, or a fair one without any care before or after."""
    for reason in (*POOR_REASONS, PLAUSIBLE_REASON):
        staff, shift = cast.player(("nurse", "physician", "medical_assistant", "therapist"), lambda person: person.unit != "ED")
        patient = cast.strangers(staff, 1)[0]
        key = cast.scene.diary.incident(IncidentKind.BREAK_GLASS, actor=staff.account_id, patient_id=patient.patient_id)
        when, place = cast.during(shift), cast.desk(staff, shift)
        details = {"reason": reason, "module": "chart"}
        cast.scene.note(staff, when, "break_glass", place, patient_id=patient.patient_id, details=details, incident=key)
        actions = ("view_chart", "view_notes") if reason else ("view_chart",)
        cast.scene.open_chart(
            staff, patient.patient_id, when + timedelta(seconds=10), actions, place, cast.chance, incident=key, seconds=(30, 150)
        )
