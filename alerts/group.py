"""From findings to alerts: what belongs together becomes one incident, and only news is raised again.

Pure. Findings about the same subject (`alerts.kinds`) belong to one alert while each comes within 24 hours of another; then a new
episode, and a new alert, begins. A resolved alert stays as it was decided. The result depends on the findings, not on how they were
batched: every version that is news (the opening, each rise in severity) is a version of its own.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from typing import Self

import orjson

from alerts.kinds import KINDS, Kind, Subject
from domain.finding import Alert, AlertStatus, EventRef, Finding, Severity
from store.alert_events import SERVICE
from store.alert_rows import Episode

EPISODE = timedelta(hours=24)
"""A finding that comes longer than this after the last one (or before the first) starts another episode."""

MOST_EVIDENCE = 1_000
MOST_SENTENCES = 40
"""An alert is read by a person. Beyond these the findings have the rest."""


def group_key(finding: Finding) -> str:
    """What the finding is about, as canonical text: findings with equal keys are one incident if they are close in time."""
    kind = KINDS.get(finding.kind) or _unlisted(finding)
    actor, patient = finding.actor_id or "", finding.patient_id or ""
    domain = _input(finding, "to_domain") or _input(finding, "sent_by")
    source = _input(finding, "source_system")
    about: dict[Subject, tuple[str, ...]] = {
        Subject.PAIR: (actor, patient),
        Subject.ACTOR: (actor,),
        Subject.PATIENT: (patient,) if patient else (actor, ""),
        Subject.DESTINATION: (domain.lower() or patient,),
        Subject.SOURCE: (source,),
    }
    named = about[kind.subject]
    if not any(named):
        named = (finding.rule_id, finding.group_key)
    return orjson.dumps([kind.family, kind.subject.value, *named]).decode()


def alert_id(key: str, first: Finding) -> str:
    """Names an alert for good: 16 characters of base32, from its key and its first finding. Says nothing about either."""
    digest = hashlib.sha256(orjson.dumps([key, first.finding_id])).digest()
    return base64.b32encode(digest[:10]).decode().lower()


def fold(episodes: Iterable[Episode], findings: Iterable[Finding], *, at: datetime, zone: tzinfo) -> list[Episode]:
    """The new versions that these findings make of the episodes given (`AlertStore.episodes` of their keys).

    Per alert at most: one version for each raise, and one for the rest; versions of one alert ascend. A finding that an episode
    already has changes nothing. `at` is now, `zone` the organisation's, for the local day.
    """
    known: dict[str, list[_Incident]] = {}
    for episode in episodes:
        known.setdefault(episode.alert.group_key, []).append(_Incident.standing(episode))
    for finding in sorted(findings, key=_order):
        key = group_key(finding)
        incidents = known.setdefault(key, [])
        if any(finding.finding_id in incident.seen for incident in incidents):
            continue
        incident = next((incident for incident in reversed(incidents) if incident.joins(finding)), None)
        if incident is None:
            incident = _Incident(name=alert_id(key, finding), key=key, opened=finding.time)
            incidents.append(incident)
        if incident.add(finding):
            incident.write(at=at, zone=zone, raised=True)
    for incident in (incident for incidents in known.values() for incident in incidents if incident.grown):
        incident.write(at=at, zone=zone, raised=False)
    return [version for incidents in known.values() for incident in incidents for version in incident.versions]


def live(findings: Sequence[Finding], *, zone: tzinfo) -> list[Finding]:
    """Those that still speak: without the ones that a later, larger finding says again.

    A rule that counts reports a growing group several times a day. Of findings of one rule, group and local day that share an
    event, the one with most evidence stays; of equals the newest.
    """
    kept: list[Finding] = []
    said: dict[tuple[str, str, date], set[EventRef]] = {}
    for finding in sorted(findings, key=lambda finding: (len(finding.evidence), *_order(finding)), reverse=True):
        places = said.setdefault((finding.rule_id, finding.group_key, finding.time.astimezone(zone).date()), set())
        if places.isdisjoint(finding.evidence):
            places.update(finding.evidence)
            kept.append(finding)
    return sorted(kept, key=_order)


class _Incident:
    """An alert while findings are being added to it."""

    def __init__(self, *, name: str, key: str, opened: datetime) -> None:
        self.versions: list[Episode] = []
        self.seen: set[str] = set()
        self.grown = False
        self._name, self._key, self._opened = name, key, opened
        self._before: Alert | None = None
        self._findings: list[Finding] = []
        self._ids: list[str] = []
        self._first = self._last = opened
        self._severity: Severity | None = None

    @classmethod
    def standing(cls, episode: Episode) -> Self:
        """The alert as the store has it."""
        alert = episode.alert
        incident = cls(name=alert.alert_id, key=alert.group_key, opened=episode.opened)
        incident._before = alert
        incident._findings = list(episode.findings)
        incident._ids = list(alert.finding_ids)
        incident._severity = alert.severity
        incident.seen = set(alert.finding_ids)
        times = [finding.time for finding in episode.findings]
        incident._first, incident._last = min(times, default=episode.opened), max(times, default=alert.time)
        return incident

    def joins(self, finding: Finding) -> bool:
        """Whether the finding falls into this episode and the alert is still worked on."""
        if self._before is not None and self._before.status is AlertStatus.RESOLVED:
            return False
        return self._first - EPISODE <= finding.time <= self._last + EPISODE

    def add(self, finding: Finding) -> bool:
        """Take the finding in. True when that is news: it opens the alert or is graver than all before."""
        news = self._severity is None or finding.severity.rank > self._severity.rank
        self._findings.append(finding)
        self._ids.append(finding.finding_id)
        self.seen.add(finding.finding_id)
        self._first, self._last = min(self._first, finding.time), max(self._last, finding.time)
        if news:
            self._severity = finding.severity
        self.grown = True
        return news

    def write(self, *, at: datetime, zone: tzinfo, raised: bool) -> None:
        """Add the version that the findings so far make."""
        before = self._before
        alert = replace(
            _alert(self._name, self._key, sorted(self._findings, key=_order), zone=zone, at=at),
            version=before.version + 1 if before else 1,
            status=before.status if before else AlertStatus.OPEN,
            finding_ids=tuple(self._ids),
        )
        self.versions.append(Episode(alert=alert, findings=tuple(self._findings), opened=self._opened, raised=raised))
        self._before, self.grown = alert, False


def _alert(name: str, key: str, findings: Sequence[Finding], *, zone: tzinfo, at: datetime) -> Alert:
    """The alert these findings make: the gravest leads and lends its kind, title, rule and runbook; nothing grows milder."""
    speaking = sorted(live(findings, zone=zone), key=lambda finding: (-finding.severity.rank, -finding.score, *_order(finding)))
    lead = speaking[0]
    actors = {finding.actor_id for finding in findings}
    patients = {finding.patient_id for finding in findings}
    return Alert(
        alert_id=name,
        version=1,
        time=max(finding.time for finding in findings),
        updated=at,
        score=max(finding.score for finding in findings),
        severity=max((finding.severity for finding in findings), key=lambda severity: severity.rank),
        kind=lead.kind,
        title=lead.title,
        actor_id=actors.pop() if len(actors) == 1 else None,
        patient_id=patients.pop() if len(patients) == 1 else None,
        group_key=key,
        finding_ids=tuple(finding.finding_id for finding in findings),
        evidence=_evidence(findings),
        explanation=_sentences(finding.explanation for finding in speaking),
        exculpatory=_sentences(finding.exculpatory for finding in speaking),
        rule_id=lead.rule_id,
        rule_version=lead.rule_version,
        controls=tuple(dict.fromkeys(control for finding in speaking for control in finding.controls)),
        runbook=lead.runbook,
        status=AlertStatus.OPEN,
        changed_by=SERVICE,
    )


def _evidence(findings: Iterable[Finding]) -> tuple[EventRef, ...]:
    return tuple(dict.fromkeys(place for finding in findings for place in finding.evidence))[:MOST_EVIDENCE]


def _sentences(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Each sentence once, the gravest finding's first; the last line says how many were left out."""
    said = tuple(dict.fromkeys(sentence for group in groups for sentence in group))
    if len(said) <= MOST_SENTENCES:
        return said
    return (*said[: MOST_SENTENCES - 1], f"{len(said) - MOST_SENTENCES + 1} more sentences are in the findings of this alert.")


def _unlisted(finding: Finding) -> Kind:
    if _input(finding, "to_domain"):
        return Kind(family=finding.kind, subject=Subject.DESTINATION, title="")
    return Kind(family=finding.kind, subject=Subject.PAIR, title="")


def _input(finding: Finding, name: str) -> str:
    value = finding.inputs.get(name)
    return value if isinstance(value, str) else ""


def _order(finding: Finding) -> tuple[datetime, str]:
    return finding.time, finding.finding_id
