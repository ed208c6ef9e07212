-- What rules and detectors said, in the order it was recorded. Never changed: a larger finding about the same group supersedes the
-- smaller one by its higher number. '' stands for no actor or no patient.
CREATE TABLE IF NOT EXISTS findings
(
    number           UInt64 CODEC(Delta, ZSTD(1)),
    finding_id       String CODEC(ZSTD(1)),
    kind             LowCardinality(String),
    title            String CODEC(ZSTD(3)),
    time             DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    score            Float64,
    severity         LowCardinality(String),
    rule_id          LowCardinality(String),
    rule_version     LowCardinality(String),
    group_key        String CODEC(ZSTD(1)),
    actor_id         String CODEC(ZSTD(1)),
    patient_id       String CODEC(ZSTD(1)),
    evidence_writers Array(String) CODEC(ZSTD(3)),
    evidence_seqs    Array(UInt64) CODEC(ZSTD(3)),
    evidence_ids     Array(String) CODEC(ZSTD(3)),
    explanation      Array(String) CODEC(ZSTD(3)),
    exculpatory      Array(String) CODEC(ZSTD(3)),
    controls         Array(String) CODEC(ZSTD(3)),
    runbook          String CODEC(ZSTD(3)),
    inputs           String CODEC(ZSTD(3)),
    recorded         DateTime64(6, 'UTC') DEFAULT now64(6),
    INDEX by_id finding_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_time time TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY number
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;
