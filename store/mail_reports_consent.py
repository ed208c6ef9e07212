"""What patients agreed to by mail, and what was sent to them under each word: marketing, and unencrypted mail that may hold PHI.

45 CFR 164.508(a)(3) asks an authorisation for marketing, 15 U.S.C. 7704(a)(4) that an opt-out is honoured within ten business days,
and a patient who was warned may choose unencrypted mail (78 FR 5634; 45 CFR 164.522(b)). Each delivery is held against the word
that held at its moment, as analytics/consents.py has it: of two at one moment the stricter counts, of a repeated no its beginning.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from domain.consent import AGREED
from store.engine import Engine
from store.mail_reports import IN_SCOPE, PAGE, SENT, MailScope, MailTerms, instant, integer

EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The moment of a consent that names none: it holds since ever."""


class Matter(StrEnum):
    """What a consent is about, and what a delivery is that needs one."""

    MARKETING = "marketing"
    PLAIN = "unencrypted_phi"


class Standing(StrEnum):
    """How a delivery stood to the patient's last word before it.

    WITHIN_GRACE and PAST_GRACE: marketing after an opt-out, up to and beyond the business days given. NOT_KEPT: no consent to such
    mail was ever recorded for anybody, so that none for this patient says little. NOBODY: the delivery names no patient.
    """

    AGREED = "agreed"
    NO_WORD = "no_consent"
    WITHDRAWN = "withdrawn"
    WITHIN_GRACE = "withdrawn_within_grace"
    PAST_GRACE = "withdrawn_past_grace"
    NOT_KEPT = "no_register"
    NOBODY = "patient_not_known"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentSum:
    """Deliveries of one matter and standing. `phi` were classified as PHI, `unclassified` not at all; `unknown_line`: nothing says
    whether the connection was encrypted."""

    matter: Matter
    standing: Standing
    deliveries: int
    patients: int
    phi: int
    unclassified: int
    unknown_line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSum:
    """Patients by their last word at a moment."""

    matter: Matter
    channel: str
    agreed: int
    withdrawn: int
    changed: int
    """Words given within the period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRow:
    """A word of a patient and what was sent under it, or (`at` None, `status` '') what was sent without one.

    `until` is when the next word came, `withdrawn` when the next no did; `at` EVER is not recorded. Entries are (writer, seq, id).
    """

    patient_id: str
    matter: Matter
    channel: str
    status: str
    agreed: bool
    at: datetime | None
    until: datetime | None
    withdrawn: datetime | None
    sends: int
    within_grace: int
    past_grace: int
    phi: int
    unclassified: int
    unknown_line: int
    first: datetime | None
    last: datetime | None
    first_entry: tuple[str, int, str] | None
    last_entry: tuple[str, int, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDelivery:
    """One delivery that the patient had not agreed to as far as known. `business_days` since the no, where there was one."""

    writer: str
    seq: int
    event_id: str
    time: datetime
    sender: str
    patient_id: str
    to_domain: str
    matter: Matter
    standing: Standing
    said: datetime | None
    business_days: int | None
    phi: bool | None
    category: str
    verdict: str


# A record that was corrected (same patient, channel and moment) counts as it is now. One row a word, of the words of one patient in
# order of time: when its run of the same no began, and when the next word came.
_WORDS = """
spoken AS
(
    SELECT JSONExtractString(body, 'patient_id') AS patient, lower(JSONExtractString(body, 'channel')) AS way,
        if(JSONExtractString(body, 'status') = '', 'not stated', JSONExtractString(body, 'status')) AS status,
        lower(status) IN {agreed:Array(String)} AS said_yes,
        parseDateTime64BestEffortOrZero(JSONExtractString(body, 'at'), 6, 'UTC') AS said,
        if(way IN {marketing:Array(String)}, 'marketing', if(way IN {plain:Array(String)}, 'unencrypted_phi', '')) AS about
    FROM (SELECT argMax(body, version) AS body FROM context_records WHERE kind = 'consents' GROUP BY key)
    WHERE about != '' AND ({patient:String} = '' OR patient = {patient:String})
),
moments AS
(
    SELECT patient, about, said, min(said_yes) AS yes, max(said_yes) AS some, argMin(status, said_yes) AS word,
        argMin(way, said_yes) AS channel
    FROM spoken GROUP BY patient, about, said
),
histories AS
(
    SELECT patient, about, arraySort(groupArray((said, yes, word, channel, some))) AS words, words.1 AS saids, words.2 AS yeses,
        arrayPushBack(arrayPopFront(saids), toDateTime64('2200-01-01 00:00:00', 6, 'UTC')) AS nexts,
        arrayFill((t, some, before) -> some = 1 OR before = 1, saids, words.5, arrayPushFront(arrayPopBack(yeses), 1)) AS begins,
        arrayMap(t -> arrayFirst((s, y) -> s > t AND y = 0, arrayPushBack(saids, toDateTime64('2200-01-01 00:00:00', 6, 'UTC')),
            arrayPushBack(yeses, 0)), saids) AS noes
    FROM moments GROUP BY patient, about
),
runs AS
(
    SELECT patient, about, said, yes, word, way, began, next, next_no
    FROM histories ARRAY JOIN words.1 AS said, words.2 AS yes, words.3 AS word, words.4 AS way, begins AS began, nexts AS next,
        noes AS next_no
)
"""

_SENDS = f"""
sends AS
(
    SELECT writer, seq, event_id, time, actor_id AS sender, patient_id, toString(to_domain) AS to_domain, phi, category,
        tls_verdict, arrayJoin(arrayFilter(one -> one != '', [
            if(lower(category) IN {{categories:Array(String)}}, 'marketing', ''),
            if(ifNull(phi, 1) = 1 AND encryption NOT IN {{sealed:Array(String)}}
                AND tls_verdict NOT IN ('anonymous', 'untrusted', 'trusted', 'verified_webpki', 'verified_dane')
                AND (recipient IN ('patient', 'not_on_file') OR (recipient IN ('unknown', '') AND patient_id != '')),
                'unencrypted_phi', '')])) AS matter
    FROM delivery_facts FINAL WHERE {IN_SCOPE} AND {SENT}
),
held AS
(
    SELECT sends.*, runs.said AS said, runs.word AS word, runs.began AS began,
        toDate(toTimezone(time, {{zone:String}})) AS day, toDate(toTimezone(runs.began, {{zone:String}})) AS no_day,
        if(runs.began = fromUnixTimestamp64Micro(0, 'UTC'), 1000000, intDiv(day - no_day, 7) * 5
            + arrayCount(n -> toDayOfWeek(day - n) < 6, range(toUInt64(greatest(day - no_day, 0) % 7)))
            - arrayCount(h -> h > no_day AND h <= day AND toDayOfWeek(h) < 6, {{holidays:Array(Date)}})) AS passed,
        multiIf(patient_id = '', 'patient_not_known',
            runs.patient = '' AND matter NOT IN (SELECT DISTINCT about FROM kept), 'no_register',
            runs.patient = '', 'no_consent',
            runs.yes = 1, 'agreed',
            matter != 'marketing', 'withdrawn',
            passed <= {{grace:Int64}}, 'withdrawn_within_grace', 'withdrawn_past_grace') AS standing
    FROM sends ASOF LEFT JOIN runs ON sends.patient_id = runs.patient AND sends.matter = runs.about AND sends.time >= runs.said
)
"""

# Whether consents to such mail are kept at all is asked of all patients, whoever the report is about.
_KEPT = """
kept AS
(
    SELECT if(lower(JSONExtractString(body, 'channel')) IN {marketing:Array(String)}, 'marketing', 'unencrypted_phi') AS about
    FROM context_records
    WHERE kind = 'consents'
        AND has(arrayConcat({marketing:Array(String)}, {plain:Array(String)}), lower(JSONExtractString(body, 'channel')))
)
"""

_ALL = f"WITH {_WORDS}, {_KEPT}, {_SENDS}"

_SUMS = f"""
{_ALL}
SELECT matter, standing, toInt64(count()), toInt64(uniqExactIf(patient_id, patient_id != '')), toInt64(countIf(phi = 1)),
    toInt64(countIf(phi IS NULL)), toInt64(countIf(matter != 'marketing' AND tls_verdict != 'none'))
