"""Consent register: what patients agreed to, against marketing and unencrypted mail with PHI that was sent to them.

Marketing needs an authorisation (45 CFR 164.508(a)(3)) and ends with an opt-out, within ten business days (15 U.S.C. 7704(a)(4)).
Unencrypted mail is the patient's own choice after a warning (45 CFR 164.522(b)). Each delivery is held against the word before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from dashboards.reports.catalogue import Definition, Desk, ReportParams
from dashboards.reports.document import Column, Dataset, Document, Figure, Section, Shape, Table
from dashboards.reports.mail_wording import phi_words
from dashboards.reports.parameters import asked
from dashboards.reports.wording import count, moment, sentence
from domain.clock import rfc3339
from domain.json import Json
from store.mail_reports import MailScope, PagedRows
from store.mail_reports_consent import (
    EVER,
    ChannelSum,
    ConsentDelivery,
    ConsentRegister,
    ConsentRow,
    ConsentSum,
    Matter,
    Standing,
)

_NAME = "consent-register"
_TITLE = "Consent register and mail sent"

ON_PAPER = 2_000
"""Deliveries listed for people, one by one."""

_FIELDS = (
    "patient_id", "matter", "channel", "status", "agreed", "at", "until", "withdrawn", "sends", "after_optout_within_grace",
    "after_optout_past_grace", "sends_with_phi", "sends_not_classified", "sends_tls_not_known", "first", "first_event_id",
    "first_writer", "first_seq", "last", "last_event_id", "last_writer", "last_seq",
)  # fmt: skip

_MATTERS: Mapping[Matter, str] = {Matter.MARKETING: "Marketing", Matter.PLAIN: "Unencrypted, may be PHI"}

_STANDINGS: Mapping[Standing, str] = {
    Standing.AGREED: "the patient had agreed",
    Standing.NO_WORD: "no consent on record",
    Standing.WITHDRAWN: "the patient had said no",
    Standing.WITHIN_GRACE: "after an opt-out, within the business days given",
    Standing.PAST_GRACE: "after an opt-out, past the business days given",
    Standing.NOT_KEPT: "no consent of this sort is on record for anybody",
    Standing.NOBODY: "the mail names no patient",
}

_ORDER = (
    Standing.PAST_GRACE,
    Standing.WITHDRAWN,
    Standing.WITHIN_GRACE,
    Standing.NO_WORD,
    Standing.NOT_KEPT,
    Standing.NOBODY,
    Standing.AGREED,
)


def _build(desk: Desk, params: ReportParams) -> Document:
    register = desk.questions.consents(desk.zone, desk.terms)
    scope = desk.questions.mail.scope(
        since=params.since, until=params.until, patient_id=params.patient_id or "", actor_id=params.actor_id or ""
    )
    sums, channels = register.sums(scope), register.channels(scope)
    listed = register.deliveries(scope, min(ON_PAPER, desk.row_limit))
    past = _sends(sums, Matter.MARKETING, Standing.PAST_GRACE)
    against = _sends(sums, Matter.PLAIN, Standing.WITHDRAWN)
    marketing_phi = sum(one.phi for one in sums if one.matter is Matter.MARKETING)
    return Document(
        name=_NAME,
        title=_TITLE,
        subtitle="What patients agreed to, against marketing and unencrypted PHI sent to them, as of each moment",
        organisation=desk.organisation,
        asked=asked(params, desk.zone),
        generated_at=desk.generated_at,
        zone=desk.zone.key,
        summary=_summary(sums),
        figures=(
            _alarm(_sends(sums, Matter.MARKETING, Standing.NO_WORD), "marketing without an opt-in"),
            Figure(
                value=f"{_sends(sums, Matter.MARKETING, Standing.WITHIN_GRACE):,}",
                label=f"marketing after an opt-out, within {desk.terms.grace} business days",
            ),
            _alarm(past, "marketing later than that"),
            _alarm(marketing_phi, "marketing with PHI"),
            _alarm(_sends(sums, Matter.PLAIN, Standing.NO_WORD), "unencrypted, may be PHI, no consent"),
            _alarm(against, "unencrypted, may be PHI, consent withdrawn"),
        ),
        sections=(_matters(sums), _channels(channels), _deliveries(listed, sums, desk)),
        data=Dataset(fields=_FIELDS, rows=PagedRows(register.count(scope), lambda: _rows(register, scope))),
        notes=_notes(sums, desk),
        ledger=desk.ledger,
    )


def _alarm(number: int, label: str) -> Figure:
    return Figure(value=f"{number:,}", label=label, alarming=bool(number))


def _sends(sums: Sequence[ConsentSum], matter: Matter, *standings: Standing) -> int:
    return sum(one.deliveries for one in sums if one.matter is matter and (not standings or one.standing in standings))


def _summary(sums: Sequence[ConsentSum]) -> list[str]:
    said = []
    for matter, what in ((Matter.MARKETING, "marketing message"), (Matter.PLAIN, "message that may have carried PHI unencrypted")):
        total, agreed = _sends(sums, matter), _sends(sums, matter, Standing.AGREED)
        if not total:
            said.append(f"In this period no {what} to a patient is on record.")
        else:
            many = what.replace("message", "messages", 1)
            said.append(f"In this period {count(total, what, many)} went out; for {agreed:,} a consent in force is on record.")
    return said


def _matters(sums: Sequence[ConsentSum]) -> Section:
    titles = ("Deliveries", "Patients", "PHI", "Not classified", "TLS not known")
    columns = (
        Column(title="What was sent", share=2),
        Column(title="Consent at that moment", share=4),
        *(Column(title=title, shape=Shape.NUMBER) for title in titles),
    )
    rows = [
        [
            _MATTERS[one.matter],
            sentence(_STANDINGS[one.standing]),
            *(f"{number:,}" for number in (one.deliveries, one.patients, one.phi, one.unclassified)),
            f"{one.unknown_line:,}" if one.matter is Matter.PLAIN else "",
        ]
        for one in sorted(sums, key=lambda one: (one.matter.value, _ORDER.index(one.standing)))
    ]
    return Section(
        heading="What was sent under which consent",
        table=Table(caption="Deliveries by consent at their moment", columns=columns, rows=rows),
        empty="Neither marketing nor unencrypted mail that may hold PHI is on record in this period.",
    )


def _channels(channels: Sequence[ChannelSum]) -> Section:
    columns = (
        Column(title="About", share=3),
        Column(title="Channel", share=3),
        Column(title="Agree at the end", shape=Shape.NUMBER),
        Column(title="Refuse at the end", shape=Shape.NUMBER),
        Column(title="Words in the period", shape=Shape.NUMBER),
    )
    rows = [[_MATTERS[one.matter], one.channel, f"{one.agreed:,}", f"{one.withdrawn:,}", f"{one.changed:,}"] for one in channels]
    return Section(
        heading="The register",
        sentences=("Patients by their last word before the end of the period.",),
        table=Table(caption="Patients by channel and last word", columns=columns, rows=rows),
        empty="No consent is on record: nothing says what patients agreed to.",
    )


def _deliveries(deliveries: Sequence[ConsentDelivery], sums: Sequence[ConsentSum], desk: Desk) -> Section:
    columns = (
        Column(title="When", shape=Shape.TIME),
        Column(title="Patient", share=2),
        Column(title="From", share=3),
        Column(title="To", share=3),
        Column(title="What", share=3),
        Column(title="Consent", share=5),
        Column(title="Entry", shape=Shape.CODE),
    )
    rows = [
        [
            moment(one.time, desk.zone),
            one.patient_id or "not known",
            one.sender or "not known",
            one.to_domain or "not known",
            _what(one),
            _consent(one, desk),
            f"{one.writer}:{one.seq} {one.event_id}",
        ]
        for one in deliveries
    ]
    total = sum(
        one.phi if one.standing is Standing.AGREED and one.matter is Matter.MARKETING else one.deliveries
        for one in sums
        if one.standing is not Standing.AGREED or one.matter is Matter.MARKETING
    )
    said = ["Those against a patient's no first, then those with PHI, each in order of time."]
    if len(rows) < total:
        said.append(f"{total - len(rows):,} of {total:,} are not shown: choose a shorter period, or one patient.")
    return Section(
        heading="Deliveries without a consent, or against one",
        sentences=said if rows else (),
        table=Table(caption="Deliveries without a consent, or against one", columns=columns, rows=rows),
        empty="None in this period.",
    )


def _what(one: ConsentDelivery) -> str:
    words = [one.category or _MATTERS[one.matter], phi_words(one.phi)]
    if one.matter is Matter.PLAIN:
        words.append("no TLS" if one.verdict == "none" else "TLS not known")
    return sentence(", ".join(words))


def _consent(one: ConsentDelivery, desk: Desk) -> str:
    words = _STANDINGS[one.standing]
    if one.said is None:
        return sentence(words)
    when = "at a time that is not recorded" if one.said == EVER else _day(one.said, desk)
    if one.standing is Standing.AGREED:
        return f"{sentence(words)} Since {when}, to marketing; PHI in it needs an authorisation of its own."
    days = f", {count(one.business_days, 'business day')} before" if one.business_days is not None else ""
    return f"{sentence(words)} No since {when}{days}."


def _day(time: datetime, desk: Desk) -> str:
    return time.astimezone(desk.zone).date().isoformat()


def _notes(sums: Sequence[ConsentSum], desk: Desk) -> list[str]:
    terms = desk.terms
    words = ", ".join(sorted(terms.categories))
    notes = [
        f"Marketing is what its sender called so ({words})."
        if words
        else "The mail policy names no marketing: none is counted here.",
        f"Business days are Monday to Friday without the holidays of the organisation; {terms.grace} are given after an opt-out.",
    ]
    if any(one.standing is Standing.NOT_KEPT for one in sums):
        notes.append("Where no consent of a sort was ever recorded for anybody, that none is found says nothing about the patient.")
    if any(one.standing is Standing.NOBODY for one in sums):
        notes.append(
            "Mail that names no patient cannot be held against the register: it is not known whether the recipient agreed."
        )
    if any(one.unknown_line for one in sums):
        notes.append("TLS not known: the source did not say how the message travelled. It is counted, because unknown is not safe.")
    notes += [
        "Unencrypted means: no TLS known for the connection, and the message neither encrypted nor a link to the portal.",
        "A consent counts from the moment it was given, as the register has it now; of two at one moment the stricter counts.",
        "Mail to the domains of partners is not a patient's to agree to: see the report baa-register.",
    ]
    return notes


def _rows(register: ConsentRegister, scope: MailScope) -> Iterator[Sequence[Sequence[Json]]]:
    for page in register.pages(scope):
        yield [_fields(row) for row in page]


def _fields(row: ConsentRow) -> Sequence[Json]:
    def at(time: datetime | None) -> Json:
        return rfc3339(time) if time is not None and time != EVER else None

    return [
        row.patient_id or None, row.matter.value, row.channel or None, row.status or None, row.agreed if row.status else None,
        at(row.at), at(row.until), at(row.withdrawn), row.sends, row.within_grace, row.past_grace, row.phi, row.unclassified,
        row.unknown_line, at(row.first), *_entry(row.first_entry), at(row.last), *_entry(row.last_entry),
    ]  # fmt: skip


def _entry(entry: tuple[str, int, str] | None) -> Sequence[Json]:
    return (entry[2], *entry[:2]) if entry else (None, None, None)


CONSENT_REGISTER = Definition(
    name=_NAME,
    title=_TITLE,
    about="consents against marketing and unencrypted PHI sent to patients: without opt-in, after opt-out, past ten business days",
    needs_patient=False,
    build=_build,
)
