"""Domain posture: what each domain that mail goes to publishes about its transport, how mail to it left, and what changed.

Serves 45 CFR 164.312(e)(1): whether what is sent is protected depends on both ends. What was not looked at is not known, and a
domain of which nothing is known is listed like any other.
"""

from collections.abc import Sequence

from dashboards.domain_words import agreement, aspects, own_aspects, problem_words, what_words
from dashboards.reports.catalogue import Definition, Desk, ReportParams
from dashboards.reports.document import Column, Dataset, Document, Figure, Section, Shape, Table
from dashboards.reports.parameters import asked
from dashboards.reports.wording import count, moment
from domain.clock import rfc3339
from domain.json import Json
from store.domain_overview import DomainMail
from store.domain_posture import PostureChange
from store.domain_view import DomainView

NAME = "domain-posture"
TITLE = "Domain posture"
ABOUT = "what the domains that mail goes to publish (MTA-STS, DANE, TLS reports), how mail to them left, and what changed"

_FIELDS = (
    "domain", "own", "agreement", "deliveries", "encrypted", "verified", "weak", "clear", "not_known", "with_phi",
    "phi_clear_or_weak", "observed_at", "mx", "mx_outside_policy", "mta_sts_published", "mta_sts_in_force", "mta_sts_until",
    "dane", "tls_rpt", "spf", "dmarc", "problems",
)  # fmt: skip


def posture_document(desk: Desk, params: ReportParams, view: DomainView) -> Document:
    """The report of what `view` knows."""
    mail = {one.domain: one for one in view.mail}
    names = view.names()
    sent = sum(one.deliveries for one in view.mail)
    told = sum(one.told for one in view.mail)
    verified = sum(one.verified for one in view.mail)
    unseen = [name for name in names if name not in view.postures]
    badly = sum(one.phi_badly for one in view.mail)
    return Document(
        name=NAME,
        title=TITLE,
        subtitle="How do the domains we write to want their mail, and how did it reach them?",
        organisation=desk.organisation,
        asked=asked(params, desk.zone),
        generated_at=desk.generated_at,
        zone=desk.zone.key,
        summary=_summary(view, sent, told, verified, unseen),
        figures=(
            Figure(value=f"{len(names):,}", label="domains"),
            Figure(value=f"{len(unseen):,}", label="never looked at"),
            Figure(value=f"{badly:,}", label="deliveries with PHI in the clear or by weak TLS", alarming=bool(badly)),
        ),
        sections=(
            _mail_section(view, names, mail, desk),
            _posture_section(view, names, desk),
            *_own_section(view, desk),
            _changes_section(view.changes, desk),
        ),
        data=Dataset(fields=_FIELDS, rows=[_fields(view, name, mail.get(name), desk) for name in names]),
        notes=_notes(view, len(names), desk),
        ledger=desk.ledger,
    )


def _summary(view: DomainView, sent: int, told: int, verified: int, unseen: Sequence[str]) -> list[str]:
    said = [f"{count(sent, 'delivery', 'deliveries')} went to {count(len(view.mail), 'domain')} in the period."]
    if sent:
        said.append(f"Of {told:,} whose protection was reported, {verified:,} went to a verified server.")
    if unseen:
        said.append(f"{count(len(unseen), 'domain')} of the list {'was' if len(unseen) == 1 else 'were'} never looked at.")
    outside = [name for name, posture in view.postures.items() if posture.mx_outside]
    if outside:
        said.append(f"Mail servers that the policy does not name: {', '.join(sorted(outside)[:20])}.")
    return said


def _mail_section(view: DomainView, names: Sequence[str], mail: dict[str, DomainMail], desk: Desk) -> Section:
    today = desk.generated_at.astimezone(desk.zone).date()
    rows = [
        (
            name,
            agreement(name, view.registered, today).word,
            f"{one.deliveries:,}",
            _share(one.encrypted, one.told),
            _share(one.verified, one.told),
            _share(one.unknown, one.deliveries),
            f"{one.clear:,}",
            f"{one.weak:,}",
            f"{one.phi_badly:,}",
        )
        for name in names[: desk.row_limit]
        if (one := mail.get(name)) is not None
    ]
    return Section(
        heading="How mail left",
        sentences=("Shares of TLS and of verified servers are of what was reported; the rest is not known.",) if rows else (),
        table=Table(
            caption="Deliveries of the period by domain, most first",
            columns=(
                Column(title="Domain", share=3),
                Column(title="Agreement", share=2),
                *(
                    Column(title=title, shape=Shape.NUMBER)
                    for title in ("Sent", "TLS", "Verified", "Not known", "In the clear", "Weak", "PHI badly")
                ),
            ),
            rows=rows,
        ),
        empty="No mail is known to have left in this period.",
    )


