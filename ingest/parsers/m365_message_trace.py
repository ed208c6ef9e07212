"""Microsoft 365 message trace: `Get-MessageTrace` and `-V2`, the reporting service, Graph's `exchangeMessageTraces`, reports
of the Exchange admin centre; as JSON or CSV.

A row says what became of one message for one recipient when it was asked: a later answer with another status is another event. It
says nothing about TLS, so `tls` is never there. The detail rows (`Get-MessageTraceDetail`) are read too.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, tzinfo

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import canonical, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.identity_events import address, compact
from ingest.parsers.m365_fields import Fields
from ingest.parsers.m365_records import Rows, is_json, objects_of, utc_moment
from ingest.parsers.webhook_values import bare_id, recipient, reply

Meaning = tuple[str, str | None]
_MEANINGS: Mapping[str, Meaning] = {
    "delivered": ("deliver", "delivered"),
    "failed": ("bounce", "bounced"),
    "pending": ("defer", "deferred"),
    "quarantined": ("discard", "dropped"),
    "filteredasspam": ("discard", "dropped"),
}
"""Status to meaning. Expanded, Resolved, GettingStatus, None and what else may come say nothing about a delivery."""

_EVENTS: Mapping[str, Meaning] = {
    "receive": ("mail_accepted", None),
    "submit": ("mail_accepted", None),
    "deliver": ("deliver", "delivered"),
    "send": ("deliver", "delivered"),
    "sendexternal": ("deliver", "delivered"),
    "fail": ("bounce", "bounced"),
    "defer": ("defer", "deferred"),
    "drop": ("discard", "dropped"),
}
_OTHER: Meaning = ("mail_event", None)
_DIRECTIONS = {"incoming": "inbound", "inbound": "inbound", "originating": "outbound", "outbound": "outbound"}
_LAST = ("deliver", "fail", "filteredasspam", "quarantine", "quarantined", "drop", "defer", "pending")
_TIMES = ("received", "receiveddatetime", "origintimestamputc", "origintimestamp", "datereceived", "receivedtime")
_DETAIL_TIMES = ("date", "datetime")
MOST_RECIPIENTS = 10_000


class M365MessageTraceParser:
    """Reads one stream of rows or objects."""

    format = "m365-message-trace"

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC) -> None:
        """`zone` is what times without an offset are in: UTC, unless a shell or a portal wrote them for people elsewhere."""
        self._source_system = source_system
        self._received = received
        self._zone = zone
        self._rows = Rows()

    def parse(self, record: bytes) -> list[Parsed]:
        """An event for each recipient, or one Rejected; a refused row has its header in front, so that it can be read again."""
        before = b""
        try:
            if is_json(record):
                return [event for one in objects_of(record) for event in self._events(Fields(one), record)]
            before = self._rows.header
            row = self._rows.read(record)
            before = b"" if self._rows.header != before else before
            return [*self._events(Fields(row), record)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=before + record)]

    def _events(self, row: Fields, record: bytes) -> Iterator[AuditEvent]:
        times = _TIMES if row.text(*_TIMES) else _DETAIL_TIMES
        if row.text("messagetraceid", "messageid", "networkmessageid", "id") is None:
            raise InvalidInput("the record has no id of a message: it is none of a message trace")
        if row.text("status", "event", "recipientstatus", "deliverystatus") is None:
            raise InvalidInput("the record has no status: it is none of a message trace")
        time = utc_moment(row.get(*times), "the time received", zone=self._zone)
        sender = row.text("senderaddress", "sender")
        facts = _facts(row, sender)
        for number, (to, word, meaning, more) in enumerate(_outcomes(row), 1):
            action, outcome = meaning
            identifier = _identifier(row, to, word)
            yield AuditEvent(
                source_system=self._source_system,
                event_id=identifier if number == 1 else f"{identifier}#{number}",
                time=time,
                source=Source.MAIL,
                action=action,
                actor=Actor(id=sender[:512], kind=ActorKind.SYSTEM)
                if sender and "@" in sender
                else Actor(id="Exchange Online", kind=ActorKind.SERVICE),
                outcome=outcome,
                ip=address(row.text("fromip", "originalclientip", "clientip")),
                details={**recipient(to), **compact({**facts, "event_type": word, **more})},
                raw=record,
                format=self.format,
            )


def _outcomes(row: Fields) -> Sequence[tuple[str | None, str, Meaning, Mapping[str, object]]]:
    """Recipient, the source's word, what it means, and details of that recipient alone."""
    to = row.text("recipientaddress", "recipient")
    status = row.text("status", "deliverystatus")
    if status:
        return [(to, status, _MEANINGS.get(_plain(status), _OTHER), {})]
    if event := row.text("event"):
        meaning = _EVENTS.get(_plain(event), _OTHER)
        said = row.text("detail", "description")
        return [
            (
                to,
                event,
                meaning,
                {**{k: v for k, v in reply(said).items() if v}, "kind": row.text("action"), "data": row.text("data")},
            )
        ]
    reported = [part.partition("##") for part in (row.text("recipientstatus") or "").split(";") if part.strip()]
    if not reported or not all(mark and to.strip() for to, mark, _ in reported):
        raise InvalidInput("the status of the recipients is not of the form address##events")
    if len(reported) > MOST_RECIPIENTS:
        raise InvalidInput(f"the row has {len(reported)} recipients, too many to tell apart")
    return [_reported(to.strip(), events.strip()) for to, _, events in reported]


