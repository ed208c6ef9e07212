"""What the record knows of each factor of 45 CFR 164.402(2), for one delivery and for all: facts and "not known", no conclusion.

(i) nature and extent of the PHI, (ii) who received it, (iii) whether it was acquired or viewed, (iv) how far it was mitigated.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboards.reports.catalogue import Desk
from dashboards.reports.document import Column, Section, Shape, Table
from dashboards.reports.mail_wording import ENCRYPTIONS, STANDINGS
from dashboards.reports.wording import count, listing, moment, sentence
from domain.clock import rfc3339
from domain.json import Json
from store.mail_reports_baa import Agreement, RegisterVersion
from store.mail_reports_breach import After, Decision, Delivery

FACTOR_FIELDS = (
    "subject", "subject_identifiers", "size", "attachments", "recipients", "recipient_standing", "domain_kind", "domain_agreement",
    "domain_agreement_expires", "misdirected", "policy_broken", "bounced", "deferred", "opened", "opened_action", "portal_used",
    "portal_action", "portal_message_expired", "message_encrypted", "recalled", "patient_agreed_later", "alerts", "redacted",
)  # fmt: skip

ON_PAPER = 2_000
"""Deliveries whose factors are told to people one by one."""

_SEALED = frozenset({"smime", "pgp", "portal_link", "escrow"})
_PARTNERS = frozenset({"associate", "expired", "no_agreement"})
"""Standings about which the domain's agreement says it all."""

_OPENED = ("mail_opened", "mail_clicked", "opened", "clicked", "read_receipt")
_RECALLED = ("recall", "recalled", "mail_recalled", "message_recall")

_AGREEMENTS: Mapping[Agreement, str] = {
    Agreement.IN_FORCE: "a business associate agreement was in force",
    Agreement.AFTER: "its business associate agreement had run out",
    Agreement.BEFORE: "a business associate agreement was registered only later",
    Agreement.WITHOUT: "registered without a business associate agreement",
    Agreement.EXEMPT: "needs no agreement by the mail policy",
    Agreement.PUBLIC: "a provider of mailboxes for the public",
    Agreement.NOT_SAID: "the register does not say whether there is an agreement",
    Agreement.UNREGISTERED: "not in the register of domains",
}

