"""Google Workspace: activities of one application through the Admin SDK Reports interface.

`activities.list` gives the newest first with a page token; records are kept 180 days and listed late by what Google documents for
the application: minutes for most, hours for some, days for a few (support.google.com/a/answer/7061566, "Data retention and lag
times").
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.clock import Clock
from ingest.pull.calling import Answer, Caller
from ingest.pull.json_pages import NotJson, enveloped
from ingest.pull.windows import Bounds, WindowPage, Windows

SCOPE = "https://www.googleapis.com/auth/admin.reports.audit.readonly"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
BASE = "https://admin.googleapis.com"

_MINUTES, _HOURS, _DAYS = timedelta(minutes=30), timedelta(hours=6), timedelta(days=3)

LATE = {
    "admin": _MINUTES,
    "access_transparency": _MINUTES,
    "chat": _MINUTES,
    "chrome": _MINUTES,
    "context_aware_access": _MINUTES,
    "data_studio": _HOURS,
    "drive": _HOURS,
    "gcp": _HOURS,
    "gmail": _HOURS,
    "groups": _HOURS,
    "groups_enterprise": _HOURS,
    "calendar": _HOURS,
    "jamboard": _HOURS,
    "keep": _HOURS,
    "login": _HOURS,
    "meet": _HOURS,
    "mobile": _HOURS,
    "rules": _HOURS,
    "saml": _HOURS,
    "token": _HOURS,
    "user_accounts": _HOURS,
    "vault": _HOURS,
}
"""How late an application's activities may be listed, with room above what is documented."""

LATE_OTHERWISE = _DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityListing:
    """The activities of one application for all users of the domain."""

    caller: Caller
    application: str
    page_size: int
    customer_id: str | None = None

    @property
    def kind(self) -> str:
        """See `Listing`."""
        return "google-reports"

    def ask(self, start: datetime, end: datetime, following: str | None) -> Answer:
        """See `Listing`. The period is sent with every page, as the token wants it."""
        query = {"startTime": _spelled(start), "endTime": _spelled(end), "maxResults": str(self.page_size)}
        if self.customer_id is not None:
            query["customerId"] = self.customer_id
        if following is not None:
            query["pageToken"] = following
        return self.caller.get(f"{self.caller.base}/admin/reports/v1/activity/users/all/applications/{self.application}", query)

    def page(self, answer: Answer) -> WindowPage:
        """See `Listing`. An answer without `items` has none."""
        envelope = enveloped(answer.body, "items")
        following = envelope.members.get("nextPageToken")
        if following is not None and not isinstance(following, str):
            raise NotJson("the token of the next page is no text")
        if "error" in envelope.members:
            raise NotJson("the answer is an error")
        return WindowPage(records=envelope.records, following=following or None)


def google_reports(
    caller: Caller,
    *,
    application: str,
    clock: Clock,
    history: timedelta = timedelta(days=7),
    late: timedelta | None = None,
    customer_id: str | None = None,
    page_size: int = 1_000,
) -> Windows:
    """Activities of an application. The caller's base is BASE; `late` replaces what is known of the application."""
    listing = ActivityListing(caller=caller, application=application, page_size=page_size, customer_id=customer_id)
    bounds = Bounds(
        kept_for=timedelta(days=180),
        longest=timedelta(days=10),
        late=LATE.get(application, LATE_OTHERWISE) if late is None else late,
        history=history,
    )
    return Windows(listing, bounds=bounds, clock=clock)


def _spelled(moment: datetime) -> str:
    """RFC 3339 with milliseconds, as the interface itself writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
