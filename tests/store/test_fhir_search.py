"""Conditions of a FHIR search in SQL: values are bound, never part of the statement, and cursors are our own."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.event import Source
from store.engine import Engine
from store.fhir_search import CONDITIONS, FhirQuery, FhirSearch, Period, Token, action_code, outcome_code, type_of
from tests.api.ledger_rows import NOON, access, put

NASTY = st.text(st.sampled_from("'\"\\{}:;%()|-/ \n\0é𝒳abP-1"), min_size=1, max_size=12)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=NASTY, system=st.none() | st.just("") | NASTY, kind=st.none() | st.sampled_from(["Patient", "Practitioner", "X'"]))
def test_no_value_becomes_sql(engine: Engine, value: str, system: str | None, kind: str | None) -> None:
    for match in ("exact", "starts", "contains"):
        tokens = [(name, [Token(value=value, system=system, kind=kind, match=match)]) for name in CONDITIONS]
        assert FhirSearch(engine).count(FhirQuery(tokens=tokens)) == 0


def test_periods_are_half_open_and_may_be_turned_round(engine: Engine) -> None:
    put(engine, [access(number) for number in range(5)])
    second = timedelta(seconds=1)
    search = FhirSearch(engine)

    def count(*periods: Period) -> int:
        return search.count(FhirQuery(times=[("time", periods)]))

    inner = Period(since=NOON + second, until=NOON + 3 * second)
    assert (count(inner), count(Period(since=inner.since, until=inner.until, outside=True)), count(Period())) == (2, 3, 5)
    assert count(Period(until=NOON + second), Period(since=NOON + 4 * second)) == 2


def test_all_parameters_have_to_hold_and_of_each_one_value(engine: Engine) -> None:
    put(engine, [access(1), access(2, patient_id="P-2"), access(3, action="edit_note")])

    def count(**tokens: list[str]) -> int:
        asked = [(name, [Token(value=value) for value in values]) for name, values in tokens.items()]
        return FhirSearch(engine).count(FhirQuery(tokens=asked))

    assert (count(patient=["P-1", "P-2"]), count(patient=["P-1"], action=["U"]), count(action=["R", "U"])) == (3, 1, 3)


@pytest.mark.parametrize("cursor", ["x", "", "bm8", "MS4yLjM=", "LTEuLTEueA", "OTk5OTk5OTk5OTk5OTk5OTk5OTkuMS54"])
def test_a_cursor_that_is_none_is_refused(engine: Engine, cursor: str) -> None:
    search = FhirSearch(engine)
    if cursor == "MS4yLjM=":
        assert search.search(FhirQuery(), cursor, 5).events == ()  # `1.2.3` is a place, if an early one
        return
    with pytest.raises(InvalidInput, match="the cursor is not one"):
        search.search(FhirQuery(), cursor, 5)


def test_the_codes_of_our_actions() -> None:
    assert type_of("login", Source.ACCESS, has_patient=False) == ("http://dicom.nema.org/resources/ontology/DCM", "110114")
    assert type_of("deliver", Source.MAIL, has_patient=True) == ("urn:phitrail:source", "mail")
    assert [action_code(name) for name in ("view_chart", "edit_note", "create_x", "delete_x", "login", "download_record")] == [
        *"RUCDER"
    ]
    assert [outcome_code(name) for name in ("success", "denied", "bounced", None, "else")] == ["0", "4", "8", None, None]