def _posture_section(view: DomainView, names: Sequence[str], desk: Desk) -> Section:
    rows = []
    for name in names[: desk.row_limit]:
        posture = view.postures.get(name)
        said = "; ".join(
            f"{one.title}: {one.word}{f' ({one.about})' if one.about else ''}" for one in aspects(posture, desk.generated_at)
        )
        hosts = ", ".join(posture.hosts) if posture is not None else ""
        if posture is not None and posture.takes_no_mail:
            hosts = "none"
        problems = " ".join(problem_words(problem) for problem in posture.problems) if posture is not None else ""
        looked = moment(posture.observed_at, desk.zone) if posture is not None else "never"
        rows.append((name, looked, hosts or "not known", said, problems))
    return Section(
        heading="What they publish",
        table=Table(
            caption="Posture of each domain as of its last look",
            columns=(
                Column(title="Domain", share=3),
                Column(title="Looked at", shape=Shape.TIME),
                Column(title="Mail servers", share=3),
                Column(title="Known", share=5),
                Column(title="Not learnt, or wrong", share=4),
            ),
            rows=rows,
        ),
        empty="No domain is known.",
    )


def _own_section(view: DomainView, desk: Desk) -> list[Section]:
    rows = [
        (name, one.title, one.word, one.about)
        for name, posture in sorted(view.postures.items())
        if posture.is_own
        for one in own_aspects(posture, desk.generated_at)
    ]
    if not rows:
        return []
    columns = (
        Column(title="Domain", share=2),
        Column(title="What"),
        Column(title="Known", share=2),
        Column(title="Record", share=5),
    )
    caption = "SPF, DKIM and DMARC of our own domains"
    return [Section(heading="Who may send as us", table=Table(caption=caption, columns=columns, rows=rows))]


def _changes_section(changes: Sequence[PostureChange], desk: Desk) -> Section:
    rows = [
        (
            change.domain,
            what_words(change),
            change.before if change.was is not None else "first look",
            change.after,
            moment(change.was.observed_at, desk.zone) if change.was is not None else "",
            moment(change.now.observed_at, desk.zone),
        )
        for change in list(reversed(changes))[: desk.row_limit]
    ]
    return Section(
        heading="What changed in the period",
        table=Table(
            caption="Changes between looks, newest first",
            columns=(
                Column(title="Domain", share=3),
                Column(title="What", share=2),
                Column(title="Before", share=3),
                Column(title="Now", share=3),
                Column(title="Last seen so", shape=Shape.TIME),
                Column(title="Seen otherwise", shape=Shape.TIME),
            ),
            rows=rows,
        ),
        empty="No change was seen. A domain that was not looked at can change unnoticed.",
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "not known"


def _fields(view: DomainView, name: str, mail: DomainMail | None, desk: Desk) -> Sequence[Json]:
    posture = view.postures.get(name)
    sent: tuple[int, ...] = (0,) * 8
    if mail is not None:
        sent = (
            mail.deliveries, mail.encrypted, mail.verified, mail.weak, mail.clear, mail.unknown, mail.with_phi, mail.phi_badly,
        )  # fmt: skip
    head: tuple[Json, ...] = (agreement(name, view.registered, desk.generated_at.astimezone(desk.zone).date()).word, *sent)
    if posture is None:
        return (name, None, *head, *(None,) * 11)
    expires = posture.mta_sts_expires
    return (
        name,
        posture.is_own,
        *head,
        rfc3339(posture.observed_at),
        " ".join(posture.mx) if posture.is_known("mx") else None,
        " ".join(posture.mx_outside) if posture.hosts and posture.mta_sts_mode else None,
        posture.mta_sts_seen or None,
        posture.mta_sts_at(desk.generated_at) or None,
        rfc3339(expires) if expires is not None else None,
        posture.dane,
        posture.tls_rpt,
        posture.spf_all or None,
        posture.dmarc_policy or None,
        "; ".join(posture.problems) or None,
    )


def _notes(view: DomainView, domains: int, desk: Desk) -> list[str]:
    notes = [
        "Posture and agreement are as of the moment of writing, by the last look at each domain.",
        "The period narrows mail and changes.",
        "DANE counts only by answers that a validating resolver vouched for; that it validates is the word of the site.",
        "A delivery whose protection its source did not report is not known, and is in no share of TLS.",
    ]
    if not view.postures:
        notes.append("Nobody has looked at domains: what they publish is not known.")
    if domains > desk.row_limit:
        notes.append(f"The first {desk.row_limit:,} of {domains:,} domains are listed for people; CSV and JSON have them all.")
    if view.is_cut:
        notes.append(f"Mail of the {len(view.mail):,} domains with the most deliveries is counted; the others are left out.")
    return notes


DOMAIN_POSTURE = Definition(
    name=NAME,
    title=TITLE,
    about=ABOUT,
    needs_patient=False,
    build=lambda desk, params: posture_document(
        desk, params, desk.questions.domains(params.since, params.until, desk.generated_at)
    ),
)
