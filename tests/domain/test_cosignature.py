"""Cosignatures of both kinds: the bytes that are signed, who counts, and what is refused."""

import base64
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from hypothesis import given
from hypothesis import strategies as st

from domain.checkpoint import Head
from domain.cosignature import Algorithm, Cosignature, Cosigner, CosigningKey, add_lines, cosignatures, lines_of
from domain.errors import IntegrityError
from domain.note import Signature, Signer, Verifier, open_note, split_note

# The example of the cosignature specification: the note, and the time that its signed message names.
EXAMPLE = (
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBI"
    "fZ+qnA==\n"
)
EXAMPLE_TEXT = EXAMPLE.split("\n\n", maxsplit=1)[0] + "\n"
EXAMPLE_TIME = 1679315147

ED25519 = CosigningKey("witness.example/w1", bytes(range(32)), Algorithm.ED25519)
ML_DSA_44 = CosigningKey("witness.example/w2", bytes(range(32)), Algorithm.ML_DSA_44)
KEYS = [ED25519, ML_DSA_44]
LOG = Signer("log.example/spine", bytes(range(1, 33)))
HEAD = Head("log.example/spine", 42, bytes(range(32)))
NOTE = LOG.sign(HEAD.checkpoint)

both = pytest.mark.parametrize("key", KEYS, ids=["ed25519", "ml-dsa-44"])
keys = st.sampled_from(KEYS)
times = st.integers(0, 2**63 - 1)


def payload(line: str) -> bytes:
    return Signature.parse(line.removesuffix("\n")).payload


def test_the_published_example_is_read_as_it_is_meant() -> None:
    text, signatures = split_note(EXAMPLE)

    assert text == EXAMPLE_TEXT
    assert [signature.name for signature in signatures] == ["example.com/behind-the-sofa", "witness.example.com/w1"]
    assert [signature.key_id.hex() for signature in signatures] == ["033de0ae", "8d66cf3f"]
    assert len(signatures[1].payload) == 8 + 64
    assert int.from_bytes(signatures[1].payload[:8], "big") == EXAMPLE_TIME
    assert f"{text}\n{''.join(signature.line for signature in signatures)}" == EXAMPLE


def test_ed25519_signs_the_message_of_the_specification() -> None:
    signed = payload(ED25519.cosign(EXAMPLE_TEXT, EXAMPLE_TIME))
    message = (
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )

    assert signed[:8] == struct.pack(">Q", EXAMPLE_TIME)
    Ed25519PublicKey.from_public_bytes(ED25519.cosigner.public).verify(signed[8:], message)


def test_ml_dsa_44_signs_the_struct_of_the_specification() -> None:
    signed = payload(ML_DSA_44.cosign(EXAMPLE_TEXT, EXAMPLE_TIME))
    message = bytes.fromhex(
        "737562747265652f76310a00"  # label: subtree/v1, newline, zero
        "12" + b"witness.example/w2".hex() + "00000000641850cb"  # cosigner's name after its length; the timestamp
        "1b" + b"example.com/behind-the-sofa".hex() + "0000000000000000"  # origin after its length; from leaf 0
        "00000000013e2dc3"  # to 20852163
        "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    )

    assert signed[:8] == struct.pack(">Q", EXAMPLE_TIME)
    assert len(signed) == 8 + 2420
    MLDSA44PublicKey.from_public_bytes(ML_DSA_44.cosigner.public).verify(signed[8:], message)


def test_an_ed25519_cosignature_is_these_bytes() -> None:
    assert ED25519.cosigner.text == "witness.example/w1+e75f6532+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    assert ED25519.cosign(EXAMPLE_TEXT, EXAMPLE_TIME) == (
        "— witness.example/w1 "
        "519lMgAAAABkGFDLBuRDazBLVac2NE+Y+IjbjQOcXLfF9CSDZVUIoS83rE1nFZsVE8YiWV6Ngr7lV8H6bdoBQGP/l73euDMQ9k+bBQ==\n"
    )


@both
def test_a_key_reads_back_and_tells_nothing(key: CosigningKey) -> None:
    assert Cosigner.parse(key.cosigner.text) == key.cosigner
    assert CosigningKey.parse(key.text) == key
    assert CosigningKey.parse(f"{key.text}\n") == key
    assert key.cosigner.text.startswith(f"{key.name}+{key.cosigner.key_id.hex()}+")
    assert key.seed.hex() not in repr(key)
    assert repr(key.seed) not in repr(key)
    assert base64.b64encode(key.seed).decode()[:8] not in repr(key)


