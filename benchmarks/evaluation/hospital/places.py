"""Units, departments, who works in them, and the machines that stand there."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

_WARD_DEPARTMENTS = (
    *("Medicine", "Surgery", "Cardiology", "Orthopedics", "Maternity"),
    *("Pediatrics", "Neurology", "Oncology", "Critical Care", "Psychiatry"),
)
CLINIC_DEPARTMENTS = (
    "Primary Care",
    "Cardiology",
    "Orthopedics",
    "Maternity",
    "Oncology",
    "Neurology",
    "Dermatology",
    "Psychiatry",
)
NURSES_A_WARD = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """`kind` is ward, emergency, clinic, diagnostic or office."""

    unit: str
    department: str
    kind: str
    stem: str
    opens: int = -999
    """Day on which it opens."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event came from. `geo` is (city, country, latitude, longitude)."""

    device: str
    kind: str
    ip: str
    geo: tuple[str, str, float, float] | None = None


OFFICES = (
    ("RAD", "Radiology", "diagnostic"),
    ("LAB", "Laboratory", "diagnostic"),
    ("PHARM", "Pharmacy", "diagnostic"),
    ("REHAB", "Rehabilitation", "diagnostic"),
    ("REG", "Patient Access", "office"),
    ("SCHED", "Scheduling", "office"),
    ("BILL", "Revenue Cycle", "office"),
    ("HIM", "Health Information", "office"),
    ("CASE", "Care Coordination", "office"),
    ("QUAL", "Quality", "office"),
    ("RES", "Research", "office"),
    ("IT", "Information Technology", "office"),
)

VPN_EGRESS = ("198.51.100.21", "198.51.100.22", "198.51.100.23")
HOME_CITY = ("Harlow Bend", "US", 41.62, -88.1)
VPN_CITY = ("Ashburn", "US", 39.04, -77.49)
FAR = (
    ("Lagos", "NG", 6.45, 3.4),
    ("Bucharest", "RO", 44.43, 26.1),
    ("Jakarta", "ID", -6.21, 106.85),
    ("Recife", "BR", -8.05, -34.9),
    ("Phoenix", "US", 33.45, -112.07),
)


def units_for(staff: int, opening_day: int) -> list[Unit]:
    """The units of a hospital of this size, the one that opens in the period last."""
    wards = max(2, round(staff * 0.34 / NURSES_A_WARD))
    clinics = max(2, min(len(CLINIC_DEPARTMENTS), round(staff / 90)))
    found = []
    for number in range(wards):
        department = _WARD_DEPARTMENTS[number % len(_WARD_DEPARTMENTS)]
        found.append(
            Unit(unit=f"{2 + number // 2}{'NS'[number % 2]}", department=department, kind="ward", stem=f"10.20.{30 + number}")
        )
    found.append(Unit(unit="ED", department="Emergency", kind="emergency", stem="10.20.10"))
    for number in range(clinics):
        department = CLINIC_DEPARTMENTS[number]
        found.append(Unit(unit=f"CL{number + 1}", department=department, kind="clinic", stem=f"10.20.{80 + number}"))
    for number, (unit, department, kind) in enumerate(OFFICES):
        found.append(Unit(unit=unit, department=department, kind=kind, stem=f"10.20.{110 + number}"))
    found.append(Unit(unit="9X", department="Stroke", kind="ward", stem="10.20.29", opens=opening_day))
    return found


def posts_for(staff: int, units: Sequence[Unit]) -> list[tuple[str, str, str, str]]:
    """(role, department, unit, pattern) of everybody, as many as `staff` or a few more."""
    wards = [unit for unit in units if unit.kind == "ward" and unit.opens < 0]
    clinics = [unit for unit in units if unit.kind == "clinic"]
    found: list[tuple[str, str, str, str]] = []

    def add(role: str, share: float, places: Sequence[Unit], pattern: str, fewest: int = 1) -> None:
        count = max(fewest, round(staff * share))
        found.extend((role, places[n % len(places)].department, places[n % len(places)].unit, pattern) for n in range(count))

    named = {unit.unit: [unit] for unit in units}
    add("nurse", 0.34, wards, "rotating", fewest=2 * 8)
    add("nurse", 0.05, named["ED"], "rotating", 6)
    add("physician", 0.07, wards, "weekdays", 2 * len(wards))
    add("resident", 0.045, wards, "weekdays", len(wards))
    add("physician", 0.025, named["ED"], "rotating", 5)
    add("registration_clerk", 0.025, named["ED"], "rotating", 5)
    add("physician", 0.06, clinics, "weekdays", 2 * len(clinics))
    add("medical_assistant", 0.065, clinics, "weekdays", 2 * len(clinics))
    add("therapist", 0.03, named["REHAB"], "weekdays", 2)
    add("pharmacist", 0.03, named["PHARM"], "rotating", 4)
    add("lab_technologist", 0.04, named["LAB"], "rotating", 4)
    add("imaging_technologist", 0.03, named["RAD"], "rotating", 4)
    add("radiologist", 0.012, named["RAD"], "weekdays", 2)
    add("registration_clerk", 0.025, named["REG"], "weekdays", 2)
    add("scheduler", 0.03, named["SCHED"], "weekdays", 2)
    add("biller", 0.03, named["BILL"], "weekdays", 2)
    add("coder", 0.025, named["HIM"], "weekdays", 2)
    add("release_clerk", 0.008, named["HIM"], "weekdays", 1)
    add("social_worker", 0.015, named["CASE"], "weekdays", 1)
    add("case_manager", 0.012, named["CASE"], "weekdays", 1)
    add("quality_analyst", 0.01, named["QUAL"], "weekdays", 1)
    add("researcher", 0.01, named["RES"], "weekdays", 2)
    add("it_administrator", 0.015, named["IT"], "weekdays", 3)
    return found


class Machines:
    """The workstations of the units, and what people use elsewhere. The same person mostly sits at the same machines."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._stems = {unit.unit: unit.stem for unit in units}
        self._made: dict[tuple[str, int], Place] = {}

    def desk(self, unit: str, draw: random.Random, favourite: int) -> Place:
        """A workstation of the unit: the favourite half of the time."""
        number = favourite % 12 if draw.random() < 0.5 else draw.randrange(12)
        place = self._made.get((unit, number))
        if place is None:
            place = Place(f"ws-{unit.lower()}-{number:02d}", "workstation", f"{self._stems[unit]}.{20 + number}")
            self._made[unit, number] = place
        return place

    @staticmethod
    def remote(account: str, egress: int) -> Place:
        """From home over the VPN."""
        return Place(f"rm-{account}", "remote", VPN_EGRESS[egress % len(VPN_EGRESS)], VPN_CITY)

    @staticmethod
    def mobile(account: str, number: int) -> Place:
        """A handheld on the hospital's network."""
        return Place(f"mb-{account}", "mobile", f"10.20.200.{number % 250}")
