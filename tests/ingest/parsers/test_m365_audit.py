"""The unified audit log: gaps, forwarding, consent, auditing switched, and any workload that may come."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Source
from domain.json import normalise
from domain.record import Parsed, Rejected
from ingest.parsers.field_mapping import read_mapping
from ingest.parsers.m365_audit import M365AuditParser
from ingest.parsers.m365_records import m365_records
from ingest.parsers.records import Feed, Oversize
from tests.conformance import microsoft
from tests.conformance.agreement import Agreement
from tests.support.bending import bent_export

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "formats" / "m365-audit.md").read_text()
GOLDEN = [path.read_bytes() for path in sorted((ROOT / "tests" / "golden" / "m365-audit").glob("*.in"))]
USUAL: Mapping[str, object] = {
    "CreationTime": "2026-03-02T06:00:00",
    "Id": "a1",
    "Operation": "Update",
    "OrganizationId": "o1",
    "RecordType": 2,
    "ResultStatus": "Succeeded",
    "UserType": 0,
    "Workload": "Exchange",
    "ClientIP": "203.0.113.20",
    "UserId": "alice.nurse@clinic.example",
}


def record(**changes: object) -> bytes:
    return json.dumps({name: value for name, value in {**USUAL, **changes}.items() if value is not ...}).encode()


def cmdlet(operation: str, /, **parameters: str) -> bytes:
    given = [{"Name": name, "Value": value} for name, value in parameters.items()]
    return record(Operation=operation, ResultStatus="True", UserType=2, RecordType=1, Parameters=given)


def parser() -> M365AuditParser:
    return M365AuditParser("m365")


def events(content: bytes, reader: M365AuditParser | None = None) -> list[AuditEvent]:
    parsed = (reader or parser()).parse(content)
    found = [one for one in parsed if isinstance(one, AuditEvent)]
    assert found == parsed, parsed
    return found


def event(content: bytes) -> AuditEvent:
    (found,) = events(content)
    return found


def cut(content: bytes) -> list[bytes]:
    records = list(m365_records(Feed(content[at : at + 7] for at in range(0, len(content), 7)), 1_000_000))
    found = [one for one in records if not isinstance(one, Oversize)]
    assert found == records
    return found


# --- Any workload ----------------------------------------------------------------------------------------------------------------


def test_a_record_of_any_workload_is_an_event_with_all_it_says() -> None:
    found = event(
        record(Operation="HypotheticalThingDone", Workload="NewThing", ClientIP="[::ffff:203.0.113.20]:443", Widget={"A": 1.5})
    )

    assert (found.event_id, found.source, found.action, found.outcome) == (
        "a1",
        Source.ACCESS,
        "hypothetical_thing_done",
        "success",
    )
    assert found.time == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert found.actor == Actor(id="alice.nurse@clinic.example", kind=ActorKind.STAFF)
    assert found.ip == "203.0.113.20"
    assert found.details == {
        "event_type": "HypotheticalThingDone",
        "record_type": 2,
        "workload": "NewThing",
        "result": "Succeeded",
        "organisation_id": "o1",
        "user_type": "Regular",
        "client_port": 443,
        "attributes": {"Widget": {"A": "1.5"}},
    }


@pytest.mark.parametrize(
    ("operation", "changes", "action", "outcome"),
    [
        ("UserLoggedIn", {}, "login", "success"),
        ("UserLoggedIn", {"LogonError": "InvalidUserNameOrPassword"}, "login", "failure"),
        ("UserLoginFailed", {"ResultStatus": "Success"}, "login", "failure"),
        ("MailboxLogin", {}, "login", "success"),
        ("FileDownloaded", {"ResultStatus": ...}, "download_record", None),
        ("FileSyncDownloadedFull", {"ResultStatus": ...}, "download_record", None),
        ("FileAccessed", {"ResultStatus": ...}, "file_accessed", None),
        ("SearchQueryPerformed", {}, "search", "success"),
        ("SearchExported", {"ResultStatus": "Failed"}, "export", "failure"),
        ("Add member to role.", {}, "privilege_change", "success"),
        ("Add-MailboxPermission", {"ResultStatus": "True"}, "privilege_change", "success"),
        ("AddFolderPermissions", {}, "privilege_change", "success"),
        ("Reset user password.", {}, "password_reset", "success"),
        ("Update conditional access policy.", {}, "policy_change", "success"),
        ("New-TransportRule", {"ResultStatus": "True"}, "policy_change", "success"),
        ("Remove-TransportRule", {"ResultStatus": "False"}, "policy_change", "failure"),
        ("Disable-TransportRule", {}, "policy_change", "success"),
        ("Set-DlpCompliancePolicy", {}, "policy_change", "success"),
        ("Remove-DlpPolicy", {}, "policy_change", "success"),
        ("New-DlpComplianceRule", {}, "policy_change", "success"),
        ("Set-OutboundConnector", {}, "policy_change", "success"),
        ("HardDelete", {"ResultStatus": "PartiallySucceeded"}, "hard_delete", None),
        ("Get-Something", {"ResultStatus": "Denied"}, "get_something", "denied"),
    ],
)
def test_operations_and_what_they_mean(operation: str, changes: Mapping[str, object], action: str, outcome: str | None) -> None:
    found = event(record(Operation=operation, **changes))

    assert (found.action, found.outcome, found.details["event_type"]) == (action, outcome, operation)


@pytest.mark.parametrize(
    ("changes", "actor", "kind"),
    [
        ({"UserType": 2}, "alice.nurse@clinic.example", "staff"),
        ({"UserType": 3}, "alice.nurse@clinic.example", "vendor"),
        ({"UserType": 4, "UserId": "SecurityComplianceAlerts"}, "SecurityComplianceAlerts", "system"),
        ({"UserType": 5, "UserId": "lab-sync"}, "lab-sync", "service"),
        ({"UserType": "ServicePrincipal", "UserId": "lab-sync"}, "lab-sync", "service"),
        ({"UserType": 10}, "alice.nurse@clinic.example", "external"),
        ({"UserType": 99}, "alice.nurse@clinic.example", "staff"),
        ({"UserId": "NT AUTHORITY\\SYSTEM (x)"}, "NT AUTHORITY\\SYSTEM (x)", "system"),
        ({"UserId": "app@sharepoint"}, "app@sharepoint", "system"),
        ({"UserId": "urn:spo:anon#x"}, "203.0.113.20", "external"),
        ({"UserId": "urn:spo:guest#friend@home.example"}, "friend@home.example", "external"),
        ({"UserId": "Not Available"}, "203.0.113.20", "external"),
        (
            {"UserId": "Not Available", "Actor": [{"ID": "x", "Type": 0}, {"ID": "bob@clinic.example", "Type": 5}]},
            "bob@clinic.example",
            "staff",
        ),
        ({"UserId": ..., "ClientIP": "<null>"}, "Exchange", "system"),
    ],
)
def test_who_acted(changes: Mapping[str, object], actor: str, kind: str) -> None:
    assert event(record(**changes)).actor == Actor(id=actor, kind=ActorKind(kind))


def test_a_mapping_says_that_the_users_are_patients() -> None:
    mapping = read_mapping('[constants]\nactor_kind = "patient"\n[values.action]\nupdate = "update_contact"')
    (found,) = events(record(), M365AuditParser("m365", mapping=mapping))

    assert (found.source, found.actor.kind, found.action) == (Source.PORTAL, ActorKind.PATIENT, "update_contact")


def test_a_sign_in_has_its_device_and_session() -> None:
    device = [
        {"Name": "DisplayName", "Value": "WS-4W-12"},
        {"Name": "OS", "Value": "Windows 10"},
        {"Name": "SessionId", "Value": "s2"},
    ]
    extended = [{"Name": "UserAgent", "Value": "Mozilla/5.0"}, {"Name": "RequestType", "Value": "OAuth2:Authorize"}]
    found = event(record(Operation="UserLoggedIn", DeviceProperties=device, ExtendedProperties=extended, ErrorNumber="0"))

    assert found.device == Device(id="WS-4W-12", kind=DeviceKind.WORKSTATION)
    expected = {
        "session_id": "s2",
        "user_agent": "Mozilla/5.0",
        "method": "OAuth2:Authorize",
        "error_code": "0",
        "os": "Windows 10",
    }
    assert expected.items() <= found.details.items()


def test_a_role_has_who_got_it() -> None:
    changes = [{"Name": "Role.DisplayName", "NewValue": "Global Administrator", "OldValue": ""}]
    target = [{"ID": "a0000000-0000-4000-8000-000000000002", "Type": 2}, {"ID": "bob.clerk@clinic.example", "Type": 5}]
    found = event(record(Operation="Add member to role.", ModifiedProperties=changes, Target=target))

    expected = {
        "role": "Global Administrator",
        "target_user": "bob.clerk@clinic.example",
        "target_id": "a0000000-0000-4000-8000-000000000002",
    }
    assert expected.items() <= found.details.items()
    assert found.details["changes"] == [{"name": "Role.DisplayName", "new": "Global Administrator"}]


# --- Mailboxes -------------------------------------------------------------------------------------------------------------------


def accessed(*, kind: str = "Bind", throttled: object = "False", **changes: object) -> bytes:
    properties = [{"Name": "MailAccessType", "Value": kind}, {"Name": "IsThrottled", "Value": throttled}]
    folders = [
        {"Path": "\\Inbox", "FolderItems": [{"InternetMessageId": "<m1@x.example>"}, {"InternetMessageId": "<m2@x.example>"}]}
    ]
    about = {"MailboxOwnerUPN": "bob.clerk@clinic.example", "LogonType": 2, "OperationCount": 2, "Folders": folders}
    return record(Operation="MailItemsAccessed", RecordType=50, OperationProperties=properties, **{**about, **changes})


def test_a_bind_has_the_mails_that_were_read() -> None:
    found = event(accessed())

    expected = {
        "access_type": "Bind",
        "mailbox": "bob.clerk@clinic.example",
        "logon_type": "delegate",
        "message_ids": ["m1@x.example", "m2@x.example"],
        "folders": ["\\Inbox"],
        "records": 2,
    }
    assert found.action == "mail_items_accessed"
    assert expected.items() <= found.details.items()


def test_a_sync_has_the_folder() -> None:
    found = event(accessed(kind="Sync", Folders=[{"Path": "\\Inbox"}], OperationCount=0))

    assert (found.details["access_type"], found.details["folders"], found.details["records"]) == ("Sync", ["\\Inbox"], 0)


@pytest.mark.parametrize("throttled", ["True", "true", True])
def test_throttling_is_a_gap_beside_the_read(throttled: object) -> None:
    read, gap = events(accessed(throttled=throttled))

    assert (read.action, gap.action, gap.outcome) == ("mail_items_accessed", "audit_gap", None)
    assert gap.event_id == f"{read.event_id}#gap"
    assert gap.details["mailbox"] == "bob.clerk@clinic.example"
    assert "records of MailItemsAccessed" in str(gap.details["missing"])
    assert (gap.details["missing_from"], gap.details["missing_until"]) == (
        "2026-03-02T06:00:00.000000Z",
        "2026-03-03T06:00:00.000000Z",
    )


@pytest.mark.parametrize("throttled", ["False", False, "", None, "no"])
def test_without_throttling_there_is_no_gap(throttled: object) -> None:
    assert [one.action for one in events(accessed(throttled=throttled))] == ["mail_items_accessed"]


@pytest.mark.parametrize(("operation", "word"), [("Send", "owner"), ("SendAs", "as"), ("SendOnBehalf", "on_behalf")])
def test_mail_that_was_sent(operation: str, word: str) -> None:
    item = {
        "InternetMessageId": "<s1@clinic.example>",
        "Subject": "Hello",
        "SizeInBytes": 900,
        "Attachments": "a (1).pdf (12b); b.png (3b)",
    }
    found = event(record(Operation=operation, MailboxOwnerUPN="front.desk@clinic.example", MailboxGuid="g", LogonType=2, Item=item))

    expected = {
        "sent_as": word,
        "from": "front.desk@clinic.example",
        "message_id": "s1@clinic.example",
        "subject": "Hello",
        "size": 900,
    }
    assert (found.source, found.action, found.actor.kind) == (Source.MAIL, "mail_accepted", ActorKind.STAFF)
    assert expected.items() <= found.details.items()
    assert found.details["attachments"] == [{"name": "a (1).pdf", "size": 12}, {"name": "b.png", "size": 3}]


# --- Forwarding ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["New-InboxRule", "Set-InboxRule"])
@pytest.mark.parametrize("parameter", ["ForwardTo", "RedirectTo", "ForwardAsAttachmentTo"])
@pytest.mark.parametrize(
    ("value", "to"),
    [
        ("a@Free.example", ["a@Free.example"]),
        ("smtp:a@Free.example", ["a@Free.example"]),
        ('"A" [SMTP:a@Free.example];b@other.example', ["a@Free.example", "b@other.example"]),
        ('["a@Free.example"]', ["a@Free.example"]),
        ("Doctor Who", ["Doctor Who"]),
    ],
)
def test_an_inbox_rule_that_forwards(operation: str, parameter: str, value: str, to: Sequence[str]) -> None:
    found = events(cmdlet(operation, Name=".", Mailbox="alice.nurse@clinic.example", DeleteMessage="True", **{parameter: value}))

    assert [one.details["forward_to"] for one in found] == to
    assert [one.details.get("forward_domain") for one in found] == [one.partition("@")[2].lower() or None for one in to]
    assert len({one.event_id for one in found}) == len(to)
    first = found[0]
    assert (first.source, first.action, first.outcome) == (Source.MAIL, "forward_rule", "success")
    assert {"mailbox": "alice.nurse@clinic.example", "rule": ".", "deletes": True}.items() <= first.details.items()


@pytest.mark.parametrize(
    "properties",
    [
        {"RuleActions": '[{"ActionType":"Forward","Recipients":["a@free.example"],"ForwardFlags":"None"}]'},
        {"RuleActions": '[{"ActionType":"Move"},{"ActionType":"Redirect","Recipients":["a@free.example"]}]'},
        {"ServerRule": '{"Actions":[{"$type":"ForwardToRecipientsAction","To":[{"Values":[{"Value":"a@free.example"}]}]}]}'},
    ],
)
def test_a_rule_of_outlook_that_forwards(properties: Mapping[str, str]) -> None:
    given = [
        {"Name": name, "Value": value} for name, value in {"RuleOperation": "AddMailboxRule", "RuleName": "x", **properties}.items()
    ]
    found = event(record(Operation="UpdateInboxRules", OperationProperties=given, MailboxOwnerUPN="bob.clerk@clinic.example"))

    expected = {
        "forward_to": "a@free.example",
        "forward_domain": "free.example",
        "rule": "x",
        "mailbox": "bob.clerk@clinic.example",
    }
    assert found.action == "forward_rule"
    assert expected.items() <= found.details.items()


def test_a_rule_that_only_moves_forwards_nothing() -> None:
    moves = [{"Name": "RuleActions", "Value": '[{"ActionType":"Move","Folder":"x@y.example"}]'}]

    assert event(cmdlet("New-InboxRule", Name="x", MoveToFolder="RSS")).action == "new_inbox_rule"
    assert event(record(Operation="UpdateInboxRules", OperationProperties=moves)).action == "update_inbox_rules"


def test_forwarding_of_a_mailbox() -> None:
    found = event(
        cmdlet(
            "Set-Mailbox",
            Identity="bob.clerk@clinic.example",
            ForwardingSmtpAddress="smtp:bob@home.example",
            DeliverToMailboxAndForward="False",
        )
    )

    expected = {
        "forward_to": "bob@home.example",
        "forward_domain": "home.example",
        "local_copy": False,
        "mailbox": "bob.clerk@clinic.example",
    }
    assert found.action == "forward_rule"
    assert expected.items() <= found.details.items()


@pytest.mark.parametrize("parameter", ["ForwardingSmtpAddress", "ForwardingAddress"])
@pytest.mark.parametrize("value", ["", "$null"])
def test_forwarding_that_was_taken_away(parameter: str, value: str) -> None:
    found = event(cmdlet("Set-Mailbox", Identity="bob.clerk@clinic.example", **{parameter: value}))

    assert (found.action, found.details["removed"], found.details.get("forward_to")) == ("forward_rule", True, None)


def test_a_mailbox_that_is_set_otherwise_forwards_nothing() -> None:
    assert (
        event(cmdlet("Set-Mailbox", Identity="bob.clerk@clinic.example", HiddenFromAddressListsEnabled="True")).action
        == "set_mailbox"
    )
    assert event(cmdlet("Set-Mailbox", Identity="x", DeliverToMailboxAndForward="True")).action == "forward_rule"
    assert event(cmdlet("Set-Mailbox", Identity="x", DeliverToMailboxAndForward="False")).action == "set_mailbox"


def test_a_transport_rule_that_copies_says_to_whom() -> None:
    found = event(cmdlet("New-TransportRule", Name="Copy", BlindCopyTo="archive@other.example"))

    assert (found.source, found.action) == (Source.MAIL, "policy_change")
    assert {
        "policy": "Copy",
        "forward_to": "archive@other.example",
        "forward_domain": "other.example",
    }.items() <= found.details.items()


# --- Auditing itself -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "parameters", "action"),
    [
        ("Set-MailboxAuditBypassAssociation", {"AuditBypassEnabled": "True"}, "audit_stop"),
        ("Set-MailboxAuditBypassAssociation", {"AuditBypassEnabled": "$true"}, "audit_stop"),
        ("Set-MailboxAuditBypassAssociation", {"AuditBypassEnabled": "False"}, "audit_start"),
        ("Set-AdminAuditLogConfig", {"UnifiedAuditLogIngestionEnabled": "False"}, "audit_stop"),
        ("Set-AdminAuditLogConfig", {"UnifiedAuditLogIngestionEnabled": "True"}, "audit_start"),
        ("Set-AdminAuditLogConfig", {"AdminAuditLogEnabled": "False"}, "audit_stop"),
        ("Set-AdminAuditLogConfig", {"AdminAuditLogAgeLimit": "1"}, "set_admin_audit_log_config"),
        ("Set-Mailbox", {"AuditEnabled": "False"}, "audit_stop"),
        ("Set-Mailbox", {"AuditEnabled": "True"}, "audit_start"),
        ("Set-Mailbox", {"AuditOwner": "@{Remove=MailItemsAccessed}"}, "policy_change"),
        ("Set-OrganizationConfig", {"AuditDisabled": "True"}, "audit_stop"),
    ],
)
def test_auditing_switched(operation: str, parameters: Mapping[str, str], action: str) -> None:
    found = event(cmdlet(operation, Identity="svc.sync@clinic.example", **parameters))

    assert found.action == action
    if action.startswith("audit"):
        assert found.details["audited"] == "svc.sync@clinic.example"


def test_an_attempt_that_failed_stopped_nothing() -> None:
    given = [{"Name": "UnifiedAuditLogIngestionEnabled", "Value": "False"}]
    found = event(record(Operation="Set-AdminAuditLogConfig", ResultStatus="False", Parameters=given))

    assert (found.action, found.outcome) == ("set_admin_audit_log_config", "failure")


# --- Consent and scanned mail ----------------------------------------------------------------------------------------------------


def test_consent_to_an_application() -> None:
    before, after = (
        "Id: a, ConsentType: Principal, Scope: Old.Scope",
        "Id: x, ConsentType: AllPrincipals, Scope: Mail.Read Files.Read",
    )
    permissions = f"[[{before}]] => [[{after}, CreatedDateTime: ]]"
    changes = [
        {"Name": "ConsentContext.IsAdminConsent", "NewValue": "True", "OldValue": ""},
        {"Name": "ConsentAction.Permissions", "NewValue": permissions, "OldValue": ""},
        {"Name": "TargetId.ServicePrincipalNames", "NewValue": "https://x;b0000000-0000-4000-8000-000000000009", "OldValue": ""},
    ]
    target = [{"ID": "ServicePrincipal_e1", "Type": 2}, {"ID": "Mail Helper", "Type": 1}]
    found = event(record(Operation="Consent to application.", ModifiedProperties=changes, Target=target, ObjectId="x"))

    expected = {
        "application": "Mail Helper",
        "client_id": "b0000000-0000-4000-8000-000000000009",
        "scopes": ["Mail.Read", "Files.Read"],
        "consent_type": "AllPrincipals",
        "admin_consent": True,
    }
    assert found.action == "app_consent"
    assert expected.items() <= found.details.items()


def test_a_scanned_mail_is_an_event_for_each_recipient() -> None:
    mail = {"Recipients": ["a@clinic.example", "b@clinic.example"], "P2Sender": "x@bad.example", "SenderIp": "203.0.113.66"}
    one, two = events(record(Operation="TIMailData", DeliveryAction="Blocked", Directionality="Inbound", ClientIP=..., **mail))

    assert [(found.action, found.outcome, found.details["to"]) for found in (one, two)] == [
        ("discard", "dropped", "a@clinic.example"),
        ("discard", "dropped", "b@clinic.example"),
    ]
    assert (one.actor, one.ip) == (Actor(id="x@bad.example", kind=ActorKind.SYSTEM), "203.0.113.66")
    assert two.event_id == f"{one.event_id}#2"


# --- Forms -----------------------------------------------------------------------------------------------------------------------


def exported(**outer: object) -> bytes:
    return json.dumps({"AuditData": record().decode(), **outer}).encode()


@pytest.mark.parametrize(
    "content",
    [
        exported(CreationDate="2026-03-02T06:00:00", UserIds="x", Operations="y", RecordType="ExchangeItem", Identity="z"),
        json.dumps({"id": "z", "operation": "y", "auditData": json.loads(record())}).encode(),
        json.dumps({"o365audit": json.loads(record())}).encode(),
    ],
)
def test_the_record_inside_an_export_is_the_one_to_believe(content: bytes) -> None:
    bare, found = event(record()), event(content)

    assert (found.event_id, found.time, found.action, found.actor) == (bare.event_id, bare.time, bare.action, bare.actor)
    assert found.raw == content


def test_what_only_graph_says_around_the_record_is_taken_from_there() -> None:
    row = {
        "id": "g1",
        "createdDateTime": "2026-03-02T06:00:00Z",
        "operation": "SharingSet",
        "userId": "a@clinic.example",
        "clientIp": "10.1.1.1",
    }
    found = event(json.dumps({**row, "auditData": {"TargetUserOrGroupName": "friend@home.example"}}).encode())

    assert (found.event_id, found.action, found.ip, found.actor.id) == ("g1", "sharing_set", "10.1.1.1", "a@clinic.example")
    assert found.details["target_user"] == "friend@home.example"


def csv_of(*rows: bytes) -> bytes:
    lines = [b'"CreationDate","UserIds","Operations","AuditData"']
    lines += [b'"3/2/2026 6:00:00 AM","x","y","%s"' % row.replace(b'"', b'""') for row in rows]
    return b"\r\n".join(lines) + b"\r\n"


@pytest.mark.parametrize("head", [b"", b"#TYPE Selected.UnifiedAuditLogEvent\r\n", b"\xef\xbb\xbf"])
def test_an_export_as_csv(head: bytes) -> None:
    reader = parser()
    records = cut(head + csv_of(record(), record(Id="a2", Operation="FileDownloaded")))

    assert [(one.event_id, one.action) for content in records for one in events(content, reader)] == [
        ("a1", "update"),
        ("a2", "download_record"),
    ]
    assert event(records[1]).event_id == "a2"  # a row has all it needs, without its header too


@pytest.mark.parametrize("wrapping", [b"[%s,%s]", b"%s\n%s", b'{"value": [%s, %s]}', b'{"records":[%s,%s]}'])
def test_whatever_wraps_the_records(wrapping: bytes) -> None:
    assert cut(wrapping % (record(), record(Id="a2"))) == [record(), record(Id="a2")]
    assert [one.event_id for one in events(b'{"value": [%s, %s]}' % (record(), record(Id="a2")))] == ["a1", "a2"]


def test_the_same_record_has_the_same_id_also_without_an_own_one() -> None:
    assert event(record(Id=...)).event_id == event(record(Id=...)).event_id
    assert event(record(Id=...)).event_id != event(record(Id=..., UserId="b@clinic.example")).event_id


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (record(Operation=...), "the record has no Operation and CreationTime"),
        (record(CreationTime=...), "the record has no Operation and CreationTime"),
        (record(CreationTime="SECRET"), "CreationTime is not an RFC 3339 time"),
        (json.dumps({"AuditData": "{SECRET"}).encode(), "AuditData is no JSON object"),
        (b'["SECRET"]', "the record is an array, not an object that says anything"),
        (b"{", "the record is not valid JSON"),
        (b"", "the record is one line"),
        (b"SECRET", "the record is one line"),
        (b"\xff\xfe", "the record is one line"),
    ],
)
def test_a_refusal_says_what_is_wrong(content: bytes, reason: str) -> None:
    (parsed,) = parser().parse(content)

    assert isinstance(parsed, Rejected)
    assert parsed.reason.startswith(reason), parsed.reason
    assert "SECRET" not in parsed.reason
    assert parsed.raw == content


# --- Anything --------------------------------------------------------------------------------------------------------------------


def check(content: bytes, parsed: Sequence[Parsed]) -> None:
    assert parsed
    for one in parsed:
        assert one.raw == content
        if isinstance(one, AuditEvent):
            assert normalise(one.details) == one.details
        else:
            assert 0 < len(one.reason) < 300
    assert len({one.event_id for one in parsed if isinstance(one, AuditEvent)}) in (0, len(parsed))


@settings(deadline=None, max_examples=200)
@given(content=st.sampled_from(GOLDEN), seed=st.integers(0, 2**32))
def test_bent_exports(content: bytes, seed: int) -> None:
    reader = parser()
    for one in cut(bent_export(content, seed)):
        check(one, reader.parse(one))


@settings(deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    check(content, parser().parse(content))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3))
RECORDS = [one for content in GOLDEN for one in cut(content) if one.startswith(b"{")]


@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_any_value_in_place_of_any_field(data: st.DataObject) -> None:
    document = json.loads(data.draw(st.sampled_from(RECORDS)))
    inner, path = document, []
    while isinstance(inner, dict | list) and inner:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))))
        path.append((inner, key))
        inner = inner[key]
    holder, key = data.draw(st.sampled_from(path))
    holder[key] = data.draw(VALUES)
    content = json.dumps(document).encode()
    check(content, parser().parse(content))


def test_the_answer_keys_of_real_records_agree(samples: Path) -> None:
    agreement = Agreement()
    microsoft.measure(samples, agreement)
    keys = [key for key in agreement.compared if key[0] == "m365-audit"]

    assert sum(agreement.agreed[key] for key in keys) / sum(agreement.compared[key] for key in keys) >= 0.99
    assert not [reason for reason in agreement.quarantined if reason[0] == "m365-audit"]


def test_the_sample_of_the_page_is_understood() -> None:
    (sample,) = re.findall(r"^```m365-audit\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    assert [one.action for content in cut(sample.encode()) for one in events(content)] == [
        "mail_items_accessed",
        "audit_gap",
        "forward_rule",
    ]
