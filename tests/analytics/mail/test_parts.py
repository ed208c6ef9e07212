"""However many entries are judged at once: they are held a part at a time, and judged as the scheduler would have."""

from pathlib import Path
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from analytics.deliveries import Deliveries, parts
from benchmarks.mail_ledger import lay_down
from benchmarks.mail_stream import stream
from store.cursors import Span
from store.deliveries import DeliveryFacts, MailEntry
from store.engine import Engine

SPANS = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 50), st.integers(1, 40)), max_size=6)


@given(SPANS, st.integers(1, 30))
def test_parts_cover_the_same_places_in_the_same_order(drawn: list[tuple[str, int, int]], most: int) -> None:
    spans = [Span(writer=writer, first=first, last=first + size - 1) for writer, first, size in drawn]

    cut = list(parts(spans, most))

    assert [place for part in cut for place in _places(part)] == _places(spans)
    assert all(sum(span.size for span in part) == most for part in cut[:-1])
    assert all(0 < sum(span.size for span in part) <= most for part in cut[-1:])


def test_a_large_batch_is_held_in_parts_and_judged_as_the_scheduler_would(engine: Engine, tmp_path: Path) -> None:
    made = stream(3, 300, each=1, patients=300)
    store = lay_down(engine, tmp_path, made)
    facts, last = _Watched(engine), len(made.letters) - 1
    for first in range(0, last + 1, 100):
        Deliveries(facts, store).enrich([Span(writer="main", first=first, last=min(first + 99, last))])
    by_the_scheduler = engine.rows("SELECT * FROM delivery_facts FINAL ORDER BY writer, seq")
    engine.execute("TRUNCATE TABLE delivery_facts")

    with patch("analytics.deliveries.PART", 100):
        done = Deliveries(facts, store).enrich([Span(writer="main", first=0, last=last)])

    assert done == len(by_the_scheduler) > 300
    assert engine.rows("SELECT * FROM delivery_facts FINAL ORDER BY writer, seq") == by_the_scheduler
    assert max(facts.held) <= 100


class _Watched(DeliveryFacts):
    """Counts how many entries are taken into memory at a time."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.held: list[int] = []

    def entries(self, span: Span) -> list[MailEntry]:
        found = super().entries(span)
        self.held.append(len(found))
        return found


def _places(spans: list[Span]) -> list[tuple[str, int]]:
    return [(span.writer, place) for span in spans for place in range(span.first, span.last + 1)]
