"""One database, two engines: embedded chDB in a directory, or a ClickHouse server, through one client.

Embedded, a directory belongs to one process (chDB's limit); a lock file beside it turns the second process away with a sentence.
Every insert is synchronous, one part, and on disk (fsync) when the call returns.
"""

import fcntl
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import polars as pl
from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from domain.errors import Backpressure, IntegrityError, StoreHeld
from store.migrate import migrate

DATABASE = "phitrail"

# async_insert is on by default since engine 26; the ledger acknowledges only what is in a part of its own.
_SETTINGS = {"async_insert": 0, "wait_for_async_insert": 1, "insert_deduplicate": 1, "session_timezone": "UTC", "mutations_sync": 2}


_EVERY_ROW = {"insert_deduplicate": 0, "deduplicate_insert": "disable"}


class Engine:
    """A connection to one store. Thread-safe: each thread has its own client. Close it, or use it as a context manager."""

    def __init__(self, *, directory: Path | None = None, url: str | None = None) -> None:
        """Prefer `embedded` and `remote`. Raises StoreHeld (another process has the directory) or Backpressure (unreachable)."""
        self._url = url
        self._directory = directory
        self._lock_file: IO[bytes] | None = None
        self._local = threading.local()
        self._clients: list[Client] = []
        self._guard = threading.Lock()
        if directory is not None:
            self._take(directory)
        first = self._connect(database=None)
        try:
            first.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        finally:
            first.close()

    @classmethod
    def embedded(cls, data_dir: Path) -> Self:
        """The embedded engine under `data_dir/clickhouse`, made when missing. Raises StoreHeld."""
        return cls(directory=data_dir / "clickhouse")

    @classmethod
    def remote(cls, url: str) -> Self:
        """A ClickHouse server by DSN, for example `clickhouse://user:secret@host:8123`."""
        return cls(url=url)

    @property
    def is_embedded(self) -> bool:
        return self._directory is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close every client and give the directory back."""
        with self._guard:
            clients, self._clients = self._clients, []
        for client in clients:
            client.close()
        self._local = threading.local()
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def migrate(self) -> int:
        """Bring the schema to head (forward only). Returns the schema version."""
        return migrate(self)

    def rows(self, sql: str, **parameters: object) -> list[tuple[object, ...]]:
        """Ask a question; parameters are bound on the server (`{name:Type}`). Strings must be UTF-8: use `frame` for bytes."""
        try:
            return [tuple(row) for row in self._client().query(sql, parameters=parameters).result_rows]
        except ClickHouseError as error:
            raise _translated(error) from error

    def frame(self, sql: str, **parameters: object) -> pl.DataFrame:
        """Ask a question and get the columns as Arrow, without a copy into Python objects."""
        try:
            table = self._client().query_arrow(sql, parameters=parameters)
        except ClickHouseError as error:
            raise _translated(error) from error
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def execute(self, sql: str, **parameters: object) -> None:
        """Run a statement that returns nothing."""
        try:
            self._client().command(sql, parameters=parameters)
        except ClickHouseError as error:
            raise _translated(error) from error

    def insert(self, table: str, frame: pl.DataFrame, *, token: str | None = None) -> None:
        """Insert a frame as one part, on disk when this returns.

        `token` is ClickHouse's insert_deduplication_token: bind it to the content, because the same token with other rows is
        reported as success and drops them.
        """
        # Without a token an identical block is another row, not a repeat (`insert_deduplicate` alone has no say since engine 26).
        settings = {"insert_deduplication_token": token} if token else _EVERY_ROW
        try:
            self._client().insert_arrow(table, frame.to_arrow(), settings=settings)
        except ClickHouseError as error:
            raise _translated(error) from error

    def _client(self) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._connect(database=DATABASE)
            self._local.client = client
            with self._guard:
                self._clients.append(client)
        return client

    def _connect(self, *, database: str | None) -> Client:
        name = database or "__default__"
        try:
            if self._directory is not None:
                return get_client(interface="chdb", path=str(self._directory), settings=dict(_SETTINGS), database=name)
            return get_client(dsn=self._url, settings=dict(_SETTINGS), autogenerate_session_id=False, database=name)
        except ClickHouseError as error:
            raise _translated(error) from error

    def _take(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory.parent / "store.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StoreHeld(
                f"another phitrail process is using the data directory {directory.parent}; "
                "stop it first, or use its API (the embedded store admits one process)"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n".encode())
        lock.flush()
        self._lock_file = lock


def _translated(error: ClickHouseError) -> Exception:
    """Network trouble becomes Backpressure, files that cannot be opened IntegrityError; anything else stays what it is."""
    text = str(error)
    if "Unable to open the chdb engine" in text:
        return IntegrityError(
            "the files of the embedded store cannot be opened: they are damaged, or were copied without their symbolic links "
            "(cp -a keeps them). Put a good copy back"
        )
    if any(sign in text for sign in ("CHECKSUM_DOESNT_MATCH", "CANNOT_DECOMPRESS", "corrupted data")):
        return IntegrityError("a stored part is damaged: its bytes are not those that were written. Put a good copy back")
    if any(sign in text for sign in ("Connection refused", "Max retries", "timed out", "Timeout exceeded", "NETWORK_ERROR")):
        return Backpressure("the store is not reachable; nothing was accepted", retry_after=5)
    return error