FROM held GROUP BY matter, standing ORDER BY matter, standing
"""

_CHANNELS = f"""
WITH {_WORDS}
SELECT about, way, toInt64(uniqExactIf(patient, yes = 1 AND said < now_at AND next >= now_at)),
    toInt64(uniqExactIf(patient, yes = 0 AND said < now_at AND next >= now_at)),
    toInt64(countIf(said >= fromUnixTimestamp64Micro({{since:Int64}}, 'UTC') AND said < now_at))
FROM (SELECT *, fromUnixTimestamp64Micro({{until:Int64}}, 'UTC') AS now_at FROM runs) GROUP BY about, way ORDER BY about, way
"""

_COUNT = f"""
{_ALL}
SELECT toInt64((SELECT count() FROM runs WHERE said < fromUnixTimestamp64Micro({{until:Int64}}, 'UTC'))
    + (SELECT uniqExact(patient_id, matter) FROM held WHERE word = ''))
"""

_GROUPED = """
grouped AS
(
    SELECT patient_id, matter, if(word = '', toDateTime64('1900-01-01 00:00:00', 6, 'UTC'), said) AS under,
        toInt64(count()) AS sends,
        toInt64(countIf(standing = 'withdrawn_within_grace')) AS within_grace,
        toInt64(countIf(standing = 'withdrawn_past_grace')) AS past_grace,
        toInt64(countIf(phi = 1)) AS with_phi, toInt64(countIf(phi IS NULL)) AS unclassified,
        toInt64(countIf(matter != 'marketing' AND tls_verdict != 'none')) AS unknown_line, min(time) AS first, max(time) AS last,
        argMin((writer, seq, event_id), (time, writer, seq)) AS first_entry,
        argMax((writer, seq, event_id), (time, writer, seq)) AS last_entry
    FROM held GROUP BY patient_id, matter, under
),
register AS
(
    SELECT patient AS patient_id, about AS matter, said AS under, way, word, yes, next, next_no FROM runs
    WHERE said < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
    UNION ALL
    SELECT patient_id, matter, under, '', '', 0, toDateTime64('2200-01-01 00:00:00', 6, 'UTC'),
        toDateTime64('2200-01-01 00:00:00', 6, 'UTC')
    FROM grouped WHERE under < fromUnixTimestamp64Micro(0, 'UTC')
)
"""

_PAGE = f"""
{_ALL}, {_GROUPED}
SELECT register.patient_id, register.matter, way, word, yes, toUnixTimestamp64Micro(register.under) AS at,
    toUnixTimestamp64Micro(next), toUnixTimestamp64Micro(next_no), sends, within_grace, past_grace, with_phi, unclassified,
    unknown_line, toUnixTimestamp64Micro(first), toUnixTimestamp64Micro(last), first_entry, last_entry
