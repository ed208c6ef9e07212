-- Records that could not be taken into the ledger, byte for byte. Every receipt is a row: a record sent twice has two rows with one
-- id, shown once and counted twice (neighbours compress to little). Nothing here is ever changed; what became of a record later is
-- a row of quarantine_outcomes.
CREATE TABLE IF NOT EXISTS quarantine
(
    id            String,
    received      DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    source_system LowCardinality(String),
    format        LowCardinality(String),
    reason        String CODEC(ZSTD(1)),
    size          UInt64,
    whole         UInt8,
    raw           String CODEC(ZSTD(3)),
    INDEX by_id id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (received, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- A record that was understood later and went into the ledger, as a new entry or as one that was there already.
CREATE TABLE IF NOT EXISTS quarantine_outcomes
(
    id     String,
    at     DateTime64(6, 'UTC'),
    status LowCardinality(String),
    writer LowCardinality(String),
    seq    Int64
)
ENGINE = MergeTree
ORDER BY (id, at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
