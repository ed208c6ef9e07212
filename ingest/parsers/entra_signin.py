"""Entra ID: sign-in logs of every kind, and the directory's audit log and risk detections, which come by the same way.

As Graph gives them (`signIn`, `directoryAudit`, `riskDetection`), as diagnostic settings send them (an envelope with `category` and
`properties`), or as Log Analytics keeps them. The record's own id is the event's id.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.errors import InvalidInput
from domain.json import canonical, normalise
from ingest.parsers.entra_audit import directory_audit, graph_activity, provisioning, risk_event
from ingest.parsers.entra_records import Entry, entry_of
from ingest.parsers.entra_signins import sign_in
from ingest.parsers.identity_events import IdentityParser, Said
from ingest.parsers.m365_records import objects_of, utc_moment

_TIMES = ("createddatetime", "activitydatetime", "timegenerated", "detecteddatetime", "time")
_DETECTED = ("time", "detecteddatetime", "activitydatetime", "timegenerated", "createddatetime", "risklastupdateddatetime")


class EntraSigninParser(IdentityParser):
    """Reads records of Entra's logs. Where patients sign in (External ID, B2C), a mapping's constants say so."""

    format = "entra-signin"

    def _read(self, record: bytes) -> Sequence[Said]:
        return [_said(entry_of(one)) for one in objects_of(record)]


def _said(entry: Entry) -> Said:
    kind = entry.kind
    if kind is None:
        raise InvalidInput("the record is no sign-in, no audit and no risk event of Entra: nothing in it says which it is")
    identifier = entry.inner.text("id", "requestid", "uniquetokenidentifier") or ""
    time = _time(entry)
    if kind == "audit":
        return directory_audit(entry, identifier or _digest(entry), time)
    if kind == "risk":
        return risk_event(entry, _of_state(entry, identifier), time)
    if kind == "graph":
        return graph_activity(entry, entry.inner.text("requestid") or _digest(entry), time)
    if kind == "provisioning":
        return provisioning(entry, identifier or _digest(entry), time)
    return sign_in(entry, identifier or _digest(entry), time)


def _time(entry: Entry) -> datetime:
    """When it happened: `time` of the envelope is when the record was written, minutes later."""
    names = _DETECTED if entry.kind == "risk" else _TIMES
    value = next((found for name in names if (found := entry.inner.text(name) or entry.outer.text(name))), None)
    return utc_moment(value, "the time of the record")


def _of_state(entry: Entry, identifier: str) -> str:
    """A detection is written again whenever its state changes: the state is part of the id."""
    inner = entry.inner
    state = [
        inner.text(name) for name in ("lastupdateddatetime", "risklastupdateddatetime", "riskstate", "risklevel", "riskdetail")
    ]
    if not identifier:
        return _digest(entry)
    return ":".join([identifier, *(one for one in state if one)])


def _digest(entry: Entry) -> str:
    try:
        normal = normalise(dict(entry.outer.original))
    except ValueError as error:
        raise InvalidInput(f"the record is {error}") from None
    assert isinstance(normal, Mapping)
    return hashlib.sha256(canonical(normal)).hexdigest()
