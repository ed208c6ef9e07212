-- Alerts as people work them: append-only, one row a version, the newest version is the state (store/alerts.py).
-- The deduplication window is what makes a version a compare-and-swap: its token is "<alert_id>:<version>", so of two writers of
-- the same version one wins and the other reads back a row that is not its own.
-- `raised` marks the versions that were news: the opening, and each rise in severity.
CREATE TABLE IF NOT EXISTS alerts
(
    alert_id          String,
    version           UInt32,
    time              DateTime64(6, 'UTC'),
    opened            DateTime64(6, 'UTC'),
    updated           DateTime64(6, 'UTC'),
    raised            Bool,
    status            LowCardinality(String),
    severity          LowCardinality(String),
    score             Float64,
    kind              LowCardinality(String),
    title             String CODEC(ZSTD(3)),
    actor_id          String,
    patient_id        String,
    group_key         String,
    finding_ids       Array(String) CODEC(ZSTD(3)),
    evidence_writer   Array(String) CODEC(ZSTD(3)),
    evidence_seq      Array(UInt64) CODEC(ZSTD(3)),
    evidence_event_id Array(String) CODEC(ZSTD(3)),
    explanation       Array(String) CODEC(ZSTD(3)),
    exculpatory       Array(String) CODEC(ZSTD(3)),
    rule_id           LowCardinality(String),
    rule_version      LowCardinality(String),
    controls          Array(String),
    runbook           String CODEC(ZSTD(3)),
    changed_by        String,
    note              String CODEC(ZSTD(3)),
    INDEX by_group_key group_key TYPE bloom_filter GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (alert_id, version)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- The findings an alert was built from, as they were then: its history stands even where findings are computed again.
CREATE TABLE IF NOT EXISTS alert_findings
(
    alert_id   String,
    finding_id String,
    time       DateTime64(6, 'UTC'),
    actor_id   String,
    patient_id String,
    finding    String CODEC(ZSTD(3)),
    INDEX by_actor actor_id TYPE bloom_filter GRANULARITY 1,
    INDEX by_patient patient_id TYPE bloom_filter GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (alert_id, finding_id)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- The outbox: what is to be sent, to whom, and what became of it. Append-only, one row a step, claimed by the same
-- compare-and-swap with the token "<delivery_id>:<step>" (store/outbox.py).
CREATE TABLE IF NOT EXISTS deliveries
(
    delivery_id String,
    step        UInt32,
    alert_id    String,
    version     UInt32,
    channel     LowCardinality(String),
    state       LowCardinality(String),
    attempt     UInt32,
    due         DateTime64(6, 'UTC'),
    planned     DateTime64(6, 'UTC'),
    at          DateTime64(6, 'UTC'),
    holder      LowCardinality(String),
    error       LowCardinality(String),
    INDEX by_alert alert_id TYPE bloom_filter GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (delivery_id, step)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- How much each source sent in each hour of receipt: what silence is judged by, without reading the ledger (store/sources.py).
-- Rows of the same key add up; `last_seq` per writer is the cursor of the roll-up.
CREATE TABLE IF NOT EXISTS source_hours
(
    source_system  LowCardinality(String),
    hour           DateTime('UTC'),
    writer         LowCardinality(String),
    events         SimpleAggregateFunction(sum, UInt64),
    first_received SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last_received  SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    last_claimed   SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    last_seq       SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (source_system, hour, writer)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000;
