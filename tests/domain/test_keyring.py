"""Key lists: which key signs which size, and how trust passes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.checkpoint import Head
from domain.errors import IntegrityError
from domain.json import canonical
from domain.keyring import KeyRing, RangedKey, successor_of
from domain.note import Signer

OLD, NEW, LAST = (Signer("log.example/spine", bytes([n]) * 32) for n in (1, 2, 3))
RING = KeyRing.of(OLD.verifier).rotated(9, NEW.verifier)


def note(size: int, *signers: Signer) -> str:
    text = Head("log.example/spine", size, bytes(32)).checkpoint
    signed = [signer.sign(text) for signer in signers]
    return signed[0] + "".join(one.removeprefix(f"{text}\n") for one in signed[1:])


def test_the_text_is_these_lines() -> None:
    assert RING.text == f"{OLD.verifier.text} 0 10\n{NEW.verifier.text} 10 -\n"
    assert KeyRing.parse(RING.text) == RING
    assert KeyRing.parse(OLD.verifier.text) == KeyRing.of(OLD.verifier)
    assert (RING.origin, RING.newest) == ("log.example/spine", NEW.verifier)


@pytest.mark.parametrize(
    ("size", "signers"),
    [(0, [OLD]), (9, [OLD]), (10, [OLD, NEW]), (10, [NEW, OLD]), (11, [NEW]), (9, [NEW, OLD]), (11, [OLD, NEW])],
)
def test_a_checkpoint_is_signed_by_the_keys_of_its_size(size: int, signers: list[Signer]) -> None:
    assert RING.open(note(size, *signers)).size == size


@pytest.mark.parametrize(
    ("size", "signers"),
    [(11, [OLD]), (9, [NEW]), (10, [OLD]), (10, [NEW]), (5, [LAST]), (20, [LAST, OLD])],
    ids=["old key, new size", "new key, old size", "rotation, old alone", "rotation, new alone", "unknown", "unknown and old"],
)
def test_a_key_outside_its_sizes_does_not_count(size: int, signers: list[Signer]) -> None:
    with pytest.raises(IntegrityError):
        RING.open(note(size, *signers))


def test_a_size_that_no_key_signs_for_is_refused() -> None:
    late = KeyRing((RangedKey(OLD.verifier, 5, None),))

    with pytest.raises(IntegrityError, match="no known key signs"):
        late.open(note(4, OLD))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_rotations_add_up(steps: list[int]) -> None:
    ring, index = KeyRing.of(OLD.verifier), 0
    for number, step in enumerate(steps):
        index += step
        ring = ring.rotated(index, Signer("log.example/spine", bytes([number + 10]) * 32).verifier)

    assert KeyRing.parse(ring.text) == ring
    sizes = range(index + 3)
    assert all(1 <= sum(key.covers(size) for key in ring.keys) <= 2 for size in sizes)
    assert sum(sum(key.covers(size) for key in ring.keys) == 2 for size in sizes) == len(steps)


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "nonsense", f"{OLD.verifier.text} 0", f"{OLD.verifier.text} 00 -",
        f"{OLD.verifier.text} 0 -\n{NEW.verifier.text} 10 -",
        f"{OLD.verifier.text} 0 9\n{NEW.verifier.text} 10 -", f"{OLD.verifier.text} 5 5\n{NEW.verifier.text} 5 -",
        f"{OLD.verifier.text} 0 9\n{Signer('other.example/spine', bytes(32)).verifier.text} 9 -", f"{OLD.verifier.text} -1 -",
    ],
)  # fmt: skip
def test_a_list_whose_ranges_do_not_join_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        KeyRing.parse(text)


def test_trust_follows_the_entry_that_names_the_next_key() -> None:
    fields = {"key": NEW.verifier.text, "previous": OLD.verifier.text}
    body = canonical({"kind": "key-rotate", "fields": fields})

    assert successor_of(body, OLD.verifier) == NEW.verifier
    for wrong in (
        canonical({"kind": "heads", "fields": fields}),
        canonical({"kind": "key-rotate", "fields": {**fields, "previous": LAST.verifier.text}}),
        canonical({"kind": "key-rotate", "fields": {**fields, "key": Signer("b.example/spine", bytes(32)).verifier.text}}),
        canonical({"kind": "key-rotate", "fields": {"key": NEW.verifier.text}}),
        b"[]",
        b"{",
    ):
        with pytest.raises(IntegrityError):
            successor_of(wrong, OLD.verifier)
