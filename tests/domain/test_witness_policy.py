"""Trust policies: the example of the specification, every rule that a file can break, and who is a quorum."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.checkpoint import Head
from domain.cosignature import Algorithm, Cosigner, CosigningKey, add_lines
from domain.errors import IntegrityError, InvalidInput
from domain.note import Signer
from domain.witness_policy import NO_WITNESSES, PolicyGroup, WitnessPolicy

LOG = Signer("log.example/spine", bytes(range(1, 33)))
HEAD = Head("log.example/spine", 42, bytes(range(32)))
NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
KEYS = {
    name: CosigningKey(f"witness.example/{name}", bytes([n]) * 32, Algorithm.ML_DSA_44 if n % 2 else Algorithm.ED25519)
    for n, name in enumerate(NAMES)
}
VKEYS = {name: key.cosigner.text for name, key in KEYS.items()}

# The example of the specification, with keys.
EXAMPLE = f"""log {LOG.verifier.text}

witness X1 {VKEYS["X1"]}
witness X2 {VKEYS["X2"]}
witness X3 {VKEYS["X3"]}
group X-witnesses 2 X1 X2 X3

witness Y1 {VKEYS["Y1"]}
witness Y2 {VKEYS["Y2"]}
witness Y3 {VKEYS["Y3"]}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def test_the_published_example_is_read() -> None:
    policy = WitnessPolicy.parse(EXAMPLE)

    assert [log.verifier for log in policy.logs] == [LOG.verifier]
    assert [(witness.name, witness.cosigner, witness.url) for witness in policy.witnesses] == [
        (name, KEYS[name].cosigner, None) for name in NAMES
    ]
    assert policy.groups == (
        PolicyGroup("X-witnesses", 2, ("X1", "X2", "X3")),
        PolicyGroup("Y-witnesses", 1, ("Y1", "Y2", "Y3")),
        PolicyGroup("X-and-Y", 2, ("X-witnesses", "Y-witnesses")),
    )
    assert policy.quorum == "X-and-Y"
    assert policy.text == EXAMPLE
    assert WitnessPolicy.parse(policy.text) == policy


def test_every_set_of_witnesses_of_the_example_is_judged_as_it_says() -> None:
    policy = WitnessPolicy.parse(EXAMPLE)
    for count in range(len(NAMES) + 1):
        for names in combinations(NAMES, count):
            x, y = (sum(name.startswith(letter) for name in names) for letter in "XY")
            assert policy.is_met(names) == (x >= 2 and y >= 1)


def test_only_witnesses_of_the_file_count() -> None:
    """Nobody becomes a quorum by calling itself after a group, or after a witness that is not there."""
    policy = WitnessPolicy.parse(EXAMPLE)

    assert not policy.is_met(["X-and-Y"])
    assert not policy.is_met(["X-witnesses", "Y-witnesses"])
    assert not policy.is_met(["X1", "X1", "Y1"])
    assert policy.is_met(["X1", "X2", "Y1", "somebody else"])


def test_without_a_quorum_nobody_is_needed() -> None:
    assert NO_WITNESSES.is_met([])
    assert NO_WITNESSES.quorum is None
    assert NO_WITNESSES.witnesses_that_signed(LOG.sign(HEAD.checkpoint)) == []
    assert WitnessPolicy.parse(f"witness X1 {VKEYS['X1']}\nquorum none\n").is_met([])


def test_a_single_witness_is_a_quorum() -> None:
    policy = WitnessPolicy.parse(f"witness X1 {VKEYS['X1']}\nwitness X2 {VKEYS['X2']}\nquorum X2\n")

    assert policy.is_met(["X2"])
    assert not policy.is_met(["X1"])


def test_spaces_tabs_comments_and_addresses() -> None:
    policy = WitnessPolicy.parse(
        "# a comment\n"
        "\t # another, with Ümlaut \n"
        " \t\n"
        f"  log\t{LOG.verifier.text} \t https://log.example/spine  \n"
        f"\twitness  Zürich {VKEYS['X1']}\thttps://witness.example/submit\n"
        f"witness # {VKEYS['X2']}\n"
        "group all all Zürich #\n"
        "quorum all\n"
    )

    assert policy.logs[0].url == "https://log.example/spine"
    assert policy.witnesses[0].url == "https://witness.example/submit"
    assert policy.is_met(["Zürich", "#"])
    assert not policy.is_met(["Zürich"])


