"""From the facts of a day and the days before to one vector for each (actor, patient)."""

from dataclasses import dataclass

import polars as pl

from analytics.detectors.ranking.catalogue import OBSERVED, OF_THE_ACTOR
from analytics.relationships.policy import WEIGHTS, has_reason

WRITES = ("edit_note", "edit_result", "edit_vitals", "med_admin", "verify_med", "sign_order", "route_result", "edit_billing")
TAKES = ("print", "export", "extract", "download_record")
SEARCH_LEADS = "5m"
GLIMPSE_SECONDS = 10
TOLD_ELSEWHERE = ("search", "break_glass")
"""Actions that have features of their own."""

FEWEST_ROLE_DAYS = 10

FEWEST_ROLE_ACCESSES = 300
"""Accesses of others in the role below which no action is called rare."""

FEWEST_OTHERS_TODAY = 3
"""Others of the role who take an action on one day, from which it is no longer odd."""

COMMON_BITS, RARE_BITS = 4.0, 9.0
"""One in 16 accesses of the role is common, one in 512 is as rare as it gets."""

FEWEST_WRITTEN = 2
"""Charts without a reason in which an actor wrote, from which it looks like work that nobody recorded."""

FASTEST_KMH, MOST_MOVES, ASLEEP_DAYS = 900.0, 4, 60
"""An airliner; to and fro between units twice within a quarter of an hour; a holiday with a leave before it."""

_TIES_OUTSIDE_WORK = (
    *("is_self", "is_household", "is_coworker", "is_neighbour", "is_vip", "vip_household", "colleague_household", "is_manager"),
)
"""Where one of these stands, much other work of the day is no answer."""

LONG_AGO_DAYS = 30
"""Calls and letters about care come within a month of it (`analytics.relationships.policy`)."""

RARE = 0.5
"""Surname rarity below which a shared surname says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the days before say: `pairs` (days met, explained and not), `company` (actors a department, in three days and in four
    weeks), `actor_days` (charts), `actions` (what each actor does how often)."""

    pairs: pl.DataFrame
    company: pl.DataFrame
    actor_days: pl.DataFrame
    actions: pl.DataFrame


