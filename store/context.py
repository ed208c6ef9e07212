"""ContextStore: every version of every reference record, and since when each was knowledge.

A record that equals its newest version adds nothing; one that differs adds a version. The first version is knowledge from the
moment the record itself names (`recorded_at`, `created_at`, `placed_at`, `opened_at`), or always where its kind has no such field;
a later version is knowledge from the later moment it names, or else from the moment it was loaded. Nothing is ever deleted.
"""

import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from zoneinfo import ZoneInfo

import orjson
import polars as pl

from domain.clock import microseconds
from domain.context import KINDS, Kind, Record
from domain.context_fields import instant_of
from domain.errors import NotFound
from domain.json import canonical
from domain.organisation import ORG, Organisation
from store import context_duties as duties
from store import context_people as people
from store import context_ties as ties
from store.context_frames import decoded
from store.context_rows import ALWAYS, MOMENT, NEVER, Projection, Version
from store.engine import Engine

_PROJECTIONS: Mapping[str, tuple[Projection, ...]] = {
    "staff": (people.STAFF, duties.POSTS),
    "patients": (people.PATIENTS, ties.PRIMARY_CARE),
    "encounters": (ties.ENCOUNTERS,),
    "appointments": (ties.APPOINTMENTS,),
    "referrals": (ties.REFERRALS,),
    "orders": (ties.ORDERS,),
    "worklists": (ties.WORKLISTS,),
    "protocols": (ties.COHORTS, duties.INVESTIGATORS),
    "shifts": (duties.SHIFTS,),
    "leave": (duties.LEAVE,),
    "training": (duties.TRAINING,),
}

_ORG_KIND = Kind(name=ORG, key=())

_NEWEST = """
SELECT key, max(version) AS newest, argMax(content_hash, version) AS hash, argMax(known_from, version) AS since
FROM context_records WHERE kind = {kind:String} GROUP BY key
"""

_BODIES = """
SELECT key, argMax(body, version) AS body FROM context_records
WHERE kind = {kind:String} AND key IN {keys:Array(String)} GROUP BY key
"""

_KNOWN = """
SELECT key, argMax(body, version) AS body FROM context_records
WHERE kind = {kind:String} AND known_from <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') GROUP BY key ORDER BY key
"""

_HISTORY = """
SELECT key, version, known_from, body FROM context_records FINAL WHERE kind = {kind:String} ORDER BY key, version
"""

