"""Every format's word about TLS, its leg and its verdict: the table `docs/tls-verdicts.md`, and the traps one by one.

After a change: `python -m tests.support.tls_cases`, and look at the difference.
"""

import json

import pytest

from domain.event import AuditEvent
from domain.tls import Confidence, Leg, TlsVerdict, judge, judge_session
from ingest.parsers import FORMATS
from tests.golden.golden import FOLDER
from tests.support.tls_cases import CASES, PAGE, Case, judged, page, read

MAIL_FORMATS = {
    *("postfix", "exim", "sendmail", "dovecot", "zimbra", "exchange-tracking", "m365-audit", "m365-message-trace", "google-gmail"),
    *("google-reports", "sendgrid", "mailgun", "ses", "postmark", "brevo", "mailjet", "mailersend", "resend", "mailtrap", "tlsrpt"),
    *("ocsf", "phitrail"),
}
POSTFIX = "2026-03-02T06:00:0{} mx1 postfix/{}[{}]: {}"
STATUS = "{}: to=<a@one.example>, relay=mx.one.example[198.51.100.1]:25, delay=1, delays=0/0/0.5/0.5, dsn=2.0.0, status=sent (ok)"
TRUSTED = (
    "Trusted TLS connection established to mx.one.example[198.51.100.1]:25: "
    "TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits)"
)


def delivered(format: str, *lines: str, logging_proven: bool = False) -> AuditEvent:  # noqa: A002
    """The last delivery of a stream."""
    case = Case(name="", format=format, says="", marks="", lines=lines, logging_proven=logging_proven)
    return [event for event in read(case) if event.action == "deliver"][-1]


def test_the_page_says_what_the_program_does() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_mail_format_is_on_the_page_with_records_that_say_what_it_quotes() -> None:
    assert set(FORMATS) >= MAIL_FORMATS
    assert {case.format for case in CASES} == MAIL_FORMATS
    for case in CASES:
        source = (FOLDER / f"{case.golden}.in").read_text(encoding="utf-8") if case.golden else "\n".join(case.lines)
        assert case.says in source, case.name


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.format}: {case.name}")
def test_another_leg_is_no_word_about_the_delivery(case: Case) -> None:
    event, found = judged(case)

    if found.leg is not Leg.DELIVERY:
        assert (found.verdict, found.confidence) == (TlsVerdict.UNKNOWN, Confidence.UNKNOWN)
        assert (found.version, found.cipher, found.bits, found.weak) == ("", "", 0, False)
    elif found.verdict is not TlsVerdict.UNKNOWN and event.format != "phitrail":
        assert event.details["tls_field"], "the evidence has to name a field"
        assert f"from {event.details['tls_field']}" in found.evidence


def test_ses_the_callers_session_is_not_the_deliverys() -> None:
    tags = {"ses:source-tls-version": ["TLSv1.3"]}
    told = {"eventType": "Delivery", "mail": {"messageId": "m", "destination": ["a@one.example"], "tags": tags}, "delivery": {}}
    told["delivery"] = {"timestamp": "2026-03-02T06:00:00Z", "recipients": ["a@one.example"]}
    only = delivered("ses", json.dumps(told))
    tags["ses:outgoing-tls-version"] = ["TLSv1.0"]
    both = delivered("ses", json.dumps(told))

    assert (judge(only.details).verdict, judge(only.details).leg) == (TlsVerdict.UNKNOWN, Leg.CALLER)
    assert (judge_session(only.details).verdict, judge_session(only.details).version) == (TlsVerdict.ANONYMOUS, "TLSv1.3")
    assert (judge(both.details).leg, judge(both.details).version, judge(both.details).weak) == (Leg.DELIVERY, "TLSv1.0", True)


def test_postfix_a_session_belongs_to_its_process_and_its_relay() -> None:
    def verdict(process: int, relay: str = "mx.one.example[198.51.100.1]") -> TlsVerdict:
        line = TRUSTED.replace("mx.one.example[198.51.100.1]", relay)
        event = delivered(
            "postfix", POSTFIX.format(1, "smtp", process, line), POSTFIX.format(2, "smtp", 610, STATUS.format("3A00A1B2C0"))
        )
        return judge(event.details).verdict

    assert verdict(610) is TlsVerdict.TRUSTED
    assert verdict(611) is TlsVerdict.UNKNOWN
    assert verdict(610, "mx.two.example[198.51.100.2]") is TlsVerdict.UNKNOWN


def test_postfix_a_delivery_without_a_network_hop_is_neither_plain_text_nor_good() -> None:
    local = "3A00A1B2C0: to=<ward@clinic.example>, relay=local, delay=0.2, dsn=2.0.0, status=sent (delivered to mailbox)"
    store = "3A00A1B2C1: to=<ward@clinic.example>, relay=mail[private/dovecot-lmtp], delay=1, dsn=2.0.0, status=sent (ok)"
    for program, line in (("local", local), ("lmtp", store)):
        found = judge(delivered("postfix", POSTFIX.format(1, program, 620, line), logging_proven=True).details)

        assert (found.verdict, found.leg) == (TlsVerdict.UNKNOWN, Leg.INTERNAL)


def test_plain_text_that_is_concluded_from_silence_is_not_stated() -> None:
    silent = delivered("postfix", POSTFIX.format(1, "smtp", 610, STATUS.format("3A00A1B2C0")), logging_proven=True)
    offered = delivered(
        "postfix",
        POSTFIX.format(1, "smtp", 610, "Host offered STARTTLS: [mx.one.example]"),
        POSTFIX.format(2, "smtp", 610, STATUS.format("3A00A1B2C0")),
    )

    assert (judge(silent.details).verdict, judge(silent.details).confidence) == (TlsVerdict.NONE, Confidence.INFERRED)
    assert (judge(offered.details).verdict, judge(offered.details).confidence) == (TlsVerdict.NONE, Confidence.STATED)


def test_sendgrid_a_bare_one_is_encrypted_with_whomever() -> None:
    told = [{"email": "a@one.example", "timestamp": 1772438403, "event": "delivered", "sg_event_id": "e"}]
    verdicts = [judge(delivered("sendgrid", json.dumps([{**told[0], **more}])).details) for more in ({"tls": 1}, {"tls": 0}, {})]

    assert [one.verdict for one in verdicts] == [TlsVerdict.ANONYMOUS, TlsVerdict.NONE, TlsVerdict.UNKNOWN]
    assert [one.confidence for one in verdicts] == [Confidence.INFERRED, Confidence.STATED, Confidence.UNKNOWN]


@pytest.mark.parametrize("format", ["m365-message-trace", "m365-audit", "tlsrpt", "google-reports", "dovecot"])
def test_formats_without_a_session_of_a_delivery_never_say_more_than_unknown(format: str) -> None:  # noqa: A002
    assert {judged(case)[1].verdict for case in CASES if case.format == format} == {TlsVerdict.UNKNOWN}
