"""Who has seen the ledger: cosignatures that do not fit, and policies that say whose count."""

import base64
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from domain.cosignature import Algorithm, CosigningKey
from domain.note import Signer
from tests.dashboards.exports_checkers import FAILED, OPEN, PROVEN, Answer, Given, ask
from tests.dashboards.exports_forge import (
    MALLORY,
    POLICY,
    SIGNER,
    WITNESSES,
    Draft,
    seconds,
)
from tests.dashboards.exports_scene import SEEN, Scene, cosignature


@pytest.fixture
def scene() -> Scene:
    """A ledger of its own for each test."""
    return Scene()


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., Answer]:
    """What both checkers say, with keys and policy trusted."""

    def check(draft: Draft, policy: str | None = POLICY, trust: str | None = None) -> Answer:
        return ask(draft.give(tmp_path / "x.zip"), Given(trust=trust or draft.forge.keys.text, policy=policy))

    return check


def flipped(note: str, name: str, byte: int) -> str:
    """A bit of a witness's line changed."""
    line = cosignature(note, name)
    *start, payload = line.split(" ")
    data = bytearray(base64.b64decode(payload))
    data[byte] ^= 1
    return note.replace(line, " ".join([*start, base64.b64encode(data).decode()]) + "\n")


# ---- Cosignatures that do not fit ----


@pytest.mark.parametrize(
    ("name", "byte"), [("one", 4), ("one", 11), ("one", 12), ("one", 75), ("two", 4), ("two", 12), ("two", 900), ("two", 2431)]
)
def test_a_bit_of_a_cosignature(scene: Scene, checked: Callable[..., Answer], name: str, byte: int) -> None:
    draft = scene.draft()
    good = draft.checkpoint
    draft.extra["checkpoint"] = flipped(good, name, byte).encode()
    draft.timestamps[0]["note"] = flipped(good, name, byte)

    said = checked(draft)

    assert said.failed == {"quorum", "later"}
    assert said.says("quorum", f"checkpoint: the cosignature of witness.example/{name} does not fit the checkpoint")
    assert said.says("later", "timestamps.jsonl line 1: the cosignature of")


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_cosignature_of_another_size(scene: Scene, checked: Callable[..., Answer], name: str) -> None:
    draft = scene.draft(seen_by={})
    draft.extra["checkpoint"] = (draft.checkpoint + cosignature(scene.note, name)).encode()

    assert checked(draft).failed == {"quorum"}


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_cosignature_by_a_key_that_is_not_in_the_policy(
    scene: Scene, checked: Callable[..., Answer], algorithm: Algorithm
) -> None:
    """Also one that takes the name of a witness: a name and another hash are another key."""
    draft = scene.draft(seen_by={"one": SEEN})
    text = draft.checkpoint[: draft.checkpoint.index("\n\n") + 1]
    for name in ("witness.example/two", "mallory.example"):
        line = CosigningKey(name, b"z" * 32, algorithm).cosign(text, seconds(SEEN))
        draft.extra["checkpoint"] = (draft.checkpoint + line).encode()
        said = checked(draft)
        assert (said.claims["quorum"].state, said.failed) == (OPEN, set())
        assert said.says("quorum", "cosigned by one (2026-03-10 09:00:30 UTC): that is no quorum")
        draft = scene.draft(seen_by={"one": SEEN})
        text = draft.checkpoint[: draft.checkpoint.index("\n\n") + 1]


def test_the_ml_dsa_cosignature_binds_the_name(scene: Scene, checked: Callable[..., Answer]) -> None:
    """The same key under another name signed another message."""
    draft = scene.draft(seen_by={"one": SEEN})
    text = draft.checkpoint[: draft.checkpoint.index("\n\n") + 1]
    renamed = CosigningKey("mallory.example", WITNESSES["two"].seed, Algorithm.ML_DSA_44)
    payload = base64.b64decode(renamed.cosign(text, seconds(SEEN)).split(" ")[2])[4:]
    line = f"— witness.example/two {base64.b64encode(WITNESSES['two'].cosigner.key_id + payload).decode()}\n"
    draft.extra["checkpoint"] = (draft.checkpoint + line).encode()

    assert checked(draft).failed == {"quorum"}


