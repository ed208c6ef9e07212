"""Ids for records that carry none: what they say, and how often the stream said it before.

Reading a file again gives the same ids, so everything in it is a duplicate; two records that are alike are two events.
"""

from ingest.parsers.recent import Recent

REMEMBERED = 65_536
"""How many different records back an identical one is still told apart from a record read twice."""


class Repeats:
    """Counts how often a stream has held the same content. One thread at a time."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: Recent[bytes, int] = Recent(REMEMBERED)

    def event_id(self, digest: bytes) -> str:
        """The id of a record by the SHA-256 of its content (its first half is used): the second alike ends in `~2`."""
        key = digest[:16]
        times = (self._seen.get(key) or 0) + 1
        self._seen.put(key, times)
        return key.hex() if times == 1 else f"{key.hex()}~{times}"
