"""Syslog over real sockets into a real store: whatever is sent is accounted for, whatever the sender does."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from domain.errors import Backpressure, ConfigError, IntegrityError
from ingest.collectors.listeners import Listener
from ingest.collectors.syslog import SyslogCollector
from ingest.collectors.tally import ListenerCounters, Transport
from tests.support.desk import Desk, Gate, eventually, is_event
from tests.support.records import audit_message, event_line, postfix_line
from tests.support.senders import counted, send_tcp, send_udp

JSON_HEADER = b"<110>1 2026-03-02T08:00:00Z ehr app - - - "


def json_message(number: int) -> bytes:
    return JSON_HEADER + event_line(number)


@contextmanager
def collecting(
    at: Desk | Gate, transport: Transport = Transport.TCP, *, clock: Desk | None = None, drain_seconds: float = 5.0, **settings: Any
) -> Iterator[SyslogCollector]:
    intake = at.intake if isinstance(at, Desk) else at
    listener = Listener(name="one", transport=transport, **settings)
    with SyslogCollector([listener], intake, (clock or at).clock, drain_seconds=drain_seconds) as collector:  # type: ignore[union-attr]
        yield collector


def counters(collector: SyslogCollector) -> ListenerCounters:
    (found,) = collector.counters()
    return found


def settled(collector: SyslogCollector, messages: int) -> ListenerCounters:
    """Wait until so many messages were received and are stored."""
    eventually(lambda: counters(collector).messages >= messages and counters(collector).waiting == 0)
    return counters(collector)


def test_each_content_goes_to_its_parser(at: Desk) -> None:
    unknown = b"<13>1 2026-03-02T08:00:00Z web nginx 1 - - GET /"
    with collecting(at) as collector:
        messages = [postfix_line(1), audit_message(2), json_message(3), unknown]
        send_tcp(collector.address("one"), [b"".join(counted(message) for message in messages)])
        seen = settled(collector, 4)

    assert (seen.accepted, seen.quarantined) == (3, 1)
    assert sorted(at.node.engine.rows("SELECT format, source_system FROM events")) == [
        ("atna", "pacs"),
        ("phitrail", "ehr"),
        ("postfix", "mx1"),
    ]
    assert at.reasons() == ["unknown syslog content"]
    assert at.raws() == [unknown]


def test_the_source_system_is_the_configured_one_or_the_host_or_the_peer(at: Desk) -> None:
    with collecting(at) as collector:
        send_tcp(
            collector.address("one"), [counted(json_message(1)), counted(event_line(2)), counted(b"<1>1 - phitrail x - - - {}")]
        )
        settled(collector, 3)
    with collecting(at, source_system="mail") as collector:
        send_tcp(collector.address("one"), [counted(json_message(3))])
        settled(collector, 1)

    rows = at.node.engine.rows("SELECT event_id, source_system FROM events ORDER BY seq")
    assert rows == [("E-1", "ehr"), ("E-2", "127.0.0.1"), ("E-3", "mail")]
    assert [entry.source_system for entry in at.quarantine.newest()] == ["127.0.0.1"]  # nobody else speaks as this system


def test_messages_cut_at_every_byte_arrive_whole(at: Desk) -> None:
    stream = counted(postfix_line(1)) + audit_message(2) + b"\n" + postfix_line(3) + b"\n"
    with collecting(at) as collector:
        send_tcp(collector.address("one"), [stream[at_byte : at_byte + 1] for at_byte in range(len(stream))])
        seen = settled(collector, 3)

    assert (seen.accepted, seen.quarantined, seen.incomplete) == (3, 0, 0)


def test_a_sender_that_connects_again_and_repeats_itself_makes_duplicates(at: Desk) -> None:
    stream = b"".join(counted(message) for number in range(5) for message in (postfix_line(number), audit_message(number)))
    with collecting(at) as collector:
        for _ in range(2):
            send_tcp(collector.address("one"), [stream])
        seen = settled(collector, 20)

    assert (seen.accepted, seen.duplicate) == (10, 10)
    assert at.stored() == 10


def test_udp_takes_one_message_a_datagram(at: Desk) -> None:
    with collecting(at, Transport.UDP) as collector:
        messages = [postfix_line(1), audit_message(2), json_message(3) + b"\n", b"\0\xff\xfe", b"\n"]
        send_udp(collector.address("one"), messages)
        seen = settled(collector, 4)

    assert (seen.accepted, seen.quarantined, seen.dropped) == (3, 1, 0)
    assert at.raws() == [b"\xff\xfe"]


def test_udp_drops_what_finds_the_queue_full_and_counts_it(at: Desk) -> None:
    gate = Gate(at.intake, is_open=False)
    with collecting(gate, Transport.UDP, clock=at, max_waiting=10) as collector:
        send_udp(collector.address("one"), [json_message(number) for number in range(100)])
        eventually(lambda: counters(collector).messages + counters(collector).dropped == 100)
        gate.open()
        seen = settled(collector, counters(collector).messages)

    assert seen.dropped > 0
    assert seen.accepted == seen.messages == 100 - seen.dropped
    assert at.stored() == seen.accepted


def test_garbage_is_kept_and_the_connection_goes_on(at: Desk) -> None:
    for number, content in enumerate(
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello on a plain port\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\xff\xfe\xfd" * 1000 + b"\n",
            b"99999999999999 <1>\n",
            b"7 <22>\xff\xfe\xfd",
            b'<85>1 - h a - IHE+RFC-3881 - <!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><AuditMessage>&b;</AuditMessage>\n',
            JSON_HEADER + b'{"event_id": 7, "time": "0001-01-01T00:00:00"}\n',
        ]
    ):
        known = set(at.raws())
        with collecting(at) as collector:
            send_tcp(collector.address("one"), [content, counted(postfix_line(number))])
            eventually(lambda: counters(collector).accepted == 1)
            seen = settled(collector, 2)

        kept = [raw for raw in at.raws() if raw not in known]
        assert seen.quarantined == seen.messages - 1
        assert all(raw in content for raw in kept)
        blanks = sum(content.count(blank) for blank in (b"\r", b"\n", b"\0"))
        assert sum(map(len, kept)) >= len(content) - blanks - len("7 ")
    assert all(at.reasons())


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_half_a_message_is_quarantined_with_the_reason(at: Desk, reset: bool) -> None:
    with collecting(at) as collector:
        with socket.create_connection(collector.address("one")) as sender:
            sender.sendall(counted(postfix_line(1)) + counted(postfix_line(2))[:60])
            eventually(lambda: counters(collector).messages == 1)
            if reset:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        seen = settled(collector, 2)

    assert (seen.accepted, seen.quarantined, seen.incomplete) == (1, 1, 1)
    assert at.reasons() == ["the connection ended before the end of the message"]
    assert at.quarantine.pending() == []


def test_a_sender_that_stops_in_the_middle_is_cut_off_and_an_idle_one_is_not(at: Desk) -> None:
    with collecting(at, message_seconds=0.1) as collector:
        address = collector.address("one")
        with socket.create_connection(address) as idle, socket.create_connection(address) as stalled:
            idle.sendall(counted(json_message(1)))
            stalled.sendall(b"500 <22>1 half")
            seen = settled(collector, 2)
            eventually(lambda: counters(collector).connections == 1)
            idle.sendall(counted(json_message(2)))
            seen = settled(collector, 3)

    assert (seen.accepted, seen.quarantined, seen.connections_timed_out) == (2, 1, 1)
    assert at.reasons() == ["the sender stopped in the middle of the message"]


def test_a_silent_connection_is_closed_in_the_end(at: Desk) -> None:
    with collecting(at, idle_seconds=0.1) as collector, socket.create_connection(collector.address("one")) as silent:
        silent.settimeout(20)

        assert silent.recv(1) == b""
        assert counters(collector).connections_timed_out == 1


def test_connections_are_capped(at: Desk) -> None:
    with collecting(at, max_connections=1) as collector:
        address = collector.address("one")
        with socket.create_connection(address) as first:
            first.sendall(counted(json_message(1)))
            settled(collector, 1)
            with socket.create_connection(address, timeout=20) as second:
                assert second.recv(1) == b""
            first.sendall(counted(json_message(2)))
            seen = settled(collector, 2)
        eventually(lambda: counters(collector).connections == 0)
        send_tcp(address, [counted(json_message(3))])
        settled(collector, 3)

    assert (seen.accepted, seen.connections_refused, seen.connections_accepted) == (2, 1, 1)


def test_a_full_queue_stops_the_reading_and_nothing_is_lost(at: Desk) -> None:
    """The sender feels it: what it has sent stays far below what it wants to send, until the store goes on."""
    gate = Gate(at.intake, is_open=False)
    wanted = 2_000
    sent = 0

    def send(address: tuple[str, int]) -> None:
        nonlocal sent
        with socket.create_connection(address) as sender:
            for number in range(wanted):
                sender.sendall(counted(JSON_HEADER + event_line(number % 500, details={"note": "x" * 20_000})))
                sent += 1

    with collecting(gate, clock=at, max_waiting=50) as collector:
        sending = threading.Thread(target=send, args=(collector.address("one"),))
        sending.start()
        eventually(lambda: counters(collector).waiting >= 50)
        before = -1
        while before != counters(collector).bytes:
            before = counters(collector).bytes
            threading.Event().wait(0.2)
        held = counters(collector).messages
        assert held < 500
        assert sent < wanted
        gate.open()
        sending.join(60)
        seen = settled(collector, wanted)

    assert seen.messages == wanted == seen.accepted + seen.duplicate
    assert at.stored() == 500


def test_a_hundred_megabytes_without_an_end_cost_only_themselves(at: Desk) -> None:
    piece = b"x" * 1_000_000
    with collecting(at) as collector:
        send_tcp(
            collector.address("one"),
            [counted(json_message(1)), b"<22>1 - h a - - - ", *[piece] * 100, b"\n", counted(json_message(2))],
        )
        seen = settled(collector, 3)

    assert (seen.accepted, seen.quarantined, seen.incomplete) == (2, 1, 1)
    assert seen.bytes > 100_000_000
    assert at.quarantine.newest()[0].size == 65_536
    assert at.reasons()[0].startswith("message longer than 1048576 bytes")


def test_stopping_while_messages_are_under_way_loses_none(at: Desk) -> None:
    """What senders had handed to their systems is read, parsed and stored before `stop` returns."""
    gate = Gate(at.intake, is_open=False)
    with collecting(gate, clock=at, max_waiting=100) as collector:
        address = collector.address("one")
        senders = [
            threading.Thread(
                target=send_tcp, args=(address, [counted(json_message(number)) for number in range(first, first + 300)])
            )
            for first in range(0, 1200, 300)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(20)
        stopping = threading.Thread(target=collector.stop)
        stopping.start()
        gate.open()
        stopping.join(60)
        seen = counters(collector)
        collector.stop = lambda: None  # type: ignore[method-assign]  # the block's end need not stop it again

    assert seen.messages == 1200 == seen.accepted
    assert (seen.waiting, seen.abandoned, seen.incomplete, seen.connections) == (0, 0, 0, 0)
    assert at.stored() == 1200


def test_stopping_in_the_middle_of_a_message_keeps_what_came(at: Desk) -> None:
    with collecting(at) as collector:
        sender = socket.create_connection(collector.address("one"))
        sender.sendall(counted(json_message(1)) + b"500 <22>1 half")
        settled(collector, 1)
        collector.stop()
        seen = counters(collector)
        collector.stop = lambda: None  # type: ignore[method-assign]
        sender.close()

    assert (seen.accepted, seen.quarantined) == (1, 1)
    assert at.reasons() == ["the collector was stopped before the end of the message came"]


def test_what_cannot_be_stored_when_stopping_is_counted(at: Desk) -> None:
    gate = Gate(at.intake)
    gate.refuses = lambda _: Backpressure("the store is not reachable; nothing was accepted", retry_after=1)
    with collecting(gate, clock=at, drain_seconds=0.5) as collector:
        send_tcp(collector.address("one"), [counted(json_message(number)) for number in range(10)])
        eventually(lambda: counters(collector).backpressure > 0)
    seen = counters(collector)

    assert seen.messages == seen.abandoned
    assert seen.waiting == 0
    assert at.stored() == 0


def test_back_pressure_is_waited_out(at: Desk) -> None:
    gate = Gate(at.intake)
    gate.failures = [Backpressure("full", retry_after=0)] * 3
    with collecting(gate, clock=at) as collector:
        send_tcp(collector.address("one"), [counted(json_message(1))])
        seen = settled(collector, 1)

    assert (seen.accepted, seen.backpressure, seen.failures) == (1, 3, 0)


def test_a_message_that_cannot_be_stored_goes_to_quarantine_and_its_neighbours_to_the_ledger(at: Desk) -> None:
    gate = Gate(at.intake)
    poison = event_line(2)
    gate.refuses = lambda batch: RuntimeError("defect") if any(is_event(item) and item.raw == poison for item in batch) else None
    with collecting(gate, clock=at) as collector:
        send_tcp(collector.address("one"), [b"".join(counted(json_message(number)) for number in range(5))])
        seen = settled(collector, 5)

    assert (seen.accepted, seen.quarantined) == (4, 1)
    assert seen.failures >= 2
    assert at.raws() == [poison]
    assert [entry.quarantine_id for entry in at.quarantine.pending()]


def test_a_ledger_that_has_stopped_stops_the_listener_and_says_why(at: Desk) -> None:
    gate = Gate(at.intake)
    gate.refuses = lambda _: IntegrityError("the store contradicts its anchor")
    with collecting(gate, clock=at) as collector:
        send_tcp(collector.address("one"), [counted(json_message(1))])
        eventually(lambda: counters(collector).fault is not None)
        send_tcp(collector.address("one"), [counted(json_message(2))])
        eventually(lambda: counters(collector).messages == 2)
    seen = counters(collector)

    assert seen.fault == "the store contradicts its anchor"
    assert (seen.abandoned, seen.waiting) == (2, 0)


def test_a_busy_port_is_said_and_the_other_ports_are_closed_again(at: Desk) -> None:
    with collecting(at) as collector:
        _, port = collector.address("one")
        free, busy = Listener(name="udp", transport=Transport.UDP), Listener(name="two", transport=Transport.TCP, port=port)

        with pytest.raises(ConfigError, match=f"syslog listener two cannot listen on 127.0.0.1 port {port}: "):
            SyslogCollector([free, busy], at.intake, at.clock).start()


def test_several_listeners_are_counted_apart(at: Desk) -> None:
    listeners = [Listener(name=transport.value, transport=transport) for transport in (Transport.UDP, Transport.TCP)]
    with SyslogCollector(listeners, at.intake, at.clock) as collector:
        send_udp(collector.address("udp"), [json_message(1)])
        send_tcp(collector.address("tcp"), [counted(json_message(number)) for number in (1, 2, 3)])
        eventually(lambda: sum(found.accepted + found.duplicate for found in collector.counters()) == 4)
        udp, tcp = collector.counters()

    assert (udp.name, udp.messages, tcp.name, tcp.messages) == ("udp", 1, "tcp", 3)
    assert at.stored() == 3


def test_a_line_cut_short_is_no_event_though_it_would_parse(at: Desk) -> None:
    with collecting(at) as collector:
        send_tcp(collector.address("one"), [postfix_line(1)[:-9]])
        settled(collector, 1)

    assert at.stored() == 0
    assert at.reasons() == ["the connection ended before the end of the message"]
