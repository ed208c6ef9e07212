"""Mail beside line and recipient: subjects that name somebody, messages that wait or come back, late mail, unapproved senders."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from benchmarks.mail_town import APPROVED, CLEAR, DAYS, OWN, STRONG, WEAK, Letter, Town, moment, to_patient, write
from domain.event import Source
from domain.json import Json

_IDENTIFIERS: tuple[Callable[[Town], str], ...] = (
    lambda town: f"SSN {town.chance.randrange(1, 665):03d}-{town.chance.randrange(1, 99):02d}-{town.chance.randrange(1, 9999):04d}",
    lambda town: f"{town.chance.randrange(700, 772):03d}-{town.chance.randrange(1, 99):02d}-{town.chance.randrange(1, 9999):04d}",
    lambda town: f"Results for MRN {town.chance.randrange(10**6, 10**7)}",
    lambda town: f"DOB {town.chance.randrange(1, 13)}/{town.chance.randrange(1, 29)}/{town.chance.randrange(1930, 2020)}: results",
    lambda town: f"Lane, Anna {town.chance.randrange(1930, 2000)}-0{town.chance.randrange(1, 10)}-1{town.chance.randrange(10)}",
    lambda town: f"card {_card(town)} was declined",
    lambda town: f"Referral, dx {town.chance.choice(('E11.9', 'F32.9', 'C50.911', 'Z21', 'U07.1'))}",
)


def _card(town: Town) -> str:
    body = f"4{town.chance.randrange(10**14):014d}"
    total = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(body))
    return f"{body}{-total % 10}"


def secure(town: Town, patient: str) -> Iterator[Letter]:
    """A message in the portal, the link to it, and that the patient read it within the week."""
    link = _link(town, patient, moment(town))
    yield link
    after = timedelta(hours=town.chance.choice((0.2, 1, 5, 30, 100, 165)) * town.chance.uniform(0.5, 1))
    yield _read(link, patient, after)


def _link(town: Town, patient: str, when: object) -> Letter:
    sent = to_patient(town, patient, "statement", phi=True)
    number = f"msg-{town.chance.randrange(10**12):012d}"
    return replace(sent, when=when, more={"encryption": "portal_link", "message_id": number})  # type: ignore[arg-type]


def _read(link: Letter, patient: str, after: timedelta) -> Letter:
    more: Mapping[str, Json] = {"message_id": link.more["message_id"]}
    return replace(
        link,
        when=link.when + after,
        sender=patient,
        tls=None,
        source=Source.PORTAL,
        action="view_message",
        outcome="success",
        more=more,
    )


def back_and_forth(town: Town) -> Letter:
    """What comes from outside: replies and bounces over a sound line, or without PHI, or of headers only."""
    way = town.chance.randrange(4)
    if way == 0:
        return _inbound(town, phi=True, tls=STRONG[0], in_reply_to="<a@b.example>")
    if way == 1:
        return _inbound(town, phi=False, tls=CLEAR, subject="Re: opening hours")
    if way == 2:
        return _inbound(town, phi=True, tls=CLEAR, category="ndr", returned="headers", **{"from": "<>"})
    return _inbound(town, phi=None, tls=CLEAR, category="ndr", **{"from": "<>"})


def _inbound(town: Town, *, phi: bool | None, tls: Json, truth: frozenset[str] = frozenset(), **more: Json) -> Letter:
    partner = town.chance.choice(town.partners)
    given: Mapping[str, Json] = {"direction": "inbound", "from": f"desk@{partner}", **more}
    return write(town, f"records@{OWN}", "letter", phi=phi, tls=tls, truth=truth, more=given)


def decoys(town: Town) -> Iterator[Letter]:
    """Looks bad and is not."""
    pick = town.chance
    for patient in pick.sample(
        sorted(town.agreed), min(30, len(town.agreed))
    ):  # asked for plain mail, and gets their own date of birth in the subject
        yield replace(to_patient(town, patient, "visit_summary", phi=True), more={"subject": "DOB 03/12/1980: your results"})
    for n in range(60):
        partner = f"in@{pick.choice(town.partners)}"
        yield write(town, partner, "news", phi=False, more={"dkim_domain": (f"mail.{OWN}", APPROVED)[n % 2]})
        report: Mapping[str, Json] = {"header_from": OWN, "dkim_domain": "pretender.example", "dkim": "fail", "spf": "fail"}
        yield write(town, "", "report", phi=None, tls=None, action="dmarc_report", outcome="", more=report)
        recalled: Mapping[str, Json] = {"direction": "internal"}
        yield write(town, f"desk{n}@{OWN}", "letter", phi=True, action="recall", outcome="failure", more=recalled)
        patient = pick.choice(town.ids)
        reset = to_patient(town, patient, "password_reset", phi=False)
        yield replace(reset, more={**reset.more, "delay": f"{pick.uniform(1, 890):.1f}"})
        yield replace(reset, category="newsletter", action="bounce", outcome="bounced", more={})


def _in_subject(town: Town, n: int) -> Letter:
    more: Mapping[str, Json] = {
        "subject": _IDENTIFIERS[n % len(_IDENTIFIERS)](town),
        "encryption": ("none", "smime", "pgp")[n % 3],
    }
    to, patient = f"in@{town.chance.choice(town.partners)}", town.chance.choice(town.ids)
    return write(town, to, "letter", phi=True, patient_id=patient, more=more, truth=frozenset({"phi_in_subject"}))


def _in_clear_subject(town: Town, n: int) -> Letter:
    """To somebody who never had TLS, about a patient who did not ask for plain mail; the classifier saw nothing."""
    patient = town.chance.choice([one for one in town.ids if one not in town.agreed])
    more: Mapping[str, Json] = {"subject": _IDENTIFIERS[n % len(_IDENTIFIERS)](town)}
    to = f"office@{town.chance.choice(town.bare)}"
    return write(town, to, "letter", phi=False, tls=CLEAR, patient_id=patient, more=more, truth=frozenset({"phi_in_subject"}))


def _unread(town: Town, _: int) -> Letter:
    return replace(_link(town, town.chance.choice(town.ids), moment(town, 5, DAYS - 8)), truth=frozenset({"secure_message_unread"}))


def _expired(town: Town, _: int) -> Letter:
    patient = town.chance.choice(town.ids)
    link = _link(town, patient, moment(town, 20))
    return replace(
        _read(link, patient, timedelta(0)), sender="portal", action="message_expired", truth=frozenset({"secure_message_unread"})
    )


def _recalled(town: Town, n: int) -> Letter:
    to = f"in@{town.chance.choice(town.partners)}"
    outcome = ("failure", "", "success")[n % 3]
    return write(town, to, "letter", phi=True, action="recall", outcome=outcome, truth=frozenset({"message_recalled"}))


def _returned(town: Town, n: int) -> Letter:
    tls = (CLEAR, WEAK[0])[n % 2]
    truth = frozenset({"phi_returned"})
    if n % 3:
        return _inbound(town, phi=True, tls=tls, truth=truth, category="ndr", **{"from": "<>", "returned": "full"})
    return _inbound(town, phi=True, tls=tls, truth=truth, in_reply_to="<a@b.example>")


def _reply(town: Town, _: int) -> Letter:
    """A reply to a partner that quotes what came in: told as mail in the clear."""
    more: Mapping[str, Json] = {"subject": "Re: transfer", "in_reply_to": "<a@b.example>"}
    to, patient = f"in@{town.chance.choice(town.partners[20:])}", town.chance.choice(town.ids)
    return write(
        town,
        to,
        "letter",
        phi=True,
        tls=CLEAR,
        patient_id=patient,
        when=moment(town, 25),
        more=more,
        truth=frozenset({"plaintext_phi"}),
    )


def _late(town: Town, n: int) -> Letter:
    category, least = (("password_reset", 901), ("appointment_reminder", 14_401))[n % 2]
    sent = to_patient(town, town.chance.choice(town.ids), category, phi=False)
    seconds = least + town.chance.randrange(40_000)
    said: Mapping[str, Json] = (
        {"delay": f"{seconds}.5"} if n % 4 < 2 else {"queued_at": (sent.when - timedelta(seconds=seconds)).isoformat()}
    )
    return replace(sent, more={**sent.more, **said}, truth=frozenset({"transactional_late"}))


def _bounced(town: Town, _: int) -> Letter:
    sent = to_patient(town, town.chance.choice(town.ids), "appointment_reminder", phi=False)
    return replace(sent, action="bounce", outcome="bounced", truth=frozenset({"transactional_bounced"}))


def _shadow(town: Town, n: int) -> Letter:
    """A service that somebody took on their own: it signs, has the envelope, sends by its name, or passed in a report."""
    name = f"mailblast{n % 5}.example"
    said: Mapping[str, Json] = (
        {"dkim_domain": name},
        {"from": f"bounce-{n}@{name}", "header_from": f"clinic@{OWN}"},
        {"sending_service": name},
        {"header_from": OWN, "dkim_domain": name, "dkim": "pass"},
    )[n % 4]
    truth = frozenset({"unapproved_sender"})
    if n % 4 == 3:
        return write(town, "", "report", phi=None, tls=None, action="dmarc_report", outcome="", more=said, truth=truth)
    return write(town, f"in@{town.chance.choice(town.partners)}", "news", phi=False, more=said, truth=truth)


MORE: Mapping[str, Callable[[Town, int], Letter]] = {
    "identifier in the subject": _in_subject,
    "identifier in a subject in the clear": _in_clear_subject,
    "secure message not picked up": _unread,
    "secure message expired": _expired,
    "message recalled": _recalled,
    "PHI returned in the clear": _returned,
    "reply that quotes PHI in the clear": _reply,
    "transactional mail late": _late,
    "transactional mail bounced": _bounced,
    "sender nobody approved": _shadow,
}
