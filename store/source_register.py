"""The coverage register: every system that should send, whether its auditing is on, and the evidence for it.

Systems come from the application register of the reference data, from what people declared, and from whoever was ever heard. A
system is covered only while its events come in; one that handles PHI and was never heard is shown as not covered, never left out.
Serves 45 CFR 164.312(b): record and examine activity in information systems that contain or use ePHI.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import polars as pl

from domain.clock import microseconds, parse_rfc3339
from domain.errors import InvalidInput
from store.alert_events import SERVICE, Record, alert_event
from store.context import ContextStore
from store.engine import Engine
from store.source_gap_rules import Gap, GapKind
from store.source_health import SourceHealth, Told
from store.source_verdict import SourceVerdict

LONGEST = timedelta(days=366)
"""How long a declaration may hold: after a year somebody looks again."""

_NEWEST = """
SELECT system, declared, declared_by, state, owner, source_system, quiet_seconds, reason, valid_until FROM source_declarations
ORDER BY declared DESC LIMIT 1 BY system
"""

_HISTORY = """
SELECT system, declared, declared_by, state, owner, source_system, quiet_seconds, reason, valid_until FROM source_declarations
WHERE system = {system:String} ORDER BY declared
"""

_EVENT_IDS = "SELECT writer, seq, event_id FROM events WHERE (writer, seq) IN {places:Array(Tuple(String, UInt64))}"

_MOST_WORDS, _MOST_NAME = 2_000, 128


class Declared(StrEnum):
    """What a person says of a system: it sends its audit events here, or it does not for now."""

    ON = "on"
    OFF = "off"


class Auditing(StrEnum):
    """What is known of a system's auditing here. Only ON is covered."""

    ON = "on"
    UNPROVEN = "heard, not enough to judge"
    SILENT = "silent"
    STOPPED = "stopped"
    OFF = "declared off"
    NEVER = "never heard"

    @property
    def is_covered(self) -> bool:
        """Whether its activity is recorded here, as far as evidence goes."""
        return self is Auditing.ON


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A person's word on a system. `source_system` is the name it sends under; `quiet` how long it may be quiet (None: learned)."""

    system: str
    state: Declared
    declared: datetime
    declared_by: str
    reason: str
    valid_until: datetime
    owner: str = ""
    source_system: str = ""
    quiet: timedelta | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether it still holds."""
        return now < self.valid_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A system of the application register; `handles_phi` None where it does not say."""

    name: str
    owner: str
    handles_phi: bool | None
    hosts: Sequence[str]
    retired_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """One row of the register.

    `since` is since when its auditing is as it is; `writer`/`seq` the newest entry that proves it, `event_id` its id at the source.
    `unexplained` gaps may have lost events and nobody has found that they did not.
    """

    system: str
    source_system: str
    owner: str
    handles_phi: bool | None
    is_registered: bool
    is_expected: bool
    auditing: Auditing
    since: datetime | None
    health: SourceHealth | None
    event_id: str
    declaration: Declaration | None
    open_gaps: int
    unexplained: int
    sentence: str

    @property
    def is_missing(self) -> bool:
        """Whether it should send and is not covered."""
        return self.is_expected and not self.auditing.is_covered


