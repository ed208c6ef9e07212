"""The formats of mail providers' webhooks, by name: one table for everyone who needs a parser of one."""

from collections.abc import Mapping

from ingest.parsers.brevo import BrevoParser
from ingest.parsers.mailersend import MailerSendParser
from ingest.parsers.mailgun import MailgunParser
from ingest.parsers.mailjet import MailjetParser
from ingest.parsers.mailtrap import MailtrapParser
from ingest.parsers.postmark import PostmarkParser
from ingest.parsers.resend import ResendParser
from ingest.parsers.sendgrid import SendGridParser
from ingest.parsers.ses import SesParser
from ingest.parsers.webhook_events import WebhookParser

WEBHOOK_PARSERS: Mapping[str, type[WebhookParser]] = {
    parser.format: parser
    for parser in (
        SendGridParser,
        MailgunParser,
        SesParser,
        PostmarkParser,
        BrevoParser,
        MailjetParser,
        MailerSendParser,
        ResendParser,
        MailtrapParser,
    )
}
"""For every provider, its parser; `webhook_records.WEBHOOK_SPLITTERS` has the same names."""
