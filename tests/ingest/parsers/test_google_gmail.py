"""Gmail's log: stages and user actions, every spelling of a row, recipients, and what is said about TLS, on which leg."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.tls import TlsVerdict, judge
from ingest.parsers import read_mapping
from ingest.parsers.google_bigquery import nested, rows_of
from ingest.parsers.google_gmail import GoogleGmailParser
from ingest.parsers.json_records import json_records
from tests.support.identity import bent, check, event, events, golden_records, page_sample, refusal, split, swapped

RECORDS = golden_records("google-gmail", json_records)
DOCUMENTS = [json.loads(record) for record in RECORDS]
OUT = {"address": "intake@partner.example", "service": "smtp-outbound"}
BOX = {"address": "alice@clinic.example", "service": "gmail-ui"}
HERE = {"address": "referrals@clinic.example", "service": "gmail-ui"}
THERE = {"address": "office@partner.example", "service": "smtp-inbound"}


def row(stage: int | None, more: Mapping[str, object] | None = None) -> str:
    """A row; `kind`, `success` and `link` are the event type, the success and the connection, the rest belongs to the message."""
    changes = dict(more or {})
    info = {
        "timestamp_usec": "1772457247250000",
        "success": changes.pop("success", True),
        "mail_event_type": changes.pop("kind", 0),
    }
    message = {"action_type": stage, "source": HERE, "destination": [OUT], "connection_info": changes.pop("link", None), **changes}
    return json.dumps({"event_info": info, "message_info": message, "email": "alice@clinic.example"})


def parsed(stage: int | None, more: Mapping[str, object] | None = None, *, mapping: str | None = None) -> AuditEvent:
    return event(GoogleGmailParser("s", mapping=read_mapping(mapping) if mapping else None), row(stage, more))


# --- What happened -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "more", "action", "outcome"),
    [
        (1, {"source": THERE, "destination": [BOX]}, "mail_accepted", None),
        (1, {"source": THERE, "destination": [BOX], "success": False}, "mail_reject", "denied"),
        (2, {"source": THERE, "destination": [BOX], "success": False}, "mail_reject", "denied"),
        (2, {}, "mail_accepted", None),
        (2, {"success": False}, "discard", "dropped"),
        (2, {"success": None}, "mail_accepted", None),
        (3, {"destination": [BOX]}, "deliver", "delivered"),
        (3, {}, "mail_accepted", None),
        (10, {}, "deliver", "delivered"),
        (10, {"success": False, "link": {"smtp_reply_code": 550}}, "bounce", "bounced"),
        (10, {"success": False, "link": {"smtp_reply_code": "451"}}, "defer", "deferred"),
        (14, {"success": False}, "defer", "deferred"),
        (18, {"success": False}, "bounce", "bounced"),
        (19, {}, "discard", "dropped"),
        (48, {}, "mail_accepted", None),
        (54, {}, "mail_event", None),
        (None, {"kind": 1}, "mail_accepted", None),
        (None, {"kind": 2}, "deliver", "delivered"),
        (None, {"kind": None}, "mail_event", None),
        (999, {}, "mail_event", None),
    ],
)
def test_stages_of_a_delivery(stage: int | None, more: dict[str, object], action: str, outcome: str | None) -> None:
    found = parsed(stage, more)

    assert (found.source, found.action, found.outcome) == (Source.MAIL, action, outcome)


@pytest.mark.parametrize(
    ("kind", "action", "outcome"),
    [
        (3, "mail_classified", None),
        (5, "discard", "dropped"),
        (7, "mail_opened", None),
        (11, "mail_auto_forwarded", None),
        (15, "mail_clicked", None),
        (17, "attachment_download", None),
        (27, "mail_deleted", None),
        (30, "bounce", "bounced"),
        (31, "mail_opened", None),
        (32, "mail_downloaded", None),
        (33, "mail_accessed", None),
        (34, "defer", "deferred"),
    ],
)
def test_what_users_and_gmail_do_later(kind: int, action: str, outcome: str | None) -> None:
    found = parsed(71, {"kind": kind, "source": THERE, "destination": [BOX]})

    assert (found.action, found.outcome) == (action, outcome)


def test_the_owner_or_the_delegate_acts_and_for_the_way_of_a_message_the_senders_mailbox() -> None:
    opened = parsed(71, {"kind": 7, "source": THERE, "destination": [BOX]})
    sent = parsed(10)
    delegated = json.loads(row(71, {"kind": 7, "destination": [BOX]}))
    delegated["event_info"]["client_context"] = {"session_context": {"delegate_user_email": "bob@clinic.example"}}

    assert opened.actor == Actor(id="alice@clinic.example", kind=ActorKind.STAFF)
    assert event(GoogleGmailParser("s"), json.dumps(delegated)).actor.id == "bob@clinic.example"
    assert sent.actor == Actor(id="referrals@clinic.example", kind=ActorKind.SYSTEM)
    assert parsed(19, {"source": None}).actor == Actor(id="gmail", kind=ActorKind.SYSTEM)


def test_a_mapping_changes_the_users_and_never_the_stream() -> None:
    mapping = '[constants]\nsource = "portal"\nactor_kind = "vendor"\n'

    assert parsed(71, {"kind": 7, "destination": [BOX]}, mapping=mapping).actor.kind == ActorKind.VENDOR
    assert parsed(10, mapping=mapping).actor.kind == ActorKind.SYSTEM
    assert parsed(10, mapping=mapping).source == Source.MAIL


# --- Recipients --------------------------------------------------------------------------------------------------------------


def test_each_recipient_is_an_event() -> None:
    other = {"address": "fax@lab.example", "service": "smtp-outbound"}

    found = events(GoogleGmailParser("s"), row(10, {"destination": [OUT, other, OUT]}))

    assert [one.details["to"] for one in found] == ["intake@partner.example", "fax@lab.example"]
    assert found[1].event_id == f"{found[0].event_id}#2"
    assert found[0].details["to_domain"] == "partner.example"


def test_recipients_out_of_the_flat_column() -> None:
    found = events(
        GoogleGmailParser("s"),
        row(10, {"destination": [], "flattened_destinations": "smtp-outbound::a@x.example,gmail-ui:sel:b@y.example"}),
    )

    assert [(one.details["to"], one.details["destination_service"]) for one in found] == [
        ("a@x.example", "smtp-outbound"),
        ("b@y.example", "gmail-ui"),
    ]


def test_a_user_who_opens_a_message_to_many_does_one_thing() -> None:
    assert len(events(GoogleGmailParser("s"), row(71, {"kind": 7, "destination": [BOX, OUT]}))) == 1


def test_a_row_without_recipients_is_an_event() -> None:
    assert "to" not in parsed(2, {"destination": []}).details


@pytest.mark.parametrize(
    ("stage", "more", "direction"),
    [
        (10, {}, "outbound"),
        (2, {"link": {"is_internal": "true"}}, "internal"),
        (2, {"link": {"is_intra_domain": True}}, "internal"),
        (3, {"source": THERE, "destination": [BOX]}, "inbound"),
        (None, {"kind": 1, "destination": [BOX]}, "outbound"),
        (None, {"kind": 2, "destination": [BOX]}, "inbound"),
        (2, {"destination": [BOX], "is_policy_check_for_sender": True}, "outbound"),
        (2, {"destination": [BOX], "source": {"service": "other"}}, None),
    ],
)
def test_directions(stage: int | None, more: dict[str, object], direction: str | None) -> None:
    assert parsed(stage, more).details.get("direction") == direction


# --- TLS ---------------------------------------------------------------------------------------------------------------------

SESSION = {"smtp_tls_state": "1", "smtp_tls_version": "TLSv1.3", "smtp_tls_cipher": "TLS_AES_256_GCM_SHA384"}


@pytest.mark.parametrize(
    ("stage", "link", "more", "expected"),
    [
        (10, SESSION, {}, {"tls": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"}}),
        (10, {"smtp_tls_state": 1}, {}, {"tls": {"established": True}}),
        (10, {"smtp_tls_state": 0, "smtp_out_connect_ip": "198.51.100.7"}, {}, {"tls": None}),
        (10, {"smtp_tls_state": 0, "smtp_reply_code": 250}, {}, {"tls": None}),
        (10, {"smtp_tls_state": 0, "smtp_reply_code": 0}, {}, {}),
        (10, {"smtp_tls_state": None, "smtp_out_connect_ip": "198.51.100.7"}, {}, {}),
        (10, {"smtp_tls_state": 7}, {}, {}),
        (10, {}, {}, {}),
        (10, {"smtp_tls_state": 0, "smtp_tls_version": "TLSv1.2"}, {}, {"tls": {"version": "TLSv1.2"}}),
        (1, SESSION, {"source": THERE, "destination": [BOX]}, {"tls": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"}}),
        (1, {"smtp_tls_state": 0, "smtp_in_connect_ip": "198.51.100.7"}, {"source": THERE, "destination": [BOX]}, {"tls": None}),
        (3, {"smtp_tls_state": 1}, {"source": THERE, "destination": [BOX]}, {"tls": {"established": True}}),
        (2, {"smtp_tls_state": 0, "client_ip": "203.0.113.9"}, {"source": THERE, "destination": [BOX]}, {}),
        (
            2,
            SESSION,
            {"source": {"service": "smtp-msa"}},
            {"submission_tls": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"}},
        ),
        (3, {"smtp_tls_state": 1}, {}, {"submission_tls": {"established": True}}),
    ],
)
def test_tls_of_the_leg_it_speaks_of(
    stage: int, link: dict[str, object], more: dict[str, object], expected: dict[str, object]
) -> None:
    details = parsed(stage, {"link": link, **more}).details

    assert {name: details[name] for name in ("tls", "submission_tls") if name in details} == expected


@pytest.mark.parametrize(
    ("link", "verdict"),
    [
        (SESSION, TlsVerdict.ANONYMOUS),
        ({"smtp_tls_state": 0, "smtp_reply_code": 250}, TlsVerdict.NONE),
        ({"smtp_tls_state": None, "smtp_reply_code": 250}, TlsVerdict.UNKNOWN),
    ],
)
def test_how_deliveries_are_judged(link: dict[str, object], verdict: TlsVerdict) -> None:
    """Null columns are unknown, which is never good; nobody says that a peer was verified."""
    assert judge(parsed(10, {"link": link}).details).verdict is verdict


# --- Spellings ---------------------------------------------------------------------------------------------------------------


def test_the_rest_form_is_read_by_its_schema_and_addresses_out_of_bytes() -> None:
    schema = {
        "fields": [
            {"name": "ip_address", "type": "BYTES", "mode": "NULLABLE"},
            {"name": "event_info", "type": "RECORD", "mode": "NULLABLE", "fields": [{"name": "timestamp_usec", "type": "INTEGER"}]},
            {
                "name": "message_info",
                "type": "RECORD",
                "fields": [
                    {"name": "action_type", "type": "INTEGER"},
                    {"name": "link_domain", "type": "STRING", "mode": "REPEATED"},
                    {
                        "name": "destination",
                        "type": "RECORD",
                        "mode": "REPEATED",
                        "fields": [{"name": "address", "type": "STRING"}],
                    },
                    {"name": "subject", "type": "STRING"},
                ],
            },
        ]
    }
    cells = [
        {"v": base64.b64encode(b"203.0.113.9").decode()},
        {"v": {"f": [{"v": "1772457247250000"}]}},
        {"v": {"f": [{"v": "18"}, {"v": [{"v": "x.example"}]}, {"v": [{"v": {"f": [{"v": "a@x.example"}]}}]}, {"v": None}]}},
    ]

    one = event(GoogleGmailParser("s"), json.dumps({"row": {"f": cells}, "schema": schema}))
    all_rows = events(GoogleGmailParser("s"), json.dumps({"rows": [{"f": cells}], "schema": schema}))

    assert (one.action, one.ip, one.details["to"], one.details["link_domains"]) == (
        "bounce",
        "203.0.113.9",
        "a@x.example",
        ["x.example"],
    )
    assert "subject" not in one.details
    assert [found.event_id for found in all_rows] == [one.event_id]


def test_flat_keys_are_the_same_row() -> None:
    flat = {
        "event_info.timestamp_usec": "1772457247250000",
        "event_info.success": "true",
        "message_info.action_type": "10",
        "message_info.destination.0.address": "a@x.example",
        "message_info.destination[1].address": "b@x.example",
        "message_info.connection_info.smtp_tls_state": "1",
    }

    found = events(GoogleGmailParser("s"), json.dumps(flat))

    assert [one.details["to"] for one in found] == ["a@x.example", "b@x.example"]
    assert found[0].details["tls"] == {"established": True}
    assert nested({"a.b": 1, "c": 2}) == {"a": {"b": 1}, "c": 2}
    assert rows_of({"a": 1}) == [{"a": 1}]


def test_the_column_of_the_activity_table_and_lists_as_text() -> None:
    inner = {
        "event_info": {"timestamp_usec": 1772457247250000},
        "message_info": {"action_type": 10, "destination": json.dumps([OUT])},
    }

    assert (
        event(GoogleGmailParser("s"), json.dumps({"gmail": inner, "event_name": "delivery"})).details["to"]
        == "intake@partner.example"
    )


def test_checks_rules_and_attachments_without_what_matched() -> None:
    found = parsed(
        2,
        {
            "success": False,
            "link": {"spf_pass": "true", "dkim_pass": False, "dmarc_pass": None},
            "rfc2822_message_id": "<m@x.example>",
            "attachment": [{"file_name": "scan.pdf", "sha256": "ab", "malware_family": None}],
            "triggered_rule_info": [
                {
                    "rule_name": "SSN",
                    "rule_type": "12",
                    "consequence": [{"action": 4, "reason": "blocked"}],
                    "string_match": [{"predefined_detector_name": "US SSN", "matched_string": "000-00-0000"}],
                }
            ],
        },
    )

    assert (found.details["spf"], found.details["dkim"], found.details.get("dmarc")) == ("pass", "fail", None)
    assert found.details["message_id"] == "m@x.example"
    assert found.details["attachments"] == [{"file_name": "scan.pdf", "sha256": "ab"}]
    assert found.details["rules"] == [
        {"name": "SSN", "type": 12, "actions": [{"action": 4, "reason": "blocked"}], "detectors": ["US SSN"]}
    ]
    assert "000-00-0000" not in json.dumps(found.details)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("{}", "event_info and message_info are missing"),
        ("[]", "an array"),
        ('{"f":[{"v":"1"}]}', "without their schema"),
        ('{"event_info":{},"message_info":{"action_type":1}}', "timestamp_usec is missing"),
        ('{"event_info":{"timestamp_usec":0},"message_info":{}}', "no time"),
        ('{"rows":[' + "{}," * 10_001 + '{}],"schema":{}}', "more than 10000"),
    ],
)
def test_what_is_no_row_is_refused(record: str, reason: str) -> None:
    assert reason in refusal(GoogleGmailParser("s"), record)


def test_the_page_sample_is_understood() -> None:
    found = [event(GoogleGmailParser("s"), record) for record in split(json_records, page_sample("google-gmail"))]

    assert [one.action for one in found] == ["deliver", "mail_opened"]


@settings(deadline=None)
@given(record=st.binary(max_size=200) | bent(RECORDS))
def test_any_bytes(record: bytes) -> None:
    check(GoogleGmailParser("s"), record)


@settings(deadline=None)
@given(document=swapped(DOCUMENTS))
def test_any_value_in_place_of_any_field(document: object) -> None:
    check(GoogleGmailParser("s"), json.dumps(document).encode())


def test_the_real_row(samples: Path) -> None:
    """A refused inbound message: state 0 stands there without any connection, and says nothing about TLS."""
    path = samples / "google_workspace" / "elastic_gmail_bigquery.json"
    if not path.exists():
        pytest.skip("another set of samples")

    found = event(GoogleGmailParser("s"), path.read_bytes())

    assert (found.action, found.outcome, found.details["direction"]) == ("mail_reject", "denied", "inbound")
    assert found.details["smtp_tls_state"] == 0
    assert judge(found.details).verdict is TlsVerdict.UNKNOWN
    assert (found.details["spf"], found.details["dkim"], found.details["spam"]) == ("pass", "pass", True)
