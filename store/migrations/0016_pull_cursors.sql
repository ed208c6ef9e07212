-- How far each pull connector has read its source (ingest/pull): everything that `cursor` (JSON, the connector's own) stands behind is in
-- the ledger or in quarantine. `step` counts the moves, the highest counts; `moved` is when.
CREATE TABLE IF NOT EXISTS pull_cursors
(
    name   String,
    step   UInt64,
    cursor String CODEC(ZSTD(3)),
    moved  DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(step)
ORDER BY name
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- What a source no longer gave when we asked for it: from `start` up to `end` something may be missing, and `reason` says why.
-- Noted before the cursor moves past it, so a repeat after a stop replaces the row of the same start.
CREATE TABLE IF NOT EXISTS pull_gaps
(
    name   String,
    start  DateTime64(6, 'UTC'),
    end    DateTime64(6, 'UTC'),
    reason String,
    noted  DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(noted)
ORDER BY (name, start, reason)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;
