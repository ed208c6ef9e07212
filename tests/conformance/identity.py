"""Sign-in and directory services against the ECS fields of another project; samples without keys are accounted for."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from domain.event import AuditEvent
from domain.record import Parsed
from ingest.parsers.authelia import AutheliaParser
from ingest.parsers.authentik import AuthentikParser, authentik_records
from ingest.parsers.google_gmail import GoogleGmailParser
from ingest.parsers.google_records import google_reports_records
from ingest.parsers.google_reports import GoogleReportsParser
from ingest.parsers.json_records import json_records
from ingest.parsers.keycloak import KeycloakParser
from ingest.parsers.okta import OktaParser
from ingest.parsers.records import Feed, Oversize
from tests.conformance.agreement import RECEIVED, Agreement, Reading, alike, detail, either, keyed, leaves

Events = list[AuditEvent]


def measure(samples: Path, agreement: Agreement) -> None:
    """Read every sample of these services under `samples`."""
    google, portal = samples / "google_workspace", samples / "portal"
    _reports(google, agreement)
    _keyed(agreement, "google-reports/login", google, "sekoia_google_login", lambda: GoogleReportsParser("c"), _CLOUD)
    _keyed(agreement, "okta", portal, "sekoia_okta", lambda: OktaParser("c"), _OKTA)
    _keyed(agreement, "keycloak", portal, "sekoia_keycloak", _keycloak, _KEYCLOAK)
    for path in sorted(google.glob("elastic_login.*")):
        _account(agreement, "google-reports", path, GoogleReportsParser("c").parse, google_reports_records)
    for path in sorted(google.glob("elastic_gmail*")):
        _gmail(agreement, path)
    for path in sorted(portal.glob("crowdsec_*keycloak*.log")):
        _account(agreement, "keycloak", path, _keycloak().parse, json_records)
    for path in sorted(portal.glob("crowdsec_*authentik*.log")):
        _account(agreement, "authentik", path, AuthentikParser("c", received=lambda: RECEIVED).parse, authentik_records)
    for path in sorted(portal.glob("*authelia*.log")):
        _account(agreement, "authelia", path, AutheliaParser("c", received=lambda: RECEIVED).parse, json_records)


def _keycloak() -> KeycloakParser:
    return KeycloakParser("c", received=lambda: RECEIVED)


def _account(
    agreement: Agreement,
    name: str,
    path: Path,
    parse: Callable[[bytes], list[Parsed]],
    split: Callable[[Feed, int], Iterator[bytes | Oversize]],
) -> None:
    for record in split(Feed([path.read_bytes()]), 1 << 24):
        assert not isinstance(record, Oversize)
        agreement.account(f"{name}/{path.name}", parse(record))


def _time(event: AuditEvent) -> str:
    return event.time.isoformat().replace("+00:00", "Z")


def _target(number: int) -> Reading:
    def read(event: AuditEvent) -> object:
        name = ("type", "id", "login", "name")[number]
        targets = event.details.get("targets")
        others = targets if isinstance(targets, list | tuple) else []
        return next(
            (one.get(name) for one in others if isinstance(one, Mapping) and one.get("type") not in ("User", "AppUser")), None
        )

    return read


# --- Keys of one event a record ----------------------------------------------------------------------------------------------

_KEYCLOAK: Mapping[str, Reading] = {
    "@timestamp": _time,
    "event.code": detail("event_type"),
    "event.outcome": lambda event: event.outcome,
    "event.provider": detail("client_id"),
    "error.code": detail("error_code"),
    "host.name": detail("server"),
    "keycloak.realm.id": detail("realm_id"),
    "keycloak.realm.name": detail("realm"),
    "keycloak.service.environment": detail("environment"),
    "log.level": detail("level"),
    "log.logger": detail("logger"),
    "process.name": detail("process"),
    "process.pid": detail("pid"),
    "process.thread.id": detail("thread_id"),
    "process.thread.name": detail("thread"),
    "service.name": detail("service"),
    "service.version": detail("service_version"),
    "source.ip": lambda event: event.ip,
    "user.id": detail("user_id"),
    "user.name": lambda event: event.actor.id,
}
_OKTA: Mapping[str, Reading] = {
    "@timestamp": _time,
    "event.action": detail("event_type"),
    "event.outcome": lambda event: event.outcome,
    "event.reason": detail("message"),
    "okta.system.actor.alternate_id": detail("actor_login"),
    "okta.system.actor.display_name": detail("actor_name"),
    "okta.system.actor.id": detail("actor_id"),
    "okta.system.actor.type": detail("actor_type"),
    "okta.system.authentication_context.authentication.provider": detail("provider"),
    "okta.system.authentication_context.credential.type": detail("method"),
    "okta.system.authentication_context.external_session_id": detail("session_id"),
    "okta.system.authentication_context.interface": detail("interface"),
    "okta.system.outcome.result": detail("result"),
    "okta.system.outcome.reason": detail("reason"),
    "okta.system.severity": detail("severity"),
    "okta.system.target.type": _target(0),
    "okta.system.target.id": _target(1),
    "okta.system.target.alternateId": _target(2),
    "okta.system.target.displayName": _target(3),
    "okta.system.transaction.id": detail("transaction_id"),
    "okta.system.transaction.type": detail("transaction_type"),
    "source.ip": lambda event: event.ip,
    "source.domain": detail("client_domain"),
    "source.as.number": detail("as_number"),
    "source.as.organization.name": detail("as_org"),
    "source.geo.city_name": lambda event: event.geo and event.geo.city,
    "source.geo.country_name": lambda event: event.geo and event.geo.country,
    "source.geo.region_name": detail("state"),
    "source.geo.postal_code": detail("postal_code"),
    "source.geo.location.lat": lambda event: event.geo and event.geo.lat,
    "source.geo.location.lon": lambda event: event.geo and event.geo.lon,
    "source.user.id": detail("client_id"),
    "user.name": lambda event: event.actor.id,
    "user.email": detail("actor_login"),
    "user.full_name": detail("actor_name"),
    "user.id": detail("actor_id"),
    "user.target.name": detail("target_user"),
    "user.target.email": detail("target_user"),
    "user.target.full_name": detail("target_name"),
    "user.target.id": detail("target_id"),
    "user_agent.original": detail("user_agent"),
}
_CLOUD: Mapping[str, Reading] = {
    "@timestamp": _time,
    "google_cloud_audit.insertId": detail("insert_id"),
    "google_cloud_audit.logName": detail("log"),
    "google_cloud_audit.protoPayload.metadata.activityId.uniqQualifier": detail("qualifier"),
    "google_cloud_audit.protoPayload.methodName": detail("operation"),
    "google_cloud_audit.protoPayload.resourceName": detail("resource_name"),
    "google_cloud_audit.receiveTimestamp": detail("received_at"),
    "google_cloud_audit.resource.type": detail("resource_type"),
    "google_cloud_audit.severity": detail("severity"),
    "service.name": detail("service"),
    "source.ip": lambda event: event.ip,
    "user.email": lambda event: event.actor.id,
    "user.name": lambda event: event.actor.id,
    "user_agent.original": detail("user_agent"),
}


def _keyed(
    agreement: Agreement, name: str, folder: Path, file: str, parser: Callable[[], object], readings: Mapping[str, Reading]
) -> None:
    for record, row, expected in keyed(folder, file):
        reader = parser()
        assert isinstance(reader, GoogleReportsParser | OktaParser | KeycloakParser)
        parsed = reader.parse(str(row["message"]).encode())
        agreement.account(name, parsed)
        event = parsed[0]
        if not isinstance(event, AuditEvent):
            agreement.compare(name, "event", record, "an event", "quarantined")
            continue
        for path, value in leaves(dict(expected)):
            if path in readings:
                agreement.compare(name, path, record, *alike(path, value, readings[path](event)))
        if file == "sekoia_google_login":
            _cloud_events(agreement, name, record, expected, parsed)


def _cloud_events(agreement: Agreement, name: str, record: str, expected: Mapping[str, object], parsed: Iterable[Parsed]) -> None:
    """The events of a log entry and their parameters, which the key has as they came."""
    found = dict(leaves(dict(expected))).get("google_cloud_audit.protoPayload.metadata.event")
    wanted = found if isinstance(found, list) else []
    for event, key in zip((one for one in parsed if isinstance(one, AuditEvent)), wanted, strict=False):
        agreement.compare(name, "event.eventName", record, key.get("eventName"), event.details.get("event_name"))
        agreement.compare(name, "event.eventType", record, key.get("eventType"), event.details.get("event_type"))
        _parameters(agreement, name, record, key.get("parameter"), [event])


# --- The Reports API ---------------------------------------------------------------------------------------------------------


def _parameter(*names: str) -> Reading:
    """The first of several parameters that an event has."""

    def read(event: AuditEvent) -> object:
        parameters = event.details.get("parameters")
        found = parameters if isinstance(parameters, Mapping) else {}
        return next((found[name] for name in names if found.get(name) not in (None, "", "-")), None)

    return read


def _local(event: AuditEvent) -> object:
    return event.actor.id.partition("@")[0]


def _domain(event: AuditEvent) -> object:
    return event.actor.id.partition("@")[2] or None


_REPORT: Mapping[str, Reading] = {
    "@timestamp": _time,
    "event.dataset": detail("kind"),
    "event.outcome": lambda event: event.outcome,
    "event.reason": detail("event_reason"),
    "cloud.account.id": detail("customer"),
    "network.application": detail("module"),
    "network.transport": detail("transport"),
    "organization.name": detail("org_unit"),
    "source.ip": lambda event: event.ip,
    "client.geo.region_name": detail("region"),
    "client.user.id": detail("client_id"),
    "device.id": detail("device_id"),
    "device.manufacturer": detail("vendor"),
    "device.model.identifier": detail("product_id"),
    "device.model.name": detail("product"),
    "host.name": lambda event: event.device and event.device.id,
    "host.os.full": detail("os"),
    "file.name": detail("document"),
    "file.owner": detail("owner"),
    "file.type": detail("document_type"),
    "email.cc.address": detail("forward_to"),
    "user.id": detail("profile_id"),
    "user.email": either("actor_email", "organizer"),
    "user.name": _local,
    "user.domain": _domain,
    "user.group.id": detail("group"),
    "user.target.email": detail("target_user"),
    "user_agent.original": detail("user_agent"),
    "google.report.actor.email": detail("actor_email"),
    "google.report.access.application": detail("application"),
    "google.report.boot_mode.new": _parameter("NEW_BOOT_MODE"),
    "google.report.chat.message.id": detail("chat_message_id"),
    "google.report.chat.room.name": detail("room"),
    "google.report.drive.new_classification": detail("new_value"),
    "google.report.drive.old_classification": detail("old_value"),
    "google.report.login.failure.reason": _parameter("LOGIN_FAILURE_REASON", "login_failure_type"),
    "google.report.login.type": _parameter("login_type"),
    "google.report.meet.code": detail("meeting_code"),
    "google.report.parameters.visibility": detail("visibility"),
    "google.report.remove.user.reason": _parameter("REMOVE_USER_REASON"),
    "google.report.rule.data_source": _parameter("data_source"),
    "google.report.rule.name": detail("rule"),
    "google.report.rule.scan_type": _parameter("scan_type"),
    "google.report.rule.severity": detail("severity"),
    "google.report.rule.type": detail("rule_type"),
    "google.report.saml.application_name": detail("application"),
    "google.report.saml.initiator": detail("initiated_by"),
    "google.report.saml.status_code": detail("status"),
    "google.report.session.id": detail("session_id"),
    "google.report.token.app_name": detail("application"),
    "google.report.token.type": detail("client_type"),
}
_ORGANISER = "the key's user is the organiser of the meeting, who did not act"


def _reports(folder: Path, agreement: Agreement) -> None:
    """The key has one object for all events of an activity; a field agrees where one of our events has it."""
    for record, row, expected in keyed(folder, "sekoia_google_report"):
        message = row["message"]
        text = message if isinstance(message, str) else json.dumps(message)
        parsed = GoogleReportsParser("c").parse(text.encode())
        agreement.account("google-reports", parsed)
        events = [one for one in parsed if isinstance(one, AuditEvent)]
        if not events:
            agreement.compare("google-reports", "event", record, "an event", "quarantined")
            continue
        _names(agreement, record, expected, events)
        for path, value in leaves(dict(expected)):
            if path == "google.report.parameters_all":
                _parameters(agreement, "google-reports", record, value, events)
            elif path in _REPORT:
                candidates = [alike(path, value, _REPORT[path](event)) for event in events]
                wanted, found = next((pair for pair in candidates if pair[0] == pair[1]), candidates[0])
                doubtful = _ORGANISER if path == "user.email" and events[0].actor.kind != "staff" else None
                agreement.compare("google-reports", path, record, wanted, found, doubtful=doubtful)


def _names(agreement: Agreement, record: str, expected: Mapping[str, object], events: Events) -> None:
    wanted = dict(leaves(dict(expected)))
    action = wanted.get("event.action")
    names = sorted(action) if isinstance(action, list) else [action]
    agreement.compare("google-reports", "event.action", record, names, sorted(str(one.details["event_name"]) for one in events))
    listed = wanted.get("google.report.events")
    pairs = [(one["name"], one["type"]) for one in listed] if isinstance(listed, list) else []
    ours = [(one.details["event_name"], one.details.get("event_type")) for one in events]
    agreement.compare("google-reports", "google.report.events", record, pairs, ours)


def _parameters(agreement: Agreement, key: str, record: str, listed: object, events: Events) -> None:
    """Each parameter of the key, wherever one of the events has it."""
    for one in listed if isinstance(listed, list) else []:
        name = str(one.get("name"))
        value = next((one[field] for field in one if field not in ("name", "label", "type")), None)
        found = [parameters.get(name) for event in events if isinstance(parameters := event.details.get("parameters"), Mapping)]
        wanted = _flat(value)
        got = next((one for one in map(_flat, found) if one == wanted), _flat(found[0]) if found else None)
        agreement.compare(key, "parameters", record, (name, wanted), (name, got))


def _flat(value: object) -> object:
    """Nested parameters by name, as we keep them; numbers as text."""
    if isinstance(value, Mapping) and isinstance(value.get("parameter"), list):
        return {one["name"]: _flat(next((one[field] for field in one if field != "name"), None)) for one in value["parameter"]}
    if isinstance(value, Mapping):
        return {name: _flat(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_flat(one) for one in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


# --- Gmail -------------------------------------------------------------------------------------------------------------------


def _gmail(agreement: Agreement, path: Path) -> None:
    """A row without a key: what stands in it is what the event has to say."""
    for record in json_records(Feed([path.read_bytes()]), 1 << 24):
        assert not isinstance(record, Oversize)
        parsed = GoogleGmailParser("c").parse(record)
        agreement.account(f"google-gmail/{path.name}", parsed)
