"""Reading a written hospital back: its events as a frame, its answers, its reference data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import polars as pl

from benchmarks.evaluation.hospital.build import Facts
from benchmarks.evaluation.hospital.truth import Incident

_COLUMNS = {
    "event_id": pl.String,
    "time": pl.String,
    "source": pl.String,
    "action": pl.String,
    "actor": pl.String,
    "kind": pl.String,
    "patient": pl.String,
    "outcome": pl.String,
    "device": pl.String,
    "device_kind": pl.String,
    "ip": pl.String,
    "seconds": pl.Int64,
    "records": pl.Int64,
    "domain": pl.String,
    "exposed": pl.Boolean,
    "direction": pl.String,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    """`events` has the columns of `_COLUMNS` with `time` as an instant, `day` (local), and `incident` ('' for ordinary ones).

    `exposed` says of mail that it was marked as PHI and went out in the clear.
    """

    directory: Path
    facts: Facts
    events: pl.DataFrame
    incidents: Sequence[Incident]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.facts.zone)

    @classmethod
    def read(cls, directory: Path) -> "Hospital":
        """Everything of a directory that `build` wrote."""
        facts = Facts(**orjson.loads((directory / "hospital.json").read_bytes()))
        incidents = [Incident.of(record) for record in records(directory / "truth.jsonl")]
        labels = {event_id: incident.incident_id for incident in incidents for event_id in incident.event_ids}
        events = _events(directory / "events.jsonl").with_columns(
            pl.col("time").str.to_datetime(time_unit="us", time_zone="UTC"),
        )
        events = events.with_columns(
            day=pl.col("time").dt.convert_time_zone(facts.zone).dt.date(),
            incident=pl.col("event_id").replace_strict(labels, default="", return_dtype=pl.String),
        )
        return cls(directory=directory, facts=facts, events=events, incidents=incidents)


def records(path: Path) -> list[dict[str, object]]:
    """The objects of a JSON Lines file."""
    with path.open("rb") as lines:
        return [orjson.loads(line) for line in lines]


def _events(path: Path) -> pl.DataFrame:
    columns: dict[str, list[object]] = {name: [] for name in _COLUMNS}
    with path.open("rb") as lines:
        for line in lines:
            event = orjson.loads(line)
            details, device = event["details"], event.get("device") or {}
            for name in ("event_id", "time", "source", "action", "outcome"):
                columns[name].append(event[name])
            columns["actor"].append(event["actor"]["id"])
            columns["kind"].append(event["actor"]["kind"])
            columns["patient"].append(event["patient_id"])
            columns["device"].append(device.get("id"))
            columns["device_kind"].append(device.get("kind"))
            columns["ip"].append(event.get("ip"))
            columns["seconds"].append(details.get("duration_s"))
            columns["records"].append(_count(details))
            columns["domain"].append(details.get("to_domain"))
            columns["exposed"].append(details.get("phi") is True and details.get("tls", ...) is None)
            columns["direction"].append(details.get("direction"))
    return pl.DataFrame(columns, schema=_COLUMNS)


def _count(details: Mapping[str, object]) -> int | None:
    value = details.get("records")
    return value if isinstance(value, int) else None
