"""Proofs as files: the layout of docs/log-format.md section 6, every step of the check, and every way to break a file."""

import base64

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.checkpoint import Head, heads_leaves, heads_root
from domain.cosignature import Algorithm, CosigningKey, add_lines, cosignatures
from domain.entry import chain, genesis
from domain.errors import IntegrityError
from domain.json import canonical
from domain.keyring import KeyRing, RangedKey
from domain.merkle import Leaves, inclusion_proof, leaf_hash, root
from domain.note import Signer
from domain.proof import EventProof, verify_event_proof
from domain.tlog_proof import EntryExtra, TlogProof, tlog_proof, verify_entry

# The eight inputs published with the reference implementation of RFC 6962, and the root of their tree.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"

ORIGIN = "log.example/spine"
SPINE = Signer(ORIGIN, bytes(range(32)))
RING = KeyRing.of(SPINE.verifier)
OTHER = Signer(ORIGIN, bytes(range(1, 33)))


def chained(origin: str, bodies: list[bytes]) -> list[bytes]:
    """What stands before the first leaf, and the leaves."""
    hashes = [genesis(origin, b"")]
    for body in bodies:
        hashes.append(chain(hashes[-1], body))
    return hashes


def event_proof(size: int = 5, index: int = 3, logs: int = 3, log: int = 1, spine: int = 6, entry: int = 4) -> EventProof:
    """The event at `index` of `size` in log number `log` of `logs`, committed to by spine entry number `entry` of `spine`."""
    bodies = [canonical({"v": 1, "seq": n, "action": "view_chart"}) for n in range(size)]
    origin = f"log.example/writer-{log}/2026-03"
    hashes = chained(origin, bodies)
    own = Head(origin, size, root(hashes[1:]))
    heads = [own if n == log else Head(f"log.example/writer-{n}/2026-03", 7, bytes([n]) * 32) for n in range(logs)]
    spine_bodies = [
        canonical({"v": 1, "seq": n, "kind": "heads", "heads_root": heads_root(heads).hex(), "fields": {}}) for n in range(spine)
    ]
    spine_hashes = chained(ORIGIN, spine_bodies)
    return EventProof(
        writer=f"writer-{log}",
        seq=index,
        body=bodies[index],
        previous=hashes[index],
        index=index,
        head=own,
        path=tuple(inclusion_proof(Leaves(hashes[1:]), index, size)),
        heads_index=log,
        heads_count=logs,
        heads_path=tuple(inclusion_proof(Leaves(heads_leaves(heads)), log, logs)),
        spine_body=spine_bodies[entry],
        spine_previous=spine_hashes[entry],
        spine_index=entry,
        spine_path=tuple(inclusion_proof(Leaves(spine_hashes[1:]), entry, spine)),
        checkpoint=SPINE.sign(Head(ORIGIN, spine, root(spine_hashes[1:])).checkpoint),
    )


PROOF = event_proof()
FILE = tlog_proof(PROOF)


@st.composite
def event_proofs(draw: st.DrawFn) -> EventProof:
    size, logs, spine = draw(st.integers(1, 40)), draw(st.integers(1, 9)), draw(st.integers(1, 20))
    return event_proof(
        size, draw(st.integers(0, size - 1)), logs, draw(st.integers(0, logs - 1)), spine, draw(st.integers(0, spine - 1))
    )


def check(text: str, body: bytes = PROOF.body, previous: bytes = PROOF.previous) -> Head:
    return verify_entry(TlogProof.parse(text), body, previous, [SPINE.verifier])


def test_the_file_is_laid_out_as_specified() -> None:
    first, extra, index, *path, empty = [*FILE.text.split("\n\n", maxsplit=1)[0].split("\n"), ""]
    hashes = b"".join([PROOF.spine_previous, *PROOF.heads_path, *PROOF.path])

    assert first == "c2sp.org/tlog-proof@v1"
    assert base64.b64decode(extra.removeprefix("extra ")) == (
        b"phitrail/entry-proof/v1\n" + PROOF.spine_body + b"\nlog.example/writer-1/2026-03 5 3 1 3\n" + hashes
    )
    assert index == "index 4"
    assert [base64.b64decode(line) for line in path] == list(PROOF.spine_path)
    assert empty == ""
    assert FILE.text.partition("\n\n")[2] == PROOF.checkpoint


