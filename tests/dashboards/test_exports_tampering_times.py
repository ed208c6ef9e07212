"""When events were recorded, and who has seen the ledger: witnesses, policies, cosignatures that do not fit or are misdated."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from domain.merkle import leaf_hash
from tests.dashboards.exports_checkers import OPEN, PROVEN, Answer, Given, ask
from tests.dashboards.exports_forge import (
    POLICY,
    SIGNER,
    SUCCESSOR,
    Draft,
    Line,
)
from tests.dashboards.exports_scene import BOTH, EARLY, SEEN, TOKEN, Scene, cosignature


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


# ---- The honest ones ----


def test_a_bracket_of_two_times(scene: Scene, checked: Callable[..., Answer]) -> None:
    said = checked(scene.draft())

    assert (said.exit_code, said.open) == (0, {"since"})
    assert said.claims["later"].why == ("log.example/main/2026-03: not later than 2026-03-10 09:00:31 UTC",)
    assert said.claims["earlier"].why == ("log.example/main/2026-03: not earlier than 2026-03-10 08:59:30 UTC",)
    assert said.claims["quorum"].why == ("cosigned by one (2026-03-10 09:00:30 UTC), two (2026-03-10 09:00:31 UTC)",)


def test_the_policy_in_the_export_proves_nothing(scene: Scene, checked: Callable[..., Answer]) -> None:
    said = checked(scene.draft(), policy=None)

    assert (said.exit_code, said.open) == (0, {"since", "later", "earlier", "quorum"})
    assert said.says("later", "not later than 2026-03-10 09:00:31 UTC")
    assert said.says("quorum", "a quorum of the policy that came with the export")


def test_what_is_not_there_is_not_proven(scene: Scene, checked: Callable[..., Answer]) -> None:
    draft = scene.draft(seen_by={})
    draft.timestamps = []
    said = checked(draft)
    assert (said.exit_code, said.open) == (0, {"since", "later", "earlier", "quorum"})

    scene.forge.add(scene.other, patient="P-1")
    said = checked(scene.draft())
    assert said.claims["later"].state == said.claims["earlier"].state == OPEN
    assert said.says("later", "log.example/b/2026-03: no quorum of witnesses shows it")


def test_a_log_may_be_covered_by_its_seal(scene: Scene, checked: Callable[..., Answer]) -> None:
    scene.forge.seal(scene.log)

    assert checked(scene.draft()).claims["later"].state == PROVEN


def test_a_log_may_be_covered_at_a_place_that_the_line_names(scene: Scene, checked: Callable[..., Answer]) -> None:
    """An earlier vector with the same head, which is not the entry of the log line."""
    place = scene.forge.commit_heads()
    note = scene.forge.note(place + 1, seen_by={"one": SEEN, "two": SEEN})
    scene.forge.add(scene.other, patient="P-3")
    draft = scene.draft()
    bare: Line = {"covers": scene.log.origin, "note": note, "token": None, **scene.forge.quote(place, place + 1)}
    draft.timestamps[0] = bare
    assert checked(draft).says("later", "the spine entry does not commit to the log as it is here")

    draft = scene.draft()
    heads = draft.forge.heads[place]
    other = leaf_hash(heads[0].line.encode()).hex()
    draft.timestamps[0] = bare | {"heads_index": 1, "heads_count": 2, "heads_path": [other]}
    assert checked(draft).says("later", "not later than 2026-03-10 09:00:30 UTC")


@pytest.mark.parametrize(
    ("times", "policy", "later"),
    [
        pytest.param({"one": SEEN, "two": SEEN, "three": SEEN + timedelta(days=300)}, POLICY, "09:00:30", id="one is far ahead"),
        pytest.param({"one": 1, "two": SEEN}, POLICY, "09:00:30", id="one is far behind"),
        pytest.param({"one": 0, "two": SEEN, "three": SEEN}, POLICY, "09:00:30", id="one says no time"),
        pytest.param({"one": 0, "two": SEEN}, POLICY, "", id="too few say a time"),
        pytest.param({"three": SEEN}, POLICY, "", id="too few"),
        pytest.param({"two": SEEN}, POLICY.replace("any-two 2", "any-two any"), "09:00:30", id="any"),
        pytest.param({"one": SEEN, "two": SEEN}, POLICY.replace("any-two 2", "any-two all"), "", id="all"),
        pytest.param({"one": SEEN}, POLICY.replace("quorum any-two", "quorum one"), "09:00:30", id="one by name"),
        pytest.param({"two": SEEN}, POLICY.replace("quorum any-two", "quorum one"), "", id="another by name"),
        pytest.param(
            {"two": SEEN, "three": SEEN},
            POLICY.replace("group any-two 2 one two three", "group pair 1 one two\ngroup any-two all pair three"),
            "09:00:30",
            id="a group of groups",
        ),
        pytest.param({"one": SEEN, "two": SEEN}, POLICY.replace("quorum any-two", "quorum none"), "", id="nobody is asked"),
    ],
)
def test_the_first_quorum_gives_the_time(
    scene: Scene, checked: Callable[..., Answer], times: dict[str, datetime | int], policy: str, later: str
) -> None:
    said = checked(scene.draft(seen_by=times), policy=policy)

    assert not said.failed, said.claims
    assert said.claims["later"].state == (PROVEN if later else OPEN)
    assert not later or said.says("later", f"not later than 2026-03-10 {later} UTC")


def test_of_several_lines_the_best_counts(scene: Scene, checked: Callable[..., Answer]) -> None:
    draft = scene.draft()
    late = scene.forge.note(draft.size, seen_by={name: when + timedelta(minutes=5) for name, when in BOTH.items()})
    draft.timestamps.insert(0, draft.covers_line(scene.log, late))
    draft.timestamps.append(draft.covers_line(scene.log, late))

    assert checked(draft).says("later", "not later than 2026-03-10 09:00:31 UTC")


def test_a_token_is_described_and_not_proven(scene: Scene, checked: Callable[..., Answer]) -> None:
    scene.forge.logs[0].entries.clear()
    scene.forge.add(scene.log, patient="P-2")
    scene.anchor = scene.add_anchor({"token_sha256": sha256(TOKEN).hexdigest()})
    for _ in range(5):
        scene.forge.add(scene.log, patient="P-1")
    draft = scene.draft(seen_by={})
    for line in draft.timestamps:
        line["token"] = base64.b64encode(TOKEN).decode()

    said = checked(draft)

    assert (said.claims["later"].state, said.claims["earlier"].state) == (OPEN, OPEN)
    assert said.says("later", "only a time stamp, which `openssl ts -verify` checks")
    assert said.says("earlier", "only a time stamp, which `openssl ts -verify` checks")


def test_old_notes_are_signed_by_old_keys(scene: Scene, checked: Callable[..., Answer]) -> None:
    """The anchor's note is of before a rotation, the export of after it."""
    place = scene.forge.rotate()
    draft = scene.draft()
    draft.history = [draft.rotation_line(place)]
    for trust in (SIGNER, SUCCESSOR):
        assert not checked(draft, trust=trust.verifier.text).failed
    draft.timestamps[1]["note"] = scene.forge.note(1, SUCCESSOR, seen_by=EARLY)

    assert checked(draft).says("earlier", "is not signed by the key that signs for this size")


