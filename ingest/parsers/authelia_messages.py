"""What Authelia's messages say. They are sentences, so a table of patterns reads them; the names in them are what a user typed.

Unsuccessful 1FA authentication attempt by user 'alice' and they are banned until 2:00PM on March 2 2026 (+00:00)
Access to 'https://portal.example/' is forbidden to user 'bob'
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_USER = r"'?(?P<user>.*?)'?"
_WORD = r"'?(?P<user>\S+?)'?"
_KIND = r"(?P<mfa>[\w -]{1,40}?)"
_WHY = r"(?:: (?P<reason>.*))?"
_OBJECT = r"'?(?P<url>\S+?)'? (?:\(method (?P<requested>\w{1,20})\) )?is"

_ATTEMPT = "attempt"
"""Becomes `login` or `mfa_verify`, by the kind of the attempt."""

_RULES = (
    (rf"Successful {_KIND} authentication attempt (?:made )?by user {_USER}", _ATTEMPT, "success"),
    (
        rf"Unsuccessful {_KIND} authentication attempt by user {_USER} and (?:they are|is) banned(?: until (?P<until>.{{1,200}}))?",
        *(_ATTEMPT, "denied"),
    ),
    (rf"Unsuccessful {_KIND} authentication attempt by user '(?P<user>[^']*)'{_WHY}", _ATTEMPT, "failure"),
    (rf"Unsuccessful {_KIND} authentication attempt by user {_WORD}{_WHY}", _ATTEMPT, "failure"),
    (
        rf"Error occurred getting details for user with username input {_USER} which usually indicates they do not exist",
        *("login", "failure"),
    ),
    (rf"Credentials (?:validation|verification) (?:failed )?(?:of|for) user {_WORD}(?: failed)?{_WHY}", "login", "failure"),
    (rf"Error while checking password for user {_WORD}{_WHY}", "login", "failure"),
    (rf"User {_USER} (?:is|has been) banned until (?P<until>.{{1,200}})", "account_lock", None),
    (
        (
            rf"Access to {_OBJECT} not authorized to user {_USER}"
            r"(?:, responding with status code (?P<status>\d{3})(?: with location redirect to (?P<redirect>\S+))?)?"
        ),
        *("web_access", "denied"),
    ),
    (rf"Access to {_OBJECT} forbidden to user {_USER}", "web_access", "denied"),
    (rf"Access to {_OBJECT} (?:authorized|allowed|granted) to user {_USER}", "web_access", "success"),
    (
        (
            r"Check authorization of subject (?:username=(?P<user>\S*) )?(?:groups=(?P<groups>\S*) )?.{0,200}?"
            r"object (?P<url>\S+)(?: \(method (?P<requested>\w*)\))?\.?"
        ),
        *("access_check", None),
    ),
    (rf"(?:The )?password (?:of|for) user {_WORD} (?:has been|was) (?:reset|changed)\.?", "password_reset", "success"),
    (rf"User {_WORD} (?:has )?(?:successfully )?changed (?:their|the) password\.?", "account_password_change", "success"),
    (rf"(?:Unable|Failed) to (?:reset|change|update) (?:the )?password (?:of|for) user {_WORD}{_WHY}", "password_reset", "failure"),
    (
        rf"Sending an email to user {_WORD} \([^()]*\) to (?:confirm identity for|inform that the) (?P<reason>.{{1,120}}?)\.?",
        *("notification_sent", None),
    ),
    (rf"User {_WORD} (?:has )?(?:logged out|signed out).*", "logout", "success"),
    (
        (
            r"(?P<request>Authorization|Access|Introspection|Revocation|User Info) (?:Request|Response)(?: with id '[^']*')?"
            r" on client with id '(?P<client>[^']*)' (?P<reason>.*)"
        ),
        *("oidc_request", None),
    ),
)
_PATTERNS = [(re.compile(pattern, re.IGNORECASE | re.DOTALL), action, outcome) for pattern, action, outcome in _RULES]
_FIRST = frozenset({"1fa", "password", "passkey", "spnego", "openid connect", "external identity"})
"""Kinds of attempts that begin a session; the others are second factors."""

_FAILED = re.compile(r"\b(?:fail|error|denied|rejected)", re.IGNORECASE)
_LONGEST = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a message says: the action, how it ended, who, and the other words in it."""

    action: str
    outcome: str | None = None
    user: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


def read_message(text: str) -> Message:
    """
    The reading of a message; one that is not known is a line of the service's log.

    That an attempt is “marked” stands before each line about it and is not read, or every attempt would count twice.
    """
    bare = text.strip()[:_LONGEST]
    for pattern, action, outcome in _PATTERNS:
        found = pattern.fullmatch(bare)
        if found is None:
            continue
        facts = {name: value for name, value in found.groupdict().items() if value}
        if action == _ATTEMPT:
            action = "login" if facts["mfa"].lower() in _FIRST else "mfa_verify"  # noqa: PLW2901
        if action == "oidc_request" and _FAILED.search(facts["reason"]):
            outcome = "failure"  # noqa: PLW2901
        user = facts.pop("user", "")
        return Message(action=action, outcome=outcome, user=None if user == "<anonymous>" else user or None, facts=facts)
    return Message(action="service_log")