def test_a_proof_without_extra_data_or_path_has_no_line_for_them() -> None:
    note = SPINE.sign(Head(ORIGIN, 1, leaf_hash(b"entry")).checkpoint)
    proof = TlogProof(0, (), note, None)

    assert proof.text == f"c2sp.org/tlog-proof@v1\nindex 0\n\n{note}"
    assert TlogProof.parse(proof.text) == proof
    assert proof.verify(leaf_hash(b"entry"), [SPINE.verifier]) == Head(ORIGIN, 1, leaf_hash(b"entry"))


def test_every_leaf_of_the_published_tree_is_proven() -> None:
    leaves = [leaf_hash(bytes.fromhex(text)) for text in INPUTS]
    note = SPINE.sign(Head(ORIGIN, 8, bytes.fromhex(ROOT)).checkpoint)
    for index, leaf in enumerate(leaves):
        text = TlogProof(index, tuple(inclusion_proof(Leaves(leaves), index, 8)), note, b"any").text
        proof = TlogProof.parse(text)
        assert proof.verify(leaf, [SPINE.verifier]).root.hex() == ROOT
        with pytest.raises(IntegrityError, match="at that index"):
            proof.verify(leaves[index - 1], [SPINE.verifier])


@given(event_proofs())
def test_what_is_proven_one_way_is_proven_the_other(proof: EventProof) -> None:
    made = tlog_proof(proof)
    read = TlogProof.parse(made.text)

    assert read == made
    assert read.text == made.text
    assert read.extra is not None
    assert EntryExtra.parse(read.extra) == EntryExtra.of(proof)
    assert EntryExtra.parse(read.extra).head(chain(proof.previous, proof.body)) == proof.head
    assert verify_entry(read, proof.body, proof.previous, [SPINE.verifier]) == verify_event_proof(proof, RING)
    assert read.verify(chain(proof.spine_previous, proof.spine_body), [SPINE.verifier]).size > proof.spine_index


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63), st.none() | st.binary(min_size=1))
def test_a_file_reads_back_whatever_it_proves(index: int, path: list[bytes], extra: bytes | None) -> None:
    proof = TlogProof(index, tuple(path), PROOF.checkpoint, extra)

    assert TlogProof.parse(proof.text) == proof


def test_cosignatures_travel_along() -> None:
    key = CosigningKey("witness.example/w1", bytes(32), Algorithm.ML_DSA_44)
    text = FILE.text.partition("\n\n")[2].partition("\n\n")[0] + "\n"
    cosigned = TlogProof(FILE.index, FILE.path, add_lines(FILE.checkpoint, [key.cosign(text, 9)]), FILE.extra)
    read = TlogProof.parse(cosigned.text)

    assert check(cosigned.text).origin == ORIGIN
    assert [found.timestamp for found in cosignatures(read.checkpoint, [key.cosigner])] == [9]


@pytest.mark.parametrize(
    ("step", "change"),
    [
        ("step 2", {"body": PROOF.body.replace(b"3", b"4")}),
        ("step 2", {"body": event_proof(index=2).body}),
        ("step 2", {"previous": bytes(32)}),
        ("step 2", {"previous": PROOF.previous + b"x"}),
    ],
)
def test_another_event_is_not_proven(step: str, change: dict[str, bytes]) -> None:
    assert check(FILE.text) == verify_event_proof(PROOF, RING)

    with pytest.raises(IntegrityError, match=f"^{step}: "):
        check(FILE.text, **change)


