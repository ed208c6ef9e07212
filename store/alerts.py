"""Alerts as people work them: an append-only history in which the newest version is the state.

A version is written once, by compare-and-swap: the insert carries the token `<alert_id>:<version>`, ClickHouse drops a second
insert with the same token, and the writer reads back whose row is there. So of two people who decide at the same moment one wins
and the other is told, also when they sit at different nodes. Every version is an event in the ledger, derived from its row alone:
should we stop between row and event, `rerecord` makes the event good and the ledger counts what it already has as a duplicate
(45 CFR 164.316(b)(1)(ii): a written record of each action).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from domain.clock import microseconds
from domain.errors import Conflict, InvalidInput, NotFound
from domain.event import LATEST
from domain.finding import Alert, AlertStatus, Disposition, Severity
from store.alert_events import SERVICE, Record, step_event
from store.alert_rows import Episode, alert_frame, finding_frame, read_episodes
from store.engine import Engine

_NEWEST = "SELECT * FROM alerts WHERE alert_id = {alert_id:String} ORDER BY version DESC LIMIT 1"

_VERSIONS = """
SELECT * FROM alerts WHERE (alert_id, version) IN {keys:Array(Tuple(String, UInt32))} LIMIT 1 BY alert_id, version
"""

_HISTORY = "SELECT * FROM alerts WHERE alert_id = {alert_id:String} ORDER BY version LIMIT 1 BY version"

_OF_KEYS = """
SELECT * FROM alerts
WHERE (alert_id, version) IN (
    SELECT alert_id, max(version) FROM alerts WHERE group_key IN {keys:Array(String)}
    GROUP BY alert_id HAVING argMax(time, version) >= {since:DateTime64(6, 'UTC')})
ORDER BY time, alert_id LIMIT 1 BY alert_id
"""

_FINDINGS = "SELECT alert_id, finding FROM alert_findings FINAL WHERE alert_id IN {alert_ids:Array(String)}"

_BY_ACTOR = " AND alert_id IN (SELECT alert_id FROM alert_findings WHERE actor_id = {actor:String})"

_BY_PATIENT = " AND alert_id IN (SELECT alert_id FROM alert_findings WHERE patient_id = {patient:String})"

# An empty list means: any. The inner question touches narrow columns only; the outer reads one page of whole rows.
_PAGE = """
SELECT * FROM alerts
WHERE (alert_id, version) IN (
    SELECT alert_id, max(version) FROM alerts WHERE true /* parties */
    GROUP BY alert_id
    HAVING (empty({statuses:Array(String)}) OR has({statuses:Array(String)}, argMax(status, version)))
       AND (empty({severities:Array(String)}) OR has({severities:Array(String)}, argMax(severity, version)))
       AND (empty({kinds:Array(String)}) OR has({kinds:Array(String)}, argMax(kind, version)))
       AND argMax(time, version) >= {since:DateTime64(6, 'UTC')} AND argMax(time, version) < {until:DateTime64(6, 'UTC')}
       AND (argMax(time, version), alert_id) < ({before:DateTime64(6, 'UTC')}, {before_id:String})
    ORDER BY argMax(time, version) DESC, alert_id DESC
    LIMIT {limit:UInt32})
ORDER BY time DESC, alert_id DESC LIMIT 1 BY alert_id
"""

# The newest raised version before the end of the period: what a run of that day would have said, whatever was merged later.
_RAISED = """
SELECT * FROM alerts
WHERE (alert_id, version) IN (
    SELECT alert_id, max(version) FROM alerts WHERE raised AND time < {until:DateTime64(6, 'UTC')}
    GROUP BY alert_id HAVING argMax(time, version) >= {since:DateTime64(6, 'UTC')})
ORDER BY time, alert_id LIMIT 1 BY alert_id
"""

_OPEN = """
SELECT * FROM alerts
WHERE (alert_id, version) IN (
    SELECT alert_id, max(version) FROM alerts GROUP BY alert_id HAVING argMax(status, version) != 'resolved')
ORDER BY indexOf(['critical', 'high', 'medium', 'low'], severity), opened, alert_id LIMIT 1 BY alert_id LIMIT {limit:UInt32}
"""

_EXISTING = "SELECT DISTINCT alert_id FROM alerts WHERE alert_id IN {alert_ids:Array(String)}"

_STATUSES = "SELECT alert_id, argMax(status, version) FROM alerts WHERE alert_id IN {alert_ids:Array(String)} GROUP BY alert_id"

_CHANGED = """
SELECT * FROM alerts WHERE updated >= {since:DateTime64(6, 'UTC')}
ORDER BY updated, alert_id, version LIMIT 1 BY alert_id, version
"""

_TALLY = """
SELECT status, severity, kind, count() FROM (
    SELECT argMax(status, version) AS status, argMax(severity, version) AS severity, argMax(kind, version) AS kind
    FROM alerts GROUP BY alert_id)
