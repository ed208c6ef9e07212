-- Legal holds as a history: a row places a hold, a second row releases it, no row is ever changed (docs/retention.md). `subject` is the
-- patient or actor id of a hold on one of them; first_epoch and last_epoch (YYYYMM, inclusive) are those of a hold on months.
CREATE TABLE IF NOT EXISTS hold_changes
(
    hold_id     String,
    change      LowCardinality(String),
    at          DateTime64(6, 'UTC'),
    by          String,
    scope       LowCardinality(String),
    subject     String,
    first_epoch UInt32,
    last_epoch  UInt32,
    reason      String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (hold_id, at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000;
