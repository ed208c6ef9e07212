"""The index trees of a stored log (docs/log-format.md section 9), aggregated where the rows are: HMAC and SHA-256 in SQL.

ClickHouse groups the entries by subject and hands over one row of 72 bytes for each; groups are spilled to disk beyond a bound. A
subject with more entries than `large` is not hashed from one array but in ranges of the log, so that memory stays bounded where one
source system wrote everything. An entry whose private part was redacted counts under the tags kept in `redactions`.
"""

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from domain.errors import IntegrityError
from domain.index_tree import TAG_SIZE, Dimension, IndexProof, IndexTree, index_key, tag
from domain.json import Json
from store.engine import Engine
from store.logs import LogRecord

LARGE = 65_536
"""Entries of one subject that are gathered in one array, 40 bytes each."""

RANGE = 262_144
"""Entries of a log that are read at once for the subjects with more."""

_COLUMNS: Mapping[Dimension, tuple[str, str | None]] = {
    Dimension.PATIENT: ("patient_id", "patient_tag"),
    Dimension.ACTOR: ("actor_id", "actor_tag"),
    Dimension.SOURCE_SYSTEM: ("source_system", None),
}
"""For each dimension the column with the subject, and the one of `redactions` with its tag (a source system is never private)."""

_ENTRIES = "epoch = {epoch:UInt32} AND writer = {writer:String} AND seq >= {low:UInt64} AND seq < {high:UInt64}"

# u64be(seq) || leaf of an entry: 40 bytes, whose order is that of seq.
_PIECE = "concat(reinterpretAsFixedString(byteSwap(seq)), leaf)"

_GROUPED = "count() AS number, groupArray({most:UInt64})(piece) AS pieces"

# What must be so before anything is filed: every entry is there, and of each redacted one it is kept what it is filed under.
_EXTENT = f"""
SELECT count(), countIf(is_lost), minIf(seq, is_lost) FROM
(
    SELECT seq, private_digest != '' AND seq NOT IN
        (SELECT seq FROM redactions WHERE epoch = {{epoch:UInt32}} AND writer = {{writer:String}}) AS is_lost
    FROM events WHERE {_ENTRIES}
)
"""


def _groups(column: str, tag_column: str | None) -> str:
    """The entries by subject: tag, number of entries, and at most `most` of their pieces. One tag may come twice."""
    plain = f"""
        SELECT HMAC('sha256', toString(subject), unhex({{key:String}})) AS tag, {_GROUPED}
        FROM
        (
            SELECT {column} AS subject, {_PIECE} AS piece FROM events
            WHERE {_ENTRIES} AND {column} != '' {"" if tag_column is None else "AND private_digest = ''"}
        )
        GROUP BY subject"""
    if tag_column is None:
        return plain
    return f"""{plain}
        UNION ALL
        SELECT unhex(kept.{tag_column}) AS tag, {_GROUPED}
        FROM (SELECT seq, {_PIECE} AS piece FROM events WHERE {_ENTRIES} AND private_digest != '') AS gone
        ANY INNER JOIN
        (
            SELECT seq, {tag_column} FROM redactions
            WHERE epoch = {{epoch:UInt32}} AND writer = {{writer:String}} AND {tag_column} != ''
        ) AS kept USING (seq)
        GROUP BY tag"""


def _rows(groups: str) -> str:
    """Every row in order, and its number of entries. The digest of a subject with `most` entries or more is left out (zeros)."""
    return f"""
        SELECT toFixedString(concat(tag, reinterpretAsFixedString(byteSwap(entries)), digest), 72) AS row, entries FROM
        (
            SELECT tag, sum(number) AS entries,
                if(entries < {{most:UInt64}}, SHA256(arrayStringConcat(arraySort(groupArrayArray(pieces)))),
                    toFixedString('', 32)) AS digest
            FROM ({groups}) GROUP BY tag
        )
        ORDER BY row
        SETTINGS max_bytes_before_external_group_by = 268435456, max_bytes_before_external_sort = 268435456"""


def _runs(groups: str) -> str:
    """The pieces of some subjects in order, as base64: a result column of text must be UTF-8."""
    return f"""
        SELECT lower(hex(tag)) AS name, base64Encode(arrayStringConcat(arraySort(groupArrayArray(pieces)))) AS run FROM ({groups})
        WHERE tag IN (SELECT unhex(arrayJoin({{tags:Array(String)}}))) GROUP BY tag"""


