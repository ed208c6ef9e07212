"""Where actors were before: what tells a journey that nobody can make, a place where nobody ever was, an account that slept.

Everything is asked for the actors of a batch and reaches back from its first moment, so a batch costs what it holds. What came
later than an event is never used for it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from domain.clock import microseconds
from store.engine import Engine

_LOCATED = """
SELECT writer, seq, JSONExtractString(private, 'geo', 'city') AS city, JSONExtractString(private, 'geo', 'country') AS country,
    JSONExtract(private, 'geo', 'lat', 'Nullable(Float64)') AS latitude,
    JSONExtract(private, 'geo', 'lon', 'Nullable(Float64)') AS longitude
FROM events
WHERE writer = {writer:String} AND seq BETWEEN {first:UInt64} AND {last:UInt64} AND source IN ('access', 'portal')
  AND position(private, '"geo":{') > 0
"""

_BETWEEN = """
time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
AND actor_id IN {actors:Array(String)}
"""

_TRACKS = f"""
SELECT writer, seq, actor_id, time, ip, city, country, latitude, longitude, network_unit FROM access_facts FINAL
WHERE {_BETWEEN} AND (city != '' OR country != '' OR
    (network_unit != '' AND time >= fromUnixTimestamp64Micro({{recent:Int64}}, 'UTC')))
"""

_LAST_SEEN = f"SELECT actor_id, max(time) AS seen FROM access_facts WHERE {_BETWEEN} GROUP BY actor_id"

_CARING = """
SELECT patient_id, actor_department AS department, actor_id AS colleague_id, time AS seen FROM access_facts
WHERE time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
  AND patient_id IN {patients:Array(String)} AND explained = 1 AND arrayExists(kind -> kind != 'colleague', reason_kinds)
"""

_VISITED = f"SELECT DISTINCT actor_id, city, country FROM access_facts WHERE {_BETWEEN} AND (city != '' OR country != '')"

_FREQUENTED = """
SELECT city, country, uniqExact(actor_id) AS actors FROM access_facts
WHERE time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
  AND (city != '' OR country != '')
GROUP BY city, country
"""

MEMORY = timedelta(days=60)
"""How far back places count as known."""


class Movements:
    """Asks the ledger and the facts. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def located(self, writer: str, first: int, last: int) -> pl.DataFrame:
        """Of these entries, those that say where they came from: writer, seq, city, country, latitude, longitude."""
        return self._engine.frame(_LOCATED, writer=writer, first=first, last=last)

    def tracks(self, actors: Sequence[str], since: datetime, recent: datetime, until: datetime) -> pl.DataFrame:
        """Earlier facts of the actors that say where they were (since `since`) or at which unit (since `recent`)."""
        return self._engine.frame(
            _TRACKS, actors=list(actors), since=microseconds(since), recent=microseconds(recent), until=microseconds(until)
        )

    def last_seen(self, actors: Sequence[str], since: datetime, until: datetime) -> pl.DataFrame:
        """When each of the actors last did anything in the period: actor_id, seen."""
        return self._engine.frame(_LAST_SEEN, actors=list(actors), since=microseconds(since), until=microseconds(until))

    def caring(self, patients: Sequence[str], since: datetime, until: datetime) -> pl.DataFrame:
        """Explained accesses to the patients in the period, apart from those explained by another access only.

        patient_id, department, colleague_id, seen.
        """
        return self._engine.frame(_CARING, patients=list(patients), since=microseconds(since), until=microseconds(until))

    def visited(self, actors: Sequence[str], until: datetime) -> pl.DataFrame:
        """The places where the actors were within memory: actor_id, city, country."""
        since = microseconds(until - MEMORY)
        return self._engine.frame(_VISITED, actors=list(actors), since=since, until=microseconds(until))

    def frequented(self, until: datetime) -> pl.DataFrame:
        """By how many different actors each place was used within memory: city, country, actors."""
        return self._engine.frame(_FREQUENTED, since=microseconds(until - MEMORY), until=microseconds(until))
