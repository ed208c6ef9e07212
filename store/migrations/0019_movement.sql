-- Where an actor was, what they had done before, and what else was known of the account at the moment of an access.
ALTER TABLE access_facts
    ADD COLUMN IF NOT EXISTS city LowCardinality(String),
    ADD COLUMN IF NOT EXISTS country LowCardinality(String),
    ADD COLUMN IF NOT EXISTS latitude Nullable(Float64),
    ADD COLUMN IF NOT EXISTS longitude Nullable(Float64),
    ADD COLUMN IF NOT EXISTS network_unit LowCardinality(String),
    ADD COLUMN IF NOT EXISTS speed_kmh Float32,
    ADD COLUMN IF NOT EXISTS moves UInt16,
    ADD COLUMN IF NOT EXISTS strange_place UInt8,
    ADD COLUMN IF NOT EXISTS idle_days Int32 DEFAULT -1,
    ADD COLUMN IF NOT EXISTS notice_given UInt8,
    ADD COLUMN IF NOT EXISTS untrained UInt8,
    ADD COLUMN IF NOT EXISTS own_account UInt8,
    ADD COLUMN IF NOT EXISTS unregistered UInt8,
    ADD COLUMN IF NOT EXISTS since_care_days Int32 DEFAULT -1,
    ADD COLUMN IF NOT EXISTS is_manager UInt8;

ALTER TABLE context_staff
    ADD COLUMN IF NOT EXISTS notice_at Nullable(DateTime64(6, 'UTC')),
    ADD COLUMN IF NOT EXISTS last_login_at Nullable(DateTime64(6, 'UTC'));
