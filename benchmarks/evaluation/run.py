"""phitrail over one hospital, through its command line: a fresh data directory, one process a command."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson
import polars as pl

SOURCE_SYSTEM = "hospital"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What phitrail said: alerts as exported, scores (actor, object, day, score), facts of accesses; how long each step took."""

    alerts: Sequence[dict[str, object]]
    scores: pl.DataFrame
    explained: pl.DataFrame
    seconds: dict[str, float] = field(default_factory=dict)


class CommandFailed(Exception):
    """A command of phitrail ended with an error; says which, and what it wrote."""


def analyse(hospital: Path, work: Path, *, until: datetime | None = None, facts: bool = True) -> Outcome:
    """Load, ingest, analyze and export. With `until` only the events before that moment exist; the reference data are the same.

    Raises CommandFailed.
    """
    data_dir = work / ("data" if until is None else "data-part")
    shutil.rmtree(data_dir, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    events = hospital / "events.jsonl"
    if until is not None:
        events = _part(events, work / "events-part.jsonl", until)
    seconds: dict[str, float] = {}

    def call(*words: str, out: Path | None = None) -> None:
        begin = time.perf_counter()
        _command([sys.executable, "-m", "runtime", *words, "--data-dir", str(data_dir)], out)
        seconds[" ".join(words[:2] if words[0] in ("context", "alerts", "scores") else words[:1])] = time.perf_counter() - begin

    call("context", "load", str(hospital / "context"))
    call("ingest", str(events), "--format", "phitrail", "--source-system", SOURCE_SYSTEM)
    call("analyze")
    to = [] if until is None else ["--to", until.astimezone(UTC).isoformat().replace("+00:00", "Z")]
    call("alerts", "export", *to, out=work / "alerts.jsonl")
    call("scores", "export", out=work / "scores.jsonl")
    if facts:
        built = orjson.loads((hospital / "hospital.json").read_bytes())
        words = (str(data_dir), str(work / "explained.parquet"), built["first_day"], str(built["days"]))
        _command([sys.executable, "-m", "benchmarks.evaluation.explained", *words], None)
    explained = pl.read_parquet(work / "explained.parquet") if facts else pl.DataFrame()
    return Outcome(
        alerts=_lines(work / "alerts.jsonl"), scores=_scores(work / "scores.jsonl"), explained=explained, seconds=seconds
    )


def alerts_until(work: Path, until: datetime) -> list[dict[str, object]]:
    """The alerts of the analysed history up to a moment."""
    to = until.astimezone(UTC).isoformat().replace("+00:00", "Z")
    path = work / "alerts-until.jsonl"
    _command([sys.executable, "-m", "runtime", "alerts", "export", "--to", to, "--data-dir", str(work / "data")], path)
    return _lines(path)


def _command(words: Sequence[str], out: Path | None) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PHITRAIL_")}
    done = subprocess.run(words, capture_output=True, check=False, env=environment)
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(words[2:5])} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-600:]}")
    if out is not None:
        out.write_bytes(done.stdout)


def _part(events: Path, part: Path, until: datetime) -> Path:
    """The events before a moment. The file is sorted by time, so the first later one ends it."""
    with events.open("rb") as lines, part.open("wb") as kept:
        for line in lines:
            if datetime.fromisoformat(orjson.loads(line)["time"]) >= until:
                break
            kept.write(line)
    return part


def _lines(path: Path) -> list[dict[str, object]]:
    with path.open("rb") as lines:
        return [orjson.loads(line) for line in lines if line.strip()]


def _scores(path: Path) -> pl.DataFrame:
    schema = {"actor": pl.String, "patient_id": pl.String, "day": pl.String, "score": pl.Float64}
    frame = pl.read_ndjson(path, schema=schema) if path.stat().st_size else pl.DataFrame(schema=schema)
    return frame.with_columns(pl.col("day").str.to_date()).rename({"patient_id": "object"})
