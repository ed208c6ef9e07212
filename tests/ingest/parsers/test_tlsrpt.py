"""SMTP TLS reports: every container, the mistakes that senders make, and what a report does not say."""

import base64
import gzip
import io
import json
import quopri
import random
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json, normalise
from domain.record import Parsed, Rejected
from domain.tls import TlsVerdict, judge
from ingest.parsers.records import Feed, Oversize
from ingest.parsers.tlsrpt import MOST_POLICIES, TlsrptParser
from ingest.parsers.tlsrpt_mail import MAX_UNPACKED, tlsrpt_records
from ingest.parsers.tlsrpt_report import MOST_FAILURES, RESULT_TYPES
from tests.conformance import web
from tests.conformance.agreement import Agreement

PAGE = (Path(__file__).parents[3] / "docs" / "formats" / "tlsrpt.md").read_text()
RECEIVED = datetime(2026, 3, 3, 12, tzinfo=UTC)
REPORT: Mapping[str, object] = {
    "organization-name": "Partner Health",
    "date-range": {"start-datetime": "2026-03-02T00:00:00Z", "end-datetime": "2026-03-02T23:59:59Z"},
    "contact-info": "tls@partner.example",
    "report-id": "r-1@partner.example",
    "policies": [
        {
            "policy": {
                "policy-type": "sts",
                "policy-string": ["version: STSv1", "mode: enforce", "mx: mx.clinic.example", "max_age: 86400"],
                "policy-domain": "clinic.example",
                "mx-host": ["mx.clinic.example"],
            },
            "summary": {"total-successful-session-count": 40, "total-failure-session-count": 3},
            "failure-details": [
                {
                    "result-type": "certificate-expired",
                    "sending-mta-ip": "203.0.113.7",
                    "receiving-mx-hostname": "mx.clinic.example",
                    "failed-session-count": 3,
                }
            ],
        }
    ],
}


def parse(record: bytes) -> list[Parsed]:
    return TlsrptParser("mail-in", received=lambda: RECEIVED).parse(record)


def events(record: bytes) -> list[AuditEvent]:
    parsed = parse(record)
    found = [one for one in parsed if isinstance(one, AuditEvent)]
    assert found == parsed, parsed
    return found


def refusal(record: bytes) -> str:
    (parsed,) = parse(record)
    assert isinstance(parsed, Rejected)
    assert parsed.raw == record
    return parsed.reason


def report(**changes: object) -> bytes:
    return json.dumps({name: value for name, value in {**REPORT, **changes}.items() if value is not ...}).encode()


def details(record: bytes) -> Mapping[str, Json]:
    (event,) = events(record)
    return event.details


def policy(**changes: object) -> Mapping[str, Json]:
    """The details of a report whose one policy is this, with `policy` and `summary` merged into the usual ones."""
    (usual,) = json.loads(report())["policies"]
    merged = {**usual, **{name: value for name, value in changes.items() if value is not ...}}
    for name, value in changes.items():
        if value is ...:
            del merged[name]
    return details(report(policies=[merged]))


def mail(*parts: tuple[str, str, bytes], **header: str) -> bytes:
    """A mail of parts (type, encoding, content as encoded)."""
    lines = {"From": "tls@partner.example", "Date": "Tue, 3 Mar 2026 04:00:00 +0000", **header}
    text = [f"{name.replace('_', '-')}: {value}" for name, value in lines.items()]
    kind_of_mail = 'Content-Type: multipart/report; report-type=tlsrpt;\r\n\tboundary="b 1"'
    out = "\r\n".join([*text, kind_of_mail, "", "preamble", ""]).encode()
    for kind, encoding, content in parts:
        out += f"--b 1\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + content + b"\r\n"
    return out + b"--b 1--\r\n"


def in_base64(content: bytes) -> bytes:
    return base64.encodebytes(content)


# --- What a report says ----------------------------------------------------------------------------------------------------------


