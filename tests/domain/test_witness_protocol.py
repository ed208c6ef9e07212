"""The bodies between log and witness: the examples of the specification, and every malformed request."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.checkpoint import Head
from domain.errors import InvalidInput
from domain.note import Signer
from domain.witness_protocol import MAX_BODY, AddCheckpoint, answer_lines, answer_size, parse_answer, parse_size

# The examples of the specification.
EXAMPLE = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""
ANSWER = """\
— witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==
— witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64vWhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==
— witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==
"""
LOG = Signer("log.example/spine", bytes(range(32)))
NOTE = LOG.sign(Head("log.example/spine", 42, bytes(32)).checkpoint)
HASH = base64.b64encode(bytes(range(32))).decode()


def test_the_published_request_is_read_and_written_back() -> None:
    request = AddCheckpoint.parse(EXAMPLE.encode())

    assert request.old_size == 20852014
    assert len(request.path) == 4
    assert request.path[0].hex() == "3e544d0abc07a6a846aeea6e7b42fb8316e36cc88a03db5e9afb996430e991ac"
    assert request.head == Head(
        "example.com/behind-the-sofa", 20852163, base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    )
    assert request.note.startswith("example.com/behind-the-sofa\n")
    assert request.body == EXAMPLE.encode()


@given(st.integers(0, 42), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_request_reads_back(old_size: int, path: list[bytes]) -> None:
    request = AddCheckpoint(old_size, tuple(path), NOTE)

    assert AddCheckpoint.parse(request.body) == request
    assert AddCheckpoint.parse(request.body).body == request.body


def test_a_first_request_has_no_hashes() -> None:
    assert AddCheckpoint(0, (), NOTE).body == f"old 0\n\n{NOTE}".encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "old 0",
        "old 0\n",
        "old 0\n\n",
        f"old 0\n{NOTE}",
        f"\nold 0\n\n{NOTE}",
        f"old 0\n\n\n{NOTE}",
        f"old 0\n\n{NOTE.removesuffix(chr(10))}",
        f"old 0\n\n{NOTE}\n",
        f"old 0\n\n{NOTE}".replace("\n", "\r\n"),
        f"old  0\n\n{NOTE}",
        f"old 0 \n\n{NOTE}",
        f"old\t0\n\n{NOTE}",
        f"Old 0\n\n{NOTE}",
        f"new 0\n\n{NOTE}",
        f"old\n\n{NOTE}",
        f"old \n\n{NOTE}",
        f"old 00\n\n{NOTE}",
        f"old 01\n\n{NOTE}",
        f"old +1\n\n{NOTE}",
        f"old -1\n\n{NOTE}",
        f"old 0x1\n\n{NOTE}",
        f"old 1_0\n\n{NOTE}",
        f"old \u0661\n\n{NOTE}",
        f"old {2**63}\n\n{NOTE}",
        f"old {'9' * 5000}\n\n{NOTE}",
        f"old 43\n\n{NOTE}",
        f"old 1\n{HASH} \n\n{NOTE}",
        f"old 1\n{HASH[:-1]}\n\n{NOTE}",
        f"old 1\n{HASH[:-2]}9=\n\n{NOTE}",
        f"old 1\n{HASH[:-4]}\n\n{NOTE}",
        f"old 1\n{HASH}{HASH}\n\n{NOTE}",
        f"old 1\nÄ{HASH[1:]}\n\n{NOTE}",
        f"old 1\n{HASH[:8]}-{HASH[9:]}\n\n{NOTE}",
        "old 1\n" + f"{HASH}\n" * 64 + f"\n{NOTE}",
        f"old 1\n{HASH}\n\n{NOTE.replace('42', '042')}",
        f"old 1\n{HASH}\n\n{NOTE.split(chr(10) * 2)[0]}\n",
        f"old 1\n{HASH}\n\n{NOTE}— x !!!\n",
        f"old 1\n{HASH}\n\n{NOTE}" + "— x AAAAAAAA\n" * 64,
        f"old 1\n{HASH}\n\n{NOTE}— x\x07 AAAAAAAA\n",
    ],
)
def test_malformed_requests_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        AddCheckpoint.parse(text.encode())


def test_what_is_not_utf_8_or_too_long_is_refused() -> None:
    with pytest.raises(InvalidInput, match="UTF-8"):
        AddCheckpoint.parse(AddCheckpoint(0, (), NOTE).body + b"\xff\n")
    with pytest.raises(InvalidInput, match=str(MAX_BODY)):
        AddCheckpoint.parse(b"o" * (MAX_BODY + 1))
    with pytest.raises(InvalidInput, match=str(MAX_BODY)):
        parse_answer(b"o" * (MAX_BODY + 1))


@given(st.binary(max_size=400))
def test_bytes_of_any_kind_are_read_or_refused(body: bytes) -> None:
    for parse in (AddCheckpoint.parse, parse_answer, parse_size):
        try:
            parse(body)
        except InvalidInput:
            continue


@given(st.data())
def test_a_changed_byte_is_refused_or_read_as_it_stands(data: st.DataObject) -> None:
    """One spelling: what is accepted is written back byte for byte, unless the byte was in a signature."""
    body = bytearray(AddCheckpoint(20, (bytes(range(32)), bytes(32)), NOTE).body)
    until = body.rindex(b"\n\n")
    body[data.draw(st.integers(0, until - 1))] = data.draw(st.integers(0, 255))

    try:
        request = AddCheckpoint.parse(bytes(body))
    except InvalidInput:
        return

    assert request.body == bytes(body)


def test_the_published_answer_is_read() -> None:
    lines = parse_answer(ANSWER.encode())

    assert [line.split(" ")[1] for line in lines] == ["witness.example/w1", "witness.example/w1", "witness.example/w2"]
    assert answer_lines(lines) == ANSWER.encode()


@pytest.mark.parametrize(
    "text", ["", "\n", ANSWER.removesuffix("\n"), ANSWER + "\n", "\n" + ANSWER, "42\n", "— x AAAA\n", "— x AAAAAAAA\n" * 65]
)
def test_malformed_answers_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_answer(text.encode())


@given(st.integers(0, 2**63 - 1))
def test_a_size_reads_back(size: int) -> None:
    assert parse_size(answer_size(size)) == size


@pytest.mark.parametrize(
    "body", [b"", b"\n", b"042\n", b"-1\n", b"42 \n", b"42\n\n", b"42\r\n", b"\xff\n", b"9223372036854775808\n"]
)
def test_malformed_sizes_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_size(body)
