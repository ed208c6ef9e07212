"""What the store says about each access: whether a reason was known at its moment or by the end of its day.

`python -m benchmarks.evaluation.explained DATA_DIR OUT.parquet FIRST_DAY DAYS`, in a process of its own as every use of an
embedded store. No command exports this; it is read through `store.access`, which the pages and the daily detectors use too.
"""

import os
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from domain.clock import system_clock
from runtime.node import open_base
from runtime.settings import load
from store.access import Accesses

_COLUMNS = ("event_id", "local_day", "actor_id", "patient_id", "explained", "reason_kinds", "flags")


def explained(data_dir: Path, first: date, days: int) -> pl.DataFrame:
    """Every access and portal event of the local days, with the columns of `_COLUMNS`; `explained` is 0 or 1."""
    with open_base(load(os.environ, data_dir=data_dir), system_clock) as base:
        accesses = Accesses(base.engine)
        return pl.concat([accesses.of_day(first + timedelta(days=number)).select(_COLUMNS) for number in range(days)])


if __name__ == "__main__":
    explained(Path(sys.argv[1]), date.fromisoformat(sys.argv[3]), int(sys.argv[4])).write_parquet(sys.argv[2])