def test_a_key_id_depends_on_name_type_and_key() -> None:
    one = ED25519.cosigner
    plain = Verifier(one.name, one.public)

    assert len({one.key_id, plain.key_id, Cosigner("witness.example/other", one.public, one.algorithm).key_id}) == 3


@both
@given(st.data())
def test_a_broken_key_is_refused(key: CosigningKey, data: st.DataObject) -> None:
    for text, parse in ((key.cosigner.text, Cosigner.parse), (key.text, CosigningKey.parse)):
        place = data.draw(st.integers(0, len(text) - 1))
        other = data.draw(st.characters(codec="ascii", exclude_characters=text[place]).filter(lambda c: not c.isspace()))
        with pytest.raises(IntegrityError) as caught:
            parse(text[:place] + other + text[place + 1 :])
        assert text not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "witness.example/w1",
        "a b+00000000+BAAA",
        "+00000000+BAAA",
        "witness.example/w1+e75f6532+",
        "witness.example/w1+e75f6532+BA==",
        ED25519.cosigner.text + "=",
        ED25519.cosigner.text.replace("e75f6532", "E75F6532"),
        Verifier(ED25519.name, ED25519.cosigner.public).text,
        Cosigner("w" * 256, ML_DSA_44.cosigner.public, Algorithm.ML_DSA_44).text,
        Cosigner(ED25519.name, ED25519.cosigner.public, Algorithm.ML_DSA_44).text,
    ],
)
def test_what_is_no_cosigner_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        Cosigner.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ED25519.cosigner.text,
        ED25519.text.removeprefix("PRIVATE+KEY+"),
        "PRIVATE+KEY+witness.example/w1+e75f6532+BAAA",
        CosigningKey(ED25519.name, ED25519.seed, Algorithm.ED25519).text.replace("w1", "w2"),
    ],
)
def test_what_is_no_private_key_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        CosigningKey.parse(text)


@given(keys, times, st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.text("abc/.é", min_size=1, max_size=40))
def test_what_is_cosigned_verifies_and_says_when(key: CosigningKey, time: int, size: int, root: bytes, origin: str) -> None:
    text = Head(origin, size, root).checkpoint

    assert key.cosigner.verify(text, payload(key.cosign(text, time))) == time


