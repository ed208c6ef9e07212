"""Web server logs against the ECS fields of another project, and TLS reports against what their own JSON says."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from domain.event import AuditEvent
from domain.record import Parsed
from ingest.parsers.addresses import ip_of
from ingest.parsers.apache import ApacheParser
from ingest.parsers.nginx import NginxParser
from ingest.parsers.records import Feed, Oversize
from ingest.parsers.tlsrpt import TlsrptParser
from ingest.parsers.tlsrpt_mail import tlsrpt_records
from ingest.parsers.web_log import WebLogParser
from ingest.parsers.web_log_fields import moment_of_log
from tests.conformance.agreement import RECEIVED, Agreement, Reading, alike, detail, keyed, leaves

_PARSERS: Mapping[str, Callable[[], WebLogParser]] = {
    "nginx": lambda: NginxParser("conformance", received=lambda: RECEIVED),
    "apache": lambda: ApacheParser("conformance", received=lambda: RECEIVED),
}
_ERROR_STAMP = "%a %b %d %H:%M:%S.%f %Y"


def measure(samples: Path, agreement: Agreement) -> None:
    """Read every sample of these formats."""
    measure_web(samples, agreement, "nginx")
    measure_web(samples, agreement, "apache")
    measure_tlsrpt(samples, agreement)


# --- Web servers -----------------------------------------------------------------------------------------------------------------


def measure_web(samples: Path, agreement: Agreement, format: str) -> None:  # noqa: A002 (the field's name everywhere)
    """Compare one server's lines."""
    for record, row, expected in keyed(samples / "portal", f"sekoia_{format}"):
        parsed = _PARSERS[format]().parse(str(row["message"]).encode())
        agreement.account(format, parsed)
        (event,) = parsed
        if isinstance(event, AuditEvent):
            _compare(agreement, format, record, event, dict(leaves(expected)))


def _either(*names: str) -> Reading:
    return lambda event: tuple(event.details.get(name) for name in names)


def _inside(*path: str) -> Reading:
    def read(event: AuditEvent) -> object:
        value: object = event.details
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    return read


def _part(name: str, at: int) -> Reading:
    """Host or port of an address with a port, with or without a URL around it."""

    def read(event: AuditEvent) -> object:
        text = next((str(event.details[one]) for one in (name, "peer") if one in event.details), None)
        return None if text is None else text.rpartition("//")[2].partition("/")[0].rpartition(":")[at]

    return read


_MODSECURITY = {
    "ruleid": "id",
    "rulefile": "file",
    "ruleline": "line",
    "rulerev": "rev",
    "ruleseverity": "severity",
    "uniqueid": "unique_id",
    "ruledata": "data",
    "modsecmessage": "match",
}
_READINGS: Mapping[str, tuple[str, Reading]] = {
    "source.ip": ("ip", lambda event: event.ip),
    "source.address": ("ip", lambda event: event.ip),
    "source.port": ("client_port", detail("client_port")),
    "network.forwarded_ip": ("forwarded_for", detail("forwarded_for")),
    "network.protocol": ("scheme", detail("scheme")),
    "http.request.method": ("method", detail("method")),
    "http.request.referrer": ("referrer", detail("referrer")),
    "http.response.bytes": ("bytes", detail("bytes")),
    "http.response.status_code": ("status", detail("status")),
    "http.response.mime_type": ("content_type", detail("content_type")),
    "http.version": ("protocol", lambda event: str(event.details.get("protocol")).removeprefix("HTTP/")),
    "url.path": ("path", detail("path")),
    "url.original": ("path", detail("path")),
    "user_agent.original": ("user_agent", detail("user_agent")),
    "user.name": ("actor", lambda event: event.actor.id),
    "event.duration": ("duration", lambda event: _nanoseconds(event)),
    "event.outcome": ("outcome", lambda event: event.outcome),
    "action.outcome": ("outcome", lambda event: event.outcome),
    "action.name": ("action", _either("method", "level")),
    "action.type": ("level", lambda event: _level(event)),
    "action.outcome_reason": ("reason", lambda event: event.details.get("reason" if "modsecurity" in event.details else "message")),
    "error.message": ("message", detail("message")),
    "log.level": ("level", detail("level")),
    "host.name": ("host", _either("host", "host_name")),
    "destination.address": ("host", _either("vhost", "host")),
    "destination.domain": ("host", _either("vhost", "host")),
    "process.id": ("pid", detail("pid")),
    "process.pid": ("pid", detail("pid")),
    "process.thread.id": ("tid", detail("tid")),
    "nginx.server.certificate.path": ("certificate", detail("certificate")),
    "tls.server.x509.issuer.common_name": ("responder", detail("responder")),
    "destination.ip": ("upstream", _part("upstream", 0)),
    "url.domain": ("upstream", _part("upstream", 0)),
    "url.port": ("upstream", _part("upstream", 2)),
    **{f"action.properties.{key}": ("modsecurity", _inside("modsecurity", name)) for key, name in _MODSECURITY.items()},
}
"""What of the key we claim to read: not the values of a query, which we leave in the record, nor what is derived of a browser."""


