"""ATNA audit messages: both spellings, any header, and XML that attacks the reader."""

import pytest

from domain.event import ActorKind, AuditEvent
from domain.record import Parsed, Rejected
from ingest.parsers.atna import AtnaParser

PATIENT = (
    '<ParticipantObjectIdentification ParticipantObjectID="P-1" ParticipantObjectTypeCode="1" ParticipantObjectTypeCodeRole="1"/>'
)


def message(
    *,
    event: str = '<EventID csd-code="110110" codeSystemName="DCM" originalText="Patient Record"/>',
    types: str = "",
    attributes: str = 'EventActionCode="R" EventDateTime="2026-03-02T06:30:00Z" EventOutcomeIndicator="0"',
    participants: str = '<ActiveParticipant UserID="alice" UserIsRequestor="true"/>',
    objects: str = PATIENT,
) -> str:
    return (
        f"<AuditMessage><EventIdentification {attributes}>{event}{types}</EventIdentification>{participants}"
        f'<AuditSourceIdentification AuditSourceID="ehr"/>{objects}</AuditMessage>'
    )


def parse(record: str | bytes) -> list[Parsed]:
    return AtnaParser("ehr").parse(record.encode() if isinstance(record, str) else record)


def one(record: str | bytes) -> AuditEvent:
    (parsed,) = parse(record)
    assert isinstance(parsed, AuditEvent), parsed.reason
    return parsed


def refusal(record: str | bytes) -> str:
    (parsed,) = parse(record)
    assert isinstance(parsed, Rejected)
    assert parsed.raw == (record.encode() if isinstance(record, str) else record)
    return parsed.reason


@pytest.mark.parametrize(
    ("event", "kind", "verb", "action"),
    [
        ("110110", None, "R", "view_chart"),
        ("110110", None, "C", "create_chart"),
        ("110110", None, "U", "edit_chart"),
        ("110110", None, "D", "delete_chart"),
        ("110110", None, "E", "view_chart"),
        ("110103", None, "R", "view_imaging"),
        ("110109", None, "R", "view_orders"),
        ("110106", None, "R", "export"),
        ("110107", "ITI-41", "C", "import"),
        ("110112", "ITI-55", "E", "search"),
        ("110101", None, "R", "audit_log_used"),
        ("110100", "110120", "E", "application_start"),
        ("110100", "110121", "E", "application_stop"),
        ("110113", "110127", "E", "break_glass"),
        ("110113", "110138", "E", "break_glass_end"),
        ("110113", "110133", "E", "audit_stop"),
        ("110113", "110134", "E", "audit_start"),
        ("110113", "110136", "E", "privilege_change"),
        ("110113", None, "E", "security_alert"),
        ("110114", "110122", "E", "login"),
        ("110114", "110123", "E", "logout"),
        ("110114", "110999", "E", "authentication"),
    ],
)
def test_event_ids_become_actions(event: str, kind: str | None, verb: str, action: str) -> None:
    parsed = one(
        message(
            event=f'<EventID csd-code="{event}" codeSystemName="DCM"/>',
            types=f'<EventTypeCode csd-code="{kind}"/>' if kind else "",
            attributes=f'EventActionCode="{verb}" EventDateTime="2026-03-02T06:30:00Z" EventOutcomeIndicator="0"',
        )
    )

    assert parsed.action == action


@pytest.mark.parametrize(
    ("event", "action"),
    [
        ('<EventID code="110114" displayName="User Authentication" codeSystemName="DCM"/>', "authentication"),
        ('<EventID code="eventIDcode" displayName="Patient Record" codeSystemName="DCM"/>', "view_chart"),
        ('<EventID code="EHR-17" displayName="Label Printed" codeSystemName="local"/>', "label_printed"),
        ("<EventID/>", "audit_message"),
        ("", "audit_message"),
    ],
)
def test_older_and_odd_spellings_of_the_event_are_understood(event: str, action: str) -> None:
    assert one(message(event=event)).action == action


@pytest.mark.parametrize(
    ("indicator", "outcome"), [("0", "success"), ("4", "failure"), ("8", "failure"), ("12", "failure"), ("", None)]
)
def test_outcomes(indicator: str, outcome: str | None) -> None:
    attributes = f'EventDateTime="2026-03-02T06:30:00Z" EventOutcomeIndicator="{indicator}"'

    assert one(message(attributes=attributes)).outcome == outcome


