"""How far the parsers agree with answer keys that other projects made for real records: `python -m tests.conformance [SAMPLES]`.

Postfix is compared with the keys of two projects whose field names are mapped here, OCSF with that of one; for FHIR and ATNA, which
come without keys, the fields are read a second time by plain look-up in the source. Only fields that the parsers claim to read are
counted. A record that is neither an event nor quarantined would be the worst disagreement, so that is counted too.
"""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table

from domain.event import AuditEvent
from domain.record import Parsed
from ingest.parsers import Oversize, parser_for, split_records

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
_HEADER = "Jan  1 00:00:00 host"
# Programs whose lines are kept but not read; and marks of the same lines in the half of the key that comes without a program.
_NOT_READ = re.compile(r"postgrey|policyd-spf|spamd")
_NOT_READ_TEXT = re.compile(r"^(?:action=pass|whitelisted: |spamd: |prepend |Action: |\w+; identity=)")
_FRAGMENTS = {
    "command_counter_data": "disconnect from unknown[192.0.2.1] {}",
    "delays": "AAAA1111: to=<a@example.org>, relay=b.example.org[192.0.2.1]:25, delay=4, delays={}, dsn=2.0.0, status=sent (ok)",
    "relay": "AAAA1111: to=<a@example.org>, relay={}, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)",
}
_FREE_TEXT = frozenset({"reason", "response", "text", "subject"})
_TLS_FRAGMENT = "AAAA1111: to=<a@example.org>, relay=b[192.0.2.1]:25, delay=1, delays=0/0/0/1, tls={}, dsn=2.0.0, status=sent (ok)"


# Keys that name something else by the same name. Ours are the envelope sender, and the client that spoke to this server.
_NOT_CLAIMED = {
    "replace_header_1": "the key is the From header inside a notice of rewriting",
    "replace_header_2": "the key is the From header inside a notice of rewriting",
    "connection_limited_1": "the key is a host named inside the reply of the remote server",
}


@dataclass(slots=True)
class Agreement:
    """Counts per (key, field), every disagreement by record and field, and what became of the records."""

    agreed: Counter[tuple[str, str]] = field(default_factory=Counter)
    compared: Counter[tuple[str, str]] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    not_claimed: list[str] = field(default_factory=list)
    records: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[tuple[str, str]] = field(default_factory=Counter)

    def compare(self, key: str, name: str, record: str, expected: object, found: object) -> None:
        reason = _NOT_CLAIMED.get(record.removeprefix("wo_appname_"))
        if reason is not None and expected != found:
            self.not_claimed.append(f"{key} {record} {name}: {reason}")
            return
        self.compared[key, name] += 1
        if expected == found:
            self.agreed[key, name] += 1
        else:
            self.differences.append(f"{key} {record} {name}: key {expected!r}, ours {found!r}")

    def account(self, key: str, parsed: list[Parsed]) -> None:
        self.records[key] += 1
        for one in parsed:
            if isinstance(one, AuditEvent):
                self.events[key] += 1
            else:
                self.quarantined[key, one.reason] += 1

    def ratio(self) -> float:
        return sum(self.agreed.values()) / max(1, sum(self.compared.values()))


def measure(samples: Path) -> Agreement:
    """Read every Postfix, FHIR and ATNA sample under `samples`."""
    agreement = Agreement()
    for record, line, expected in _whyscream(samples / "postfix"):
        _compare_postfix(agreement, "whyscream", record, line, expected, _WHYSCREAM)
    for record, line, expected in _sekoia(samples / "postfix"):
        _compare_postfix(agreement, "sekoia", record, line, expected, _SEKOIA)
    _account_logs(agreement, "postfix", sorted((samples / "postfix").glob("*.log")))
    for other in ("exim", "dovecot"):
        _account_logs(agreement, other, sorted((samples / "mail_other").glob(f"*_{other}-*.log")))
    for path in sorted((samples / "fhir_auditevent").glob("*.json")):
        _compare_fhir(agreement, path)
    for path in sorted((samples / "atna").glob("*.[xs]*")):
        _compare_atna(agreement, path)
    return agreement


