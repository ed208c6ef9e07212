"""Entra's other logs: changes in the directory, risk detections, calls of Graph, provisioning."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.event import Actor, ActorKind
from ingest.parsers.access_words import plain
from ingest.parsers.entra_records import Entry, envelope_details, geo_of, ip_of_entry
from ingest.parsers.entra_table import OUTCOMES
from ingest.parsers.identity_events import Said, address, outsider, person, service, system
from ingest.parsers.m365_actions import action_of
from ingest.parsers.m365_directory import changes_of, consent_of, new_value
from ingest.parsers.m365_fields import Fields, pairs

_MOST_TARGETS = 100


# --- Changes in the directory ----------------------------------------------------------------------------------------------


def directory_audit(entry: Entry, event_id: str, time: datetime) -> Said:
    """A change: by whom, of what, with the old and the new values."""
    inner = entry.inner
    name = inner.text("activitydisplayname", "operationname") or entry.outer.text("operationname") or "audit"
    by = inner.inner("initiatedby")
    targets = [Fields(one) for one in inner.array("targetresources")][:_MOST_TARGETS]
    changed = [one for target in targets for one in target.array("modifiedproperties")]
    additional = pairs(inner.array("additionaldetails"), "key")
    ip = address(by.inner("user").text("ipaddress")) or ip_of_entry(entry)
    actor, is_person = _initiator(by, entry, ip)
    action = action_of(name)
    return Said(
        event_id=event_id,
        time=time,
        action=action,
        actor=actor,
        is_person=is_person,
        outcome=OUTCOMES.get((inner.text("result") or "").lower()),
        ip=ip,
        details={
            **envelope_details(entry),
            **_targets(targets),
            "event_type": name,
            "category": inner.text("category") or entry.outer.text("category"),
            "log": entry.outer.text("category"),
            "service": inner.text("loggedbyservice"),
            "operation_type": inner.text("operationtype"),
            "result": inner.text("result"),
            "reason": inner.text("resultreason", "resultdescription") or entry.outer.text("resultdescription"),
            "user_id": by.inner("user").text("id"),
            "user_name": by.inner("user").text("displayname"),
            "initiator_app": by.inner("app").text("displayname", "serviceprincipalname"),
            "client_id": by.inner("app").text("appid") or Fields(additional).text("appid"),
            "role": new_value(changed, "Role.DisplayName"),
            "group": new_value(changed, "Group.DisplayName"),
            "group_id": new_value(changed, "Group.ObjectID"),
            "app_role": new_value(changed, "AppRole.Value", "AppRole.DisplayName"),
            "user_agent": inner.text("useragent") or Fields(additional).text(plain("User-Agent")),
            "changes": changes_of(changed),
            "additional": additional,
            "audit_id": inner.text("id"),
            **(_consented(changed, additional) if action == "app_consent" else {}),
        },
        words=(name, inner.text("category")),
        fields=entry.outer.original,
    )


def _initiator(by: Fields, entry: Entry, ip: str | None) -> tuple[Actor, bool]:
    """Who did it, and whether that is a person: a user, an application, else what the envelope calls the identity."""
    user, app = by.inner("user"), by.inner("app")
    if found := person(user.text("userprincipalname", "displayname", "id")):
        return found, True
    if found := service(app.text("displayname", "serviceprincipalname", "appid", "serviceprincipalid")):
        return found, False
    if found := service(entry.outer.text("identity") or entry.inner.text("identity", "loggedbyservice")):
        return found, False
    return outsider(ip) or system("Entra ID"), False


def _targets(targets: Sequence[Fields]) -> dict[str, object]:
    """The targets, and the first user, application, group, device and policy among them by name."""
    by_kind: dict[str, Fields] = {}
    for target in targets:
        by_kind.setdefault((target.text("type") or "").lower(), target)
    user = by_kind.get("user") or Fields(None)
    application = by_kind.get("serviceprincipal") or by_kind.get("application") or by_kind.get("app") or Fields(None)
    device = by_kind.get("device") or Fields(None)
    policy = by_kind.get("policy") or Fields(None)
    first = targets[0] if targets else Fields(None)
    return {
        "target_user": user.text("userprincipalname", "displayname", "id"),
        "target_id": user.text("id") or first.text("id"),
        "application": application.text("displayname"),
        "application_id": application.text("id"),
        "target_device": device.text("displayname"),
        "policy": policy.text("displayname"),
        "targets": [
            {name: found for name in ("type", "id", "displayname", "userprincipalname") if (found := target.text(name))}
            for target in targets
        ],
    }


def _consented(changed: Sequence[object], additional: Mapping[str, object]) -> dict[str, object]:
    names = new_value(changed, "TargetId.ServicePrincipalNames") or ""
    guid = next((part.strip() for part in names.replace(",", ";").split(";") if len(part.strip()) == 36), None)
    return {**consent_of(changed), "client_id": guid or Fields(additional).text("appid")}


# --- Risk, Graph and provisioning -------------------------------------------------------------------------------------------


def risk_event(entry: Entry, event_id: str, time: datetime) -> Said:
    """What Identity Protection holds suspicious about a user or a sign-in."""
    inner = entry.inner
    more = Fields(pairs(inner.array("additionalinfo"), "key"))
    user = inner.text("userprincipalname", "userid", "userdisplayname", "serviceprincipaldisplayname", "serviceprincipalid")
    ip = ip_of_entry(entry)
    is_program = not inner.text("userprincipalname", "userid") and bool(inner.text("serviceprincipalid"))
    found = service(user) if is_program else person(user)
    return Said(
        event_id=event_id,
        time=time,
        action="risk_detected",
        actor=found or outsider(ip) or system("Entra ID"),
        is_person=found is not None and not is_program,
        ip=ip,
        geo=geo_of(entry),
        details={
            **envelope_details(entry),
            "event_type": inner.text("riskeventtype", "risktype") or entry.outer.text("operationname"),
            "user_id": inner.text("userid") or inner.text("id"),
            "user_name": inner.text("userdisplayname"),
            "user_type": inner.text("usertype"),
            "risk": inner.text("risklevel"),
            "risk_state": inner.text("riskstate"),
            "risk_detail": inner.text("riskdetail"),
            "risk_reasons": [str(one) for one in more.array("riskreasons")],
            "reason": inner.text("riskeventtype", "risktype"),
            "detection_timing": inner.text("detectiontimingtype"),
            "risk_source": inner.text("source"),
            "activity": inner.text("activity"),
            "happened_at": inner.text("activitydatetime"),
            "request_id": inner.text("requestid"),
            "token_issuer_type": inner.text("tokenissuertype"),
            "home_tenant_id": inner.text("hometenantid"),
            "cross_tenant": inner.text("crosstenantaccesstype"),
            "user_agent": more.text("useragent"),
            "detection_id": inner.text("id"),
        },
        words=(inner.text("riskeventtype"), entry.outer.text("operationname"), entry.outer.text("category")),
        fields=entry.outer.original,
    )


def graph_activity(entry: Entry, event_id: str, time: datetime) -> Said:
    """A call of Microsoft Graph. Its address may name people, so it is a detail and nothing else."""
    inner = entry.inner
    code = inner.text("responsestatuscode") or entry.outer.text("resultsignature") or ""
    outcome = {"2": "success", "3": "success", "4": "failure", "5": "failure"}.get(code[:1]) if len(code) == 3 else None
    user = inner.text("userid", "userprincipalobjectid")
    app = inner.text("appid", "serviceprincipalid")
    ip = ip_of_entry(entry)
    actor = person(user) if user and (inner.text("cidtyp") or "user") != "app" else service(app)
    return Said(
        event_id=event_id,
        time=time,
        action="graph_request",
        actor=actor or outsider(ip) or system("Entra ID"),
        is_person=actor is not None and actor.kind is ActorKind.STAFF,
        outcome="denied" if code in ("401", "403") else outcome,
        ip=ip,
        details={
            **envelope_details(entry),
            "event_type": entry.outer.text("operationname") or "Microsoft Graph Activity",
            "user_id": user,
            "client_id": app,
            "method": inner.text("requestmethod"),
            "url": inner.text("requesturi"),
            "response_code": inner.get("responsestatuscode"),
            "size": inner.get("responsesizebytes"),
            "api_version": inner.text("apiversion"),
            "scopes": (inner.text("scopes") or "").split(),
            "roles": inner.text("roles", "wids"),
            "request_id": inner.text("requestid"),
            "client_request_id": inner.text("clientrequestid"),
            "token_id": inner.text("signinactivityid"),
            "session_id": inner.text("sessionid"),
            "device_id": inner.text("deviceid"),
            "user_agent": inner.text("useragent"),
            "region": inner.text("location"),
        },
        words=(entry.outer.text("operationname"), entry.outer.text("category")),
        fields=entry.outer.original,
    )


def provisioning(entry: Entry, event_id: str, time: datetime) -> Said:
    """An account made, changed or removed in another system."""
    inner = entry.inner
    by, target = inner.inner("initiatedby"), inner.inner("targetidentity")
    app = inner.inner("serviceprincipal")
    status = inner.inner("provisioningstatusinfo", "statusinfo")
    return Said(
        event_id=event_id,
        time=time,
        action="provisioning",
        actor=service(by.text("displayname", "name", "id")) or system("Entra ID"),
        outcome=OUTCOMES.get((status.text("status") or inner.text("resulttype") or "").lower()),
        details={
            **envelope_details(entry),
            "event_type": inner.text("provisioningaction", "action") or "provisioning",
            "target_user": target.text("displayname", "name", "id"),
            "target_id": target.text("id"),
            "application": app.text("displayname", "name"),
            "status": status.text("status"),
            "reason": status.inner("errorinformation").text("reason"),
            "error_code": status.inner("errorinformation").text("errorcode"),
            "changes": changes_of(inner.array("modifiedproperties")),
        },
        words=(inner.text("provisioningaction", "action"),),
        fields=entry.outer.original,
    )
