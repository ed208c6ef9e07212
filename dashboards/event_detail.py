"""One event: as understood beside as received, where it stands in the chain, what proves it, and what is known around it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from domain.errors import IntegrityError, NotFound
from domain.finding import Alert
from domain.json import Json
from domain.keyring import KeyRing
from domain.proof import EventProof, verify_event_proof
from domain.record import StoredEvent
from store.access_overview import AccessFact, AccessOverview, DeliveryFact
from store.alerts import AlertQuery, AlertStore

_LONGEST_RAW = 65_536
"""Characters of a raw record that a page shows; the whole is in the JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofView:
    """A proof as people read it. `failure` is set when a check did not hold, `missing` when there is no proof yet."""

    proof: EventProof | None = None
    spine_size: int = 0
    key_name: str = ""
    failure: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRecord:
    """The record as received. JSON is indented for reading; `is_cut` says that this is only the beginning."""

    text: str
    size: int
    is_indented: bool
    is_binary: bool
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDetail:
    """Everything on the page of one event. `details` are its own, flat, nested names joined by dots."""

    stored: StoredEvent
    details: Sequence[tuple[str, str]]
    raw: RawRecord
    fact: AccessFact | None
    delivery: DeliveryFact | None
    proof: ProofView
    alerts: Sequence[Alert]


def event_detail(
    stored: StoredEvent,
    *,
    accesses: AccessOverview,
    alerts: AlertStore,
    prove: Callable[[str, int], EventProof],
    keys: KeyRing,
) -> EventDetail:
    """Gather the page; the proof is made and checked at this moment."""
    place = (stored.writer, stored.seq)
    return EventDetail(
        stored=stored,
        details=flat(stored.event.details),
        raw=raw_record(stored.event.raw),
        fact=accesses.facts([place]).get(place),
        delivery=accesses.deliveries([place]).get(place),
        proof=_proof(place, prove, keys),
        alerts=_citing(stored, alerts),
    )


def raw_record(raw: bytes) -> RawRecord:
    """Make the received bytes readable without changing what they say."""
    try:
        text, is_binary = raw.decode(), False
    except UnicodeDecodeError:
        text, is_binary = raw.decode(errors="backslashreplace"), True
    is_indented = False
    if text[:1] in "{[" and text:
        try:
            text, is_indented = orjson.dumps(orjson.loads(raw), option=orjson.OPT_INDENT_2).decode(), True
        except orjson.JSONDecodeError:
            is_indented = False
    return RawRecord(
        text=text[:_LONGEST_RAW],
        size=len(raw),
        is_indented=is_indented,
        is_binary=is_binary,
        is_cut=len(text) > _LONGEST_RAW,
    )


def flat(value: Json, name: str = "") -> list[tuple[str, str]]:
    """A JSON value as names and texts: `tls.version` is `TLSv1.2`; an empty list or object keeps its name."""
    if isinstance(value, str):
        return [(name, value)]
    if value is None or isinstance(value, bool | int):
        return [(name, orjson.dumps(value).decode())]
    items = value.items() if hasattr(value, "items") else ((str(place), item) for place, item in enumerate(value))
    found = [pair for key, item in items for pair in flat(item, f"{name}.{key}" if name else str(key))]
    return found or ([(name, "–")] if name else [])


def _proof(place: tuple[str, int], prove: Callable[[str, int], EventProof], keys: KeyRing) -> ProofView:
    try:
        proof = prove(*place)
    except NotFound as error:
        return ProofView(missing=str(error))
    try:
        spine = verify_event_proof(proof, keys)
    except IntegrityError as error:
        return ProofView(proof=proof, failure=str(error))
    return ProofView(proof=proof, spine_size=spine.size, key_name=spine.origin)


def _citing(stored: StoredEvent, alerts: AlertStore) -> Sequence[Alert]:
    """Alerts that name this event as evidence, among the newest about its patient or, without one, its actor."""
    event = stored.event
    query = AlertQuery(patient_id=event.patient_id) if event.patient_id else AlertQuery(actor_id=event.actor.id)
    return [
        alert
        for alert in alerts.search(query, limit=200).alerts
        if any((reference.writer, reference.seq) == (stored.writer, stored.seq) for reference in alert.evidence)
    ]