@given(keys, st.data())
def test_a_flipped_bit_in_a_cosignature_verifies_nothing(key: CosigningKey, data: st.DataObject) -> None:
    signed = bytearray(payload(key.cosign(HEAD.checkpoint, 1_700_000_000)))
    place = data.draw(st.integers(0, 8 * len(signed) - 1))
    signed[place // 8] ^= 1 << place % 8

    assert key.cosigner.verify(HEAD.checkpoint, bytes(signed)) is None


@both
def test_a_cosignature_is_for_one_checkpoint_key_and_length(key: CosigningKey) -> None:
    signed = payload(key.cosign(HEAD.checkpoint, 5))
    stranger = CosigningKey(key.name, bytes(32), key.algorithm).cosigner

    assert key.cosigner.verify(HEAD.checkpoint, signed) == 5
    assert stranger.verify(HEAD.checkpoint, signed) is None
    for other in (Head("log.example/other", 42, HEAD.root), Head(HEAD.origin, 43, HEAD.root), Head(HEAD.origin, 42, bytes(32))):
        assert key.cosigner.verify(other.checkpoint, signed) is None
    for length in (0, 7, 8, len(signed) - 1):
        assert key.cosigner.verify(HEAD.checkpoint, signed[:length]) is None
    assert key.cosigner.verify(HEAD.checkpoint, signed + b"\x00") is None
    assert key.cosigner.verify("no checkpoint\n", signed) is None


def test_a_time_beyond_63_bits_is_neither_made_nor_believed() -> None:
    private = ED25519._key()
    message = f"cosignature/v1\ntime {2**63}\n{HEAD.checkpoint}".encode()
    signed = struct.pack(">Q", 2**63) + private.sign(message)

    assert ED25519.cosigner.verify(HEAD.checkpoint, signed) is None
    for time in (-1, 2**63):
        with pytest.raises(ValueError, match="timestamp"):
            ED25519.cosign(HEAD.checkpoint, time)


@both
@pytest.mark.parametrize(
    "text", ["", "a\n1\n", "a\n01\n" + "A" * 43 + "=\n", HEAD.checkpoint.removesuffix("\n"), HEAD.checkpoint + "\n"]
)
def test_what_is_no_checkpoint_is_not_cosigned(key: CosigningKey, text: str) -> None:
    with pytest.raises(IntegrityError):
        key.cosign(text, 1)


def test_extension_lines_are_signed_by_ed25519_only() -> None:
    """So the specification has it: ML-DSA-44 makes no statement about them."""
    extended = HEAD.checkpoint + "an extension\n"

    assert ED25519.cosigner.verify(extended, payload(ED25519.cosign(HEAD.checkpoint, 1))) is None
    assert ML_DSA_44.cosigner.verify(extended, payload(ML_DSA_44.cosign(HEAD.checkpoint, 1))) == 1


def test_the_name_is_signed_by_ml_dsa_44_only() -> None:
    """So the specification has it: one Ed25519 key must not serve two cosigners."""
    for key, expected in ((ED25519, 1), (ML_DSA_44, None)):
        renamed = Cosigner("witness.example/other", key.cosigner.public, key.algorithm)
        assert renamed.verify(HEAD.checkpoint, payload(key.cosign(HEAD.checkpoint, 1))) == expected


def test_an_origin_too_long_for_the_struct_is_refused_by_ml_dsa_44() -> None:
    fits, beyond = (Head("o" * length, 1, bytes(32)).checkpoint for length in (255, 256))

    assert ML_DSA_44.cosigner.verify(fits, payload(ML_DSA_44.cosign(fits, 1))) == 1
    assert ED25519.cosigner.verify(beyond, payload(ED25519.cosign(beyond, 1))) == 1
    with pytest.raises(IntegrityError, match="255 bytes"):
        ML_DSA_44.cosign(beyond, 1)
    assert ML_DSA_44.cosigner.verify(beyond, payload(ML_DSA_44.cosign(fits, 1))) is None


def test_known_cosigners_are_found_in_a_note_and_others_ignored() -> None:
    lines = [key.cosign(HEAD.checkpoint, 7 + n) for n, key in enumerate(KEYS)]
    note = add_lines(NOTE, lines)

    assert cosignatures(note, [key.cosigner for key in KEYS]) == [
        Cosignature("witness.example/w1", 7, Algorithm.ED25519),
        Cosignature("witness.example/w2", 8, Algorithm.ML_DSA_44),
    ]
    assert cosignatures(note, [ML_DSA_44.cosigner]) == [Cosignature("witness.example/w2", 8, Algorithm.ML_DSA_44)]
    assert cosignatures(NOTE, [key.cosigner for key in KEYS]) == []
    assert cosignatures(EXAMPLE, [key.cosigner for key in KEYS]) == []
    assert open_note(note, [LOG.verifier]).signers == (LOG.name,)


def test_a_cosigner_counts_once_with_its_earliest_time() -> None:
    again = NOTE + "".join(ED25519.cosign(HEAD.checkpoint, time) for time in (9, 7, 8, 7))

    assert cosignatures(again, [ED25519.cosigner, ED25519.cosigner]) == [Cosignature(ED25519.name, 7, Algorithm.ED25519)]


@both
def test_a_known_cosigner_that_does_not_fit_rejects_the_note(key: CosigningKey) -> None:
    wrong = key.cosign(Head(HEAD.origin, 43, HEAD.root).checkpoint, 7)
    fitting = [other.cosign(HEAD.checkpoint, 7) for other in KEYS if other is not key]
    note = add_lines(NOTE, [*fitting, wrong])

    with pytest.raises(IntegrityError, match="does not fit"):
        cosignatures(note, [other.cosigner for other in KEYS])
    assert len(cosignatures(note, [other.cosigner for other in KEYS if other is not key])) == 1


def test_sixteen_junk_signatures_do_not_matter() -> None:
    junk = "".join(f"— junk{n} {base64.b64encode(bytes([n]) * 76).decode()}\n" for n in range(15))
    same_name = Signature(ED25519.name, bytes(4), bytes(72)).line
    note = NOTE + junk + same_name + ED25519.cosign(HEAD.checkpoint, 7)

    assert cosignatures(note, [ED25519.cosigner]) == [Cosignature(ED25519.name, 7, Algorithm.ED25519)]


@pytest.mark.parametrize(
    "broken",
    [
        lambda note: note.replace("\n", "\r\n"),
        lambda note: note.removesuffix("\n"),
        lambda note: note.replace("\n\n", "\n\n\n"),
        lambda note: note + "\n",
        lambda note: note + "— x !!!\n",
        lambda note: note + "— x AAAA\n",
        lambda note: note + "- x AAAAAAAA\n",
        lambda note: note + "— x\x00 AAAAAAAA\n",
        lambda note: note + "— x\u2003y AAAAAAAA\n",
        lambda note: note + "— \udcff AAAAAAAA\n",
        lambda note: note + "— x AAAAAAAA\n" * 63,
        lambda note: note.replace("\n42\n", "\n042\n"),
        lambda note: note.replace("\n42\n", "\n42 \n"),
        lambda note: note.replace("\n42\n", "\n٤٢\n"),
        lambda note: note.replace("\n42\n", f"\n{2**63}\n"),
        lambda note: note.replace("\n42\n", "\n" + "9" * 5000 + "\n"),
    ],
)
def test_malformed_notes_are_refused(broken) -> None:  # type: ignore[no-untyped-def]
    note = add_lines(NOTE, [ED25519.cosign(HEAD.checkpoint, 7)])
    assert cosignatures(note, [ED25519.cosigner])

    with pytest.raises(IntegrityError):
        cosignatures(broken(note), [ED25519.cosigner])


def test_no_line_is_added_twice() -> None:
    line, later = ED25519.cosign(HEAD.checkpoint, 7), ED25519.cosign(HEAD.checkpoint, 8)
    once = add_lines(NOTE, [line])

    assert once == NOTE + line
    assert add_lines(once, [line, later]) == once
    assert add_lines(NOTE, [line, line.removesuffix("\n"), later]) == once
    assert add_lines(NOTE, [NOTE.split("\n\n")[1]]) == NOTE
    assert add_lines(NOTE, []) == NOTE


def test_lines_are_added_up_to_the_limit_and_only_if_they_are_lines() -> None:
    lines = [Signature(f"w{n}", bytes(4), bytes(72)).line for n in range(64)]

    assert len(split_note(add_lines(NOTE, lines[:63]))[1]) == 64
    with pytest.raises(IntegrityError, match="too many"):
        add_lines(NOTE, lines)
    for broken in ("", "\n", "x\n", lines[0] + lines[1], "— a b\n", "— w0 AAAAAAAA\n\n"):
        with pytest.raises(IntegrityError):
            add_lines(NOTE, [broken])
    with pytest.raises(IntegrityError):
        add_lines(HEAD.checkpoint, lines[:1])


def test_of_an_answer_only_the_witness_s_own_fitting_lines_are_kept() -> None:
    own, other = ED25519.cosign(HEAD.checkpoint, 7), ML_DSA_44.cosign(EXAMPLE_TEXT, 7)

    assert lines_of(ED25519.cosigner, HEAD.checkpoint, [other, own]) == [own]
    assert lines_of(ED25519.cosigner, HEAD.checkpoint, [other]) == []
    assert lines_of(ED25519.cosigner, HEAD.checkpoint, [Signature(ED25519.name, bytes(4), bytes(72)).line, own]) == [own]
    with pytest.raises(IntegrityError, match="does not fit"):
        lines_of(ML_DSA_44.cosigner, HEAD.checkpoint, [other, own])
    with pytest.raises(IntegrityError, match="malformed"):
        lines_of(ED25519.cosigner, HEAD.checkpoint, [own, "junk\n"])


@given(st.data())
def test_a_flipped_bit_of_a_cosigned_note_never_lets_a_cosigner_say_something_else(data: st.DataObject) -> None:
    whole = add_lines(NOTE, [ED25519.cosign(HEAD.checkpoint, 7)]).encode()
    place = data.draw(st.integers(0, len(whole) * 8 - 1))
    note = bytearray(whole)
    note[place // 8] ^= 1 << place % 8

    try:
        found = cosignatures(note.decode(), [ED25519.cosigner])
    except (UnicodeDecodeError, IntegrityError):
        return

    # The log's own line was hit, or the witness is no longer named; nobody says anything that it did not sign.
    assert found in ([], [Cosignature(ED25519.name, 7, Algorithm.ED25519)])
    if found:
        assert note.decode().split("\n\n")[0] + "\n" == HEAD.checkpoint
