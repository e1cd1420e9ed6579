-- 0053: four-eyes review
BEGIN;
ALTER TABLE result ADD COLUMN reviewed boolean DEFAULT false;
UPDATE result SET reviewed = (status = 'approved');
ALTER TABLE result ALTER COLUMN reviewed SET NOT NULL;
CREATE INDEX result_reviewed_idx ON result (reviewed) WHERE NOT reviewed;
INSERT INTO schema_migrations (version) VALUES ('0053');
COMMIT;
