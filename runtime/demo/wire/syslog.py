"""Syslog as senders speak it: an RFC 5424 header in front of a message, and octet counting around it on a stream."""

from datetime import datetime
from zoneinfo import ZoneInfo

AUDIT = 10 * 8 + 5
"""Facility security/authorisation, severity notice: what IHE ATNA asks for."""

MAIL = 2 * 8 + 6
"""Facility mail, severity informational."""


def syslog_message(
    priority: int, moment: datetime, zone: ZoneInfo, host: str, app: str, process: int, message: bytes, *, message_id: str = "-"
) -> bytes:
    """RFC 5424 section 6, without structured data; the time keeps its offset."""
    stamp = moment.astimezone(zone).isoformat(timespec="milliseconds")
    return f"<{priority}>1 {stamp} {host} {app} {process} {message_id} - ".encode() + message


def octet_counted(message: bytes) -> bytes:
    """A frame of RFC 6587 section 3.4.1, also used by RFC 5425 section 4.3."""
    return str(len(message)).encode() + b" " + message
