"""JSON that two readers could read differently: the readers of both checkers, and what the checkers say of exports that hold it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboards import export_fields, export_verify
from domain.errors import IntegrityError
from domain.json import canonical
from tests.dashboards.exports_checkers import Given, ask
from tests.dashboards.exports_forge import SIGNER, Draft, Forge, outside_line, pack
from tests.dashboards.exports_scene import unpack

TEXTS = [
    b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b'{"b":1,"a":1}', b'{"a": 1}', b' {"a":1}', b'{"a":1} ', b'{"a":1}x',
    b"\xef\xbb\xbf{}", b'{"a":1.0}', b'{"a":1e2}', b'{"a":-0}', b'{"a":01}', b'{"a":NaN}', b'{"a":Infinity}',
    b'{"a":-Infinity}', b'{"a":1e400}', b'{"a":9007199254740991}', b'{"a":9007199254740992}', b'{"a":-9007199254740992}',
    b'{"a":18446744073709551616}', b'{"a":' + b"9" * 5000 + b"}", b'{"a":"\\ud800"}', b'{"a":"\\udc00\\ud800"}',
    b'{"a":"\\ud83d\\ude00"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xff"}', b'{"a":"\x00"}', b'{"a":"\\u0000"}',
    b'{"a":"\\u000A"}', b'{"a":"\\n"}', b'{"a":"\\/"}', b'{"a":"\\u0061"}', b'{"a":"\x7f"}', b'{"a":"\xe2\x80\xa8"}',
    "{\"ä\":1}".encode(), b'{"\\u0061":1}', b'{"a":true,"b":null}', b'{"a":True}', b"{'a':1}", b"[1]", b"1", b'"a"', b"null",
    b"", b"{", b"{]", b"{,}", b'{"a":1,}', b'{"a":[1,]}', b"/**/{}", b'{"a":1}\n', b'{"a":1}\r\n', b'{"\x01":1}', b'{"a":"\t"}',
    b'{"a":' * 31 + b"{}" + b"}" * 31, b'{"a":' * 32 + b"{}" + b"}" * 32, b'{"a":' * 5000 + b"{}" + b"}" * 5000,
    b'{"a":' + b"[" * 31 + b"]" * 31 + b"}", b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
    b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}", b'{"a":[' + b"{}," * 99 + b"{}]}",
]  # fmt: skip
"""What has more than one reading, and what only looks so."""


def outcomes(read: Callable[[bytes], object], refusal: type[Exception], text: bytes) -> object:
    """The value, or the sentence of the refusal."""
    try:
        return read(text)
    except refusal as error:
        return f"refused: {error}"


def agree(text: bytes) -> tuple[object, object]:
    """What the strict and the loose readers say of a text; those of both checkers are alike."""
    found = []
    for is_canonical, ours in ((True, export_fields.read_object), (False, export_fields.read_loose_object)):
        one = outcomes(lambda raw, read=ours: read(raw, "it"), IntegrityError, text)  # type: ignore[misc]
        other = outcomes(
            lambda raw, strict=is_canonical: export_verify.read_object(raw, "it", is_canonical=strict), export_verify.Wrong, text  # type: ignore[misc]
        )  # fmt: skip
        assert one == other, (text[:99], is_canonical)
        found.append(one)
    return found[0], found[1]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text)[:40])
def test_both_read_or_refuse_alike(text: bytes) -> None:
    strict, loose = agree(text)

    if not isinstance(strict, str):
        assert strict == loose
        assert canonical(strict) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", [text for text in TEXTS if any(part in text for part in (b'"a":1,"a"', b'"b":1,"b"', b"1.0", b"0992", b"d800"))]
)
def test_what_has_two_readings_is_refused_everywhere(text: bytes) -> None:
    assert agree(text) == ("refused: it is no JSON object in canonical form", "refused: it is no JSON object")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(st.characters(codec=None), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), st.booleans(), st.booleans())
@example({"a": "\ud800"}, True, True)
def test_any_object_is_read_or_refused_alike(value: dict[str, object], is_ascii: bool, is_tight: bool) -> None:
    text = json.dumps(value, sort_keys=True, ensure_ascii=is_ascii, separators=(",", ":") if is_tight else None)

    agree(text.encode("utf-8", "surrogatepass"))


@given(st.sampled_from(TEXTS), st.integers(0, 60), st.binary(max_size=2))
def test_any_damage_is_read_or_refused_alike(text: bytes, place: int, more: bytes) -> None:
    agree(text[:place] + more + text[place + 1 :])


@pytest.fixture
def draft() -> Draft:
    """An export of P-1 out of one log."""
    forge = Forge()
    log = forge.log("main", 202603)
    for number in range(6):
        forge.add(log, patient="P-1", action="print" if number % 2 else "view_chart")
    return forge.draft({"patient_id": "P-1", "actions": ["print"]}, wants=lambda entry: b'"print"' in entry.body)


TRUST = Given(trust=SIGNER.verifier.text)

SPOILED: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("a name twice", lambda line: line.replace(b"{", b'{"seq":9,', 1)),
    ("white space", lambda line: line.replace(b":", b": ", 1)),
    ("another order", lambda line: b'{"zz":1,' + line[1:]),
    ("a fraction", lambda line: line[:-1] + b',"zz":1.5}'),
    ("a large number", lambda line: line[:-1] + b',"zz":9007199254740992}'),
    ("a lone surrogate", lambda line: line[:-1] + b',"zz":"\\ud800"}'),
    ("an escape too many", lambda line: line[:-1] + b',"zz":"\\u0041"}'),
    ("a raw NUL", lambda line: line[:-1] + b',"zz":"\x00"}'),
    ("no UTF-8", lambda line: line[:-1] + b',"zz":"\xff"}'),
    ("a list", lambda line: b"[" + line + b"]"),
    ("nothing", lambda line: b""),
]


@pytest.mark.parametrize("spoil", [one for _, one in SPOILED], ids=[name for name, _ in SPOILED])
@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("events.jsonl", "events"), ("proofs.jsonl", "events"), ("scope.jsonl", "scope"), ("history.jsonl", "tombstones"),
        ("timestamps.jsonl", "later"),
    ],
)  # fmt: skip
def test_lines_in_another_spelling_are_refused(
    draft: Draft, tmp_path: Path, name: str, claim: str, spoil: Callable[[bytes], bytes]
) -> None:
    draft.history, draft.timestamps = [draft.consistency_line(1)], [draft.covers_line(draft.forge.logs[0])]
    draft.extra[name] = b"".join(spoil(line) + b"\n" for line in draft.files()[name].splitlines())

    said = ask(draft.give(tmp_path / "x.zip"), TRUST)

    assert claim in said.failed
    assert said.says(claim, f"{name} line 1: the line is no JSON object in canonical form"), said.claims[claim]


def test_more_fields_than_are_needed_are_passed_over(draft: Draft, tmp_path: Path) -> None:
    for line in (draft.events[0], draft.proofs[0], draft.proofs[1], draft.heads_line, draft.index_lines[0]):
        line["zz"] = {"more": [None, True, "\x00", "Größe “x” \u2028"]}

    assert not ask(draft.give(tmp_path / "x.zip"), TRUST).failed


BODIES = [
    ("a name twice", lambda body: body.replace(b'"action":"print"', b'"action":"print","action":"print"')),
    ("two answers", lambda body: body.replace(b'"action":"print"', b'"action":"view","action":"print"')),
    ("white space", lambda body: body.replace(b'"v":1', b'"v": 1')),
    ("a fraction", lambda body: body.replace(b'"v":1', b'"v":1.0')),
]


@pytest.mark.parametrize("change", [one for _, one in BODIES], ids=[name for name, _ in BODIES])
def test_a_body_with_two_readings_is_refused_though_it_was_hashed(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """The ledger itself holds it: one reader sees what was asked for, another something else."""
    forge = Forge()
    log = forge.log("main", 202603)
    model = forge.add(log, patient="P-1", action="print")
    log.entries.clear()
    forge.add_raw(log, change(model.body.replace(model.digest.encode(), b"")), model.private, model.subjects)
    draft = forge.draft({"patient_id": "P-1"})
    hidden = forge.draft({"patient_id": "P-1", "actions": ["view_chart"]}, wants=lambda _: False)
    hidden.outside = [outside_line(log, log.entries[0])]

    what = "line {}: the body is no JSON object in canonical form"
    assert ask(draft.give(tmp_path / "x.zip"), TRUST).says("events", f"events.jsonl {what.format(1)}")
    assert ask(hidden.give(tmp_path / "x.zip"), TRUST).says("scope", f"scope.jsonl {what.format(3)}")


@pytest.mark.parametrize("name", ["manifest.json", "receipt.json"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"{", b'{"zz":1,"zz":1,', 1),
        lambda text: text.replace(b"{", b'{"zz":1.5,', 1),
        lambda text: text.replace(b"{", b'{"zz":"\\ud800",', 1),
        lambda text: text.replace(b"{", b'{"zz":NaN,', 1),
        lambda text: b"[" + text + b"]",
        lambda text: b"",
    ],
)
def test_small_files_with_two_readings_are_refused(
    draft: Draft, tmp_path: Path, name: str, change: Callable[[bytes], bytes]
) -> None:
    files = unpack(draft.give(tmp_path / "x.zip"))
    files[name] = change(files[name])

    said = ask(pack(files, tmp_path / "y.zip"), TRUST)

    assert said.says("files" if name == "manifest.json" else "receipt", f"{name} is no JSON object")
