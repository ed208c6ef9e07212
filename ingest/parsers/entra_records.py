"""Which of Entra's logs a record is from, and where in it the fields are: the envelope of the diagnostic settings, or none."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.event import Geo
from ingest.parsers.entra_table import SIGN_INS
from ingest.parsers.identity_events import address, place
from ingest.parsers.m365_fields import Fields

_RISKS = ("riskevents", "riskyusers", "userriskevents", "riskyserviceprincipals", "serviceprincipalriskevents")
_CARRIERS = ("azure", "event", "data", "message", "raw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record. `outer` is the envelope, `inner` the entry itself (the same where there is no envelope)."""

    outer: Fields
    inner: Fields
    category: str
    """The envelope's category in lower case, or the type of sign-in of the beta API; '' where neither is there."""

    @property
    def kind(self) -> str | None:
        """`sign_in`, `audit`, `risk`, `graph` or `provisioning`; None where nothing shows it."""
        category = self.category
        if category in SIGN_INS or "signin" in category:
            return "sign_in"
        if category in ("auditlogs", "audit"):
            return "audit"
        if category in _RISKS:
            return "risk"
        if category == "microsoftgraphactivitylogs":
            return "graph"
        if category == "provisioninglogs":
            return "provisioning"
        return self._by_fields()

    def _by_fields(self) -> str | None:
        inner = self.inner
        if inner.text("activitydisplayname") or inner.inner("initiatedby").original:
            return "audit"
        if inner.text("riskeventtype", "detectiontimingtype") or inner.text("risklastupdateddatetime"):
            return "risk"
        if inner.text("requestmethod") and inner.text("requesturi"):
            return "graph"
        if inner.text("operationname", "resulttype") and not inner.text("appid", "userprincipalname", "serviceprincipalid"):
            return None
        who = inner.text("userprincipalname", "userid", "serviceprincipalid", "serviceprincipalname", "userdisplayname")
        return "sign_in" if who and (inner.text("appid", "appdisplayname", "ipaddress") or "status" in inner) else None


def entry_of(value: Mapping[str, object]) -> Entry:
    """A record out of its envelope; what only the envelope says is looked up there."""
    outer = Fields(value)
    if outer.get("category", "properties", "id", "createddatetime", "timegenerated") is None:
        outer = next((inner for name in _CARRIERS if (inner := outer.inner(name)).original), outer)
    properties = outer.inner("properties")
    inner = properties if properties.original else outer
    types = [str(one) for one in inner.array("signineventtypes")]
    category = outer.text("category") or outer.text("type") or ""
    if properties.original or category.lower().replace(" ", "") in SIGN_INS or "log" in category.lower():
        return Entry(outer=outer, inner=inner, category=category.lower().replace(" ", ""))
    return Entry(outer=outer, inner=inner, category=types[0].lower() if types else "")


def ip_of_entry(entry: Entry) -> str | None:
    """The caller's address."""
    return address(entry.inner.text("ipaddress")) or address(entry.outer.text("calleripaddress", "ipaddress"))


def geo_of(entry: Entry) -> Geo | None:
    """Where the address is thought to be; some records have the country only, in the envelope."""
    where = entry.inner.inner("location", "locationdetails")
    point = where.inner("geocoordinates")
    country = where.text("countryorregion") or _country(entry.inner.text("location")) or _country(entry.outer.text("location"))
    return place(city=where.get("city"), country=country, lat=point.get("latitude"), lon=point.get("longitude"))


def _country(text: str | None) -> str | None:
    return text.upper() if text and len(text) == 2 and text.isalpha() else None


def envelope_details(entry: Entry) -> dict[str, object]:
    """What every record says of itself."""
    outer, inner = entry.outer, entry.inner
    return {
        "operation": outer.text("operationname") or inner.text("activitydisplayname"),
        "operation_version": outer.text("operationversion"),
        "category": outer.text("category") or inner.text("category"),
        "level": outer.text("level"),
        "identity": outer.text("identity"),
        "tenant_id": outer.text("tenantid") or inner.text("tenantid"),
        "resource_path": outer.text("resourceid") if outer is not inner else None,
        "caller_ip": address(outer.text("calleripaddress")),
        "result_signature": outer.text("resultsignature") if outer.text("resultsignature") != "None" else None,
        "result_description": outer.text("resultdescription"),
        "duration_ms": outer.get("durationms"),
        "logged_at": outer.text("time") if outer is not inner else None,
        "correlation_id": inner.text("correlationid") or outer.text("correlationid"),
        "envelope_correlation_id": outer.text("correlationid")
        if outer.text("correlationid") != inner.text("correlationid")
        else None,
        "state": inner.inner("location", "locationdetails").text("state"),
    }
