"""Features of (actor, patient, day): ties from the reference data, flags between the two people, and what was done.

The ties are those of published explanation-based auditing: a record that names the person, then one that names the department or
unit. Everything on file counts, whenever it was written down, which flatters the methods that use it.
"""

from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from benchmarks.evaluation.hospital_files import Hospital, records
from store.context_keys import address_key, name_key, phone_key

_WRITES = ("edit_note", "edit_result", "edit_vitals", "med_admin", "verify_med", "sign_order", "route_result", "edit_billing")
_BEFORE, _AFTER, _AFTER_GROUP = 3, 14, 2

NUMBERS = (
    *("events", "actions", "seconds", "wrote", "took", "searched", "night", "remote", "broke_glass"),
    *("self", "household", "same_surname", "surname_bearers", "neighbour", "coworker", "same_department", "vip", "restricted"),
    *("direct", "group", "primary_care", "unexplained_today", "charts_today", "days_met", "onlookers"),
)
"""What the boosted model learns from."""


def pair_days(hospital: Hospital) -> pl.DataFrame:
    """One row for each (actor, object, day) of staff with a patient: `NUMBERS`, `role`, `wrong`, `aside` and `incident`.

    `aside` are pairs of incidents in which who acts is wrong and not whose chart it is: no model can learn from those.
    """
    context = hospital.directory / "context"
    opened = hospital.events.filter((pl.col("source") == "access") & (pl.col("kind") == "staff") & pl.col("patient").is_not_null())
    opened = _searched(hospital.events, opened)
    pairs = _done(opened, hospital.zone).join(_people(context), on="actor", how="left")
    pairs = pairs.join(_patients(context), on="object", how="left")
    pairs = _flags(pairs)
    pairs = pairs.join(_ties(pairs, context, hospital.zone), on=["actor", "object", "day"], how="left")
    pairs = pairs.with_columns(pl.col("direct", "group").fill_null(value=False))
    without = ~(pl.col("direct") | pl.col("group") | pl.col("primary_care"))
    pairs = pairs.with_columns(
        unexplained=without,
        aside=pl.col("incident").is_in([i.incident_id for i in hospital.incidents if i.whole_account]),
        unexplained_today=without.sum().over("actor", "day"),
        charts_today=pl.len().over("actor", "day"),
        days_met=pl.len().over("actor", "object"),
        onlookers=without.sum().over("object", "day"),
    )
    return pairs.sort("actor", "object", "day")


def _done(opened: pl.DataFrame, zone: ZoneInfo) -> pl.DataFrame:
    hour = pl.col("time").dt.convert_time_zone(zone.key).dt.hour()
    return opened.group_by("actor", "day", object="patient").agg(
        events=pl.len(),
        actions=pl.col("action").n_unique(),
        seconds=pl.col("seconds").sum(),
        wrote=pl.col("action").is_in(_WRITES).any(),
        took=pl.col("action").is_in(["print", "export", "extract"]).any(),
        broke_glass=(pl.col("action") == "break_glass").any(),
        searched=pl.col("searched").any(),
        night=((hour < 6) | (hour >= 22)).any(),
        remote=pl.col("device_kind").is_in(["remote", "browser"]).any(),
        wrong=(pl.col("incident") != "").any(),
        incident=pl.col("incident").max(),
    )


def _searched(events: pl.DataFrame, opened: pl.DataFrame) -> pl.DataFrame:
    """Adds whether the person had searched by name in the two minutes before."""
    searches = events.filter(pl.col("action") == "search").select("actor", "time", searched_at="time").sort("time")
    met = opened.sort("time").join_asof(
        searches, on="time", by="actor", strategy="backward", tolerance="2m", check_sortedness=False
    )
    return met.with_columns(searched=pl.col("searched_at").is_not_null())


def _person(record: dict[str, object], address: str) -> dict[str, object]:
    place = address_key(record.get(address))  # type: ignore[arg-type]
    return {
        "name": name_key(record.get("first_name"), record.get("last_name")),  # type: ignore[arg-type]
        "surname": name_key(record.get("last_name")),  # type: ignore[arg-type]
        "born": record.get("date_of_birth"),
        "address": place.whole,
        "street": place.street,
        "house": place.number,
        "phone": phone_key(record.get("phone")),  # type: ignore[arg-type]
    }


