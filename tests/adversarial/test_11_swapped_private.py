"""Attack: a private part is shown in place of another. It is caught by the digest that was hashed; no second text fits it.

In designs with a key for each patient, one ciphertext can be made to decrypt to two texts under two keys, so the digest must be
over the plaintext. Here there are no such keys: the digest is SHA256(salt || private part), salt of 16 bytes, and stands in the
hashed header. So what is tried is another text under the same digest: another entry's, an edited one, one cut elsewhere between
salt and text, one that is invented for an entry whose private part was removed.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

from domain.entry import private_digest, salt
from domain.errors import IntegrityError
from domain.index_tree import Dimension, index_key, tag
from domain.json import Json
from store.engine import Engine
from store.fsck import Integrity
from store.logs import registered_logs
from store.redaction import Batch, RedactedRow, RedactionStore
from tests.adversarial.attacks import MARCH, SECRET, Scene, first, spine_row
from tests.dashboards.exports_checkers import Given, ask
from tests.dashboards.exports_forge import Line, three_logs
from tests.support.node import SIGNER
from tests.support.redacting import redacting, some_events


def test_two_entries_exchange_their_private_parts(scene: Scene) -> None:
    """With the columns that repeat them; both are of one patient and one actor."""
    frame = scene.table("events")
    order = [17, 29]
    columns = ["private", "patient_id", "ip", "actor_id"]
    for name in columns:
        values = frame[name].to_list()
        values[order[0]], values[order[1]] = values[order[1]], values[order[0]]
        frame = frame.with_columns(pl.Series(name, values))
    scene.write("events", frame)

    said = scene.verify()

    assert first(said) == (MARCH, 17)
    assert {17, 29} <= {problem.seq for problem in said.problems}


def test_a_digest_is_stored_beside_another_text(scene: Scene) -> None:
    """The true digest is put where that of a redacted entry stands, so that leaf and chain hold, and another text beside it."""
    private = scene.table("events")["private"][17]
    digest = private_digest(private.encode(), salt(SECRET, "main", 17)).hex()
    changes = "private = replaceOne(private, 'P-3', 'P-9'), patient_id = 'P-9'"
    scene.sql(f"ALTER TABLE events UPDATE {changes}, private_digest = '{digest}' WHERE seq = 17")

    assert first(scene.verify()) == (MARCH, 17)


def test_a_private_part_is_removed_by_nobody(scene: Scene) -> None:
    """As a redaction leaves it, and no `redact` entry in the spine: the leaf holds, and it is named."""
    private = scene.table("events")["private"][17]
    digest = private_digest(private.encode(), salt(SECRET, "main", 17)).hex()
    scene.sql(f"ALTER TABLE events UPDATE private = '', patient_id = '', ip = '', private_digest = '{digest}' WHERE seq = 17")

    assert first(scene.verify()) == (MARCH, 17)


def removed(scene: Scene, seq: int) -> None:
    """Remove a private part as a redaction does, by somebody at the database: what is kept, the spine entry, the emptying.

    Everything follows and fits; only the signature is not theirs to make.
    """
    frame = scene.table("events")
    digest = private_digest(frame["private"][seq].encode(), salt(SECRET, "main", seq)).hex()
    tags = [
        tag(index_key(SECRET, by), frame[name][seq]).hex()
        for by, name in ((Dimension.PATIENT, "patient_id"), (Dimension.ACTOR, "actor_id"))
    ]
    row = RedactedRow(seq, digest, *tags)
    batch = Batch(registered_logs(scene.engine, "main")[0], [row])
    place = len(scene.table("spine"))
    fields: dict[str, Json] = {
        "origin": MARCH, "epoch": 202603, "writer": "main", "count": 1, "first_seq": seq, "last_seq": seq, "root": batch.root,
        "reason": "court_order", "approvers": ["counsel", "privacy.officer"], "run_by": "records.officer",
    }  # fmt: skip
    scene.write("spine", pl.concat([scene.table("spine"), spine_row(scene, place, "redact", fields)]))
    RedactionStore(scene.engine).add(batch)
    scene.sql(
        f"ALTER TABLE redactions UPDATE spine_seq = {place} WHERE 1",
        f"ALTER TABLE events UPDATE private = '', patient_id = '', ip = '', private_digest = '{digest}' WHERE seq = {seq}",
    )


def test_a_private_part_is_removed_by_an_entry_that_nobody_signed(scene: Scene) -> None:
    removed(scene, 17)

    assert first(scene.verify()) == (MARCH, 17)


def test_an_entry_of_a_stranger_is_not_signed_at_the_next_start(scene: Scene) -> None:
    """The writer takes over what it was about to sign itself when it stopped, and nothing else: else this were a redaction."""
    removed(scene, 17)

    with suppress(IntegrityError), scene.start():
        pass

    assert first(scene.verify()) == (MARCH, 17)


@pytest.mark.parametrize("is_marked", [True, False], ids=["with its digest", "without"])
def test_a_text_is_invented_for_a_redacted_entry(engine: Engine, tmp_path: Path, is_marked: bool) -> None:
    """What was removed comes back, or something else in its place."""
    with redacting(engine, tmp_path, some_events(8)) as rig:
        private = rig.row(3)["private"]
        rig.redact(3)
        digest = rig.row(3)["private_digest"]
        lie = private.replace("P-3", "P-9")
        assert lie != private
        rig.engine.execute(
            "ALTER TABLE events UPDATE private = {private:String}, patient_id = 'P-9', private_digest = {digest:String} "
            "WHERE seq = 3",
            private=lie,
            digest=digest if is_marked else "",
        )
        said = Scene(engine, tmp_path, {}).verify()

    assert said.integrity is Integrity.TAMPERED
    assert first(said) == (MARCH, 3)


# ---- In an export, by somebody with the ledger's key ----


def of_another(lines: list[Line]) -> None:
    """The private part of another entry, about another patient, with its salt."""
    lines[2]["private"], lines[2]["salt"] = lines[3]["private"], lines[3]["salt"]


def without_its_salt(lines: list[Line]) -> None:
    lines[2]["private"] = lines[3]["private"]


def edited(lines: list[Line]) -> None:
    lines[2]["private"] = str(lines[2]["private"]).replace("192.0.2.7", "192.0.2.8")


def cut_later(lines: list[Line]) -> None:
    """The same bytes for the hash: the text's first character has moved to the salt."""
    text = str(lines[2]["private"])
    lines[2]["salt"], lines[2]["private"] = str(lines[2]["salt"]) + text[0].encode().hex(), text[1:]


def cut_earlier(lines: list[Line]) -> None:
    lines[2]["private"] = bytes.fromhex(str(lines[2]["salt"])[-2:]).decode("latin-1") + str(lines[2]["private"])
    lines[2]["salt"] = str(lines[2]["salt"])[:-2]


def another_salt(lines: list[Line]) -> None:
    lines[2]["salt"] = "00" * 16


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (of_another, "private"),
        (without_its_salt, "private"),
        (edited, "private"),
        (another_salt, "private"),
        (cut_later, "events"),
        (cut_earlier, "events"),
    ],
)
def test_another_text_in_an_export(tmp_path: Path, change: Callable[[list[Line]], None], claim: str) -> None:
    draft = three_logs().draft()
    change(draft.events)

    said = ask(draft.give(tmp_path / "x.zip"), Given(trust=SIGNER.verifier.text))

    assert claim in said.failed
    assert said.says(claim, "events.jsonl line 3: "), said.claims[claim]
