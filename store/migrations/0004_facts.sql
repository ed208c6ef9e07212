-- Facts derived from ledger entries by analytics: what was known about an access or a delivery at its moment. They can be dropped
-- and computed again from the ledger and the reference data; they are no evidence by themselves.
CREATE TABLE IF NOT EXISTS access_facts
(
    writer             LowCardinality(String),
    seq                UInt64,
    event_id           String CODEC(ZSTD(1)),
    time               DateTime64(6, 'UTC'),
    received           DateTime64(6, 'UTC'),
    source             LowCardinality(String),
    source_system      LowCardinality(String),
    action             LowCardinality(String),
    outcome            LowCardinality(String),
    actor_id           String CODEC(ZSTD(1)),
    actor_kind         LowCardinality(String),
    patient_id         String CODEC(ZSTD(1)),
    device_id          String CODEC(ZSTD(1)),
    device_kind        LowCardinality(String),
    ip                 String CODEC(ZSTD(1)),
    details            String CODEC(ZSTD(3)),
    local_day          Date,
    actor_role         LowCardinality(String),
    actor_department   LowCardinality(String),
    staff_id           String CODEC(ZSTD(1)),
    known              UInt8,
    explained          UInt8,
    reasons            Array(String) CODEC(ZSTD(3)),
    flags              Array(String) CODEC(ZSTD(3)),
    is_self            UInt8,
    is_household       UInt8,
    same_surname       UInt8,
    surname_rarity     Float64,
    is_vip             UInt8,
    is_restricted      UInt8,
    terminated_minutes Int32,
    records            Int64,
    reason             String CODEC(ZSTD(3)),
    reason_kinds       Array(LowCardinality(String)),
    is_coworker        UInt8,
    is_neighbour       UInt8,
    on_leave           UInt8,
    off_shift          UInt8,
    INDEX by_day local_day TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (writer, seq);

-- Reasons that became known only after the access, by the end of its local day (a visit recorded some minutes late, say). The fact
-- keeps what was known at its moment; the two together say whether an access is explained.
CREATE TABLE IF NOT EXISTS late_reasons
(
    writer       LowCardinality(String),
    seq          UInt64,
    local_day    Date,
    reasons      Array(String) CODEC(ZSTD(3)),
    reason_kinds Array(LowCardinality(String))
)
ENGINE = ReplacingMergeTree
ORDER BY (local_day, writer, seq);

CREATE TABLE IF NOT EXISTS delivery_facts
(
    writer         LowCardinality(String),
    seq            UInt64,
    event_id       String CODEC(ZSTD(1)),
    time           DateTime64(6, 'UTC'),
    received       DateTime64(6, 'UTC'),
    source_system  LowCardinality(String),
    action         LowCardinality(String),
    outcome        LowCardinality(String),
    actor_id       String CODEC(ZSTD(1)),
    patient_id     String CODEC(ZSTD(1)),
    to_domain      LowCardinality(String),
    direction      LowCardinality(String),
    category       LowCardinality(String),
    phi            Nullable(UInt8),
    encryption     LowCardinality(String),
    auto_forwarded UInt8,
    tls_verdict    LowCardinality(String),
    tls_version    LowCardinality(String),
    tls_cipher     LowCardinality(String),
    tls_weak       UInt8,
    evidence       String CODEC(ZSTD(1)),
    opted_in       UInt8,
    policy_version LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (writer, seq);
