"""From a plan to the whole hospital: people, care, events, labels."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.event import AuditEvent
from runtime.demo.hospital.admissions import admit_patients
from runtime.demo.hospital.bedside import emergency_department, late_charting, nurse_wards, physicians_rounds, read_results
from runtime.demo.hospital.care import Care, Register
from runtime.demo.hospital.clinics import fill_clinics, refer
from runtime.demo.hospital.desks import care_team, consult, perform_orders, see_appointments, work_off
from runtime.demo.hospital.diary import Diary, Entry
from runtime.demo.hospital.incidents import stage_incidents
from runtime.demo.hospital.mail import send_mail
from runtime.demo.hospital.noise import make_noise
from runtime.demo.hospital.paperwork import Paperwork, file_paperwork
from runtime.demo.hospital.people import People, finish_people, settle_town
from runtime.demo.hospital.plan import Plan
from runtime.demo.hospital.portal import visit_portal
from runtime.demo.hospital.roster import Roster, write_roster
from runtime.demo.hospital.scene import set_scene
from runtime.demo.hospital.sessions import sign_on_and_off
from runtime.demo.hospital.staff import engage_staff
from runtime.demo.hospital.work import open_worklists, place_orders
from runtime.demo.labels import Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    """Everything there is to know. `entries` are the diary behind `events`, with the reason of each; they never leave."""

    plan: Plan
    people: People
    roster: Roster
    care: Care
    paperwork: Paperwork
    entries: Sequence[Entry]
    events: Sequence[AuditEvent]
    incidents: Sequence[Incident]


def make_hospital(plan: Plan) -> Hospital:
    """The same plan makes the same hospital. A fortnight takes a second or two."""
    people = _settle(plan)
    paperwork = file_paperwork(plan, people)
    register = Register(plan=plan, people=people, roster=write_roster(plan, people))
    for write in (admit_patients, fill_clinics, refer, place_orders, open_worklists):
        write(register)
    diary = Diary(plan)
    scene = set_scene(plan, people, register.roster, register.care, diary)
    for happen in (
        nurse_wards,
        physicians_rounds,
        emergency_department,
        late_charting,
        read_results,
        see_appointments,
        perform_orders,
        work_off,
        consult,
        care_team,
        sign_on_and_off,
        visit_portal,
    ):
        happen(scene)
    send_mail(scene, paperwork)
    make_noise(scene, paperwork)
    stage_incidents(scene, paperwork)
    events, incidents = diary.close()
    return Hospital(
        plan=plan,
        people=people,
        roster=register.roster,
        care=register.care,
        paperwork=paperwork,
        entries=diary.entries,
        events=events,
        incidents=incidents,
    )


def _settle(plan: Plan) -> People:
    town = settle_town(plan)
    engage_staff(town)
    primary_care = [staff.staff_id for staff in town.people.staff.values() if staff.unit == "CL-PRIM" and staff.role == "physician"]
    return finish_people(town, primary_care)
