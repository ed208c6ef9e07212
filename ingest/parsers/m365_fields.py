"""Reading objects of Microsoft's APIs and exports: one field has many spellings, and some values are JSON inside a text.

Graph writes `ipAddress`, Log Analytics `IPAddress`, CSV exports `ip_address` or `IP address`; they are one name here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import orjson

from ingest.parsers.access_words import plain
from ingest.parsers.identity_events import is_empty, text_or_number

NOTHING = frozenset({"", "<null>", "null", "not available", "notavailable", "not applicable", "unknown", "n/a", "-"})
"""What Microsoft's services write where they know no value, in lower case."""

_EMPTY_ID = "00000000-0000-0000-0000-000000000000"


class Fields:
    """An object by names without capitals, blanks and marks. Every accessor answers for every value."""

    __slots__ = ("_values", "original")

    def __init__(self, value: object) -> None:
        self.original: Mapping[str, object] = value if isinstance(value, dict) else {}
        self._values = values = dict[str, object]()
        for name, one in self.original.items():
            key = plain(name) if type(name) is str else plain(str(name))
            if key not in values or is_empty(values[key]):
                values[key] = one

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def names(self) -> Iterable[str]:
        """Every name, as `plain` makes it."""
        return self._values

    def items(self) -> Iterable[tuple[str, object]]:
        """Every name, as `plain` makes it, with its value."""
        return self._values.items()

    def get(self, *names: str) -> object:
        """The first of these fields that holds anything. Names are given as `plain` makes them."""
        for name in names:
            found = self._values.get(name)
            if found is not None and not is_empty(found) and not _is_nothing(found):
                return found
        return None

    def text(self, *names: str) -> str | None:
        """The first of these fields that holds a text or a number, as text."""
        for name in names:
            value = self._values.get(name)
            if value is None:
                continue
            found = value.strip() if type(value) is str else text_or_number(value)
            if found and found.lower() not in NOTHING and found != _EMPTY_ID:
                return found
        return None

    def inner(self, *names: str) -> "Fields":
        """The object in the first of these fields that holds one, also as JSON in a text."""
        for name in names:
            value = self._values.get(name)
            if isinstance(value, str):
                value = unpacked(value)
            if value and isinstance(value, dict):
                return Fields(value)
        return _EMPTY

    def array(self, *names: str) -> Sequence[object]:
        """The array in the first of these fields that holds one, also as JSON in a text; a single value alone."""
        for name in names:
            value = self._values.get(name)
            if value is None:
                continue
            value = unpacked(value)
            if not is_empty(value):
                return value if isinstance(value, list) else [value]
        return ()

    def flag(self, *names: str) -> bool | None:
        """Yes or no, however it is spelled; None for anything else."""
        return next((found for name in names if (found := flag(self._values.get(name))) is not None), None)


_EMPTY = Fields(None)


def unpacked(value: object) -> object:
    """The value; where it is a text that holds a JSON object or array, that."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return cast("object", orjson.loads(value))
        except orjson.JSONDecodeError:
            return value
    return value


def flag(value: object) -> bool | None:
    """`True`, `$true`, `1`, `yes` and their opposites."""
    if isinstance(value, bool):
        return value
    word = (text_or_number(value) or "").lower().removeprefix("$")
    return True if word in ("true", "1", "yes") else False if word in ("false", "0", "no") else None


def pairs(values: Iterable[object], name: str = "name", value: str = "value") -> dict[str, object]:
    """A list of `{"Name": …, "Value": …}` as a mapping; of a name that comes twice the first counts."""
    found: dict[str, object] = {}
    for one in values:
        if not isinstance(one, dict):
            continue
        fields = Fields(one)
        key = fields.text(name)
        if key is not None:
            found.setdefault(key, fields.get(value))
    return found


def named(values: Mapping[str, object], name: str) -> str | None:
    """The text of a pair by its name in any spelling."""
    return Fields(dict(values)).text(plain(name))


def unquoted(value: object) -> str | None:
    """The text of a value that directories write as JSON in a text: `"[\\r\\n \\"x\\"\\r\\n]"` and `"\\"x\\""` are x."""
    inner = value
    if isinstance(inner, str) and inner.strip()[:1] in ('"', "["):
        try:
            inner = orjson.loads(inner)
        except orjson.JSONDecodeError:
            inner = value
    if isinstance(inner, list):
        known = [found for one in inner if (found := text_or_number(one))]
        return ", ".join(known) or None
    return text_or_number(inner)


def _is_nothing(value: object) -> bool:
    return isinstance(value, str) and value.strip().lower() in NOTHING
