"""Settings of the webhooks of mail providers, and the checks made from them. A provider without settings has no hook."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Self

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from domain.clock import Clock
from domain.errors import DeliveryError
from ingest.webhooks import Check, Hook
from ingest.webhooks.freshness import REMEMBERED, Freshness
from ingest.webhooks.hex_hmac import MAILERSEND, MAILTRAP, HexHmacCheck, is_mailersend_ping
from ingest.webhooks.mailgun import MailgunCheck
from ingest.webhooks.sendgrid import SendGridCheck, verification_key
from ingest.webhooks.shared_secret import SharedSecretCheck
from ingest.webhooks.sns import Fetch, SnsCheck
from ingest.webhooks.svix import SvixCheck, signing_secret

FETCH_SECONDS = 5.0
FETCH_BYTES = 64 * 1024


def _not_ours(name: str) -> str:
    if name == "phitrail":
        raise ValueError("phitrail itself is taken: give the source another name")
    return name


_SourceSystem = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$"), AfterValidator(_not_ours)]
_TopicArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]{0,16}:sns:[a-z0-9-]{1,32}:[0-9]{12}:[A-Za-z0-9_.-]{1,256}$")]
_Secret = Annotated[SecretStr, Field(min_length=8)]


class _Group(BaseModel):
    """A group of settings. Unknown names are refused; values are not repeated in errors, as they may be secrets."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SendGridHook(_Group):
    public_key: SecretStr = Field(description="verification key of the Signed Event Webhook, base64 or PEM")
    more_public_keys: tuple[SecretStr, ...] = Field((), description="keys of further webhooks, or of one replaced, JSON array")
    source_system: _SourceSystem = Field("sendgrid", description="name of the source")


class MailgunHook(_Group):
    secret: _Secret = Field(description="HTTP webhook signing key")
    more_secrets: tuple[_Secret, ...] = Field((), description="keys of further accounts, or of one replaced, JSON array")
    max_age_seconds: int = Field(
        43_200, ge=60, description="how old a signature may be; Mailgun tries again for eight hours with the same one"
    )
    source_system: _SourceSystem = Field("mailgun", description="name of the source")


class SesHook(_Group):
    topic_arns: tuple[_TopicArn, ...] = Field(min_length=1, description="SNS topics that may post here, JSON array")
    max_age_seconds: int = Field(86_400, ge=60, description="how old a message may be; SNS tries again for hours with the same one")
    source_system: _SourceSystem = Field("ses", description="name of the source")


class SignedHook(_Group):
    secret: _Secret = Field(description="signing secret of the webhook")
    more_secrets: tuple[_Secret, ...] = Field((), description="secrets of further webhooks, or of one replaced, JSON array")
    source_system: _SourceSystem | None = Field(None, description="name of the source; unset: the provider's")


