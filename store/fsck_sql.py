"""The questions that the independent checker asks about the logs.

Each recomputes from raw rows; none reads what the writer derived.

An entry is checked twice over, once fast and, where that does not say yes, once exactly:

    fast    the header is written anew from the columns and compared byte for byte; of the private part, the place where patient and
            ip stand is looked up as text. No JSON is parsed. It says yes only where the exact check would (see `_FITS`).
    exact   header and private part are parsed, and every column is compared. It decides, and gives the reason.

Numbers bound to a place in a log (`low`, `high`, `first`) are ours; with projections the planner takes longer than the answer.
"""

_NO_PROJECTIONS = "optimize_use_projections = 0"

LOGS = "SELECT writer, epoch, origin, first_seq, previous, secret FROM logs FINAL ORDER BY epoch, writer"

LOG_TAIL = f"""
SELECT seq, leaf FROM events WHERE epoch = {{epoch:UInt32}} AND writer = {{writer:String}}
ORDER BY writer DESC, seq DESC LIMIT 1 SETTINGS {_NO_PROJECTIONS}
"""

LOG_LEAVES = f"""
SELECT leaf FROM events
WHERE epoch = {{epoch:UInt32}} AND writer = {{writer:String}} AND seq >= {{first:UInt64}} AND seq < {{end:UInt64}} ORDER BY seq
SETTINGS {_NO_PROJECTIONS}
"""

LEAF_OF = f"SELECT epoch, leaf FROM events WHERE writer = {{writer:String}} AND seq = {{seq:UInt64}} SETTINGS {_NO_PROJECTIONS}"

# From the parts' own counts: what it costs does not grow with the store.
MONTHS = "SELECT epoch, count() FROM events GROUP BY epoch ORDER BY epoch"

# Months that are out of the table and still on disk.
DETACHED = """
SELECT DISTINCT partition_id FROM system.detached_parts
WHERE database = currentDatabase() AND table = 'events' AND ifNull(partition_id, '') != '' AND ifNull(reason, '') = ''
"""

ENDS = f"""
SELECT min(received), max(received) FROM events
WHERE epoch = {{epoch:UInt32}} AND writer = {{writer:String}} AND seq IN ({{first:UInt64}}, {{last:UInt64}}) SETTINGS
{_NO_PROJECTIONS}
"""

UNREGISTERED = """
SELECT toValidUTF8(writer), epoch, min(seq) FROM events
WHERE (writer, epoch) NOT IN (SELECT writer, epoch FROM logs) GROUP BY writer, epoch ORDER BY writer, epoch
"""

_PERSONAL = "('patient', 'proxy', 'external')"

_GENESIS = "toFixedString(unhex({genesis:String}), 32)"

_MOMENT = "%Y-%m-%dT%H:%i:%S.%fZ"


def _followed(rows: str) -> str:
    """Some rows of a log in order, each with (leaf, received, number) of the row before it: (genesis, 0, low − 1) for the first."""
    return f"""
    SELECT *, toInt64(seq) AS number,
        lagInFrame((leaf, received, number), 1, ({_GENESIS}, toDateTime64(0, 6, 'UTC'), toInt64({{low:UInt64}}) - 1)) OVER w
            AS before
    FROM events
    WHERE epoch = {{epoch:UInt32}} AND writer = {{writer:String}} AND {rows}
    WINDOW w AS (ORDER BY writer, seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"""


# HMAC-SHA256 (RFC 2104) by hand, because HMAC of the engine takes six times as long: `outer` and `inner` are the epoch secret,
# padded
# to 64 bytes, XOR 0x5c and 0x36; `inner` goes on with the writer and a newline.
_DIGEST = """lower(hex(SHA256(concat(
    substring(SHA256(concat(unhex({outer:String}), SHA256(concat(unhex({inner:String}), toString(seq))))), 1, 16), private))))"""

# The header up to the digest, and from there on, as docs/log-format.md section 2 has it for values that need no escapes. What
# depends
# on a column of few values alone stands in a `concat` of its own: it is computed once a value, not once a row.
_HEAD = f"""concat(
    concat('{{"action":"', action, '","actor":{{'),
    if(actor_kind IN {_PERSONAL}, '"kind":"', concat('"id":"', actor_id, '","kind":"')),
    concat(actor_kind, '"}},"device":'),
    if(device_id = '' AND device_kind = '', 'null',
        concat('{{"id":"', device_id, concat('","kind":', replaceOne(concat('"', device_kind, '"'), '""', 'null'), '}}'))),
    ',"event_id":"', event_id,
    concat('","format":"', format, '","outcome":'),
    concat(replaceOne(concat('"', outcome, '"'), '""', 'null'), ',"private_digest":"'))"""

