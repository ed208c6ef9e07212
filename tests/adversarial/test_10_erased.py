"""Attack: after a private part was removed, somebody tries to get it back, or to deny what is left.

In designs with a key for each patient, the key is destroyed. Here a private part is emptied, and its digest, salted with 128
bits, stays in the hashed entry. What must come of it: leaves, chain, proofs and index trees verify as before; the text is in no
table; from the row and from any export the salt does not follow, so a nine-digit number cannot be tried against the digest. Who
can read table `logs`, where the secret is, can try: that is said in docs/redaction.md, and shown here.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from domain.entry import private_digest, salt
from domain.index_tree import Dimension, index_key, tag
from domain.keyring import KeyRing
from domain.merkle import leaf_hash
from domain.proof import verify_event_proof
from store.engine import Engine
from store.index_trees import index_commitments
from store.logs import registered_logs
from store.proofs import Proofs
from tests.adversarial.attacks import Scene, is_intact, unpack
from tests.dashboards.exports_checkers import Given, ask
from tests.dashboards.exports_forge import SECRET as FORGED_SECRET
from tests.dashboards.exports_forge import Draft, Forge, redaction_row, three_logs, top
from tests.support.cast import chart_view
from tests.support.node import SIGNER
from tests.support.redacting import SECRET, Redacting, redacting

MRN = 482_913_577
WORD = "zebra-crossing"

HIDDEN = replace(
    chart_view(1), patient_id=str(MRN), ip="198.51.100.77", details={"note": WORD}, raw=f"MRN {MRN} {WORD} 198.51.100.77".encode()
)


@pytest.fixture
def erased(engine: Engine, tmp_path: Path) -> Iterator[tuple[Redacting, bytes]]:
    """Three entries, the middle one redacted; and the private part that it had."""
    with redacting(engine, tmp_path, [chart_view(0), HIDDEN, chart_view(2)]) as rig:
        private = rig.row(1)["private"].encode()
        rig.redact(1)
        rig.keeper.checkpoint()
        yield rig, private


def test_leaves_proofs_and_trees_verify_as_before(engine: Engine, tmp_path: Path) -> None:
    """And whoever kept the text and its salt from before shows that this is what was removed; another text it is not."""
    with redacting(engine, tmp_path, [chart_view(0), HIDDEN, chart_view(2)]) as rig:
        (record,) = registered_logs(engine)
        leaves, trees = [rig.row(seq)["leaf"] for seq in range(3)], index_commitments(engine, record, 3)
        kept = rig.row(1)["private"].encode()

        rig.redact(1)

        assert [rig.row(seq)["leaf"] for seq in range(3)] == leaves
        assert index_commitments(engine, record, 3) == trees
        rig.keeper.checkpoint()
        for seq in range(3):
            proof = Proofs(engine, SIGNER.name).event("main", seq)
            assert verify_event_proof(proof, KeyRing.of(SIGNER.verifier)).origin == SIGNER.name
        digest = orjson.loads(Proofs(engine, SIGNER.name).event("main", 1).body)["private_digest"]
        assert private_digest(kept, salt(SECRET, "main", 1)).hex() == digest
        assert private_digest(kept + b" ", salt(SECRET, "main", 1)).hex() != digest
        assert is_intact(Scene(engine, tmp_path, {}).verify())


def test_the_text_is_in_no_table(erased: tuple[Redacting, bytes]) -> None:
    rig, _ = erased
    columns = rig.engine.rows(
        "SELECT table, name FROM system.columns WHERE database = 'phitrail' AND default_kind != 'ALIAS' AND type LIKE '%String%'"
    )
    assert ("events", "private") in columns
    questions = [
        f"SELECT countIf(position(toString({name}), '{text}') > 0) FROM {table}"
        for table, name in columns
        for text in (MRN, WORD, HIDDEN.ip)
    ]
    for start in range(0, len(questions), 60):
        assert set(rig.engine.rows(" UNION ALL ".join(questions[start : start + 60]))) == {(0,)}


def guesses(private: bytes) -> Iterator[tuple[int, bytes]]:
    """Private parts that differ in the nine digits only: all else is taken to be known."""
    for guess in [*range(MRN - 1_000, MRN + 1_000), *range(100_000_000, 100_000_500)]:
        yield guess, private.replace(str(MRN).encode(), str(guess).encode())


def test_the_number_cannot_be_tried_against_the_digest(erased: tuple[Redacting, bytes]) -> None:
    """With all that the row and its neighbours hold, no salt is made that any guess fits; with the true one the true guess does.

    The limit, not hidden: the secret is in `logs`; who reads it tries a guess against the tag that the entry is filed under.
    """
    rig, private = erased
    rows = [rig.row(seq) for seq in range(3)]
    digest = rows[1]["private_digest"]
    salts = {b"", bytes(16)}
    for row in rows:
        # 128 bits from what is at hand: cut out of every hash and text, hashed again, keyed with them.
        for piece in [
            row["leaf"],
            bytes.fromhex(digest),
            row["header"].encode(),
            row["event_id"].encode(),
            row["private"].encode(),
        ]:
            salts |= {piece[:16], piece[-16:], hashlib.sha256(piece).digest()[:16], salt(piece, "main", 1)}
    salts |= {salt(SECRET, "main", 0), salt(SECRET, "main", 2)}  # those of the neighbours, which an export gives

    tried = {guess for salted in salts for guess, text in guesses(private) if private_digest(text, salted).hex() == digest}

    assert tried == set()
    assert [guess for guess, text in guesses(private) if private_digest(text, salt(SECRET, "main", 1)).hex() == digest] == [MRN]
    (record,) = registered_logs(rig.engine)
    ((kept,),) = rig.engine.rows("SELECT patient_tag FROM redactions")
    key = index_key(record.secret, Dimension.PATIENT)
    assert [guess for guess in range(MRN - 100, MRN + 100) if tag(key, str(guess)).hex() == kept] == [MRN]


# ---- In exports ----


def exported(forge: Forge, asked: dict[str, object]) -> Draft:
    """An export after entry 5 of February was redacted."""
    log = forge.logs[0]
    entry = log.entries[5]
    place = forge.commit(
        "redact",
        {
            "origin": log.origin, "epoch": log.epoch, "writer": log.writer, "count": 1, "first_seq": 5, "last_seq": 5,
            "root": top([leaf_hash(redaction_row(entry).encode())]).hex(), "reason": "court_order", "approvers": [], "run_by": "x",
        },
    )  # fmt: skip
    entry.is_redacted = True
    draft = forge.draft(asked)
    draft.history = draft.redact_lines(log, [entry], place)
    return draft


@pytest.mark.parametrize(
    "asked", [{"patient_id": "P-2"}, {"actor_id": "bob"}, {}], ids=["of the patient", "of the actor", "of everything"]
)
def test_an_export_shows_that_it_was_redacted_and_gives_nothing_to_guess_with(tmp_path: Path, asked: dict[str, object]) -> None:
    """The event is listed and proven; neither its text nor its salt nor the secret is in any file, nor a key for a tag of another
    subject.
    """
    forge = three_logs()
    entry = forge.logs[0].entries[5]
    path = exported(forge, asked).give(tmp_path / "x.zip")

    said = ask(path, Given(trust=SIGNER.verifier.text))
    assert said.failed == set(), said.claims
    assert said.claims["events"].state == "PROVEN"
    whole = b"".join(unpack(path).values())
    for hidden in (entry.salt, entry.salt.hex().encode(), FORGED_SECRET, FORGED_SECRET.hex().encode()):
        assert hidden not in whole
    keys = {dimension: index_key(FORGED_SECRET, dimension).hex().encode() for dimension in Dimension}
    given = {dimension for dimension, key in keys.items() if key in whole}
    assert given == {Dimension.PATIENT for name in asked if name == "patient_id"} | {
        Dimension.ACTOR for name in asked if name == "actor_id"
    }


def test_a_redaction_that_the_ledger_did_not_commit_to_is_named(tmp_path: Path) -> None:
    """An operator withholds a private part and calls it redacted."""
    forge = three_logs()
    draft = exported(forge, {"patient_id": "P-2"})
    draft.events[3]["private_is"], draft.events[3]["private"], draft.events[3]["salt"] = "redacted", None, None

    said = ask(draft.give(tmp_path / "x.zip"), Given(trust=SIGNER.verifier.text))

    assert "withheld" in said.failed
    assert said.says("withheld", "events.jsonl line 4: "), said.claims["withheld"]
