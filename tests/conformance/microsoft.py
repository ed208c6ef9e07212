"""Exchange tracking, Microsoft 365 audit and message trace, and Entra's logs, against the keys of SEKOIA (ECS) and OCSF.

What is not compared: SEKOIA's own classification (`event.kind`, `category`, `type`, `action.target`), what it takes apart from a
value that we keep whole (`url.*`, `user_agent.name` and `version`), its copies (`related.*`), and fixed texts (`service.type`).
"""

import html
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from domain.event import AuditEvent, Source
from domain.json import normalise
from domain.record import Parsed
from ingest.parsers.entra_signin import EntraSigninParser
from ingest.parsers.exchange_lines import exchange_tracking_records
from ingest.parsers.exchange_tracking import ExchangeTrackingParser
from ingest.parsers.identity_events import address
from ingest.parsers.m365_actions import USER_TYPES
from ingest.parsers.m365_audit import M365AuditParser
from ingest.parsers.m365_message_trace import M365MessageTraceParser
from ingest.parsers.m365_records import m365_records, utc_moment
from ingest.parsers.records import Feed, Oversize
from tests.conformance.agreement import RECEIVED, Agreement, Reading, alike, detail, keyed, leaves

_Claims = Mapping[str, tuple[str, Reading]]
OF_THE_MAIL = "our outcome is that of the mail, the key's that of looking at it"
NO_RESULT = "the record has no result; what it does not say is not called a success"


def _inside(*path: str) -> Reading:
    """A value deeper in `details`."""

    def read(event: AuditEvent) -> object:
        value: object = event.details
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    return read


def _any(*readings: Reading) -> Reading:
    """Either of several fields may be the one that the key means."""
    return lambda event: tuple(found for read in readings if (found := read(event)) is not None)


def _time(event: AuditEvent) -> object:
    return event.time


def _operation(event: AuditEvent) -> object:
    return str(event.details.get("event_type")).rstrip(".")


def _local_part(event: AuditEvent) -> object:
    return str(event.details.get("target_user")).partition("@")[0]


def _domain(event: AuditEvent) -> object:
    return str(event.details.get("target_user")).partition("@")[2]


def _type_code(event: AuditEvent) -> object:
    name = str(event.details.get("user_type"))
    return USER_TYPES.index(name) if name in USER_TYPES else None


def _actor(event: AuditEvent) -> object:
    return event.actor.id


