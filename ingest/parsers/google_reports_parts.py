"""The parameters of a Workspace event as one object, and what of them stands under our names in the details."""

from collections.abc import Mapping, Sequence

from ingest.parsers.google_bigquery import integer
from ingest.parsers.identity_events import is_empty, text_or_number
from ingest.parsers.shapes import mapping, sequence, text_of

_DEEPEST = 8
_SINGLE = ("value", "boolValue", "intValue")
_LISTS = ("multiValue", "multiStrValue", "multiIntValue", "multiBoolValue")

_PLACES: Mapping[str, Sequence[str]] = {
    "target_user": (
        *(
            "user_email",
            "target_user",
            "target",
            "member_id",
            "member_email",
            "affected_email_address",
            "email_monitor_source_email",
        ),
        *("user", "new_member", "target_email"),
    ),
    "group": ("group_email", "group_id", "group_name"),
    "role": ("role_name", "member_role", "privilege_name", "new_role"),
    "role_id": ("role_id",),
    "setting": ("setting_name", "user_defined_setting_name"),
    "old_value": ("old_value",),
    "new_value": ("new_value",),
    "org_unit": ("org_unit_name", "orgunit_path", "org_unit_path"),
    "application": ("app_name", "application_name", "caa_application", "api_client_name", "oauth2_app_name"),
    "client_id": ("client_id", "oauth2_app_id", "api_client_id"),
    "client_type": ("client_type", "oauth2_app_type"),
    "scopes": ("scope", "api_scopes", "scopes"),
    "api": ("api_name",),
    "api_method": ("method_name",),
    "method": ("login_type",),
    "mfa": ("login_challenge_method",),
    "challenge_status": ("login_challenge_status",),
    "reason": ("login_failure_type", "login_failure_reason", "event_reason", "remove_user_reason", "reason"),
    "event_reason": ("event_reason",),
    "status": ("saml_status_code", "status"),
    "second_status": ("saml_second_level_status_code",),
    "initiated_by": ("initiated_by",),
    "document": ("doc_title",),
    "document_id": ("doc_id",),
    "document_type": ("doc_type",),
    "owner": ("owner", "resource_owner_email"),
    "visibility": ("visibility",),
    "old_visibility": ("old_visibility",),
    "rule": ("rule_name",),
    "rule_type": ("rule_type",),
    "resource": ("resource_title", "resource_id"),
    "severity": ("severity",),
    "recipients": ("resource_recipients",),
    "device": ("device_name",),
    "device_id": ("directory_device_id", "device_id", "caa_device_id"),
    "device_user": ("device_user",),
    "os": ("device_platform", "os_version"),
    "vendor": ("vendor_name",),
    "product": ("product_name",),
    "product_id": ("product_id",),
    "user_agent": ("user_agent",),
    "session_id": ("session_id", "dusi"),
    "message_id": ("email_log_search_msg_id",),
    "chat_message_id": ("message_id",),
    "room": ("room_name",),
    "meeting_code": ("meeting_code",),
    "organizer": ("organizer_email",),
    "region": ("location_region",),
    "transport": ("network_transport_protocol",),
    "event_title": ("event_title",),
}
"""Our names to those of the parameters, in lower case; the first that is there."""

_FORWARDS = ("email_forwarding_destination_address", "email_monitor_dest_email", "forwarding_address", "route_to")


def parameters_of(event: Mapping[str, object]) -> Mapping[str, object]:
    """The parameters by name. The API has a list of them, Cloud Logging calls it `parameter`, others write an object."""
    given = event.get("parameters") if event.get("parameters") is not None else event.get("parameter")
    if isinstance(given, dict):
        return given
    return _named(given, 0)


def _named(given: object, depth: int) -> dict[str, object]:
    found: dict[str, object] = {}
    if depth > _DEEPEST:
        return found
    for one in map(mapping, sequence(given)):
        name = text_of(one.get("name"))
        if name is None:
            continue
        found[name] = _value(one, depth)
    return found


def _value(one: Mapping[str, object], depth: int) -> object:
    for field in _SINGLE:
        if one.get(field) is not None:
            value = one[field]
            number = integer(value) if field == "intValue" else None
            return value if number is None else number
    for field in _LISTS:
        if isinstance(one.get(field), list):
            return one[field]
    if "messageValue" in one:
        return _named(mapping(one["messageValue"]).get("parameter"), depth + 1)
    if isinstance(one.get("multiMessageValue"), list):
        return [_named(mapping(inner).get("parameter"), depth + 1) for inner in sequence(one["multiMessageValue"])]
    return None


def lowered(parameters: Mapping[str, object]) -> Mapping[str, object]:
    """The parameters by their names in lower case: the applications do not agree on capitals."""
    return {name.lower(): value for name, value in parameters.items()}


def named_details(low: Mapping[str, object]) -> dict[str, object]:
    """What the parameters say, under our names."""
    found: dict[str, object] = {}
    for ours, theirs in _PLACES.items():
        value = next((low[name] for name in theirs if not is_empty(low.get(name))), None)
        if value is not None:
            found[ours] = value[0] if isinstance(value, list) and len(value) == 1 and ours != "scopes" else value
    if low.get("is_suspicious") is True:
        found["risk"] = "suspicious"
    if isinstance(scopes := found.get("scopes"), str):
        found["scopes"] = scopes.replace(",", " ").split()
    return found


def forwarding(low: Mapping[str, object]) -> dict[str, object]:
    """Where mail is to be sent on to."""
    address = next((found for name in _FORWARDS if (found := text_or_number(low.get(name)))), None)
    if address is None:
        new = text_or_number(low.get("new_value")) or ""
        address = next((word.strip("<>\"'[]{}(),;") for word in new.split() if "@" in word and len(word) < 320), None)
    domain = address.rpartition("@")[2].lower() if address and "@" in address else None
    return {"forward_to": address, "forward_domain": domain}
