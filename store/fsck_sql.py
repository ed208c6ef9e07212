"""The questions of the independent checker (`store/fsck.py`). Each recomputes from raw rows; none reads what the writer derived."""

LOGS = "SELECT writer, epoch, origin, first_seq, previous, secret FROM logs FINAL ORDER BY writer, epoch"

LOG_EXTENT = """
SELECT count() AS entries, max(seq) AS last, argMax(leaf, seq) AS tail FROM events
WHERE epoch = {epoch:UInt32} AND writer = {writer:String}
"""

LOG_TAIL = "SELECT leaf FROM events WHERE writer = {writer:String} AND seq = {seq:UInt64}"

SPINE_ROWS = "SELECT leaf FROM spine ORDER BY seq"

SPINE_PROBLEMS = """
SELECT place AS seq, what FROM
(
    SELECT
        if(toInt64(seq) > before + 1, before + 1, toInt64(seq)) AS place,
        multiIf(
            seq != before + 1, 'an entry is missing here, or one was inserted or repeated',
            leaf != SHA256(concat('\\0', previous, body)), 'the entry is not what was chained (edited, or the one before it was)',
            JSONExtractUInt(body, 'seq') != seq OR JSONExtractString(body, 'kind') != kind, 'a column differs from the body',
            '') AS what
    FROM
    (
        SELECT
            seq, kind, body, leaf,
            lagInFrame(toInt64(seq), 1, -1) OVER w AS before,
            lagInFrame(leaf, 1, toFixedString(unhex({genesis:String}), 32)) OVER w AS previous
        FROM spine
        WINDOW w AS (ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    )
)
WHERE what != ''
ORDER BY place, what DESC
LIMIT 100
"""

# The numbers alone, over the whole log: gaps and repeats.
SEQUENCE_PROBLEMS = """
SELECT least(toInt64(seq), before + 1) AS place,
    if(toInt64(seq) > before + 1, 'the entry is missing (deleted)',
        'this sequence number stands twice (an entry was inserted)') AS what
FROM
(
    SELECT seq, lagInFrame(toInt64(seq), 1, toInt64({first:UInt64}) - 1) OVER w AS before
    FROM events
    WHERE epoch = {epoch:UInt32} AND writer = {writer:String}
    WINDOW w AS (ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
WHERE toInt64(seq) != before + 1
ORDER BY place
LIMIT 100
"""

# Each entry of [low, high) against its own bytes and the leaf before it. Ranges are independent, so they run side by side.
# body = header with the private digest filled in; the digest is stored only for a redacted entry.
ENTRY_PROBLEMS = """
SELECT seq, what FROM
(
    SELECT
        seq,
        multiIf(
            leaf != SHA256(concat('\\0', previous, replaceOne(header, '"private_digest":""',
                concat('"private_digest":"', digest, '"')))),
                'the entry is not what was chained (edited, swapped, or the one before it was)',
            said.1 != writer OR said.2 != seq, 'the entry stands in another place than its body says',
            said.3 != event_id OR said.4 != source_system OR said.5 != format OR said.6 != source OR said.7 != action
                OR said.8 != outcome OR (said.9.1 != '' AND said.9.1 != actor_id) OR said.9.2 != actor_kind
                OR said.10.1 != device_id OR said.10.2 != device_kind,
                'a column differs from the body',
            said.11 != concat(replaceOne(toString(time), ' ', 'T'), 'Z')
                OR said.12 != concat(replaceOne(toString(received), ' ', 'T'), 'Z'), 'a time differs from the body',
            private_digest = '' AND (hidden.1 != patient_id OR hidden.2 != ip
                OR (said.9.1 = '' AND hidden.3 != actor_id)), 'a private column differs from the private part',
            epoch != toYYYYMM(received), 'it is filed under another month than it was received in',
            received < received_before, 'it was received before the entry in front of it',
            '') AS what
    FROM
    (
        SELECT
            *,
            JSONExtract(header, 'Tuple(writer String, seq UInt64, event_id String, source_system String, format String,
                source String, action String, outcome String, actor Tuple(id String, kind String),
                device Tuple(id String, kind String), time String, received String)') AS said,
            JSONExtract(private, 'Tuple(patient_id String, ip String, actor_id String)') AS hidden,
            if(private_digest != '', private_digest, lower(hex(SHA256(concat(substring(HMAC('sha256',
                concat(writer, '\\n', toString(seq)), unhex({secret:String})), 1, 16), private))))) AS digest
        FROM
        (
            SELECT
                *,
                lagInFrame(leaf, 1, toFixedString(unhex({genesis:String}), 32)) OVER w AS previous,
                lagInFrame(received, 1, toDateTime64(0, 6, 'UTC')) OVER w AS received_before
            FROM events
            WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND seq + 1 >= {low:UInt64} AND seq < {high:UInt64}
            WINDOW w AS (ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
        )
        WHERE seq >= {low:UInt64}
    )
)
WHERE what != ''
ORDER BY seq
LIMIT 100
"""

COMMITMENTS = "SELECT heads FROM spine WHERE position(heads, {origin:String}) > 0 ORDER BY seq DESC LIMIT 1"

TOMBSTONES = """
SELECT JSONExtractString(body, 'fields', 'writer') AS writer, JSONExtractUInt(body, 'fields', 'epoch') AS epoch,
    JSONExtractRaw(body, 'fields') AS fields
FROM spine WHERE kind = 'tombstone' ORDER BY seq
"""


def _tile_roots() -> str:
    """Roots of complete subtrees of 256 leaves: eight levels of pairing, one subquery each (nested aliases would explode)."""
    query = """
        SELECT
            intDiv(seq - {first:UInt64}, 256) AS n,
            arrayMap(x -> x.2, arraySort(x -> x.1, groupArray((seq, leaf)))) AS h
        FROM events
        WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND seq >= {first:UInt64} AND seq < {end:UInt64}
        GROUP BY n"""
    pair = "SHA256(concat('\\x01', h[2 * i - 1], h[2 * i]))"
    for _ in range(8):
        query = f"SELECT n, arrayMap(i -> {pair}, range(1, intDiv(length(h), 2) + 1)) AS h FROM ({query})"
    return f"SELECT h[1] AS root FROM ({query}) ORDER BY n"


TILE_ROOTS = _tile_roots()

LOG_LEAVES = """
SELECT leaf FROM events
WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND seq >= {first:UInt64} AND seq < {end:UInt64} ORDER BY seq
"""

NEWEST_NOTE = "SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1"

UNREGISTERED = """
SELECT writer, epoch, min(seq) FROM events
WHERE (writer, epoch) NOT IN (SELECT writer, epoch FROM logs) GROUP BY writer, epoch ORDER BY writer, epoch
"""

DISPOSED = "SELECT JSONExtractUInt(body, 'fields', 'epoch') FROM spine WHERE kind = 'disposed'"

# Every sealed log, and those of the newest heads entry: what the spine says must exist.
COMMITTED_ORIGINS = """
SELECT DISTINCT splitByChar(' ', arrayJoin(splitByChar('\\n', heads)))[1] AS origin FROM spine
WHERE heads != '' AND (kind != 'heads' OR seq = (SELECT max(seq) FROM spine WHERE kind = 'heads' AND heads != ''))
ORDER BY origin
"""