def pair_features(facts: pl.DataFrame, history: History) -> pl.DataFrame:
    """One row for each actor and patient of the day: the features (0..1) of the pair and the counts that the sentences name.

    Those of the actor's day as a whole (`OF_THE_ACTOR`) are added by `risk.with_actor`.

    `facts` are `access_facts` rows of one local day; all days of `history` lie before or on it.
    """
    visits = facts.filter(pl.col("patient_id") != "")
    pairs = _of_the_visit(visits).join(_after_a_search(facts, visits), on=["actor_id", "patient_id"], how="left")
    pairs = (
        pairs.join(history.pairs, on=["actor_id", "patient_id"], how="left")
        .join(_company(history.company), on=["patient_id", "department"], how="left")
        .join(_in_care(history.company), on="patient_id", how="left")
        .join(_rarest_action(visits, history.actions), on=["actor_id", "patient_id"], how="left")
        .join(_doubtful_accounts(facts), on="actor_id", how="left")
        .join(_usual_share(history.actor_days), on="role", how="left")
        .with_columns(
            pl.col("unexplained_days", "explained_days").fill_null(0),
            pl.col("in_care").fill_null(0),
            pl.col("doubtful").fill_null(value=False),
            pl.col("rarest_action").fill_null(""),
            same_department=_others("same_department"),
            department_before=_others("department_before"),
            searched=pl.col("searched").fill_null(value=False),
            onlookers=pl.col("department").filter(pl.col("without_reason") & ~pl.col("wrote")).n_unique().over("patient_id"),
            tending=pl.col("wrote").sum().over("patient_id") - pl.col("wrote"),
            written_charts=(pl.col("without_reason") & pl.col("wrote")).sum().over("actor_id"),
            unexplained_charts=pl.col("without_reason").sum().over("actor_id"),
        )
    )
    pairs = pairs.join(_companions(pairs), on=["actor_id", "patient_id"], how="left").with_columns(
        pl.col("companions").fill_null(0)
    )
    alone = pl.col("without_reason").cast(pl.Float64)
    tended = (pl.col("tending") > 0).cast(pl.Float64)
    meeting = (pl.col("companions").cast(pl.Float64) / 2).clip(0, 1)
    # Where most work of a role never has a reason on record, its absence says little, and so does what hangs on it.
    telling = alone * (1 - pl.col("usual_share").fill_null(0.0))
    tied = pl.any_horizontal(pl.col("surname_rarity") > RARE, *(pl.col(name) > 0 for name in _TIES_OUTSIDE_WORK))
    values = {
        "unexplained": telling,
        "weak_reason": pl.when(pl.col("without_reason")).then(0.0).otherwise((1 - pl.col("best_reason")).clip(0, 1)),
        "foreign": _foreign() * alone * (1 - 0.5 * tended),
        "no_care": ((pl.col("since_care_days") < 0) | (pl.col("since_care_days") > LONG_AGO_DAYS)) * telling,
        "self": pl.col("is_self").cast(pl.Float64),
        "household": pl.col("is_household") * alone,
        "household_explained": pl.col("is_household") * (1 - alone),
        "surname": ((pl.col("surname_rarity") - RARE) / (1 - RARE)).clip(0, 1) * alone * (1 - pl.col("is_household")),
        "coworker": pl.col("is_coworker") / 2 * telling,
        "manager": pl.col("is_manager") * alone,
        "neighbour": pl.col("is_neighbour") * alone,
        "vip_household": pl.col("vip_household") * alone,
        "colleague_household": pl.col("colleague_household") / 2 * alone,
        "vip": pl.col("is_vip") * telling,
        "restricted": pl.col("is_restricted") * alone,
        "terminated": pl.col("terminated").cast(pl.Float64),
        "on_leave": pl.col("on_leave").cast(pl.Float64),
        "doubtful_account": pl.col("doubtful") * (0.2 + 0.8 * alone),
        "leaving": pl.col("notice_given") * pl.col("took") * alone,
        "off_shift": pl.col("off_shift") * (0.3 + 0.7 * alone),
        "remote": pl.col("remote") * telling,
        "broke_glass": pl.col("broke_glass") * alone,
        "took": pl.col("took") * telling,
        "searched": pl.col("searched") * telling,
        "odd_action": ((-pl.col("share").log(2) - COMMON_BITS) / (RARE_BITS - COMMON_BITS)).clip(0, 1).fill_null(0.0) * alone,
        "breadth": ((pl.col("breadth_count") - 1) / 4).clip(0, 1) * telling,
        "repeated": (1 - 0.5 ** pl.col("unexplained_days")) * telling,
        "crowd": ((pl.col("onlookers").cast(pl.Int64) - 2) / 2).clip(0, 1) * telling * (1 - meeting) * (1 - tended),
        "colleagues": (pl.col("same_department") / 2).clip(0, 1) * alone,
        "acquainted": (pl.col("department_before") / 2).clip(0, 1) * alone,
        "conference": meeting * alone,
        "tended": tended * alone,
        "learned": pl.col("learned") * alone,
        "at_work": (2 * pl.col("written_charts") / pl.col("unexplained_charts")).clip(0, 1).fill_nan(0.0)
        * (pl.col("written_charts") >= FEWEST_WRITTEN)
        * alone
        * (1 - pl.col("wrote").cast(pl.Float64))
        * (1 - pl.col("took").cast(pl.Float64))
        * (1 - tied.cast(pl.Float64)),
        "wrote": pl.col("wrote") * alone,
        "glimpse": pl.col("glimpse") * alone,
        "known_before": (1 - 0.5 ** pl.col("explained_days")) * alone,
    }
    assert {*values, *OF_THE_ACTOR} == {*OBSERVED}
    found = pairs.with_columns(**{f"x_{name}": value.cast(pl.Float64).fill_nan(0.0) for name, value in values.items()})
    return found.sort("actor_id", "patient_id")


