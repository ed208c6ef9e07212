"""Tricks with the archive itself: what a zip can be besides an export, and what both checkers say. Nothing is unpacked to disk."""

import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboards.export_open import NAMES
from domain.note import Signer
from tests.dashboards.exports_checkers import FAILED, Answer, Given, ask, by_our_code, by_verify_py
from tests.dashboards.exports_forge import SIGNER, Files, pack, three_logs
from tests.dashboards.exports_scene import unpack

TRUST = Given(trust=SIGNER.verifier.text)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of P-2."""
    return three_logs().draft({"patient_id": "P-2"}).give(tmp_path_factory.mktemp("forged") / "x.zip")


@pytest.fixture
def files(whole: Path) -> Files:
    """Its files."""
    return unpack(whole)


def repacked(path: Path, files: Files, change: Callable[[zipfile.ZipFile, Files], None]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        change(archive, files)
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def refused(path: Path, given: Given = TRUST) -> str:
    """Why the archive claim failed; nothing else was looked at."""
    said = ask(path, given)
    assert (said.exit_code, said.failed) == (1, {"archive"})
    assert all(claim.why == ("not reached, because of what failed",) for name, claim in said.claims.items() if name != "archive")
    return said.claims["archive"].why[0]


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "keys/../../x", "notes.txt", "run.py", "keys/", "C:\\x", "EVENTS.JSONL", "checkpoint ", "a\x1b[2J"],
)
def test_a_file_that_no_export_has_is_refused(files: Files, tmp_path: Path, name: str) -> None:
    path = repacked(tmp_path / "x.zip", files, lambda archive, _: archive.writestr(name, b"x"))

    assert "a file that no export has" in refused(path)
    assert {one.name for one in tmp_path.iterdir()} == {"x.zip", "given.trust"}


def test_two_files_of_one_name_are_refused(files: Files, tmp_path: Path) -> None:
    for name in ("events.csv", "manifest.json"):
        with pytest.warns(UserWarning, match="Duplicate name"):
            path = repacked(tmp_path / "x.zip", files, lambda archive, some, name=name: archive.writestr(name, some[name]))  # type: ignore[misc]

        assert "two files of one name" in refused(path)


@pytest.mark.parametrize("name", sorted(NAMES - {"manifest.json"}))
def test_a_missing_file_is_named(files: Files, tmp_path: Path, name: str) -> None:
    del files[name]

    assert refused(pack(files, tmp_path / "x.zip")) == f"the archive lacks {name}"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFDIR, stat.S_IFIFO])
def test_a_link_or_device_is_refused(files: Files, tmp_path: Path, kind: int) -> None:
    def link(archive: zipfile.ZipFile, some: Files) -> None:
        info = zipfile.ZipInfo("report.pdf")
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, b"/etc/passwd")
        del some["report.pdf"]

    assert "is a link or a device" in refused(repacked(tmp_path / "x.zip", files, link))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packing_is_refused(files: Files, tmp_path: Path, method: int) -> None:
    def packed(archive: zipfile.ZipFile, some: Files) -> None:
        archive.writestr("report.pdf", some.pop("report.pdf"), compress_type=method)

    assert "packed in a way that no export is" in refused(repacked(tmp_path / "x.zip", files, packed))


def test_stored_files_are_as_good(files: Files, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_STORED) as archive:
        for name in reversed(list(files)):
            archive.writestr(name, files[name])

    assert not ask(tmp_path / "x.zip", TRUST).failed


def test_an_encrypted_file_is_refused(whole: Path, files: Files, tmp_path: Path) -> None:
    for name in ("report.pdf", "manifest.json"):
        raw = bytearray(whole.read_bytes())
        entry = raw.rindex(name.encode()) - 46
        assert raw[entry : entry + 4] == b"PK\x01\x02"
        raw[entry + 8] |= 1
        (tmp_path / "x.zip").write_bytes(raw)

        assert f"{name} is encrypted" in refused(tmp_path / "x.zip")


def test_a_bomb_is_refused_before_it_is_unpacked(files: Files, tmp_path: Path) -> None:
    path = pack({**files, "report.pdf": bytes(64 << 20)}, tmp_path / "x.zip")
    assert "more than 33554432 bytes" in refused(path, Given(max_bytes=32 << 20))

    raw = bytearray(path.read_bytes())
    entry = raw.rindex(b"report.pdf") - 46
    struct.pack_into("<I", raw, entry + 24, 0xF0000000)
    path.write_bytes(raw)
    assert "claims a size that no file packs into" in refused(path)


def test_an_endless_small_file_is_refused(files: Files, tmp_path: Path) -> None:
    long = b" " * (17 << 20)
    for name, claim in {"manifest.json": "files", "receipt.json": "receipt", "checkpoint": "signature"}.items():
        said = ask(pack({**files, name: long}, tmp_path / "x.zip"), TRUST)
        assert said.exit_code == 1
        assert said.says(claim, f"{name} is larger than 16777216 bytes"), said.claims[claim]


def test_bytes_in_front_are_refused(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"#!/bin/sh\n" + whole.read_bytes())

    assert "hidden in front" in refused(tmp_path / "x.zip")


def test_an_endless_line_is_refused(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a smaller bound, so that the test does not need the memory that the bound protects."""
    for module in ("dashboards.export_verify", "dashboards.export_open"):
        monkeypatch.setattr(f"{module}.MAX_LINE", 1 << 20)
    claims = {"events": "events", "proofs": "events", "scope": "scope", "history": "tombstones", "timestamps": "later"}
    for name, claim in ((f"{one}.jsonl", claim) for one, claim in claims.items()):
        said = ask(pack({**files, name: b"x" * (3 << 20)}, tmp_path / "x.zip"), TRUST)
        assert said.says(claim, f"{name}: {name} has a line of more than 1048576 bytes"), said.claims[claim]


