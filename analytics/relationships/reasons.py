"""Why an access is right: the actor's person, mentor, unit, department or protocol against the ties of the patient, at that moment.

Both sides are laid out as (subject kind, subject); one join finds what meets, the policy says whether it holds at the time.
"""

import polars as pl

from analytics.relationships.knowledge import Knowledge, duties_at, was_known
from analytics.relationships.policy import MENTOR_SHARE, OTHER_REASONS, ROSTERED_WITHIN, SHIFT_AFTER, SHIFT_BEFORE, ties_frame

MOST = 6
"""Reasons kept for one access, strongest first."""

EXPORTS = ("export", "extract", "report_run", "print")


def reasons(found: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    """Reasons of each access that has any: row, `reasons` (sentences), `reason_kinds` (parallel), strongest first.

    `found` is the frame of `people`.
    """
    duties = duties_at(found, knowledge)
    every = pl.concat(
        [
            _from_ties(found, duties, knowledge),
            _own_record(found),
            _proxies(found, knowledge),
            _approved_exports(found, duties, knowledge),
            _service_accounts(found, knowledge),
        ]
    )
    strongest = every.sort(["row", "weight", "sentence"], descending=[False, True, False]).unique(
        ["row", "sentence"], keep="first", maintain_order=True
    )
    return strongest.group_by("row", maintain_order=True).agg(
        reasons=pl.col("sentence").head(MOST), reason_kinds=pl.col("kind").head(MOST)
    )


def on_shift() -> pl.Expr:
    """A shift that holds at the time, with the margins of the policy."""
    return (
        (pl.col("duty") == "shift")
        & (pl.col("valid_from") - SHIFT_BEFORE <= pl.col("time"))
        & (pl.col("time") <= pl.col("valid_to") + SHIFT_AFTER)
    )


def rostered() -> pl.Expr:
    """A shift near the time: somebody whose hours are in the reference data."""
    return (pl.col("duty") == "shift") & ((pl.col("valid_from") - pl.col("time")).abs() <= ROSTERED_WITHIN)


def _from_ties(found: pl.DataFrame, duties: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    asked = found.filter(pl.col("patient_id") != "").select("row", "time", "known_at", "patient_id")
    met = (
        _subjects(found, duties, knowledge)
        .join(asked, on="row")
        .join(knowledge.ties, on=["patient_id", "subject_kind", "subject"])
        .filter(was_known())
        .join(ties_frame(), on="link")
        .filter(pl.col("valid_from") - pl.col("before") <= pl.col("time"), pl.col("time") <= _end())
    )
    sentence = pl.col("text")
    for mark, value in (
        ("{record}", pl.col("record")),
        ("{subject}", pl.col("subject")),
        ("{from}", _day("valid_from", knowledge)),
    ):
        sentence = sentence.str.replace(mark, value, literal=True)
    return met.select(
        "row",
        kind="link",
        weight=pl.col("weight") * pl.col("share"),
        sentence=pl.col("lead") + sentence + pl.col("trail"),
    )


def _end() -> pl.Expr:
    """How long a tie holds: after its end, or while open for as long as the policy says."""
    return (pl.col("valid_to") + pl.col("after")).fill_null(pl.col("valid_from") + pl.col("open_for"))


def _subjects(found: pl.DataFrame, duties: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    """As whom the actor acts: in person, as a learner, for a unit, a department, a protocol.

    `lead` and `trail` frame the sentence of the tie; `share` scales its weight.
    """
    staff = found.filter(pl.col("staff_id") != "")
    shifts = duties.filter(on_shift()).with_columns(trail=_shift_trail(knowledge))
    houses = pl.DataFrame(
        {"place": list(knowledge.org.units), "house": [unit.department for unit in knowledge.org.units.values()]},
        schema={"place": pl.String, "house": pl.String},
    )
    at_home = staff.join(duties.filter(rostered()).select("row").unique(), on="row", how="anti")
    protocols = duties.filter(
        pl.col("duty") == "protocol",
        pl.col("valid_from") <= pl.col("time"),
        (pl.col("time") < pl.col("valid_to")).fill_null(value=True),
    )
    every = pl.concat(
        [
            _subject(staff, "staff", "staff_id"),
            _subject(staff, "department", "department"),
            _subject(at_home.with_columns(trail=pl.lit("; home unit of the actor")), "unit", "unit"),
            _subject(shifts, "unit", "place"),
            _subject(shifts.join(houses, on="place"), "department", "house"),
            _subject(
                shifts.with_columns(lead=pl.lit("Learning with ") + pl.col("mentor_id") + ": ", share=pl.lit(MENTOR_SHARE)),
                "staff",
                "mentor_id",
            ),
            _subject(protocols, "protocol", "place"),
        ]
    )
    return every.filter(pl.col("subject") != "").unique(["row", "subject_kind", "subject"], keep="first", maintain_order=True)


def _subject(frame: pl.DataFrame, kind: str, column: str) -> pl.DataFrame:
    given: dict[str, pl.Expr] = {"share": pl.lit(1.0), "lead": pl.lit(""), "trail": pl.lit("")}
    given |= {name: pl.col(name) for name in given if name in frame.columns}
    return frame.select("row", subject_kind=pl.lit(kind), subject=pl.col(column), **given)


def _shift_trail(knowledge: Knowledge) -> pl.Expr:
    kind = pl.when(pl.col("kind") != "").then(" (" + pl.col("kind") + ")").otherwise(pl.lit(""))
    return pl.lit("; on shift") + kind + " from " + _moment("valid_from", knowledge)


def _own_record(found: pl.DataFrame) -> pl.DataFrame:
    own = (pl.col("actor_id") == pl.col("patient_id")) | (
        (pl.col("p_email_key") != "") & (pl.col("actor_id").str.to_lowercase() == pl.col("p_email_key"))
    )
    mine = found.filter((pl.col("actor_kind") == "patient") & (pl.col("patient_id") != "") & own.fill_null(value=False))
    return _reason(mine, "own_record", pl.lit("The patient's own record"))


def _proxies(found: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    """The newest grant or withdrawal before the access decides; a grant that names nobody is for whoever used it."""
    named = pl.coalesce(
        *(pl.col("details").str.json_path_match(f"$.{name}") for name in ("proxy_id", "proxy", "grantee", "to")),
        pl.col("actor_id"),
    )
    grants = knowledge.grants.select("patient_id", actor_id=named, granted_at="time", revoked=pl.col("action") == "proxy_revoke")
    newest = (
        found.filter(pl.col("actor_kind") == "proxy")
        .select("row", "time", "patient_id", "actor_id")
        .join(grants, on=["patient_id", "actor_id"])
        .filter(pl.col("granted_at") <= pl.col("time"))
        .sort("granted_at")
        .unique("row", keep="last", maintain_order=True)
        .filter(~pl.col("revoked"))
    )
    return _reason(newest, "proxy", pl.lit("Proxy access granted on ") + _day("granted_at", knowledge))


def _approved_exports(found: pl.DataFrame, duties: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    exports = found.filter(pl.col("action").is_in(EXPORTS)).select("row")
    approved = duties.join(exports, on="row").filter(
        pl.col("duty") == "protocol",
        pl.col("kind") == "bulk_export",
        pl.col("valid_from") <= pl.col("time"),
        (pl.col("time") < pl.col("valid_to")).fill_null(value=True),
    )
    text = pl.lit("Protocol ") + pl.col("place") + " approves bulk export from " + _day("valid_from", knowledge)
    return _reason(approved, "protocol_export", text)


def _service_accounts(found: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    """A service account in the staff list, within its hours where its schedule gives hours (`02:00-04:00`)."""
    accounts = found.filter(
        (pl.col("staff_id") != "") & ((pl.col("actor_kind") == "service") | (pl.col("staff_kind") == "service"))
    )
    hours = pl.col("schedule").str.extract_groups(r"(?<begin>\d{2}:\d{2})\s*(?:-|–|to)\s*(?<end>\d{2}:\d{2})")
    local = pl.col("time").dt.convert_time_zone(knowledge.org.timezone.key).dt.strftime("%H:%M")
    begin, end = hours.struct.field("begin"), hours.struct.field("end")
    by_night = (begin <= local) | (local < end)
    inside = pl.when(begin <= end).then((begin <= local) & (local < end)).otherwise(by_night)
    scheduled = accounts.filter(inside.fill_null(value=True))
    when = pl.when(pl.col("schedule") != "").then(", schedule " + pl.col("schedule")).otherwise(pl.lit(""))
    return _reason(scheduled, "service_account", pl.lit("Service account ") + pl.col("staff_id") + when)


def _reason(frame: pl.DataFrame, kind: str, sentence: pl.Expr) -> pl.DataFrame:
    return frame.select("row", kind=pl.lit(kind), weight=pl.lit(OTHER_REASONS[kind]), sentence=sentence)


def _day(column: str, knowledge: Knowledge) -> pl.Expr:
    return pl.col(column).dt.convert_time_zone(knowledge.org.timezone.key).dt.strftime("%Y-%m-%d")


def _moment(column: str, knowledge: Knowledge) -> pl.Expr:
    return pl.col(column).dt.convert_time_zone(knowledge.org.timezone.key).dt.strftime("%Y-%m-%d %H:%M")
