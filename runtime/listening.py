"""An HTTP application on a socket, in a thread of its own, for as long as a block runs."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from domain.errors import ConfigError


@contextmanager
def served(app: FastAPI, host: str = "127.0.0.1", port: int = 0, on_stop: Callable[[], None] = lambda: None) -> Iterator[str]:
    """Serve; gives the base URL. Port 0 asks for a free one. `on_stop` is called when the server ends. Raises ConfigError."""
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=10
    )
    server = uvicorn.Server(config)
    listening = _bound(host, port, config.backlog)

    def run() -> None:
        try:
            server.run(sockets=[listening])
        finally:
            on_stop()

    started = threading.Thread(target=run, name="http", daemon=True)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    started.start()
    try:
        yield f"http://{host}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        started.join()


def _bound(host: str, port: int, backlog: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    listening.listen(backlog)
    return listening
