"""Which channels an alert goes to, and from when on. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from domain.finding import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """From this severity on, these channels."""

    min_severity: Severity
    channels: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """When a low alert waits: local wall time from `start` to `end`, over midnight where end is not later than start."""

    start: time
    end: time
    zone: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """All routes; the channels of every route that fits are joined, in order."""

    routes: Sequence[Route]
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one notification goes, not before `due`. No channel: the alert is on the page only."""

    channels: tuple[str, ...]
    due: datetime


def default_routing(channels: Sequence[str]) -> Routing:
    """Medium and graver to every channel; low only on the page."""
    return Routing(routes=(Route(min_severity=Severity.MEDIUM, channels=tuple(channels)),))


def target(routing: Routing, severity: Severity, at: datetime) -> Target:
    """Where an alert of this severity goes when it is raised at `at`."""
    fitting = (route for route in routing.routes if severity.rank >= route.min_severity.rank)
    channels = tuple(dict.fromkeys(channel for route in fitting for channel in route.channels))
    if severity is Severity.LOW and routing.quiet is not None:
        return Target(channels=channels, due=_after_quiet(routing.quiet, at))
    return Target(channels=channels, due=at)


def _after_quiet(quiet: QuietHours, at: datetime) -> datetime:
    """The end of the quiet hours that `at` lies in, or `at` itself."""
    local = at.astimezone(quiet.zone)
    clock = local.time()
    over_midnight = quiet.end <= quiet.start
    inside = (clock >= quiet.start or clock < quiet.end) if over_midnight else quiet.start <= clock < quiet.end
    if not inside:
        return at
    day = local.date() + timedelta(days=1 if over_midnight and clock >= quiet.start else 0)
    return datetime.combine(day, quiet.end, tzinfo=quiet.zone).astimezone(UTC)
