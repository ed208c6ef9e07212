-- The ledger (docs/log-format.md). Rows are written once by store/ledger.py and never changed by this program.
-- header and private are the canonical bytes that are hashed; every other column repeats them for queries and is checked against
-- them by store/fsck.py. private_digest is stored only for an entry whose private part was redacted.
CREATE TABLE IF NOT EXISTS events
(
    epoch          UInt32,
    writer         LowCardinality(String),
    seq            UInt64 CODEC(Delta, ZSTD(1)),
    leaf           FixedString(32) CODEC(NONE),
    header         String CODEC(ZSTD(3)),
    private        String CODEC(ZSTD(3)),
    private_digest String DEFAULT '' CODEC(ZSTD(1)),
    event_id       String CODEC(ZSTD(1)),
    source_system  LowCardinality(String),
    source         LowCardinality(String),
    action         LowCardinality(String),
    actor_id       String CODEC(ZSTD(1)),
    actor_kind     LowCardinality(String),
    patient_id     String CODEC(ZSTD(1)),
    outcome        LowCardinality(String),
    time           DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    received       DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    device_id      String CODEC(ZSTD(1)),
    device_kind    LowCardinality(String),
    ip             String CODEC(ZSTD(1)),
    format         LowCardinality(String),
    details        String ALIAS JSONExtractRaw(private, 'details'),
    PROJECTION by_patient (SELECT _part_offset ORDER BY patient_id, time),
    PROJECTION by_actor (SELECT _part_offset ORDER BY actor_id, time),
    PROJECTION by_time (SELECT _part_offset ORDER BY time)
)
ENGINE = MergeTree
PARTITION BY epoch
ORDER BY (writer, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000;

-- Which (source system, event id) is already in the ledger. `content` tells a repeat from a reuse of the id for something else.
-- Small granules: a look-up of one batch of random keys must not read the table.
CREATE TABLE IF NOT EXISTS event_keys
(
    key     FixedString(16),
    content FixedString(16),
    epoch   UInt32,
    writer  LowCardinality(String),
    seq     UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY key
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1;

-- Roots of complete subtrees of 256^level leaves, so that a proof reads a few hundred hashes, however long the log.
CREATE TABLE IF NOT EXISTS tiles
(
    log   LowCardinality(String),
    level UInt8,
    n     UInt64,
    hash  FixedString(32) CODEC(NONE)
)
ENGINE = ReplacingMergeTree
ORDER BY (log, level, n)
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1;

-- The spine: the never-pruned log that commits to the heads of all writers. `heads` is the vector behind heads_root in body.
CREATE TABLE IF NOT EXISTS spine
(
    seq   UInt64,
    time  DateTime64(6, 'UTC'),
    kind  LowCardinality(String),
    body  String CODEC(ZSTD(3)),
    heads String CODEC(ZSTD(3)),
    leaf  FixedString(32) CODEC(NONE)
)
ENGINE = MergeTree
ORDER BY seq
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000;

-- Signed checkpoints of the spine (C2SP tlog-checkpoint in a signed note).
CREATE TABLE IF NOT EXISTS checkpoints
(
    size UInt64,
    time DateTime64(6, 'UTC'),
    note String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
ORDER BY size
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- One log per writer and month of receipt. `previous` is the leaf before its first (the genesis), `secret` salts the private digests.
CREATE TABLE IF NOT EXISTS logs
(
    writer    LowCardinality(String),
    epoch     UInt32,
    origin    String,
    first_seq UInt64,
    previous  FixedString(32),
    secret    FixedString(32)
)
ENGINE = ReplacingMergeTree
ORDER BY (writer, epoch)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
