"""The grammar of Dovecot log lines: which service wrote it, and what it says, taken alone.

Two things are told apart: who signed in to a mailbox (login processes, sessions, the auth process), and what became of a mail
(LMTP, LDA, Sieve). User names and message ids come from outside, so what matters is read after them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from domain.event import Source
from domain.json import Json
from ingest.parsers.addresses import ip_of
from ingest.parsers.postfix_fields import recipient

_SERVICE = re.compile(
    r"(?P<service>[a-z][a-z0-9]{1,24}(?:-[a-z0-9]{1,24}){0,3})(?:\((?P<who>[^()]{0,400})\))?(?:<(?P<pid>[^<>]{0,40})>)?"
    r"(?:<(?P<session>[^<>]{0,80})>)?: (?:(?P<level>Debug|Info|Warning|Error|Fatal|Panic): )?"
)
_LOGIN_SERVICE = re.compile(r"[a-z0-9]+-login")
_MAIL_SERVICES = frozenset({"lmtp", "lda", "deliver", "dovecot-lda", "sieve"})
_SESSION_SERVICES = frozenset({"imap", "pop3", "managesieve", "submission", "imap-hibernate"})
_LEVELS = {"Warning": "mail_warning", "Error": "mail_error", "Fatal": "mail_fatal", "Panic": "mail_panic"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DovecotLine:
    """
    One line. `user` is who signed in or out (source access), `mailbox` whose rule acted on a mail; both None leave the actor open.

    `encrypted` is what a login line says about its connection: True for TLS, False where it says nothing, None for other lines.
    """

    source: Source = Source.MAIL
    action: str
    outcome: str | None = None
    user: str | None = None
    mailbox: str | None = None
    ip: str | None = None
    facts: Mapping[str, Json]
    encrypted: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The process that wrote a line: `name`, the user and ids in its prefix, and the text behind it."""

    name: str
    who: str | None
    pid: str | None
    session: str | None
    level: str | None
    text: str


def service_of(text: str) -> Service | None:
    """Take the prefix of a process off a line: `imap(user)<pid><session>: `, `lmtp(pid, user): `, `imap-login: Info: `, or None."""
    found = _SERVICE.match(text)
    if found is None:
        return None
    who, pid = found["who"], found["pid"]
    if who is not None:  # before 2.3: `lmtp(1234, user): session: `, and `lmtp(1234): ` before there is a user
        number, comma, user = who.partition(", ")
        if number.isdecimal() and (comma or found["pid"] is None):
            who, pid = user or None, number
    return Service(
        name=found["service"], who=who or None, pid=pid, session=found["session"], level=found["level"], text=text[found.end() :]
    )


def read_line(service: Service) -> DovecotLine:
    """What the text of a process says. A line nobody described is `mail_log`: still evidence."""
    line = None
    if _LOGIN_SERVICE.fullmatch(service.name):
        line = _login(service)
    elif service.name in _MAIL_SERVICES:
        line = _delivery(service)
    elif service.name in _SESSION_SERVICES:
        line = _session(service) or _delivery(service)  # IMAPSieve files mail in a session
    elif service.name.startswith("auth"):
        line = _authentication(service)
    if line is not None:
        return line
    action = _LEVELS.get(service.level or "", "mail_service" if service.name == "master" else "mail_log")
    return DovecotLine(action=action, facts={"text": service.text})


# --- Logins --------------------------------------------------------------------------------------------------------------

_ELEMENTS = re.compile(r"(?P<what>.{0,600}?): (?=(?:user|method|rip)=)", re.DOTALL)
_USER = re.compile(r"user=<(?P<user>.*?)>(?=, (?:method|rip|lip|mpid|TLS|secured|session|proxy)|,? ?$)", re.DOTALL)
_METHOD = re.compile(r", method=(?P<method>[A-Za-z0-9_-]{1,40})")
_ATTEMPTS = re.compile(r"auth failed, (?P<attempts>\d{1,9}) attempts(?: in (?P<seconds>\d{1,9}) secs)?")
_SECURED = re.compile(r"(?P<secured>TLS(?: handshaking)?|secured)(?:: (?P<error>.*))?")
_SESSION_TLS = re.compile(
    r"(?P<version>[A-Z][A-Za-z0-9._/]{1,20}) with cipher (?P<cipher>\S{1,100}) \((?P<bits>\d{1,6})/\d{1,6} bits\).*"
)
_PROXY = re.compile(r"proxy\((?P<user>.*),?[^()]*\): started proxying to (?P<target>[^\s:]+(?::\d{1,5})?)")
_DENIED = ("tried to use disallowed", "tried to use unsupported")
_REFUSED = (
    *("maximum number of connections", "authenticated user not found", "internal login failure", "user disabled"),
    *("password expired", "authorization failed", "account disabled", "login disabled", "user is not allowed"),
)


