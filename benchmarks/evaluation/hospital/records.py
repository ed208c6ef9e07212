"""What the hospital is made of: people, posts, shifts, and the records of care."""

from dataclasses import dataclass, field

from domain.json import Json


@dataclass(frozen=True, slots=True)
class Home:
    """An address. `flat` is '' in a house of its own."""

    street: str
    number: int
    flat: str
    town: str
    code: str

    def record(self, style: int) -> Json:
        """As one register or another spells it: in full, short, or in parts."""
        flat = f", Apt {self.flat}" if self.flat else ""
        if style == 0:
            return f"{self.number} {self.street}{flat}, {self.town} {self.code}"
        if style == 1:
            short = self.street.replace("Street", "St").replace("Avenue", "Ave").replace("Road", "Rd").replace("Lane", "Ln")
            return f"{self.number} {short}{flat.replace('Apt ', '#')}, {self.town} {self.code}"
        return {"line": f"{self.number} {self.street}{flat}", "city": self.town, "postal_code": self.code}


@dataclass(slots=True, kw_only=True, eq=False)
class Person:
    """Somebody who lives in the town: `kin` are relatives at other addresses, `house` those of the same one."""

    first: str
    last: str
    born: str
    sex: str
    home: Home
    phone: str
    house: list["Person"] = field(default_factory=list)
    kin: list["Person"] = field(default_factory=list)
    former_home: Home | None = None
    former_partner: "Person | None" = None
    friend: "Person | None" = None
    contact: "Person | None" = None
    employer: str = ""
    patient: "Patient | None" = None
    staff: "Staff | None" = None

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


@dataclass(slots=True, kw_only=True, eq=False)
class Patient:
    """`touched` are the units and departments that had to do with the patient in or near the period, `seen` the accounts."""

    patient_id: str
    person: Person
    vip: bool = False
    vip_since: float | None = None
    restricted: bool = False
    primary_care: str | None = None
    portal: bool = False
    touched: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True, eq=False)
class Staff:
    """Somebody who works here. `pattern` is rotating, weekdays or none; `gone` the moment employment ended, if it did."""

    staff_id: str
    account: str
    person: Person
    role: str
    department: str
    unit: str
    pattern: str
    hired: int
    """Day of the period, far negative for most."""
    manager: "Staff | None" = None
    gone: float | None = None
    notice: int | None = None
    last_login: float | None = None
    posts: list[dict[str, Json]] = field(default_factory=list)
    moved: tuple[int, str, str] | None = None
    """Day from which on another unit and department hold: (day, unit, department) of the later post."""
    untrained_from: float | None = None
    never_trained: bool = False
    kind: str = "employee"

    def post(self, day: int) -> tuple[str, str]:
        """Unit and department on a day."""
        if self.moved is not None and day >= self.moved[0]:
            return self.moved[1], self.moved[2]
        return self.unit, self.department


@dataclass(slots=True, kw_only=True, eq=False)
class Shift:
    """A shift that was worked; `rostered` says whether the reference data know of it."""

    staff: Staff
    day: int
    start: float
    end: float
    unit: str
    kind: str = ""
    mentor: str | None = None
    rostered: bool = True


@dataclass(slots=True, kw_only=True, eq=False)
class Stay:
    """A visit as it was. What of it is on record: since `recorded_at` (None: nothing), the places in `noted`."""

    encounter_id: str
    patient: Patient
    type: str
    department: str
    attending: Staff
    admitted: float
    discharged: float
    places: list[tuple[str, float, float]]
    resident: Staff | None = None
    team: list[Staff] = field(default_factory=list)
    noted: list[tuple[str, float, float]] = field(default_factory=list)
    recorded_at: float | None = None

    def on(self, moment: float) -> str | None:
        """The unit at a moment."""
        return next((unit for unit, begin, end in self.places if begin <= moment < end), None)
