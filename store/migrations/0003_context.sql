-- Reference data (docs/reference-data.md). context_records keeps every version of every record as given; the other tables repeat
-- it as rows for joins and can be made again from it. A version is knowledge in [known_from, known_until); revision is the load that
-- wrote the row (microseconds), so that closing a version replaces its rows.
CREATE TABLE IF NOT EXISTS context_records
(
    kind         LowCardinality(String),
    key          String CODEC(ZSTD(1)),
    version      UInt32,
    known_from   DateTime64(6, 'UTC'),
    loaded_at    DateTime64(6, 'UTC'),
    content_hash String CODEC(ZSTD(1)),
    body         String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(loaded_at)
ORDER BY (kind, key, version)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Members of staff. *_key columns are normalised for comparison, never for display.
CREATE TABLE IF NOT EXISTS context_staff
(
    staff_id       String,
    version        UInt32,
    known_from     DateTime64(6, 'UTC'),
    known_until    DateTime64(6, 'UTC'),
    account_id     String,
    kind           LowCardinality(String),
    role           LowCardinality(String),
    department     LowCardinality(String),
    unit           LowCardinality(String),
    manager_id     String,
    own_patient_id String,
    terminated_at  Nullable(DateTime64(6, 'UTC')),
    schedule       String,
    name_key       String,
    surname_key    String,
    birth          String,
    address_key    String,
    street_key     String,
    house_number   Int32,
    phone_key      String,
    contact_name   String,
    contact_phone  String,
    revision       UInt64
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (staff_id, version)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS context_patients
(
    patient_id      String,
    version         UInt32,
    known_from      DateTime64(6, 'UTC'),
    known_until     DateTime64(6, 'UTC'),
    vip             UInt8,
    vip_since       Nullable(DateTime64(6, 'UTC')),
    restricted      UInt8,
    email_key       String,
    name_key        String,
    surname_key     String,
    birth           String,
    address_key     String,
    former_address  String,
    street_key      String,
    house_number    Int32,
    phone_key       String,
    contact_name    String,
    contact_phone   String,
    revision        UInt64
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (patient_id, version)
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1;

-- Who has to do with a patient, from when to when: subject_kind says what subject is (staff, department, unit, protocol).
CREATE TABLE IF NOT EXISTS context_links
(
    patient_id   String CODEC(ZSTD(1)),
    link         LowCardinality(String),
    record       String CODEC(ZSTD(1)),
    version      UInt32,
    part         UInt32,
    subject_kind LowCardinality(String),
    subject      String CODEC(ZSTD(1)),
    valid_from   DateTime64(6, 'UTC'),
    valid_to     Nullable(DateTime64(6, 'UTC')),
    known_from   DateTime64(6, 'UTC'),
    known_until  DateTime64(6, 'UTC'),
    revision     UInt64
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (patient_id, link, record, version, part)
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1;

-- Where a member of staff stands, from when to when: a shift on a unit, a protocol, a former post, a leave.
CREATE TABLE IF NOT EXISTS context_duties
(
    staff_id    String,
    duty        LowCardinality(String),
    record      String,
    version     UInt32,
    kind        LowCardinality(String),
    place       String,
    department  LowCardinality(String),
    role        LowCardinality(String),
    mentor_id   String,
    valid_from  DateTime64(6, 'UTC'),
    valid_to    Nullable(DateTime64(6, 'UTC')),
    known_from  DateTime64(6, 'UTC'),
    known_until DateTime64(6, 'UTC'),
    revision    UInt64
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (staff_id, duty, record, version)
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1;
