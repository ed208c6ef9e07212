"""Insecure delivery report: every outbound delivery with PHI, or not classified, that was not protected on its way as far as known.

The facts for the risk assessment of 45 CFR 164.402(2), factor by factor and delivery by delivery (four_factors.py); the decision is
a person's. What is unknown counts as insecure until somebody knows better (45 CFR 164.312(e)(1)).
"""

from collections import Counter
from collections.abc import Sequence

from dashboards.reports.catalogue import Definition, Desk, ReportParams
from dashboards.reports.document import Column, Dataset, Document, Figure, Section, Shape, Table
from dashboards.reports.four_factors import FACTOR_FIELDS, Surroundings, factor_fields, factor_sections, surroundings
from dashboards.reports.mail_wording import ENCRYPTIONS, VERDICTS, protocol_words
from dashboards.reports.parameters import asked, limit_note
from dashboards.reports.wording import count, moment, sentence
from domain.clock import rfc3339
from domain.json import Json
from store.mail_reports_breach import Delivery, DeliveryCounts

_NAME = "insecure-deliveries"

_PLAIN, _WEAK, _UNVERIFIED, _UNKNOWN = "plain text", "weak TLS", "unverified", "not known"
_EXPOSURES = (_PLAIN, _WEAK, _UNVERIFIED, _UNKNOWN)

_UNREADABLE = frozenset({"smime", "pgp", "portal_link", "escrow"})

_FIELDS = (
    "time", "to_domain", "exposure", "tls_verdict", "tls_version", "tls_cipher", "tls_weak", "evidence", "phi", "category",
    "patient_id", "sender", "encryption", "outcome", "auto_forwarded", "patient_opted_in", "source_system", "policy_version",
    "event_id", "writer", "seq", *FACTOR_FIELDS,
)  # fmt: skip


def _build(desk: Desk, params: ReportParams) -> Document:
    patient, actor = params.patient_id or "", params.actor_id or ""
    period = {"since": params.since, "until": params.until}
    deliveries = desk.questions.insecure.deliveries(**period, patient_id=patient, actor_id=actor, limit=desk.row_limit)
    counts = desk.questions.insecure.counts(**period, patient_id=patient, actor_id=actor)
    around = surroundings(desk, deliveries)
    exposures = Counter(_exposure(delivery) for delivery in deliveries)
    return Document(
        name=_NAME,
        title="Insecure delivery report",
        subtitle="Outbound mail with PHI that was not known to be protected on its way",
        organisation=desk.organisation,
        asked=asked(params, desk.zone),
        generated_at=desk.generated_at,
        zone=desk.zone.key,
        summary=_summary(counts, deliveries),
        figures=(
            Figure(value=f"{exposures[_PLAIN]:,}", label="in plain text", alarming=bool(exposures[_PLAIN])),
            Figure(value=f"{exposures[_WEAK]:,}", label="under weak TLS", alarming=bool(exposures[_WEAK])),
            Figure(value=f"{exposures[_UNVERIFIED]:,}", label="to an unverified server"),
            Figure(value=f"{exposures[_UNKNOWN]:,}", label="protection not known"),
        ),
        sections=(_by_domain(deliveries), *factor_sections(deliveries, around, desk), _list(deliveries, desk)),
        data=Dataset(fields=_FIELDS, rows=[_fields(delivery, around) for delivery in deliveries]),
        notes=_notes(counts, len(deliveries)),
        ledger=desk.ledger,
    )


def _exposure(delivery: Delivery) -> str:
    """The one word for how the message travelled: the worst that is known about it."""
    if delivery.verdict == "none":
        return _PLAIN
    if delivery.weak:
        return _WEAK
    return _UNKNOWN if delivery.verdict == "unknown" else _UNVERIFIED


def _summary(counts: DeliveryCounts, deliveries: Sequence[Delivery]) -> list[str]:
    were = count(counts.with_phi, "outbound delivery was", "outbound deliveries were")
    classified = f"{were} classified as PHI or not classified"
    if not counts.listed:
        none = "none of them went out in plain text, under weak TLS, to an unverified server or with unknown protection"
        return [f"In this period {classified}; {none}."]
    readable = sum(delivery.encryption not in _UNREADABLE for delivery in deliveries)
    travelled = f"{counts.listed:,} of them travelled over a connection that is not known to have been secure"
    unsecured = "if they carry PHI, it is unsecured PHI (45 CFR 164.402)"
    return [
        f"In this period {classified}; {travelled}.",
        f"In {readable:,} of the deliveries listed the message itself was not known to be encrypted: {unsecured}.",
    ]