def test_names_are_compared_octet_by_octet() -> None:
    """The example of the specification: K, and a Kelvin sign. So too a letter with its accent, in one character and in two."""
    names = ("\u212a", "K", "\u00e9", "e\u0301")
    lines = "".join(f"witness {name} {key}\n" for name, key in zip(names, VKEYS.values(), strict=False))
    policy = WitnessPolicy.parse(f"{lines}quorum K\n")

    assert tuple(witness.name for witness in policy.witnesses) == names
    assert policy.is_met(["K"])
    assert not policy.is_met(["\u212a"])


def test_lines_may_stand_in_any_order_that_defines_before_use() -> None:
    policy = WitnessPolicy.parse(f"witness X1 {VKEYS['X1']}\nquorum X1\nwitness X2 {VKEYS['X2']}\nlog {LOG.verifier.text}\n")

    assert [witness.name for witness in policy.witnesses] == ["X1", "X2"]


W1, W2 = f"witness X1 {VKEYS['X1']}\n", f"witness X2 {VKEYS['X2']}\n"
SAME_KEY = Cosigner("witness.example/renamed", KEYS["X1"].cosigner.public, Algorithm.ED25519).text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("quorum none", 1),
        (f"{W1}quorum X1", 2),
        ("quorum none\r\n", 1),
        ("quorum\x0bnone\n", 1),
        ("quorum none\n\x00", 2),
        ("# \x1b[2J\nquorum none\n", 1),
        ("# \x7f\nquorum none\n", 1),
        ("quorum\u00a0none\n", 1),
        ("\ufeffquorum none\n", 1),
        ("Quorum none\n", 1),
        ("quorum\n", 1),
        ("quorum none none\n", 1),
        ("quorum none # nobody\n", 1),
        ("quorum none\nquorum none\n", 2),
        (f"{W1}quorum X1\nquorum none\n", 3),
        ("quorum X1\n" + W1, 1),
        ("quorum nobody\n", 1),
        ("witness X1\nquorum none\n", 1),
        (f"witness none {VKEYS['X1']}\nquorum none\n", 1),
        (f"{W1}witness X1 {VKEYS['X2']}\nquorum X1\n", 2),
        (f"{W1}witness X2 {SAME_KEY}\nquorum X1\n", 2),
        (f"{W1}witness X2 {VKEYS['X1']}\nquorum X1\n", 2),
        (f"witness X1 {LOG.verifier.text}\nquorum X1\n", 1),
        (f"witness X1 {VKEYS['X1'][:-1]}\nquorum X1\n", 1),
        (f"witness X1 {VKEYS['X1']} https://a.example https://b.example\nquorum X1\n", 1),
        ("log\nquorum none\n", 1),
        (f"log {VKEYS['X1']}\nquorum none\n", 1),
        (f"log {LOG.verifier.text}\nlog {LOG.verifier.text} https://log.example\nquorum none\n", 2),
        (f"{W1}group g all\nquorum g\n", 2),
        (f"{W1}group g 0 X1\nquorum g\n", 2),
        (f"{W1}group g 2 X1\nquorum g\n", 2),
        (f"{W1}group g 01 X1\nquorum g\n", 2),
        (f"{W1}group g -1 X1\nquorum g\n", 2),
        (f"{W1}group g +1 X1\nquorum g\n", 2),
        (f"{W1}group g \u0661 X1\nquorum g\n", 2),
        (f"{W1}group g {'9' * 5000} X1\nquorum g\n", 2),
        (f"{W1}group g ANY X1\nquorum g\n", 2),
        (f"{W1}group g any X1 X1\nquorum g\n", 2),
        (f"{W1}group g any X1 X2\n{W2}quorum g\n", 2),
        (f"{W1}group g any g\nquorum g\n", 2),
        (f"{W1}group g any none\nquorum g\n", 2),
        (f"{W1}group none any X1\nquorum none\n", 2),
        (f"{W1}group X1 any X1\nquorum X1\n", 2),
        (f"{W1}{W2}group g any X1\ngroup h all X1 X2\nquorum h\n", 4),
        (f"{W1}{W2}group g any X1\ngroup g any X2\nquorum g\n", 4),
    ],
)
def test_a_broken_rule_is_named_with_its_line(text: str, line: int) -> None:
    with pytest.raises(InvalidInput, match=f"^line {line} of the witness policy "):
        WitnessPolicy.parse(text)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", W1, f"log {LOG.verifier.text}\n"])
