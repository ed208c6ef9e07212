-- The health of each source, rolled up from the ledger by hour of receipt (store/source_health.py). Rows of one key add up;
-- `last_seq` per writer is the cursor of the roll-up. It can be dropped and made again from the ledger.
-- `lag` counts half octaves of (1 + seconds) from the claimed time to receipt, so that quantiles need no stored events: bucket n >= 0
-- is [2^(n/2) - 1, 2^((n+1)/2) - 1) seconds; below nought the claimed time lies in the future, bucket -1 is nearest to now.
-- `*_due` counts events that should have the field, `*_missing` those of them without it.
CREATE TABLE IF NOT EXISTS source_health
(
    source_system   LowCardinality(String),
    hour            DateTime('UTC'),
    writer          LowCardinality(String),
    format          LowCardinality(String),
    stream          LowCardinality(String),
    lag             Int16,
    events          SimpleAggregateFunction(sum, UInt64),
    patient_due     SimpleAggregateFunction(sum, UInt64),
    patient_missing SimpleAggregateFunction(sum, UInt64),
    device_due      SimpleAggregateFunction(sum, UInt64),
    device_missing  SimpleAggregateFunction(sum, UInt64),
    ip_due          SimpleAggregateFunction(sum, UInt64),
    ip_missing      SimpleAggregateFunction(sum, UInt64),
    details_due     SimpleAggregateFunction(sum, UInt64),
    details_missing SimpleAggregateFunction(sum, UInt64),
    first_received  SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last_received   SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    last_claimed    SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    first_seq       SimpleAggregateFunction(min, UInt64),
    last_seq        SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (source_system, hour, writer, format, stream, lag)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000;

-- Entries in which a source says that its recording stopped, started again, or had a gap (from `began` to `ended`, where it says so).
CREATE TABLE IF NOT EXISTS source_marks
(
    source_system LowCardinality(String),
    time          DateTime64(6, 'UTC'),
    writer        LowCardinality(String),
    seq           UInt64,
    received      DateTime64(6, 'UTC'),
    action        LowCardinality(String),
    began         DateTime64(6, 'UTC'),
    ended         DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (source_system, time, writer, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Numbers that a source gave its events (details.sequence), as runs without a hole: of runs that begin alike the longest holds. Runs
-- may overlap; what no run covers is missing. The receipts are those of the first and last number.
CREATE TABLE IF NOT EXISTS source_numbers
(
    source_system  LowCardinality(String),
    first          UInt64,
    last           UInt64,
    first_received DateTime64(6, 'UTC'),
    last_received  DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(last)
ORDER BY (source_system, first)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- When this system itself was watching its sources: nobody is blamed for a silence that nobody listened to.
CREATE TABLE IF NOT EXISTS source_watch
(
    hour  DateTime('UTC'),
    first SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last  SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY hour
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
