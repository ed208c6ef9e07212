"""Searching the ledger as FHIR AuditEvents (R4 §AuditEvent search parameters, IHE ITI-81): conditions over columns and details.

An event that came as a FHIR R4 AuditEvent is found by its own codes, which are in its details; any other by the codes that it is
shown with. Both sides of that are here, in the tables below, so that what is found and what is shown cannot differ.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from domain.clock import microseconds
from domain.errors import InvalidInput
from domain.event import ActorKind
from domain.record import StoredEvent
from store.engine import Engine
from store.entry_rows import COLUMNS, stored_event
from store.events import Page

DCM = "http://dicom.nema.org/resources/ontology/DCM"
EVENT_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
ENTITY_TYPES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ENTITY_ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
OUR_SOURCES = "urn:phitrail:source"
OUR_ACTIONS = "urn:phitrail:action"

TYPES: Mapping[str, Sequence[str]] = {
    "110100": ("application_start", "application_stop"),
    "110101": ("audit_read", "audit_log_used"),
    "110106": ("export", "extract", "print", "download_record"),
    "110107": ("import",),
    "110112": ("search",),
    "110113": ("privilege_change", "audit_stop", "audit_start", "audit_stopped", "break_glass", "policy_change", "forward_rule"),
    "110114": ("login", "logout", "authentication"),
    "rest": ("http_request",),
}
"""Type of an event by our action (DICOM PS3.16 CID 400, FHIR's `rest`). Else mail, a patient's record (110110) or the source."""

SUBTYPES: Mapping[str, Sequence[str]] = {
    "110120": ("application_start",),
    "110121": ("application_stop",),
    "110122": ("login",),
    "110123": ("logout",),
    "110127": ("break_glass",),
    "110133": ("audit_stop", "audit_stopped"),
    "110134": ("audit_start",),
    "110136": ("privilege_change",),
}
"""DICOM PS3.16 CID 401 and 402, beside our own word."""

OUTCOMES: Mapping[str, Sequence[str]] = {
    "0": ("success", "delivered"),
    "4": ("denied", "deferred"),
    "8": ("failure", "bounced", "dropped"),
    "12": (),
}
"""FHIR's audit event outcome (RFC 3881 §5.1.4): a refusal or a delay is minor, what failed is serious. No outcome has no code."""

KINDS: Mapping[str, Sequence[ActorKind]] = {
    "Practitioner": (ActorKind.STAFF,),
    "PractitionerRole": (ActorKind.STAFF,),
    "Patient": (ActorKind.PATIENT,),
    "RelatedPerson": (ActorKind.PROXY,),
    "Device": (ActorKind.SERVICE, ActorKind.SYSTEM),
    "Organization": (ActorKind.VENDOR, ActorKind.EXTERNAL),
}
"""What kind of actor a reference to a resource means."""

MAX_LIMIT = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CRUD = (("R", ("view_",), ("download_record",)), ("U", ("edit_", "update_"), ()), ("C", ("create_",), ()), ("D", ("delete_",), ()))


def type_of(action: str, source: str, *, has_patient: bool) -> tuple[str, str]:
    """System and code of the type that an event is shown with."""
    code = next((code for code, actions in TYPES.items() if action in actions), None)
    if code is not None:
        return _system_of(code), code
    if source == "mail" or not has_patient:
        return OUR_SOURCES, source
    return DCM, "110110"


def action_code(action: str) -> str:
    """C, R, U, D or E (FHIR audit event action)."""
    for code, prefixes, words in _CRUD:
        if action.startswith(prefixes) or action in words:
            return code
    return "E"


def outcome_code(outcome: str | None) -> str | None:
    """FHIR's code of an outcome, None where it is not known."""
    return next((code for code, words in OUTCOMES.items() if outcome in words), None)


def _system_of(code: str) -> str:
    return EVENT_TYPES if code == "rest" else DCM if code.startswith("110") else OUR_SOURCES


# --- What is asked ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Instants from `since` on and before `until`; `outside`: all others. None is open."""

    since: datetime | None = None
    until: datetime | None = None
    outside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One value of a parameter. `kind` is the resource type of a reference, `system` that of a code or identifier ('' is none)."""

    value: str
    system: str | None = None
    kind: str | None = None
    match: str = "exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirQuery:
    """Everything that has to hold: of each inner sequence one. Names are keys of `CONDITIONS`, columns are time and received."""

    times: Sequence[tuple[str, Sequence[Period]]] = ()
    tokens: Sequence[tuple[str, Sequence[Token]]] = ()
    ascending: bool = False


class FhirSearch:
    """Reads entries for ITI-81. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def search(self, wanted: FhirQuery, after: str | None, limit: int) -> Page:
        """One page of entries by claimed time, at most `limit` (1 to 1000). Raises InvalidInput for a cursor that no page gave."""
        limit = max(1, min(limit, MAX_LIMIT))
        where, parameters = _where(wanted)
        sign, order = (">", "ASC") if wanted.ascending else ("<", "DESC")
        if after is not None:
            moment, writer, seq = _decoded(after)
            bound = "fromUnixTimestamp64Micro({key_time:Int64}, 'UTC')"
            # Two-part, as in `store/events.py`: the plain comparison lets parts be skipped, the tuple makes it exact.
            where += (
                f" AND time {sign}= {bound} AND (time, writer, seq) {sign} ({bound}, {{key_writer:String}}, {{key_seq:UInt64}})"
            )
            parameters |= {"key_time": moment, "key_writer": writer, "key_seq": seq}
        sql = (
            f"SELECT {COLUMNS} FROM events WHERE {where} ORDER BY time {order}, writer {order}, seq {order} LIMIT {{limit:UInt32}}"
        )
        frame = self._engine.frame(sql, limit=limit + 1, **parameters)
        events = tuple(stored_event(row) for row in frame.head(limit).iter_rows(named=True))
        return Page(events=events, next=_encoded(events[-1]) if frame.height > limit else None)

    def count(self, wanted: FhirQuery) -> int:
        """How many entries there are."""
        where, parameters = _where(wanted)
        return int(str(self._engine.rows(f"SELECT count() FROM events WHERE {where}", **parameters)[0][0]))


# --- Conditions ------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Bound:
    """Values that are bound on the server, each under a name of its own; the SQL is made of constants only."""

    values: dict[str, object] = field(default_factory=dict)

    def text(self, value: str) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:String}}"

    def texts(self, values: Sequence[str]) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = list(values)
        return f"{{{name}:Array(String)}}"

    def moment(self, value: datetime) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = microseconds(value)
        return f"fromUnixTimestamp64Micro({{{name}:Int64}}, 'UTC')"


