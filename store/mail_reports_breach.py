"""Deliveries that may have been disclosures: mail with PHI, or not classified, over a connection not known to be good, and what the
record knows of each of the four factors of 45 CFR 164.402(2).

What a delivery said of itself comes from the ledger entry; what came of the message from other events of the same message to the
same recipient, up to `AFTERMATH` later; what people decided from the alerts that cite it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from domain.clock import microseconds
from store.engine import Engine
from store.mail_reports import instant, integer

AFTERMATH = timedelta(days=90)
"""How long after the period a bounce, an opening or a recall still counts as about one of its messages."""

_PERIOD = """
time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
    AND ({patient:String} = '' OR patient_id = {patient:String}) AND ({actor:String} = '' OR actor_id = {actor:String})
"""
_MAY_BE_PHI = "action IN ('deliver', 'forward') AND ifNull(phi, 1) = 1"
_NOT_GOOD = "(tls_weak = 1 OR tls_verdict NOT IN ('trusted', 'verified_webpki', 'verified_dane'))"

# "trusted" without a compared name, and everything verified, is not listed but counted: see _COUNTS.
_CHOSEN = f"""
SELECT writer, seq, event_id, time, source_system, outcome, actor_id, patient_id, to_domain, category, phi, encryption,
    auto_forwarded, tls_verdict, tls_version, tls_cipher, tls_weak, evidence, opted_in, policy_version, recipient, misdirected,
    policy_reasons, subject_identifiers
FROM delivery_facts FINAL
WHERE {_PERIOD} AND direction NOT IN ('inbound', 'internal') AND {_MAY_BE_PHI} AND {_NOT_GOOD}
ORDER BY time, writer, seq
LIMIT {{limit:UInt32}}
"""

_DELIVERIES = f"""
WITH chosen AS ({_CHOSEN}),
said AS
(
    SELECT writer, seq, private != '' AS is_kept, JSONExtractRaw(private, 'details', 'to') AS addressed,
        JSONExtractString(private, 'details', 'subject') AS subject, JSONExtractInt(private, 'details', 'size') AS size,
        JSONExtractRaw(private, 'details', 'attachments') AS attachments,
        JSONExtractString(private, 'details', 'message_id') AS message_id
    FROM events WHERE (writer, seq) IN (SELECT writer, seq FROM chosen)
)
SELECT chosen.writer, chosen.seq, chosen.event_id, toUnixTimestamp64Micro(chosen.time), source_system, outcome, actor_id,
    patient_id, to_domain, category, phi, encryption, auto_forwarded, tls_verdict, tls_version, tls_cipher, tls_weak, evidence,
    opted_in, policy_version, recipient, misdirected, policy_reasons, is_kept, addressed, subject, size, attachments, message_id,
    subject_identifiers
FROM chosen LEFT ANY JOIN said ON chosen.writer = said.writer AND chosen.seq = said.seq
ORDER BY chosen.time, chosen.writer, chosen.seq
"""

_COUNTS = f"""
SELECT
    countIf(action IN ('deliver', 'forward')),
    countIf({_MAY_BE_PHI}),
    countIf({_MAY_BE_PHI} AND {_NOT_GOOD}),
    countIf({_MAY_BE_PHI} AND tls_weak = 0 AND tls_verdict = 'trusted'),
    countIf(action IN ('bounce', 'defer'))
FROM delivery_facts FINAL WHERE {_PERIOD} AND direction NOT IN ('inbound', 'internal')
"""

_NOT_EXAMINED = f"""
SELECT
    (SELECT count() FROM events WHERE source = 'mail' AND action IN ('deliver', 'forward', 'bounce', 'defer') AND {_PERIOD})
    -
    (SELECT count() FROM delivery_facts FINAL WHERE action IN ('deliver', 'forward', 'bounce', 'defer') AND {_PERIOD})
"""

_TOLD = """
    SELECT JSONExtractString(private, 'details', 'message_id') AS message, JSONExtractRaw(private, 'details', 'to') AS addressed,
        event_id, writer, seq, time, action
    FROM events
    WHERE source = 'mail' AND time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
        AND time < fromUnixTimestamp64Micro({later:Int64}, 'UTC')
"""

# What else was told about the same message to the same recipient, by what it was.
_AFTERMATH = f"""
WITH chosen AS ({_CHOSEN}), told AS ({_TOLD})
SELECT message, addressed, action, toUnixTimestamp64Micro(min(time)), argMin((writer, seq), (time, writer, seq)), count()
FROM told
WHERE action NOT IN ('deliver', 'forward') AND (message, addressed) IN
    (SELECT message, addressed FROM told WHERE message != '' AND (writer, seq) IN (SELECT writer, seq FROM chosen))
