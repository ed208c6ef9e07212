"""A hospital's mail as its relay and its sending services report it: ordinary traffic, decoys, and labelled bad deliveries.

What a label says follows from what was put in, never from the judgement: `Letter.truth` names the kinds of finding that the data
support. Decoys look bad and are not. `UNDECIDABLE` are bad ones that no data tell from good ones; they are counted by themselves.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from benchmarks.mail_scenes import MORE, back_and_forth, decoys, secure
from benchmarks.mail_town import (
    BARE,
    CHEAP_HOST,
    CLEAR,
    DAYS,
    LAST,
    OWN,
    SOUND_HOST,
    STRONG,
    UNVERIFIED,
    WEAK,
    WEBMAIL,
    Letter,
    Stream,
    Town,
    moment,
    slip,
    to_patient,
    write,
)
from domain.json import Json

_NOT_ON_FILE = frozenset({"phi_without_baa"})


def stream(seed: int, count: int, *, each: int = 42, patients: int = 6000) -> Stream:
    """About `count` letters over `DAYS` days; `each` bad ones of every scenario, and a ninth of it of what nobody could find."""
    town = Town(seed, patients)
    letters = [*_ordinary(town, count), *_decoys(town), *decoys(town)]
    for scenario, make in SCENARIOS.items():
        letters += [replace(make(town, n), scenario=scenario) for n in range(each)]
    for scenario, make in UNDECIDABLE.items():
        letters += [replace(make(town, n), scenario=scenario) for n in range(-(-each // 9))]
    reference = town.reference()
    return Stream(reference=reference, letters=sorted(letters, key=lambda letter: letter.when))


def _ordinary(town: Town, count: int) -> Iterator[Letter]:
    pick = town.chance
    for _ in range(count):
        lot = pick.random()
        patient = pick.choice(town.ids)
        if lot < 0.30:
            reminder = to_patient(town, patient, "appointment_reminder", phi=False)
            yield replace(reminder, more={**reminder.more, "delay": f"{min(pick.lognormvariate(1.5, 2.0), 14_000):.2f}"})
        elif lot < 0.40:
            yield from secure(town, patient)
        elif lot < 0.45:
            yield to_patient(town, patient, "visit_summary", phi=True)
        elif lot < 0.70:
            yield write(town, f"intake@{pick.choice(town.partners)}", "discharge_summary", phi=True, patient_id=patient)
        elif lot < 0.78:
            yield write(
                town,
                f"intake@{pick.choice(town.partners)}",
                "note",
                phi=None,
                patient_id=patient,
                tls=pick.choice([*STRONG, BARE, None]),
            )
        elif lot < 0.86:
            yield write(town, f"orders@{pick.choice(town.suppliers)}", "order", phi=False)
        elif lot < 0.88:
            yield write(town, f"claims@{pick.choice(list(town.lapsed))}", "notice", phi=False)
        elif lot < 0.91:
            yield write(town, f"office@{pick.choice(town.strangers)}", "letter", phi=False, tls=pick.choice([*STRONG, None]))
        elif lot < 0.93:
            yield write(
                town, f"news@{pick.choice(town.flaky)}", "newsletter", phi=False, tls=CLEAR if pick.random() < 0.2 else STRONG[0]
            )
        elif lot < 0.94:
            yield write(town, f"news@{pick.choice(town.bare)}", "newsletter", phi=False, tls=CLEAR)
        elif lot < 0.98:
            yield from _marketing(town, patient)
        elif lot < 0.99:
            yield write(town, f"in@{pick.choice(town.partners)}", "letter", phi=True, tls=CLEAR, action="defer", outcome="deferred")
        elif lot < 0.995:
            yield back_and_forth(town)
        else:
            yield write(town, f"x@{OWN}", "letter", phi=True, tls=CLEAR, more={"direction": "internal"})


def _decoys(town: Town) -> Iterator[Letter]:
    """Looks bad and is not."""
    pick = town.chance
    for patient in pick.sample(sorted(town.agreed), min(150, len(town.agreed))):
        yield to_patient(town, patient, "visit_summary", phi=True)
    for _ in range(100):
        yield write(
            town, f"in@{pick.choice(town.partners)}", "letter", phi=True, tls=pick.choice(STRONG), more={"encryption": "smime"}
        )
        yield write(
            town,
            f"in@{pick.choice(town.partners[30:])}",
            "letter",
            phi=False,
            more={"mta_sts": {"policy": "testing", "result": "fail"}},
        )
    for n in range(40):  # a new domain at a provider whose domains often have no TLS
        town.homes[f"new{n}-parish.example"] = CHEAP_HOST
        yield write(town, f"office@new{n}-parish.example", "newsletter", phi=False, tls=CLEAR)
    for twin in town.twins:  # a real practice whose name is one letter from a partner's, and that nobody entered
        for _ in range(6):
            yield write(town, f"office@{twin}", "letter", phi=None, patient_id="")
    for patient in pick.sample(town.ids, 8):  # a relative of a similar name, whom the patient asked to write to
        relative = _near(town.patients[patient], pick)
        yield write(town, relative, "visit_summary", phi=True, patient_id=patient, allowed=_NOT_ON_FILE)
    for patient in [one for one in town.ids if one not in town.marketing][:60]:  # opted out some days before
        day = pick.randrange(20, DAYS - 14)
        town.marketing[patient] = (False, day)
        yield write(town, town.patients[patient], "marketing", phi=False, patient_id=patient, when=moment(town, day + 1, day + 8))


def _marketing(town: Town, patient: str) -> Iterator[Letter]:
    """Only to those who agreed."""
    if town.marketing.get(patient, (False, 0))[0]:
        yield to_patient(town, patient, "marketing", phi=False)


def _partner_phi(town: Town, tls: Json, kind: str) -> Letter:
    """PHI to a partner that has no MTA-STS."""
    to = f"intake@{town.chance.choice(town.partners[20:])}"
    truth = frozenset({kind})
    return write(
        town,
        to,
        "discharge_summary",
        phi=True,
        patient_id=town.chance.choice(town.ids),
        tls=tls,
        when=moment(town, 25),
        truth=truth,
    )


def _clear(town: Town, _: int) -> Letter:
    return _partner_phi(town, CLEAR, "plaintext_phi")


def _weak(town: Town, n: int) -> Letter:
    return _partner_phi(town, WEAK[n % 2], "weak_tls")


def _unverified(town: Town, n: int) -> Letter:
    return _partner_phi(town, UNVERIFIED[n % 2], "unverified_certificate")


def _no_baa(town: Town, _: int) -> Letter:
    to = f"orders@{town.chance.choice(town.suppliers)}"
    return write(town, to, "order", phi=True, patient_id=town.chance.choice(town.ids), truth=frozenset({"phi_without_baa"}))


def _expired(town: Town, _: int) -> Letter:
    domain, last = town.chance.choice(list(town.lapsed.items()))
    return write(town, f"claims@{domain}", "claim", phi=True, when=moment(town, last + 1), truth=frozenset({"baa_expired"}))


def _elsewhere(town: Town, _: int) -> Letter:
    """Another address altogether."""
    patient = town.chance.choice(town.ids)
    to = f"{town.chance.choice(LAST)}.office{town.chance.randrange(10_000, 99_999)}@{town.chance.choice(WEBMAIL)}"
    return write(town, to, "visit_summary", phi=True, patient_id=patient, truth=_NOT_ON_FILE)


def _without_optin(town: Town, _: int) -> Letter:
    patient = next(one for one in town.chance.sample(town.ids, len(town.ids)) if one not in town.marketing)
    return write(
        town, town.patients[patient], "marketing", phi=False, patient_id=patient, truth=frozenset({"marketing_without_optin"})
    )


def _after_optout(town: Town, _: int) -> Letter:
    patient = town.chance.choice([one for one, (agreed, day) in town.marketing.items() if not agreed and day < 0])
    return write(
        town, town.patients[patient], "marketing", phi=False, patient_id=patient, truth=frozenset({"marketing_after_optout"})
    )


def _with_phi(town: Town, _: int) -> Letter:
    patient = town.chance.choice([one for one, (agreed, _) in town.marketing.items() if agreed])
    return write(town, town.patients[patient], "marketing", phi=True, patient_id=patient, truth=frozenset({"marketing_with_phi"}))


def _forwarded(town: Town, _: int) -> Letter:
    to = f"me{town.chance.randrange(999)}@{town.chance.choice([*WEBMAIL, *town.suppliers])}"
    return write(
        town,
        to,
        "mailbox",
        phi=town.chance.choice([None, False]),
        more={"auto_forwarded": True},
        truth=frozenset({"auto_forward_outside"}),
    )


def _rule(town: Town, _: int) -> Letter:
    to = f"me{town.chance.randrange(999)}@{town.chance.choice([*WEBMAIL, 'collector.example'])}"
    truth = frozenset({"forward_rule_outside"})
    return write(town, to, "mailbox", phi=None, tls=None, action="forward_rule", outcome="success", truth=truth)


def _policy(town: Town, n: int) -> Letter:
    said: Sequence[Mapping[str, Json]] = (
        {"event_type": "Remove-TransportRule", "to": "", "to_domain": ""},
        {"event_type": "Set-OutboundConnector", "parameters": {"TlsSettings": "None"}, "to": "", "to_domain": ""},
        {"setting": "require_tls", "old": "enforce", "new": "none", "to": "", "to_domain": ""},
    )
    truth = frozenset({"mail_policy_weakened"})
    return write(town, "", "setting", phi=None, tls=None, action="policy_change", outcome="success", more=said[n % 3], truth=truth)


def _sts(town: Town, n: int) -> Letter:
    to = f"intake@{town.chance.choice(sorted(town.enforcing))}"
    more: Mapping[str, Json] = {"mta_sts": {"policy": "enforce", "result": "certificate-host-mismatch"}} if n % 2 else {}
    return write(
        town, to, "letter", phi=False, tls=UNVERIFIED[0], when=moment(town, 25), more=more, truth=frozenset({"mta_sts_violated"})
    )


def _stripped(town: Town, _: int) -> Letter:
    domain = town.chance.choice([*town.partners[20:], *town.suppliers, *town.strangers])
    return _bare(town, f"in@{domain}")


def _stripped_hosted(town: Town, n: int) -> Letter:
    """No past of its own, at a provider whose other domains have always used TLS."""
    domain = f"hosted{n}-practice.example"
    town.homes[domain] = SOUND_HOST
    return _bare(town, f"in@{domain}")


def _stripped_young(town: Town, n: int) -> Letter:
    """No past, no entry, no policy of its own: a domain that never had TLS looks the same."""
    return _bare(town, f"in@young{n}-practice.example")


def _bare(town: Town, to: str) -> Letter:
    return write(town, to, "letter", phi=False, tls=CLEAR, when=moment(town, 25), truth=frozenset({"tls_downgrade"}))


def _lookalike(town: Town, _: int) -> Letter:
    return _wrong_domain(town, slip(town.chance.choice(town.partners), town.chance))


def _other_name(town: Town, _: int) -> Letter:
    """Another name altogether, which no distance finds."""
    return _wrong_domain(town, f"{town.chance.choice(town.partners).split('-')[0]}.example")


def _wrong_domain(town: Town, domain: str) -> Letter:
    truth = frozenset({"misdirected_mail"})
    phi = town.chance.choice([True, None])
    return write(town, f"intake@{domain}", "discharge_summary", phi=phi, when=moment(town, 25), truth=truth)


def _near_patient(town: Town, _: int) -> Letter:
    patient = town.chance.choice(town.ids)
    truth = frozenset({"misdirected_mail"})
    to = _near(town.patients[patient], town.chance)
    return write(town, to, "visit_summary", phi=True, patient_id=patient, truth=truth, allowed=_NOT_ON_FILE)


def _near(address: str, pick: random.Random) -> str:
    """Another address than the one given."""
    local, _, domain = address.partition("@")
    near = address
    while near == address:
        near = f"{slip(f'{local}.x', pick).rpartition('.')[0]}@{domain}" if pick.random() < 0.9 else f"{local}@{slip(domain, pick)}"
    return near


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
    "STARTTLS stripped, a new domain of a known provider": _stripped_hosted,
    "look-alike domain": _lookalike,
    "near miss of the address": _near_patient,
    **MORE,
}
UNDECIDABLE: Mapping[str, Callable[[Town, int], Letter]] = {
    "STARTTLS stripped, a domain without a past": _stripped_young,
    "another name altogether": _other_name,
}