class SharedHook(_Group):
    user: str | None = Field(None, min_length=1, pattern=r"^[^:]+$", description="user of HTTP basic authentication")
    password: _Secret | None = Field(None, description="its password")
    token: Annotated[SecretStr, Field(min_length=16)] | None = Field(
        None, description="secret for X-Hook-Token, Authorization: Bearer, or behind the address; instead of user and password"
    )
    source_system: _SourceSystem | None = Field(None, description="name of the source; unset: the provider's")

    @model_validator(mode="after")
    def _opens(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password are set together or not at all")
        if self.user is None and self.token is None:
            raise ValueError("user and password, or token, has to be set")
        return self


class HookSettings(_Group):
    """`hooks`: each provider's own group; one that is unset has no hook, and its address is not found."""

    tolerance_seconds: int = Field(
        300, ge=10, le=86_400, description="how old a signed timestamp may be (SendGrid, Resend); clocks have to agree as closely"
    )
    remembered: int = Field(REMEMBERED, ge=1_000, le=10_000_000, description="signatures remembered against replay, per provider")
    sendgrid: SendGridHook | None = Field(None, description="SendGrid's webhook; unset: none")
    mailgun: MailgunHook | None = Field(None, description="Mailgun's webhook; unset: none")
    ses: SesHook | None = Field(None, description="Amazon SES by SNS; unset: none")
    postmark: SharedHook | None = Field(None, description="Postmark's webhook; unset: none")
    brevo: SharedHook | None = Field(None, description="Brevo's webhook; unset: none")
    mailjet: SharedHook | None = Field(None, description="Mailjet's webhook; unset: none")
    mailersend: SignedHook | None = Field(None, description="MailerSend's webhook; unset: none")
    resend: SignedHook | None = Field(None, description="Resend's webhook; unset: none")
    mailtrap: SignedHook | None = Field(None, description="Mailtrap's webhook; unset: none")


def build_hooks(settings: HookSettings, *, clock: Clock, fetch: Fetch) -> Mapping[str, Hook]:
    """The hooks that are set, by provider. `fetch` is `https_get`, or a stand-in for it. Raises ConfigError for unusable keys."""
    tolerance = timedelta(seconds=settings.tolerance_seconds)

    def freshness(max_age: timedelta = tolerance) -> Freshness:
        return Freshness(clock, max_age=max_age, remembered=settings.remembered)

    hooks: list[Hook] = []

    def add(provider: str, source_system: str | None, check: Check) -> None:
        hooks.append(Hook(provider=provider, source_system=source_system or provider, check=check))

    if sendgrid := settings.sendgrid:
        keys = [verification_key(text) for text in _shown(sendgrid.public_key, *sendgrid.more_public_keys)]
        add("sendgrid", sendgrid.source_system, SendGridCheck(keys, freshness()))
    if mailgun := settings.mailgun:
        check = MailgunCheck(_keys(mailgun), freshness(timedelta(seconds=mailgun.max_age_seconds)))
        add("mailgun", mailgun.source_system, check)
    if ses := settings.ses:
        age = freshness(timedelta(seconds=ses.max_age_seconds))
        add("ses", ses.source_system, SnsCheck(ses.topic_arns, fetch, age, clock))
    if resend := settings.resend:
        secrets = [signing_secret(text) for text in _shown(resend.secret, *resend.more_secrets)]
        add("resend", resend.source_system, SvixCheck(secrets, freshness()))
    if mailersend := settings.mailersend:
        check_of_mailersend = HexHmacCheck(MAILERSEND, _keys(mailersend), is_ping=is_mailersend_ping)
        add("mailersend", mailersend.source_system, check_of_mailersend)
    if mailtrap := settings.mailtrap:
        add("mailtrap", mailtrap.source_system, HexHmacCheck(MAILTRAP, _keys(mailtrap)))
    for provider in ("postmark", "brevo", "mailjet"):
        shared: SharedHook | None = getattr(settings, provider)
        if shared is not None:
            add(provider, shared.source_system, _shared(shared))
    return {hook.provider: hook for hook in hooks}


def https_get() -> Callable[[str], bytes]:
    """A function that gets what is at an address, in bounds of time and size; it follows no redirect and raises DeliveryError."""
    client = httpx.Client(timeout=FETCH_SECONDS, follow_redirects=False)

    def get(url: str) -> bytes:
        try:
            with client.stream("GET", url) as response:
                if response.status_code != httpx.codes.OK:
                    raise DeliveryError(f"the address answered {response.status_code}")
                body = b""
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > FETCH_BYTES:
                        raise DeliveryError("the answer is longer than it should be")
                return body
        except httpx.HTTPError as error:
            raise DeliveryError(f"the address cannot be reached ({type(error).__name__})") from None

    return get


def _shared(settings: SharedHook) -> SharedSecretCheck:
    return SharedSecretCheck(
        user=settings.user,
        password=settings.password.get_secret_value() if settings.password else None,
        token=settings.token.get_secret_value() if settings.token else None,
    )


def _keys(settings: MailgunHook | SignedHook) -> Sequence[bytes]:
    return [text.encode() for text in _shown(settings.secret, *settings.more_secrets)]


def _shown(*secrets: SecretStr) -> Sequence[str]:
    return [secret.get_secret_value() for secret in secrets]
