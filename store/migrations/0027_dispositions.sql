-- What a person found an alert to be when resolving it (domain.finding.Disposition); '' where nobody said.
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS disposition LowCardinality(String);
