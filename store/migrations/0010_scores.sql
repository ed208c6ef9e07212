-- The ranking (analytics/daily.py): what was looked at, what came out, and the model that said so. Every row can be computed again
-- from the facts up to the end of its day.

-- One row per (actor, object, local day): the object is the patient or, for mail without one, the domain of the recipient.
CREATE TABLE IF NOT EXISTS scores
(
    day         Date,
    actor_id    String CODEC(ZSTD(1)),
    object_id   String CODEC(ZSTD(1)),
    score       Float64,
    model       LowCardinality(String),
    reasons     Array(String) CODEC(ZSTD(3)),
    computed_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(day)
ORDER BY (day, actor_id, object_id);

-- The feature vectors behind access scores: training data of later days. `features` names the version of the feature list.
CREATE TABLE IF NOT EXISTS score_features
(
    day         Date,
    actor_id    String CODEC(ZSTD(1)),
    object_id   String CODEC(ZSTD(1)),
    features    LowCardinality(String),
    vector      Array(Float32) CODEC(ZSTD(1)),
    computed_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(day)
ORDER BY (day, actor_id, object_id);

-- Models by content: the hash covers features, weights, seed and training window, so equal hashes are equal models.
CREATE TABLE IF NOT EXISTS score_models
(
    model       String,
    day         Date,
    window_from Date,
    window_to   Date,
    rows        UInt64,
    verdicts    UInt64,
    body        String CODEC(ZSTD(3)),
    computed_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(computed_at)
ORDER BY (day, model);
