"""Looks at domains over a real resolver and real HTTPS: what is not learnt is unknown, and nothing ambiguous is ever good."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ingest.posture.look import Looker
from ingest.posture.rounds import AGAIN, Wanted, due, look_at, wanted
from store.domain_posture import LAPSED, DomainPostures, Posture
from store.engine import Engine
from tests.support.posture_world import SILENT, Page, World, world

DAY = timedelta(days=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DIGEST = "3 1 1 " + "ab" * 32
POLICY = "version: STSv1\r\nmode: enforce\r\nmx: *.clinic.example\r\nmax_age: 604800\r\n"


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def outside(shared_world: World) -> World:
    """A domain that does everything right."""
    zone = shared_world.zone
    zone.records.clear()
    zone.asked.clear()
    shared_world.pages.clear()
    zone.signed = {"clinic.example"}
    zone.records |= {
        ("clinic.example", "MX"): ["20 mx2.clinic.example.", "10 MX1.clinic.example."],
        ("_25._tcp.mx1.clinic.example", "TLSA"): [DIGEST],
        ("_25._tcp.mx2.clinic.example", "TLSA"): [DIGEST, "0 0 1 " + "cd" * 32],
        ("_smtp._tls.clinic.example", "TXT"): ['"v=TLSRPTv1; rua=mailto:tls@clinic.example"'],
    }
    shared_world.policy("clinic.example", POLICY)
    return shared_world


def at(world: World, moment: datetime = NOON, **changed: object) -> Looker:
    return world.looker(lambda: moment, **changed)  # type: ignore[arg-type]


def problems(posture: Posture, field: str) -> list[str]:
    return [problem for problem in posture.problems if problem.startswith(f"{field}:")]


def test_a_domain_that_does_everything_right(outside: World) -> None:
    posture = at(outside).look("clinic.example")

    assert posture == Posture(
        domain="clinic.example",
        observed_at=NOON,
        mx=("mx1.clinic.example", "mx2.clinic.example"),
        mta_sts_id="20260301",
        mta_sts_seen="enforce",
        mta_sts_mode="enforce",
        mta_sts_mx=("*.clinic.example",),
        mta_sts_expires=NOON + 7 * DAY,
        dane=True,
        tls_rpt=True,
    )
    assert posture.mx_outside == ()


def test_a_domain_that_publishes_nothing_and_one_that_does_not_exist(outside: World) -> None:
    outside.zone.records["plain.example", "A"] = ["192.0.2.1"]
    plain, gone = at(outside).look("plain.example"), at(outside).look("gone.example")

    assert (plain.mx, plain.hosts, plain.mta_sts_mode, plain.dane, plain.tls_rpt) == ((), ("plain.example",), "none", False, False)
    assert plain.problems == ()
    assert (gone.hosts, gone.dane) == ((), None)
    assert problems(gone, "mx") == ["mx: the domain does not exist"]


@pytest.mark.parametrize("trouble", [SILENT, "SERVFAIL", "REFUSED"])
def test_what_the_resolver_does_not_say_is_not_known(outside: World, trouble: str) -> None:
    for key in list(outside.zone.records):
        outside.zone.records[key] = trouble

    posture = at(outside).look("clinic.example", is_own=True)

    assert (posture.hosts, posture.mta_sts_mode, posture.mta_sts_seen, posture.dane, posture.tls_rpt) == ((), "", "", None, None)
    assert all(problems(posture, field) for field in ("mx", "mta_sts", "dane", "tls_rpt"))
    said = {SILENT: "no answer in time"}.get(trouble, f"the resolver answered {trouble}")
    assert problems(posture, "mx") == [f"mx: {said}"]


def test_a_look_that_takes_too_long_asks_no_more(outside: World) -> None:
    outside.zone.records["clinic.example", "MX"] = SILENT

    posture = at(outside, seconds=0.3).look("clinic.example", is_own=True)

    assert outside.zone.asked.count(("_smtp._tls.clinic.example", "TXT")) == 0
    assert problems(posture, "tls_rpt") == ["tls_rpt: not asked, because this look had taken too long"]
    assert (posture.tls_rpt, posture.spf_all, posture.dmarc_policy) == (None, "", "")


def test_an_unsigned_answer_is_never_dane(outside: World) -> None:
    unstated = at(outside, validates=False).look("clinic.example")
    outside.zone.signed = {"mx1.clinic.example"}
    unsigned_mx = at(outside).look("clinic.example")
    outside.zone.signed = {"clinic.example"}
    outside.zone.records["clinic.example", "MX"] = ["10 mx1.clinic.example.", "20 mx.other.example."]
    outside.zone.records["_25._tcp.mx.other.example", "TLSA"] = [DIGEST]
    unsigned_tlsa = at(outside).look("clinic.example")

    assert (unstated.dane, unsigned_mx.dane, unsigned_tlsa.dane) == (None, False, False)
    assert problems(unstated, "dane") == ["dane: the resolver is not stated to check signatures"]


def test_dane_is_for_every_host_or_not_at_all(outside: World) -> None:
    key = ("_25._tcp.mx2.clinic.example", "TLSA")
    outside.zone.records[key] = ["0 0 1 " + "cd" * 32]
    unusable = at(outside).look("clinic.example")
    outside.zone.records[key] = "SERVFAIL"
    bogus = at(outside).look("clinic.example")
    del outside.zone.records[key]
    missing = at(outside).look("clinic.example")

    assert (unusable.dane, bogus.dane, missing.dane) == (False, None, False)
    assert problems(unusable, "dane") == ["dane: none of the TLSA records of mx2.clinic.example is usable"]
    assert "mx2.clinic.example are not known, the resolver answered SERVFAIL" in problems(bogus, "dane")[0]


def wrong_certificate(outside: World) -> None:
    outside.certified.discard("mta-sts.clinic.example")


def redirect(outside: World) -> None:
    where = {"location": "https://mta-sts.clinic.example/.well-known/other.txt", "content-type": "text/plain"}
    outside.pages["mta-sts.clinic.example"] = Page(POLICY.encode(), 302, where)


def oversized(outside: World) -> None:
    outside.pages["mta-sts.clinic.example"] = Page(POLICY.encode() + b"x: y\n" * 20_000)


def in_html(outside: World) -> None:
    outside.pages["mta-sts.clinic.example"] = Page(POLICY.encode(), headers={"content-type": "text/html"})


def packed(outside: World) -> None:
    headers = {"content-type": "text/plain", "content-encoding": "gzip"}
    outside.pages["mta-sts.clinic.example"] = Page(POLICY.encode(), headers=headers)


def not_found(outside: World) -> None:
    del outside.pages["mta-sts.clinic.example"]


def without_hosts(outside: World) -> None:
    outside.policy("clinic.example", "version: STSv1\nmode: enforce\nmax_age: 86400\n")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (wrong_certificate, "the certificate of the policy host is not valid for it"),
        (redirect, "the policy host leads to another address, which must not be followed"),
        (oversized, "the policy is longer than 64 KiB"),
        (in_html, "what the policy host gave is not text/plain"),
        (packed, "the policy host gave a packed answer that was not asked for"),
        (not_found, "the policy host answered 404"),
        (without_hosts, "the policy names no host (mx)"),
    ],
)
def test_a_policy_that_cannot_be_had_is_not_known_and_one_taken_earlier_holds_on(outside: World, spoil: object, said: str) -> None:
    last = at(outside).look("clinic.example")
    spoil(outside)  # type: ignore[operator]

    alone = at(outside, NOON + DAY).look("clinic.example")
    held = at(outside, NOON + DAY).look("clinic.example", last=last)
    late = at(outside, NOON + 7 * DAY).look("clinic.example", last=held)
    later = at(outside, NOON + 8 * DAY).look("clinic.example", last=late)

    assert (alone.mta_sts_seen, alone.mta_sts_mode, alone.mta_sts_expires) == ("", "", None)
    assert problems(alone, "mta_sts") == [f"mta_sts: {said}"]
    assert (held.mta_sts_seen, held.mta_sts_mode) == ("", "enforce")
    assert (held.mta_sts_expires, held.mta_sts_mx) == (last.mta_sts_expires, last.mta_sts_mx)
    assert [(one.mta_sts_mode, LAPSED in one.problems) for one in (late, later)] == [("", True), ("", True)]
    outside.certified.add("mta-sts.clinic.example")


def test_a_policy_that_was_taken_back_holds_on_and_one_of_mode_none_does_not(outside: World) -> None:
    last = at(outside).look("clinic.example")
    record = outside.zone.records.pop(("_mta-sts.clinic.example", "TXT"))
    back = at(outside, NOON + DAY).look("clinic.example", last=last)
    outside.zone.records["_mta-sts.clinic.example", "TXT"] = [*record, '"v=STSv1; id=other;"']
    twice = at(outside, NOON + DAY).look("clinic.example", last=last)
    outside.policy("clinic.example", "version: STSv1\nmode: none\nmax_age: 86400\n", "20260302")
    none = at(outside, NOON + DAY).look("clinic.example", last=last)
    outside.policy("clinic.example", POLICY.replace("enforce", "testing"), "20260303")
    testing = at(outside, NOON + DAY).look("clinic.example", last=last)

    assert (back.mta_sts_seen, back.mta_sts_mode, back.problems) == ("none", "enforce", ())
    assert (twice.mta_sts_seen, twice.mta_sts_mode) == ("none", "enforce")
    assert problems(twice, "mta_sts") == ["mta_sts: there are 2 MTA-STS records, which counts as none"]
    assert (none.mta_sts_seen, none.mta_sts_mode, none.mta_sts_id) == ("none", "none", "20260302")
    assert (testing.mta_sts_seen, testing.mta_sts_mode) == ("testing", "testing")


def test_hosts_outside_the_policy_are_named(outside: World) -> None:
    outside.zone.records["clinic.example", "MX"] = ["10 mx1.clinic.example.", "20 relay.example."]

    assert at(outside).look("clinic.example").mx_outside == ("relay.example",)


def test_a_domain_that_takes_no_mail_is_asked_for_nothing_more(outside: World) -> None:
    outside.zone.records["silent.example", "MX"] = ["0 ."]

    posture = at(outside).look("silent.example")

    assert posture.takes_no_mail
    assert posture.problems == ()
    assert {name for name, _ in outside.zone.asked} == {"silent.example"}


def test_our_own_domain_is_looked_at_as_a_sender(outside: World) -> None:
    long = '"v=spf1 ' + " ".join(f"ip4:192.0.2.{number}" for number in range(16)) + '" ' + '" -all"'
    outside.zone.records |= {
        ("clinic.example", "TXT"): [long, '"another=word"'],
        ("_dmarc.clinic.example", "TXT"): ['"v=DMARC1; p=quarantine; sp=none; pct=50; rua=mailto:d@clinic.example"'],
        ("s1._domainkey.clinic.example", "TXT"): ['"v=DKIM1; k=ed25519; p=' + "A" * 43 + '="'],
        ("s2._domainkey.clinic.example", "TXT"): ['"v=DKIM1; p="'],
        ("s4._domainkey.clinic.example", "TXT"): "SERVFAIL",
    }

    posture = at(outside, selectors=["s1", "s2", "s3", "s4"]).look("clinic.example", is_own=True)
    below = at(outside).look("news.clinic.example", is_own=True)

    assert (posture.spf_all, posture.spf.endswith("192.0.2.15 -all")) == ("fail", True)
    assert (posture.dmarc_policy, posture.dmarc_subdomain, posture.dmarc_percent) == ("quarantine", "none", 50)
    assert posture.dkim == ("s1=valid", "s2=revoked", "s3=absent", "s4=unknown")
    assert (below.dmarc_policy, below.spf_all) == ("none", "absent")


def test_an_answer_that_is_too_long_for_udp_comes_over_tcp(outside: World) -> None:
    outside.zone.records["clinic.example", "TXT"] = ['"v=spf1 -all"', *(f'"filler={number:0200}"' for number in range(20))]

    posture = at(outside).look("clinic.example", is_own=True)

    assert posture.spf_all == "fail"
    assert outside.zone.asked.count(("clinic.example", "TXT")) == 2


def test_which_domains_are_looked_at_and_when(outside: World, engine: Engine) -> None:
    chosen = wanted("Clinic.Example", ["b.example", "no domain", "10.0.0.1"], ["b.example", "c.example", "d.example"], most=3)
    postures = DomainPostures(engine)
    seen = [*look_at(chosen, looker=at(outside), postures=postures, is_over=lambda: len(postures.latest()) == 2)]
    latest = postures.latest()

    assert chosen == [Wanted(domain="clinic.example", is_own=True), Wanted(domain="b.example"), Wanted(domain="c.example")]
    assert [one.domain for one in seen] == ["clinic.example", "b.example"]
    assert latest == {one.domain: one for one in seen}
    assert [one.domain for one in due(chosen, latest, NOON + timedelta(hours=1))] == ["c.example"]
    assert {one.domain for one in due(chosen, latest, NOON + AGAIN)} == {
        "c.example",
        *(one.domain for one in seen if one.problems),
    }
    assert len(due(chosen, latest, NOON + timedelta(hours=12))) == 3
    assert [one.domain for one in due([replace(chosen[0], is_own=False)], latest, NOON)] == ["clinic.example"]
