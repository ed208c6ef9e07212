"""The audit tables of OpenEMR: rows of `log`, `extended_log` (disclosures) and `api_log`, exported as CSV or JSON.

Columns are known by name, so that a join of the tables is read too. `date` is the server's local time and needs a zone. Comments
are base64 since 6.0; they are decoded where they can be, and kept as they are where they are encrypted: there is no key here.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json, canonical, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.access_words import plain
from ingest.parsers.addresses import ip_of
from ingest.parsers.audit_codes import rest_action
from ingest.parsers.delimited import FALLBACK, Header, cut, decoded, fields_of
from ingest.parsers.field_mapping import FieldMapping
from ingest.parsers.openemr_actions import API_VERBS, openemr_action, portal_action
from ingest.parsers.repeats import Repeats
from ingest.parsers.shapes import decode_json, kind_of
from ingest.parsers.wall_times import moment_of

PROGRAM = "openemr"
"""The actor of rows without a user: what the program did by itself."""

_NULLS = frozenset({"", "null", "\\n"})
_TAKEN = frozenset({"id", "date", "event", "user", "patientid", "success", "comments", "createdtime", "userid", "ipaddress"})
_ENCRYPTED = re.compile(r"00[1-9][A-Za-z0-9+/]{40,}={0,2}")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_SQL = re.compile(rb"\s*(?:select|insert|update|delete|replace|set)\b", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:success|failure): (?P<ip>[0-9A-Fa-f.:]{3,45})", re.IGNORECASE)
"""OpenEMR has no column for the address of a login; it writes it into the comments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row by column names, plain and as written; NULL and empty cells are left out."""

    cells: Mapping[str, Json]
    names: Mapping[str, str]

    def text(self, *names: str) -> str | None:
        """The cell of the first of `names` (without blanks and marks) that is filled."""
        for name in names:
            value = self.cells.get(self.names.get(name, ""))
            if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
                return str(value).strip()
        return None


class OpenEmrParser:
    """Reads rows as `openemr_records` hands them out."""

    format = "openemr"

    def __init__(self, source_system: str, *, mapping: FieldMapping | None = None) -> None:
        """Of `mapping` only the zone, the delimiter, the encoding and the translations of `action` (by event name) are used."""
        self._source_system = source_system
        self._mapping = mapping or FieldMapping()
        self._header: Header | None = None
        self._repeats = Repeats()

    def parse(self, record: bytes) -> list[Parsed]:
        """One event, or one Rejected; that of a CSV row begins with the header, so that it can be read again."""
        before = b""
        try:
            if record[:1] in (b"{", b"["):
                return [self._event(_json_row(record), record)]
            known = self._header
            self._header, line = cut(record, known, delimiter=self._mapping.delimiter, encoding=self._mapping.encoding)
            if known is self._header:
                before = known.raw
            return [self._event(self._csv_row(self._header, line), line)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=before + record)]

    def _csv_row(self, header: Header, line: bytes) -> _Row:
        text, read_as = decoded(line, header.codec, strict=self._mapping.encoding is not None)
        cells = fields_of(text, header.delimiter)
        if len(cells) != len(header.columns):
            raise InvalidInput(f"the row has {len(cells)} fields, the header {len(header.columns)}")
        named = dict(zip(header.columns, cells, strict=True))
        return _row(named | ({"encoding": FALLBACK} if read_as == FALLBACK else {}))

    def _event(self, row: _Row, raw: bytes) -> AuditEvent:
        if "event" in row.names and "user" in row.names:
            return self._of_log(row, raw)
        if "request" in row.names and "method" in row.names:
            return self._of_api_log(row, raw)
        raise InvalidInput("the columns are none of OpenEMR's log, extended_log or api_log (event and user, or request and method)")

    def _of_log(self, row: _Row, raw: bytes) -> AuditEvent:
        event = row.text("event")
        if event is None:
            raise InvalidInput("event is empty")
        is_disclosure = "recipient" in row.names
        is_portal = (row.text("logfrom") or "").lower() == "patient-portal"
        comments, form = _comments(row.text("comments"), encrypted=row.text("encrypt"))
        action = self._mapping.values.get("action", {}).get(event.lower())
        if action is None and is_disclosure:
            action = "disclosure"
        elif action is None:
            action = portal_action(event) if is_portal else openemr_action(event, row.text("category") or "", comments)
        patient, user = row.text("patientid", "patientidapi"), row.text("user")
        details = _details(row)
        details |= {"event": event, "comments": comments, "comments_form": form}
        if is_disclosure:
            details |= {"to": row.text("recipient"), "reason": row.text("description"), "event": event}
        return self._made(
            row,
            raw,
            table="extended_log" if is_disclosure else "log",
            stamp="date",
            source=Source.PORTAL if is_portal else Source.ACCESS,
            action=action,
            actor=_actor(user, is_portal=is_portal),
            patient=patient,
            outcome=_success(row),
            details=details,
        )

    def _of_api_log(self, row: _Row, raw: bytes) -> AuditEvent:
        method, url = (row.text("method") or "").upper(), row.text("requesturl") or row.text("request") or ""
        kind, is_collection = _resource_of(url)
        patient = row.text("patientid")
        interaction = API_VERBS.get(method)
        if interaction == "read" and is_collection and patient in (None, "0"):
            interaction = "search"
        action = rest_action(interaction, [kind]) if interaction and kind else "api_request"
        user = row.text("user", "userid")
        return self._made(
            row,
            raw,
            table="api_log",
            stamp="createdtime",
            source=Source.ACCESS,
            action=self._mapping.values.get("action", {}).get(method.lower()) or action,
            actor=_actor(None if user == "0" else user, is_portal=False),
            patient=patient,
            outcome=_success(row),
            details={**_details(row), "module": kind, "method": method or None},
        )

    def _made(
        self,
        row: _Row,
        raw: bytes,
        *,
        table: str,
        stamp: str,
        source: Source,
        action: str,
        actor: Actor,
        patient: str | None,
        outcome: str | None,
        details: Mapping[str, Json],
    ) -> AuditEvent:
        text, number = row.text(stamp), row.text("id")
        if text is None:
            raise InvalidInput(f"{stamp if stamp == 'date' else 'created_time'} is empty")
        if number is None:
            number = self._repeats.event_id(hashlib.sha256(canonical({"row": row.cells})).digest())
        return AuditEvent(
            source_system=self._source_system,
            event_id=f"{table}-{number}",
            time=moment_of(text, "date" if stamp == "date" else "created_time", zone=self._mapping.zone, formats=("iso",)),
            source=source,
            action=action,
            actor=actor,
            patient_id=None if patient in (None, "0") else patient,
            outcome=outcome,
            ip=ip_of(row.text("ipaddress")) or _written_ip(details.get("comments")),
            details={name: value for name, value in details.items() if value is not None},
            raw=raw,
            format=self.format,
        )


def _json_row(record: bytes) -> _Row:
    value = decode_json(record)
    if not isinstance(value, dict):
        raise InvalidInput(f"the record is {kind_of(value)}, not an object")
    return _row(value)


def _row(values: Mapping[str, object]) -> _Row:
    try:
        normal = normalise(values)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    assert isinstance(normal, dict)
    filled = {name: value for name, value in normal.items() if not (value is None or str(value).strip().lower() in _NULLS)}
    return _Row(cells=filled, names={plain(name): name for name in normal})


def _actor(user: str | None, *, is_portal: bool) -> Actor:
    if user is None:
        return Actor(id=PROGRAM, kind=ActorKind.SERVICE)
    return Actor(id=user[:512], kind=ActorKind.PATIENT if is_portal else ActorKind.STAFF)


def _success(row: _Row) -> str | None:
    return {"1": "success", "0": "failure"}.get(row.text("success") or "")


def _details(row: _Row) -> dict[str, Json]:
    """Every filled column that has no place of its own."""
    return {name: value for name, value in row.cells.items() if plain(name) not in _TAKEN}


def _comments(text: str | None, *, encrypted: str | None) -> tuple[str | None, str | None]:
    """The comments as text where they can be read, and in what form they came: `base64`, `encrypted` or None for plain text."""
    if text is None:
        return None, None
    if (encrypted or "").lower() == "yes" or _ENCRYPTED.fullmatch(text):
        return text, "encrypted"
    if not _BASE64.fullmatch(text):
        return text, None
    try:
        inner = base64.b64decode(text, validate=True)
    except binascii.Error:
        return text, None
    try:
        plain_text = inner.decode()
    except UnicodeDecodeError:
        # SQL with the bytes of a UUID among its values is why OpenEMR writes base64 at all.
        return (inner.decode("utf-8", "backslashreplace"), "base64") if _SQL.match(inner) else (text, None)
    readable = all(character.isprintable() or character in "\t\r\n" for character in plain_text)
    return (plain_text, "base64") if readable or _SQL.match(inner) else (text, None)


_API_NAMES = {
    "patient": "Patient",
    "encounter": "Encounter",
    "medical_problem": "Condition",
    "allergy": "AllergyIntolerance",
    "medication": "MedicationRequest",
    "prescription": "MedicationRequest",
    "appointment": "Appointment",
    "insurance": "Coverage",
    "document": "DocumentReference",
    "soap_note": "Composition",
    "vital": "Vitals",
    "message": "Communication",
}


def _resource_of(url: str) -> tuple[str | None, bool]:
    """The FHIR type of the last name in a path that is one, and whether the path ends in it: `/api/patient/1/encounter`."""
    parts = [part for part in url.partition("?")[0].split("/") if part]
    for place in range(len(parts) - 1, -1, -1):
        if (kind := _resource(parts[place])) is not None:
            return kind, place == len(parts) - 1
    return None, False


def _resource(name: str) -> str | None:
    """What the standard API calls a FHIR type; the FHIR API itself writes it with a capital."""
    known = _API_NAMES.get(name.lower())
    return known or (name if name.isalpha() and name[0].isupper() and name[1:2].islower() else None)


def _written_ip(comments: Json) -> str | None:
    found = _ADDRESS.search(comments) if isinstance(comments, str) else None
    return ip_of(found["ip"].rstrip(".:")) if found else None