def test_a_witness_that_signs_twice_counts_once(scene: Scene, checked: Callable[..., Answer]) -> None:
    draft = scene.draft(seen_by={"one": SEEN})
    later = scene.forge.note(draft.size, seen_by={"one": SEEN + timedelta(minutes=1)})
    draft.extra["checkpoint"] = (draft.checkpoint + cosignature(later, "one")).encode()

    said = checked(draft)

    assert said.claims["quorum"].why == ("cosigned by one (2026-03-10 09:00:30 UTC): that is no quorum",)


# ---- Policies ----


@pytest.mark.parametrize(
    ("logs", "state"),
    [
        pytest.param("", PROVEN, id="no log"),
        pytest.param(f"log {SIGNER.verifier.text}\n", PROVEN, id="this log"),
        pytest.param(f"log {MALLORY.verifier.text}\nlog {SIGNER.verifier.text} https://x\n", PROVEN, id="this log too"),
        pytest.param(f"log {MALLORY.verifier.text}\n", FAILED, id="another key"),
        pytest.param(f"log {Signer('other.example', bytes(range(32))).verifier.text}\n", FAILED, id="another log"),
    ],
)
def test_a_policy_names_its_logs(scene: Scene, checked: Callable[..., Answer], logs: str, state: str) -> None:
    assert checked(scene.draft(), policy=logs + POLICY).claims["quorum"].state == state


ONE, TWO = WITNESSES["one"].cosigner.text, WITNESSES["two"].cosigner.text


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "quorum none",
        "quorum none\nquorum none\n",
        "quorum nobody\n",
        f"witness one {ONE}\n",
        f"quorum one\nwitness one {ONE}\n",
        f"witness none {ONE}\nquorum none\n",
        f"witness one {ONE}\nwitness one {TWO}\nquorum one\n",
        f"witness one {ONE}\nwitness two {ONE}\nquorum one\n",
        f"witness one {SIGNER.verifier.text}\nquorum one\n",
        f"log {ONE}\nquorum none\n",
        f"log {SIGNER.verifier.text}\nlog {SIGNER.verifier.text}\nquorum none\n",
        f"witness one {ONE}\ngroup g 2 one\nquorum g\n",
        f"witness one {ONE}\ngroup g 0 one\nquorum g\n",
        f"witness one {ONE}\ngroup g 01 one\nquorum g\n",
        f"witness one {ONE}\ngroup g any one one\nquorum g\n",
        f"witness one {ONE}\ngroup g any one\ngroup h any one\nquorum g\n",
        f"witness one {ONE}\ngroup one any one\nquorum one\n",
        f"witness one {ONE}\ngroup g any two\nquorum g\n",
        "group g any\nquorum none\n",
        "quorum none\nfriend x\n",
        "quorum none\r\n",
        "quorum none\n\x00\n",
        f"witness one {ONE} https://x y\nquorum one\n",
        f"witness one {ONE[:-4]}\nquorum one\n",
        f"witness one {ONE.replace('+', '+0', 1)}\nquorum one\n",
    ],
)
def test_policies_in_the_export_that_cannot_be_read(scene: Scene, checked: Callable[..., Answer], policy: str) -> None:
    draft = scene.draft()
    draft.policy = policy

    assert checked(draft, policy=None).failed == {"quorum"}
    said = checked(scene.draft())
    assert not said.failed


@pytest.mark.parametrize(
    "policy",
    [
        "\t quorum \t none \n\n# witness none x\n  #\n",
        f"witness größe {ONE}\nquorum größe\n",
        f"witness # {ONE}\nquorum #\n",
        f"witness one {ONE}\ngroup g 1 one\nquorum g\nwitness two {TWO} https://two\n",
    ],
)
def test_policies_in_the_export_that_can(scene: Scene, checked: Callable[..., Answer], policy: str) -> None:
    draft = scene.draft()
    draft.policy = policy

    assert not checked(draft, policy=None).failed


def test_a_policy_that_is_no_text(scene: Scene, checked: Callable[..., Answer]) -> None:
    draft = scene.draft()
    draft.extra["policy.tlog-policy"] = b"quorum none\n# \xff\n"

    assert checked(draft).failed == {"quorum"}
