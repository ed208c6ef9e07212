-- The gap ledger: every interval in which a source was silent, stopped, lost numbers, or could not be relied on (store/source_gaps.py).
-- Append-only, one row a version, the newest version is the state; the insert token "<gap_id>:<version>" makes a version a
-- compare-and-swap. `ended` and `acknowledged` are 1970 while they have not happened. Each version is also an event of the ledger.
CREATE TABLE IF NOT EXISTS source_gaps
(
    gap_id          String,
    version         UInt32,
    source_system   LowCardinality(String),
    kind            LowCardinality(String),
    began           DateTime64(6, 'UTC'),
    ended           DateTime64(6, 'UTC'),
    opened          DateTime64(6, 'UTC'),
    changed         DateTime64(6, 'UTC'),
    step            LowCardinality(String),
    expected        Float64,
    note            String CODEC(ZSTD(3)),
    first_number    UInt64,
    last_number     UInt64,
    evidence_writer LowCardinality(String),
    evidence_seq    Int64,
    acknowledged    DateTime64(6, 'UTC'),
    acknowledged_by String,
    loss            LowCardinality(String),
    reason          String CODEC(ZSTD(3))
)
ENGINE = MergeTree
ORDER BY (gap_id, version)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000,
         min_rows_to_fsync_after_merge = 1;

-- What people declared about a system that should send: append-only, the newest row of a system holds while it is valid.
CREATE TABLE IF NOT EXISTS source_declarations
(
    system        String,
    declared      DateTime64(6, 'UTC'),
    declared_by   String,
    state         LowCardinality(String),
    owner         String,
    source_system LowCardinality(String),
    quiet_seconds UInt32,
    reason        String CODEC(ZSTD(3)),
    valid_until   DateTime64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY (system, declared)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000,
         min_rows_to_fsync_after_merge = 1;
