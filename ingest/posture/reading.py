"""What a record or policy was understood as. A wrong or ambiguous one has a problem and never a good value."""

import re
from dataclasses import dataclass
from typing import Generic, TypeVar

MOST_TEXT = 8_192
"""Characters of one TXT record that are read; a longer one is wrong. Real ones have some hundreds."""

MOST_TAGS = 64

_T = TypeVar("_T")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Read(Generic[_T]):
    """A value and what is wrong with it, '' where nothing is."""

    value: _T
    problem: str = ""


def host_name(text: str) -> str | None:
    """A host name in lower case without a final dot, or None: not a name of at least two labels (RFC 1123; underscores pass)."""
    name = text.strip().lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or len(labels) < 2 or labels[-1].isdigit() or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return name


def tags(text: str) -> list[tuple[str, str]]:
    """`name=value` pairs between semicolons, names in lower case (RFC 6376 section 3.2); what is no pair has the name ''."""
    found = []
    for part in text.split(";")[:MOST_TAGS]:
        name, equals, value = part.partition("=")
        if part.strip():
            found.append((name.strip().lower() if equals else "", value.strip()))
    return found


def shown(text: str, most: int = 1_000) -> str:
    """Text of others as it may be kept: printable, and not endless."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:most])
