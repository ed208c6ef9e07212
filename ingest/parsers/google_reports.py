"""Google Workspace's audit activities: of the Admin SDK Reports API, of Cloud Logging, and of the export to BigQuery.

One event of an activity is one event here. Its id is the activity's time and qualifier with the digest of the event, because the
qualifier alone is not unique; of a log entry it is the `insertId`.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, Device, Geo, Source
from domain.json import canonical, normalise
from ingest.parsers.google_bigquery import integer, rows_of
from ingest.parsers.google_cloud import cloud_action, cloud_outcome
from ingest.parsers.google_gmail import gmail_events
from ingest.parsers.google_reports_parts import forwarding, lowered, named_details, parameters_of
from ingest.parsers.google_reports_table import is_about_mail, report_action
from ingest.parsers.identity_events import (
    NOBODY,
    IdentityParser,
    Said,
    address,
    moment,
    outsider,
    person,
    place,
    service,
    system,
    text_or_number,
)
from ingest.parsers.shapes import decode_json, kind_of, mapping, sequence, text_of
from ingest.parsers.wall_times import from_epoch

MOST_EVENTS = 10_000
_SERVICES = {
    "login.googleapis.com": "login",
    "admin.googleapis.com": "admin",
    "oauth2.googleapis.com": "token",
    "cloudidentity.googleapis.com": "groups_enterprise",
}
_ROW_COLUMNS = ("record_type", "event_name", "time_usec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What is common to the events of one activity. `base` is what their ids begin with, '' where the content is all there is."""

    application: str
    time: datetime
    base: str
    actor: Mapping[str, object]
    ip: str | None
    geo: Geo | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)


class GoogleReportsParser(IdentityParser):
    """Reads activities."""

    format = "google-reports"

    def _read(self, record: bytes) -> Sequence[Said]:
        decoded = decode_json(record)
        if not isinstance(decoded, dict):
            raise InvalidInput(f"the record is {kind_of(decoded)}, not an object")
        decoded = _pushed(decoded)
        if mapping(decoded.get("protoPayload")) or text_of(decoded.get("logName")):
            return _log_entry(decoded)
        if "events" in decoded and mapping(decoded.get("id")):
            return _activity(decoded)
        rows = rows_of(decoded)
        if all(all(name in row for name in _ROW_COLUMNS) for row in rows):
            return [said for row in rows for said in _row(row)]
        raise InvalidInput("the record has neither id and events nor protoPayload: it is no activity of Google Workspace")


def _pushed(record: Mapping[str, object]) -> Mapping[str, object]:
    """The record, or what Pub/Sub pushes in its envelope in base64."""
    data = mapping(record.get("message")).get("data")
    if not isinstance(data, str):
        return record
    try:
        return mapping(decode_json(base64.b64decode(data, validate=True)))
    except (binascii.Error, ValueError):
        raise InvalidInput("message.data is no base64") from None


# --- The spellings ---------------------------------------------------------------------------------------------------------


def _activity(record: Mapping[str, object]) -> list[Said]:
    """An item of activities.list; some exports have its events as one object."""
    identity, actor, network = mapping(record.get("id")), mapping(record.get("actor")), mapping(record.get("networkInfo"))
    time = moment(identity.get("time"), "id.time")
    application = (text_of(identity.get("applicationName")) or "unknown").lower()
    qualifier = text_or_number(identity.get("uniqueQualifier")) or text_or_number(identity.get("uniqQualifier"))
    program = mapping(actor.get("applicationInfo"))
    activity = Activity(
        application=application,
        time=time,
        base=":".join((application, str(identity.get("time")), qualifier)) if qualifier else "",
        actor=actor,
        ip=address(record.get("ipAddress")),
        geo=place(city=None, country=network.get("regionCode")),
        details={
            "kind": record.get("kind"),
            "qualifier": qualifier,
            "customer": identity.get("customerId"),
            "owner_domain": record.get("ownerDomain"),
            "profile_id": text_or_number(actor.get("profileId")),
            "actor_email": actor.get("email"),
            "caller_type": actor.get("callerType"),
            "actor_key": actor.get("key"),
            "actor_application": program.get("applicationName"),
            "actor_client_id": program.get("oauthClientId"),
            "impersonation": program.get("impersonation"),
            "as_number": sequence(network.get("ipAsn")),
            "subdivision": network.get("subdivisionCode"),
        },
        fields=record,
    )
    return _events(activity, [mapping(one) for one in sequence(record.get("events"))])


