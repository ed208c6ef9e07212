"""`python -m benchmarks.evaluation`: synthetic hospitals with answers; phitrail and common methods over them; one table each."""

import argparse
import sys
import tempfile
from pathlib import Path

import orjson

from benchmarks.evaluation import table
from benchmarks.evaluation.hospital.plan import Scale
from benchmarks.evaluation.session import HELD, TUNING, Session


def main(words: list[str]) -> None:
    """Run what the words ask for and print it."""
    asked = _parser().parse_args(words)
    seeds = {"tuning": TUNING, "held": HELD}.get(asked.seeds) or tuple(int(seed) for seed in asked.seeds.split(","))
    with tempfile.TemporaryDirectory() as temporary:
        session = Session(
            work=Path(asked.work or temporary),
            scale=Scale(asked.scale),
            baselines=not asked.no_baselines,
            replay=not asked.no_replay,
            keep=asked.work is not None,
        )
        results = []
        for seed in seeds:
            for rarity in asked.rarity.split(","):
                results.append(session.run(seed, int(rarity)))
                print(table.table(results[-1]), end="\n\n", flush=True)
                if asked.misses:
                    print(table.misses(results[-1]), end="\n\n", flush=True)
    print(table.worst(results))
    if asked.json:
        content = [{"facts": r.facts, "figures": r.figures, "own": r.own, "unknown": sorted(r.unknown)} for r in results]
        Path(asked.json).write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__)
    parser.add_argument("--seeds", default="tuning", help="tuning (1 to 5), held (101 to 105; not while tuning), or a list: 11,12")
    parser.add_argument("--scale", default="full", choices=[scale.value for scale in Scale])
    parser.add_argument("--rarity", default="1", help="how many times rarer the incidents are; a list runs each: 1,7")
    parser.add_argument("--json", help="write all figures to this file")
    parser.add_argument("--misses", action="store_true", help="say of each incident that was not shown what was known of it")
    parser.add_argument("--no-baselines", action="store_true", help="phitrail alone")
    parser.add_argument("--no-replay", action="store_true", help="do not compare with an analysis of half the history")
    parser.add_argument("--work", help="keep hospitals and stores in this folder")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
