"""Attack: the export is no honest archive: paths out of the folder, files too many, two of a name, links, bombs, bytes in front
or packed away.

Both checkers refuse it by name and write nothing to disk. The one that a regulator runs, `verify.py`, is shown to open no
connection, start no program, write no file and load nothing but the standard library.
"""

import stat
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.adversarial.attacks import Files, pack, unpack
from tests.dashboards.exports_checkers import VERIFY, Answer, Given, ask, read_output
from tests.dashboards.exports_forge import SIGNER, three_logs

TRUST = Given(trust=SIGNER.verifier.text)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An honest export of P-1."""
    return three_logs().draft({"patient_id": "P-1"}).give(tmp_path_factory.mktemp("export") / "x.zip")


def repacked(whole: Path, path: Path, change: Callable[[zipfile.ZipFile, Files], None]) -> Path:
    """The archive written anew, after something was added to it or taken from its files."""
    files = unpack(whole)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore", UserWarning)  # zipfile says so where a name stands twice
        change(archive, files)
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def refused(path: Path, words: str) -> Answer:
    """What both say of an archive, which is that the claim about it fails, for this reason; nothing else lies beside it
    afterwards.
    """
    before = sorted(path.parent.glob("*.zip"))
    said = ask(path, TRUST)
    assert said.failed == {"archive"}, said
    assert said.says("archive", words), said.claims["archive"]
    assert sorted(one for one in path.parent.iterdir() if not one.name.startswith("given.")) == before
    return said


def test_the_honest_one_is_accepted(whole: Path) -> None:
    assert ask(whole, TRUST).failed == set()


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "../../etc/cron.d/x",
        "/etc/passwd",
        "keys/../../x",
        "C:\\x",
        "\\\\host\\x",
        "keys/",
        "events.jsonl ",
        "run.py",
        "con",
        "",
    ],
)
def test_a_name_that_no_export_has(whole: Path, tmp_path: Path, name: str) -> None:
    refused(
        repacked(whole, tmp_path / "x.zip", lambda archive, files: archive.writestr(zipfile.ZipInfo(name), b"x")),
        "a file that no export has",
    )


def test_two_files_of_one_name(whole: Path, tmp_path: Path) -> None:
    """One reader would take the first, another the last."""
    refused(
        repacked(whole, tmp_path / "x.zip", lambda archive, files: archive.writestr("events.jsonl", files["events.jsonl"])),
        "two files of one name",
    )


@pytest.mark.parametrize("name", ["events.jsonl", "checkpoint", "keys/ledger.keys", "verify.py", "receipt.json"])
def test_a_file_is_missing(whole: Path, tmp_path: Path, name: str) -> None:
    files = unpack(whole)
    del files[name]

    refused(pack(files, tmp_path / "x.zip"), f"the archive lacks {name}")


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR], ids=["a link", "a folder", "a pipe", "a device"]
)
def test_what_is_no_file(whole: Path, tmp_path: Path, kind: int) -> None:
    def special(archive: zipfile.ZipFile, files: Files) -> None:
        info = zipfile.ZipInfo("report.pdf")
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, b"/etc/passwd")
        del files["report.pdf"]

    refused(repacked(whole, tmp_path / "x.zip", special), "report.pdf is a link or a device")


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_packing(whole: Path, tmp_path: Path, packing: int) -> None:
    def strange(archive: zipfile.ZipFile, files: Files) -> None:
        archive.writestr("report.pdf", files.pop("report.pdf"), compress_type=packing)

    refused(repacked(whole, tmp_path / "x.zip", strange), "report.pdf is encrypted, or packed in a way that no export is")


def patched(whole: Path, path: Path, offset: int, form: str, value: int) -> Path:
    """A number in the central directory entry of report.pdf changed."""
    raw = bytearray(whole.read_bytes())
    entry = raw.rindex(b"report.pdf") - 46
    assert raw[entry : entry + 4] == b"PK\x01\x02"
    struct.pack_into(form, raw, entry + offset, value)
    path.write_bytes(raw)
    return path


def test_an_encrypted_file(whole: Path, tmp_path: Path) -> None:
    refused(patched(whole, tmp_path / "x.zip", 8, "<H", 1), "report.pdf is encrypted")


def test_bombs(whole: Path, tmp_path: Path) -> None:
    """More than the reader allows; more than deflate can do; and a manifest without end. None of them is unpacked."""
    bomb = pack({**unpack(whole), "report.pdf": bytes(64 << 20)}, tmp_path / "x.zip")
    said = ask(bomb, Given(trust=SIGNER.verifier.text, max_bytes=32 << 20))
    assert said.failed == {"archive"}
    assert said.says("archive", "unpacks to more than 33554432 bytes")

    refused(patched(whole, tmp_path / "y.zip", 24, "<I", 0xF0000000), "report.pdf claims a size that no file packs into")

    endless = pack({**unpack(whole), "manifest.json": b" " * (17 << 20)}, tmp_path / "z.zip")
    assert ask(endless, TRUST).exit_code == 1
    assert any(
        "manifest.json is larger than 16777216 bytes" in why for said in ask(endless, TRUST).claims.values() for why in said.why
    )


def test_bytes_in_front(whole: Path, tmp_path: Path) -> None:
    """A program that is an archive as well."""
    (tmp_path / "x.zip").write_bytes(b"#!/bin/sh\n" + whole.read_bytes())

    refused(tmp_path / "x.zip", "bytes hidden in front of the archive")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"not a zip at all", bytes(1000)])
def test_what_is_no_export_is_told_from_one_that_was_changed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)

    said = ask(tmp_path / "x.zip", TRUST)

    assert (said.exit_code, said.claims) == (2, {})
    assert said.problem


def test_a_cut_archive(whole: Path, tmp_path: Path) -> None:
    """At every twentieth of its length: it is no archive then, or a file of it is damaged and named."""
    raw = whole.read_bytes()
    for part in range(1, 20):
        (tmp_path / "x.zip").write_bytes(raw[: len(raw) * part // 20])
        assert ask(tmp_path / "x.zip", TRUST).exit_code in {1, 2}


GUARD = """
import sys
ALLOWED = set(sys.stdlib_module_names)
def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "urllib.", "http.")):
        raise SystemExit(f"it did {event}")
    if event == "open" and isinstance(arguments[1], str) and any(mode in arguments[1] for mode in "wax+"):
        raise SystemExit(f"it wrote {arguments[0]}")
    if event in ("os.mkdir", "os.remove", "os.rename", "os.link", "os.symlink", "os.chmod", "tempfile.mkstemp", "tempfile.mkdtemp"):
        raise SystemExit(f"it did {event}")
sys.addaudithook(watch)
sys.argv = sys.argv[1:]
import runpy
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    strange = {name.partition(".")[0] for name in sys.modules} - ALLOWED - {"__main__"}
    if strange:
        raise SystemExit(f"it loaded {strange}")
"""


@pytest.mark.parametrize("is_good", [True, False], ids=["honest", "changed"])
def test_the_checker_runs_alone(whole: Path, tmp_path: Path, is_good: bool) -> None:
    """With a hook in the interpreter that stops it at the first connection, program or written file: same answer, and nothing was
    tried.
    """
    files = unpack(whole)
    if not is_good:
        files["events.jsonl"] = files["events.jsonl"].replace(b"view_chart", b"view_notes", 1)
    path = pack(files, tmp_path / "x.zip")
    (tmp_path / "verify.py").write_bytes(VERIFY.read_bytes())
    arguments = TRUST.arguments(path)

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", GUARD, str(tmp_path / "verify.py"), *arguments],
        capture_output=True, check=False, cwd=tmp_path, env={"PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip

    assert b"it did" not in done.stderr, done.stderr
    assert read_output(done.returncode, done.stdout.decode(), done.stderr.decode()) == ask(path, TRUST)
    assert done.returncode == (0 if is_good else 1), done.stderr