Condition = Callable[[Token, _Bound], str]
"""The SQL that holds of an entry which a token finds; values are bound, the text is made of constants."""

_HAS_MODULE = "JSONExtractString(details, 'module') != ''"
_IS_FHIR = "(format = 'fhir-auditevent' AND JSONExtractString(details, 'type', 'code') != '')"


def _where(wanted: FhirQuery) -> tuple[str, dict[str, object]]:
    bound = _Bound()
    parts = ["1"]
    for column, periods in wanted.times:
        parts.append(_any(_period(column, period, bound) for period in periods))
    for name, tokens in wanted.tokens:
        parts.append(_any(CONDITIONS[name](token, bound) for token in tokens))
    return " AND ".join(parts), bound.values


def _any(parts: Iterable[str]) -> str:
    return f"({' OR '.join(parts)})"


def _period(column: str, period: Period, bound: _Bound) -> str:
    column = "received" if column == "received" else "time"
    parts = [f"{column} >= {bound.moment(period.since)}"] if period.since else []
    parts += [f"{column} < {bound.moment(period.until)}"] if period.until else []
    inside = " AND ".join(parts) or "1"
    return f"NOT ({inside})" if period.outside else f"({inside})"


def _listed(name: str, test: str) -> str:
    """True where a test holds of one of the objects in a list of the details, which is `x` in the test."""
    return f"arrayExists(x -> {test}, JSONExtractArrayRaw(details, '{name}'))"