_SUSPICIONS: Mapping[str, str] = {
    "lookalike_domain": "the domain's name looks like that of a known one",
    "near_patient_address": "the address is one or two letters from the patient's",
    "first_for_patient": "mail about this patient had not gone to this domain before",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known around deliveries: by their place in the ledger what the register said of the domain, by patient when they
    agreed to unencrypted mail."""

    registered: Mapping[tuple[str, int], tuple[RegisterVersion | None, Agreement]]
    yeses: Mapping[str, Sequence[datetime]]


def surroundings(desk: Desk, deliveries: Sequence[Delivery]) -> Surroundings:
    """What is known around these deliveries, read once."""
    if not deliveries:
        return Surroundings(registered={}, yeses={})
    register = desk.questions.agreements(desk.zone, desk.terms)
    consents = desk.questions.consents(desk.zone, desk.terms)
    return Surroundings(
        registered={(one.writer, one.seq): register.at(one.to_domain, one.time) for one in deliveries},
        yeses=consents.agreed_later({one.patient_id for one in deliveries if one.patient_id}),
    )


def factor_sections(deliveries: Sequence[Delivery], around: Surroundings, desk: Desk) -> list[Section]:
    """The factors over all deliveries, and for each."""
    if not deliveries:
        return [Section(heading="Facts for the four-factor assessment", empty="Nothing to assess.")]
    columns = (Column(title="Factor", share=2), Column(title="Facts", share=7))
    each = (
        Column(title="When", shape=Shape.TIME),
        Column(title="1. Nature and extent", share=4),
        Column(title="2. Who received it", share=5),
        Column(title="3. Acquired or viewed", share=5),
        Column(title="4. Mitigated", share=5),
        Column(title="Entry", shape=Shape.CODE),
    )
    rows = [
        [
            moment(one.time, desk.zone),
            _nature(one),
            _recipient(one, around),
            _acquired(one, desk),
            _mitigated(one, around, desk),
            f"{one.writer}:{one.seq}",
        ]
        for one in deliveries[:ON_PAPER]
    ]
    said = ["Facts of the record. Where it has none, that is said: not known is no finding either way."]
    if len(deliveries) > ON_PAPER:
        said.append(f"The first {ON_PAPER:,} of {len(deliveries):,}: the CSV and JSON forms have those of every delivery listed.")
    return [
        Section(
            heading="Facts for the four-factor assessment",
            sentences=("The factors are those of 45 CFR 164.402(2). The decision, and its reasons, belong in the case file.",),
            table=Table(caption="What the record knows about each factor", columns=columns, rows=_overall(deliveries, around)),
        ),
        Section(
            heading="The four factors, delivery by delivery",
            sentences=said,
            table=Table(caption="What the record knows about each factor of each delivery", columns=each, rows=rows),
        ),
    ]


def factor_fields(one: Delivery, around: Surroundings) -> Sequence[Json]:
    """The facts for machines, in the order of `FACTOR_FIELDS`; null is not known."""
    version, agreement = around.registered[one.writer, one.seq]
    bounced, deferred = _told(one, ("bounce",)), _told(one, ("defer",))
    opened, recalled, later = _told(one, _OPENED), _told(one, _RECALLED), _agreed_later(one, around)
    return [
        one.subject or None, list(one.identifiers), one.size, one.attachments, list(one.addresses), one.standing or None,
        (version.kind or None) if version else None, agreement.value,
        version.expires.isoformat() if version and version.expires else None, one.misdirected or None, one.policy_reasons or None,
        _at(bounced), _at(deferred), _at(opened), opened.what if opened else None, _at(one.opened),
        one.opened.what if one.opened else None, _at(one.expired),
        True if one.encryption in _SEALED else False if one.encryption == "none" else None, _at(recalled),
        rfc3339(later) if later else None, [_decision_fields(decision) for decision in one.decisions], not one.is_kept,
    ]  # fmt: skip


def _at(after: After | None) -> Json:
    return rfc3339(after.time) if after else None


def _decision_fields(decision: Decision) -> Json:
    return {
        "alert_id": decision.alert_id,
        "kind": decision.kind,
        "severity": decision.severity,
        "status": decision.status,
        "disposition": decision.disposition or None,
        "by": decision.by or None,
        "at": rfc3339(decision.at),
        "note": decision.note or None,
    }


def _overall(deliveries: Sequence[Delivery], around: Surroundings) -> list[list[str]]:
    certain = sum(one.phi is True for one in deliveries)
    named = len({one.patient_id for one in deliveries if one.patient_id})
    nature = (
        f"Classified as PHI: {certain:,}. Not classified by the sender: {len(deliveries) - certain:,}.",
        f"Patients named: {named:,}.",
        f"Categories: {_tally(one.category or 'not stated' for one in deliveries)}.",
        f"Identifiers seen in subjects: {_tally(word for one in deliveries for word in one.identifiers) or 'none known'}.",
    )
    recipient = (
        f"Recipient domains: {len({one.to_domain for one in deliveries}):,}, see above.",
        f"They were: {_tally(_AGREEMENTS[around.registered[one.writer, one.seq][1]] for one in deliveries)}.",
        f"Forwarded by an automatic rule: {sum(one.auto_forwarded for one in deliveries):,}.",
    )
    opened = sum(bool(_told(one, _OPENED) or one.opened) for one in deliveries)
    viewed = (
        f"Answers of the receiving servers: {_tally(one.outcome or 'not stated' for one in deliveries)}.",
        f"Bounced later: {sum(_told(one, ('bounce',)) is not None for one in deliveries):,}.",
        f"With a later sign that the message, or its link, was opened: {opened:,}.",
        "Whether anyone read along between the servers cannot be seen in delivery records.",
    )
    decided = sum(any(decision.status == "resolved" for decision in one.decisions) for one in deliveries)
    afterwards = sum(_agreed_later(one, around) is not None for one in deliveries)
    mitigated = (
        f"Message itself: {_tally(ENCRYPTIONS.get(one.encryption, 'not stated') for one in deliveries)}.",
        f"The patient had agreed to unencrypted mail: {sum(one.opted_in for one in deliveries):,}, agreed later: {afterwards:,}.",
        f"Recalled: {sum(_told(one, _RECALLED) is not None for one in deliveries):,}.",
        f"Under an alert that was decided: {decided:,}.",
    )
    return [
        ["1. Nature and extent of the PHI", " ".join(nature)],
        ["2. Who received it", " ".join(recipient)],
        ["3. Whether it was acquired or viewed", " ".join(viewed)],
        ["4. How far the risk was mitigated", " ".join(mitigated)],
    ]


def _nature(one: Delivery) -> str:
    said = [f"{'PHI by its sender' if one.phi else 'Not classified'}, category {one.category or 'not stated'}."]
    if not one.is_kept:
        return f"{said[0]} Subject and size: the private part was redacted."
    said.append(f"Subject: “{one.subject}”." if one.subject else "Subject not known.")
    said.append(f"In it: {listing(one.identifiers).replace('_', ' ')}." if one.identifiers else "Identifiers not known.")
    attached = count(one.attachments, "attachment") if one.attachments is not None else "attachments not known"
    said.append(f"{f'{one.size:,} bytes' if one.size else 'Size not known'}, {attached}.")
    return " ".join(said)


def _recipient(one: Delivery, around: Surroundings) -> str:
    version, agreement = around.registered[one.writer, one.seq]
    said = [f"{', '.join(one.addresses) or f'An address at {one.to_domain}' if one.to_domain else 'Not known'}."]
    if one.standing not in _PARTNERS:
        said.append(sentence(STANDINGS.get(one.standing, "whether it is the right recipient is not known")))
    kind = f", kind {version.kind}" if version and version.kind else ""
    until = f" (until {version.expires.isoformat()})" if version and version.expires else ""
    said.append(f"{one.to_domain or 'Its domain'}{kind}: {_AGREEMENTS[agreement]}{until}.")
    said += [sentence(_SUSPICIONS.get(word, word.replace("_", " "))) for word in one.misdirected.split(", ") if word]
    if one.auto_forwarded:
        said.append("Forwarded by an automatic rule.")
    return " ".join(said)


def _acquired(one: Delivery, desk: Desk) -> str:
    said = [
        sentence(
            f"{one.outcome or 'outcome not stated'} by the receiving server"
            if one.outcome == "delivered"
            else one.outcome or "outcome not stated"
        )
    ]
    for words, what in (
        (("bounce",), "Bounced"),
        (("defer",), "Deferred"),
        (_OPENED, "Opened"),
        (("mail_complaint",), "Complained of"),
    ):
        if after := _told(one, words):
            said.append(f"{what} {_when(after, desk)}.")
    if one.opened:
        said.append(f"The patient was at the portal {_when(one.opened, desk)}.")
    if one.expired:
        said.append(f"A message at the portal expired unread {_when(one.expired, desk)}.")
    if not one.opened and not _told(one, _OPENED):
        said.append("Opened or not: not known.")
    if one.encryption in _SEALED:
        said.append(f"Message {ENCRYPTIONS[one.encryption]}: not readable on the way or where it lies.")
    else:
        clear = "the message was not encrypted" if one.encryption == "none" else "not known"
        said.append(f"Encrypted where it lies: {clear}.")
    return " ".join(said)


def _mitigated(one: Delivery, around: Surroundings, desk: Desk) -> str:
    recalled = _told(one, _RECALLED)
    said = [f"Recalled {_when(recalled, desk)}; whether in time is not known." if recalled else "Recall not known."]
    later = _agreed_later(one, around)
    if one.opted_in:
        said.append("The patient had agreed to unencrypted mail.")
    elif later:
        said.append(f"The patient agreed to unencrypted mail later, {moment(later, desk.zone)}.")
    else:
        said.append("Consent not known." if not one.patient_id else "No consent to unencrypted mail on record.")
    said += [_decision(decision, desk) for decision in one.decisions]
    if not one.decisions:
        said.append("No alert cites it.")
    return " ".join(said)


def _decision(decision: Decision, desk: Desk) -> str:
    found = f" as {decision.disposition.replace('_', ' ')}" if decision.disposition else ""
    by = f" by {decision.by}" if decision.by and decision.status != "open" else ""
    note = f": “{decision.note}”" if decision.note else ""
    return f"Alert {decision.kind.replace('_', ' ')} {decision.status}{found}{by} {moment(decision.at, desk.zone)}{note}."


def _when(after: After, desk: Desk) -> str:
    return f"{moment(after.time, desk.zone)} (entry {after.entry[0]}:{after.entry[1]})"


def _told(one: Delivery, words: Iterable[str]) -> After | None:
    """The first thing of this sort that was told about the message."""
    return next((after for after in one.later if after.what in words), None)


def _agreed_later(one: Delivery, around: Surroundings) -> datetime | None:
    return next((time for time in around.yeses.get(one.patient_id, ()) if time > one.time), None)


def _tally(words: Iterable[str]) -> str:
    counted = Counter(words)
    return ", ".join(f"{word} {number:,}" for word, number in sorted(counted.items(), key=lambda item: (-item[1], item[0])))