GROUP BY message, addressed, action ORDER BY 4, action
"""

# The first sign after the message that the patient was at the portal, and that a message there ran out unread.
_PORTAL = f"""
WITH chosen AS (SELECT * FROM ({_CHOSEN}) WHERE encryption IN ('portal_link', 'escrow') AND patient_id != ''),
portal AS
(
    SELECT patient_id, time, writer, seq, action FROM events
    WHERE source = 'portal' AND patient_id IN (SELECT patient_id FROM chosen) AND outcome NOT IN ('denied', 'failure')
        AND action IN {{actions:Array(String)}}
)
SELECT chosen.writer, chosen.seq, toUnixTimestamp64Micro(portal.time), portal.action, portal.writer, portal.seq
FROM chosen ASOF INNER JOIN portal ON chosen.patient_id = portal.patient_id AND chosen.time <= portal.time
"""

_ALERTS = f"""
WITH chosen AS ({_CHOSEN}),
newest AS
(
    SELECT alert_id,
        argMax((status, kind, severity, changed_by, note, updated, evidence_writer, evidence_seq, disposition), version) AS one
    FROM alerts GROUP BY alert_id
)
SELECT cited.1, cited.2, alert_id, one.1, one.2, one.3, one.4, one.5, toUnixTimestamp64Micro(one.6),
    one.9
FROM newest ARRAY JOIN arrayZip(one.7, one.8) AS cited
WHERE (cited.1, cited.2) IN (SELECT writer, seq FROM chosen)
ORDER BY 9, alert_id
"""

_SIGNS = ("view_message", "view_results", "view_notes", "view_bill", "download_record")


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """Something told of the message later: `what` happened, when first, how often, and the first entry."""

    what: str
    time: datetime
    entry: tuple[str, int]
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An alert that cites the delivery, as it stands: `status` is open, acknowledged or resolved, the note is of the newest change.

    `disposition` is what it was found to be (domain/finding.py), '' where nobody said.
    """

    alert_id: str
    status: str
    kind: str
    severity: str
    by: str
    note: str
    at: datetime
    disposition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One outbound delivery over a connection that is not known to be good. `phi` None: the sender did not classify it.

    `is_kept`: the ledger still has the private part; where it was redacted, what only that said is not known. `addresses` are as
    given, `size` in bytes (None not stated), `attachments` how many (None not stated), `identifiers` the kinds in the subject.
    `standing` and `misdirected` are what the judgement found (docs/mail-policy.md). `expired`: a message at the portal ran out
    unread; `opened`: the first sign that the patient was there.
    """

    writer: str
    seq: int
    event_id: str
    time: datetime
    source_system: str
    outcome: str
    sender: str
    patient_id: str
    to_domain: str
    category: str
    phi: bool | None
    encryption: str
    auto_forwarded: bool
    verdict: str
    tls_version: str
    tls_cipher: str
    weak: bool
    evidence: str
    opted_in: bool
    policy_version: str
    standing: str
    misdirected: str
    policy_reasons: str
    is_kept: bool
    addresses: Sequence[str]
    subject: str
    size: int | None
    attachments: int | None
    message_id: str
    identifiers: Sequence[str]
    later: Sequence[After]
    opened: After | None
    expired: After | None
    decisions: Sequence[Decision]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCounts:
    """The whole of which the listed deliveries are a part (outbound, of the period).

    `with_phi` were classified as PHI or not classified; `listed` of those had no known good connection; `name_not_compared` of
    those had a certificate of a trusted issuer whose name nobody compared; `not_delivered` bounces and deferrals; `not_examined`
    mail events have no facts yet.
    """

    delivered: int
    with_phi: int
    listed: int
    name_not_compared: int
    not_delivered: int
    not_examined: int


class InsecureDeliveries:
    """The questions of the insecure delivery report. Read-only; thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def deliveries(self, *, since: datetime, until: datetime, patient_id: str, actor_id: str, limit: int) -> list[Delivery]:
        """Outbound deliveries with PHI, or not classified, in plain text, by weak or unverified TLS, or of unknown protection."""
        chosen: dict[str, object] = {**_bounds(since, until, patient_id, actor_id), "limit": limit}
        rows = self._engine.rows(_DELIVERIES, **chosen)
        if not rows:
            return []
        later = self._later(chosen, until) if any(row[28] for row in rows) else {}
        opened, expired = self._portal(chosen, _SIGNS), self._portal(chosen, ("message_expired",))
        decisions = self._decisions(chosen)
        return [
            _delivery(
                row,
                later=later.get((str(row[28]), str(row[24])), ()),
                opened=opened.get(_place(row)),
                expired=expired.get(_place(row)),
                decisions=decisions.get(_place(row), ()),
            )
            for row in rows
        ]

    def counts(self, *, since: datetime, until: datetime, patient_id: str, actor_id: str) -> DeliveryCounts:
        """The counts around `deliveries`."""
        bounds = _bounds(since, until, patient_id, actor_id)
        ((delivered, with_phi, listed, name_not_compared, not_delivered),) = self._engine.rows(_COUNTS, **bounds)
        ((not_examined,),) = self._engine.rows(_NOT_EXAMINED, **bounds)
        return DeliveryCounts(
            delivered=integer(delivered),
            with_phi=integer(with_phi),
            listed=integer(listed),
            name_not_compared=integer(name_not_compared),
            not_delivered=integer(not_delivered),
            not_examined=max(0, integer(not_examined)),
        )

    def _later(self, chosen: dict[str, object], until: datetime) -> dict[tuple[str, str], list[After]]:
        found: dict[tuple[str, str], list[After]] = {}
        for message, addressed, action, time, entry, count in self._engine.rows(
            _AFTERMATH, **chosen, later=microseconds(until + AFTERMATH)
        ):
            after = After(what=str(action), time=instant(time), entry=_pair(entry), count=integer(count))
            found.setdefault((str(message), str(addressed)), []).append(after)
        return found

    def _portal(self, chosen: dict[str, object], actions: Sequence[str]) -> dict[tuple[str, int], After]:
        return {
            (str(writer), integer(seq)): After(what=str(action), time=instant(time), entry=(str(at), integer(number)))
            for writer, seq, time, action, at, number in self._engine.rows(_PORTAL, **chosen, actions=list(actions))
        }

    def _decisions(self, chosen: dict[str, object]) -> dict[tuple[str, int], list[Decision]]:
        found: dict[tuple[str, int], list[Decision]] = {}
        for writer, seq, alert_id, status, kind, severity, by, note, at, disposition in self._engine.rows(_ALERTS, **chosen):
            decision = Decision(
                alert_id=str(alert_id),
                status=str(status),
                kind=str(kind),
                severity=str(severity),
                by=str(by),
                note=str(note),
                at=instant(at),
                disposition=str(disposition),
            )
            found.setdefault((str(writer), integer(seq)), []).append(decision)
        return found


