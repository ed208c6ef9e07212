"""Everything that can be done to an export on its way, and what checking it says."""

import io
import json
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import cast

import pytest

from dashboards import export_verify
from dashboards.export_check import BundleState, verify_bundle
from dashboards.export_open import NAMES
from dashboards.exports import export_bundle
from domain.note import Signer
from store.engine import Engine
from store.events import EventFilter
from tests.dashboards.exports_desk import CHECKERS, Checked, Checker, Files, export_house, pack, refit, request, resign, unpack
from tests.retention.old_ledger import emptied
from tests.support.node import SIGNER

MALLORYS = Signer("log.example/spine", b"m" * 32)


@pytest.fixture(scope="module")
def whole(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An export over two logs."""
    folder = tmp_path_factory.mktemp("export")
    with export_house(emptied(shared_engine), folder) as house:
        yield export_bundle(house.desk(), request(wanted=EventFilter(patient_id="P-1")), folder / "x.zip").path


@pytest.fixture(params=CHECKERS, ids=lambda checker: checker.__name__.removeprefix("by_"))
def check(request: pytest.FixtureRequest) -> Checker:
    """Both checkers, which share no code, must say the same."""
    return cast("Checker", request.param)


def lines(files: Files, name: str) -> list[bytes]:
    return files[name].splitlines()


def put(files: Files, name: str, content: list[bytes]) -> None:
    files[name] = b"".join(line + b"\n" for line in content)


def edit(name: str, number: int, change: Callable[[dict[str, object]], None]) -> Callable[[Files], None]:
    """Change the object in one line of a file."""

    def alter(files: Files) -> None:
        content = lines(files, name)
        value = json.loads(content[number])
        change(value)
        content[number] = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        put(files, name, content)

    return alter


def replaced(field: str, old: str, new: str) -> Callable[[dict[str, object]], None]:
    def change(value: dict[str, object]) -> None:
        assert old in str(value[field])
        value[field] = str(value[field]).replace(old, new)

    return change


def assign(field: str, new: object) -> Callable[[dict[str, object]], None]:
    def change(value: dict[str, object]) -> None:
        assert field in value
        value[field] = new

    return change


def flip_hash(field: str) -> Callable[[dict[str, object]], None]:
    def change(value: dict[str, object]) -> None:
        text = value[field]
        if isinstance(text, list):
            value[field] = [f"{int(text[0][0], 16) ^ 1:x}{text[0][1:]}", *text[1:]]
        else:
            value[field] = f"{int(str(text)[0], 16) ^ 1:x}{str(text)[1:]}"

    return change


def drop(event: int, proof: int) -> Callable[[Files], None]:
    def alter(files: Files) -> None:
        for name, number in (("events.jsonl", event), ("proofs.jsonl", proof)):
            content = lines(files, name)
            del content[number]
            put(files, name, content)

    return alter


def exchange(name: str, one: int, other: int) -> Callable[[Files], None]:
    def alter(files: Files) -> None:
        content = lines(files, name)
        content[one], content[other] = content[other], content[one]
        put(files, name, content)

    return alter


def both(*changes: Callable[[Files], None]) -> Callable[[Files], None]:
    def alter(files: Files) -> None:
        for change in changes:
            change(files)

    return alter


def twice(files: Files) -> None:
    for name, number in (("events.jsonl", 3), ("proofs.jsonl", 4)):
        content = lines(files, name)
        content.insert(number, content[number])
        put(files, name, content)


def test_the_whole_one_is_intact(whole: Path, check: Checker) -> None:
    assert check(whole, SIGNER.verifier) == Checked(0, ())


def run_here(path: Path, key: Path) -> int:
    """The exit code of verify.py, run inside this process where there are hundreds of archives to check."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        return export_verify.main([str(path), "--trust", str(key)])


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A file with the ledger's key."""
    path = tmp_path / "key"
    path.write_text(SIGNER.verifier.text)
    return path


def test_a_flipped_bit_anywhere_in_any_file_is_found_by_both_checkers(whole: Path, tmp_path: Path, key: Path) -> None:
    original = unpack(whole)
    for name, content in original.items():
        step = max(1, len(content) // 12)
        for position in [*range(0, len(content), step), len(content) - 1]:
            changed = bytearray(content)
            changed[position] ^= 1
            path = pack({**original, name: bytes(changed)}, tmp_path / "x.zip")
            ours = verify_bundle(path, SIGNER.verifier).exit_code
            assert ours != 0, (name, position)
            assert run_here(path, key) == ours, (name, position)


# The attacker makes the manifest fit again; the ledger's receipt does not fit it any more, and the place is named as well.
@pytest.mark.parametrize(
    ("change", "file", "line", "says"),
    [
        pytest.param(
            edit("events.jsonl", 5, replaced("body", "view_chart", "view_notes")), "events.jsonl", 6, "leaf", id="edit a body"
        ),
        pytest.param(
            edit("events.jsonl", 5, replaced("private", "P-1", "P-9")), "events.jsonl", 6, "private part", id="edit a private part"
        ),
        pytest.param(edit("events.jsonl", 5, flip_hash("salt")), "events.jsonl", 6, "private part", id="edit a salt"),
        pytest.param(edit("events.jsonl", 5, flip_hash("leaf")), "events.jsonl", 6, "leaf of entry 15", id="edit a leaf"),
        pytest.param(edit("events.jsonl", 5, assign("seq", 16)), "events.jsonl", 6, "another place", id="renumber"),
        pytest.param(edit("events.jsonl", 5, assign("writer", "other")), "events.jsonl", 6, "another place", id="another writer"),
        pytest.param(
            edit("events.jsonl", 5, assign("private_is", "withheld")),
            "events.jsonl",
            6,
            "not given, and gives",
            id="claim withheld",
        ),
        pytest.param(edit("proofs.jsonl", 6, flip_hash("path")), "events.jsonl", 6, "not in the ledger", id="edit a path"),
        pytest.param(edit("proofs.jsonl", 6, flip_hash("previous")), "events.jsonl", 6, "leaf", id="edit the previous leaf"),
        pytest.param(edit("proofs.jsonl", 6, assign("index", 16)), "events.jsonl", 6, "not in the ledger", id="edit an index"),
        pytest.param(edit("proofs.jsonl", 6, assign("seq", 3)), "events.jsonl", 6, "not that of entry 15", id="proof of another"),
        pytest.param(edit("proofs.jsonl", 0, flip_hash("root")), "proofs.jsonl", 1, "commit to this log", id="edit a log's root"),
        pytest.param(edit("proofs.jsonl", 0, assign("size", 99)), "proofs.jsonl", 1, "commit to this log", id="edit a log's size"),
        pytest.param(
            edit("proofs.jsonl", 0, assign("log", "log.example/b/2026-02")), "proofs.jsonl", 1, "commit", id="rename a log"
        ),
        pytest.param(
            edit("proofs.jsonl", 0, replaced("spine_body", "seal", "heads")),
            "proofs.jsonl",
            1,
            "not under",
            id="edit a spine entry",
        ),
        pytest.param(drop(5, 6), "manifest.json", None, "not the manifest that the ledger recorded", id="leave an event out"),
        pytest.param(
            both(exchange("events.jsonl", 2, 3), exchange("proofs.jsonl", 3, 4)), "events.jsonl", 4, "out of order", id="swap"
        ),
        pytest.param(exchange("events.jsonl", 2, 3), "events.jsonl", 3, "not that of entry", id="swap events only"),
        pytest.param(twice, "events.jsonl", 5, "out of order, or twice", id="an event twice"),
        pytest.param(lambda files: files.update({"events.jsonl": b""}), "proofs.jsonl", None, "more lines", id="no events"),
        pytest.param(lambda files: files.update({"proofs.jsonl": b""}), "proofs.jsonl", None, "fewer lines", id="no proofs"),
        pytest.param(
            lambda files: put(files, "proofs.jsonl", lines(files, "proofs.jsonl")[1:]), "proofs.jsonl", 1, "any log", id="no log"
        ),
        pytest.param(lambda files: put(files, "events.jsonl", [b"{]"]), "events.jsonl", 1, "not JSON", id="not JSON"),
        pytest.param(lambda files: put(files, "events.jsonl", [b"[1]"]), "events.jsonl", 1, "no JSON object", id="not an object"),
        pytest.param(
            lambda files: put(files, "events.jsonl", [lines(files, "events.jsonl")[0].replace(b'{"body"', b'{"seq":9,"body"', 1)]),
            "events.jsonl",
            1,
            "canonical",
            id="a field twice",
        ),
        pytest.param(
            lambda files: files.update({"events.jsonl": files["events.jsonl"][:-1]}), "events.jsonl", None, "line end", id="cut"
        ),
        pytest.param(
            lambda files: files.update({"events.csv": files["events.csv"].replace(b"mallory", b"nobody")}),
            "manifest.json",
            None,
            "not the manifest",
            id="edit the spreadsheet",
        ),
        pytest.param(
            lambda files: files.update({"completeness.json": b"{}\n"}),
            "manifest.json",
            None,
            "not the manifest",
            id="edit completeness",
        ),
    ],
)
def test_a_change_with_the_manifest_made_to_fit_is_named(
    whole: Path, tmp_path: Path, check: Checker, change: Callable[[Files], None], file: str, line: int | None, says: str
) -> None:
    files = unpack(whole)
    change(files)
    refit(files)

    verdict = check(pack(files, tmp_path / "x.zip"), SIGNER.verifier)

    assert verdict.exit_code == 1
    assert any(one.file == file and one.line == line and says in one.what for one in verdict.problems), verdict.problems
    assert any("not the manifest that the ledger recorded" in one.what for one in verdict.problems)


@pytest.mark.parametrize(
    ("name", "old", "new", "file", "says"),
    [
        ("checkpoint", b"log.example/spine\n", b"log.example/spin3\n", "checkpoint", "does not fit the note"),
        ("receipt.json", b'"spine_index": ', b'"spine_index": 1', "receipt.json", "not under its checkpoint"),
        ("receipt.json", b'\\"kind\\":\\"export\\"', b'\\"kind\\":\\"exp0rt\\"', "receipt.json", "not under its checkpoint"),
        ("manifest.json", b"OCR audit", b"OCR lunch", "manifest.json", "not the manifest that the ledger recorded"),
        ("manifest.json", b'"README.txt"', b'"README.tx"', "manifest.json", "exactly the files of an export"),
    ],
)
def test_a_change_of_what_is_signed_is_named(
    whole: Path, tmp_path: Path, check: Checker, name: str, old: bytes, new: bytes, file: str, says: str
) -> None:
    files = unpack(whole)
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)

    verdict = check(pack(files, tmp_path / "x.zip"), SIGNER.verifier)

    assert verdict.exit_code == 1
    assert any(one.file == file and says in one.what for one in verdict.problems), verdict.problems


def test_the_receipt_of_another_export_does_not_do(whole: Path, tmp_path: Path, check: Checker) -> None:
    files = unpack(whole)
    receipt = json.loads(files["receipt.json"])
    receipt["spine_body"] = json.loads(lines(files, "proofs.jsonl")[0])["spine_body"]
    receipt["spine_previous"] = json.loads(lines(files, "proofs.jsonl")[0])["spine_previous"]
    receipt["spine_index"] = json.loads(lines(files, "proofs.jsonl")[0])["spine_index"]
    receipt["spine_path"] = json.loads(lines(files, "proofs.jsonl")[0])["spine_path"]
    receipt["checkpoint"] = files["checkpoint"].decode()
    files["receipt.json"] = json.dumps(receipt).encode()

    verdict = check(pack(files, tmp_path / "x.zip"), SIGNER.verifier)

    assert [one.what for one in verdict.problems] == ["the ledger's entry in the receipt is not about an export"]


def test_another_key_is_told_from_the_trusted_one(whole: Path, tmp_path: Path, check: Checker) -> None:
    files = unpack(whole)
    resign(files, MALLORYS)
    refit(files)
    forged = pack(files, tmp_path / "x.zip")

    trusted, untrusted = check(forged, SIGNER.verifier), check(forged)

    assert trusted.exit_code == 1
    assert any("no known key signed" in one.what for one in trusted.problems)
    assert any("is not the trusted one" in one.what for one in trusted.problems)
    assert [one.file for one in untrusted.problems] == ["manifest.json"]


def test_an_export_without_a_trusted_key_says_so(whole: Path) -> None:
    verdict = verify_bundle(whole)

    assert (verdict.state, verdict.is_trusted, verdict.key) == (BundleState.INTACT, False, SIGNER.verifier.text)


def _repacked(path: Path, whole: Path, change: Callable[[zipfile.ZipFile, Files], None]) -> Path:
    files = unpack(whole)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        change(archive, files)
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "keys/../../x", "notes.txt", "run.py", "keys/", "C:\\x"])
def test_a_file_that_no_export_has_is_refused(whole: Path, tmp_path: Path, check: Checker, name: str) -> None:
    path = _repacked(tmp_path / "x.zip", whole, lambda archive, files: archive.writestr(name, b"x"))

    verdict = check(path, SIGNER.verifier)

    assert verdict.exit_code == 1
    assert "a file that no export has" in verdict.problems[0].what
    assert sorted(tmp_path.iterdir()) == [path]