_TAIL = f"""concat(
    formatDateTime(received, '","received":"{_MOMENT}","seq":'), toString(seq),
    concat(',"source":"', source, '","source_system":"'), source_system,
    formatDateTime(time, '","time":"{_MOMENT}","v":1,"writer":"'), {{writer:String}}, '"}}')"""


def _is_plain(column: str) -> str:
    r"""Without quotation mark and backslash: inside a JSON string such text stands as it is."""
    return f"position({column}, '\\\\') = 0, position({column}, '\"') = 0"


# Yes only where `_WHAT` says nothing. What is chained is as the writer made it (the leaf says so), so canonical; then:
# - A header without a backslash has no escapes, so each of its quotation marks begins or ends a string. The header written anew
# has as
#   many only if no column brought one in, and equal bytes then mean equal members.
# - `,"patient_id":` is a member's name wherever it stands: inside a string the quotation marks would be escaped. The private
# part's own
#   comes after `details` and is followed by the record alone, so where there is one only, it is that one, and what stands before
# it is
#   the private part's own ip. Neither column has a quotation mark with which it could reach further.
# - `{"actor_id":"` at the beginning is the private part's own.
_FITS = f"""least(
    leaf = SHA256(concat('\\0', before.1, head, digest, tail)),
    startsWith(header, head), endsWith(header, tail), length(header) = length(head) + length(tail), position(header, '\\\\') = 0,
    position(private, replaceAll(concat(',"ip":"', ip, '","patient_id":"', patient_id, '","raw'), ':""', ':null')) > 0,
    countSubstrings(private, ',"patient_id":') = 1,
    actor_kind NOT IN {_PERSONAL} OR startsWith(private, concat('{{"actor_id":"', actor_id, '","details":')),
    {_is_plain("actor_id")}, {_is_plain("patient_id")}, {_is_plain("ip")},
    epoch = toYYYYMM(received), received >= before.2)"""

_SIBLINGS = "(x, y) -> SHA256(concat('\\x01', x, y))"


def _entry_tiles() -> str:
    """[low, high) by tile of 256: how many entries, which do not fit at first sight, where numbers are left out or stand twice, and
    the eight hashes of height 5 (32 leaves each) under the tile, or none where the tile is not whole.

    The hash above each pair of leaves is made where the neighbour is at hand; the rest from arrays, one subquery each (nested
    aliases would explode). Rows of one range come in order, because one thread reads them; were it otherwise, hashes would not fit.
    """
    pair = "if(bitAnd(place, 1) = 1, SHA256(concat('\\x01', before.1, leaf)), leaf)"
    query = f"""
        SELECT tile, entries, misfits, jumps, arrayMap({_SIBLINGS}, if(is_whole, lefts, []), if(is_whole, rights, [])) AS hashes
        FROM
        (
            SELECT intDiv(place, 256) AS tile, count() AS entries,
                groupArrayIf(257)(seq, NOT fits) AS misfits,
                groupArrayIf(101)((number, before.3), number != before.3 + 1) AS jumps,
                groupArrayIf({pair}, bitAnd(place, 3) = 1) AS lefts, groupArrayIf({pair}, bitAnd(place, 3) = 3) AS rights,
                length(lefts) = 64 AND length(rights) = 64 AS is_whole
            FROM
            (
                SELECT seq, number, leaf, before, seq - {{first:UInt64}} AS place, {_FITS} AS fits
                FROM (SELECT *, {_DIGEST} AS digest, {_HEAD} AS head, {_TAIL} AS tail FROM ({_followed(_RANGE)}) WHERE seq >=
                {{low:UInt64}})
            )
            GROUP BY tile
        )"""
    odd, even = (f"arrayFilter((x, i) -> bitAnd(i, 1) = {bit}, hashes, arrayEnumerate(hashes))" for bit in (1, 0))
    for _ in range(3):
        query = f"SELECT tile, entries, misfits, jumps, arrayMap({_SIBLINGS}, {odd}, {even}) AS hashes FROM ({query})"
    return f"{query} ORDER BY tile SETTINGS max_threads = 1, {_NO_PROJECTIONS}"


