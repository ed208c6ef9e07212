"""One SQL question per rule plan: its text is constants of this file, checked field names and whole numbers; values are bound.

An occurrence of a node is: k (the group's values, joined), t (when it became true, microseconds), s (where its evidence begins),
w and q (writer and seq of its last event), v (receipt of that event), d (the value being counted). The answer is the events inside:
day, k, t (event time), w, q, e, a, p (event, actor and patient id), f and x (flags and reasons), c0… (fields for sentences), and h:
whether an occurrence ends with this event.
"""

from collections.abc import Sequence
from typing import assert_never

from domain.clock import microseconds
from store.cursors import Span
from store.rule_fields import as_text, has_field
from store.rule_plans import Count, InOrder, Match, Missing, Plan, Together, Window, leaves, reach

BETWEEN = "time >= fromUnixTimestamp64Micro({start:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({end:Int64}, 'UTC')"

_SEPARATOR = "'\\x1f'"

_LOCAL_DAY = "toDate(fromUnixTimestamp64Micro(t, 'UTC'), {zone:String}) AS day"

_NO_TEXTS = "CAST([], 'Array(String)')"

_HITS = f"""
WITH %(nodes)s,
hits AS (SELECT k, s, t, w, q, {_LOCAL_DAY} FROM %(root)s WHERE t >= {{from:Int64}} AND t < {{end:Int64}})
"""

# The stretches of time in which a group's occurrences of one day overlap, and the events inside them. Stretches are few where
# occurrences are many (every failed log-in after the tenth is one), so the join stays linear.
_CITED = """,
marked AS (
    SELECT k, day, s, t, s > max(t) OVER (
        PARTITION BY k, day ORDER BY s, t ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS begins FROM hits
),
numbered AS (SELECT k, day, s, t, sum(begins) OVER (PARTITION BY k, day ORDER BY s, t) AS stretch FROM marked),
stretches AS (SELECT k, day, min(s) AS opened, max(t) AS closed FROM numbered GROUP BY k, day, stretch)
SELECT DISTINCT day, (w, q) IN (SELECT w, q FROM hits) AS h, %(columns)s FROM (%(rows)s) AS cited INNER JOIN stretches USING k
WHERE t >= opened AND t <= closed%(ends)s ORDER BY day, k, t, w, q
"""

# The n-th event counted back from this one is at most the span away.
_COUNT = """
SELECT k, t, s, w, q, v, '' AS d FROM (
    SELECT k, t, t - %(reach)d AS s, w, q, v, lagInFrame(t, %(before)d) OVER past AS nth FROM (%(parts)s)
    WINDOW past AS (PARTITION BY k ORDER BY t, w, q ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
) WHERE nth > 0 AND t - nth <= %(span)d
"""

# RANGE takes offsets of 32 bits only: milliseconds, and not more than `LONGEST_DISTINCT`.
_DISTINCT = """
SELECT k, t, s, w, q, v, '' AS d FROM (
    SELECT k, t, t - %(reach)d AS s, w, q, v, uniqExact(d) OVER span AS n FROM (%(parts)s)
    WINDOW span AS (PARTITION BY k ORDER BY intDiv(t, 1000) RANGE BETWEEN %(milliseconds)d PRECEDING AND CURRENT ROW)
) WHERE n >= %(at_least)d
"""

_TOGETHER = """
SELECT k, t, s, w, q, v, '' AS d FROM (
    SELECT k, t, t - %(reach)d AS s, w, q, v, %(seen)s AS n FROM (%(parts)s)
    WINDOW past AS (PARTITION BY k ORDER BY t, w, q, i DESC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
) WHERE n >= %(at_least)d
"""

# `chain` is the latest (time, beginning) of the sequence's first kind from which a row can be reached in order. A row that is of
# two kinds sorts the later kind first, so that an event never follows itself.
_FIRST_STEP = "SELECT i, k, t, w, q, v, if(i = 0, (t, s), (toInt64(0), toInt64(0))) AS chain FROM (%(parts)s)"

_NEXT_STEP = """
SELECT i, k, t, w, q, v, linked AS chain FROM (
    SELECT i, k, t, w, q, v, if(i = %(step)d, maxIf(chain, i = %(before)d) OVER past, chain) AS linked FROM (%(previous)s)
    WINDOW past AS (PARTITION BY k ORDER BY t, w, q, i DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
"""

