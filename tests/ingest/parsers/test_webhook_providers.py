"""What each provider's events mean, by the tables of their documentation, and what they say about TLS."""

from collections.abc import Mapping

import pytest

from domain.event import ActorKind
from domain.json import Json
from domain.record import Rejected
from domain.tls import TlsVerdict, judge
from tests.support.webhook_events import event, events, parse

T = 1772438400
ABSENT = object()


def meaning(provider: str, record: object) -> tuple[str, str | None]:
    one = event(provider, record)
    return one.action, one.outcome


def tls(provider: str, record: object) -> object:
    details: Mapping[str, Json] = event(provider, record).details
    return details.get("tls", ABSENT)


def verdict(provider: str, record: object) -> TlsVerdict:
    return judge(event(provider, record).details).verdict


# --- SendGrid ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("processed", ("mail_accepted", None)),
        ("delivered", ("deliver", "delivered")),
        ("deferred", ("defer", "deferred")),
        ("bounce", ("bounce", "bounced")),
        ("blocked", ("bounce", "bounced")),
        ("dropped", ("discard", "dropped")),
        ("open", ("mail_opened", None)),
        ("click", ("mail_clicked", None)),
        ("spamreport", ("mail_complaint", None)),
        ("unsubscribe", ("mail_unsubscribed", None)),
        ("group_unsubscribe", ("mail_unsubscribed", None)),
        ("group_resubscribe", ("mail_subscribed", None)),
        ("account_status_change", ("account_status_change", None)),
        ("somethingNew", ("something_new", None)),
    ],
)
def test_sendgrid(word: str, expected: tuple[str, str | None]) -> None:
    assert meaning("sendgrid", {"event": word, "timestamp": T}) == expected


@pytest.mark.parametrize("used", [1, True, "1", "true"])
def test_the_flag_of_sendgrid_says_that_tls_was_used_and_nothing_else(used: object) -> None:
    assert tls("sendgrid", {"event": "delivered", "tls": used}) == {"established": True}
    assert tls("sendgrid", {"event": "delivered", "tls": used, "cert_err": 0}) == {"established": True}
    assert tls("sendgrid", {"event": "delivered", "tls": used, "cert_err": 1}) == {"established": True, "verified": False}
    assert not verdict("sendgrid", {"event": "delivered", "tls": used}).is_verified


def test_plain_text_and_silence_of_sendgrid() -> None:
    for plain in (0, "0", False):
        assert tls("sendgrid", {"event": "delivered", "tls": plain}) is None
        assert verdict("sendgrid", {"event": "delivered", "tls": plain}) is TlsVerdict.NONE
    for silent in ({}, {"tls": None}, {"tls": "?"}, {"tls": 2}, {"cert_err": 0}):
        assert tls("sendgrid", {"event": "delivered", **silent}) is ABSENT
    for word in ("open", "processed", "dropped"):
        assert tls("sendgrid", {"event": word, "tls": 1}) is ABSENT


def test_addresses_in_events_of_sendgrid_are_of_the_sender_or_of_the_reader() -> None:
    sent, read = (event("sendgrid", {"event": word, "ip": "203.0.113.7"}) for word in ("delivered", "open"))

    assert (sent.ip, sent.details["sending_ip"]) == (None, "203.0.113.7")
    assert (read.ip, read.details["client_ip"]) == ("203.0.113.7", "203.0.113.7")


def test_custom_arguments_of_sendgrid_are_kept_apart() -> None:
    one = event("sendgrid", {"event": "open", "visit": "v-1", "unique_args": {"ward": "3"}, "category": "portal"})

    assert one.details["metadata"] == {"visit": "v-1", "ward": "3"}
    assert one.details["tags"] == ["portal"]


# --- Mailgun -------------------------------------------------------------------------------------------------------------


def mailgun(word: str, status: object = None, **more: object) -> dict[str, object]:
    data = {"event": word, "timestamp": T, "recipient": "pat@example.org", "delivery-status": status, **more}
    return {"signature": {}, "event-data": data}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (mailgun("accepted"), ("mail_accepted", None)),
        (mailgun("delivered"), ("deliver", "delivered")),
        (mailgun("failed", severity="permanent"), ("bounce", "bounced")),
        (mailgun("failed", severity="temporary"), ("defer", "deferred")),
        (mailgun("failed", severity="permanent", reason="suppress-complaint"), ("discard", "dropped")),
        (mailgun("failed", {"code": 607}, severity="permanent"), ("discard", "dropped")),
        (mailgun("permanent_fail"), ("bounce", "bounced")),
        (mailgun("temporary_fail"), ("defer", "deferred")),
        (mailgun("rejected"), ("discard", "dropped")),
        (mailgun("opened"), ("mail_opened", None)),
        (mailgun("clicked"), ("mail_clicked", None)),
        (mailgun("complained"), ("mail_complaint", None)),
        (mailgun("unsubscribed"), ("mail_unsubscribed", None)),
        (mailgun("stored"), ("mail_accepted", None)),
        (mailgun("list_uploaded"), ("list_uploaded", None)),
    ],
)
def test_mailgun(record: object, expected: tuple[str, str | None]) -> None:
    assert meaning("mailgun", record) == expected