_RANGE = "seq + 1 >= {low:UInt64} AND seq < {high:UInt64}"

ENTRY_TILES = _entry_tiles()

# Entries with a stored digest never fit at first sight, but a digest may be stored beside a private part that is still there.
STORED_DIGESTS = f"""
SELECT seq FROM events
WHERE epoch = {{epoch:UInt32}} AND writer = {{writer:String}} AND seq >= {{low:UInt64}} AND seq < {{high:UInt64}} AND
private_digest != ''
ORDER BY seq SETTINGS {_NO_PROJECTIONS}
"""

# body = header with the private digest filled in; the digest is stored only for a redacted entry, whose private part is gone.
_WHAT = f"""multiIf(
    leaf != SHA256(concat('\\0', before.1, replaceOne(header, '"private_digest":""',
        concat('"private_digest":"', if(private_digest != '', private_digest, {_DIGEST}), '"')))),
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
    private_digest != '' AND (private != '' OR patient_id != '' OR ip != '' OR (said.9.1 = '' AND actor_id != '')),
        'the entry is redacted, and yet has something in a private column',
    epoch != toYYYYMM(received), 'it is filed under another month than it was received in',
    received < before.2, 'it was received before the entry in front of it',
    '')"""


def _exact(rows: str, wanted: str) -> str:
    return f"""
    SELECT seq, {_WHAT} AS what FROM
    (
        SELECT *,
            JSONExtract(header, 'Tuple(writer String, seq UInt64, event_id String, source_system String, format String,
                source String, action String, outcome String, actor Tuple(id String, kind String),
                device Tuple(id String, kind String), time String, received String)') AS said,
            JSONExtract(private, 'Tuple(patient_id String, ip String, actor_id String)') AS hidden
        FROM ({_followed(rows)})
        WHERE {wanted}
    )
    WHERE what != ''
    ORDER BY seq
    LIMIT 100
    SETTINGS max_threads = 1, {_NO_PROJECTIONS}"""


_SOME = "seq IN {wanted:Array(UInt64)}"

ENTRY_PROBLEMS = _exact(_RANGE, "seq >= {low:UInt64}")
"""Each entry of [low, high) against its own bytes and the entry before it."""

ENTRY_PROBLEMS_OF = _exact(f"({_SOME} OR seq + 1 IN {{wanted:Array(UInt64)}})", _SOME)
"""The same for single entries."""

# The numbers alone, over the whole log: gaps and repeats.
SEQUENCE_PROBLEMS = """
SELECT number, before FROM
(
    SELECT toInt64(seq) AS number, lagInFrame(number, 1, toInt64({first:UInt64}) - 1) OVER w AS before
    FROM events
    WHERE epoch = {epoch:UInt32} AND writer = {writer:String}
    WINDOW w AS (ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
WHERE number != before + 1
ORDER BY number
LIMIT 100
"""


def tile_roots(table: str, place: str) -> str:
    """Roots of the complete subtrees of 256 leaves in [first, end): eight levels of pairing. Rows may come in any order."""
    query = f"""
        SELECT intDiv(seq - {{first:UInt64}}, 256) AS n, arrayMap(x -> x.2, arraySort(x -> x.1, groupArray((seq, leaf)))) AS h
        FROM {table} WHERE {place} seq >= {{first:UInt64}} AND seq < {{end:UInt64}} GROUP BY n HAVING length(h) = 256"""
    odd, even = (f"arrayFilter((x, i) -> bitAnd(i, 1) = {bit}, h, arrayEnumerate(h))" for bit in (1, 0))
    for _ in range(8):
        query = f"SELECT n, arrayMap({_SIBLINGS}, {odd}, {even}) AS h FROM ({query})"
    return f"SELECT n, h[1] AS root FROM ({query}) ORDER BY n"


TILE_ROOTS = tile_roots("events", "epoch = {epoch:UInt32} AND writer = {writer:String} AND")

# Every hash that is stored for a place: there must be one.
STORED_TILES = """
SELECT n, groupUniqArray(hash) AS hashes FROM tiles
WHERE log = {log:String} AND level = {level:UInt8} AND n >= {first:UInt64} AND n < {end:UInt64} GROUP BY n ORDER BY n
"""