def _login(service: Service) -> DovecotLine | None:
    """`Login: user=<u>, method=PLAIN, rip=…, lip=…, mpid=…, TLS, session=<…>`, and the ways in which none came about."""
    elements = _ELEMENTS.match(service.text)
    if elements is None:
        return None
    what, rest = elements["what"], service.text[elements.end() :]
    named = _USER.match(rest)
    user = named["user"] if named else None
    rest = rest[named.end() :] if named else f", {rest}"
    at = max(rest.rfind(", rip="), 0)  # whatever stands before it may be part of a user name
    facts: dict[str, Json] = {"service": service.name.removesuffix("-login")}
    for method in _METHOD.finditer(rest):
        facts["method"] = method["method"]
    proof: dict[str, Json] = {}
    encrypted = False
    for element in rest[at:].split(", "):
        name, equals, value = element.partition("=")
        if equals and name in _NAMES:
            facts[_NAMES[name]] = value.removeprefix("<").removesuffix(">")
        elif secured := _SECURED.fullmatch(element.strip()):
            encrypted = True
            facts["secured"] = secured["secured"]
            if secured["error"]:
                facts["tls_error"] = secured["error"]
        elif session := _SESSION_TLS.fullmatch(element.strip()):
            proof = {"version": session["version"], "cipher": session["cipher"], "bits": int(session["bits"])}
    ip = ip_of(str(facts.pop("client_ip", "")))
    if ip:
        facts["client_ip"] = ip
    if proof:
        facts["tls"] = proof
    elif str(facts.get("secured")) == "TLS":
        facts["tls"] = {"established": True}
    if (proxied := _PROXY.match(what)) is not None:
        facts["proxied_to"] = proxied["target"]
        what = "Login"
    elif what not in ("Login", "Logged in"):
        facts["reason"] = what
    action, outcome = _verdict(what, user, facts)
    if action == "mail_disconnect":
        return DovecotLine(action=action, facts=facts, ip=ip)
    return DovecotLine(source=Source.ACCESS, action=action, outcome=outcome, user=user, ip=ip, facts=facts, encrypted=encrypted)


_NAMES = {"rip": "client_ip", "lip": "server_ip", "rport": "client_port", "mpid": "mail_pid", "session": "session"}


def _verdict(what: str, user: str | None, facts: dict[str, Json]) -> tuple[str, str | None]:
    """A login that was tried is one; a connection that came and went without trying is none."""
    reason = what.lower()
    if what in ("Login", "Logged in"):
        return "login", "success"
    if attempts := _ATTEMPTS.search(what):
        facts["attempts"] = int(attempts["attempts"])
        return "login", "failure"
    if any(words in reason for words in _DENIED):
        return "login", "denied"
    if user and any(words in reason for words in _REFUSED):
        return "login", "failure"
    if user and "no auth attempts" not in reason and ("auth" in reason or "sasl" in reason):
        return "login", "failure"
    return "mail_disconnect", None


# --- Sessions ------------------------------------------------------------------------------------------------------------

_COUNT = re.compile(r"(?P<name>[a-z_]{1,24})=(?P<value>\d{1,15})(?![\d/])")
_CHANGE = re.compile(
    r"(?P<event>delete|undelete|expunge|save|flag_change|mailbox_(?:create|delete|rename)|copy from (?P<origin>.{1,300}?)): "
    r"box=(?P<box>.{1,300}?)(?:, (?P<fields>(?:uid|uids|msgid|size|from|subject|flags|vsize|guid)=.*))?",
    re.DOTALL,
)
_UID = re.compile(r"uid=(?P<uid>\d{1,15})")


def _session(service: Service) -> DovecotLine | None:
    """The end of a mailbox session, and what the mail_log plugin says was done in it."""
    text = service.text
    if service.who is None:
        return None
    if text.startswith(("Disconnected", "Logged out", "Connection closed", "Server shutting down")):
        facts: dict[str, Json] = {"service": service.name, "reason": re.split(r" [a-z_]+=\d", text, maxsplit=1)[0].strip()}
        facts |= {count["name"]: int(count["value"]) for count in _COUNT.finditer(text)}
        if service.session:
            facts["session"] = service.session
        return DovecotLine(source=Source.ACCESS, action="logout", outcome="success", user=service.who, facts=facts)
    if (change := _CHANGE.fullmatch(text)) is not None:
        event = change["event"].split(" ", 1)[0]
        facts = {"service": service.name, "folder": change["box"]}
        if change["origin"]:
            facts["from_folder"] = change["origin"]
        if change["fields"] and (uid := _UID.match(change["fields"])):
            facts["uid"] = int(uid["uid"])
        if service.session:
            facts["session"] = service.session
        action = event if event.startswith("mailbox_") else f"mailbox_{event}"
        return DovecotLine(source=Source.ACCESS, action=action, outcome="success", user=service.who, facts=facts)
    return None