def measure_ocsf(samples: Path, agreement: Agreement | None = None) -> Agreement:
    """Read every OCSF sample under `samples`, into an agreement begun elsewhere or a new one."""
    agreement = agreement or Agreement()
    keys = {str(row["id"]): row["expected"] for row in _jsonl(samples / "ocsf" / "sekoia_ocsf.expected.jsonl")}
    for row in _jsonl(samples / "ocsf" / "sekoia_ocsf.input.jsonl"):
        expected = keys[str(row["id"])]
        assert isinstance(expected, dict)
        _compare_ocsf(agreement, str(row["id"]), str(row["message"]).encode(), expected)
    return agreement


def _parse(format: str, records: list[bytes]) -> list[Parsed]:  # noqa: A002
    parser = parser_for(format, source_system="conformance", received=lambda: RECEIVED)
    parsed: list[Parsed] = []
    for record in split_records(format, [b"\n".join(records)]):
        assert not isinstance(record, Oversize)
        parsed += parser.parse(record)
    return parsed


def _jsonl(path: Path) -> Iterator[dict[str, object]]:
    if path.exists():
        yield from (json.loads(line) for line in path.read_text().splitlines())


# --- Postfix -------------------------------------------------------------------------------------------------------------


def _whyscream(folder: Path) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    keys = {str(row["id"]): row["results"] for row in _jsonl(folder / "whyscream.expected.jsonl")}
    for row in _jsonl(folder / "whyscream.input.jsonl"):
        record, program, data = str(row["id"]), str(row["program"]), str(row["data"]).replace("\n", " ")
        expected = keys[record]
        assert isinstance(expected, dict)
        if program == "tls_features":
            program, data = "smtp", data if data[0].isupper() or data[0].isdigit() else _TLS_FRAGMENT.format(data)
        elif program in _FRAGMENTS:
            program, data = "smtpd", _FRAGMENTS[program].format(data)
        yield record, f"{_HEADER} postfix/{program.replace('_', '-')}[1]: {data}", expected


def _sekoia(folder: Path) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    keys = {str(row["id"]): row["expected"] for row in _jsonl(folder / "sekoia.expected.jsonl")}
    for row in _jsonl(folder / "sekoia.input.jsonl"):
        record, program, message = str(row["id"]), str(row.get("appname", "postfix")), str(row["message"])
        expected = keys[record]
        assert isinstance(expected, dict)
        yield record, f"{_HEADER} {program}[1]: {message}", expected if not _unread(program, message) else {}


def _unread(program: str, message: str) -> bool:
    return bool(_NOT_READ.search(program) or _NOT_READ_TEXT.match(message))


_Reading = Callable[[AuditEvent], object]


def _compare_postfix(
    agreement: Agreement,
    key: str,
    record: str,
    line: str,
    expected: Mapping[str, object],
    readings: Mapping[str, tuple[str, _Reading]],
) -> None:
    parsed = _parse("postfix", [line.encode()])
    agreement.account(f"postfix/{key}", parsed)
    event = parsed[0]
    if not isinstance(event, AuditEvent):
        return
    for path, value in _leaves(expected):
        if path == "postfix_keyvalue_data":
            for name, part in re.findall(r"([a-z_]+)=(<[^>]*>|[^\s,]*)", str(value)):
                agreement.compare(key, name, record, part.strip("<>"), _pair(event, name))
        elif path in readings:
            name, read = readings[path]
            found = read(event)
            agreement.compare(key, name, record, *_alike(name, value, found))


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path, value


