"""Okta System Log: LogEvent objects of the API, of log streams and of event hooks, in JSON.

The event's own `uuid` is its id. The wrappings of senders are looked through: an event hook's `data.events`, EventBridge's
`detail`, Splunk's `event`.
"""

from collections.abc import Mapping, Sequence

from domain.errors import InvalidInput
from domain.event import Actor, Device, DeviceKind, Geo
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
from ingest.parsers.okta_table import OUTCOMES, okta_action
from ingest.parsers.shapes import decode_json, kind_of, mapping, sequence, text_of

_DEVICES = {"computer": DeviceKind.WORKSTATION, "mobile": DeviceKind.MOBILE, "tablet": DeviceKind.MOBILE}
_USERS = frozenset({"user", "appuser"})
_APPLICATIONS = frozenset({"appinstance", "app", "publicclientapp", "client", "clientapp", "applicationinstance"})
_GROUPS = frozenset({"usergroup", "group", "appgroup", "opgroup"})
_MACHINES = frozenset({"systemprincipal", "system", "oktasystem", "agent", "adagent", "ldapagent"})


class OktaParser(IdentityParser):
    """Reads LogEvent objects."""

    format = "okta"

    def _read(self, record: bytes) -> Sequence[Said]:
        decoded = decode_json(record)
        if not isinstance(decoded, dict):
            raise InvalidInput(f"the record is {kind_of(decoded)}, not an object")
        return [_said(event) for event in _events(decoded)]


