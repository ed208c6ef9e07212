-- Which hop the record about TLS speaks of (delivery, submission, caller, inbound, internal, unknown), the bits of the symmetric key
-- (0: not known), and whether the source stated what the verdict says (stated, inferred, unknown). '' in facts of earlier versions.
ALTER TABLE delivery_facts
    ADD COLUMN IF NOT EXISTS tls_leg LowCardinality(String),
    ADD COLUMN IF NOT EXISTS tls_bits UInt16,
    ADD COLUMN IF NOT EXISTS tls_confidence LowCardinality(String);
