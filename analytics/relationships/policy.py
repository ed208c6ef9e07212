"""Which ties explain an access, how strongly, and for how long around the care they stand for.

A tie holds from `before` its begin to `after` its end; while it has no end it holds for `open_for`. Charting after discharge: 14
days for those who treated, 7 for results, 2 for the unit. `weight` is 1 for a person named in the record, less for a group.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from store.access import WEAK_KINDS

_NONE = timedelta(0)
_STAY_LIMIT = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """One kind of tie. `text` is the sentence; {record}, {subject} and {from} are filled in."""

    weight: float
    text: str
    before: timedelta = _NONE
    after: timedelta = _NONE
    open_for: timedelta = _STAY_LIMIT


_RESULT = timedelta(days=7)
_QUEUE = timedelta(days=90)


def _treating(text: str) -> Tie:
    return Tie(weight=1.0, text=text, before=timedelta(days=3), after=timedelta(days=14))


TIES: Mapping[str, Tie] = {
    "attending": _treating("Attending of encounter {record} from {from}"),
    "resident": _treating("Resident of encounter {record} from {from}"),
    "care_team": _treating("On the care team of encounter {record} from {from}"),
    "stay": Tie(
        weight=0.8,
        text="Patient on unit {subject} from {from} (encounter {record})",
        before=timedelta(hours=4),
        after=timedelta(days=2),
    ),
    "visit": Tie(
        weight=0.6,
        text="Visit to the department {subject} from {from} (encounter {record})",
        before=timedelta(days=1),
        after=timedelta(days=2),
    ),
    "appointment": Tie(
        weight=1.0, text="Provider of appointment {record} on {from}", before=timedelta(days=3), after=timedelta(days=14)
    ),
    "clinic_day": Tie(
        weight=0.6,
        text="Appointment {record} in the department {subject} on {from}",
        before=timedelta(days=1),
        after=timedelta(days=2),
    ),
    "booking": Tie(weight=0.9, text="Booked appointment {record} on {from}", before=timedelta(hours=1), after=timedelta(days=1)),
    "referred_by": Tie(weight=0.9, text="Made referral {record} on {from}", before=timedelta(hours=1), open_for=_QUEUE),
    "referred_to": Tie(weight=1.0, text="Was asked by referral {record} on {from}", open_for=_QUEUE),
    "referred_department": Tie(
        weight=0.6, text="Referral {record} to the department {subject} on {from}", open_for=timedelta(days=30)
    ),
    "ordered": Tie(weight=1.0, text="Placed order {record} on {from}", before=timedelta(hours=1), after=_RESULT, open_for=_QUEUE),
    "performs": Tie(weight=1.0, text="Performs order {record} of {from}", after=_RESULT, open_for=_QUEUE),
    "performing_department": Tie(
        weight=0.6, text="Order {record} of {from} to the department {subject}", after=_RESULT, open_for=timedelta(days=30)
    ),
    "assigned": Tie(weight=1.0, text="Worklist item {record} assigned on {from}", after=timedelta(days=1), open_for=_QUEUE),
    "worklist": Tie(
        weight=0.6, text="Worklist item {record} of the department {subject} from {from}", after=timedelta(days=1), open_for=_QUEUE
    ),
    "primary_care": Tie(weight=0.9, text="Primary care provider of the patient", open_for=timedelta(days=365 * 200)),
    "cohort": Tie(weight=0.8, text="Patient in the cohort of protocol {record} from {from}", open_for=timedelta(days=3650)),
}

OTHER_REASONS: Mapping[str, float] = {
    "own_record": 1.0,
    "proxy": 1.0,
    "protocol_export": 0.8,
    "service_account": 0.8,
    "colleague": 0.4,
    "follow_up": 0.3,
    "learned": 0.3,
    "learned_approved": 0.6,
}
"""Reasons that do not come from a tie between a person and a patient, and their weights."""

MENTOR_SHARE = 0.8
"""What a learner's reason counts when it is the mentor's."""

WEIGHTS: Mapping[str, float] = {**{kind: tie.weight for kind, tie in TIES.items()}, **OTHER_REASONS}

SHIFT_BEFORE = timedelta(hours=1)
SHIFT_AFTER = timedelta(hours=2)
"""Around a shift: people read up before it and finish their notes after it."""

ROSTERED_WITHIN = timedelta(days=10)
"""Somebody with a shift this near is rostered: then their home unit counts only while they work on it."""


def has_reason() -> pl.Expr:
    """Of facts of accesses: a reason of its own, and not only what is usual for the department."""
    weak = pl.col("reason_kinds").list.eval(pl.element().is_in(WEAK_KINDS)).list.all() & (pl.col("reason_kinds").list.len() > 0)
    return (pl.col("explained") == 1) & ~weak


def ties_frame() -> pl.DataFrame:
    """The policy as a frame to join with: link, weight, text, before, after, open_for."""
    return pl.DataFrame(
        [
            {"link": kind, "weight": t.weight, "text": t.text, "before": t.before, "after": t.after, "open_for": t.open_for}
            for kind, t in TIES.items()
        ],
        schema_overrides=dict.fromkeys(("before", "after", "open_for"), pl.Duration("us")),
    )
