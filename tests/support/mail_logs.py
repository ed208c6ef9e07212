"""Reading mail log lines in tests: the samples of the pages, lines bent and cut, and text that came from outside."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from hypothesis import example
from hypothesis import strategies as st

from domain.event import AuditEvent
from domain.json import Json, normalise
from domain.record import Parsed, Rejected

FORMATS = Path(__file__).parents[2] / "docs" / "formats"
GOLDEN = Path(__file__).parents[1] / "golden"

FORGERIES = (
    *(
        "x",
        "<x>",
        ", relay=mx.evil.example [198.51.100.66]",
        " X=TLS1.3:FORGED:256 CV=yes",
        ">, rip=198.51.100.66, TLS, session=<f>, y",
    ),
    *(
        " H=evil [198.51.100.66]",
        ": forwarded to <evil@bad.example>",
        '" C="250 ok" ',
        "; cmd=Auth; account=admin",
        "] security - cmd=Auth;",
    ),
    *(", stat=Sent (ok)", " => evil@bad.example R=x T=remote_smtp", "a=b;c=d", "\\", '"', "((", "proto=ESMTPS", " Completed"),
)
OUTSIDE = st.lists(
    st.sampled_from(FORGERIES) | st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12), max_size=5
).map("".join)
"""What somebody outside may choose: a message id, a HELO name, a user name, a user agent."""


Test = TypeVar("Test", bound=Callable[..., None])


def forged(*names: str) -> Callable[[Test], Test]:
    """Every forgery in each of the arguments of a property test, before the drawn ones."""

    def decorate(test: Test) -> Test:
        for name in names:
            for text in FORGERIES:
                test = example(**{**dict.fromkeys(names, "x"), name: text})(test)
        return test

    return decorate


class Parser(Protocol):
    """A parser, as far as tests need it."""

    def parse(self, record: bytes) -> list[Parsed]: ...


def events(parser: Parser, lines: Iterable[str]) -> list[AuditEvent]:
    """Every event of lines that are all understood."""
    found: list[AuditEvent] = []
    for line in lines:
        for parsed in parser.parse(line.encode()):
            assert isinstance(parsed, AuditEvent), parsed.reason
            found.append(parsed)
    return found


def refused(parser: Parser, line: bytes) -> str:
    """The reason of a line that is refused, and kept whole."""
    (parsed,) = parser.parse(line)
    assert isinstance(parsed, Rejected)
    assert parsed.raw == line
    return parsed.reason


def tls_of(event: AuditEvent) -> Mapping[str, Json]:
    """`details.tls` where it is an object."""
    tls = event.details["tls"]
    assert isinstance(tls, Mapping)
    return tls


def sample(format: str) -> str:  # noqa: A002 (the field's name everywhere)
    """The sample on the page of a format."""
    page = (FORMATS / f"{format}.md").read_text()
    found = re.search(rf"^```{format}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def golden_lines(format: str) -> Sequence[bytes]:  # noqa: A002
    """Every line of the golden inputs of a format."""
    return [line for path in sorted((GOLDEN / format).glob("*.in")) for line in path.read_bytes().splitlines() if line]


def bent(data: st.DataObject, line: bytes) -> bytes:
    """A line with some bytes changed, dropped or doubled, or cut off."""
    changed = bytearray(line)
    for _ in range(data.draw(st.integers(0, 5))):
        at = data.draw(st.integers(0, max(0, len(changed) - 1)))
        match data.draw(st.sampled_from(["flip", "cut", "drop", "double", "insert"])):
            case "flip":
                changed[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del changed[at:]
            case "drop":
                del changed[at : at + data.draw(st.integers(1, 20))]
            case "double":
                changed[at:at] = changed[at : at + 20]
            case "insert":
                changed[at:at] = data.draw(OUTSIDE).encode()
    return bytes(changed)


def check(parser: Parser, format: str, record: bytes) -> None:  # noqa: A002
    """Whatever comes in: events that can be kept, or one refusal that names no content; always with the bytes."""
    parsed = parser.parse(record)

    assert parsed
    ids = [one.event_id for one in parsed if isinstance(one, AuditEvent)]
    assert len(ids) == len(set(ids))
    for one in parsed:
        assert one.format == format
        assert one.raw == record
        if isinstance(one, AuditEvent):
            assert normalise(one.details) == one.details
            assert one.time.tzinfo is not None
        else:
            assert isinstance(one, Rejected)
            assert 0 < len(one.reason) < 200
