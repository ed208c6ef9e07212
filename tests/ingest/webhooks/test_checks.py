"""Signature checks with real keys: what is good passes, and every part that is changed is noticed."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import Backpressure, ConfigError
from ingest.webhooks import Cause, Check, HookRequest, Refused, Verdict
from ingest.webhooks.freshness import Freshness
from ingest.webhooks.hex_hmac import MAILERSEND, MAILTRAP, HexHmacCheck, is_mailersend_ping
from ingest.webhooks.mailgun import MailgunCheck
from ingest.webhooks.sendgrid import SIGNATURE, TIMESTAMP, SendGridCheck, verification_key
from ingest.webhooks.shared_secret import SharedSecretCheck
from ingest.webhooks.sns import SnsCheck
from ingest.webhooks.svix import SvixCheck, signing_secret
from tests.support.clock import TickingClock
from tests.support.webhook_senders import CERTIFICATE_URL, TOPIC, Mailgun, Post, Resend, SendGrid, Sns, basic, hex_signed

EVENT: Mapping[str, object] = {"event": "delivered", "email": "pat@example.org", "timestamp": 1772438400, "sg_event_id": "e-1"}
MINUTES = timedelta(minutes=1)
CLOCK = TickingClock()
SENDGRID, OTHER_SENDGRID = SendGrid(CLOCK), SendGrid(CLOCK)
SNS = Sns(CLOCK)


def asked(post: Post, *, token: str | None = None, **changes: str | None) -> HookRequest:
    headers = {name.lower(): value for name, value in post.headers.items()}
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    merged = {name: value for name, value in {**headers, **changed}.items() if value is not None}
    return HookRequest(headers=merged, body=post.body, token=token)


def freshness(clock: TickingClock, max_age: timedelta = 5 * MINUTES, remembered: int = 100) -> Freshness:
    return Freshness(clock, max_age=max_age, remembered=remembered)


def refusal(check: Check, request: HookRequest) -> Cause:
    with pytest.raises(Refused) as refused:
        check(request)
    return refused.value.cause


# --- SendGrid ----------------------------------------------------------------------------------------------------------------


def sendgrid(clock: TickingClock, *keys: SendGrid) -> SendGridCheck:
    return SendGridCheck([verification_key(key.public_key) for key in keys or (SENDGRID,)], freshness(clock))


def test_sendgrid_signs_timestamp_and_body() -> None:
    check = sendgrid(CLOCK)
    post = SENDGRID.post(EVENT)

    assert check(asked(post)) is Verdict.STORE
    assert check(asked(post)) is Verdict.STORE  # a retry
    later = str(int(CLOCK().timestamp()) + 1)
    assert refusal(check, asked(Post(post.body + b" ", post.headers))) is Cause.BAD_SIGNATURE
    assert refusal(check, asked(post, x_twilio_email_event_webhook_timestamp=later)) is Cause.BAD_SIGNATURE
    assert refusal(check, asked(OTHER_SENDGRID.post(EVENT))) is Cause.BAD_SIGNATURE
    for text in ("", "x", "-1", "1e9", "99999999999999999999", "²"):
        broken = asked(post, x_twilio_email_event_webhook_timestamp=text)
        assert refusal(check, broken) in (Cause.UNSIGNED, Cause.BAD_SIGNATURE)
    for text in ("", "!!", "AAAA", post.headers["X-Twilio-Email-Event-Webhook-Signature"][:-4]):
        broken = asked(post, x_twilio_email_event_webhook_signature=text)
        assert refusal(check, broken) in (Cause.UNSIGNED, Cause.BAD_SIGNATURE)
    assert refusal(check, asked(Post(post.body))) is Cause.UNSIGNED


def test_sendgrid_moving_digits_between_timestamp_and_body_is_noticed() -> None:
    check = sendgrid(CLOCK)
    post = SENDGRID.signed(b'5[{"event":"open"}]')
    timestamp = post.headers["X-Twilio-Email-Event-Webhook-Timestamp"]

    moved = asked(Post(post.body[1:], post.headers), x_twilio_email_event_webhook_timestamp=timestamp + "5")

    assert refusal(check, moved) is Cause.STALE


def test_two_keys_are_accepted_while_one_replaces_the_other() -> None:
    check = sendgrid(CLOCK, OTHER_SENDGRID, SENDGRID)

    assert check(asked(SENDGRID.post(EVENT))) is Verdict.STORE
    assert check(asked(OTHER_SENDGRID.post(EVENT))) is Verdict.STORE


@pytest.mark.parametrize("text", ["", "no key", "QUJD", "-----BEGIN PUBLIC KEY-----\nQUJD\n-----END PUBLIC KEY-----"])
def test_what_is_no_verification_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        verification_key(text)
    assert not text or text not in str(refused.value)


def test_an_old_request_is_refused_unless_it_was_seen_while_fresh() -> None:
    clock = TickingClock()
    sender = SendGrid(clock)
    check = sendgrid(clock, sender)
    seen, unseen, ahead = sender.post(EVENT), sender.post({**EVENT, "x": "2"}), sender.post(EVENT, late=-6 * MINUTES)

    check(asked(seen))
    assert refusal(check, asked(ahead)) is Cause.STALE
    clock.advance(minutes=5)
    check(asked(sender.post(EVENT, late=5 * MINUTES)))
    clock.advance(seconds=1)

    assert refusal(check, asked(unseen)) is Cause.STALE
    assert check(asked(seen)) is Verdict.STORE  # the provider tries again after it was told to


def test_what_is_remembered_is_bounded() -> None:
    clock = TickingClock()
    sender = SendGrid(clock)
    check = SendGridCheck([verification_key(sender.public_key)], freshness(clock, remembered=2))
    first, *others = [sender.post({**EVENT, "n": str(number)}) for number in range(3)]
    for post in (first, *others):
        check(asked(post))

    clock.advance(minutes=10)

    assert refusal(check, asked(first)) is Cause.STALE
    assert [check(asked(post)) for post in others] == [Verdict.STORE] * 2


# --- Mailgun -----------------------------------------------------------------------------------------------------------------

DATA = {"event": "delivered", "id": "m-1", "recipient": "pat@example.org", "timestamp": 1772438400.5}


def mailgun(clock: TickingClock, *keys: str) -> MailgunCheck:
    return MailgunCheck([key.encode() for key in keys or ("key-of-mailgun",)], freshness(clock, timedelta(hours=12)))


def test_a_token_of_mailgun_is_good_for_one_body() -> None:
    check = mailgun(CLOCK)
    sender = Mailgun(CLOCK, "key-of-mailgun")
    post = sender.post(DATA, token="t" * 50)

    assert check(asked(post)) is Verdict.STORE
    assert check(asked(post)) is Verdict.STORE  # a retry has the same token and says the same
    forged = json.loads(post.body)
    forged["event-data"]["recipient"] = "eve@example.org"
    assert refusal(check, asked(Post(json.dumps(forged).encode()))) is Cause.REPLAYED
    again = json.dumps(json.loads(post.body), indent=2, sort_keys=True).encode()
    assert check(asked(Post(again))) is Verdict.STORE


def test_mailgun_notices_what_was_changed() -> None:
    check = mailgun(CLOCK)
    post = json.loads(Mailgun(CLOCK, "key-of-mailgun").post(DATA).body)
    block = post["signature"]

    def changed(**fields: object) -> HookRequest:
        return asked(Post(json.dumps({**post, "signature": {**block, **fields}}).encode()))

    assert refusal(check, changed(timestamp=str(int(block["timestamp"]) + 1))) is Cause.BAD_SIGNATURE
    assert refusal(check, changed(token="0" + block["token"][1:-1] + "x")) is Cause.BAD_SIGNATURE
    assert refusal(check, changed(signature="0" * 64)) is Cause.BAD_SIGNATURE
    assert refusal(check, changed(signature="")) is Cause.BAD_SIGNATURE
    assert refusal(check, changed(token=7)) is Cause.UNSIGNED
    assert refusal(check, changed(timestamp=None)) is Cause.BAD_SIGNATURE
    assert refusal(check, asked(Mailgun(CLOCK, "another key").post(DATA))) is Cause.BAD_SIGNATURE
    for body in (b"", b"{}", b"[]", b"null", b'{"signature": 1}', b"\xff", b"a=b", b"--x\r\n"):
        assert refusal(check, asked(Post(body))) is Cause.UNSIGNED
    assert check(changed(timestamp=int(block["timestamp"]))) is Verdict.STORE


def test_moving_digits_between_timestamp_and_token_makes_no_new_token() -> None:
    check = mailgun(CLOCK)
    post = json.loads(Mailgun(CLOCK, "key-of-mailgun").post(DATA, token="7" + "a" * 49).body)
    check(asked(Post(json.dumps(post).encode())))
    block = post["signature"]

    for timestamp, token in (
        (block["timestamp"] + "7", block["token"][1:]),
        (block["timestamp"][:-1], block["timestamp"][-1] + block["token"]),
    ):
        moved = {
            "signature": {**block, "timestamp": timestamp, "token": token},
            "event-data": {**DATA, "recipient": "eve@x.example"},
        }
        assert refusal(check, asked(Post(json.dumps(moved).encode()))) is Cause.REPLAYED


def test_mailgun_tries_again_for_hours_with_one_signature() -> None:
    clock = TickingClock()
    check, sender = mailgun(clock), Mailgun(clock, "key-of-mailgun")

    assert check(asked(sender.post(DATA, late=timedelta(hours=8)))) is Verdict.STORE
    assert refusal(check, asked(sender.post(DATA, late=timedelta(hours=13)))) is Cause.STALE


def test_forms_of_mailgun_are_signed_too() -> None:
    check, sender = mailgun(CLOCK), Mailgun(CLOCK, "key-of-mailgun")
    fields = {"event": "dropped", "recipient": "pat@example.org", "my-var": "a b&c"}

    for post in (sender.form(fields), sender.parts(fields)):
        assert check(asked(post)) is Verdict.STORE
        forged = post.body.replace(b"pat", b"eve")
        assert refusal(check, asked(Post(forged))) is Cause.REPLAYED
        bad = post.body.replace(b"signature", b"signaturf")
        assert refusal(check, asked(Post(bad))) is Cause.UNSIGNED


# --- Svix --------------------------------------------------------------------------------------------------------------------


def svix(clock: TickingClock, *senders: Resend) -> SvixCheck:
    return SvixCheck([signing_secret(sender.secret) for sender in senders], freshness(clock))


def test_resend_signs_id_timestamp_and_body() -> None:
    sender, other = Resend(CLOCK, b"k" * 24), Resend(CLOCK, b"o" * 24)
    check = svix(CLOCK, sender)
    post = sender.post({"type": "email.sent"})

    assert check(asked(post)) is Verdict.STORE
    assert check(asked(sender.post({"type": "email.sent"}, before="v1,AAAA v1a,BBBB "))) is Verdict.STORE
    standard = {name.lower().replace("svix", "webhook"): value for name, value in post.headers.items()}
    assert check(asked(Post(post.body, standard))) is Verdict.STORE
    assert svix(CLOCK, other, sender)(asked(post)) is Verdict.STORE
    assert refusal(check, asked(Post(post.body[:-1], post.headers))) is Cause.BAD_SIGNATURE
    assert refusal(check, asked(post, svix_id="msg_2")) is Cause.BAD_SIGNATURE
    assert refusal(check, asked(post, svix_timestamp=str(int(CLOCK().timestamp()) - 1))) is Cause.BAD_SIGNATURE
    assert refusal(check, asked(post, svix_signature=post.headers["svix-signature"].replace("v1,", "v2,"))) is Cause.BAD_SIGNATURE
    assert refusal(check, asked(other.post({"type": "email.sent"}))) is Cause.BAD_SIGNATURE
    assert refusal(check, asked(sender.post({"type": "email.sent"}, late=6 * MINUTES))) is Cause.STALE
    for name in ("svix_id", "svix_timestamp", "svix_signature"):
        assert refusal(check, asked(post, **{name: None})) is Cause.UNSIGNED


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_%%%", "whsec_QUJD"])
def test_what_is_no_signing_secret_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        signing_secret(text)


# --- MailerSend and Mailtrap -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("header", "shown"), [(MAILERSEND, "Signature"), (MAILTRAP, "Mailtrap-Signature")])
def test_mailersend_and_mailtrap_sign_the_body(header: str, shown: str) -> None:
    check = HexHmacCheck(header, [b"old secret", b"the secret"])
    post = hex_signed(shown, "the secret", {"events": [EVENT]})
    signature = post.headers[shown]

    assert check(asked(post)) is Verdict.STORE
    assert check(asked(post, **{header: signature.upper()})) is Verdict.STORE
    assert check(asked(hex_signed(shown, "old secret", {"events": [EVENT]}))) is Verdict.STORE
    assert refusal(check, asked(Post(post.body.replace(b"pat", b"eve"), post.headers))) is Cause.BAD_SIGNATURE
    assert refusal(check, asked(hex_signed(shown, "another", {"events": [EVENT]}))) is Cause.BAD_SIGNATURE
    assert refusal(check, asked(post, **{header: signature[:-1]})) is Cause.BAD_SIGNATURE
    assert refusal(check, asked(post, **{header: "ä" * 64})) is Cause.BAD_SIGNATURE
    assert refusal(check, asked(Post(post.body))) is Cause.UNSIGNED


def test_the_ping_of_mailersend_is_answered_and_holds_nothing() -> None:
    check = HexHmacCheck(MAILERSEND, [b"the secret"], is_ping=is_mailersend_ping)

    ping = {"type": "webhook.test", "message": "This is a ping test message"}
    assert check(asked(Post(json.dumps(ping).encode()))) is Verdict.ANSWER
    for body in ({**ping, "data": {}}, {"type": "activity.sent", "message": "webhook.test"}, [ping], {**ping, "x": "y" * 2000}):
        assert refusal(check, asked(Post(json.dumps(body).encode()))) is Cause.UNSIGNED
    assert refusal(check, asked(Post(b'{"type": "webhook.test"'))) is Cause.UNSIGNED


# --- Shared secrets ----------------------------------------------------------------------------------------------------------


def test_a_user_with_a_password_or_a_token_opens() -> None:
    check = SharedSecretCheck(user="hook", password="pässword:1", token="a-long-token-of-ours")

    assert check(asked(Post(b"", basic("hook", "pässword:1")))) is Verdict.STORE
    assert check(asked(Post(b"", {"X-Hook-Token": "a-long-token-of-ours"}))) is Verdict.STORE
    assert check(asked(Post(b"", {"Authorization": "bearer a-long-token-of-ours"}))) is Verdict.STORE
    assert check(asked(Post(b""), token="a-long-token-of-ours")) is Verdict.STORE
    for headers in (
        {},
        basic("hook", "password:1"),
        basic("hook:pässword", "1x"),
        basic("", ""),
        {"Authorization": "Basic"},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic /////w=="},
        {"Authorization": "Bearer "},
        {"Authorization": "Digest a-long-token-of-ours"},
        {"X-Hook-Token": "A-long-token-of-ours"},
        {"X-Hook-Token": ""},
    ):
        assert refusal(check, asked(Post(b"", headers))) is Cause.UNAUTHENTICATED
    assert refusal(check, asked(Post(b""), token="a-long-token-of-our")) is Cause.UNAUTHENTICATED


def test_nothing_set_opens_nothing() -> None:
    check = SharedSecretCheck(token="a-long-token-of-ours")

    assert refusal(check, asked(Post(b"", basic("None", "None")))) is Cause.UNAUTHENTICATED
    assert refusal(SharedSecretCheck(), asked(Post(b"", {"X-Hook-Token": ""}), token="")) is Cause.UNAUTHENTICATED


# --- Amazon SNS --------------------------------------------------------------------------------------------------------------


def sns(sender: Sns = SNS, clock: TickingClock = CLOCK, topics: tuple[str, ...] = (TOPIC,)) -> SnsCheck:
    return SnsCheck(topics, sender.fetch, freshness(clock, timedelta(days=1)), clock)


@pytest.mark.parametrize("version", ["1", "2"])
def test_sns_signs_named_fields(version: str) -> None:
    check = sns()
    post = SNS.post({"eventType": "Send"}, SignatureVersion=version, Subject="Amazon SES")

    assert check(asked(post)) is Verdict.STORE
    assert check(asked(post)) is Verdict.STORE
    for name in ("Message", "MessageId", "Subject", "Timestamp"):
        message = json.loads(post.body)
        message[name] = message[name][:-1] + ("Y" if message[name][-1] != "Y" else "X")
        assert refusal(check, asked(Post(json.dumps(message).encode()))) is Cause.BAD_SIGNATURE, name
    assert refusal(check, asked(Post(json.dumps({**json.loads(post.body), "Signature": "AAAA"}).encode()))) is Cause.BAD_SIGNATURE
    assert refusal(check, asked(Post(json.dumps({**json.loads(post.body), "Signature": "%"}).encode()))) is Cause.BAD_SIGNATURE
    assert (
        refusal(check, asked(Post(json.dumps({**json.loads(post.body), "SignatureVersion": "3"}).encode()))) is Cause.BAD_SIGNATURE
    )
    swapped = "2" if version == "1" else "1"
    assert refusal(check, asked(Post(json.dumps({**json.loads(post.body), "SignatureVersion": swapped}).encode()))) is (
        Cause.BAD_SIGNATURE
    )


def test_a_well_signed_message_of_somebody_elses_topic_is_refused_and_nothing_is_fetched() -> None:
    sender = Sns(CLOCK)
    theirs = TOPIC.replace("ses-events", "others")

    for post in (sender.post({}, TopicArn=theirs), sender.subscription(TopicArn=theirs), sender.post({}, TopicArn=TOPIC + "x")):
        assert refusal(sns(sender), asked(post)) is Cause.NOT_ALLOWED
    assert sender.fetched == []


@pytest.mark.parametrize(
    "url",
    [
        CERTIFICATE_URL.replace("https", "http"),
        CERTIFICATE_URL.replace("amazonaws.com", "amazonaws.com.evil.example"),
        CERTIFICATE_URL.replace("sns.eu-west-1", "evil.example/sns.eu-west-1"),
        CERTIFICATE_URL.replace("sns.", "user@sns."),
        CERTIFICATE_URL.replace(".com/", ".com:8443/"),
        CERTIFICATE_URL.replace("sns.", "sqs."),
        CERTIFICATE_URL.replace("eu-west-1", "eu.west"),
        CERTIFICATE_URL.replace(".pem", ".txt"),
        "https://sns.eu-west-1.amazonaws.com\\@evil.example/a.pem",
        "https://[::1/a.pem",
        "file:///etc/a.pem",
        "",
    ],
)
def test_a_certificate_from_elsewhere_is_not_fetched(url: str) -> None:
    sender = Sns(CLOCK)

    assert refusal(sns(sender), asked(sender.post({}, SigningCertURL=url))) is Cause.NOT_ALLOWED
    assert sender.fetched == []


def test_a_certificate_is_fetched_once_until_it_has_run_out() -> None:
    clock = TickingClock()
    sender = Sns(clock, valid=timedelta(days=20))
    check = sns(sender, clock)

    for _ in range(3):
        check(asked(sender.post({"n": 1})))
    assert sender.fetched == [CERTIFICATE_URL]
    clock.advance(days=11)
    check(asked(sender.post({"n": 2})))
    assert sender.fetched == [CERTIFICATE_URL] * 2


def test_a_certificate_out_of_its_time_or_of_another_kind_proves_nothing() -> None:
    expired = Sns(CLOCK, valid=timedelta(days=5))
    assert refusal(sns(expired), asked(expired.post({}))) is Cause.BAD_SIGNATURE

    for content in (b"", b"no certificate", SENDGRID.public_key.encode()):
        check = SnsCheck([TOPIC], {CERTIFICATE_URL: content}.__getitem__, freshness(CLOCK), CLOCK)
        assert refusal(check, asked(SNS.post({}))) is Cause.BAD_SIGNATURE


def test_a_certificate_that_cannot_be_had_now_is_no_verdict() -> None:
    sender = Sns(CLOCK)
    check = sns(sender)
    sender.away = True

    with pytest.raises(Backpressure) as full:
        check(asked(sender.post({})))
    assert full.value.retry_after > 0
    sender.away = False
    assert check(asked(sender.post({}))) is Verdict.STORE


def test_a_subscription_is_confirmed_only_after_everything_else_was_good() -> None:
    sender, forger = Sns(CLOCK), Sns(CLOCK)
    check = sns(sender)

    assert refusal(check, asked(forger.subscription())) is Cause.BAD_SIGNATURE
    elsewhere = sender.subscription(SubscribeURL="https://evil.example/?Action=ConfirmSubscription")
    assert refusal(check, asked(elsewhere)) is Cause.NOT_ALLOWED
    tampered = {**json.loads(sender.subscription().body), "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Other"}
    assert refusal(check, asked(Post(json.dumps(tampered).encode()))) is Cause.BAD_SIGNATURE
    assert sender.fetched == [CERTIFICATE_URL]

    assert check(asked(sender.subscription())) is Verdict.STORE
    assert len(sender.fetched) == 2
    assert "Action=ConfirmSubscription" in sender.fetched[1]
    assert check(asked(sender.subscription("UnsubscribeConfirmation"))) is Verdict.STORE
    assert len(sender.fetched) == 2


def test_an_old_message_of_sns_is_refused() -> None:
    old = (CLOCK() - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    assert refusal(sns(), asked(SNS.post({}, Timestamp=old))) is Cause.STALE
    assert refusal(sns(), asked(SNS.post({}, Timestamp="yesterday"))) is Cause.BAD_SIGNATURE


def test_what_is_no_message_of_sns_is_unsigned() -> None:
    for body in (b"", b"{", b"[]", b"1", b'{"Type": "Notification"}', b'{"Type": "Other", "Signature": "x"}'):
        assert refusal(sns(), asked(Post(body))) is Cause.UNSIGNED


# --- All of them -------------------------------------------------------------------------------------------------------------


def checks() -> Mapping[str, Callable[[], Check]]:
    return {
        "sendgrid": lambda: sendgrid(CLOCK),
        "mailgun": lambda: mailgun(CLOCK),
        "resend": lambda: svix(CLOCK, Resend(CLOCK, b"k" * 24)),
        "mailersend": lambda: HexHmacCheck(MAILERSEND, [b"the secret"]),
        "sns": sns,
        "shared": lambda: SharedSecretCheck(user="hook", password="a password of ours"),
    }


NAMES = st.sampled_from(
    ("authorization", "signature", "svix-id", "svix-timestamp", "svix-signature", "x-hook-token", SIGNATURE, TIMESTAMP)
)


@pytest.mark.parametrize("name", sorted(checks()))
@settings(deadline=None, max_examples=60)
@given(
    body=st.binary(max_size=80) | st.dictionaries(st.text(max_size=9), st.text(max_size=9)).map(lambda d: json.dumps(d).encode()),
    headers=st.dictionaries(NAMES, st.text(st.characters(max_codepoint=255), max_size=40)),
    token=st.none() | st.text(max_size=20),
)
def test_nothing_that_is_not_signed_passes_and_nothing_breaks(
    name: str, body: bytes, headers: dict[str, str], token: str | None
) -> None:
    with pytest.raises(Refused):
        checks()[name]()(HookRequest(headers=headers, body=body, token=token))
