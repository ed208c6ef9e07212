"""One name for a suite whoever logged it, its key, and what the policy says of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.tls_policy import ALLOWED, SHORTEST_KEY, Standing, is_weak, standing
from domain.tls_suites import key_bits, normalise_cipher, spellings, suite, suites


@pytest.mark.parametrize(
    ("written", "version", "name", "bits"),
    [
        ("ECDHE-RSA-AES256-GCM-SHA384", "", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 256),
        ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 256),
        ("TLS_ECDHE_RSA_AES_256_GCM_SHA384", "", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 256),
        ("ECDHE_RSA_AES_256_GCM_SHA384", "", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 256),
        ("ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits)", "", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 256),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384_P384", "", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", 256),
        ("ecdhe-ecdsa-chacha20-poly1305", "", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", 256),
        ("DHE-RSA-AES256-SHA256", "", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", 256),
        ("DHE-RSA-AES128-CCM8", "", "TLS_DHE_RSA_WITH_AES_128_CCM_8", 128),
        ("AES128-SHA", "", "TLS_RSA_WITH_AES_128_CBC_SHA", 128),
        ("TLS_RSA_AES_128_CBC_SHA1", "", "TLS_RSA_WITH_AES_128_CBC_SHA", 128),
        ("EDH-RSA-DES-CBC3-SHA", "", "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA", 112),
        ("RSA_3DES_EDE_CBC_SHA1", "", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", 112),
        ("RSA_ARCFOUR_128_MD5", "", "TLS_RSA_WITH_RC4_128_MD5", 128),
        ("EXP-RC4-MD5", "", "TLS_RSA_EXPORT_WITH_RC4_40_MD5", 40),
        ("ADH-AES256-GCM-SHA384", "", "TLS_DH_anon_WITH_AES_256_GCM_SHA384", 256),
        ("SSL_RSA_WITH_RC4_128_SHA", "", "TLS_RSA_WITH_RC4_128_SHA", 128),
        ("TLS_AES_128_CCM_8_SHA256", "TLSv1.3", "TLS_AES_128_CCM_8_SHA256", 128),
        ("AEAD-AES256-GCM-SHA384", "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256),
        ("ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM", "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256),
        ("ECDHE_SECP256R1__ECDSA_SHA256__AES_128_GCM", "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 128),
        ("ECDHE_X25519__RSA_SHA256__AES_128_CBC__SHA1", "TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", 128),
        ("ECDHE_X25519__RSA_SHA256__CHACHA20_POLY1305", "TLSv1.2", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 256),
        ("RSA__AES_256_CBC__SHA1", "TLSv1.2", "TLS_RSA_WITH_AES_256_CBC_SHA", 256),
        ("ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM", "", "ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM", 256),
        ("CALG_AES_256", "TLSv1.2", "AES_256", 256),
        ("CALG_AES_256 with strength 256 bits", "TLSv1.2", "AES_256", 256),
        ("0x660e", "TLSv1.2", "AES_128", 128),
        ("0x00006610", "TLSv1.2", "AES_256", 256),
        ("26128", "TLSv1.2", "AES_256", 256),
        ("CALG_3DES", "TLSv1.2", "3DES", 112),
        ("house-suite-of-tomorrow", "TLSv1.3", "HOUSE-SUITE-OF-TOMORROW", 0),
        ("", "TLSv1.3", "", 0),
    ],
)
def test_one_name_and_the_bits_of_its_key(written: str, version: str, name: str, bits: int) -> None:
    assert normalise_cipher(written, version) == name
    assert key_bits(written, version=version) == bits


def test_the_lower_of_two_key_sizes_counts() -> None:
    assert key_bits("AES256-SHA", 128) == 128
    assert key_bits("AES256-SHA (112/256 bits)") == 112
    assert key_bits("DES-CBC3-SHA", 168) == 112
    assert key_bits("SOME-SUITE", 168) == 168
    assert key_bits("AES256-SHA", 0) == 256
    assert key_bits("SOME-SUITE", 999_999_999) == 0


def test_a_name_is_its_own_name_and_no_spelling_means_two_suites() -> None:
    for name, known in suites().items():
        assert normalise_cipher(name) == name
        assert normalise_cipher(name.lower()) == name
        assert suite(name) == known
    for written, known in spellings().items():
        assert normalise_cipher(written) == normalise_cipher(written.replace("_", "-")) == known.name


def test_every_allowed_suite_is_in_the_table_and_long_enough() -> None:
    for version, names in ALLOWED.items():
        for name in names:
            assert suites()[name].bits >= SHORTEST_KEY, name
            assert standing(version, name) is Standing.ALLOWED


@pytest.mark.parametrize(
    ("version", "cipher", "expected"),
    [
        ("TLSv1.3", "TLS_AES_256_GCM_SHA384", Standing.ALLOWED),
        ("TLSv1.2", "ECDHE-ECDSA-AES128-SHA", Standing.ALLOWED),
        ("TLSv1.2", "TLS_AES_256_GCM_SHA384", Standing.UNLISTED),
        ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256", Standing.UNLISTED),
        ("TLSv1.2", "ECDHE-RSA-CAMELLIA128-SHA256", Standing.UNLISTED),
        ("TLSv1.2", "AES128-GCM-SHA256", Standing.UNLISTED),
        ("TLSv1.2", "CALG_AES_256", Standing.UNLISTED),
        ("TLSv1.2", "HOUSE-SUITE", Standing.UNLISTED),
        ("TLSv1.2", "CALG_RC4", Standing.REFUSED),
        ("TLSv1.2", "0x6603", Standing.REFUSED),
        ("TLSv1.2", "CALG_DES", Standing.REFUSED),
        ("TLSv1.1", "ECDHE-RSA-AES128-SHA", Standing.REFUSED),
        ("TLSv1.0", "", Standing.REFUSED),
        ("TLSv1.2", "", Standing.NOT_SAID),
        ("", "TLS_AES_256_GCM_SHA384", Standing.NOT_SAID),
        ("", "", Standing.NOT_SAID),
    ],
)
def test_allowed_refused_or_in_no_list(version: str, cipher: str, expected: Standing) -> None:
    assert standing(version, cipher) is expected
    assert is_weak(version, cipher) is (expected is Standing.REFUSED)


def test_every_suite_of_the_table_that_is_not_listed_is_refused_or_said_to_be_in_no_list() -> None:
    refused = {name for name in suites() if standing("TLSv1.2", name) is Standing.REFUSED}
    unlisted = {name for name in suites() if standing("TLSv1.2", name) is Standing.UNLISTED}

    assert all(any(word in name for word in ("NULL", "anon", "EXPORT", "RC4", "DES", "IDEA", "MD5")) for name in refused)
    assert {name.split("_WITH_")[-1].split("_")[0] for name in unlisted if not name.startswith("TLS_RSA_")} <= {
        *("CHACHA20", "CAMELLIA", "ARIA", "SEED"),
        *("TLS",),  # TLS 1.3's suites, under another version
    }
    assert refused | unlisted | ALLOWED["TLSv1.2"] == set(suites())


@given(st.text(max_size=30), st.text(max_size=60), st.none() | st.integers(-5, 10_000))
def test_any_text_has_a_standing(version: str, cipher: str, bits: int | None) -> None:
    assert isinstance(standing(version, cipher, bits), Standing)
    assert 0 <= key_bits(cipher, bits, version) <= 4096
