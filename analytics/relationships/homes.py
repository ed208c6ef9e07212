"""Who lives with the patient: a person in the public eye, whose family no register marks, or a colleague of the actor.

A favour for a colleague and curiosity about the family of somebody well known go by the chart of a person to whom the actor has no
tie at all; the tie is the home.
"""

import polars as pl

from analytics.relationships.knowledge import Knowledge, was_known

SAME_UNIT, SAME_DEPARTMENT = 2, 1


def homes(found: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    """One row an access of which something is to be said: row, `vip_household` (true), `colleague_household` (0 to 2).

    `found` is the frame of `people`. A home of more people than a household has says nothing, nor does that of the actor.
    """
    asked = found.filter(
        (pl.col("p_address_key").fill_null("") != "")
        & ~pl.col("p_address_key").is_in(list(knowledge.crowded))
        & (pl.col("p_address_key") != pl.col("address_key").fill_null(""))
    ).select("row", "time", "known_at", "patient_id", "staff_id", "department", "unit", address_key="p_address_key")
    near = asked.join(knowledge.well_known_homes, on="address_key").filter(
        was_known(), pl.col("resident_id") != pl.col("patient_id"), (pl.col("vip_since") <= pl.col("time")).fill_null(value=True)
    )
    near = near.select("row", vip_household=pl.lit(value=True)).unique()
    there = knowledge.staff_homes.rename({"department": "their_department", "unit": "their_unit"})
    mates = asked.filter(pl.col("staff_id") != "").join(there, on="address_key")
    mates = mates.filter(was_known(), pl.col("resident_id") != pl.col("staff_id"))
    same_unit = (pl.col("unit") == pl.col("their_unit")) & (pl.col("unit") != "")
    same_department = (pl.col("department") == pl.col("their_department")) & (pl.col("department") != "")
    tied = pl.when(same_unit).then(SAME_UNIT).when(same_department).then(SAME_DEPARTMENT).otherwise(0)
    mates = mates.select("row", colleague_household=tied).group_by("row").agg(pl.col("colleague_household").max())
    return near.join(mates, on="row", how="full", coalesce=True)
