-- What else a mail event shows: the kinds of identifier in its subject (never the values), signs that rules ask about, what sent it,
-- whether it is a reply or a bounce, where the receiving server is at home, by which message it is known elsewhere ('' where nothing
-- has to be found by it), and how long it had been on the way (-1 where nobody said).
ALTER TABLE delivery_facts
    ADD COLUMN IF NOT EXISTS subject_identifiers Array(LowCardinality(String)),
    ADD COLUMN IF NOT EXISTS mail_signs Array(LowCardinality(String)),
    ADD COLUMN IF NOT EXISTS sent_by LowCardinality(String),
    ADD COLUMN IF NOT EXISTS answers LowCardinality(String),
    ADD COLUMN IF NOT EXISTS mx_home LowCardinality(String),
    ADD COLUMN IF NOT EXISTS message_key String CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS transit_seconds Int64 DEFAULT -1;