def test_a_policy_is_an_event_about_mail_that_came_in() -> None:
    (event,) = events(report())

    assert (event.source, event.action, event.outcome) == (Source.MAIL, "tls_report", "failure")
    assert event.time == datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)
    assert event.actor == Actor(id="Partner Health", kind=ActorKind.SYSTEM)
    assert event.details == {
        "direction": "inbound",
        "organisation": "Partner Health",
        "contact": "tls@partner.example",
        "report_id": "r-1@partner.example",
        "period": {"start": "2026-03-02T00:00:00.000000Z", "end": "2026-03-02T23:59:59.000000Z"},
        "policy_type": "sts",
        "policy_domain": "clinic.example",
        "policy_mode": "enforce",
        "policy_string": ["version: STSv1", "mode: enforce", "mx: mx.clinic.example", "max_age: 86400"],
        "mx_host": ["mx.clinic.example"],
        "successful_sessions": 40,
        "failed_sessions": 3,
        "result_types": ["certificate-expired"],
        "failed_by_type": {"certificate_expired": 3},
        "failure_details": [
            {
                "result_type": "certificate-expired",
                "sending_mta_ip": "203.0.113.7",
                "receiving_mx_hostname": "mx.clinic.example",
                "failed_session_count": 3,
            }
        ],
    }


def test_a_report_is_no_evidence_about_a_delivery() -> None:
    (event,) = events(report())

    assert judge(event.details).verdict is TlsVerdict.UNKNOWN


def test_each_policy_is_an_event_with_an_id_of_its_own() -> None:
    (one,) = json.loads(report())["policies"]
    other = {"policy": {"policy-type": "no-policy-found", "policy-domain": "b.example"}, "summary": {}}

    first, second = events(report(policies=[one, other]))

    assert second.event_id == f"{first.event_id}#2"
    assert (second.details["policy_type"], second.details["policy_domain"]) == ("no-policy-found", "b.example")
    assert second.outcome is None


@pytest.mark.parametrize("kind", RESULT_TYPES)
def test_the_failures_of_a_type_are_summed_under_a_name_that_a_rule_can_ask_for(kind: str) -> None:
    found = policy(**{"failure-details": [{"result-type": kind, "failed-session-count": n} for n in (2, 5)]})

    assert found["failed_by_type"] == {kind.replace("-", "_"): 7}


@pytest.mark.parametrize(
    ("summary", "outcome"),
    [
        ({"total-successful-session-count": 4, "total-failure-session-count": 0}, "success"),
        ({"total-successful-session-count": 0, "total-failure-session-count": 0}, "success"),
        ({"total-successful-session-count": 4, "total-failure-session-count": 1}, "failure"),
        ({"total-successful-session-count": 4}, None),
        ({"total-failure-session-count": 0}, None),
        ({}, None),
    ],
)
def test_what_is_not_counted_is_no_success(summary: object, outcome: str | None) -> None:
    (one,) = json.loads(report())["policies"]
    del one["failure-details"]
    (event,) = events(report(policies=[{**one, "summary": summary}]))

    assert event.outcome == outcome


# --- Field bugs ------------------------------------------------------------------------------------------------------------------


def test_lists_where_single_values_belong_and_the_other_way_round() -> None:
    (one,) = json.loads(report())["policies"]
    one["failure-details"] = one["failure-details"][0]
    one["policy"] = {**one["policy"], "policy-string": "version: STSv1\nmode: testing", "mx-host": "MX.clinic.example"}

    found = details(report(policies=one))

    assert (found["mx_host"], found["policy_string"]) == (["MX.clinic.example"], ["version: STSv1\nmode: testing"])
    assert (found["policy_mode"], found["failed_by_type"]) == ("testing", {"certificate_expired": 3})