def test_a_policy_without_a_quorum_line_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no quorum line"):
        WitnessPolicy.parse(text)


def test_as_large_a_policy_as_the_specification_recommends_and_groups_in_groups() -> None:
    keys = [CosigningKey(f"w{n}", n.to_bytes(32, "big"), Algorithm.ED25519).cosigner.text for n in range(32)]
    logs = [Signer(f"l{n}", (n + 100).to_bytes(32, "big")).verifier.text for n in range(32)]
    chain = [f"group g{n} all w{n}{f' g{n - 1}' if n else ''}\n" for n in range(32)]
    policy = WitnessPolicy.parse(
        "".join(f"log {key}\n" for key in logs)
        + "".join(f"witness w{n} {key}\n" for n, key in enumerate(keys))
        + "".join(chain)
        + "quorum g31\n"
    )
    names = {witness.name for witness in policy.witnesses}

    assert policy.is_met(names)
    assert not any(policy.is_met(names - {name}) for name in names)


@given(st.integers(1, 6), st.data())
def test_a_threshold_counts_members(count: int, data: st.DataObject) -> None:
    threshold = data.draw(st.integers(1, count))
    signed = data.draw(st.sets(st.sampled_from(NAMES[:count])))
    lines = "".join(f"witness {name} {VKEYS[name]}\n" for name in NAMES[:count])
    policy = WitnessPolicy.parse(f"{lines}group g {threshold} {' '.join(NAMES[:count])}\nquorum g\n")

    assert policy.is_met(signed) == (len(signed) >= threshold)


@given(st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES)))
def test_more_witnesses_never_make_it_less_of_a_quorum(some: set[str], more: set[str]) -> None:
    policy = WitnessPolicy.parse(EXAMPLE)

    assert policy.is_met(some | more) or not policy.is_met(some)


def test_the_witnesses_in_a_note_are_found_by_their_keys() -> None:
    policy = WitnessPolicy.parse(EXAMPLE)
    lines = [KEYS[name].cosign(HEAD.checkpoint, 1_700_000_000 + n) for n, name in enumerate(("Y2", "X2", "X1"))]
    stranger = CosigningKey("witness.example/X3", bytes(32), Algorithm.ED25519).cosign(HEAD.checkpoint, 5)
    note = add_lines(LOG.sign(HEAD.checkpoint), [*lines, stranger])
    signed = policy.witnesses_that_signed(note)

    assert [(witness.name, found.timestamp) for witness, found in signed] == [
        ("X1", 1_700_000_002),
        ("X2", 1_700_000_001),
        ("Y2", 1_700_000_000),
    ]
    assert [found.name for _, found in signed] == ["witness.example/X1", "witness.example/X2", "witness.example/Y2"]
    assert policy.is_met([witness.name for witness, _ in signed])


def test_a_witness_whose_signature_fails_rejects_the_note() -> None:
    policy = WitnessPolicy.parse(EXAMPLE)
    wrong = KEYS["X1"].cosign(Head(HEAD.origin, 43, HEAD.root).checkpoint, 5)

    with pytest.raises(IntegrityError, match="does not fit"):
        policy.witnesses_that_signed(add_lines(LOG.sign(HEAD.checkpoint), [wrong]))


def test_a_cosignature_that_states_no_time_is_no_witness() -> None:
    policy = WitnessPolicy.parse(EXAMPLE)
    note = add_lines(LOG.sign(HEAD.checkpoint), [KEYS["X1"].cosign(HEAD.checkpoint, 0), KEYS["X2"].cosign(HEAD.checkpoint, 1)])

    assert [witness.name for witness, _ in policy.witnesses_that_signed(note)] == ["X2"]
