"""BAA register: which domains have a business associate agreement, and which received PHI while one was in force, or was not.

45 CFR 164.502(e) and 164.504(e). Every delivery is held against the register as of its moment; a domain that is not in it, and one
of which it says nothing, is never taken for covered.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from dashboards.reports.catalogue import Definition, Desk, ReportParams
from dashboards.reports.document import Column, Dataset, Document, Figure, Section, Shape, Table
from dashboards.reports.mail_wording import ENCRYPTIONS, STANDINGS, phi_words
from dashboards.reports.parameters import asked
from dashboards.reports.wording import count, moment, sentence
from domain.clock import rfc3339
from domain.json import Json
from store.context_rows import ALWAYS, NEVER
from store.mail_reports_baa import Agreement, BaaDelivery, BaaRegister, BaaTally, RegisterVersion

_NAME = "baa-register"
_TITLE = "BAA register and PHI sent"

ON_PAPER = 2_000
"""Deliveries listed for people, one by one."""

_FIELDS = (
    "domain", "registered", "kind", "agreement", "expires", "known_since", "versions", "phi_in_force", "phi_after_expiry",
    "phi_before", "phi_without", "phi_register_silent", "phi_exempt", "phi_public_or_unregistered", "phi_to_patient_on_file",
    "not_classified", "not_classified_in_force", "phi_protected_in_itself", "first", "first_event_id", "first_writer", "first_seq",
    "last", "last_event_id", "last_writer", "last_seq",
)  # fmt: skip

_STATES: Mapping[Agreement, str] = {
    Agreement.IN_FORCE: "agreement in force",
    Agreement.AFTER: "agreement had run out",
    Agreement.BEFORE: "agreement registered only later",
    Agreement.WITHOUT: "registered without an agreement",
    Agreement.EXEMPT: "needs no agreement by the mail policy",
    Agreement.PUBLIC: "mailboxes of the public",
    Agreement.NOT_SAID: "the register does not say",
    Agreement.UNREGISTERED: "not registered",
}

_OPEN = frozenset({Agreement.PUBLIC, Agreement.UNREGISTERED})
"""Where the patient's own address needs no agreement."""


@dataclass(slots=True)
class _Domain:
    """One domain: what is registered of it now, and the sums of its tallies."""

    name: str
    versions: Sequence[RegisterVersion] = ()
    tallies: list[BaaTally] = field(default_factory=list)

    @property
    def newest(self) -> RegisterVersion | None:
        return self.versions[-1] if self.versions else None

    def phi(self, *states: Agreement, to_patient: bool | None = None) -> int:
        """Deliveries with PHI in these states; where set, only those to the patient's address on file, or only the others."""
        return sum(
            one.phi
            for one in self.tallies
            if one.state in states and to_patient in (None, one.recipient == "patient" and one.state in _OPEN)
        )

    def unclassified(self, *states: Agreement) -> int:
        return sum(one.unclassified for one in self.tallies if not states or one.state in states)

    @property
    def outside(self) -> int:
        """Deliveries with PHI for which no agreement was known to be in force, though one is needed as far as known."""
        needed = self.phi(Agreement.AFTER, Agreement.BEFORE, Agreement.WITHOUT, Agreement.NOT_SAID)
        return needed + self.phi(*_OPEN, to_patient=False)


