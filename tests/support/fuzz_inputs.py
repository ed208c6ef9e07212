"""What is fuzzed: the golden inputs of every format, and real samples where this machine has them beside the project."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from ingest.parsers import split_records
from tests.golden.golden import inputs
from tests.support.otlp import protobuf

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"

_OF_FOLDER: Mapping[str, Sequence[str]] = {
    "atna": ("atna",),
    "exchange_tracking": ("exchange-tracking",),
    "fhir_auditevent": ("fhir-auditevent",),
    "google_workspace": ("google-gmail", "google-reports"),
    "m365_audit": ("m365-audit",),
    "m365_message_trace": ("m365-message-trace",),
    "mail_other": ("dovecot", "exim", "sendmail"),
    "ocsf": ("ocsf",),
    "postfix": ("postfix",),
    "tlsrpt": ("tlsrpt",),
}
"""Formats that the files of a folder of samples are in; elsewhere the name of the file says it."""

_LARGEST_SAMPLE = 200_000
_LOG_RECORD: Mapping[str, object] = {
    "time": 1772431201250000000,
    "severity": 9,
    "event": "chart.open",
    "body": {"text": "Chart geöffnet", "codes": [1, 2.5, True, b"\0\1"]},
    "attributes": {"user.id": "alice.nurse", "patient.id": "P-1", "client.address": "10.20.4.12"},
    "trace": "000102030405060708090a0b0c0d0e0f",
    "span": "0001020304050607",
}


@cache
def files(*, has_samples: bool = True) -> Mapping[str, Sequence[bytes]]:
    """Whole inputs by format; without samples they are the same on every machine."""
    found: dict[str, list[bytes]] = {}
    for path in inputs():
        found.setdefault(path.parent.name, []).append(path.read_bytes())
    found["otlp-logs"].append(protobuf([_LOG_RECORD], {"service.name": "portal-api"}))
    found["otlp-logs"].append(
        protobuf([_LOG_RECORD, {**_LOG_RECORD, "severity": 17}], {"service.name": "portal-api", "host.name": "app-1"})
    )
    for path in sorted(SAMPLES.glob("*/*")) if has_samples else ():
        is_input = path.is_file() and ".expected." not in path.name and path.suffix not in (".txt", ".md")
        if is_input and path.stat().st_size < _LARGEST_SAMPLE:
            for format in _formats(path, found):  # noqa: A001 (the field's name everywhere)
                found.setdefault(format, []).append(_sample(path))
    return found


def _formats(path: Path, known: Mapping[str, object]) -> Sequence[str]:
    named = [name for name in known if name.replace("-", "_") in path.name]
    return _OF_FOLDER.get(path.parent.name) or named


def _sample(path: Path) -> bytes:
    content = path.read_bytes()
    if not path.name.endswith(".input.jsonl"):
        return content
    return "\n".join(str(json.loads(line).get("message", "")) for line in content.splitlines() if line).encode()


@cache
def records(format: str, *, has_samples: bool = True) -> Sequence[bytes]:  # noqa: A002
    """The records of the inputs of a format."""
    return [
        record
        for content in files(has_samples=has_samples)[format]
        for record in split_records(format, [content])
        if isinstance(record, bytes)
    ]


@cache
def all_records(*, has_samples: bool = True) -> Sequence[bytes]:
    """Those of every format: what others are spliced with."""
    return [record for format in sorted(files()) for record in records(format, has_samples=has_samples)]  # noqa: A001
