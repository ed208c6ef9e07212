"""Reading reference data: a directory as people keep it, or the records of one kind as an API sends them.

All or nothing: half a reference data set would leave accesses without their reasons and raise false alarms, so every bad line is
named (by file and line, never by content) and nothing is loaded.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson

from domain.context import KINDS, Kind, Record, checked
from domain.errors import InvalidInput, NotFound
from domain.json import Json, normalise
from domain.organisation import ORG, Organisation
from store.context import ContextStore, Loaded

_NAMED = 20
"""How many bad lines a message names; the rest is counted."""


def load_context(directory: Path, store: ContextStore, loaded_at: datetime) -> dict[str, Loaded]:
    """Load `org.json` and the `*.jsonl` files of a directory, each optional. Returns counts by kind.

    Raises InvalidInput, and has loaded nothing, when the directory holds no reference data, `org.json` cannot be read, or any line
    is no record of its kind.
    """
    paths = {kind: path for kind in KINDS if (path := directory / f"{kind}.jsonl").is_file()}
    org = directory / "org.json"
    if not paths and not org.is_file():
        raise InvalidInput(f"no reference data in {directory}: expected org.json or files such as staff.jsonl and patients.jsonl")
    found: dict[str, Sequence[Record]] = {}
    zone = store.org().timezone
    if org.is_file():
        record = _organisation(org.read_bytes())
        zone = Organisation.of(record).timezone
        found[ORG] = [record]
    complaints: list[str] = []
    for kind, path in paths.items():
        with path.open("rb") as lines:
            found[kind] = _records(KINDS[kind], lines, zone, complaints, place=f"{path.name} line")
    _raise(complaints)
    return store.load(found, loaded_at)


def load_records(kind: str, lines: Iterable[bytes], store: ContextStore, loaded_at: datetime) -> Loaded:
    """Load records of one kind, a JSON object a line; `org` takes one object.

    Raises NotFound for an unknown kind, InvalidInput (and has loaded nothing) when any line is no record of its kind.
    """
    if kind == ORG:
        return store.load({ORG: [_organisation(b"".join(lines))]}, loaded_at)[ORG]
    if kind not in KINDS:
        raise NotFound("there is no reference data of that name: use org, " + ", ".join(KINDS))
    complaints: list[str] = []
    records = _records(KINDS[kind], lines, store.org().timezone, complaints, place="record")
    _raise(complaints)
    return store.load({kind: records}, loaded_at)[kind]


def _organisation(text: bytes) -> Record:
    try:
        record = normalise(orjson.loads(text))
    except ValueError:
        raise InvalidInput("org.json is no JSON object") from None
    if not isinstance(record, Mapping):
        raise InvalidInput("org.json is no JSON object")
    Organisation.of(record)
    return record


def _records(kind: Kind, lines: Iterable[bytes], zone: ZoneInfo, complaints: list[str], *, place: str) -> list[Record]:
    """The usable records; what is wrong with the others is added to `complaints`."""
    found: list[Record] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(checked(kind, _mapping(line.removeprefix(b"\xef\xbb\xbf")), zone))
        except InvalidInput as error:
            complaints.append(f"{place} {number}: {error}")
    return found


def _mapping(line: bytes) -> Mapping[str, Json]:
    try:
        record = normalise(orjson.loads(line))
    except ValueError:
        raise InvalidInput("no JSON") from None
    if not isinstance(record, Mapping):
        raise InvalidInput("no JSON object")
    return record


def _raise(complaints: Sequence[str]) -> None:
    if complaints:
        more = f" and {len(complaints) - _NAMED} more" if len(complaints) > _NAMED else ""
        raise InvalidInput("nothing was loaded; correct these lines first: " + "; ".join(complaints[:_NAMED]) + more)
