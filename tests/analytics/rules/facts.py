"""Facts as rows: partly given, the rest as usual. What rule files call an event becomes one or more rows here."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import polars as pl

from domain.clock import parse_rfc3339
from store.engine import Engine
from store.rule_fields import LogSource

ZONE = ZoneInfo("America/New_York")
NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)

_USUAL: Mapping[str, Mapping[str, object]] = {
    "access_facts": {
        "source": "access",
        "source_system": "ehr",
        "outcome": "success",
        "actor_id": "alice",
        "actor_kind": "staff",
        "actor_role": "nurse",
        "actor_department": "Surgery",
        "device_id": "ws-7",
        "device_kind": "workstation",
        "ip": "192.0.2.7",
        "terminated_minutes": -1,
        "idle_days": -1,
        "since_care_days": -1,
    },
    "delivery_facts": {
        "source_system": "relay",
        "action": "deliver",
        "outcome": "delivered",
        "actor_id": "records@hospital.example",
        "to_domain": "clinic.example",
        "direction": "outbound",
        "category": "discharge_summary",
        "encryption": "none",
        "evidence": "as the mail server logged it",
        "opted_in": 0,
        "phi": None,
    },
    "events": {
        "source": "access",
        "source_system": "ehr",
        "outcome": "success",
        "actor_id": "alice",
        "actor_kind": "staff",
        "device_id": "ws-7",
        "epoch": 202603,
    },
}

_TYPES: Mapping[str, pl.DataType] = {
    "terminated_minutes": pl.Int32(),
    "records": pl.Int64(),
    "idle_days": pl.Int32(),
    "since_care_days": pl.Int32(),
    "moves": pl.UInt16(),
    "speed_kmh": pl.Float32(),
    "surname_rarity": pl.Float64(),
    "epoch": pl.UInt32(),
    "seq": pl.UInt64(),
    "leaf": pl.Binary(),
    "time": pl.Datetime("us", "UTC"),
    "received": pl.Datetime("us", "UTC"),
    "reasons": pl.List(pl.String),
    "reason_kinds": pl.List(pl.String),
    "flags": pl.List(pl.String),
    "subject_identifiers": pl.List(pl.String),
    "mail_signs": pl.List(pl.String),
    "transit_seconds": pl.Int64(),
}


def insert_facts(engine: Engine, source: LogSource, events: Sequence[Mapping[str, object]], *, writer: str = "w") -> int:
    """Insert the rows that these events mean, in the order given, a minute apart where no time is given. Returns how many."""
    rows = list(_rows(source.table, events, writer))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    series = [pl.Series(name, [row.get(name) for row in rows], dtype=_type(source, name)) for name in columns]
    frame = pl.DataFrame(series)
    if source.table == "events":
        frame = frame.with_columns(leaf=pl.lit(bytes(32)))
    engine.insert(source.table, frame)
    return len(rows)


def clear_facts(engine: Engine, source: LogSource) -> None:
    """Empty what rules of this log source read."""
    engine.execute(f"TRUNCATE TABLE {source.table}")


def _rows(table: str, events: Sequence[Mapping[str, object]], writer: str) -> Iterator[dict[str, object]]:
    seq = 0
    for event in events:
        times, every = int(str(event.get("repeat", 1))), _span(str(event.get("every", "0s")))
        start = parse_rfc3339(str(event["time"])) if "time" in event else NOON + timedelta(minutes=seq)
        given = {name: value for name, value in event.items() if name not in ("repeat", "every", "time")}
        for n in range(times):
            moment = start + n * every
            filled = {name: value.replace("{n}", str(n)) if isinstance(value, str) else value for name, value in given.items()}
            row = {
                **_USUAL[table],
                **filled,
                "writer": writer,
                "seq": seq,
                "event_id": f"{writer}-{seq}",
                "time": moment,
                "received": moment,
            }
            if isinstance(details := row.pop("details", None), Mapping):
                text = orjson.dumps(details).decode()
                row |= {"private": orjson.dumps({"details": details}).decode()} if table == "events" else {"details": text}
            yield row
            seq += 1


def _span(text: str) -> timedelta:
    return timedelta(**{{"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[text[-1]]: int(text[:-1])})


def _type(source: LogSource, name: str) -> pl.DataType:
    if name in _TYPES:
        return _TYPES[name]
    flag = source.fields.get(name)
    return pl.UInt8() if flag is not None and "flag" in flag.value else pl.String()
