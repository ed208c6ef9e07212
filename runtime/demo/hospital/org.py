"""The hospital as an organisation: units, who works in them, networks and the domains it mails with. Fixed, not drawn."""

from dataclasses import dataclass

NAME = "Harrow Falls Medical Center"
MAIL_DOMAIN = "harrowfalls.example"
VPN_EGRESS_IPS = ("198.51.100.21", "198.51.100.22")
"""Documentation addresses (RFC 5737): where remote staff appear to come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A place of work. `kind` is ward, emergency, clinic, diagnostic or office; `beds` is the mean number in use."""

    unit: str
    department: str
    kind: str
    network: str
    beds: int = 0

    @property
    def stem(self) -> str:
        """The first three octets of its network."""
        return self.network.rsplit(".", 1)[0]


def _unit(number: int, unit: str, department: str, kind: str, beds: int = 0) -> Unit:
    return Unit(unit=unit, department=department, kind=kind, network=f"10.20.{number}.0/24", beds=beds)


UNITS: tuple[Unit, ...] = (
    _unit(31, "3N", "Medicine", "ward", 9),
    _unit(32, "3S", "Medicine", "ward", 9),
    _unit(41, "4N", "Surgery", "ward", 8),
    _unit(42, "4S", "Orthopedics", "ward", 7),
    _unit(51, "5N", "Cardiology", "ward", 8),
    _unit(52, "5S", "Maternity", "ward", 6),
    _unit(61, "6N", "Pediatrics", "ward", 6),
    _unit(71, "ICU", "Critical Care", "ward", 5),
    _unit(10, "ED", "Emergency", "emergency"),
    _unit(81, "CL-PRIM", "Primary Care", "clinic"),
    _unit(82, "CL-CARD", "Cardiology", "clinic"),
    _unit(83, "CL-ONC", "Oncology", "clinic"),
    _unit(84, "CL-ORTH", "Orthopedics", "clinic"),
    _unit(85, "CL-WOM", "Maternity", "clinic"),
    _unit(21, "RAD", "Radiology", "diagnostic"),
    _unit(22, "LAB", "Laboratory", "diagnostic"),
    _unit(23, "PHARM", "Pharmacy", "diagnostic"),
    _unit(24, "REHAB", "Rehabilitation", "diagnostic"),
    _unit(11, "REG", "Patient Access", "office"),
    _unit(12, "BILL", "Revenue Cycle", "office"),
    _unit(13, "HIM", "Health Information", "office"),
    _unit(14, "SOCW", "Social Work", "office"),
    _unit(15, "QUAL", "Quality", "office"),
    _unit(16, "RES", "Research", "office"),
    _unit(17, "IT", "Information Technology", "office"),
)

UNIT: dict[str, Unit] = {unit.unit: unit for unit in UNITS}
WARDS: tuple[Unit, ...] = tuple(unit for unit in UNITS if unit.kind == "ward")
CLINICS: tuple[Unit, ...] = tuple(unit for unit in UNITS if unit.kind == "clinic")

STAFFING: tuple[tuple[str, str, int, str], ...] = (
    *((unit.unit, "nurse", 14 if unit.unit == "ICU" else 12, "rotating") for unit in WARDS),
    *((unit.unit, "physician", 3, "weekdays") for unit in WARDS),
    *((unit.unit, "resident", 1, "weekdays") for unit in WARDS),
    ("ED", "nurse", 16, "rotating"),
    ("ED", "physician", 8, "rotating"),
    ("ED", "registration_clerk", 6, "rotating"),
    *((unit.unit, "physician", 4 if unit.unit == "CL-PRIM" else 2, "weekdays") for unit in CLINICS),
    *((unit.unit, "medical_assistant", 4 if unit.unit == "CL-PRIM" else 2, "weekdays") for unit in CLINICS),
    ("RAD", "radiologist", 5, "rotating"),
    ("RAD", "imaging_technologist", 9, "rotating"),
    ("LAB", "lab_technologist", 11, "rotating"),
    ("PHARM", "pharmacist", 9, "rotating"),
    ("REHAB", "therapist", 6, "weekdays"),
    ("REG", "registration_clerk", 7, "weekdays"),
    ("REG", "scheduler", 5, "weekdays"),
    ("BILL", "biller", 10, "weekdays"),
    ("HIM", "coder", 6, "weekdays"),
    ("HIM", "release_clerk", 2, "weekdays"),
    ("SOCW", "social_worker", 5, "weekdays"),
    ("QUAL", "quality_analyst", 3, "weekdays"),
    ("RES", "researcher", 4, "weekdays"),
    ("IT", "it_administrator", 5, "weekdays"),
)
"""(unit, role, how many, schedule)."""
