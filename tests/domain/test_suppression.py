"""What a suppression holds back: everything given must fit, in its time, and never a word about the record itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.kinds import KINDS, Subject
from domain.errors import InvalidInput
from domain.finding import Finding
from domain.suppression import LONGEST, NARROWINGS, UNSUPPRESSIBLE, Suppression, holder
from tests.alerts.builders import a_finding

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
GOOD = Suppression(
    suppression_id="s1", kind="weak_tls", by="officer", reason="x", set_at=START, until=START + timedelta(days=9), rule_id="r"
)
VALUES = st.sampled_from(["", "a", "b"])
HOURS = st.integers(-3, 12)


def finding(kind: str, hours: int, given_by: dict[str, str]) -> Finding:
    inputs = {"to_domain": given_by["to_domain"].upper(), "source_system": given_by["source_system"]}
    made = a_finding(
        "f", kind=kind, actor=given_by["actor_id"] or None, patient=given_by["patient_id"] or None, inputs=dict(inputs)
    )
    return replace(made, time=START + timedelta(hours=hours), rule_id=given_by["rule_id"])


PARTS = st.fixed_dictionaries(dict.fromkeys(NARROWINGS, VALUES))


@given(
    narrow=PARTS,
    about=PARTS,
    kind=st.sampled_from(["weak_tls", "browsing", "record_tampered"]),
    hours=HOURS,
    length=st.integers(1, 9),
    lifted=st.none() | st.integers(0, 9),
)
def test_it_holds_exactly_what_fits_in_its_time(
    narrow: dict[str, str], about: dict[str, str], kind: str, hours: int, length: int, lifted: int | None
) -> None:
    one = replace(
        GOOD,
        **narrow,  # type: ignore[arg-type]
        until=START + timedelta(hours=length),
        lifted_at=None if lifted is None else START + timedelta(hours=lifted),
    )
    fits = any(narrow.values()) and all(narrow[name] in ("", about[name]) for name in NARROWINGS)
    expected = kind == "weak_tls" and fits and 0 <= hours < min(length, length if lifted is None else lifted)

    assert one.holds(finding(kind, hours, about)) is expected
    assert holder([replace(one, suppression_id="s2"), one], finding(kind, hours, about)) == (one if expected else None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rule_id": ""},
        {"kind": ""},
        {"reason": " "},
        {"until": START},
        {"until": START + LONGEST + timedelta(microseconds=1)},
        *({"kind": kind} for kind in sorted(UNSUPPRESSIBLE)),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    replace(GOOD, until=START + LONGEST).check()
    with pytest.raises(InvalidInput):
        replace(GOOD, **wrong).check()  # type: ignore[arg-type]


def test_every_kind_about_a_source_is_always_heard() -> None:
    assert {kind for kind, how in KINDS.items() if how.subject is Subject.SOURCE} == UNSUPPRESSIBLE
