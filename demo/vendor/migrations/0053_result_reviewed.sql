-- 0053: four-eyes review
BEGIN;
ALTER TABLE result ADD COLUMN reviewed boolean DEFAULT false;
CREATE INDEX result_reviewed_idx ON result (reviewed, entered_at) WHERE NOT reviewed;
UPDATE result SET reviewed = (status = 'approved');
ALTER TABLE result ALTER COLUMN reviewed SET NOT NULL;
INSERT INTO schema_migrations (version) VALUES ('0053');
COMMIT;
