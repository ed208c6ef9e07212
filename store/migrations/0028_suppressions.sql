-- What people decided shall open no alert for a while (domain/suppression.py): append-only, a row each time one is set or lifted.
-- Of a lifted row only suppression_id, step, at, by and reason speak. '' stands for a narrowing that is not given.
CREATE TABLE IF NOT EXISTS suppressions
(
    suppression_id String,
    step           LowCardinality(String),
    at             DateTime64(6, 'UTC'),
    by             String,
    reason         String CODEC(ZSTD(3)),
    kind           LowCardinality(String),
    actor_id       String,
    patient_id     String,
    to_domain      String,
    source_system  String,
    rule_id        String,
    until          DateTime64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY (suppression_id, step, at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000,
         min_rows_to_fsync_after_merge = 1;

-- Findings that were held back, and by which suppression; the finding itself is in `findings`.
CREATE TABLE IF NOT EXISTS held_findings
(
    finding_id     String,
    suppression_id String,
    time           DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY finding_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000,
         min_rows_to_fsync_after_merge = 1;
