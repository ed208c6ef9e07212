"""Silence: how long each source may be quiet, learned or set, and what is said when it is longer."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from alerts.group import group_key
from alerts.silence import listen, silence
from domain.controls import catalogue
from domain.finding import Severity
from store.source_rhythm import learned
from store.sources import SourceActivity, Span
from tests.alerts.builders import at


def hours(*starts: float, events: int = 60, length: float = 59 / 60) -> tuple[Span, ...]:
    """Spans that begin at these hours, each with so many events spread evenly over its length (in hours)."""
    return tuple(Span(events=events, first=at(start), last=at(start + length)) for start in starts)


def source(spans: tuple[Span, ...], name: str = "ehr") -> SourceActivity:
    return SourceActivity(
        source_system=name,
        events=sum(span.events for span in spans),
        last_received=spans[-1].last,
        last_claimed=spans[-1].last,
        spans=spans,
    )


ALL_DAY = hours(*range(48))
"""One event a minute, two days long."""
CLINIC = hours(*(24 * day + hour for day in range(4) for hour in range(9)))
"""Open from nine to six on four days."""
NIGHTLY = hours(*(24 * day for day in range(13)), events=500, length=0.1)
"""A batch a day."""


@pytest.mark.parametrize(
    ("spans", "patience"),
    [
        (ALL_DAY, timedelta(hours=1)),
        (hours(*range(0, 60, 4), events=1, length=0), timedelta(hours=24)),
        (CLINIC, 1.25 * timedelta(hours=15, minutes=1)),
        (NIGHTLY, 1.25 * timedelta(hours=23.9)),
        (hours(*range(30), *range(80, 110)), timedelta(hours=1)),  # one outage of two days excuses nothing
        (hours(*range(11)), None),  # too little to learn from
        ((), None),
    ],
    ids=["steady", "sparse", "clinic", "nightly batch", "after an outage", "an import", "nothing"],
)
def test_how_long_a_source_may_be_quiet_is_learned_from_its_rhythm(spans: tuple[Span, ...], patience: timedelta | None) -> None:
    found = learned(spans)

    assert (found is None) == (patience is None)
    assert found is None or patience is None or abs(found - patience) < timedelta(seconds=1)


def test_hours_of_two_writers_may_overlap() -> None:
    spans = [Span(events=2, first=at(n), last=at(n + 1.01)) for n in range(20)]

    assert learned(spans) is not None


@pytest.mark.parametrize(("later", "silent"), [(timedelta(minutes=59), False), (timedelta(minutes=61), True)])
def test_a_source_is_silent_when_it_is_quiet_for_longer_than_it_may(later: timedelta, silent: bool) -> None:
    ehr = source(ALL_DAY)

    (state,) = listen([ehr], ehr.last_received + later)

    assert state.silent is silent
    assert len(silence([ehr], ehr.last_received + later)) == silent


def test_what_is_set_beats_what_is_learned() -> None:
    ehr = source(ALL_DAY)
    now = ehr.last_received + timedelta(hours=2)

    assert silence([ehr], now, expected={"ehr": timedelta(hours=3)}) == []
    assert len(silence([source(hours(0))], now, expected={"ehr": timedelta(minutes=1)})) == 1


def test_an_import_and_phitrail_itself_are_not_missed() -> None:
    now = at(10_000)

    assert silence([source(hours(0, 1)), source(ALL_DAY, "phitrail")], now) == []


def test_no_source_is_blamed_for_a_time_when_nobody_listened() -> None:
    ehr = source(ALL_DAY)
    started = ehr.last_received + timedelta(days=3)

    assert silence([ehr], started + timedelta(minutes=30), listening_since=started) == []
    (finding,) = silence([ehr], started + timedelta(hours=2), listening_since=started)
    assert finding.time == started + timedelta(hours=1)


def test_a_source_that_was_promised_and_never_heard_is_missed() -> None:
    expected = {"lab": timedelta(hours=6)}

    assert silence([], at(5), expected=expected, listening_since=at(0)) == []
    (finding,) = silence([], at(7), expected=expected, listening_since=at(0))

    assert finding.explanation[0] == "No event has ever come from lab; one is expected at least every 6 hours."
    assert finding.time == at(6)
    assert silence([], at(7), expected=expected) == []


def test_the_finding_says_what_is_missing_and_what_to_do() -> None:
    ehr = source(ALL_DAY)

    (finding,) = silence([ehr], at(100))

    assert (finding.kind, finding.severity, finding.actor_id, finding.patient_id) == ("source_silent", Severity.MEDIUM, None, None)
    assert finding.explanation == (
        "The last event from ehr was received at 2026-03-04T08:59:00.000000Z; one is expected at least every 60 minutes.",
        "It had sent 2880 events until then.",
    )
    assert finding.time == ehr.last_received + timedelta(hours=1)
    assert finding.runbook
    assert all(control in catalogue() for control in finding.controls)
    assert group_key(finding) == '["source_silent","source","ehr"]'


def test_one_silence_is_one_finding_and_the_next_another() -> None:
    ehr = source(ALL_DAY)

    def names(activity: SourceActivity, now: datetime) -> set[str]:
        return {finding.finding_id for finding in silence([activity], now)}

    assert names(ehr, at(60)) == names(ehr, at(90))
    assert names(ehr, at(60)) != names(replace(ehr, last_received=at(50)), at(60))
    assert names(ehr, at(60)) != names(replace(ehr, source_system="lab"), at(60))
