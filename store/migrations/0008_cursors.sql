-- How far each follower of the ledger has come: everything of a writer up to and including seq. A cursor only moves forward.
CREATE TABLE IF NOT EXISTS cursors
(
    name   LowCardinality(String),
    writer LowCardinality(String),
    seq    Int64
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY (name, writer)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Which local days have events that the daily detectors have not seen. `touched` and `closed` are follower progress (events consumed
-- so far), so a late event makes its day due again; `touched_at` is when that was.
CREATE TABLE IF NOT EXISTS follower_days
(
    name       LowCardinality(String),
    day        Date,
    touched    SimpleAggregateFunction(max, UInt64),
    closed     SimpleAggregateFunction(max, UInt64),
    touched_at SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (name, day)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