@pytest.mark.parametrize(
    ("word", "status", "expected"),
    [
        ("delivered", {"tls": True, "certificate-verified": True}, {"established": True, "verified": True}),
        ("delivered", {"tls": True, "certificate-verified": False}, {"established": True, "verified": False}),
        ("delivered", {"tls": True}, {"established": True}),
        ("delivered", {"tls": False}, None),
        ("delivered", {"tls": False, "certificate-verified": False}, None),
        ("delivered", {}, ABSENT),
        ("delivered", {"certificate-verified": False}, ABSENT),
        ("failed", {"tls": False, "mx-host": "mx.example.org"}, None),
        ("failed", {"tls": False}, ABSENT),
        ("opened", {"tls": True}, ABSENT),
    ],
)
def test_tls_of_mailgun(word: str, status: object, expected: object) -> None:
    assert tls("mailgun", mailgun(word, status)) == expected


def test_a_checked_certificate_of_mailgun_is_verified_and_an_unchecked_is_not() -> None:
    assert verdict("mailgun", mailgun("delivered", {"tls": True, "certificate-verified": True})) is TlsVerdict.VERIFIED_WEBPKI
    assert verdict("mailgun", mailgun("delivered", {"tls": True, "certificate-verified": False})) is TlsVerdict.UNTRUSTED


def test_what_was_signed_is_no_part_of_what_was_said() -> None:
    one, other = (mailgun("opened", id="m-1") | {"signature": {"token": token}} for token in "ab")

    first, second = event("mailgun", one), event("mailgun", other)

    assert (first.event_id, first.details) == (second.event_id, second.details)
    assert first.raw != second.raw


def test_an_id_of_mailgun_is_of_its_day() -> None:
    assert event("mailgun", mailgun("opened", id="m-1")).event_id == "m-1@2026-03-02:opened"
    assert event("mailgun", mailgun("opened", id="m-1", timestamp=T + 86_400)).event_id == "m-1@2026-03-03:opened"


@pytest.mark.parametrize(
    ("form", "action", "details"),
    [
        (
            b"event=delivered&recipient=pat%40example.org&timestamp=1772438400&token=t&signature=s",
            "deliver",
            {"to": "pat@example.org"},
        ),
        (
            b"event=bounced&code=5.1.1&error=smtp%3B550+5.1.1+x&timestamp=1772438400&token=t",
            "bounce",
            {"dsn": "5.1.1", "reply_code": "550"},
        ),
        (b"event=dropped&code=605&description=before&timestamp=1&timestamp=1772438400&token=t", "discard", {"reason": "before"}),
        (
            b"event=clicked&url=https%3A%2F%2Fx.example%2F&tag=a&tag=b&timestamp=1772438400&token=t",
            "mail_clicked",
            {"tags": ["a", "b"]},
        ),
        (
            b"sender=kim%40x.example&recipient=a%40x.example&subject=Hi&timestamp=1772438400&token=t",
            "mail_accepted",
            {"direction": "inbound"},
        ),
    ],
)
def test_forms_of_mailgun(form: bytes, action: str, details: dict[str, object]) -> None:
    one = event("mailgun", form)

    assert one.action == action
    assert one.time.timestamp() == T
    assert {name: one.details[name] for name in details} == details


def test_what_looks_like_a_form_and_is_none_is_refused_quickly() -> None:
    for body in (
        b"a=" + b"&" * 50_000 + b"{",
        b"a=b&" * 5_000,
        b"a=%ff&token=x",
        b"--x\r\n--x--\r\n",
        b"--x\r\n\r\n" + b"--y\r\n" * 2000,
    ):
        (one,) = parse("mailgun", body)
        assert isinstance(one, Rejected) or one.details