def _inside(place: str, *steps: str) -> str:
    path = ", ".join(f"'{step}'" for step in steps)
    return f"JSONExtractString({place}, {path})"


def _compared(expression: str, token: Token, bound: _Bound) -> str:
    """Text of FHIR's type `string`: the beginning, in any capitals, unless a modifier says otherwise."""
    value = bound.text(token.value)
    if token.match == "exact":
        return f"{expression} = {value}"
    found = f"positionCaseInsensitiveUTF8({expression}, {value})"
    return f"{found} = 1" if token.match == "starts" else f"{found} > 0"


def _reference(place: str, token: Token, bound: _Bound) -> str:
    """True where the Reference in JSON at `place` is what a token names, by reference or identifier."""
    named = f"{token.kind}/{token.value}" if token.kind else token.value
    reference, whole = _inside(place, "reference"), bound.text(named)
    parts = [f"{reference} = {whole}", f"endsWith({reference}, concat('/', {whole}))"]
    if token.kind is None:
        parts.append(_identifier(f"JSONExtractRaw({place}, 'identifier')", token, bound))
    return f"({' OR '.join(parts)})"


def _identifier(place: str, token: Token, bound: _Bound) -> str:
    value = f"{_inside(place, 'value')} = {bound.text(token.value)}"
    return value if token.system is None else f"({value} AND {_inside(place, 'system')} = {bound.text(token.system)})"


def _coding(place: str, token: Token, bound: _Bound) -> str:
    code = f"{_inside(place, 'code')} = {bound.text(token.value)}"
    return code if token.system is None else f"({code} AND {_inside(place, 'system')} = {bound.text(token.system)})"


def _patient(token: Token, bound: _Bound) -> str:
    """By the bare id. A system is compared with the authority that the record gave, where it gave one."""
    if token.kind not in (None, "Patient"):
        return "0"
    found = f"patient_id = {bound.text(token.value)}"
    if not token.system:
        return found
    spelled = bound.texts([token.system, token.system.removeprefix("urn:oid:"), ""])
    return f"({found} AND JSONExtractString(details, 'patient_authority') IN {spelled})"


def _agent(token: Token, bound: _Bound) -> str:
    """The actor, or any other agent of a record that came as a FHIR AuditEvent."""
    actor = f"actor_id = {bound.text(token.value)}"
    if token.kind is not None:
        actor = f"({actor} AND actor_kind IN {bound.texts([kind.value for kind in KINDS.get(token.kind, ())])})"
    return _any([actor, _listed("agents", _reference("JSONExtractRaw(x, 'who')", token, bound))])


def _altid(token: Token, bound: _Bound) -> str:
    value = bound.text(token.value)
    return _any([f"actor_id = {value}", _listed("agents", f"JSONExtractString(x, 'altId') = {value}")])


def _agent_name(token: Token, bound: _Bound) -> str:
    return _any([_compared("actor_id", token, bound), _listed("agents", _compared(_inside("x", "name"), token, bound))])


def _address(token: Token, bound: _Bound) -> str:
    network = _listed("agents", _compared(_inside("x", "network", "address"), token, bound))
    return _any([_compared("ip", token, bound), _compared("device_id", token, bound), network])


def _action(token: Token, bound: _Bound) -> str:
    cases = []
    for code, prefixes, words in _CRUD:
        tests = [*(f"startsWith(action, '{prefix}')" for prefix in prefixes), *(f"action = '{word}'" for word in words)]
        cases.append(f"{' OR '.join(tests)}, '{code}'")
    shown = f"multiIf({', '.join(cases)}, 'E')"
    own = "JSONExtractString(details, 'action')"
    return f"if({_IS_FHIR}, {own}, {shown}) = {bound.text(token.value)}"


