"""Everything on record around some accesses, and what of it was knowledge at a moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import polars as pl

from domain.organisation import Organisation
from store.context_records import ContextRecords, Selection, Trait

HOUSEHOLD_LIMIT = 12
"""An address or telephone that more people share is a home for the elderly or an office, no household."""

NO_APPLICATIONS = pl.DataFrame(schema={"application": pl.String, "approved": pl.Boolean, "hosts": pl.List(pl.String)})
"""A register that nobody filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """Frames as `store.context_records.ContextRecords` gives them, every version of every record around the accesses."""

    org: Organisation
    actors: pl.DataFrame
    patients: pl.DataFrame
    patients_on_staff: pl.DataFrame
    duties: pl.DataFrame
    ties: pl.DataFrame
    bearers: Mapping[Trait, pl.DataFrame]
    grants: pl.DataFrame
    training: pl.DataFrame
    well_known_homes: pl.DataFrame
    staff_homes: pl.DataFrame
    crowded: frozenset[str]
    """Addresses of these homes that more people share than a household has."""
    applications: pl.DataFrame = field(default_factory=lambda: NO_APPLICATIONS)

    @classmethod
    def around(
        cls, records: ContextRecords, selection: Selection, org: Organisation, applications: pl.DataFrame | None = None
    ) -> Self:
        """Ask the store for what concerns the actors and patients of the selection; `applications` is the register of them."""
        actors, patients = records.actors(selection), records.patients(selection)
        well_known, staff = records.well_known_homes(selection), records.staff_homes(selection)
        return cls(
            org=org,
            actors=actors,
            patients=patients,
            patients_on_staff=records.patients_on_staff(selection),
            duties=records.duties(selection),
            ties=records.ties(selection),
            bearers={trait: records.bearers(trait, _shared(actors, patients, f"{trait}_key")) for trait in Trait},
            grants=records.proxy_grants(selection),
            training=records.training(),
            well_known_homes=well_known,
            staff_homes=staff,
            crowded=_crowded(records, well_known, staff),
            applications=NO_APPLICATIONS if applications is None else applications,
        )


def _shared(actors: pl.DataFrame, patients: pl.DataFrame, key: str) -> list[str]:
    """The values that an actor and a patient have in common."""
    return actors.join(patients, on=key, how="semi").filter(pl.col(key) != "")[key].unique(maintain_order=True).to_list()


def _crowded(records: ContextRecords, *homes: pl.DataFrame) -> frozenset[str]:
    addresses = pl.concat([home.select("address_key") for home in homes])["address_key"].unique(maintain_order=True).to_list()
    shared = records.bearers(Trait.ADDRESS, addresses)
    return frozenset(shared.filter(pl.col("bearers") > HOUSEHOLD_LIMIT)["value"])


def was_known() -> pl.Expr:
    """Filter after a join with versions: the one that was knowledge at `known_at`."""
    return (pl.col("known_from") <= pl.col("known_at")) & (pl.col("known_at") < pl.col("known_until"))


def people(accesses: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    """The accesses with who their actor and patient were known to be, one row an access.

    Adds the staff columns (`role`, `department`, `unit` are those of a former post while it lasted), the patient columns under
    `p_…`, and `known`: whether the actor is in the reference data. `accesses` needs row, time, known_at, actor_id, patient_id.
    """
    staff = accesses.select("row", "known_at", account_id="actor_id").join(knowledge.actors, on="account_id").filter(was_known())
    staff = staff.unique("row", keep="last", maintain_order=True).drop("known_at", "known_from", "known_until", "account_id")
    staff = staff.rename({"kind": "staff_kind"})
    patients = accesses.select("row", "known_at", "patient_id").join(knowledge.patients, on="patient_id").filter(was_known())
    patients = patients.unique("row", keep="last", maintain_order=True).drop("known_at", "known_from", "known_until", "patient_id")
    patients = patients.rename({name: f"p_{name}" for name in patients.columns if name != "row"})
    found = accesses.join(staff, on="row", how="left").join(patients, on="row", how="left")
    found = found.with_columns(known=(pl.col("staff_id").is_not_null() | _patient_actor()).cast(pl.UInt8))
    return _with_former_posts(found, knowledge).with_columns(
        pl.col("staff_id", "role", "department", "unit", "staff_kind").fill_null("")
    )


def duties_at(accesses: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    """Each access with each duty of its actor that was known, whether or not it holds at the time."""
    wanted = accesses.filter(pl.col("staff_id") != "").select("row", "time", "known_at", "staff_id")
    return wanted.join(knowledge.duties, on="staff_id").filter(was_known()).drop("known_from", "known_until")


def _patient_actor() -> pl.Expr:
    return (pl.col("actor_kind") == "patient") & (pl.col("actor_id") == pl.col("patient_id")) & pl.col("p_vip").is_not_null()


def _with_former_posts(found: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    held = found.filter(pl.col("staff_id").is_not_null()).select("row", "time", "known_at", "staff_id")
    posts = held.join(knowledge.duties.filter(pl.col("duty") == "post"), on="staff_id").filter(was_known())
    posts = posts.filter((pl.col("valid_from") <= pl.col("time")) & (pl.col("time") < pl.col("valid_to")))
    posts = posts.unique("row", keep="first", maintain_order=True).select(
        "row", post_unit="place", post_department="department", post_role="role"
    )
    named = [
        pl.when(pl.col(f"post_{name}").fill_null("") != "").then(f"post_{name}").otherwise(name).alias(name)
        for name in ("unit", "department", "role")
    ]
    return found.join(posts, on="row", how="left").with_columns(named).drop("post_unit", "post_department", "post_role")
