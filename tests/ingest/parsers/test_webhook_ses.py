"""Amazon SES: envelopes, types of events, and which of three legs a TLS version is about."""

import json

import pytest

from domain.record import Rejected
from domain.tls import TlsVerdict, judge
from tests.support.webhook_events import event, events, parse

TO = ["pat@example.org", "kim@example.org"]
WHEN = "2026-03-02T08:00:02.500Z"
SUBMITTED = {"ses:source-tls-version": ["TLSv1.2"], "ses:source-ip": ["10.1.2.3"]}
SENT = {**SUBMITTED, "ses:outgoing-tls-version": ["TLSv1.3"], "ses:outgoing-ip": ["192.0.2.30"]}


def ses(kind: str = "Delivery", part: object = None, tags: object = None, **mail: object) -> dict[str, object]:
    names = {"Rendering Failure": "failure", "DeliveryDelay": "deliveryDelay"}
    about = {"timestamp": "2026-03-02T08:00:00Z", "messageId": "m-1", "source": "notice@clinic.example", "destination": TO}
    told = {"timestamp": WHEN, "recipients": TO[:1]} if part is None else part
    return {"eventType": kind, "mail": {**about, "tags": tags or {}, **mail}, names.get(kind, kind.lower()): told}


def notification(message: object, **more: object) -> dict[str, object]:
    text = message if isinstance(message, str) else json.dumps(message)
    return {"Type": "Notification", "MessageId": "n-1", "Message": text, "Timestamp": "2026-03-02T08:00:09Z", **more}


# --- TLS -----------------------------------------------------------------------------------------------------------------


def test_the_callers_session_is_not_the_deliverys() -> None:
    one = event("ses", ses(tags=SUBMITTED))

    assert "tls" not in one.details
    assert one.details["submission_tls"] == {"version": "TLSv1.2"}
    assert judge(one.details).verdict is TlsVerdict.UNKNOWN


def test_the_outgoing_session_is_the_deliverys_and_nobody_was_verified() -> None:
    one = event("ses", ses(tags=SENT))

    assert one.details["tls"] == {"version": "TLSv1.3"}
    assert one.details["submission_tls"] == {"version": "TLSv1.2"}
    assert (one.details["sending_ip"], one.details["client_ip"]) == ("192.0.2.30", "10.1.2.3")
    verdict = judge(one.details)
    assert (verdict.verdict, verdict.version, verdict.weak) == (TlsVerdict.ANONYMOUS, "TLSv1.3", False)


@pytest.mark.parametrize(
    ("versions", "ciphers", "expected"),
    [
        (["TLSv1.3"], ["AES_128_GCM_SHA256"], {"version": "TLSv1.3", "cipher": "AES_128_GCM_SHA256"}),
        (["TLSv1.3", "TLSv1.3"], [], {"version": "TLSv1.3"}),
        (["TLSv1.3", "TLSv1"], ["AES_128_GCM_SHA256"], {"version": "TLSv1"}),
        (["TLSv1.2", "TLSv1.3"], [], {"version": "TLSv1.2"}),
        (["TLSv1.2", "new"], [], {"version": "new"}),
        ("TLSv1.2", [], {"version": "TLSv1.2"}),
        (["none"], [], None),
        (["TLSv1.3", "NONE"], [], None),
    ],
)
def test_of_several_sessions_the_lowest_is_taken(versions: object, ciphers: list[str], expected: object) -> None:
    tags = {"ses:outgoing-tls-version": versions, "ses:outgoing-tls-cipher": ciphers}

    assert event("ses", ses(tags=tags)).details["tls"] == expected


@pytest.mark.parametrize("nothing", [[], None, [""], [None], [7.5, None][1:], {}])
def test_no_version_is_no_knowledge(nothing: object) -> None:
    one = event("ses", ses(tags={"ses:outgoing-tls-version": nothing, "ses:outgoing-ip": ["192.0.2.30"]}))

    assert "tls" not in one.details


@pytest.mark.parametrize("kind", ["Open", "Click", "Send", "Complaint", "Reject"])
def test_events_that_are_no_delivery_carry_no_session_of_one(kind: str) -> None:
    assert all("tls" not in one.details for one in events("ses", ses(kind, {"timestamp": WHEN}, tags=SENT)))


def test_mail_that_ses_received_has_the_session_of_the_hop_to_ses_or_none() -> None:
    def received(*lines: str) -> dict[str, object]:
        headers = [{"name": "Received", "value": line} for line in lines]
        about = {"timestamp": WHEN, "source": "kim@x.example", "destination": ["in@clinic.example"], "headers": headers}
        return {"notificationType": "Received", "mail": about, "receipt": {"recipients": ["in@clinic.example"], "timestamp": WHEN}}

    ours = "from mx.x.example (mx.x.example [198.51.100.9]) by inbound-smtp.eu-west-1.amazonaws.com with SMTP id 1"
    session = " (version=TLS1_2 cipher=ECDHE-RSA-AES128-GCM-SHA256 bits=128); Mon, 02 Mar 2026"
    theirs = "from pc by mx.x.example (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256)"

    silent, told, forged = (
        event("ses", received(*lines)) for lines in ((ours, theirs), (ours + session,), (theirs, ours + session))
    )

    assert "tls" not in silent.details
    assert (silent.details["direction"], silent.details["relay_ip"]) == ("inbound", "198.51.100.9")
    assert told.details["tls"] == {"version": "TLS1_2", "cipher": "ECDHE-RSA-AES128-GCM-SHA256", "bits": 128}
    assert "tls" not in forged.details


