"""A writer that wrote nothing for years: its last month is sealed, disposed of, and it goes on where it stopped."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.errors import IntegrityError
from retention.archive import Archive
from retention.disposal import Disposal, Result
from retention.policy import RetentionPolicy
from store.engine import Engine
from store.fsck import Integrity
from store.redaction import RedactionStore
from store.retention import RetentionStore
from tests.retention.old_ledger import BY
from tests.support.cast import chart_view
from tests.support.clock import TickingClock
from tests.support.node import node


def test_the_last_month_of_an_idle_writer_leaves_and_the_writer_goes_on(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock(datetime(2019, 11, 20, 9, tzinfo=UTC))
    with node(engine, tmp_path, clock) as live:
        live.ledger.append([replace(chart_view(n), time=clock.now) for n in range(300)])
    clock.now = datetime(2026, 6, 1, tzinfo=UTC)
    with node(engine, tmp_path, clock) as live:
        live.keeper.seal_due()
        archive = Archive(tmp_path / "archive", RedactionStore(engine))
        disposal = Disposal(RetentionStore(engine), archive, RetentionPolicy(years=6), clock, live.keeper.commit, live.verify)
        assert [outcome.result for outcome in disposal.run(BY)] == [Result.DISPOSED]
    assert engine.rows("SELECT count() FROM events") == [(0,)]

    with node(engine, tmp_path, clock) as again:
        (receipt,) = again.ledger.append([chart_view(300)])
        again.keeper.checkpoint()

        assert receipt.seq == 300
        assert again.ledger.append([replace(chart_view(0), time=datetime(2019, 11, 20, 9, tzinfo=UTC))])[0].seq == 0
        assert again.verify().integrity is Integrity.INTACT


def test_a_last_month_that_went_without_a_tombstone_is_refused(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock(datetime(2019, 11, 20, 9, tzinfo=UTC))
    with node(engine, tmp_path, clock) as live:
        live.ledger.append([chart_view(n) for n in range(3)])
        clock.now = datetime(2026, 6, 1, tzinfo=UTC)
        live.keeper.seal_due()
    engine.execute("ALTER TABLE events DROP PARTITION 201911")

    with pytest.raises(IntegrityError, match="older than its anchor"), node(engine, tmp_path, clock):
        pass


def test_a_clock_that_goes_back_into_a_month_that_is_over_adds_nothing_to_it(engine: Engine, tmp_path: Path) -> None:
    clock = TickingClock(datetime(2026, 3, 20, 9, tzinfo=UTC))
    with node(engine, tmp_path, clock) as live:
        live.ledger.append([chart_view(0)])
    clock.now = datetime(2026, 4, 2, 1, tzinfo=UTC)
    with node(engine, tmp_path, clock) as live:
        live.keeper.seal_due()
        clock.now = datetime(2026, 3, 31, 23, tzinfo=UTC)

        live.ledger.append([chart_view(1)])
        live.keeper.checkpoint()

        assert engine.rows("SELECT epoch, count() FROM events GROUP BY epoch ORDER BY epoch") == [(202603, 1), (202604, 1)]
        assert live.verify().integrity is Integrity.INTACT
