"""Gmail logs as exported to BigQuery: rows of `event_info` and `message_info`, one event for each recipient.

What is null was not known, and is left out. A row has no id that is promised to be unique, so its content is its id.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, Source
from domain.json import canonical, normalise
from ingest.parsers.google_bigquery import integer, rows_of, truth
from ingest.parsers.google_gmail_details import gmail_details, repeated
from ingest.parsers.google_gmail_table import (
    BY_GMAIL,
    EVENT_NAMES,
    HANDLED,
    ON_SMTP,
    SENT,
    STAGES,
    USER_ACTIONS,
    stage_action,
)
from ingest.parsers.identity_events import IdentityParser, Said, address, person, place, system
from ingest.parsers.shapes import decode_json, kind_of, mapping, text_of
from ingest.parsers.wall_times import from_epoch

MOST_RECIPIENTS = 10_000
_OUT = ("smtp-outbound", "smtp_outbound")
_IN = ("smtp-inbound", "smtp_inbound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom a copy went to, and by which of Gmail's services."""

    to: str | None
    service: str | None = None
    response: int | None = None


class GoogleGmailParser(IdentityParser):
    """Reads rows of the Gmail log."""

    format = "google-gmail"

    def _read(self, record: bytes) -> Sequence[Said]:
        decoded = decode_json(record)
        if not isinstance(decoded, dict):
            raise InvalidInput(f"the record is {kind_of(decoded)}, not an object")
        return [said for row in rows_of(decoded) for said in gmail_events(row)]