_IN_ORDER = """
SELECT k, t, chain.2 AS s, w, q, v, '' AS d FROM (%(previous)s) WHERE i = %(step)d AND chain.1 > 0 AND t - chain.1 <= %(span)d
"""

# Whether the second kind failed to come is said only of what was received early enough for it to have been received too.
_MISSING = """
SELECT k, over AS t, s, w, q, v, '' AS d FROM (
    SELECT i, k, t + %(span)d AS over, s, w, q, v, minIf(t, i = 1) OVER next AS came FROM (%(parts)s)
    WINDOW next AS (PARTITION BY k ORDER BY t RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
) WHERE i = 0 AND (came = 0 OR came > over) AND v <= {settled:Int64}
"""

LONGEST_DISTINCT = 24 * 86_400
"""The longest span, in seconds, over which different values can be counted."""

_MICROSECONDS = 1_000_000


class Question:
    """The SQL of one plan over one window, and the values it binds. Raises InvalidInput for a field that a leaf does not have.

    `hits` counts the occurrences of a correlation, which most of the time are none; '' for a single predicate.
    """

    def __init__(self, plan: Plan, window: Window, columns: Sequence[str], spans: Sequence[Span] | None) -> None:
        """With `spans`, only what belongs to groups (of a single predicate: groups and days) of entries in them."""
        self._columns = columns
        self._spans = spans
        self._leaves = list(leaves(plan))
        self._nodes: list[str] = []
        self.parameters: dict[str, object] = bounds(window, reach(plan))
        for leaf in self._leaves:
            self.parameters |= leaf.where.parameters
        if spans is not None:
            self.parameters |= _span_bounds(spans)
        self.hits = ""
        self.sql = self._of_one(plan) if isinstance(plan, Match) else self._of_many(plan)

    def _of_one(self, leaf: Match) -> str:
        place = ""
        if self._spans is not None:
            day = "toDate(time, {zone:String})"
            touched = f"SELECT {day}, {group_key(leaf)} FROM {merged(leaf)} WHERE {_in_spans(self._spans)} AND ({leaf.where.text})"
            place = f" AND ({day}, {group_key(leaf)}) IN ({touched})"
        return f"SELECT {_LOCAL_DAY}, true AS h, {self._names()} FROM ({self._rows(0, leaf, place)}) ORDER BY day, k, t, w, q"

    def _of_many(self, plan: Plan) -> str:
        place = ""
        if self._spans is not None:
            touched = (
                f"SELECT {group_key(leaf)} FROM {merged(leaf)} WHERE {_in_spans(self._spans)} AND ({leaf.where.text})"
                for leaf in self._leaves
            )
            place = f" AND k IN ({' UNION DISTINCT '.join(touched)})"
        root = self._node(plan, place)
        # Of the kind that ends a sequence only the events that ended one are cited, not others of that kind on the way.
        # Where the second kind failed to come, only the first can be cited.
        ends = ""
        if isinstance(plan, InOrder) and isinstance(plan.of[-1], Match):
            ends = f" AND (r != {len(self._leaves) - 1} OR h)"
        elif isinstance(plan, Missing):
            ends = " AND h" if isinstance(plan.of[0], Match) else f" AND r < {len(list(leaves(plan.of[0])))}"
        rows = " UNION ALL ".join(self._rows(index, leaf, place) for index, leaf in enumerate(self._leaves))
        hits = _HITS % {"nodes": ", ".join(self._nodes), "root": root}
        self.hits = hits + "SELECT count() FROM hits"
        return hits + _CITED % {"rows": rows, "columns": self._names(), "ends": ends}

    def _rows(self, index: int, leaf: Match, place: str) -> str:
        """The rows of one leaf inside the window and the reach before it."""
        flags, reasons = (name if name in leaf.source.fields else _NO_TEXTS for name in ("flags", "reasons"))
        texts = [as_text(leaf.source, name) if has_field(leaf.source, name) else "''" for name in self._columns]
        cited = "".join(f", {text} AS c{number}" for number, text in enumerate(texts))
        return f"""
        SELECT {index} AS r, {group_key(leaf)} AS k, toUnixTimestamp64Micro(time) AS t,
            toString(writer) AS w, seq AS q, event_id AS e, actor_id AS a, patient_id AS p, {flags} AS f, {reasons} AS x{cited}
        FROM {merged(leaf)} WHERE {BETWEEN} AND ({leaf.where.text}){place}
        """

    def _names(self) -> str:
        return ", ".join(["k", "t", "w", "q", "e", "a", "p", "f", "x", *(f"c{number}" for number in range(len(self._columns)))])

    def _node(self, plan: Plan, place: str) -> str:
        """Add the occurrences of a node as a named table and return its name."""
        if isinstance(plan, Match):
            counted = as_text(plan.source, plan.counted) if plan.counted else "''"
            return self._named(
                f"""
                SELECT {group_key(plan)} AS k, toUnixTimestamp64Micro(time) AS t, t AS s, toString(writer) AS w, seq AS q,
                    toUnixTimestamp64Micro(received) AS v, {counted} AS d
                FROM {merged(plan)} WHERE {BETWEEN} AND ({plan.where.text}){place}
                """
            )
        names = [self._node(part, place) for part in plan.of]
        parts = " UNION ALL ".join(f"SELECT {index} AS i, k, t, s, w, q, v, d FROM {name}" for index, name in enumerate(names))
        span = plan.span * _MICROSECONDS
        facts: dict[str, object] = {"parts": parts, "span": span, "reach": reach(plan) * _MICROSECONDS}
        match plan:
            case Count(distinct=True):
                return self._named(_DISTINCT % (facts | {"milliseconds": plan.span * 1_000, "at_least": plan.at_least}))
            case Count():
                return self._named(_COUNT % (facts | {"before": plan.at_least - 1}))
            case Together():
                seen = " + ".join(f"(t - maxIf(t, i = {index}) OVER past <= {span})" for index in range(len(names)))
                return self._named(_TOGETHER % (facts | {"seen": seen, "at_least": plan.at_least}))
            case Missing():
                return self._named(_MISSING % facts)
            case InOrder():
                sql = _FIRST_STEP % facts
                for step in range(1, len(names)):
                    sql = _NEXT_STEP % {"step": step, "before": step - 1, "previous": sql}
                return self._named(_IN_ORDER % {"previous": sql, "step": len(names) - 1, "span": span})
            case _ as never:
                assert_never(never)

    def _named(self, sql: str) -> str:
        name = f"n{len(self._nodes)}"
        self._nodes.append(f"{name} AS ({sql})")
        return name


