"""One sign-in: who, with which application to what, from where and which device, how it was proved, and what policies said."""

from collections.abc import Sequence
from datetime import datetime

from domain.event import Actor, ActorKind, Device, DeviceKind
from ingest.parsers.entra_records import Entry, envelope_details, geo_of, ip_of_entry
from ingest.parsers.entra_table import DENIED, GRANTED, INTERRUPTED, LEGACY, REFUSED, SIGN_INS
from ingest.parsers.identity_events import Said, outsider, person, service, system
from ingest.parsers.m365_fields import Fields, flag, pairs, unpacked

_MOST_POLICIES = 100


def sign_in(entry: Entry, event_id: str, time: datetime) -> Said:
    """The sign-in of a record."""
    inner, outer = entry.inner, entry.outer
    kind = SIGN_INS.get(entry.category) or _kind(inner)
    ip = ip_of_entry(entry)
    status, code = inner.inner("status"), _code(entry)
    actor, is_person = _actor(entry, kind, ip)
    details = {
        **envelope_details(entry),
        **_parties(inner, kind),
        **_proof(inner),
        **_access(inner),
        **_device_details(inner.inner("devicedetail", "devicedetails")),
        "event_type": outer.text("category") or "signIn",
        "error_code": code,
        "status": _status(code),
        "reason": _reason(status, outer, inner, code),
        "additional": status.text("additionaldetails"),
        "risk": inner.text("risklevelduringsignin"),
        "risk_aggregated": inner.text("risklevelaggregated"),
        "risk_state": inner.text("riskstate"),
        "risk_detail": inner.text("riskdetail"),
        "risk_events": list(inner.array("riskeventtypesv2", "riskeventtypes")),
    }
    return Said(
        event_id=event_id,
        time=time,
        action="login",
        actor=actor,
        is_person=is_person,
        outcome=_outcome(code, inner),
        ip=ip,
        device=_device(inner.inner("devicedetail", "devicedetails")),
        geo=geo_of(entry),
        details=details,
        words=(outer.text("operationname"), outer.text("category"), kind),
        fields=outer.original,
    )


def _kind(inner: Fields) -> str:
    if inner.text("managedidentitytype"):
        return "managed_identity"
    if not inner.text("userprincipalname", "userid") and inner.text("serviceprincipalid", "serviceprincipalname"):
        return "service_principal"
    return "non_interactive" if inner.flag("isinteractive") is False else "interactive"


def _actor(entry: Entry, kind: str, ip: str | None) -> tuple[Actor, bool]:
    """Who signed in, and whether that is a person."""
    inner = entry.inner
    name = inner.text("serviceprincipalname", "appdisplayname", "serviceprincipalid", "appid")
    if kind in ("service_principal", "managed_identity"):
        return (service(name) or service(entry.outer.text("identity")) or system("Entra ID")), False
    user = inner.text("userprincipalname", "signinidentifier", "alternatesigninname", "userid", "userdisplayname")
    found = person(user) or person(entry.outer.text("identity"))
    if found is None:
        return outsider(ip) or system("Entra ID"), False
    if (inner.text("usertype") or "").lower() == "guest":
        return Actor(id=found.id, kind=ActorKind.EXTERNAL), True
    return found, True


def _code(entry: Entry) -> str | None:
    """The error code; 0 is none. Log Analytics and the envelope call it ResultType."""
    return (
        entry.inner.inner("status").text("errorcode")
        or entry.inner.text("errorcode", "resulttype")
        or entry.outer.text("resulttype")
    )


def _outcome(code: str | None, inner: Fields) -> str | None:
    """Where no code is there, nothing is claimed."""
    if code is None:
        return None
    if code == "0":
        return "success"
    if code in INTERRUPTED and code not in DENIED:
        return "failure"
    refused = (inner.text("conditionalaccessstatus") or "").lower() in ("failure", "1")
    return "denied" if code in DENIED or refused else "failure"


def _status(code: str | None) -> str | None:
    if code is None:
        return None
    return "success" if code == "0" else "interrupted" if code in INTERRUPTED else "failure"


def _reason(status: Fields, outer: Fields, inner: Fields, code: str | None) -> str | None:
    """Why it failed. Some services write `Other.` where nothing failed."""
    if code in (None, "0"):
        return None
    return status.text("failurereason") or outer.text("resultdescription") or inner.text("resultdescription", "failurereason")