def test_two_files_of_one_name_are_refused(whole: Path, tmp_path: Path, check: Checker) -> None:
    def again(archive: zipfile.ZipFile, files: Files) -> None:
        archive.writestr("events.csv", files["events.csv"])

    with pytest.warns(UserWarning, match="Duplicate name"):
        path = _repacked(tmp_path / "x.zip", whole, again)

    assert "two files of one name" in check(path).problems[0].what


@pytest.mark.parametrize("name", sorted(NAMES - {"manifest.json"}))
def test_a_missing_file_is_named(whole: Path, tmp_path: Path, check: Checker, name: str) -> None:
    files = unpack(whole)
    del files[name]

    verdict = check(pack(files, tmp_path / "x.zip"))

    assert (verdict.exit_code, verdict.problems[0].what) == (1, f"the archive lacks {name}")


def test_a_link_is_refused(whole: Path, tmp_path: Path, check: Checker) -> None:
    def link(archive: zipfile.ZipFile, files: Files) -> None:
        info = zipfile.ZipInfo("report.pdf")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, b"/etc/passwd")
        del files["report.pdf"]

    assert "is a link" in check(_repacked(tmp_path / "x.zip", whole, link)).problems[0].what


def test_a_bomb_is_refused_before_it_is_unpacked(whole: Path, tmp_path: Path, check: Checker) -> None:
    files = unpack(whole)
    path = pack({**files, "report.pdf": bytes(64 << 20)}, tmp_path / "x.zip")
    assert "more than 33554432 bytes" in check(path, max_bytes=32 << 20).problems[0].what

    raw = bytearray(path.read_bytes())
    entry = raw.rindex(b"report.pdf") - 46
    assert raw[entry : entry + 4] == b"PK\x01\x02"
    struct.pack_into("<I", raw, entry + 24, 0xF0000000)
    path.write_bytes(raw)
    assert "claims a size that no file packs into" in check(path).problems[0].what


