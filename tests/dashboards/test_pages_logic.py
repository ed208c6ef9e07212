"""What pages decide before they are HTML: questions in addresses, bars, words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.charts import HEIGHT, stacked_bars
from dashboards.event_detail import flat, raw_record
from dashboards.first_screen import verdict
from dashboards.render import ago, percent, segment, span, steps
from dashboards.search import NOT_STATED, api_query, question
from dashboards.views import RecordState
from domain.errors import InvalidInput
from store.completeness import Completeness, Verdict
from store.fsck import Integrity, Verification

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_a_question_reads_local_times_and_repeated_values() -> None:
    asked = question(
        [
            ("from", "2026-03-08T01:30"),
            ("to", "2026-03-09"),
            ("action", "print"),
            ("action", "export"),
            ("q", " x "),
            ("actor", ""),
        ],
        NEW_YORK,
        NOW,
    )

    assert asked.wanted.since == datetime(2026, 3, 8, 6, 30, tzinfo=UTC)
    assert asked.wanted.until == datetime(2026, 3, 9, 4, tzinfo=UTC)
    assert asked.wanted.actions == ("print", "export")
    assert asked.wanted.text == "x"
    assert asked.wanted.ip is None


def test_a_relative_period_gives_way_to_a_stated_one() -> None:
    relative = question([("last", "24h")], NEW_YORK, NOW)
    stated = question([("last", "24h"), ("from", "2026-01-01T00:00:00Z")], NEW_YORK, NOW)

    assert relative.wanted.since == NOW - timedelta(hours=24)
    assert stated.wanted.since == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("pair", [("from", "yesterday"), ("to", "2026-13-01"), ("pateint", "P-1"), ("q", "x" * 513)])
def test_a_question_that_means_nothing_is_refused_without_repeating_it(pair: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        question([pair], NEW_YORK, NOW)

    assert pair[1] not in str(refused.value)


def test_the_files_ask_what_the_page_asked() -> None:
    asked = question([("last", "1h"), ("patient", "P-1"), ("outcome", NOT_STATED), ("source", "mail")], NEW_YORK, NOW)

    assert api_query(asked.wanted) == [
        ("from", "2026-03-10T11:00:00.000000Z"),
        ("patient", "P-1"),
        ("source", "mail"),
        ("outcome", ""),
    ]


counts = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 10**9))


@given(st.lists(st.tuples(st.just("day"), counts), max_size=8), st.booleans())
def test_bars_stay_in_their_box_and_everything_that_is_there_is_seen(bars: list[tuple[str, dict[str, int]]], share: bool) -> None:
    chart = stacked_bars(bars, ["a", "b", "c"], title="t", summary="s", share=share)

    assert all(part.x >= 0 and part.x + part.width <= chart.width for part in chart.slices)
    assert all(part.y >= -0.01 and part.y + part.height <= HEIGHT + 0.01 for part in chart.slices)
    assert all(part.height > 0 for part in chart.slices)
    assert len(chart.slices) == sum(1 for _, values in bars for count in values.values() if count)


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 0, "–"), (0, 9, "0 %"), (9, 9, "100 %"), (1, 10_000, "< 0.1 %"), (9_999, 10_000, "> 99.9 %"), (1, 3, "33.3 %")],
)
def test_a_share_is_never_rounded_to_none_or_all(part: int, whole: int, said: str) -> None:
    assert percent(part, whole) == said


@pytest.mark.parametrize(
    ("length", "said"),
    [
        ({"seconds": 0}, "0 s"),
        ({"seconds": 89}, "89 s"),
        ({"seconds": 90}, "2 min"),
        ({"minutes": 89}, "89 min"),
        ({"minutes": 90}, "2 h"),
        ({"hours": 47}, "47 h"),
        ({"hours": 48}, "2 days"),
        ({"days": 59}, "59 days"),
        ({"days": 90}, "3 months"),
    ],
)
def test_spans_are_in_one_unit(length: dict[str, int], said: str) -> None:
    assert span(timedelta(**length)) == said


def test_a_moment_to_come_is_not_called_past() -> None:
    assert ago(NOW + timedelta(hours=3), NOW) == "in 3 h"
    assert ago(NOW - timedelta(hours=3), NOW) == "3 h ago"
    assert ago(NOW, NOW) == "just now"


def test_a_runbook_becomes_its_steps() -> None:
    assert steps("1. List the accesses\n   of that day.\n2) Ask.\n\n- Decide\n") == [
        "List the accesses of that day.",
        "Ask.",
        "Decide",
    ]


def test_an_id_is_one_segment_of_a_path_whatever_it_holds() -> None:
    assert segment("A/B?c#d é") == "A%2FB%3Fc%23d%20%C3%A9"


def test_details_are_flat_and_nothing_is_lost() -> None:
    assert flat({"tls": {"version": "TLSv1.3", "verified": True}, "to": ["a", "b"], "size": 3, "none": None, "empty": {}}) == [
        ("tls.version", "TLSv1.3"),
        ("tls.verified", "true"),
        ("to.0", "a"),
        ("to.1", "b"),
        ("size", "3"),
        ("none", "null"),
        ("empty", "–"),
    ]


def test_a_raw_record_is_readable_and_says_what_was_done_to_it() -> None:
    as_json, text, binary, long = (
        raw_record(b'{"a":1}'),
        raw_record(b"{not json"),
        raw_record(b"\xff\x00"),
        raw_record(b"x" * 70_000),
    )

    assert (as_json.text, as_json.is_indented) == ('{\n  "a": 1\n}', True)
    assert (text.text, text.is_indented, text.is_binary) == ("{not json", False, False)
    assert (binary.text, binary.is_binary) == ("\\xff\x00", True)
    assert (len(long.text), long.size, long.is_cut) == (65_536, 70_000, True)


def state(integrity: Integrity, gaps: Verdict | None) -> RecordState:
    verification = Verification(integrity=integrity, problems=(), entries=1, spine_entries=1, signed_size=1, disposed=0)
    completeness = None if gaps is None else Completeness(verdict=gaps, findings=(), sources=())
    return RecordState(verified_at=NOW, verification=verification, completeness=completeness)


@pytest.mark.parametrize(
    ("known", "tone", "words"),
    [
        (RecordState(), "unknown", "not verified yet"),
        (state(Integrity.UNKNOWN, Verdict.NO_GAP_SEEN), "unknown", "not verified yet"),
        (state(Integrity.TAMPERED, Verdict.NO_GAP_SEEN), "bad", "was changed"),
        (state(Integrity.INTACT, Verdict.GAPS), "warn", "not complete"),
        (state(Integrity.INTACT, Verdict.UNKNOWN), "good", "is intact."),
        (state(Integrity.INTACT, None), "good", "is intact."),
        (state(Integrity.INTACT, Verdict.NO_GAP_SEEN), "good", "no gap is known"),
    ],
)
def test_the_two_verdicts_are_not_mixed_up(known: RecordState, tone: str, words: str) -> None:
    sentence, advice, shown = verdict(known)

    assert shown == tone
    assert words in sentence
    assert advice
