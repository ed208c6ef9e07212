"""What a record of the unified audit log says beside who, when and what: one vocabulary over all workloads.

What is not read here stays under its own name in `details.attributes`, unless it is long: then the record itself has it.
"""

from collections.abc import Mapping, Sequence

import orjson

from ingest.parsers.access_words import plain
from ingest.parsers.identity_events import address, is_empty
from ingest.parsers.m365_directory import changes_of, new_value
from ingest.parsers.m365_exchange import mailbox_details, parameters_of
from ingest.parsers.m365_fields import Fields, pairs, unpacked

_LONGEST = 2000
"""Characters of a field that is kept in `attributes`."""

_MOST_ATTRIBUTES = 200
_READ = frozenset(
    {
        *("actor", "actoripaddress", "affecteditems", "aggregatedrecordfoldersdata", "alertid", "alerttype"),
        *("appaccesscontext", "appid", "applicationdisplayname", "applicationid", "auditdata", "auditlogrecordtype"),
        *("authenticationtype", "browsername", "browserversion", "category", "channelname", "chatthreadid", "clientappid"),
        *("clientinfostring", "clientip", "clientipaddress", "clientprocessname", "clientrequestid", "clientversion"),
        *("cmdletparameters", "comments", "communicationtype", "correlationid", "createddatetime", "creationdate"),
        *("creationtime", "crossmailboxoperation", "data", "destfolder", "devicedisplayname", "deviceid", "deviceproperties"),
        *("entitytype", "errornumber", "eventsource", "extendedproperties", "externalaccess", "extraproperties", "folder"),
        *("folders", "geolocation", "id", "identity", "intersystemsid", "intrasystemid", "ismanageddevice", "isthrottled"),
        *("item", "itemtype", "lastmodifiedtime", "logonerror", "logontype", "logonusersid", "mailboxguid", "mailboxownersid"),
        *("mailboxownerupn", "members", "messageurls", "modifiedproperties", "name", "objectid", "officeobjectid"),
        *("officeworkload", "operation", "operationcount", "operationproperties", "operations", "organizationid"),
        *("organizationname", "originatingserver", "parameters", "platform", "policyid", "recordid", "recordtype"),
        *("resultcount", "resultindex", "resultstatus", "sendasusersmtp", "sendonbehalfofusersmtp", "service", "sessionid"),
        *("severity", "site", "siteurl", "source", "sourcefileextension", "sourcefilename", "sourcerelativeurl", "status"),
        *("target", "targetuserorgroupname", "targetuserorgrouptype", "teamname", "timegenerated", "useragent", "userid"),
        *("userids", "userkey", "userprincipalname", "usertype", "version", "workload"),
    }
)


_FILES = frozenset({"sourcefilename", "sourcerelativeurl", "siteurl", "site", "itemtype", "eventsource"})
_TEAMS = frozenset({"members", "communicationtype", "chatthreadid", "channelname", "messageurls", "participantinfo"})


