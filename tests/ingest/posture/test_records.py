"""Parsers of what domains publish: whatever comes, they answer; and a value that is good was said plainly and once."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from ingest.posture.policy_text import LONGEST_AGE, PolicyText, read_policy
from ingest.posture.reading import host_name
from ingest.posture.sender_records import dkim, dmarc, spf
from ingest.posture.tlsa import Tlsa, binds, is_usable
from ingest.posture.transport_records import mta_sts_id, tls_rpt

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,5}){1,2}", fullmatch=True)
PATTERNS = st.tuples(st.sampled_from(["", "*."]), NAMES).map("".join)
POLICIES = st.builds(
    PolicyText,
    mode=st.sampled_from(["enforce", "testing", "none"]),
    max_age=st.integers(0, LONGEST_AGE),
    mx=st.lists(PATTERNS, min_size=1, max_size=5, unique=True).map(tuple),
)
PIECES = st.sampled_from(
    [
        "v=spf1 ",
        "v=DMARC1;",
        "v=STSv1;",
        "v=TLSRPTv1;",
        " p=reject;",
        "id=1;",
        "rua=mailto:a@b.example",
        "-all",
        "+all ",
        "all",
        "pct=",
    ]
)
RECORDS = st.lists(st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=5).map("".join)), max_size=4)


@given(POLICIES, st.sampled_from(["\n", "\r\n"]), st.randoms(use_true_random=False), st.booleans())
def test_a_policy_is_read_back_whatever_the_order_of_its_lines(policy: PolicyText, end: str, chance: object, extra: bool) -> None:
    lines = ["version: STSv1", f"mode:{policy.mode}", f"max_age:  {policy.max_age} ", *(f"mx: {one.upper()}" for one in policy.mx)]
    hosts, rest = lines[3:], [*lines[:3], *(["x-note: something: else"] if extra else [])]
    chance.shuffle(rest)  # type: ignore[attr-defined]
    text = end.join([*rest[:1], *hosts, *rest[1:], "mode: none"]) + end

    assert read_policy(text).value == (policy if rest else None)


@given(st.text(max_size=400))
def test_whatever_comes_as_a_policy_is_read_or_has_a_problem(text: str) -> None:
    read = read_policy(text)

    assert (read.value is None) == bool(read.problem)


@pytest.mark.parametrize(
    "spoil",
    [
        ("mode: enforce", "mode: Enforce"),
        ("mode: enforce", "mode: strict"),
        ("max_age: 86400", "max_age: 1e9"),
        ("max_age: 86400", f"max_age: {LONGEST_AGE + 1}"),
        ("max_age: 86400", "max_age: -1"),
        ("version: STSv1", "version: STSv2"),
        ("mx: a.example", "mx: *"),
        ("mx: a.example", "mx: *.*.example"),
        ("mx: a.example", "mx: a.*.example"),
        ("mx: a.example", "mx: 192.0.2.1"),
        ("mx: a.example", "mx: a.example\nmx: b..example"),
        ("mx: a.example", "mx a.example"),
    ],
)
def test_a_policy_with_one_wrong_part_is_none(spoil: tuple[str, str]) -> None:
    good = "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 86400\n"
    assert read_policy(good).value is not None

    assert read_policy(good.replace(*spoil)).value is None


@given(RECORDS)
def test_nothing_ambiguous_is_good(records: list[str]) -> None:
    one_policy, one_spf = dmarc(records), spf(records)
    sts, reports, key = mta_sts_id(records), tls_rpt(records), dkim(records)

    assert not (sts.value and sts.problem)
    assert not (reports.value and reports.problem)
    assert not (key.value == "valid" and key.problem)
    assert not (one_policy.problem and one_policy.value.policy in ("reject", "quarantine"))
    assert not (one_spf.problem and one_spf.value.all_ in ("fail", "softfail"))
    if sum(record.startswith("v=spf1 ") for record in records) > 1:
        assert one_spf.value.all_ == "invalid"
    if sum(record.startswith("v=DMARC1;") for record in records) > 1:
        assert one_policy.value.policy == "invalid"


@pytest.mark.parametrize(
    ("record", "all_", "is_wrong"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "fail", False),
        ("V=SPF1 a:b.example/24 ~ALL", "softfail", False),
        ("v=spf1 redirect=_spf.b.example", "redirect", False),
        ("v=spf1 -all redirect=_spf.b.example", "fail", False),
        ("v=spf1 ip4:192.0.2.1", "neutral", True),
        ("v=spf1 ?all", "neutral", False),
        ("v=spf1 all", "pass", True),
        ("v=spf1 ipv4:192.0.2.1 -all", "invalid", True),
        ("v=spf1 " + "include:a.example " * 11 + "-all", "invalid", True),
        ("v=spf10 -all", "absent", False),
    ],
)
def test_spf(record: str, all_: str, is_wrong: bool) -> None:
    read = spf([record, "v=other"])

    assert (read.value.all_, bool(read.problem)) == (all_, is_wrong)


@pytest.mark.parametrize(
    ("record", "policy", "subdomain", "percent"),
    [
        ("v=DMARC1; p=reject", "reject", "reject", 100),
        ("v = DMARC1 ; P = Quarantine ; sp=none; pct=5;", "quarantine", "none", 5),
        ("v=DMARC1; p=none; p=reject", "invalid", "invalid", None),
        ("v=DMARC1; p=reject; pct=200", "invalid", "invalid", None),
        ("v=DMARC1; p=reject; sp=all", "invalid", "invalid", None),
        ("v=DMARC1; rua=mailto:a@b.example", "invalid", "invalid", None),
        ("v=DMARC12; p=reject", "absent", "absent", None),
        ("p=reject; v=DMARC1", "absent", "absent", None),
    ],
)
def test_dmarc(record: str, policy: str, subdomain: str, percent: int | None) -> None:
    read = dmarc([record])

    assert (read.value.policy, read.value.subdomain, read.value.percent) == (policy, subdomain, percent)
    assert bool(read.problem) == (policy == "invalid")


def key(bits: int) -> str:
    public = rsa.generate_private_key(65_537, bits).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def test_dkim_keys() -> None:
    good = key(1_024)

    assert dkim([f"v=DKIM1; p={good[:70]} {good[70:]}"]).value == "valid"
    assert dkim([f"k=rsa; p={good}; t=s"]).value == "valid"
    states = [
        dkim([f"v=DKIM1; p={good}; t=y:s"]),
        dkim([f"v=DKIM1; p={good}", "v=DKIM1; p="]),
        dkim([f"v=DKIM1; k=ed25519; p={good}"]),
        dkim([f"v=DKIM1; p={good[:-8]}"]),
        dkim(["v=spf1 -all"]),
    ]
    assert {(state.value, bool(state.problem)) for state in states} == {("invalid", True)}
    assert (dkim([]).value, dkim(["v=DKIM1; p="]).value) == ("absent", "revoked")


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ("v=TLSRPTv1; rua=mailto:a@b.example,https://b.example/tls", True),
        ("v=TLSRPTv1;rua=http://b.example/", False),
        ("v=TLSRPTv1; rua=", False),
        ("v=TLSRPTv1;", False),
    ],
)
def test_tls_rpt(record: str, wanted: bool) -> None:
    read = tls_rpt([record, "v=TLSRPTv2; rua=mailto:a@b.example"])

    assert (read.value, bool(read.problem)) == (wanted, not wanted)
    assert tls_rpt([record, record + " "]).value is False


@given(
    st.builds(
        Tlsa,
        usage=st.integers(0, 255),
        selector=st.integers(0, 3),
        matching=st.integers(0, 3),
        data=st.binary(max_size=80),
    )
)
def test_only_records_that_bind_a_sender_are_usable(record: Tlsa) -> None:
    if is_usable(record):
        assert record.usage in (2, 3)
        assert record.selector in (0, 1)
        assert {1: 32, 2: 64}.get(record.matching, len(record.data)) == len(record.data) >= 32
    assert binds([record]) == is_usable(record)
    assert not binds([])
    assert is_usable(Tlsa(usage=3, selector=1, matching=1, data=bytes(32)))


@given(st.text(max_size=300))
def test_a_host_name_is_one_or_none(text: str) -> None:
    name = host_name(text)

    assert name is None or (name == name.lower() and "." in name and host_name(name) == name and len(name) <= 253)