def extra_with(**changes: object) -> str:
    fields = {name: getattr(EntryExtra.of(PROOF), name) for name in EntryExtra.__slots__}
    return TlogProof(FILE.index, FILE.path, FILE.checkpoint, EntryExtra(**{**fields, **changes}).data).text


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ("step 2", extra_with(origin="log.example/writer-2/2026-03")),
        ("step 2", extra_with(index=2)),
        ("step 2", extra_with(size=6)),
        ("step 2", extra_with(heads_index=0)),
        ("step 2", extra_with(spine_body=b"{}")),
        ("step 2", extra_with(spine_body=b"[]")),
        ("step 2", extra_with(spine_body=b"no json")),
        ("step 2", extra_with(spine_body=b'{"heads_root":7}')),
        ("step 2", extra_with(spine_body=b'{"heads_root":"' + b"00" * 32 + b'"}')),
        ("step 3", extra_with(spine_body=PROOF.spine_body.replace(b'"v":1', b'"v":2'))),
        ("step 3", extra_with(spine_previous=bytes(32))),
        ("step 3", FILE.text.replace("index 4", "index 5")),
        ("step 3", TlogProof(FILE.index, FILE.path[:-1], FILE.checkpoint, FILE.extra).text),
        ("step 3", TlogProof(FILE.index, (*FILE.path, bytes(32)), FILE.checkpoint, FILE.extra).text),
        ("step 3", TlogProof(FILE.index, FILE.path, SPINE.sign(Head(ORIGIN, 6, bytes(32)).checkpoint), FILE.extra).text),
        ("step 4", TlogProof(FILE.index, FILE.path, OTHER.sign(FILE.checkpoint.partition("\n\n")[0] + "\n"), FILE.extra).text),
        ("step 4", FILE.text.replace(f"\n{ORIGIN}\n6\n", f"\n{ORIGIN}\n7\n")),
        ("step 4", TlogProof(FILE.index, FILE.path, SPINE.sign(Head("log.example/x", 6, bytes(32)).checkpoint), FILE.extra).text),
    ],
)
def test_what_does_not_fit_is_named_by_its_step(step: str, text: str) -> None:
    with pytest.raises(IntegrityError, match=f"^{step}: "):
        check(text)


def test_a_key_list_decides_which_key_signs_which_size() -> None:
    successor = RangedKey(OTHER.verifier, 6)

    assert verify_entry(FILE, PROOF.body, PROOF.previous, RING) == check(FILE.text)
    assert verify_entry(FILE, PROOF.body, PROOF.previous, KeyRing((RangedKey(SPINE.verifier, 0, 9), RangedKey(OTHER.verifier, 9))))
    with pytest.raises(IntegrityError, match=r"^step 4: .*signs for this size"):
        verify_entry(FILE, PROOF.body, PROOF.previous, KeyRing((RangedKey(SPINE.verifier, 0, 6), successor)))
    with pytest.raises(IntegrityError, match=r"^step 4: no known key signs"):
        verify_entry(FILE, PROOF.body, PROOF.previous, KeyRing((RangedKey(SPINE.verifier, 7),)))


def test_a_proof_without_extra_data_leads_to_no_event() -> None:
    with pytest.raises(IntegrityError, match="no extra data"):
        check(TlogProof(FILE.index, FILE.path, FILE.checkpoint, None).text)


HASH = base64.b64encode(bytes(range(32))).decode()
NOTE = FILE.checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1\n",
        f"c2sp.org/tlog-proof@v1\n\n{NOTE}",
        f"index 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v2\nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1 \nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\n\nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE}\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE.removesuffix(chr(10))}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE}".replace("\n", "\r\n"),
        f"\ufeffc2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\n0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex \n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex  0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 00\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 01\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex +1\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex -1\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex \u0661\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex {2**63}\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex {'9' * 5000}\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra AAAA\nextra AAAA\nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra\nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra \nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra !!!!\nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra AAA\nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra AB==\nindex 0\n\n{NOTE}",
        "c2sp.org/tlog-proof@v1\nextra AAAA",
        f"c2sp.org/tlog-proof@v1\nextra AAAA\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH} \n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH[:-1]}\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH[:-2]}9=\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH}{HASH}\n\n{NOTE}",
        "c2sp.org/tlog-proof@v1\nindex 0\n" + f"{HASH}\n" * 64 + f"\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE.replace(chr(10) + '6' + chr(10), chr(10) + '06' + chr(10))}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE.partition(chr(10) * 2)[0]}\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE}" + "— x AAAAAAAA\n" * 64,
        f"c2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE}— x AAAAAAB=\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE}— x\x01 AAAAAAAA\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE}— \udcff AAAAAAAA\n",
    ],
)
def test_malformed_files_are_refused(text: str) -> None:
    assert TlogProof.parse(f"c2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE}")

    with pytest.raises(IntegrityError):
        TlogProof.parse(text)


def test_sixteen_junk_signatures_are_tolerated_and_alone_do_not_suffice() -> None:
    junk = "".join(f"— junk{n} {base64.b64encode(bytes([n]) * 68).decode()}\n" for n in range(16))
    text = NOTE.partition("\n\n")[0]

    assert check(FILE.text + junk).origin == ORIGIN
    with pytest.raises(IntegrityError, match=r"^step 4: no known key"):
        check(FILE.text.removesuffix(NOTE) + f"{text}\n\n{junk}")


