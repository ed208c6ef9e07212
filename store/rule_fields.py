"""What a rule may ask about: the fields of each log source, their types, and the SQL expression behind each name.

The list is closed. A rule file is content that people exchange; a name that is not here never becomes SQL.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import InvalidInput


class FieldType(StrEnum):
    """How a field compares. A text that is not known is ''; a flag or number of a fact is always known, except `UNKNOWN_FLAG`."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    UNKNOWN_FLAG = "flag or not known"
    TEXTS = "list of sentences"
    DETAIL = "value inside details"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSource:
    """A table that rules read: `category` of a Sigma logsource with `product: phitrail`."""

    category: str
    table: str
    fields: Mapping[str, FieldType]
    has_details: bool
    replaced: bool
    """Whether rows of one entry replace each other (facts computed again), so that a query has to read them merged."""


_DETAIL = re.compile(r"details((?:\.[A-Za-z0-9_]{1,64}){1,8})")


def _fields(**names: str) -> dict[str, FieldType]:
    return {name: kind for kind, text in ((FieldType[key.upper()], value) for key, value in names.items()) for name in text.split()}


_EVENT = _fields(text="event_id source_system source action outcome actor_id actor_kind patient_id device_id device_kind ip")

_ACCESS = _EVENT | _fields(
    text="actor_role actor_department staff_id reason city country network_unit",
    flag="known explained is_self is_household same_surname is_vip is_restricted is_coworker is_neighbour on_leave off_shift "
    "strange_place notice_given untrained own_account unregistered is_manager",
    number="surname_rarity terminated_minutes records speed_kmh moves idle_days since_care_days",
    texts="reasons reason_kinds flags",
)

_DELIVERY = _fields(
    text="event_id source_system action outcome actor_id patient_id to_domain direction category encryption "
    "tls_verdict tls_version tls_cipher evidence policy_version "
    "policy_outcome policy_reasons policy_unknown policy_facts mail_policy recipient misdirected "
    "demanded demanded_by demand_outcome demand_fact sent_by answers message_key tls_leg tls_confidence",
    texts="subject_identifiers mail_signs",
    number="transit_seconds tls_bits",
    flag="auto_forwarded tls_weak opted_in",
    unknown_flag="phi",
)

LOG_SOURCES: Mapping[str, LogSource] = {
    source.category: source
    for source in (
        LogSource(category="phi_access", table="access_facts", fields=_ACCESS, has_details=True, replaced=True),
        LogSource(category="identity", table="access_facts", fields=_ACCESS, has_details=True, replaced=True),
        LogSource(category="mail_delivery", table="delivery_facts", fields=_DELIVERY, has_details=False, replaced=True),
        LogSource(category="event", table="events", fields=_EVENT | _fields(text="format"), has_details=True, replaced=False),
    )
}
"""By category. `identity` reads the same facts as `phi_access`: log-ins are events of the access and portal streams."""


def field_type(source: LogSource, name: str) -> FieldType:
    """The type of a field. Raises InvalidInput for a name the log source does not have."""
    if not has_field(source, name):
        raise InvalidInput(f"the log source {source.category} has no field '{name}'")
    return source.fields.get(name, FieldType.DETAIL)


def has_field(source: LogSource, name: str) -> bool:
    """Whether the log source has a field of this name."""
    return name in source.fields or (source.has_details and _DETAIL.fullmatch(name) is not None)


def column(source: LogSource, name: str) -> str:
    """The SQL expression of a field as it is stored; of a value inside details, the text of it ('' where absent or null)."""
    if field_type(source, name) is not FieldType.DETAIL:
        return name
    arguments = f"details, {detail_path(name)}"
    text, raw = f"JSONExtractString({arguments})", f"JSONExtractRaw({arguments})"
    return f"multiIf(JSONType({arguments}) = 'String', {text}, JSONType({arguments}) = 'Null', '', {raw})"


def detail_path(name: str) -> str:
    """The steps of `details.tls.version` as arguments of the JSON functions: `'tls', 'version'`. Names are letters and digits."""
    found = _DETAIL.fullmatch(name)
    assert found is not None
    return ", ".join(f"'{step}'" for step in found[1][1:].split("."))


def as_text(source: LogSource, name: str) -> str:
    """The SQL expression of a field as one text, for grouping and for sentences; sentences of a list are joined by '; '."""
    text = column(source, name)
    match field_type(source, name):
        case FieldType.TEXTS:
            return f"arrayStringConcat({text}, '; ')"
        case FieldType.UNKNOWN_FLAG:
            return f"ifNull(toString({text}), '')"
        case _:
            return f"toString({text})"