GROUP BY status, severity, kind ORDER BY status, severity, kind
"""

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"(\d{1,17})\.([0-9a-z]{1,64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertQuery:
    """Which alerts are asked for, by their newest version. Empty means any; [since, until) is about `Alert.time`.

    `actor_id` and `patient_id` find every alert they take part in, also one that names several.
    """

    statuses: tuple[AlertStatus, ...] = ()
    severities: tuple[Severity, ...] = ()
    kinds: tuple[str, ...] = ()
    actor_id: str = ""
    patient_id: str = ""
    since: datetime = _BEGINNING
    until: datetime = LATEST


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPage:
    """Alerts, newest first; `opened` says since when each exists; `next` is the cursor of the page after (None on the last)."""

    alerts: tuple[Alert, ...]
    opened: Mapping[str, datetime]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many alerts there are of one status, severity and kind."""

    status: AlertStatus
    severity: Severity
    kind: str
    alerts: int


class AlertStore:
    """Reads and writes alerts. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, record: Record) -> None:
        self._engine = engine
        self._record = record

    def apply(self, episodes: Sequence[Episode]) -> list[str]:
        """Write what grouping decided; versions of one alert in ascending order. Returns the ids somebody else moved meanwhile.

        For those nothing (more) was written: group their findings again on the state as it is now. The findings go first: they are
        found only through the alert row that names them.
        """
        if not episodes:
            return []
        self._engine.insert("alert_findings", finding_frame(episodes))
        new = {episode.alert.alert_id for episode in episodes if episode.alert.version == 1}
        moved = [str(row[0]) for row in self._engine.rows(_EXISTING, alert_ids=sorted(new))] if new else []
        opening = [episode for episode in episodes if episode.alert.alert_id in new.difference(moved)]
        if opening:
            steps = "\n".join(sorted(_token(episode.alert) for episode in opening))
            self._engine.insert("alerts", alert_frame(opening), token=hashlib.sha256(steps.encode()).hexdigest())
        written = [episode.alert for episode in opening]
        growing = [episode for episode in episodes if episode.alert.alert_id not in new]
        while growing:
            # The next version of each alert; one whose version is lost gets no further one built on it.
            turn = {episode.alert.alert_id: episode for episode in reversed(growing)}
            lost = self._lost(list(turn.values()))
            moved += lost
            written += [episode.alert for name, episode in turn.items() if name not in lost]
            growing = [item for item in growing if item.alert.alert_id not in lost and item is not turn[item.alert.alert_id]]
        if written:
            self._record([step_event(alert) for alert in written])
        return moved

    def acknowledge(self, alert_id: str, *, by: str, note: str, at: datetime, expected_version: int) -> Alert:
        """A person takes an open alert on. Raises NotFound, and Conflict when it is not open or not in the version they saw."""
        return self._decide(alert_id, AlertStatus.ACKNOWLEDGED, {AlertStatus.OPEN}, by, note, at, expected_version)

    def resolve(
        self,
        alert_id: str,
        *,
        by: str,
        note: str,
        at: datetime,
        expected_version: int,
        disposition: Disposition = Disposition.UNSTATED,
    ) -> Alert:
        """A person closes an alert and says what it was; a later finding opens a new one.

        Raises NotFound, and Conflict as `acknowledge` does.
        """
        allowed = {AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED}
        return self._decide(alert_id, AlertStatus.RESOLVED, allowed, by, note, at, expected_version, disposition)

    def get(self, alert_id: str) -> Alert:
        """The alert as it stands. Raises NotFound."""
        return self._newest(alert_id).alert

    def history(self, alert_id: str) -> list[Alert]:
        """Every version, first to newest. Raises NotFound."""
        versions = read_episodes(self._engine.frame(_HISTORY, alert_id=alert_id))
        if not versions:
            raise _unknown()
        return [episode.alert for episode in versions]

    def episodes(self, group_keys: Iterable[str], *, since: datetime) -> list[Episode]:
        """The newest state, with findings, of every alert of these keys that had a finding at or after `since`."""
        frame = self._engine.frame(_OF_KEYS, keys=sorted(set(group_keys)), since=since)
        if frame.is_empty():
            return []
        return read_episodes(frame, self._engine.frame(_FINDINGS, alert_ids=frame["alert_id"].to_list()))

    def open(self, *, limit: int = 200) -> list[Alert]:
        """What waits for people: not resolved, gravest first, then longest waiting. At most `limit`."""
        return [episode.alert for episode in read_episodes(self._engine.frame(_OPEN, limit=limit))]

    def search(self, query: AlertQuery, *, after: str | None = None, limit: int = 50) -> AlertPage:
        """One page, newest first. `after` is the `next` of the page before; raises InvalidInput for one that no page gave."""
        before, before_id = (LATEST, "") if after is None else _decoded(after)
        parties = (_BY_ACTOR if query.actor_id else "") + (_BY_PATIENT if query.patient_id else "")
        frame = self._engine.frame(
            _PAGE.replace("/* parties */", parties),
            actor=query.actor_id,
            patient=query.patient_id,
            statuses=[status.value for status in query.statuses],
            severities=[severity.value for severity in query.severities],
            kinds=list(query.kinds),
            since=query.since,
            until=query.until,
            before=before,
            before_id=before_id,
            limit=limit + 1,
        )
        found = read_episodes(frame)
        shown = found[:limit]
        last = shown[-1].alert if len(found) > limit else None
        return AlertPage(
            alerts=tuple(episode.alert for episode in shown),
            opened={episode.alert.alert_id: episode.opened for episode in shown},
            next=f"{microseconds(last.time)}.{last.alert_id}" if last else None,
        )

    def between(self, since: datetime, until: datetime) -> list[Alert]:
        """The alerts raised in [since, until), each as it was last raised before `until`, with the status it has now.

        Raised means opened or grown more severe. What was merged later without raising it is left out, so no evidence is later
        than `time`, and the answer for a past period does not change when more history arrives.
        """
        raised = [episode.alert for episode in read_episodes(self._engine.frame(_RAISED, since=since, until=until))]
        rows = self._engine.rows(_STATUSES, alert_ids=[alert.alert_id for alert in raised])
        status = {str(alert_id): AlertStatus(str(value)) for alert_id, value in rows}
        return [replace(alert, status=status[alert.alert_id]) for alert in raised]

    def tally(self) -> list[Tally]:
        """Counts by status, severity and kind: for the first screen and the metrics; nothing in it names anybody."""
        return [
            Tally(status=AlertStatus(str(status)), severity=Severity(str(severity)), kind=str(kind), alerts=int(str(alerts)))
            for status, severity, kind, alerts in self._engine.rows(_TALLY)
        ]

    def rerecord(self, since: datetime) -> int:
        """Hand the event of every version written since to the ledger again (the start does this). Returns how many."""
        versions = read_episodes(self._engine.frame(_CHANGED, since=since))
        if versions:
            self._record([step_event(episode.alert) for episode in versions])
        return len(versions)

    def _decide(
        self,
        alert_id: str,
        to: AlertStatus,
        allowed: set[AlertStatus],
        by: str,
        note: str,
        at: datetime,
        expected_version: int,
        disposition: Disposition = Disposition.UNSTATED,
    ) -> Alert:
        if by == SERVICE:
            raise InvalidInput("a decision on an alert needs a person's name")
        newest = self._newest(alert_id)
        if newest.alert.version != expected_version:
            raise _moved()
        if newest.alert.status not in allowed:
            raise Conflict(f"the alert is already {newest.alert.status.value}")
        decided = replace(
            newest.alert,
            version=expected_version + 1,
            status=to,
            updated=at,
            changed_by=by,
            note=note,
            disposition=disposition,
        )
        if self._lost([Episode(alert=decided, opened=newest.opened, raised=False)]):
            raise _moved()
        self._record([step_event(decided)])
        return decided

    def _lost(self, episodes: Sequence[Episode]) -> list[str]:
        """Write these versions, each unless it exists. Returns the alerts whose version that stands is somebody else's.

        The state they were made from was read a moment ago, so a version that exists is among the tokens ClickHouse remembers.
        """
        for episode in episodes:
            self._engine.insert("alerts", alert_frame([episode]), token=_token(episode.alert))
        keys = [(episode.alert.alert_id, episode.alert.version) for episode in episodes]
        standing = {found.alert.alert_id: found.alert for found in read_episodes(self._engine.frame(_VERSIONS, keys=keys))}
        return [episode.alert.alert_id for episode in episodes if standing.get(episode.alert.alert_id) != episode.alert]

    def _newest(self, alert_id: str) -> Episode:
        frame: pl.DataFrame = self._engine.frame(_NEWEST, alert_id=alert_id)
        if frame.is_empty():
            raise _unknown()
        return read_episodes(frame)[0]


def _token(alert: Alert) -> str:
    return f"{alert.alert_id}:{alert.version}"


def _decoded(cursor: str) -> tuple[datetime, str]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise InvalidInput("the cursor was not given by this system; start from the first page")
    return min(_BEGINNING + timedelta(microseconds=int(found[1])), LATEST), found[2]


def _unknown() -> NotFound:
    return NotFound("there is no alert with this id")


def _moved() -> Conflict:
    return Conflict("the alert has changed since it was read; load it again and decide on what it says now")