def _reported(to: str, events: str) -> tuple[str, str, Meaning, Mapping[str, object]]:
    """Of the events that a historical report lists for a recipient, the one that ended it."""
    listed = [one.strip() for one in events.split(",") if one.strip()]
    last = next((one for one in reversed(listed) if _plain(one) in _LAST), listed[-1] if listed else "None")
    meaning = _EVENTS.get(_plain(last)) or _MEANINGS.get(_plain(last)) or _MEANINGS.get(_plain(last) + "d") or _OTHER
    return to, last, meaning, {"events": listed}


def _facts(row: Fields, sender: str | None) -> dict[str, object]:
    directionality = row.text("directionality", "direction")
    return {
        "from": sender,
        "subject": row.text("subject", "messagesubject"),
        "message_id": bare_id(row.text("messageid")),
        "message_trace_id": row.text("messagetraceid", "networkmessageid", "id"),
        "size": _number(row.text("size", "totalbytes", "messagesize")),
        "client_ip": address(row.text("fromip", "originalclientip", "clientip")),
        "relay_ip": address(row.text("toip")),
        "organisation": row.text("organization"),
        "index": _number(row.text("index")),
        "directionality": directionality,
        "direction": _DIRECTIONS.get((directionality or "").lower()),
        "connector": row.text("connectorid", "connector"),
        "priority": row.text("deliverypriority"),
        "provider": "Microsoft 365",
    }


def _identifier(row: Fields, to: str | None, word: str) -> str:
    """
    Of the message's trace id, the recipient, the status and the times that the row gives.

    The trace has no id for a row. `Index` and the period asked for change with every query and are left out.
    """
    said = {
        "trace": row.text("messagetraceid", "networkmessageid", "id"),
        "message": row.text("messageid"),
        "from": row.text("senderaddress", "sender"),
        "subject": row.text("subject", "messagesubject"),
        "size": row.text("size", "totalbytes", "messagesize"),
        "to": to,
        "status": word,
        "time": row.text(*_TIMES) or row.text(*_DETAIL_TIMES),
        "more": [row.text(name) for name in ("action", "detail", "description", "data", "recipientstatus", "toip", "fromip")],
    }
    normal = normalise(said)
    assert isinstance(normal, Mapping)
    return hashlib.sha256(canonical(normal)).hexdigest()


def _plain(word: str) -> str:
    return word.lower().replace(" ", "").replace("_", "")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 16 else None