def details_of(record: Fields) -> dict[str, object]:
    """Everything a person or a rule may ask for by name."""
    extended = Fields(pairs(record.array("extendedproperties")))
    device = Fields(pairs(record.array("deviceproperties")))
    access = record.inner("appaccesscontext")
    changed, port = record.array("modifiedproperties"), _port(record.text("clientip", "clientipaddress"))
    return {
        "event_type": record.text("operation", "operations"),
        "record_type": record.get("recordtype", "auditlogrecordtype"),
        "workload": record.text("workload", "officeworkload", "service"),
        "result": record.text("resultstatus"),
        "user_key": record.text("userkey"),
        "organisation_id": record.text("organizationid"),
        "organisation": record.text("organizationname"),
        "object": record.text("objectid", "officeobjectid"),
        "application": record.text("applicationdisplayname") or access.text("clientappname") or _application(record, "DisplayName"),
        "client_id": _application(record, "AppId")
        or record.text("clientappid", "applicationid")
        or access.text("clientappid")
        or record.text("appid"),
        "api_id": access.text("apiid"),
        "session_id": access.text("aadsessionid") or record.text("sessionid") or device.text("sessionid"),
        "token_id": access.text("uniquetokenid"),
        "correlation_id": access.text("correlationid") or record.text("correlationid", "intersystemsid"),
        "request_id": record.text("intrasystemid", "clientrequestid"),
        "client_port": port,
        "user_agent": record.text("useragent") or extended.text("useragent"),
        "browser": record.text("browsername") or device.text("browsertype"),
        "browser_version": record.text("browserversion"),
        "os": device.text("os"),
        "platform": record.text("platform"),
        "device_name": device.text("displayname"),
        "device_display_name": record.text("devicedisplayname"),
        "device_id": device.text("id") or record.text("deviceid"),
        "trust_type": device.text("trusttype"),
        "managed": record.flag("ismanageddevice"),
        "compliant_and_managed": device.flag("iscompliantandmanaged"),
        "method": record.text("authenticationtype") or extended.text("requesttype"),
        "authentication_method": extended.text("userauthenticationmethod"),
        "request_type": extended.text("requesttype"),
        "result_detail": extended.text("resultstatusdetail"),
        "keep_signed_in": extended.flag("keepmesignedin"),
        "error_code": record.text("errornumber"),
        "reason": record.text("logonerror") or extended.text("logonerror"),
        "region": record.text("geolocation"),
        "parameters": parameters_of(record),
        "changes": changes_of(changed),
        "role": new_value(changed, "Role.DisplayName"),
        "group": new_value(changed, "Group.DisplayName") or record.text("teamname"),
        "targets": [found for one in record.array("target") if (found := Fields(one).text("id"))],
        "target_type": record.text("targetuserorgrouptype"),
        **(mailbox_details(record) if _is_mailbox(record) else {}),
        **(_files(record) if _FILES.intersection(record.names()) else {}),
        **(_teams(record) if _TEAMS.intersection(record.names()) else {}),
        **_alert(record),
        "additional": extended.text("additionaldetails"),
        "attributes": _others(record),
    }


def target_user(record: Fields) -> tuple[str | None, str | None]:
    """Whom it was done to, and their id: the target's UPN in the directory, the person a file is shared with, the mailbox."""
    target = [Fields(one) for one in record.array("target")]
    upn = next((one.text("id") for one in target if one.get("type") in (5, "5")), None)
    guid = next((found for one in target if one.get("type") in (2, "2") and _is_guid(found := one.text("id"))), None)
    given = Fields(parameters_of(record))
    named = upn or record.text("targetuserorgroupname") or given.text("user", "member", "trustee", "delegate")
    if named is None and "azureactivedirectoryeventtype" in record and "@" in (object_id := record.text("objectid") or ""):
        named = object_id
    return named, guid


def named_application(record: Fields) -> str | None:
    """The name among the targets of a change of an application (identity type 1, Name)."""
    target = [Fields(one) for one in record.array("target")]
    return next((one.text("id") for one in target if one.get("type") in (1, "1")), None)


def _application(record: Fields, name: str) -> str | None:
    """What a change of an application's own entry says of it."""
    operation = (record.text("operation", "operations") or "").lower()
    is_about_one = "azureactivedirectoryeventtype" in record and ("application" in operation or "service principal" in operation)
    return new_value(record.array("modifiedproperties"), name) if is_about_one else None


def alert_data(record: Fields) -> Fields:
    """What an alert or an investigation carries as JSON inside `Data`."""
    return record.inner("data")


def _is_mailbox(record: Fields) -> bool:
    return any(name in record for name in ("mailboxguid", "mailboxownerupn", "operationproperties", "affecteditems", "item"))


def _files(record: Fields) -> dict[str, object]:
    """SharePoint and OneDrive."""
    return {
        "file": record.text("sourcefilename"),
        "directory": record.text("sourcerelativeurl"),
        "extension": record.text("sourcefileextension"),
        "site_url": record.text("siteurl"),
        "site": record.text("site"),
        "item_type": record.text("itemtype"),
        "event_source": record.text("eventsource"),
    }