def _log_entry(record: Mapping[str, object]) -> list[Said]:
    """A LogEntry of Cloud Logging: `metadata.event` holds Workspace's events, other services have a method."""
    payload = mapping(record.get("protoPayload"))
    request, metadata = mapping(payload.get("requestMetadata")), mapping(payload.get("metadata"))
    who = mapping(payload.get("authenticationInfo"))
    email = text_of(who.get("principalEmail")) or text_of(who.get("principalSubject"))
    service_name = text_of(payload.get("serviceName")) or ""
    identity = mapping(metadata.get("activityId"))
    base = ":".join(part for part in (text_of(record.get("insertId")), text_of(record.get("timestamp"))) if part)
    activity = Activity(
        application=_SERVICES.get(service_name, service_name.removesuffix(".googleapis.com") or "log"),
        time=moment(record.get("timestamp") or record.get("receiveTimestamp"), "timestamp"),
        base=base if record.get("insertId") else "",
        actor={"email": email} if email else {},
        ip=address(request.get("callerIp")),
        details={
            "insert_id": record.get("insertId"),
            "qualifier": text_or_number(identity.get("uniqQualifier")),
            "log": record.get("logName"),
            "severity": record.get("severity"),
            "service": service_name,
            "operation": payload.get("methodName"),
            "resource_name": payload.get("resourceName"),
            "resource_type": mapping(record.get("resource")).get("type"),
            "received_at": record.get("receiveTimestamp"),
            "actor_email": email,
            "user_agent": request.get("callerSuppliedUserAgent"),
        },
        fields=record,
    )
    given = [mapping(one) for one in sequence(metadata.get("event"))]
    if given:
        named = [{"name": one.get("eventName"), "type": one.get("eventType"), "parameter": one.get("parameter")} for one in given]
        return _events(activity, named)
    method = text_of(payload.get("methodName")) or ""
    status = mapping(payload.get("status"))
    actor, is_person = _actor(activity, {})
    return [
        Said(
            event_id=activity.base or _digest(record),
            time=activity.time,
            action=cloud_action(method) or "log_entry",
            actor=actor,
            is_person=is_person,
            outcome=cloud_outcome(status) if method else None,
            ip=activity.ip,
            details={**activity.details, "error_code": integer(status.get("code")) or None, "reason": status.get("message")},
            words=(method,),
            fields=record,
        )
    ]


def _row(row: Mapping[str, object]) -> list[Said]:
    """A row of the table `activity`: what the API has as parameters stands in a column named after the application."""
    application = (text_of(row.get("record_type")) or "unknown").lower()
    if application == "gmail" and (mapping(row.get("gmail")) or mapping(row.get("message_info"))):
        return gmail_events(row)
    usec = integer(row.get("time_usec"))
    if usec is None:
        raise InvalidInput("time_usec is no number")
    email = text_of(row.get("email"))
    qualifier = text_or_number(row.get("unique_identifier"))
    activity = Activity(
        application=application,
        time=from_epoch(usec, "time_usec"),
        base=f"{application}:{usec}:{qualifier}" if qualifier else "",
        actor={"email": email} if email else {},
        ip=address(row.get("ip_address")),
        details={"qualifier": qualifier, "actor_email": email, "owner_domain": row.get("domain_name")},
        fields=row,
    )
    inner = mapping(row.get(application))
    return _events(activity, [{"name": row.get("event_name"), "type": row.get("event_type"), "parameters": dict(inner)}])


# --- Events ----------------------------------------------------------------------------------------------------------------


