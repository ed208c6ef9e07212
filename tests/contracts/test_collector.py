"""What every way in owes, whichever protocol it speaks.

(1) Every record sent is accepted, a duplicate, or quarantined with a reason. (2) What is accepted is in the ledger, which verifies.
(3) Sending again stores nothing again. (4) What cannot be understood is kept byte for byte, and takes no neighbour with it.
"""

import json
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from domain.clock import system_clock
from ingest.collectors.listeners import Listener
from ingest.collectors.syslog import SyslogCollector
from ingest.collectors.tally import Transport
from ingest.collectors.tls import ensure_certificates, server_context
from ingest.files import ingest_files
from ingest.pipeline import Counts
from store.engine import Engine
from store.fsck import Integrity
from tests.ingest.collectors.http_intake import intake_client
from tests.support.desk import Desk, desk, eventually
from tests.support.records import audit_event, audit_message, event_line, postfix_line
from tests.support.senders import counted, send_tcp, send_udp

Send = Callable[[Sequence[bytes]], Counts]
Record = Callable[[int], bytes]

GARBAGE = (b"\xff\xfe\xfd not text", b'{"event_id": 7}', b"no record of any kind", b"<html>")


def fhir_record(number: int) -> bytes:
    return json.dumps(audit_event(number)).encode()


@contextmanager
def syslog(at: Desk, directory: Path, transport: Transport) -> Iterator[Send]:
    context, trusting = None, None
    if transport is Transport.TLS:
        files = ensure_certificates(directory / "tls", ["localhost"], system_clock())
        context, trusting = server_context(files.certificate, files.key), ssl.create_default_context(cafile=files.authority)
    listener = Listener(name="one", transport=transport, tls=context)

    def send(records: Sequence[bytes]) -> Counts:
        with SyslogCollector([listener], at.intake, at.clock) as collector:
            if transport is Transport.UDP:
                send_udp(collector.address("one"), records)
            else:
                send_tcp(collector.address("one"), [counted(record) for record in records], trusting)
            eventually(lambda: collector.counters()[0].messages == len(records) and not collector.counters()[0].waiting)
            (seen,) = collector.counters()
        return Counts(accepted=seen.accepted, duplicate=seen.duplicate, quarantined=seen.quarantined)

    yield send


@contextmanager
def udp(at: Desk, directory: Path) -> Iterator[Send]:
    with syslog(at, directory, Transport.UDP) as send:
        yield send


@contextmanager
def tcp(at: Desk, directory: Path) -> Iterator[Send]:
    with syslog(at, directory, Transport.TCP) as send:
        yield send


@contextmanager
def tls(at: Desk, directory: Path) -> Iterator[Send]:
    with syslog(at, directory, Transport.TLS) as send:
        yield send


@contextmanager
def http(at: Desk, directory: Path) -> Iterator[Send]:
    del directory
    with intake_client(at) as client:

        def send(records: Sequence[bytes]) -> Counts:
            answer = client.post("/v1/events", content=b"\n".join(records)).json()
            assert answer["read"] == len(answer["results"])
            return Counts(accepted=answer["accepted"], duplicate=answer["duplicate"], quarantined=answer["quarantined"])

        yield send


@contextmanager
def fhir(at: Desk, directory: Path) -> Iterator[Send]:
    del directory
    with intake_client(at) as client:

        def post(record: bytes) -> httpx.Response:
            return client.post("/fhir/AuditEvent", content=record, headers={"Content-Type": "application/fhir+json"})

        def send(records: Sequence[bytes]) -> Counts:
            codes = [post(record).status_code for record in records]
            return Counts(accepted=codes.count(201), duplicate=codes.count(200), quarantined=codes.count(202))

        yield send


@contextmanager
def files(at: Desk, directory: Path) -> Iterator[Send]:
    path = directory / "records"

    def send(records: Sequence[bytes]) -> Counts:
        path.write_bytes(b"\n".join(records))
        return ingest_files([path], format="phitrail", source_system="ehr", intake=at.intake, clock=at.clock).counts

    yield send


WAYS_IN: dict[str, tuple[Callable[[Desk, Path], object], Record]] = {
    "syslog over UDP": (udp, postfix_line),
    "syslog over TCP": (tcp, audit_message),
    "syslog over TLS": (tls, postfix_line),
    "HTTP": (http, event_line),
    "FHIR": (fhir, fhir_record),
    "files": (files, event_line),
}


@pytest.mark.parametrize("name", WAYS_IN)
def test_a_way_in_keeps_the_contract(engine: Engine, tmp_path: Path, name: str) -> None:
    way_in, record = WAYS_IN[name]
    good = [record(number) for number in range(8)]
    mixed = [good[0], GARBAGE[0], *good[1:4], GARBAGE[1], GARBAGE[2], *good[4:], GARBAGE[3]]

    with desk(engine, tmp_path / "node") as at, way_in(at, tmp_path) as send:  # type: ignore[attr-defined]
        first = send(mixed)
        again = send(good)

        assert first == Counts(accepted=8, quarantined=4)
        assert again == Counts(duplicate=8)
        assert at.stored() == 8
        assert sorted(at.raws()) == sorted(GARBAGE)
        assert all(at.reasons())
        at.node.keeper.checkpoint()
        assert at.node.verify().integrity is Integrity.INTACT
