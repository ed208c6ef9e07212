"""Patient access report: who opened this patient's record, when, from where, what they did, and why it was right, as far as known.

More than the accounting of disclosures of 45 CFR 164.528, which leaves out treatment, payment and operations: it lists every access
in the ledger, in words that a patient can read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from dashboards.reports.catalogue import Definition, Desk, Grouping, ReportParams
from dashboards.reports.document import Column, Dataset, Document, Figure, Section, Shape, Table
from dashboards.reports.parameters import asked, limit_note
from dashboards.reports.wording import action_words, actor_kind_words, count, day, moment, place_words, sentence
from domain.clock import rfc3339
from domain.json import Json
from store.reports import Access

_NAME = "patient-access"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_WHEN = Column(title="When", shape=Shape.TIME)
_WHO = Column(title="Who", share=3)
_WHAT = Column(title="What", share=4)
_WHERE = Column(title="From where", share=3)
_WHY = Column(title="Why", share=6)
_RECORD = Column(title="Entry", shape=Shape.CODE)

_FIELDS = (
    "time", "actor_id", "actor_name", "actor_kind", "role", "department", "action", "outcome", "module", "device_id", "device_kind",
    "ip", "city", "examined", "explained", "reasons", "flags", "reason_given", "source", "source_system", "event_id", "writer",
    "seq", "received", "leaf",
)  # fmt: skip


def _build(desk: Desk, params: ReportParams) -> Document:
    patient, actor = params.patient_id or "", params.actor_id or ""
    accesses = desk.questions.accesses(
        patient_id=patient, since=params.since, until=params.until, actor_id=actor, limit=desk.row_limit
    )
    counts = desk.questions.patient_counts(patient_id=patient, since=params.since, until=params.until, actor_id=actor)
    names = desk.directory.names(sorted({access.actor_id for access in accesses}))
    total = counts.get("access", 0) + counts.get("portal", 0)
    unexplained = [access for access in accesses if access.examined and not access.explained]
    waiting = sum(not access.examined for access in accesses)
    people = len({access.actor_id for access in accesses})
    return Document(
        name=_NAME,
        title="Patient access report",
        subtitle="Who opened this record, when, from where, and why",
        organisation=desk.organisation,
        asked=asked(params, desk.zone),
        generated_at=desk.generated_at,
        zone=desk.zone.key,
        summary=_summary(total, people, len(unexplained)),
        figures=(
            Figure(value=f"{total:,}", label="accesses"),
            Figure(value=f"{people:,}", label="people and programs"),
            Figure(value=f"{len(unexplained):,}", label="without a reason on record", alarming=bool(unexplained)),
            Figure(value=f"{waiting:,}", label="not examined yet"),
        ),
        sections=_sections(accesses, params.grouping, desk, names),
        data=Dataset(fields=_FIELDS, rows=[_fields(access, names) for access in accesses]),
        notes=_notes(total, len(accesses), waiting, counts.get("mail", 0)),
        ledger=desk.ledger,
    )


def _summary(total: int, people: int, unexplained: int) -> list[str]:
    if not total:
        return ["In this period the ledger holds no access to this record."]
    users = count(people, "person or program", "people and programs")
    sentences = [f"In this period the record was opened or used {count(total, 'time')} by {users}."]
    if unexplained:
        sentences.append(
            f"For {count(unexplained, 'access', 'accesses')} no appointment, stay, order or other reason was found in the records "
            "known here. That alone does not make an access wrong: it is where to ask."
        )
    return sentences


def _sections(accesses: Sequence[Access], grouping: Grouping, desk: Desk, names: Mapping[str, str]) -> list[Section]:
    if grouping is Grouping.PERSON:
        ordered = sorted(accesses, key=lambda access: (names.get(access.actor_id, access.actor_id), access.actor_id))
        return [
            _section(
                _who(max(rows, key=lambda access: access.examined), names), rows, (_WHEN, _WHAT, _WHERE, _WHY, _RECORD), desk, names
            )
            for rows in _runs(ordered, lambda access: access.actor_id)
        ]
    if grouping is Grouping.DAY:
        return [
            _section(day(_instant(rows[0]), desk.zone), rows, (_WHEN, _WHO, _WHAT, _WHERE, _WHY, _RECORD), desk, names)
            for rows in _runs(accesses, lambda access: day(_instant(access), desk.zone))
        ]
    return [_section("Every access, in order of time", accesses, (_WHEN, _WHO, _WHAT, _WHERE, _WHY, _RECORD), desk, names)]


def _runs(accesses: Iterable[Access], key: Callable[[Access], str]) -> list[list[Access]]:
    return [list(rows) for _, rows in groupby(accesses, key=key)]


def _section(heading: str, accesses: Sequence[Access], columns: Sequence[Column], desk: Desk, names: Mapping[str, str]) -> Section:
    cells = [
        {
            _WHEN.title: moment(_instant(access), desk.zone),
            _WHO.title: _who(access, names),
            _WHAT.title: _what(access),
            _WHERE.title: place_words(device_kind=access.device_kind, device_id=access.device_id, ip=access.ip, city=access.city),
            _WHY.title: _why(access),
            _RECORD.title: f"{access.writer}:{access.seq}",
        }
        for access in accesses
    ]
    table = Table(caption=heading, columns=columns, rows=[[row[column.title] for column in columns] for row in cells])
    return Section(heading=heading, table=table, empty="No access was recorded.")


def _who(access: Access, names: Mapping[str, str]) -> str:
    """Name, then role and department or what sort of actor it is, then the id that the source gave."""
    place = ", ".join(part for part in (access.role, access.department) if part) or actor_kind_words(access.actor_kind)
    name = names.get(access.actor_id)
    return f"{name} ({access.actor_id}), {place}" if name else f"{access.actor_id}, {place}"


def _what(access: Access) -> str:
    words = sentence(action_words(access.action, access.outcome))
    return f"{words} Module: {access.module}." if access.module else words


def _why(access: Access) -> str:
    parts = [f"Reason given: “{access.reason}”."] if access.reason else []
    if not access.examined:
        own = access.actor_kind == "patient"
        parts.append("The patient's own use of the portal." if own else "Not examined yet.")
    elif access.explained:
        parts += [sentence(reason) for reason in access.reasons]
    else:
        parts += ["No reason found in the records known here.", *(sentence(flag) for flag in access.flags)]
    return " ".join(parts)


def _notes(total: int, listed: int, waiting: int, mails: int) -> list[str]:
    notes = [*limit_note(total, listed, "accesses")]
    if waiting:
        notes.append(
            f"{count(waiting, 'access has', 'accesses have')} not been compared with stays, appointments and orders yet; "
            "the column Why says so."
        )
    if mails:
        mail = count(mails, "mail event")
        notes.append(f"Mail about this patient is not listed here ({mail} in the period): see the report insecure-deliveries.")
    notes.append("Reasons are those that could be known at the moment of the access.")
    notes.append("The column Entry gives the place in the ledger at which an access can be verified.")
    notes.append("A record shows what its sources reported: phitrail verify names gaps and silent sources.")
    return notes


def _fields(access: Access, names: Mapping[str, str]) -> list[Json]:
    def known(text: str) -> Json:
        return text or None

    return [
        rfc3339(_instant(access)), access.actor_id, names.get(access.actor_id), access.actor_kind, known(access.role),
        known(access.department), access.action, known(access.outcome), known(access.module), known(access.device_id),
        known(access.device_kind), known(access.ip), known(access.city), access.examined,
        access.explained if access.examined else None, list(access.reasons), list(access.flags), known(access.reason),
        access.source, access.source_system, access.event_id, access.writer, access.seq,
        rfc3339(_EPOCH + timedelta(microseconds=access.received)), access.leaf,
    ]  # fmt: skip


def _instant(access: Access) -> datetime:
    return _EPOCH + timedelta(microseconds=access.time)


PATIENT_ACCESS = Definition(
    name=_NAME,
    title="Patient access report",
    about="who opened one patient's record, when, from where, what they did and why",
    needs_patient=True,
    build=_build,
)
