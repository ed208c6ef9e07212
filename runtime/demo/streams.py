"""Which event travels how: the events of the hospital divided into the streams of its senders, in their wire formats.

Every stream is a sequence of requests or messages ready to be sent, with the number of records in each, so that what was sent
can be compared with what arrived.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import orjson

from domain.event import AuditEvent
from runtime.demo.hospital.build import Hospital
from runtime.demo.hospital.diary import System
from runtime.demo.hospital.plan import Plan
from runtime.demo.wire import atna, malformed, postfix_lines
from runtime.demo.wire.fhir import audit_event, bundle
from runtime.demo.wire.phitrail_lines import phitrail_line
from runtime.demo.wire.syslog import AUDIT, MAIL, syslog_message


class Collector(StrEnum):
    """The ways in, as the summary names them."""

    HTTP = "HTTP /v1/events"
    FHIR = "FHIR /fhir/AuditEvent"
    SYSLOG_TLS = "syslog TLS (RFC 5425)"
    SYSLOG_TCP = "syslog TCP (RFC 6587)"
    SYSLOG_UDP = "syslog UDP (RFC 5426)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One request or message: the path for HTTP, the body, how many records it holds."""

    body: bytes
    records: int
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What one source system sends through one collector, in order. `bad` counts the records meant for quarantine."""

    collector: Collector
    source_system: str
    parcels: Sequence[Parcel]
    bad: int = 0

    @property
    def records(self) -> int:
        return sum(parcel.records for parcel in self.parcels)


HTTP_BATCH = 500
FHIR_BATCH = 50
FHIR_SINGLES = 120
"""So many events of the imaging archive go alone to `/fhir/AuditEvent`; all others in Bundles to `/fhir`."""

_HTTP_SYSTEMS = (System.EHR, System.PROVIDER, System.PORTAL)
_FHIR_SYSTEMS = (System.LAB, System.PACS, System.PHARMACY)


def make_streams(hospital: Hospital) -> Sequence[Stream]:
    """Every event of the hospital exactly once, and the malformed records among them."""
    by_system: dict[str, list[AuditEvent]] = {system.value: [] for system in System}
    for event in hospital.events:
        by_system[event.source_system].append(event)
    plan = hospital.plan
    return [
        *(_http(system, by_system[system], plan, malformed.HTTP if system is System.EHR else ()) for system in _HTTP_SYSTEMS),
        *(_fhir(system, by_system[system], plan, malformed.FHIR if system is System.PACS else ()) for system in _FHIR_SYSTEMS),
        *_radiology(by_system[System.RADIOLOGY], plan),
        _relay(by_system[System.RELAY], plan),
    ]


def _http(system: System, events: Sequence[AuditEvent], plan: Plan, bad: Sequence[bytes]) -> Stream:
    """Batches of JSON Lines; the malformed lines are spread over the first ones, so that good and bad travel together."""
    batches = [[phitrail_line(event, plan.zone) for event in batch] for batch in _batched(events, HTTP_BATCH)]
    for number, line in enumerate(bad):
        batches[number % len(batches)].insert(7, line)
    parcels = [Parcel(path="/v1/events", body=b"\n".join(lines) + b"\n", records=len(lines)) for lines in batches]
    return Stream(collector=Collector.HTTP, source_system=system.value, parcels=parcels, bad=len(bad))


def _fhir(system: System, events: Sequence[AuditEvent], plan: Plan, bad: Sequence[bytes]) -> Stream:
    resources = [audit_event(event, plan.zone) for event in events]
    singles = FHIR_SINGLES if system is System.PACS else 0
    parcels = [Parcel(path="/fhir/AuditEvent", body=orjson.dumps(resource), records=1) for resource in resources[:singles]]
    parcels += [Parcel(path="/fhir/AuditEvent", body=body, records=1) for body in bad]
    parcels += [Parcel(path="/fhir", body=bundle(batch), records=len(batch)) for batch in _batched(resources[singles:], FHIR_BATCH)]
    return Stream(collector=Collector.FHIR, source_system=system.value, parcels=parcels, bad=len(bad))


def _radiology(events: Sequence[AuditEvent], plan: Plan) -> Iterator[Stream]:
    """Of twenty audit messages sixteen go over TLS, three over TCP, one over UDP; the malformed ones over TLS."""
    ways: dict[Collector, list[bytes]] = {Collector.SYSLOG_TLS: [], Collector.SYSLOG_TCP: [], Collector.SYSLOG_UDP: []}
    for number, event in enumerate(events):
        lot = number % 20
        way = Collector.SYSLOG_UDP if lot == 0 else Collector.SYSLOG_TCP if lot < 4 else Collector.SYSLOG_TLS
        ways[way].append(_audit_message(event.time, atna.atna_message(event, plan.zone), plan))
    ways[Collector.SYSLOG_TLS] += [_audit_message(plan.until, body, plan) for body in malformed.ATNA]
    for way, messages in ways.items():
        parcels = [Parcel(body=message, records=1) for message in messages]
        bad = len(malformed.ATNA) if way is Collector.SYSLOG_TLS else 0
        yield Stream(collector=way, source_system=System.RADIOLOGY.value, parcels=parcels, bad=bad)


def _audit_message(moment: datetime, body: bytes, plan: Plan) -> bytes:
    return syslog_message(AUDIT, moment, plan.zone, atna.HOST, atna.APP, 711, body, message_id=atna.MESSAGE_ID)


def _relay(events: Sequence[AuditEvent], plan: Plan) -> Stream:
    """The lines of all messages, in order of time as one server writes them. Four or five lines are one event or two."""
    lines = [line for event in events for line in postfix_lines.postfix_lines(event)]
    lines.sort(key=lambda line: line[0])
    messages = [
        syslog_message(MAIL, moment, plan.zone, postfix_lines.HOST, program, process, text)
        for moment, program, process, text in lines
    ]
    parcels = [Parcel(body=message, records=1) for message in messages]
    return Stream(collector=Collector.SYSLOG_TCP, source_system=System.RELAY.value, parcels=parcels)


_Item = TypeVar("_Item")


def _batched(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[at : at + size] for at in range(0, len(items), size))
