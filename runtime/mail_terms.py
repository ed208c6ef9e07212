"""The mail policy as reports need it: `dashboards` may not read `analytics`, so the words are handed over here."""

from analytics.consents import PLAIN_MAIL
from analytics.mail_policy import MailPolicy
from domain.organisation import Organisation
from store.mail_reports import MailTerms


def mail_terms(policy: MailPolicy, organisation: Organisation) -> MailTerms:
    """The terms of a policy, with the holidays of the organisation."""
    return MailTerms(
        categories=policy.marketing.categories,
        marketing=policy.marketing.channels,
        plain=PLAIN_MAIL,
        grace=policy.marketing.grace_business_days,
        sealed=policy.phi.sealed,
        without_agreement=policy.recipients.without_agreement,
        public_mailboxes=policy.recipients.public_mailboxes,
        is_holiday=organisation.holidays,
    )
