"""A town to write to and letters as a hospital's mail systems report them; drawn from a seed (`benchmarks/mail_stream.py`)."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
FIRST = (
    *("anna", "bruno", "clara", "david", "elena", "frank", "greta", "henry"),
    *("ida", "jonas", "karla", "leo", "mara", "nils", "olga", "paul"),
    *("rosa", "simon", "tessa", "viktor"),
)
LAST = (
    *("becker", "carver", "dalton", "ellery", "fisher", "garner", "hobart", "irving"),
    *("jarvis", "keller", "lambert", "mercer", "norton", "ogden", "parker", "quimby"),
)
WEBMAIL = ("postbox.example", "mailhaven.example", "quickmail.example", "lettera.example")
CLEAR_WEBMAIL = "homelink.example"
"""A provider without TLS; its users in this town asked for plain mail."""

STRONG: Sequence[Json] = (
    {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "level": "verified"},
    {"version": "TLSv1.2", "cipher": "ECDHE-RSA-AES256-GCM-SHA384", "verified": True},
)
CLEAR: Json = {"version": None}
WEAK: Sequence[Json] = (
    {"version": "TLSv1", "cipher": "ECDHE-RSA-AES256-SHA", "level": "verified"},
    {"version": "TLSv1.2", "cipher": "DES-CBC3-SHA", "verified": True},
)
UNVERIFIED: Sequence[Json] = (
    {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "level": "untrusted"},
    {"version": "TLSv1.2", "cipher": "ECDHE-RSA-AES128-GCM-SHA256", "verified": False},
)
SOUND_HOST, CHEAP_HOST = "in.mailbase.example", "in.cheaphost.example"
"""Where servers of several domains are at home: one provider whose domains always have TLS, one whose often have none."""
APPROVED = "relaypost.example"
"""A service that signs mail of the hospital and is in its register."""
BARE: Json = {"version": "TLSv1.3"}


SUBJECTS = (
    *("Your appointment on 03/12/2026", "Discharge papers", "Order 123-45-6789 shipped", "Ticket no. 4012888888881881"),
    *("Meeting in room B12.5", "NPI 1234567893 enrolment", "Call 123 45 6789", "Update of ICD-10 code E11.9: training on Friday"),
    *("Becker, Anna 03/12/2025: visit", "Policy of 01/02/1980", "SSN 000-12-3456 in the manual", "", "", "", ""),
)
"""What subjects say, among them near misses of identifiers."""


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
    source: Source = Source.MAIL
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
            "from": self.sender,
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
            source=self.source,
            action=self.action,
            actor=Actor(id=self.sender, kind=ActorKind.PATIENT if self.source is Source.PORTAL else ActorKind.SYSTEM),
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
        self.twins = [slip(name, pick) for name in pick.sample(self.partners, 4)]
        self.homes = {
            **dict.fromkeys([*self.partners[20:40], *self.suppliers], SOUND_HOST),
            **dict.fromkeys([*self.flaky, *self.bare], CHEAP_HOST),
        }
        self.enforcing = set(self.partners[:20])
        self.patients = {f"P-{n:05d}": self._address(n) for n in range(patients)}
        self.ids = list(self.patients)
        self.agreed = set(pick.sample(self.ids, patients // 20))
        for patient in sorted(self.agreed):
            self.patients[patient] = f"{self.patients[patient].partition('@')[0]}@{CLEAR_WEBMAIL}"
        self.marketing: dict[str, tuple[bool, int]] = {}
        for patient in pick.sample(self.ids, patients // 2):
            self.marketing[patient] = (pick.random() < 0.9, -pick.randrange(30, 900))

    def _address(self, n: int) -> str:
        first, last = self.chance.choice(FIRST), self.chance.choice(LAST)
        return f"{first}.{last}{n % 97 if n % 3 else ''}@{self.chance.choice(WEBMAIL)}"

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
        domains += [{"domain": APPROVED, "kind": "sender"}, {"domain": "relay", "kind": "service"}]
        domains += [{"domain": one, "kind": "freemail", "baa": False} for one in (*WEBMAIL, CLEAR_WEBMAIL)]
        consents: list[Mapping[str, Json]] = [_consent(one, "unencrypted_email", True, -200) for one in sorted(self.agreed)]
        consents += [_consent(one, "marketing_email", agreed, day) for one, (agreed, day) in sorted(self.marketing.items())]
        return {
            "org": [{"name": "Hospital", "timezone": "America/New_York", "mail_domain": OWN, "mrn_pattern": "MRN[ -]?[0-9]{7}"}],
            "patients": [{"patient_id": one, "email": address} for one, address in self.patients.items()],
            "domains": domains,
            "consents": consents,
        }


def moment(town: Town, first: int = 0, last: int = DAYS) -> datetime:
    day = town.chance.randrange(first, last)
    return datetime(BEGIN.year, BEGIN.month, BEGIN.day, 14, tzinfo=UTC) + timedelta(days=day, seconds=town.chance.random() * 28_000)


def write(town: Town, to: str, category: str, *, phi: bool | None, **more: object) -> Letter:
    tls = more.pop("tls", town.chance.choice(STRONG))
    when = more.pop("when", None) or moment(town)
    sender = f"{category.replace('_', '-')}@{OWN}"
    domain = to.rpartition("@")[2]
    said = {"relay": f"mx1.{town.homes.get(domain, domain)}"} if domain else {}
    more["more"] = {**said, "subject": town.chance.choice(SUBJECTS), **more.get("more", {})}  # type: ignore[dict-item]
    return Letter(when=when, to=to, sender=sender, category=category, phi=phi, tls=tls, **more)  # type: ignore[arg-type]


def to_patient(town: Town, patient: str, category: str, *, phi: bool) -> Letter:
    to = town.patients[patient]
    tls = CLEAR if to.endswith(CLEAR_WEBMAIL) else town.chance.choice(STRONG)
    return write(town, to, category, phi=phi, patient_id=patient, tls=tls)


def slip(text: str, pick: random.Random) -> str:
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


def _consent(patient_id: str, channel: str, agreed: bool, day: int) -> Mapping[str, Json]:
    at = datetime(BEGIN.year, BEGIN.month, BEGIN.day, 15, tzinfo=UTC) + timedelta(days=day)
    status = "opted_in" if agreed else "opted_out"
    return {"patient_id": patient_id, "channel": channel, "status": status, "at": at.strftime("%Y-%m-%dT%H:%M:%S.000000Z")}
