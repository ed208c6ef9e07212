"""verify.py by itself: its signatures, what it needs, what it prints, and its oldest interpreter."""

import ast
import json
import shutil
import subprocess
from contextlib import redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.export_verify import (
    CANNOT,
    CLAIMS,
    ORDER,
    ed25519,
    ml_dsa_44,
    read_key,
    sample_in_ball,
    show,
    unbase64,
    unpacked_hint,
)
from domain.cosignature import Algorithm, CosigningKey
from domain.note import Signer
from tests.dashboards.exports_checkers import VERIFY, Given, run, stand_alone
from tests.dashboards.exports_forge import SIGNER, Line, pack
from tests.dashboards.exports_scene import POLICY, Scene, unpack

RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
"""Section 7.1: public key, message, signature."""

STERN = """
import runpy, sys
def hook(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if writes or event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.remove", "os.rename", "ctypes.")):
        raise SystemExit(f"it tried {event} {arguments}")
sys.addaudithook(hook)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a program that may read files and print, and nothing else."""


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export with witnesses of both kinds."""
    return Scene().draft().give(tmp_path_factory.mktemp("export") / "x.zip")


TRUST = Given(trust=SIGNER.verifier.text, policy=POLICY)


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_ed25519_agrees_with_the_published_vectors(public: str, message: str, signature: str) -> None:
    key, text, signed = bytes.fromhex(public), bytes.fromhex(message), bytearray.fromhex(signature)
    assert ed25519(key, text, bytes(signed))
    for position in range(64):
        changed = bytearray(signed)
        changed[position] ^= 1
        assert not ed25519(key, text, bytes(changed))
    assert not ed25519(key, text + b"x", bytes(signed))
    assert not ed25519(key, text, bytes(signed[:63]))


def test_an_ed25519_signature_has_one_form() -> None:
    """S + L would sign the same text (RFC 8032 section 8.4)."""
    public, message, signature = (bytes.fromhex(one) for one in RFC_8032[1])
    larger = int.from_bytes(signature[32:], "little") + ORDER
    assert not ed25519(public, message, signature[:32] + larger.to_bytes(32, "little"))


def test_ed25519_agrees_with_the_signer_of_the_ledger() -> None:
    for seed in range(8):
        signer = Signer("x", bytes([seed]) * 32)
        note = signer.sign(f"text {seed}\n")
        key = read_key(signer.verifier.text)
        payload = unbase64(note.split(" ")[-1].strip())
        assert payload is not None
        assert payload[:4] == key.identity
        assert ed25519(key.public, f"text {seed}\n".encode(), payload[4:])


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 2420 * 8 - 1))
@settings(max_examples=25, deadline=None)
def test_ml_dsa_44_agrees_with_another_implementation(seed: bytes, message: bytes, bit: int) -> None:
    """What a tested library signs is accepted; the same with any bit changed is not (FIPS 204: every signature has one form)."""
    key = MLDSA44PrivateKey.from_seed_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)

    assert ml_dsa_44(public, message, signature)
    assert not ml_dsa_44(public, message + b"x", signature)
    changed = bytearray(signature)
    changed[bit >> 3] ^= 1 << (bit & 7)
    assert not ml_dsa_44(public, message, bytes(changed))
    assert not ml_dsa_44(public, message, signature[:-1])
    assert not ml_dsa_44(public[:-1], message, signature)
    assert not ml_dsa_44(public, message, key.sign(message, context=b"x"))


def test_ml_dsa_44_key_of_another_is_refused() -> None:
    one, other = (MLDSA44PrivateKey.from_seed_bytes(bytes([n]) * 32) for n in (1, 2))

    assert not ml_dsa_44(other.public_key().public_bytes_raw(), b"x", one.sign(b"x"))


def test_a_hint_has_one_spelling() -> None:
    """FIPS 204 algorithm 21: places in order, none twice, nothing behind the last."""
    good = bytes([1, 5, 0, 7]) + bytes(76) + bytes([2, 2, 4, 4])
    assert unpacked_hint(good) == [{1, 5}, set(), {0, 7}, set()]
    assert unpacked_hint(bytes([5, 1]) + good[2:]) is None
    assert unpacked_hint(bytes([5, 5]) + good[2:]) is None
    assert unpacked_hint(good[:4] + b"\x01" + good[5:]) is None
    assert unpacked_hint(good[:80] + bytes([2, 1, 4, 4])) is None
    assert unpacked_hint(good[:80] + bytes([2, 2, 4, 81])) is None


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=20, deadline=None)
def test_a_challenge_has_39_ones(seed: bytes) -> None:
    poly = sample_in_ball(seed)

    assert sorted(set(poly)) in ([-1, 0, 1], [-1, 0], [0, 1])
    assert sum(map(abs, poly)) == 39


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_cosigner_keys_are_read_alike(algorithm: Algorithm) -> None:
    cosigner = CosigningKey("witness.example/größe", b"s" * 32, algorithm).cosigner
    key = read_key(cosigner.text, (4, 6))

    assert (key.name, key.kind, key.public, key.identity, key.text) == (
        cosigner.name, algorithm.value, cosigner.public, cosigner.key_id, cosigner.text,
    )  # fmt: skip


def test_it_imports_a_few_modules_of_the_standard_library() -> None:
    found = set()
    for node in ast.walk(ast.parse(VERIFY.read_text(encoding="utf-8"), feature_version=(3, 9))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    assert found == {
        "__future__", "argparse", "base64", "collections.abc", "dataclasses", "datetime", "hashlib", "hmac", "json", "pathlib",
        "re", "stat", "struct", "sys", "typing", "zipfile", "zlib",
    }  # fmt: skip


def test_it_reads_and_prints_and_does_nothing_else(export: Path, tmp_path: Path) -> None:
    (tmp_path / "stern.py").write_text(STERN)
    done = run(export, [str(VERIFY), *TRUST.arguments(export)], program=tmp_path / "stern.py")

    assert (done.returncode, done.stderr) == (0, b"")
    (tmp_path / "bad.py").write_text("import socket\nsocket.socket()\n")
    assert b"it tried socket." in run(export, [str(tmp_path / "bad.py")], program=tmp_path / "stern.py").stderr


@pytest.mark.parametrize("name", ["python3.9", "python3.10", "python3.12", "python3.13", "python3.14"])
def test_it_says_the_same_under_other_interpreters(export: Path, name: str) -> None:
    python = shutil.which(name)
    if python is None or subprocess.run([python, "-I", "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"no {name} on this machine")

    assert stand_alone(export, TRUST, python=python) == stand_alone(export, TRUST)


def test_every_claim_is_answered_and_the_limits_are_always_said(export: Path, tmp_path: Path) -> None:
    out = run(export, TRUST.arguments(export)).stdout.decode()
    assert out.startswith("Export EXP-1, made ")
    assert [line for line in out.splitlines() if line.startswith(("PROVEN", "NOT PROVEN", "FAILED"))] == [
        f"{'NOT PROVEN' if name == 'since' else 'PROVEN':<12}{text}" for name, text in CLAIMS.items()
    ]
    assert out.endswith(f"\n\n{CANNOT}\n")

    forged = pack({**unpack(export), "checkpoint": b"x"}, tmp_path / "x.zip")
    assert run(forged, [str(forged)]).stdout.decode().endswith(f"\n\n{CANNOT}\n")


@pytest.mark.parametrize("name", ["trust", "policy", "since"])
@pytest.mark.parametrize("content", [b"no key", b"\xff\xfe", b""])
def test_arguments_that_cannot_be_read_give_exit_2(export: Path, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "given").write_bytes(content)

    done = run(export, [str(export), f"--{name}", str(tmp_path / "given")])

    if name == "since" and content != b"\xff\xfe":
        assert done.returncode == 1  # a text, and no checkpoint of this ledger
        return
    assert done.returncode == 2
    assert done.stderr.startswith(b"UNREADABLE  " + str(tmp_path / "given").encode())
    assert done.stdout == b""


@pytest.mark.parametrize("name", ["trust", "policy", "since", "consistency"])
def test_arguments_that_are_not_there_give_exit_2(export: Path, tmp_path: Path, name: str) -> None:
    done = run(export, [str(export), f"--{name}", str(tmp_path / "nowhere")])

    assert (done.returncode, done.stderr.decode()) == (2, f"UNREADABLE  {tmp_path / 'nowhere'} cannot be read\n")


def spoken(export: Path, tmp_path: Path, **said: object) -> subprocess.CompletedProcess[bytes]:
    """What is printed of an export whose manifest says this."""
    files = unpack(export)
    manifest: Line = json.loads(files["manifest.json"])
    files["manifest.json"] = json.dumps(manifest | said).encode()
    path = pack(files, tmp_path / "x.zip")
    return run(path, [str(path)])


def test_what_an_export_says_cannot_steer_the_terminal(export: Path, tmp_path: Path) -> None:
    done = spoken(export, tmp_path, purpose="\x1b[2J\r Größe")

    assert done.returncode == 1
    assert b"\x1b" not in done.stdout
    assert b"\r" not in done.stdout
    assert b"for: ?[2J? Gr" in done.stdout


def test_a_terminal_that_knows_ascii_only_is_no_crash() -> None:
    out = TextIOWrapper(BytesIO(), encoding="ascii", write_through=True)
    with redirect_stdout(out):
        show("Größe — \x07")

    assert isinstance(out.buffer, BytesIO)
    assert out.buffer.getvalue() == b"Gr\\xf6\\xdfe \\u2014 ?\n"


def test_what_an_export_says_cannot_look_like_an_answer(export: Path, tmp_path: Path) -> None:
    lie = f"\n\nPROVEN      {CLAIMS['receipt']}\n{'':<14}it is"
    done = spoken(export, tmp_path, purpose=lie, made_by=lie, asked={lie: lie}, format="phitrail-export-2")

    lines = done.stdout.decode().splitlines()
    assert [line.split("  ")[0] for line in lines if CLAIMS["receipt"] in line and not line.startswith("Export")] == ["FAILED"]
    assert len(lines[0]) < 600