_AUDIT: _Claims = {
    "@timestamp": ("time", _time),
    "event.action": ("event_type", _any(_operation, detail("category"))),
    "action.name": ("event_type", _any(_operation, detail("category"))),
    "action.id": ("record_type", detail("record_type")),
    "event.code": ("record_type", detail("record_type")),
    "event.outcome": ("outcome", lambda event: event.outcome),
    "action.outcome": ("outcome", lambda event: event.outcome),
    "event.reason": ("reason", detail("reason")),
    "event.start": ("start", _any(_inside("data", "ts"), _inside("attributes", "StartTimeUtc"))),
    "event.end": ("end", _any(_inside("data", "te"), _inside("attributes", "EndTimeUtc"))),
    "event.url": ("link", _any(_inside("data", "alk"), _inside("attributes", "EventDeepLink"))),
    "log.level": ("severity", detail("severity")),
    "organization.id": ("organisation_id", detail("organisation_id")),
    "service.name": ("workload", detail("workload")),
    "source.ip": ("ip", lambda event: event.ip),
    "source.address": ("ip", lambda event: event.ip),
    "source.port": ("client_port", detail("client_port")),
    "source.user.email": ("target_user", _any(detail("target_user"), _inside("data", "f3u"))),
    "user.name": ("actor", _any(_actor, _local_part, detail("user_id"))),
    "user.id": ("user_key", _any(detail("user_key"), detail("logon_sid"), _actor)),
    "user.email": ("target_user", detail("target_user")),
    "user.domain": ("target_user", _domain),
    "user.target.name": ("target_user", detail("target_user")),
    "user_agent.original": ("user_agent", detail("user_agent")),
    "host.os.full": ("os", detail("os")),
    "process.name": ("process", detail("process")),
    "file.name": ("file", _any(detail("file"), _inside("attributes", "FileData", "FileName"))),
    "file.directory": ("directory", detail("directory")),
    "file.extension": ("extension", detail("extension")),
    "file.hash.md5": ("MD5Hash", _inside("attributes", "MD5Hash")),
    "file.hash.sha256": ("SHA256", _any(_inside("attributes", "SHA256Hash"), _inside("attributes", "FileData", "SHA256"))),
    "email.message_id": ("message_id", _any(detail("message_id"), _inside("data", "imsgid"))),
    "email.subject": ("subject", _any(detail("subject"), _inside("data", "ms"), _inside("data", "von"))),
    "email.from.address": ("from", _any(detail("from"), _inside("entities", "from"))),
    "email.to.address": ("to", _any(detail("to"), detail("target_user"), _inside("entities", "to"))),
    "email.local_id": ("network_message_id", detail("network_message_id")),
    "email.reply_to.address": ("return_path", detail("return_path")),
    "email.delivery_timestamp": ("MessageTime", _inside("attributes", "MessageTime")),
    "email.attachments": ("attachments", detail("attachments")),
    "rule.id": ("policy_id", detail("policy_id")),
    "rule.name": ("reason", detail("reason")),
    "rule.category": ("mat", _inside("data", "mat")),
    "rule.reference": ("plk", _inside("data", "plk")),
    "azuread.properties.uniqueTokenIdentifier": ("token_id", detail("token_id")),
    "office365.record_id": ("event_id", lambda event: event.event_id),
    "office365.record_type": ("record_type", detail("record_type")),
    "office365.result_status": ("result", detail("result")),
    "office365.user_type.code": ("user_type", _type_code),
    "office365.user_type.name": ("user_type", detail("user_type")),
    "office365.error_number": ("error_code", detail("error_code")),
    "office365.logon_error": ("reason", detail("reason")),
    "office365.audit.object_id": ("object", detail("object")),
    "office365.audit.item_type": ("item_type", detail("item_type")),
    "office365.audit.event_source": ("event_source", detail("event_source")),
    "office365.audit.platform": ("platform", detail("platform")),
    "office365.audit.site": ("site", detail("site")),
    "office365.auth.request_type": ("request_type", detail("request_type")),
    "office365.auth.result_status_detail": ("result_detail", detail("result_detail")),
    "office365.auth.keep_me_signed_in": ("keep_signed_in", detail("keep_signed_in")),
    "office365.auth.user_authentication_method": ("authentication_method", detail("authentication_method")),
    "office365.application.id": ("client_id", detail("client_id")),
    "office365.application.name": ("application", detail("application")),
    "office365.target.displayName": ("application", detail("application")),
    "office365.context.aad_session_id": ("session_id", detail("session_id")),
    "office365.context.api_id": ("api_id", detail("api_id")),
    "office365.context.authentication_type": ("method", detail("method")),
    "office365.context.client.id": ("client_id", detail("client_id")),
    "office365.context.client.name": ("application", detail("application")),
    "office365.context.correlation.id": ("correlation_id", detail("correlation_id")),
    "office365.device.browser_type": ("browser", detail("browser")),
    "office365.device.id": ("device_id", detail("device_id")),
    "office365.device.is_compliant_and_managed": ("compliant_and_managed", detail("compliant_and_managed")),
    "office365.device.is_managed": ("managed", detail("managed")),
    "office365.exchange.client_version": ("client_version", detail("client_version")),
    "office365.exchange.mailbox_guid": ("mailbox_guid", detail("mailbox_guid")),
    "office365.exchange.mailbox_owner.sid": ("mailbox_sid", detail("mailbox_sid")),
    "office365.exchange.mailbox_owner.upn": ("mailbox", detail("mailbox")),
    "office365.exchange.email.paths": ("folders", detail("folders")),
    "office365.exchange.email.subjects": ("subjects", lambda event: event.details.get("subjects") or event.details.get("subject")),
    "office365.folders.paths": ("folders", detail("folders")),
    "office365.alert.category": ("category", detail("category")),
    "office365.alert.display_name": ("alert", detail("alert")),
    "office365.alert.entity_type": ("entity_type", detail("entity_type")),
    "office365.alert.id": ("alert_id", detail("alert_id")),
    "office365.alert.severity": ("severity", detail("severity")),
    "office365.alert.source": ("alert_source", detail("alert_source")),
    "office365.alert.status": ("status", detail("status")),
    "office365.investigation.id": ("InvestigationId", _inside("attributes", "InvestigationId")),
    "office365.investigation.name": ("alert", detail("alert")),
    "office365.investigation.status": ("status", detail("status")),
    "office365.investigation.type": ("InvestigationType", _inside("attributes", "InvestigationType")),
    "office365.investigation.delivery.action": ("delivery_actions", _inside("entities", "delivery_actions")),
    "office365.investigation.email.sender.domains": ("from_domains", _inside("entities", "from_domains")),
    "office365.investigation.email.sender.ip": ("client_ips", _inside("entities", "client_ips")),
    "office365.investigation.email.subjects": ("subjects", _inside("entities", "subjects")),
    "office365.investigation.email.urls": ("urls", _inside("entities", "urls")),
    "office365.investigation.threats": ("threats", _inside("entities", "threats")),
    "office365.investigation.emails": ("network_message_ids", _inside("entities", "network_message_ids")),
    "office365.investigation.alert.category": ("category", detail("category")),
    "office365.investigation.alert.severity": ("severity", detail("severity")),
    "office365.investigation.alert.type": ("alert_type", detail("alert_type")),
    "office365.investigation.alert.correlation_key": ("CorrelationKey", _inside("data", "CorrelationKey")),
    "office365.investigation.alert.is_incident": ("IsIncident", _inside("data", "IsIncident")),
    "office365.investigation.alert.provider.name": ("alert_source", detail("alert_source")),
    "office365.investigation.alert.provider.status": ("data.Status", _inside("data", "Status")),
    "office365.investigation.alert.source_type": ("SourceAlertType", _inside("data", "SourceAlertType")),
    "office365.virus_info": ("VirusInfo", _inside("attributes", "VirusInfo")),
    "office365.virus_vendor": ("VirusVendor", _inside("attributes", "VirusVendor")),
    "office365.machine_name": ("MachineName", _inside("data", "MachineName")),
    "office365.teams.communication.type": ("communication_type", detail("communication_type")),
    "office365.teams.has_foreign_tenant_users": ("foreign_tenants", detail("foreign_tenants")),
    "office365.teams.message.id": ("MessageId", _inside("attributes", "MessageId")),
    "office365.teams.message.version": ("MessageVersion", _inside("attributes", "MessageVersion")),
    "office365.teams.message.urls": ("urls", detail("urls")),
    "office365.teams.team.members": ("members", detail("members")),
    "office365.defender.detection.method": ("DetectionMethod", _inside("attributes", "DetectionMethod")),
    "office365.defender.detection.type": ("DetectionType", _inside("attributes", "DetectionType")),
    "office365.defender.email.delivery.action": ("category", detail("category")),
    "office365.defender.email.delivery.latest_location": ("location", _inside("attributes", "LatestDeliveryLocation")),
    "office365.defender.email.delivery.original_location": ("location", _inside("attributes", "OriginalDeliveryLocation")),
    "office365.defender.email.verdict.reason": ("reason", detail("reason")),
    "office365.defender.malware_family": ("MalwareFamily", _inside("attributes", "FileData", "MalwareFamily")),
    "office365.defender.auth_details": ("AuthDetails", _inside("attributes", "AuthDetails")),
    **{f"office365.{name}": (name, _inside("data", name)) for name in ("app", "dn", "dprm", "enmd", "eop", "ofph", "tdmn", "tfph")},
    **{
        f"office365.operation.properties.{name}": (name, _inside("operation_properties", name))
        for name in (
            *("IsThrottled", "MailAccessType", "RuleActions", "RuleCondition", "RuleId", "RuleName", "RuleOperation"),
            *("RuleProvider", "RuleState"),
        )
    },
}

