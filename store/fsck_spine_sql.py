"""The questions that the independent checker asks about the spine. Each recomputes from raw rows."""

from store.fsck_sql import tile_roots

SPINE_COUNT = "SELECT count() FROM spine"

SPINE_LAST = "SELECT seq, leaf FROM spine ORDER BY seq DESC LIMIT 1"

SPINE_LEAVES = "SELECT leaf FROM spine WHERE seq >= {first:UInt64} AND seq < {end:UInt64} ORDER BY seq"

SPINE_TILE_ROOTS = tile_roots("spine", "")

# What the spine says happened, apart from the heads of every few seconds.
RECORD = """
SELECT seq, kind, toValidUTF8(body), toValidUTF8(heads) FROM spine
WHERE kind IN ('seal', 'tombstone', 'disposed', 'redact', 'key-rotate', 'policy') AND seq < {size:UInt64} ORDER BY seq
"""

ENTRIES = """
SELECT seq, kind, toValidUTF8(body), toValidUTF8(heads) FROM spine WHERE seq IN {numbers:Array(UInt64)} ORDER BY seq
"""

NEWEST_HEADS = """
SELECT seq, 'heads', toValidUTF8(body), toValidUTF8(heads) FROM spine
WHERE kind = 'heads' AND seq < {size:UInt64} ORDER BY seq DESC LIMIT 1
"""

# A checkpoint every few seconds for years: of those that are stored, signatures of the newest are looked at ...
NEWEST_NOTES = "SELECT toValidUTF8(note) FROM checkpoints ORDER BY size DESC LIMIT {most:UInt64}"

# ... and of sizes that are stored with different roots.
RIVAL_NOTES = """
SELECT DISTINCT toValidUTF8(note) FROM checkpoints WHERE size IN
(
    SELECT size FROM checkpoints WHERE size >= {low:UInt64}
    GROUP BY size HAVING uniqExact(splitByChar('\\n', note)[2], splitByChar('\\n', note)[3]) > 1 ORDER BY size LIMIT 10
)
"""

_ORIGINS = "arrayMap(line -> substring(line, 1, position(line, ' ') - 1), splitByChar('\\n', heads))"

# Where a `heads` entry holds other logs than the one before it.
HEADS_CHANGES = f"""
SELECT seq, before.1 AS since, arrayFilter(log -> NOT has(logs, log), before.2) AS gone,
    arrayFilter(log -> NOT has(before.2, log), logs) AS come FROM
(
    SELECT seq, if(heads = '', [], {_ORIGINS}) AS logs, lagInFrame((seq, logs), 1, (seq, emptyArrayString())) OVER w AS before FROM
    (SELECT seq, toValidUTF8(heads) AS heads FROM spine WHERE kind = 'heads' AND seq >= {{low:UInt64}} AND seq < {{high:UInt64}})
    WINDOW w AS (ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
WHERE logs != before.2
ORDER BY seq
LIMIT 10000
"""

HEADS_BEFORE = "SELECT seq FROM spine WHERE kind = 'heads' AND seq < {low:UInt64} ORDER BY seq DESC LIMIT 1"

# RFC 6962 over the hashes `heads`, level by level: an odd one out moves up (it has 32 zero bytes for a sibling, which no hash is).
_ODD, _EVEN = (f"arrayFilter((x, i) -> bitAnd(i, 1) = {bit}, level, arrayEnumerate(level))" for bit in (1, 0))
_HEADS_ROOT = f"""if(empty(heads), SHA256(''), arrayFold(
    (level, height) -> arrayMap(
        (x, y) -> if(y = toFixedString('', 32), x, SHA256(concat('\\x01', x, y))), {_ODD}, arrayResize({_EVEN}, length({_ODD}))),
    range(toUInt16(ceil(log2(greatest(length(heads), 1))))), heads)[1])"""

# Entries [low, high) against their own bytes and the entry before, the heads beside them, and the count of seals. `seals` and
# `last_seal` (its number + 1, 0: none) are what there was before `low`.
SPINE_PROBLEMS = f"""
SELECT least(number, before.2 + 1) AS place, what FROM
(
    SELECT
        number, before,
        multiIf(
            number != before.2 + 1, 'an entry is missing here, or one was inserted or repeated',
            leaf != SHA256(concat('\\0', before.1, body)), 'the entry is not what was chained (edited, or the one before it was)',
            said.1 != seq OR said.2 != kind OR said.3 != concat(replaceOne(toString(time), ' ', 'T'), 'Z'),
                'a column differs from the body',
            said.4 != lower(hex({_HEADS_ROOT})), 'the heads are not those that the entry commits to',
            kind IN ('heads', 'seal') AND (JSONExtractRaw(body, 'fields', 'seals') != toString(seals)
                OR JSONExtractRaw(body, 'fields', if(kind = 'heads', 'last_seal', 'previous_seal')) !=
                    if(last_seal = 0, 'null', toString(last_seal - 1))),
                'the entry counts other seals than there are before it (one was hidden, or added)',
            '') AS what
    FROM
    (
        SELECT
            *, arrayMap(line -> SHA256(concat('\\0', line)), if(lines = '', [], splitByChar('\\n', lines))) AS heads,
            JSONExtract(body, 'Tuple(seq UInt64, kind String, time String, heads_root String)') AS said
        FROM
        (
            SELECT
                seq, time, kind, body, spine.heads AS lines, leaf, toInt64(seq) AS number,
                lagInFrame((leaf, number), 1, (toFixedString(unhex({{genesis:String}}), 32), toInt64({{low:UInt64}}) - 1)) OVER pair
                    AS before,
                {{seals:UInt64}} + sum(kind = 'seal' AND seq >= {{low:UInt64}}) OVER past AS seals,
                greatest({{last_seal:UInt64}}, max(if(kind = 'seal', seq + 1, 0)) OVER past) AS last_seal
            FROM spine
            WHERE seq + 1 >= {{low:UInt64}} AND seq < {{high:UInt64}}
            WINDOW pair AS (ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW),
                past AS (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        )
        WHERE seq >= {{low:UInt64}}
    )
)
WHERE what != ''
ORDER BY place, what DESC
LIMIT 100
"""

# Every size of a log that some entry commits to, with the root.
COMMITMENTS = """
SELECT toUInt64OrZero(parts[2]) AS size, any(toFixedString(unhex(parts[3]), 32)) AS root FROM
(
    SELECT splitByChar(' ', arrayFirst(line -> startsWith(line, {origin:String}), splitByChar('\\n', heads))) AS parts FROM spine
    WHERE position(heads, {origin:String}) > 0 AND seq < {size:UInt64}
)
WHERE length(parts) = 3 AND length(parts[3]) = 64 GROUP BY size ORDER BY size
"""

INDEX_ENTRIES = "SELECT seq FROM spine WHERE kind = 'index' AND seq < {size:UInt64} ORDER BY seq"

NEWEST_INDEX = """
SELECT max(seq) FROM spine WHERE kind = 'index' AND seq < {size:UInt64} GROUP BY JSONExtractString(body, 'fields', 'origin')
"""