def _people(context: Path) -> pl.DataFrame:
    rows = [
        {"actor": r["account_id"], "staff_id": r["staff_id"], "role": r["role"], "department": r["department"], "unit": r["unit"]}
        | _person(r, "home_address")
        for r in records(context / "staff.jsonl")
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _patients(context: Path) -> pl.DataFrame:
    employees = {
        (r.get("first_name"), r.get("last_name"), r.get("date_of_birth")): r["department"] for r in records(context / "staff.jsonl")
    }
    rows = []
    for record in records(context / "patients.jsonl"):
        row = {f"p_{name}": value for name, value in _person(record, "address").items()}
        works = employees.get((record["first_name"], record["last_name"], record["date_of_birth"]))
        row |= {"object": record["patient_id"], "vip": record["vip"], "restricted": record["restricted"]}
        rows.append(row | {"doctor": record["primary_care_id"], "p_department": works, "coworker": works is not None})
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return frame.with_columns(surname_bearers=pl.len().over("p_surname"))


def _equal(left: str, right: str) -> pl.Expr:
    return ((pl.col(left) == pl.col(right)) & (pl.col(left) != "")).fill_null(value=False)


def _flags(pairs: pl.DataFrame) -> pl.DataFrame:
    pairs = pairs.with_columns((_equal("name", "p_name") & _equal("born", "p_born")).alias("self"))
    near = ((pl.col("house") - pl.col("p_house")).abs() <= 4).fill_null(value=False)
    return pairs.with_columns(
        household=(_equal("address", "p_address") | _equal("phone", "p_phone")) & ~pl.col("self"),
        same_surname=_equal("surname", "p_surname") & ~pl.col("self"),
        neighbour=_equal("street", "p_street") & near & ~_equal("address", "p_address"),
        coworker=pl.col("coworker").fill_null(value=False) & ~pl.col("self"),
        same_department=_equal("department", "p_department") & ~pl.col("self"),
        vip=pl.col("vip").fill_null(value=False),
        restricted=pl.col("restricted").fill_null(value=False),
        primary_care=_equal("staff_id", "doctor"),
    )


def _ties(pairs: pl.DataFrame, context: Path, zone: ZoneInfo) -> pl.DataFrame:
    """Which pairs a record explains: `direct` by the person, `group` by department, unit or a shift on the unit."""
    ties = _records(context, zone)
    asked = pairs.select("actor", "object", "day", "staff_id", "department", "unit")
    shifts = pl.DataFrame(
        [{"staff_id": r["staff_id"], "day": str(r["start"])[:10], "worked": r["unit"]} for r in records(context / "shifts.jsonl")],
        schema={"staff_id": pl.String, "day": pl.String, "worked": pl.String},
    ).with_columns(pl.col("day").str.to_date())
    subjects = pl.concat(
        [
            asked.select("actor", "object", "day", subject="staff_id", person=pl.lit(value=True)),
            asked.select("actor", "object", "day", subject="department", person=pl.lit(value=False)),
            asked.select("actor", "object", "day", subject="unit", person=pl.lit(value=False)),
            *(
                asked.join(shifts.with_columns(pl.col("day").dt.offset_by(f"{later}d")), on=["staff_id", "day"]).select(
                    "actor", "object", "day", subject="worked", person=pl.lit(value=False)
                )
                for later in (0, 1)
            ),
        ]
    ).drop_nulls("subject")
    after = pl.when("person").then(_AFTER).otherwise(_AFTER_GROUP)
    met = subjects.join(ties, on=["object", "subject"]).filter(
        (pl.col("day") - pl.col("begin")).dt.total_days() >= -_BEFORE, (pl.col("day") - pl.col("end")).dt.total_days() <= after
    )
    return met.group_by("actor", "object", "day").agg(direct=pl.col("person").any(), group=(~pl.col("person")).any())


def _records(context: Path, zone: ZoneInfo) -> pl.DataFrame:
    """Every record of care as rows (object, subject, begin, end): subject is a staff id, a department or a unit."""
    rows: list[tuple[object, object, object, object]] = []

    def add(record: dict[str, object], begin: object, end: object, *subjects: object) -> None:
        rows.extend((record["patient_id"], subject, begin, end or begin) for subject in subjects if subject)

    last = "9999-01-01"
    for r in records(context / "encounters.jsonl"):
        team, places = r["care_team"], r["locations"]
        assert isinstance(team, list)
        assert isinstance(places, list)
        end = r["discharged_at"] or last
        add(r, r["admitted_at"], end, r["attending_id"], r["resident_id"], r["department"], *team, *(p["unit"] for p in places))
    for r in records(context / "appointments.jsonl"):
        add(r, r["scheduled_at"], None, r["provider_id"], r["department"], r["clinic"])
        add(r, r["created_at"], None, r["created_by"])
    for r in records(context / "referrals.jsonl"):
        add(r, r["created_at"], None, r["from_provider_id"], r["to_provider_id"], r["to_department"])
    for r in records(context / "orders.jsonl"):
        add(r, r["placed_at"], r["completed_at"], r["ordering_id"], r["performer_id"], r["performing_department"])
    for r in records(context / "worklists.jsonl"):
        add(r, r["opened_at"], r["closed_at"], r["assigned_to"], r["department"])
    for r in records(context / "protocols.jsonl"):
        cohort, team = r["cohort_patient_ids"], r["staff_ids"]
        assert isinstance(cohort, list)
        assert isinstance(team, list)
        rows.extend((patient, member, r["valid_from"], r["valid_to"]) for patient in cohort for member in team)
    schema = dict.fromkeys(("object", "subject", "begin", "end"), pl.String)
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("begin", "end").str.slice(0, 10).str.to_date())
    assert zone is not None
    return frame.unique()