def _build(desk: Desk, params: ReportParams) -> Document:
    register = desk.questions.agreements(desk.zone, desk.terms)
    scope = desk.questions.mail.scope(
        since=params.since, until=params.until, patient_id=params.patient_id or "", actor_id=params.actor_id or ""
    )
    today = desk.generated_at.astimezone(desk.zone).date()
    domains = _domains(register, register.tallies(scope))
    listed = register.deliveries(scope, min(ON_PAPER, desk.row_limit))
    registered = [one for one in domains if one.versions]
    strangers = [one for one in domains if not one.versions]
    late = sum(one.phi(Agreement.AFTER) for one in domains)
    return Document(
        name=_NAME,
        title=_TITLE,
        subtitle="Business associate agreements against the domains that received PHI, as of each moment",
        organisation=desk.organisation,
        asked=asked(params, desk.zone),
        generated_at=desk.generated_at,
        zone=desk.zone.key,
        summary=_summary(registered, strangers, today),
        figures=(
            Figure(value=f"{sum(one.phi(Agreement.IN_FORCE) for one in domains):,}", label="with PHI, agreement in force"),
            Figure(value=f"{late:,}", label="with PHI after it ran out", alarming=bool(late)),
            _alarm(sum(one.phi(Agreement.WITHOUT, Agreement.BEFORE) for one in domains), "with PHI, no agreement"),
            _alarm(sum(one.phi(Agreement.UNREGISTERED, to_patient=False) for one in domains), "with PHI to unregistered domains"),
            Figure(value=f"{sum(one.unclassified() for one in domains):,}", label="not classified: may be PHI"),
        ),
        sections=(
            _registered(registered, today),
            _unregistered(strangers, desk),
            _deliveries(listed, domains, desk),
            _changes(registered, desk),
        ),
        data=Dataset(fields=_FIELDS, rows=[_fields(one) for one in domains]),
        notes=_notes(domains, desk),
        ledger=desk.ledger,
    )


def _alarm(number: int, label: str) -> Figure:
    return Figure(value=f"{number:,}", label=label, alarming=bool(number))


def _domains(register: BaaRegister, tallies: Sequence[BaaTally]) -> list[_Domain]:
    """Every registered domain, and every other one that got something; those with PHI outside an agreement first."""
    found = {name: _Domain(name, versions) for name, versions in register.versions.items()}
    for tally in tallies:
        found.setdefault(tally.domain, _Domain(tally.domain)).tallies.append(tally)
    return sorted(found.values(), key=lambda one: (-one.outside, -one.unclassified(*_UNCOVERED), one.name))


_UNCOVERED = tuple(state for state in Agreement if state not in (Agreement.IN_FORCE, Agreement.EXEMPT))


def _summary(registered: Sequence[_Domain], strangers: Sequence[_Domain], today: date) -> list[str]:
    in_force = sum(bool(one.newest and one.newest.baa) and not _is_over(one.newest, today) for one in registered)
    said = [f"The register has {count(len(registered), 'domain')}, {in_force:,} of them with an agreement in force now."]
    got = [one for one in (*registered, *strangers) if one.outside]
    if got:
        sent = count(sum(one.outside for one in got), "delivery", "deliveries")
        said.append(
            f"In this period {sent} with PHI went to {count(len(got), 'domain')} without an agreement known to be in force."
        )
    else:
        said.append("In this period no delivery classified as PHI is known to have gone out without an agreement in force.")
    open_ = sum(one.unclassified(*_UNCOVERED) for one in (*registered, *strangers))
    if open_:
        without = count(open_, "delivery", "deliveries")
        said.append(f"{without} outside an agreement were not classified: whether they held PHI is not known.")
    return said


def _registered(domains: Sequence[_Domain], today: date) -> Section:
    titles = ("In force", "After it ran out", "Before it", "Without", "Not said", "Patient's own", "Not classified")
    columns = (
        Column(title="Registered domain", share=3),
        Column(title="Kind", share=1),
        Column(title="Agreement now", share=2),
        *(Column(title=title, shape=Shape.NUMBER) for title in titles),
    )
    rows = []
    for one in domains:
        numbers = (
            one.phi(Agreement.IN_FORCE),
            one.phi(Agreement.AFTER),
            one.phi(Agreement.BEFORE),
            one.phi(Agreement.WITHOUT) + one.phi(Agreement.PUBLIC, to_patient=False),
            one.phi(Agreement.NOT_SAID),
            one.phi(Agreement.PUBLIC, to_patient=True) + one.phi(Agreement.EXEMPT),
            one.unclassified(),
        )
        kind = one.newest.kind if one.newest else ""
        rows.append([one.name, kind or "not stated", _agreement(one.versions, today), *(f"{number:,}" for number in numbers)])
    return Section(
        heading="Registered domains",
        sentences=(
            "The numbers are deliveries with PHI of the period, each by what the register said at its moment.",
            "Patient's own: to the patient's address on file at a provider of mailboxes, or one that needs no agreement.",
        ),
        table=Table(caption="Registered domains and deliveries with PHI", columns=columns, rows=rows),
        empty="No domain is registered: of no recipient is known whether it has an agreement.",
    )