@pytest.mark.parametrize(
    "key",
    [
        *("failed-session-count", "failed_session_count", "failedSessionCount", "failed-sessions-count", "failure-session-count"),
        *("failed-sesion-count", "Failed-Session-Count", "failed-session-counts", "session-count", "count"),
    ],
)
def test_the_count_of_a_failure_in_any_spelling(key: str) -> None:
    found = policy(**{"failure-details": [{"result-type": "tlsa-invalid", key: "7"}]})

    assert found["failed_by_type"] == {"tlsa_invalid": 7}


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("total-successful-session-count", "total-failure-session-count"),
        ("total-succesful-session-count", "total-failed-session-count"),
        ("total_successful_session_count", "total_failure_session_count"),
        ("totalSuccessSessionCount", "totalFailureSessionCount"),
        ("total-successful-sessions-count", "total-failure-sessions-count"),
    ],
)
@pytest.mark.parametrize("value", [12, "12", " 12 ", 12.0])
def test_the_totals_in_any_spelling(good: str, bad: str, value: object) -> None:
    found = policy(summary={good: value, bad: value})

    assert (found["successful_sessions"], found["failed_sessions"]) == (12, 12)


@pytest.mark.parametrize("value", [None, "many", -1, True, [], {}, 1.5])
def test_a_count_that_is_none_is_not_known(value: object) -> None:
    found = policy(summary={"total-successful-session-count": value}, **{"failure-details": ...})

    assert "successful_sessions" not in found


def test_without_totals_the_failures_themselves_are_counted() -> None:
    assert policy(summary=...)["failed_sessions"] == 3


@pytest.mark.parametrize("missing", [*REPORT])
def test_any_field_may_be_missing(missing: str) -> None:
    assert events(report(**{missing: ...}))


@pytest.mark.parametrize("missing", ["policy", "summary", "failure-details"])
def test_any_part_of_a_policy_may_be_missing(missing: str) -> None:
    assert policy(**{missing: ...})["direction"] == "inbound"


@pytest.mark.parametrize("value", [None, "", [], {}, 5])
def test_null_and_nonsense_in_place_of_a_field_is_left_out(value: object) -> None:
    one = {"failure-details": value, "summary": value}
    found = details(report(**{"contact-info": value, "report-id": value, "policies": [one]}))

    assert "result_types" not in found


def test_fields_of_a_policy_beside_each_other_and_the_names_of_early_drafts() -> None:
    flat = {
        "policy_type": "No Policy Found",
        "policy_domain": "Clinic.Example.",
        "mx_host_patterns": ["a", "b"],
        "successful_session_count": 9,
        "failed_session_count": 1,
        "failure_details": [{"result_type": "STARTTLS not supported", "failure-error-code": "X509"}],
    }
    found = details(report(policies=[flat]))

    assert (found["policy_type"], found["policy_domain"], found["mx_host"]) == ("no-policy-found", "clinic.example", ["a", "b"])
    assert (found["successful_sessions"], found["failed_sessions"]) == (9, 1)
    assert found["failure_details"] == [{"result_type": "starttls-not-supported", "failure_reason_code": "X509"}]
    assert found["failed_by_type"] == {"starttls_not_supported": 1}


@pytest.mark.parametrize(
    "text",
    [
        *("2026-03-02T23:59:59Z", "2026-03-02 23:59:59", "2026-03-02T23:59:59+0000", "2026-03-02T23:59:59 Z"),
        *(
            "2026-03-02T23:59:59",
            "2026-03-02 23:59:59 UTC",
            "2026-03-02T23:59:59.000Z",
            "2026-03-02t23:59:59+00",
            "2026-03-03T01:59:59+02:00",
        ),
        *(" 2026-03-02T23:59:59Z ", 1772495999, "1772495999", 1772495999000),
    ],
)
def test_the_times_of_the_period_in_any_spelling(text: object) -> None:
    (event,) = events(report(**{"date-range": {"start-datetime": None, "end-datetime": text}}))

    assert event.time == datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)


def test_a_day_alone_and_a_report_without_period() -> None:
    (day,) = events(report(**{"date-range": {"start_date": "2026-03-02"}}))
    (none,) = events(report(**{"date-range": ...}))

    assert day.time == datetime(2026, 3, 2, tzinfo=UTC)
    assert (none.time, none.details["time_from"]) == (RECEIVED, "receipt")


@pytest.mark.parametrize("text", ["SECRET", True, [1], "2026-13-01T00:00:00Z", "1066-01-01T00:00:00Z"])
def test_a_time_that_cannot_be_read_is_refused_without_its_value(text: object) -> None:
    reason = refusal(report(**{"date-range": {"end-datetime": text}}))

    assert reason.startswith("end-datetime ")
    assert "SECRET" not in reason