_ENTRA: _Claims = {
    "@timestamp": ("time", _any(_time, detail("logged_at"))),
    "event.action": ("operation", detail("operation")),
    "action.name": ("operation", detail("operation")),
    "event.outcome": ("outcome", lambda event: "failure" if event.outcome == "denied" else event.outcome),
    "action.outcome": ("outcome", lambda event: "failure" if event.outcome == "denied" else event.outcome),
    "event.reason": ("reason", detail("reason")),
    "action.outcome_reason": ("reason", detail("reason")),
    "error.code": ("error_code", detail("error_code")),
    "error.message": ("reason", _any(detail("reason"), detail("additional"))),
    "log.level": ("level", detail("level")),
    "source.ip": ("ip", lambda event: event.ip),
    "source.address": ("ip", lambda event: event.ip),
    "source.geo.city_name": ("geo.city", lambda event: event.geo and event.geo.city),
    "source.geo.location.lat": ("geo.lat", lambda event: event.geo and event.geo.lat),
    "source.geo.location.lon": ("geo.lon", lambda event: event.geo and event.geo.lon),
    "source.geo.region_name": ("state", detail("state")),
    "user.email": ("actor", _actor),
    "user.name": ("actor", _any(_actor, detail("user_name"))),
    "user.full_name": ("user_name", detail("user_name")),
    "user.id": ("user_id", _any(detail("user_id"), _actor)),
    "user.target.name": ("target_user", detail("target_user")),
    "user.target.id": ("target_id", detail("target_id")),
    "user_agent.original": ("user_agent", detail("user_agent")),
    "host.id": ("device_id", detail("device_id")),
    "host.name": ("device", lambda event: event.device and event.device.id),
    "host.hostname": ("device", lambda event: event.device and event.device.id),
    "host.os.type": ("os", detail("os")),
    "http.request.method": ("method", detail("method")),
    "http.response.status_code": ("response_code", detail("response_code")),
    "url.full": ("url", detail("url")),
    "url.original": ("url", detail("url")),
    "azuread.authenticationDetails": ("authentication_steps", detail("authentication_steps")),
    "azuread.callerIpAddress": ("caller_ip", detail("caller_ip")),
    "azuread.category": ("category", _any(detail("category"), detail("log"))),
    "azuread.correlationId": ("correlation_id", _any(detail("correlation_id"), detail("envelope_correlation_id"))),
    "azuread.durationMs": ("duration_ms", detail("duration_ms")),
    "azuread.identity": ("identity", detail("identity")),
    "azuread.operationName": ("operation", detail("operation")),
    "azuread.operationVersion": ("operation_version", detail("operation_version")),
    "azuread.resourceId": ("resource_path", detail("resource_path")),
    "azuread.resultDescription": ("result_description", detail("result_description")),
    "azuread.resultSignature": ("result_signature", detail("result_signature")),
    "azuread.tenantId": ("tenant_id", detail("tenant_id")),
    **{
        f"azuread.properties.{name}": (ours, detail(ours))
        for name, ours in {
            "activity": "activity",
            "appDisplayName": "application",
            "appId": "client_id",
            "authenticationProtocol": "authentication_protocol",
            "authenticationRequirement": "authentication_requirement",
            "conditionalAccessStatus": "conditional_access",
            "correlationId": "correlation_id",
            "detectionTimingType": "detection_timing",
            "deviceDetail.isCompliant": "compliant",
            "deviceDetail.isManaged": "managed",
            "deviceDetail.trustType": "trust_type",
            "incomingTokenType": "incoming_token",
            "network_location.network_names": "network_names",
            "network_location.network_type": "network_type",
            "oauth_scope_info": "scopes",
            "original_transfer_method": "transfer_method",
            "requestId": "request_id",
            "resourceId": "resource_id",
            "resourceOwnerTenantId": "resource_owner_tenant_id",
            "riskDetail": "risk_detail",
            "riskEventType": "reason",
            "riskLevel": "risk",
            "riskLevelAggregated": "risk_aggregated",
            "riskLevelDuringSignIn": "risk",
            "riskReasons": "risk_reasons",
            "riskState": "risk_state",
            "scopes": "scopes",
            "session_id": "session_id",
            "source": "risk_source",
            "status.additionalDetails": "additional",
            "status.errorCode": "error_code",
            "targetDeviceDisplayName": "target_device",
            "targetServicePrincipalDisplayName": "application",
            "targetUserPrincipalName": "target_user",
            "tokenIssuerType": "token_issuer_type",
            "uniqueTokenIdentifier": "token_id",
            "userPrincipalObjectID": "user_id",
            "userType": "user_type",
        }.items()
    },
    "azuread.properties.id": ("event_id", _any(lambda event: event.event_id, detail("detection_id"))),
}

