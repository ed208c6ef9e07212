"""A stop at each step of making an export: nobody has half of one, and the ledger knows what it should."""

import errno
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyrage
import pytest

import dashboards.exports
from dashboards.export_zip import give
from domain.errors import IntegrityError, InvalidInput
from store.engine import Engine
from store.events import EventFilter
from store.fsck import Integrity
from tests.dashboards.exports_desk import ExportHouse, export_house, unpack
from tests.dashboards.exports_reader import Export
from tests.retention.old_ledger import Stop, emptied

READER = pyrage.x25519.Identity.generate()


@pytest.fixture(scope="module")
def house(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExportHouse]:
    with export_house(emptied(shared_engine), tmp_path_factory.mktemp("node")) as made:
        yield made


@pytest.fixture(autouse=True)
def _moment(house: ExportHouse) -> Iterator[None]:
    house.clock.advance(minutes=1)
    yield
    house.keeper.before.clear()


def _dies(*_: object, **__: object) -> None:
    raise Stop


def _disk_is_full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _known(house: ExportHouse) -> tuple[int, int]:
    """How many exports were asked for, and how many manifests the spine has."""
    ((asked,),) = house.live.engine.rows("SELECT count() FROM events WHERE event_id LIKE 'export:%'")
    ((made,),) = house.live.engine.rows("SELECT count() FROM spine WHERE kind = 'export'")
    assert isinstance(asked, int)
    assert isinstance(made, int)
    return asked, made


@pytest.mark.parametrize("step", ["checkpoint", "index", "export"])
def test_a_stop_in_front_of_a_spine_entry_gives_no_file_and_leaves_the_request(
    house: ExportHouse, tmp_path: Path, step: str
) -> None:
    asked, made = _known(house)
    house.keeper.before[step] = _dies

    with pytest.raises(Stop):
        house.export(tmp_path / "x.zip")

    assert list(tmp_path.iterdir()) == []
    assert _known(house) == (asked + 1, made)
    house.keeper.before.clear()
    Export(unpack(house.export(tmp_path / "x.zip"))).check()


@pytest.mark.parametrize("step", ["write_history", "write_scope", "write_times", "csv_rows", "render_html", "render_pdf", "readme"])
def test_a_stop_while_files_are_written_gives_no_file_and_no_entry(
    house: ExportHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    asked, made = _known(house)
    module = dashboards.export_stream if step == "csv_rows" else dashboards.exports
    with monkeypatch.context() as patch:
        patch.setattr(module, step, _disk_is_full)
        with pytest.raises(OSError, match="No space left"):
            house.export(tmp_path / "x.zip")

    assert list(tmp_path.iterdir()) == []
    assert _known(house) == (asked + 1, made)
    assert house.live.verify().integrity is Integrity.INTACT


@pytest.mark.parametrize("step", ["write_zip", "encrypt", "give"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_stop_after_the_ledger_signed_it_leaves_an_export_that_only_the_ledger_knows(
    house: ExportHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    asked, made = _known(house)
    real: Callable[..., None] = getattr(dashboards.exports, step)

    def stopped(*arguments: object) -> None:
        if when == "after":
            real(*arguments)
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(dashboards.exports, step, stopped)
        with pytest.raises(Stop):
            house.export(tmp_path / "x.zip", recipient=str(READER.to_public()))

    is_given = (step, when) == ("give", "after")
    assert [path.name for path in tmp_path.iterdir()] == (["x.zip"] if is_given else [])
    assert _known(house) == (asked + 1, made + 1)
    assert house.live.verify().integrity is Integrity.INTACT


def test_what_a_killed_export_left_goes_with_the_next(house: ExportHouse, tmp_path: Path) -> None:
    left = tmp_path / ".x.zip.making"
    (left / "keys").mkdir(parents=True)
    (left / "events.jsonl").write_text("half")

    Export(unpack(house.export(tmp_path / "x.zip"))).check()

    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_a_name_that_was_taken_meanwhile_is_not_replaced(house: ExportHouse, tmp_path: Path) -> None:
    out = tmp_path / "x.zip"
    house.keeper.before["export"] = lambda: out.write_text("mine") and None

    with pytest.raises(InvalidInput, match=r"x.zip exists: an export never replaces a file"):
        house.export(out)

    assert out.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made").write_text("export")

    def refuses(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refuses)
    give(tmp_path / "made", tmp_path / "x.zip")

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x.zip", "export")]


def test_encrypted_to_one_reader_it_is_one_age_file(house: ExportHouse, tmp_path: Path) -> None:
    out = house.export(tmp_path / "x.zip.age", recipient=f" {READER.to_public()}\n")

    recorded = house.live.engine.rows("SELECT private FROM events WHERE event_id LIKE 'export:%' ORDER BY seq DESC LIMIT 1")
    assert json.loads(str(recorded[0][0]))["details"]["encrypted_to"] == str(READER.to_public())
    sealed = out.read_bytes()
    assert sealed.startswith(b"age-encryption.org/v1\n-> X25519 ")
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip.age"]
    assert out.stat().st_mode & 0o077 == 0
    opened = tmp_path / "x.zip"
    opened.write_bytes(pyrage.decrypt(sealed, [READER]))
    Export(unpack(opened)).check()
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [pyrage.x25519.Identity.generate()])


def test_the_plain_archive_is_gone_once_it_is_encrypted(
    house: ExportHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    def look(temporary: Path, out: Path) -> None:
        seen.append({path.name for path in temporary.parent.iterdir() if path.suffix in (".zip", ".age")})
        give(temporary, out)

    monkeypatch.setattr(dashboards.exports, "give", look)
    house.export(tmp_path / "x.age", recipient=str(READER.to_public()))

    assert seen == [{"export.age"}]


@pytest.mark.parametrize(
    "recipient",
    ["", "age1", str(READER), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN"],
    ids=["empty", "cut", "a secret key", "another kind"],
)
def test_a_bad_recipient_is_refused_before_anything_is_recorded(house: ExportHouse, tmp_path: Path, recipient: str) -> None:
    known = _known(house)

    with pytest.raises(InvalidInput, match="no age X25519 public key") as refused:
        house.export(tmp_path / "x.age", recipient=recipient)

    assert _known(house) == known
    assert "SECRET" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_rows_that_were_removed_are_no_export(house: ExportHouse, tmp_path: Path) -> None:
    """Last in this file: the ledger of its tests is tampered with."""
    house.live.engine.execute("ALTER TABLE events DELETE WHERE seq = 75")
    house.live.engine.execute("ALTER TABLE tiles DELETE WHERE 1")

    with pytest.raises(IntegrityError, match="run phitrail verify"):
        house.export(tmp_path / "x.zip", wanted=EventFilter(sources=("access",)))

    assert list(tmp_path.iterdir()) == []