def _parties(inner: Fields, kind: str) -> dict[str, object]:
    client = inner.text("clientappused")
    return {
        "sign_in_kind": kind,
        "interactive": inner.flag("isinteractive"),
        "user_id": inner.text("userid"),
        "user_name": inner.text("userdisplayname"),
        "user_type": inner.text("usertype"),
        "signed_in_as": inner.text("signinidentifier", "alternatesigninname"),
        "application": inner.text("appdisplayname"),
        "client_id": inner.text("appid"),
        "service_principal_id": inner.text("serviceprincipalid"),
        "service_principal": inner.text("serviceprincipalname"),
        "credential_id": inner.text("serviceprincipalcredentialkeyid", "federatedcredentialid"),
        "managed_identity_type": inner.text("managedidentitytype"),
        "agent": inner.inner("agent").original or None,
        "resource": inner.text("resourcedisplayname", "resourceidentity"),
        "resource_id": inner.text("resourceid"),
        "resource_tenant_id": inner.text("resourcetenantid"),
        "resource_owner_tenant_id": inner.text("resourceownertenantid"),
        "home_tenant_id": inner.text("hometenantid"),
        "cross_tenant": inner.text("crosstenantaccesstype"),
        "client_app": client,
        "legacy_auth": client.lower() in LEGACY if client else None,
        "user_agent": inner.text("useragent"),
        "session_id": inner.text("sessionid"),
        "request_id": inner.text("originalrequestid", "requestid") or inner.text("id"),
        "token_id": inner.text("uniquetokenidentifier"),
        "as_number": inner.get("autonomoussystemnumber"),
        "private_link": inner.inner("privatelinkdetails").original or None,
        "flagged_for_review": inner.flag("flaggedforreview"),
    }


def _proof(inner: Fields) -> dict[str, object]:
    """How the user proved who they are."""
    steps = [Fields(one) for one in inner.array("authenticationdetails")]
    methods = [found for step in steps if (found := step.text("authenticationmethod"))]
    methods += [str(one) for one in inner.array("authenticationmethodsused") if isinstance(one, str) and one]
    processing = Fields(pairs(inner.array("authenticationprocessingdetails"), "key"))
    additional = inner.inner("status").text("additionaldetails") or ""
    second = next((step.text("authenticationmethod") for step in steps if _is_second(step)), None)
    scopes = unpacked(processing.get("oauthscopeinfo"))
    return {
        "method": ", ".join(dict.fromkeys(methods)) or None,
        "mfa": inner.inner("mfadetail").text("authmethod")
        or second
        or (additional if additional.lower().startswith("mfa") else None),
        "authentication_steps": [dict(step.original) for step in steps[:20]],
        "authentication_requirement": inner.text("authenticationrequirement"),
        "authentication_protocol": inner.text("authenticationprotocol"),
        "incoming_token": inner.text("incomingtokentype"),
        "transfer_method": inner.text("originaltransfermethod"),
        "credential_type": inner.text("clientcredentialtype"),
        "token_issuer": inner.text("tokenissuername"),
        "token_issuer_type": inner.text("tokenissuertype"),
        "token_protection": inner.text("signintokenprotectionstatus"),
        "legacy_tls": flag(_containing(processing, "legacytls")),
        "root_key": processing.text("rootkeytype"),
        "scopes": scopes if isinstance(scopes, list) else None,
    }


def _containing(fields: Fields, start: str) -> object:
    """The value of the first field whose name begins so: `Legacy TLS (TLS 1.0, 1.1, 3DES)`."""
    return next((value for name, value in fields.items() if name.startswith(start)), None)


def _is_second(step: Fields) -> bool:
    required = (step.text("authenticationsteprequirement") or "").lower()
    return "multifactor" in required.replace("-", "") and step.flag("succeeded") is not False


def _access(inner: Fields) -> dict[str, object]:
    """What conditional access said, and the network it knew."""
    policies = [Fields(one) for one in inner.array("appliedconditionalaccesspolicies", "conditionalaccesspolicies")][
        :_MOST_POLICIES
    ]
    networks = [Fields(one) for one in inner.array("networklocationdetails")]
    return {
        "conditional_access": inner.text("conditionalaccessstatus"),
        "policies_met": _named(policies, GRANTED),
        "policies_failed": _named(policies, REFUSED),
        "network_type": next((found for one in networks if (found := one.text("networktype"))), None),
        "network_names": [str(name) for one in networks for name in one.array("networknames") if isinstance(name, str)],
    }


def _named(policies: Sequence[Fields], results: Sequence[str]) -> list[str]:
    return [
        name
        for policy in policies
        if (policy.text("result") or "").lower() in results and (name := policy.text("displayname", "id")) is not None
    ]


def _device_details(device: Fields) -> dict[str, object]:
    return {
        "device_id": device.text("deviceid"),
        "device_name": device.text("displayname"),
        "os": device.text("operatingsystem"),
        "browser": device.text("browser"),
        "compliant": device.flag("iscompliant"),
        "managed": device.flag("ismanaged"),
        "trust_type": device.text("trusttype"),
    }


def _device(device: Fields) -> Device | None:
    """The registered device; a browser alone is none."""
    name = device.text("displayname") or device.text("deviceid")
    return Device(id=name[:512], kind=device_kind(device.text("operatingsystem"))) if name else None


def device_kind(os: str | None) -> DeviceKind | None:
    """Computer or telephone, by its system."""
    lower = (os or "").lower().replace(" ", "")
    if any(word in lower for word in ("ios", "android", "iphone", "ipad", "windowsphone")):
        return DeviceKind.MOBILE
    return DeviceKind.WORKSTATION if any(word in lower for word in ("windows", "mac", "linux")) else None
