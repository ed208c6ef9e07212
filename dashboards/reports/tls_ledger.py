"""TLS ledger: how every outbound delivery of a period travelled, per recipient domain and one by one, each with its ledger entry.

What 45 CFR 164.312(e) asks of transmission, shown: which deliveries were encrypted, how, to whom, and how sure that is. The rows
for machines are all of them and are read page by page; paper shows the domains and the deliveries that were not good.
"""

from collections.abc import Iterator, Sequence

from dashboards.reports.catalogue import Definition, Desk, ReportParams
from dashboards.reports.document import Column, Dataset, Document, Figure, Section, Shape, Table
from dashboards.reports.mail_wording import phi_words, policy_words, protocol_words, share, verdict_words
from dashboards.reports.parameters import asked
from dashboards.reports.wording import count, moment, sentence
from domain.clock import rfc3339
from domain.json import Json
from store.mail_reports import LedgerDelivery, LedgerDomain, LedgerTotals, MailScope, PagedRows, Tally

_NAME = "tls-ledger"
_TITLE = "TLS ledger"

ON_PAPER = 2_000
"""Deliveries and domains listed for people; the CSV and JSON forms have every one."""

_FIELDS = (
    "time", "sender", "to_domain", "recipient", "phi", "tls_verdict", "tls_version", "tls_cipher", "tls_bits", "tls_weak",
    "tls_leg", "confidence", "evidence", "message_encryption", "auto_forwarded", "patient_opted_in", "policy_outcome",
    "policy_broken", "policy_not_known", "demanded", "demanded_by", "demand_outcome", "tls_policy", "mail_policy",
    "source_system", "event_id", "writer", "seq",
)  # fmt: skip


def _build(desk: Desk, params: ReportParams) -> Document:
    mail = desk.questions.mail
    scope = mail.scope(since=params.since, until=params.until, patient_id=params.patient_id or "", actor_id=params.actor_id or "")
    totals = mail.totals(scope)
    limit = min(ON_PAPER, desk.row_limit)
    domains, not_good = mail.domains(scope, limit), mail.not_good(scope, limit)
    tally = totals.tally
    return Document(
        name=_NAME,
        title=_TITLE,
        subtitle="How every outbound delivery travelled, by recipient domain and one by one",
        organisation=desk.organisation,
        asked=asked(params, desk.zone),
        generated_at=desk.generated_at,
        zone=desk.zone.key,
        summary=_summary(totals),
        figures=(
            Figure(value=f"{tally.deliveries:,}", label="outbound deliveries"),
            Figure(value=f"{tally.clear:,}", label="in the clear", alarming=bool(tally.clear)),
            Figure(value=f"{tally.weak:,}", label="under weak TLS", alarming=bool(tally.weak)),
            Figure(value=f"{tally.anonymous + tally.untrusted:,}", label="to an unverified server"),
            Figure(value=f"{tally.unknown:,}", label="protection not known"),
            Figure(value=f"{tally.webpki + tally.dane:,}", label="server verified"),
        ),
        sections=(_protection(domains, totals), _protocols(domains, desk), _not_good(not_good, totals, desk)),
        data=Dataset(fields=_FIELDS, rows=PagedRows(tally.deliveries, lambda: _rows(desk, scope))),
        notes=_notes(totals, len(domains)),
        ledger=desk.ledger,
    )


def _summary(totals: LedgerTotals) -> list[str]:
    tally = totals.tally
    if not tally.deliveries:
        return ["In this period no outbound delivery is on record."]
    went = f"{count(tally.deliveries, 'outbound delivery', 'outbound deliveries')} to {count(totals.domains, 'domain')}"
    verified = f"In {share(tally.webpki + tally.dane, tally.deliveries)} the server proved to be the one the mail was meant for"
    said = [f"In this period there were {went}. {verified}."]
    if tally.broken:
        said.append(f"{count(tally.broken, 'delivery', 'deliveries')} broke the mail policy.")
    return said


def _protection(domains: Sequence[LedgerDomain], totals: LedgerTotals) -> Section:
    titles = ("In the clear", "No certificate", "Not trusted", "Name not compared", "Verified", "DANE", "Not known", "Weak TLS")
    columns = (
        Column(title="Recipient domain", share=4),
        Column(title="Deliveries", shape=Shape.NUMBER),
        *(Column(title=title, shape=Shape.NUMBER) for title in titles),
    )
    rows = [[domain.domain or "not known", *_cells(domain.tally)] for domain in domains]
    if domains and totals.domains > 1:
        rows.append([f"All {count(totals.domains, 'domain')}", *_cells(totals.tally)])
    return Section(
        heading="How well the connections were protected",
        sentences=("Weak TLS counts whoever the server was, and again in its own column. Not known is never good.",),
        table=Table(caption="Deliveries by recipient domain and by protection of the connection", columns=columns, rows=rows),
        empty="No outbound delivery in this period.",
    )


def _cells(tally: Tally) -> list[str]:
    parts = (
        tally.clear,
        tally.anonymous,
        tally.untrusted,
        tally.trusted,
        tally.webpki,
        tally.dane,
        tally.unknown,
        tally.weak,
    )
    return [f"{tally.deliveries:,}", *(share(part, tally.deliveries) for part in parts)]