_TRACE: _Claims = {
    "@timestamp": ("time", _time),
    "event.action": ("event_type", detail("event_type")),
    "email.from.address": ("from", detail("from")),
    "email.to.address": ("to", detail("to")),
    "email.message_id": ("message_id", lambda event: f"<{event.details.get('message_id')}>"),
    "email.subject": ("subject", detail("subject")),
    "office365.message_trace.MessageTraceId": ("message_trace_id", detail("message_trace_id")),
    "office365.message_trace.Size": ("size", detail("size")),
    "organization.name": ("organisation", detail("organisation")),
    "source.ip": ("ip", lambda event: event.ip),
    "source.address": ("ip", lambda event: event.ip),
}

_OCSF_STATUS = {"Success": "delivered", "Failure": "bounced"}
_OCSF: _Claims = {
    "email.message_uid": ("message_id", detail("message_id")),
    "email.size": ("size", detail("size")),
    "email.smtp_from": ("from", detail("from")),
    "email.smtp_to": ("to", detail("to")),
    "email.subject": ("subject", detail("subject")),
    "message_trace_uid": ("message_trace_id", detail("message_trace_id")),
    "metadata.original_time": ("time", _time),
    "time": ("time", lambda event: int(event.time.timestamp() * 1000)),
    "src_endpoint.ip": ("ip", lambda event: event.ip),
    "dst_endpoint.ip": ("relay_ip", detail("relay_ip")),
    "status_detail": ("event_type", detail("event_type")),
    "unmapped.Index": ("index", detail("index")),
    "unmapped.Organization": ("organisation", detail("organisation")),
}


