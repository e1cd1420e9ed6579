-- 0052: results outside their limits are flagged, and the list can be filtered by it
BEGIN;
ALTER TABLE result ADD COLUMN flag text;
CREATE INDEX result_flag_idx ON result (flag, entered_at);
UPDATE result SET flag = CASE WHEN value < lower_limit THEN 'low' WHEN value > upper_limit THEN 'high' ELSE 'normal' END;
INSERT INTO schema_migrations (version) VALUES ('0052');
COMMIT;
