"""No PHI leaves: what goes out does not depend on whom an alert is about, byte for byte, in any channel."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import StrictUndefined

from alerts.channels import Channel
from alerts.channels.email import TEMPLATES, EmailChannel, MailServer
from alerts.channels.webhook import WebhookChannel
from alerts.kinds import KINDS
from alerts.notification import notification
from domain.finding import Alert, EventRef, Severity
from tests.alerts.builders import an_alert
from tests.alerts.receivers import Hook, Mailbox, http_server, make_certificates, smtp_server
from tests.support.clock import TickingClock

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

MARK = "Ω"
"""A letter that no template holds: what bears it can only have come from the alert."""

private = st.text(st.characters(codec="utf-8"), max_size=30).map(lambda text: f"{MARK}{text}{MARK}")
addresses = st.emails().map(lambda address: f"{MARK}{address}")


@dataclass(frozen=True)
class World:
    """Both outward channels with their real receivers."""

    channels: tuple[Channel, ...]
    hook: Hook
    mailbox: Mailbox

    def sent(self, alert: Alert) -> tuple[bytes, bytes]:
        """Everything that reaches the receivers about this alert: headers and bodies."""
        for channel in self.channels:
            channel.send(notification(alert, delivery_id="msg_1", base_url="https://phitrail.example"))
        headers, body = self.hook.requests.pop()
        return repr(sorted(headers.items())).encode() + body, without_boundary(self.mailbox.mails.pop())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    with ExitStack() as stack:
        hook = stack.enter_context(http_server())
        mailbox = stack.enter_context(smtp_server(certificates))
        webhook = WebhookChannel(name="hook", url=hook.url, secrets=[SECRET], clock=TickingClock())
        stack.callback(webhook.close)
        server = MailServer(host="127.0.0.1", port=mailbox.port, ca_file=certificates.authority)
        mail = EmailChannel(name="mail", server=server, sender="a@b.example", recipients=["c@d.example"], clock=TickingClock())
        yield World((webhook, mail), hook, mailbox)


@st.composite
def alerts(draw: st.DrawFn) -> Alert:
    """An alert in which everything that can hold a person's name, id or address is random and marked."""
    return an_alert(
        alert_id="abcdefgh22334455",
        kind=draw(st.one_of(private, st.sampled_from(sorted(KINDS)))),
        title=draw(private),
        actor_id=draw(st.one_of(private, addresses)),
        patient_id=draw(private),
        group_key=draw(private),
        finding_ids=tuple(draw(st.lists(private, max_size=3))),
        evidence=tuple(EventRef(writer=name, seq=0, event_id=name) for name in draw(st.lists(private, max_size=3))),
        explanation=tuple(draw(st.lists(st.one_of(private, addresses), max_size=3))),
        exculpatory=tuple(draw(st.lists(private, max_size=3))),
        rule_id=draw(private),
        rule_version=draw(private),
        controls=("164.312(b)", *draw(st.lists(private, max_size=2))),
        runbook=draw(private),
        changed_by=draw(private),
        note=draw(private),
        severity=draw(st.sampled_from(Severity)),
    )


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(alert=alerts())
def test_nothing_that_is_about_a_person_reaches_any_body_or_header(world: World, alert: Alert) -> None:
    for text in world.sent(alert):
        assert MARK.encode() not in text
        assert b"=CE=A9" not in text
        assert b"\\u03a9" not in text
        assert b"%CE%A9" not in text


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(alert=alerts(), other=alerts())
def test_what_goes_out_is_the_same_whomever_it_is_about(world: World, alert: Alert, other: Alert) -> None:
    """Two alerts of equal kind, severity and size: the receivers cannot tell them apart, so nothing else got through."""
    twin = replace(
        other, kind=alert.kind, severity=alert.severity, finding_ids=("x",) * len(alert.finding_ids), evidence=alert.evidence
    )

    assert world.sent(alert) == world.sent(twin)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_can_be_sent(world: World, kind: str) -> None:
    title = KINDS[kind].title

    hook, mail = world.sent(an_alert(kind=kind))

    assert title.encode() in hook
    assert title.encode() in mail.replace(b"\r\n ", b" ")


def test_a_link_holds_nothing_but_the_id_of_the_alert() -> None:
    note = notification(an_alert(alert_id="a b/../c?x"), delivery_id="msg_1", base_url="https://phitrail.example/audit/")

    assert note.url == "https://phitrail.example/audit/alerts/a%20b%2F..%2Fc%3Fx"


def test_templates_fail_rather_than_leave_a_gap() -> None:
    assert TEMPLATES.undefined is StrictUndefined
    assert {path.name for path in (Path(__file__).parents[2] / "alerts" / "templates").iterdir()} == set(TEMPLATES.list_templates())


def without_boundary(mail: bytes) -> bytes:
    """The mail as it came; plain text mails have no random boundary, and this says so."""
    assert b"boundary=" not in mail
    return mail