# --- Postmark ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *(
            (kind, ("bounce", "bounced"))
            for kind in ("HardBounce", "SoftBounce", "Blocked", "SpamNotification", "Unknown", "DMARCPolicy")
        ),
        *((kind, ("defer", "deferred")) for kind in ("Transient", "DnsError")),
        *(
            (kind, ("discard", "dropped"))
            for kind in ("BadEmailAddress", "ManuallyDeactivated", "SMTPApiError", "TemplateRenderingFailed")
        ),
        *((kind, ("mail_event", None)) for kind in ("AutoResponder", "AddressChange", "ChallengeVerification", "OpenRelayTest")),
        ("Unsubscribe", ("mail_unsubscribed", None)),
        ("Subscribe", ("mail_subscribed", None)),
        ("SpamComplaint", ("mail_complaint", None)),
        ("SomethingNew", ("bounce", "bounced")),
    ],
)
def test_bounces_of_postmark(kind: str, expected: tuple[str, str | None]) -> None:
    record = {"RecordType": "Bounce", "Type": kind, "Email": "pat@example.org", "BouncedAt": "2026-03-02T08:00:00Z"}
    assert meaning("postmark", record) == expected


def test_subscriptions_and_inbound_mail_of_postmark() -> None:
    change = {"RecordType": "SubscriptionChange", "Recipient": "pat@example.org", "ChangedAt": "2026-03-02T08:00:00Z"}

    assert (
        meaning("postmark", {**change, "SuppressSending": True, "SuppressionReason": "ManualSuppression"})[0] == "mail_unsubscribed"
    )
    assert meaning("postmark", {**change, "SuppressSending": True, "SuppressionReason": "HardBounce"})[0] == "bounce"
    assert meaning("postmark", {**change, "SuppressSending": False, "SuppressionReason": None})[0] == "mail_subscribed"


def test_inbound_mail_of_postmark() -> None:
    record = {"FromFull": {"Email": "kim@x.example"}, "To": "A <a@x.example>, b@x.example", "MessageID": "1", "Subject": "Hi"}

    first, second = events("postmark", record)

    assert (first.action, first.actor.id, first.details["direction"]) == ("mail_accepted", "kim@x.example", "inbound")
    assert (first.details["to"], second.details["to"]) == ("a@x.example", "b@x.example")


# --- The others ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *((word, ("mail_accepted", None)) for word in ("request", "sent")),
        ("delivered", ("deliver", "delivered")),
        ("deferred", ("defer", "deferred")),
        *((word, ("bounce", "bounced")) for word in ("soft_bounce", "hard_bounce", "hardBounce", "softBounce")),
        *((word, ("discard", "dropped")) for word in ("blocked", "invalid_email", "error")),
        *((word, ("mail_complaint", None)) for word in ("spam", "complaint")),
        *((word, ("mail_opened", None)) for word in ("opened", "unique_opened", "uniqueOpened", "proxy_open", "unique_proxy_open")),
        ("click", ("mail_clicked", None)),
        *((word, ("mail_unsubscribed", None)) for word in ("unsubscribed", "unsubscribe")),
        ("contact_updated", ("contact_updated", None)),
    ],
)
def test_brevo(word: str, expected: tuple[str, str | None]) -> None:
    assert meaning("brevo", {"event": word, "ts": T}) == expected


def test_times_of_brevo() -> None:
    def moment(**times: object) -> float:
        return event("brevo", {"event": "opened", **times}).time.timestamp()

    assert moment(ts=T, ts_event=T, ts_epoch=(T + 9) * 1000 + 250) == T + 9.25
    assert moment(ts=T, ts_event=T + 5, ts_epoch=T + 9) == T + 5  # seconds where milliseconds belong: not to be relied on
    assert moment(ts_epoch=T) == T
    assert moment(s_epoch=T * 1000) == T
    assert moment(date="2026-03-02 08:00:00") == T


def test_a_machine_that_opened_is_no_person() -> None:
    assert event("brevo", {"event": "proxy_open", "ts": T}).details["machine"] is True
    assert "machine" not in event("brevo", {"event": "opened", "ts": T}).details


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("sent", ("deliver", "delivered")),
        ("open", ("mail_opened", None)),
        ("click", ("mail_clicked", None)),
        ("bounce", ("bounce", "bounced")),
        ("blocked", ("discard", "dropped")),
        ("spam", ("mail_complaint", None)),
        ("unsub", ("mail_unsubscribed", None)),
        ("typofix", ("typofix", None)),
    ],
)
def test_mailjet(word: str, expected: tuple[str, str | None]) -> None:
    assert meaning("mailjet", {"event": word, "time": T}) == expected


