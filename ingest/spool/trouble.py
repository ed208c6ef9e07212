"""What an error of the store means for a record: wait on disk, ask the sender to wait, stop, or look at the record.

stopped   IntegrityError: the ledger is not what was written, and a person decides. The record is refused, never kept aside: that
          would look like taken.
away      Backpressure with the engine's error as its cause: the engine cannot be reached. OSError and sqlite3.Error: the disk of
          the node, or the anchor on it, cannot be written. An error of ClickHouse in the list below: no room, too many parts,
          read-only, no quorum, no schema yet. The record waits in the spool.
busy      Backpressure without a cause: too much is waiting in memory, or the node is stopping. The sender has the record safe, and
          waits. A busy store is not an absent one: a spool that a burst may fill is full when the store goes away.
defect    anything else: a defect of ours, or a record that the store cannot hold. The list is closed, because an error that says
          that the *record* is wrong must not hold up all records behind it.
"""

import re
import sqlite3
from enum import Enum

from domain.errors import Backpressure, IntegrityError


class Trouble(Enum):
    """See above."""

    AWAY = "away"
    BUSY = "busy"
    STOPPED = "stopped"
    DEFECT = "defect"


AWAY_CODES = frozenset(
    {
        "ABORTED",
        "ACCESS_DENIED",
        "AUTHENTICATION_FAILED",
        "CANNOT_FSYNC",
        "CANNOT_OPEN_FILE",
        "CANNOT_SCHEDULE_TASK",
        "CANNOT_WRITE_TO_FILE_DESCRIPTOR",
        "KEEPER_EXCEPTION",
        "MEMORY_LIMIT_EXCEEDED",
        "NETWORK_ERROR",
        "NOT_ENOUGH_SPACE",
        "NO_ZOOKEEPER",
        "QUERY_WAS_CANCELLED",
        "QUOTA_EXCEEDED",
        "READONLY",
        "REQUIRED_PASSWORD",
        "S3_ERROR",
        "SOCKET_TIMEOUT",
        "TABLE_IS_READ_ONLY",
        "TIMEOUT_EXCEEDED",
        "TOO_FEW_LIVE_REPLICAS",
        "TOO_MANY_PARTS",
        "TOO_MANY_SIMULTANEOUS_QUERIES",
        "UNKNOWN_DATABASE",
        "UNKNOWN_STATUS_OF_INSERT",
        "UNKNOWN_TABLE",
        "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
        "ZERO_COPY_REPLICATION_ERROR",
    }
)
"""Names of ClickHouse's error codes (src/Common/ErrorCodes.cpp) that say that the store, and not the record, is the trouble."""

_CODE = re.compile(r"DB::(?:[A-Za-z]*::)?[A-Za-z]*Exception\b.*\(([A-Z][A-Z0-9_]+)\)", re.DOTALL)
_NO_SPACE = re.compile(r"No space left on device|Input/output error|Read-only file system|errno: (?:5|28|30)\b")
_TRANSPORT = re.compile(
    r"Connection (?:refused|reset|aborted)|Max retries|timed out|Remote end closed|HTTP[A-Za-z ]* (?:502|503|504)\b"
)


def trouble(error: BaseException) -> Trouble:
    """What an error means, by the list at the top."""
    match error:
        case IntegrityError():
            return Trouble.STOPPED
        case Backpressure():
            return Trouble.BUSY if error.__cause__ is None else Trouble.AWAY
        case OSError() | sqlite3.Error():
            return Trouble.AWAY
    text = str(error)
    code = _CODE.search(text)
    if code is not None and code[1] in AWAY_CODES:
        return Trouble.AWAY
    if _is_of_engine(error) and (_NO_SPACE.search(text) or _TRANSPORT.search(text)):
        return Trouble.AWAY
    return Trouble.DEFECT


def _is_of_engine(error: BaseException) -> bool:
    """By the name of the package: the engine's client is known to `store/` alone."""
    return any(kind.__module__.partition(".")[0] == "clickhouse_connect" for kind in type(error).__mro__)
