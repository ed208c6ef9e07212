-- Whom the patient lives with: a person in the public eye; a colleague of the actor's department (1) or unit (2).
ALTER TABLE access_facts
    ADD COLUMN IF NOT EXISTS vip_household UInt8,
    ADD COLUMN IF NOT EXISTS colleague_household UInt8;

-- Who opened charts of patients in which care on a local day: `department` is that of the actors, '' everybody; the care is a kind of
-- tie (`context_links`) and the department that gives it. What reasons are learned from; computed again from facts and reference data.
CREATE TABLE IF NOT EXISTS collaborations
(
    day         Date,
    department  LowCardinality(String),
    care        LowCardinality(String),
    place       LowCardinality(String),
    actors      Array(String) CODEC(ZSTD(1)),
    charts      UInt32,
    computed_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(day)
ORDER BY (day, department, care, place);

-- What was learned from the days before `day`, as it was used on that day.
CREATE TABLE IF NOT EXISTS learned_reasons
(
    day         Date,
    reason_id   FixedString(12),
    department  LowCardinality(String),
    care        LowCardinality(String),
    place       LowCardinality(String),
    people      UInt32,
    charts      UInt32,
    of_charts   UInt32,
    days        UInt32,
    window_from Date,
    window_to   Date,
    version     LowCardinality(String),
    computed_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(day)
ORDER BY (day, reason_id);

-- What people decided about a learned reason; the newest counts. Rows are never changed.
CREATE TABLE IF NOT EXISTS learned_decisions
(
    reason_id  FixedString(12),
    decision   LowCardinality(String),
    account    String,
    note       String,
    decided_at DateTime64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY (reason_id, decided_at);
