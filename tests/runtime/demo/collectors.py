"""Collectors to send to: real sockets on loopback that count what arrives and can be busy or broken."""

import gzip
import socket
import socketserver
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import orjson

from domain.clock import system_clock
from ingest.collectors.framing import FrameReader
from ingest.pipeline import Counts
from runtime.demo.app import Doors
from runtime.demo.certificates import ServerCertificate, certify_loopback

API_KEY = "key-of-the-demo"


@dataclass(slots=True)
class Arrivals:
    """What came in, by door ("http", "fhir", "tls", "tcp", "udp"), and how the HTTP door behaves."""

    busy_answers: int = 0
    status: int = 200
    records: Counter[str] = field(default_factory=Counter)
    systems: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, door: str, records: int, system: str = "") -> None:
        with self.lock:
            self.records[door] += records
            self.systems[system] += records

    def fault(self, what: str) -> None:
        with self.lock:
            self.faults.append(what)

    def counts(self) -> Counts:
        with self.lock:
            return Counts(accepted=self.records.total())

    def is_busy(self) -> bool:
        """Whether this request is to be put off."""
        with self.lock:
            self.busy_answers -= 1
            return self.busy_answers >= 0


@contextmanager
def open_collectors(directory: Path, arrivals: Arrivals) -> Iterator[tuple[Doors, ServerCertificate]]:
    """All five doors, open until the end of the block."""
    certificate = certify_loopback(directory, system_clock)
    http = _Http(arrivals)
    tcp, tls = _Stream(arrivals, "tcp", None), _Stream(arrivals, "tls", certificate.server_context())
    udp = _Datagrams(arrivals)
    servers: list[socketserver.BaseServer] = [http, tcp, tls, udp]
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield (
            Doors(
                base_url=f"http://127.0.0.1:{http.server_address[1]}",
                api_key=API_KEY,
                host="127.0.0.1",
                tls_port=_port(tls),
                tcp_port=_port(tcp),
                udp_port=_port(udp),
                ca_file=certificate.ca_file,
            ),
            certificate,
        )
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()


def _port(server: socketserver.BaseServer) -> int:
    return int(cast("tuple[str, int]", server.server_address)[1])


class _Http(ThreadingHTTPServer):
    def __init__(self, arrivals: Arrivals) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(self._judge(body))
                self.send_header("retry-after", "0")
                self.send_header("content-length", "0")
                self.end_headers()

            def _judge(self, body: bytes) -> int:
                if arrivals.is_busy():
                    return 503
                if self.headers["authorization"] != f"Bearer {API_KEY}":
                    arrivals.fault("no key")
                if arrivals.status != 200:
                    return arrivals.status
                system = self.headers["x-source-system"]
                if self.path == "/v1/events":
                    arrivals.add("http", len(gzip.decompress(body).splitlines()), system)
                elif self.path == "/fhir":
                    arrivals.add("fhir", len(orjson.loads(body)["entry"]), system)
                else:
                    arrivals.add("fhir", 1, system)
                return 200

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the library's)
                """Silent."""

        super().__init__(("127.0.0.1", 0), Handler)


class _Stream(socketserver.ThreadingTCPServer):
    """Octet-counted syslog, with TLS where there is a context. What does not come whole is a fault."""

    def __init__(self, arrivals: Arrivals, door: str, context: ssl.SSLContext | None) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    with context.wrap_socket(self.request, server_side=True) if context else self.request as line:
                        self._read(line)
                except OSError as error:
                    arrivals.fault(f"{door}: {type(error).__name__}")

            def _read(self, line: socket.socket) -> None:
                reader = FrameReader(1 << 20)
                while data := line.recv(65536):
                    arrivals.add(door, len(reader.feed(data)))
                if reader.finish("cut off", clean=True):
                    arrivals.fault(f"{door}: cut off")
                if isinstance(line, ssl.SSLSocket):
                    line.unwrap().close()

        super().__init__(("127.0.0.1", 0), Handler)


class _Datagrams(socketserver.ThreadingUDPServer):
    def __init__(self, arrivals: Arrivals) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                arrivals.add("udp", 1)

        super().__init__(("127.0.0.1", 0), Handler)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