def test_a_number_of_mailjet_too_large_for_others_keeps_its_digits() -> None:
    assert event("mailjet", {"event": "open", "time": T, "MessageID": 1152921504606846977}).details["provider_message_id"] == (
        "1152921504606846977"
    )
    assert "provider_message_id" not in event("mailjet", {"event": "open", "time": T, "MessageID": 0}).details


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("activity.sent", ("mail_accepted", None)),
        ("activity.delivered", ("deliver", "delivered")),
        ("activity.deferred", ("defer", "deferred")),
        ("activity.soft_bounced", ("bounce", "bounced")),
        ("activity.hard_bounced", ("bounce", "bounced")),
        ("activity.suppressed", ("discard", "dropped")),
        ("activity.opened", ("mail_opened", None)),
        ("activity.opened_unique", ("mail_opened", None)),
        ("activity.clicked", ("mail_clicked", None)),
        ("activity.clicked_unique", ("mail_clicked", None)),
        ("activity.unsubscribed", ("mail_unsubscribed", None)),
        ("activity.spam_complaint", ("mail_complaint", None)),
        ("activity.survey_submitted", ("survey_submitted", None)),
        ("inbound.message", ("mail_accepted", None)),
        ("inbound_forward.failed", ("inbound_forward_failed", None)),
        ("maintenance.start", ("maintenance_start", None)),
        ("webhook.test", ("webhook_test", None)),
    ],
)
def test_mailersend(word: str, expected: tuple[str, str | None]) -> None:
    assert meaning("mailersend", {"type": word, "created_at": "2026-03-02T08:00:00Z", "data": {}}) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("email.sent", ("mail_accepted", None)),
        ("email.delivered", ("deliver", "delivered")),
        ("email.delivery_delayed", ("defer", "deferred")),
        ("email.bounced", ("bounce", "bounced")),
        ("email.complained", ("mail_complaint", None)),
        ("email.opened", ("mail_opened", None)),
        ("email.clicked", ("mail_clicked", None)),
        ("email.failed", ("discard", "dropped")),
        ("email.suppressed", ("discard", "dropped")),
        ("email.received", ("mail_accepted", None)),
        ("email.scheduled", ("email_scheduled", None)),
        ("contact.deleted", ("contact_deleted", None)),
        ("domain.created", ("domain_created", None)),
    ],
)
def test_resend(word: str, expected: tuple[str, str | None]) -> None:
    assert meaning("resend", {"type": word, "created_at": "2026-03-02T08:00:00Z", "data": {}}) == expected


def test_a_bounce_that_resend_did_not_send_was_dropped() -> None:
    record = {
        "type": "email.bounced",
        "data": {"to": ["pat@example.org"], "bounce": {"type": "Permanent", "subType": "Suppressed"}},
    }
    assert meaning("resend", record) == ("discard", "dropped")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("delivery", ("deliver", "delivered")),
        ("soft bounce", ("defer", "deferred")),
        ("bounce", ("bounce", "bounced")),
        ("suspension", ("discard", "dropped")),
        ("reject", ("discard", "dropped")),
        ("spam", ("mail_complaint", None)),
        ("unsubscribe", ("mail_unsubscribed", None)),
        ("open", ("mail_opened", None)),
        ("click", ("mail_clicked", None)),
    ],
)
def test_mailtrap(word: str, expected: tuple[str, str | None]) -> None:
    assert meaning("mailtrap", {"events": [{"event": word, "timestamp": T}]}) == expected


def test_the_activity_log_of_mailtrap_names_who_acted() -> None:
    acts = [
        {"event": "activity_log.user.updated", "actor": {"id": 7, "type": "user", "name": "Jane Roe"}, "timestamp": T},
        {"event": "activity_log.api_token.created", "actor": {"type": "api_token", "name": "ci"}, "timestamp": T},
        {"event": "activity_log.domain.verified", "actor": {"name": "Mailtrap"}, "timestamp": T},
    ]

    found = [(one.action, one.actor.id, one.actor.kind) for one in events("mailtrap", {"events": acts})]

    assert found == [
        ("user_updated", "Jane Roe", ActorKind.STAFF),
        ("api_token_created", "ci", ActorKind.SERVICE),
        ("domain_verified", "Mailtrap", ActorKind.SYSTEM),
    ]


@pytest.mark.parametrize(
    ("provider", "record"),
    [
        ("postmark", {"RecordType": "Delivery", "tls": True}),
        ("brevo", {"event": "delivered", "tls": True}),
        ("mailjet", {"event": "sent", "tls": 1}),
        ("mailersend", {"type": "activity.delivered", "data": {"tls": True}}),
        ("resend", {"type": "email.delivered", "data": {"tls": "enforced"}}),
        ("mailtrap", {"event": "delivery", "tls": True}),
    ],
)
def test_providers_that_say_nothing_about_tls_are_unknown(provider: str, record: object) -> None:
    assert tls(provider, record) is ABSENT
    assert verdict(provider, record) is TlsVerdict.UNKNOWN
