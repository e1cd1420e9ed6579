-- 0051: every result gets a public identifier
BEGIN;
ALTER TABLE result ADD COLUMN public_id uuid DEFAULT gen_random_uuid() NOT NULL;
CREATE UNIQUE INDEX result_public_id_key ON result (public_id);
INSERT INTO schema_migrations (version) VALUES ('0051');
COMMIT;