def _agreement(versions: Sequence[RegisterVersion], today: date) -> str:
    """What the last of these versions says of an agreement."""
    newest = versions[-1]
    if newest.baa is None:
        return "the register does not say"
    if not newest.baa:
        return "none; there was one before" if any(version.baa for version in versions) else "none"
    if newest.expires is None:
        return "without an end on record"
    return f"{'ran out' if _is_over(newest, today) else 'until'} {newest.expires.isoformat()}"


def _is_over(version: RegisterVersion | None, today: date) -> bool:
    """Whether its agreement has an end that is past."""
    return version is not None and version.expires is not None and version.expires < today


def _unregistered(domains: Sequence[_Domain], desk: Desk) -> Section:
    titles = ("With PHI", "To the patient's own address", "Not classified")
    columns = (
        Column(title="Domain", share=3),
        *(Column(title=title, shape=Shape.NUMBER) for title in titles),
        Column(title="First", shape=Shape.TIME),
        Column(title="Last", shape=Shape.TIME),
        Column(title="Recipients", share=4),
    )
    rows = []
    for one in domains[: desk.row_limit]:
        kinds = Counter[str]()
        for tally in one.tallies:
            kinds[STANDINGS.get(tally.recipient, "not known who")] += tally.phi + tally.unclassified
        rows.append(
            [
                one.name or "not known",
                f"{one.phi(Agreement.UNREGISTERED):,}",
                f"{one.phi(Agreement.UNREGISTERED, to_patient=True):,}",
                f"{one.unclassified():,}",
                moment(_first(one).first, desk.zone),
                moment(_last(one).last, desk.zone),
                sentence(", ".join(f"{words} {number:,}" for words, number in kinds.most_common())),
            ]
        )
    return Section(
        heading="Domains that are not registered",
        table=Table(caption="Unregistered domains that received PHI, or mail that nobody classified", columns=columns, rows=rows),
        empty="None received PHI in this period, or mail that was not classified.",
    )


def _first(one: _Domain) -> BaaTally:
    return min(one.tallies, key=lambda tally: (tally.first, tally.first_entry))


def _last(one: _Domain) -> BaaTally:
    return max(one.tallies, key=lambda tally: (tally.last, tally.last_entry))


def _deliveries(deliveries: Sequence[BaaDelivery], domains: Sequence[_Domain], desk: Desk) -> Section:
    columns = (
        Column(title="When", shape=Shape.TIME),
        Column(title="From", share=3),
        Column(title="To", share=3),
        Column(title="The register then", share=3),
        Column(title="Recipient", share=3),
        Column(title="Content", share=4),
        Column(title="Entry", shape=Shape.CODE),
    )
    rows = [
        [
            moment(one.time, desk.zone),
            one.sender or "not known",
            one.to_domain or "not known",
            sentence(_STATES[one.state]),
            sentence(STANDINGS.get(one.recipient, "not known who")),
            _content(one),
            f"{one.writer}:{one.seq} {one.event_id}",
        ]
        for one in deliveries
    ]
    total = sum(one.outside + one.unclassified(*_UNCOVERED) - _to_patient(one) for one in domains)
    said = ["PHI first, then what was not classified, each in order of time."]
    if len(rows) < total:
        said.append(
            f"{total - len(rows):,} of {total:,} are not shown; the report tls-ledger has every delivery with its recipient."
        )
    return Section(
        heading="Deliveries without an agreement known to be in force",
        sentences=said if rows else (),
        table=Table(caption="Deliveries without an agreement known to be in force", columns=columns, rows=rows),
        empty="None in this period.",
    )