def _alike(name: str, expected: object, found: object) -> tuple[object, object]:
    """Numbers as text, one address out of a list of one, and free text that differs only in what stands around it."""
    if isinstance(expected, list) and len(expected) == 1:
        expected = expected[0]
    if isinstance(expected, int | float):
        expected, found = _number(expected), _number(found)
    if isinstance(found, tuple):  # either of two fields of ours answers the one of the key
        found = next((one for one in found if one is not None and str(one).lower() == str(expected).lower()), found)
        return (found, found) if not isinstance(found, tuple) else (expected, found)
    if name in _FREE_TEXT and isinstance(expected, str) and isinstance(found, str):
        inner, outer = sorted((_core(expected), _core(found)), key=len)
        if inner and inner in outer:
            return expected, expected
    return expected if expected != "" else None, found if found != "" else None


def _core(text: str) -> str:
    """Free text without the reply codes before it and the command after it, which some keys put in fields of their own."""
    return re.sub(r"^[245]\d\d [245]\.\d+\.\d+ | \(in reply to [^)]*\)$", "", text)


def _number(value: object) -> object:
    """A number in its shortest spelling, whatever it came as; anything else as it is."""
    text = str(value)
    return f"{float(text):g}" if re.fullmatch(r"-?\d+(\.\d+)?", text) else value


def _d(name: str) -> _Reading:
    return lambda event: event.details.get(name)


def _any(*names: str) -> _Reading:
    return lambda event: next((event.details[name] for name in names if event.details.get(name)), None)


def _tls(name: str, pick: Callable[[str], str] = lambda text: text) -> _Reading:
    def read(event: AuditEvent) -> object:
        tls = event.details.get("tls")
        value = tls.get(name) if isinstance(tls, Mapping) else None
        return pick(str(value)) if value is not None else None

    return read


def _level(event: AuditEvent) -> object:
    return (
        event.action.removeprefix("mail_")
        if event.action in ("mail_warning", "mail_error", "mail_login")
        else event.details.get("verdict")
    )


def _warning(event: AuditEvent) -> object:
    return "warning" if event.action == "mail_login" else _level(event)


def _command(name: str, part: int) -> _Reading:
    def read(event: AuditEvent) -> object:
        commands = event.details.get("commands")
        counts = str(commands.get(name, "")).split("/") if isinstance(commands, Mapping) else [""]
        return counts[min(part, len(counts) - 1)]

    return read


def _feature(group: int) -> _Reading:
    def read(event: AuditEvent) -> object:
        found = re.fullmatch(r"([a-z-]+)(\?)?(?:/!?(requiretls)(\?)?)?", str(event.details.get("tls_feature")))
        return found[group] if found else None

    return read


def _delay(part: int) -> _Reading:
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


