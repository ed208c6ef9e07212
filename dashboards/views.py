"""What every page knows: whose installation this is, who looks, and what the last verification found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from store.completeness import Completeness, Verdict
from store.fsck import Integrity, Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordState:
    """What the last verification found, in two verdicts that do not stand in for each other; None: it has not run yet.

    `is_full` says that it recomputed everything, not only what was new and a slice of what is old.
    """

    verified_at: datetime | None = None
    is_full: bool = False
    verification: Verification | None = None
    completeness: Completeness | None = None

    @property
    def integrity(self) -> Integrity:
        """The verdict on what is stored; UNKNOWN before the first verification."""
        return Integrity.UNKNOWN if self.verification is None else self.verification.integrity

    @property
    def whole_at(self) -> datetime | None:
        """When the newest pass over everything began; None where none is known."""
        return None if self.verification is None else self.verification.full_pass_at

    @property
    def gaps(self) -> Verdict:
        """The verdict on what should have come; UNKNOWN before it was looked at."""
        return Verdict.UNKNOWN if self.completeness is None else self.completeness.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The organisation: its name ('' before reference data is loaded) and the zone in which times are shown and days begin."""

    name: str
    zone: ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks at a page, and what their roles let them see and do there. `csrf` goes into every form."""

    name: str
    roles: Sequence[str]
    sees_phi: bool
    works_alerts: bool
    exports: bool
    csrf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chrome:
    """What is around a page: site, viewer (None before sign-in), the moment, open alerts, the part of the site it is in."""

    site: Site
    now: datetime
    version: str
    viewer: Viewer | None = None
    open_alerts: int = 0
    section: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A coloured part of a bar: `style` names the CSS class, `x` and `y` its corner, all in the chart's own units."""

    style: str
    x: float
    y: float
    width: float
    height: float
    label: str
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars in a box of `width` by `height` units; `title` and `summary` say in words what they show (WCAG 2.2, 1.1.1)."""

    title: str
    summary: str
    width: float
    height: float
    slices: Sequence[Slice]
    marks: Sequence[str] = ()
