"""Which hop of a message's way a record about TLS speaks of: only the delivery leg says how a message left us."""

from collections.abc import Mapping
from enum import StrEnum

from domain.json import Json


class Leg(StrEnum):
    """Between whom the session was."""

    DELIVERY = "delivery"
    SUBMISSION = "submission"
    CALLER = "caller"
    INBOUND = "inbound"
    INTERNAL = "internal"
    UNKNOWN = "unknown"


HOPS: Mapping[Leg, str] = {
    Leg.DELIVERY: "the hop from us to the recipient's server",
    Leg.SUBMISSION: "the hop from a mail client to us",
    Leg.CALLER: "the hop from the program that called the mail service",
    Leg.INBOUND: "the hop from outside to us",
    Leg.INTERNAL: "a hop within the organisation",
    Leg.UNKNOWN: "a hop that is not known",
}

_SENT = frozenset({"deliver", "forward", "bounce", "defer", "smtp_tls"})
_RECEIVED = frozenset(
    {"mail_accepted", "mail_submitted", "mail_connect", "mail_disconnect", "smtpd_tls", "mail_reject", "mail_login"}
)
_SIGNED_IN = ("sasl_username", "authenticated_as")
_LOGINS = frozenset({"login", "authentication"})


def leg_of(details: Mapping[str, Json], action: str = "deliver") -> Leg:
    """The leg that `details.tls` (or, without it, `details.submission_tls`) is about.

    `tls_leg` is what the parser knew. It may take a record away from the delivery leg and never bring one there: direction and
    action speak first, because a server writes the same words about a session whichever way the mail went.
    """
    place = _place(details, action)
    if "tls_leg" not in details:
        return place
    said = details["tls_leg"]
    leg = Leg(said) if isinstance(said, str) and said in Leg.__members__.values() else Leg.UNKNOWN
    return place if leg is Leg.DELIVERY else leg


def _place(details: Mapping[str, Json], action: str) -> Leg:
    direction = details.get("direction")
    match direction.strip().lower() if isinstance(direction, str) else "":
        case "inbound":
            return Leg.INBOUND
        case "internal":
            return Leg.INTERNAL
    if ("tls" not in details and "submission_tls" in details) or action in _LOGINS:
        return Leg.SUBMISSION
    if action == "tls_report":
        return Leg.INBOUND
    if action in _RECEIVED:
        return Leg.SUBMISSION if any(details.get(name) for name in _SIGNED_IN) else Leg.UNKNOWN
    return Leg.DELIVERY if action in _SENT else Leg.UNKNOWN
