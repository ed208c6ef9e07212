"""Mail, judged: how many of the bad deliveries of a stream are found, how many alarms are false, and what judging costs.

`python -m benchmarks.deliveries [COUNT [SEED ...]]`, or `--deliveries COUNT` for the cost of so many in one batch. The stream goes
through a real ledger, the facts are made as the worker makes them, and the rules are asked over the whole period. A delivery counts
as found when a finding of a kind that its label names cites it; an alarm is false when it cites a delivery whose label, and whose
data, do not support its kind. Times are of this machine at this moment and are told as ratios to reading the same entries.
"""

import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from analytics.deliveries import Deliveries
from analytics.sigma.evaluate import Evaluator
from analytics.sigma.loader import load_rules
from benchmarks import many_deliveries
from benchmarks.mail_ledger import lay_down
from benchmarks.mail_stream import SCENARIOS, UNDECIDABLE, stream
from benchmarks.mail_town import BEGIN, DAYS, Letter, Stream
from benchmarks.measure import report, timed
from store.context import ContextStore
from store.cursors import Span
from store.deliveries import DeliveryFacts, MailEntry
from store.engine import Engine
from store.rule_plans import leaves
from store.rules import Rules

COUNT, BATCH = 105_000, 20_000
FACTS_KINDS = frozenset({"tls_downgrade", "misdirected_mail"})
"""Kinds that are suspicions; all others are facts."""


def run(count: int = COUNT, seeds: Sequence[int] = (1,)) -> None:
    """Print recall by scenario, precision by kind and the cost, one stream a seed."""
    for seed in seeds:
        made = stream(seed, count)
        with tempfile.TemporaryDirectory() as folder:
            _one(made, Path(folder), seed)


def _one(made: Stream, folder: Path, seed: int) -> None:
    bad = sum(1 for letter in made.letters if letter.truth)
    report(f"seed {seed}", "deliveries and other mail events", len(made.letters))
    report(f"seed {seed}", "bad ones, in a hundred", 100 * bad / len(made.letters))
    with Engine.embedded(folder) as engine:
        store = lay_down(engine, folder, made)
        spans = [
            Span(writer="main", first=i, last=min(i + BATCH, len(made.letters)) - 1) for i in range(0, len(made.letters), BATCH)
        ]
        _cost(engine, store, spans)
        begin = datetime(BEGIN.year, BEGIN.month, BEGIN.day, tzinfo=UTC)
        evaluator = Evaluator(Rules(engine), store.org().timezone)
        cited: dict[str, set[str]] = defaultdict(set)
        looked_for = {kind for letter in made.letters for kind in letter.truth}
        for rule in load_rules():
            if next(leaves(rule.plan)).source.table == "delivery_facts" or rule.kind in looked_for:
                for finding in evaluator.findings(rule, begin, begin + timedelta(days=DAYS + 2)):
                    cited[rule.kind] |= {evidence.event_id for evidence in finding.evidence}
        _quality(made.letters, cited)


def _cost(engine: Engine, store: ContextStore, spans: Sequence[Span]) -> None:
    facts = DeliveryFacts(engine)
    deliveries = Deliveries(facts, store)
    seconds: Counter[str] = Counter()
    last: list[float] = []
    for span in spans:
        entries: list[MailEntry] = []
        seconds["read"] += timed(lambda span=span, entries=entries: entries.extend(facts.entries(span)))  # type: ignore[misc]
        made: list[object] = []
        took = timed(lambda span=span, entries=entries, made=made: made.extend(deliveries.judged(entries, [span])))  # type: ignore[misc]
        seconds["judge"] += took
        last.append(took)
        seconds["keep"] += timed(lambda made=made: facts.add(made))  # type: ignore[misc]
    report("cost", "judging, against reading the entries", seconds["judge"] / seconds["read"])
    report("cost", "writing the facts, against reading the entries", seconds["keep"] / seconds["read"])
    report("cost", "judging the last full batch, against the first", last[-2] / last[0] if len(last) > 2 else 1.0)
    report("cost", "deliveries judged a second", sum(span.size for span in spans) / seconds["judge"])


def _quality(letters: Sequence[Letter], cited: Mapping[str, set[str]]) -> None:
    ids = {f"d-{number:07d}": letter for number, letter in enumerate(letters)}
    for scenario in (*SCENARIOS, *UNDECIDABLE):
        wanted = [(name, kind) for name, letter in ids.items() if letter.scenario == scenario for kind in letter.truth]
        found = sum(name in cited.get(kind, ()) for name, kind in wanted)
        report("recall" if scenario in SCENARIOS else "undecidable", scenario, found / len(wanted))
    for kind in sorted(cited):
        right = sum(kind in ids[name].truth or kind in ids[name].allowed for name in cited[kind])
        report("precision", f"{kind} ({len(cited[kind])} deliveries cited)", right / len(cited[kind]))
    suspicion = cast("Counter[bool]", Counter())
    for kind, names in cited.items():
        for name in names:
            suspicion[kind in FACTS_KINDS] += not (kind in ids[name].truth or kind in ids[name].allowed)
    report("false", "alarms about facts that the data contradict, in deliveries", suspicion[False])
    report("false", "suspicions that were none, in deliveries", suspicion[True])


if __name__ == "__main__":
    if "--deliveries" in sys.argv[1:]:
        many_deliveries.run(int(sys.argv[-1]))
        sys.exit()
    numbers = [int(argument) for argument in sys.argv[1:]]
    run(numbers[0] if numbers else COUNT, numbers[1:] or (1,))
