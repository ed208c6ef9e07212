-- What the mail policy (analytics/mail_policy.toml) says about a delivery, a forwarding rule or a change of a mail setting. Outcome is
-- met, broken, unknown or not_sent, '' where nothing is to be judged; the lists are words joined by ', ', the facts sentences.
ALTER TABLE delivery_facts
    ADD COLUMN IF NOT EXISTS policy_outcome LowCardinality(String),
    ADD COLUMN IF NOT EXISTS policy_reasons LowCardinality(String),
    ADD COLUMN IF NOT EXISTS policy_unknown LowCardinality(String),
    ADD COLUMN IF NOT EXISTS policy_facts String CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS mail_policy LowCardinality(String),
    ADD COLUMN IF NOT EXISTS recipient LowCardinality(String),
    ADD COLUMN IF NOT EXISTS misdirected LowCardinality(String);
