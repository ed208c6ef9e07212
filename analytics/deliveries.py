"""From mail events to facts about deliveries: how well the line was protected, and whether the patient had agreed to plain e-mail.

A consent counts from the moment it was given until the next one for the same channel, judged at the moment of the delivery
(45 CFR 164.522(b): a patient who was warned may choose unencrypted e-mail).
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import polars as pl

from domain.json import Json
from domain.tls import POLICY_VERSION, judge
from store.context import ContextStore
from store.cursors import Span
from store.deliveries import DeliveryFact, DeliveryFacts, MailEntry

_CHANNEL = "unencrypted_email"
_EVER = datetime.min.replace(tzinfo=UTC)
_AGREED = frozenset({"opted_in", "granted", "active", "yes"})


class Deliveries:
    """Writes the facts of new mail events. Safe to repeat."""

    def __init__(self, facts: DeliveryFacts, context: ContextStore) -> None:
        self._facts = facts
        self._context = context

    def enrich(self, spans: Sequence[Span]) -> int:
        """The facts of every mail event in the spans, from what is on record now about consents; returns how many."""
        entries = [entry for span in spans for entry in self._facts.entries(span)]
        if entries:
            consents = Consents(self._context.frame("consents"))
            self._facts.add([fact(entry, opted_in=consents.agreed(entry.patient_id, entry.time)) for entry in entries])
        return len(entries)


class Consents:
    """Who had agreed to unencrypted e-mail, and when. Of consents at one moment the stricter counts."""

    def __init__(self, frame: pl.DataFrame) -> None:
        """`frame` has patient_id, channel, status and at (a moment in UTC; null is since ever)."""
        self._history: dict[str, list[tuple[datetime, bool]]] = {}
        known = frame.filter(pl.col("channel").str.to_lowercase() == _CHANNEL)
        for patient_id, status, at in known.select("patient_id", "status", "at").iter_rows():
            agreed = str(status or "").lower() in _AGREED
            self._history.setdefault(patient_id, []).append((at or _EVER, agreed))
        for history in self._history.values():
            history.sort(key=lambda step: (step[0], not step[1]))

    def agreed(self, patient_id: str, moment: datetime) -> bool:
        """Whether the patient's last word before or at the moment was yes. Without a patient nobody agreed."""
        history = self._history.get(patient_id, [])
        place = bisect_right(history, moment, key=lambda step: step[0])
        return place > 0 and history[place - 1][1]


def fact(entry: MailEntry, *, opted_in: bool) -> DeliveryFact:
    """What one mail event says about its delivery."""
    details = entry.details
    judgement = judge(details)
    phi = details.get("phi")
    return DeliveryFact(
        entry=entry,
        to_domain=_domain(details),
        direction=_word(details.get("direction")),
        category=_word(details.get("category")),
        phi=phi if isinstance(phi, bool) else None,
        encryption=_word(details.get("encryption")),
        auto_forwarded=details.get("auto_forwarded") is True,
        tls_verdict=judgement.verdict.value,
        tls_version=judgement.version,
        tls_cipher=judgement.cipher,
        tls_weak=judgement.weak,
        evidence=judgement.evidence,
        opted_in=opted_in,
        policy_version=POLICY_VERSION,
    )


def _domain(details: Mapping[str, Json]) -> str:
    """The recipient's domain, as given or from the address; '' where neither is."""
    if given := _word(details.get("to_domain")):
        return given.rstrip(".")
    to = details.get("to")
    first = to[0] if isinstance(to, list | tuple) and to else to
    return first.rpartition("@")[2].strip(" <>").rstrip(".").lower() if isinstance(first, str) and "@" in first else ""


def _word(value: Json) -> str:
    return value.strip().lower() if isinstance(value, str) else ""