# --- Types ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (ses("Send", {}), ("mail_accepted", None)),
        (ses("Delivery"), ("deliver", "delivered")),
        (ses("Bounce", {"bounceType": "Permanent", "bounceSubType": "General"}), ("bounce", "bounced")),
        (ses("Bounce", {"bounceType": "Transient", "bounceSubType": "MailboxFull"}), ("bounce", "bounced")),
        (ses("Bounce", {"bounceType": "Permanent", "bounceSubType": "Suppressed"}), ("discard", "dropped")),
        (ses("Bounce", {"bounceType": "Permanent", "bounceSubType": "OnAccountSuppressionList"}), ("discard", "dropped")),
        (ses("Complaint", {"complaintFeedbackType": "abuse"}), ("mail_complaint", None)),
        (ses("Complaint", {"complaintSubType": "OnAccountSuppressionList"}), ("discard", "dropped")),
        (ses("Reject", {"reason": "Bad content"}), ("discard", "dropped")),
        (ses("Rendering Failure", {"errorMessage": "x"}), ("discard", "dropped")),
        (ses("RenderingFailure", {}), ("discard", "dropped")),
        (ses("DeliveryDelay", {"delayType": "MailboxFull"}), ("defer", "deferred")),
        (ses("Open", {}), ("mail_opened", None)),
        (ses("Click", {}), ("mail_clicked", None)),
        (ses("Subscription", {"newTopicPreferences": {"unsubscribeAll": True}}), ("mail_unsubscribed", None)),
        (ses("Subscription", {"newTopicPreferences": {"unsubscribeAll": False}}), ("mail_subscribed", None)),
        (ses("SomethingNew", {}), ("something_new", None)),
    ],
)
def test_types(record: object, expected: tuple[str, str | None]) -> None:
    for one in events("ses", record):
        assert (one.action, one.outcome) == expected


def test_feedback_notifications_name_their_type_differently() -> None:
    told = ses("Delivery")
    told["notificationType"] = told.pop("eventType")

    assert event("ses", told).action == "deliver"


def test_what_is_said_of_one_recipient_stays_with_it() -> None:
    bounced = [
        {"emailAddress": TO[0], "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 unknown"},
        {"emailAddress": TO[1], "status": "5.2.2"},
    ]

    first, second = events("ses", ses("Bounce", {"timestamp": WHEN, "bouncedRecipients": bounced}))

    assert (first.details["to"], first.details["dsn"], first.details["reply_code"]) == (TO[0], "5.1.1", "550")
    assert (second.details["to"], second.details["dsn"]) == (TO[1], "5.2.2")
    assert "reply_code" not in second.details
    assert second.event_id == f"{first.event_id}#2"


def test_the_time_is_of_the_event_then_of_the_envelope() -> None:
    def seconds(record: object) -> float:
        return events("ses", record)[0].time.timestamp()

    submitted = 1772438400
    assert seconds(notification(ses("Delivery"))) == submitted + 2.5
    assert seconds(notification(ses("Bounce", {"bouncedRecipients": []}))) == submitted + 9
    assert seconds(notification(ses("Send", {}))) == submitted
    assert seconds(ses("Bounce", {})) == submitted


# --- Envelopes -----------------------------------------------------------------------------------------------------------


def test_the_same_event_in_every_envelope_is_the_same_event() -> None:
    inner = ses("Delivery", tags=SENT)
    sns = notification(inner, TopicArn="arn:aws:sns:eu-west-1:123456789012:t", Signature="x")
    bridge = {"version": "0", "id": "e", "detail-type": "Email Delivered", "source": "aws.ses", "time": WHEN, "detail": inner}
    ways = [
        inner,
        sns,
        {**sns, "MessageId": "another"},
        bridge,
        notification(bridge),
        {"Records": [{"EventSource": "aws:sns", "Sns": sns}]},
        {"Records": [{"eventSource": "aws:sqs", "messageId": "q", "body": json.dumps(sns)}]},
        {"EventSource": "aws:sns", "Sns": sns},
        {"eventSource": "aws:sqs", "body": json.dumps(inner)},
        [inner],
    ]

    found = [event("ses", way) for way in ways]

    assert len({one.event_id for one in found}) == 1
    assert len({json.dumps(one.details, sort_keys=True) for one in found}) == 1


def test_subscriptions_switch_the_feed_on_and_off() -> None:
    about = {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:t", "MessageId": "n", "Message": "x", "Timestamp": WHEN}

    assert event("ses", {"Type": "SubscriptionConfirmation", "Token": "t", **about}).action == "audit_start"
    ended = event("ses", {"Type": "UnsubscribeConfirmation", **about})
    assert (ended.action, ended.details["topic"]) == ("audit_stop", "arn:aws:sns:eu-west-1:123456789012:t")
    assert "Token" not in json.dumps(ended.details)


def test_what_ses_says_of_itself_is_an_event() -> None:
    said = {"detail-type": "Sending Status Disabled", "source": "aws.ses", "time": WHEN, "detail": {"version": "1.0.0"}}

    assert event("ses", said).action == "sending_status_disabled"
    assert (
        event("ses", notification({"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "x"})).details["reason"] == "x"
    )
    assert event("ses", notification("no json")).details["reason"] == "no json"


def test_what_does_not_come_from_ses_is_refused() -> None:
    endless: dict[str, object] = {"x": 1}
    for _ in range(20):
        endless = {"Records": [{"EventSource": "aws:sns", "Sns": notification(endless)}]}
    records: list[object] = [
        {"Records": [{"eventSource": "aws:s3"}]},
        {"Records": []},
        {"body": 7},
        {"Type": "Notification", "Message": 7},
        endless,
    ]
    for record in records:
        (refused,) = parse("ses", record)
        assert isinstance(refused, Rejected), record
