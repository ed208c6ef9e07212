"""The lines of Exim that have one fixed form: a row says how the text reads, what the event is called and its outcome.

Rows see the text after time and message id. The groups `client` and `relay` are hosts (`name (helo) [ip]:port`); every other
group goes to `details` under its own name.
"""

import re

_HOST = r"(?:[^\s()\[\]]{1,255} )?(?:\([^()]{0,300}\) )?\[[0-9A-Fa-f.:]{2,45}\](?::\d{1,5})?"
_LOCAL = r"(?: I=\[[^\]\s]{0,60}\](?::\d{1,5})?)?(?: Ci=\S{1,40})?"
_CLIENT = rf"(?:H=)?(?P<client>{_HOST}){_LOCAL}"
_RELAY = rf"(?:H=)?(?P<relay>{_HOST}){_LOCAL}"
_FIELDS = r'(?: [A-Z]{1,3}=(?:"[^"]*"|\S+))*'

_QUEUE = (
    (r"Completed(?: QT=(?P<queue_time>\S+))?", "mail_removed", None),
    (r"(?P<kind>removed|cancelled) by (?P<by>.*)", "mail_deleted", None),
    (
        (
            r"(?P<kind>[Mm]essage is frozen|Frozen|frozen by ACL|Unfrozen by forced delivery|Unfrozen by errmsg timer|Unfrozen|"
            r"no immediate delivery|[Ss]pool file is locked)(?P<text>.*)"
        ),
        "mail_queue_admin",
        None,
    ),
)
_LOGINS = (
    (
        (
            rf"(?P<sasl_method>\S{{1,128}}) authenticator failed for {_CLIENT}(?: U=\S+)?: "
            r"(?P<reason>.*?)(?: \(set_id=(?P<sasl_username>.*)\))?"
        ),
        "mail_login",
        "failure",
    ),
)
_TLS = (
    (rf"TLS error on connection from {_CLIENT}(?: (?P<reason>.*))?", "smtpd_tls", "failure"),
    (
        (
            r"(?:TLS session|DANE attempt)(?: failure)?[:;]? ?(?P<reason>.{0,1000}?):? ?(?P<kind>delivering unencrypted) to "
            rf"{_RELAY}(?: \(not in hosts_require_tls\))?"
        ),
        "smtp_tls",
        "failure",
    ),
    (rf"DANE attempt failed; TLS connection to {_RELAY}: (?P<reason>.*)", "smtp_tls", "failure"),
    (rf"TLS error on connection to {_RELAY}(?: (?P<reason>.*))?", "smtp_tls", "failure"),
    (rf"{_RELAY}:? (?P<reason>(?:TLS|DANE|SSL verify) error\b.*|a TLS session is required.*)", "smtp_tls", "failure"),
    (r"(?P<reason>TLS session.*|DANE error.*)", "smtp_tls", "failure"),
)
_POLICY = (
    (
        rf"{_CLIENT}{_FIELDS} (?P<verdict>sender verify (?:fail|defer)) for <(?P<from>[^<>]*)>(?:: (?P<reason>.*))?",
        "mail_policy",
        None,
    ),
    (rf"{_CLIENT}{_FIELDS} (?P<verdict>Warning): (?P<reason>.*)", "mail_policy", None),
    (r"(?P<verdict>DKIM): (?P<reason>.*)", "mail_policy", None),
)
_REFUSALS = (
    (rf"Connection from {_CLIENT} (?P<reason>refused.*)", "mail_reject", "denied"),
    (
        rf"(?P<reason>SMTP protocol synchronization error[^\[\]]{{0,200}}?): rejected .{{0,200}}?{_CLIENT}.*",
        "mail_reject",
        "denied",
    ),
)
_CONNECTIONS = (
    (rf"SMTP connection from {_CLIENT} \(TCP/IP connection count = (?P<count>\d{{1,9}})\)", "mail_connect", None),
    (rf"(?P<kind>no MAIL in SMTP connection) from {_CLIENT}{_FIELDS}", "mail_disconnect", None),
    (
        rf"(?P<kind>(?:SMTP|unexpected) [A-Za-z() ]{{1,120}}?) from {_CLIENT}{_FIELDS}(?: (?P<reason>.*))?",
        "mail_disconnect",
        None,
    ),
    (rf"{_CLIENT}{_FIELDS} (?P<reason>incomplete transaction \([^()]*\).*)", "mail_disconnect", None),
    (
        rf"{_RELAY}:? (?P<reason>SMTP error from remote mail ?(?:server|er) .*|SMTP timeout.*|Remote host closed connection.*)",
        "mail_reply",
        "failure",
    ),
    (rf"(?P<reason>Remote host) {_RELAY} (?P<response>closed connection.*)", "mail_reply", "failure"),
    (rf"(?P<reason>[Ff]ailed to connect) to {_RELAY}: (?P<response>.*)", "mail_connect", "failure"),
    (rf"{_RELAY}:? (?P<reason>(?:Connection|No route|Network|Host) .*|retry time not reached.*)", "mail_connect", "failure"),
    (r"(?P<reason>no (?:host name|IP address) found for .*)", "mail_warning", None),
)
_SERVICE = (
    (r"(?P<kind>(?:Start|End) queue run): (?P<text>.*)", "mail_service", None),
    (r"exim (?P<version>\S+) (?P<kind>daemon started): (?P<text>.*)", "mail_service", None),
    (r"pid \d+: (?P<kind>SIG[A-Z]+ received.*)", "mail_service", None),
)

TABLE: tuple[tuple[re.Pattern[str], str, str | None], ...] = tuple(
    (re.compile(pattern, re.DOTALL), action, outcome)
    for pattern, action, outcome in (*_QUEUE, *_LOGINS, *_TLS, *_POLICY, *_REFUSALS, *_CONNECTIONS, *_SERVICE)
)
"""Tried in this order; the first row that reads the whole text wins."""