def measure(samples: Path, agreement: Agreement) -> None:
    """Read every sample of Microsoft's systems under `samples`."""
    for path in sorted((samples / "exchange_tracking").glob("*.log")):
        tracking = ExchangeTrackingParser("conformance", received=lambda: RECEIVED)
        for record in exchange_tracking_records(Feed([path.read_bytes()]), 1 << 20):
            assert not isinstance(record, Oversize)
            agreement.account(f"exchange-tracking/{path.name}", tracking.parse(record))
    audit, trace, entra = M365AuditParser("c"), M365MessageTraceParser("c", received=lambda: RECEIVED), EntraSigninParser("c")
    for record_id, row, expected in keyed(samples / "m365_audit", "sekoia_o365"):
        _compare(agreement, "m365-audit", record_id, audit.parse(_message(row)), expected, _AUDIT)
    for record_id, row, expected in keyed(samples / "m365_message_trace", "sekoia_messagetrace"):
        _compare(agreement, "m365-message-trace", record_id, trace.parse(_message(row)), expected, _TRACE)
    for path in sorted((samples / "m365_message_trace").glob("*.raw.json")):
        key = path.with_name(path.name.replace(".raw.json", ".ocsf.json"))
        for raw in m365_records(Feed([path.read_bytes()]), 1 << 20):
            assert not isinstance(raw, Oversize)
            found = trace.parse(raw)
            _compare(agreement, "m365-message-trace (ocsf)", path.stem, found, json.loads(key.read_text()), _OCSF)
            _compare_raw(agreement, path.stem, found, json.loads(raw))
    for record_id, row, expected in keyed(samples / "portal", "sekoia_entra_signin"):
        _compare(agreement, "entra-signin", record_id, entra.parse(_message(row)), expected, _ENTRA)


def _message(row: Mapping[str, object]) -> bytes:
    return str(row["message"]).encode()


_RAW: Mapping[str, Reading] = {
    "Organization": detail("organisation"),
    "MessageId": detail("message_id"),
    "Received": _time,
    "SenderAddress": detail("from"),
    "RecipientAddress": detail("to"),
    "Subject": detail("subject"),
    "Status": detail("event_type"),
    "ToIP": detail("relay_ip"),
    "FromIP": detail("client_ip"),
    "Size": detail("size"),
    "MessageTraceId": detail("message_trace_id"),
    "Index": detail("index"),
}