# ---- Times that cannot be ----


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        pytest.param(-timedelta(hours=2), "are dated before the entry that they cover, of 2026-03-10T09:00:02", id="back-dated"),
        pytest.param(-timedelta(days=365), "are dated before the entry that they cover", id="back-dated by a year"),
        pytest.param(timedelta(hours=2), "are dated after the export was made, 2026-03-10T09:00:0", id="of the future"),
        pytest.param(timedelta(minutes=50), "", id="clocks that differ"),
        pytest.param(-timedelta(minutes=50), "", id="clocks that differ the other way"),
    ],
)
def test_cosignatures_dated_wrongly(scene: Scene, checked: Callable[..., Answer], shift: timedelta, words: str) -> None:
    said = checked(scene.draft(seen_by={name: when + shift for name, when in BOTH.items()}))

    assert ("later" in said.failed) == bool(words)
    assert not words or said.says("later", words), said.claims["later"]
    assert said.claims["quorum"].state == PROVEN


def test_times_beyond_all_calendars(scene: Scene, checked: Callable[..., Answer]) -> None:
    said = checked(scene.draft(seen_by=dict.fromkeys(("one", "two"), 2**63 - 1)))

    assert said.failed == {"later"}
    assert said.says("later", "the cosignatures of 9223372036854775807 seconds after 1970 are dated after the export was made")


def test_not_earlier_than_what_is_later(scene: Scene, checked: Callable[..., Answer]) -> None:
    """The witnesses' own times contradict each other: what follows the anchor was covered before the anchor could be there."""
    scene.note = scene.forge.note(1, seen_by={name: when + timedelta(days=2) for name, when in BOTH.items()})
    scene.log.entries.clear()
    scene.anchor = scene.add_anchor({"note_sha256": sha256(scene.note.encode()).hexdigest()})
    scene.forge.add(scene.log, patient="P-1")

    said = checked(scene.draft())

    assert said.failed == {"earlier"}
    assert said.says("earlier", "not earlier than 2026-03-12 09:00:30 UTC, and not later than 2026-03-10 09:00:31 UTC")


