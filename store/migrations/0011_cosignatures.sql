-- Cosignatures of witnesses over the checkpoints of the spine (c2sp.org/tlog-cosignature), as they were verified on receipt. `name` is the
-- witness's in the policy file, `line` its signature line in the note, `timestamp` the time that the line states.
CREATE TABLE IF NOT EXISTS cosignatures
(
    size      UInt64,
    name      String,
    timestamp DateTime64(6, 'UTC'),
    line      String CODEC(ZSTD(1)),
    received  DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(received)
ORDER BY (size, name)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
