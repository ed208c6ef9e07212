"""Postfix against the grok names of one project and the ECS fields of another."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from domain.event import AuditEvent
from tests.conformance.agreement import (
    Agreement,
    Reading,
    account_files,
    alike,
    detail,
    either,
    jsonl,
    keyed,
    leaves,
    parse,
    session,
)

_HEADER = "Jan  1 00:00:00 host"
# Programs whose lines are kept but not read; and marks of the same lines in the half of the key that comes without a program.
_NOT_READ = re.compile(r"postgrey|policyd-spf|spamd")
_NOT_READ_TEXT = re.compile(r"^(?:action=pass|whitelisted: |spamd: |prepend |Action: |\w+; identity=)")
_FRAGMENTS = {
    "command_counter_data": "disconnect from unknown[192.0.2.1] {}",
    "delays": "AAAA1111: to=<a@example.org>, relay=b.example.org[192.0.2.1]:25, delay=4, delays={}, dsn=2.0.0, status=sent (ok)",
    "relay": "AAAA1111: to=<a@example.org>, relay={}, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)",
}
_TLS_FRAGMENT = "AAAA1111: to=<a@example.org>, relay=b[192.0.2.1]:25, delay=1, delays=0/0/0/1, tls={}, dsn=2.0.0, status=sent (ok)"
# Keys that name something else by the same name. Ours are the envelope sender, and the client that spoke to this server.
_NOT_CLAIMED = {
    "replace_header_1": "the key is the From header inside a notice of rewriting",
    "replace_header_2": "the key is the From header inside a notice of rewriting",
    "connection_limited_1": "the key is a host named inside the reply of the remote server",
}


def measure(samples: Path, agreement: Agreement) -> None:
    """Read every Postfix sample under `samples`."""
    for record, line, expected in _whyscream(samples / "postfix"):
        _compare(agreement, "whyscream", record, line, expected, _WHYSCREAM)
    for record, line, expected in _sekoia(samples / "postfix"):
        _compare(agreement, "sekoia", record, line, expected, _SEKOIA)
    account_files(agreement, "postfix", sorted((samples / "postfix").glob("*.log")))


def _whyscream(folder: Path) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    keys = {str(row["id"]): row["results"] for row in jsonl(folder / "whyscream.expected.jsonl")}
    for row in jsonl(folder / "whyscream.input.jsonl"):
        record, program, data = str(row["id"]), str(row["program"]), str(row["data"]).replace("\n", " ")
        expected = keys[record]
        assert isinstance(expected, dict)
        if program == "tls_features":
            program, data = "smtp", data if data[0].isupper() or data[0].isdigit() else _TLS_FRAGMENT.format(data)
        elif program in _FRAGMENTS:
            program, data = "smtpd", _FRAGMENTS[program].format(data)
        yield record, f"{_HEADER} postfix/{program.replace('_', '-')}[1]: {data}", expected


def _sekoia(folder: Path) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    for record, row, expected in keyed(folder, "sekoia"):
        program, message = str(row.get("appname", "postfix")), str(row["message"])
        yield record, f"{_HEADER} {program}[1]: {message}", expected if not _unread(program, message) else {}


def _unread(program: str, message: str) -> bool:
    return bool(_NOT_READ.search(program) or _NOT_READ_TEXT.match(message))


def _compare(
    agreement: Agreement,
    key: str,
    record: str,
    line: str,
    expected: Mapping[str, object],
    readings: Mapping[str, tuple[str, Reading]],
) -> None:
    parsed = parse("postfix", [line.encode()])
    agreement.account(f"postfix/{key}", parsed)
    event = parsed[0]
    if not isinstance(event, AuditEvent):
        return
    doubtful = _NOT_CLAIMED.get(record.removeprefix("wo_appname_"))
    for path, value in leaves(expected):
        if path == "postfix_keyvalue_data":
            for name, part in re.findall(r"([a-z_]+)=(<[^>]*>|[^\s,]*)", str(value)):
                agreement.compare(key, name, record, part.strip("<>"), _pair(event, name), doubtful=doubtful)
        elif path in readings:
            name, read = readings[path]
            found = read(event)
            agreement.compare(key, name, record, *alike(name, value, found), doubtful=doubtful)


def _level(event: AuditEvent) -> object:
    return (
        event.action.removeprefix("mail_")
        if event.action in ("mail_warning", "mail_error", "mail_login")
        else event.details.get("verdict")
    )


def _warning(event: AuditEvent) -> object:
    return "warning" if event.action == "mail_login" else _level(event)


def _command(name: str, part: int) -> Reading:
    def read(event: AuditEvent) -> object:
        commands = event.details.get("commands")
        counts = str(commands.get(name, "")).split("/") if isinstance(commands, Mapping) else [""]
        return counts[min(part, len(counts) - 1)]

    return read


def _feature(group: int) -> Reading:
    def read(event: AuditEvent) -> object:
        found = re.fullmatch(r"([a-z-]+)(\?)?(?:/!?(requiretls)(\?)?)?", str(event.details.get("tls_feature")))
        return found[group] if found else None

    return read


def _delay(part: int) -> Reading:
    return lambda event: str(event.details.get("delays")).split("/")[part]


def _pair(event: AuditEvent, name: str) -> object:
    details = event.details
    if name == "client":
        return f"{details.get('client')}[{details.get('client_ip')}]"
    if name == "relay":
        relay = str(details.get("relay"))
        if "relay_ip" in details and relay:
            relay += f"[{details['relay_ip']}]:{details.get('relay_port')}"
        return relay
    value = details.get({"proto": "protocol", "tls": "tls_feature"}.get(name, name))
    return str(value) if value is not None else None


def _lost(event: AuditEvent) -> object:
    return "SSL_accept error" if event.action == "smtpd_tls" and event.outcome == "failure" else event.details.get("reason")


def _before_parenthesis(signature: str) -> str:
    return signature.split(" ", maxsplit=1)[0]


def _in_parentheses(signature: str) -> str:
    return signature.split("(")[1].rstrip(")")


def _size_in_parentheses(signature: str) -> str:
    return _in_parentheses(signature).split(" ")[0]


_WHYSCREAM: Mapping[str, tuple[str, Reading]] = {
    "postfix_queueid": ("queue_id", lambda event: event.details.get("queue_id", "NOQUEUE")),
    "postfix_client_ip": ("client_ip", either("client_ip", "counted")),
    "postfix_client_ip_unknown": ("client_ip", detail("counted")),
    "postfix_client_hostname": ("client", detail("client")),
    "postfix_client_port": ("client_port", detail("client_port")),
    "postfix_server_ip": ("server_ip", detail("server_ip")),
    "postfix_server_port": ("server_port", detail("server_port")),
    "postfix_relay_hostname": ("relay", detail("relay")),
    "postfix_relay_ip": ("relay_ip", detail("relay_ip")),
    "postfix_relay_port": ("relay_port", detail("relay_port")),
    "postfix_relay_service": ("relay_service", detail("relay_service")),
    "postfix_status": ("status", detail("status")),
    "postfix_from": ("from", detail("from")),
    "postfix_smtp_response": ("response", either("response", "reason")),
    "postfix_pipe_response": ("response", detail("response")),
    "postfix_local_response": ("response", detail("response")),
    "postfix_error_response": ("response", detail("response")),
    "postfix_smtp_lostconn_data": ("reason", detail("reason")),
    "postfix_smtpd_lostconn_data": ("reason", _lost),
    "postfix_action": ("verdict", detail("verdict")),
    "postfix_milter_result": ("verdict", lambda event: str(event.details.get("verdict")).removeprefix("milter-")),
    "postfix_proxy_result": ("verdict", lambda event: str(event.details.get("verdict")).removeprefix("proxy-")),
    "postfix_proxy_smtp_stage": ("stage", detail("stage")),
    "postfix_proxy_message": ("reason", detail("reason")),
    "postfix_smtp_stage": ("stage", detail("stage")),
    "postfix_status_code": ("reply_code", detail("reply_code")),
    "postfix_status_code_enhanced": ("dsn", detail("dsn")),
    "postfix_status_data": ("subject", either("subject", "reason")),
    "postfix_status_message": ("reason", detail("reason")),
    "postfix_message_level": ("level", _warning),
    "postfix_message": ("text", either("text", "reason")),
    "postfix_message-id": ("message_id", detail("message_id")),
    "postfix_tls_trustlevel": ("tls.level", session("level", str.capitalize)),
    "postfix_tls_version": ("tls.version", session("version")),
    "postfix_tls_cipher": ("tls.cipher", session("cipher")),
    "postfix_tls_cipher_size": ("tls.bits", session("bits", lambda bits: f"{bits}/{bits}")),
    "postfix_tls_key_exchange": ("tls.key_exchange", session("key_exchange")),
    "postfix_tls_server_signature": ("tls.signature", session("server_signature", _before_parenthesis)),
    "postfix_tls_server_signature_size": (
        "tls.signature",
        session("server_signature", _size_in_parentheses),
    ),
    "postfix_tls_server_signature_curve": (
        "tls.signature",
        session("server_signature", _in_parentheses),
    ),
    "postfix_tls_server_digest": ("tls.digest", session("server_digest")),
    "postfix_tls_error": ("reason", detail("reason")),
    "postfix_tls_security_level": ("tls_feature", _feature(1)),
    "postfix_tls_policy_undecided": ("tls_feature", _feature(2)),
    "postfix_requiretls": ("tls_feature", _feature(3)),
    "postfix_requiretls_policy_undecided": ("tls_feature", _feature(4)),
    "postfix_anvil_cache_size": ("statistics", detail("cache_size")),
    "postfix_anvil_conn_rate": ("statistics", detail("rate")),
    "postfix_anvil_conn_period": ("statistics", detail("period")),
    "postfix_anvil_timestamp": ("statistics", detail("at")),
    "postfix_service": ("statistics", detail("service")),
    "postfix_scache_hits": ("statistics", detail("hits")),
    "postfix_scache_miss": ("statistics", detail("miss")),
    "postfix_scache_success": ("statistics", detail("success")),
    "postfix_verify_cleanup_type": ("statistics", detail("kind")),
    "postfix_verify_cache_retained": ("statistics", detail("retained")),
    "postfix_verify_cache_dropped": ("statistics", detail("dropped")),
    "postfix_bounce_queueid": ("notification", detail("notification_id")),
    "postfix_bounce_recipient": ("notification", detail("recipient")),
    "postfix_bounce_reason": ("notification", detail("kind")),
    "postfix_version": ("service", detail("version")),
    "postfix_config_path": ("service", detail("path")),
    "postfix_postscreen_access": ("postscreen", detail("kind")),
    "postfix_postscreen_violation": ("postscreen", detail("kind")),
    "postfix_postscreen_violation_time": ("postscreen", detail("after")),
    "postfix_postscreen_toobusy_data": ("reason", detail("reason")),
    "postfix_dnsbl_domain": ("dnsbl", detail("domain")),
    "postfix_dnsbl_result": ("dnsbl", detail("listed_as")),
    "postfix_postsuper_action": ("queue_admin", detail("kind")),
    "postfix_postsuper_summary_action": ("queue_admin", detail("kind")),
    "postfix_postsuper_summary_count": ("queue_admin", detail("count")),
    "postfix_cmd_helo": ("commands", _command("helo", 0)),
    "postfix_cmd_quit": ("commands", _command("quit", 0)),
    "postfix_cmd_ehlo_accepted": ("commands", _command("ehlo", 0)),
    "postfix_cmd_ehlo": ("commands", _command("ehlo", 1)),
    "postfix_cmd_unknown_accepted": ("commands", _command("unknown", 0)),
    "postfix_cmd_unknown": ("commands", _command("unknown", 1)),
    "postfix_cmd_count_accepted": ("commands", _command("commands", 0)),
    "postfix_cmd_count": ("commands", _command("commands", 1)),
    "postfix_delay_before_qmgr": ("delays", _delay(0)),
    "postfix_delay_in_qmgr": ("delays", _delay(1)),
    "postfix_delay_conn_setup": ("delays", _delay(2)),
    "postfix_delay_transmission": ("delays", _delay(3)),
}
_SEKOIA: Mapping[str, tuple[str, Reading]] = {
    "action.name": (
        "status",
        lambda event: event.details.get("status") or event.details.get("verdict") or event.action.removeprefix("mail_"),
    ),
    "action.type": ("stage", detail("stage")),
    "event.reason": ("reason", either("response", "reason")),
    "email.from.address": ("from", detail("from")),
    "email.to.address": ("to", detail("to")),
    "email.message_id": ("message_id", detail("message_id")),
    "postfix.queue_id.local": ("queue_id", detail("queue_id")),
    "postfix.queue_id.remote": ("remote_queue_id", detail("remote_queue_id")),
    "postfix.orig_to": ("orig_to", detail("orig_to")),
    "destination.ip": ("relay_ip", detail("relay_ip")),
    "destination.port": ("relay_port", detail("relay_port")),
    "destination.domain": ("to_domain or relay", lambda event: (event.details.get("to_domain"), event.details.get("relay"))),
    "source.ip": ("client_ip", either("client_ip", "counted")),
    "source.domain": (
        "client, helo or sender",
        lambda event: (event.details.get("client"), event.details.get("helo"), _domain(event.details.get("from"))),
    ),
}


def _domain(address: object) -> str | None:
    return str(address).rpartition("@")[2] if address else None
