"""Zimbra: logins and delegated access, forwards that somebody set up, deliveries, and Postfix as Postfix."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json
from ingest.parsers.mail_lines import LONGEST_LINE
from ingest.parsers.postfix import PostfixParser
from ingest.parsers.records import Feed
from ingest.parsers.zimbra import ZimbraParser
from ingest.parsers.zimbra_audit import MOST_ADDRESSES
from ingest.parsers.zimbra_fields import attributes
from ingest.parsers.zimbra_records import zimbra_records
from tests.support.mail_logs import OUTSIDE, bent, check, events, forged, golden_lines, refused, sample, tls_of

RECEIVED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ADMIN = "name=admin@clinic.example;ip=10.20.4.2;"


def parser(zone: ZoneInfo | None = None) -> ZimbraParser:
    return ZimbraParser("mail", received=lambda: RECEIVED, zone=zone or UTC)


def entry(
    text: str, *, context: str = ADMIN, category: str = "security", thread: str = "qtp1-2:https://m/x", level: str = "INFO "
) -> str:
    return f"2026-03-02 06:00:00,125 {level} [{thread}] [{context}] {category} - {text}"


def read(*lines: str) -> list[AuditEvent]:
    return events(parser(), lines)


# --- audit.log ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "context", "outcome", "service", "ip"),
    [
        (
            "cmd=Auth; account=bob@clinic.example; protocol=soap;",
            "name=bob@clinic.example;oip=192.0.2.10;ua=x;",
            "success",
            "soap",
            "192.0.2.10",
        ),
        ("cmd=Auth; account=bob@clinic.example; protocol=imap;", "ip=10.20.4.99;", "success", "imap", "10.20.4.99"),
        (
            "cmd=Auth; account=bob@clinic.example; protocol=soap; error=authentication failed for [bob], invalid password;",
            "oip=203.0.113.50, 10.20.0.5;oproto=smtp;",
            "failure",
            "smtp",
            "203.0.113.50",
        ),
        ("cmd=AdminAuth; account=bob@clinic.example;", ADMIN, "success", "soap", "10.20.4.2"),
        ("cmd=PreAuth; account=bob@clinic.example; admin=false;", "ip=10.20.4.2;", "success", "soap", "10.20.4.2"),
    ],
)
def test_a_login_is_an_access_of_the_account(text: str, context: str, outcome: str, service: str, ip: str) -> None:
    (event,) = read(entry(text, context=context))

    assert (event.source, event.action, event.outcome, event.ip) == (Source.ACCESS, "login", outcome, ip)
    assert event.actor == Actor(id="bob@clinic.example", kind=ActorKind.STAFF)
    assert event.details["service"] == service
    assert event.time == datetime(2026, 3, 2, 6, 0, 0, 125_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "cmd=DelegateAuth; accountId=0f5c; accountName=alice@clinic.example;",
        "cmd=ViewMail; account=alice@clinic.example;",
    ],
)
def test_delegated_access_is_by_the_administrator_to_the_mailbox(text: str) -> None:
    (event,) = read(entry(text))

    assert (event.source, event.action, event.outcome) == (Source.ACCESS, "delegated_access", "success")
    assert (event.actor.id, event.details["mailbox"], event.ip) == ("admin@clinic.example", "alice@clinic.example", "10.20.4.2")


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ("zimbraPrefMailForwardingAddress=a@out.example;", [("a@out.example", None, None)]),
        ("+zimbraMailForwardingAddress=a@out.example;", [("a@out.example", None, None)]),
        ("-zimbraMailForwardingAddress=a@out.example;", [("a@out.example", True, None)]),
        ("zimbraPrefMailForwardingAddress=;", [(None, True, None)]),
        (
            "zimbraPrefMailForwardingAddress=a@out.example, b@Out2.Example; zimbraPrefMailLocalDeliveryDisabled=TRUE;",
            [("a@out.example", None, False), ("b@Out2.Example", None, False)],
        ),
        ('zimbraMailSieveScript=if true { redirect :copy "a@out.example";; keep;; };', [("a@out.example", None, None)]),
    ],
)
def test_setting_up_a_forward_is_one_event_an_address(
    attrs: str, expected: list[tuple[str | None, bool | None, bool | None]]
) -> None:
    found = read(entry(f"cmd=ModifyAccount; name=alice@clinic.example; {attrs}"))

    assert {(event.source, event.action, event.outcome) for event in found} == {(Source.MAIL, "forward_rule", "success")}
    assert {event.actor.id for event in found} == {"admin@clinic.example"}
    assert {event.details["orig_to"] for event in found} == {"alice@clinic.example"}
    assert [(event.details.get("to"), event.details.get("removed"), event.details.get("local_copy")) for event in found] == expected
    assert len({event.event_id for event in found}) == len(found)


def test_a_change_of_more_forwards_than_one_could_mean_is_refused() -> None:
    attrs = ",".join(["a@out.example"] * (MOST_ADDRESSES + 1))

    assert "more than 100 addresses" in refused(
        parser(), entry(f"cmd=ModifyAccount; name=a@b.example; zimbraPrefMailForwardingAddress={attrs};").encode()
    )


@pytest.mark.parametrize(
    ("text", "source", "action"),
    [
        ("cmd=ModifyAccount; name=d@clinic.example; zimbraIsAdminAccount=TRUE;", Source.ACCESS, "privilege_change"),
        ("cmd=GrantRight; target=x; right=adminLoginAs; grantee=d@clinic.example;", Source.ACCESS, "privilege_change"),
        ("cmd=ModifyAccount; name=d@clinic.example; zimbraAccountStatus=locked;", Source.ACCESS, "account_change"),
        ("cmd=SetPassword; name=d@clinic.example;", Source.ACCESS, "password_reset"),
        ("cmd=ModifyConfig; zimbraMtaTlsSecurityLevel=none;", Source.MAIL, "policy_change"),
        ("cmd=FlushCache; type=account;", Source.ACCESS, "flush_cache"),
    ],
)
def test_other_commands(text: str, source: Source, action: str) -> None:
    (event,) = read(entry(text))

    assert (event.source, event.action, event.actor.id) == (source, action, "admin@clinic.example")


def test_values_of_changed_attributes_stay_in_the_record() -> None:
    (event,) = read(entry("cmd=ModifyAccount; name=d@clinic.example; zimbraNotes=about Jane; userPassword=secret-words;"))

    assert "Jane" not in str(event.details)
    assert "secret-words" not in str(event.details)
    assert event.details["changed"] == ["zimbraNotes"]


@settings(deadline=None)
@forged("agent", "account")
@given(agent=OUTSIDE, account=OUTSIDE)
def test_neither_a_user_agent_nor_an_account_name_can_pretend_to_be_the_entry(agent: str, account: str) -> None:
    encoded = [value.replace(";", ";;") for value in (agent, account)]
    (event,) = read(
        entry(
            f"cmd=Auth; account=x{encoded[1]}; protocol=soap; error=authentication failed for [x], account not found;",
            context=f"oip=203.0.113.51;ua=x{encoded[0]};",
            level="WARN ",
        )
    )

    assert (event.action, event.outcome, event.ip) == ("login", "failure", "203.0.113.51")
    assert event.actor.id == f"x{account}"
    assert event.details["user_agent"] == f"x{agent}"


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z]{1,8}", fullmatch=True),
            st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=9),
        )
    )
)
def test_attributes_are_read_as_zimbra_writes_them(pairs: list[tuple[str, str]]) -> None:
    written = " ".join(f"{name}={value.replace(';', ';;')};" for name, value in pairs)

    assert list(attributes(written)) == pairs


# --- mailbox.log -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "mark", "expected"),
    [
        ("ip=10.20.4.99;", " [TLS]", ({"established": True},)),
        ("ip=10.20.4.99;", "", (None,)),
        ("ip=10.20.0.5;oip=192.0.2.10;", "", ()),
    ],
)
def test_a_login_by_imap_says_whether_it_was_encrypted_unless_a_proxy_stands_before(
    context: str, mark: str, expected: tuple[Json, ...]
) -> None:
    (event,) = read(entry(f"user bob@clinic.example authenticated, mechanism=LOGIN{mark}", context=context, category="imap"))

    assert (event.source, event.action, event.outcome, event.actor.id) == (Source.ACCESS, "login", "success", "bob@clinic.example")
    assert tuple(value for name, value in event.details.items() if name == "tls") == expected


def test_a_message_that_lmtp_files_has_the_sender_of_its_thread_and_message_id() -> None:
    delivering = entry(
        "Delivering message: size=4096 bytes, nrcpts=1, sender=intake@partner.example, msgid=<m1@partner.example>",
        context="ip=10.20.0.25;",
        category="lmtp",
        thread="LmtpServer-3",
    )
    adding = "Adding Message: id=7, Message-ID=<{}@partner.example>, parentId=-1, folderId=2, folderName=Inbox acct=0f5c-1."
    alice = "name=alice@clinic.example;mid=12;ip=10.20.0.25;"

    def filed(message: str, thread: str) -> str:
        return entry(adding.format(message), context=alice, category="mailop", thread=thread)

    received, own, other_thread, other_message, sent_copy = read(
        delivering,
        filed("m1", "LmtpServer-3"),
        filed("m1", "LmtpServer-4"),
        filed("m2", "LmtpServer-3"),
        filed("m1", "qtp1-2:https://m/x"),
    )

    assert (received.action, own.action, own.outcome) == ("mail_received", "deliver", "delivered")
    assert {name: own.details[name] for name in ("from", "size", "to", "to_domain", "folder", "direction", "message_id")} == {
        "from": "intake@partner.example",
        "size": 4096,
        "to": "alice@clinic.example",
        "to_domain": "clinic.example",
        "folder": "Inbox",
        "direction": "internal",
        "message_id": "m1@partner.example",
    }
    assert not {"from"} & (other_thread.details.keys() | other_message.details.keys())
    assert sent_copy.action == "mail_stored"


def test_a_filter_that_sends_mail_on_is_an_automatic_forward_by_the_mailbox() -> None:
    (event,) = read(
        entry("Redirecting message to a.home@outside.example.", context="name=alice@clinic.example;mid=1;", category="filter")
    )

    assert (event.action, event.outcome, event.actor.id) == ("deliver", "delivered", "alice@clinic.example")
    assert event.details["auto_forwarded"] is True
    assert (event.details["to"], event.details["orig_to"]) == ("a.home@outside.example", "alice@clinic.example")


def test_work_in_the_mailbox_of_another_is_access_and_names_both() -> None:
    own, delegated = read(
        entry("GetMsgRequest elapsed=5", context="name=alice@clinic.example;mid=12;oip=192.0.2.10;", category="soap"),
        entry(
            "GetMsgRequest elapsed=5",
            context="name=alice@clinic.example;aname=admin@clinic.example;mid=12;ip=10.20.4.2;",
            category="soap",
        ),
    )

    assert (own.source, own.action, own.actor.id) == (Source.MAIL, "view_message", "alice@clinic.example")
    assert (delegated.source, delegated.action, delegated.actor.id) == (Source.ACCESS, "view_message", "admin@clinic.example")
    assert (delegated.details["delegated"], delegated.details["mailbox"]) == (True, "alice@clinic.example")


def test_a_stack_trace_belongs_to_its_entry_and_the_next_entry_does_not() -> None:
    log = (
        entry(
            "handler exception: authentication failed for [bob], invalid password",
            context="oip=203.0.113.50;",
            category="SoapEngine",
            level="WARN ",
        )
        + "\ncom.zimbra.cs.account.AccountServiceException$AuthFailedServiceException: authentication failed for [bob]\n"
        'ExceptionId:x\nCode:account.AUTH_FAILED Arg:(account, STR, "bob")\n\tat com.zimbra.x(Y.java:1)\n\t... 40 more\n'
        "Caused by: java.lang.IllegalStateException: no\n"
        + entry("GetMsgRequest", category="soap")
        + "\nMar  2 06:00:00 mail zmconfigd[1]: x\n\tat nothing\n"
    )
    for size in (1, 7, 1000):
        records = list(zimbra_records(Feed(log[at : at + size].encode() for at in range(0, len(log), size)), 10_000))
        assert [len(record.splitlines()) for record in records if isinstance(record, bytes)] == [7, 1, 1, 1]

    refusal = records[0]
    assert isinstance(refusal, bytes)
    (event,) = events(parser(), [refusal.decode()])
    assert (event.action, event.outcome, event.actor.id, event.ip) == ("authentication", "failure", "bob", "203.0.113.50")
    assert event.details["exception"] == "AccountServiceException$AuthFailedServiceException"
    assert event.raw == refusal


# --- zimbra.log --------------------------------------------------------------------------------------------------------------


def test_lines_of_postfix_are_read_as_postfix_reads_them() -> None:
    lines = [line.decode() for line in golden_lines("postfix")]
    plain = PostfixParser("mail", received=lambda: RECEIVED)
    stream = parser()

    compared = 0
    for line in lines:
        (ours,), (theirs,) = stream.parse(line.encode()), plain.parse(line.encode())
        if isinstance(theirs, AuditEvent) and "postfix" in str(theirs.details["program"]):
            assert ours == replace(theirs, format="zimbra")
            compared += 1
    assert compared > 30


def test_who_failed_to_sign_in_for_sending_mail() -> None:
    (event,) = read(
        "Mar  2 06:00:04 mail saslauthd[910]: auth_zimbra: bob@clinic.example auth failed: authentication failed for [bob]"
    )

    assert (event.source, event.action, event.outcome, event.actor.id) == (
        Source.MAIL,
        "mail_login",
        "failure",
        "bob@clinic.example",
    )


@pytest.mark.parametrize(
    ("before", "moment"),
    [
        ("2026-03-02 06:00:00,125 ", "2026-03-02T11:00:00.125"),
        ("Mar  2 06:00:00 mail mailboxd: ", "2026-03-02T11:00:00"),
        ("Mar  2 06:00:00 mail zimbra_audit: 2026-03-02 06:00:00,125 ", "2026-03-02T11:00:00.125"),
        ("<134>1 2026-03-02T06:00:00.5Z mail mailboxd 930 - - 2026-03-02 06:00:00,125 ", "2026-03-02T06:00:00.5"),
        ("Mar  2 06:00:00 mail 2026-03-02 06:00:00,125 ", "2026-03-02T11:00:00.125"),
    ],
)
def test_entries_come_from_files_and_by_syslog(before: str, moment: str) -> None:
    text = entry("cmd=Auth; account=bob@clinic.example; protocol=imap;").partition(",125 ")[2]
    (event,) = events(parser(zone=ZoneInfo("America/New_York")), [before + text])

    assert (event.action, event.time) == ("login", datetime.fromisoformat(moment).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"Mar  2 06:00:00 mail sshd[1]: Accepted publickey", "does not come from Zimbra"),
        (b"nonsense", "does not come from Zimbra"),
        (b"", "does not come from Zimbra"),
        (b"2026-03-02 06:00:00,125 INFO no frame", "does not come from Zimbra"),
        (b"Mar  2 06:00:00 mail zmconfigd[1]: \xff", "not valid UTF-8 (byte 35)"),
        (b"Mar  2 06:00:00 mail zmconfigd[1]: ", "does not come from Zimbra"),
        (b"Mar  2 06:00:00 mail postfix/smtp[1]: ", "no text after the program"),
        (b"Mar  2 06:00:00 mail last message repeated 3 times", "turn message reduction off"),
        (b"1980-01-01 00:00:00,000 INFO [x] [] y - z", "lies outside 1990 to 2200"),
        (b"x" * (LONGEST_LINE + 1), "longer than any line of Zimbra"),
    ],
)
def test_a_line_that_is_none_of_zimbra_is_refused_with_the_cause(line: bytes, reason: str) -> None:
    assert reason in refused(parser(), line)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), line=st.sampled_from(golden_lines("zimbra")))
def test_lines_cut_and_bent_are_events_or_refused(data: st.DataObject, line: bytes) -> None:
    check(parser(), "zimbra", bent(data, line))


@pytest.mark.parametrize(
    "start",
    [
        "",
        "[x] [",
        "[x] [a=b;] security - cmd=",
        "[x] [a=b;] security - cmd=ModifyAccount; zimbraMailSieveScript=",
        "[LmtpServer-1] [a=b;] mailop - Adding Message: id=1, Message-ID=",
    ],
)
@pytest.mark.parametrize("unit", [";", ";;", "a=b;", "] [", "redirect ", "a.", ", parentId=", '"', "a"])
def test_a_crafted_line_is_read_in_time_that_grows_with_its_length(start: str, unit: str) -> None:
    line = f"2026-03-02 06:00:00,000 INFO  {start}{unit * (LONGEST_LINE // len(unit) - 100)}".encode()

    before = time.process_time()
    assert parser().parse(line)

    assert time.process_time() - before < 2


def test_the_sample_of_the_page_shows_a_login_delegated_access_a_forward_and_a_delivery() -> None:
    found = events(parser(), sample("zimbra").splitlines())

    assert [event.action for event in found] == ["login", "delegated_access", "forward_rule", "deliver"]
    assert {event.format for event in found} == {"zimbra"}


def test_a_delivery_in_zimbra_log_has_its_tls_session() -> None:
    *_, delivery = read(
        "Mar  2 06:00:01 mail postfix/smtp[610]: Verified TLS connection established to mx.partner.example[198.51.100.7]:25: "
        "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)",
        "Mar  2 06:00:02 mail postfix/smtp[610]: 9F00A1B2C3: to=<a@partner.example>, relay=mx.partner.example[198.51.100.7]:25, "
        "delay=1, delays=0/0/0.5/0.5, dsn=2.0.0, status=sent (250 ok)",
    )

    assert (tls_of(delivery)["version"], tls_of(delivery)["verified"]) == ("TLSv1.3", True)
