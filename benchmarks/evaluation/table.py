"""The figures as text: one table a hospital, and the worst of each figure over all of them beside what is aimed for."""

from collections.abc import Iterable, Sequence

from benchmarks.evaluation.figures import Figures, Own
from benchmarks.evaluation.hospital.build import Facts
from benchmarks.evaluation.measure import Workload, places_a_day
from benchmarks.evaluation.session import Result

_COLUMNS = ("method", "recall", "prec.", "strict", "80 %", "prec.", "90 %", "prec.", "AP", "AP targ.", "at all", "cases")
_WIDTHS = (26, 7, 7, 7, 7, 7, 7, 7, 7, 9, 7, 7)


def table(result: Result) -> str:
    """Everything about one hospital."""
    facts, figures, own = result.facts, result.figures, result.own
    lines = [_title(facts), _row(_COLUMNS)]
    lines += [_row(_cells(one)) for one in figures]
    lines.append(
        f"N = {places_a_day(facts.staff)} cases a day; a perfect detector filling them has precision {figures[0].ceiling:.2f}"
    )
    lines.append("80 % and 90 %: cases a day for 800 staff until so many of the incidents are found, and precision there; – never")
    lines += _own(own)
    lines += ["", "found at N, by scenario (* not in the documents):", *_scenarios(figures[0], result.unknown)]
    return "\n".join(lines)


def misses(result: Result) -> str:
    """What phitrail did not show, one line each."""
    return "\n".join(["not shown:", *(f"  {miss.sentence()}" for miss in sorted(result.own.missed, key=lambda m: m.scenario))])


def worst(results: Sequence[Result]) -> str:
    """The worst hospital for each figure of phitrail."""
    lines = [f"worst of seeds {', '.join(str(result.facts.seed) for result in results)}:"]

    def line(name: str, values: Iterable[tuple[float | None, int]], *, aim: str, largest: bool = False) -> None:
        known = [(value, seed) for value, seed in values if value is not None and value == value]  # noqa: PLR0124 - NaN
        if known:
            value, seed = max(known) if largest else min(known)
            lines.append(f"  {name:<46} {value:>9.2f}   seed {seed:<5} aim {aim}")

    for rarity in sorted({result.facts.rarity for result in results}):
        mine = [result for result in results if result.facts.rarity == rarity]
        lines.append(f" incidents {rarity} times rarer:" if rarity > 1 else " incidents as they come:")
        line("recall at N", ((r.figures[0].recall, r.facts.seed) for r in mine), aim="0.95")
        line("cases a day for 80 %", ((_load(r.figures[0].for_80), r.facts.seed) for r in mine), aim="4 (rarer: 2.5)", largest=True)
        line("precision there", ((_right(r.figures[0].for_80), r.facts.seed) for r in mine), aim="0.6")
        line("cases a day for 90 %", ((_load(r.figures[0].for_90), r.facts.seed) for r in mine), aim="6.5", largest=True)
        line("precision there", ((_right(r.figures[0].for_90), r.facts.seed) for r in mine), aim="0.5")
        line("average precision", ((r.figures[0].average_precision, r.facts.seed) for r in mine), aim="0.85")
        line("targeted average precision", ((r.figures[0].targeted_precision, r.facts.seed) for r in mine), aim="0.40")
        line(
            "median delay, rule-like, minutes",
            ((_scaled(r.own.rule_delay, 60), r.facts.seed) for r in mine),
            aim="15",
            largest=True,
        )
        line(
            "median delay, behavioural, hours",
            ((_scaled(r.own.behaviour_delay, 3600), r.facts.seed) for r in mine),
            aim="24",
            largest=True,
        )
        line("legitimate accesses explained", ((r.own.explained, r.facts.seed) for r in mine), aim="0.95")
    lines += [" recall at N by scenario, over all runs:", *_pooled(results)]
    return "\n".join(lines)


def _pooled(results: Sequence[Result]) -> list[str]:
    sums: dict[str, tuple[int, int]] = {}
    for result in results:
        for name, (hit, every) in result.figures[0].by_scenario.items():
            before = sums.get(name, (0, 0))
            sums[name] = (before[0] + hit, before[1] + every)
    ordered = sorted(sums.items(), key=lambda item: (item[1][0] / item[1][1], item[0]))
    return [f"  {name:<26} {hit:>4} of {every:<4} {hit / every:.2f}" for name, (hit, every) in ordered]


def _title(facts: Facts) -> str:
    rare = f", incidents {facts.rarity} times rarer" if facts.rarity > 1 else ""
    return (
        f"seed {facts.seed} ({facts.scale}{rare}): {facts.staff} staff, {facts.patients} patients, {facts.days} days from "
        f"{facts.first_day} ({facts.zone}), {facts.events:,} events, {facts.incidents} incidents"
    )


def _row(cells: Sequence[str]) -> str:
    return "".join(
        f"{cell:<{width}}" if n == 0 else f"{cell:>{width}}" for n, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    )


def _cells(one: Figures) -> tuple[str, ...]:
    loads = [text for load in (one.for_80, one.for_90) for text in (_text(_load(load), 1), _text(_right(load)))]
    shares = (one.recall, one.precision, one.strict)
    rest = (_text(one.average_precision), _text(one.targeted_precision), _text(one.found_at_all), _text(one.cases_a_day, 1))
    return (one.method, *(_text(share) for share in shares), *loads, *rest)


def _own(own: Own) -> list[str]:
    replay = "not asked" if own.replay_differences is None else f"{len(own.replay_differences)} alerts differ"
    minutes, hours = _text(_scaled(own.rule_delay, 60), 1), _text(_scaled(own.behaviour_delay, 3600), 1)
    return [
        f"median delay: rule-like {minutes} minutes, behavioural {hours} hours",
        f"legitimate accesses explained: {own.explained:.4f}; {own.undocumented:.1%} of the ordinary sessions left no record",
        f"replay to the middle of the period: {replay}",
        "seconds: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in own.seconds.items()),
    ]


def _scenarios(one: Figures, unknown: frozenset[str]) -> list[str]:
    return [
        f"  {name + ('*' if name in unknown else ''):<26} {hit:>3} of {every}" for name, (hit, every) in one.by_scenario.items()
    ]


def _load(load: Workload | None) -> float | None:
    return None if load is None else load.cases_a_day


def _right(load: Workload | None) -> float | None:
    return None if load is None else load.precision


def _scaled(value: float | None, by: float) -> float | None:
    return None if value is None else value / by


def _text(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
