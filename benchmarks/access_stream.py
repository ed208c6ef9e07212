"""A synthetic access stream of any size, written as columns straight into the tables of a store: deterministic, without a ledger.

A hospital of wards, clinics and diagnostic departments. Staff work shifts on record; most sessions open a chart that a stay, an
appointment or an order explains, about one in twelve opens any chart. Nothing here is chained or hashed: analytics reads columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from domain.clock import microseconds
from domain.context import Record
from domain.organisation import ORG
from store.context import ContextStore
from store.context_rows import ALWAYS, NEVER
from store.engine import Engine

BEGIN = date(2026, 1, 5)
ZONE = "America/Chicago"

_MOMENT = pl.Datetime("us", "UTC")
_A_DAY, _AN_HOUR = 86_400_000_000, 3_600_000_000
_WARDS, _CLINICS, _REST = 0.5, 0.8, 1.0
"""Shares of the staff, cumulative: wards, clinics, diagnostic departments."""

_UNEXPLAINED = 0.08
_A_PART = 500_000

_ROLES = ("nurse", "physician", "clinic_nurse", "scheduler", "technician", "pharmacist")
_ACTIONS = ("view_chart", "view_labs", "view_notes", "view_orders", "edit_note", "med_admin", "print", "search", "export")
_HOW_OFTEN = (0.34, 0.2, 0.17, 0.12, 0.1, 0.055, 0.004, 0.0105, 0.0005)
_SURNAMES = 6_000
_CITIES = (("Stonemere", 41.1, -87.2), ("Ashford", 41.4, -87.9), ("Carrow", 40.9, -88.3), ("Far Haven", 33.5, -112.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large the hospital is. `events` is what the stream comes to, within some parts in a hundred."""

    events: int
    staff: int
    days: int
    patients: int

    @classmethod
    def of(cls, events: int) -> "Shape":
        """From a tenth of a million events (28 days, 180 staff) to ten million (75 days, 6,500)."""
        days = int(min(75, max(28, 28 + 47 * (events / 10_000_000) ** 0.5)))
        staff = max(60, int(events / days / 20.5))
        return cls(events=events, staff=staff, days=days, patients=20 * staff)


def write(engine: Engine, shape: Shape, *, seed: int = 1, first_day: int = 0) -> int:
    """Write reference data and the events of the days from `first_day` on; returns how many events. Times are as of the seed."""
    chance = np.random.default_rng(seed)
    people = _people(shape, chance)
    if first_day == 0:
        _reference(engine, shape, people, chance)
    written = _last(engine) + 1
    parts: list[pl.DataFrame] = []
    for number, frame in _days(engine, shape, people, seed, first_day):
        parts.append(frame)
        if sum(part.height for part in parts) >= _A_PART or number == shape.days - 1:
            written += _insert(engine, pl.concat(parts), written)
            parts = []
    return written


def _last(engine: Engine) -> int:
    return int(str(engine.rows("SELECT toInt64(count()) - 1 FROM events")[0][0]))


def _insert(engine: Engine, events: pl.DataFrame, first: int) -> int:
    rows = events.sort("time").with_columns(
        epoch=pl.lit(202601, pl.UInt32),
        writer=pl.lit("main"),
        seq=pl.int_range(first, first + events.height, dtype=pl.UInt64),
        leaf=pl.lit(bytes(32)),
        header=pl.lit("{}"),
        event_id=pl.lit("e") + pl.int_range(first, first + events.height).cast(pl.String),
        source_system=pl.lit("ehr"),
        source=pl.lit("access"),
        actor_kind=pl.lit("staff"),
        received=pl.col("time"),
        format=pl.lit("phitrail"),
    )
    engine.insert("events", rows)
    return rows.height


