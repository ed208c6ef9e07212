"""What is known of single messages across entries: when one was first seen, and whether the portal says which message was read."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

from domain.clock import microseconds
from store.cursors import Span
from store.engine import Engine

# The earliest row of a message stays the earliest when rows are repeated: no FINAL.
_FIRST = """
SELECT message_key, min(time) FROM delivery_facts
WHERE message_key IN {keys:Array(String)}
    AND time >= fromUnixTimestamp64Micro({start:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({end:Int64}, 'UTC')
GROUP BY message_key
"""

_READS = """
SELECT toDate(time, 'UTC') AS day, toInt64(count()) AS reads,
    toInt64(countIf(JSONExtractString(details, 'message_id') != '')) AS named
FROM events
WHERE source = 'portal' AND action = 'view_message'
    AND time >= fromUnixTimestamp64Micro({start:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({end:Int64}, 'UTC')
GROUP BY day ORDER BY day
"""


_HOMES = """
SELECT mx_home, toDate(time, 'UTC') AS day, toInt64(countIf(tls_verdict = 'none')) AS plain,
    toInt64(countIf(tls_verdict NOT IN ('none', 'unknown'))) AS encrypted, groupUniqArray(4)(to_domain) AS domains
FROM delivery_facts FINAL
WHERE mx_home IN {homes:Array(String)} AND action IN ('deliver', 'forward') AND outcome IN ('', 'success', 'delivered')
    AND direction NOT IN ('inbound', 'internal')
    AND time >= fromUnixTimestamp64Micro({start:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({end:Int64}, 'UTC')
    AND NOT arrayExists((w, f, l) -> writer = w AND seq >= f AND seq <= l,
        {writers:Array(String)}, {firsts:Array(UInt64)}, {lasts:Array(UInt64)})
GROUP BY mx_home, day ORDER BY mx_home, day
"""


class MailMessages:
    """Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def first_seen(self, keys: Collection[str], start: datetime, end: datetime) -> dict[str, datetime]:
        """When messages were first reported in [start, end), by their key; those not known are left out."""
        frame = self._engine.frame(_FIRST, keys=sorted(keys), start=microseconds(start), end=microseconds(end))
        return dict(frame.iter_rows())

    def homes(
        self, homes: Collection[str], start: datetime, end: datetime, *, without: Sequence[Span]
    ) -> list[tuple[str, date, int, int, list[str]]]:
        """Deliveries of [start, end) to servers of these homes by UTC day, without those of some spans: home, day, in the clear,
        encrypted, and up to four of the domains."""
        frame = self._engine.frame(
            _HOMES,
            homes=sorted(homes),
            start=microseconds(start),
            end=microseconds(end),
            writers=[span.writer for span in without],
            firsts=[span.first for span in without],
            lasts=[span.last for span in without],
        )
        return list(frame.iter_rows())

    def reads(self, start: datetime, end: datetime) -> list[tuple[date, int, int]]:
        """Of each UTC day of [start, end): messages read in the portal, and of how many it was said which."""
        return list(self._engine.frame(_READS, start=microseconds(start), end=microseconds(end)).iter_rows())
