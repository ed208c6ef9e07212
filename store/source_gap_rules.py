"""When a gap opens and closes: what a source does, says, or leaves out, compared with the gaps that are known. Pure.

A gap is named after where it begins, so the same silence is the same gap however often one looks. Besides gaps, in which events are
missing, the ledger of gaps keeps two troubles, in which events came but cannot be relied on: quarantine and a wrong clock.
"""

import base64
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.clock import rfc3339
from store.alert_events import SERVICE
from store.source_health import Hole, SourceHealth
from store.source_rollup import DECLARED_GAP, STOPPED
from store.source_verdict import SourceVerdict, in_words

SETTLING = timedelta(minutes=15)
"""A number that is missing for less than this may still be on its way over another connection."""

OWN_LEAST = timedelta(minutes=1)
"""A restart of phitrail that takes less is not worth a gap: senders keep what they cannot deliver at once."""

MOST_HOLES = 50
"""Holes in the numbers of one source that are opened in one look: a source that counts in tens is not worth a million gaps."""


class GapKind(StrEnum):
    """SILENCE: nothing came. STOPPED: the source says that it did not record. NUMBERS: numbers are missing. OFF: phitrail itself
    did not record. QUARANTINE and SKEW are troubles, in which events came."""

    SILENCE = "silence"
    STOPPED = "stopped"
    NUMBERS = "numbers"
    OFF = "off"
    QUARANTINE = "quarantine"
    SKEW = "skew"

    @property
    def loses_events(self) -> bool:
        """Whether events may be missing because of it."""
        return self not in (GapKind.QUARANTINE, GapKind.SKEW)


class Loss(StrEnum):
    """What a person found out: whether events were lost. OPEN: nobody has looked yet."""

    OPEN = ""
    NONE = "none"
    SOME = "some"
    UNKNOWN = "not known"


