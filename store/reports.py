"""The questions that reports ask: who opened a patient's record, what the sources are, and the ways to the questions about mail.

They read the ledger first and add what analytics derived (`access_facts`, `delivery_facts`) where it has come that far; how far it
has not is part of the answer, so that a report never passes off "not examined" as "nothing found".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from domain.clock import microseconds
from store.context import ContextStore
from store.domain_view import DomainView, domain_view
from store.engine import Engine
from store.mail_reports import MailReports, MailTerms
from store.mail_reports_baa import BaaRegister
from store.mail_reports_breach import InsecureDeliveries
from store.mail_reports_consent import ConsentRegister
from store.source_watch import SourceView, SourceWatch

_ACCESSES = """
WITH chosen AS
(
    SELECT writer, seq, event_id, time, received, source, source_system, action, outcome, actor_id, actor_kind, patient_id,
        device_id, device_kind, ip, hex(leaf) AS leaf_hex,
        JSONExtractString(private, 'geo', 'city') AS city,
        JSONExtractString(private, 'details', 'module') AS module,
        JSONExtractString(private, 'details', 'reason') AS reason
    FROM events
    WHERE patient_id = {patient:String} AND patient_id != '' AND source IN ('access', 'portal')
        AND time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
        AND ({actor:String} = '' OR actor_id = {actor:String})
    ORDER BY time, writer, seq
    LIMIT {limit:UInt32}
),
facts AS
(
    SELECT writer, seq, 1 AS examined, known, explained, reasons, flags, actor_role, actor_department
    FROM access_facts FINAL
    WHERE (writer, seq) IN (SELECT writer, seq FROM chosen)
)
SELECT chosen.writer, chosen.seq, event_id, toUnixTimestamp64Micro(time), toUnixTimestamp64Micro(received), source, source_system,
    action, outcome, actor_id, actor_kind, device_id, device_kind, ip, city, module, reason, lower(leaf_hex),
    examined, explained, reasons, flags, actor_role, actor_department
FROM chosen LEFT ANY JOIN facts ON chosen.writer = facts.writer AND chosen.seq = facts.seq
ORDER BY time, chosen.writer, chosen.seq
"""

_PATIENT_COUNTS = """
SELECT source, count() FROM events
WHERE patient_id = {patient:String} AND patient_id != ''
    AND time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
    AND ({actor:String} = '' OR actor_id = {actor:String})
GROUP BY source
"""

_CHECKPOINT = "SELECT size, note FROM checkpoints FINAL ORDER BY size DESC LIMIT 1"
_HEADS = "SELECT heads FROM spine WHERE seq < {size:UInt64} AND kind = 'heads' ORDER BY seq DESC LIMIT 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One access to a patient's record. Where analytics has not derived facts yet `examined` is false and what follows it is empty.

    Times are microseconds since 1970 in UTC; `leaf` is hex; absent text is ''.
    """

    writer: str
    seq: int
    event_id: str
    time: int
    received: int
    source: str
    source_system: str
    action: str
    outcome: str
    actor_id: str
    actor_kind: str
    device_id: str
    device_kind: str
    ip: str
    city: str
    module: str
    reason: str
    leaf: str
    examined: bool
    explained: bool
    reasons: tuple[str, ...]
    flags: tuple[str, ...]
    role: str
    department: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The newest signed checkpoint: its note, and the newest heads (`origin size root-in-hex`, one a line) that it covers."""

    note: str
    heads: str


class ReportQuestions:
    """Read-only questions over the ledger and the derived facts. Periods are half open, [since, until), of the claimed time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.mail = MailReports(engine)
        self.insecure = InsecureDeliveries(engine)

    def sources(self, now: datetime) -> SourceView:
        """Every source as it is now: states, gaps, and the coverage register."""
        return SourceWatch(self._engine, lambda _: None, ContextStore(self._engine).org).view(now)

    def accesses(self, *, patient_id: str, since: datetime, until: datetime, actor_id: str, limit: int) -> list[Access]:
        """Accesses and portal events of one patient in order of time, at most `limit`; `actor_id` '' is everyone."""
        rows = self._engine.rows(_ACCESSES, patient=patient_id, actor=actor_id, limit=limit, **_bounds(since, until))
        return [_access(row) for row in rows]

    def patient_counts(self, *, patient_id: str, since: datetime, until: datetime, actor_id: str) -> dict[str, int]:
        """How many events of each source name the patient."""
        rows = self._engine.rows(_PATIENT_COUNTS, patient=patient_id, actor=actor_id, **_bounds(since, until))
        return {str(source): _int(number) for source, number in rows}

    def agreements(self, zone: ZoneInfo, terms: MailTerms) -> BaaRegister:
        """The register of domains with its past, read now."""
        return BaaRegister(self._engine, zone, terms)

    def consents(self, zone: ZoneInfo, terms: MailTerms) -> ConsentRegister:
        """What patients agreed to, and the deliveries under it."""
        return ConsentRegister(self._engine, zone, terms)

    def domains(self, since: datetime, until: datetime, at: datetime) -> DomainView:
        """Mail domains: deliveries and changes of the period, posture and register as known by `at`."""
        return domain_view(self._engine, since, until, at)

    def signed(self) -> Signed | None:
        """The newest checkpoint with its heads, or None before the first."""
        newest = self._engine.rows(_CHECKPOINT)
        if not newest:
            return None
        size, note = newest[0]
        heads = self._engine.rows(_HEADS, size=size)
        return Signed(note=str(note), heads=str(heads[0][0]) if heads else "")


def _bounds(since: datetime, until: datetime) -> dict[str, int]:
    return {"since": microseconds(since), "until": microseconds(until)}


def _access(row: tuple[object, ...]) -> Access:
    text = [str(cell) for cell in row]
    return Access(
        writer=text[0],
        seq=_int(row[1]),
        event_id=text[2],
        time=_int(row[3]),
        received=_int(row[4]),
        source=text[5],
        source_system=text[6],
        action=text[7],
        outcome=text[8],
        actor_id=text[9],
        actor_kind=text[10],
        device_id=text[11],
        device_kind=text[12],
        ip=text[13],
        city=text[14],
        module=text[15],
        reason=text[16],
        leaf=text[17],
        examined=bool(row[18]),
        explained=bool(row[19]),
        reasons=_texts(row[20]),
        flags=_texts(row[21]),
        role=text[22],
        department=text[23],
    )


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _texts(value: object) -> tuple[str, ...]:
    assert isinstance(value, Iterable)
    return tuple(str(item) for item in value)