def _outcome(token: Token, bound: _Bound) -> str:
    own = "JSONExtractString(details, 'outcome')"
    shown = f"has({bound.texts(OUTCOMES.get(token.value, ()))}, outcome)"
    return f"if({_IS_FHIR}, {own} = {bound.text(token.value)}, {shown})"


def _type(token: Token, bound: _Bound) -> str:
    own = _coding("JSONExtractRaw(details, 'type')", token, bound)
    if token.system is not None and token.system != _system_of(token.value):
        return f"({_IS_FHIR} AND {own})"
    known = [action for actions in TYPES.values() for action in actions]
    other = f"multiIf(has({bound.texts(known)}, action), '', source = 'mail' OR patient_id = '', toString(source), '110110')"
    shown = f"(has({bound.texts(TYPES.get(token.value, ()))}, action) OR {other} = {bound.text(token.value)})"
    return f"if({_IS_FHIR}, {own}, {shown})"


def _subtype(token: Token, bound: _Bound) -> str:
    own = _listed("subtype", _coding("x", token, bound))
    words: list[str] = []
    if token.system in (None, DCM):
        words += SUBTYPES.get(token.value, ())
    if token.system in (None, OUR_ACTIONS):
        words.append(token.value)
    return f"if({_IS_FHIR}, {own}, has({bound.texts(words)}, action))"


def _entity(token: Token, bound: _Bound) -> str:
    """The patient, or any other object of a record that came as a FHIR AuditEvent, or what another record was about."""
    parts = [_patient(token, bound), _listed("entities", _reference("JSONExtractRaw(x, 'what')", token, bound))]
    if token.kind is None:
        parts.append(f"JSONExtractString(details, 'target_id') = {bound.text(token.value)}")
    return _any(parts)


def _entity_code(name: str) -> Condition:
    """Type and role of what is shown: the patient is 1 and 1, a part of the record 2 and 4, a search 2 and 24."""

    def condition(token: Token, bound: _Bound) -> str:
        own = _listed("entities", _coding(f"JSONExtractRaw(x, '{name}')", token, bound))
        shown = {
            "1": "patient_id != ''",
            "2": f"({_HAS_MODULE} OR action = 'search')" if name == "type" else "0",
            "4": _HAS_MODULE if name == "role" else "0",
            "24": "action = 'search'" if name == "role" else "0",
        }.get(token.value, "0")
        if token.system not in (None, ENTITY_TYPES if name == "type" else ENTITY_ROLES):
            shown = "0"
        return f"if({_IS_FHIR}, {own}, {shown})"

    return condition


def _source(token: Token, bound: _Bound) -> str:
    value = bound.text(token.value)
    observer = "JSONExtractRaw(details, 'audit_source', 'observer')"
    own = f"{_reference(observer, token, bound)} OR {_inside(observer, 'display')} = {value}"
    return f"(source_system = {value} OR ({_IS_FHIR} AND ({own})))"


def _id(token: Token, bound: _Bound) -> str:
    writer, _, seq = token.value.rpartition("-")
    return f"(writer = {bound.text(writer)} AND toString(seq) = {bound.text(seq)})"


CONDITIONS: Mapping[str, Condition] = {
    "id": _id,
    "patient": _patient,
    "agent": _agent,
    "agent_name": _agent_name,
    "altid": _altid,
    "address": _address,
    "action": _action,
    "outcome": _outcome,
    "type": _type,
    "subtype": _subtype,
    "entity": _entity,
    "entity_type": _entity_code("type"),
    "entity_role": _entity_code("role"),
    "source": _source,
}


def _encoded(last: StoredEvent) -> str:
    key = f"{microseconds(last.event.time)}.{last.seq}.{last.writer}"
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> tuple[int, str, int]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        moment, seq, writer = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split(".", 2)
        time, place = int(moment), int(seq)
        _EPOCH + timedelta(microseconds=time)
    except (binascii.Error, ValueError, OverflowError) as error:
        raise InvalidInput("the cursor is not one this service gave; start again from the first page") from error
    if not 0 <= place < 2**64:
        raise InvalidInput("the cursor is not one this service gave; start again from the first page")
    return time, writer, place
