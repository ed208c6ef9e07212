"""Correlations on the real engine, against a plain evaluation in Python over random histories; and their windows at the edge."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from domain.clock import rfc3339
from domain.errors import InvalidInput
from store.cursors import Span
from store.engine import Engine
from store.rule_fields import LOG_SOURCES
from store.rule_plans import Count, InOrder, Match, Missing, Plan, Predicate, Together, Window, leaves, reach
from store.rules import Rules
from tests.analytics.rules.facts import NOON, ZONE, clear_facts, insert_facts

ACCESS = LOG_SOURCES["phi_access"]
SPAN = 60
START = datetime(2026, 3, 2, 5, tzinfo=UTC)
DAY = Window(start=START, end=START + timedelta(days=1), zone=ZONE.key)


def events_of(action: str, number: int, counted: str | None = None) -> Match:
    where = Predicate(text=f"action = {{a{number}:String}}", parameters={f"a{number}": action})
    return Match(source=ACCESS, where=where, group=("actor_id",), counted=counted)


A, B, C = events_of("a", 0), events_of("b", 1), events_of("c", 2)
THREE_A = Count(of=(A,), span=SPAN, at_least=3)

PLANS: Mapping[str, Plan] = {
    "count": THREE_A,
    "count of either": Count(of=(A, B), span=SPAN, at_least=4),
    "distinct": Count(of=(events_of("a", 0, "patient_id"),), span=SPAN, at_least=3, distinct=True),
    "together": Together(of=(A, B, C), span=SPAN, at_least=3),
    "two of three": Together(of=(A, B, C), span=SPAN, at_least=2),
    "in order": InOrder(of=(A, B), span=SPAN),
    "three in order": InOrder(of=(A, B, C), span=SPAN),
    "burst, then one": InOrder(of=(THREE_A, B), span=SPAN),
    "missing": Missing(of=(A, B), span=SPAN),
    "missing after a burst": Missing(of=(THREE_A, B), span=SPAN),
}


@dataclass(frozen=True)
class Row:
    """An event as the reference sees it; `n` is its place in the log."""

    n: int
    actor: str
    action: str
    patient: str
    time: datetime


def history(seed: int, *, actors: int = 25, events: int = 18) -> list[Row]:
    """Random events of many actors, dense enough that every rule both holds and fails, with many at the very edge of the span."""
    chance = random.Random(seed)
    rows = []
    for actor in range(actors):
        moment = START + timedelta(hours=chance.randint(0, 20))
        for _ in range(events):
            moment += timedelta(seconds=chance.choice((0, 1, 20, 30, 59, 60, 61, 200)))
            action, patient = chance.choice("aaabbc"), f"P-{chance.randint(1, 4)}"
            rows.append((f"u{actor}", action, patient, moment))
    chance.shuffle(rows)
    return [Row(n, *row) for n, row in enumerate(rows)]


def cited(engine: Engine, plan: Plan, spans: Sequence[Span] | None = None) -> tuple[set[int], dict[int, datetime]]:
    """The seq of the cited events, and when the rule became true with those where it did."""
    frame = Rules(engine).evidence(plan, DAY, (), spans=spans)
    true_at = {seq: moment for seq, moment in zip(frame["seq"], frame["true_at"], strict=True) if moment is not None}
    assert frame.height == frame["seq"].n_unique()
    return set(frame["seq"]), true_at


def store(engine: Engine, rows: Sequence[Row]) -> None:
    clear_facts(engine, ACCESS)
    insert_facts(
        engine,
        ACCESS,
        [{"actor_id": row.actor, "action": row.action, "patient_id": row.patient, "time": rfc3339(row.time)} for row in rows],
    )


@dataclass(frozen=True)
class Hit:
    """An occurrence as the reference finds it: when it became true, where its evidence begins, the event that ended it."""

    time: datetime
    begins: datetime
    last: Row


def occurrences(plan: Plan, rows: Sequence[Row]) -> Iterator[Hit]:
    """The occurrences among the rows of one group, in log order of time: the definition, without any cleverness."""
    rows = sorted(rows, key=lambda row: (row.time, row.n))
    if isinstance(plan, Match):
        yield from (Hit(row.time, row.time, row) for row in rows if row.action == next(iter(plan.where.parameters.values())))
        return
    span = timedelta(seconds=plan.span)
    parts = [list(occurrences(part, rows)) for part in plan.of]
    match plan:
        case Count(distinct=distinct):
            for hit in (
                parts[0] if len(parts) == 1 else sorted((h for part in parts for h in part), key=lambda h: (h.time, h.last.n))
            ):
                before = [
                    h for part in parts for h in part if hit.time - span <= h.time and (h.time, h.last.n) <= (hit.time, hit.last.n)
                ]
                peers = [h for part in parts for h in part if hit.time - span <= h.time <= hit.time]
                if (len({h.last.patient for h in peers}) if distinct else len(before)) >= plan.at_least:
                    yield Hit(hit.time, hit.time - timedelta(seconds=reach(plan)), hit.last)
        case Together():
            for hit in (h for part in parts for h in part):
                place = (hit.time, hit.last.n)
                seen = sum(any(hit.time - span <= h.time and (h.time, h.last.n) <= place for h in part) for part in parts)
                if seen >= plan.at_least:
                    yield Hit(hit.time, hit.time - timedelta(seconds=reach(plan)), hit.last)
        case InOrder():
            chains = [(hit, hit) for hit in parts[0]]
            for part in parts[1:]:
                chains = [
                    (max(earlier, key=lambda chain: (chain.time, chain.begins)), hit)
                    for hit in part
                    if (earlier := [first for first, last in chains if (last.time, last.last.n) < (hit.time, hit.last.n)])
                ]
            yield from (Hit(last.time, first.begins, last.last) for first, last in chains if last.time - first.time <= span)
        case Missing():
            for hit in parts[0]:
                if not any(hit.time <= other.time <= hit.time + span for other in parts[1]):
                    yield Hit(hit.time + span, hit.begins, hit.last)


def expected(plan: Plan, rows: Sequence[Row]) -> tuple[set[int], dict[int, datetime]]:
    found: set[int] = set()
    true_at: dict[int, datetime] = {}
    actions = [next(iter(leaf.where.parameters.values())) for leaf in leaves(plan)]
    for actor in {row.actor for row in rows}:
        group = [row for row in rows if row.actor == actor]
        hits = [hit for hit in occurrences(plan, group) if DAY.start <= hit.time < DAY.end]
        true_at |= {hit.last.n: hit.time for hit in hits}
        inside = {row.n for row in group for hit in hits if hit.begins <= row.time <= hit.time and row.action in actions}
        if isinstance(plan, InOrder):
            inside -= {row.n for row in group if row.action == actions[-1] and row.n not in true_at}
        elif isinstance(plan, Missing):
            inside = (
                {hit.last.n for hit in hits}
                if isinstance(plan.of[0], Match)
                else {n for n in inside if _action(group, n) == actions[0]}
            )
        found |= inside
    return found, true_at


def _action(group: Sequence[Row], n: int) -> str:
    return next(row.action for row in group if row.n == n)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_correlation_finds_what_the_definition_says(shared_engine: Engine, seed: int) -> None:
    rows = history(seed)
    store(shared_engine, rows)

    for name, plan in PLANS.items():
        found = cited(shared_engine, plan)
        assert found == expected(plan, rows), name
        assert 0 < len(found[1]) < len(rows), f"{name}: a history in which nothing or everything is found shows nothing"


def test_asked_about_new_entries_it_finds_all_that_their_groups_have(shared_engine: Engine) -> None:
    rows = history(3)
    store(shared_engine, rows)
    new = Span(writer="w", first=40, last=47)

    for name, plan in PLANS.items():
        asked = {next(iter(leaf.where.parameters.values())) for leaf in leaves(plan)}
        groups = {row.actor for row in rows if new.first <= row.n <= new.last and row.action in asked}
        whole = expected(plan, [row for row in rows if row.actor in groups])
        assert cited(shared_engine, plan, [new]) == whole, name


@pytest.mark.parametrize(("apart", "found"), [(0, True), (59_999_999, True), (60_000_000, True), (60_000_001, False)])
@pytest.mark.parametrize(
    "plan", [Count(of=(A,), span=SPAN, at_least=2), Together(of=(A, B), span=SPAN, at_least=2), InOrder(of=(A, B), span=SPAN)]
)
def test_a_span_includes_its_ends_to_the_microsecond(shared_engine: Engine, plan: Plan, apart: int, found: bool) -> None:
    second = "a" if isinstance(plan, Count) else "b"
    store(shared_engine, [Row(0, "u", "a", "P", NOON), Row(1, "u", second, "P", NOON + timedelta(microseconds=apart))])

    assert bool(cited(shared_engine, plan)[0]) is found


@pytest.mark.parametrize(("apart", "missing"), [(0, False), (60_000_000, False), (60_000_001, True), (-1, True)])
def test_what_came_within_the_span_is_not_missing(shared_engine: Engine, apart: int, missing: bool) -> None:
    store(shared_engine, [Row(0, "u", "a", "P", NOON), Row(1, "u", "b", "P", NOON + timedelta(microseconds=apart))])

    found, true_at = cited(shared_engine, PLANS["missing"])

    assert found == ({0} if missing else set())
    assert true_at == ({0: NOON + timedelta(seconds=60)} if missing else {})


def test_what_failed_to_come_is_said_only_of_what_was_received_long_enough_ago(shared_engine: Engine) -> None:
    store(shared_engine, [Row(0, "u", "a", "P", NOON)])
    rules = Rules(shared_engine)

    assert rules.evidence(PLANS["missing"], DAY, (), settled=NOON - timedelta(microseconds=1)).is_empty()
    assert rules.evidence(PLANS["missing"], DAY, (), settled=NOON).height == 1


@pytest.mark.parametrize(("name", "cites"), [("count", 3), ("in order", 2), ("missing", 3)])
def test_a_day_has_what_became_true_in_it(shared_engine: Engine, name: str, cites: int) -> None:
    plan = PLANS[name]
    midnight = DAY.end
    times = [midnight - timedelta(seconds=30), midnight - timedelta(seconds=15), midnight + timedelta(seconds=1)]
    last = "b" if isinstance(plan, InOrder) else "a"
    store(
        shared_engine,
        [Row(n, "u", action, "P", time) for n, (action, time) in enumerate(zip(["a", "a", last], times, strict=True))],
    )
    next_day = Window(start=DAY.end, end=DAY.end + timedelta(days=1), zone=ZONE.key)
    rules = Rules(shared_engine)

    today, tomorrow = rules.evidence(plan, DAY, ()), rules.evidence(plan, next_day, ())

    assert today.is_empty()
    assert tomorrow.height == cites
    assert set(tomorrow["day"]) == {next_day.start.astimezone(ZONE).date()}


def test_an_event_of_two_kinds_does_not_follow_itself(shared_engine: Engine) -> None:
    twice = InOrder(of=(events_of("a", 0), events_of("a", 1)), span=SPAN)

    store(shared_engine, [Row(0, "u", "a", "P", NOON)])
    alone = cited(shared_engine, twice)
    store(shared_engine, [Row(0, "u", "a", "P", NOON), Row(1, "u", "a", "P", NOON + timedelta(seconds=1))])
    followed = cited(shared_engine, twice)

    assert alone == (set(), {})
    assert followed[1] == {1: NOON + timedelta(seconds=1)}


def test_facts_computed_again_count_once(shared_engine: Engine) -> None:
    rows = [Row(n, "u", "a", "P", NOON + timedelta(seconds=n)) for n in range(2)]
    store(shared_engine, rows)
    insert_facts(
        shared_engine, ACCESS, [{"actor_id": "u", "action": "a", "patient_id": "P", "time": rfc3339(row.time)} for row in rows]
    )

    assert cited(shared_engine, THREE_A) == (set(), {})
    assert len(cited(shared_engine, A)[0]) == 2


def test_a_field_that_a_log_source_does_not_have_is_refused(shared_engine: Engine) -> None:
    with pytest.raises(InvalidInput):
        Rules(shared_engine).evidence(Match(source=ACCESS, where=Predicate(text="1"), group=("to_domain",)), DAY, ())


def test_a_large_burst_is_joined_in_linear_time(shared_engine: Engine) -> None:
    many = 20_000
    store(shared_engine, [Row(n, "u", "a", "P", NOON + timedelta(milliseconds=n)) for n in range(many)])

    assert len(cited(shared_engine, THREE_A)[0]) == many