@pytest.mark.parametrize(
    "record",
    [
        "{}",
        '<?xml version="1.0" encoding="UTF-8"?>{}',
        "<85>1 2026-03-02T06:30:00Z host app 1 IHE+RFC-3881 - {}",
        "<85>1 2026-03-02T06:30:00Z host app 1 IHE+RFC-3881 - \ufeff<?xml version='1.0' encoding='utf-8'?>\n{}\n",
        "<80>Mar  2 06:30:00 host app[1]: {}\x00",
        "\ufeff  {}",
    ],
)
def test_the_message_is_the_same_whatever_stands_around_it(record: str) -> None:
    parsed = one(record.format(message()))

    assert (parsed.action, parsed.actor.id, parsed.patient_id) == ("view_chart", "alice", "P-1")
    assert parsed.raw == record.format(message()).encode()


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "windows-1252"])
def test_declared_encodings_are_read(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + message(participants='<ActiveParticipant UserID="zoë"/>')

    assert one(text.encode(encoding)).actor.id == "zoë"


def test_ascii_is_declared_and_utf8_is_sent() -> None:
    text = '<?xml version="1.0" encoding="ASCII"?>' + message(participants='<ActiveParticipant UserID="zoë"/>')

    assert one(text).actor.id == "zoë"


@pytest.mark.parametrize(
    ("participants", "identity", "kind"),
    [
        ('<ActiveParticipant UserID="bob" UserIsRequestor="true"/>', "bob", ActorKind.STAFF),
        (
            '<ActiveParticipant UserID="app"><RoleIDCode csd-code="110150"/></ActiveParticipant><ActiveParticipant UserID="bob"/>',
            "bob",
            ActorKind.STAFF,
        ),
        (
            '<ActiveParticipant UserID="app" UserIsRequestor="true"><RoleIDCode code="110153"/></ActiveParticipant>',
            "app",
            ActorKind.SERVICE,
        ),
        (
            '<ActiveParticipant UserID="bob" UserName="Dr. Bob"><RoleIDCode code="110153"/></ActiveParticipant>',
            "bob",
            ActorKind.STAFF,
        ),
        ('<ActiveParticipant UserID="HOST$" UserIsRequestor="true"/>', "HOST$", ActorKind.SERVICE),
        (
            '<ActiveParticipant UserID="other" UserIsRequestor="false"/><ActiveParticipant UserID="bob" UserIsRequestor="true"/>',
            "bob",
            ActorKind.STAFF,
        ),
    ],
)
def test_the_actor_is_the_person_who_asked_else_the_program(participants: str, identity: str, kind: ActorKind) -> None:
    parsed = one(message(participants=participants))

    assert (parsed.actor.id, parsed.actor.kind) == (identity, kind)


def test_each_patient_object_is_an_event_and_queries_are_kept_as_they_came() -> None:
    objects = (
        PATIENT.replace("P-1", "P-1^^^A&amp;1.2&amp;ISO")
        + PATIENT.replace("P-1", "P-1^^^B&amp;1.3&amp;ISO")
        + '<ParticipantObjectIdentification ParticipantObjectID="q" ParticipantObjectTypeCodeRole="24">'
        "<ParticipantObjectQuery>bmFtZT1k</ParticipantObjectQuery></ParticipantObjectIdentification>"
    )

    first, second = parse(message(objects=objects))

    assert isinstance(first, AuditEvent)
    assert isinstance(second, AuditEvent)
    assert (first.patient_id, second.patient_id) == ("P-1", "P-1")
    assert second.event_id == f"{first.event_id}#2"
    assert first.details["objects"] == [{"id": "q", "role": "24", "query": "bmFtZT1k"}]
    assert first.details["patient"] == {"id": "P-1^^^A&1.2&ISO", "type": "1", "role": "1", "authority": "A&1.2&ISO"}


def test_sent_again_in_another_header_it_is_the_same_event() -> None:
    ids = {
        one(header + message()).event_id for header in ("", "<85>1 2026-03-02T06:30:00Z h a - - - ", "<85>Mar  2 06:30:09 h a: ")
    }

    assert len(ids) == 1


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ('<?xml version="1.0"?><!DOCTYPE AuditMessage [<!ENTITY x "y">]>' + message(), "declares a document type or entity"),
        ('<!doctype AuditMessage SYSTEM "http://192.0.2.1/x.dtd">' + message(), "declares a document type or entity"),
        (('<!DOCTYPE a [<!ENTITY b "c">]>' + message()).encode("utf-16"), "declares a document type or entity"),
        (message().replace("UserID", "UserID='a' UserID"), "not well-formed (line 1)"),
        (message()[:-20], "not well-formed"),
        ("<AuditMessage>" + "<a>" * 5000, "the XML is nested too deep"),
        ('<?xml version="1.0" encoding="utf-7"?>' + message(), "an encoding that is not read"),
        (message().encode().replace(b"alice", b"\xff\xfe"), "the XML is not valid UTF-8"),
        ("no xml", "the record holds no XML"),
        ("", "the record holds no XML"),
        ("<Other/>", "the root element is not AuditMessage"),
        ("<AuditMessage/>", "EventIdentification is missing"),
        (message(participants=""), "no ActiveParticipant has a UserID"),
        (message(attributes='EventDateTime="2026-03-02T06:30:00"'), "EventDateTime has no UTC offset"),
        (message(attributes='EventDateTime="0001-01-01T00:00:00Z"'), "time lies outside 1990 to 2200"),
        (message(attributes=""), "EventDateTime is missing"),
    ],
)
def test_what_cannot_be_trusted_or_understood_is_refused_with_the_cause(record: str | bytes, reason: str) -> None:
    assert reason in refusal(record)


def test_comments_and_namespaces_are_no_obstacle() -> None:
    text = message().replace("<AuditMessage>", '<a:AuditMessage xmlns:a="urn:x"><!-- <ActiveParticipant UserID="mallory"/> -->')

    assert one(text.replace("</AuditMessage>", "</a:AuditMessage>")).actor.id == "alice"


@pytest.mark.parametrize("gap", [" \n", " ", "\t"])
def test_a_gap_of_any_length_is_passed_over(gap: str) -> None:
    """The search for a declaration once began anew at each blank: minutes for a megabyte."""
    text = message(objects=gap * 100_000 + PATIENT)

    assert one(text).patient_id == "P-1"
    assert one(f"<?xml version='1.0'?>{gap * 100_000}{message()}").actor.id == "alice"


def test_a_very_long_code_is_cut_to_an_action() -> None:
    assert one(message(event=f'<EventID csd-code="{"aB" * 50_000}"/>')).action == ("a_" + "ba_" * 50)[:128]
