"""Where an alert goes, and when."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from alerts.route import QuietHours, Route, Routing, default_routing, target
from domain.finding import Severity

NIGHT = QuietHours(start=time(20), end=time(7), zone=ZoneInfo("Europe/Berlin"))
NOON_BREAK = QuietHours(start=time(12), end=time(13), zone=UTC)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOW = moment("2026-03-02T10:00")


@pytest.mark.parametrize(
    ("severity", "channels"),
    [
        (Severity.LOW, ()),
        (Severity.MEDIUM, ("mail", "hook")),
        (Severity.HIGH, ("mail", "hook")),
        (Severity.CRITICAL, ("mail", "hook")),
    ],
)
def test_unless_set_otherwise_medium_and_graver_goes_everywhere(severity: Severity, channels: tuple[str, ...]) -> None:
    assert target(default_routing(["mail", "hook"]), severity, NOW).channels == channels


def test_routes_add_up_and_name_each_channel_once() -> None:
    routing = Routing(
        routes=[
            Route(min_severity=Severity.LOW, channels=["mail"]),
            Route(min_severity=Severity.HIGH, channels=["pager", "mail"]),
        ]
    )

    assert target(routing, Severity.MEDIUM, NOW).channels == ("mail",)
    assert target(routing, Severity.CRITICAL, NOW).channels == ("mail", "pager")


@pytest.mark.parametrize(
    ("quiet", "now", "due"),
    [
        (NIGHT, "2026-03-02T18:59", "2026-03-02T18:59"),
        (NIGHT, "2026-03-02T19:00", "2026-03-03T06:00"),
        (NIGHT, "2026-03-03T02:00", "2026-03-03T06:00"),
        (NIGHT, "2026-03-03T05:59", "2026-03-03T06:00"),
        (NIGHT, "2026-03-03T06:00", "2026-03-03T06:00"),
        (NIGHT, "2026-03-28T22:00", "2026-03-29T05:00"),  # the clocks go forward that night
        (NOON_BREAK, "2026-03-02T12:30", "2026-03-02T13:00"),
        (NOON_BREAK, "2026-03-02T13:00", "2026-03-02T13:00"),
        (None, "2026-03-02T23:00", "2026-03-02T23:00"),
    ],
)
def test_a_low_alert_waits_for_the_end_of_quiet_hours(quiet: QuietHours | None, now: str, due: str) -> None:
    routing = Routing(routes=[Route(min_severity=Severity.LOW, channels=["mail"])], quiet=quiet)

    assert target(routing, Severity.LOW, moment(now)).due == moment(due)


def test_nothing_graver_than_low_waits() -> None:
    routing = Routing(routes=[Route(min_severity=Severity.LOW, channels=["mail"])], quiet=NIGHT)
    midnight = moment("2026-03-02T23:00")

    assert target(routing, Severity.MEDIUM, midnight).due == midnight
