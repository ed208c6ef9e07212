"""The mathematics of "due": six years is a floor, the later time counts, a hold beats everything."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigError
from retention.policy import ActiveHold, Decision, RetentionPolicy, current_epoch, plan
from store.retention import Hold, HoldScope, MonthLog

INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2190, 1, 1), timezones=st.just(UTC))
POLICY = RetentionPolicy()


def month(
    epoch: int,
    *,
    newest: datetime | None = None,
    claimed: datetime | None = None,
    sealed: bool = True,
    writer: str = "main",
    entries: int = 10,
) -> MonthLog:
    received = newest or datetime(epoch // 100, epoch % 100, 15, tzinfo=UTC)
    return MonthLog(
        epoch=epoch,
        writer=writer,
        entries=entries,
        first_seq=0,
        last_seq=entries - 1,
        newest_time=claimed or received,
        newest_received=received,
        sealed_root=b"r" * 32 if sealed else None,
    )


def hold(scope: HoldScope, *, months: frozenset[int] = frozenset(), first: int = 0, last: int = 0) -> ActiveHold:
    placed = Hold(
        hold_id="H-1",
        scope=scope,
        reason="suit of patient P-1",
        placed_by="counsel",
        placed_at=datetime(2026, 1, 5, tzinfo=UTC),
        subject="P-1" if scope in (HoldScope.PATIENT, HoldScope.ACTOR) else "",
        first_epoch=first,
        last_epoch=last,
    )
    return ActiveHold(hold=placed, months=months)


@pytest.mark.parametrize("years", [-1, 0, 5, 101])
def test_less_than_six_years_is_no_setting(years: int) -> None:
    with pytest.raises(ConfigError, match=r"164\.316\(b\)\(2\)\(i\)"):
        RetentionPolicy(years=years)


@pytest.mark.parametrize(
    ("newest", "years", "due"),
    [
        (datetime(2020, 3, 15, 23, 59, 59, tzinfo=UTC), 6, date(2026, 3, 16)),
        (datetime(2020, 3, 15, tzinfo=UTC), 10, date(2030, 3, 16)),
        (datetime(2020, 2, 29, 12, tzinfo=UTC), 6, date(2026, 3, 2)),
        (datetime(2020, 12, 31, 12, tzinfo=UTC), 6, date(2027, 1, 1)),
    ],
)
def test_due_is_the_day_after_the_anniversary(newest: datetime, years: int, due: date) -> None:
    assert RetentionPolicy(years=years).due_on(newest) == due


@given(newest=INSTANTS, years=st.integers(6, 100))
def test_nothing_is_due_before_its_years_are_over(newest: datetime, years: int) -> None:
    due = datetime.combine(RetentionPolicy(years=years).due_on(newest), datetime.min.time(), UTC)

    assert due - newest >= timedelta(days=365 * years + years // 4 - 1)
    assert (due.year - newest.year, due.month, due.day) > (years, newest.month, newest.day)


@given(claimed=INSTANTS, received=INSTANTS, now=INSTANTS)
def test_a_due_month_has_no_event_younger_than_six_years(claimed: datetime, received: datetime, now: datetime) -> None:
    (item,) = plan([month(current_epoch(received), newest=received, claimed=claimed)], [], now, POLICY)

    if item.decision is Decision.DUE:
        for moment in (claimed, received):
            assert (now.year - moment.year, now.month, now.day) > (6, moment.month, moment.day)
    assert item.due_on == POLICY.due_on(max(claimed, received))


@given(now=INSTANTS, scope=st.sampled_from(HoldScope), epoch=st.sampled_from([199501, 201912]))
def test_a_hold_that_covers_a_month_beats_any_age(now: datetime, scope: HoldScope, epoch: int) -> None:
    covering = hold(scope, months=frozenset({epoch}), first=epoch, last=epoch)

    (item,) = plan([month(epoch)], [covering], now, POLICY)

    assert item.decision is Decision.HELD


@pytest.mark.parametrize("scope", [HoldScope.MONTHS, HoldScope.PATIENT, HoldScope.ACTOR])
def test_a_hold_on_something_else_does_not_count(scope: HoldScope) -> None:
    other = hold(scope, months=frozenset({201911}), first=201901, last=201911)

    (item,) = plan([month(201912)], [other], datetime(2026, 6, 1, tzinfo=UTC), POLICY)

    assert item.decision is Decision.DUE


def test_the_plan_gives_a_decision_and_a_reason_for_every_month() -> None:
    logs = [
        month(201911),
        month(201912, claimed=datetime(2021, 2, 1, tzinfo=UTC)),
        month(202001, sealed=False, writer="site-b"),
        month(202001),
        month(202606),
    ]

    items = plan(logs, [], datetime(2026, 6, 2, tzinfo=UTC), POLICY)

    assert [(item.epoch, item.decision, item.entries) for item in items] == [
        (201911, Decision.DUE, 10),
        (201912, Decision.KEEP, 10),
        (202001, Decision.KEEP, 20),
        (202606, Decision.KEEP, 10),
    ]
    assert items[0].reason == "it was kept for 6 years after its newest event, as 45 CFR 164.316(b)(2)(i) asks."
    assert (
        items[1].reason
        == "its newest event is of 2021-02-01 (claimed time, the later one) and is kept for 6 years: due on 2027-02-02."
    )
    assert items[2].reason == "the log of writer site-b is not sealed yet."
    assert items[3].reason == "it is being written."


def test_a_reason_names_the_hold_but_no_patient() -> None:
    (item,) = plan([month(201911)], [hold(HoldScope.PATIENT, months=frozenset({201911}))], datetime(2026, 6, 2, tzinfo=UTC), POLICY)

    assert item.reason == "hold H-1 of 2026-01-05 by counsel keeps events of a patient in it."