class Step(StrEnum):
    OPENED = "opened"
    CLOSED = "closed"
    FILLED = "filled"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One version of a gap. `began` to `ended` is the interval (`ended` None: it lasts); `opened` is when it was noticed.

    `expected` is about how many events it would usually have brought, None where that is not known; `first_number` and
    `last_number` are those missing (kind NUMBERS). `evidence` places the last entry before it, or the one that says so. A person's
    word is `loss` and `reason`, given by `acknowledged_by`.
    """

    gap_id: str
    version: int
    source_system: str
    kind: GapKind
    began: datetime
    ended: datetime | None
    opened: datetime
    changed: datetime
    step: Step
    expected: float | None = None
    note: str = ""
    first_number: int = 0
    last_number: int = 0
    evidence: tuple[str, int] | None = None
    acknowledged: datetime | None = None
    acknowledged_by: str = ""
    loss: Loss = Loss.OPEN
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it lasts."""
        return self.ended is None

    @property
    def counts(self) -> bool:
        """Whether it stands against completeness: events may be missing, and nobody has found that none are."""
        return self.kind.loses_events and self.loss is not Loss.NONE

    def length(self, now: datetime) -> timedelta:
        """How long it lasted, or has lasted so far."""
        return (self.ended or now) - self.began


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An entry in which a source speaks of its recording: it stopped, it started, or it has a gap from `began` to `ended`."""

    source_system: str
    action: str
    time: datetime
    began: datetime
    ended: datetime
    writer: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """phitrail did not record from `began` to `ended`; `said` where it stopped in good order, and not by a crash."""

    began: datetime
    ended: datetime
    said: bool


def gap_id(kind: GapKind, source_system: str, beginning: str) -> str:
    """Names a gap for good: 16 characters of base32."""
    digest = hashlib.sha256("\n".join((kind.value, source_system, beginning)).encode()).digest()
    return base64.b32encode(digest[:10]).decode().lower()


def silences(standing: Collection[Gap], states: Iterable[SourceHealth], now: datetime) -> Iterator[Gap]:
    """Silent sources without a gap get one; one that sends again, or is excused, has its gap closed (`ended` None: ask when)."""
    lasting = {gap.source_system: gap for gap in standing if gap.kind is GapKind.SILENCE and gap.is_open}
    for state in states:
        gap = lasting.get(state.source_system)
        is_silent = SourceVerdict.SILENT in state.judgement.troubles
        began = state.last_received or state.quiet_since
        if gap is None:
            if is_silent:
                yield Gap(
                    gap_id=gap_id(GapKind.SILENCE, state.source_system, rfc3339(began)),
                    version=1,
                    source_system=state.source_system,
                    kind=GapKind.SILENCE,
                    began=began,
                    ended=None,
                    opened=now,
                    changed=now,
                    step=Step.OPENED,
                    expected=state.judgement.missed,
                    note=_first(state, SourceVerdict.SILENT),
                    evidence=(state.writer, state.seq) if state.writer else None,
                )
        elif state.last_received is not None and state.last_received > gap.began:
            yield replace(gap, version=gap.version + 1, changed=now, step=Step.CLOSED, note="It sends again.")
        elif not is_silent:
            yield closed(gap, now, now, "Its silence is excused: it is declared as not sending.")


def troubles(standing: Collection[Gap], states: Iterable[SourceHealth], now: datetime) -> Iterator[Gap]:
    """Quarantine and wrong clocks, from when they are noticed until they are over."""
    of_kind = {GapKind.QUARANTINE: SourceVerdict.FAILING, GapKind.SKEW: SourceVerdict.SKEWED}
    lasting = {(gap.kind, gap.source_system): gap for gap in standing if gap.is_open}
    for state in states:
        for kind, verdict in of_kind.items():
            gap = lasting.get((kind, state.source_system))
            if verdict in state.judgement.troubles:
                if gap is None:
                    yield Gap(
                        gap_id=gap_id(kind, state.source_system, rfc3339(now)),
                        version=1,
                        source_system=state.source_system,
                        kind=kind,
                        began=now,
                        ended=None,
                        opened=now,
                        changed=now,
                        step=Step.OPENED,
                        note=_first(state, verdict),
                        evidence=(state.writer, state.seq) if state.writer else None,
                    )
            elif gap is not None:
                over = {
                    GapKind.QUARANTINE: "Few or none of its records were refused in the last day.",
                    GapKind.SKEW: "In the last day its clock was not seen to be wrong.",
                }
                yield closed(gap, now, now, over[kind])


def stops(known: Mapping[str, Gap], marks: Sequence[Mark], now: datetime) -> Iterator[Gap]:
    """Recording that sources say they stopped: from the stop to the next start of the same source, by the times they claim."""
    opened: dict[str, Gap] = {}
    for mark in sorted(marks, key=lambda mark: (mark.source_system, mark.time, mark.writer, mark.seq)):
        gap = opened.get(mark.source_system)
        if mark.action in STOPPED:
            if gap is None:
                opened[mark.source_system] = _stopped(mark, now, began=mark.time, ended=None, note="It stopped its recording.")
        elif mark.action in DECLARED_GAP:
            found = _stopped(mark, now, began=mark.began, ended=max(mark.began, mark.ended), note="It declares a gap of its own.")
            yield from _news(known, found, now)
        elif gap is not None:
            del opened[mark.source_system]
            yield from _news(known, replace(gap, ended=mark.time, note="It started its recording again."), now)
    for gap in opened.values():
        yield from _news(known, gap, now)


def lost_numbers(standing: Collection[Gap], holes: Sequence[Hole], now: datetime) -> Iterator[Gap]:
    """Holes in the numbers of a source that have had time to fill; and gaps of this kind that were filled after all."""
    unfilled = [gap for gap in standing if gap.kind is GapKind.NUMBERS and gap.step is not Step.FILLED]
    by_source: dict[str, list[Hole]] = {}
    for hole in holes:
        by_source.setdefault(hole.source_system, []).append(hole)
    for gap in unfilled:
        if not any(_overlap(gap, hole) for hole in by_source.get(gap.source_system, ())):
            came = replace(gap, version=gap.version + 1, changed=now, step=Step.FILLED, note="The missing numbers came later.")
            yield came if gap.acknowledged else replace(came, loss=Loss.NONE)
    for name, found in by_source.items():
        mine = [gap for gap in unfilled if gap.source_system == name]
        fresh = [hole for hole in found if now - hole.after > SETTLING and not any(_overlap(gap, hole) for gap in mine)]
        for hole in fresh[:MOST_HOLES]:
            yield Gap(
                gap_id=gap_id(GapKind.NUMBERS, name, f"{hole.first}-{hole.last}"),
                version=1,
                source_system=name,
                kind=GapKind.NUMBERS,
                began=min(hole.before, hole.after),
                ended=max(hole.before, hole.after),
                opened=now,
                changed=now,
                step=Step.OPENED,
                expected=float(hole.size),
                note=f"Its numbers {hole.first} to {hole.last} never came.",
                first_number=hole.first,
                last_number=hole.last,
            )


def own_gaps(known: Mapping[str, Gap], restarts: Iterable[Restart], now: datetime) -> Iterator[Gap]:
    """Times in which phitrail itself did not record."""
    for restart in restarts:
        if restart.ended - restart.began < OWN_LEAST:
            continue
        name = gap_id(GapKind.OFF, SERVICE, rfc3339(restart.began))
        if name not in known:
            how = "It was stopped and started again." if restart.said else "It ended without saying so, and was started again."
            yield Gap(
                gap_id=name,
                version=1,
                source_system=SERVICE,
                kind=GapKind.OFF,
                began=restart.began,
                ended=restart.ended,
                opened=now,
                changed=now,
                step=Step.OPENED,
                note=how,
            )


def closed(gap: Gap, ended: datetime, now: datetime, note: str) -> Gap:
    """The next version: it is over."""
    return replace(gap, version=gap.version + 1, ended=max(ended, gap.began), changed=now, step=Step.CLOSED, note=note)


def gap_sentence(gap: Gap, now: datetime | None = None) -> str:
    """What the gap is, in words that stand alone: which source, since when, how long (`now`), how much is missing."""
    if gap.ended is None:
        span = f"since {_moment(gap.began)}" + (f" ({in_words(now - gap.began)})" if now else "")
    else:
        span = f"from {_moment(gap.began)} for {in_words(gap.ended - gap.began)}"
    usual = "" if gap.expected is None else f"; about {gap.expected:,.0f} events would have been usual"
    name = gap.source_system
    what = {
        GapKind.SILENCE: f"nothing came from {name} {span}{usual}",
        GapKind.STOPPED: f"recording in {name} was stopped {span}{usual}",
        GapKind.NUMBERS: f"{name} never sent its numbers {gap.first_number} to {gap.last_number}",
        GapKind.OFF: f"phitrail itself did not record {span}",
        GapKind.QUARANTINE: f"many records of {name} were not understood {span}",
        GapKind.SKEW: f"the clock of {name} was wrong {span}",
    }
    return what[gap.kind]


def _stopped(mark: Mark, now: datetime, *, began: datetime, ended: datetime | None, note: str) -> Gap:
    return Gap(
        gap_id=gap_id(GapKind.STOPPED, mark.source_system, f"{mark.writer}/{mark.seq}"),
        version=1,
        source_system=mark.source_system,
        kind=GapKind.STOPPED,
        began=began,
        ended=ended,
        opened=now,
        changed=now,
        step=Step.OPENED,
        note=note,
        evidence=(mark.writer, mark.seq),
    )


def _news(known: Mapping[str, Gap], found: Gap, now: datetime) -> Iterator[Gap]:
    """The gap where it is new, its closing where it is not closed yet."""
    standing = known.get(found.gap_id)
    if standing is None:
        yield found
    elif standing.is_open and found.ended is not None:
        yield closed(standing, found.ended, now, found.note)


def _overlap(gap: Gap, hole: Hole) -> bool:
    return gap.source_system == hole.source_system and gap.first_number <= hole.last and hole.first <= gap.last_number


def _first(state: SourceHealth, verdict: SourceVerdict) -> str:
    return state.judgement.sentences[list(state.judgement.troubles).index(verdict)]


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