def gmail_events(row: Mapping[str, object]) -> list[Said]:
    """The events of one row. Raises InvalidInput where it is no row of the Gmail log."""
    inner = mapping(row.get("gmail")) or mapping(mapping(row.get("google_workspace")).get("gmail")) or row
    event, message = mapping(inner.get("event_info")), mapping(inner.get("message_info"))
    if not event and not message:
        raise InvalidInput("event_info and message_info are missing: the record is no row of the Gmail log")
    try:
        normal = normalise(row)
    except ValueError as error:
        raise InvalidInput(f"the row is {error}") from None
    assert isinstance(normal, Mapping)
    return _Row(row={**row, **inner}, event=event, message=message, digest=hashlib.sha256(canonical(normal)).hexdigest()).events()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    row: Mapping[str, object]
    event: Mapping[str, object]
    message: Mapping[str, object]
    digest: str

    def events(self) -> list[Said]:
        kind, stage = integer(self.event.get("mail_event_type")), integer(self.message.get("action_type"))
        by_user = kind in USER_ACTIONS
        recipients = self._recipients()
        if len(recipients) > MOST_RECIPIENTS:
            raise InvalidInput(f"the message has {len(recipients)} recipients, too many to tell apart")
        if by_user and len(recipients) > 1:
            recipients = recipients[:1]  # one person did one thing to a message, however many it went to
        time, details = self._time(), gmail_details(self.event, self.message, kind, stage, len(recipients))
        return [
            self._said(recipient, place, kind, stage, time, details)
            for place, recipient in enumerate(recipients or [Recipient(to=None)], start=1)
        ]

    def _said(
        self,
        recipient: Recipient,
        number: int,
        kind: int | None,
        stage: int | None,
        time: datetime,
        details: Mapping[str, object],
    ) -> Said:
        link = mapping(self.message.get("connection_info"))
        direction = self._direction(recipient, kind, stage)
        reply = _reply(link) or recipient.response
        if kind in USER_ACTIONS:
            action, outcome = USER_ACTIONS[kind or 0]
        elif stage is None and kind in (1, 2):
            action, outcome = ("mail_accepted", None) if kind == 1 else ("deliver", "delivered")
        else:
            action, outcome = stage_action(
                stage,
                success=truth(self.event.get("success")),
                handed_on=(recipient.service or "") in _OUT,
                inbound=direction == "inbound",
                reply=reply,
            )
        actor, is_person = self._actor(kind, recipient)
        client = address(link.get("client_ip")) or _bytes_address(self.row.get("ip_address"))
        to = recipient.to
        return Said(
            event_id=self.digest if number == 1 else f"{self.digest}#{number}",
            time=time,
            source=Source.MAIL,
            action=action,
            actor=actor,
            is_person=is_person,
            outcome=outcome,
            ip=client or address(link.get("smtp_in_connect_ip")) or address(link.get("smtp_user_agent_ip")),
            geo=place(city=link.get("ip_geo_city"), country=link.get("ip_geo_country")),
            details={
                **details,
                "to": to,
                "to_domain": to.rpartition("@")[2].lower() if to and "@" in to else None,
                "destination_service": recipient.service,
                "rcpt_response": recipient.response or None,
                "reply_code": reply,
                "direction": direction,
                **self._tls(link, direction, stage),
            },
            words=(EVENT_NAMES.get(kind or 0) if kind else None, STAGES.get(stage or 0), text_of(self.row.get("event_name"))),
            fields=self.row,
        )

    def _time(self) -> datetime:
        for value in (self.event.get("timestamp_usec"), self.row.get("time_usec")):
            number = integer(value)
            if number is not None:
                return from_epoch(number, "timestamp_usec")
        raise InvalidInput("event_info.timestamp_usec is missing")

    def _recipients(self) -> list[Recipient]:
        found = [
            Recipient(
                to=text_of(one.get("address")),
                service=text_of(one.get("service")),
                response=integer(one.get("rcpt_response")),
            )
            for one in map(mapping, repeated(self.message, "destination"))
            if text_of(one.get("address"))
        ]
        if not found:
            for part in (text_of(self.message.get("flattened_destinations")) or "").split(","):
                pieces = part.strip().split(":", 2)
                if pieces[-1]:
                    found.append(Recipient(to=pieces[-1][:998], service=pieces[0] or None if len(pieces) == 3 else None))
        return list(dict.fromkeys(found))

    def _actor(self, kind: int | None, recipient: Recipient) -> tuple[Actor, bool]:
        """The user who did something to a message; for its way through the servers the sender's mailbox, else Gmail."""
        if kind in USER_ACTIONS and kind not in BY_GMAIL:
            context = mapping(mapping(self.event.get("client_context")).get("session_context"))
            owner = text_of(self.row.get("email")) or text_of(self.row.get("owner")) or ""
            delegate = person(context.get("delegate_user_email"))
            if user := delegate or person(owner if "@" in owner else recipient.to):
                return user, True
        sender = text_of(mapping(self.message.get("source")).get("address"))
        return (Actor(id=sender[:512], kind=ActorKind.SYSTEM), False) if sender else (system("gmail"), False)

    def _direction(self, recipient: Recipient, kind: int | None, stage: int | None) -> str | None:
        link, service = mapping(self.message.get("connection_info")), text_of(mapping(self.message.get("source")).get("service"))
        if truth(link.get("is_internal")) or truth(link.get("is_intra_domain")):
            return "internal"
        if stage == SENT or (recipient.service or "") in _OUT or kind == 1:
            return "outbound"
        if (service or "") in _IN or kind == 2:
            return "inbound"
        sending = truth(self.message.get("is_policy_check_for_sender"))
        return "outbound" if sending else None

    def _tls(self, link: Mapping[str, object], direction: str | None, stage: int | None) -> dict[str, object]:
        """
        `tls` of the connection that Gmail delivered over, or received inbound mail over; `submission_tls` of one that a client
        handed its mail in over.

        State 1 is TLS. State 0 stands also in rows of stages that hold no connection, so it only counts where the row itself
        is about one and says nothing of a version.
        """
        state = integer(link.get("smtp_tls_state"))
        version, cipher = text_of(link.get("smtp_tls_version")), text_of(link.get("smtp_tls_cipher"))
        session: dict[str, str | bool] | None
        if version or cipher:
            session = {name: value for name, value in (("version", version), ("cipher", cipher)) if value}
        elif state == 1:
            session = {"established": True}
        elif state == 0 and stage in ON_SMTP and _has_connection(link):
            session = None
        else:
            return {}
        received = (text_of(mapping(self.message.get("source")).get("service")) or "") in _IN
        delivery = stage == SENT or direction == "inbound" or (received and stage not in (None, HANDLED))
        said = ", ".join(f"smtp_tls_{name}" for name in ("version", "cipher") if session and name in session)
        return {"tls" if delivery else "submission_tls": session, "tls_field": said or "smtp_tls_state"}


def _reply(link: Mapping[str, object]) -> int | None:
    """The SMTP reply code; 0 stands where there was no reply."""
    code = integer(link.get("smtp_reply_code"))
    return code if code is not None and 200 <= code < 600 else None


def _has_connection(link: Mapping[str, object]) -> bool:
    """True where the row names the other end of an SMTP connection, or has its reply."""
    ends = ("smtp_in_connect_ip", "smtp_out_connect_ip", "smtp_out_remote_host")
    return any(text_of(link.get(name)) for name in ends) or _reply(link) is not None


def _bytes_address(value: object) -> str | None:
    """An address, also where BigQuery wrote its bytes in base64: those of its text, or the 4 or 16 of the address."""
    plain = address(value)
    if plain is not None or not isinstance(value, str) or len(value) > 128:
        return plain
    try:
        packed = base64.b64decode(value, validate=True)
        return address(str(ip_address(packed)) if len(packed) in (4, 16) else packed.decode("ascii"))
    except (binascii.Error, ValueError):
        return None
