"""Attack: the administrator's own tools: ALTER UPDATE and DELETE, DETACH, a part or a data directory from a backup, a replica
that lags.

What they change is named as any change is; a part that is out of the table is missing from it; an old part that comes back stands
twice, or belongs to nothing. Over an old store the writer does not start. An export of a store that shows less than was signed is
not made.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from domain.errors import IntegrityError
from store.engine import Engine
from store.events import EventFilter
from tests.adversarial.attacks import COUNT, MARCH, SPINE, Scene, first, is_intact, some_events
from tests.dashboards.exports_desk import export_house

STATEMENTS = [
    pytest.param("ALTER TABLE events UPDATE actor_id = 'bob' WHERE seq = 20", (MARCH, 20), id="update a column"),
    pytest.param("ALTER TABLE events UPDATE private = '{}' WHERE seq = 20", (MARCH, 20), id="update a private part"),
    pytest.param("ALTER TABLE events UPDATE leaf = reverse(leaf) WHERE seq = 305", (MARCH, 305), id="update a leaf"),
    pytest.param("ALTER TABLE events DELETE WHERE patient_id = 'P-2'", (MARCH, 1), id="delete a patient"),
    pytest.param("DELETE FROM spine WHERE seq = 1", (SPINE, 1), id="lightweight delete"),
    pytest.param("ALTER TABLE events DROP PARTITION 202603", (MARCH, 0), id="drop a month"),
    pytest.param("TRUNCATE TABLE events", (MARCH, 0), id="truncate"),
    pytest.param("ALTER TABLE spine UPDATE body = concat(body, ' ') WHERE seq = 2", (SPINE, 2), id="update the spine"),
    pytest.param("ALTER TABLE spine DELETE WHERE seq = 3", (SPINE, 3), id="delete of the spine"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "where"), STATEMENTS)
def test_a_statement(scene: Scene, statement: str, where: tuple[str, int]) -> None:
    scene.sql(statement)

    assert first(scene.verify()) == where


@pytest.mark.parametrize("table", ["tiles", "event_keys"])
def test_what_is_derived_is_no_record(scene: Scene, table: str) -> None:
    """It can be made again from the record, and is not evidence: the record is intact without it."""
    scene.sql(f"TRUNCATE TABLE {table}")

    assert is_intact(scene.verify())


def test_tiles_that_lie(scene: Scene) -> None:
    """Proofs would be made from them, and fail: they are compared with the leaves, and the first is named."""
    scene.sql("ALTER TABLE tiles UPDATE hash = reverse(hash) WHERE 1")

    assert first(scene.verify()) == (MARCH, 0)


@contextmanager
def nothing_detached(scene: Scene) -> Iterator[None]:
    """Detached parts outlive a table's rows."""
    try:
        yield
    finally:
        for (partition,) in scene.engine.rows("SELECT DISTINCT partition_id FROM system.detached_parts WHERE table = 'events'"):
            with suppress(Exception):
                scene.sql(f"ALTER TABLE events DROP DETACHED PARTITION {partition} SETTINGS allow_drop_detached = 1")


def test_a_month_is_detached_and_attached_again(scene: Scene) -> None:
    with nothing_detached(scene):
        scene.sql("ALTER TABLE events DETACH PARTITION 202603")
        assert first(scene.verify()) == (MARCH, 0)

        scene.sql("ALTER TABLE events ATTACH PARTITION 202603")

        assert is_intact(scene.verify())


def detached(scene: Scene) -> Path:
    """Where parts lie that are out of the table."""
    ((paths,),) = scene.engine.rows("SELECT data_paths FROM system.tables WHERE database = 'phitrail' AND name = 'events'")
    return Path(str(paths[0])) / "detached"  # type: ignore[index]


def test_an_old_part_is_attached_beside_the_new_one(scene: Scene) -> None:
    """From a backup of the files: every entry of the month stands twice, the first is named."""
    with nothing_detached(scene):
        scene.sql("ALTER TABLE events DETACH PARTITION 202603")
        shutil.copytree(detached(scene), scene.directory / "backup")
        scene.sql("ALTER TABLE events ATTACH PARTITION 202603")
        assert is_intact(scene.verify())
        shutil.copytree(scene.directory / "backup", detached(scene), dirs_exist_ok=True)

        scene.sql("ALTER TABLE events ATTACH PARTITION 202603")

        assert first(scene.verify()) == (MARCH, 0)


