"""Every field of every kind of line, changed, in an export that has one of each: found also when the ledger signs it all anew."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from domain.merkle import leaf_hash, root
from tests.dashboards.exports_checkers import FAILED, OPEN, PROVEN, Given, ask
from tests.dashboards.exports_forge import POLICY, Draft, Entry, Forge, Line, redaction_row
from tests.dashboards.exports_scene import drop_log

SEEN = datetime(2026, 3, 10, 9, 0, 30, tzinfo=UTC)
BOTH = {"one": SEEN, "two": SEEN + timedelta(seconds=1)}
FILES = ("events", "proofs", "heads_lines", "seal_lines", "index_lines", "outside", "history", "timestamps")

IGNORED = {("covers", "token"), ("after", "token")}
"""What nothing in an export can check: a token is for `openssl ts -verify`."""


def is_chart(entry: Entry) -> bool:
    return b'"action":"view_chart"' in entry.body


def rich() -> Draft:
    """The charts of P-1: a month disposed of, a new key, sealed and open logs, redactions, an anchor, witnesses, outside lines."""
    forge = Forge()
    old = forge.log("main", 202601)
    forge.add(old, patient="P-1")
    old_seal = forge.seal(old)
    buried = forge.dispose(old)
    gone = forge.commit("disposed", {"epoch": 202601, "logs": 1, "run_by": "records.officer"})
    note = forge.note(gone + 1, seen_by={name: when - timedelta(minutes=1) for name, when in BOTH.items()})
    log, small = forge.log("main", 202602), forge.log("b", 202602)
    details = {"note_sha256": sha256(note.encode()).hexdigest()}
    anchor = forge.add(log, action="time_anchor", patient=None, actor="phitrail", details=details)
    for number in range(300):
        forge.add(log, patient=f"P-{number % 9}", action="print" if number % 4 else "view_chart")
    forge.add(small, patient="P-5")
    for one in (log, small):
        forge.seal(one)
    rotation = forge.rotate()
    last = forge.log("main", 202603)
    for number in range(9):
        forge.add(last, patient=f"P-{number % 3}")
    redacted = [entry for entry in log.entries if b'"patient_id":"P-1"' in entry.private and is_chart(entry)][:2]
    for entry in redacted:
        entry.is_redacted = True
    rows = root([leaf_hash(redaction_row(entry).encode()) for entry in redacted]).hex()
    redaction = forge.commit("redact", {"origin": log.origin, "count": 2, "root": rows})
    draft = forge.draft({"patient_id": "P-1", "actions": ["view_chart"]}, wants=is_chart, seen_by=BOTH, policy=POLICY)
    drop_log(draft, old.origin)
    draft.index_lines = [line for line in draft.index_lines if line["index"] != old.origin]
    draft.history = [
        draft.consistency_line(6),
        draft.rotation_line(rotation),
        {"tombstone": old.origin, **draft.quote(buried)},
        {"disposed": 202601, **draft.quote(gone)},
        *draft.redact_lines(log, redacted, redaction),
    ]
    draft.timestamps = [draft.covers_line(log), draft.after_line(log, anchor, note), draft.covers_line(last)]
    assert old_seal == 0
    return draft


RICH = rich()


def lines_of(draft: Draft, name: str) -> list[Line]:
    """The lines that a name of `FILES` stands for."""
    return [draft.heads_line] if name == "heads_lines" else getattr(draft, name)


def kind_of(line: Line) -> str:
    """What kind of line it is, by its first telling field."""
    if "private_is" in line:
        return "event"
    kinds = [
        "log", "tile", "heads", "seal", "outside", "consistency", "rotation", "tombstone", "disposed", "redact", "covers", "after",
    ]  # fmt: skip
    return next((kind for kind in kinds if kind in line), "index" if "by" in line else "path")


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every value inside a line that is no object or list, of lists the first and the last."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from places(item, (*path, name))
    elif isinstance(value, list):
        for number in {0, len(value) - 1} if value else ():
            yield from places(value[number], (*path, number))
    else:
        yield path


def cases() -> Iterator[tuple[str, int, tuple[str | int, ...]]]:
    """File, line and place in it: each field of the first line of each kind, of index lines those of all."""
    seen: set[tuple[str, str]] = set()
    for name in FILES:
        for number, line in enumerate(lines_of(RICH, name)):
            kind = kind_of(line)
            if (kind, name) in seen and name != "index_lines":
                continue
            seen.add((kind, name))
            yield from ((name, number, path) for path in places(line) if (kind, path[0]) not in IGNORED)


CASES = list(cases())


def changed(value: object) -> object:
    """Another value of the same form: one hex digit, one letter, one up."""
    if isinstance(value, str) and value:
        return f"{int(value[0], 16) ^ 1:x}{value[1:]}" if value[0] in "0123456789abcdef" else f"x{value[1:]}"
    return value + 1 if isinstance(value, int) else "x"


def give(draft: Draft, path: Path) -> Path:
    """Without a trace in the draft."""
    forge = draft.forge
    draft.forge = copy.copy(forge)
    draft.forge.bodies, draft.forge.leaves, draft.forge.heads = [*forge.bodies], [*forge.leaves], dict(forge.heads)
    try:
        return draft.give(path)
    finally:
        draft.forge = forge


GIVEN = Given(trust=RICH.forge.keys.text, policy=POLICY)


def test_the_rich_one_is_honest(tmp_path: Path) -> None:
    said = ask(give(RICH, tmp_path / "x.zip"), GIVEN)

    assert not said.failed, said.claims
    assert {name for name, claim in said.claims.items() if claim.state == OPEN} == {"withheld", "scope", "since", "earlier"}
    assert said.claims["later"].state == PROVEN
    assert len(CASES) > 120


@pytest.mark.parametrize(("name", "number", "path"), CASES, ids=lambda value: str(value).replace(" ", ""))
def test_a_changed_field_is_found_though_the_ledger_signs_it(
    tmp_path: Path, name: str, number: int, path: tuple[str | int, ...]
) -> None:
    draft = copy.copy(RICH)
    if name == "heads_lines":
        draft.heads_line = copy.deepcopy(draft.heads_line)
    else:
        setattr(draft, name, copy.deepcopy(getattr(draft, name)))
    target: object = lines_of(draft, name)[number]
    for step in path[:-1]:
        target = target[step]  # type: ignore[index]
    target[path[-1]] = changed(target[path[-1]])  # type: ignore[index]

    said = ask(give(draft, tmp_path / "x.zip"), GIVEN)

    assert said.failed, said.claims
    assert not said.failed & {"archive", "files", "receipt", "count"}
    named = [why for claim in said.claims.values() if claim.state == FAILED for why in claim.why]
    assert all(
        ".jsonl" in why or "ledger.keys" in why or "two histories" in why or why.startswith("checkpoint") for why in named
    ), named
