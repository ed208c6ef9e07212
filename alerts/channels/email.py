"""E-mail over TLS or not at all.

STARTTLS or TLS from the first byte, TLS 1.2 or later, with the server's certificate verified for its name. A server that offers no
TLS gets nothing, not even the envelope: to strip STARTTLS is what an attacker in between does (45 CFR 164.312(e)(1)).
"""

import contextlib
import logging
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from enum import StrEnum
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from alerts.notification import Notification
from domain.clock import Clock, rfc3339
from domain.errors import ConfigError, DeliveryError

TIMEOUT = 20.0

# Long enough that no subject or link is broken over lines; RFC 5322 section 2.1.1 allows 998.
_POLICY = SMTP.clone(max_line_length=990)

_log = logging.getLogger(__name__)

TEMPLATES = Environment(
    loader=PackageLoader("alerts"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701 - plain text; nothing in it is markup
    keep_trailing_newline=True,
    trim_blocks=True,
)


class Security(StrEnum):
    """How TLS begins. There is no third way."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The submission server. `ca_file` replaces the system's certificate authorities; a login is sent inside TLS only."""

    host: str
    port: int
    security: Security = Security.STARTTLS
    ca_file: Path | None = None
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"MailServer({self.host}:{self.port}, {self.security})"


class EmailChannel:
    """Mails each notification to a fixed list of people, a new connection each time."""

    def __init__(self, *, name: str, server: MailServer, sender: str, recipients: Sequence[str], clock: Clock) -> None:
        """`sender` and `recipients` are bare addresses from the settings. Raises ConfigError where they cannot be."""
        for address in (sender, *recipients):
            if not address.isascii() or not address.isprintable() or address.count("@") != 1 or set(address) & set(" ,;<>"):
                raise ConfigError("sender and recipients of alert mails must be plain addresses such as privacy@hospital.example")
        if not recipients:
            raise ConfigError("alert mails need at least one recipient")
        self.name = name
        self._server = server
        self._sender = sender
        self._domain = sender.rpartition("@")[2]
        self._recipients = list(recipients)
        self._clock = clock
        self.tls = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def send(self, notification: Notification) -> None:
        """Mail it. Raises DeliveryError: permanent where the server refuses sender, recipients or message for good (5yz)."""
        message = self._message(notification)
        try:
            refused = self._sent(message)
        except smtplib.SMTPException as error:
            raise _refusal(error) from None
        except ssl.SSLCertVerificationError:
            raise DeliveryError("the mail server's certificate could not be verified; nothing was sent") from None
        except ssl.SSLError:
            raise DeliveryError("no TLS connection with the mail server came about; nothing was sent") from None
        except TimeoutError:
            raise DeliveryError("the mail server did not answer in time") from None
        except OSError:
            raise DeliveryError("the mail server could not be reached") from None
        if refused:
            _log.warning("channel %s: the mail server refused %d of %d recipients", self.name, refused, len(self._recipients))

    def _sent(self, message: EmailMessage) -> int:
        """Hand the message over. Returns how many recipients (not all) were refused. Raises SMTPException or OSError."""
        smtp = self._connected()
        try:
            refused = smtp.send_message(message, self._sender, self._recipients)
            # Taken is taken: how the server says goodbye does not make it a failure.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                smtp.quit()
        finally:
            smtp.close()
        return len(refused)

    def _connected(self) -> smtplib.SMTP:
        """A connection inside TLS. Raises SMTPException or OSError; what was opened is closed."""
        server = self._server
        if server.security is Security.IMPLICIT:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, self._domain, timeout=TIMEOUT, context=self.tls)
        else:
            smtp = smtplib.SMTP(server.host, server.port, self._domain, timeout=TIMEOUT)
        try:
            if server.security is Security.STARTTLS:
                smtp.starttls(context=self.tls)
            if server.username:
                smtp.login(server.username, server.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _message(self, notification: Notification) -> EmailMessage:
        message = EmailMessage(policy=_POLICY)
        message["From"] = self._sender
        message["To"] = ", ".join(self._recipients)
        message["Subject"] = _rendered("email_subject.j2", notification).strip()
        message["Date"] = format_datetime(self._clock())
        # The same delivery has the same id; all mails of an alert are one thread.
        message["Message-ID"] = f"<{notification.delivery_id}@{self._domain}>"
        message["References"] = f"<alert.{notification.alert_id}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_rendered("email_body.j2", notification))
        return message


def _rendered(template: str, notification: Notification) -> str:
    return TEMPLATES.get_template(template).render(alert=notification, time=rfc3339(notification.time))


def _refusal(error: smtplib.SMTPException) -> DeliveryError:
    """What the server said, by its code only: its text often repeats addresses."""
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return DeliveryError("the mail server offers no TLS or no login; nothing was sent")
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return DeliveryError("the mail server refused the login")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        return DeliveryError("the mail server refused every recipient", permanent=all(500 <= code < 600 for code in codes))
    if isinstance(error, smtplib.SMTPResponseException):
        code = error.smtp_code
        refused_for_good = isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPDataError) and 500 <= code < 600
        return DeliveryError(f"the mail server answered {code}", permanent=refused_for_good)
    return DeliveryError("the conversation with the mail server broke off")
