"""The grammar of Postfix log lines: what one line says, taken alone."""

import re

from domain.json import Json
from ingest.parsers.postfix_fields import ADDRESS, PEER, PostfixLine, bare, pairs, peer, recipient, typed
from ingest.parsers.postfix_policy import read_decision
from ingest.parsers.postfix_table import TABLE

_PREFIX = re.compile(
    r"(?:(?P<level>warning|error|fatal|panic): )?"
    r"(?:(?P<queue_id>NOQUEUE|[0-9A-F]{6,24}|(?=[A-Za-z]*[0-9])[0-9A-Za-z]{9,24}): )?"
    r"(?:(?P<inner>warning|error|fatal|panic): )?"
)
_STATUS = re.compile(
    rf"to=(?P<to>{ADDRESS})(?:, orig_to=(?P<orig_to>{ADDRESS}))?, relay=(?P<relay>[^,\s]*)"
    r"(?P<fields>(?:, [a-z_]+=[^,\s]*)*?), status=(?P<status>[\w-]+)"
)
_QUEUED = re.compile(rf"from=(?P<from>{ADDRESS}), size=(?P<size>\d{{1,15}}), nrcpt=(?P<nrcpt>\d{{1,9}})\b")
_EXPIRED = re.compile(rf"from=(?P<from>{ADDRESS}), status=(?P<status>(?:force-)?expired)\b")
_CLIENT = re.compile(rf"client=(?P<client>{PEER})(?:, |$)")
_QUEUED_AS = re.compile(r"\bqueued as ([A-Za-z0-9-]{1,64})\b")
_COMMAND = re.compile(r"([a-z]+)=(\d{1,9}(?:/\d{1,9})?)")
_CHECKED = ("header ", "body ", "mime ", "nested ")
_STATUS_ACTIONS = {
    "sent": ("deliver", "delivered"),
    "deferred": ("defer", "deferred"),
    "softbounce": ("defer", "deferred"),
    "bounced": ("bounce", "bounced"),
    "expired": ("bounce", "bounced"),
    "undeliverable": ("mail_probe", "failure"),
    "deliverable": ("mail_probe", "success"),
}


def read_line(daemon: str, text: str) -> PostfixLine:
    """What the text of a line says; `daemon` wrote it. A line nobody described is `mail_log`: still evidence."""
    start = _PREFIX.match(text)
    assert start is not None  # every part of it is optional
    level = start["level"] or start["inner"]
    queue_id = None if start["queue_id"] == "NOQUEUE" else start["queue_id"]
    rest = text[start.end() :]
    line = _about_mail(daemon, queue_id, rest)
    if line is None and start["inner"] and rest.startswith(_CHECKED):
        line = read_decision(queue_id, f"{start['inner']}: {rest}")
    if line is None and level is None:
        line = read_decision(queue_id, rest)
    if line is not None:
        return line
    for pattern, action, outcome in TABLE:
        if (found := pattern.fullmatch(rest)) is not None:
            return PostfixLine(action=action, outcome=outcome, queue_id=queue_id, facts=_facts(found))
    if level is not None:
        return PostfixLine(action=f"mail_{level}", queue_id=queue_id, facts={"text": rest})
    return PostfixLine(action="mail_log", queue_id=queue_id, facts={"text": rest})


def _about_mail(daemon: str, queue_id: str | None, rest: str) -> PostfixLine | None:
    """The stations of a message: accepted, received, queued, delivered, removed."""
    if found := _STATUS.match(rest):
        return _status(daemon, queue_id, rest, found)
    if found := _QUEUED.match(rest):
        queued: dict[str, Json] = {"from": bare(found["from"]), "size": int(found["size"]), "nrcpt": int(found["nrcpt"])}
        return PostfixLine(action="mail_queued", queue_id=queue_id, facts=queued)
    if found := _EXPIRED.match(rest):
        expired: dict[str, Json] = {"from": bare(found["from"]), "status": found["status"]}
        return PostfixLine(action="mail_expired", outcome="bounced", queue_id=queue_id, facts=expired)
    if found := _CLIENT.match(rest):
        more, _ = pairs(rest, found.end())
        return PostfixLine(action="mail_accepted", queue_id=queue_id, facts={**more, **peer(found["client"], "client")})
    for name in ("message-id", "resent-message-id"):
        if rest.startswith(f"{name}="):
            value = bare(rest[len(name) + 1 :].strip())
            return PostfixLine(action="mail_received", queue_id=queue_id, facts={name.replace("-", "_"): value})
    if queue_id is not None and rest == "removed":
        return PostfixLine(action="mail_deleted" if daemon == "postsuper" else "mail_removed", queue_id=queue_id, facts={})
    return None


def _status(daemon: str, queue_id: str | None, rest: str, found: re.Match[str]) -> PostfixLine:
    status = found["status"].lower()
    action, outcome = _STATUS_ACTIONS.get(status, ("mail_log", None))
    if daemon == "discard" and status == "sent":
        action, outcome = "discard", "dropped"  # "sent" there means thrown away on purpose
    facts: dict[str, Json] = {**recipient(found["to"]), "status": status}
    if found["orig_to"]:
        facts["orig_to"] = bare(found["orig_to"])
    facts |= peer(found["relay"], "relay")
    for field in found["fields"].split(", ")[1:]:
        name, _, value = field.partition("=")
        facts["tls_feature" if name == "tls" else name] = typed(name, value)
    opened, closed = rest.find("(", found.end()), rest.rfind(")")
    if found.end() <= opened < closed:
        facts["response"] = response = rest[opened + 1 : closed]
        if queued := _QUEUED_AS.search(response):
            facts["remote_queue_id"] = queued[1]
    return PostfixLine(action=action, outcome=outcome, queue_id=queue_id, facts=facts)


def _facts(found: re.Match[str]) -> dict[str, Json]:
    facts: dict[str, Json] = {}
    for name, value in found.groupdict().items():
        if value is None:
            continue
        if name in ("client", "relay", "server"):
            facts |= peer(value, name)
        elif name == "commands":
            facts[name] = dict(_COMMAND.findall(value))
        else:
            facts[name] = typed(name, bare(value) if name == "from" else value)
    return facts
