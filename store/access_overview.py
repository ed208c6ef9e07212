"""Which accesses stand out, for how many there is a reason on record, and what analytics knew about a single entry."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.clock import microseconds
from domain.finding import Score
from store.engine import Engine

_NEWEST_SCORES = "SELECT max(day) FROM scores WHERE day <= {today:Date}"

# Answered from the bounds of parts: months that lie before the moment as a whole are not read.
_NEWEST_ACCESS = "SELECT max(time) FROM access_facts WHERE time < fromUnixTimestamp64Micro({before:Int64}, 'UTC')"

_TOP = """
SELECT actor_id, object_id, day, score, model, reasons FROM scores FINAL
WHERE day = {day:Date} ORDER BY score DESC, actor_id, object_id LIMIT {top:UInt32}
"""

_PATIENTS = "SELECT DISTINCT patient_id FROM access_facts WHERE local_day = {day:Date} AND patient_id IN {ids:Array(String)}"

# Only what staff did in a record can be explained by a relationship. The bounds in time let months be skipped; a local day
# lies within a day and a half of the UTC one.
_RECORD_ACCESS = """
local_day >= {first:Date} AND local_day <= {last:Date}
    AND time >= toDateTime64({first:Date}, 6, 'UTC') - INTERVAL 2 DAY
    AND time < toDateTime64({last:Date}, 6, 'UTC') + INTERVAL 3 DAY
    AND patient_id != '' AND actor_kind = 'staff'
"""

_DEPARTMENTS = f"""
SELECT actor_department AS name, count() AS accesses, sum(explained) AS explained
FROM access_facts FINAL WHERE {_RECORD_ACCESS}
GROUP BY name ORDER BY explained / accesses, accesses DESC, name
"""

_LIST = f"""
SELECT writer, seq, time, action, actor_id, patient_id, actor_role, actor_department, explained, reasons, flags
FROM access_facts FINAL
WHERE {_RECORD_ACCESS} AND ({{whole:UInt8}} OR actor_department = {{department:String}})
    AND ({{explained:Int8}} < 0 OR explained = {{explained:Int8}})
ORDER BY time DESC, writer DESC, seq DESC LIMIT {{limit:UInt32}}
"""

_FACTS = """
SELECT writer, seq, explained, known, reasons, flags, actor_role, actor_department, staff_id, is_vip, is_restricted
FROM access_facts FINAL WHERE (writer, seq) IN (SELECT arrayJoin(arrayZip({writers:Array(String)}, {seqs:Array(UInt64)})))
"""

_DELIVERIES = """
SELECT writer, seq, tls_verdict, tls_version, tls_cipher, tls_weak, evidence, to_domain, direction, category, phi, opted_in,
    encryption, policy_version, tls_leg, tls_bits, tls_confidence
FROM delivery_facts FINAL WHERE (writer, seq) IN (SELECT arrayJoin(arrayZip({writers:Array(String)}, {seqs:Array(UInt64)})))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedAccess:
    """One row of the ranking; `is_patient` says whether its object is a patient (else a mail domain)."""

    score: Score
    is_patient: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Department:
    """How many accesses to records a department's staff made, and for how many a reason is on record. Name '': not known."""

    name: str
    accesses: int
    explained: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFact:
    """What analytics knew about one access at its moment: `reasons` speak for it, `flags` against it."""

    explained: bool
    known: bool
    reasons: Sequence[str]
    flags: Sequence[str]
    role: str
    department: str
    staff_id: str
    is_vip: bool
    is_restricted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFact:
    """What analytics judged about one delivery; `phi` None: the sender did not classify it."""

    tls_verdict: str
    tls_version: str
    tls_cipher: str
    tls_weak: bool
    evidence: str
    to_domain: str
    direction: str
    category: str
    phi: bool | None
    opted_in: bool
    encryption: str
    policy_version: str
    tls_leg: str
    tls_bits: int
    tls_confidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAccess:
    """One access of a member of staff to a record, with what speaks for it (`reasons`) and against it (`flags`)."""

    writer: str
    seq: int
    time: datetime
    action: str
    actor_id: str
    patient_id: str
    actor_role: str
    actor_department: str
    explained: bool
    reasons: Sequence[str]
    flags: Sequence[str]


