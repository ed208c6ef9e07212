"""The register of writer logs: one per writer and month of receipt, with its genesis and the secret that salts its digests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from store.engine import Engine
from store.tree import Log

_ALL = "SELECT writer, epoch, origin, first_seq, previous, secret FROM logs FINAL ORDER BY writer, epoch"

_RIVALS = "SELECT uniqExact(secret) FROM logs WHERE writer = {writer:String} AND epoch = {epoch:UInt32}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """A registered log. `previous` is its genesis (32 bytes), `secret` the epoch secret (32 bytes)."""

    writer: str
    epoch: int
    origin: str
    first_seq: int
    previous: bytes
    secret: bytes

    @property
    def log(self) -> Log:
        """The log as a tree."""
        return Log(origin=self.origin, writer=self.writer, epoch=self.epoch, first_seq=self.first_seq)


def epoch_of(received: datetime) -> int:
    """The month of receipt in UTC as YYYYMM."""
    return received.year * 100 + received.month


def log_origin(spine_origin: str, writer: str, epoch: int) -> str:
    """`<deployment>/<writer>/<YYYY-MM>`, beside the spine's `<deployment>/spine`."""
    deployment = spine_origin.rsplit("/", 1)[0]
    return f"{deployment}/{writer}/{epoch // 100:04d}-{epoch % 100:02d}"


def registered_logs(engine: Engine, writer: str | None = None) -> Sequence[LogRecord]:
    """Every log (of one writer), oldest first."""
    records = [
        LogRecord(writer=row[0], epoch=row[1], origin=row[2], first_seq=row[3], previous=row[4], secret=row[5])
        for row in engine.frame(_ALL).iter_rows()
    ]
    return [record for record in records if writer is None or record.writer == writer]


def register_log(engine: Engine, record: LogRecord) -> None:
    """Add a log before its first entry is written."""
    engine.insert(
        "logs",
        pl.DataFrame(
            {
                "writer": [record.writer],
                "epoch": pl.Series([record.epoch], dtype=pl.UInt32),
                "origin": [record.origin],
                "first_seq": pl.Series([record.first_seq], dtype=pl.UInt64),
                "previous": pl.Series([record.previous], dtype=pl.Binary),
                "secret": pl.Series([record.secret], dtype=pl.Binary),
            }
        ),
    )


def has_rival(engine: Engine, record: LogRecord) -> bool:
    """Whether another node registered this log as well: two nodes were given one writer name."""
    ((secrets,),) = engine.rows(_RIVALS, writer=record.writer, epoch=record.epoch)
    return secrets != 1
