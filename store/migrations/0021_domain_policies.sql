-- What a site demands of mail to a domain and everything below it (domain/domain_policy.py): append-only words, each set or withdrawn by
-- somebody at a moment. `demand` is '' where it withdraws, `until` 1970 where it holds until it is withdrawn.
CREATE TABLE IF NOT EXISTS domain_policies
(
    domain       String,
    sender_class LowCardinality(String),
    at           DateTime64(6, 'UTC'),
    demand       LowCardinality(String),
    by           String,
    reason       String CODEC(ZSTD(3)),
    until        DateTime64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY (domain, sender_class, at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000,
         min_rows_to_fsync_after_merge = 1;

-- What was demanded of a delivery at its moment, by which policies, whether it was met, broken or unknown, and the clause for people;
-- '' where nothing was demanded.
ALTER TABLE delivery_facts
    ADD COLUMN IF NOT EXISTS demanded LowCardinality(String),
    ADD COLUMN IF NOT EXISTS demanded_by LowCardinality(String),
    ADD COLUMN IF NOT EXISTS demand_outcome LowCardinality(String),
    ADD COLUMN IF NOT EXISTS demand_fact String CODEC(ZSTD(1));
