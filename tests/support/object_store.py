"""A small object store that speaks S3 over a real socket: versions, conditional writes, object lock in compliance mode.

It is as strict as the real one where it matters here: requests must be signed (SigV4, the lock's headers among what is signed),
bodies must have the checksum they claim, a locked version cannot be deleted before its time, and writing over a name only adds a
version. Whether a signature is right is not computed.
"""

import base64
import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from domain.clock import Clock

_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/[a-z0-9-]+/s3/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}"
)
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_OK, _NO_CONTENT, _FORBIDDEN, _NOT_FOUND, _CLASH = 200, 204, 403, 404, 412


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of a name; `data` None is a delete marker."""

    key: str
    version_id: str
    data: bytes | None
    mode: str | None = None
    until: datetime | None = None


@dataclass
class Bucket:
    """What is in the store, and ways in which it can be wrong."""

    clock: Clock
    name: str = "checkpoints"
    url: str = ""
    has_lock: bool = True
    forgets_locks: bool = False
    page: int = 1_000
    never_ends: bool = False
    versions: list[Version] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    fail: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Operation to the status and code that it answers instead."""
    hang_up_after: set[str] = field(default_factory=set)
    """Operations that are done once and then answered with a closed connection."""
    guard: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> None:
        """Empty and honest again; the address stays."""
        fresh = Bucket(self.clock, url=self.url)
        with self.guard:
            self.__dict__ |= {name: value for name, value in fresh.__dict__.items() if name != "guard"}

    def of(self, key: str) -> list[Version]:
        """The versions of a name, newest first."""
        return [version for version in reversed(self.versions) if version.key == key]

    def operations(self) -> list[str]:
        """What was asked, in order."""
        return [operation for operation, _, _ in self.requests]


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def _error(status: int, code: str) -> _Answer:
    return _Answer(status, f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'.encode())


@contextmanager
def object_store_server(clock: Clock) -> Iterator[Bucket]:
    """The store on a free port, with one bucket that has object lock."""
    bucket = Bucket(clock)

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        def do_HEAD(self) -> None:
            self._serve()

        def do_PUT(self) -> None:
            self._serve()

        def do_DELETE(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            parts = urlsplit(self.path)
            name, _, key = unquote(parts.path).removeprefix("/").partition("/")
            query = {each: values[0] for each, values in parse_qs(parts.query, keep_blank_values=True).items()}
            with bucket.guard:
                operation = _operation(self.command, key, query)
                bucket.requests.append((operation, key, headers))
                answer = _refused(bucket, operation, name, headers) or _handle(bucket, operation, key, query, headers, body)
                if operation in bucket.hang_up_after:
                    bucket.hang_up_after.discard(operation)
                    self.close_connection = True
                    return
            self.send_response(answer.status)
            for each, value in answer.headers.items():
                self.send_header(each, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that goes away is no news."""

    with Server(("127.0.0.1", 0), Handler) as server:
        bucket.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="object-store")
        thread.start()
        try:
            yield bucket
        finally:
            server.shutdown()
            thread.join(10)


def _operation(method: str, key: str, query: dict[str, str]) -> str:
    if not key:
        return "lock" if "object-lock" in query else "list" if "versions" in query else method
    return {"GET": "get", "HEAD": "head", "PUT": "put", "DELETE": "delete"}[method]


def _refused(bucket: Bucket, operation: str, name: str, headers: dict[str, str]) -> _Answer | None:
    signed = _SIGNED.fullmatch(headers.get("authorization", ""))
    covered = signed[1].split(";") if signed else []
    must = {"host", "x-amz-date", "x-amz-content-sha256", *(each for each in headers if each.startswith("x-amz-object-lock"))}
    if not must <= set(covered):
        return _error(_FORBIDDEN, "AccessDenied")
    if name != bucket.name:
        return _error(_NOT_FOUND, "NoSuchBucket")
    if operation in bucket.fail:
        return _error(*bucket.fail[operation])
    return None


def _handle(bucket: Bucket, operation: str, key: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> _Answer:
    if operation == "lock":
        if not bucket.has_lock:
            return _error(_NOT_FOUND, "ObjectLockConfigurationNotFoundError")
        inner = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>"
        return _Answer(_OK, f"<ObjectLockConfiguration {_NAMESPACE}>{inner}</ObjectLockConfiguration>".encode())
    if operation == "list":
        return _list(bucket, query)
    if operation == "put":
        return _put(bucket, key, headers, body)
    if operation == "delete":
        return _delete(bucket, key, query.get("versionId"))
    wanted = query.get("versionId")
    found = next((version for version in bucket.of(key) if wanted in {None, version.version_id}), None)
    if found is None or found.data is None:
        return _error(_NOT_FOUND, "NoSuchKey")
    said = {"x-amz-version-id": found.version_id}
    if found.mode and found.until:
        said |= {"x-amz-object-lock-mode": found.mode, "x-amz-object-lock-retain-until-date": found.until.isoformat()}
    return _Answer(_OK, found.data, said)


def _put(bucket: Bucket, key: str, headers: dict[str, str], body: bytes) -> _Answer:
    checksum = headers.get("x-amz-checksum-sha256")
    if checksum is not None and checksum != base64.b64encode(hashlib.sha256(body).digest()).decode():
        return _error(400, "BadDigest")
    mode, until = headers.get("x-amz-object-lock-mode"), headers.get("x-amz-object-lock-retain-until-date")
    if mode and (not bucket.has_lock or checksum is None or until is None):
        return _error(400, "InvalidRequest")
    there = bucket.of(key)
    if headers.get("if-none-match") == "*" and there and there[0].data is not None:
        return _error(_CLASH, "PreconditionFailed")
    is_locked = mode and until and not bucket.forgets_locks
    version = Version(
        key=key,
        version_id=f"v{len(bucket.versions):04d}",
        data=body,
        mode=mode if is_locked else None,
        until=datetime.fromisoformat(until) if until and is_locked else None,
    )
    bucket.versions.append(version)
    return _Answer(_OK, b"", {"etag": f'"{hashlib.md5(body).hexdigest()}"', "x-amz-version-id": version.version_id})


def _delete(bucket: Bucket, key: str, version_id: str | None) -> _Answer:
    if version_id is None:
        bucket.versions.append(Version(key=key, version_id=f"v{len(bucket.versions):04d}", data=None))
        return _Answer(_NO_CONTENT)
    for version in bucket.of(key):
        if version.version_id == version_id:
            if version.until and bucket.clock() < version.until:
                return _error(_FORBIDDEN, "AccessDenied")
            bucket.versions.remove(version)
    return _Answer(_NO_CONTENT)


def _list(bucket: Bucket, query: dict[str, str]) -> _Answer:
    marker = (query.get("key-marker", ""), query.get("version-id-marker"))
    ordered = [version for key in sorted({each.key for each in bucket.versions}) for version in bucket.of(key)]
    kept = [version for version in ordered if version.key.startswith(query.get("prefix", "")) and _after(version, marker)]
    page, rest = kept[: bucket.page], kept[bucket.page :]
    if bucket.never_ends:
        page, rest = ordered[:1], ordered[:1]
    encoded = query.get("encoding-type") == "url"

    def text(value: str) -> str:
        return escape(quote(value, safe="/") if encoded else value)

    entries = []
    for version in page:
        tag = "DeleteMarker" if version.data is None else "Version"
        entries.append(f"<{tag}><Key>{text(version.key)}</Key><VersionId>{version.version_id}</VersionId></{tag}>")
    more = ""
    if rest:
        last = page[-1]
        more = f"<NextKeyMarker>{text(last.key)}</NextKeyMarker><NextVersionIdMarker>{last.version_id}</NextVersionIdMarker>"
    kind = "<EncodingType>url</EncodingType>" if encoded else ""
    inner = f"{kind}<IsTruncated>{str(bool(rest)).lower()}</IsTruncated>{more}{''.join(entries)}"
    return _Answer(_OK, f"<ListVersionsResult {_NAMESPACE}>{inner}</ListVersionsResult>".encode())


def _after(version: Version, marker: tuple[str, str | None]) -> bool:
    """After the marker: a later name, or an older version of the same one."""
    key, version_id = marker
    return version.key > key or (version.key == key and bool(version_id) and version.version_id < str(version_id))