@pytest.mark.parametrize(
    ("changes", "actor"),
    [
        ({"organization-name": ...}, "tls@partner.example"),
        ({"organization-name": "", "contact-info": None}, "mail-in"),
        ({"organization-name": ..., "organisation_name": "A"}, "A"),
    ],
)
def test_who_reports(changes: dict[str, object], actor: str) -> None:
    (event,) = events(report(**changes))

    assert event.actor.id == actor


def test_many_failures_are_summed_and_the_first_kept() -> None:
    entries = [{"result-type": "validation-failure", "failed-session-count": 1}] * (MOST_FAILURES + 5)
    found = policy(**{"failure-details": entries})

    assert found["failed_by_type"] == {"validation_failure": MOST_FAILURES + 5}
    assert (len(list(found["failure_details"])), found["failure_details_omitted"]) == (MOST_FAILURES, 5)  # type: ignore[arg-type]


def test_too_many_policies_are_refused() -> None:
    (one,) = json.loads(report())["policies"]

    assert refusal(report(policies=[one] * (MOST_POLICIES + 1))) == f"the record has more than {MOST_POLICIES} policies"


# --- Containers ------------------------------------------------------------------------------------------------------------------

PACKED = gzip.compress(report(), mtime=0)


def archive(*contents: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for number, content in enumerate(contents):
            packed.writestr(f"{number}.json", content)
    return file.getvalue()


CARRIERS = {
    "bare": report(),
    "mark": b"\xef\xbb\xbf" + report() + b"\r\n\0",
    "utf-16": report().decode().encode("utf-16"),
    "array": b"[" + report() + b"]",
    "gzip": PACKED,
    "members": gzip.compress(report()[:40], mtime=0) + gzip.compress(report()[40:], mtime=0),
    "twice": gzip.compress(PACKED, mtime=0),
    "zip": archive(report()),
    "mail of gzip": mail(("text/plain", "7bit", b"A report."), ("application/tlsrpt+gzip", "base64", in_base64(PACKED))),
    "mail of json": mail(("application/tlsrpt+json", "8bit", report())),
    "quoted": mail(("application/tlsrpt+json; charset=utf-8", "Quoted-Printable", quopri.encodestring(report()))),
    "wrong type": mail(("application/octet-stream", "base64", in_base64(PACKED))),
    "text type": mail(("text/plain; name=report.json", "base64", in_base64(report()))),
    "zipped type": mail(("application/zip", "base64", in_base64(PACKED))),
    "no padding": mail(("application/tlsrpt+gzip", "base64", base64.b64encode(PACKED).rstrip(b"=") + b"\r\n")),
    "no encoding": mail(("application/gzip", "7bit", b"")).replace(
        b"Content-Transfer-Encoding: 7bit\r\n\r\n", b"\r\n" + in_base64(PACKED)
    ),
    "cut off": mail(("application/tlsrpt+gzip", "base64", in_base64(PACKED))).replace(b"--b 1--\r\n", b""),
    "line ends": mail(("application/tlsrpt+gzip", "base64", in_base64(PACKED))).replace(b"\r\n", b"\n"),
    "no parts": b"From: a@b.example\nContent-Type: application/tlsrpt+gzip\nContent-Transfer-Encoding: base64\n\n"
    + in_base64(PACKED),
    "forwarded": b"Subject: fwd\nContent-Type: message/rfc822\n\n" + mail(("application/tlsrpt+json", "8bit", report())),
    "a banner": mail(("text/plain", "7bit", b"[EXTERNAL] {mail}"), ("application/json", "8bit", report())),
}


@pytest.mark.parametrize("name", CARRIERS)
def test_a_report_is_the_same_whatever_carries_it(name: str) -> None:
    (bare,), (found,) = events(report()), events(CARRIERS[name])

    assert (found.event_id, found.time, found.actor, found.details) == (bare.event_id, bare.time, bare.actor, bare.details)
    assert found.raw == CARRIERS[name]


def test_several_attachments_are_all_read_and_a_copy_once() -> None:
    other = report(**{"report-id": "r-2"})
    parts = [("application/tlsrpt+gzip", "base64", in_base64(gzip.compress(one, mtime=0))) for one in (report(), other, report())]

    found = events(mail(*parts))

    assert [one.details["report_id"] for one in found] == ["r-1@partner.example", "r-2"]
    assert len({one.event_id for one in found}) == 2


def test_the_mail_says_who_and_when_where_the_report_does_not() -> None:
    bare = report(**{"organization-name": ..., "contact-info": ..., "date-range": ...})
    (named,) = events(mail(("application/tlsrpt+json", "8bit", bare), TLS_Report_Submitter="mta.partner.example"))
    (sender,) = events(mail(("application/tlsrpt+json", "8bit", bare)))

    assert (named.actor.id, sender.actor.id) == ("mta.partner.example", "partner.example")
    assert (named.time, named.details["time_from"]) == (datetime(2026, 3, 3, 4, tzinfo=UTC), "mail")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", "the record is neither JSON nor gzip nor an e-mail"),
        (b"\x00\x01", "the record is neither JSON nor gzip nor an e-mail"),
        (b"{", "the record is not valid JSON"),
        (b"{}", "the record is no TLS report"),
        (b'{"a": "SECRET"}', "the record is no TLS report"),
        (b"Subject: hello\n\nSECRET", "the e-mail carries no TLS report"),
        (gzip.compress(b"SECRET", mtime=0), "the record is neither JSON nor gzip nor an e-mail"),
        (PACKED[:30], "the gzip data end before their end"),
        (PACKED[:20] + b"\xff" * 40, "the gzip data are damaged"),
        (b"PK\x03\x04SECRET", "the zip archive is damaged"),
        (mail(("application/tlsrpt+gzip", "base64", b"!!!!")), "the record is neither JSON nor gzip nor an e-mail"),
        (mail(("application/gzip", "base64", in_base64(PACKED[:30]))), "the gzip data end before their end"),
        (mail(("text/plain", "7bit", b"[EXTERNAL]")), "the record is not valid JSON"),
    ],
)
def test_a_refusal_says_what_is_wrong(record: bytes, reason: str) -> None:
    found = refusal(record)

    assert found.startswith(reason)
    assert "SECRET" not in found