def _teams(record: Fields) -> dict[str, object]:
    members = [Fields(one) for one in record.array("members")]
    return {
        "members": [found for one in members if (found := one.text("upn", "displayname"))],
        "communication_type": record.text("communicationtype"),
        "chat_thread_id": record.text("chatthreadid"),
        "channel": record.text("channelname"),
        "urls": [one for one in record.array("messageurls") if isinstance(one, str)],
        "foreign_tenants": record.inner("participantinfo").flag("hasforeigntenantusers"),
    }


def _alert(record: Fields) -> dict[str, object]:
    """Alerts, and investigations, which carry the alert as JSON inside `Data`."""
    data = alert_data(record)
    investigation = record.text("investigationid")
    if record.text("alertid") is None and investigation is None:
        return {
            "status": record.text("status"),
            "name": record.text("name"),
            "severity": record.text("severity"),
            "data": _data(record),
        }
    return {
        "alert_id": record.text("alertid"),
        "alert": record.text("name") or record.text("investigationname"),
        "alert_type": record.text("alerttype") or data.text("alerttype"),
        "severity": record.text("severity") or data.text("severity"),
        "category": record.text("category") or data.text("category"),
        "status": record.text("status"),
        "alert_source": record.text("source") or data.text("providername"),
        "policy_id": record.text("policyid"),
        "entity_type": record.text("entitytype"),
        "comment": record.text("comments"),
        "reason": data.text("ad", "alertdisplayname"),
        "target_user": data.text("f3u", "suid", "trc"),
        "from": data.text("tsd"),
        "data": _data(record),
        "entities": _entities(data),
    }


_ENTITIES = {
    "from": ("sender", "p2sender"),
    "from_domains": ("p2senderdomain",),
    "to": ("recipient", "mailboxprimaryaddress"),
    "client_ips": ("senderip",),
    "subjects": ("subject",),
    "delivery_actions": ("deliveryaction",),
    "urls": ("urls", "url"),
    "threats": ("threats",),
    "network_message_ids": ("networkmessageid", "networkmessageids"),
}
_MOST_ENTITIES = 500


def _entities(data: Fields) -> dict[str, object]:
    """The mails, mailboxes and links that an investigation is about."""
    found: dict[str, dict[str, None]] = {name: {} for name in _ENTITIES}
    for one in data.array("entities")[:_MOST_ENTITIES]:
        entity = Fields(one)
        for name, fields in _ENTITIES.items():
            found[name] |= {text: None for field in fields for text in entity.array(field) if isinstance(text, str) and text}
    return {name: list(texts) for name, texts in found.items() if texts}


def _data(record: Fields) -> object:
    """The texts and numbers of `Data`."""
    value = unpacked(record.get("data"))
    if isinstance(value, Mapping):
        return {str(name): one for name, one in value.items() if isinstance(one, str | int | float) and len(str(one)) <= _LONGEST}
    return value if isinstance(value, str) and len(value) <= _LONGEST else None


def _others(record: Fields) -> dict[str, object]:
    """What nobody read, under its own name, where it is not long."""
    found: dict[str, object] = {}
    for name, value in record.original.items():
        if plain(str(name)) in _READ or is_empty(value) or len(found) >= _MOST_ATTRIBUTES:
            continue
        if _is_short(value):
            found[str(name)] = value
    return found


def _is_short(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST
    if not isinstance(value, list | dict):
        return True
    try:
        return len(orjson.dumps(value)) <= _LONGEST
    except (orjson.JSONEncodeError, TypeError):
        return False


def _port(text: str | None) -> int | None:
    """The port behind an address: `192.0.2.1:443`, `[2001:db8::1]:443`."""
    head, colon, tail = (text or "").rpartition(":")
    if not colon or not tail.isascii() or not tail.isdecimal() or len(tail) > 5 or address(head) is None:
        return None
    return int(tail) if head.endswith("]") or ":" not in head else None


def _is_guid(text: str | None) -> bool:
    return text is not None and len(text) == 36 and text.count("-") == 4


def recipients_of(record: Fields) -> Sequence[str]:
    """To whom a mail went, in records about one."""
    return [one for one in record.array("recipients") if isinstance(one, str) and one.strip()]