class AccessOverview:
    """Asks about what analytics derived. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def newest_scored(self, today: date) -> date | None:
        """The newest local day up to today that was ranked."""
        day = self._engine.frame(_NEWEST_SCORES, today=today).item()
        return day if isinstance(day, date) and day.year > 1970 else None

    def newest_access(self, before: datetime) -> datetime | None:
        """The time of the newest access before that moment that analytics has looked at."""
        time = self._engine.frame(_NEWEST_ACCESS, before=microseconds(before)).item()
        return time if isinstance(time, datetime) and time.year > 1970 else None

    def top(self, day: date, top: int) -> Sequence[RankedAccess]:
        """What stands out most on a local day."""
        scores = [
            Score(actor_id=row[0], object_id=row[1], day=row[2], score=row[3], model=row[4], reasons=tuple(row[5]))
            for row in self._engine.frame(_TOP, day=day, top=top).iter_rows()
        ]
        patients = {str(row[0]) for row in self._engine.rows(_PATIENTS, day=day, ids=[score.object_id for score in scores])}
        return [RankedAccess(score=score, is_patient=score.object_id in patients) for score in scores]

    def departments(self, first: date, last: date) -> Sequence[Department]:
        """The explained share per department over local days, both included, the lowest share first."""
        frame = self._engine.frame(_DEPARTMENTS, first=first, last=last)
        return [Department(name=row[0], accesses=row[1], explained=row[2]) for row in frame.iter_rows()]

    def accesses(
        self, first: date, last: date, *, department: str | None, explained: bool | None, limit: int
    ) -> Sequence[RecordAccess]:
        """The newest accesses of staff to records over local days, of one department and one kind where given, at most `limit`."""
        frame = self._engine.frame(
            _LIST,
            first=first,
            last=last,
            whole=int(department is None),
            department=department or "",
            explained=-1 if explained is None else int(explained),
            limit=limit,
        )
        return [
            RecordAccess(
                **{**row, "explained": bool(row["explained"]), "reasons": tuple(row["reasons"]), "flags": tuple(row["flags"])}
            )
            for row in frame.iter_rows(named=True)
        ]

    def facts(self, places: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], AccessFact]:
        """What was known about these entries (writer, seq); entries that analytics has not come to are left out."""
        wanted = list(places)
        if not wanted:
            return {}
        frame = self._engine.frame(_FACTS, writers=[writer for writer, _ in wanted], seqs=[seq for _, seq in wanted])
        return {
            (row["writer"], row["seq"]): AccessFact(
                explained=bool(row["explained"]),
                known=bool(row["known"]),
                reasons=tuple(row["reasons"]),
                flags=tuple(row["flags"]),
                role=row["actor_role"],
                department=row["actor_department"],
                staff_id=row["staff_id"],
                is_vip=bool(row["is_vip"]),
                is_restricted=bool(row["is_restricted"]),
            )
            for row in frame.iter_rows(named=True)
        }

    def deliveries(self, places: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], DeliveryFact]:
        """What was judged about these mail entries; entries that analytics has not come to are left out."""
        wanted = list(places)
        if not wanted:
            return {}
        frame = self._engine.frame(_DELIVERIES, writers=[writer for writer, _ in wanted], seqs=[seq for _, seq in wanted])
        return {
            (row["writer"], row["seq"]): DeliveryFact(
                tls_verdict=row["tls_verdict"],
                tls_version=row["tls_version"],
                tls_cipher=row["tls_cipher"],
                tls_weak=bool(row["tls_weak"]),
                evidence=row["evidence"],
                to_domain=row["to_domain"],
                direction=row["direction"],
                category=row["category"],
                phi=None if row["phi"] is None else bool(row["phi"]),
                opted_in=bool(row["opted_in"]),
                encryption=row["encryption"],
                policy_version=row["policy_version"],
                tls_leg=row["tls_leg"],
                tls_bits=row["tls_bits"],
                tls_confidence=row["tls_confidence"],
            )
            for row in frame.iter_rows(named=True)
        }