def _events(activity: Activity, events: Sequence[Mapping[str, object]]) -> list[Said]:
    if not events:
        raise InvalidInput("the activity has no events")
    if len(events) > MOST_EVENTS:
        raise InvalidInput(f"the activity has {len(events)} events, too many")
    found: list[Said] = []
    seen: dict[str, int] = {}
    for event in events:
        digest = _digest(event)[:16] if activity.base else _digest({"event": event, "record": activity.fields})
        seen[digest] = seen.get(digest, 0) + 1
        own = f"{activity.base}:{digest}" if activity.base else digest
        found += _event(activity, event, own if seen[digest] == 1 else f"{own}#{seen[digest]}")
    return found


def _event(activity: Activity, event: Mapping[str, object], event_id: str) -> list[Said]:
    parameters = parameters_of(event)
    if activity.application == "gmail" and (mapping(parameters.get("event_info")) or mapping(parameters.get("message_info"))):
        return _mail(activity, parameters, event_id)
    low = lowered(parameters)
    name, kind = text_of(event.get("name")) or "", text_of(event.get("type")) or ""
    if not name:
        raise InvalidInput("an event of the activity has no name")
    action, outcome = report_action(activity.application, name, kind, low)
    actor, is_person = _actor(activity, low)
    device = text_or_number(low.get("device_name"))
    return [
        Said(
            event_id=event_id,
            time=activity.time,
            source=Source.MAIL if is_about_mail(action, activity.application, kind, low) else Source.ACCESS,
            action=action,
            actor=actor,
            is_person=is_person,
            outcome=outcome,
            ip=activity.ip or address(low.get("ip_address")),
            device=Device(id=device[:512]) if device else None,
            geo=activity.geo or place(city=None, country=low.get("location_country")),
            details={
                **activity.details,
                "module": activity.application,
                "event_name": name,
                "event_type": kind,
                **named_details(low),
                **(forwarding(low) if action == "forward_rule" else {}),
                "parameters": parameters,
            },
            words=(name, kind),
            fields={**activity.fields, "parameters": parameters},
        )
    ]


def _mail(activity: Activity, parameters: Mapping[str, object], event_id: str) -> list[Said]:
    """Gmail's events hold a row of the Gmail log; the activity gives what the row leaves out."""
    info = dict(mapping(parameters.get("event_info")))
    info.setdefault("timestamp_usec", int(activity.time.timestamp() * 1_000_000))
    row = {**parameters, "event_info": info, "email": activity.actor.get("email"), "ip_address": activity.ip}
    return [
        Said(
            event_id=event_id if number == 1 else f"{event_id}#to{number}",
            time=said.time,
            source=said.source,
            action=said.action,
            actor=said.actor,
            is_person=said.is_person,
            outcome=said.outcome,
            ip=said.ip,
            geo=said.geo or activity.geo,
            details={**activity.details, "module": activity.application, **said.details},
            words=said.words,
            fields=activity.fields,
        )
        for number, said in enumerate(gmail_events(row), start=1)
    ]


def _actor(activity: Activity, low: Mapping[str, object]) -> tuple[Actor, bool]:
    """Who acted, and whether that is a user. On a managed device that is who is signed in there."""
    actor = activity.actor
    email, key = text_of(actor.get("email")), text_of(actor.get("key"))
    if activity.application == "access_transparency":
        return Actor(id="google", kind=ActorKind.VENDOR), False
    if activity.application == "chrome" and (user := person(low.get("device_user"))):
        return user, True
    if email and email.startswith("system:"):  # Kubernetes' own
        return system(email), False
    if email and email.endswith("gserviceaccount.com") and (found := service(email)):
        return found, False
    if user := person(email):
        return user, True
    program = service(mapping(actor.get("applicationInfo")).get("applicationName"))
    if program is not None:
        return program, False
    if key and key.lower() not in NOBODY:
        return system(key), False
    for name in (actor.get("profileId"), low.get("affected_email_address"), low.get("user_email")):
        if user := person(name):
            return user, True
    return outsider(activity.ip) or system("google"), False


def _digest(value: Mapping[str, object]) -> str:
    try:
        normal = normalise(value)
    except ValueError as error:
        raise InvalidInput(f"the record is {error}") from None
    assert isinstance(normal, Mapping)
    return hashlib.sha256(canonical(normal)).hexdigest()
