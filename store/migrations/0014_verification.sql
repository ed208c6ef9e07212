-- How far the scheduled verification has come (store/fsck_progress.py): one row a run, the newest counts. `progress` is JSON; `mac` is
-- HMAC-SHA256 over it in hex, under a key that is not in the database: a row that anybody else wrote is no progress, and costs a full
-- verification. Older rows that come back cost the time since then, and never hide anything.
CREATE TABLE IF NOT EXISTS verification_progress
(
    origin   String,
    at       DateTime64(6, 'UTC'),
    progress String CODEC(ZSTD(1)),
    mac      String
)
ENGINE = ReplacingMergeTree(at)
ORDER BY origin
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
