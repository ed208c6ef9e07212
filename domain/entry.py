"""A ledger entry: the bytes of an event that are hashed, and the hash that is chain link and Merkle leaf at once.

    private = canonical JSON of what identifies a patient, free text and the raw record
    digest  = SHA256(salt || private), salt = HMAC-SHA256(epoch secret, writer "\\n" seq)[:16]
    body    = canonical JSON header with "private_digest" = hex(digest)
    leaf_i  = SHA256(0x00 || leaf_{i−1} || body_i)

The header is stored with an empty digest, because the digest can be computed again: 32 bytes an event saved. An unescaped
`"private_digest":""` cannot occur inside a JSON string, so filling it in is unambiguous. `docs/log-format.md` is the specification.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import orjson

from domain.clock import rfc3339
from domain.event import PERSONAL_KINDS, AuditEvent
from domain.json import Json, canonical
from domain.merkle import leaf_hash

VERSION = 1
_EMPTY_DIGEST = b'"private_digest":""'
_BLOCK = 64
"""Bytes of a SHA-256 block, to which HMAC pads its key (RFC 2104)."""


class Entry(NamedTuple):
    """One entry as stored: canonical header (digest empty), canonical private part, and its leaf (32 bytes)."""

    header: bytes
    private: bytes
    leaf: bytes


class Draft(NamedTuple):
    """What of an entry does not depend on its place: computed once, before it is known whether the event is new.

    The header is `before`, then the members received and seq, then `after`, then writer: in canonical order they stand together.
    `key` stands for (source system, event id); `content` tells a repeat from a reuse.
    """

    before: bytes
    after: bytes
    private: bytes
    key: bytes
    content: bytes


def draft(event: AuditEvent) -> Draft:
    """The draft of an event's entry: the bytes of `canonical(header_fields(…))` and `canonical(private_fields(…))`, made in parts.

    Each member is encoded once, although three things are made of it: header, private part, and the digest of what it means.
    """
    actor, device, geo = event.actor, event.device, event.geo
    is_personal = actor.kind in PERSONAL_KINDS
    what = {
        "action": event.action,
        "actor": {"kind": actor.kind} if is_personal else {"id": actor.id, "kind": actor.kind},
        "device": None if device is None else {"id": device.id, "kind": device.kind},
        "event_id": event.event_id,
    }
    first, outcome = orjson.dumps(what)[:-1], _member("outcome", event.outcome)
    after = b"%b%b" % (_origin(event.source, event.source_system), f'"time":"{rfc3339(event.time)}","v":{VERSION}'.encode())
    hidden: dict[str, Json] = {"actor_id": actor.id} if is_personal else {}
    hidden["details"] = event.details
    if geo is not None:
        hidden["geo"] = {"city": geo.city, "country": geo.country, "lat": geo.lat, "lon": geo.lon}
    hidden["ip"], hidden["patient_id"] = event.ip, event.patient_id
    meant = canonical(hidden)
    meaning = hashlib.sha256(b"%b%b%b%b" % (first, outcome, after, meant)).digest()
    return Draft(
        b"%b,%b,%b,%b" % (first, _member("format", event.format), outcome, _EMPTY_DIGEST),
        after,
        b"%b,%b}" % (meant[:-1], _raw_member(event.raw)),
        event_key(event.source_system, event.event_id),
        meaning[:8] + hashlib.sha256(event.raw).digest()[:8],
    )


class Placing:
    """Gives drafts their places in one writer's log, for entries that are received at one moment."""

    def __init__(self, *, writer: str, received: str, secret: bytes) -> None:
        """`received` is in the spelling of `rfc3339`; `secret` is the epoch secret, at most 64 bytes."""
        self._writer = writer.encode()
        self._received = b',"received":"%b","seq":' % received.encode()
        self._end = b',"writer":%b}' % orjson.dumps(writer)
        # HMAC (RFC 2104) with the two padded keys hashed once instead of once an entry.
        key = secret.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + self._writer + b"\n")
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))

    def entry(self, drafted: Draft, seq: int, previous: bytes) -> Entry:
        """The entry of a draft as number `seq`; `previous` is the leaf before it, or the log's genesis."""
        number = b"%d" % seq
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(number)
        outer.update(inner.digest())
        private = drafted.private
        digest = hashlib.sha256(outer.digest()[:16] + private).hexdigest().encode()
        rest = b"%b%b,%b%b" % (self._received, number, drafted.after, self._end)
        before = drafted.before
        leaf = hashlib.sha256(b'\0%b%b%b"%b' % (previous, before[:-1], digest, rest)).digest()
        return Entry(before + rest, private, leaf)