# --- The auth process ----------------------------------------------------------------------------------------------------

_LOOKUP = re.compile(
    r"(?:.{0,200}?: )??(?P<database>[a-z][a-z0-9_-]{1,30})\((?P<user>.*),(?P<ip>[0-9A-Fa-f.:]{2,45})"
    r"(?:,(?P<session><[^<>]*>|[^()]{0,80}))?\)"
    r": (?P<reason>.*)",
    re.DOTALL,
)
_REJECTS = re.compile(
    r"mismatch|unknown user|fail|invalid|expired|denied|not allowed|locked|disabled|unable|rejected|wrong", re.IGNORECASE
)


def _authentication(service: Service) -> DovecotLine | None:
    """
    `pam(user,ip): … failed`: one attempt, as one password database saw it.

    It is no failed login: the next database may know the user, and where none does, the login process reports it.
    """
    found = _LOOKUP.fullmatch(service.text)
    if found is None or not _REJECTS.search(found["reason"]):
        return None
    facts: dict[str, Json] = {"service": service.name, "database": found["database"], "reason": found["reason"]}
    if ip := ip_of(found["ip"]):
        facts["client_ip"] = ip
    return DovecotLine(source=Source.ACCESS, action="authentication", outcome="failure", user=found["user"], ip=ip, facts=facts)


# --- Deliveries ----------------------------------------------------------------------------------------------------------

_STATUS = re.compile(
    r"(?P<before>.*)(?:^|: )(?P<status>"
    r"saved mail to (?P<saved>.+)|stored mail into mailbox '(?P<stored>[^']*)'|left message in mailbox '(?P<left>[^']*)'|"
    r"forwarded to <(?P<forwarded>[^<>]*)>|"
    r"save failed to (?P<failed>[^:]+)(?:: (?P<reason>.*))?|"
    r"sent vacation response to <(?P<vacation>[^<>]*)>|"
    r"marked message to be discarded.*|discarded .*|"
    r"rejected message from <(?P<rejected>[^<>]*)>.*|rejected: (?P<refusal>.*)|"
    r"(?:Connect|connect) from (?P<client>\S+)|(?:Disconnect|disconnect) from (?P<leaving>[^:\s]+).*)",
    re.DOTALL,
)
_FIELD = re.compile(r"(?P<name>msgid|from|size)=(?P<value><[^<>]*>|[^,:\s]*)")


def _delivery(service: Service) -> DovecotLine | None:
    """What LMTP, the LDA or Sieve did with a mail: `msgid=<…>: saved mail to INBOX`, `forwarded to <…>`."""
    found = _STATUS.fullmatch(service.text)
    if found is None:
        return None
    if found["client"] or found["leaving"]:
        ip = ip_of(found["client"] or found["leaving"])
        action = "mail_connect" if found["client"] else "mail_disconnect"
        return DovecotLine(action=action, facts={"service": service.name, **({"client_ip": ip} if ip else {})}, ip=ip)
    facts: dict[str, Json] = {"service": service.name}
    before = found["before"].removeprefix("sieve: ")
    if before != found["before"]:
        facts["by"] = "sieve"
    for name, value in _FIELD.findall(before):
        text = value.strip("<>")
        if name == "size":
            facts.setdefault("size", int(text)) if text.isdecimal() and len(text) < 16 else None
        else:
            facts.setdefault({"msgid": "message_id"}.get(name, name), text)
    if service.session:
        facts["session"] = service.session
    return _delivered(service, found, facts)


def _delivered(service: Service, found: re.Match[str], facts: dict[str, Json]) -> DovecotLine:
    mailbox = recipient(service.who) if service.who else {}
    if (address := found["forwarded"]) is not None:
        facts |= recipient(address)
        facts |= {"auto_forwarded": True, "orig_to": service.who}
        if mailbox.get("to_domain") is not None and mailbox["to_domain"] == facts.get("to_domain"):
            facts["direction"] = "internal"
        return DovecotLine(action="deliver", outcome="delivered", mailbox=service.who, facts=facts)
    if (address := found["vacation"]) is not None:
        facts |= {**recipient(address), "kind": "vacation"}
        return DovecotLine(action="mail_notification", mailbox=service.who, facts=facts)
    if (address := found["rejected"]) is not None:
        return DovecotLine(
            action="mail_reject", outcome="denied", facts={**facts, **mailbox, "from": address, "reason": found["status"]}
        )
    facts |= {**mailbox, "direction": "internal"}
    if folder := found["saved"] or found["stored"] or found["left"]:
        return DovecotLine(action="deliver", outcome="delivered", facts={**facts, "folder": folder})
    if found["failed"] or found["refusal"]:
        facts["reason"] = found["reason"] or found["refusal"] or found["status"]
        return DovecotLine(action="deliver", outcome="failure", facts=facts)
    return DovecotLine(action="discard", outcome="dropped", facts={**facts, "reason": found["status"]})
