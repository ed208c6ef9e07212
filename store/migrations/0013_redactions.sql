-- Entries whose private part was removed for good, or is about to be (docs/log-format.md section 10; docs/redaction.md). A row is
-- written before the `redact` entry of the spine, to which `root` belongs; `spine_seq` is that entry's number, -1 until it is known.
-- private_digest, patient_tag and actor_tag are lower-case hex: what the entry is hashed with, and what it is filed under in the index
-- trees of its log, '' where it is in no tree.
CREATE TABLE IF NOT EXISTS redactions
(
    epoch          UInt32,
    writer         LowCardinality(String),
    seq            UInt64,
    private_digest String CODEC(ZSTD(1)),
    patient_tag    String CODEC(ZSTD(1)),
    actor_tag      String CODEC(ZSTD(1)),
    root           String CODEC(ZSTD(1)),
    spine_seq      Int64
)
ENGINE = MergeTree
ORDER BY (epoch, writer, seq)
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1;
