"""Too much: exports nobody approved, and days on which one person opens many times the usual number of charts."""

from datetime import date

from domain.json import Json
from runtime.demo.hospital.care import hours
from runtime.demo.hospital.incidents.cast import Cast
from runtime.demo.hospital.paperwork import Paperwork
from runtime.demo.hospital.records import Staff
from runtime.demo.labels import IncidentKind

FOLD = (6, 9)
"""Charts opened on the unusual day, as a multiple of the person's ordinary one."""

FEWEST_CHARTS = 36
BROWSING_ROLES = (("nurse",), ("biller",), ("registration_clerk",))


def stage_volume_incidents(cast: Cast, paperwork: Paperwork) -> None:
    _exports(cast, paperwork)
    _browsing(cast)


def _exports(cast: Cast, paperwork: Paperwork) -> None:
    """By a biller, by a nurse, and by a researcher whose protocol does not allow it."""
    covered = {member for protocol in paperwork.protocols if protocol.bulk_export_approved for member in protocol.staff_ids}
    for role, action, records in (
        ("biller", "export", (1200, 4000)),
        ("nurse", "export", (500, 900)),
        ("researcher", "extract", (900, 2500)),
    ):
        staff, shift = cast.player((role,), lambda person: person.staff_id not in covered)
        key = cast.scene.diary.incident(IncidentKind.BULK_EXPORT, actor=staff.account_id, patient_id=None)
        details: dict[str, Json] = {"records": cast.chance.randint(*records), "module": "reports"}
        cast.scene.note(staff, cast.during(shift), action, cast.desk(staff, shift), details=details, incident=key)


def _browsing(cast: Cast) -> None:
    """Chart after chart of strangers through most of a shift, each for less than a minute."""
    scene, chance = cast.scene, cast.chance
    for roles in BROWSING_ROLES:
        staff, shift = cast.player(roles, lambda person: _steady(cast, person))
        count = max(FEWEST_CHARTS, round(_ordinary_day(cast, staff) * chance.uniform(*FOLD)))
        key = scene.diary.incident(IncidentKind.UNUSUAL_VOLUME, actor=staff.account_id, patient_id=None)
        when, place = shift.start + hours(1), cast.desk(staff, shift)
        gap = (shift.end - shift.start - hours(2)) / count
        for patient in cast.strangers(staff, count):
            scene.open_chart(staff, patient.patient_id, when, ("view_chart",), place, chance, incident=key, seconds=(12, 55))
            when += hours(gap.total_seconds() / 3600 * chance.uniform(0.6, 1.3))


def _steady(cast: Cast, staff: Staff) -> bool:
    """At work, with charts opened, on at least two days before incidents begin."""
    return len(_quiet_days(cast, staff)) >= 2


def _ordinary_day(cast: Cast, staff: Staff) -> float:
    days = _quiet_days(cast, staff)
    return sum(days.values()) / len(days)


def _quiet_days(cast: Cast, staff: Staff) -> dict[date, int]:
    """Patients opened on each quiet local day at work."""
    plan = cast.scene.plan
    first = plan.at(plan.incident_dates[0], 0)
    seen: dict[date, set[str]] = {}
    for entry in cast.scene.diary.entries:
        if entry.actor.id == staff.account_id and entry.patient_id is not None and entry.time < first:
            seen.setdefault(plan.local(entry.time).date(), set()).add(entry.patient_id)
    return {day: len(patients) for day, patients in seen.items()}