def _events(record: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    """The LogEvents of a record, which is one or wraps some."""
    hooked = [mapping(one) for one in sequence(mapping(record.get("data")).get("events"))]
    inner = hooked or [mapping(record.get(name)) for name in ("detail", "event", "okta") if _is_event(mapping(record.get(name)))]
    found = inner or [record]
    if not all(_is_event(one) for one in found):
        raise InvalidInput("eventType, uuid and published are not all there: the record is no event of Okta's System Log")
    return found


def _is_event(record: Mapping[str, object]) -> bool:
    return bool(text_of(record.get("eventType")) and text_of(record.get("uuid")) and text_of(record.get("published")))


def _said(event: Mapping[str, object]) -> Said:
    event_type = text_of(event.get("eventType")) or ""
    client, outcome = mapping(event.get("client")), mapping(event.get("outcome"))
    targets = [mapping(one) for one in sequence(event.get("target"))]
    ip = address(client.get("ipAddress")) or next((found for hop in _chain(event) if (found := address(hop.get("ip")))), None)
    actor, is_person = _actor(event, targets, ip)
    return Said(
        event_id=text_of(event.get("uuid")) or "",
        time=moment(event.get("published"), "published"),
        action=okta_action(event_type),
        actor=actor,
        is_person=is_person,
        outcome=OUTCOMES.get((text_of(outcome.get("result")) or "").lower()),
        ip=ip,
        device=_device(event, client),
        geo=_geo(event, client),
        details=_details(event, targets),
        words=(event_type, text_of(event.get("legacyEventType")), text_of(event.get("displayMessage"))),
        fields=event,
    )


def _chain(event: Mapping[str, object]) -> list[Mapping[str, object]]:
    return [mapping(hop) for hop in sequence(mapping(event.get("request")).get("ipChain"))]


# --- Who and from where ----------------------------------------------------------------------------------------------------


def _actor(event: Mapping[str, object], targets: Sequence[Mapping[str, object]], ip: str | None) -> tuple[Actor, bool]:
    """Who acted, and whether that is a user. Without one, whom it was about, the address, Okta itself."""
    actor = mapping(event.get("actor"))
    kind = (text_of(actor.get("type")) or "").lower()
    name = _name(actor)
    if kind in _MACHINES and name:
        return system(name), False
    if kind in _APPLICATIONS and name and (found := service(name)):
        return found, False
    if found := person(name):
        return found, True
    about = next((target for target in targets if _type(target) in _USERS), {})
    if found := person(_name(about)):
        return found, True
    return outsider(ip) or system("okta"), False


def _name(party: Mapping[str, object]) -> str | None:
    """What a person or thing is called: its login (`alternateId`), else its display name, else its id."""
    for field in ("alternateId", "displayName", "id"):
        found = (text_or_number(party.get(field)) or "").rstrip("\\").strip()  # some exports escape what is no escape
        if found.lower() not in NOBODY:
            return found
    return None


def _type(party: Mapping[str, object]) -> str:
    return (text_of(party.get("type")) or "").lower().replace(" ", "")


def _device(event: Mapping[str, object], client: Mapping[str, object]) -> Device | None:
    """The registered device, where Okta knows it; a browser's class alone is no device."""
    device = mapping(event.get("device"))
    name = text_or_number(device.get("name")) or text_or_number(device.get("device_id")) or text_or_number(device.get("id"))
    return Device(id=name[:512], kind=_DEVICES.get((text_of(client.get("device")) or "").lower())) if name else None


def _geo(event: Mapping[str, object], client: Mapping[str, object]) -> Geo | None:
    for where in (client, *_chain(event)):
        context = mapping(where.get("geographicalContext"))
        point = mapping(context.get("geolocation"))
        found = place(city=context.get("city"), country=context.get("country"), lat=point.get("lat"), lon=point.get("lon"))
        if found is not None:
            return found
    return None


# --- Details ---------------------------------------------------------------------------------------------------------------


def _details(event: Mapping[str, object], targets: Sequence[Mapping[str, object]]) -> dict[str, object]:
    client, actor, outcome = (mapping(event.get(name)) for name in ("client", "actor", "outcome"))
    agent, context = mapping(client.get("userAgent")), mapping(event.get("authenticationContext"))
    security, transaction = mapping(event.get("securityContext")), mapping(event.get("transaction"))
    debug = mapping(mapping(event.get("debugContext")).get("debugData"))
    user = next((target for target in targets if _type(target) in _USERS and _type(target) == "user"), None)
    user = user or next((target for target in targets if _type(target) in _USERS), {})
    application = next((target for target in targets if _type(target) in _APPLICATIONS), {})
    group = next((target for target in targets if _type(target) in _GROUPS), {})
    where = mapping(client.get("geographicalContext"))
    return {
        "event_type": event.get("eventType"),
        "legacy_event_type": event.get("legacyEventType"),
        "message": event.get("displayMessage"),
        "severity": event.get("severity"),
        "result": outcome.get("result"),
        "reason": outcome.get("reason"),
        "actor_id": _known(actor.get("id")),
        "actor_type": actor.get("type"),
        "actor_login": _known(actor.get("alternateId")),
        "actor_name": _known(actor.get("displayName")),
        "target_user": _name(user),
        "target_id": _known(user.get("id")),
        "target_name": _known(user.get("displayName")),
        "application": _known(application.get("alternateId")) or _known(application.get("displayName")),
        "application_type": _known(application.get("displayName")),
        "application_id": _known(application.get("id")),
        "group": _known(group.get("displayName")) or _known(group.get("id")),
        "targets": [_target(target) for target in targets],
        "client_id": _known(client.get("id")),
        "client_device": _known(client.get("device")),
        "zone": _known(client.get("zone")),
        "state": _known(where.get("state")),
        "postal_code": _known(where.get("postalCode")),
        "user_agent": _known(agent.get("rawUserAgent")),
        "browser": _known(agent.get("browser")),
        "os": _known(agent.get("os")),
        "session_id": _known(context.get("externalSessionId")),
        "root_session_id": _known(context.get("rootSessionId")),
        "method": _known(context.get("credentialType")) or _known(debug.get("factor")),
        "mfa": _known(debug.get("factor")) or _known(debug.get("factorIntent")),
        "provider": _known(context.get("authenticationProvider")),
        "credential_provider": _known(context.get("credentialProvider")),
        "interface": _known(context.get("interface")),
        "issuer": _known(mapping(context.get("issuer")).get("id") or context.get("issuer")),
        "transaction_id": _known(transaction.get("id")),
        "transaction_type": _known(transaction.get("type")),
        "api_token": _known(mapping(transaction.get("detail")).get("requestApiTokenId")),
        "request_id": _known(debug.get("requestId")),
        "request_uri": _known(debug.get("requestUri")),
        "scopes": _scopes(debug.get("grantedScopes") or debug.get("requestedScopes") or debug.get("scopes")),
        "risk": _known(mapping(debug.get("risk")).get("level")) or _known(debug.get("risk")) or _known(debug.get("riskLevel")),
        "behaviors": _known(debug.get("behaviors")),
        "threat_suspected": _known(debug.get("threatSuspected")),
        "as_number": security.get("asNumber"),
        "as_org": _known(security.get("asOrg")),
        "isp": _known(security.get("isp")),
        "client_domain": _known(security.get("domain")),
        "is_proxy": security.get("isProxy"),
        "ip_chain": [found for hop in _chain(event) if (found := address(hop.get("ip")))],
    }


def _target(target: Mapping[str, object]) -> dict[str, object]:
    named = {
        "type": target.get("type"),
        "id": target.get("id"),
        "login": target.get("alternateId"),
        "name": target.get("displayName"),
    }
    return {name: found for name, value in named.items() if (found := _known(value))}


def _scopes(value: object) -> list[str]:
    """OAuth scopes, which stand in one text with commas or blanks between them."""
    return value.replace(",", " ").split() if isinstance(value, str) else []


def _known(value: object) -> object:
    """The value, None where Okta wrote `unknown` or the word `null` for not knowing it."""
    if isinstance(value, str):
        return None if value.strip().lower() in NOBODY else value.rstrip("\\")
    return value if isinstance(value, int | float) else None