class SourceRegister:
    """Reads the register and takes declarations. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, record: Record) -> None:
        """`record` is where the event of each declaration goes (`Ledger.append`)."""
        self._engine = engine
        self._record = record
        self._context = ContextStore(engine)

    def declare(self, word: Declaration) -> Declaration:
        """Put a person's word on record. Raises InvalidInput for one without person, reason or end."""
        _check(word)
        row = {
            "system": word.system,
            "declared": word.declared,
            "declared_by": word.declared_by,
            "state": word.state.value,
            "owner": word.owner,
            "source_system": word.source_system,
            "quiet_seconds": int(word.quiet.total_seconds()) if word.quiet else 0,
            "reason": word.reason.strip(),
            "valid_until": word.valid_until,
        }
        self._engine.insert("source_declarations", pl.DataFrame([row], schema_overrides={"quiet_seconds": pl.UInt32}))
        event = alert_event(
            event_id=f"declared.{microseconds(word.declared)}.{word.system}",
            action="source_declared",
            by=word.declared_by,
            at=word.declared,
            details={"system": word.system, "state": word.state.value},
        )
        self._record([event])
        return word

    def declarations(self) -> dict[str, Declaration]:
        """The last word on each system, by system, whether it still holds or not."""
        return {word.system: word for word in _read(self._engine.frame(_NEWEST))}

    def history(self, system: str) -> list[Declaration]:
        """Every word on a system, first to last."""
        return list(_read(self._engine.frame(_HISTORY, system=system)))

    def applications(self, now: datetime) -> list[Application]:
        """The application register as it is known now, by name; without those that are retired."""
        found = [
            Application(
                name=row["application"],
                owner=row["owner"] or "",
                handles_phi=row["handles_phi"],
                hosts=row["hosts"] or (),
                retired_at=_moment_of(row["retired_at"]),
            )
            for row in self._context.frame("applications").iter_rows(named=True)
            if row["application"]
        ]
        return sorted((one for one in found if not one.retired_at or one.retired_at > now), key=lambda one: one.name)

    def told(self, now: datetime) -> dict[str, Told]:
        """What people said, by the name that each system sends under."""
        owners = {name: one.owner for one in self.applications(now) for name in _names(one) if one.owner}
        found = {name: Told(owner=owner) for name, owner in owners.items()}
        for word in self.declarations().values():
            name = word.source_system or word.system
            if not word.is_valid(now):
                continue
            excused = ""
            if word.state is Declared.OFF:
                excused = f"Declared as not sending by {word.declared_by} until {word.valid_until:%Y-%m-%d}: {word.reason}"
            found[name] = Told(patience=word.quiet, excused=excused, owner=word.owner or owners.get(name, ""))
        return found

    def awaited(self, now: datetime) -> set[str]:
        """Names under which a system is declared to send: missed also when they were never heard."""
        words = self.declarations().values()
        return {word.source_system or word.system for word in words if word.state is Declared.ON and word.is_valid(now)}

    def coverage(self, states: Sequence[SourceHealth], gaps: Sequence[Gap], now: datetime) -> list[Coverage]:
        """Every system that should send or does: not covered first, then by name. Retired systems that are quiet are left out."""
        heard = {state.source_system: state for state in states}
        words = self.declarations()
        taken: set[str] = set()
        rows = []
        for one in self.applications(now):
            word = words.pop(one.name, None)
            name = (word.source_system if word else "") or next((name for name in _names(one) if _same(name, heard)), "")
            name = _same(name, heard) or name
            taken.add(name)
            rows.append(self._row(one.name, name, heard.get(name), word, gaps, now, application=one))
        for system, word in words.items():
            name = word.source_system or system
            taken.add(name)
            rows.append(self._row(system, name, heard.get(name), word, gaps, now))
        rows += [self._row(name, name, state, None, gaps, now) for name, state in heard.items() if name not in taken]
        rows = self._with_ids(rows)
        return sorted(rows, key=lambda row: (not row.is_missing, row.auditing.is_covered, row.system.casefold()))

    def _row(
        self,
        system: str,
        name: str,
        state: SourceHealth | None,
        word: Declaration | None,
        gaps: Sequence[Gap],
        now: datetime,
        *,
        application: Application | None = None,
    ) -> Coverage:
        mine = [gap for gap in gaps if name and gap.source_system == name]
        auditing, since, sentence = _auditing(state, word, mine, now)
        handles_phi = application.handles_phi if application else None
        is_off = word is not None and word.state is Declared.OFF and word.is_valid(now)
        return Coverage(
            system=system,
            source_system=name,
            owner=(word.owner if word else "") or (application.owner if application else ""),
            handles_phi=handles_phi,
            is_registered=application is not None,
            is_expected=not is_off and (handles_phi is not False or word is not None or state is not None),
            auditing=auditing,
            since=since,
            health=state,
            event_id="",
            declaration=word,
            open_gaps=sum(gap.is_open for gap in mine),
            unexplained=sum(gap.counts for gap in mine),
            sentence=sentence,
        )

    def event_ids(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
        """The ids at the source of these entries; those disposed of are left out."""
        if not places:
            return {}
        rows = self._engine.rows(_EVENT_IDS, places=list(places))
        return {(str(writer), int(str(seq))): str(name) for writer, seq, name in rows}

    def _with_ids(self, rows: Sequence[Coverage]) -> list[Coverage]:
        ids = self.event_ids([(row.health.writer, row.health.seq) for row in rows if row.health and row.health.writer])
        return [
            replace(row, event_id=ids.get((row.health.writer, row.health.seq), "")) if row.health and row.health.writer else row
            for row in rows
        ]


def _auditing(
    state: SourceHealth | None, word: Declaration | None, gaps: Sequence[Gap], now: datetime
) -> tuple[Auditing, datetime | None, str]:
    """What is known, since when, and the sentence."""
    lasting = {gap.kind: gap.began for gap in gaps if gap.is_open}
    if GapKind.STOPPED in lasting:
        return Auditing.STOPPED, lasting[GapKind.STOPPED], "It reported that its recording stopped, and has not reported a start."
    if word is not None and word.state is Declared.OFF and word.is_valid(now):
        return Auditing.OFF, word.declared, f"Declared as not sending by {word.declared_by}: {word.reason}"
    if state is None or state.last_received is None:
        return Auditing.NEVER, None, "No event has ever come from it." if state is None else "Nothing it sent was understood."
    if SourceVerdict.SILENT in state.judgement.troubles:
        return Auditing.SILENT, lasting.get(GapKind.SILENCE, state.last_received), state.judgement.sentences[0]
    begun = max(
        [gap.ended for gap in gaps if gap.kind is not GapKind.NUMBERS and gap.ended and gap.kind.loses_events], default=None
    )
    since = max(begun, state.first_received) if begun and state.first_received else state.first_received
    if state.verdict is SourceVerdict.UNKNOWN:
        return Auditing.UNPROVEN, since, state.judgement.sentences[0]
    return Auditing.ON, since, state.judgement.sentences[0]


def _check(word: Declaration) -> None:
    if word.declared_by in ("", SERVICE):
        raise InvalidInput("a declaration is a person's: say who makes it")
    for name, text, limit in (("system", word.system, _MOST_NAME), ("reason", word.reason.strip(), _MOST_WORDS)):
        if not text or len(text) > limit:
            raise InvalidInput(f"the {name} of a declaration has 1 to {limit:,} characters")
    if max(len(word.owner), len(word.source_system)) > _MOST_NAME:
        raise InvalidInput(f"owner and source system have at most {_MOST_NAME} characters")
    if SERVICE in (word.system, word.source_system):
        raise InvalidInput("phitrail's own recording cannot be declared off or on")
    if not word.declared < word.valid_until <= word.declared + LONGEST:
        raise InvalidInput("a declaration holds until a day within the next year, then somebody looks again")
    if word.quiet is not None and not timedelta(minutes=1) <= word.quiet <= timedelta(days=366):
        raise InvalidInput("a source may be quiet for between a minute and a year")


def _read(frame: pl.DataFrame) -> Iterator[Declaration]:
    for row in frame.iter_rows(named=True):
        yield Declaration(
            system=row["system"],
            state=Declared(row["state"]),
            declared=row["declared"],
            declared_by=row["declared_by"],
            reason=row["reason"],
            valid_until=row["valid_until"],
            owner=row["owner"],
            source_system=row["source_system"],
            quiet=timedelta(seconds=row["quiet_seconds"]) if row["quiet_seconds"] else None,
        )


def _names(application: Application) -> list[str]:
    """What an application may be called as a source: by its name, or by one of its hosts, with or without the domain."""
    return list(dict.fromkeys([application.name, *application.hosts, *(host.split(".", 1)[0] for host in application.hosts)]))


def _same(name: str, heard: Mapping[str, SourceHealth]) -> str:
    """The source of this name, whatever its capitals; '' where there is none."""
    if name in heard:
        return name
    return next((source for source in heard if name and source.casefold() == name.casefold()), "")


def _moment_of(text: str | None) -> datetime | None:
    """A day or an instant of the reference data."""
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError:
        return datetime.fromisoformat(text[:10]).replace(tzinfo=UTC)
