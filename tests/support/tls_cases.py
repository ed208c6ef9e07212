"""What each mail format says about TLS, case by case: a record of the golden inputs, or lines of a stream, and what to look for.

`python -m tests.support.tls_cases` writes `docs/tls-verdicts.md` anew; look at the difference before it is committed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.event import AuditEvent
from domain.record import Parsed
from domain.tls import ASSUMED, Leg, TlsJudgement, judge, judge_session
from ingest.parsers import parser_for, split_records
from tests.golden.golden import FOLDER, RECEIVED, understood

PAGE = Path(__file__).parents[2] / "docs" / "tls-verdicts.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`says` stands in the record (or, where lines are joined, in an earlier one); `marks` in the record that is judged
    (`says`, where it is '').

    `golden` is an input of tests/golden, else `lines` are a stream of their own. `logging_proven`: its TLS
    logging is known to be on.
    """

    name: str
    format: str
    says: str
    marks: str
    action: str = "deliver"
    golden: str = ""
    lines: Sequence[str] = ()
    logging_proven: bool = False


_POSTFIX = "2026-03-02T06:00:0{} mx1 postfix/smtp[610]: "
_STATUS = (
    "3A00A1B2C0: to=<a@one.example>, relay=mx.one.example[198.51.100.1]:25, delay=1, "
    "delays=0/0/0.5/0.5, dsn=2.0.0, status=sent (ok)"
)
_SUITE = "TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits)"
_SENDMAIL = "Mar  2 06:00:0{} mx1 sm-mta[4701]: "
_SENT = (
    "62260abc004700: to=<a@one.example>, delay=00:00:02, xdelay=00:00:01, mailer=esmtp, relay=mx.one.example. [198.51.100.1], "
    "dsn=2.0.0, stat=Sent (ok)"
)
_GNUTLS = "X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256 CV=yes"
_EXIM = (
    "2026-03-02 06:00:01 1rQabc-000Ab1-Cd => a@one.example R=dnslookup T=remote_smtp H=mx.one.example [198.51.100.1] "
    f'{_GNUTLS} C="250 ok"'
)


def _postfix(name: str, says: str, line: str = "", *, logging_proven: bool = False) -> Case:
    lines = [*([f"{_POSTFIX.format(1)}{line}"] if line else []), f"{_POSTFIX.format(2)}{_STATUS}"]
    return Case(name=name, format="postfix", says=says, marks="3A00A1B2C0", lines=lines, logging_proven=logging_proven)


def _sendmail(verify: str) -> Case:
    cipher = "ECDHE-RSA-AES256-GCM-SHA384, bits=256/256"
    line = f"STARTTLS=client, relay=mx.one.example., version=TLSv1.2, verify={verify}, cipher={cipher}"
    lines = [f"{_SENDMAIL.format(1)}{line}", f"{_SENDMAIL.format(2)}{_SENT}"]
    return Case(name=f"verify={verify}", format="sendmail", says=f"verify={verify}", marks="62260abc004700", lines=lines)


def _golden(format: str, stem: str, name: str, says: str, marks: str = "", action: str = "deliver") -> Case:  # noqa: A002
    return Case(name=name, format=format, golden=f"{format}/{stem}", says=says, marks=marks, action=action)


