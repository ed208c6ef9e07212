-- What was seen of a mail domain when it was looked at (store/domain_posture.py): one row a look, the newest at a moment holds then.
-- Unknown is NULL for answers of yes and no and '' for words; `problems` names what could not be learnt or is wrong, each beginning
-- with the field it is about. `mta_sts_expires` is 1970 where no policy is in force.
CREATE TABLE IF NOT EXISTS domain_postures
(
    domain          LowCardinality(String),
    observed_at     DateTime64(6, 'UTC'),
    is_own          UInt8,
    mx              Array(String),
    mta_sts_id      String,
    mta_sts_seen    LowCardinality(String),
    mta_sts_mode    LowCardinality(String),
    mta_sts_mx      Array(String),
    mta_sts_expires DateTime64(6, 'UTC'),
    dane            Nullable(UInt8),
    tls_rpt         Nullable(UInt8),
    spf             String CODEC(ZSTD(1)),
    spf_all         LowCardinality(String),
    dkim            Array(String),
    dmarc           String CODEC(ZSTD(1)),
    dmarc_policy    LowCardinality(String),
    dmarc_subdomain LowCardinality(String),
    dmarc_percent   Nullable(UInt8),
    problems        Array(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (domain, observed_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
