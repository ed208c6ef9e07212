"""Views to HTML: one Jinja environment that escapes everything and fails on a name it does not know."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from dashboards.views import Chrome, Site


def render(template: str, chrome: Chrome, view: object = None) -> str:
    """A whole page: `template` of dashboards/templates with its `view`, inside the common frame."""
    return _environment().get_template(template).render(chrome=chrome, view=view, zone=chrome.site.zone, now=chrome.now)


def error_page(*, status: int, title: str, detail: str) -> str:
    """The page of an error, which knows nobody: it must work when nothing else does."""
    chrome = Chrome(site=Site(name="", zone=ZoneInfo("UTC")), now=datetime.min.replace(tzinfo=UTC), version="")
    return render("error.html", chrome, {"status": status, "title": title, "detail": detail})


def static_file(name: str) -> bytes:
    """A file of STATIC."""
    return (files("dashboards") / "static" / name).read_bytes()


STATIC = {"phitrail.css": "text/css; charset=utf-8", "icons.svg": "image/svg+xml", "favicon.svg": "image/svg+xml"}
"""The only files that are served: names are looked up, never joined to a path."""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dashboards"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "when": when,
        "clock": clock,
        "iso": iso,
        "ago": ago,
        "span": span,
        "thousands": thousands,
        "counted": counted,
        "percent": percent,
        "day": day_words,
        "words": words,
        "segment": segment,
        "steps": steps,
    }
    return environment


def when(moment: datetime, zone: ZoneInfo) -> str:
    """Local date and time to the second with the zone's abbreviation, so that the hour that happens twice is told apart."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def clock(moment: datetime, zone: ZoneInfo) -> str:
    """Local date and time to the second, for columns whose heading names the zone."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def iso(moment: datetime) -> str:
    """For the `datetime` attribute of `<time>`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day_words(day: date) -> str:
    """`Tue 10 Mar 2026`."""
    return day.strftime("%a %-d %b %Y")


def ago(moment: datetime, now: datetime) -> str:
    """`3 h ago`, in one unit; a moment to come is `in 3 h`."""
    distance = now - moment
    if distance < timedelta(0):
        return f"in {span(-distance)}"
    return "just now" if distance < timedelta(seconds=1) else f"{span(distance)} ago"


def span(length: timedelta) -> str:
    """`45 s`, `12 min`, `3 h`, `5 days`, `3 months`."""
    seconds = int(length.total_seconds())
    for size, unit in ((60 * 86_400, "month"), (2 * 86_400, "day")):
        if seconds >= size:
            number = seconds // (30 * 86_400 if unit == "month" else 86_400)
            return f"{number} {unit}s"
    if seconds >= 5400:
        return f"{round(seconds / 3600)} h"
    return f"{round(seconds / 60)} min" if seconds >= 90 else f"{seconds} s"


def thousands(number: int) -> str:
    """`1,204`."""
    return f"{number:,}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 event`, `1,204 events`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(part: float, whole: float) -> str:
    """`3.2 %`; never 0 or 100 while something is there or missing, and `–` of nothing."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:.0f} %" if share in (0, 100) else f"{share:.1f} %"


def words(name: str) -> str:
    """A name of the wire as words: `break_glass` is `break glass`."""
    return name.replace("_", " ")


def segment(text: str) -> str:
    """An id as one part of a path, whatever characters it has."""
    return quote(text, safe="")


def steps(text: str) -> Sequence[str]:
    """A runbook as its steps: one a line, numbers and bullets in front taken off, wrapped lines joined."""
    found: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped:
            continue
        bare = stripped.lstrip("0123456789").lstrip(".)").strip() if stripped[0].isdigit() else stripped.lstrip("-*• ").strip()
        if found and bare == stripped and line[:1].isspace():
            found[-1] += f" {stripped}"
        else:
            found.append(bare)
    return found