FROM register LEFT ANY JOIN grouped
    ON register.patient_id = grouped.patient_id AND register.matter = grouped.matter AND register.under = grouped.under
WHERE (register.patient_id, register.matter, at) > ({{patient_after:String}}, {{matter_after:String}}, {{at_after:Int64}})
ORDER BY register.patient_id, register.matter, at LIMIT {{limit:UInt32}}
"""

_DELIVERIES = f"""
{_ALL}
SELECT writer, seq, event_id, toUnixTimestamp64Micro(time), sender, patient_id, to_domain, matter, standing,
    word != '' AS has_word, toUnixTimestamp64Micro(began), toInt64(passed), phi, category, tls_verdict
FROM held WHERE standing != 'agreed' OR (matter = 'marketing' AND phi = 1)
ORDER BY multiIf(standing = 'withdrawn_past_grace', 0, standing = 'withdrawn', 1, phi = 1, 2, standing = 'no_consent', 3, 4),
    time, writer, seq, matter
LIMIT {{limit:UInt32}}
"""

_YESES = f"""
WITH {_WORDS}
SELECT patient, toUnixTimestamp64Micro(said) AS at FROM runs
WHERE about = 'unencrypted_phi' AND yes = 1 AND patient IN {{patients:Array(String)}} ORDER BY patient, at
"""

_NEVER = 7_258_118_400_000_000
_OLDEST = -(2**62)


class ConsentRegister:
    """Asks about consents and what was sent under them. `zone` is the organisation's: business days are its own."""

    def __init__(self, engine: Engine, zone: ZoneInfo, terms: MailTerms) -> None:
        self._engine = engine
        self._words = {
            "agreed": list(AGREED),
            "marketing": sorted(one.lower() for one in terms.marketing),
            "plain": sorted(one.lower() for one in terms.plain),
            "categories": sorted(terms.categories),
            "sealed": sorted(terms.sealed),
            "grace": terms.grace,
            "holidays": sorted(terms.is_holiday, key=date.toordinal),
            "zone": zone.key,
        }

    def sums(self, scope: MailScope) -> list[ConsentSum]:
        """Deliveries by matter and standing."""
        return [
            ConsentSum(
                matter=Matter(str(row[0])),
                standing=Standing(str(row[1])),
                deliveries=integer(row[2]),
                patients=integer(row[3]),
                phi=integer(row[4]),
                unclassified=integer(row[5]),
                unknown_line=integer(row[6]),
            )
            for row in self._engine.rows(_SUMS, **self._parameters(scope))
        ]

    def channels(self, scope: MailScope) -> list[ChannelSum]:
        """Patients by their last word at the end of the scope, by channel."""
        return [
            ChannelSum(
                matter=Matter(str(matter)),
                channel=str(channel),
                agreed=integer(agreed),
                withdrawn=integer(withdrawn),
                changed=integer(changed),
            )
            for matter, channel, agreed, withdrawn, changed in self._engine.rows(_CHANNELS, **self._parameters(scope))
        ]

    def deliveries(self, scope: MailScope, limit: int) -> list[ConsentDelivery]:
        """Deliveries without a known yes, and marketing with PHI: those against a no first, at most `limit`."""
        return [
            ConsentDelivery(
                writer=str(row[0]),
                seq=integer(row[1]),
                event_id=str(row[2]),
                time=instant(row[3]),
                sender=str(row[4]),
                patient_id=str(row[5]),
                to_domain=str(row[6]),
                matter=Matter(str(row[7])),
                standing=Standing(str(row[8])),
                said=instant(row[10]) if row[9] else None,
                business_days=integer(row[11]) if row[9] and str(row[8]).startswith("withdrawn") and row[10] else None,
                phi=None if row[12] is None else bool(row[12]),
                category=str(row[13]),
                verdict=str(row[14]),
            )
            for row in self._engine.rows(_DELIVERIES, limit=limit, **self._parameters(scope))
        ]

    def count(self, scope: MailScope) -> int:
        """How many rows `pages` gives."""
        ((number,),) = self._engine.rows(_COUNT, **self._parameters(scope))
        return integer(number)

    def pages(self, scope: MailScope, size: int = PAGE) -> Iterator[list[ConsentRow]]:
        """Every word up to the end of the scope, and what was sent without one, by patient: a page at a time."""
        after: dict[str, object] = {"patient_after": "", "matter_after": "", "at_after": _OLDEST}
        while rows := self._engine.rows(_PAGE, limit=size, **after, **self._parameters(scope)):
            yield [_row(row) for row in rows]
            if len(rows) < size:
                return
            after = {"patient_after": str(rows[-1][0]), "matter_after": str(rows[-1][1]), "at_after": integer(rows[-1][5])}

    def agreed_later(self, patients: Collection[str]) -> dict[str, list[datetime]]:
        """When each of these patients said yes to unencrypted mail, in order of time."""
        found: dict[str, list[datetime]] = {}
        if patients:
            words = {name: self._words[name] for name in ("agreed", "marketing", "plain")}
            for patient, at in self._engine.rows(_YESES, **words, patient="", patients=sorted(patients)):
                found.setdefault(str(patient), []).append(instant(at))
        return found

    def _parameters(self, scope: MailScope) -> dict[str, object]:
        return {**scope.parameters, **self._words}


def _row(row: Sequence[object]) -> ConsentRow:
    at, until, no, sends = integer(row[5]), integer(row[6]), integer(row[7]), integer(row[8])
    is_word = str(row[3]) != ""
    return ConsentRow(
        patient_id=str(row[0]),
        matter=Matter(str(row[1])),
        channel=str(row[2]),
        status=str(row[3]),
        agreed=bool(row[4]),
        at=instant(at) if is_word else None,
        until=instant(until) if until < _NEVER else None,
        withdrawn=instant(no) if no < _NEVER and row[4] else None,
        sends=sends,
        within_grace=integer(row[9]),
        past_grace=integer(row[10]),
        phi=integer(row[11]),
        unclassified=integer(row[12]),
        unknown_line=integer(row[13]),
        first=instant(row[14]) if sends else None,
        last=instant(row[15]) if sends else None,
        first_entry=_entry(row[16]) if sends else None,
        last_entry=_entry(row[17]) if sends else None,
    )


def _entry(value: object) -> tuple[str, int, str]:
    assert isinstance(value, tuple)
    writer, seq, event_id = value
    return str(writer), integer(seq), str(event_id)
