"""What speaks against an access: self, household, namesake, colleague, neighbour, VIP, restricted chart, employment, time off.

A flag is no accusation: together with a reason it mostly means nothing, without one it is where review begins.
"""

from datetime import timedelta

import polars as pl

from analytics.relationships.homes import homes
from analytics.relationships.knowledge import HOUSEHOLD_LIMIT, Knowledge, duties_at, was_known
from analytics.relationships.reasons import on_shift, rostered
from store.context_records import Trait

NEIGHBOUR_NUMBERS = 4
"""House numbers apart on one street."""

LEAVE_GRACE = timedelta(hours=8)
"""A leave begins at midnight on record; who came to the night shift before it, on the roster or not, goes home in the morning."""

LAST_SHIFT_GRACE = timedelta(hours=1)
"""After the end of a shift that was running as employment ended."""

COLUMNS = (
    "is_self",
    "is_household",
    "same_surname",
    "surname_rarity",
    "is_vip",
    "is_restricted",
    "is_coworker",
    "is_neighbour",
    "terminated_minutes",
    "on_leave",
    "off_shift",
    "vip_household",
    "colleague_household",
    "flags",
)


def flags(found: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    """One row an access: row and `COLUMNS`. `found` is the frame of `people`.

    `surname_rarity` is 0 for a name everybody bears to 1 for one that only actor and patient bear; `is_coworker` 1 is a patient who
    works here, 2 one of the actor's department; `terminated_minutes` is −1 before the end of employment.
    """
    duties = duties_at(found, knowledge)
    every = (
        found.join(_rarity(knowledge), left_on="surname_key", right_on="value", how="left")
        .join(_shared(knowledge, Trait.ADDRESS), left_on="address_key", right_on="value", how="left")
        .join(_shared(knowledge, Trait.PHONE), left_on="phone_key", right_on="value", how="left")
        .join(_colleagues(found, knowledge), on="row", how="left")
        .join(_time_off(duties), on="row", how="left")
        .join(_last_shift(found, duties), on="row", how="left")
        .join(homes(found, knowledge), on="row", how="left")
    )
    every = every.with_columns(_same_person().alias("is_self"))
    every = every.with_columns(is_household=_household(), same_surname=_equal("surname_key", "p_surname_key") & ~pl.col("is_self"))
    every = every.with_columns(
        is_neighbour=_neighbour(),
        surname_rarity=pl.when("same_surname").then(pl.col("rarity").fill_null(1.0)).otherwise(0.0),
        is_vip=((pl.col("p_vip") == 1) & (pl.col("p_vip_since") <= pl.col("time")).fill_null(value=True)).fill_null(value=False),
        is_restricted=(pl.col("p_restricted") == 1).fill_null(value=False),
        is_coworker=pl.when("is_self").then(0).otherwise(pl.col("coworker").fill_null(0)),
        on_leave=pl.col("on_leave").fill_null(value=False),
        off_shift=pl.col("off_shift").fill_null(value=False),
        vip_household=pl.col("vip_household").fill_null(value=False) & ~pl.col("is_self") & ~pl.col("is_household"),
        colleague_household=pl.when(pl.col("is_self") | pl.col("is_household"))
        .then(0)
        .otherwise(pl.col("colleague_household").fill_null(0)),
        terminated_minutes=_minutes_after(pl.max_horizontal("terminated_at", "last_shift_end")),
    )
    every = every.with_columns(flags=pl.concat_list(_sentences(knowledge)).list.drop_nulls())
    small = (
        "is_self",
        "is_household",
        "same_surname",
        "is_vip",
        "is_restricted",
        "is_coworker",
        "is_neighbour",
        "on_leave",
        "off_shift",
        "vip_household",
        "colleague_household",
    )
    return every.with_columns(pl.col(small).cast(pl.UInt8)).select("row", *COLUMNS)


def _equal(left: str, right: str) -> pl.Expr:
    return ((pl.col(left) == pl.col(right)) & (pl.col(left) != "")).fill_null(value=False)


def _same_person() -> pl.Expr:
    """The staff record names the patient, or name and date of birth agree."""
    return _equal("own_patient_id", "patient_id") | (_equal("name_key", "p_name_key") & _equal("birth", "p_birth"))


def _household() -> pl.Expr:
    return pl.any_horizontal([condition for condition, _ in _HOUSEHOLD]) & ~pl.col("is_self")


_HOUSEHOLD: tuple[tuple[pl.Expr, str], ...] = (
    (_equal("address_key", "p_address_key") & (pl.col("address_bearers") <= HOUSEHOLD_LIMIT).fill_null(value=True), "same address"),
    (_equal("phone_key", "p_phone_key") & (pl.col("phone_bearers") <= HOUSEHOLD_LIMIT).fill_null(value=True), "same telephone"),
    (_equal("contact_phone", "p_phone_key") | _equal("contact_name", "p_name_key"), "emergency contact of the actor"),
    (_equal("p_contact_phone", "phone_key") | _equal("p_contact_name", "name_key"), "actor is the patient's emergency contact"),
    (_equal("address_key", "p_former_address"), "former address of the patient"),
)


def _neighbour() -> pl.Expr:
    near = (pl.col("house_number") - pl.col("p_house_number")).abs() <= NEIGHBOUR_NUMBERS
    apart = near & ~_equal("address_key", "p_address_key") & ~pl.col("is_self") & ~pl.col("is_household")
    return (_equal("street_key", "p_street_key") & apart).fill_null(value=False)


def _shared(knowledge: Knowledge, trait: Trait) -> pl.DataFrame:
    return knowledge.bearers[trait].select("value", pl.col("bearers").alias(f"{trait}_bearers"))


def _rarity(knowledge: Knowledge) -> pl.DataFrame:
    """log(people / bearers) / log(people / 2): on a log scale between everybody and just the two."""
    ratio = (pl.col("people") / pl.col("bearers")).log() / (pl.col("people") / 2).clip(lower_bound=1.0001).log()
    return knowledge.bearers[Trait.SURNAME].select("value", "bearers", "people", rarity=ratio.clip(0.0, 1.0))


def _colleagues(found: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    works = knowledge.patients_on_staff.rename({"department": "their_department", "staff_id": "their_staff_id"})
    pairs = found.filter(pl.col("staff_id") != "").select("row", "known_at", "patient_id", "staff_id", "department")
    pairs = pairs.join(works, on="patient_id").filter(was_known(), pl.col("their_staff_id") != pl.col("staff_id"))
    same = (pl.col("department") == pl.col("their_department")) & (pl.col("department") != "")
    return pairs.select("row", coworker=pl.when(same).then(2).otherwise(1)).group_by("row").agg(pl.col("coworker").max())


def _time_off(duties: pl.DataFrame) -> pl.DataFrame:
    """Whether the time lies in a leave, and for those whose shifts are on record, outside every shift."""
    covered = (pl.col("valid_from") <= pl.col("time")) & (pl.col("time") < pl.col("valid_to")).fill_null(value=True)
    return duties.group_by("row").agg(
        # The last shift before a leave often ends after midnight.
        on_leave=((pl.col("duty") == "leave") & covered & (pl.col("valid_from") + LEAVE_GRACE <= pl.col("time"))).any()
        & ~on_shift().any(),
        off_shift=rostered().any() & ~on_shift().any(),
    )


def _last_shift(found: pl.DataFrame, duties: pl.DataFrame) -> pl.DataFrame:
    """A shift that was running as employment ended is finished, with its notes."""
    ending = duties.filter(pl.col("duty") == "shift").join(found.select("row", "terminated_at").drop_nulls(), on="row")
    running = ending.filter(pl.col("valid_from") < pl.col("terminated_at"), pl.col("terminated_at") < pl.col("valid_to"))
    return running.group_by("row").agg(last_shift_end=pl.col("valid_to").max() + LAST_SHIFT_GRACE)


def _minutes_after(end: pl.Expr) -> pl.Expr:
    minutes = (pl.col("time") - end).dt.total_minutes()
    return pl.when(pl.col("time") >= end).then(minutes).otherwise(-1).fill_null(-1).cast(pl.Int32)


def _sentences(knowledge: Knowledge) -> list[pl.Expr]:
    share = (100 * pl.col("bearers") / pl.col("people")).round(2).cast(pl.String)
    household = pl.concat_str(
        [pl.when(condition).then(pl.lit(text)) for condition, text in _HOUSEHOLD], separator=", ", ignore_nulls=True
    )
    since = pl.col("p_vip_since").dt.convert_time_zone(knowledge.org.timezone.key).dt.strftime("%Y-%m-%d")
    said: list[tuple[pl.Expr, pl.Expr]] = [
        (pl.col("is_self"), pl.lit("The actor's own patient record")),
        (pl.col("is_household"), pl.lit("Same household: ") + household),
        (pl.col("same_surname"), pl.lit("Same surname, borne by ") + share.fill_null("few") + " % of the people on file"),
        (pl.col("is_coworker") == 2, pl.lit("The patient is a colleague in the same department")),
        (pl.col("is_coworker") == 1, pl.lit("The patient works for the organisation")),
        (pl.col("is_neighbour"), pl.lit("The patient lives next door, on the same street")),
        (
            pl.col("is_vip"),
            pl.lit("A patient in the public eye") + pl.when(since.is_not_null()).then(" since " + since).otherwise(pl.lit("")),
        ),
        (pl.col("vip_household"), pl.lit("The patient lives with a person in the public eye")),
        (pl.col("colleague_household") == 2, pl.lit("The patient lives with a colleague of the actor's unit")),
        (pl.col("colleague_household") == 1, pl.lit("The patient lives with a colleague of the actor's department")),
        (pl.col("is_restricted"), pl.lit("A restricted record")),
        (
            pl.col("terminated_minutes") >= 0,
            pl.lit("Employment had ended ") + pl.col("terminated_minutes").cast(pl.String) + " minutes before",
        ),
        (pl.col("on_leave"), pl.lit("The actor was on leave")),
        (pl.col("off_shift"), pl.lit("Outside the actor's shifts")),
    ]
    return [pl.when(condition).then(sentence) for condition, sentence in said]
