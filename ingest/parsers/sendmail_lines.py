"""The grammar of sendmail log lines: what one line says, taken alone (Installation and Operation Guide, “System log”)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from domain.errors import InvalidInput
from domain.json import Json
from ingest.parsers.addresses import is_inside
from ingest.parsers.postfix_fields import recipient
from ingest.parsers.sendmail_fields import ADDRESS, addresses, bare, interval, pairs, relay, relay_name
from ingest.parsers.sendmail_table import TABLE

MOST_RECIPIENTS = 200
"""Of one line: sendmail splits its list at SYSLOG_BUFSIZE, 1,024 characters."""

_ID = re.compile(r"(?:NOQUEUE|(?P<id>(?=[A-Za-z]*[0-9])[0-9A-Za-z]{8,20})): ")
_FROM = re.compile(
    rf"from=(?P<from>{ADDRESS}|), size=(?P<size>\d{{1,15}})(?:, class=[^,]*)?(?:, pri=[^,]*)?(?:, nrcpts?=(?P<nrcpt>\d{{1,9}}))?"
    r"(?P<more>(?:, .*)?)",
    re.DOTALL,
)
_TAIL = re.compile(
    r"(?:, bodytype=[^,]*)?(?:, proto=(?P<protocol>[^,]*))?(?:, daemon=(?P<daemon>[^,]*))?(?:, tls_verify=(?P<tls_verify>[^,]*))?"
    r"(?:, auth=(?P<auth>[^,]*))?(?:, relay=(?P<relay>[^,]*))?$",
    re.DOTALL,
)
_QUEUED_AS = re.compile(r"\bqueued as ([A-Za-z0-9-]{1,64})\b|^\(?([0-9A-Za-z]{8,20}) Message accepted for delivery")
_CODE = re.compile(r"(?:^|[ (:])(?P<code>[245]\d\d)[- ]")
_LOCAL_MAILERS = frozenset({"local", "prog", "*file*", "*include*", "cyrus", "cyrusv2", "procmail", "lmtp", "discard"})
_BY_CLASS = {"2": "deliver", "4": "defer", "5": "bounce"}
_OUTCOMES = {"deliver": "delivered", "defer": "deferred", "bounce": "bounced", "discard": "dropped"}
_STATUS = {"deliver": "sent", "defer": "deferred", "bounce": "bounced"}
_FAILURES = ("User unknown", "Host unknown", "Service unavailable", "Data format error", "Remote protocol error", "Cannot ")


@dataclass(frozen=True, slots=True, kw_only=True)
class SendmailLine:
    """
    One line. `each` are the recipients of a delivery, one event each, beside the `facts` that they share.

    `relay` names the other server in one spelling, `took` is the time of the attempt, `attempted` that the mail was handed over
    on a network connection. `tls_verify` is sendmail's own field, where it writes one.
    """

    action: str
    outcome: str | None = None
    queue_id: str | None = None
    facts: dict[str, Json]
    each: Sequence[dict[str, Json]] = field(default_factory=tuple)
    relay: str | None = None
    took: timedelta | None = None
    attempted: bool = False
    tls_verify: str | None = None


def read_line(text: str) -> SendmailLine:
    """What a line says. One that nobody described is `mail_log`: still evidence. Raises InvalidInput for too many recipients."""
    queue_id = None
    if start := _ID.match(text):
        queue_id, text = start["id"], text[start.end() :]
    if text.startswith("to="):
        return _delivery(queue_id, text)
    if arrived := _FROM.fullmatch(text):
        return _arrival(queue_id, arrived)
    for pattern, action, outcome in TABLE:
        if (found := pattern.fullmatch(text)) is not None:
            facts = _facts(found)
            dropped = facts.get("verdict") == "discard"
            return SendmailLine(action=action, outcome="dropped" if dropped else outcome, queue_id=queue_id, facts=facts)
    return SendmailLine(action="mail_log", queue_id=queue_id, facts={"text": text})


def _arrival(queue_id: str | None, found: re.Match[str]) -> SendmailLine:
    facts: dict[str, Json] = {"from": bare(found["from"]), "size": int(found["size"])}
    if found["nrcpt"]:
        facts["nrcpt"] = int(found["nrcpt"])
    more = found["more"]
    tail = _TAIL.search(more)
    assert tail is not None  # every part of it is optional, and every text has an end
    before = more[: tail.start()]
    if before.startswith(", msgid="):
        facts["message_id"] = bare(before.removeprefix(", msgid=").strip())
    for name in ("protocol", "daemon", "auth"):
        if tail[name]:
            facts[name] = tail[name]
    local = tail["relay"] is None or "@" in tail["relay"]
    if tail["relay"]:
        facts |= {"user": tail["relay"]} if local else relay(tail["relay"], "client")
    action = "mail_submitted" if local else "mail_accepted"
    return SendmailLine(action=action, queue_id=queue_id, facts=facts, tls_verify=tail["tls_verify"])


def _delivery(queue_id: str | None, text: str) -> SendmailLine:
    to, at = addresses(text, 3)
    if len(to) > MOST_RECIPIENTS:
        raise InvalidInput(f"the line names more recipients than sendmail writes into one ({MOST_RECIPIENTS})")
    fields = pairs(text, at + 2) if text.startswith(", ", at) else {}
    status = fields.get("stat")
    if status is None:
        return SendmailLine(action="mail_log", queue_id=queue_id, facts={"text": text})
    action = _action(status, fields.get("dsn", ""))
    facts: dict[str, Json] = {"status": _STATUS.get(action) or status.split(" ", 1)[0].rstrip(":").lower()}
    for name in ("ctladdr", "delay", "xdelay", "mailer", "dsn"):
        if fields.get(name):
            facts[name] = bare(fields[name].split(" (", 1)[0]) if name == "ctladdr" else fields[name]
    facts |= _answer(status, fields.get("reply"))
    server = fields.get("relay", "")
    host = relay(server, "relay") if server else {}
    facts |= host
    if direction := _direction(fields.get("mailer"), host):
        facts["direction"] = direction
    return SendmailLine(
        action=action,
        outcome=_OUTCOMES.get(action),
        queue_id=queue_id,
        facts=facts,
        each=[recipient(one) for one in to] or [{"to": ""}],
        relay=relay_name(server) or None,
        took=interval(fields.get("xdelay")),
        attempted=action == "deliver" and "relay_ip" in host and fields.get("mailer") not in _LOCAL_MAILERS,
        tls_verify=fields.get("tls_verify"),
    )


def _action(status: str, dsn: str) -> str:
    if status.startswith("Sent"):
        return "deliver"
    if status.startswith("Deferred"):
        return "defer"
    if status.startswith("queued"):
        return "mail_queued"
    if status.startswith("deliverable"):
        return "mail_probe"
    if status.startswith("discarded"):
        return "discard"
    if status.startswith(_FAILURES):
        return "defer" if dsn.startswith("4") and not status.startswith("Cannot ") else "bounce"
    return _BY_CLASS.get(dsn[:1], "mail_log")


def _answer(status: str, reply: str | None) -> dict[str, Json]:
    """The words of the other server: in brackets after `Sent`, after the colon of `Deferred`, else the status itself."""
    _, _, text = status.partition(" ")
    response = text.strip()
    if response.startswith("(") and response.endswith(")"):
        response = response[1:-1]
    if not status.startswith(("Sent", "Deferred")):
        response = status
    response = reply or response
    facts: dict[str, Json] = {"response": response} if response else {}
    if code := _CODE.search(response):
        facts["reply_code"] = code["code"]
    if queued := _QUEUED_AS.search(response):
        facts["remote_queue_id"] = queued[1] or queued[2]
    return facts


def _direction(mailer: str | None, host: dict[str, Json]) -> str | None:
    """`internal` for a copy that stays in the organisation, `outbound` for one that leaves it, None where there was no hop."""
    if mailer in _LOCAL_MAILERS:
        return "internal"
    ip = host.get("relay_ip")
    return None if not isinstance(ip, str) else "internal" if is_inside(ip) else "outbound"


def _facts(found: re.Match[str]) -> dict[str, Json]:
    facts: dict[str, Json] = {}
    for name, value in found.groupdict().items():
        if not value:
            continue
        if name in ("client", "relay"):
            facts |= relay(value, name)
        elif name == "to":
            facts |= recipient(value)
        elif name == "count":
            facts[name] = int(value)
        else:
            facts[name] = bare(value) if name in ("from", "subject") else value
    return facts
