"""A name server on loopback: answers over UDP from a table, and says of signed answers that they were validated (RFC 6840 §5.8)."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Table = Mapping[tuple[str, str], Sequence[str]]
"""Name and type (`MX`) to the records' text; every name in it exists, whatever is asked of it."""


def answer(query: dns.message.Message, table: Table) -> dns.message.Message:
    """What a validating resolver would answer."""
    (question,) = query.question
    reply = dns.message.make_response(query, recursion_available=True)
    reply.flags |= dns.flags.AD
    name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
    if records := table.get((name, kind)):
        reply.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, records))
    elif name not in {known for known, _ in table}:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply


@contextmanager
def name_server(table: Table, address: tuple[str, int]) -> Iterator[None]:
    """Answers as long as the block runs."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        thread = threading.Thread(target=_serve, args=(listening, table), name="name-server")
        thread.start()
        try:
            yield
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", address)
            thread.join(10)


def _serve(listening: socket.socket, table: Table) -> None:
    while True:
        packet, asked_by = listening.recvfrom(4096)
        if not packet:
            return
        listening.sendto(answer(dns.message.from_wire(packet), table).to_wire(), asked_by)