def _company(company: pl.DataFrame) -> pl.DataFrame:
    return company.select("patient_id", "department", same_department="recent", department_before="actors")


def _in_care(company: pl.DataFrame) -> pl.DataFrame:
    """How many people had a reason to be in the chart in the last days: whether anybody treats the patient at the time."""
    return company.group_by("patient_id").agg(in_care=pl.col("reasoned").sum())


def _others(count: str) -> pl.Expr:
    """The actor is one of those counted; where the department is unknown it says nothing."""
    return pl.when(pl.col("department") == "").then(0).otherwise(pl.col(count).cast(pl.Int64).fill_null(1) - 1).clip(lower_bound=0)


def _foreign() -> pl.Expr:
    """Both signs together count for more than each: a new patient of the unit, or a former one of the department, is half known."""
    unknown = (pl.col("department") != "") & (pl.col("department_before") == 0) & (pl.col("explained_days") == 0)
    alone = pl.col("in_care") == 0
    return 0.3 * unknown + 0.2 * alone + 0.5 * (unknown & alone)


def _doubtful_accounts(facts: pl.DataFrame) -> pl.DataFrame:
    """Whose account was at a place new to it that day, on an impossible journey, at two units at once, or awake after a long sleep.

    Log-ins count too.
    """
    sign = (
        (pl.col("strange_place") == 1)
        | (pl.col("speed_kmh") > FASTEST_KMH)
        | (pl.col("moves") >= MOST_MOVES)
        | (pl.col("idle_days") > ASLEEP_DAYS)
    )
    return facts.filter(pl.col("staff_id") != "").group_by("actor_id").agg(doubtful=sign.any())


def _companions(pairs: pl.DataFrame) -> pl.DataFrame:
    """For each chart opened without a reason, how many others of that chart share at least two such charts with the actor that day.

    A board or a round goes through several charts with the same people; curiosity about one patient does not.
    """
    seen = pairs.filter("without_reason").select("actor_id", "patient_id")
    met = seen.join(seen.rename({"actor_id": "other"}), on="patient_id").filter(pl.col("actor_id") != pl.col("other"))
    together = met.with_columns(shared=pl.len().over("actor_id", "other")).filter(pl.col("shared") >= 2)
    return together.group_by("actor_id", "patient_id").agg(companions=pl.len())