def _to_patient(one: _Domain) -> int:
    """Not classified, to the patient's own address: they are not listed."""
    return sum(tally.unclassified for tally in one.tallies if tally.recipient == "patient" and tally.state in _OPEN)


def _content(one: BaaDelivery) -> str:
    kind = f"{phi_words(one.phi)}{f', {one.category}' if one.category else ''}"
    return f"{sentence(kind)} {sentence(ENCRYPTIONS.get(one.encryption, 'encryption of the message not stated'))}"


def _changes(domains: Sequence[_Domain], desk: Desk) -> Section:
    today = desk.generated_at.astimezone(desk.zone).date()
    columns = (
        Column(title="Domain", share=3),
        Column(title="Known from", shape=Shape.TIME),
        Column(title="Until", shape=Shape.TIME),
        Column(title="Kind", share=1),
        Column(title="Agreement", share=2),
        Column(title="With PHI", shape=Shape.NUMBER),
        Column(title="Not classified", shape=Shape.NUMBER),
    )
    rows = [
        [
            one.name,
            _since(version.since, desk),
            "now" if version.until == NEVER else moment(version.until, desk.zone),
            version.kind or "not stated",
            _agreement([version], today),
            f"{sum(tally.phi for tally in one.tallies if tally.number == version.number):,}",
            f"{sum(tally.unclassified for tally in one.tallies if tally.number == version.number):,}",
        ]
        for one in domains
        if len(one.versions) > 1
        for version in one.versions
    ]
    return Section(
        heading="Entries of the register that changed",
        table=Table(caption="Versions of registered domains and what was sent while each was known", columns=columns, rows=rows),
        empty="None: what is registered now was so for the whole period.",
    )


def _since(since: datetime, desk: Desk) -> str:
    return "always" if since == ALWAYS else moment(since, desk.zone)


def _notes(domains: Sequence[_Domain], desk: Desk) -> list[str]:
    notes = ["The first entry of a domain counts as known always; a later one from the moment at which it was loaded."]
    strangers = sum(not one.versions for one in domains)
    if strangers > desk.row_limit:
        notes.append(
            f"{strangers - desk.row_limit:,} domains that are not registered are not shown; the CSV and JSON forms have them."
        )
    notes += [
        "An agreement counts to the end of its last day; a domain below a registered one counts as registered.",
        "Whether a message holds PHI is what its sender said. What nobody classified is counted apart, and never as free of PHI.",
        "PHI may go to another provider for treatment without an agreement (45 CFR 164.502(e)(1)(ii)).",
        "Which deliveries were for treatment is not in the record: a delivery listed here is a question, not a finding.",
        "Deferred and bounced mail, and mail within the organisation, is not counted.",
    ]
    return notes


def _fields(one: _Domain) -> Sequence[Json]:
    newest = one.newest
    first, last = (_first(one), _last(one)) if one.tallies else (None, None)
    return [
        one.name or None, bool(one.versions), (newest.kind or None) if newest else None, newest.baa if newest else None,
        newest.expires.isoformat() if newest and newest.expires else None,
        rfc3339(newest.since) if newest and newest.since != ALWAYS else None, len(one.versions), one.phi(Agreement.IN_FORCE),
        one.phi(Agreement.AFTER), one.phi(Agreement.BEFORE), one.phi(Agreement.WITHOUT), one.phi(Agreement.NOT_SAID),
        one.phi(Agreement.EXEMPT), one.phi(*_OPEN, to_patient=False), one.phi(*_OPEN, to_patient=True), one.unclassified(),
        one.unclassified(Agreement.IN_FORCE), sum(tally.sealed for tally in one.tallies),
        *((rfc3339(first.first), first.first_entry[2], *first.first_entry[:2]) if first else (None,) * 4),
        *((rfc3339(last.last), last.last_entry[2], *last.last_entry[:2]) if last else (None,) * 4),
    ]  # fmt: skip


BAA_REGISTER = Definition(
    name=_NAME,
    title=_TITLE,
    about="business associate agreements against the domains that received PHI: in force, run out, registered later, or none",
    needs_patient=False,
    build=_build,
)
