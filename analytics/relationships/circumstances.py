"""What else was known of account and patient: notice, training, applications, own rights, the last care, who reports to whom."""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from analytics.relationships.knowledge import Knowledge, duties_at, was_known

COLUMNS = ("notice_given", "untrained", "own_account", "unregistered", "since_care_days", "is_manager")

_RIGHTS = ("privilege_change", "role_change", "group_change", "account_update", "account_change")
_CONCERNS = ("account", "account_id", "target_user", "target", "user", "for_account", "member")
_DESTINATIONS = ("oauth_consent", "app_consent", "web_request", "dns_query", "proxy_request", "web_access")
_HOSTS = ("host", "hostname", "domain", "destination", "url_host", "query")
_NAMES = ("application", "app", "client_name", "display_name")

_COURSE = r"(?i)hipaa|privacy|phi|security|confidential"

FEWEST_TRAINED, KEPT_REGISTER = 20, 0.05
"""Where more than this share of at least so many people have no valid training, it is the register that is not kept."""

NOT_CARE = ("primary_care", "cohort")
"""Ties that do not end with care: they say nothing about when the patient was last treated."""

STAY_LIMIT = timedelta(days=400)


def circumstances(found: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    """One row an access: row and `COLUMNS`. `found` is the frame of `people` with the `reasons` found.

    `untrained`: training is on record for the person, and none that is about privacy (or none at all) was valid at the time.
    `unregistered`: an application or destination that the register of applications does not have as approved; never where the
    register is empty. `since_care_days`: days since the newest visit, order or appointment of the patient that was known (0: during
    it), −1 where none is. `is_manager`: one of actor and patient reports to the other.
    """
    duties = duties_at(found, knowledge)
    every = (
        found.join(_untrained(found, duties, knowledge), on="row", how="left")
        .join(_since_care(found, knowledge), on="row", how="left")
        .join(_reports(found, knowledge), on="row", how="left")
    )
    return every.select(
        "row",
        notice_given=(pl.col("notice_at") <= pl.col("time")).fill_null(value=False).cast(pl.UInt8),
        untrained=pl.col("untrained").fill_null(value=False).cast(pl.UInt8),
        own_account=_own_account().cast(pl.UInt8),
        unregistered=_unregistered(knowledge).cast(pl.UInt8),
        since_care_days=pl.when(pl.col("reasons").is_null())
        .then(pl.col("since_care_days").fill_null(-1))
        .otherwise(0)
        .cast(pl.Int32),
        is_manager=pl.col("reports").fill_null(value=False).cast(pl.UInt8),
    )


def _detail(names: Sequence[str]) -> pl.Expr:
    return pl.coalesce(*(pl.col("details").str.json_path_match(f"$.{name}") for name in names))


def _own_account() -> pl.Expr:
    concerned = _detail(_CONCERNS).str.to_lowercase()
    own = (concerned == pl.col("actor_id").str.to_lowercase()) | (concerned == pl.col("staff_id").str.to_lowercase())
    return (pl.col("action").is_in(_RIGHTS) & own).fill_null(value=False)


def _unregistered(knowledge: Knowledge) -> pl.Expr:
    approved = knowledge.applications.filter(pl.col("approved").fill_null(value=True))
    if knowledge.applications.is_empty():
        return pl.lit(value=False)
    names = [str(name).lower() for name in approved["application"].to_list()]
    hosts = {str(host).lower().lstrip("*.") for entry in approved["hosts"].to_list() for host in entry or ()}
    hosts |= {knowledge.org.mail_domain} if knowledge.org.mail_domain else set()
    host, name = _detail(_HOSTS).str.to_lowercase(), _detail(_NAMES).str.to_lowercase()
    # Every ending of the host at a dot is looked up: `a.b.example` is covered by `b.example`.
    parts = host.str.split(".")
    known_host = pl.any_horizontal(
        parts.list.tail(count).list.join(".").is_in(list(hosts)) & (parts.list.len() >= count) for count in range(2, 7)
    )
    known = name.is_in(names).fill_null(value=False) | known_host.fill_null(value=False)
    return (pl.col("action").is_in(_DESTINATIONS) & (host.is_not_null() | name.is_not_null()) & ~known).fill_null(value=False)


def _untrained(found: pl.DataFrame, duties: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    courses = duties.filter(pl.col("duty") == "training", pl.col("valid_from") <= pl.col("time"))
    counted = courses.filter(_is_apt("row"))
    states = counted.group_by("row").agg(untrained=~_is_valid("time").any())
    kept = found.select("row", day=pl.col("time").dt.truncate("1d")).join(_registers(found, knowledge), on="day", how="left")
    return states.join(kept, on="row").select("row", untrained=pl.col("untrained") & pl.col("is_kept").fill_null(value=True))


def _registers(found: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    """For each day (UTC) of the accesses whether the register of training was kept then: day, is_kept."""
    days = found.select(day=pl.col("time").dt.truncate("1d")).unique()
    state = days.join(knowledge.training, how="cross").filter(
        pl.col("known_from") <= pl.col("day"), pl.col("day") < pl.col("known_until"), pl.col("valid_from") <= pl.col("day")
    )
    people = state.filter(_is_apt("day", "staff_id")).group_by("day", "staff_id").agg(lapsed=~_is_valid("day").any())
    shares = people.group_by("day").agg(people=pl.len(), lapsed=pl.col("lapsed").mean())
    return shares.select("day", is_kept=(pl.col("people") < FEWEST_TRAINED) | (pl.col("lapsed") <= KEPT_REGISTER))


def _is_apt(*whose: str) -> pl.Expr:
    """Courses about privacy; where somebody has none of these on record, all of theirs."""
    apt = pl.col("kind").str.contains(_COURSE)
    return apt | ~apt.any().over(whose)


def _is_valid(at: str) -> pl.Expr:
    return (pl.col("valid_to") > pl.col(at)).fill_null(value=True)


def _since_care(found: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    """Asked only where no reason was found: with one there is care, or work on the record."""
    asked = found.filter((pl.col("patient_id") != "") & pl.col("reasons").is_null()).select("row", "time", "known_at", "patient_id")
    care = knowledge.ties.filter(~pl.col("link").is_in(NOT_CARE)).select(
        "patient_id", "valid_from", "valid_to", "known_from", "known_until"
    )
    met = asked.join(care.unique(), on="patient_id").filter(was_known(), pl.col("valid_from") <= pl.col("time"))
    until = pl.when(pl.col("valid_to").is_null() & (pl.col("time") - pl.col("valid_from") <= STAY_LIMIT)).then("time")
    last = pl.coalesce(until, "valid_to", "valid_from").clip(upper_bound=pl.col("time"))
    return met.group_by("row").agg(since_care_days=(pl.col("time") - last).dt.total_days().min())


def _reports(found: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    works = knowledge.patients_on_staff.select(
        "patient_id", "known_from", "known_until", their_manager="manager_id", their_staff_id="staff_id"
    )
    pairs = found.filter(pl.col("staff_id") != "").select("row", "known_at", "patient_id", "staff_id", "manager_id")
    pairs = pairs.join(works, on="patient_id").filter(was_known())
    reports = (pl.col("manager_id") == pl.col("their_staff_id")) | (pl.col("their_manager") == pl.col("staff_id"))
    return pairs.group_by("row").agg(reports=reports.any())
