"""Index trees: exact bytes, a proof of every row and every gap, and nothing but the true proof accepted."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import IntegrityError
from domain.index_tree import (
    Dimension,
    IndexProof,
    IndexTree,
    Place,
    Row,
    index_key,
    subject_digest,
    tag,
    verify_index_proof,
)
from domain.merkle import EMPTY_ROOT

SECRET = bytes(range(32))

KEY = "56a300e7d872cf8d563863a424c3db20176a93588102bf0887eb4fd545c2c3f0"
ROWS = [
    (
        "075093ef497c7a4e563bcdf27d0d13142de3621a454af2a00ff6b37789050f53"
        "0000000000000002df57e8c7013821900f53f5524c92ad1de22be3ee135131b0c0cd45e28ca0201e"
    ),
    (
        "59f94bb8f5ff73ac333087b1d7483606d382b6760419d9a1684dba47cd475181"
        "00000000000000011c9a80a508fce084a1ecf7d20f850631889211793d3c3209e5e8384017720447"
    ),
    (
        "98f5315cd31d9d540ca55b0c038efca382fdc75a6dbde1de83bb259f01e77f47"
        "00000000000000019e563e9b3334e90666ae0b49cb1d683e0de00808d1584d5d85fe83b80ab7974e"
    ),
]
ROOT = "300db9eb53e2a6519b0bf2a9f8ddd844b9c2bd26c2e55f21ad8b0eeacf501e0c"
PROOF = {
    "row": ROWS[1],
    "index": 1,
    "path": [
        "1bea01ef650d3e00d913c348db1bae69cc21574a93e4204afb8016de2a2a63c2",
        "5a08a3ef9964607330ed2a001c98766635acb66c67285325eab9733f9fad925d",
    ],
}


def numbered(number: int) -> bytes:
    """A tag by its number, so that order can be seen."""
    return number.to_bytes(32, "big")


def tree_of(numbers: Sequence[int]) -> IndexTree:
    return IndexTree(Row(numbered(n), 1 + n % 3, hashlib.sha256(b"%d" % n).digest()) for n in numbers)


def test_keys_tags_rows_and_root_are_these_bytes() -> None:
    """The vector of docs/log-format.md section 9: a re-implementer gets the same. Each step is written out beside it."""
    leaves = [hashlib.sha256(b"leaf %d" % seq).digest() for seq in range(4)]
    key = index_key(SECRET, Dimension.PATIENT)
    rows = {
        "P-1": Row(tag(key, "P-1"), 2, subject_digest([(0, leaves[0]), (3, leaves[3])])),
        "P-2": Row(tag(key, "P-2"), 1, subject_digest([(1, leaves[1])])),
        "Zoë": Row(tag(key, "Zoë"), 1, subject_digest([(2, leaves[2])])),
    }
    tree = IndexTree(rows.values())

    assert key == hmac.new(SECRET, b"index\npatient", hashlib.sha256).digest()
    assert rows["Zoë"].tag == hmac.new(key, "Zoë".encode(), hashlib.sha256).digest()
    twice = bytes(8) + leaves[0] + bytes(7) + b"\x03" + leaves[3]
    assert rows["P-1"].bytes == rows["P-1"].tag + bytes(7) + b"\x02" + hashlib.sha256(twice).digest()
    assert key.hex() == KEY
    assert [tree.row(n).bytes.hex() for n in range(3)] == ROWS
    first, second, third = (hashlib.sha256(b"\x00" + bytes.fromhex(row)).digest() for row in ROWS)
    left = hashlib.sha256(b"\x01" + first + second).digest()
    assert tree.root == hashlib.sha256(b"\x01" + left + third).digest()
    assert (tree.size, tree.root.hex()) == (3, ROOT)
    assert tree.prove(rows["Zoë"].tag).to_json() == PROOF


def test_the_three_dimensions_have_keys_of_their_own() -> None:
    assert [dimension.value for dimension in Dimension] == ["patient", "actor", "source_system"]
    assert len({index_key(SECRET, dimension) for dimension in Dimension}) == 3


def test_a_row_reads_back() -> None:
    row = Row(numbered(7), 2**40 + 1, numbered(9))

    assert Row.parse(row.bytes) == row
    with pytest.raises(ValueError, match="72 bytes"):
        Row.parse(row.bytes[1:])


def test_rows_out_of_order_or_twice_are_no_tree() -> None:
    one, other = tree_of([1]).row(0), tree_of([2]).row(0)

    assert IndexTree.packed(one.bytes + other.bytes).root == IndexTree([other, one]).root
    for rows in ([other, one], [one, one]):
        with pytest.raises(ValueError, match="in order of their tags"):
            IndexTree.packed(b"".join(row.bytes for row in rows))
    with pytest.raises(ValueError, match="in order of their tags"):
        IndexTree([one, replace(one, count=9)])
    with pytest.raises(ValueError, match="72 bytes"):
        IndexTree.packed(one.bytes[:-1])


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 255, 256, 257, 511, 513])
def test_every_row_and_every_gap_is_proven(size: int) -> None:
    """Rows at even numbers, gaps at the odd ones around them."""
    tree = tree_of([2 * n for n in range(1, size + 1)])

    step = 1 if size < 10 else 29
    for number in {*range(1, 2 * size + 2, step), 2, 2 * size, 2 * size + 1}:
        proof = IndexProof.parse(tree.prove(numbered(number)).to_json())
        row = verify_index_proof(proof, numbered(number), tree.root, tree.size)
        if number % 2 or not size:
            assert row is None
            assert (proof.left is None, proof.right is None) == (number < 2 or not size, number > 2 * size or not size)
        else:
            assert row is not None
            assert (row.tag, row.count) == (numbered(number), 1 + number % 3)


def test_a_tree_as_large_as_a_busy_month_proves_a_row_and_a_gap() -> None:
    size = 70_000
    tree = tree_of([2 * n for n in range(1, size + 1)])

    for number in (2, 2 * size, 131_072, 131_074, 99_998):
        assert verify_index_proof(tree.prove(numbered(number)), numbered(number), tree.root, size) is not None
    for number in (1, 131_073, 2 * size + 1):
        assert verify_index_proof(tree.prove(numbered(number)), numbered(number), tree.root, size) is None


TREE = tree_of([2 * n for n in range(1, 12)])


def refused(proof: IndexProof, number: int, *, root: bytes = TREE.root, size: int = TREE.size) -> bool:
    try:
        verify_index_proof(proof, numbered(number), root, size)
    except IntegrityError:
        return True
    return False


def absence(left: int | None, right: int | None) -> IndexProof:
    """A proof of absence out of true places: by index, None for none."""
    places = [None if n is None else TREE.prove(TREE.row(n).tag).found for n in (left, right)]
    return IndexProof(left=places[0], right=places[1])


def test_neighbours_that_are_none_prove_no_absence() -> None:
    """The rows are 2, 4, …, 22 at places 0 to 10; asked is whether 8, at place 3, may be denied."""
    assert not refused(absence(2, 3), 7)
    assert refused(absence(2, 4), 8), "the row between them is left out"
    assert refused(absence(4, 2), 8)
    assert refused(absence(3, 3), 8)
    assert refused(absence(3, 4), 8), "its tag is the left one"
    assert refused(absence(2, 3), 8), "its tag is the right one"
    assert refused(absence(5, 6), 8)
    assert refused(absence(0, 1), 8)


def test_only_the_first_and_the_last_row_stand_alone() -> None:
    assert not refused(absence(None, 0), 1)
    assert not refused(absence(10, None), 23)
    assert refused(absence(None, 1), 1)
    assert refused(absence(None, 3), 7)
    assert refused(absence(9, None), 23)
    assert refused(absence(2, None), 7)
    assert refused(absence(None, 0), 23)
    assert refused(absence(10, None), 1)
    assert refused(absence(None, None), 7)


def test_an_empty_tree_shows_absence_and_nothing_else() -> None:
    nothing = IndexProof()

    assert not refused(nothing, 1, root=EMPTY_ROOT, size=0)
    assert refused(nothing, 1, root=TREE.root, size=0)
    assert refused(nothing, 1, root=EMPTY_ROOT, size=1)
    assert refused(absence(None, 0), 1, root=EMPTY_ROOT, size=0)
    assert refused(TREE.prove(numbered(2)), 2, root=EMPTY_ROOT, size=0)


def test_a_row_of_another_subject_or_another_tree_shows_nothing() -> None:
    proof = TREE.prove(numbered(8))
    assert proof.found is not None

    assert not refused(proof, 8)
    assert refused(proof, 10)
    assert refused(proof, 8, root=tree_of([8]).root)
    assert refused(proof, 8, size=4)
    assert refused(proof, 8, size=2**40)
    assert refused(replace(proof, left=proof.found), 8)
    assert refused(IndexProof(found=replace(proof.found, index=2)), 8)
    assert refused(IndexProof(found=replace(proof.found, index=-1)), 8)
    assert refused(IndexProof(found=replace(proof.found, index=TREE.size)), 8)
    assert refused(IndexProof(found=replace(proof.found, path=proof.found.path[:-1])), 8)
    assert refused(IndexProof(found=replace(proof.found, path=[*proof.found.path, TREE.root])), 8)


def test_a_subject_without_entries_has_no_row() -> None:
    empty = IndexTree([Row(numbered(8), 0, numbered(1))])

    assert refused(empty.prove(numbered(8)), 8, root=empty.root, size=1)
    assert refused(empty.prove(numbered(9)), 9, root=empty.root, size=1)


@given(st.data())
def test_a_proof_with_any_bit_changed_shows_nothing(data: st.DataObject) -> None:
    number = data.draw(st.integers(1, 23))
    proof = TREE.prove(numbered(number))
    sides = [side for side in ("found", "left", "right") if getattr(proof, side) is not None]
    side = data.draw(st.sampled_from(sides))
    place: Place = getattr(proof, side)
    part = data.draw(st.integers(0, len(place.path)))
    whole = bytearray(place.row.bytes if part == len(place.path) else place.path[part])
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    if part == len(place.path):
        changed = replace(place, row=Row.parse(bytes(whole)))
    else:
        changed = replace(place, path=[*place.path[:part], bytes(whole), *place.path[part + 1 :]])

    assert not refused(proof, number)
    assert refused(replace(proof, **{side: changed}), number)


@given(st.sets(st.binary(min_size=32, max_size=32), max_size=40), st.binary(min_size=32, max_size=32))
def test_any_tag_is_shown_to_be_there_or_not(tags: set[bytes], asked: bytes) -> None:
    tree = IndexTree(Row(one, 1, bytes(32)) for one in tags)

    for wanted in [asked, *sorted(tags)[:3]]:
        row = verify_index_proof(tree.prove(wanted), wanted, tree.root, tree.size)
        assert (row is not None) == (wanted in tags)


HASH = "0" * 64
ROW = "0" * 144


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"left": None},
        {"left": None, "right": {}},
        {"left": None, "right": None, "row": ROW},
        {"row": ROW, "index": 0},
        {"row": ROW, "index": 0, "path": [], "more": 1},
        {"row": None, "index": 0, "path": []},
        {"row": ROW[1:], "index": 0, "path": []},
        {"row": ROW[:-1] + "A", "index": 0, "path": []},
        {"row": ROW[:-2] + " 0", "index": 0, "path": []},
        {"row": ROW, "index": -1, "path": []},
        {"row": ROW, "index": True, "path": []},
        {"row": ROW, "index": "0", "path": []},
        {"row": ROW, "index": 0.0, "path": []},
        {"row": ROW, "index": 0, "path": {}},
        {"row": ROW, "index": 0, "path": [HASH[1:]]},
        {"row": ROW, "index": 0, "path": [HASH[:-1] + "F"]},
        {"row": ROW, "index": 0, "path": [HASH + "\n"]},
        {"row": ROW, "index": 0, "path": [0]},
        {"row": ROW, "index": 0, "path": [HASH] * 65},
    ],
)
def test_what_is_no_proof_is_refused(value: object) -> None:
    with pytest.raises(IntegrityError):
        IndexProof.parse(value)


def test_both_forms_read_back() -> None:
    for number in (1, 7, 8, 23):
        proof = TREE.prove(numbered(number))
        assert IndexProof.parse(proof.to_json()) == proof
    assert set(TREE.prove(numbered(8)).to_json()) == {"row", "index", "path"}
    assert TREE.prove(numbered(1)).to_json()["left"] is None
