"""SMTP TLS reports (RFC 8460): JSON, gzip, or the e-mail that carries them. One event for each policy of a report.

A report is what another organisation saw when it sent mail TO US, in sum over a day. It proves nothing about one delivery, and
nothing about mail that we send: an event has `direction` inbound and no `tls`. Containers are in `tlsrpt_mail`, fields in
`tlsrpt_report`.
"""

import hashlib
from collections.abc import Mapping

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json, canonical, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.tlsrpt_mail import Carried, carried
from ingest.parsers.tlsrpt_report import Policy, Report, is_report, read_report

MOST_POLICIES = 1_000
"""Of one record. A report has a policy for each of our domains and each way to protect it."""


class TlsrptParser:
    """Reads SMTP TLS reports, however they came."""

    format = "tlsrpt"

    def __init__(self, source_system: str, *, received: Clock) -> None:
        """`received` stands in for the time of a report that names no period."""
        self._source_system = source_system
        self._received = received

    def parse(self, record: bytes) -> list[Parsed]:
        """An event for each policy of each report in the record, or one Rejected."""
        try:
            return [*self._events(record)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=record)]

    def _events(self, record: bytes) -> list[AuditEvent]:
        content = carried(record)
        events: dict[str, AuditEvent] = {}
        for value in content.values:
            if not is_report(value):
                continue
            normal = _normal(value)
            digest = hashlib.sha256(canonical(normal)).hexdigest()
            report = read_report(value)
            policies = report.policies or (Policy(),)
            if len(events) + len(policies) > MOST_POLICIES:
                raise InvalidInput(f"the record has more than {MOST_POLICIES} policies")
            for number, policy in enumerate(policies, 1):
                identifier = digest if number == 1 else f"{digest}#{number}"
                events[identifier] = self._event(record, identifier, content, report, policy)
        if not events:
            raise InvalidInput(
                "the e-mail carries no TLS report" if content.is_mail else "the record is no TLS report: it has no policies"
            )
        return list(events.values())

    def _event(self, record: bytes, identifier: str, content: Carried, report: Report, policy: Policy) -> AuditEvent:
        moment = report.end or report.start or content.date
        details: dict[str, Json] = {"direction": "inbound", **report.details(), **policy.details()}
        if moment is None or not (report.end or report.start):
            details["time_from"] = "receipt" if moment is None else "mail"
        who = report.organisation or report.contact or content.submitter or self._source_system
        return AuditEvent(
            source_system=self._source_system,
            event_id=identifier,
            time=moment or self._received(),
            source=Source.MAIL,
            action="tls_report",
            actor=Actor(id=who[:512], kind=ActorKind.SYSTEM),
            outcome=policy.outcome,
            details=_normal(details),
            raw=record,
            format=self.format,
        )


def _normal(value: object) -> Mapping[str, Json]:
    """In the profile of the ledger. Parts of a report stand deeper in an event than in the report, so both are brought into it."""
    try:
        normal = normalise(value)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    assert isinstance(normal, Mapping)
    return normal
