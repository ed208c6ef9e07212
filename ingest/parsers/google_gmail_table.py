"""What Gmail's log calls things (“Schema for Gmail logs in BigQuery”), in our words."""

from collections.abc import Mapping

USER_ACTIONS: Mapping[int, tuple[str, str | None]] = {
    3: ("mail_classified", None),
    4: ("mail_reclassified", None),
    5: ("discard", "dropped"),
    6: ("mail_released", None),
    7: ("mail_opened", None),
    8: ("mail_marked_unread", None),
    9: ("mail_replied", None),
    10: ("mail_forwarded", None),
    11: ("mail_auto_forwarded", None),
    12: ("mail_moved", None),
    13: ("mail_trashed", None),
    14: ("mail_untrashed", None),
    15: ("mail_clicked", None),
    16: ("mail_clicked", None),
    17: ("attachment_download", None),
    18: ("attachment_saved", None),
    19: ("attachment_saved", None),
    20: ("mail_labelled", None),
    21: ("mail_labelled", None),
    22: ("mail_labelled", None),
    23: ("mail_labelled", None),
    24: ("mail_labelled", None),
    25: ("mail_labelled", None),
    26: ("mail_archived", None),
    27: ("mail_deleted", None),
    28: ("attachment_preview", None),
    29: ("mail_drafted", None),
    30: ("bounce", "bounced"),
    31: ("mail_opened", None),
    32: ("mail_downloaded", None),
    33: ("mail_accessed", None),
    34: ("defer", "deferred"),
    35: ("mail_submitted", None),
}
"""By `event_info.mail_event_type`. 0 is a stage of the delivery, 1 and 2 say that a message was sent and received."""

BY_GMAIL = frozenset({4, 5, 30, 34})
"""Events of `USER_ACTIONS` that no user did."""

EVENT_NAMES: Mapping[int, str] = {
    0: "stage",
    1: "sent",
    2: "received",
    **{number: action.removeprefix("mail_") for number, (action, _) in USER_ACTIONS.items()},
    5: "quarantined",
    30: "bounced",
    34: "rate_limited",
}

RECEIVED, ACCEPTED, HANDLED, SENT = 1, 2, 3, 10
RETRY, BOUNCED, DROPPED = 14, 18, 19
RELAY_IN, REJECTED = 48, 68
"""
Of `message_info.action_type`: at the inbound SMTP server; taken, or refused by a policy; put into a mailbox or handed on; sent by
the outbound SMTP server; to be tried again; bounced; dropped; at the SMTP relay; refused.
"""

STAGES: Mapping[int, str] = {
    RECEIVED: "smtp_in",
    ACCEPTED: "accepted",
    HANDLED: "handled",
    SENT: "smtp_out",
    RETRY: "retry",
    BOUNCED: "bounced",
    DROPPED: "dropped",
    45: "groups",
    46: "groups",
    51: "groups",
    54: "groups",
    RELAY_IN: "smtp_relay",
    49: "smtp_relay",
    REJECTED: "rejected",
    69: "user_classified",
    70: "reclassified",
    71: "after_delivery",
}

ON_SMTP = frozenset({RECEIVED, SENT, RELAY_IN})
"""Stages at which Gmail itself holds the SMTP connection that `connection_info` is about."""


def stage_action(
    stage: int | None, *, success: bool | None, handed_on: bool, inbound: bool, reply: int | None
) -> tuple[str, str | None]:
    """
    The action and outcome of a stage of the delivery.

    `handed_on`: to the outbound SMTP server, which has a stage of its own. What Gmail refuses of others is `mail_reject`, what it
    refuses to send for its own users is `discard`. `reply` is the SMTP reply code.
    """
    if success is False and stage in (RECEIVED, ACCEPTED, RELAY_IN, REJECTED):
        return ("mail_reject", "denied") if inbound or stage == RECEIVED else ("discard", "dropped")
    if stage in (RECEIVED, ACCEPTED, RELAY_IN):
        return "mail_accepted", None
    if stage == HANDLED and handed_on:
        return "mail_accepted", None
    if stage in (HANDLED, SENT):
        if success is False:
            return ("bounce", "bounced") if reply is None or reply >= 500 else ("defer", "deferred")
        return "deliver", "delivered"
    if stage == RETRY:
        return "defer", "deferred"
    if stage == BOUNCED:
        return "bounce", "bounced"
    if stage == DROPPED:
        return "discard", "dropped"
    if stage == 69:
        return "mail_classified", None
    return ("mail_reclassified", None) if stage == 70 else ("mail_event", None)