_KEYS_A_QUESTION = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a load did with the records of one kind: new keys, changed ones (a version more), and those already as given."""

    read: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0


class ContextStore:
    """Reads and writes reference data. Thread-safe; loads through one instance are serialised."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._guard = threading.Lock()

    def load(self, records: Mapping[str, Sequence[Record]], loaded_at: datetime) -> dict[str, Loaded]:
        """Add records by kind (`domain.context.KINDS`, or `org` with one record), already checked. Says what became of each kind.

        Of several records with one key the last counts. Safe to repeat: rows for joins are written before the version that makes a
        repeat see "unchanged".
        """
        with self._guard:
            found: dict[str, Loaded] = {}
            zone = self.org().timezone
            for kind in sorted(records, key=lambda name: name != ORG):  # the clock of the organisation first
                found[kind] = self._load(kind, records[kind], loaded_at)
            if self.org().timezone != zone:
                self._rebuild(loaded_at)  # local midnights have moved
            return found

    def frame(self, kind: str, as_of: datetime | None = None) -> pl.DataFrame:
        """The newest version of each record, typed by `domain.context.KINDS`; with `as_of`, as it was known at that moment.

        Instants are Datetime in UTC, days Date, moment fields text (a date or an instant), open fields text (JSON where they are
        not plain). Unknown fields are not columns. Raises NotFound for an unknown kind.
        """
        if kind not in KINDS:
            raise NotFound(f"there is no reference data of the kind {kind[:40]!r}")
        bodies = self._engine.frame(_KNOWN, kind=kind, as_of=microseconds(as_of or NEVER))
        return decoded(KINDS[kind], bodies["body"])

    def org(self, as_of: datetime | None = None) -> Organisation:
        """The organisation: time zone, holidays, addresses of remote access, units."""
        bodies = self._engine.frame(_KNOWN, kind=ORG, as_of=microseconds(as_of or NEVER))
        return Organisation.of(orjson.loads(bodies["body"][0])) if bodies.height else Organisation()

    def _load(self, kind: str, records: Sequence[Record], loaded_at: datetime) -> Loaded:
        spec = KINDS.get(kind, _ORG_KIND)
        given = {spec.key_of(record): record for record in records}
        bodies = {key: canonical(record) for key, record in given.items()}
        hashes = {key: hashlib.sha256(body).hexdigest() for key, body in bodies.items()}
        current = {row["key"]: row for row in self._engine.frame(_NEWEST, kind=kind).iter_rows(named=True)}
        differing = [key for key in given if key not in current or current[key]["hash"] != hashes[key]]
        changed = [key for key in differing if key in current]
        zone = Organisation.of(given[""]).timezone if kind == ORG and given else self.org().timezone
        fresh = [
            Version(
                key=key,
                version=int(current[key]["newest"]) + 1 if key in current else 1,
                known_from=_known_from(spec, given[key], current.get(key), loaded_at, zone),
                known_until=NEVER,
                record=given[key],
            )
            for key in differing
        ]
        begins = {version.key: version.known_from for version in fresh}
        closed = [
            Version(
                key=key,
                version=int(current[key]["newest"]),
                known_from=current[key]["since"],
                known_until=begins[key],
                record=record,
            )
            for key, record in self._bodies(kind, changed)
        ]
        self._project(_PROJECTIONS.get(kind, ()), [*closed, *fresh], zone, loaded_at)
        if fresh:
            self._engine.insert("context_records", _record_rows(kind, fresh, bodies, hashes, loaded_at))
        return Loaded(
            read=len(records), new=len(differing) - len(changed), changed=len(changed), unchanged=len(given) - len(differing)
        )

    def _rebuild(self, loaded_at: datetime) -> None:
        """Make the rows for joins of every version again, on the clock of the organisation as it is now."""
        zone = self.org().timezone
        for kind, projections in _PROJECTIONS.items():
            history = self._engine.frame(_HISTORY, kind=kind)
            until = pl.col("known_from").shift(-1).over("key").fill_null(NEVER)
            versions = [
                Version(
                    key=row["key"],
                    version=row["version"],
                    known_from=row["known_from"],
                    known_until=row["until"],
                    record=orjson.loads(row["body"]),
                )
                for row in history.with_columns(until=until).iter_rows(named=True)
            ]
            self._project(projections, versions, zone, loaded_at)

    def _project(self, projections: Sequence[Projection], versions: Sequence[Version], zone: ZoneInfo, loaded_at: datetime) -> None:
        for projection in projections:
            rows = projection.frame(versions, zone, microseconds(loaded_at))
            if rows.height:
                self._engine.insert(projection.table, rows)

    def _bodies(self, kind: str, keys: Sequence[str]) -> Iterable[tuple[str, Record]]:
        """The newest stored body of each key, asked for in portions that fit a query."""
        for start in range(0, len(keys), _KEYS_A_QUESTION):
            portion = list(keys[start : start + _KEYS_A_QUESTION])
            for key, body in self._engine.rows(_BODIES, kind=kind, keys=portion):
                yield str(key), cast("Record", orjson.loads(str(body)))


def _known_from(spec: Kind, record: Record, newest: Mapping[str, object] | None, loaded_at: datetime, zone: ZoneInfo) -> datetime:
    named = instant_of(record.get(spec.known), zone) if spec.known else None
    if newest is None:
        return named or ALWAYS
    since = newest["since"]
    assert isinstance(since, datetime)
    return max(named if named is not None and named > since else loaded_at.astimezone(UTC), since)


def _record_rows(
    kind: str, versions: Sequence[Version], bodies: Mapping[str, bytes], hashes: Mapping[str, str], loaded_at: datetime
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "kind": [kind] * len(versions),
            "key": [version.key for version in versions],
            "version": [version.version for version in versions],
            "known_from": [version.known_from for version in versions],
            "loaded_at": [loaded_at.astimezone(UTC)] * len(versions),
            "content_hash": [hashes[version.key] for version in versions],
            "body": [bodies[version.key].decode() for version in versions],
        },
        schema_overrides={"version": pl.UInt32, "known_from": MOMENT, "loaded_at": MOMENT},
    )
