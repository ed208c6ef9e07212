"""Signed notes and checkpoints: the published vector, and every malformed form."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.checkpoint import Head, heads_root, parse_checkpoint
from domain.errors import IntegrityError
from domain.merkle import EMPTY_ROOT
from domain.note import Signer, Verifier, open_note

# The example of the signed-note specification.
VECTOR_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
VECTOR = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
SIGNER = Signer("log.example/spine", bytes(range(32)))
OTHER = Signer("other.example/spine", bytes(range(1, 33)))
HEAD = Head("log.example/spine", 42, bytes(32))


def test_the_published_note_opens() -> None:
    opened = open_note(VECTOR, [Verifier.parse(VECTOR_KEY)])

    assert opened.signers == ("PeterNeumann",)
    assert opened.text == "\n".join(VECTOR.split("\n")[:2]) + "\n"
    assert Verifier.parse(VECTOR_KEY).text == VECTOR_KEY


def test_a_signed_checkpoint_opens_and_reads_back() -> None:
    note = SIGNER.sign(HEAD.checkpoint)

    assert parse_checkpoint(open_note(note, [SIGNER.verifier]).text) == HEAD


def test_unknown_keys_are_ignored_and_do_not_suffice() -> None:
    note = SIGNER.sign(HEAD.checkpoint)
    both = note + OTHER.sign(HEAD.checkpoint).rsplit("\n\n", 1)[1]

    assert open_note(both, [OTHER.verifier]).signers == (OTHER.name,)
    assert open_note(both, [OTHER.verifier, SIGNER.verifier]).signers == (SIGNER.name, OTHER.name)
    with pytest.raises(IntegrityError, match="no known key"):
        open_note(note, [OTHER.verifier])


def test_a_known_key_that_fails_rejects_the_note_whoever_else_signed() -> None:
    note = SIGNER.sign(HEAD.checkpoint)
    wrong = Signer(OTHER.name, OTHER.seed).sign("something else\n").rsplit("\n\n", 1)[1]

    with pytest.raises(IntegrityError, match="does not fit"):
        open_note(note + wrong, [SIGNER.verifier, OTHER.verifier])


@pytest.mark.parametrize(
    "broken",
    [
        lambda note: note.replace("\n", "\r\n"),
        lambda note: note.removesuffix("\n"),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.replace("—", "-"),
        lambda note: note + "— \n",
        lambda note: note + "— name !!!\n",
        lambda note: note + "— name AAAA\n",
        lambda note: note + "— name ÄÄÄÄÄÄÄÄ\n",
        lambda note: note + "\n",
        lambda note: note + "— a+b AAAAAAAA\n",
        lambda note: note + "— x AAAAAAAA\n" * 64,
        lambda note: note.replace("42", "43"),
    ],
)
def test_malformed_notes_are_refused(broken) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(IntegrityError):
        open_note(broken(SIGNER.sign(HEAD.checkpoint)), [SIGNER.verifier])


def test_sixteen_unknown_signatures_are_tolerated() -> None:
    junk = "".join(f"— junk{n} {base64.b64encode(bytes([n]) * 68).decode()}\n" for n in range(16))

    assert open_note(SIGNER.sign(HEAD.checkpoint) + junk, [SIGNER.verifier]).signers == (SIGNER.name,)


@given(st.integers(0, 10_000))
def test_a_flipped_bit_never_changes_what_was_signed(position: int) -> None:
    note = bytearray(SIGNER.sign(HEAD.checkpoint).encode())
    place = position % (len(note) * 8)
    note[place // 8] ^= 1 << place % 8

    try:
        opened = open_note(note.decode(), [SIGNER.verifier])
    except (UnicodeDecodeError, IntegrityError):
        return

    # Base64 has spare bits at its end: then the decoded signature is the very same, and so is what was signed.
    assert parse_checkpoint(opened.text) == HEAD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n",
        "a\n01\nAAAA\n",
        "a\n-1\nAAAA\n",
        "a\n1\n!\n",
        "a\n1\nAAAA\n",
        "a\n1\n" + "Ä" * 44 + "\n",
        "\n1\n" + "A" * 43 + "=\n",
        "a\n1\n" + "A" * 43 + "=",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "text", ["", "a+b", "a+00000000+AAAA", VECTOR_KEY.replace("c74f20a3", "c74f20a4"), VECTOR_KEY.replace("ARpc", "BBpc")]
)
def test_malformed_verifier_keys_are_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        Verifier.parse(text)


def test_the_order_of_heads_does_not_matter_and_their_content_does() -> None:
    one, two = Head("a/1", 1, bytes(32)), Head("a/2", 2, bytes(32))

    assert heads_root([one, two]) == heads_root([two, one])
    assert heads_root([one, two]) != heads_root([one, Head("a/2", 3, bytes(32))])
    assert heads_root([]) == EMPTY_ROOT
    assert Head.parse(one.line) == one


def test_a_signer_does_not_print_its_seed() -> None:
    assert SIGNER.seed.hex() not in repr(SIGNER)
    assert repr(SIGNER.seed) not in repr(SIGNER)