_WHYSCREAM: Mapping[str, tuple[str, _Reading]] = {
    "postfix_queueid": ("queue_id", lambda event: event.details.get("queue_id", "NOQUEUE")),
    "postfix_client_ip": ("client_ip", _any("client_ip", "counted")),
    "postfix_client_ip_unknown": ("client_ip", _d("counted")),
    "postfix_client_hostname": ("client", _d("client")),
    "postfix_client_port": ("client_port", _d("client_port")),
    "postfix_server_ip": ("server_ip", _d("server_ip")),
    "postfix_server_port": ("server_port", _d("server_port")),
    "postfix_relay_hostname": ("relay", _d("relay")),
    "postfix_relay_ip": ("relay_ip", _d("relay_ip")),
    "postfix_relay_port": ("relay_port", _d("relay_port")),
    "postfix_relay_service": ("relay_service", _d("relay_service")),
    "postfix_status": ("status", _d("status")),
    "postfix_from": ("from", _d("from")),
    "postfix_smtp_response": ("response", _any("response", "reason")),
    "postfix_pipe_response": ("response", _d("response")),
    "postfix_local_response": ("response", _d("response")),
    "postfix_error_response": ("response", _d("response")),
    "postfix_smtp_lostconn_data": ("reason", _d("reason")),
    "postfix_smtpd_lostconn_data": ("reason", _lost),
    "postfix_action": ("verdict", _d("verdict")),
    "postfix_milter_result": ("verdict", lambda event: str(event.details.get("verdict")).removeprefix("milter-")),
    "postfix_proxy_result": ("verdict", lambda event: str(event.details.get("verdict")).removeprefix("proxy-")),
    "postfix_proxy_smtp_stage": ("stage", _d("stage")),
    "postfix_proxy_message": ("reason", _d("reason")),
    "postfix_smtp_stage": ("stage", _d("stage")),
    "postfix_status_code": ("reply_code", _d("reply_code")),
    "postfix_status_code_enhanced": ("dsn", _d("dsn")),
    "postfix_status_data": ("subject", _any("subject", "reason")),
    "postfix_status_message": ("reason", _d("reason")),
    "postfix_message_level": ("level", _warning),
    "postfix_message": ("text", _any("text", "reason")),
    "postfix_message-id": ("message_id", _d("message_id")),
    "postfix_tls_trustlevel": ("tls.level", _tls("level", str.capitalize)),
    "postfix_tls_version": ("tls.version", _tls("version")),
    "postfix_tls_cipher": ("tls.cipher", _tls("cipher")),
    "postfix_tls_cipher_size": ("tls.bits", _tls("bits", lambda bits: f"{bits}/{bits}")),
    "postfix_tls_key_exchange": ("tls.key_exchange", _tls("key_exchange")),
    "postfix_tls_server_signature": ("tls.signature", _tls("server_signature", lambda text: text.split(" ")[0])),
    "postfix_tls_server_signature_size": ("tls.signature", _tls("server_signature", lambda text: text.split("(")[1].split(" ")[0])),
    "postfix_tls_server_signature_curve": ("tls.signature", _tls("server_signature", lambda text: text.split("(")[1].rstrip(")"))),
    "postfix_tls_server_digest": ("tls.digest", _tls("server_digest")),
    "postfix_tls_error": ("reason", _d("reason")),
    "postfix_tls_security_level": ("tls_feature", _feature(1)),
    "postfix_tls_policy_undecided": ("tls_feature", _feature(2)),
    "postfix_requiretls": ("tls_feature", _feature(3)),
    "postfix_requiretls_policy_undecided": ("tls_feature", _feature(4)),
    "postfix_anvil_cache_size": ("statistics", _d("cache_size")),
    "postfix_anvil_conn_rate": ("statistics", _d("rate")),
    "postfix_anvil_conn_period": ("statistics", _d("period")),
    "postfix_anvil_timestamp": ("statistics", _d("at")),
    "postfix_service": ("statistics", _d("service")),
    "postfix_scache_hits": ("statistics", _d("hits")),
    "postfix_scache_miss": ("statistics", _d("miss")),
    "postfix_scache_success": ("statistics", _d("success")),
    "postfix_verify_cleanup_type": ("statistics", _d("kind")),
    "postfix_verify_cache_retained": ("statistics", _d("retained")),
    "postfix_verify_cache_dropped": ("statistics", _d("dropped")),
    "postfix_bounce_queueid": ("notification", _d("notification_id")),
    "postfix_bounce_recipient": ("notification", _d("recipient")),
    "postfix_bounce_reason": ("notification", _d("kind")),
    "postfix_version": ("service", _d("version")),
    "postfix_config_path": ("service", _d("path")),
    "postfix_postscreen_access": ("postscreen", _d("kind")),
    "postfix_postscreen_violation": ("postscreen", _d("kind")),
    "postfix_postscreen_violation_time": ("postscreen", _d("after")),
    "postfix_postscreen_toobusy_data": ("reason", _d("reason")),
    "postfix_dnsbl_domain": ("dnsbl", _d("domain")),
    "postfix_dnsbl_result": ("dnsbl", _d("listed_as")),
    "postfix_postsuper_action": ("queue_admin", _d("kind")),
    "postfix_postsuper_summary_action": ("queue_admin", _d("kind")),
    "postfix_postsuper_summary_count": ("queue_admin", _d("count")),
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
_SEKOIA: Mapping[str, tuple[str, _Reading]] = {
    "action.name": (
        "status",
        lambda event: event.details.get("status") or event.details.get("verdict") or event.action.removeprefix("mail_"),
    ),
    "action.type": ("stage", _d("stage")),
    "event.reason": ("reason", _any("response", "reason")),
    "email.from.address": ("from", _d("from")),
    "email.to.address": ("to", _d("to")),
    "email.message_id": ("message_id", _d("message_id")),
    "postfix.queue_id.local": ("queue_id", _d("queue_id")),
    "postfix.queue_id.remote": ("remote_queue_id", _d("remote_queue_id")),
    "postfix.orig_to": ("orig_to", _d("orig_to")),
    "destination.ip": ("relay_ip", _d("relay_ip")),
    "destination.port": ("relay_port", _d("relay_port")),
    "destination.domain": ("to_domain or relay", lambda event: (event.details.get("to_domain"), event.details.get("relay"))),
    "source.ip": ("client_ip", _any("client_ip", "counted")),
    "source.domain": (
        "client, helo or sender",
        lambda event: (event.details.get("client"), event.details.get("helo"), _domain(event.details.get("from"))),
    ),
}


def _domain(address: object) -> str | None:
    return str(address).rpartition("@")[2] if address else None


def _account_logs(agreement: Agreement, format: str, paths: list[Path]) -> None:  # noqa: A002
    for path in paths:
        parser = parser_for(format, source_system="conformance", received=lambda: RECEIVED)
        for record in split_records(format, [path.read_bytes()]):
            assert not isinstance(record, Oversize)
            agreement.account(f"{format}/{path.name}", parser.parse(record))


# --- FHIR and ATNA ---------------------------------------------------------------------------------------------------------


def _compare_fhir(agreement: Agreement, path: Path) -> None:
    parsed = _parse("fhir-auditevent", [path.read_bytes()])
    agreement.account("fhir-auditevent", parsed)
    source = json.loads(path.read_bytes())
    events = [one for one in parsed if isinstance(one, AuditEvent)]
    if not events:
        return
    key, name, event = "fhir-auditevent", path.stem, events[0]
    agreement.compare(key, "id", name, source["id"], event.event_id)
    agreement.compare(key, "recorded", name, datetime.fromisoformat(source["recorded"]), event.time)
    if event.outcome != "denied" and "outcome" in source:
        agreement.compare(key, "outcome", name, "success" if source["outcome"] == "0" else "failure", event.outcome)
    references = re.findall(r'"reference": "Patient/([^/"]+)', json.dumps(source.get("entity", [])))
    agreement.compare(key, "patient", name, sorted(set(references)), sorted(one.patient_id for one in events if one.patient_id))
    asking = [agent for agent in source["agent"] if agent["requestor"]] or source["agent"]
    agreement.compare(key, "actor", name, True, any(event.actor.id in json.dumps(agent) for agent in asking))


def _compare_atna(agreement: Agreement, path: Path) -> None:
    record = path.read_bytes()
    parsed = _parse("atna", [record])
    agreement.account("atna", parsed)
    events = [one for one in parsed if isinstance(one, AuditEvent)]
    if not events:
        return
    key, name, event = "atna", path.stem, events[0]
    root = ElementTree.fromstring(record[record.index(b"<AuditMessage") :])
    identification = root.find("EventIdentification")
    assert identification is not None
    agreement.compare(key, "EventDateTime", name, datetime.fromisoformat(identification.attrib["EventDateTime"]), event.time)
    outcome = "success" if identification.attrib["EventOutcomeIndicator"] == "0" else "failure"
    agreement.compare(key, "EventOutcomeIndicator", name, outcome, event.outcome)
    asking = [
        element.attrib["UserID"] for element in root.findall("ActiveParticipant") if element.attrib["UserIsRequestor"] == "true"
    ]
    agreement.compare(key, "UserID", name, True, event.actor.id in asking)
    objects = [element.attrib for element in root.findall("ParticipantObjectIdentification")]
    patients = [one["ParticipantObjectID"] for one in objects if one["ParticipantObjectTypeCodeRole"] == "1"]
    found = [one.details["patient"] for one in events if "patient" in one.details]
    agreement.compare(key, "patient", name, patients, [one["id"] for one in found if isinstance(one, Mapping)])


# --- OCSF ------------------------------------------------------------------------------------------------------------------

_OCSF: Mapping[str, tuple[str, _Reading]] = {
    "@timestamp": ("time", lambda event: event.time.isoformat().replace("+00:00", "Z")),
    "source.ip": ("ip", lambda event: event.ip),
    "host.hostname": ("device", lambda event: event.device and event.device.id),
    "event.outcome": ("outcome", lambda event: event.outcome),
    "event.reason": ("message", _d("message")),
    "ocsf.class_name": ("class", _d("class")),
    "ocsf.class_uid": ("class_uid", _d("class_uid")),
    "ocsf.activity_name": ("activity", lambda event: str(event.details["activity"]).capitalize()),
    "event.severity": ("severity", lambda event: _kept(event, "severity_id")),
    "user_agent.original": ("user_agent", lambda event: _kept(event, "http_request", "user_agent")),
    "cloud.region": ("region", lambda event: _kept(event, "cloud", "region")),
}


def _kept(event: AuditEvent, *path: str) -> object:
    value: object = event.details["ocsf"]
    for name in path:
        value = value[name] if isinstance(value, Mapping) else None
    return value


def _compare_ocsf(agreement: Agreement, record: str, message: bytes, expected: Mapping[str, object]) -> None:
    """The key's `user.target` is who a login was for, which is our actor; elsewhere that is `user`."""
    (parsed,) = _parse("ocsf", [message])
    agreement.account("ocsf", [parsed])
    if not isinstance(parsed, AuditEvent):
        return
    leaves = dict(_leaves(expected))
    for path, value in leaves.items():
        if path in _OCSF:
            name, read = _OCSF[path]
            agreement.compare("ocsf", name, record, value, read(parsed))
    agreement.compare("ocsf", "actor", record, leaves.get("user.target.name") or leaves["user.name"], parsed.actor.id)


# --- The report ------------------------------------------------------------------------------------------------------------


def main() -> None:
    default = Path(__file__).resolve().parent.parent.parent / "shared" / "samples"
    samples = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PHITRAIL_SAMPLES", default))
    agreement = measure_ocsf(samples, measure(samples))
    console = Console()
    table = Table("answer key", "field", "agree", "of", title="Agreement of fields")
    for (key, name), total in sorted(agreement.compared.items()):
        table.add_row(key, name, str(agreement.agreed[key, name]), str(total))
    total = sum(agreement.compared.values())
    table.add_row("all", "", str(sum(agreement.agreed.values())), f"{total} = {agreement.ratio():.2%}", style="bold")
    console.print(table)
    account = Table("sample", "records", "events", "quarantined", title="What became of the records")
    for key, total in sorted(agreement.records.items()):
        quarantined = sum(count for (name, _), count in agreement.quarantined.items() if name == key)
        account.add_row(key, str(total), str(agreement.events[key]), str(quarantined))
    console.print(account)
    for (key, reason), count in sorted(agreement.quarantined.items()):
        console.print(f"{key}: {count} × {reason}", markup=False)
    for line in agreement.not_claimed:
        console.print(f"not claimed: {line}", markup=False)
    for difference in agreement.differences:
        console.print(f"differs: {difference}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
