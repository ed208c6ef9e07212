"""The frame of a Zimbra log entry: `time LEVEL [thread] [context] category - text`, and the attributes in it.

Context and attributes are `name=value;` with `;` inside a value doubled (ZimbraLog.encodeArg), so a user agent or an account name
cannot pretend to be the end of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.parsers.addresses import ip_of

_VALUE = r"(?:[^;]|;;)*"
_ENTRY = re.compile(
    r"(?P<level>TRACE|DEBUG|INFO|WARN|ERROR|FATAL) +\[(?P<thread>[^\n]{0,400}?)\] "
    rf"\[(?P<context>(?:[^\s=;\[\]]{{1,60}}={_VALUE};(?!;) ?)*)\] (?P<category>[A-Za-z][\w./-]{{0,60}}) - (?P<text>.*)",
    re.DOTALL,
)
_PAIR = re.compile(rf"\s*(?P<name>[^\s=;]{{1,120}})=(?P<value>{_VALUE})(?:;(?!;)|$)", re.DOTALL)
_EXCEPTION = re.compile(r"^(?P<name>(?:[a-z][\w$]{0,60}\.){1,12}[A-Z][\w$]{0,100}(?:Exception|Error))\b", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry. `context` says whose request it was; `exception` is the class of what was thrown, where a trace follows."""

    level: str
    thread: str
    context: Mapping[str, str]
    category: str
    text: str
    exception: str | None

    @property
    def account(self) -> str | None:
        """The mailbox that the request was about."""
        return self.context.get("name")

    @property
    def person(self) -> str | None:
        """Who made the request: `aname` where it was somebody else than the owner of the mailbox."""
        return self.context.get("aname") or self.context.get("name")

    @property
    def delegated(self) -> bool:
        """True where one account worked in the mailbox of another."""
        other = self.context.get("aname")
        return other is not None and other.lower() != (self.account or "").lower()

    @property
    def ip(self) -> str | None:
        """The address of the client: the first of `oip` behind a proxy, else `ip`."""
        for name in ("oip", "ip"):
            if found := ip_of(self.context.get(name, "").split(",", 1)[0].strip()):
                return found
        return None


def read_entry(text: str) -> Entry | None:
    """The parts of an entry after its time, or None where it is none."""
    found = _ENTRY.match(text)
    if found is None:
        return None
    said, _, trace = found["text"].partition("\n")
    thrown = _EXCEPTION.search(trace)
    return Entry(
        level=found["level"],
        thread=found["thread"],
        context=dict(attributes(found["context"])),
        category=found["category"],
        text=said.rstrip("\r"),
        exception=thrown["name"].rpartition(".")[2] if thrown else None,
    )


def attributes(text: str) -> Sequence[tuple[str, str]]:
    """`name=value;` pairs in their order, with `;;` read as `;`."""
    found: list[tuple[str, str]] = []
    at = 0
    while (pair := _PAIR.match(text, at)) is not None and pair.end() > at:
        found.append((pair["name"], pair["value"].replace(";;", ";")))
        at = pair.end()
    return found
