"""What the events of message tracking mean (learn.microsoft.com, “Message tracking”, table of event types)."""

from collections.abc import Mapping

Meaning = tuple[str, str | None]
"""An action and its outcome."""

_ACCEPTED: Meaning = ("mail_accepted", None)
_DELIVERED: Meaning = ("deliver", "delivered")
_DEFERRED: Meaning = ("defer", "deferred")
_BOUNCED: Meaning = ("bounce", "bounced")
_DROPPED: Meaning = ("discard", "dropped")
OTHER: Meaning = ("mail_event", None)

MEANINGS: Mapping[str, Meaning] = {
    "RECEIVE": _ACCEPTED,
    "SEND": _DELIVERED,
    "SENDEXTERNAL": _DELIVERED,
    "DELIVER": _DELIVERED,
    "FAIL": _BOUNCED,
    "DEFER": _DEFERRED,
    "SUBMITDEFER": _DEFERRED,
    "DROP": _DROPPED,
    "BADMAIL": _DROPPED,
}
"""Event to meaning. Everything else is about the path of a message and not about a delivery (DSN, EXPAND, RESOLVE, REDIRECT,
TRANSFER, SUBMIT, the shadow copies HA…, AGENTINFO, …): OTHER, with the event's own name beside it."""

DELETED = ("deleted", "dropped")
"""Words in the status of a FAIL by an agent that say that nobody was told: the message was thrown away, not returned."""

OUR_HOPS = ("intra-organization", "intraorg", "mailbox transport")
"""Words in the name of a connector between servers of one organisation."""