def place(drafted: Draft, *, writer: str, seq: int, received: str, secret: bytes, previous: bytes) -> Entry:
    """The entry of one draft (see `Placing`)."""
    return Placing(writer=writer, received=received, secret=secret).entry(drafted, seq, previous)


@lru_cache(maxsize=1024)
def _member(name: str, value: str | None) -> bytes:
    return orjson.dumps({name: value})[1:-1]


@lru_cache(maxsize=4096)
def _origin(source: str, source_system: str) -> bytes:
    return orjson.dumps({"source": source, "source_system": source_system})[1:-1] + b","


def _raw_member(raw: bytes) -> bytes:
    try:
        return b'"raw":%b' % orjson.dumps(raw.decode())
    except UnicodeDecodeError:
        return b'"raw_base64":"%b"' % base64.b64encode(raw)


def header_fields(event: AuditEvent, *, writer: str, seq: int, received: datetime) -> Mapping[str, Json]:
    """What anyone who may see the log may see. An actor who is (or stands for) a patient is named only in the private part."""
    return {**_unplaced(event), "writer": writer, "seq": seq, "received": rfc3339(received)}


def _unplaced(event: AuditEvent) -> Mapping[str, Json]:
    actor: dict[str, Json] = {"kind": event.actor.kind}
    if event.actor.kind not in PERSONAL_KINDS:
        actor["id"] = event.actor.id
    return {
        "v": VERSION,
        "event_id": event.event_id,
        "source_system": event.source_system,
        "format": event.format,
        "time": rfc3339(event.time),
        "source": event.source,
        "action": event.action,
        "outcome": event.outcome,
        "actor": actor,
        "device": None if event.device is None else {"id": event.device.id, "kind": event.device.kind},
        "private_digest": "",
    }


def private_fields(event: AuditEvent) -> Mapping[str, Json]:
    """What an export may withhold and still prove the event: patient identity, place, details, the record as received."""
    fields: dict[str, Json] = {"patient_id": event.patient_id, "ip": event.ip, "details": event.details}
    if event.actor.kind in PERSONAL_KINDS:
        fields["actor_id"] = event.actor.id
    if event.geo is not None:
        fields["geo"] = {"city": event.geo.city, "country": event.geo.country, "lat": event.geo.lat, "lon": event.geo.lon}
    try:
        fields["raw"] = event.raw.decode()
    except UnicodeDecodeError:
        fields["raw_base64"] = base64.b64encode(event.raw).decode()
    return fields


def salt(secret: bytes, writer: str, seq: int) -> bytes:
    """16 bytes that make guessing a private part against its digest hopeless, derived so that they cost no storage."""
    return hmac.digest(secret, f"{writer}\n{seq}".encode(), "sha256")[:16]


def private_digest(private: bytes, salted: bytes) -> bytes:
    """SHA256(salt || private), 32 bytes."""
    return hashlib.sha256(salted + private).digest()


def body_bytes(header: bytes, digest: bytes) -> bytes:
    """The body that is hashed: the stored header with the digest filled in."""
    return header.replace(_EMPTY_DIGEST, b'"private_digest":"' + digest.hex().encode() + b'"', 1)


def chain(previous: bytes, body: bytes) -> bytes:
    """leaf_i = SHA256(0x00 || leaf_{i−1} || body_i): the RFC 6962 leaf of the entry `leaf_{i−1} || body_i`."""
    return leaf_hash(previous + body)


def genesis(origin: str, last_leaf: bytes) -> bytes:
    """What stands before the first leaf of a log: SHA256(origin || last leaf of the writer's previous log, or nothing)."""
    return hashlib.sha256(origin.encode() + last_leaf).digest()


def same_content(one: bytes, other: bytes, *, has_raw: bool) -> bool:
    """Whether two content digests (8 bytes of what was understood, 8 of the raw record) are of one event.

    Either half being equal makes it a repeat: the same meaning in other white space, or the same bytes read with less context.
    """
    return one[:8] == other[:8] or (has_raw and one[8:] == other[8:])


def event_key(source_system: str, event_id: str) -> bytes:
    """16 bytes that stand for (source system, event id) in the index of what is already stored."""
    return hashlib.sha256(f"{len(source_system)}:{source_system}{event_id}".encode()).digest()[:16]