# ---- Lines that do not fit ----


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda line: line.update(covers="log.example/b/2026-03"), "no event of this log is here", id="another log"),
        pytest.param(lambda line: line.update(covers="x"), "no event of this log is here", id="no log"),
        pytest.param(lambda line: line.update(token="%"), "token is neither base64 nor null", id="a token that is none"),
        pytest.param(lambda line: line.update(token=1), "token is neither base64 nor null", id="a number for a token"),
        pytest.param(
            lambda line: line.update(note=line["note"].replace("spine\n", "spine\n1", 1)), "does not fit", id="another note"
        ),
        pytest.param(lambda line: line.update(note="x"), "does not end with a newline", id="no note"),
        pytest.param(lambda line: line.update(spine_index=0), "not under the checkpoint", id="another place"),
        pytest.param(lambda line: line.update(after="x"), "not of one of the kinds covers, after", id="of two kinds"),
        pytest.param(lambda line: line.pop("covers"), "not of one of the kinds covers, after", id="of no kind"),
    ],
)
def test_covers_lines_that_do_not_fit(
    scene: Scene, checked: Callable[..., Answer], change: Callable[[Line], object], words: str
) -> None:
    draft = scene.draft()
    change(draft.timestamps[0])

    said = checked(draft)

    assert said.failed == {"later"}
    assert said.says("later", words), said.claims["later"]


def test_a_checkpoint_that_does_not_cover_the_log(scene: Scene, checked: Callable[..., Answer]) -> None:
    """True and cosigned, and of before the events: the entry in it commits to a smaller log."""
    draft = scene.draft()
    draft.timestamps[0] = {"covers": scene.log.origin, "note": scene.note, "token": None, **scene.forge.quote(0, 1)}

    said = checked(draft)

    assert said.failed == {"later"}
    assert said.says("later", "the spine entry does not commit to the log as it is here")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda line: line.update(after="log.example/b/2026-03"), "no event of this log is here", id="another log"),
        pytest.param(lambda line: line.update(seq=2), "no time_anchor event of this place", id="another number"),
        pytest.param(lambda line: line.update(index=2), "not in the ledger as it is given here", id="another place"),
        pytest.param(lambda line: line.update(tile=1), "tile 1 is not in the log", id="another tile"),
        pytest.param(lambda line: line.update(tile=-1), "tile -1 is not in the log", id="a tile below"),
        pytest.param(lambda line: line.update(tile_root="00" * 32), "tile 0 is not in the log", id="another root"),
        pytest.param(lambda line: line.update(path=[]), "not in the ledger", id="no path"),
        pytest.param(lambda line: line.update(previous="00" * 32), "not in the ledger", id="another leaf before it"),
        pytest.param(
            lambda line: line.update(body=line["body"].replace("phitrail", "phitrai1")), "not in the ledger", id="another body"
        ),
        pytest.param(lambda line: line.update(salt="00" * 16), "private part of entry 3 is not the one", id="another salt"),
        pytest.param(lambda line: line.update(private="{}"), "private part of entry 3 is not the one", id="another private part"),
        pytest.param(lambda line: line.update(note="x"), "does not end with a newline", id="no note"),
    ],
)
def test_after_lines_that_do_not_fit(
    scene: Scene, checked: Callable[..., Answer], change: Callable[[Line], object], words: str
) -> None:
    draft = scene.draft()
    change(draft.timestamps[1])

    said = checked(draft)

    assert said.failed == {"earlier"}
    assert said.says("earlier", words), said.claims["earlier"]


def test_an_anchor_that_names_another_note(scene: Scene, checked: Callable[..., Answer]) -> None:
    """The same checkpoint with one cosignature less: what was anchored is the note as it was then."""
    draft = scene.draft()
    draft.timestamps[1]["note"] = scene.note.replace(cosignature(scene.note, "two"), "")

    assert checked(draft).says("earlier", "entry 3 names neither this note nor this token")


def test_an_anchor_behind_the_first_event(scene: Scene, checked: Callable[..., Answer]) -> None:
    anchor = scene.add_anchor({"note_sha256": sha256(scene.note.encode()).hexdigest()})
    scene.forge.add(scene.log, patient="P-1")
    draft = scene.draft()
    draft.timestamps[1] = draft.after_line(scene.log, anchor, scene.note)

    assert checked(draft).says("earlier", "does not stand in front of the events of its log")


@pytest.mark.parametrize(
    ("details", "words"), [({}, "names neither"), (None, "details is missing"), ({"note_sha256": 1}, "names neither")]
)
def test_an_anchor_that_names_nothing(scene: Scene, checked: Callable[..., Answer], details: object, words: str) -> None:
    scene.log.entries.clear()
    scene.anchor = scene.add_anchor(details)
    scene.forge.add(scene.log, patient="P-1")

    said = checked(scene.draft())

    assert said.failed == {"earlier"}
    assert said.says("earlier", words)


def test_an_event_that_only_looks_like_an_anchor(scene: Scene, checked: Callable[..., Answer]) -> None:
    scene.log.entries.clear()
    scene.anchor = scene.add_anchor({"note_sha256": sha256(scene.note.encode()).hexdigest()}, action="view_chart")
    scene.forge.add(scene.log, patient="P-1")

    assert checked(scene.draft()).says("earlier", "entry 0 is no time_anchor event of this place")