def test_an_endless_manifest_is_refused(whole: Path, tmp_path: Path, check: Checker) -> None:
    files = unpack(whole)
    path = pack({**files, "manifest.json": b" " * (17 << 20)}, tmp_path / "x.zip")

    verdict = check(path)

    assert (verdict.exit_code, verdict.problems[0].what) == (1, "manifest.json is larger than 16777216 bytes")


def test_bytes_in_front_are_refused(whole: Path, tmp_path: Path, check: Checker) -> None:
    (tmp_path / "x.zip").write_bytes(b"#!/bin/sh\n" + whole.read_bytes())

    assert "hidden in front" in check(tmp_path / "x.zip").problems[0].what


def test_a_damaged_archive_is_never_intact(whole: Path, tmp_path: Path, key: Path) -> None:
    """Bits of the archive itself: headers, packed data, directory. Dates and the like may change; then the files are the same."""
    raw, files = whole.read_bytes(), unpack(whole)
    path = tmp_path / "x.zip"
    directory = raw.index(b"PK\x01\x02")
    for position in [*range(0, directory, directory // 150), *range(directory, len(raw), 3)]:
        for bit in (0x10, 0x80):
            changed = bytearray(raw)
            changed[position] ^= bit
            path.write_bytes(changed)
            ours = verify_bundle(path, SIGNER.verifier).exit_code
            assert run_here(path, key) == ours, (position, bit)
            if ours == 0:
                assert unpack(path) == files


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all", bytes(1000)])
def test_what_is_no_archive_cannot_be_told(tmp_path: Path, check: Checker, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)

    verdict = check(tmp_path / "x.zip")

    assert (verdict.exit_code, verdict.problems[0].what) == (2, "this is no zip archive, or it cannot be read")


def test_what_is_no_export_or_a_later_one_cannot_be_told(whole: Path, tmp_path: Path, check: Checker) -> None:
    assert check(tmp_path / "nowhere.zip").exit_code == 2
    assert check(pack({"a.txt": b"x"}, tmp_path / "x.zip")).exit_code == 2
    files = unpack(whole)
    files["manifest.json"] = files["manifest.json"].replace(b"phitrail-export-1", b"phitrail-export-2")
    verdict = check(pack(files, tmp_path / "x.zip"), SIGNER.verifier)
    assert verdict.exit_code == 2
    assert "reads phitrail-export-1" in verdict.problems[0].what
