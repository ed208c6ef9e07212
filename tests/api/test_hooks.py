"""Webhooks over a real socket into a real store: signed ones are stored once, everything else leaves nothing but a count."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import RedirectResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from pydantic import SecretStr

from api.app import create_app
from api.routes import hooks
from api.routes.hooks import HookMetrics
from domain.errors import Backpressure, ConfigError, DeliveryError, IntegrityError
from domain.event import AuditEvent
from ingest.webhooks import HookTally
from runtime.hooks import (
    FETCH_BYTES,
    HookSettings,
    MailgunHook,
    SendGridHook,
    SesHook,
    SharedHook,
    SignedHook,
    build_hooks,
    https_get,
)
from store.accounts import Role
from store.fsck import Integrity
from store.intake import Intake
from store.quarantine import Quarantine
from tests.api.conftest import House
from tests.support.desk import Gate
from tests.support.http_server import served
from tests.support.webhook_senders import TOPIC, Mailgun, Post, Resend, SendGrid, Sns, basic, hex_signed

PASSWORD, TOKEN, SECRET = "a password of ours", "a-token-that-is-long-enough", "a-signing-secret-of-ours"
PATIENT = "pat.example@example.org"


class Senders:
    """Every provider with its keys, and the settings that know them."""

    def __init__(self, house: House, svix_key: bytes = b"r" * 24) -> None:
        clock = house.clock
        self.sendgrid, self.mailgun, self.resend = SendGrid(clock), Mailgun(clock, SECRET), Resend(clock, svix_key)
        self.sns = Sns(clock)
        shared = SharedHook(user="hook", password=SecretStr(PASSWORD), token=SecretStr(TOKEN))
        self.settings = HookSettings(
            sendgrid=SendGridHook(public_key=SecretStr(self.sendgrid.public_key)),
            mailgun=MailgunHook(secret=SecretStr(SECRET), source_system="mailgun-eu"),
            ses=SesHook(topic_arns=(TOPIC,)),
            postmark=shared,
            brevo=shared,
            mailjet=shared,
            mailersend=SignedHook(secret=SecretStr(SECRET)),
            resend=SignedHook(secret=SecretStr(self.resend.secret)),
            mailtrap=SignedHook(secret=SecretStr(SECRET)),
        )

    def posts(self, clock_seconds: int) -> Mapping[str, Post]:
        """One delivery by each provider."""
        shared = {"Content-Type": "application/json", **basic("hook", PASSWORD)}
        when = "2026-03-02T12:00:00Z"
        return {
            "sendgrid": self.sendgrid.post(sendgrid_event(1, clock_seconds)),
            "mailgun": self.mailgun.post(
                {
                    "event": "delivered",
                    "id": "m-1",
                    "recipient": PATIENT,
                    "timestamp": clock_seconds,
                    "delivery-status": {"tls": True},
                }
            ),
            "ses": self.sns.post(
                {
                    "eventType": "Delivery",
                    "mail": {"messageId": "s-1", "destination": [PATIENT]},
                    "delivery": {"timestamp": when, "recipients": [PATIENT]},
                }
            ),
            "postmark": Post(
                json.dumps({"RecordType": "Delivery", "MessageID": "p-1", "Recipient": PATIENT, "DeliveredAt": when}).encode(),
                shared,
            ),
            "brevo": Post(json.dumps({"event": "delivered", "email": PATIENT, "ts_event": clock_seconds}).encode(), shared),
            "mailjet": Post(json.dumps([{"event": "sent", "email": PATIENT, "time": clock_seconds}]).encode(), shared),
            "mailersend": hex_signed(
                "Signature",
                SECRET,
                {"type": "activity.delivered", "created_at": when, "data": {"id": "a-1", "recipient": PATIENT}},
            ),
            "resend": self.resend.post(
                {"type": "email.delivered", "created_at": when, "data": {"email_id": "r-1", "to": [PATIENT]}}
            ),
            "mailtrap": hex_signed(
                "Mailtrap-Signature",
                SECRET,
                {"events": [{"event": "delivery", "email": PATIENT, "event_id": "t-1", "timestamp": clock_seconds}]},
            ),
        }


def sendgrid_event(number: int, seconds: int) -> dict[str, object]:
    return {"event": "delivered", "email": PATIENT, "sg_event_id": f"e-{number}", "timestamp": seconds, "tls": 1}


@pytest.fixture
def senders(house: House) -> Senders:
    return Senders(house)


@contextmanager
def open_hooks(
    house: House,
    senders: Senders,
    *,
    settings: HookSettings | None = None,
    gate: Gate | None = None,
    tally: HookTally | None = None,
) -> Iterator[httpx.Client]:
    """The application with its hooks, on a port of this machine."""
    services = replace(house.services, intake=gate) if gate else house.services
    made = build_hooks(settings or senders.settings, clock=house.clock, fetch=senders.sns.fetch)
    app = create_app(services, [lambda given: hooks.router(given, made, tally)])
    with served(app) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        yield client


def send(client: httpx.Client, provider: str, post: Post, **headers: str) -> httpx.Response:
    return client.post(f"/hooks/{provider}", content=post.body, headers={**post.headers, **headers})


def stored(house: House) -> int:
    return int(str(house.node.engine.rows("SELECT count() FROM events")[0][0]))


def seconds(house: House) -> int:
    return int(house.clock().timestamp())


def gate_of(house: House) -> Gate:
    return Gate(Intake(house.node.ledger, Quarantine(house.node.engine, house.clock)))


def test_a_delivery_of_every_provider_is_stored_and_its_repeat_is_a_duplicate(house: House, senders: Senders) -> None:
    with open_hooks(house, senders) as client:
        for provider, post in senders.posts(seconds(house)).items():
            first, again = send(client, provider, post), send(client, provider, post)
            assert first.status_code == again.status_code == 200, (provider, first.text)
            assert first.json() == {"read": 1, "accepted": 1, "duplicate": 0, "quarantined": 0, "spooled": 0}, provider
            assert again.json() == {"read": 1, "accepted": 0, "duplicate": 1, "quarantined": 0, "spooled": 0}, provider

    rows = house.node.engine.rows("SELECT source_system, format, action, outcome FROM events ORDER BY seq")
    assert [row[1] for row in rows] == list(senders.posts(0))
    assert [row[0] for row in rows] == ["mailgun-eu" if row[1] == "mailgun" else row[1] for row in rows]
    assert {(row[2], row[3]) for row in rows} == {("deliver", "delivered")}
    house.node.keeper.checkpoint()
    assert house.node.verify().integrity is Integrity.INTACT


def test_what_is_tampered_with_is_refused_counted_and_not_stored(
    house: House, senders: Senders, caplog: pytest.LogCaptureFixture
) -> None:
    tally = HookTally()
    other = Senders(house, b"o" * 24)
    with open_hooks(house, senders, tally=tally) as client, caplog.at_level(logging.INFO):
        for provider, post in senders.posts(seconds(house)).items():
            if provider in ("postmark", "brevo", "mailjet"):
                answers = [send(client, provider, Post(post.body, basic("hook", "another password")))]
                expected = [401]
            elif provider == "mailgun":  # its signature is not over the body; that is what the token is for
                answers = [send(client, provider, Post(post.body.replace(b'"token": "0', b'"token": "1'), post.headers))]
                expected = [403]
            else:
                answers = [send(client, provider, Post(post.body.replace(b"pat.example", b"eve.example"), post.headers))]
                expected = [403]
            if provider in ("sendgrid", "resend"):
                answers.append(send(client, provider, other.posts(seconds(house))[provider]))
                expected.append(403)
            assert [answer.status_code for answer in answers] == expected, provider
            for answer in answers:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["status"] == answer.status_code

    assert stored(house) == 0
    assert house.node.engine.rows("SELECT count() FROM quarantine")[0] == (0,)
    assert sum(tally.counts().values()) == 11
    assert tally.counts()["sendgrid", "bad_signature"] == 2
    assert tally.counts()["postmark", "unauthenticated"] == 1
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HookMetrics(tally))
    assert 'phitrail_hook_requests_total{outcome="bad_signature",provider="sendgrid"} 2.0' in generate_latest(registry).decode()
    for secret in (PATIENT, "eve.example", PASSWORD, "another password", SECRET):
        assert secret not in caplog.text


def test_an_old_timestamp_and_a_token_used_for_another_body_are_refused(house: House, senders: Senders) -> None:
    late = timedelta(minutes=6)
    with open_hooks(house, senders) as client:
        stale = [
            send(client, "sendgrid", senders.sendgrid.post(sendgrid_event(1, seconds(house)), late=late)),
            send(client, "resend", senders.resend.post({"type": "email.sent"}, late=late)),
        ]
        assert [answer.status_code for answer in stale] == [403, 403]

        data = {"event": "delivered", "id": "m-1", "recipient": PATIENT, "timestamp": seconds(house)}
        assert send(client, "mailgun", senders.mailgun.post(data, token="c" * 50)).status_code == 200
        forged = senders.mailgun.post({**data, "id": "m-2", "recipient": "eve@example.org"}, token="c" * 50)
        assert send(client, "mailgun", forged).status_code == 403

    assert stored(house) == 1


def test_under_back_pressure_nothing_is_lost_and_the_retry_is_stored_once(house: House, senders: Senders) -> None:
    tally, gate = HookTally(), gate_of(house)
    posts = senders.posts(seconds(house))
    with open_hooks(house, senders, gate=gate, tally=tally) as client:
        for provider, post in posts.items():
            gate.failures.append(Backpressure("the store is away; nothing was accepted", retry_after=7))
            refused = send(client, provider, post)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "7"), provider
            assert refused.headers["content-type"] == "application/problem+json"
        assert stored(house) == 0

        house.clock.advance(minutes=30)  # the same bytes with the same signature, long after it was made
        for provider, post in posts.items():
            assert send(client, provider, post).json()["accepted"] == 1, provider
            assert send(client, provider, post).json()["duplicate"] == 1, provider

    assert stored(house) == len(posts)
    assert tally.counts()["ses", "back_pressure"] == 1


def test_a_batch_that_was_stored_in_part_is_completed_by_the_retry(house: House, senders: Senders) -> None:
    gate = gate_of(house)
    post = senders.sendgrid.post(*[sendgrid_event(number, seconds(house)) for number in range(3)])
    half = senders.sendgrid.post(sendgrid_event(1, seconds(house)))
    with open_hooks(house, senders, gate=gate) as client:
        send(client, "sendgrid", half)
        gate.failures.append(IntegrityError("the ledger is not what was written"))
        assert send(client, "sendgrid", post).status_code == 503
        assert send(client, "sendgrid", post).json() == {"read": 3, "accepted": 2, "duplicate": 1, "quarantined": 0, "spooled": 0}

    ids = [row[0] for row in house.node.engine.rows("SELECT event_id FROM events ORDER BY seq")]
    assert ids == ["e-1:delivered", "e-0:delivered", "e-2:delivered"]


def test_the_answer_comes_only_when_the_events_are_durable(house: House, senders: Senders) -> None:
    gate = gate_of(house)
    seen: list[int] = []
    gate.refuses = lambda batch: seen.append(sum(isinstance(one, AuditEvent) for one in batch))
    with open_hooks(house, senders, gate=gate) as client:
        answer = send(client, "sendgrid", senders.sendgrid.post(sendgrid_event(1, seconds(house))))

    assert answer.json()["accepted"] == stored(house) == sum(seen) == 1


def test_what_is_signed_and_not_understood_is_kept_in_quarantine(house: House, senders: Senders) -> None:
    with open_hooks(house, senders) as client:
        for body in (b'[{"event": 7}]', b"no json", b'{"a":' * 2000, b'[{"event": "open", "email": "\xff"}]'):
            answer = send(client, "sendgrid", senders.sendgrid.signed(body))
            assert answer.status_code == 200
            assert answer.json()["quarantined"] == answer.json()["read"] == 1
        assert send(client, "sendgrid", senders.sendgrid.signed(b"")).json()["read"] == 0
        assert send(client, "sendgrid", senders.sendgrid.signed(b"[]")).json()["read"] == 0
        mixed = b"[" + json.dumps(sendgrid_event(9, seconds(house))).encode() + b", 1]"
        assert send(client, "sendgrid", senders.sendgrid.signed(mixed)).json() == {
            "read": 2,
            "accepted": 1,
            "duplicate": 0,
            "quarantined": 1,
            "spooled": 0,
        }


def test_a_hook_that_is_not_set_up_is_not_found(house: House, senders: Senders) -> None:
    with open_hooks(house, senders, settings=HookSettings()) as client:
        for provider, post in senders.posts(seconds(house)).items():
            assert send(client, provider, post).status_code == 404, provider
        for path in ("/hooks/other", "/hooks/sendgrid/token", "/hooks/", "/hooks/%2e%2e"):
            assert client.post(path, content=b"{}").status_code == 404, path
    only = HookSettings(postmark=SharedHook(token=SecretStr(TOKEN)))
    with open_hooks(house, senders, settings=only) as client:
        assert client.post("/hooks/brevo", content=b"{}", headers={"X-Hook-Token": TOKEN}).status_code == 404
        assert client.get("/hooks/postmark").status_code == 405
    assert stored(house) == 0


def test_a_secret_may_stand_in_a_header_or_behind_the_address(house: House, senders: Senders) -> None:
    post = Post(senders.posts(seconds(house))["postmark"].body)
    with open_hooks(house, senders) as client:
        asked = send(client, "postmark", post)
        assert (asked.status_code, asked.headers["www-authenticate"]) == (401, 'Basic realm="phitrail"')
        assert client.post("/hooks/postmark/wrong", content=post.body).status_code == 401
        assert send(client, "postmark", post, **{"X-Hook-Token": TOKEN}).json()["accepted"] == 1
        assert client.post(f"/hooks/postmark/{TOKEN}", content=post.body).json()["duplicate"] == 1
        assert send(client, "postmark", post, Authorization=f"Bearer {TOKEN}").json()["duplicate"] == 1


def test_a_subscription_to_a_topic_is_confirmed_and_recorded(house: House, senders: Senders) -> None:
    with open_hooks(house, senders) as client:
        assert send(client, "ses", senders.sns.subscription(TopicArn=TOPIC + "-of-others")).status_code == 403
        assert senders.sns.fetched == []
        assert send(client, "ses", senders.sns.subscription()).json()["accepted"] == 1
        assert "Action=ConfirmSubscription" in senders.sns.fetched[-1]
        house.clock.advance(hours=1)
        gone = senders.sns.subscription("UnsubscribeConfirmation", MessageId="99999999-0000-0000-0000-000000000000")
        assert send(client, "ses", gone).json()["accepted"] == 1

    actions = house.node.engine.rows("SELECT action FROM events ORDER BY seq")
    assert actions == [("audit_start",), ("audit_stop",)]


def test_amazon_being_away_is_an_answer_to_come_back(house: House, senders: Senders) -> None:
    senders.sns.away = True
    post = senders.posts(seconds(house))["ses"]
    with open_hooks(house, senders) as client:
        assert send(client, "ses", post).status_code == 503
        senders.sns.away = False
        assert send(client, "ses", post).json()["accepted"] == 1


def test_the_ping_of_mailersend_is_answered_and_stores_nothing(house: House, senders: Senders) -> None:
    with open_hooks(house, senders) as client:
        ping = Post(b'{"type": "webhook.test", "message": "This is a ping test message"}')
        assert send(client, "mailersend", ping).json()["read"] == 0
    assert stored(house) == 0


def test_several_webhooks_of_one_provider_have_keys_of_their_own(house: House, senders: Senders) -> None:
    other = Senders(house, b"o" * 24)
    both = HookSettings(
        sendgrid=SendGridHook(
            public_key=SecretStr(other.sendgrid.public_key), more_public_keys=(SecretStr(senders.sendgrid.public_key),)
        ),
        mailtrap=SignedHook(secret=SecretStr("another-secret"), more_secrets=(SecretStr(SECRET),)),
        resend=SignedHook(secret=SecretStr(other.resend.secret), more_secrets=(SecretStr(senders.resend.secret),)),
    )
    with open_hooks(house, senders, settings=both) as client:
        for provider in ("sendgrid", "mailtrap", "resend"):
            assert send(client, provider, senders.posts(seconds(house))[provider]).json()["accepted"] == 1, provider


def test_forms_of_mailgun(house: House, senders: Senders) -> None:
    fields = {"event": "bounced", "recipient": PATIENT, "code": "550", "error": "550 5.1.1 no such user"}
    with open_hooks(house, senders) as client:
        assert send(client, "mailgun", senders.mailgun.form(fields)).json()["accepted"] == 1
        assert send(client, "mailgun", senders.mailgun.parts({**fields, "event": "dropped"})).json()["accepted"] == 1
    assert {str(row[0]) for row in house.node.engine.rows("SELECT action FROM events")} == {"bounce", "discard"}


def test_bodies_are_bounded_and_taken_as_they_are(house: House, senders: Senders) -> None:
    post = senders.posts(seconds(house))["sendgrid"]
    with open_hooks(house, senders) as client:
        assert send(client, "sendgrid", post, **{"Content-Encoding": "gzip"}).status_code == 415
        big = Post(b" " * (hooks.MAX_BODY + 1), post.headers)
        assert send(client, "sendgrid", big).status_code == 413
        # Without a password nothing is read, however long.
        assert client.post("/hooks/brevo", content=b" " * 1000).status_code == 401
    assert stored(house) == 0


def test_no_key_of_ours_opens_a_hook_and_no_session_is_needed(house: House, senders: Senders) -> None:
    with open_hooks(house, senders) as client:
        key = house.program(Role.COLLECTOR).headers["Authorization"]
        for provider in senders.posts(seconds(house)):
            assert client.post(f"/hooks/{provider}", content=b"[]", headers={"Authorization": key}).status_code == 401, provider


# --- Settings ----------------------------------------------------------------------------------------------------------------


def test_secrets_are_not_shown(senders: Senders) -> None:
    shown = f"{senders.settings!r} {senders.settings} {senders.settings.model_dump()}"

    for secret in (PASSWORD, TOKEN, SECRET, senders.resend.secret):
        assert secret not in shown


@pytest.mark.parametrize(
    ("group", "values"),
    [
        (SharedHook, {}),
        (SharedHook, {"user": "hook"}),
        (SharedHook, {"password": PASSWORD}),
        (SharedHook, {"user": "a:b", "password": PASSWORD}),
        (SharedHook, {"token": "too-short"}),
        (SharedHook, {"token": TOKEN, "source_system": "phitrail"}),
        (SignedHook, {"secret": "short"}),
        (SignedHook, {"secret": SECRET, "source_system": "a b"}),
        (MailgunHook, {"secret": SECRET, "max_age_seconds": 1}),
        (SesHook, {"topic_arns": []}),
        (SesHook, {"topic_arns": ["arn:aws:sqs:eu-west-1:123456789012:x"]}),
        (SesHook, {"topic_arns": ["arn:aws:sns:eu-west-1:123456789012:*"]}),
        (SendGridHook, {}),
        (HookSettings, {"tolerance_seconds": 0}),
        (HookSettings, {"other": {}}),
    ],
)
def test_settings_that_cannot_work_are_refused(group: type[HookSettings], values: Mapping[str, object]) -> None:
    with pytest.raises(ValueError) as refused:
        group.model_validate(values)
    assert not any(secret in str(refused.value) for secret in (PASSWORD, TOKEN, SECRET, "too-short", "'short'"))


def test_keys_that_are_none_are_refused_when_hooks_are_built(house: House, senders: Senders) -> None:
    for settings in (
        HookSettings(sendgrid=SendGridHook(public_key=SecretStr("no key of anything"))),
        HookSettings(resend=SignedHook(secret=SecretStr("whsec_not base64"))),
    ):
        with pytest.raises(ConfigError) as refused:
            build_hooks(settings, clock=house.clock, fetch=senders.sns.fetch)
        assert "no key of anything" not in str(refused.value)
        assert "not base64" not in str(refused.value)


# --- Fetching what Amazon has --------------------------------------------------------------------------------------------


def test_what_is_fetched_is_bounded_and_follows_no_redirect() -> None:
    app = FastAPI()
    app.get("/ok")(lambda: Response(b"certificate"))
    app.get("/moved")(lambda: RedirectResponse("/ok"))
    app.get("/gone")(lambda: Response(status_code=404))
    app.get("/big")(lambda: Response(b"x" * (FETCH_BYTES + 1)))
    get = https_get()

    with served(app) as url:
        assert get(f"{url}/ok") == b"certificate"
        for path in ("moved", "gone", "big"):
            with pytest.raises(DeliveryError):
                get(f"{url}/{path}")
    with pytest.raises(DeliveryError):  # nobody is there any more
        get(f"{url}/ok")