def _people(shape: Shape, chance: np.random.Generator) -> pl.DataFrame:
    """number, group (0 ward, 1 clinic, 2 diagnostics), place (unit or department), department, role."""
    numbers = np.arange(shape.staff)
    share = numbers / shape.staff
    group = np.select([share < _WARDS, share < _CLINICS], [0, 1], 2)
    units = max(2, shape.staff // 80)
    place = np.where(group == 0, numbers % units, np.where(group == 1, numbers % max(2, shape.staff // 90), numbers % 6))
    role = group * 2 + (chance.random(shape.staff) < 0.3)
    return pl.DataFrame({"number": numbers, "group": group, "place": place, "role": role}).with_columns(
        staff_id=_named("S", pl.col("number"), 5),
        account_id=_named("u", pl.col("number"), 5),
        department=pl.when(pl.col("group") == 0)
        .then(_named("Ward", pl.col("place"), 3))
        .when(pl.col("group") == 1)
        .then(_named("Clinic", pl.col("place"), 3))
        .otherwise(_named("Diagnostics", pl.col("place"), 1)),
    )


def _named(prefix: str, number: pl.Expr, width: int) -> pl.Expr:
    return pl.lit(prefix) + number.cast(pl.String).str.zfill(width)


def _moments(column: str) -> pl.Expr:
    return pl.from_epoch(column, time_unit="us").dt.replace_time_zone("UTC")


def _start(day: int) -> int:
    """Six in the morning UTC, midnight in winter, of the n-th day, in microseconds."""
    moment = datetime(BEGIN.year, BEGIN.month, BEGIN.day, 6, tzinfo=UTC) + timedelta(days=day)
    return microseconds(moment)


def _reference(engine: Engine, shape: Shape, people: pl.DataFrame, chance: np.random.Generator) -> None:
    units = people.filter(pl.col("group") == 0).select("department").unique().sort("department")["department"].to_list()
    org: Record = {
        "timezone": ZONE,
        "units": [
            {"unit": unit, "department": unit, "kind": "ward", "network": f"10.{n // 200}.{n % 200}.0/24"}
            for n, unit in enumerate(units)
        ],
    }
    ContextStore(engine).load({ORG: [org]}, datetime(2025, 12, 1, tzinfo=UTC))
    count = shape.staff + shape.patients
    surnames = chance.zipf(1.3, count) % _SURNAMES
    houses = chance.integers(0, max(1, count // 2), count)
    born = chance.integers(0, 25_000, count)
    traits = pl.DataFrame({"surname": surnames, "house": houses, "born": born}).select(
        name_key=pl.lit("given") + pl.int_range(count).cast(pl.String) + pl.col("surname").cast(pl.String),
        surname_key=_named("name", pl.col("surname"), 4),
        birth=pl.col("born").cast(pl.String),
        address_key=pl.col("house").cast(pl.String) + " road " + (pl.col("house") // 40).cast(pl.String),
        street_key=pl.lit("road ") + (pl.col("house") // 40).cast(pl.String),
        house_number=(pl.col("house") % 40 * 2).cast(pl.Int32),
        phone_key=_named("312", pl.int_range(count), 7),
        contact_name=pl.lit(""),
        contact_phone=pl.lit(""),
        **_stamp(),
    )
    own = chance.random(shape.staff) < 0.1
    staff = people.select(
        "staff_id", "account_id", "department", kind=pl.lit("employee"), role=_chosen("role", _ROLES),
        unit=pl.when(pl.col("group") == 0).then("department").otherwise(pl.lit("")),
        manager_id=pl.lit(""),
        own_patient_id=pl.when(pl.Series(own)).then(_named("P", pl.col("number") * 7, 7)).otherwise(pl.lit("")),
        terminated_at=pl.lit(None, _MOMENT), notice_at=pl.lit(None, _MOMENT), last_login_at=pl.lit(None, _MOMENT),
        schedule=pl.lit(""),
    )  # fmt: skip
    engine.insert("context_staff", pl.concat([staff, traits.head(shape.staff)], how="horizontal"))
    rare = chance.random(shape.patients)
    patients = pl.DataFrame({"number": np.arange(shape.patients), "rare": rare}).select(
        patient_id=_named("P", pl.col("number"), 7), vip=(pl.col("rare") < 0.0004).cast(pl.UInt8),
        vip_since=pl.lit(None, _MOMENT), restricted=(pl.col("rare") > 0.9992).cast(pl.UInt8), email_key=pl.lit(""),
        former_address=pl.lit(""),
    )  # fmt: skip
    engine.insert("context_patients", pl.concat([patients, traits.tail(shape.patients)], how="horizontal"))
    courses = people.select("staff_id", valid_from=pl.lit(_start(-100)), valid_to=pl.lit(_start(265)))
    engine.insert("context_duties", _duties(courses, "training", "privacy"))


def _stamp() -> dict[str, pl.Expr]:
    return {
        "version": pl.lit(1, pl.UInt32),
        "known_from": pl.lit(ALWAYS, _MOMENT),
        "known_until": pl.lit(NEVER, _MOMENT),
        "revision": pl.lit(1, pl.UInt64),
    }


def _chosen(column: str, names: tuple[str, ...]) -> pl.Expr:
    return pl.col(column).replace_strict(dict(enumerate(names)), return_dtype=pl.String)


def _duties(frame: pl.DataFrame, duty: str, kind: str) -> pl.DataFrame:
    named = {name: pl.col(name) if name in frame.columns else pl.lit("") for name in ("place", "department", "role", "mentor_id")}
    return frame.select(
        "staff_id",
        duty=pl.lit(duty),
        record=pl.lit(duty) + pl.col("valid_from").cast(pl.String),
        kind=pl.lit(kind),
        **named,
        valid_from=_moments("valid_from"),
        valid_to=_moments("valid_to"),
        **_stamp(),
    )


def _days(engine: Engine, shape: Shape, people: pl.DataFrame, seed: int, first_day: int) -> Iterator[tuple[int, pl.DataFrame]]:
    """The events of each day; the ties and shifts that explain them are written on the way."""
    stays: pl.DataFrame | None = None
    for day in range(shape.days):
        chance = np.random.default_rng([seed, day])
        stays, ties, care = _care(shape, people, stays, day, chance)
        working = people.filter(pl.Series(chance.random(people.height) < 0.58))
        night = (pl.col("number") + day) % 5 == 0
        working = working.with_columns(begin=_start(day) + pl.when(night & (pl.col("group") == 0)).then(18).otherwise(7) * _AN_HOUR)
        events = _events(shape, working, care, chance)
        if day < first_day:
            continue
        engine.insert("context_links", ties)
        shifts = working.filter(pl.col("group") == 0).select(
            "staff_id", place="department", valid_from="begin", valid_to=pl.col("begin") + 12 * _AN_HOUR
        )
        if shifts.height:
            engine.insert("context_duties", _duties(shifts, "shift", "regular"))
        yield day, events


def _care(
    shape: Shape, people: pl.DataFrame, stays: pl.DataFrame | None, day: int, chance: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Who is on which unit, has an appointment or an order on this day: stays that go on, new ties, and group, place, patient."""
    begin = _start(day)
    wards = people.filter(pl.col("group") == 0)["place"].n_unique()
    beds = wards * 28
    coming = beds if stays is None else beds // 4
    fresh = pl.DataFrame(
        {
            "patient": chance.integers(0, shape.patients, coming),
            "place": chance.integers(0, wards, coming),
            "from": begin + chance.integers(-12, 8, coming) * _AN_HOUR,
            "days": chance.integers(1, 8, coming),
        }
    ).with_columns(until=pl.col("from") + pl.col("days") * _A_DAY, record=_named(f"E{day:03d}", pl.int_range(coming), 5))
    going_on = fresh if stays is None else pl.concat([stays.filter(pl.col("until") > begin), fresh])
    groups = [going_on.select(pl.lit(0).alias("group"), "place", "patient")]
    ties = [_tie(fresh, "stay", "unit", "Ward", 3, "until")]
    for group, link, prefix, width, size in ((1, "clinic_day", "Clinic", 3, 9), (2, "performing_department", "Diagnostics", 1, 20)):
        members = people.filter(pl.col("group") == group)
        places, wanted = members["place"].n_unique(), members.height * size
        made = pl.DataFrame(
            {
                "patient": chance.integers(0, shape.patients, wanted),
                "place": chance.integers(0, places, wanted),
                "from": begin + chance.integers(6, 17, wanted) * _AN_HOUR,
            }
        ).with_columns(record=_named(f"{link[0].upper()}{day:03d}", pl.int_range(wanted), 6), until=pl.col("from"))
        ties.append(_tie(made, link, "department", prefix, width, "until"))
        groups.append(made.select(pl.lit(group).alias("group"), "place", "patient"))
    return going_on, pl.concat(ties), pl.concat(groups)


def _tie(made: pl.DataFrame, link: str, kind: str, prefix: str, width: int, until: str) -> pl.DataFrame:
    stamp = _stamp() | {"known_from": _moments("from") - timedelta(days=2)}
    return made.select(
        patient_id=_named("P", pl.col("patient"), 7),
        link=pl.lit(link),
        record="record",
        part=pl.lit(0, pl.UInt32),
        subject_kind=pl.lit(kind),
        subject=_named(prefix, pl.col("place"), width),
        valid_from=_moments("from"),
        valid_to=_moments(until),
        **stamp,
    )


def _events(shape: Shape, working: pl.DataFrame, care: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    """One log-in a shift, then sessions of one to five looks at a chart."""
    counts = chance.poisson(11, working.height)
    sessions = working.select("account_id", "group", "place", "begin")[np.repeat(np.arange(working.height), counts)]
    pool = care.sort("group", "place").with_row_index("at")
    where = pool.group_by("group", "place").agg(low=pl.col("at").min(), size=pl.len())
    sessions = sessions.join(where, on=["group", "place"], how="left", maintain_order="left")
    drawn = pl.Series(chance.random(sessions.height))
    at = (pl.col("low") + (drawn * pl.col("size")).floor()).cast(pl.UInt32)
    strangers = pl.Series(chance.integers(0, shape.patients, sessions.height))
    known = sessions.with_columns(at=at).join(pool.select("at", "patient"), on="at", how="left", maintain_order="left")
    known = known.with_columns(
        patient=pl.when(pl.Series(chance.random(sessions.height) < _UNEXPLAINED)).then(strangers).otherwise("patient"),
        opened=pl.col("begin") + pl.Series((chance.random(sessions.height) * 11.5 * _AN_HOUR).astype(np.int64)),
    )
    looks = chance.integers(1, 6, known.height)
    rows = known[np.repeat(np.arange(known.height), looks)]
    step = np.concatenate([np.arange(n) for n in looks]) if looks.size else np.zeros(0, int)
    count = rows.height
    seconds = chance.integers(4, 200, count)
    made = rows.select(
        "account_id",
        "place",
        time=pl.col("opened") + pl.Series(step * 60_000_000 + chance.integers(0, 50_000_000, count)),
        patient_id=_named("P", pl.col("patient"), 7),
        action=pl.Series(chance.choice(len(_ACTIONS), count, p=_HOW_OFTEN)).replace_strict(
            dict(enumerate(_ACTIONS)), return_dtype=pl.String
        ),
        outcome=pl.lit("success"),
        private=pl.lit('{"details":{"duration_s":') + pl.Series(seconds).cast(pl.String) + ',"module":"chart"},"raw":""}',
    )
    logins = _logins(working, chance)
    return pl.concat([made, logins]).select(
        "action", "outcome", "private", "patient_id",
        actor_id="account_id",
        time=_moments("time"),
        device_id=_named("ws-", pl.col("place"), 3),
        device_kind=pl.when(pl.col("private").str.contains('"geo"')).then(pl.lit("remote")).otherwise(pl.lit("workstation")),
        ip=pl.when(pl.col("private").str.contains('"geo"'))
        .then(pl.lit("203.0.113.9"))
        .otherwise(pl.lit("10.0.") + (pl.col("place") % 200).cast(pl.String) + ".7"),
    )  # fmt: skip


def _logins(working: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    """One in eight comes from home, nearly always from the same town; one in fifty mistypes once."""
    count = working.height
    geo = [
        f'{{"details":{{}},"geo":{{"city":"{name}","country":"US","lat":"{lat}","lon":"{lon}"}},"raw":""}}'
        for name, lat, lon in _CITIES
    ]
    town = pl.Series(np.where(chance.random(count) < 0.001, 3, working["number"].to_numpy() % 3))
    remote = pl.Series(chance.random(count) < 0.125)
    found = working.select(
        "account_id",
        "place",
        time=pl.col("begin") - pl.Series(chance.integers(10_000_000, 900_000_000, count)),
        patient_id=pl.lit(""),
        action=pl.lit("login"),
        outcome=pl.lit("success"),
        private=pl.when(remote)
        .then(town.replace_strict(dict(enumerate(geo)), return_dtype=pl.String))
        .otherwise(pl.lit('{"details":{},"raw":""}')),
    )
    failed = found.filter(pl.Series(chance.random(count) < 0.02)).with_columns(
        pl.col("time") - 20_000_000, outcome=pl.lit("failure")
    )
    return pl.concat([found, failed])
