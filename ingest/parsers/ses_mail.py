"""Mail that Amazon SES received: notifications of receipt rules, and what a Lambda action is given."""

import re
from collections.abc import Mapping

from domain.json import Json
from ingest.parsers.addresses import ip_of
from ingest.parsers.ses_events import about
from ingest.parsers.shapes import mapping, sequence
from ingest.parsers.webhook_events import ACCEPTED, Told
from ingest.parsers.webhook_values import address, addresses, header, text

_HOP = re.compile(r"\bfrom\s+(?P<name>[^\s()]{1,255})\s+\((?:[^\s()\[\]]{0,255}\s*)\[(?P<ip>[0-9A-Fa-f:.]{2,45})\]\)")
_OURS = re.compile(r"\bby\s+inbound-smtp\.[a-z0-9.-]+\s")
# RFC 8314 §4.3 and what servers write in practice: `(version=TLS1_2 cipher=…)`, `(using TLSv1.2 with cipher … (256/256 bits))`.
_SESSION = re.compile(
    r"version=(?P<one>TLS[v ]?[0-9._]+)(?:[;\s]+cipher=(?P<cipher>[A-Za-z0-9_-]+))?(?:[;\s]+bits=(?P<bits>\d{2,3}))?"
    r"|using (?P<two>TLSv?[0-9.]+) with cipher (?P<other>[A-Za-z0-9_-]+)",
    re.IGNORECASE,
)
_VERDICTS = ("spam", "virus", "spf", "dkim", "dmarc")


def received_mail(event: Mapping[str, object], sent: object) -> Told:
    """A mail that came in, for its envelope recipients."""
    mail, receipt = mapping(event.get("mail")), mapping(event.get("receipt"))
    action = mapping(receipt.get("action"))
    hop = _hop(mail)
    verdicts = {name: text(mapping(receipt.get(f"{name}Verdict")).get("status")) for name in _VERDICTS}
    return Told(
        word=text(event.get("notificationType")) or "Received",
        meaning=ACCEPTED,
        content={"mail": mail, "receipt": receipt},
        times=(receipt.get("timestamp"), mail.get("timestamp"), sent),
        to=addresses(receipt.get("recipients")) or addresses(mail.get("destination")),
        sender=address(mail.get("source")),
        facts={
            **about(mail),
            "direction": "inbound",
            **hop,
            "verdicts": {name: verdict for name, verdict in verdicts.items() if verdict},
            "dmarc_policy": text(receipt.get("dmarcPolicy")),
            "rule_action": text(action.get("type")),
            "processing_ms": receipt.get("processingTimeMillis"),
        },
    )


def _hop(mail: Mapping[str, object]) -> dict[str, object]:
    """Who handed the mail to SES and over which session, from the Received header that SES itself wrote: the first."""
    line = next(iter(header(sequence(mail.get("headers")), "received")), "")
    if not _OURS.search(line):
        return {}
    facts: dict[str, object] = {}
    if found := _HOP.search(line):
        facts |= {"relay": found["name"], "relay_ip": ip_of(found["ip"])}
    if session := _SESSION.search(line):
        tls: dict[str, Json] = {"version": session["one"] or session["two"]}
        if cipher := session["cipher"] or session["other"]:
            tls["cipher"] = cipher
        if session["bits"]:
            tls["bits"] = int(session["bits"])
        facts |= {"tls": tls, "tls_field": "Received"}
    return facts
