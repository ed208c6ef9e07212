"""The words in which reports speak: actions, outcomes, places and numbers as a patient or a manager would say them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_DONE = {
    "login": "signed in",
    "logout": "signed out",
    "search": "found the patient in a search",
    "view_chart": "opened the chart",
    "view_notes": "read notes",
    "view_labs": "read laboratory results",
    "view_meds": "read the medication list",
    "view_orders": "read orders",
    "view_imaging": "looked at images",
    "view_billing": "read billing data",
    "view_demographics": "read name and address data",
    "view_schedule": "read appointments",
    "view_message": "read a message",
    "view_results": "read results",
    "view_bill": "read a bill",
    "view_appointments": "read appointments",
    "edit_note": "wrote or changed a note",
    "edit_result": "changed a result",
    "edit_vitals": "recorded vital signs",
    "edit_billing": "changed billing data",
    "edit_demographics": "changed name or address data",
    "edit_schedule": "changed an appointment",
    "med_admin": "recorded a medication as given",
    "verify_med": "checked a medication",
    "sign_order": "signed an order",
    "route_result": "forwarded a result",
    "print": "printed from the record",
    "export": "exported from the record",
    "extract": "extracted data",
    "report_run": "ran a report that includes the patient",
    "break_glass": "opened the record by emergency override (break-glass)",
    "audit_read": "looked up who accessed the record",
    "hold_placed": "placed a legal hold on the record",
    "hold_released": "released a legal hold on the record",
    "send_message": "sent a message",
    "request_refill": "asked for a refill",
    "pay_bill": "paid a bill",
    "update_contact": "changed contact data",
    "download_record": "downloaded the record",
    "password_reset": "reset the password",
    "proxy_grant": "gave someone else access",
    "message_expired": "let a message expire unread",
}

_REFUSED = frozenset({"denied", "failure"})

_KINDS = {
    "staff": "staff",
    "patient": "the patient, through the portal",
    "proxy": "a proxy of the patient",
    "service": "a program",
    "system": "a system",
    "vendor": "a vendor",
    "external": "someone outside",
}


def action_words(action: str, outcome: str) -> str:
    """What was done, in the past tense; an attempt that was refused is called one."""
    words = _DONE.get(action, action.replace("_", " "))
    return f"tried, and was refused: {words}" if outcome in _REFUSED else words


def actor_kind_words(kind: str) -> str:
    """What sort of actor this is."""
    return _KINDS.get(kind, kind)


def place_words(*, device_kind: str, device_id: str, ip: str, city: str = "", nothing: str = "not stated by the source") -> str:
    """From where, as far as the source said; else `nothing`."""
    device = " ".join(part for part in (device_kind, device_id) if part)
    parts = [part for part in (device, ip, city) if part]
    return ", ".join(parts) or nothing


def moment(time: datetime, zone: ZoneInfo) -> str:
    """Local date and time to the second, with the zone's abbreviation, so that the repeated hour in autumn is not ambiguous."""
    return time.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def moment_utc(time: datetime) -> str:
    """The instant in UTC to the second, for what must read the same everywhere."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def day(time: datetime, zone: ZoneInfo) -> str:
    """The local date, with the day of the week."""
    return time.astimezone(zone).strftime("%A, %Y-%m-%d")


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 person`, `1,204 people`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listing(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def sentence(words: str) -> str:
    """The words as a sentence: a capital first, a full stop last."""
    words = words.strip()
    if not words:
        return ""
    return words[0].upper() + words[1:] + ("" if words[-1] in ".!?" else ".")