def test_a_damaged_attachment_is_not_passed_over_beside_a_good_one() -> None:
    good, bad = (("application/tlsrpt+gzip", "base64", in_base64(one)) for one in (PACKED, PACKED[:50]))

    assert "end before their end" in refusal(mail(good, bad))


def test_what_unpacks_to_too_much_is_refused() -> None:
    bomb = gzip.compress(b" " * (MAX_UNPACKED + 1), mtime=0)

    for record in (bomb, gzip.compress(bomb, mtime=0), archive(b" " * (MAX_UNPACKED + 1))):
        assert refusal(record) == f"the report unpacks to more than {MAX_UNPACKED} bytes"
    for kind in ("application/tlsrpt+gzip", "text/plain"):
        assert refusal(mail((kind, "base64", in_base64(bomb)))) == f"the report unpacks to more than {MAX_UNPACKED} bytes"


def test_what_is_packed_too_deep_is_refused() -> None:
    packed = report()
    for _ in range(9):
        packed = gzip.compress(packed, mtime=0)
    nested = report()
    for _ in range(9):
        nested = b"Content-Type: message/rfc822\n\n" + nested

    assert refusal(packed) == "the report is packed more than 6 times"
    assert "more than 6" in refusal(nested)


def test_too_many_parts_are_refused() -> None:
    assert refusal(mail(*[("text/plain", "7bit", b"x")] * 300)) == "the e-mail has more than 200 parts"


# --- Records ---------------------------------------------------------------------------------------------------------------------


def cut(content: bytes, size: int = 7, limit: int = 1_000_000) -> list[bytes | Oversize]:
    chunks: Iterator[bytes] = (content[at : at + size] for at in range(0, len(content), size))
    return list(tlsrpt_records(Feed(chunks), limit))


