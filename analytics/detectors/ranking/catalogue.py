"""The features of the ranking, their weights to begin with, and their sentences.

Every feature is a number from 0 to 1. A positive weight raises suspicion, a negative one speaks for the access; the sum and the
bias make a logistic score, so more of a feature never means the opposite. The weights are the judgement of people, written down:
what the literature finds in confirmed cases (family first, then colleagues, neighbours, public figures) on what stays unexplained.
"""

from collections.abc import Mapping
from dataclasses import dataclass

VERSION = "access-features/3"
"""Changes with the list below: vectors of another version are no training data."""

BIAS = -4.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """`text` is the sentence when the feature counts; columns of the pair may be named in it, as in {events}."""

    name: str
    weight: float
    text: str


FEATURES: tuple[Feature, ...] = (
    Feature(name="unexplained", weight=1.6, text="No reason found in visits, appointments, orders, worklists, shifts or protocols"),
    Feature(name="weak_reason", weight=0.5, text="The reason found belongs to the department, not to the person"),
    Feature(
        name="foreign",
        weight=1.6,
        text="Nobody of the actor's department was in the chart in four weeks, and nobody with a reason in three days",
    ),
    Feature(name="no_care", weight=0.6, text="No visit, order or appointment of the patient within a month is on record"),
    Feature(name="self", weight=3.8, text="The actor's own patient record"),
    Feature(name="household", weight=3.4, text="Actor and patient share a household and no reason was found"),
    Feature(name="household_explained", weight=0.9, text="Actor and patient share a household, though there is a reason"),
    Feature(name="surname", weight=3.0, text="Actor and patient share a rare surname and no reason was found"),
    Feature(name="coworker", weight=2.3, text="The patient is a colleague and no reason was found"),
    Feature(name="manager", weight=1.6, text="One of actor and patient reports to the other, and no reason was found"),
    Feature(name="neighbour", weight=2.1, text="The patient lives next door and no reason was found"),
    Feature(name="vip_household", weight=1.8, text="The patient lives with a person in the public eye and no reason was found"),
    Feature(name="colleague_household", weight=2.4, text="The patient lives with a colleague and no reason was found"),
    Feature(name="vip", weight=2.8, text="The patient is in the public eye and no reason was found"),
    Feature(name="restricted", weight=0.8, text="The record is restricted and no reason was found"),
    Feature(name="terminated", weight=4.0, text="Employment had ended"),
    Feature(name="on_leave", weight=1.6, text="The actor was on leave"),
    Feature(
        name="doubtful_account", weight=2.2, text="It may not be the owner who used the account that day: place, journey or sleep"
    ),
    Feature(name="leaving", weight=1.2, text="The actor had given notice, and took the record along"),
    Feature(name="off_shift", weight=0.7, text="Outside the actor's shifts"),
    Feature(name="remote", weight=0.4, text="From outside, and no reason was found"),
    Feature(name="broke_glass", weight=1.6, text="Emergency access was used and no care followed from the records"),
    Feature(name="took", weight=1.6, text="The record was printed, exported or downloaded without a reason found"),
    Feature(name="searched", weight=1.2, text="The chart was opened right after a search by name"),
    Feature(name="odd_action", weight=2.2, text="An action that the role {role} hardly ever takes: {rarest_action}"),
    Feature(name="breadth", weight=1.0, text="Kinds of action in the chart without a reason found: {breadth_count}"),
    Feature(
        name="repeated",
        weight=2.6,
        text="Days of the last four weeks on which the chart was opened without a reason found: {unexplained_days}",
    ),
    Feature(
        name="spree",
        weight=3.0,
        text="One of {unexplained_charts} charts opened that day without a reason found, more than the role or the actor ever has",
    ),
    Feature(
        name="trail",
        weight=2.0,
        text="Such charts on several days: the weeks add up to {trail_times} times what nine in ten of the role stay below",
    ),
    Feature(
        name="crowd", weight=2.0, text="Departments from which the chart was opened that day without a reason found: {onlookers}"
    ),
    Feature(name="isolation", weight=1.0, text="Unlike most accesses of the weeks before"),
    Feature(
        name="colleagues",
        weight=-2.2,
        text="Colleagues of the department who were in the chart within three days: {same_department}",
    ),
    Feature(
        name="acquainted",
        weight=-1.0,
        text="Colleagues of the department who were in the chart within four weeks: {department_before}",
    ),
    Feature(
        name="conference",
        weight=-1.5,
        text="People who opened this and further charts with the actor that day, as in a board or a round: {companions}",
    ),
    Feature(
        name="learned", weight=-0.4, text="People of the department usually open such charts, as learned from the weeks before"
    ),
    Feature(name="tended", weight=-1.2, text="People who wrote in the chart that day: {tending}"),
    Feature(
        name="at_work",
        weight=-1.0,
        text="The actor wrote in {written_charts} of {unexplained_charts} charts without a reason, as when care is not recorded",
    ),
    Feature(name="wrote", weight=-2.2, text="The actor wrote in the chart, signed or gave medication"),
    Feature(name="glimpse", weight=-2.2, text="One screen for less than ten seconds, as when a wrong chart is closed"),
    Feature(name="known_before", weight=-1.2, text="Earlier days with this patient for which a reason was found: {explained_days}"),
)

WEIGHTS: Mapping[str, float] = {feature.name: feature.weight for feature in FEATURES}
NAMES: tuple[str, ...] = tuple(WEIGHTS)
OF_THE_ACTOR = ("spree", "trail")
"""Features that come from all charts of the actor together; without them a pair stands alone."""

OBSERVED: tuple[str, ...] = tuple(name for name in NAMES if name != "isolation")
"""Features that come from the facts: what the forest learns from, and what is stored."""
