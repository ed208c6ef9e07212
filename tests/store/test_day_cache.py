"""Aggregates by day: made once, made anew when their day was written to, and never answered from what is outdated."""

from datetime import date, timedelta

from store.access import Accesses
from store.day_cache import DayCache, days_of
from store.engine import Engine
from tests.store.test_access_facts import MONDAY, fact, facts

DAY = timedelta(days=1)


class Shelf:
    """What is to be cached: the number of things of each day, and which questions were asked for them."""

    def __init__(self) -> None:
        self.things: dict[date, int] = {}
        self.asked: list[tuple[date, date]] = []
        self.cache = DayCache(self._stamps, self._load)

    def _stamps(self, first: date, last: date) -> dict[date, object]:
        return {day: self.things[day] for day in days_of(first, last) if day in self.things}

    def _load(self, first: date, last: date) -> dict[date, int]:
        self.asked.append((first, last))
        return {day: self.things[day] for day in days_of(first, last) if self.things.get(day)}


def test_only_what_changed_is_made_anew_consecutive_days_in_one_question() -> None:
    shelf = Shelf()
    shelf.things = {MONDAY: 1, MONDAY + DAY: 2, MONDAY + 3 * DAY: 4}
    week = (MONDAY, MONDAY + 6 * DAY)

    assert shelf.cache.between(*week) == {MONDAY: 1, MONDAY + DAY: 2, MONDAY + 3 * DAY: 4}
    assert shelf.cache.between(*week) == shelf.things
    assert shelf.asked == [(MONDAY, MONDAY + DAY), (MONDAY + 3 * DAY, MONDAY + 3 * DAY)]
    shelf.things[MONDAY + DAY] = 5
    assert shelf.cache.between(*week)[MONDAY + DAY] == 5
    assert shelf.asked[2:] == [(MONDAY + DAY, MONDAY + DAY)]


def test_a_day_that_lost_everything_is_not_answered_from_memory() -> None:
    shelf = Shelf()
    shelf.things = {MONDAY: 1}
    shelf.cache.between(MONDAY, MONDAY)

    shelf.things[MONDAY] = 0

    assert shelf.cache.between(MONDAY, MONDAY) == {}


def test_a_late_event_and_facts_made_anew_are_seen(engine: Engine) -> None:
    accesses = Accesses(engine)
    week = (MONDAY - 6 * DAY, MONDAY)
    accesses.add(facts(fact(0), fact(1, patient_id="P-2")))
    before = accesses.actor_days(*week)

    accesses.add(facts(fact(2, patient_id="P-3", reasons=["on the ward"], explained=1, known=1)))
    late = accesses.actor_days(*week)
    Accesses(engine).add(facts(fact(0, explained=1, known=1, reasons=["an order"])))
    anew = accesses.actor_days(*week)

    assert not before.equals(late)
    assert not late.equals(anew)
    assert anew.equals(Accesses(engine).actor_days(*week))