def _bounds(since: datetime, until: datetime, patient_id: str, actor_id: str) -> dict[str, object]:
    return {"since": microseconds(since), "until": microseconds(until), "patient": patient_id, "actor": actor_id}


def _delivery(
    row: tuple[object, ...],
    *,
    later: Sequence[After],
    opened: After | None,
    expired: After | None,
    decisions: Sequence[Decision],
) -> Delivery:
    text = [str(cell) for cell in row]
    return Delivery(
        writer=text[0],
        seq=integer(row[1]),
        event_id=text[2],
        time=instant(row[3]),
        source_system=text[4],
        outcome=text[5],
        sender=text[6],
        patient_id=text[7],
        to_domain=text[8],
        category=text[9],
        phi=None if row[10] is None else bool(row[10]),
        encryption=text[11],
        auto_forwarded=bool(row[12]),
        verdict=text[13],
        tls_version=text[14],
        tls_cipher=text[15],
        weak=bool(row[16]),
        evidence=text[17],
        opted_in=bool(row[18]),
        policy_version=text[19],
        standing=text[20],
        misdirected=text[21],
        policy_reasons=text[22],
        is_kept=bool(row[23]),
        addresses=_addresses(text[24]),
        subject=text[25],
        size=integer(row[26]) or None,
        attachments=_length(text[27]),
        message_id=text[28],
        identifiers=_texts(row[29]),
        later=later,
        opened=opened,
        expired=expired,
        decisions=decisions,
    )


def _place(row: tuple[object, ...]) -> tuple[str, int]:
    return str(row[0]), integer(row[1])


def _pair(value: object) -> tuple[str, int]:
    assert isinstance(value, tuple)
    writer, seq = value
    return str(writer), integer(seq)


def _texts(value: object) -> list[str]:
    assert isinstance(value, list | tuple)
    return [str(one) for one in value]


def _addresses(raw: str) -> list[str]:
    value = orjson.loads(raw) if raw else None
    several = value if isinstance(value, list) else [value]
    return [one for one in several if isinstance(one, str) and one]


def _length(raw: str) -> int | None:
    value = orjson.loads(raw) if raw else None
    return len(value) if isinstance(value, list) else value if isinstance(value, int) and not isinstance(value, bool) else None
