-- A merge makes a new part of old ones that were on disk for certain, and the embedded engine removes the old ones soon after: the
-- new part must be on disk first, or a power cut takes what was acknowledged long ago.
ALTER TABLE events MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE event_keys MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE tiles MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE spine MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE checkpoints MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE logs MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE quarantine MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE quarantine_outcomes MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE context_records MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE findings MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE accounts MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE api_keys MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE hold_changes MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE cursors MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE alerts MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE alert_findings MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE deliveries MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE cosignatures MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE timestamps MODIFY SETTING min_rows_to_fsync_after_merge = 1;
ALTER TABLE redactions MODIFY SETTING min_rows_to_fsync_after_merge = 1;
