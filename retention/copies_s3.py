"""Copies of checkpoints in an S3 bucket with object lock in compliance mode, which nobody can shorten or delete.

Whoever may write to the bucket can still add: a second version of a name, or a delete marker that hides one. So the newest copy is
looked for among all versions, and of one name the first version counts: it is the one that was written when nothing was there.
"""

import base64
import hashlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from importlib import import_module
from typing import Protocol, cast
from urllib.parse import urlsplit

from domain.errors import ConfigError
from retention.copies import MOST_BYTES, CopyTrouble, NotCopied, contradiction, copied_size, copy_folder, copy_name

Answer = Mapping[str, object]

PRECONDITION_FAILED = 412
"""What If-None-Match answers where something is there (RFC 9110 section 13.1.2)."""


class ObjectStore(Protocol):
    """What is used of boto3's S3 client; each raises what botocore raises."""

    def get_object_lock_configuration(self, **request: object) -> Answer: ...

    def put_object(self, **request: object) -> Answer: ...

    def head_object(self, **request: object) -> Answer: ...

    def get_object(self, **request: object) -> Answer: ...

    def list_object_versions(self, **request: object) -> Answer: ...


class _Readable(Protocol):
    def read(self, amt: int) -> bytes: ...

    def close(self) -> None: ...


class _Refusal(NotCopied):
    """The store answered with an error of this code and HTTP status."""

    def __init__(self, code: str, status: int) -> None:
        trouble = CopyTrouble.UNREACHABLE if status >= 500 else CopyTrouble.REFUSED
        super().__init__(trouble, f"the bucket for copies of checkpoints answered {code}: check its name, region and permissions")
        self.code = code
        self.status = status


def object_store(endpoint: str | None = None, *, timeout: timedelta = timedelta(seconds=20)) -> ObjectStore:
    """boto3's S3 client. Keys and region are found as every AWS tool finds them; `endpoint` is for a store of somebody else's.

    Raises ConfigError without the extra, and for plain http to anything but this machine.
    """
    if endpoint is not None and not _is_safe(endpoint):
        raise ConfigError("the address of an object store begins with https:// (plain http only to this machine)")
    try:
        boto3, config = import_module("boto3"), import_module("botocore.config")
        errors = import_module("botocore.exceptions")
    except ImportError:
        raise ConfigError("copies in a bucket need an optional part: install phitrail[s3]") from None
    seconds = timeout.total_seconds()
    options: dict[str, object] = {
        "signature_version": "s3v4",
        "connect_timeout": seconds,
        "read_timeout": seconds,
        "retries": {"mode": "standard", "total_max_attempts": 2},
    }
    if endpoint is not None:
        # Stores other than Amazon's seldom have a name in DNS for each bucket.
        options["s3"] = {"addressing_style": "path"}
    try:
        return cast("ObjectStore", boto3.session.Session().client("s3", endpoint_url=endpoint, config=config.Config(**options)))
    except (errors.BotoCoreError, ValueError):
        raise ConfigError("no S3 client can be made: check the address of the object store and the AWS settings") from None


