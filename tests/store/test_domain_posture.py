"""What was seen of domains is kept by moment, and changes are told between what is known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from store.domain_posture import NOTHING, DomainPostures, Posture, matches
from store.engine import Engine

DAY = timedelta(days=1)
NOON = datetime(2026, 3, 2, 12, 0, 0, 250, tzinfo=UTC)

GOOD = Posture(
    domain="clinic.example",
    observed_at=NOON,
    mx=("mx1.clinic.example", "mx2.clinic.example"),
    mta_sts_id="20260301",
    mta_sts_seen="enforce",
    mta_sts_mode="enforce",
    mta_sts_mx=("*.clinic.example",),
    mta_sts_expires=NOON + 7 * DAY,
    dane=True,
    tls_rpt=False,
)


def on(day: int, **changed: object) -> Posture:
    return replace(GOOD, observed_at=NOON + day * DAY, **changed)  # type: ignore[arg-type]


def test_a_look_comes_back_as_it_was_kept(engine: Engine) -> None:
    postures = DomainPostures(engine)
    own = Posture(
        domain="hospital.example",
        observed_at=NOON,
        is_own=True,
        spf="v=spf1 -all",
        spf_all="fail",
        dkim=("s1=valid", "s2=unknown"),
        dmarc="v=DMARC1; p=reject",
        dmarc_policy="reject",
        dmarc_subdomain="reject",
        dmarc_percent=100,
        problems=("dkim: the key of selector s2 cannot be asked for (no answer in time)",),
    )

    postures.add([GOOD, own])
    postures.add([GOOD])
    postures.add([on(1, dane=None, tls_rpt=None)])

    assert postures.latest() == {"clinic.example": on(1, dane=None, tls_rpt=None), "hospital.example": own}
    assert postures.as_of(["clinic.example"], NOON) == {"clinic.example": GOOD}
    assert postures.as_of(["clinic.example", "nowhere.example"], NOON - timedelta(microseconds=1)) == {}
    assert postures.as_of([], NOON) == {}


def test_a_change_is_told_between_what_is_known_and_names_both_looks(engine: Engine) -> None:
    postures = DomainPostures(engine)
    unknown = on(3, dane=None, mta_sts_seen="", mx=(), problems=("mx: no answer in time", "dane: no answer in time"))
    after = on(5, dane=False, mta_sts_seen="testing", mta_sts_mode="testing", mx=("mx1.clinic.example", "relay.example"))
    postures.add([GOOD, on(1), on(2), unknown, after, on(6)])

    changes = postures.changes(NOON + 5 * DAY, NOON + 6 * DAY)
    told = {change.what: (change.before, change.after) for change in changes}

    assert told == {
        "dane": ("yes", "no"),
        "mta_sts": ("enforce", "testing"),
        "mx": ("mx1.clinic.example, mx2.clinic.example", "mx1.clinic.example, relay.example"),
        "mx_outside": (NOTHING, "relay.example"),
    }
    assert {(change.was, change.now) for change in changes} == {(on(2), after)}
    assert postures.changes(NOON + DAY, NOON + 5 * DAY) == []
    assert postures.changes(NOON, NOON + 9 * DAY, "another.example") == []
    assert {change.what for change in postures.changes(NOON + 6 * DAY, NOON + 9 * DAY, "clinic.example")} == set(told)


def test_hosts_outside_the_policy_are_told_at_the_first_look(engine: Engine) -> None:
    postures = DomainPostures(engine)
    first = replace(GOOD, mx=("mx.elsewhere.example",))
    postures.add([first])

    (change,) = postures.changes(NOON, NOON + DAY)

    assert (change.what, change.after, change.was, change.now) == ("mx_outside", "mx.elsewhere.example", None, first)


def test_a_policy_is_in_force_until_its_age_is_over() -> None:
    assert GOOD.mta_sts_at(NOON + 7 * DAY - timedelta(microseconds=1)) == "enforce"
    assert GOOD.mta_sts_at(NOON + 7 * DAY) == ""
    assert replace(GOOD, mta_sts_mode="none", mta_sts_expires=None).mta_sts_at(NOON + 99 * DAY) == "none"


@pytest.mark.parametrize(
    ("host", "pattern", "named"),
    [
        ("mx.a.example", "*.a.example", True),
        ("MX.a.example.", "mx.A.example", True),
        ("x.mx.a.example", "*.a.example", False),
        ("a.example", "*.a.example", False),
        ("mx.a.example", "*", False),
        ("mx.a.example", "", False),
        (".a.example", "*.a.example", False),
        (".", ".", False),
    ],
)
def test_patterns_of_a_policy(host: str, pattern: str, named: bool) -> None:
    assert matches(host, pattern) is named


def test_a_domain_without_mx_is_its_own_host_and_one_without_mail_has_none() -> None:
    assert replace(GOOD, mx=()).hosts == ("clinic.example",)
    assert replace(GOOD, mx=(".",)).hosts == ()
    assert replace(GOOD, mx=(), problems=("mx: no answer in time",)).mx_outside == ()
