"""What Postfix logs for one outgoing message: who, how large, the TLS session, the outcome, and that it left the queue.

The lines of one message belong together by queue id; the TLS line has none, and belongs to the delivery that the same process
logs next over the same relay (Postfix TLS_README, smtp_tls_loglevel = 1).
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from domain.event import AuditEvent
from domain.json import Json

HOST = "mail-relay"


def postfix_lines(event: AuditEvent) -> Iterator[tuple[datetime, str, int, bytes]]:
    """(time, program, process, text) of each line about a mail event, in order."""
    details = event.details
    seed = int.from_bytes(hashlib.sha256(event.event_id.encode()).digest()[:6], "big")
    queue_id, process = f"{seed % 16**10:010X}", 20_000 + seed % 9_000
    domain = str(details["to_domain"])
    relay = f"mx.{domain}[203.0.113.{seed % 200 + 20}]:25"
    begin, end = event.time - timedelta(seconds=2), event.time
    yield begin, "postfix/cleanup", process + 1, f"{queue_id}: message-id={details['message_id']}".encode()
    queued = f"{queue_id}: from=<{details['from']}>, size={details['size']}, nrcpt=1 (queue active)"
    yield begin, "postfix/qmgr", 2010, queued.encode()
    session = details.get("tls")
    if isinstance(session, Mapping) and session.get("version"):
        yield end, "postfix/smtp", process, _tls_line(session, relay)
    sent = f"{queue_id}: to=<{details['to']}>, relay={relay}, delay=2, delays=0.2/0/1.1/0.7, {_status(event, relay)}"
    yield end, "postfix/smtp", process, sent.encode()
    if event.action != "defer":
        yield end, "postfix/qmgr", 2010, f"{queue_id}: removed".encode()


def _tls_line(session: Mapping[str, Json], relay: str) -> bytes:
    version, cipher = str(session["version"]), str(session["cipher"])
    level = "Verified" if session.get("verified") else "Untrusted"
    bits = 256 if "256" in cipher else 128
    more = " key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256" if version == "TLSv1.3" else ""
    return f"{level} TLS connection established to {relay}: {version} with cipher {cipher} ({bits}/{bits} bits){more}".encode()


def _status(event: AuditEvent, relay: str) -> str:
    match event.action:
        case "bounce":
            host = relay.removesuffix(":25")
            return f"dsn=5.1.1, status=bounced (host {host} said: 550 5.1.1 mailbox unknown (in reply to RCPT TO command))"
        case "defer":
            return f"dsn=4.4.1, status=deferred (connect to {relay}: Connection timed out)"
        case _:
            return "dsn=2.0.0, status=sent (250 2.0.0 OK: queued)"
