"""The lines of sendmail that have one fixed form: a row says how the text reads, what the event is called and its outcome.

Rows see the text after the queue id. The groups `client` and `relay` are hosts (`name [ip]`); every other group goes to `details`
under its own name.
"""

import re

_HOST = r"(?:[^\s\[\]]{1,255} )?\[[^\]\s]{1,64}\](?: \(may be forged\))?"
_CLIENT = rf"(?P<client>{_HOST}|[^\s\[\]]{{1,255}})"
_ID = r"[0-9A-Za-z]{8,20}"

_LOGINS = (
    (
        (
            r"AUTH=server, relay=(?P<client>[^,]*), authid=(?P<sasl_username>[^,]*), mech=(?P<sasl_method>[^,]*)"
            r"(?:, bits=(?P<sasl_bits>\d+))?.*"
        ),
        "mail_login",
        "success",
    ),
    (
        (
            r"AUTH failure \((?P<sasl_method>[^()]*)\): (?P<reason>.*?)(?:, user=(?P<sasl_username>[^,]*))?"
            r", relay=(?P<client>[^,\[\]]*\[[^\]]*\](?: \(may be forged\))?)"
        ),
        "mail_login",
        "failure",
    ),
    (
        r"AUTH failure \((?P<sasl_method>[^()]*)\): (?P<reason>.*?)(?:, user=(?P<sasl_username>[^,]*))?",
        "mail_login",
        "failure",
    ),
    (rf"{_CLIENT}: possible SMTP attack: command=AUTH, count=(?P<count>\d{{1,9}})", "mail_login", "failure"),
    (r"AUTH=client, relay=(?P<relay>[^,]*), mech=(?P<sasl_method>[^,]*)(?:, bits=(?P<sasl_bits>\d+))?.*", "smtp_auth", "success"),
    (r"AUTH=client, (?P<reason>.*)", "smtp_auth", "failure"),
)
_TLS = (
    (r"STARTTLS=client, (?P<text>cert-subject=.*)", "smtp_tls", None),
    (r"STARTTLS=server, (?P<text>cert-subject=.*)", "smtpd_tls", None),
    (r"STARTTLS=client, (?P<reason>.*?)(?:, relay=(?P<relay>[^,]*))?", "smtp_tls", "failure"),
    (r"STARTTLS=server, (?P<reason>.*?)(?:, relay=(?P<client>[^,]*))?", "smtpd_tls", "failure"),
    (
        r"ruleset=tls_(?:server|rcpt), arg1=(?P<verify>[^,]*)(?:, arg2=[^,]*)?, relay=(?P<relay>[^,]*), reject=(?P<reason>.*)",
        "smtp_tls",
        "failure",
    ),
    (r"STARTTLS(?:=\w+)?:? (?P<reason>.*)", "smtpd_tls", "failure"),
)
_REFUSALS = (
    (
        (
            r"ruleset=(?P<stage>\w{1,64})(?:, arg1=(?P<subject><[^<>]*>|[^,]*))?(?:, arg2=(?P<argument>[^,]*))?"
            r"(?:, relay=(?P<client>[^,]*))?"
            r", (?P<verdict>reject|discard|quarantine)=?(?P<reason>.*)"
        ),
        "mail_reject",
        "denied",
    ),
    (
        r"Milter: (?P<stage>[^,]{1,200}), (?P<verdict>reject|discard|tempfail|quarantine)(?:=(?P<reason>.*))?",
        "mail_reject",
        "denied",
    ),
    (r"Milter(?:[: ] ?)(?P<text>.*)", "mail_policy", None),
    (r"(?P<to><[^<>]*>)\.\.\. (?P<reason>.*)", "mail_reject", "denied"),
    (rf"rejecting commands from {_CLIENT} due to (?P<reason>.*)", "mail_reject", "denied"),
)
_CONNECTIONS = (
    (rf"(?P<reason>lost input channel) from {_CLIENT} to (?P<daemon>\S+) after (?P<stage>.*)", "mail_disconnect", None),
    (rf"(?P<reason>timeout waiting for input) from {_CLIENT} during (?P<stage>.*)", "mail_disconnect", None),
    (rf"{_CLIENT} (?P<reason>did not issue \S+ during connection to) (?P<daemon>\S+)", "mail_disconnect", None),
    (rf"collect: (?P<reason>.*?) from {_CLIENT}(?:, from=(?P<from>.*))?", "mail_disconnect", None),
    (rf"connect from {_CLIENT}", "mail_connect", None),
    (r"(?P<reason>rejecting connections on daemon .*)", "mail_warning", None),
)
_QUEUE = (
    (
        rf"(?P<notification_id>{_ID}): (?P<kind>DSN|return to sender|sender notify|postmaster notify): (?P<reason>.*)",
        "mail_notification",
        None,
    ),
    (rf"clone(?:d)?:? (?P<clone_of>{_ID})(?:, owner=(?P<owner>.*))?", "mail_queued", None),
    (rf"clone (?P<clone>{_ID})(?:, owner=(?P<owner>.*))?", "mail_queued", None),
    (r"done; delay=(?P<delay>[^,]*)(?:, ntries=(?P<count>\d{1,9}))?", "mail_removed", None),
    (r"Authentication-Warning: (?P<text>.*)", "mail_warning", None),
    (r"(?P<kind>discarded|quarantined?|unquarantine)\b(?P<reason>.*)", "mail_queue_admin", None),
)
_SERVICE = (
    (r"(?P<kind>starting daemon) \((?P<version>[^()]*)\): (?P<text>.*)", "mail_service", None),
    (r"(?P<kind>(?:restarting|stopping) .*)", "mail_service", None),
    (r"(?P<kind>alias database \S+ (?:auto)?rebuilt by \S+)", "mail_service", None),
    (r"(?P<kind>\S+: \d+ aliases, .*)", "mail_service", None),
    (r"SYSERR\((?P<user>[^()]*)\): (?P<text>.*)", "mail_error", None),
)

TABLE: tuple[tuple[re.Pattern[str], str, str | None], ...] = tuple(
    (re.compile(pattern, re.DOTALL), action, outcome)
    for pattern, action, outcome in (*_LOGINS, *_TLS, *_REFUSALS, *_CONNECTIONS, *_QUEUE, *_SERVICE)
)
"""Tried in this order; the first row that reads the whole text wins."""
