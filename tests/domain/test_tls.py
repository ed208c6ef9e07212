"""The verdict for every way in which a source says, or does not say, how a delivery was protected."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.json import Json, normalise
from domain.tls import ASSUMED, TlsVerdict, is_weak, judge, normalise_cipher, normalise_version

STRONG = {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"}

VERDICTS: Mapping[str, tuple[Mapping[str, Json], TlsVerdict]] = {
    "nothing is said": ({}, TlsVerdict.UNKNOWN),
    "null": ({"tls": None}, TlsVerdict.NONE),
    "a version of null": ({"tls": {"version": None, "cipher": None, "verified": False}}, TlsVerdict.NONE),
    "an empty version": ({"tls": {"version": ""}}, TlsVerdict.NONE),
    "a version of none": ({"tls": {"version": "None"}}, TlsVerdict.NONE),
    "plain text however verified": ({"tls": {"version": None, "verified": True, "level": "verified"}}, TlsVerdict.NONE),
    "STARTTLS was not offered": ({"tls": {"starttls_offered": False}}, TlsVerdict.NONE),
    "an object that says nothing": ({"tls": {}}, TlsVerdict.UNKNOWN),
    "only that STARTTLS was offered": ({"tls": {"starttls_offered": True}}, TlsVerdict.UNKNOWN),
    "text in place of an object": ({"tls": "yes"}, TlsVerdict.UNKNOWN),
    # Postfix, the TLS summary line: the level it logged wins.
    "Postfix Anonymous": ({"tls": {**STRONG, "level": "anonymous", "verified": False, "bits": 256}}, TlsVerdict.ANONYMOUS),
    "Postfix Untrusted": ({"tls": {**STRONG, "level": "untrusted", "verified": False}}, TlsVerdict.UNTRUSTED),
    "Postfix Trusted": ({"tls": {**STRONG, "level": "Trusted", "verified": False}}, TlsVerdict.TRUSTED),
    "Postfix Verified": ({"tls": {**STRONG, "level": "verified", "verified": True}}, TlsVerdict.VERIFIED_WEBPKI),
    "a level wins over the flag": ({"tls": {**STRONG, "level": "untrusted", "verified": True}}, TlsVerdict.UNTRUSTED),
    "a level nobody knows": ({"tls": {**STRONG, "level": "splendid", "verified": False}}, TlsVerdict.UNTRUSTED),
    # Postfix 3.11, the tls= field of the status line.
    "Postfix tls=dane": ({"tls": {"policy": "dane", "verified": True}}, TlsVerdict.VERIFIED_DANE),
    "Postfix tls=dane-only and the line": (
        {"tls": {**STRONG, "policy": "dane-only", "level": "verified"}},
        TlsVerdict.VERIFIED_DANE,
    ),
    "Postfix tls=dane:halfdane": (
        {"tls": {"policy": "dane", "downgraded_to": "halfdane", "verified": False}},
        TlsVerdict.UNTRUSTED,
    ),
    "Postfix tls=secure": ({"tls": {"policy": "secure", "verified": True}}, TlsVerdict.VERIFIED_WEBPKI),
    "Postfix tls=may": ({"tls": {"policy": "may", "verified": False}}, TlsVerdict.UNTRUSTED),
    # Providers.
    "Mailgun, certificate verified": ({"tls": {"verified": True}}, TlsVerdict.VERIFIED_WEBPKI),
    "Mailgun, certificate not verified": ({"tls": {"verified": False}}, TlsVerdict.UNTRUSTED),
    "SendGrid tls=1": ({"tls": True}, TlsVerdict.ANONYMOUS),
    "SendGrid tls=0": ({"tls": False}, TlsVerdict.NONE),
    "SES ses:outgoing-tls-version": ({"tls": {"version": "TLSv1.3"}}, TlsVerdict.ANONYMOUS),
    "a Received header": ({"tls": {"version": "TLS1_2", "cipher": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"}}, TlsVerdict.ANONYMOUS),
    "Gmail log with the cipher only": ({"tls": {"cipher": "TLS_AES_256_GCM_SHA384"}}, TlsVerdict.ANONYMOUS),
    "the outward form, verified": ({"tls": {**STRONG, "verified": True, "starttls_offered": True}}, TlsVerdict.VERIFIED_WEBPKI),
    "the outward form, not verified": ({"tls": {**STRONG, "verified": False, "starttls_offered": True}}, TlsVerdict.UNTRUSTED),
}


@pytest.mark.parametrize(("details", "verdict"), VERDICTS.values(), ids=VERDICTS.keys())
def test_verdict(details: Mapping[str, Json], verdict: TlsVerdict) -> None:
    judgement = judge(details)

    assert judgement.verdict is verdict
    assert judgement.evidence


def test_the_lowest_reading_is_taken_and_said_to_be_assumed() -> None:
    assert ASSUMED in judge({"tls": {"version": "TLSv1.3"}}).evidence
    assert ASSUMED in judge({"tls": True}).evidence
    assert ASSUMED not in judge({"tls": {**STRONG, "level": "anonymous"}}).evidence


def test_only_what_the_source_says_is_good() -> None:
    assert [verdict for verdict in TlsVerdict if verdict.is_verified] == [TlsVerdict.VERIFIED_WEBPKI, TlsVerdict.VERIFIED_DANE]
    assert not TlsVerdict.UNKNOWN.is_encrypted
    assert not TlsVerdict.NONE.is_encrypted
    assert TlsVerdict.ANONYMOUS.is_encrypted


@pytest.mark.parametrize(
    ("written", "version"),
    [
        ("TLSv1.3", "TLSv1.3"),
        ("TLSv1.2", "TLSv1.2"),
        ("TLSv1.1", "TLSv1.1"),
        ("TLSv1", "TLSv1.0"),
        ("TLSv1.0", "TLSv1.0"),
        ("TLS1_2", "TLSv1.2"),
        ("TLS1_3", "TLSv1.3"),
        ("TLSV1_2", "TLSv1.2"),
        ("TLS 1.2", "TLSv1.2"),
        ("tls1.3", "TLSv1.3"),
        ("TLSv12", "TLSv1.2"),
        ("TLS_1_2", "TLSv1.2"),
        ("1.2", "TLSv1.2"),
        ("1.0", "TLSv1.0"),
        (" TLSv1.3 ", "TLSv1.3"),
        ("SP_PROT_TLS1_2_CLIENT", "TLSv1.2"),
        ("SP_PROT_TLS1_0_SERVER", "TLSv1.0"),
        ("SSLv3", "SSLv3"),
        ("SSL 3.0", "SSLv3"),
        ("SSLv2", "SSLv2"),
        ("TLSv1.4", ""),
        ("TLSv2", ""),
        ("3.0", ""),
        ("QUIC", ""),
        ("", ""),
    ],
)
def test_version_spellings(written: str, version: str) -> None:
    assert normalise_version(written) == version


@pytest.mark.parametrize(
    ("version", "cipher", "weak"),
    [
        ("TLSv1.3", "TLS_AES_128_GCM_SHA256", False),
        ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256", False),
        ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", False),
        ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits)", False),
        ("TLSv1.2", "DHE-RSA-AES128-SHA", False),
        ("TLSv1.2", "ECDHE-ECDSA-CAMELLIA128-SHA256", False),
        ("TLSv1.2", "", False),
        ("", "", False),
        ("TLSv1.1", "ECDHE-RSA-AES256-SHA", True),
        ("TLSv1.0", "", True),
        ("SSLv3", "AES256-SHA", True),
        ("TLSv1.2", "DES-CBC3-SHA", True),
        ("TLSv1.2", "EDH-RSA-DES-CBC3-SHA", True),
        ("TLSv1.2", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", True),
        ("TLSv1.2", "RSA-3DES-EDE-CBC-SHA1", True),
        ("TLSv1.2", "RC4-SHA", True),
        ("TLSv1.2", "TLS_RSA_WITH_RC4_128_MD5", True),
        ("TLSv1.2", "ECDHE-RSA-NULL-SHA", True),
        ("TLSv1.2", "TLS_RSA_WITH_NULL_SHA256", True),
        ("TLSv1.2", "EXP-DES-CBC-SHA", True),
        ("TLSv1.2", "TLS_RSA_EXPORT_WITH_RC4_40_MD5", True),
        ("TLSv1.2", "EXP1024-RC4-SHA", True),
        ("TLSv1.2", "ADH-AES256-GCM-SHA384", True),
        ("TLSv1.2", "AECDH-AES256-SHA", True),
        ("TLSv1.2", "TLS_ECDH_anon_WITH_AES_256_CBC_SHA", True),
        ("TLSv1.2", "IDEA-CBC-SHA", True),
        ("TLSv1.2", "AES128-SHA256 (112/128 bits)", True),
        ("", "rc4-md5", True),
    ],
)
def test_weakness(version: str, cipher: str, weak: bool) -> None:
    assert is_weak(version, cipher) is weak


def test_key_size_where_it_is_logged_apart() -> None:
    assert is_weak("TLSv1.2", "SOME-SUITE", bits=112)
    assert not is_weak("TLSv1.2", "SOME-SUITE", bits=128)
    assert judge({"tls": {"version": "TLSv1.2", "cipher": "SOME-SUITE", "verified": True, "bits": "56"}}).weak
    assert not judge({"tls": {"version": "TLSv1.2", "cipher": "SOME-SUITE", "verified": True, "bits": True}}).weak


def test_a_judgement_has_version_and_cipher_in_one_spelling() -> None:
    judgement = judge({"tls": {"version": "tls1_2", "cipher": "ecdhe-rsa-aes128-gcm-sha256 (128/128 bits)", "verified": True}})

    assert (judgement.version, judgement.cipher, judgement.weak) == ("TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", False)
    assert judgement.evidence == "TLSv1.2 with TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256; the peer's certificate was verified"
    assert normalise_cipher("AES256-SHA (256 bits)") == "TLS_RSA_WITH_AES_256_CBC_SHA"
    assert normalise_cipher("some-suite (256 bits)") == "SOME-SUITE"


def test_a_version_nobody_knows_is_said_and_not_taken_for_strong_or_weak() -> None:
    judgement = judge({"tls": {"version": "TLSv9", "verified": True}})

    assert (judgement.version, judgement.weak) == ("", False)
    assert "TLSv9; " in judgement.evidence
    assert "none that this program knows" in judgement.evidence


def test_weak_encryption_is_said_in_the_evidence() -> None:
    assert "SP 800-52r2" in judge({"tls": {"version": "TLSv1", "verified": True}}).evidence


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["version", "cipher", "verified", "level", "policy", "dane", "bits", "starttls_offered", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=8,
)


@given(ANYTHING)
def test_whatever_a_source_says_gets_a_verdict(tls: object) -> None:
    judgement = judge({"tls": normalise(tls)})

    assert isinstance(judgement.verdict, TlsVerdict)
    if judgement.verdict.is_verified:
        assert isinstance(tls, dict)
        assert tls.get("verified") is True or str(tls.get("level")).strip().lower() == "verified"