def _by_domain(deliveries: Sequence[Delivery]) -> Section:
    grouped: dict[str, list[Delivery]] = {}
    for delivery in deliveries:
        grouped.setdefault(delivery.to_domain or "not known", []).append(delivery)
    rows = []
    for domain, group in sorted(grouped.items(), key=lambda item: (-len(item[1]), item[0])):
        exposures = Counter(_exposure(delivery) for delivery in group)
        patients = len({delivery.patient_id for delivery in group if delivery.patient_id})
        unreadable = sum(delivery.encryption in _UNREADABLE for delivery in group)
        numbers = (len(group), patients, *(exposures[exposure] for exposure in _EXPOSURES), unreadable)
        rows.append([domain, *(f"{number:,}" for number in numbers)])
    titles = ("Deliveries", "Patients", "Plain text", "Weak TLS", "Unverified", "Not known", "Encrypted message")
    columns = (Column(title="Recipient domain", share=4), *(Column(title=title, shape=Shape.NUMBER) for title in titles))
    return Section(
        heading="By recipient domain",
        table=Table(caption="Insecure deliveries by recipient domain", columns=columns, rows=rows),
        empty="No such delivery in this period.",
    )


def _list(deliveries: Sequence[Delivery], desk: Desk) -> Section:
    columns = (
        Column(title="When", shape=Shape.TIME),
        Column(title="To", share=3),
        Column(title="Connection", share=4),
        Column(title="Content", share=4),
        Column(title="Patient and sender", share=4),
        Column(title="Outcome", share=3),
        Column(title="Entry", shape=Shape.CODE),
    )
    rows = [
        [
            moment(delivery.time, desk.zone),
            delivery.to_domain or "not known",
            _connection(delivery),
            _content(delivery),
            "; ".join(part for part in (delivery.patient_id, delivery.sender) if part),
            _outcome(delivery),
            f"{delivery.writer}:{delivery.seq}",
        ]
        for delivery in deliveries
    ]
    return Section(
        heading="Every delivery, in order of time",
        table=Table(caption="Every insecure delivery, in order of time", columns=columns, rows=rows),
        empty="No such delivery in this period.",
    )


def _connection(delivery: Delivery) -> str:
    exposure = _exposure(delivery)
    verdict = "" if exposure in (_PLAIN, _UNKNOWN) else VERDICTS.get(delivery.verdict, delivery.verdict)
    protocol = protocol_words(delivery.tls_version, delivery.tls_cipher, delivery.evidence)
    return " ".join(sentence(part) for part in (exposure, verdict, protocol, delivery.evidence) if part)


def _content(delivery: Delivery) -> str:
    kind = "PHI" if delivery.phi else "Not classified"
    message = ENCRYPTIONS.get(delivery.encryption, "encryption of the message not stated")
    return f"{kind}{f', {delivery.category}' if delivery.category else ''}; {message}."


def _outcome(delivery: Delivery) -> str:
    parts = [delivery.outcome or "not stated"]
    if delivery.auto_forwarded:
        parts.append("forwarded automatically")
    if delivery.opted_in:
        parts.append("patient had agreed to unencrypted mail")
    return sentence("; ".join(parts))


def _notes(counts: DeliveryCounts, listed: int) -> list[str]:
    notes = [*limit_note(counts.listed, listed, "deliveries")]
    if counts.not_examined:
        notes.append(f"{count(counts.not_examined, 'mail event')} of the period had not been examined yet and can be missing here.")
    if counts.name_not_compared:
        notes.append(
            f"Not listed: {count(counts.name_not_compared, 'delivery', 'deliveries')} over TLS with a certificate of a trusted "
            "issuer whose name nobody compared: usual in opportunistic TLS, and open to whoever holds any valid certificate."
        )
    if counts.not_delivered:
        notes.append(f"Not listed: {count(counts.not_delivered, 'attempt')} that the receiving server bounced or deferred.")
    notes.append("Not known: the source did not say how the message travelled. It is listed, because unknown is not safe.")
    return notes


def _fields(delivery: Delivery, around: Surroundings) -> Sequence[Json]:
    def known(text: str) -> Json:
        return text or None

    return [
        rfc3339(delivery.time), known(delivery.to_domain), _exposure(delivery), delivery.verdict, known(delivery.tls_version),
        known(delivery.tls_cipher), delivery.weak, known(delivery.evidence), delivery.phi, known(delivery.category),
        known(delivery.patient_id), known(delivery.sender), known(delivery.encryption), known(delivery.outcome),
        delivery.auto_forwarded, delivery.opted_in, delivery.source_system, known(delivery.policy_version), delivery.event_id,
        delivery.writer, delivery.seq, *factor_fields(delivery, around),
    ]  # fmt: skip


INSECURE_DELIVERIES = Definition(
    name=_NAME,
    title="Insecure delivery report",
    about="outbound mail with PHI that went out in plain text, under weak or unverified TLS, or with unknown protection",
    needs_patient=False,
    build=_build,
)
