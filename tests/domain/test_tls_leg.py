"""Only the delivery leg says how a message left; and knowing less never makes a verdict better."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.json import Json, normalise
from domain.tls import Confidence, Leg, Standing, TlsVerdict, judge, judge_session
from domain.tls_leg import leg_of
from domain.tls_suites import suites

BEST: Mapping[str, Json] = {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "verified": True, "dane": True}
ORDER: list[TlsVerdict] = [verdict for verdict in TlsVerdict if verdict != TlsVerdict.UNKNOWN]


@pytest.mark.parametrize(
    ("details", "action", "leg"),
    [
        ({"tls": None}, "deliver", Leg.DELIVERY),
        ({"tls": None, "direction": "outbound"}, "defer", Leg.DELIVERY),
        ({"tls": None}, "smtp_tls", Leg.DELIVERY),
        ({"tls": None, "direction": " Inbound "}, "deliver", Leg.INBOUND),
        ({"tls": None, "direction": "internal"}, "deliver", Leg.INTERNAL),
        ({"tls": None}, "mail_accepted", Leg.UNKNOWN),
        ({"tls": None, "sasl_username": "alice"}, "mail_accepted", Leg.SUBMISSION),
        ({"tls": None}, "login", Leg.SUBMISSION),
        ({"tls": None}, "tls_report", Leg.INBOUND),
        ({"tls": None}, "something_else", Leg.UNKNOWN),
        ({"submission_tls": {}}, "deliver", Leg.SUBMISSION),
        ({"submission_tls": {}, "tls_leg": "caller"}, "deliver", Leg.CALLER),
        ({"submission_tls": {}, "tls_leg": "delivery"}, "deliver", Leg.SUBMISSION),
        ({"submission_tls": {}, "tls": None}, "deliver", Leg.DELIVERY),
        ({"tls": None, "tls_leg": "internal"}, "deliver", Leg.INTERNAL),
        ({"tls": None, "tls_leg": "delivery", "direction": "inbound"}, "deliver", Leg.INBOUND),
        ({"tls": None, "tls_leg": "delivery"}, "mail_accepted", Leg.UNKNOWN),
        ({"tls": None, "tls_leg": "mine"}, "deliver", Leg.UNKNOWN),
        ({"tls": None, "tls_leg": ["delivery"]}, "deliver", Leg.UNKNOWN),
    ],
)
def test_which_hop_a_record_speaks_of(details: Mapping[str, Json], action: str, leg: Leg) -> None:
    assert leg_of(details, action) is leg


@pytest.mark.parametrize("leg", [leg for leg in Leg if leg is not Leg.DELIVERY])
@pytest.mark.parametrize("session", [BEST, None, {"version": "TLSv1.0"}])
def test_a_session_on_another_leg_makes_the_delivery_look_neither_good_nor_bad(leg: Leg, session: Json) -> None:
    found = judge({"tls": session, "tls_leg": leg.value})

    assert (found.verdict, found.leg, found.confidence) == (TlsVerdict.UNKNOWN, leg, Confidence.UNKNOWN)
    assert (found.version, found.cipher, found.bits, found.weak, found.standing) == ("", "", 0, False, Standing.NOT_SAID)
    assert "not of the delivery" in found.evidence
    assert judge_session({"tls": session, "tls_leg": leg.value}).verdict is not TlsVerdict.UNKNOWN


def test_the_evidence_names_the_field_and_whether_it_stood_in_another_record() -> None:
    own = judge({"tls": BEST, "tls_field": "X, CV"})
    joined = judge({"tls": {**BEST, "evidence": "line-1"}, "tls_field": "STARTTLS=client"})

    assert own.evidence.endswith("; from X, CV")
    assert joined.evidence.endswith("; from STARTTLS=client in another record")
    assert "line-1" not in joined.evidence


def test_what_is_concluded_is_not_stated_and_nobody_can_raise_it() -> None:
    silent = judge({"tls": None, "tls_confidence": "inferred"})
    raised = judge({"tls": {"version": "TLSv1.3"}, "tls_confidence": "stated"})

    assert (silent.verdict, silent.confidence) == (TlsVerdict.NONE, Confidence.INFERRED)
    assert raised.confidence is Confidence.INFERRED
    assert judge({"tls": BEST}).confidence is Confidence.STATED
    assert judge({"tls": {"policy": "may", "verified": False}}).confidence is Confidence.INFERRED


@pytest.mark.parametrize(
    ("cipher", "clause"),
    [
        ("HOUSE-SUITE", "the suite is not known"),
        ("CALG_AES_256", "only the cipher is named"),
        ("ECDHE-RSA-CHACHA20-POLY1305", "in no list of NIST SP 800-52r2"),
    ],
)
def test_a_suite_in_no_list_is_neither_allowed_nor_weak_and_the_evidence_says_so(cipher: str, clause: str) -> None:
    found = judge({"tls": {"version": "TLSv1.2", "cipher": cipher, "verified": True}})

    assert (found.standing, found.weak) == (Standing.UNLISTED, False)
    assert clause in found.evidence
    assert "neither allowed nor called weak" in found.evidence


# What is true of one session, said without contradiction: a suite of its version, and the peer in one of the ways of sources.
PEERS: list[dict[str, Json]] = [
    {},
    {"level": "anonymous", "verified": False},
    {"level": "untrusted", "verified": False},
    {"level": "trusted", "verified": False},
    {"verified": False},
    {"level": "verified", "verified": True},
    {"verified": True},
    {"verified": True, "dane": True},
    {"verified": True, "policy": "dane-only"},
]


@st.composite
def sessions(draw: st.DrawFn) -> dict[str, Json]:
    name, known = draw(st.sampled_from(sorted(suites().items())))
    of_1_3 = "_WITH_" not in name
    version = "TLSv1.3" if of_1_3 else draw(st.sampled_from(["TLSv1", "TLSv1.1", "TLSv1.2"]))
    bits: dict[str, Json] = {"bits": known.bits} if known.bits else {}
    return {"version": version, "cipher": name, "established": True, **bits, **draw(st.sampled_from(PEERS))}


@given(sessions(), st.sets(st.sampled_from(["version", "cipher", "established", "bits", "level", "verified", "dane", "policy"])))
def test_removing_information_never_makes_a_verdict_better(session: dict[str, Json], gone: set[str]) -> None:
    """Of a session that was encrypted. (What says *no*, such as a level beside `verified`, is taken away with what it is about.)"""
    if "level" in gone:
        gone = gone | {"verified"}
    whole, less = judge({"tls": session}), judge({"tls": {name: value for name, value in session.items() if name not in gone}})

    if less.verdict is not TlsVerdict.UNKNOWN:
        assert ORDER.index(less.verdict) <= ORDER.index(whole.verdict)
    assert not (less.standing is Standing.ALLOWED and whole.standing is not Standing.ALLOWED)
    assert not (less.weak and not whole.weak)
    assert not (less.confidence is Confidence.STATED and whole.confidence is Confidence.INFERRED)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.text(max_size=12)
    | st.sampled_from(["9" * 5000, "TLSv1.3", "dane"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*BEST, "level", "policy", "bits", "x"]), inner, max_size=5)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(["tls", "submission_tls", "tls_leg", "tls_field", "tls_confidence", "direction", "sasl_username"])


@given(st.dictionaries(NAMES, ANYTHING, max_size=6), st.sampled_from(["deliver", "mail_accepted", "login", "tls_report", "", "x"]))
def test_whatever_is_said_gets_a_judgement_that_holds_together(details: dict[str, object], action: str) -> None:
    normal = normalise(details)
    assert isinstance(normal, Mapping)
    found = judge(normal, action)

    assert found.evidence
    assert (found.verdict is TlsVerdict.UNKNOWN) == (found.confidence is Confidence.UNKNOWN)
    if found.verdict is not TlsVerdict.UNKNOWN:
        assert found.leg is Leg.DELIVERY
        assert action == "deliver"
    if found.verdict.is_verified:
        session = normal["tls"]
        assert isinstance(session, Mapping)
        assert session.get("verified") is True or str(session.get("level")).strip().lower() == "verified"
