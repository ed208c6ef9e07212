"""The grammar of Exim log lines: what one line says, taken alone (Exim specification, chapter “Log files”)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from domain.json import Json
from ingest.parsers.addresses import is_inside
from ingest.parsers.exim_fields import destination, read_fields, read_host, unquoted
from ingest.parsers.exim_table import TABLE
from ingest.parsers.exim_tls import protocol_uses_tls, session
from ingest.parsers.postfix_fields import recipient

_FLAG = re.compile(r"(?P<flag><=|\(=|=>|->|>>|\*>|\*\*|==) ")
_SENDER = re.compile(r'(?:"(?:[^"\\]|\\.)*"\S*|\S+)')
_RECEIVED = re.compile(r"(?: RT=\S+)?(?: from <(?P<sender>[^<>]*)>)?(?: for (?P<to>.+))?$")
_DEFER = re.compile(r" (?:routing )?defer \((?P<errno>-?\w{1,8})\)")
_ERROR_HOST = re.compile(r"(?P<reason>[^\[\]=:]{1,80}?) (?=H=)")
_DSN = re.compile(r"(?:^|[: ])(?P<code>[245]\d\d)[- ](?P<dsn>[245]\.\d{1,3}\.\d{1,3})?")
_QUEUED_AS = re.compile(r"\bqueued as ([A-Za-z0-9-]{1,64})\b|\bid=([0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4})\b")
_DELIVERED = {"=>": "deliver", "->": "deliver", ">>": "deliver", "*>": "discard", "**": "bounce", "==": "defer"}
_OUTCOMES = {"deliver": "delivered", "discard": "dropped", "bounce": "bounced", "defer": "deferred"}
_NUMBERS = {"S": "size"}
_TEXTS = {"R": "router", "T": "transport", "QT": "queue_time", "DT": "deliver_time", "P": "return_path", "Q": "queue", "A": "auth"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EximLine:
    """
    One line. `tls` is the session it names; `uses_tls` whether TLS was used as far as the line says, None where it does not.

    `attempted` marks a mail that was handed over on a network connection, `reused` one that was not the first mail on it.
    """

    action: str
    outcome: str | None = None
    facts: Mapping[str, Json]
    tls: Mapping[str, Json] | None = None
    uses_tls: bool | None = None
    attempted: bool = False
    reused: bool = False


def read_line(text: str) -> EximLine:
    """What a line says after its time and message id. A line nobody described is `mail_log`: still evidence."""
    if flagged := _FLAG.match(text):
        flag, at = flagged["flag"], flagged.end()
        return _arrival(text, at, faked=flag == "(=") if flag in ("<=", "(=") else _delivery(text, at, flag)
    if refused := _refusal(text):
        return refused
    for pattern, action, outcome in TABLE:
        if (found := pattern.fullmatch(text)) is not None:
            return EximLine(action=action, outcome=outcome, facts=_facts(found))
    return EximLine(action="mail_log", facts={"text": text})


def _arrival(text: str, at: int, *, faked: bool) -> EximLine:
    found = _SENDER.match(text, at)
    sender = found[0] if found else ""
    fields = read_fields(text, found.end() if found else at, peer="client")
    values = fields.values
    facts: dict[str, Json] = {"from": unquoted(sender) if sender == "<>" else sender, **fields.host}
    for name, field in (("P", "protocol"), ("R", "bounce_of"), ("U", "user"), ("DKIM", "dkim"), ("Ci", "connection")):
        if value := values.get(name):
            facts[field] = value
    if (size := values.get("S", "")).isdecimal() and len(size) < 16:
        facts["size"] = int(size)
    if message_id := values.get("id"):
        facts["message_id"] = message_id
    facts |= _authenticated(values.get("A"))
    if (rest := _RECEIVED.match(text, fields.end)) and rest["to"]:
        facts["nrcpt"] = len(rest["to"].split(" "))
    if faked:
        facts["verdict"] = "fakereject"
    tls = session(values, reused=False)
    return EximLine(
        action="mail_accepted" if fields.host else "mail_submitted",
        facts=facts,
        tls=tls,
        uses_tls=True if tls is not None else protocol_uses_tls(values.get("P")),
    )


def _delivery(text: str, at: int, flag: str) -> EximLine:
    where = destination(text, at)
    fields = read_fields(text, where.end, peer="relay")
    facts: dict[str, Json] = recipient(where.to)
    if where.original:
        facts["orig_to"] = where.original
        if "to_domain" not in facts and "to_domain" in (final := recipient(where.original)):
            facts["to_domain"] = final["to_domain"]  # a mailbox of that domain, by its file, pipe or local name
    if where.via:
        facts["via"] = where.via
    at, host, reused = fields.end, dict(fields.host), fields.reused
    values = dict(fields.values)
    if deferred := _DEFER.match(text, at):
        facts["errno"] = deferred["errno"]
        more = read_fields(text, deferred.end(), peer="relay")
        at, host, reused = more.end, host or dict(more.host), reused or more.reused
        values = {**more.values, **values}
    reason = text[at:].removeprefix(":").strip()
    if not host and (local := _ERROR_HOST.match(reason)):  # the error of the system stands before the host
        late = read_fields(reason, local.end(), peer="relay")
        host, reason = dict(late.host), f"{local['reason']}{reason[late.end :]}"
    facts |= host
    facts |= _about(values)
    facts |= _answer(values.get("C"), reason)
    action = _DELIVERED[flag]
    if action == "deliver" and (where.to in (":blackhole:", "discarded") or values.get("T") == "**bypassed**"):
        action = "discard"
    if direction := _direction(host, values.get("T")):
        facts["direction"] = direction
    tls = session(values, reused=reused)
    return EximLine(
        action=action,
        outcome=_OUTCOMES[action],
        facts=facts,
        tls=tls,
        uses_tls=True if tls is not None or "CV" in values else None,
        attempted=action == "deliver" and "relay_ip" in host,
        reused=reused,
    )


def _about(values: Mapping[str, str]) -> dict[str, Json]:
    facts: dict[str, Json] = {field: values[name] for name, field in _TEXTS.items() if values.get(name)}
    if "F" in values:
        facts["from"] = values["F"]
    for name, field in _NUMBERS.items():
        if (value := values.get(name, "")).isdecimal() and len(value) < 16:
            facts[field] = int(value)
    return facts


def _answer(confirmation: str | None, reason: str) -> dict[str, Json]:
    """The reply of the other server: `C=` of a delivery, or the text after the fields of a failure."""
    response = confirmation if confirmation is not None else reason
    if not response:
        return {}
    facts: dict[str, Json] = {"response": response}
    if found := _DSN.search(response):
        facts["reply_code"] = found["code"]
        if found["dsn"]:
            facts["dsn"] = found["dsn"]
    if confirmation is not None and (queued := _QUEUED_AS.search(response)):
        facts["remote_queue_id"] = queued[1] or queued[2]
    return facts


def _direction(host: Mapping[str, Json], transport: str | None) -> str | None:
    """`internal` for a copy that stays in the organisation, `outbound` for one that leaves it, None where it went nowhere."""
    if isinstance(ip := host.get("relay_ip"), str):
        return "internal" if is_inside(ip) else "outbound"
    return "internal" if transport and "smtp" not in transport else None


def _authenticated(value: str | None) -> dict[str, Json]:
    """`A=authenticator:id:sender` of an arrival: the method, and the user where server_set_id is set."""
    method, *user = (value or "").split(":")
    facts: dict[str, Json] = {"sasl_method": method} if method else {}
    if user and user[0]:
        facts["sasl_username"] = user[0]
    return facts


# --- Refusals ------------------------------------------------------------------------------------------------------------

_REFUSED = re.compile(
    r" ?(?P<verdict>temporarily rejected|rejected|refused) (?P<stage>RCPT|MAIL|EHLO or HELO|AUTH|ETRN|EXPN|VRFY|STARTTLS|DATA|"
    r"after DATA|by non-SMTP ACL|by local_scan\(\)|during MIME ACL checks|connection(?: in \"connect\" ACL| from \S+)?|\S+)"
    r"(?P<rest>.*)",
    re.DOTALL,
)
_SUBJECT = re.compile(r' (?:<(?P<angle>(?:"(?:[^"\\]|\\.)*"|[^<>"])*)>|(?P<bare>[^\s:]+))')
_STAGES = {
    "EHLO or HELO": "HELO",
    "after DATA": "DATA",
    "by non-SMTP ACL": "submission",
    "by local_scan()": "DATA",
    "during MIME ACL checks": "DATA",
}


def _refusal(text: str) -> EximLine | None:
    """`H=client … F=<sender> rejected RCPT <recipient>: reason`, in the main log and in the reject log, or None."""
    line, _, header = text.partition("\n")
    fields = read_fields(line, 0, peer="client")
    found = _REFUSED.match(line, fields.end)
    if found is None:
        return None
    stage = found["stage"]
    facts: dict[str, Json] = {
        **fields.host,
        **_envelope(header),
        **_authenticated(fields.values.get("A")),
        "verdict": "tempfail" if found["verdict"].startswith("temp") else "reject",
        "stage": "CONNECT" if stage.startswith("connection") else _STAGES.get(stage, stage),
    }
    if "F" in fields.values:
        facts["from"] = fields.values["F"]
    rest = found["rest"]
    if subject := _SUBJECT.match(rest):
        rest = rest[subject.end() :]
        if stage == "RCPT":
            facts |= recipient(subject["angle"] if subject["angle"] is not None else subject["bare"])
        elif stage == "MAIL":
            facts["from"] = subject["angle"] if subject["angle"] is not None else subject["bare"]
        else:
            facts["subject"] = subject["angle"] or subject["bare"]
    if reason := rest.removeprefix(":").strip():
        facts["reason"] = reason
    return EximLine(
        action="mail_reject",
        outcome="denied",
        facts=facts,
        tls=session(fields.values, reused=False),
        uses_tls=True if "X" in fields.values else None,
    )


_ENVELOPE_LINE = re.compile(r"(?:Envelope-(?P<name>from|to): |    )<(?P<address>[^\n]*)>$", re.MULTILINE)
_MESSAGE_ID = re.compile(r"^I? ? ?Message-Id: *<?(?P<id>[^\s<>]+)", re.MULTILINE | re.IGNORECASE)


def _envelope(header: str) -> dict[str, Json]:
    """Sender, recipients and message id out of what the reject log prints below an entry; nothing else of the header."""
    facts: dict[str, Json] = {}
    recipients: list[Json] = []
    for found in _ENVELOPE_LINE.finditer(header):
        if found["name"] == "from":
            facts["from"] = found["address"]
        else:
            recipients.append(found["address"])
    if recipients:
        facts |= recipient(str(recipients[0]))
        if len(recipients) > 1:
            facts["recipients"] = recipients
    if message := _MESSAGE_ID.search(header):
        facts["message_id"] = message["id"]
    return facts


def _facts(found: re.Match[str]) -> dict[str, Json]:
    facts: dict[str, Json] = {}
    for name, value in found.groupdict().items():
        if not value:
            continue
        if name in ("client", "relay"):
            facts |= read_host(value, name)[0]
        elif name == "count":
            facts[name] = int(value)
        else:
            facts[name] = value
    return facts
