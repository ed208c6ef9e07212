-- Who may use this installation. Rows are only added; the state of an account, key or session is its newest row, so that who
-- granted what, and when, stays on record. Passwords are stored as argon2id, keys and session tokens as SHA-256 only.
CREATE TABLE IF NOT EXISTS accounts
(
    name          String,
    changed       DateTime64(6, 'UTC'),
    version       UInt64,
    password_hash String,
    roles         Array(LowCardinality(String)),
    disabled      UInt8,
    changed_by    String
)
ENGINE = MergeTree
ORDER BY (name, version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS api_keys
(
    key_id     String,
    changed    DateTime64(6, 'UTC'),
    version    UInt64,
    digest     FixedString(32),
    label      String,
    roles      Array(LowCardinality(String)),
    revoked    UInt8,
    changed_by String
)
ENGINE = MergeTree
ORDER BY (key_id, version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- When a key was last used, to the minute.
CREATE TABLE IF NOT EXISTS api_key_uses
(
    key_id String,
    used   DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(used)
ORDER BY key_id;

CREATE TABLE IF NOT EXISTS sessions
(
    digest  FixedString(32),
    account String,
    started DateTime64(6, 'UTC'),
    seen    DateTime64(6, 'UTC'),
    ended   UInt8
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(started)
ORDER BY (digest, seen)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Attempts to sign in, for the lock-out. What was typed as a name is kept as a digest: people type passwords there.
CREATE TABLE IF NOT EXISTS login_attempts
(
    name_digest FixedString(32),
    address     String,
    time        DateTime64(6, 'UTC'),
    succeeded   UInt8
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY time;