def touches(plan: Plan, spans: Sequence[Span]) -> tuple[str, dict[str, object]]:
    """Whether any entry in the spans is one of the events of a plan: the question, answered by a count, and its values."""
    parameters = _span_bounds(spans)
    asked = []
    for leaf in leaves(plan):
        parameters |= leaf.where.parameters
        asked.append(f"SELECT 1 FROM {merged(leaf)} WHERE {_in_spans(spans)} AND ({leaf.where.text}) LIMIT 1")
    return f"SELECT count() FROM ({' UNION ALL '.join(asked)})", parameters


def bounds(window: Window, before: int) -> dict[str, object]:
    """The window as parameters; rows are read from `before` seconds earlier, occurrences count from `from` on."""
    start = microseconds(window.start)
    return {"start": start - before * _MICROSECONDS, "from": start, "end": microseconds(window.end), "zone": window.zone}


def group_key(leaf: Match) -> str:
    """The group an event belongs to, as one text: its values joined by U+001F."""
    return f"concat({', '.join(part for name in leaf.group for part in (as_text(leaf.source, name), _SEPARATOR))})"


def merged(leaf: Match) -> str:
    """The table of a leaf, each entry read once."""
    return f"{leaf.source.table} FINAL" if leaf.source.replaced else leaf.source.table


def _in_spans(spans: Sequence[Span]) -> str:
    places = [
        f"writer = {{span{index}_writer:String}} AND seq >= {{span{index}_first:UInt64}} AND seq <= {{span{index}_last:UInt64}}"
        for index in range(len(spans))
    ]
    return f"({' OR '.join(f'({place})' for place in places) or 'false'})"


def _span_bounds(spans: Sequence[Span]) -> dict[str, object]:
    bound: dict[str, object] = {}
    for index, span in enumerate(spans):
        bound |= {f"span{index}_writer": span.writer, f"span{index}_first": span.first, f"span{index}_last": span.last}
    return bound
