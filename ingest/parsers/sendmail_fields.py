"""The small pieces that sendmail log lines are made of: `name=value` fields, recipient lists, relays, intervals.

Addresses, message ids and replies come from outside. What stands before them is read from the front of a line, what stands after
them from its end, so that they can hold anything.
"""

import re
from datetime import timedelta

from domain.json import Json
from ingest.parsers.addresses import ip_of

ADDRESS = r'(?:<(?:"(?:[^"\\]|\\.)*"|[^<>"])*>|"(?:[^"\\]|\\.)*"[^\s,]*|[^\s,<>"]+(?:<[^<>\s]*>)?)'
_RECIPIENTS = re.compile(rf"{ADDRESS}(?:,{ADDRESS})*")
_ONE = re.compile(ADDRESS)
_PAIR = re.compile(r"(?P<name>[a-z_]{1,24}\d?)=(?P<value>[^,]*?)(?:, |,? ?$)")
_LAST = re.compile(r"(?P<name>stat|reply|reject|discard|quarantine|errormsg)=(?P<value>.*)", re.DOTALL)
_RELAY = re.compile(
    r"(?P<name>[^\s\[\]]{1,255}|\[[^\]\s]{1,255}\])?(?: ?\[(?P<ip>[^\]\s]{1,64})\])?(?P<forged> \(may be forged\))?"
)
_INTERVAL = re.compile(r"(?:(?P<days>\d{1,4})\+)?(?P<hours>\d\d):(?P<minutes>\d\d):(?P<seconds>\d\d)")


def addresses(text: str, at: int) -> tuple[list[str], int]:
    """A list of recipients, `<a@x>,<b@y>`, without brackets, and where it ends."""
    found = _RECIPIENTS.match(text, at)
    if found is None:
        return [], at
    return [bare(one[0]) for one in _ONE.finditer(text, at, found.end())], found.end()


def bare(address: str) -> str:
    """An address without its angle brackets, or without the comment before them."""
    opened = address.find("<") if address.endswith(">") else -1
    return address[opened + 1 : -1] if opened >= 0 else address


def pairs(text: str, at: int = 0) -> dict[str, str]:
    """`name=value` fields, up to the one that takes the rest of the line; the first of a name counts."""
    found: dict[str, str] = {}
    while at < len(text):
        if last := _LAST.match(text, at):
            found.setdefault(last["name"], last["value"])
            break
        pair = _PAIR.match(text, at)
        if pair is None:
            break
        found.setdefault(pair["name"], pair["value"])
        at = pair.end()
    return found


def relay(text: str, peer: str) -> dict[str, Json]:
    """`host. [ip]`, `[ip]`, `user@localhost` as fields `peer`, `peer_ip`; the root's dot is taken off the name."""
    found = _RELAY.match(text.strip())
    assert found is not None  # every part of it is optional
    name = found["name"] or ""
    fields: dict[str, Json] = {}
    if ip := ip_of(found["ip"]) or ip_of(name if name.startswith("[") else None):
        fields[f"{peer}_ip"] = ip
    if name and not (name.startswith("[") and ip_of(name) == fields.get(f"{peer}_ip")):
        fields[peer] = name.rstrip(".") or name
    if found["forged"]:
        fields[f"{peer}_forged"] = True
    return fields


def relay_name(text: str) -> str:
    """A relay as one spelling, to tell whether two lines name the same."""
    return text.strip().split(" ", 1)[0].rstrip(".").lower()


def interval(text: str | None) -> timedelta | None:
    """`1+02:03:04`, days, hours, minutes and seconds (sendmail's pintvl), or None."""
    found = _INTERVAL.fullmatch(text or "")
    if found is None:
        return None
    days, hours, minutes, seconds = (int(found[name] or 0) for name in ("days", "hours", "minutes", "seconds"))
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