@pytest.mark.parametrize("name", [name for name in CARRIERS if name not in ("mark", "array", "utf-16")])
def test_what_carries_a_report_is_one_record(name: str) -> None:
    assert cut(CARRIERS[name]) == [CARRIERS[name]]


def test_json_is_cut_as_everywhere() -> None:
    assert cut(b"[" + report() + b",\n" + report() + b"]") == [report()] * 2
    assert cut(b"\xef\xbb\xbf" + report() + b"\n" + report()) == [report()] * 2
    assert cut(b" \n") == []


def test_each_mail_of_a_mailbox_file_is_a_record() -> None:
    one = b"From a@b.example Tue Mar  3 04:00:00 2026\n" + mail(("application/tlsrpt+json", "8bit", report()))
    found = cut(one + b"\n" + one)

    assert [record.strip() for record in found if isinstance(record, bytes)] == [one.strip()] * 2
    assert [len(parse(record)) for record in found if isinstance(record, bytes)] == [1, 1]


def test_a_record_beyond_the_limit_costs_itself() -> None:
    big = b"From a@b.example Tue Mar  3 04:00:00 2026\nSubject: x\n\n" + b"y\n" * 5000 + b"\n"
    small = b"From a@b.example Tue Mar  3 04:00:00 2026\nSubject: x\n\ny\n"

    first, second = cut(big + small, 100, 1000)

    assert isinstance(first, Oversize)
    assert second == small
    (cut_off,) = cut(PACKED * 40, 100, 1000)
    assert isinstance(cut_off, Oversize)
    assert (len(cut_off.head) > 0, cut_off.limit) == (True, 1000)


# --- Anything --------------------------------------------------------------------------------------------------------------------


def bent(record: bytes, seed: int) -> bytes:
    rng, out = random.Random(seed), bytearray(record)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(out) or 1)
        match rng.randrange(4):
            case 0:
                out[at : at + 1] = rng.randbytes(1)
            case 1:
                del out[at : at + rng.randint(1, 30)]
            case 2:
                out[at:at] = out[at : at + 40]
            case _:
                del out[at : at + (1 if rng.random() < 0.8 else len(out))]
    return bytes(out)


def check(record: bytes) -> None:
    parsed = parse(record)
    assert parsed
    for one in parsed:
        assert one.raw == record
        if isinstance(one, AuditEvent):
            assert normalise(one.details) == one.details
            assert "tls" not in one.details
        else:
            assert 0 < len(one.reason) < 300
    assert len({one.event_id for one in parsed if isinstance(one, AuditEvent)}) in (0, len(parsed))


@settings(deadline=None, max_examples=300)
@given(name=st.sampled_from(sorted(CARRIERS)), seed=st.integers(0, 2**32))
def test_bent_records(name: str, seed: int) -> None:
    check(bent(CARRIERS[name], seed))


@settings(deadline=None)
@given(record=st.binary(max_size=200))
def test_any_bytes(record: bytes) -> None:
    check(record)
    assert b"".join(one for one in cut(record) if isinstance(one, bytes)) in (record, b"") or record[:1] != b"\x1f"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3))


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_any_value_in_place_of_any_field(data: st.DataObject) -> None:
    document = json.loads(report())
    inner, path = document, []
    while isinstance(inner, dict | list) and inner:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))))
        path.append((inner, key))
        inner = inner[key]
    holder, key = data.draw(st.sampled_from(path))
    holder[key] = data.draw(VALUES)
    check(json.dumps(document).encode())


def test_the_answer_keys_of_real_reports_agree(samples: Path) -> None:
    agreement = Agreement()
    web.measure_tlsrpt(samples, agreement)

    assert agreement.differences == []
    assert not agreement.quarantined
    assert agreement.events.total() >= 5


def test_the_sample_of_the_page_is_understood() -> None:
    (sample,) = re.findall(r"^```tlsrpt\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    parsed: Sequence[Parsed] = [one for record in cut(sample.encode()) if isinstance(record, bytes) for one in parse(record)]

    assert parsed
    assert all(isinstance(one, AuditEvent) for one in parsed)
