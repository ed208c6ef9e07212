"""The text of an MTA-STS policy (RFC 8461 section 3.2): `version`, `mode`, `max_age` and any number of `mx`, a line each."""

import re
from dataclasses import dataclass

from ingest.posture.reading import Read, host_name

MOST_LINES = 1_000
MOST_MX = 200
LONGEST_AGE = 31_557_600
"""Seconds: about a year, the most that `max_age` may say."""

_NUMBER = re.compile(r"[0-9]{1,10}")
_MODES = frozenset({"enforce", "testing", "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyText:
    """A policy that can be applied. `max_age` is in seconds; `mx` are patterns in lower case."""

    mode: str
    max_age: int
    mx: tuple[str, ...]


def read_policy(text: str) -> Read[PolicyText | None]:
    """A policy, or None and what is wrong. Unknown fields are passed over; of a repeated field the first counts, except of `mx`."""
    first: dict[str, str] = {}
    patterns: list[str] = []
    lines = text.removesuffix("\n").split("\n")
    if len(lines) > MOST_LINES:
        return Read(None, f"the policy has more than {MOST_LINES:,} lines")
    for line in lines:
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon:
            return Read(None, "the policy has a line that is no `name: value`")
        name, value = name.strip(), value.strip()
        if name == "mx":
            patterns.append(value)
        else:
            first.setdefault(name, value)
    if first.get("version") != "STSv1":
        return Read(None, "the policy does not say version: STSv1")
    mode, age = first.get("mode", ""), first.get("max_age", "")
    if mode not in _MODES:
        return Read(None, "the policy has no mode that is known (enforce, testing or none)")
    if not _NUMBER.fullmatch(age) or int(age) > LONGEST_AGE:
        return Read(None, f"the policy has no max_age between 0 and {LONGEST_AGE} seconds")
    if len(patterns) > MOST_MX:
        return Read(None, f"the policy names more than {MOST_MX} hosts")
    named = tuple(dict.fromkeys(pattern for text in patterns if (pattern := _pattern(text)) is not None))
    if len(named) < len({text.lower().removesuffix(".") for text in patterns}):
        return Read(None, "the policy names a host (mx) that is no host name and no pattern")
    if mode != "none" and not named:
        return Read(None, "the policy names no host (mx)")
    return Read(PolicyText(mode=mode, max_age=int(age), mx=named))


def _pattern(text: str) -> str | None:
    wild, rest = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    name = host_name(rest)
    return None if name is None or rest != rest.strip() else wild + name
