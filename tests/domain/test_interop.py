"""Agreement with implementations that are not ours: `aics-tlog` (Apache-2.0) and `proofbundle` (MIT), where they are installed.

Neither is a dependency (`aics-tlog` needs Python 3.12). What they computed once stands here as constants, so every run compares.
"""

import hashlib
import importlib
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from domain.checkpoint import Head, parse_checkpoint
from domain.cosignature import Algorithm, Cosignature, CosigningKey, add_lines, cosignatures
from domain.errors import IntegrityError
from domain.merkle import (
    TILE_HEIGHT,
    Leaves,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from domain.note import Signer, Verifier, open_note, split_note
from domain.tiles import Address, bundle, parse_address, parse_bundle
from domain.tlog_proof import TlogProof

ENTRIES = [b"entry %d" % n for n in range(1100)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ORIGIN = "log.example/spine"
LOG = Signer(ORIGIN, bytes(range(32)))
WITNESS = CosigningKey("witness.example/w1", bytes(range(1, 33)), Algorithm.ED25519)
PQ_WITNESS = CosigningKey("witness.example/w2", bytes(range(2, 34)), Algorithm.ML_DSA_44)
TIME = 1_772_000_000
SIZES = (1, 2, 3, 7, 8, 255, 256, 257, 1000)
HEAD = Head(ORIGIN, 1000, root(LEAVES[:1000]))

# Computed by aics-tlog 0.2.1.
ROOTS = {
    1: "773885a613489e24ce2cf76199d6a423f042e4bbf12d7eecee912ef276c65701",
    2: "5a47662fd8a317d96049a3f9f47c55dc67ca66051baa3683dbb19b2fe09a07b0",
    3: "94fbd0dd836f50301692e6d0eade728ee19ec52bfff1606ed807c8575d5aaa19",
    7: "98c97f0ba3175cd08b031dd084b9dc4e649b64d1a28e6ea694646503173ab587",
    8: "b69732ce5c914162ca9accfaf4e95d3f9874d68805437088aaff184a4db96773",
    255: "cf66793e6329dff242eb3cee0a6f36ad3e3a196dcc573a1ec775e102be863f1c",
    256: "da6596d95369f5fef322ab8e4e0da3b0b50236aa9c8a3b1d246f7411c9e2e32e",
    257: "5c1fdfe835358022f2392de478dbe053fc130cfe1d3a082879a90cf6bf14bf7e",
    1000: "346c6b9cb89c4b76fac9dcb20cda86e3a01c0a57417c139028eacd4538fde95b",
}
INCLUSION = "52d8ce4b63911a1dc8b53bb3c63d86c476f9e035bc93ba49d0786b8cdfc81f75"
CONSISTENCY = "61737e6c19619d18b4f125960f7ecdc29f2a379feb9ef115a4fa9e9b6c8adc09"
LOG_KEY = "log.example/spine+7737c567+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
WITNESS_KEY = "witness.example/w1+468d99bb+BHm1Vi6P5lT5QHixEuipi6eQH4U65pW+1+DjkQutBJZk"
NOTE = (
    "log.example/spine\n"
    "1000\n"
    "NGxrnLicS3b6ydyyDNqG46AcCldBfBOQKOrNRTj96Vs=\n"
    "\n"
    "— log.example/spine dzfFZ6aQwKP//yGdEDWfuEcAtPH57cNUjZXkhAnN+SxnLrMTxNoTwieODLKJLmUaxDX45jHRwIbapiVzw92DG0Mpcws=\n"
)
COSIGNATURE = (
    "— witness.example/w1 "
    "Ro2ZuwAAAABpnpMAxHDH8utdxkNAgTiwR5NAe4BvquJ+rfTqy5iKRDJv3lfEegra62/aHvD5iYaDoaMSJNmOGmNHTZQOic7O3nxRBw==\n"
)
TILES = {
    "/tile/entries/000": "c378282cb2167eb29f7e0c483ef2ce284728c12286469737cf8c3dc71e412ff1",
    "/tile/entries/001": "763577dddb4ea347cde84a890db17d3f534baf4de625a511bba7985b3c4217bc",
    "/tile/entries/002": "a50f510c2b030a6e30fabb010d79f567ce702c8cbdc38663d566891863720a88",
    "/tile/entries/003.p/232": "1d60f786927687a6b4c15c4996d949ee96b7e28e6ae612bdfb70c02d6513ca4d",
    "/tile/0/003.p/232": "ecb4d7eaef85710847beb61832ba6c535c3be8e743ad561e3d8e6a562e6cafef",
    "/tile/0/000": "b0f6ca2ff42508faf8c6bb4ea8bb9c74243b19d4174fdc4fd17bdad9099e605e",
    "/tile/0/001": "5b4af7f8c276af63acf25814d12ef3d04d3ed33d10431e9f8535876604e53acf",
    "/tile/0/002": "5537abfd2ac6858fe31ad8cd046bcb350686e4d68995c5f8b81eb9e171602b36",
    "/tile/1/000.p/3": "31061400c75f919581c1452a7e0f75ca257bc256f0031aa36bf0cbfaadb1e85a",
}
# Computed by proofbundle 6.3.1.
PQ_KEY_ID = "0a455832"
PQ_KEY_DIGEST = "9b4f4a577795abc66f14a205ab94a1f97f9ed4275a60ae0b3f8662a6d1e7565c"
PROOF = (
    "c2sp.org/tlog-proof@v1\n"
    "extra YW55\n"
    "index 700\n"
    "ftN29M4ILreg/hP/uQ+0Ha35H6gC83eWNLg1wTHQIKE=\n"
    "Qjtou+bPFZBg+Ez0EMOmp4hF+UFDWGrbe1UJ8e9Gaoc=\n"
    "XdFhFobaNgVYGgNEioms92wKAR+kk59OSs8MwUiA/5I=\n"
    "zIefs81oSA3lA3k/ScT+1YeSkBfV1NPipry98Ben/hY=\n"
    "xOvHjlTncfL26WOT7VffqCq/bij47qBMyyBBFNoB368=\n"
    "aYMbA6EgqS9fn/5sj8Lpc5VQYYq3yvRkqmxWOfRrWqg=\n"
    "7PXCuV5tIXiOcU0crTYRhlPumQkveFItQ/wYD8y/lAY=\n"
    "3sMtuNur8EtlIgYOK+9QOKcWCz5aHlG77+ghroOZ7dU=\n"
    "oA+hI5LVOb8oze41rEJt6z6YjQg78xVxljeEJVH8E1w=\n"
    "xtuUnnbP1dYUB8c6SBkhJlqwJOphMdAtxrcN79/U+to=\n"
    f"\n{NOTE}{COSIGNATURE}"
)


@pytest.fixture
def aics() -> ModuleType:
    return pytest.importorskip("aics_tlog")


@pytest.fixture
def proofbundle() -> ModuleType:
    pytest.importorskip("proofbundle")
    return importlib.import_module("proofbundle.checkpoint")


def sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def our_tiles(size: int) -> dict[str, bytes]:
    """Every tile and bundle of a tree, each at its address."""
    nodes, found = Leaves(LEAVES[:size]), {}
    for level in range(4):
        for n in range(size + 1):
            width = Address(level=level, n=n).width_in(size)
            if not width:
                break
            address = Address(level=level, n=n, width=width)
            found[address.path] = b"".join(nodes.hashes(level, address.first, width))
            if level == 0:
                entries = Address(level=None, n=n, width=width)
                found[entries.path] = bundle(ENTRIES[address.first : address.first + width])
    assert size >> TILE_HEIGHT * 4 == 0
    return found


def test_the_numbers_of_others_are_ours() -> None:
    nodes = Leaves(LEAVES[:1000])

    assert {size: root(LEAVES[:size]).hex() for size in SIZES} == ROOTS
    assert sha256(*inclusion_proof(nodes, 700, 1000)) == INCLUSION
    assert sha256(*consistency_proof(nodes, 300, 1000)) == CONSISTENCY
    assert LOG.verifier.text == LOG_KEY
    assert LOG.sign(HEAD.checkpoint) == NOTE
    assert WITNESS.cosigner.text == WITNESS_KEY
    assert WITNESS.cosign(HEAD.checkpoint, TIME) == COSIGNATURE
    assert {path: sha256(data) for path, data in our_tiles(1000).items()} == TILES
    assert PQ_WITNESS.cosigner.key_id.hex() == PQ_KEY_ID
    assert sha256(PQ_WITNESS.cosigner.text.encode()) == PQ_KEY_DIGEST
    note = add_lines(LOG.sign(HEAD.checkpoint), [WITNESS.cosign(HEAD.checkpoint, TIME)])
    assert TlogProof(700, inclusion_proof(nodes, 700, 1000), note, b"any").text == PROOF


def test_the_texts_of_others_are_read() -> None:
    proof = TlogProof.parse(PROOF)

    assert parse_checkpoint(open_note(NOTE, [Verifier.parse(LOG_KEY)]).text) == HEAD
    assert cosignatures(NOTE + COSIGNATURE, [WITNESS.cosigner]) == [Cosignature(WITNESS.name, TIME, Algorithm.ED25519)]
    assert proof.verify(LEAVES[700], [LOG.verifier]) == HEAD
    assert cosignatures(proof.checkpoint, [WITNESS.cosigner]) == [Cosignature(WITNESS.name, TIME, Algorithm.ED25519)]


def test_the_constants_are_what_aics_tlog_computes(aics: ModuleType) -> None:
    tree = aics.MerkleTree(ENTRIES[:1000])
    key, witness = (Ed25519PrivateKey.from_private_bytes(seed) for seed in (LOG.seed, WITNESS.seed))
    checkpoint = aics.Checkpoint(ORIGIN, 1000, tree.root())
    _, line = aics.sign_cosignature(witness, WITNESS.name, TIME, ORIGIN, 1000, tree.root())
    tiles = aics.TileWriter(ENTRIES[:1000]).materialise()

    assert {size: tree.root(size).hex() for size in SIZES} == ROOTS
    assert sha256(*tree.inclusion_proof(700)) == INCLUSION
    assert sha256(*tree.consistency_proof(300)) == CONSISTENCY
    assert aics.format_vkey(aics.vkey_from_ed25519(ORIGIN, key.public_key())) == LOG_KEY
    assert aics.sign_checkpoint(checkpoint, key, ORIGIN).serialise() == NOTE
    assert aics.format_vkey(aics.cosignature_vkey(WITNESS.name, witness.public_key())) == WITNESS_KEY
    assert aics.Note("x\n", (line,)).serialise() == f"x\n\n{COSIGNATURE}"
    assert {f"/{path}": sha256(data) for path, data in tiles.items()} == TILES


def test_roots_and_proofs_agree(aics: ModuleType) -> None:
    tree = aics.MerkleTree(ENTRIES)
    for size in [*range(1, 34), 255, 256, 257, 511, 513, 1024, 1100]:
        leaves, theirs = LEAVES[:size], tree.root(size)
        nodes = Leaves(leaves)
        assert root(leaves) == theirs
        for index in {0, size // 3, size // 2, size - 1}:
            path = tree.inclusion_proof(index, size)
            assert inclusion_proof(nodes, index, size) == path
            assert verify_inclusion(leaves[index], index, size, path, theirs)
            assert aics.verify_inclusion(leaves[index], index, size, inclusion_proof(nodes, index, size), root(leaves))
        for old in {0, 1, size // 3, size // 2, size - 1, size}:
            path = tree.consistency_proof(old, size)
            assert consistency_proof(nodes, old, size) == path
            assert verify_consistency(old, size, path, tree.root(old), theirs)
            assert aics.verify_consistency(old, size, root(leaves[:old]), root(leaves), consistency_proof(nodes, old, size))


def test_wrong_proofs_are_refused_by_both(aics: ModuleType) -> None:
    leaves, nodes = LEAVES[:13], Leaves(LEAVES[:13])
    path, way = inclusion_proof(nodes, 5, 13), consistency_proof(nodes, 6, 13)
    for index, size, changed in [
        (5, 13, path[1:]),
        (5, 13, [*path, path[0]]),
        (4, 13, path),
        (13, 13, path),
        (5, 5, path),
        (-1, 13, path),
    ]:
        assert not verify_inclusion(leaves[5], index, size, changed, root(leaves))
        assert not aics.verify_inclusion(leaves[5], index, size, changed, root(leaves))
    for old, new, changed in [
        (6, 13, way[1:]),
        (6, 13, [*way, way[0]]),
        (7, 13, way),
        (13, 6, way),
        (6, 6, way),
        (0, 13, way),
        (6, 13, []),
    ]:
        assert not verify_consistency(old, new, changed, root(leaves[:6]), root(leaves))
        assert not aics.verify_consistency(old, new, root(leaves[:6]), root(leaves), changed)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1000, 1024])
def test_tiles_agree_and_prove(aics: ModuleType, size: int) -> None:
    theirs, ours = aics.TileWriter(ENTRIES[:size]).materialise(), our_tiles(size)
    reader = aics.MemoryTileReader({path.removeprefix("/"): data for path, data in ours.items()})

    assert {f"/{path}": data for path, data in theirs.items()} == ours
    for path, data in theirs.items():
        assert parse_address(f"/{path}").path == f"/{path}"
        if "entries" in path:
            assert parse_bundle(data) == aics.tiles.parse_entry_bundle(data)
    assert aics.tree_root_from_tiles(reader, size) == root(LEAVES[:size])
    assert aics.inclusion_proof_from_tiles(reader, size // 2, size) == inclusion_proof(Leaves(LEAVES[:size]), size // 2, size)


@pytest.mark.parametrize("n", [0, 999, 1000, 1234067, 10**9])
def test_addresses_agree(aics: ModuleType, n: int) -> None:
    assert f"/{aics.tiles.tile_path(3, n, None)}" == Address(level=3, n=n).path
    assert f"/{aics.tiles.tile_path(0, n, 7)}" == Address(level=0, n=n, width=7).path
    assert f"/{aics.tiles.entry_bundle_path(n, 112)}" == Address(level=None, n=n, width=112).path


def test_notes_and_cosignatures_are_verified_by_the_other_side(aics: ModuleType) -> None:
    note = add_lines(LOG.sign(HEAD.checkpoint), [WITNESS.cosign(HEAD.checkpoint, TIME), PQ_WITNESS.cosign(HEAD.checkpoint, TIME)])
    parsed = aics.parse_note(note)
    log, witness = aics.parse_vkey(LOG.verifier.text), aics.parse_vkey(WITNESS.cosigner.text)
    result = aics.verify_checkpoint(parsed, log, [witness], quorum=1, expected_origin=ORIGIN)

    assert aics.verify_note(parsed, [log])
    assert parsed.serialise() == note
    assert result.ok
    assert (result.size, result.root, result.timestamps) == (1000, HEAD.root, {WITNESS.name: TIME})


def test_extension_lines_are_cosigned_alike(aics: ModuleType) -> None:
    text = HEAD.checkpoint + "an extension\nanother one\n"
    key = Ed25519PrivateKey.from_private_bytes(WITNESS.seed)
    _, line = aics.sign_cosignature(key, WITNESS.name, TIME, ORIGIN, 1000, HEAD.root, ["an extension", "another one"])

    assert aics.Note("x\n", (line,)).serialise() == f"x\n\n{WITNESS.cosign(text, TIME)}"


@pytest.mark.parametrize(
    "broken",
    [
        lambda note: note.replace("\n", "\r\n"),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.replace("—", "-"),
        lambda note: note.replace("\n1000\n", "\n01000\n"),
        lambda note: note.replace("\n1000\n", "\n1001\n"),
        lambda note: note.replace("\n\n", "\n\nextension\n\n", 1),
        lambda note: note + "— name !!!\n",
        lambda note: note + "— a+b AAAAAAAA\n",
        lambda note: note + "— x\x07 AAAAAAAA\n",
    ],
)
def test_broken_notes_are_refused_by_both(aics: ModuleType, broken) -> None:  # type: ignore[no-untyped-def]
    note = add_lines(LOG.sign(HEAD.checkpoint), [WITNESS.cosign(HEAD.checkpoint, TIME)])
    keys = aics.parse_vkey(LOG.verifier.text), [aics.parse_vkey(WITNESS.cosigner.text)]
    assert aics.verify_checkpoint(aics.parse_note(note), *keys, quorum=1).ok

    try:
        accepted = aics.verify_checkpoint(aics.parse_note(broken(note)), *keys, quorum=1).ok
    except ValueError:
        accepted = False

    assert not accepted
    with pytest.raises(IntegrityError):
        parse_checkpoint(open_note(broken(note), [LOG.verifier]).text)


def test_ml_dsa_44_cosignatures_agree(proofbundle: ModuleType) -> None:
    note = LOG.sign(HEAD.checkpoint)
    key = MLDSA44PrivateKey.from_seed_bytes(PQ_WITNESS.seed)
    public = key.public_key().public_bytes_raw()
    theirs = proofbundle.cosign_checkpoint_mldsa(note, key, PQ_WITNESS.name, TIME)
    verdict = proofbundle.verify_cosignature(add_lines(note, [PQ_WITNESS.cosign(HEAD.checkpoint, TIME)]), PQ_WITNESS.cosigner.text)

    assert cosignatures(theirs, [PQ_WITNESS.cosigner]) == [Cosignature(PQ_WITNESS.name, TIME, Algorithm.ML_DSA_44)]
    assert (verdict["ok"], verdict["timestamp"], verdict["root"]) == (True, TIME, HEAD.root)
    assert proofbundle.cosign_vkey_mldsa(PQ_WITNESS.name, public) == PQ_WITNESS.cosigner.text
    assert proofbundle.cosign_key_id_mldsa(PQ_WITNESS.name, public).hex() == PQ_KEY_ID
    assert sha256(proofbundle.cosign_vkey_mldsa(PQ_WITNESS.name, public).encode()) == PQ_KEY_DIGEST


def test_ed25519_cosignatures_agree_with_a_third(proofbundle: ModuleType) -> None:
    note = LOG.sign(HEAD.checkpoint)
    key = Ed25519PrivateKey.from_private_bytes(WITNESS.seed)

    assert split_note(proofbundle.cosign_checkpoint(note, key, WITNESS.name, TIME)) == split_note(note + COSIGNATURE)


def test_files_of_proofs_agree(proofbundle: ModuleType) -> None:
    theirs = importlib.import_module("proofbundle.tlogproof")
    path = inclusion_proof(Leaves(LEAVES[:1000]), 700, 1000)
    note = add_lines(LOG.sign(HEAD.checkpoint), [key.cosign(HEAD.checkpoint, TIME) for key in (WITNESS, PQ_WITNESS)])
    for extra in (None, b"any"):
        text = TlogProof(700, path, note, extra).text
        keys = [WITNESS.cosigner.text, PQ_WITNESS.cosigner.text]
        verdict = theirs.verify_tlog_proof(text, ENTRIES[700], LOG.verifier.text, keys, threshold=2)
        assert theirs.format_tlog_proof(700, path, note, extra) == text
        assert verdict["ok"]
        assert not theirs.verify_tlog_proof(text, ENTRIES[701], LOG.verifier.text, keys, threshold=2)["ok"]
    cosigned = LOG.sign(HEAD.checkpoint) + COSIGNATURE
    assert theirs.format_tlog_proof(700, path, cosigned, b"any") == PROOF