def _compare_raw(agreement: Agreement, record: str, parsed: Iterable[Parsed], row: Mapping[str, object]) -> None:
    """Every column of the row itself has its place."""
    for event in parsed:
        if isinstance(event, AuditEvent):
            for name, read in _RAW.items():
                expected, found = _alike(name, row.get(name), read(event))
                agreement.compare("m365-message-trace (row)", name, record, expected, found)


def _compare(
    agreement: Agreement, key: str, record: str, parsed: list[Parsed], expected: Mapping[str, object], claims: _Claims
) -> None:
    agreement.account(key, parsed)
    event = parsed[0]
    if not isinstance(event, AuditEvent):
        return
    for path, value in leaves(expected):
        if path not in claims:
            continue
        name, read = claims[path]
        wanted, found = _alike(name, value, read(event))
        agreement.compare(key, name, record, wanted, found, doubtful=_doubt(path, wanted, event))


def _doubt(path: str, wanted: object, event: AuditEvent) -> str | None:
    if path.endswith("outcome") and wanted == "success" and event.outcome is None:
        return NO_RESULT
    if path.endswith("outcome") and event.source is Source.MAIL and event.outcome not in ("success", "failure", "denied"):
        return OF_THE_MAIL
    return None


def _alike(name: str, expected: object, found: object) -> tuple[object, object]:
    """As `alike`, with the forms that these keys have: times, bare ids, addresses, lists in another order, escaped text."""
    if isinstance(expected, str):
        expected = html.unescape(expected)
    if name in ("time", "start", "end", "MessageTime", "Received") and not isinstance(expected, int | list):
        moments = tuple(_instant(one) for one in (found if isinstance(found, tuple) else (found,)))
        instant = _instant(expected)
        return instant, instant if instant in moments else moments
    shape = _SHAPES.get(name)
    if shape is None:
        return alike(name, expected, found)
    wanted = shape(expected)
    ours = [shape(one) for one in found] if isinstance(found, tuple) else [shape(found)]
    return wanted, wanted if wanted in ours else ours


def _instant(value: object) -> datetime | None:
    """To the millisecond, which is as exact as some keys are."""
    moment = value if isinstance(value, datetime) else utc_moment(value, "time") if isinstance(value, str | int) else None
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000) if moment else None


def _bare(value: object) -> object:
    return value.strip("<>") if isinstance(value, str) else value


def _texts(value: object) -> object:
    """The different texts of a list, whatever holds them."""
    texts: set[str] = set()
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, Mapping):
            texts |= {str(inner) for _, leaf in leaves(dict(one)) for inner in (leaf if isinstance(leaf, list) else [leaf])}
        elif one:
            texts.add(str(one))
    return sorted(texts)


def _mails(value: object) -> object:
    """The different ids of mails; the key groups them, and has what else was known of a group beside them."""
    groups = value if isinstance(value, list) else []
    return sorted({str(one) for group in groups for one in (group["message_ids"] if isinstance(group, Mapping) else [group])})


def _ids(value: object) -> object:
    """Whom a list of members names: by id in the key, by our names."""
    return sorted(str(one["id"]) if isinstance(one, Mapping) else str(one) for one in value) if isinstance(value, list) else value


def _attachments(value: object) -> object:
    """Name and size of each; blanks in names are one."""
    files = [one.get("file", one) for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
    return sorted((" ".join(str(one.get("name")).split()), str(one.get("size"))) for one in files)


def _json(value: object) -> object:
    """Lists of objects, whatever the order of their keys; an empty one says as much as none."""
    return json.dumps(normalise(value), sort_keys=True) if value else None


def _text(value: object) -> object:
    return str(value) if value is not None else None


def _address(value: object) -> object:
    return address(value) or value


_SHAPES: Mapping[str, Callable[[object], object]] = {
    **dict.fromkeys(("message_id", "MessageId"), _bare),
    **dict.fromkeys(("ip", "caller_ip"), _address),
    **dict.fromkeys(("RuleActions", "authentication_steps", "AuthDetails"), _json),
    **dict.fromkeys(("folders", "subjects", "scopes", "risk_reasons", "network_names", "urls", "threats"), _texts),
    **dict.fromkeys(("delivery_actions", "from_domains", "client_ips", "from", "to"), _texts),
    "network_message_ids": _mails,
    "record_type": _text,
    "members": _ids,
    "attachments": _attachments,
}
