"""Microsoft Graph: sign-ins of Entra ID, and message traces of Exchange Online.

Both are lists filtered by a time, with `@odata.nextLink` to the next page (learn.microsoft.com, "List signIns", "List
messageTraces"). Sign-ins are kept 30 days (7 without a licence for more) and may be listed hours late; message traces are kept 90
days, a window may span 10 of them, and a message's trace goes on changing until its last recipient is settled.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.clock import Clock
from ingest.pull.calling import Answer, Caller
from ingest.pull.json_pages import NotJson, enveloped
from ingest.pull.windows import Bounds, WindowPage, Windows

_SIGN_IN_TYPES = ("interactiveUser", "nonInteractiveUser", "servicePrincipal", "managedIdentity")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphListing:
    """One list of Graph. `condition` is added to the filter by time."""

    kind: str
    caller: Caller
    path: str
    time_field: str
    page_size: int
    condition: str | None = None

    def ask(self, start: datetime, end: datetime, following: str | None) -> Answer:
        """See `Listing`."""
        if following is not None:
            return self.caller.get(following)
        period = f"{self.time_field} ge {_spelled(start)} and {self.time_field} le {_spelled(end)}"
        condition = f"{period} and {self.condition}" if self.condition else period
        return self.caller.get(f"{self.caller.base}{self.path}", {"$filter": condition, "$top": str(self.page_size)})

    def page(self, answer: Answer) -> WindowPage:
        """See `Listing`."""
        envelope = enveloped(answer.body, "value")
        following = envelope.members.get("@odata.nextLink")
        if following is not None and not isinstance(following, str):
            raise NotJson("the link to the next page is no text")
        if not envelope.records and "value" in envelope.members:
            raise NotJson("the list of the answer is null")
        return WindowPage(records=envelope.records, following=following or None)


def sign_ins(
    caller: Caller,
    *,
    clock: Clock,
    types: tuple[str, ...] = (),
    history: timedelta = timedelta(days=7),
    late: timedelta = timedelta(hours=6),
    kept_for: timedelta = timedelta(days=30),
    page_size: int = 1_000,
) -> Windows:
    """
    Sign-ins. The caller's base is `https://graph.microsoft.com`.

    `types` other than none asks the beta version for these (interactiveUser, nonInteractiveUser, servicePrincipal,
    managedIdentity): version 1.0 lists interactive ones only.
    """
    chosen = " or ".join(f"t eq '{name}'" for name in types if name in _SIGN_IN_TYPES)
    listing = GraphListing(
        kind="graph-sign-ins",
        caller=caller,
        path="/beta/auditLogs/signIns" if chosen else "/v1.0/auditLogs/signIns",
        time_field="createdDateTime",
        page_size=page_size,
        condition=f"signInEventTypes/any(t: {chosen})" if chosen else None,
    )
    bounds = Bounds(kept_for=kept_for, longest=timedelta(days=2), late=late, history=history)
    return Windows(listing, bounds=bounds, clock=clock)


def message_traces(
    caller: Caller,
    *,
    clock: Clock,
    history: timedelta = timedelta(days=7),
    late: timedelta = timedelta(hours=24),
    page_size: int = 1_000,
) -> Windows:
    """Message traces, oldest window first. The caller's base is `https://graph.microsoft.com`."""
    listing = GraphListing(
        kind="graph-message-traces",
        caller=caller,
        path="/v1.0/admin/exchange/tracing/messageTraces",
        time_field="receivedDateTime",
        page_size=min(page_size, 5_000),
    )
    bounds = Bounds(kept_for=timedelta(days=90), longest=timedelta(days=5), late=late, history=history)
    return Windows(listing, bounds=bounds, clock=clock)


def _spelled(moment: datetime) -> str:
    """As the interface wants it, in whole seconds; both ends of a period are part of it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