def _nanoseconds(event: AuditEvent) -> object:
    took = event.details.get("duration_ms")
    return took * 1_000_000 if isinstance(took, int) else None


def _level(event: AuditEvent) -> object:
    """A ModSecurity message has a verdict beside the level of its line."""
    verdict = _inside("modsecurity", "verdict")(event)
    return (event.details.get("level"), str(verdict).lower() if verdict else None)


def _compare(agreement: Agreement, format: str, record: str, event: AuditEvent, wanted: Mapping[str, object]) -> None:  # noqa: A002
    for path, value in wanted.items():
        if path in ("@timestamp", "action.properties.timestamp"):
            agreement.compare(format, "time", record, _instant(str(value)), event.time)
        elif path == "destination.port":
            found = event.details.get("server_port") or _part("upstream", 2)(event)
            agreement.compare(format, "port", record, str(value), str(found))
        elif path in _READINGS:
            name, read = _READINGS[path]
            expected = str(value).partition("?")[0] if path == "url.original" else None if value == "-" else value
            agreement.compare(format, name, record, *_alike(name, expected, read(event)), doubtful=_doubt(path, value, event))


def _alike(name: str, expected: object, found: object) -> tuple[object, object]:
    if name in ("pid", "tid", "upstream", "client_port"):
        expected, found = str(expected), str(found)
    return alike(name, expected, found)


def _doubt(path: str, value: object, event: AuditEvent) -> str | None:
    if path in ("event.outcome", "action.outcome") and event.outcome is None:
        return "the key takes a line of a level below error for a success, also one about something that failed"
    if path == "error.message" and "request" in event.details:
        return "the key makes a sentence of a request line that is none; ours is in `request`"
    if path == "host.name" and "host_name" not in event.details and event.details.get("host") != value:
        return "a field that the site named itself; the host asked for is read"
    return None


def _instant(text: str) -> datetime:
    try:
        return datetime.strptime(text, _ERROR_STAMP).replace(tzinfo=UTC)
    except ValueError:
        return moment_of_log(text, UTC)


# --- TLS reports -----------------------------------------------------------------------------------------------------------------


def measure_tlsrpt(samples: Path, agreement: Agreement) -> None:
    """Every field of the reports that lie there in JSON, and the same report by mail."""
    for path in sorted((samples / "tlsrpt").glob("*.[je]*")):
        parsed = _reports(path)
        agreement.account("tlsrpt", parsed)
        key = path if path.suffix == ".json" else path.with_suffix(".json")
        if key.exists():
            events = [one for one in parsed if isinstance(one, AuditEvent)]
            _compare_report(agreement, path.name, json.loads(key.read_text()), events)


def _reports(path: Path) -> list[Parsed]:
    parser = TlsrptParser("conformance", received=lambda: RECEIVED)
    parsed: list[Parsed] = []
    for record in tlsrpt_records(Feed([path.read_bytes()]), 8 * 1024 * 1024):
        assert not isinstance(record, Oversize)
        parsed += parser.parse(record)
    return parsed


def _compare_report(agreement: Agreement, record: str, report: Mapping[str, object], events: list[AuditEvent]) -> None:
    policies = report["policies"]
    assert isinstance(policies, list)
    agreement.compare("tlsrpt", "policies", record, len(policies), len(events))
    for policy, event in zip(policies, events, strict=False):
        found = event.details
        stated = {
            "organisation": report.get("organization-name"),
            "contact": report.get("contact-info"),
            "report_id": report.get("report-id"),
            "policy_type": policy["policy"].get("policy-type"),
            "policy_domain": policy["policy"].get("policy-domain"),
            "policy_string": policy["policy"].get("policy-string"),
            "successful_sessions": policy["summary"].get("total-successful-session-count"),
            "failed_sessions": policy["summary"].get("total-failure-session-count"),
        }
        for name, value in stated.items():
            agreement.compare("tlsrpt", name, record, value, found.get(name))
        hosts = policy["policy"].get("mx-host")
        agreement.compare("tlsrpt", "mx_host", record, [hosts] if isinstance(hosts, str) else hosts, found.get("mx_host"))
        period = cast("Mapping[str, str]", found.get("period", {}))
        for name, inner in (("start", "start-datetime"), ("end", "end-datetime")):
            given = cast("Mapping[str, str]", report["date-range"])[inner]
            agreement.compare("tlsrpt", "period", record, _instant(given), _instant(period[name]))
        _compare_failures(agreement, record, policy.get("failure-details") or [], found)


def _compare_failures(agreement: Agreement, record: str, stated: list[Mapping[str, object]], found: Mapping[str, object]) -> None:
    ours = cast("list[Mapping[str, object]]", found.get("failure_details") or [])
    agreement.compare("tlsrpt", "failures", record, len(stated), len(ours))
    for entry, one in zip(stated, ours, strict=False):
        for key, value in entry.items():
            name = {"failure-error-code": "failure_reason_code"}.get(key, key.replace("-", "_"))
            expected = value.strip() if isinstance(value, str) else value
            if name.endswith("_ip"):  # one spelling of addresses
                expected = ip_of(str(value))
            agreement.compare("tlsrpt", name, record, expected, one.get(name))
