-- When a fact was written: what is kept in memory by day (store/day_cache.py) is made anew when anything of the day was written since.
-- Rows from before have one fixed moment. Then the column is given by the engine with every insert.
ALTER TABLE access_facts ADD COLUMN IF NOT EXISTS written DateTime64(6, 'UTC') DEFAULT toDateTime64(0, 6, 'UTC');
ALTER TABLE access_facts MATERIALIZE COLUMN written;
ALTER TABLE access_facts MODIFY COLUMN written DateTime64(6, 'UTC') DEFAULT now64(6);
ALTER TABLE late_reasons ADD COLUMN IF NOT EXISTS written DateTime64(6, 'UTC') DEFAULT toDateTime64(0, 6, 'UTC');
ALTER TABLE late_reasons MATERIALIZE COLUMN written;
ALTER TABLE late_reasons MODIFY COLUMN written DateTime64(6, 'UTC') DEFAULT now64(6);