CASES: Sequence[Case] = (
    _golden("postfix", "tls", "TLS line, Verified", "Verified TLS connection established to", "9F00A1B2C3: to=<intake@"),
    _golden("postfix", "tls", "TLS line of tlsproxy, Trusted", "Trusted TLS connection established to", "6C00A1B2C6"),
    _golden("postfix", "tls", "TLS line, Untrusted", "Untrusted TLS connection established to", "9F00A1B2C3: to=<desk@"),
    _postfix(
        "TLS line, Anonymous",
        "Anonymous TLS connection established to",
        f"Anonymous TLS connection established to mx.one.example[198.51.100.1]:25: {_SUITE}",
    ),
    _golden("postfix", "tls", "TLS line, reused", "Verified TLS connection reused to", "7D00A1B2C5"),
    _golden("postfix", "tls", "next message of the process, no line of its own", "status=sent", "8E00A1B2C4"),
    _golden("postfix", "tls", "tlsproxy spoke of an earlier delivery", "Trusted TLS connection established to", "5B00A1B2C7"),
    _postfix(
        "TLS line of another relay",
        "Verified TLS connection established to",
        f"Verified TLS connection established to mx.two.example[198.51.100.2]:25: {_SUITE}",
    ),
    _golden("postfix", "tls", "STARTTLS offered and not taken", "Host offered STARTTLS", "4A00A1B2C8"),
    _postfix("no line, nothing known of the log level", "status=sent"),
    _postfix("no line, TLS logging proven", "status=sent", logging_proven=True),
    _golden("postfix", "features", "field tls, 3.11: dane", "tls=dane, dsn", "tls=dane, dsn"),
    _golden("postfix", "features", "field tls: may, encrypted", "tls=may, dsn", "tls=may, dsn"),
    _golden("postfix", "features", "field tls: may, in the clear", "tls=may:none"),
    _golden("postfix", "features", "field tls: may, not decided", "tls=may?", action="defer"),
    _golden("postfix", "features", "field tls: DANE fell back", "tls=dane:encrypt/!requiretls:nocertmatch"),
    _golden("postfix", "features", "field tls and the TLS line", "tls=encrypt"),
    _golden("postfix", "features", "LMTP to the mail store, no network", "tls=none", "tls=none"),
    _golden("postfix", "tls", "a client hands in mail", "Anonymous TLS connection established from", "3900A1B2C9", "mail_accepted"),
    _golden(
        "exim",
        "mainlog",
        "CV=yes",
        "X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=yes",
        "=> intake@partner.example R=dnslookup T=remote_smtp H=mx.partner.example [198.51.100.7] X=",
    ),
    _golden("exim", "mainlog", "CV=dane", "CV=dane"),
    _golden("exim", "syslog", "CV=no", "CV=no", "CV=no"),
    _golden("exim", "mainlog", "GnuTLS suite, key size in bytes", "X=TLS1.0:RSA_ARCFOUR_MD5:16 CV=no"),
    Case(
        name="GnuTLS describes the session",
        format="exim",
        says=_GNUTLS,
        marks="=> a@one.example",
        lines=[_EXIM],
    ),
    _golden("exim", "mainlog", "CV=no on a connection used before", "[198.51.100.7]* X=", "[198.51.100.7]* X="),
    _golden("exim", "mainlog", "no X, nothing known of this log", "early@plain.example"),
    _golden("exim", "mainlog", "no X, the log writes X", "=> c@plain.example"),
    _golden("exim", "mainlog", "falls back to plain text", "delivering unencrypted to", "=> b@broken.example"),
    _golden("exim", "mainlog", "local delivery", "T=local_delivery", "T=local_delivery"),
    _golden("exim", "mainlog", "a client hands in mail", "P=esmtpsa X=", "P=esmtpsa X=", "mail_accepted"),
    _golden("exim", "mainlog", "a stranger hands in mail, in the clear", "P=esmtp S=900", "P=esmtp S=900", "mail_accepted"),
    *(_sendmail(verify) for verify in ("OK", "TRUSTED", "FAIL", "NO", "NOT")),
    _golden("sendmail", "maillog", "RC4 under TLS 1.0", "verify=FAIL, cipher=RC4-SHA", "to=<c@old.example>", "bounce"),
    _golden("sendmail", "maillog", "next mail on a kept connection", "stat=Sent", "62260abe004701"),
    _golden("sendmail", "maillog", "no STARTTLS line", "stat=Sent", "to=<d@plain.example>"),
    _golden("sendmail", "maillog", "local delivery", "mailer=local", "mailer=local"),
    _golden("sendmail", "maillog", "an arrival in the clear", "tls_verify=NONE", "tls_verify=NONE", "mail_accepted"),
    _golden("zimbra", "zimbra", "its Postfix", "Verified TLS connection established to", "status=sent"),
    _golden("zimbra", "mailbox", "LMTP into the mailbox", "LmtpServer", "mailop - Adding Message"),
    _golden("dovecot", "syslog", "LMTP into the mailbox", "lmtp", "lmtp"),
    _golden("dovecot", "syslog", "IMAP login", "TLS", "TLS", "login"),
    _golden(
        "exchange-tracking", "2019", "SEND, custom data name the session", "S:tlsversion=SP_PROT_TLS1_3_CLIENT", action="deliver"
    ),
    _golden(
        "exchange-tracking",
        "2019",
        "RECEIVE, custom data name the session",
        "S:tlsversion=SP_PROT_TLS1_2_SERVER",
        action="mail_accepted",
    ),
    _golden("exchange-tracking", "2019", "DELIVER into a mailbox", "STOREDRIVER,DELIVER"),
    _golden("exchange-tracking", "older", "DELIVER of mail that came in", "DELIVER", action="deliver"),
    _golden("m365-message-trace", "report", "the trace has no column", "Receive, Send, Deliver"),
    _golden("m365-audit", "exchange", "SendAs of a mailbox", "SendAs", action="mail_accepted"),
    _golden("google-gmail", "delivery", "row 10 with version and cipher", "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
    _golden("google-gmail", "delivery", "row 10, version null, state 1", '"smtp_tls_state": 1, "smtp_tls_version": null'),
    _golden(
        "google-gmail",
        "delivery",
        "row 10, version null, state 0",
        '"smtp_tls_state": 0, "smtp_tls_version": null',
        action="deliver",
    ),
    _golden("google-gmail", "delivery", "all null", '"smtp_tls_state": null', action="bounce"),
    _golden("google-gmail", "inbound", "mail that came in", '"smtp_tls_version": "TLSv1.2"', action="mail_accepted"),
    _golden("google-reports", "admin", "a setting of TLS, no session", "GMAIL", action="policy_change"),
    _golden("sendgrid", "events", "tls 1", '"tls": 1', action="deliver"),
    _golden("sendgrid", "events", "tls 0", '"tls": 0', action="deliver"),
    _golden("sendgrid", "events", "no tls", '{\n  "event": "delivered"\n }', action="deliver"),
    _golden("sendgrid", "events", "cert_err", '"cert_err"', action="bounce"),
    _golden("mailgun", "webhooks", "certificate verified", '"certificate-verified": true', action="deliver"),
    _golden("mailgun", "webhooks", "certificate not verified", '"certificate-verified": false', action="deliver"),
    _golden("mailgun", "webhooks", "tls false", '"tls": false', action="deliver"),
    _golden("mailgun", "webhooks", "failure before a server was reached", '"severity": "temporary"', action="defer"),
    _golden("mailgun", "events-api", "tls alone", '"tls": true', action="deliver"),
    _golden("ses", "sns", "the caller's leg", "ses:source-tls-version", '\\"Send\\"', "mail_accepted"),
    _golden("ses", "sns", "the delivery leg beside the caller's", "ses:outgoing-tls-version", "TLSv1.3"),
    _golden("ses", "sns", "the delivery leg, TLS 1.0", "ses:outgoing-tls-version", "5e5e5e5e-0000-0000-0000-000000000003"),
    _golden("ses", "other-ways", "mail that SES received", "Received", action="mail_accepted"),
    *(
        _golden(format, stem, "says nothing", "")
        for format, stem in (  # noqa: A001
            ("postmark", "webhooks"),
            ("brevo", "transactional"),
            ("mailjet", "events"),
            ("mailersend", "webhooks"),
            ("resend", "webhooks"),
            ("mailtrap", "events"),
        )
    ),
    _golden("tlsrpt", "reports", "a day of others' mail to us, summed up", "total-successful-session-count", action="tls_report"),
    _golden("ocsf", "mail", "an event with a tls object", "TLS_AES_256_GCM_SHA384", action="deliver"),
    _golden("ocsf", "mail", "the standard's email class", "class_uid", "m-3", "defer"),
    _golden("phitrail", "accepted", "the outward form", '"verified":true'),
)


def judged(case: Case) -> tuple[AuditEvent, TlsJudgement]:
    """The event of a case and the verdict on its delivery."""
    for event in read(case):
        if event.action == case.action and (case.marks or case.says).encode() in event.raw:
            return event, judge(event.details, event.action)
    raise LookupError(f"no {case.action} of {case.golden or case.format} has {case.marks!r}")


def page() -> str:
    """The page: what it is, and a table for each format."""
    parts = [_INTRODUCTION]
    for format in dict.fromkeys(case.format for case in CASES):  # noqa: A001
        rows = [_row(case) for case in CASES if case.format == format]
        parts.append("\n".join([f"## {format}", "", *_HEAD, *rows]))
    return "\n\n".join(parts) + "\n"


def read(case: Case) -> Iterator[AuditEvent]:
    """The events of the golden input or of the lines."""
    for record in understood(FOLDER / f"{case.golden}.in") if case.golden else _stream(case):
        yield from (one for one in record if isinstance(one, AuditEvent))


def _stream(case: Case) -> Iterator[list[Parsed]]:
    parser = parser_for(case.format, source_system="cases", received=lambda: RECEIVED, tls_logging_proven=case.logging_proven)
    for record in split_records(case.format, ["\n".join(case.lines).encode()]):
        assert isinstance(record, bytes)
        yield parser.parse(record)


def _row(case: Case) -> str:
    event, found = judged(case)
    other = judge_session(event.details, event.action) if found.leg is not Leg.DELIVERY else found
    session = " ".join(part for part in (other.version, other.cipher, f"{other.bits} bits" if other.bits else "") if part)
    if found.leg is not Leg.DELIVERY and other.verdict is not found.verdict:
        session = f"{session} ({other.verdict} there)".strip()
    field_ = str(event.details.get("tls_field", ""))
    cells = (
        case.name,
        f"`{_short(case.says)}`" if case.says else "",
        found.leg,
        f"**{found.verdict}**",
        found.confidence,
        session,
        other.standing if other.verdict.is_encrypted else "",
        f"`{field_}`" if field_ else "",
        "peer not reported" if ASSUMED in found.evidence and found.verdict.is_encrypted else "",
    )
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _short(text: str) -> str:
    text = " ".join(text.replace("\\", "").split())
    return text if len(text) <= 80 else f"{text[:77]}…"


_HEAD = (
    "| case | the record says | leg | verdict | confidence | session | SP 800-52r2 | from | |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
)

_INTRODUCTION = """# TLS verdicts

What each mail format says about the encryption of a delivery, and the verdict that is given. Every row is a record of
`tests/golden` or a few lines in `tests/support/tls_cases.py`, read and judged by the program; the page is written by
`python -m tests.support.tls_cases` and compared by `tests/ingest/parsers/test_tls_verdicts.py`. All people and data are invented.

- **leg**: the hop the record speaks of. `delivery` is from us to the recipient's server; `submission` from a mail client to us,
  `caller` from the program that called a mail service, `inbound` from outside to us, `internal` within the organisation. A record
  about another hop leaves the delivery unknown, however good or bad that hop was; the session is then shown as what it was *there*.
- **verdict**: `none` (in the clear), `anonymous`, `untrusted`, `trusted`, `verified_webpki`, `verified_dane`, or `unknown`, which
  is never good.
- **confidence**: `stated` by the source; `inferred`: the lowest reading that agrees with it, or concluded from what is missing.
- **session**: version, suite under its IANA name, bits of the symmetric key, the lower where two numbers disagree.
- **SP 800-52r2**: `allowed` (TLS 1.2 or 1.3 with a suite of its lists and at least 128 bits), `refused` (weak), `unlisted` (in no
  list: not allowed, and not called weak), `not_said` where version or suite is missing. The lists are in `domain/tls_policy.py`.
- **from**: `details.tls_field`, the field of the record (or, for joined lines, of the other record that `tls.evidence` names).

Parsers put `tls_field` beside `tls`, `tls_leg` where action and direction do not show the hop, and `tls_confidence` (`inferred`)
where plain text is concluded from what is missing. Whoever sends the outward form may do so too: it can only make a verdict less
good."""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
