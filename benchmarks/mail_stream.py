"""A hospital's mail as its relay and its sending services report it: ordinary traffic, decoys, and labelled bad deliveries.

What a label says follows from what was put in, never from the judgement: `Letter.truth` names the kinds of finding that the data
support. Decoys look bad and are not; some bad ones are made to be missed (a short history, another name altogether).
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json

BEGIN = date(2026, 1, 5)
DAYS = 70
OWN = "hospital.example"
_TOWNS = (
    *("alder", "birch", "cedar", "dogwood", "elm", "fern", "ginkgo", "hazel"),
    *("iris", "juniper", "kelp", "laurel", "maple", "nettle", "oak", "poplar"),
    *("quince", "rowan", "spruce", "tulip"),
)
_TRADES = ("clinic", "rehab", "dental", "imaging", "hospice", "pharmacy", "surgery", "paediatrics")
_FIRST = (
    *("anna", "bruno", "clara", "david", "elena", "frank", "greta", "henry"),
    *("ida", "jonas", "karla", "leo", "mara", "nils", "olga", "paul"),
    *("rosa", "simon", "tessa", "viktor"),
)
_LAST = (
    *("becker", "carver", "dalton", "ellery", "fisher", "garner", "hobart", "irving"),
    *("jarvis", "keller", "lambert", "mercer", "norton", "ogden", "parker", "quimby"),
)
_WEBMAIL = ("postbox.example", "mailhaven.example", "quickmail.example", "lettera.example")
_CLEAR_WEBMAIL = "homelink.example"
"""A provider without TLS; its users in this town asked for plain mail."""

_STRONG: Sequence[Json] = (
    {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "level": "verified"},
    {"version": "TLSv1.2", "cipher": "ECDHE-RSA-AES256-GCM-SHA384", "verified": True},
)
_CLEAR: Json = {"version": None}
_WEAK: Sequence[Json] = (
    {"version": "TLSv1", "cipher": "ECDHE-RSA-AES256-SHA", "level": "verified"},
    {"version": "TLSv1.2", "cipher": "DES-CBC3-SHA", "verified": True},
)
_UNVERIFIED: Sequence[Json] = (
    {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "level": "untrusted"},
    {"version": "TLSv1.2", "cipher": "ECDHE-RSA-AES128-GCM-SHA256", "verified": False},
)
_BARE: Json = {"version": "TLSv1.3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One event of a mail system. `scenario` is '' for ordinary traffic; `tls` absent where the source does not say."""

    when: datetime
    to: str
    sender: str
    category: str
    phi: bool | None
    patient_id: str = ""
    tls: Json | None = None
    more: Mapping[str, Json] = field(default_factory=dict)
    action: str = "deliver"
    outcome: str = "delivered"
    scenario: str = ""
    truth: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    """Kinds that the data support as well, without being what is looked for."""

    def event(self, number: int) -> AuditEvent:
        details: dict[str, Json] = {
            "to": self.to,
            "to_domain": self.to.rpartition("@")[2],
            "category": self.category,
            "direction": "outbound",
            "encryption": "none",
            **self.more,
        }
        if self.phi is not None:
            details["phi"] = self.phi
        if self.tls is not None:
            details["tls"] = self.tls
        return AuditEvent(
            source_system="relay",
            event_id=f"d-{number:07d}",
            time=self.when,
            source=Source.MAIL,
            action=self.action,
            actor=Actor(id=self.sender, kind=ActorKind.SYSTEM),
            patient_id=self.patient_id or None,
            outcome=self.outcome,
            details={name: value for name, value in details.items() if value != ""},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Reference data as `phitrail context load` takes it, and the letters in order of time."""

    reference: Mapping[str, list[Mapping[str, Json]]]
    letters: list[Letter]


class Town:
    """Who there is to write to; drawn once from the seed."""

    def __init__(self, seed: int, patients: int) -> None:
        self.chance = random.Random(seed)
        pick = self.chance
        names = [f"{town}-{trade}.example" for town in _TOWNS for trade in _TRADES]
        pick.shuffle(names)
        self.partners = names[:60]
        self.suppliers = [f"{name.split('.')[0]}-supply.example" for name in names[60:80]]
        self.lapsed = {f"{name.split('.')[0]}-billing.example": pick.randrange(20, 60) for name in names[80:90]}
        self.strangers = names[90:130]
        self.flaky = [f"{name.split('.')[0]}-club.example" for name in names[130:140]]
        self.bare = [f"{name.split('.')[0]}-parish.example" for name in names[140:150]]
        self.twins = [_slip(name, pick) for name in pick.sample(self.partners, 4)]
        self.enforcing = set(self.partners[:20])
        self.patients = {f"P-{n:05d}": self._address(n) for n in range(patients)}
        self.ids = list(self.patients)
        self.agreed = set(pick.sample(self.ids, patients // 20))
        for patient in sorted(self.agreed):
            self.patients[patient] = f"{self.patients[patient].partition('@')[0]}@{_CLEAR_WEBMAIL}"
        self.marketing: dict[str, tuple[bool, int]] = {}
        for patient in pick.sample(self.ids, patients // 2):
            self.marketing[patient] = (pick.random() < 0.9, -pick.randrange(30, 900))

    def _address(self, n: int) -> str:
        first, last = self.chance.choice(_FIRST), self.chance.choice(_LAST)
        return f"{first}.{last}{n % 97 if n % 3 else ''}@{self.chance.choice(_WEBMAIL)}"

    def reference(self) -> dict[str, list[Mapping[str, Json]]]:
        domains: list[Mapping[str, Json]] = [
            {
                "domain": one,
                "kind": "partner",
                "baa": True,
                "baa_expires": "2027-06-30",
                "mta_sts": "enforce" if one in self.enforcing else "none",
            }
            for one in self.partners
        ]
        domains += [{"domain": one, "kind": "vendor", "baa": False} for one in self.suppliers]
        domains += [
            {"domain": one, "kind": "vendor", "baa": True, "baa_expires": (BEGIN + timedelta(days=day)).isoformat()}
            for one, day in self.lapsed.items()
        ]
        domains += [{"domain": one, "kind": "freemail", "baa": False} for one in (*_WEBMAIL, _CLEAR_WEBMAIL)]
        consents: list[Mapping[str, Json]] = [_consent(one, "unencrypted_email", True, -200) for one in sorted(self.agreed)]
        consents += [_consent(one, "marketing_email", agreed, day) for one, (agreed, day) in sorted(self.marketing.items())]
        return {
            "org": [{"name": "Hospital", "timezone": "America/New_York", "mail_domain": OWN}],
            "patients": [{"patient_id": one, "email": address} for one, address in self.patients.items()],
            "domains": domains,
            "consents": consents,
        }


def stream(seed: int, count: int, *, each: int = 45, patients: int = 6000) -> Stream:
    """About `count` letters over `DAYS` days; `each` bad ones of every scenario."""
    town = Town(seed, patients)
    letters = [*_ordinary(town, count), *_decoys(town)]
    for scenario, make in SCENARIOS.items():
        letters += [replace(make(town, n), scenario=scenario) for n in range(each)]
    reference = town.reference()
    return Stream(reference=reference, letters=sorted(letters, key=lambda letter: letter.when))


def _at(town: Town, first: int = 0, last: int = DAYS) -> datetime:
    day = town.chance.randrange(first, last)
    return datetime(BEGIN.year, BEGIN.month, BEGIN.day, 14, tzinfo=UTC) + timedelta(days=day, seconds=town.chance.random() * 28_000)


def _ordinary(town: Town, count: int) -> Iterator[Letter]:
    pick = town.chance
    for _ in range(count):
        lot = pick.random()
        patient = pick.choice(town.ids)
        if lot < 0.30:
            yield _to_patient(town, patient, "appointment_reminder", phi=False)
        elif lot < 0.40:
            yield replace(_to_patient(town, patient, "statement", phi=True), more={"encryption": "portal_link"})
        elif lot < 0.45:
            yield _to_patient(town, patient, "visit_summary", phi=True)
        elif lot < 0.70:
            yield _letter(town, f"intake@{pick.choice(town.partners)}", "discharge_summary", phi=True, patient_id=patient)
        elif lot < 0.78:
            yield _letter(
                town,
                f"intake@{pick.choice(town.partners)}",
                "note",
                phi=None,
                patient_id=patient,
                tls=pick.choice([*_STRONG, _BARE, None]),
            )
        elif lot < 0.86:
            yield _letter(town, f"orders@{pick.choice(town.suppliers)}", "order", phi=False)
        elif lot < 0.88:
            yield _letter(town, f"claims@{pick.choice(list(town.lapsed))}", "notice", phi=False)
        elif lot < 0.91:
            yield _letter(town, f"office@{pick.choice(town.strangers)}", "letter", phi=False, tls=pick.choice([*_STRONG, None]))
        elif lot < 0.93:
            yield _letter(
                town, f"news@{pick.choice(town.flaky)}", "newsletter", phi=False, tls=_CLEAR if pick.random() < 0.2 else _STRONG[0]
            )
        elif lot < 0.94:
            yield _letter(town, f"news@{pick.choice(town.bare)}", "newsletter", phi=False, tls=_CLEAR)
        elif lot < 0.98:
            yield from _marketing(town, patient)
        elif lot < 0.99:
            yield _letter(
                town, f"in@{pick.choice(town.partners)}", "letter", phi=True, tls=_CLEAR, action="defer", outcome="deferred"
            )
        else:
            yield _letter(town, f"x@{OWN}", "letter", phi=True, tls=_CLEAR, more={"direction": "internal"})


def _decoys(town: Town) -> Iterator[Letter]:
    """Looks bad and is not."""
    pick = town.chance
    for patient in pick.sample(sorted(town.agreed), min(150, len(town.agreed))):
        yield _to_patient(town, patient, "visit_summary", phi=True)
    for _ in range(100):
        yield _letter(
            town, f"in@{pick.choice(town.partners)}", "letter", phi=True, tls=pick.choice(_STRONG), more={"encryption": "smime"}
        )
        yield _letter(
            town,
            f"in@{pick.choice(town.partners[30:])}",
            "letter",
            phi=False,
            more={"mta_sts": {"policy": "testing", "result": "fail"}},
        )
    for twin in town.twins:  # a real practice whose name is one letter from a partner's, and that nobody entered
        for _ in range(6):
            yield _letter(town, f"office@{twin}", "letter", phi=None, patient_id="")
    for patient in pick.sample(town.ids, 8):  # a relative of a similar name, whom the patient asked to write to
        relative = _near(town.patients[patient], pick)
        yield _letter(town, relative, "visit_summary", phi=True, patient_id=patient, allowed=_NOT_ON_FILE)
    for patient in [one for one in town.ids if one not in town.marketing][:60]:  # opted out some days before
        day = pick.randrange(20, DAYS - 14)
        town.marketing[patient] = (False, day)
        yield _letter(town, town.patients[patient], "marketing", phi=False, patient_id=patient, when=_at(town, day + 1, day + 8))


_NOT_ON_FILE = frozenset({"phi_without_baa"})


def _letter(town: Town, to: str, category: str, *, phi: bool | None, **more: object) -> Letter:
    tls = more.pop("tls", town.chance.choice(_STRONG))
    when = more.pop("when", None) or _at(town)
    sender = f"{category.replace('_', '-')}@{OWN}"
    return Letter(when=when, to=to, sender=sender, category=category, phi=phi, tls=tls, **more)  # type: ignore[arg-type]


def _to_patient(town: Town, patient: str, category: str, *, phi: bool) -> Letter:
    to = town.patients[patient]
    tls = _CLEAR if to.endswith(_CLEAR_WEBMAIL) else town.chance.choice(_STRONG)
    return _letter(town, to, category, phi=phi, patient_id=patient, tls=tls)


def _marketing(town: Town, patient: str) -> Iterator[Letter]:
    """Only to those who agreed."""
    if town.marketing.get(patient, (False, 0))[0]:
        yield _to_patient(town, patient, "marketing", phi=False)


def _partner_phi(town: Town, tls: Json, kind: str) -> Letter:
    """PHI to a partner that has no MTA-STS."""
    to = f"intake@{town.chance.choice(town.partners[20:])}"
    truth = frozenset({kind})
    return _letter(
        town, to, "discharge_summary", phi=True, patient_id=town.chance.choice(town.ids), tls=tls, when=_at(town, 25), truth=truth
    )


def _clear(town: Town, _: int) -> Letter:
    return _partner_phi(town, _CLEAR, "plaintext_phi")


def _weak(town: Town, n: int) -> Letter:
    return _partner_phi(town, _WEAK[n % 2], "weak_tls")


def _unverified(town: Town, n: int) -> Letter:
    return _partner_phi(town, _UNVERIFIED[n % 2], "unverified_certificate")


def _no_baa(town: Town, _: int) -> Letter:
    to = f"orders@{town.chance.choice(town.suppliers)}"
    return _letter(town, to, "order", phi=True, patient_id=town.chance.choice(town.ids), truth=frozenset({"phi_without_baa"}))


def _expired(town: Town, _: int) -> Letter:
    domain, last = town.chance.choice(list(town.lapsed.items()))
    return _letter(town, f"claims@{domain}", "claim", phi=True, when=_at(town, last + 1), truth=frozenset({"baa_expired"}))


def _elsewhere(town: Town, _: int) -> Letter:
    """Another address altogether."""
    patient = town.chance.choice(town.ids)
    to = f"{town.chance.choice(_LAST)}.office{town.chance.randrange(10_000, 99_999)}@{town.chance.choice(_WEBMAIL)}"
    return _letter(town, to, "visit_summary", phi=True, patient_id=patient, truth=_NOT_ON_FILE)


def _without_optin(town: Town, _: int) -> Letter:
    patient = next(one for one in town.chance.sample(town.ids, len(town.ids)) if one not in town.marketing)
    return _letter(
        town, town.patients[patient], "marketing", phi=False, patient_id=patient, truth=frozenset({"marketing_without_optin"})
    )


def _after_optout(town: Town, _: int) -> Letter:
    patient = town.chance.choice([one for one, (agreed, day) in town.marketing.items() if not agreed and day < 0])
    return _letter(
        town, town.patients[patient], "marketing", phi=False, patient_id=patient, truth=frozenset({"marketing_after_optout"})
    )


def _with_phi(town: Town, _: int) -> Letter:
    patient = town.chance.choice([one for one, (agreed, _) in town.marketing.items() if agreed])
    return _letter(town, town.patients[patient], "marketing", phi=True, patient_id=patient, truth=frozenset({"marketing_with_phi"}))


def _forwarded(town: Town, _: int) -> Letter:
    to = f"me{town.chance.randrange(999)}@{town.chance.choice([*_WEBMAIL, *town.suppliers])}"
    return _letter(
        town,
        to,
        "mailbox",
        phi=town.chance.choice([None, False]),
        more={"auto_forwarded": True},
        truth=frozenset({"auto_forward_outside"}),
    )


def _rule(town: Town, _: int) -> Letter:
    to = f"me{town.chance.randrange(999)}@{town.chance.choice([*_WEBMAIL, 'collector.example'])}"
    truth = frozenset({"forward_rule_outside"})
    return _letter(town, to, "mailbox", phi=None, tls=None, action="forward_rule", outcome="success", truth=truth)


def _policy(town: Town, n: int) -> Letter:
    said: Sequence[Mapping[str, Json]] = (
        {"event_type": "Remove-TransportRule", "to": "", "to_domain": ""},
        {"event_type": "Set-OutboundConnector", "parameters": {"TlsSettings": "None"}, "to": "", "to_domain": ""},
        {"setting": "require_tls", "old": "enforce", "new": "none", "to": "", "to_domain": ""},
    )
    truth = frozenset({"mail_policy_weakened"})
    return _letter(
        town, "", "setting", phi=None, tls=None, action="policy_change", outcome="success", more=said[n % 3], truth=truth
    )


def _sts(town: Town, n: int) -> Letter:
    to = f"intake@{town.chance.choice(sorted(town.enforcing))}"
    more: Mapping[str, Json] = {"mta_sts": {"policy": "enforce", "result": "certificate-host-mismatch"}} if n % 2 else {}
    return _letter(
        town, to, "letter", phi=False, tls=_UNVERIFIED[0], when=_at(town, 25), more=more, truth=frozenset({"mta_sts_violated"})
    )


def _stripped(town: Town, n: int) -> Letter:
    """One in nine to a domain with hardly any past: it cannot be known, and is counted as missed."""
    if n % 9 == 8:
        domain, when = f"young{n}-practice.example", _at(town, 40)
    else:
        domain, when = town.chance.choice([*town.partners[20:], *town.suppliers, *town.strangers]), _at(town, 25)
    return _letter(town, f"in@{domain}", "letter", phi=False, tls=_CLEAR, when=when, truth=frozenset({"tls_downgrade"}))


def _lookalike(town: Town, n: int) -> Letter:
    """One in fifteen is another name altogether, which no distance finds."""
    partner = town.chance.choice(town.partners)
    domain = f"{partner.split('-')[0]}.example" if n % 15 == 14 else _slip(partner, town.chance)
    truth = frozenset({"misdirected_mail"})
    return _letter(
        town, f"intake@{domain}", "discharge_summary", phi=town.chance.choice([True, None]), when=_at(town, 25), truth=truth
    )


def _near_patient(town: Town, _: int) -> Letter:
    patient = town.chance.choice(town.ids)
    truth = frozenset({"misdirected_mail"})
    to = _near(town.patients[patient], town.chance)
    return _letter(town, to, "visit_summary", phi=True, patient_id=patient, truth=truth, allowed=_NOT_ON_FILE)


def _slip(text: str, pick: random.Random) -> str:
    """A slip of the pen, a look-alike letter, or another ending."""
    name, _, ending = text.rpartition(".")
    at = pick.randrange(1, len(name) - 1)
    looks = {"o": "0", "l": "1", "e": "е", "a": "а"}
    ways: list[Callable[[], str]] = [
        lambda: name[:at] + name[at + 1 :],
        lambda: name[:at] + name[at] + name[at:],
        lambda: name[:at] + name[at + 1] + name[at] + name[at + 2 :],
        lambda: name[:at] + pick.choice("bdfgkmpt") + name[at + 1 :],
        lambda: name.replace("-", "") if "-" in name else f"{name}s",
        lambda: "".join(looks.get(letter, letter) if place == at else letter for place, letter in enumerate(name)),
    ]
    while True:
        slipped = f"{pick.choice(ways)()}.{ending}"
        if pick.random() < 0.06:
            slipped = f"{name}.test"
        if slipped != text:
            return slipped
        at = pick.randrange(1, len(name) - 1)


def _near(address: str, pick: random.Random) -> str:
    local, _, domain = address.partition("@")
    return f"{_slip(f'{local}.x', pick).rpartition('.')[0]}@{domain}" if pick.random() < 0.9 else f"{local}@{_slip(domain, pick)}"


def _consent(patient_id: str, channel: str, agreed: bool, day: int) -> Mapping[str, Json]:
    at = datetime(BEGIN.year, BEGIN.month, BEGIN.day, 15, tzinfo=UTC) + timedelta(days=day)
    status = "opted_in" if agreed else "opted_out"
    return {"patient_id": patient_id, "channel": channel, "status": status, "at": at.strftime("%Y-%m-%dT%H:%M:%S.000000Z")}


SCENARIOS: Mapping[str, Callable[[Town, int], Letter]] = {
    "PHI in the clear": _clear,
    "PHI over weak TLS": _weak,
    "PHI to an unverified server": _unverified,
    "PHI without an agreement": _no_baa,
    "PHI after the agreement": _expired,
    "PHI to another address": _elsewhere,
    "marketing without opt-in": _without_optin,
    "marketing after opt-out": _after_optout,
    "marketing with PHI": _with_phi,
    "automatic forwarding": _forwarded,
    "forwarding rule": _rule,
    "policy weakened": _policy,
    "MTA-STS enforce violated": _sts,
    "STARTTLS stripped": _stripped,
    "look-alike domain": _lookalike,
    "near miss of the address": _near_patient,
}
