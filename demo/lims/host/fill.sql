-- Deterministic data. psql variables: results (how many), files (instrument files of 1 MiB). Indexes last: they build faster.
SET synchronous_commit = off;
SET maintenance_work_mem = '256MB';
INSERT INTO method VALUES
    ('ph', 'pH', 6.5, 9.5), ('chloride', 'mg/l', 0, 250), ('nitrate', 'mg/l', 0, 50),
    ('lead', 'µg/l', 0, 10), ('turbidity', 'NTU', 0, 1), ('hardness', '°dH', 4, 21);
INSERT INTO sample (id, code, client, material, status, received_at)
    SELECT i, 'S-' || lpad(i::text, 7, '0'), 'Client ' || (1 + i * 7919 % 83),
           (ARRAY['drinking water', 'well water', 'waste water', 'soil'])[1 + i * 31 % 4],
           CASE WHEN i > :results / 4 - 200 THEN 'open' ELSE 'closed' END,
           timestamptz '2026-11-20 14:00+01' - (:results / 4 - i) * interval '4 minutes'
    FROM generate_series(1::bigint, :results / 4) AS i;
INSERT INTO analysis (id, sample_id, method, status)
    SELECT i, 1 + (i - 1) / 4, (ARRAY['ph', 'chloride', 'nitrate', 'lead', 'turbidity', 'hardness'])[1 + i * 7 % 6],
           CASE WHEN i > :results - 800 THEN 'open' ELSE 'done' END
    FROM generate_series(1::bigint, :results / 4 * 4) AS i;
INSERT INTO result (id, analysis_id, value, unit, lower_limit, upper_limit, status, entered_by, entered_at, approved_by, approved_at)
    SELECT i, i, round(m.lower_limit + (m.upper_limit - m.lower_limit) * (i * 48271 % 1049) / 1000.0, 3), m.unit, m.lower_limit,
           m.upper_limit, s.status, (ARRAY['huber', 'gruber', 'wagner', 'auto1', 'auto2'])[1 + i * 11 % 5], s.entered,
           CASE WHEN s.status = 'approved' THEN (ARRAY['moser', 'pichler'])[1 + i % 2] END,
           CASE WHEN s.status = 'approved' THEN s.entered + interval '3 hours' END
    FROM (SELECT i, CASE WHEN i > :results - 400 AND i * 13 % 5 > 0 OR i % 97 = 0 THEN 'entered' ELSE 'approved' END AS status,
                 timestamptz '2026-11-20 14:30+01' - (:results - i) * interval '1 minute' AS entered
          FROM generate_series(1::bigint, :results / 4 * 4) AS i) AS s
    JOIN analysis a ON a.id = s.i JOIN method m ON m.name = a.method ORDER BY i;
INSERT INTO audit_log (person, action, result_id, at)
    SELECT approved_by, 'approve', id, approved_at FROM result WHERE status = 'approved' AND id % 4 = 0 ORDER BY id;
INSERT INTO instrument_file (analysis_id, content)
    SELECT i, decode(repeat(md5(i::text), 65536), 'hex') FROM generate_series(1, :files) AS i;
ALTER TABLE sample ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX sample_code_key ON sample (code text_pattern_ops);
ALTER TABLE analysis ADD PRIMARY KEY (id);
CREATE INDEX analysis_sample_idx ON analysis (sample_id);
ALTER TABLE result ADD PRIMARY KEY (id);
CREATE INDEX result_analysis_idx ON result (analysis_id);
CREATE INDEX result_entered_idx ON result (entered_at);
ALTER TABLE audit_log ADD PRIMARY KEY (id);
ALTER TABLE instrument_file ADD PRIMARY KEY (id);
ALTER TABLE analysis ADD FOREIGN KEY (sample_id) REFERENCES sample (id);
ALTER TABLE result ADD FOREIGN KEY (analysis_id) REFERENCES analysis (id);
CREATE INDEX outbox_due_idx ON outbox (id) WHERE delivered_at IS NULL;
SELECT setval(pg_get_serial_sequence(t, 'id'), greatest(:results / 4 * 4, 1)) FROM unnest(ARRAY['sample', 'analysis', 'result', 'audit_log']) AS t;
SELECT setval(pg_get_serial_sequence('instrument_file', 'id'), greatest(:files, 1));
INSERT INTO schema_migrations (version, applied_at)
    SELECT lpad(i::text, 4, '0'), timestamptz '2025-11-03 19:00+01' FROM generate_series(1, 50) AS i;
ANALYZE;