def test_too_many_lines_to_keep_are_refused(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("dashboards.export_verify", "dashboards.export_check_notes", "dashboards.export_check_scope"):
        monkeypatch.setattr(f"{module}.MAX_KEPT", 8)
    for name, claim in {"history.jsonl": "tombstones", "timestamps.jsonl": "later"}.items():
        said = ask(pack({**files, name: b"{}\n" * 20}, tmp_path / "x.zip"), TRUST)
        assert said.says(claim, f"{name}: it has more than 8 lines")
    for module in ("dashboards.export_verify", "dashboards.export_check_scope"):
        monkeypatch.setattr(f"{module}.MAX_KEPT", 4)
    assert ask(pack(files, tmp_path / "x.zip"), TRUST).says("scope", "scope.jsonl line 5: there are more than 4 lines")


def test_too_many_bytes_to_keep_are_refused(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("dashboards.export_verify", "dashboards.export_check_notes", "dashboards.export_check_scope"):
        monkeypatch.setattr(f"{module}.MAX_KEPT_BYTES", 4000)
    long = b'{"consistency":"' + b"x" * 5000 + b'"}\n'
    assert ask(pack({**files, "history.jsonl": long}, tmp_path / "x.zip"), TRUST).says("tombstones", "or 4000 bytes")
    assert ask(pack(files, tmp_path / "x.zip"), TRUST).says("scope", "or 4000 bytes, in front of the outside entries")


def test_reasons_do_not_pile_up(files: Files, tmp_path: Path) -> None:
    said = ask(pack({**files, "history.jsonl": b"{}\n" * 1000}, tmp_path / "x.zip"), TRUST)

    assert len(said.claims["tombstones"].why) == 20


def test_a_damaged_archive_is_never_whole(whole: Path, files: Files, tmp_path: Path) -> None:
    """Bits of the archive itself: headers, packed data, directory. Dates and the like may change; then the files are the same."""
    raw, path = whole.read_bytes(), tmp_path / "x.zip"
    directory = raw.index(b"PK\x01\x02")
    for position in [*range(0, directory, directory // 100), *range(directory, len(raw), 5)]:
        for bit in (0x10, 0x80):
            changed = bytearray(raw)
            changed[position] ^= bit
            path.write_bytes(changed)
            said = ask(path, TRUST)
            if said.exit_code == 0:
                assert unpack(path) == files


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all", bytes(1000), b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_cannot_be_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)

    said = ask(tmp_path / "x.zip", TRUST)

    assert said.exit_code == 2
    assert said.problem in ("this is no zip archive, or it cannot be read", "this is no audit export: it has no manifest.json")


def test_what_is_no_export_cannot_be_told(tmp_path: Path) -> None:
    assert ask(tmp_path / "nowhere.zip", TRUST).exit_code == 2
    assert ask(tmp_path, TRUST).exit_code == 2
    assert ask(pack({"a.txt": b"x"}, tmp_path / "x.zip"), TRUST).problem == "this is no audit export: it has no manifest.json"


@pytest.mark.parametrize("name", ["phitrail-export-1", "phitrail-export-3", "", None, 2, "\x1b[31m"])
def test_another_format_cannot_be_told_whatever_files_it_has(files: Files, tmp_path: Path, name: object) -> None:
    import json

    manifest = json.loads(files["manifest.json"]) | {"format": name}
    for more in (files, {"keys/ledger.vkey": b"x"}):
        said: Answer = ask(pack({**more, "manifest.json": json.dumps(manifest).encode()}, tmp_path / "x.zip"), TRUST)
        assert said.exit_code == 2
        assert "this reads phitrail-export-2" in said.problem


def test_no_key_at_all_ends_the_check(files: Files, tmp_path: Path) -> None:
    path = pack({**files, "keys/ledger.keys": b""}, tmp_path / "x.zip")

    assert ask(path, Given()).failed == {"signature", "files"}
    assert ask(path, Given(trust=Signer("x", b"x" * 32).verifier.text)).failed == {"signature", "files", "receipt"}


def test_both_refuse_in_the_same_words(files: Files, tmp_path: Path) -> None:
    path = pack({**files, "more": b"x"}, tmp_path / "x.zip")

    ours, theirs = by_our_code(path, TRUST), by_verify_py(path, TRUST)

    assert ours.claims["archive"].why == theirs.claims["archive"].why
    assert str(ours.claims["archive"].state) == FAILED
