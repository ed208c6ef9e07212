"""The mail policy, sentence by sentence: what is broken, what is not known, and what is neither."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.consents import Word
from analytics.domain_history import Past
from analytics.mail_policy import Outcome, business_days, default_policy, judge_forwarding, read_policy
from analytics.recipients import Standing
from domain.errors import ConfigError
from domain.json import Json
from tests.analytics.mail.mail_cast import CLEAR, NOON, UNVERIFIED, judged, recipient, recipients

LAB = "intake@lab.example"
SAID = Past(days=20, encrypted=200, verified=200, deliveries=200)
ANCIENT: Json = {"version": "TLSv1", "verified": True}
ASSUMED: Json = {"version": "TLSv1.3"}
TRUSTED: Json = {"version": "TLSv1.3", "level": "trusted"}
NO_VERSION: Json = {"verified": True, "cipher": "TLS_AES_256_GCM_SHA384"}


@pytest.mark.parametrize(
    ("tls", "broken", "unknown"),
    [
        (CLEAR, ["phi_in_clear"], []),
        (ANCIENT, ["phi_over_weak_tls"], []),
        (UNVERIFIED, ["phi_unverified_peer"], []),
        (None, [], ["tls_not_reported"]),
        (ASSUMED, [], ["peer_not_reported"]),
        (TRUSTED, [], ["peer_not_reported"]),
        (NO_VERSION, [], ["tls_version_not_reported"]),
        ({"version": "TLSv1.2", "verified": True}, [], []),
    ],
)
def test_phi_needs_a_sound_line_to_a_verified_server(tls: Json, broken: list[str], unknown: list[str]) -> None:
    found = judged(tls=tls)

    assert (found.broken, found.unknown) == (broken, unknown)
    assert found.outcome is (Outcome.BROKEN if broken else Outcome.UNKNOWN if unknown else Outcome.MET)
    for encryption in ("smime", "pgp", "portal_link"):
        assert judged(tls=tls, encryption=encryption).outcome is Outcome.MET


@pytest.mark.parametrize(
    ("to", "standing", "broken", "unknown"),
    [
        ("Anna.Berger+mail@postbox.example", Standing.PATIENT, [], []),
        (LAB, Standing.ASSOCIATE, [], []),
        ("in@mx.lab.example", Standing.ASSOCIATE, [], []),
        ("in@today.example", Standing.ASSOCIATE, [], []),
        ("in@old.example", Standing.EXPIRED, ["baa_expired"], []),
        ("in@paper.example", Standing.NO_AGREEMENT, ["phi_without_baa"], []),
        ("somebody@postbox.example", Standing.NOT_ON_FILE, ["phi_not_on_file"], []),
        ("somebody@nowhere.example", Standing.NOT_ON_FILE, ["phi_not_on_file"], []),
        ("in@silent.example", Standing.UNKNOWN, [], ["recipient_not_known"]),
        ("nurse@ward.hospital.example", Standing.OWN, [], []),
    ],
)
def test_phi_goes_to_the_patient_or_to_an_associate(to: str, standing: Standing, broken: list[str], unknown: list[str]) -> None:
    found = judged(to)

    assert recipient(to).standing is standing
    assert (found.broken, found.unknown) == (broken, unknown)
    assert judged(to, phi=False).outcome is Outcome.MET


def test_a_link_to_log_in_at_tells_a_wrong_address_nothing() -> None:
    assert judged("somebody@postbox.example", encryption="portal_link").outcome is Outcome.MET
    assert judged("somebody@postbox.example", encryption="smime").broken == ["phi_not_on_file"]
    assert judged("in@paper.example", encryption="portal_link").broken == ["phi_without_baa"]


def test_without_an_address_on_file_or_a_register_nobody_is_accused() -> None:
    assert judged("x@postbox.example", patient_id="P-2").unknown == ["recipient_not_known"]
    assert judged("x@postbox.example", patient_id="").unknown == ["recipient_not_known"]
    assert judged("x@nowhere.example", known=recipients(domains=())).unknown == ["recipient_not_known"]


def test_of_several_recipients_the_worst_counts() -> None:
    found = recipients().of(["in@lab.example", "in@paper.example"], "lab.example", "P-1", NOON)

    assert (found.domain, found.standing) == ("paper.example", Standing.NO_AGREEMENT)


def test_a_patient_who_agreed_may_get_phi_in_the_clear_and_nobody_else_may() -> None:
    assert judged(tls=CLEAR, opted_in=True).outcome is Outcome.MET
    assert judged(LAB, tls=CLEAR, opted_in=True).broken[0] == "phi_in_clear"


@pytest.mark.parametrize("tls", [CLEAR, UNVERIFIED, ANCIENT, None])
def test_mail_without_phi_is_free_and_what_nobody_classified_is_not_known(tls: Json) -> None:
    assert judged(tls=tls, phi=False).outcome is Outcome.MET
    assert judged(tls=tls, phi=None).outcome is Outcome.UNKNOWN


def test_what_would_be_right_as_phi_needs_no_classifier() -> None:
    assert judged(phi=None).outcome is Outcome.MET


def word(day: date, *, agreed: bool) -> Word:
    return Word(agreed=agreed, at=datetime(day.year, day.month, day.day, 17, tzinfo=UTC), day=day)


@pytest.mark.parametrize(
    ("marketing", "more", "broken", "unknown"),
    [
        (word(date(2025, 1, 1), agreed=True), {}, [], []),
        (None, {}, ["marketing_without_optin"], []),
        (None, {"consents_kept": False}, [], ["marketing_consent_not_known"]),
        (None, {"patient_id": ""}, [], ["marketing_consent_not_known"]),
        (word(date(2026, 2, 16), agreed=False), {}, [], []),
        (word(date(2026, 2, 13), agreed=False), {}, ["marketing_after_optout"], []),
        (word(date.min, agreed=False), {}, ["marketing_after_optout"], []),
        (word(date(2025, 1, 1), agreed=True), {"phi": True}, ["marketing_with_phi"], []),
        (word(date(2025, 1, 1), agreed=True), {"phi": None}, [], ["phi_not_classified"]),
    ],
)
def test_marketing(marketing: Word | None, more: dict[str, Any], broken: list[str], unknown: list[str]) -> None:
    """The message is of Monday, 2 March; ten business days before it is Monday, 16 February."""
    found = judged(category="marketing", marketing=marketing, **{"phi": False, **more})

    assert (found.broken, found.unknown) == (broken, unknown)
    if marketing and not marketing.agreed and marketing.day > date.min:
        assert marketing.day.isoformat() in found.facts[0]


def test_a_domain_that_has_always_used_tls_is_not_served_in_the_clear() -> None:
    found = judged(phi=False, tls=CLEAR, past=SAID)

    assert found.broken == ["tls_downgrade"]
    assert "200" in found.facts[0]


@pytest.mark.parametrize(
    "past",
    [
        Past(),
        Past(days=2, encrypted=200, deliveries=200),
        Past(days=9, encrypted=14, deliveries=14),
        Past(days=20, encrypted=200, plain=10, deliveries=210),
        Past(days=20, plain=40, deliveries=40),
        Past(days=20, encrypted=19, plain=1, deliveries=20),
    ],
)
def test_too_short_or_mixed_a_history_proves_nothing(past: Past) -> None:
    assert judged(phi=False, tls=CLEAR, past=past).outcome is Outcome.MET


def test_an_attack_of_some_days_does_not_become_the_history() -> None:
    assert judged(phi=False, tls=CLEAR, past=Past(days=20, encrypted=200, plain=4, deliveries=204)).broken == ["tls_downgrade"]


def test_a_weaker_line_than_before() -> None:
    assert judged(phi=False, tls=ANCIENT, past=SAID).broken == ["tls_weakened"]
    assert judged("x@postbox.example", phi=False, tls=UNVERIFIED, past=SAID).broken == ["peer_lost"]
    assert judged(phi=False, tls=ASSUMED, past=SAID).broken == []
    assert judged(phi=False, tls=None, past=SAID).broken == []


@pytest.mark.parametrize(
    ("to", "mta_sts", "tls", "broken"),
    [
        (LAB, ("enforce", "fail"), UNVERIFIED, True),
        (LAB, ("enforce", "certificate-expired"), None, True),
        (LAB, ("enforce", "success"), CLEAR, True),
        (LAB, ("", ""), CLEAR, True),
        (LAB, ("testing", "fail"), UNVERIFIED, False),
        (LAB, ("none", "fail"), UNVERIFIED, False),
        (LAB, ("enforce", "success"), {"version": "TLSv1.3", "verified": True}, False),
        (LAB, ("enforce", "fail"), {"version": "TLSv1.3", "verified": True, "dane": True}, False),
        ("x@postbox.example", ("", ""), CLEAR, False),
    ],
)
def test_mta_sts(to: str, mta_sts: tuple[str, str], tls: Json, broken: bool) -> None:
    assert ("mta_sts_violated" in judged(to, phi=False, tls=tls, mta_sts=mta_sts).broken) is broken


def test_mta_sts_in_testing_is_told_and_a_missing_result_is_not_known() -> None:
    assert "testing" in judged(LAB, phi=False, tls=UNVERIFIED, mta_sts=("testing", "fail")).facts[0]
    assert judged(LAB, phi=False, tls=ASSUMED, mta_sts=("enforce", "")).unknown == ["mta_sts_result_not_known"]


def test_forwarding_to_the_outside_needs_an_agreement() -> None:
    for to in ("me@postbox.example", "me@paper.example", "me@old.example", "me@nowhere.example"):
        assert judged(to, phi=False, auto_forwarded=True, patient_id="").broken == ["auto_forward_outside"]
        assert judge_forwarding(recipient(to, "")).broken == ["forward_rule_outside"]
    for to in (LAB, "nurse@hospital.example"):
        assert judged(to, phi=False, auto_forwarded=True).outcome is Outcome.MET
        assert judge_forwarding(recipient(to)).outcome is Outcome.MET
    assert judged("me@silent.example", phi=False, auto_forwarded=True).unknown == ["forwarded_to_whom"]


def test_forwarding_to_nobody_knows_where_is_not_known() -> None:
    stranger = recipients(own="").of(["x@nowhere.example"], "", "", NOON)

    assert judge_forwarding(stranger).unknown == ["forwarded_to_whom"]


@given(
    st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 400), st.frozensets(st.dates(date(2020, 1, 1), date(2031, 3, 1)))
)
def test_business_days_are_counted_as_by_hand(after: date, days: int, holidays: frozenset[date]) -> None:
    every = [after + timedelta(days=n) for n in range(1, days + 1)]

    assert business_days(after, after + timedelta(days=days), holidays) == sum(d.weekday() < 5 and d not in holidays for d in every)


@given(
    st.sampled_from([None, CLEAR, UNVERIFIED, ANCIENT, ASSUMED, TRUSTED, NO_VERSION]),
    st.sampled_from([True, None]),
    st.sampled_from(["x@silent.example", LAB, "x@postbox.example", "x@paper.example", "anna.berger@postbox.example"]),
    st.sampled_from(["P-1", "P-2", ""]),
)
def test_a_line_that_is_not_known_to_be_sound_is_never_met(tls: Json, phi: bool | None, to: str, patient_id: str) -> None:
    assert judged(to, tls=tls, phi=phi, patient_id=patient_id).outcome is not Outcome.MET


def test_a_policy_file_that_is_not_right_is_refused() -> None:
    assert default_policy().version
    for text in ("version = 1", "no toml", 'version = "1"\n[phi]\nsealed = []'):
        with pytest.raises(ConfigError, match="mail policy"):
            read_policy(text)
