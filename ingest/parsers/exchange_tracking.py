"""Exchange Server: message tracking logs (`MSGTRK*.LOG`), `Get-MessageTrackingLog`, and Exchange Online's extended trace report.

One event for each recipient of a line. `details` carry `to to_domain from subject message_id network_message_id queue_id size nrcpt
direction event_type source relay relay_ip client client_ip connector response reply_code dsn reason recipient_status …`. A line
says nothing about TLS but where its custom data name `tlsversion`: on a SEND that is the delivery, on a RECEIVE another leg, which
is kept apart as `submission_tls`.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, tzinfo

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.event import EARLIEST, LATEST, Actor, ActorKind, AuditEvent, Device, DeviceKind, Source
from domain.json import Json, canonical, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.access_words import plain
from ingest.parsers.addresses import is_inside
from ingest.parsers.exchange_lines import Lines, text_of_line
from ingest.parsers.exchange_table import DELETED, MEANINGS, OTHER, OUR_HOPS, Meaning
from ingest.parsers.identity_events import address, compact
from ingest.parsers.m365_fields import Fields
from ingest.parsers.m365_records import is_json, objects_of, utc_moment
from ingest.parsers.syslog import read_syslog
from ingest.parsers.webhook_values import bare_id, recipient, reply

LONGEST = 512 * 1024
"""Bytes. A line names at most some thousands of recipients."""

MOST_RECIPIENTS = 5_000
_MOST_LISTED = 100
"""Recipients of a line that each of its events lists; beyond that, `nrcpt` says how many there were."""

_SPLIT = re.compile(r";(?=\s*(?:\[?\{?LED=|[245]\d\d[ -]|\[\{))")
_LAST_ERROR = "{LED="
_LINE_START = re.compile(rb"#|\d{4}-\d\d-\d\d[T ]")
_CUSTOM = re.compile(r"(?:^|;)\s*(?P<kind>[A-Z]+:)?(?P<name>[A-Za-z][\w.-]*)=(?P<value>[^;]*)")
_AFTER_SEMICOLON = re.compile(r";\s*(?P<text>[245]\d\d[ -].*?)(?:;ClientSubmitTime:.*)?$", re.DOTALL)


class ExchangeTrackingParser:
    """Reads one stream of lines, in the order they were written."""

    format = "exchange-tracking"

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC) -> None:
        """The logs' own times are UTC; `zone` is what the times of PowerShell's exports are in, which have no offset."""
        self._source_system = source_system
        self._received = received
        self._zone = zone
        self._lines = Lines()

    def parse(self, record: bytes) -> list[Parsed]:
        """An event for each recipient, or one Rejected."""
        try:
            return [*self._events(record)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=record)]

    def _events(self, record: bytes) -> Sequence[AuditEvent]:
        if len(record) > LONGEST:
            raise InvalidInput(f"the line is longer than any line of a message tracking log ({LONGEST} bytes)")
        if is_json(record):
            entries = [_named_as_columns(entry) for entry in objects_of(record)]
            if not all(_is_entry(entry) for entry in entries):
                raise InvalidInput("the object has no time and no event id: it is none of message tracking")
            return [event for entry in entries for event in self._entry(entry, record)]
        text = text_of_line(self._line(record))
        if not text.strip():
            raise InvalidInput("the line is empty")
        entry, about = self._lines.read(text)
        if not entry:
            return [self._log_opened(about, record)]
        if not _is_entry(entry):
            raise InvalidInput("the line has no time or no event id")
        return [*self._entry(entry, record)]

    def _line(self, record: bytes) -> bytes:
        """The record without a syslog header; a tracking line begins with its own time and may look like one."""
        bare = record.removeprefix(b"\xef\xbb\xbf")
        if _LINE_START.match(bare) and b"," in bare.split(b" ", 1)[0]:
            return bare
        header = read_syslog(record, received=self._received(), zone=self._zone)
        return header.message if header.time is not None or header.facility is not None else bare

    def _log_opened(self, about: Mapping[str, str], record: bytes) -> AuditEvent:
        """Comment lines that came alone: a new log was begun."""
        moment = None
        if "date" in about:
            moment = utc_moment(about["date"], "#Date")
        return AuditEvent(
            source_system=self._source_system,
            event_id=hashlib.sha256(record).hexdigest(),
            time=moment or self._received(),
            source=Source.MAIL,
            action="mail_service",
            actor=Actor(id=self._source_system, kind=ActorKind.SYSTEM),
            details=compact({"log": about, "time_from": None if moment else "receipt"}),
            raw=record,
            format=self.format,
        )

    def _entry(self, entry: Mapping[str, str], record: bytes) -> Iterator[AuditEvent]:
        moment = utc_moment(entry["datetime"], "date-time", zone=self._zone)
        if not EARLIEST <= moment < LATEST:
            raise InvalidInput(f"the time of the line lies outside {EARLIEST.year} to {LATEST.year}")
        facts = _facts(entry)
        recipients = [one.strip() for one in entry.get("recipientaddress", "").split(";") if one.strip()]
        if len(recipients) > MOST_RECIPIENTS:
            raise InvalidInput(f"the line has {len(recipients)} recipients, too many to tell apart")
        statuses = _statuses(entry.get("recipientstatus", ""), len(recipients))
        related = _aligned(entry.get("relatedrecipientaddress", ""), len(recipients))
        digest = _digest(entry)
        sender = entry.get("senderaddress", "").strip("<>")
        machine = entry.get("serverhostname") or entry.get("clienthostname")
        host = entry.get("clienthostname") if _is_sending(entry) else machine
        for place, to in enumerate(recipients or [None]):
            status = statuses[place] if statuses else None
            action, outcome = _meaning(entry, status)
            said = _response(entry, status)
            yield AuditEvent(
                source_system=self._source_system,
                event_id=digest if place == 0 else f"{digest}#{place + 1}",
                time=moment,
                source=Source.MAIL,
                action=action,
                actor=Actor(id=(sender or machine or self._source_system)[:512], kind=ActorKind.SYSTEM),
                outcome=outcome,
                device=Device(id=host[:512], kind=DeviceKind.SERVER) if host else None,
                ip=address(entry.get("originalclientip")) or (None if _is_sending(entry) else address(entry.get("clientip"))),
                details={
                    **facts,
                    **recipient(to),
                    **compact({**said, "related_recipient": related[place] if related else None}),
                    **({"recipients": recipients} if 1 < len(recipients) <= _MOST_LISTED else {}),
                },
                raw=record,
                format=self.format,
            )


def _named_as_columns(entry: Mapping[str, object]) -> dict[str, str]:
    """An object of `ConvertTo-Json` or of a shipper as the fields of a line."""
    fields = Fields(entry)
    found: dict[str, str] = {}
    for name, value in entry.items():
        key = plain(str(name))
        text = ";".join(str(one) for one in value if one is not None) if isinstance(value, list) else fields.text(key)
        if text:
            found[_COLUMNS.get(key, key)] = text
    return found


_COLUMNS = {
    "timestamp": "datetime",
    "datetimeutc": "datetime",
    "recipients": "recipientaddress",
    "sender": "senderaddress",
    "eventdata": "customdata",
}


def _is_entry(entry: Mapping[str, str]) -> bool:
    return "datetime" in entry and "eventid" in entry


def _digest(entry: Mapping[str, str]) -> str:
    """Of what the line says under its columns; a line is unique by its time, ids and (since 2016) its `log-id`."""
    normal = normalise(dict(entry))
    assert isinstance(normal, Mapping)
    return hashlib.sha256(canonical(normal)).hexdigest()


def _is_sending(entry: Mapping[str, str]) -> bool:
    return entry["eventid"].upper() in ("SEND", "SENDEXTERNAL", "HAREDIRECT") and entry.get("source", "").upper() == "SMTP"


def _meaning(entry: Mapping[str, str], status: str | None) -> Meaning:
    event = entry["eventid"].upper()
    if event == "FAIL" and entry.get("source", "").upper() == "AGENT" and any(word in (status or "").lower() for word in DELETED):
        return MEANINGS["DROP"]
    return MEANINGS.get(event, OTHER)


def _facts(entry: Mapping[str, str]) -> dict[str, Json]:
    """What holds for every recipient of the line."""
    custom = {found["name"]: found["value"].strip() for found in _CUSTOM.finditer(entry.get("customdata", ""))}
    lower = {name.lower(): value for name, value in custom.items() if value}
    sending = _is_sending(entry)
    facts: dict[str, object] = {
        "event_type": entry["eventid"],
        "source": entry.get("source"),
        "from": entry.get("senderaddress", "").strip("<>"),
        "return_path": entry.get("returnpath", "").strip("<>"),
        "subject": entry.get("messagesubject"),
        "message_id": bare_id(entry.get("messageid")),
        "network_message_id": entry.get("networkmessageid"),
        "queue_id": entry.get("internalmessageid"),
        "size": _number(entry.get("totalbytes")),
        "nrcpt": _number(entry.get("recipientcount")),
        "directionality": entry.get("directionality"),
        "direction": _direction(entry),
        "connector": entry.get("connectorid"),
        "relay" if sending else "server": entry.get("serverhostname"),
        "relay_ip" if sending else "server_ip": address(entry.get("serverip")),
        "client": entry.get("clienthostname"),
        "client_ip": address(entry.get("clientip")),
        "original_client_ip": address(entry.get("originalclientip")),
        "original_server_ip": address(entry.get("originalserverip")),
        "source_context": entry.get("sourcecontext"),
        "reference": entry.get("reference"),
        "message_info": entry.get("messageinfo"),
        "tenant_id": entry.get("tenantid"),
        "traffic_type": entry.get("transporttraffictype"),
        "log_id": entry.get("logid"),
        "version": entry.get("schemaversion"),
        "proxied_client": lower.get("proxiedclienthostname"),
        "proxied_client_ip": address(lower.get("proxiedclientipaddress")),
        "tls_required": lower.get("microsoft.exchange.transport.mailrecipient.requiredtlsauthlevel"),
        "custom_data": custom or entry.get("customdata"),
    }
    session = {"version": lower.get("tlsversion"), "cipher": lower.get("tlscipher")}
    if session["version"]:
        facts["tls" if sending else "submission_tls"] = {name: value for name, value in session.items() if value}
        facts["tls_field"] = "custom-data TlsVersion"
        if not sending and not facts["direction"]:
            facts["tls_leg"] = "unknown"  # a mail client, another server of the organisation, or the front end that it came through
    return dict(compact(facts))


def _direction(entry: Mapping[str, str]) -> str | None:
    """Of the leg that the line is about; None where the line does not show it."""
    event, came = entry["eventid"].upper(), entry.get("directionality", "").lower()
    if _is_sending(entry):
        hop = address(entry.get("serverip"))
        ours = any(word in entry.get("connectorid", "").lower() for word in OUR_HOPS)
        return (
            "internal" if ours or (hop is not None and is_inside(hop)) else "outbound" if hop or event == "SENDEXTERNAL" else None
        )
    if event == "DELIVER":
        return {"incoming": "inbound", "originating": "internal"}.get(came)
    return "inbound" if came == "incoming" else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 16 else None


def _aligned(text: str, count: int) -> list[str] | None:
    """One part for each recipient, the whole for each where there is one part only, None where the parts do not fit."""
    if not text or not count:
        return [text] if text else None
    parts = [part.strip() for part in text.split(";")]
    return parts if len(parts) == count else [text] * count if len(parts) == 1 else None


def _statuses(text: str, count: int) -> list[str] | None:
    """
    The status of each recipient. The parts are joined by `;`, which a status may hold itself.

    Where no cut gives one part for each recipient, nobody is given another's: None.
    """
    if not text:
        return None
    if count <= 1:
        return [text]
    for parts in (_SPLIT.split(text), text.split(";")):
        if len(parts) == count:
            return [part.strip() for part in parts]
    return None


def _last_error(status: str, at: int) -> str:
    """The last error in `[{LED=421 4.4.1 Timed out};{MSG=};{FQDN=…};…]`, which begins at `at`."""
    end = status.find("};{", at)
    end = end if end >= 0 else status.find("}", at)
    return status[at:end] if end >= 0 else status[at:]


def _response(entry: Mapping[str, str], status: str | None) -> dict[str, object]:
    """What the other server, or Exchange itself, said about the recipient."""
    whole = status if status is not None else entry.get("recipientstatus")
    text = status
    if status and (at := status.find(_LAST_ERROR)) >= 0:
        text = _last_error(status, at + len(_LAST_ERROR))
    found: dict[str, object] = {}
    if text and reply(text)["reply_code"]:
        found = reply(text)
    elif _is_sending(entry) and (after := _AFTER_SEMICOLON.search(entry.get("sourcecontext", ""))):
        found = reply(after["text"])
    if entry["eventid"].upper() in ("FAIL", "DEFER", "DROP", "BADMAIL", "SUBMITFAIL", "SUBMITDEFER", "HAREDIRECTFAIL"):
        found["reason"] = text or entry.get("sourcecontext")
    return {**found, "recipient_status": whole}