def _rarest_action(visits: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """What a pair did that others of the role do least, and its share of their accesses: the actor's own habits do not count.

    What several others of the role do on the same day, though hardly before, is a new screen of the record system and not odd.
    """
    others = actions.group_by("role", "action").agg(accesses=pl.col("accesses").sum())
    whole = actions.group_by("role").agg(whole=pl.col("accesses").sum())
    mine = actions.select("actor_id", "action", own=pl.col("accesses"))
    own_whole = actions.group_by("actor_id").agg(own_whole=pl.col("accesses").sum())
    done = visits.filter(~pl.col("action").is_in(TOLD_ELSEWHERE)).select(
        "actor_id", "patient_id", "action", role=pl.col("actor_role")
    )
    share = (pl.col("accesses") - pl.col("own") + 0.5) / (pl.col("whole") - pl.col("own_whole") + 1)
    judged = (
        done.unique()
        .join(others, on=["role", "action"], how="left")
        .join(whole, on="role")
        .join(mine, on=["actor_id", "action"], how="left")
        .join(own_whole, on="actor_id", how="left")
        .with_columns(pl.col("accesses", "own", "own_whole").fill_null(0).cast(pl.Int64), pl.col("whole").cast(pl.Int64))
        .filter(pl.col("whole") - pl.col("own_whole") >= FEWEST_ROLE_ACCESSES)
        .join(_new_screens(visits), on=["actor_id", "role", "action"], how="left")
        .with_columns(share=pl.max_horizontal(share.clip(lower_bound=0.0), pl.col("share_today").fill_null(0.0)))
        .sort("share", "action")
    )
    return judged.group_by("actor_id", "patient_id", maintain_order=True).agg(
        share=pl.col("share").first(), rarest_action=pl.col("action").first()
    )


def _new_screens(visits: pl.DataFrame) -> pl.DataFrame:
    """Actions that enough others of the role take on the day itself: actor_id, role, action, share_today."""
    mine = visits.group_by("actor_id", "action", role="actor_role").agg(own=pl.len())
    done = mine.group_by("role", "action").agg(people=pl.len(), whole=pl.col("own").sum())
    every = mine.group_by("role").agg(role_whole=pl.col("own").sum())
    met = mine.join(done, on=["role", "action"]).join(every, on="role").filter(pl.col("people") > FEWEST_OTHERS_TODAY)
    met = met.join(mine.group_by("actor_id", "role").agg(own_whole=pl.col("own").sum()), on=["actor_id", "role"])
    share = (pl.col("whole") - pl.col("own")) / (pl.col("role_whole") - pl.col("own_whole")).clip(lower_bound=1)
    return met.select("actor_id", "role", "action", share_today=share)


def _of_the_visit(visits: pl.DataFrame) -> pl.DataFrame:
    """What a pair's own accesses of the day say."""
    seconds = pl.col("details").str.json_path_match("$.duration_s").cast(pl.Float64, strict=False)
    best = pl.col("reason_kinds").list.eval(pl.element().replace_strict(WEIGHTS, default=0.5, return_dtype=pl.Float64)).list.max()
    return visits.group_by("actor_id", "patient_id", maintain_order=True).agg(
        pl.col("actor_role").last().alias("role"),
        pl.col("actor_department").last().alias("department"),
        pl.col("is_self", "is_household", "surname_rarity", "is_coworker", "is_neighbour", "is_vip", "is_restricted").max(),
        pl.col("vip_household", "colleague_household").max(),
        pl.col("on_leave", "off_shift", "is_manager", "notice_given").max(),
        pl.col("since_care_days").last(),
        events=pl.len(),
        without_reason=~has_reason().any(),
        learned=pl.col("reason_kinds").list.contains("learned").any(),
        best_reason=best.max().fill_null(0.0),
        terminated=pl.col("terminated_minutes").max() >= 0,
        remote=(pl.col("device_kind") == "remote").any(),
        broke_glass=(pl.col("action") == "break_glass").any(),
        took=pl.col("action").is_in(TAKES).any(),
        wrote=pl.col("action").is_in(WRITES).any(),
        breadth_count=pl.col("action").n_unique(),
        glimpse=(pl.len() == 1) & (seconds.max() < GLIMPSE_SECONDS).fill_null(value=False),
    )


def _after_a_search(facts: pl.DataFrame, visits: pl.DataFrame) -> pl.DataFrame:
    """Whether the first look at a chart came within minutes of a search by the same actor that named nobody else."""
    searches = facts.filter(pl.col("action") == "search").select("actor_id", "time", sought="patient_id", searched_at="time")
    opened = visits.filter(pl.col("action") != "search").group_by("actor_id", "patient_id").agg(time=pl.col("time").min())
    met = opened.sort("time").join_asof(
        searches.sort("time"), on="time", by="actor_id", strategy="backward", tolerance=SEARCH_LEADS, check_sortedness=False
    )
    led = pl.col("searched_at").is_not_null() & ((pl.col("sought") == "") | (pl.col("sought") == pl.col("patient_id")))
    return met.select("actor_id", "patient_id", searched=led)


def _usual_share(actor_days: pl.DataFrame) -> pl.DataFrame:
    """Per role, over people's days: the share of charts without a reason on record that a quarter of the days reach.

    A role whose work goes by lists on paper has days with every reason and days with none; one spree is no excuse for itself. A
    role with fewer than ten days on record says nothing yet.
    """
    usual = actor_days.group_by("role").agg(
        days=pl.len(),
        usual_share=(pl.col("unexplained") / pl.col("patients")).quantile(0.75, "linear"),
    )
    return usual.filter(pl.col("days") >= FEWEST_ROLE_DAYS).drop("days")
