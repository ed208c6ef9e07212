"""Ratios of the hot paths, measured in one run: `make bench` (ARGS="ledger verify export parse proof" picks).

Absolute figures are of this machine at this moment. Nothing here gates a test. `python -m benchmarks access --events N` stands
apart, because it takes minutes.
"""

import sys
from collections.abc import Callable

from benchmarks import access, export, ledger, parse, proof, verify
from benchmarks.measure import Report, report

RUNS: dict[str, Callable[[Report], None]] = {
    "ledger": ledger.run,
    "verify": verify.run,
    "proof": proof.run,
    "export": export.run,
    "parse": parse.run,
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["access"]:
        access.main(sys.argv[2:])
        sys.exit()
    for name in sys.argv[1:] or RUNS:
        RUNS[name](report)
