"""Demands on mail to domains: which is in force, and when a message kept to it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.domain_policy import (
    Demand,
    DomainPolicy,
    Kept,
    Passage,
    Policies,
    SenderClass,
    compare,
    domains_above,
    judge,
    mail_domain,
    sender_class,
)
from domain.errors import InvalidInput
from domain.json import Json
from domain.tls import TlsJudgement, TlsVerdict
from domain.tls import judge as judge_line

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANY, TRANSACTIONAL, MARKETING = SenderClass.ANY, SenderClass.TRANSACTIONAL, SenderClass.MARKETING
MET, BROKEN, UNKNOWN = Kept.MET, Kept.BROKEN, Kept.UNKNOWN
FORCED_LIKE = (Demand.FORCED, Demand.TLS_EXCLUSIVE, Demand.ESCALATE, Demand.MTA_STS, Demand.DANE)


def word(
    domain: str = "clinic.example",
    demand: Demand | None = Demand.FORCED,
    hour: int = 0,
    *,
    whose: SenderClass = ANY,
    until: int | None = None,
) -> DomainPolicy:
    end = None if until is None else START + timedelta(hours=until)
    at = START + timedelta(hours=hour)
    return DomainPolicy(domain=domain, sender_class=whose, demand=demand, at=at, by="admin", reason="x", until=end)


def in_force(
    *words: DomainPolicy, domain: str = "clinic.example", whose: SenderClass = TRANSACTIONAL, hour: float = 9
) -> Demand | None:
    found = Policies(words).in_force(domain, whose, START + timedelta(hours=hour))
    return None if found is None else found.demand


def test_a_policy_counts_from_its_moment_until_its_end() -> None:
    held = [in_force(word(until=5), hour=hour) is not None for hour in (-0.001, 0, 4.999, 5)]

    assert held == [False, True, True, False]


def test_a_policy_is_for_everything_below_its_domain_and_for_nothing_beside_it() -> None:
    assert in_force(word(), domain="mx.eu.clinic.example") is Demand.FORCED
    assert in_force(word(), domain="example") is None
    assert in_force(word(), domain="notclinic.example") is None


def test_the_nearest_domain_wins_and_then_the_class() -> None:
    above = word("example", Demand.DANE, whose=TRANSACTIONAL)
    everyone, own = word(demand=Demand.FORCED), word(demand=Demand.NONE, whose=MARKETING)

    assert in_force(above, everyone, own, whose=TRANSACTIONAL) is Demand.FORCED
    assert in_force(above, everyone, own, whose=MARKETING) is Demand.NONE
    assert in_force(above, everyone, own, whose=TRANSACTIONAL, domain="other.example") is Demand.DANE


def test_an_exception_gives_way_to_what_was_set_before_and_a_withdrawal_ends_it_all() -> None:
    week = (word(demand=Demand.FORCED), word(demand=Demand.NONE, hour=2, until=4))

    assert [in_force(*week, hour=hour) for hour in (1, 3, 5)] == [Demand.FORCED, Demand.NONE, Demand.FORCED]
    assert in_force(*week, word(demand=None, hour=3)) is None
    assert in_force(*week, word(demand=None, hour=3), word(demand=Demand.DANE, hour=4)) is Demand.DANE
    assert in_force(*week, word(demand=None, hour=3), hour=2.5) is Demand.NONE


NAMES = ("example", "clinic.example", "mx.clinic.example", "lab.example")
WORDS = st.builds(
    word,
    st.sampled_from(NAMES),
    st.sampled_from([None, *Demand]),
    st.integers(0, 5),
    whose=st.sampled_from(SenderClass),
    until=st.none() | st.integers(0, 8),
)


@given(st.lists(WORDS, max_size=12), st.sampled_from(NAMES), st.sampled_from([TRANSACTIONAL, MARKETING]), st.integers(-1, 9))
def test_the_choice(words: list[DomainPolicy], domain: str, whose: SenderClass, hour: int) -> None:
    """Against the sentences that define it; neither the order of the words counts, nor anything said later."""
    moment = START + timedelta(hours=hour)

    def is_taken_back(one: DomainPolicy) -> bool:
        same = [other for other in words if (other.domain, other.sender_class) == (one.domain, one.sender_class)]
        return any(other.demand is None and one.at < other.at <= moment for other in same)

    def live(name: str, of_class: SenderClass) -> list[DomainPolicy]:
        mine = [one for one in words if (one.domain, one.sender_class) == (name, of_class) and one.demand is not None]
        mine = [one for one in mine if one.at <= moment and not (one.until and one.until <= moment) and not is_taken_back(one)]
        return [one for one in mine if one.at == max(other.at for other in mine)]

    names = ("mx.clinic.example", "clinic.example", "lab.example", "example")
    above = [name for name in names if f".{domain}".endswith(f".{name}")]
    expected = next((newest for name in above for of_class in (whose, ANY) if (newest := live(name, of_class))), [])

    found = Policies(words).in_force(domain, whose, moment)

    assert (found in expected) if expected else found is None
    later = word(domain, Demand.DANE, hour + 1, whose=whose)
    assert Policies([later, *reversed(words)]).in_force(domain, whose, moment) == found


NO_DOMAINS = ("", ".", "a b.example", "x@clinic.example", "a..b", "-a.example", "x" * 64, "a." * 130 + "a", "\u0301é." * 90)


@pytest.mark.parametrize("text", NO_DOMAINS)
def test_what_is_no_domain(text: str) -> None:
    with pytest.raises(InvalidInput):
        mail_domain(text)


def test_spellings_of_a_domain_are_one() -> None:
    assert mail_domain(" Clinic.EXAMPLE. ") == "clinic.example"
    assert domains_above("Bücher.example") == ("xn--bcher-kva.example", "example")
    assert domains_above("") == ()
    assert domains_above("no domain") == ("no domain",)


def line(tls: Json | None) -> TlsJudgement:
    """`None`: the source says nothing."""
    return judge_line({} if tls is None else {"tls": tls})


CLEAR: Json = {"version": None}
SOUND: Json = {"version": "TLSv1.3", "level": "anonymous"}
ASSUMED: Json = {"version": "TLSv1.3"}
UNVERIFIED: Json = {"version": "TLSv1.3", "verified": False}
CHAIN: Json = {"version": "TLSv1.3", "level": "trusted"}
WEBPKI: Json = {"version": "TLSv1.2", "verified": True}
DANE: Json = {"version": "TLSv1.3", "verified": True, "policy": "dane"}
ANCIENT: Json = {"version": "TLSv1", "verified": True}
SOME: Json = {"established": True, "verified": True}


def kept(demand: Demand, tls: Json | None, **known: object) -> Kept:
    passage = Passage(tls=line(tls), **{"is_delivered": True, "is_sealed": False, "is_forwarded": True} | known)  # type: ignore[arg-type]
    return compare(demand, passage).kept


@pytest.mark.parametrize("demand", [Demand.FORCED, Demand.TLS_EXCLUSIVE, Demand.ESCALATE, Demand.FORWARD_TLS_ONLY])
def test_tls_is_tls_that_the_standard_allows_whoever_the_server_is(demand: Demand) -> None:
    found = [kept(demand, tls) for tls in (CLEAR, ANCIENT, None, SOME, SOUND, ASSUMED, UNVERIFIED, CHAIN, WEBPKI, DANE)]

    assert found == [BROKEN, BROKEN, UNKNOWN, UNKNOWN, *[MET] * 6]


@pytest.mark.parametrize(("offered", "expected"), [(True, BROKEN), (False, MET), (None, UNKNOWN)])
def test_opportunistic_is_tls_where_it_is_offered(offered: bool | None, expected: Kept) -> None:
    assert kept(Demand.OPPORTUNISTIC, CLEAR, starttls_offered=offered) is expected
    assert kept(Demand.OPPORTUNISTIC, ANCIENT, starttls_offered=offered) is MET
    assert kept(Demand.OPPORTUNISTIC, None, starttls_offered=offered) is UNKNOWN


def test_escalation_is_encryption_in_itself_where_tls_is_not_had() -> None:
    assert [kept(Demand.ESCALATE, CLEAR, is_sealed=sealed) for sealed in (True, False, None)] == [MET, BROKEN, UNKNOWN]
    assert [kept(Demand.ESCALATE, None, is_sealed=sealed) for sealed in (True, False, None)] == [MET, UNKNOWN, UNKNOWN]
    assert kept(Demand.FORCED, CLEAR, is_sealed=True) is BROKEN
    assert kept(Demand.ESCALATE, CLEAR, is_delivered=False) is UNKNOWN
    assert kept(Demand.ESCALATE, SOUND, is_delivered=False) is MET


def test_a_demand_on_forwarding_is_about_what_is_forwarded() -> None:
    assert [kept(Demand.FORWARD_TLS_ONLY, CLEAR, is_forwarded=said) for said in (True, False, None)] == [BROKEN, MET, UNKNOWN]
    assert [kept(Demand.FORWARD_TLS_ONLY, None, is_forwarded=said) for said in (True, False, None)] == [UNKNOWN, MET, UNKNOWN]
    rules = [kept(Demand.FORWARD_TLS_ONLY, None, is_delivered=False, is_rule=True, uses_tls=said) for said in (True, False, None)]
    assert rules == [MET, BROKEN, UNKNOWN]


@pytest.mark.parametrize(
    ("tls", "known", "expected"),
    [
        (WEBPKI, {"sts_mode": "enforce", "sts_names_server": True}, MET),
        (WEBPKI, {"sts_mode": "testing", "sts_names_server": True}, MET),
        (WEBPKI, {"sts_mode": "enforce", "sts_names_server": False}, BROKEN),
        (WEBPKI, {"sts_mode": "enforce", "sts_names_server": None}, UNKNOWN),
        (WEBPKI, {"sts_names_server": True}, UNKNOWN),
        (WEBPKI, {"sts_mode": "none"}, BROKEN),
        (WEBPKI, {"sts_mode": "enforce", "sts_passed": True}, MET),
        (WEBPKI, {"sts_mode": "enforce", "sts_passed": False}, BROKEN),
        (ASSUMED, {"sts_passed": True}, MET),
        (None, {"sts_mode": "enforce", "sts_passed": True}, UNKNOWN),
        (UNVERIFIED, {"sts_mode": "enforce", "sts_passed": True}, BROKEN),
        (CLEAR, {"sts_passed": True}, BROKEN),
        (CHAIN, {"sts_mode": "enforce", "sts_names_server": True}, UNKNOWN),
        (ASSUMED, {"sts_mode": "enforce", "sts_names_server": True}, UNKNOWN),
        (DANE, {}, MET),
        (ANCIENT, {"sts_mode": "enforce", "sts_names_server": True}, BROKEN),
    ],
)
def test_mta_sts_is_a_verified_server_that_the_domains_policy_names(tls: Json, known: dict[str, object], expected: Kept) -> None:
    assert kept(Demand.MTA_STS, tls, **known) is expected


@pytest.mark.parametrize(
    ("tls", "has_dane", "expected"),
    [
        (DANE, None, MET),
        (DANE, False, MET),
        (WEBPKI, None, UNKNOWN),
        (WEBPKI, True, UNKNOWN),
        (WEBPKI, False, BROKEN),
        (UNVERIFIED, True, BROKEN),
        (ASSUMED, True, UNKNOWN),
        (None, True, UNKNOWN),
        (CLEAR, None, BROKEN),
    ],
)
def test_dane_is_verified_by_dane(tls: Json, has_dane: bool | None, expected: Kept) -> None:
    assert kept(Demand.DANE, tls, has_dane=has_dane) is expected


MAYBE = st.none() | st.booleans()
PASSAGES = st.builds(
    Passage,
    tls=st.sampled_from([line(one) for one in (None, SOME, ASSUMED, CLEAR, ANCIENT, UNVERIFIED, CHAIN, WEBPKI, DANE, SOUND)]),
    is_delivered=st.booleans(),
    is_sealed=MAYBE,
    is_forwarded=MAYBE,
    starttls_offered=MAYBE,
    sts_passed=MAYBE,
    sts_mode=st.sampled_from(["", "none", "testing", "enforce"]),
    sts_names_server=MAYBE,
    has_dane=MAYBE,
)


@given(st.sampled_from(Demand), PASSAGES)
def test_what_is_not_known_is_never_met_and_what_was_not_delivered_never_broken(demand: Demand, passage: Passage) -> None:
    found = compare(demand, passage)

    if demand in FORCED_LIKE and passage.is_delivered and found.kept is MET:
        sealed = demand is Demand.ESCALATE and passage.is_sealed
        assert sealed or (passage.tls.verdict.is_encrypted and not passage.tls.weak and passage.tls.version)
    if demand is Demand.DANE and passage.is_delivered and found.kept is MET:
        assert passage.tls.verdict is TlsVerdict.VERIFIED_DANE
    if not passage.is_delivered:
        assert found.kept is not BROKEN
    if passage.tls.verdict is TlsVerdict.UNKNOWN and found.kept is BROKEN:
        assert demand in (Demand.MTA_STS, Demand.DANE)
    assert found.clause
    assert ";" not in found.clause, "clauses are joined by it"


def test_the_fact_names_the_demand_and_who_set_it() -> None:
    found = judge([word(whose=MARKETING, until=30)], Passage(tls=line(CLEAR), is_delivered=True))

    assert found is not None
    assert (found.kept, found.demands) == (BROKEN, "forced")
    assert found.fact == "The policy for marketing mail to clinic.example demands TLS or deferral, and it went in the clear"
    assert found.set_by == "clinic.example (marketing), set by admin on 2026-03-02T12:00:00Z until 2026-03-03T18:00:00Z"


def test_where_the_class_is_not_known_each_class_must_agree() -> None:
    lenient, strict = word(demand=Demand.NONE, whose=MARKETING), word(demand=Demand.FORCED)
    policies = Policies([lenient, strict])
    clear, sound = (Passage(tls=line(tls), is_delivered=True) for tls in (CLEAR, SOUND))
    both = policies.demands("clinic.example", None, START)

    found = [judge(both, passage) for passage in (clear, sound)]

    assert [(one.kept, one.demands) for one in found if one] == [(UNKNOWN, "forced, none"), (MET, "forced, none")]
    assert found[0] is not None
    assert "the class of its sender is not" in found[0].fact
    only = Policies([word(whose=MARKETING)]).demands("clinic.example", None, START)
    assert [one.kept for passage in (clear, sound) if (one := judge(only, passage))] == [UNKNOWN, MET]
    assert judge(Policies([]).demands("clinic.example", None, START), clear) is None


def test_the_class_of_a_message() -> None:
    classes = {MARKETING: {"marketing", "broadcast"}, TRANSACTIONAL: {"outbound"}}

    assert sender_class((), "letter", classes) is TRANSACTIONAL
    assert sender_class(("welcome", "broadcast"), "letter", classes) is MARKETING
    assert sender_class(("outbound",), "", classes) is TRANSACTIONAL
    assert sender_class(("welcome",), "", classes) is None
