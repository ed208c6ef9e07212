"""verify.py by itself: its Ed25519, its claims, its oldest interpreter, and that the one in the archive is this one."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dashboards.export_verify
from dashboards.export_verify import CLAIMS, ORDER, ed25519
from dashboards.exports import export_bundle
from domain.note import Signer
from store.engine import Engine
from tests.dashboards.exports_desk import Files, export_house, pack, request, stand_alone, unpack
from tests.retention.old_ledger import emptied
from tests.support.node import SIGNER

SOURCE = Path(dashboards.export_verify.__file__)

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


@pytest.fixture(scope="module")
def exports(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Path]]:
    """Three exports, one after the other: the second is made with everything withheld."""
    folder = tmp_path_factory.mktemp("export")
    with export_house(emptied(shared_engine), folder) as house:
        desk, made = house.desk(), []
        for number, with_private in enumerate([True, False, True]):
            house.clock.advance(minutes=1)
            made.append(export_bundle(desk, request(with_private=with_private), folder / f"{number}.zip").path)
        yield made[0], made[1], made[2]


def note_of(files: Files) -> str:
    return str(json.loads(files["receipt.json"])["checkpoint"])


def resized(note: str, size: int, signer: Signer = SIGNER) -> str:
    """The same root claimed for another size, signed."""
    origin, _, root = note.split("\n\n", maxsplit=1)[0].split("\n")
    return signer.sign(f"{origin}\n{size}\n{root}\n")


def since(path: Path, note: str, folder: Path) -> tuple[str, str, int]:
    (folder / "old").write_text(note, encoding="utf-8")
    ran = stand_alone(path, SIGNER.verifier, "--since", str(folder / "old"))
    said = ran.claim("only grown")
    return said.state, said.why[0], ran.exit_code


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


def test_a_signature_has_one_form() -> None:
    """S + L would sign the same text (RFC 8032 section 8.4)."""
    public, message, signature = (bytes.fromhex(one) for one in RFC_8032[1])
    larger = int.from_bytes(signature[32:], "little") + ORDER
    assert not ed25519(public, message, signature[:32] + larger.to_bytes(32, "little"))


def test_ed25519_agrees_with_the_signer_of_the_ledger() -> None:
    for seed in range(8):
        signer = Signer("x", bytes([seed]) * 32)
        note = signer.sign(f"text {seed}\n")
        tree = dashboards.export_verify.read_key(signer.verifier.text)
        payload = dashboards.export_verify.unbase64(note.split(" ")[-1].strip())
        assert payload is not None
        assert payload[:4] == tree.identity
        assert ed25519(tree.public, f"text {seed}\n".encode(), payload[4:])


def test_it_imports_the_standard_library_alone() -> None:
    found = set()
    for node in ast.walk(ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 9))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).split(".")[0])
    assert found <= sys.stdlib_module_names


def test_the_copy_in_the_archive_is_this_one_and_runs_from_anywhere(exports: tuple[Path, Path, Path], tmp_path: Path) -> None:
    content = unpack(exports[0])["verify.py"]
    assert content == SOURCE.read_bytes()
    (tmp_path / "verify.py").write_bytes(content)

    assert stand_alone(exports[0], SIGNER.verifier, program=tmp_path / "verify.py").exit_code == 0


@pytest.mark.parametrize("name", ["python3.9", "python3.10", "python3.12", "python3.13"])
def test_it_runs_under_other_interpreters(exports: tuple[Path, Path, Path], name: str) -> None:
    python = shutil.which(name)
    if python is None or subprocess.run([python, "-I", "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"no {name} on this machine")

    assert stand_alone(exports[0], SIGNER.verifier, python=python).exit_code == 0


def test_every_claim_is_answered_and_the_limits_are_always_said(exports: tuple[Path, Path, Path], tmp_path: Path) -> None:
    ran = stand_alone(exports[0], SIGNER.verifier)

    assert ran.exit_code == 0
    assert set(ran.claims) == set(CLAIMS.values())
    unproven = {text for text, said in ran.claims.items() if said.state != "PROVEN"}
    assert unproven == {CLAIMS["scope"], CLAIMS["since"], CLAIMS["time"]}
    assert "What a log cannot prove" in ran.output
    forged = unpack(exports[0])
    forged["checkpoint"] = b"x"
    assert "What a log cannot prove" in stand_alone(pack(forged, tmp_path / "x.zip")).output


def test_without_a_trusted_key_the_signature_is_not_proven(exports: tuple[Path, Path, Path]) -> None:
    ran = stand_alone(exports[0])

    assert (ran.claim("signed by the key").state, ran.exit_code) == ("NOT PROVEN", 0)


def test_withheld_private_parts_are_counted_and_not_proven(exports: tuple[Path, Path, Path]) -> None:
    ran = stand_alone(exports[1], SIGNER.verifier)
    said = ran.claim("private part of every event")

    assert (said.state, ran.exit_code) == ("NOT PROVEN", 0)
    count = len(unpack(exports[1])["events.jsonl"].splitlines())
    assert said.why[0].startswith(f"{count} are withheld, 0 were redacted")


def test_an_older_checkpoint_is_compared(exports: tuple[Path, Path, Path], tmp_path: Path) -> None:
    first, last = note_of(unpack(exports[0])), note_of(unpack(exports[2]))
    size = int(last.split("\n")[1])

    assert since(exports[2], last, tmp_path)[::2] == ("PROVEN", 0)
    assert since(exports[2], unpack(exports[2])["checkpoint"].decode(), tmp_path)[::2] == ("PROVEN", 0)
    state, why, code = since(exports[2], first, tmp_path)
    assert (state, code) == ("NOT PROVEN", 0)
    assert "no consistency proof" in why
    assert since(exports[0], last, tmp_path)[::2] == ("FAILED", 1)
    state, why, code = since(exports[2], resized(first, size), tmp_path)
    assert (state, code) == ("FAILED", 1)
    assert "two roots for one size" in why
    assert since(exports[2], resized(last, size, Signer(SIGNER.name, b"m" * 32)), tmp_path)[::2] == ("FAILED", 1)


def test_arguments_that_cannot_be_read_give_exit_2(exports: tuple[Path, Path, Path], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")

    assert stand_alone(exports[0], None, "--trust", str(tmp_path / "key")).exit_code == 2
    assert stand_alone(exports[0], None, "--trust", str(tmp_path / "nowhere")).exit_code == 2
    assert stand_alone(exports[0], None, "--since", str(tmp_path / "bytes")).exit_code == 2


def test_what_an_export_says_cannot_steer_the_terminal(exports: tuple[Path, Path, Path], tmp_path: Path) -> None:
    files = unpack(exports[0])
    manifest = json.loads(files["manifest.json"])
    manifest["purpose"] = "\x1b[2JPROVEN\rGröße"
    files["manifest.json"] = json.dumps(manifest).encode()
    ran = subprocess.run(
        [sys.executable, "-I", str(SOURCE), str(pack(files, tmp_path / "x.zip"))],
        capture_output=True, check=False, env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"},
    )  # fmt: skip

    assert ran.returncode == 1
    assert b"\x1b" not in ran.stdout
    assert b"\r" not in ran.stdout