def _protocols(domains: Sequence[LedgerDomain], desk: Desk) -> Section:
    columns = (
        Column(title="Recipient domain", share=3),
        Column(title="TLS versions", share=2),
        Column(title="Ciphers", share=6),
        Column(title="First", shape=Shape.TIME),
        Column(title="Last", shape=Shape.TIME),
    )
    rows = [
        [
            domain.domain or "not known",
            _numbers(domain.versions),
            _numbers(domain.ciphers),
            moment(domain.first, desk.zone),
            moment(domain.last, desk.zone),
        ]
        for domain in domains
    ]
    return Section(
        heading="Protocols and ciphers",
        table=Table(caption="TLS versions and ciphers by recipient domain", columns=columns, rows=rows),
        empty="No outbound delivery in this period.",
    )


def _numbers(counted: Sequence[tuple[str, int]]) -> str:
    ordered = sorted(counted, key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{name} {number:,}" for name, number in ordered) or "none known"


def _not_good(deliveries: Sequence[LedgerDelivery], totals: LedgerTotals, desk: Desk) -> Section:
    columns = (
        Column(title="When", shape=Shape.TIME),
        Column(title="From", share=3),
        Column(title="To", share=3),
        Column(title="Connection", share=6),
        Column(title="Content", share=2),
        Column(title="Mail policy", share=4),
        Column(title="Entry", shape=Shape.CODE),
    )
    rows = [
        [
            moment(delivery.time, desk.zone),
            delivery.sender or "not known",
            delivery.to_domain or "not known",
            _connection(delivery),
            sentence(phi_words(delivery.phi)),
            _policy(delivery),
            f"{delivery.writer}:{delivery.seq} {delivery.event_id}",
        ]
        for delivery in deliveries
    ]
    said = ["Not verified, weak, not known, or against the policy: the worst first, then in order of time."]
    if len(rows) < totals.tally.not_good:
        rest = totals.tally.not_good - len(rows)
        said.append(
            f"{rest:,} more are not shown here, the mildest of {totals.tally.not_good:,}: the CSV and JSON forms have them."
        )
    return Section(
        heading="Deliveries that were not good",
        sentences=said if rows else (),
        table=Table(caption="Deliveries that were not good, the worst first", columns=columns, rows=rows),
        empty="None: every delivery on record was made to a verified server.",
    )


def _connection(delivery: LedgerDelivery) -> str:
    protocol = protocol_words(delivery.tls_version, delivery.tls_cipher, delivery.evidence)
    weak = "weak TLS" if delivery.weak else ""
    inferred = "inferred, not stated by the source" if delivery.confidence == "inferred" else ""
    parts = (weak, verdict_words(delivery.verdict), protocol, delivery.evidence, inferred)
    return " ".join(sentence(part) for part in parts if part)


def _policy(delivery: LedgerDelivery) -> str:
    said = policy_words(delivery.policy_outcome, delivery.policy_reasons, delivery.policy_unknown)
    if delivery.demand_outcome in ("", "met"):
        return said
    return f"{said} {sentence(delivery.demand_fact)}".strip()


def _notes(totals: LedgerTotals, shown: int) -> list[str]:
    notes = []
    good = totals.tally.deliveries - totals.tally.not_good
    if totals.domains > shown:
        notes.append(f"{totals.domains - shown:,} domains are not shown: those with the best connections.")
    if good:
        notes.append(f"Not listed one by one: {count(good, 'delivery', 'deliveries')} to verified servers over sound TLS.")
    if totals.tally.trusted:
        notes.append(
            "Name not compared: a certificate of a trusted issuer, whose name nobody held against the domain. It is usual in "
            "opportunistic TLS, and open to whoever holds any valid certificate."
        )
    if totals.tally.unknown:
        notes.append("Not known: the source did not say how the message travelled, or spoke of another hop than the delivery.")
    if totals.not_sent:
        attempts = count(totals.not_sent, "attempt")
        notes.append(f"Not counted: {attempts} deferred, bounced, refused or dropped, or not said to have been taken.")
    if totals.not_examined:
        notes.append(f"{count(totals.not_examined, 'mail event')} of the period had not been examined yet and can be missing here.")
    notes.append("The column Entry gives the place in the ledger and the id of the event: an audit export has both.")
    notes.append("A record shows what mail systems reported about a connection; how a message travelled further on is not in it.")
    return notes


def _rows(desk: Desk, scope: MailScope) -> Iterator[Sequence[Sequence[Json]]]:
    for page in desk.questions.mail.pages(scope):
        yield [_fields(delivery) for delivery in page]


def _fields(delivery: LedgerDelivery) -> Sequence[Json]:
    def known(text: str) -> Json:
        return text or None

    return [
        rfc3339(delivery.time), known(delivery.sender), known(delivery.to_domain), known(delivery.recipient), delivery.phi,
        delivery.verdict, known(delivery.tls_version), known(delivery.tls_cipher), delivery.bits or None, delivery.weak,
        known(delivery.leg), known(delivery.confidence), known(delivery.evidence), known(delivery.encryption),
        delivery.auto_forwarded, delivery.opted_in, known(delivery.policy_outcome), known(delivery.policy_reasons),
        known(delivery.policy_unknown), known(delivery.demanded), known(delivery.demanded_by), known(delivery.demand_outcome),
        known(delivery.tls_policy), known(delivery.mail_policy), delivery.source_system, delivery.event_id, delivery.writer,
        delivery.seq,
    ]  # fmt: skip


TLS_LEDGER = Definition(
    name=_NAME,
    title=_TITLE,
    about="how every outbound delivery travelled: by domain and one by one, with TLS version, cipher, verdict and ledger entry",
    needs_patient=False,
    build=_build,
)
