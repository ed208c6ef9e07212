"""The lines of Postfix that have one fixed form: a row says how the text reads, what the event is called and its outcome.

Rows see the text after level and queue id. The groups `client`, `relay` and `server` are peers (`host[ip]:port`); every other
group goes to `details` under its own name.
"""

import re

from ingest.parsers.postfix_fields import PEER

_CLIENT = rf"(?P<client>{PEER})"
_RELAY = rf"(?P<relay>{PEER})"
_COUNTED = (
    r"for \((?P<service>[^()\s]{1,128}?):"
    r"(?P<counted>\d+(?:\.\d+){3}|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]{0,40}|unknown)\) at (?P<at>.*)"
)

_CONNECTIONS = (
    (rf"connect from {_CLIENT}(?: \d+)?", "mail_connect", None),
    (rf"disconnect from {_CLIENT}(?: (?P<commands>[a-z].*))?", "mail_disconnect", None),
    (
        (
            r"(?P<reason>lost connection|timeout|too many errors|bad command startup) after (?P<stage>.+?)"
            rf"(?: \((?P<bytes>\d+) bytes\))? from {_CLIENT}"
        ),
        "mail_disconnect",
        None,
    ),
    (rf"CONNECT(?: from {_CLIENT})?(?: to (?P<server>{PEER}))?", "mail_connect", None),
    (rf"DISCONNECT {_CLIENT}", "mail_disconnect", None),
    (r"connect to (?P<relay>\S+): (?P<reason>.*)", "mail_connect", "failure"),
)
_LOGINS = (
    (
        (
            rf"{_CLIENT}: SASL (?P<method>\S+) authentication (?:failed|aborted)(?:: (?P<reason>.*?))?"
            r"(?:, sasl_username=(?P<sasl_username>\S*))?(?:, sasl_reason=(?P<sasl_reason>.*))?"
        ),
        "mail_login",
        "failure",
    ),
    (rf"SASL authentication failed; (?:cannot authenticate to )?server {_RELAY}(?: said)?: (?P<reason>.*)", "smtp_auth", "failure"),
)
_REPLIES = (
    (
        (
            rf"host {_RELAY} (?:said|refused to talk to me): (?P<response>.*?)"
            r"(?: \(in reply to (?:the )?(?P<stage>.+?)(?: command)?\))?"
        ),
        "mail_reply",
        "failure",
    ),
    (rf"(?P<reason>conversation|lost connection) with {_RELAY} (?P<stage>.*)", "mail_reply", "failure"),
)
_TLS = (
    (rf"SSL_accept error from {_CLIENT}(?:: (?P<reason>.*))?", "smtpd_tls", "failure"),
    (rf"TLS handshake failed for service=(?P<service>\S+) peer={_CLIENT}", "smtpd_tls", "failure"),
    (rf"setting up TLS connection from {_CLIENT}", "smtpd_tls", None),
    (rf"SSL_connect error to {_RELAY}(?:: (?P<reason>.*))?", "smtp_tls", "failure"),
    (rf"(?:server )?certificate verification failed for {_RELAY}: (?P<reason>.*)", "smtp_tls", "failure"),
    (rf"{_RELAY}: (?P<reason>(?:subject_CN|certificate|re-using session with untrusted).*)", "smtp_tls", None),
    (r"(?P<reason>Server certificate not (?:trusted|verified).*|Cannot start TLS: .*)", "smtp_tls", "failure"),
    (rf"(?P<reason>TLS is required, but .*) by host {_RELAY}.*", "smtp_tls", "failure"),
    (r"Host offered (?P<starttls_offered>STARTTLS): \[(?P<relay>[^\]\s]+)\]", "smtp_tls", None),
    (rf"Used TLS for {_RELAY}", "smtp_tls", "success"),
    (r"setting up TLS connection to (?P<relay>\S+)", "smtp_tls", None),
)
_QUEUE = (
    (r"uid=(?P<uid>\d+) from=(?P<from><.*>|\S*)", "mail_submitted", None),
    (r"(?P<recipient>sender|postmaster) (?P<kind>.+) notification: (?P<notification_id>\w+)", "mail_notification", None),
    (r"(?P<kind>requeued|placed on hold|released from hold|expired)", "mail_queue_admin", None),
    (
        r"(?P<kind>Requeued|Placed on hold|Released from hold|Deleted|Expired): (?P<count>\d+) messages?.*",
        "mail_queue_admin",
        None,
    ),
)
_SERVICE = (
    (r"(?P<kind>daemon started|reload) -- version (?P<version>\S+?), configuration (?P<path>.*)", "mail_service", None),
    (r"terminating on signal (?P<signal>\d+)", "mail_service", None),
    (r"(?P<kind>(?:starting|stopping|refreshing) the Postfix mail system.*)", "mail_service", None),
)
_ODDITIES = (
    (rf"(?P<kind>Illegal address syntax) from {_CLIENT} in (?P<stage>\S+) command: (?P<text>.*)", "mail_warning", None),
    (rf"(?P<kind>non-SMTP command) from {_CLIENT}: (?P<text>.*)", "mail_warning", None),
    (rf"(?P<kind>enabling PIX workarounds?|Protocol error): (?P<text>.*) (?:for|host) {_RELAY}.*", "mail_log", None),
)
_STATISTICS = (
    (rf"statistics: max (?P<kind>[a-z]+ rate) (?P<rate>\d+)/(?P<period>\w+) {_COUNTED}", "mail_statistics", None),
    (rf"statistics: max (?P<kind>connection count) (?P<count>\d+) {_COUNTED}", "mail_statistics", None),
    (r"statistics: max (?P<kind>cache size) (?P<cache_size>\d+) at (?P<at>.*)", "mail_statistics", None),
    (r"statistics: (?P<kind>\w+) lookup hits=(?P<hits>\d+) miss=(?P<miss>\d+) success=(?P<success>\d+)%", "mail_statistics", None),
    (
        r"statistics: max simultaneous domains=(?P<domains>\d+) addresses=(?P<addresses>\d+) connections?=(?P<connections>\d+)",
        "mail_statistics",
        None,
    ),
    (r"statistics: (?P<kind>start interval) (?P<at>.*)", "mail_statistics", None),
    (r"statistics: (?P<text>.*)", "mail_statistics", None),
    (
        r"cache \S+ (?P<kind>full|partial) cleanup: retained=(?P<retained>\d+) dropped=(?P<dropped>\d+) entries.*",
        "mail_statistics",
        None,
    ),
)
_SCREENING = (
    (r"addr (?P<client_ip>\S+) listed by domain (?P<domain>\S+) as (?P<listed_as>[^\s:]+)(?:: .*)?", "mail_dnsbl", None),
    (rf"DNSBL rank (?P<rank>\d+) for {_CLIENT}", "mail_dnsbl", None),
    (rf"(?P<kind>PASS (?:OLD|NEW)|(?:WHITE|ALLOW|BLACK|DENY)LISTED|(?:WHITE|ALLOW)LIST VETO) {_CLIENT}", "mail_screen", None),
    (
        rf"(?P<kind>PREGREET|HANGUP)(?: (?P<bytes>\d+))? after (?P<after>[\d.]+) from {_CLIENT}(?:: | in )(?P<text>.*)",
        "mail_screen",
        None,
    ),
    (
        (
            rf"(?P<kind>COMMAND (?:TIME|COUNT|LENGTH) LIMIT|COMMAND PIPELINING|NON-SMTP COMMAND|BARE NEWLINE) from {_CLIENT}"
            r" after (?P<stage>[^\s:]+)(?:: (?P<text>.*))?"
        ),
        "mail_screen",
        None,
    ),
    (
        (
            r"(?P<kind>improper command pipelining|non-SMTP command|bare <(?:LF|CR)> received) after (?P<stage>\S+)"
            rf" from {_CLIENT}(?:: (?P<text>.*))?"
        ),
        "mail_warning",
        None,
    ),
)

TABLE: tuple[tuple[re.Pattern[str], str, str | None], ...] = tuple(
    (re.compile(pattern, re.DOTALL), action, outcome)
    for pattern, action, outcome in (
        *_CONNECTIONS,
        *_LOGINS,
        *_REPLIES,
        *_TLS,
        *_QUEUE,
        *_SERVICE,
        *_ODDITIES,
        *_STATISTICS,
        *_SCREENING,
    )
)
"""Tried in this order; the first row that reads the whole text wins."""
