"""Which program wrote a line, and what it wrote."""

import re
from dataclasses import dataclass

from domain.errors import InvalidInput
from ingest.parsers.postfix_lines import read_line
from ingest.parsers.postfix_tls import tls_summary
from ingest.parsers.syslog import SyslogRecord

_DAEMON = re.compile(
    r"anvil|bounce|cleanup|defer|discard|dnsblog|error|flush|lmtp|local|master|[no]?qmgr|pickup|pipe|post(?:alias|conf|drop|kick|logd?|map|"
    r"multi|queue|screen|super)|postfix(?:-script)?|proxy(?:map|write)|qmqpd|relay|retry|scache|sendmail|showq|smtp[ds]?|spawn|"
    r"tls(?:mgr|proxy)|trace|trivial-rewrite|verify|virtual"
)
_COMPANION = re.compile(
    r"amavisd?|clamav-milter|clamsmtpd|dovecot|opendkim|opendmarc|policyd-(?:spf|weight)|postfwd|postgrey|postsrsd|rspamd|saslauthd|"
    r"spamass-milter|spam[cd]"
)
_UNDESCRIBED = frozenset({"mail_log", "mail_warning", "mail_error", "mail_fatal", "mail_panic"})
_REPEATED = re.compile(r"message repeated (?P<times>\d{1,9}) times: \[ ?(?P<text>.*)\]", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """
    The text of a line and its author.

    `daemon` is the last part of the program (`smtp` of `postfix/smtp`), empty where it is not said. `companion` marks a program
    that logs about the same mail without being Postfix: kept, not read. `repeated` is how often syslog says the line came.
    """

    program: str
    daemon: str = ""
    text: str
    companion: bool = False
    repeated: int | None = None


def written(syslog: SyslogRecord) -> Written:
    """Author and text of a line. Raises InvalidInput where it is no line of Postfix or of a companion."""
    app, text = syslog.app or "", syslog.message.decode().rstrip("\r\n")
    instance, _, daemon = app.rpartition("/")
    companion = _COMPANION.fullmatch(app) is not None
    if app.startswith("postfix") or companion or (instance and _DAEMON.fullmatch(daemon)):
        if not text.strip():
            raise InvalidInput("the line has no text after the program")
        daemon = daemon if instance else ""
        if repeated := _REPEATED.fullmatch(text.rstrip()):
            times = int(repeated["times"])
            return Written(program=app, daemon=daemon, text=repeated["text"], companion=companion, repeated=times)
        return Written(program=app, daemon=daemon, text=text, companion=companion)
    if not (syslog.procid or instance):
        whole = f"{app}: {text}" if app else text  # what looked like a program may be the queue id of a line without one
        if "last message repeated" in whole:
            raise InvalidInput(
                "syslog left out identical lines (“last message repeated”): turn message reduction off at the sender"
            )
        if tls_summary(whole) is not None or read_line("", whole).action not in _UNDESCRIBED:
            return Written(program="postfix", text=whole)
    raise InvalidInput("the line does not come from a Postfix program")
