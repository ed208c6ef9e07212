"""Syslog senders over real sockets."""

import socket
import ssl
from collections.abc import Iterable, Sequence

Address = tuple[str, int]


def counted(message: bytes) -> bytes:
    """Octet counting (RFC 6587 §3.4.1)."""
    return b"%d %s" % (len(message), message)


def send_tcp(address: Address, pieces: Iterable[bytes], context: ssl.SSLContext | None = None) -> None:
    """Connect, send each piece on its own, close in good order."""
    with socket.create_connection(address, timeout=20) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is None:
            for piece in pieces:
                plain.sendall(piece)
            return
        with context.wrap_socket(plain, server_hostname="localhost") as secured:
            for piece in pieces:
                secured.sendall(piece)
            secured.unwrap()


def send_udp(address: Address, messages: Sequence[bytes]) -> None:
    """One datagram a message, all from one port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for message in messages:
            sender.sendto(message, address)
