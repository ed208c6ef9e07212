-- RFC 3161 time-stamps over checkpoints of the spine (store/timestamps.py). `token` is base64 of the TimeStampToken, `token_sha256` hex
-- over its bytes; `note` is the checkpoint it is over, `note_sha256` hex over its text without signatures (the token's imprint).
-- `stage` is how far it has come: 0 stored, 1 its `tsa` entry is in the spine at `spine_seq` (before that: -1), 2 in the ledger too.
CREATE TABLE IF NOT EXISTS timestamps
(
    size         UInt64,
    token_sha256 String,
    note_sha256  String,
    gen_time     DateTime64(6, 'UTC'),
    received     DateTime64(6, 'UTC'),
    authority    LowCardinality(String),
    token        String CODEC(ZSTD(3)),
    note         String CODEC(ZSTD(3)),
    spine_seq    Int64,
    stage        UInt8
)
ENGINE = ReplacingMergeTree(stage)
ORDER BY (size, token_sha256)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
