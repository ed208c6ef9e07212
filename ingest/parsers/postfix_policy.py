"""Decisions about mail before it is accepted: access rules, header checks, milters, proxy filters and postscreen."""

import re

from domain.json import Json
from ingest.parsers.postfix_fields import PEER, PostfixLine, pairs, peer, recipient

_DECISION = re.compile(
    r"(?P<verdict>reject|reject_warning|(?:milter|proxy)-[a-z]+|filter|hold|discard|redirect|prepend|replace|strip|bcc|pass|permit|"
    r"trigger|delay|warn|warning|info): (?P<text>.*)",
    re.DOTALL,
)
_CHECKED = ("header ", "body ", "mime ", "nested ")
_CHECKED_FROM = re.compile(rf"(?P<text>.*) from (?:(?P<client>{PEER})|local)", re.DOTALL)
_STAGE = re.compile(rf"(?P<stage>[A-Z][A-Z-]*)(?: from (?P<client>{PEER}))?: ?(?P<text>.*)", re.DOTALL)
_REPLY = re.compile(
    r"(?:(?P<reply_code>[245]\d\d) )?(?:(?P<dsn>[245]\.\d{1,3}\.\d{1,3}) )?(?:<(?P<subject>[^>]*)>: )?(?P<reason>.*)", re.DOTALL
)
_ENVELOPE = re.compile(r"; (?=(?:from|to|proto)=)")
_NAMES = {"proto": "protocol"}


def read_decision(queue_id: str | None, text: str) -> PostfixLine | None:
    """`VERDICT: STAGE from CLIENT: reply; from=… to=… proto=… helo=…` and the header-check forms of it, or None."""
    decided = _DECISION.fullmatch(text)
    if decided is None:
        return None
    verdict = decided["verdict"]
    refused = verdict.endswith("reject")
    body, envelope, after = _envelope(decided["text"])
    about_content = body.startswith(_CHECKED)
    action = "mail_reject" if refused else "mail_header_check" if about_content else "mail_policy"
    return PostfixLine(
        action=action,
        outcome="denied" if refused else "dropped" if verdict.endswith("discard") else None,
        queue_id=queue_id,
        facts={"verdict": verdict, **(_checked(body, after) if about_content else _replied(body)), **envelope},
    )


def _checked(body: str, after: str) -> dict[str, Json]:
    found = _CHECKED_FROM.fullmatch(body)
    facts: dict[str, Json] = {"text": found["text"] if found else body}
    if after:
        facts["reason"] = after
    return facts | peer(found["client"], "client") if found and found["client"] else facts


def _replied(body: str) -> dict[str, Json]:
    facts: dict[str, Json] = {}
    if found := _STAGE.fullmatch(body):
        facts["stage"] = found["stage"]
        if found["client"]:
            facts |= peer(found["client"], "client")
        body = found["text"]
    reply = _REPLY.fullmatch(body.strip())
    assert reply is not None
    return facts | {name: value for name, value in reply.groupdict().items() if value}


def _envelope(text: str) -> tuple[str, dict[str, Json], str]:
    """Split off the envelope at the end, and the text that a header check puts after it."""
    for start in _ENVELOPE.finditer(text):
        head, _, tail = text[start.end() :].partition(" helo=<")
        found, end = pairs(head)
        rest = head[end:].strip()
        if tail:  # the last field, and the client's own words: they may hold anything
            if rest:
                continue  # these pairs stand inside text from outside
            closed = tail.find(">: ") if ">: " in tail else tail.rfind(">")
            found["helo"], rest = tail[:closed], tail[closed + 1 :].strip()
        if rest and not rest.startswith(":") and not rest.isdecimal():
            continue
        facts: dict[str, Json] = {_NAMES.get(name, name): value for name, value in found.items()}
        if "to" in found:
            facts |= recipient(found["to"])
        return text[: start.start()], facts, rest.removeprefix(":").strip()
    return text, {}, ""