class ObjectLockCopies:
    """`CheckpointCopy` in a bucket. Refuses a bucket without object lock, and a copy that did not become locked."""

    name = "object_lock"

    def __init__(self, bucket: str, prefix: str, client: ObjectStore) -> None:
        """`prefix` is put before each name as it is; end it with a slash to have a folder. Nothing is asked of the store yet."""
        self._bucket = bucket
        self._prefix = prefix
        self._client = client
        self._errors = import_module("botocore.exceptions")
        self._has_lock = False
        self._seen: dict[str, int] = {}

    def put(self, origin: str, size: int, note: str, retain_until: datetime) -> None:
        """See `CheckpointCopy`. One conditional PUT: there is nothing that a stop could leave half done."""
        self._check_lock()
        key, data, until = self._prefix + copy_name(origin, size), note.encode(), retain_until.replace(microsecond=0)
        is_new = True
        try:
            self._call(
                "put_object",
                Key=key,
                Body=data,
                ContentType="text/plain; charset=utf-8",
                ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
                IfNoneMatch="*",
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=until,
            )
        except _Refusal as error:
            if error.status != PRECONDITION_FAILED:
                raise
            is_new = False
        # Whether it was written now or before: what is there is this note, and it is locked.
        version = self._first_version(key)
        if version is None or self._read(key, version) != data:
            raise contradiction(size)
        self._check_retention(key, version, until if is_new else None)
        self._seen[origin] = max(size, self._seen.get(origin, 0))

    def newest(self, origin: str) -> str | None:
        """See `CheckpointCopy`. Names come in order of size, so the search starts at the largest that was seen before."""
        start = self._seen.get(origin, 0)
        size = self._largest(origin, start)
        if size is None and start:
            size = self._largest(origin, 0)
        if size is None:
            return None
        self._seen[origin] = size
        key = self._prefix + copy_name(origin, size)
        version = self._first_version(key)
        if version is None:
            raise NotCopied(CopyTrouble.UNREACHABLE, "a copy of a checkpoint was there and is not there any more")
        return self._read(key, version).decode(errors="replace")

    def _largest(self, origin: str, start: int) -> int | None:
        """The largest size, from `start` on, of which there is a version."""
        folder = f"{self._prefix}{copy_folder(origin)}/"
        marker = self._prefix + copy_name(origin, start - 1) if start else ""
        sizes = (copied_size(str(each["Key"]).removeprefix(folder)) for each in self._versions(folder, marker))
        return max((size for size in sizes if size is not None), default=None)

    def _first_version(self, key: str) -> str | None:
        """The version that was written when nothing was there; the store lists the newest first."""
        versions = [str(each["VersionId"]) for each in self._versions(key, "") if each["Key"] == key]
        return versions[-1] if versions else None

    def _versions(self, prefix: str, marker: str) -> Iterator[Answer]:
        """Every version of every name with the prefix and after the marker, page by page; delete markers are left out."""
        place: dict[str, object] = {"KeyMarker": marker} if marker else {}
        while True:
            page = self._call("list_object_versions", Prefix=prefix, **place)
            yield from cast("Sequence[Answer]", page.get("Versions", ()))
            if not page.get("IsTruncated"):
                return
            following = {"KeyMarker": page.get("NextKeyMarker"), "VersionIdMarker": page.get("NextVersionIdMarker")}
            if following == place or None in following.values():
                raise NotCopied(CopyTrouble.UNREACHABLE, "the bucket for copies of checkpoints does not list its names to the end")
            place = following

    def _read(self, key: str, version: str) -> bytes:
        with closing(cast("_Readable", self._call("get_object", Key=key, VersionId=version)["Body"])) as body:
            try:
                return body.read(MOST_BYTES)
            except (self._errors.BotoCoreError, OSError):
                raise NotCopied(CopyTrouble.UNREACHABLE, "the bucket for copies of checkpoints could not be read") from None

    def _check_lock(self) -> None:
        if self._has_lock:
            return
        try:
            answer = self._call("get_object_lock_configuration")
        except _Refusal as error:
            if error.code != "ObjectLockConfigurationNotFoundError":
                raise
            answer = {}
        if cast("Answer", answer.get("ObjectLockConfiguration", {})).get("ObjectLockEnabled") != "Enabled":
            raise NotCopied(
                CopyTrouble.NOT_LOCKED, "the bucket for copies of checkpoints has no object lock: enable it, or name one that has"
            )
        self._has_lock = True

    def _check_retention(self, key: str, version: str, until: datetime | None) -> None:
        """A store may take the wish for a lock and forget it. `until` None: it was locked before, for as long as was asked then."""
        head = self._call("head_object", Key=key, VersionId=version)
        locked = head.get("ObjectLockRetainUntilDate")
        if head.get("ObjectLockMode") != "COMPLIANCE" or not isinstance(locked, datetime) or (until and locked < until):
            raise NotCopied(
                CopyTrouble.NOT_LOCKED,
                "a copy of a checkpoint was stored but is not locked as asked, or its lock may not be seen (s3:GetObjectRetention)",
            )

    def _call(self, operation: str, **request: object) -> Answer:
        try:
            return cast("Answer", getattr(self._client, operation)(Bucket=self._bucket, **request))
        except self._errors.ClientError as error:
            answer = error.response
            raise _Refusal(str(answer["Error"].get("Code")), int(answer["ResponseMetadata"].get("HTTPStatusCode", 0))) from None
        except (self._errors.BotoCoreError, OSError) as error:
            raise NotCopied(
                CopyTrouble.UNREACHABLE, f"the bucket for copies of checkpoints could not be reached ({type(error).__name__})"
            ) from None


def _is_safe(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    if parts.scheme == "https":
        return bool(host)
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost"
    return parts.scheme == "http" and is_here