def test_an_old_part_in_place_of_the_new_one(scene: Scene) -> None:
    """The month as it was before its last entries: they are missing, the first of them is named; the writer does not start."""
    with nothing_detached(scene):
        scene.sql("ALTER TABLE events DETACH PARTITION 202603")
        shutil.copytree(detached(scene), scene.directory / "backup")
        scene.sql("ALTER TABLE events ATTACH PARTITION 202603")
        with scene.start() as live:
            live.ledger.append(some_events(range(COUNT, COUNT + 8)))
        assert is_intact(scene.verify())
        scene.sql("ALTER TABLE events DROP PARTITION 202603")
        shutil.copytree(scene.directory / "backup", detached(scene), dirs_exist_ok=True)
        scene.sql("ALTER TABLE events ATTACH PARTITION 202603")

        said = scene.verify()

        assert first(said) == (MARCH, COUNT)
        with (
            pytest.raises(IntegrityError, match=f"ends at entry {COUNT - 1}, but entry {COUNT + 7} was acknowledged"),
            scene.start(),
        ):
            pass


def test_a_part_whose_bytes_were_changed(scene: Scene) -> None:
    """ClickHouse has checksums of its own: it does not read the part. That is said in a sentence, and is never "intact"."""
    with nothing_detached(scene):
        scene.sql("ALTER TABLE events DETACH PARTITION 202603")
        file = next(path for path in sorted(detached(scene).glob("*/*.bin")) if path.name in {"data.bin", "header.bin"})
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        scene.sql("ALTER TABLE events ATTACH PARTITION 202603")
        try:
            with pytest.raises(IntegrityError, match="damaged"):
                scene.verify()
        finally:
            scene.sql("TRUNCATE TABLE events")


def test_a_table_from_a_backup_with_the_state_of_that_day(scene: Scene) -> None:
    """Store and state directory are of yesterday; the copy of the checkpoint in the second directory is not."""
    yesterday = {name: scene.table(name) for name in ("events", "spine", "checkpoints", "logs", "event_keys", "tiles")}
    shutil.copytree(scene.directory / "state", scene.directory / "old")
    with scene.start() as live:
        live.ledger.append(some_events(range(COUNT, COUNT + 8)))
        kept = live.keeper.checkpoint().checkpoint
    for name, frame in yesterday.items():
        scene.write(name, frame)
    shutil.rmtree(scene.directory / "state")
    (scene.directory / "old").rename(scene.directory / "state")

    assert first(scene.verify()) == (SPINE, 5)
    with pytest.raises(IntegrityError, match="the spine has 5 entries, but 7 were signed"), scene.start():
        pass

    shutil.rmtree(scene.directory / "copies")
    with scene.start():
        pass
    assert is_intact(scene.verify()), "nothing on this machine remembers"
    assert first(scene.verify(kept))[0] == SPINE, "whoever kept 200 bytes does; and a witness, see group 16"


RESTORE = """
import json, shutil, sys
from datetime import datetime, UTC
from pathlib import Path
from domain.errors import IntegrityError
from runtime.node import open_node
from runtime.settings import Settings
from tests.support.cast import chart_view
from tests.support.clock import TickingClock
data = Path(sys.argv[1])
settings = Settings.model_validate({"data_dir": data, "ledger": {"anchor_dir": data.parent / "copies"}})
clock = TickingClock()
def run(first):
    with open_node(settings, clock) as node:
        return node.ledger.append([chart_view(n) for n in range(first, first + 5)])[-1].seq
said = [run(0)]
shutil.copytree(data, data.with_name("backup"), symlinks=True)
said.append(run(5))
shutil.rmtree(data)
shutil.copytree(data.with_name("backup"), data, symlinks=True)
try:
    said.append(run(10))
except IntegrityError as error:
    said.append(str(error))
print(json.dumps(said))
"""


def test_a_data_directory_from_a_backup_with_its_state_is_refused(tmp_path: Path) -> None:
    """The whole directory of yesterday, files, state and keys, put back and started: it does not start."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RESTORE, str(tmp_path / "data")],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], env=os.environ,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    first_run, second_run, restored = json.loads(done.stdout.splitlines()[-1])
    assert (first_run, second_run) == (4, 9)
    assert "the store is older than its anchor" in restored


def test_an_export_of_a_replica_that_lags_is_not_made(engine: Engine, tmp_path: Path) -> None:
    """Between the commitment and the reading the newest entries are not there: nothing is given out, and they are named."""
    with export_house(engine, tmp_path) as house:
        house.keeper.before["index"] = lambda: engine.execute("ALTER TABLE events DELETE WHERE seq >= 108")

        with pytest.raises(IntegrityError, match="run phitrail verify"):
            house.export(tmp_path / "x.zip", wanted=EventFilter(patient_id="P-1"))

    assert not (tmp_path / "x.zip").exists()