DATA = EntryExtra.of(PROOF).data
PLACE = b"\nlog.example/writer-1/2026-03 5 3 1 3\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n\n",
        DATA[:-1],
        DATA + b"\x00",
        DATA[:-32],
        DATA + bytes(32),
        DATA.replace(b"/v1\n", b"/v2\n", 1),
        DATA.replace(b"\n", b"\r\n", 2),
        DATA.replace(PLACE, b"\n 5 3 1 3\n"),
        DATA.replace(PLACE, b"\nlog.example/writer-1/2026-03 5 3 1\n"),
        DATA.replace(PLACE, b"\nlog.example/writer-1/2026-03 5 3 1 3 \n"),
        DATA.replace(PLACE, b"\nlog.example/writer-1/2026-03  5 3 1 3\n"),
        DATA.replace(PLACE, b"\nlog.example/writer-1/2026-03 05 3 1 3\n"),
        DATA.replace(PLACE, b"\nlog.example/writer-1/2026-03 5 5 1 3\n"),
        DATA.replace(PLACE, b"\nlog.example/writer-1/2026-03 0 0 1 3\n"),
        DATA.replace(PLACE, b"\nlog.example/writer-1/2026-03 5 -3 1 3\n"),
        DATA.replace(PLACE, b"\nlog.example/writer-1/2026-03 5 3 3 3\n"),
        DATA.replace(PLACE, b"\nlog.example/writer-1/2026-03 9223372036854775808 3 1 3\n"),
        DATA.replace(PLACE, b"\nlog.example/\xff 5 3 1 3\n"),
    ],
)
def test_malformed_extra_data_are_refused(data: bytes) -> None:
    assert EntryExtra.parse(DATA).data == DATA

    with pytest.raises(IntegrityError):
        EntryExtra.parse(data)


@given(st.binary(max_size=300))
def test_extra_data_of_any_kind_are_read_or_refused(data: bytes) -> None:
    for candidate in (data, DATA[:24] + data, DATA[: DATA.index(PLACE)] + data):
        try:
            extra = EntryExtra.parse(candidate)
        except IntegrityError:
            continue
        assert extra.data == candidate


def says_the_same(text: str) -> bool:
    """Whether a changed file differs in `heads_count` only: no hash holds it, and another count may lead along the same path."""
    changed, extra = TlogProof.parse(text), EntryExtra.of(PROOF)
    assert changed.extra is not None
    found = EntryExtra.parse(changed.extra)
    fields = {name: getattr(found, name) for name in EntryExtra.__slots__}
    return found.heads_count != extra.heads_count and EntryExtra(**{**fields, "heads_count": extra.heads_count}) == extra


def test_every_single_byte_of_the_file_matters() -> None:
    whole = FILE.text.encode()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        try:
            text = changed.decode()
            check(text)
        except (UnicodeDecodeError, IntegrityError):
            continue
        assert says_the_same(text), place


@given(st.data())
def test_a_byte_changed_to_any_other_is_refused(data: st.DataObject) -> None:
    whole = FILE.text.encode()
    place, value = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 255))
    assume(whole[place] != value)
    changed = bytearray(whole)
    changed[place] = value

    try:
        text = changed.decode()
        check(text)
    except (UnicodeDecodeError, IntegrityError):
        return
    assert says_the_same(text)


@given(st.data())
def test_a_bit_flipped_in_the_extra_data_is_refused(data: st.DataObject) -> None:
    changed = bytearray(DATA)
    place = data.draw(st.integers(0, len(DATA) * 8 - 1))
    changed[place // 8] ^= 1 << place % 8
    text = TlogProof(FILE.index, FILE.path, FILE.checkpoint, bytes(changed)).text

    try:
        check(text)
    except IntegrityError:
        return
    assert says_the_same(text)


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257])
def test_first_and_last_event_of_sizes_around_a_tile(size: int) -> None:
    for index in {0, size - 1}:
        proof = event_proof(size=size, index=index, logs=1, log=0, spine=1, entry=0)
        assert verify_entry(TlogProof.parse(tlog_proof(proof).text), proof.body, proof.previous, [SPINE.verifier]).size == 1
