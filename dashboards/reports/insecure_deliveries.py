"""Insecure delivery report: every outbound delivery with PHI, or not classified, that was not protected on its way as far as known.

The facts for the risk assessment of 45 CFR 164.402(2), factor by factor; the decision is a person's. What is unknown counts as
insecure until somebody knows better (45 CFR 164.312(e)(1)).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from dashboards.reports.catalogue import Definition, Desk, ReportParams
from dashboards.reports.document import Column, Dataset, Document, Figure, Section, Shape, Table
from dashboards.reports.parameters import asked, limit_note
from dashboards.reports.wording import count, moment, sentence
from domain.clock import rfc3339
from domain.json import Json
from store.reports import Delivery, DeliveryCounts

_NAME = "insecure-deliveries"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_PLAIN, _WEAK, _UNVERIFIED, _UNKNOWN = "plain text", "weak TLS", "unverified", "not known"
_EXPOSURES = (_PLAIN, _WEAK, _UNVERIFIED, _UNKNOWN)

_ENCRYPTIONS = {
    "smime": "encrypted (S/MIME)",
    "pgp": "encrypted (PGP)",
    "portal_link": "only a link to the portal",
    "escrow": "held for pick-up (escrow)",
    "none": "in the clear",
}
_VERDICTS = {
    "none": "no TLS",
    "anonymous": "the server showed no certificate",
    "untrusted": "the certificate was not trusted",
    "trusted": "trusted certificate, name not compared",
    "verified_webpki": "server verified",
    "verified_dane": "server verified by DANE",
}
_UNREADABLE = frozenset({"smime", "pgp", "portal_link", "escrow"})

_FIELDS = (
    "time", "to_domain", "exposure", "tls_verdict", "tls_version", "tls_cipher", "tls_weak", "evidence", "phi", "category",
    "patient_id", "sender", "encryption", "outcome", "auto_forwarded", "patient_opted_in", "source_system", "policy_version",
    "event_id", "writer", "seq",
)  # fmt: skip


def _build(desk: Desk, params: ReportParams) -> Document:
    patient, actor = params.patient_id or "", params.actor_id or ""
    period = {"since": params.since, "until": params.until}
    deliveries = desk.questions.insecure_deliveries(**period, patient_id=patient, actor_id=actor, limit=desk.row_limit)
    counts = desk.questions.delivery_counts(**period, patient_id=patient, actor_id=actor)
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
        sections=(_by_domain(deliveries), _factors(deliveries), _list(deliveries, desk)),
        data=Dataset(fields=_FIELDS, rows=[_fields(delivery) for delivery in deliveries]),
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


def _factors(deliveries: Sequence[Delivery]) -> Section:
    """The four factors of 45 CFR 164.402(2), each with what the record knows about it."""
    if not deliveries:
        return Section(heading="Facts for the four-factor assessment", empty="Nothing to assess.")
    certain = sum(delivery.phi is True for delivery in deliveries)
    nature = (
        f"Classified as PHI: {certain:,}. Not classified by the sender: {len(deliveries) - certain:,}.",
        f"Patients named: {len({delivery.patient_id for delivery in deliveries if delivery.patient_id}):,}.",
        f"Categories: {_tally(delivery.category or 'not stated' for delivery in deliveries)}.",
    )
    recipient = (
        f"Recipient domains: {len({delivery.to_domain for delivery in deliveries}):,}, see above.",
        f"Forwarded by an automatic rule: {sum(delivery.auto_forwarded for delivery in deliveries):,}.",
    )
    viewed = (
        f"Answers of the receiving servers: {_tally(delivery.outcome or 'not stated' for delivery in deliveries)}.",
        "Whether anyone read along between the servers cannot be seen in delivery records.",
    )
    mitigated = (
        f"Message itself: {_tally(_ENCRYPTIONS.get(delivery.encryption, 'not stated') for delivery in deliveries)}.",
        f"The patient had agreed to unencrypted mail: {sum(delivery.opted_in for delivery in deliveries):,}.",
    )
    rows = [
        ["1. Nature and extent of the PHI", " ".join(nature)],
        ["2. Who received it", " ".join(recipient)],
        ["3. Whether it was acquired or viewed", " ".join(viewed)],
        ["4. How far the risk was mitigated", " ".join(mitigated)],
    ]
    return Section(
        heading="Facts for the four-factor assessment",
        sentences=("The factors are those of 45 CFR 164.402(2). The decision, and its reasons, belong in the case file.",),
        table=Table(
            caption="What the record knows about each factor",
            columns=(Column(title="Factor", share=2), Column(title="Facts", share=7)),
            rows=rows,
        ),
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
            moment(_instant(delivery), desk.zone),
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
    verdict = "" if exposure in (_PLAIN, _UNKNOWN) else _VERDICTS.get(delivery.verdict, delivery.verdict)
    protocol = " ".join(part for part in (delivery.tls_version, delivery.tls_cipher) if part)
    return " ".join(sentence(part) for part in (exposure, verdict, protocol, delivery.evidence) if part)


def _content(delivery: Delivery) -> str:
    kind = "PHI" if delivery.phi else "Not classified"
    message = _ENCRYPTIONS.get(delivery.encryption, "encryption of the message not stated")
    return f"{kind}{f', {delivery.category}' if delivery.category else ''}; {message}."


def _outcome(delivery: Delivery) -> str:
    parts = [delivery.outcome or "not stated"]
    if delivery.auto_forwarded:
        parts.append("forwarded automatically")
    if delivery.opted_in:
        parts.append("patient had agreed to unencrypted mail")
    return sentence("; ".join(parts))


def _tally(words: Iterable[str]) -> str:
    counted = Counter(words)
    return ", ".join(f"{word} {number:,}" for word, number in sorted(counted.items(), key=lambda item: (-item[1], item[0])))


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


def _fields(delivery: Delivery) -> Sequence[Json]:
    def known(text: str) -> Json:
        return text or None

    return [
        rfc3339(_instant(delivery)), known(delivery.to_domain), _exposure(delivery), delivery.verdict, known(delivery.tls_version),
        known(delivery.tls_cipher), delivery.weak, known(delivery.evidence), delivery.phi, known(delivery.category),
        known(delivery.patient_id), known(delivery.sender), known(delivery.encryption), known(delivery.outcome),
        delivery.auto_forwarded, delivery.opted_in, delivery.source_system, known(delivery.policy_version), delivery.event_id,
        delivery.writer, delivery.seq,
    ]  # fmt: skip


def _instant(delivery: Delivery) -> datetime:
    return _EPOCH + timedelta(microseconds=delivery.time)


INSECURE_DELIVERIES = Definition(
    name=_NAME,
    title="Insecure delivery report",
    about="outbound mail with PHI that went out in plain text, under weak or unverified TLS, or with unknown protection",
    needs_patient=False,
    build=_build,
)