_ROWS = {dimension: _rows(_groups(*columns)) for dimension, columns in _COLUMNS.items()}
_RUNS = {dimension: _runs(_groups(*columns)) for dimension, columns in _COLUMNS.items()}


class IndexTrees:
    """Index trees of stored logs; the newest few stay in memory for the next question. Not thread-safe; make one per export."""

    def __init__(self, engine: Engine, *, kept: int = 3, large: int = LARGE, reach: int = RANGE) -> None:
        """`kept` trees stay in memory (some 150 bytes a subject); `large` and `reach` bound what a question takes (see above)."""
        self._engine = engine
        self._kept = kept
        self._large = large
        self._reach = reach
        self._trees: OrderedDict[tuple[str, int, Dimension], IndexTree] = OrderedDict()

    def prove(self, record: LogRecord, size: int, dimension: Dimension, subject: str) -> IndexProof:
        """The proof of what the first `size` entries of a log hold about a subject. Raises IntegrityError as `tree` does."""
        wanted = tag(index_key(record.secret, dimension), subject)
        return self.tree(record, size, dimension).prove(wanted)

    def tree(self, record: LogRecord, size: int, dimension: Dimension) -> IndexTree:
        """The tree over the first `size` entries of a log.

        Raises IntegrityError where they are not all there, or it is not kept what a redacted one is filed under.
        """
        key = (record.origin, size, dimension)
        tree = self._trees.pop(key, None) or self._build(record, size, dimension)
        self._trees[key] = tree
        while len(self._trees) > self._kept:
            self._trees.popitem(last=False)
        return tree

    def _build(self, record: LogRecord, size: int, dimension: Dimension) -> IndexTree:
        place = {"epoch": record.epoch, "writer": record.writer}
        low, high = record.first_seq, record.first_seq + size
        stored, lost, first_lost = self._engine.rows(_EXTENT, low=low, high=high, **place)[0]
        if stored != size:
            raise IntegrityError(f"the log {record.origin} has {stored} of its first {size} entries; run phitrail verify")
        if lost:
            raise IntegrityError(
                f"entry {first_lost} of {record.origin} lost its private part without a redaction; run phitrail verify"
            )
        question = {"high": high, "key": index_key(record.secret, dimension).hex(), **place}
        frame = self._engine.frame(_ROWS[dimension], low=low, most=self._large + 1, **question)
        rows: list[bytes] = frame["row"].to_list()
        large = {rows[at][:TAG_SIZE]: at for at in (frame["entries"] > self._large).arg_true().to_list()}
        for subject, digest in self._digests(dimension, list(large), low, question) if large else ():
            rows[large[subject]] = rows[large[subject]][: TAG_SIZE + 8] + digest
        return IndexTree.packed(b"".join(rows))

    def _digests(
        self, dimension: Dimension, subjects: Sequence[bytes], low: int, question: Mapping[str, object]
    ) -> Iterator[tuple[bytes, bytes]]:
        """The digests of subjects, by tag, over the entries from `low` on: read range by range, in order."""
        sums = {subject: hashlib.sha256() for subject in subjects}
        tags, high = [subject.hex() for subject in subjects], int(str(question["high"]))
        for start in range(low, high, self._reach):
            place = {**question, "low": start, "high": min(start + self._reach, high)}
            for name, run in self._engine.rows(_RUNS[dimension], tags=tags, most=self._reach, **place):
                sums[bytes.fromhex(str(name))].update(base64.b64decode(str(run)))
        return ((subject, total.digest()) for subject, total in sums.items())


def index_commitments(engine: Engine, record: LogRecord, size: int) -> Mapping[str, Json]:
    """The field `index` of a seal over a log's first `size` entries: for each dimension number of rows, root, SHA-256 of the key.

    The key is committed to because under another one nobody has a row. Raises IntegrityError as `IndexTrees.tree` does.
    """
    trees = IndexTrees(engine, kept=1)
    found: dict[str, Json] = {}
    for dimension in Dimension:
        tree = trees.tree(record, size, dimension)
        key = hashlib.sha256(index_key(record.secret, dimension)).hexdigest()
        found[dimension.value] = {"size": tree.size, "root": tree.root.hex(), "key_sha256": key}
    return found
